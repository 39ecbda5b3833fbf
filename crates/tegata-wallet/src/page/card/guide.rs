//! The interface program that a bill may name (K2): a shop's own guide through a card payment.
//!
//! ```text
//! signed bill ── SHA-256 ──▶ GET {shop}/v1/card-interface ── the same digest? ──▶ frame
//! frame: sandbox, an origin of its own, one script by its hash, no network
//!    │ asks: begin, read aloud          ▲ is told: the state, the bill's total
//!    ▼                                  │
//! the wallet's page: both consents, with the wallet's own figures, outside the frame
//! ```
//! It's a guest. It never sees the forms' token, the card's balance, or what the card said; and what it
//! asks for is only ever the next form that the member would have sent by hand, after the first consent
//! and before the second.

use std::sync::Arc;

use maud::{Markup, html};
use tegata_pages::Texts;
use tegata_protocol::{Digest, purchase::Bill};

use crate::kept::KnownShop;

/// The most bytes of a guide.
const LIMIT: usize = 64 * 1024;

/// Where its frame is.
pub(super) const FRAME: &str = "/card/guide";

/// A guide that a bill names; its text once it was fetched.
#[derive(Clone, Debug)]
pub(in crate::page) struct Guide {
    pub(super) bill: Digest,
    pub(super) digest: Digest,
    pub(super) shop: String,
    pub(super) text: Option<Arc<str>>,
}

impl Guide {
    pub(super) fn of(bill: Digest, named: &Bill, shop: &KnownShop) -> Option<Self> {
        Some(Self {
            bill,
            digest: named.interface?,
            shop: shop.address.clone(),
            text: None,
        })
    }
}

/// The very bytes that the bill names, if a page can carry them as they are.
///
/// # Errors
/// The name of the sentence that says why not.
pub fn fitting(bytes: &[u8], named: Digest) -> Result<&str, &'static str> {
    if bytes.len() > LIMIT {
        return Err("guide.unfit");
    }
    if Digest::of(bytes) != named {
        return Err("guide.altered");
    }
    let text = std::str::from_utf8(bytes).map_err(|_e| "guide.unfit")?;
    let lower = text.to_ascii_lowercase();
    // A reader of HTML would end the script there, or read other line breaks than were hashed.
    let breaks_out = ["</script", "<script", "<!--", "\r", "\0"];
    if breaks_out.iter().any(|part| lower.contains(part)) {
        return Err("guide.unfit");
    }
    Ok(text)
}

/// Where the script puts the frame. Without script there's no guide, and the forms do as well.
pub(super) fn place(t: Texts<'_>, bill: &str, total: &str, shop: &str) -> Markup {
    html! {
        p id="card-said" role="status" {}
        section.guide id="card-guide" hidden data-frame=(format!("{FRAME}?bill={bill}"))
            data-amount=(total) data-shop=(shop) data-title=(t.text("guide.title"))
            data-laid=(t.text("guide.laid")) data-lay=(t.text("guide.lay"))
            data-reading=(t.text("guide.reading")) data-stopped=(t.text("guide.stopped")) {
            h2 { (t.fill("guide.of", &[("shop", shop)])) }
            p.small { (t.text("guide.what")) }
            div {}
            p { button.secondary type="button" { (t.text("guide.without")) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &[u8]) -> Result<&str, &'static str> {
        fitting(text, Digest::of(text))
    }

    #[test]
    fn only_the_named_bytes_fit() {
        let text = b"parent.postMessage(1, '*')\n";
        assert!(judged(text).is_ok());
        let mut other = text.to_vec();
        other[0] ^= 1;
        assert_eq!(fitting(&other, Digest::of(text)), Err("guide.altered"));
        assert_eq!(judged(&vec![b' '; LIMIT + 1]), Err("guide.unfit"));
        assert!(judged(&vec![b' '; LIMIT]).is_ok());
    }

    #[test]
    fn what_html_reads_otherwise_than_it_was_hashed_doesnt_fit() {
        for bad in [
            &b"'</SCRIPT><b>'"[..],
            b"'<!--<script>'",
            b"a\r\nb",
            b"a\0b",
            b"\xff",
        ] {
            assert_eq!(judged(bad), Err("guide.unfit"), "{bad:?}");
        }
    }
}
