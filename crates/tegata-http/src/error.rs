//! Why a request isn't answered as it was asked, and the one place where that becomes a response.
//!
//! A handler returns `Result<_, HttpError>`; what a program's own functions fail with becomes an
//! [`HttpError`] by `From`, which says whose fault it is. A fault of the server's keeps its cause for
//! the log and shows none of it: outside it's a status and a word.
//!
//! Calls get the body that the error was made with: JSON, plain text or none. Pages are made later:
//! [`error_pages`] stands around a party's pages and gives errors the party's own look, so that a
//! handler, a layer and the rate limit needn't know how a page is drawn.

use std::error::Error as StdError;
use std::fmt;

use axum::Router;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use crate::rate_limit::TooMany;

/// The media type of everything that is CBOR.
pub const CBOR: &str = "application/cbor";

/// The word of a fault.
pub const FAULT: &str = "fault";
/// The word of a request that came too fast.
pub const TOO_MANY: &str = "too_many";
/// The word of a form that another site's page sent.
pub const FOREIGN_FORM: &str = "foreign_form";

/// Bytes that are CBOR: signed, sealed, or a document.
#[derive(Clone, Debug)]
pub struct Cbor(pub Vec<u8>);

impl IntoResponse for Cbor {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, CBOR)], self.0).into_response()
    }
}

/// A refusal for somebody who has no key to verify a signed one with: a browser's script.
#[derive(Clone, Debug)]
pub struct PlainRefusal<'a> {
    /// The stable word.
    pub word: &'static str,
    /// The stable number.
    pub number: u16,
    /// What a person reads.
    pub text: &'a str,
    /// More about the case.
    pub detail: Option<&'a str>,
}

/// Why a request isn't answered as it was asked.
#[derive(Debug)]
pub struct HttpError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    word: &'static str,
    body: Body,
    headers: Vec<(HeaderName, HeaderValue)>,
    fault: Option<Fault>,
}

/// What a call gets; pages are drawn by [`error_pages`].
#[derive(Debug)]
enum Body {
    /// `{"error": word}`.
    Word,
    Json(String),
    Text(String),
    None,
}

/// For the log alone.
#[derive(Debug)]
struct Fault {
    doing: &'static str,
    cause: Box<dyn StdError + Send + Sync>,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.status.as_u16(), self.0.word)
    }
}

impl HttpError {
    /// A status and a stable word, which a call gets as `{"error": word}`.
    #[must_use]
    pub fn new(status: StatusCode, word: &'static str) -> Self {
        Self(Box::new(Inner {
            status,
            word,
            body: Body::Word,
            headers: Vec::new(),
            fault: None,
        }))
    }

    /// A fault of ours: what was being done and why it failed go to the log.
    pub fn fault(doing: &'static str, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, FAULT);
        let cause = cause.into();
        error.0.fault = Some(Fault { doing, cause });
        error
    }

    /// What was asked for isn't there.
    #[must_use]
    pub fn missing(word: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, word)
    }

    /// A refusal in words and numbers, as JSON.
    #[must_use]
    pub fn refusal(status: StatusCode, refusal: &PlainRefusal<'_>) -> Self {
        let json = serde_json::json!({
            "error": refusal.word,
            "number": refusal.number,
            "text": refusal.text,
            "detail": refusal.detail,
        });
        Self::new(status, refusal.word).json(&json)
    }

    /// JSON of another form than `{"error": word}`.
    #[must_use]
    pub fn json(mut self, json: &serde_json::Value) -> Self {
        self.0.body = Body::Json(json.to_string());
        self
    }

    /// Plain text for a person, instead of JSON.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.0.body = Body::Text(text.into());
        self
    }

    /// The status alone.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.0.body = Body::None;
        self
    }

    /// Another header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// After so many seconds the same request may pass.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, seconds.into())
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Its stable word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.0.word
    }
}

