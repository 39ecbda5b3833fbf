//! Measuring aid.
