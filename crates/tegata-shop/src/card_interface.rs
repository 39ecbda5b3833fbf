//! The shop's guide through a payment by card (K2): a script that the member's wallet runs in a frame
//! without network or origin. Each bill names it by its SHA-256, so the wallet runs exactly these bytes;
//! after an update of this program, older bills name a guide that isn't offered any more, and their
//! payers use their wallets' own pages.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use tegata_protocol::Digest;

const SCRIPT: &str = include_str!("card_interface.js");

/// What bills name.
pub fn digest() -> Digest {
    Digest::of(SCRIPT.as_bytes())
}

/// `GET /v1/card-interface`. Its tag is its digest.
pub(crate) async fn script() -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", digest()));
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    let mut response = SCRIPT.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wallet refuses other scripts than these: a page must be able to carry them as they are.
    #[test]
    fn it_fits_a_wallet() {
        assert!(SCRIPT.len() <= 64 * 1024);
        for part in ["</script", "<script", "<!--", "\r", "\0"] {
            assert!(!SCRIPT.to_ascii_lowercase().contains(part), "{part:?}");
        }
        for way_out in [
            "fetch(",
            "XMLHttpRequest",
            "WebSocket",
            "import(",
            "localStorage",
        ] {
            assert!(!SCRIPT.contains(way_out), "{way_out}");
        }
    }
}