impl From<TooMany> for HttpError {
    fn from(TooMany { seconds }: TooMany) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY).retry_after(seconds)
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let Inner {
            status,
            word,
            body,
            headers,
            fault,
        } = *self.0;
        if let Some(Fault { doing, cause }) = fault {
            let cause: &(dyn StdError + 'static) = &*cause;
            tracing::error!(error = cause, doing, "a request couldn't be answered");
        }
        let json = [(header::CONTENT_TYPE, "application/json")];
        let mut response = match body {
            Body::Word => (json, serde_json::json!({ "error": word }).to_string()).into_response(),
            Body::Json(text) => (json, text).into_response(),
            Body::Text(text) => text.into_response(),
            Body::None => ().into_response(),
        };
        *response.status_mut() = status;
        response.headers_mut().extend(headers);
        response.extensions_mut().insert(Failed { status, word });
        response
    }
}

/// What became of a request, for whoever draws the page that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed {
    /// The status.
    pub status: StatusCode,
    /// The stable word.
    pub word: &'static str,
}

/// Draws pages for errors. `draw` gets the request without its body; where it gives none, the answer
/// stays as it was. The error's status and headers stay in any case.
pub fn error_pages<S, D>(router: Router<S>, draw: D) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    D: Fn(&Parts, Failed) -> Option<Response> + Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state(
        draw,
        |axum::extract::State(draw): axum::extract::State<D>, request: Request, next: Next| async move {
            let (parts, body) = request.into_parts();
            let seen = parts.clone();
            let response = next.run(Request::from_parts(parts, body)).await;
            let failed = response.extensions().get::<Failed>().copied();
            match failed.and_then(|failed| Some((failed, draw(&seen, failed)?))) {
                Some((failed, page)) => redrawn(response, failed, page),
                None => response,
            }
        },
    ))
}

/// The page in place of the error's own body.
fn redrawn(error: Response, failed: Failed, mut page: Response) -> Response {
    *page.status_mut() = failed.status;
    for (name, value) in error.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            page.headers_mut().append(name.clone(), value.clone());
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(response: Response) -> (u16, Vec<String>, String) {
        let (parts, body) = response.into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let body = runtime.unwrap().block_on(axum::body::to_bytes(body, 9_999));
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut headers: Vec<String> = parts.headers.iter().map(header).collect();
        headers.sort();
        let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
        (parts.status.as_u16(), headers, text)
    }

    fn answered(error: HttpError) -> (u16, Vec<String>, String) {
        read(error.into_response())
    }

    const JSON: &str = "content-type: application/json";

    #[test]
    fn a_fault_shows_nothing_of_its_cause() {
        let cause = std::io::Error::other("no space left on /srv/secret");
        let (status, headers, body) = answered(HttpError::fault("keeping an order", cause));
        assert_eq!(
            (status, headers, &*body),
            (500, vec![JSON.to_owned()], r#"{"error":"fault"}"#)
        );
    }

    #[test]
    fn each_kind_of_body_has_its_form() {
        let not_found = || HttpError::missing("bill_unknown");
        assert_eq!(answered(not_found()).2, r#"{"error":"bill_unknown"}"#);
        assert_eq!(answered(not_found().bare()), (404, vec![], String::new()));
        let text = answered(not_found().text("No such bill.\n"));
        assert_eq!(
            (text.1, &*text.2),
            (
                vec!["content-type: text/plain; charset=utf-8".to_owned()],
                "No such bill.\n"
            )
        );
        let refusal = PlainRefusal {
            word: "out_of_stock",
            number: 412,
            text: "None left.",
            detail: None,
        };
        assert_eq!(
            answered(HttpError::refusal(StatusCode::CONFLICT, &refusal)).2,
            r#"{"detail":null,"error":"out_of_stock","number":412,"text":"None left."}"#
        );
        let late = HttpError::from(TooMany { seconds: 7 });
        assert_eq!(
            answered(late),
            (
                429,
                vec![JSON.to_owned(), "retry-after: 7".to_owned()],
                r#"{"error":"too_many"}"#.to_owned()
            )
        );
    }

    #[test]
    fn a_page_takes_the_bodys_place_and_keeps_status_and_headers() {
        let late = HttpError::from(TooMany { seconds: 7 }).into_response();
        let failed = *late.extensions().get::<Failed>().unwrap();
        let page = axum::response::Html("<p>Wait</p>").into_response();
        let (status, headers, body) = read(redrawn(late, failed, page));
        assert_eq!((status, &*body), (429, "<p>Wait</p>"));
        assert_eq!(
            headers,
            ["content-type: text/html; charset=utf-8", "retry-after: 7"]
        );
    }
}
