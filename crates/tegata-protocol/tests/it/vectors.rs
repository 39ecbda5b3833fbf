//! The vectors in `spec/vectors/`: written from fixed seeds, read back and judged.

use crate::pages;

#[test]
#[ignore = "writes spec/; run it after a change of format: cargo test -p tegata-protocol -- --ignored regenerate_vectors"]
fn regenerate_vectors() {
    pages::regenerate_refusals();
}
