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

use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::IntoResponse as _,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;
use tegata_http::HttpError;
use tegata_pages::{Language, Texts};
use tegata_protocol::{Digest, purchase::Bill};

use super::{
    super::{Answer, Here, act::apart, texts},
    Seat,
};
use crate::{kept::KnownShop, wallet::Wallet};

/// The most bytes of a guide.
const LIMIT: usize = 64 * 1024;

/// Runs before the guide. No policy stops WebRTC, which is a way out; so what makes it is taken away, and
/// the policy's trusted types keep the guide from writing a fresh frame that would have it again.
const BEFORE: &str = "for (const name of Object.getOwnPropertyNames(globalThis)) \
                      if (/RTC|XSLT/.test(name)) delete globalThis[name]";

/// Where it's offered.
const PATH: &str = "/v1/card-interface";

/// Where its frame is.
pub(super) const FRAME: &str = "/card/guide";

/// A guide that a bill names; its text once it was fetched.
#[derive(Clone, Debug)]
pub(in crate::page) struct Guide {
    bill: Digest,
    digest: Digest,
    shop: String,
    text: Option<Arc<str>>,
}

impl Guide {
    fn of(bill: Digest, named: &Bill, shop: &KnownShop) -> Option<Self> {
        Some(Self {
            bill,
            digest: named.interface?,
            shop: shop.address.clone(),
            text: None,
        })
    }
}

impl Seat {
    /// A bill is shown: from now on its guide can be asked for, and no other.
    pub(super) fn offer(&mut self, bill: Digest, named: &Bill, shop: &KnownShop) -> bool {
        let new = Guide::of(bill, named, shop);
        let old = self.guide.take();
        let same = |guide: &Guide| Some(guide.digest) == named.interface;
        let text = old.filter(same).and_then(|guide| guide.text);
        self.guide = new.map(|guide| Guide { text, ..guide });
        self.guide.is_some()
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    bill: String,
}

/// The frame with the guide in it, or a sentence that says why there's none.
pub(super) async fn frame(
    State(desk): Here,
    language: Language,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Answer {
    let found = apart(&desk, move |desk| {
        let found = desk.with_seat(&headers, |wallet, seat, _| {
            Ok(fetched(wallet, seat, &asked.bill))
        });
        match found {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => Err("guide.none"),
        }
    });
    let (text, digest) = found.await?.map_err(|why| {
        let error = HttpError::new(StatusCode::CONFLICT, "no_guide");
        error.text(texts(language).text(why))
    })?;
    framed(language, &text, digest)
}

type Found = Result<(Arc<str>, Digest), &'static str>;

/// Fetches it once, and believes its digest alone.
fn fetched(wallet: &Wallet, seat: &mut Seat, bill: &str) -> Found {
    let guide = seat.guide.as_mut().ok_or("guide.none")?;
    if guide.bill.to_string() != bill {
        return Err("guide.none");
    }
    if let Some(text) = &guide.text {
        return Ok((Arc::clone(text), guide.digest));
    }
    let bytes = wallet.client().get(&guide.shop, PATH);
    let bytes = bytes.map_err(|_unreachable| "guide.away")?;
    let text: Arc<str> = fitting(&bytes, guide.digest)?.into();
    guide.text = Some(Arc::clone(&text));
    Ok((text, guide.digest))
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

/// The frame's document. Header and frame both take its origin away.
fn framed(language: Language, text: &str, digest: Digest) -> Answer {
    let hash = |digest: Digest| BASE64_STANDARD.encode(digest.as_bytes());
    let (before, guide) = (hash(Digest::of(BEFORE.as_bytes())), hash(digest));
    let policy = format!(
        "sandbox allow-scripts; default-src 'none'; \
         script-src 'sha256-{before}' 'sha256-{guide}'; \
         require-trusted-types-for 'script'; trusted-types 'none'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    );
    let policy = HeaderValue::from_str(&policy);
    let policy = policy.map_err(|error| HttpError::fault("framing a guide", error).bare())?;
    let document = html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (texts(language).text("guide.title")) }
            }
            body {
                script { (PreEscaped(BEFORE)) }
                script { (PreEscaped(text)) }
            }
        }
    };
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((headers, document.into_string()).into_response())
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

    #[test]
    fn the_frames_policy_lets_that_script_run_and_nothing_else() {
        let text = "parent.postMessage('<b>', '*')";
        let answer = framed(Language::Ja, text, Digest::of(text.as_bytes())).unwrap();
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str();
        let policy = policy.unwrap().to_owned();
        assert!(
            policy.starts_with("sandbox allow-scripts; default-src 'none'; script-src 'sha256-")
        );
        for word in [
            "unsafe",
            "connect-src",
            "'self' ",
            "allow-same-origin",
            "http",
        ] {
            assert!(!policy.contains(word), "{policy}");
        }
    }
}
