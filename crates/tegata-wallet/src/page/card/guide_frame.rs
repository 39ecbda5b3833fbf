//! The frame in which a shop's guide stands: fetched once, served apart from the wallet's own pages.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::IntoResponse as _,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, PreEscaped, html};
use serde::Deserialize;
use tegata_http::HttpError;
use tegata_pages::Language;
use tegata_protocol::Digest;

use super::{
    super::{Answer, Here, texts, visit::apart},
    guide::fitting,
    seat::Seat,
};
use crate::wallet::Wallet;

/// Runs before the guide. No policy stops WebRTC, which is a way out; so what makes it is taken away, and
/// the policy's trusted types keep the guide from writing a fresh frame that would have it again.
const BEFORE: &str = "for (const name of Object.getOwnPropertyNames(globalThis)) \
                      if (/RTC|XSLT/.test(name)) delete globalThis[name]";

/// Where it's offered.
const PATH: &str = "/v1/card-interface";

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

#[cfg(test)]
mod tests {
    use super::*;

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
