//! What the guard itself says, when the centre can't or shouldn't be asked.
//!
//! None of it is signed, so none of it is a decision: a wallet that gets such an answer to a
//! message counts that message as *in doubt* and sends the same one again later.

use axum::http::{HeaderValue, StatusCode, header};
use tegata_http::HttpError;
use tegata_http::error::TOO_MANY;

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

    /// For the log.
    const fn word(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Host => "host",
            Self::TooLarge { .. } => "too_large",
            Self::TooMany { .. } => TOO_MANY,
            Self::BrokenBody => "broken_body",
            Self::SlowBody => "slow_body",
            Self::Down => "centre_down",
            Self::Broken => "centre_broken",
            Self::Slow => "centre_slow",
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

impl From<Answer> for HttpError {
    fn from(answer: Answer) -> Self {
        let error = Self::new(answer.status(), answer.word())
            .text(answer.text() + "\n")
            .header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match answer {
            Answer::Method => {
                error.header(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"))
            }
            Answer::TooMany { wait } => error.retry_after(wait),
            Answer::Down => error.retry_after(2),
            Answer::TooLarge { .. } | Answer::BrokenBody | Answer::SlowBody => {
                error.header(header::CONNECTION, HeaderValue::from_static("close"))
            }
            Answer::Host | Answer::Broken | Answer::Slow => error,
        }
    }
}
