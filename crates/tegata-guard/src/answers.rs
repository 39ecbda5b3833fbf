//! What the guard itself says, when the centre can't or shouldn't be asked.
//!
//! None of it is signed, so none of it is a decision: a wallet that gets such an answer to a
//! message counts that message as *in doubt* and sends the same one again later.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why a request wasn't answered by the centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Neither GET, HEAD nor POST.
    Method,
    /// Meant for another host.
    Host,
    /// More than may be sent to that path.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Too many requests from that address.
    TooMany {
        /// Seconds after which another one would pass.
        wait: u64,
    },
    /// The request's body broke off.
    BrokenBody,
    /// The request's body took too long.
    SlowBody,
    /// The centre isn't there.
    Down,
    /// The connection to the centre broke while it held the request.
    Broken,
    /// The centre took too long.
    Slow,
}

impl Answer {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::Down | Self::Broken => StatusCode::BAD_GATEWAY,
            Self::Slow => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Method => "Only GET, HEAD and POST are answered here.".into(),
            Self::Host => "This server doesn't answer to that name. Check the address.".into(),
            Self::TooLarge { limit } => {
                format!("That is too large: at most {limit} bytes may be sent here.")
            }
            Self::TooMany { wait } => {
                format!("Too many requests from your address. Try again in {wait} s.")
            }
            Self::BrokenBody => "The request broke off. Nothing was decided. Send it again.".into(),
            Self::SlowBody => "The request took too long to arrive. Nothing was decided. \
                 Send the same message again."
                .into(),
            Self::Down => "The centre doesn't answer. Nothing was decided. \
                 Send the same message again in a while."
                .into(),
            Self::Broken | Self::Slow => "The centre took the request and hasn't answered. \
                 Whether it decided isn't known here. \
                 Send the same message again: it counts once."
                .into(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.text() + "\n").into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Method => {
                let allowed = [Method::GET, Method::HEAD, Method::POST].map(|m| m.to_string());
                if let Ok(value) = HeaderValue::from_str(&allowed.join(", ")) {
                    headers.insert(header::ALLOW, value);
                }
            }
            Self::TooMany { wait } => drop(headers.insert(header::RETRY_AFTER, wait.into())),
            Self::Down => drop(headers.insert(header::RETRY_AFTER, 2.into())),
            Self::TooLarge { .. } | Self::BrokenBody | Self::SlowBody => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Host | Self::Broken | Self::Slow => {}
        }
        response
    }
}
