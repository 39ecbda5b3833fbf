//! The protocol from end to end, in memory: what the crate promises about whole messages.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop at the first surprise"
)]

mod cbor_tree;
mod cddl;
mod certificates;
mod cose_interop;
mod defects;
mod envelope;
mod kinds;
mod order_interop;
mod order_properties;
mod pages;
mod presentation;
mod properties;
mod samples;
mod signatures;
mod sizes;
mod town;
mod vectors;
