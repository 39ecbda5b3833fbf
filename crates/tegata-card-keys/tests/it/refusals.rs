//! Each refusal, and cards that aren't what they were.
