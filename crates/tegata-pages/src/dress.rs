//! What a router needs besides its pages: stylesheet, headers, language cookie.
//!
//! The headers say that a page may load its stylesheet and pictures from its own server and
//! nothing else, may be framed by nobody and may post forms only back home. An answer that sets
//! one of them itself keeps its own.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::language::{Language, PARAMETER};

/// The stylesheet of all our pages.
pub const STYLE: &str = include_str!("style.css");

/// Its address changes with its content, so that browsers may keep it for ever.
pub(crate) static STYLE_PATH: LazyLock<String> =
    LazyLock::new(|| format!("/style.css?v={:016x}", fnv1a(STYLE.as_bytes())));

/// Scripts only where a page asks for one.
pub(crate) const fn policy(scripts: bool) -> &'static str {
    if scripts {
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
         img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    } else {
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    }
}

/// Gives routes the stylesheet at `/style.css`, security headers on every answer, and a cookie
/// that remembers the language a visitor chose with `?lang=`. Call it last.
pub fn dress<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .route("/style.css", get(style))
        .layer(from_fn(finish))
}

async fn style() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, STYLE)
}

async fn finish(request: Request, next: Next) -> Response {
    let chosen = (request.method() == Method::GET)
        .then(|| Language::of_query(request.uri()))
        .flatten();
    let mut response = next.run(request).await;
    add_headers(&mut response);
    if let Some(language) = chosen {
        let tag = language.tag();
        let cookie = format!("{PARAMETER}={tag}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

fn add_headers(response: &mut Response) {
    // `same-origin`, not `no-referrer`: under the latter a browser sends `Origin: null` with
    // our own forms, and the servers' check of Origin would refuse them.
    let usual: [(HeaderName, &'static str); 7] = [
        (header::CONTENT_SECURITY_POLICY, policy(false)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in usual {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// Only tells one stylesheet from the next; nothing secret or safe about it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use tower::ServiceExt as _;

    async fn answer(path: &str) -> Response {
        let router = Router::new().route("/", get(|| async { "page" })).route(
            "/own",
            get(|| async { ([(header::CACHE_CONTROL, "max-age=5")], "picture") }),
        );
        let request = Request::get(path).body(Body::empty()).unwrap();
        dress(router).oneshot(request).await.unwrap()
    }

    fn header_of(response: &Response, name: &str) -> String {
        response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
            .to_owned()
    }

    #[tokio::test]
    async fn every_answer_carries_the_headers_unless_it_sets_its_own() {
        for path in ["/", "/style.css", "/no-such-page"] {
            let response = answer(path).await;
            let policy = header_of(&response, "content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; style-src 'self'"),
                "{path}: {policy}"
            );
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(
                header_of(&response, "x-content-type-options"),
                "nosniff",
                "{path}"
            );
        }
        assert_eq!(header_of(&answer("/").await, "cache-control"), "no-store");
        assert_eq!(
            header_of(&answer("/own").await, "cache-control"),
            "max-age=5"
        );
        assert!(header_of(&answer("/style.css").await, "cache-control").contains("immutable"));
    }

    #[tokio::test]
    async fn choosing_a_language_is_remembered() {
        assert!(header_of(&answer("/?lang=ja").await, "set-cookie").starts_with("lang=ja; Path=/"));
        assert_eq!(header_of(&answer("/?lang=xx").await, "set-cookie"), "");
        assert_eq!(header_of(&answer("/").await, "set-cookie"), "");
    }
}
