//! The card's tests.
