//! The guard itself: what it asks of a request before the centre is bothered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tegata_cli::clock;
use tegata_http::HttpError;
use tegata_http::rate_limit::{AddressLimiter, Permit, RateLimiter};
use tegata_http::serve::Hosts;
use tokio::time::timeout;

use crate::answers::Answer;
use crate::forward::Centre;
use crate::settings::Settings;

/// The most bytes of a message to `/v1/`.
const MESSAGE_LIMIT: usize = 64 * 1024;
/// The most bytes of anything else, a page's form for example.
const FORM_LIMIT: usize = 1024 * 1024;
/// How much more is read (and thrown away) of what is too large, so that the client gets to
/// read the answer before the connection ends.
const DRAIN_LIMIT: usize = 1024 * 1024;

const LONG_PATH: &str = "/v1/wait";

/// The guard of a centre.
#[derive(Debug)]
pub struct Guard {
    centre: Centre,
    hosts: Hosts,
    addresses: AddressLimiter,
    scheme: &'static str,
    patience: Patience,
}

/// How long an exchange may take: the request's body, the centre's thinking, its answer's
/// beginning.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// With all paths but one.
    pub usual: Duration,
    /// With `/v1/wait`, where a client waits for something to happen.
    pub wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            usual: Duration::from_secs(30),
            wait: Duration::from_secs(60),
        }
    }
}

impl Guard {
    /// A guard before the centre at its socket.
    #[must_use]
    pub fn new(centre: Centre, settings: &Settings) -> Self {
        let limiter = |rate| Arc::new(RateLimiter::per_minute(rate));
        Self {
            centre,
            hosts: Hosts::new(settings.host_names()),
            addresses: AddressLimiter {
                elsewhere: limiter(settings.rate()),
                loopback: limiter(settings.rate_loopback()),
            },
            scheme: if settings.tls_cert.is_some() {
                "https"
            } else {
                "http"
            },
            patience: Patience::default(),
        }
    }

    /// Another patience than the usual one.
    #[must_use]
    pub const fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Its routes: every path leads to the centre.
    pub fn router(self) -> Router {
        Router::new().fallback(answer).with_state(Arc::new(self))
    }

    async fn pass(&self, peer: SocketAddr, request: Request) -> Result<Response, Answer> {
        let permit = self.admit(peer.ip(), &request)?;
        let long = request.uri().path() == LONG_PATH;
        let limit = if long {
            self.patience.wait
        } else {
            self.patience.usual
        };
        // The body's time counts too, but running out of it is another answer.
        let start = clock::monotonic_millis();
        let mut request = timeout(limit, whole(request))
            .await
            .map_err(|_slow| Answer::SlowBody)??;
        self.introduce(peer.ip(), request.headers_mut());
        let used = Duration::from_millis(clock::monotonic_millis().saturating_sub(start));
        timeout(limit.saturating_sub(used), self.centre.ask(permit, request))
            .await
            .map_err(|_slow| Answer::Slow)?
    }

    /// What can be judged without reading the body.
    fn admit(&self, peer: IpAddr, request: &Request) -> Result<Permit, Answer> {
        if ![Method::GET, Method::HEAD, Method::POST].contains(request.method()) {
            return Err(Answer::Method);
        }
        if !self.hosts.accept_headers(request.headers()) {
            return Err(Answer::Host);
        }
        let counted = self.addresses.count(peer, clock::monotonic_millis());
        counted.map_err(|late| Answer::TooMany { wait: late.seconds })
    }

    /// Tells the centre who asks. What the client itself says about that counts for nothing.
    fn introduce(&self, peer: IpAddr, headers: &mut HeaderMap) {
        const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
        const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
        const CLAIMED: [HeaderName; 4] = [
            HeaderName::from_static("x-forwarded-host"),
            HeaderName::from_static("x-forwarded-port"),
            HeaderName::from_static("x-forwarded-server"),
            HeaderName::from_static("x-real-ip"),
        ];
        for name in CLAIMED {
            headers.remove(name);
        }
        let peer = peer.to_canonical();
        let node = match peer {
            IpAddr::V4(peer) => peer.to_string(),
            IpAddr::V6(peer) => format!("\"[{peer}]\""),
        };
        let forwarded = format!("for={node};proto={}", self.scheme);
        for (name, value) in [(header::FORWARDED, forwarded), (FOR, peer.to_string())] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        headers.insert(PROTO, HeaderValue::from_static(self.scheme));
    }
}

async fn answer(
    State(guard): State<Arc<Guard>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Result<Response, HttpError> {
    let answered = guard.pass(peer, request).await;
    answered.map_err(|answer| {
        tracing::debug!(?answer, "not answered by the centre");
        answer.into()
    })
}

/// The request with its whole body. One that came in one piece isn't copied.
async fn whole(request: Request) -> Result<Request<Full<Bytes>>, Answer> {
    let limit = if request.uri().path().starts_with("/v1/") {
        MESSAGE_LIMIT
    } else {
        FORM_LIMIT
    };
    let (parts, mut body) = request.into_parts();
    if announced(&parts.headers).is_some_and(|length| length > limit) {
        drain(body).await;
        return Err(Answer::TooLarge { limit });
    }
    match Limited::new(&mut body, limit).collect().await {
        Ok(collected) => Ok(Request::from_parts(parts, Full::new(collected.to_bytes()))),
        Err(error) if error.is::<LengthLimitError>() => {
            drain(body).await;
            Err(Answer::TooLarge { limit })
        }
        Err(_) => Err(Answer::BrokenBody),
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

async fn drain(mut body: Body) {
    let mut drained = 0;
    while let Some(Ok(frame)) = body.frame().await {
        drained += frame.data_ref().map_or(0, Bytes::len);
        if drained > DRAIN_LIMIT {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    /// A body of so many KiB that counts how much of it was read.
    struct Counted {
        left: usize,
        read: Arc<AtomicUsize>,
    }

    impl hyper::body::Body for Counted {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            self.read.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1024])))))
        }
    }

    /// How many KiB of a message of so many were read, and the status it got.
    async fn read_of(kib: usize, length: Option<&str>) -> (usize, Option<Answer>) {
        let read = Arc::new(AtomicUsize::new(0));
        let body = Body::new(Counted {
            left: kib,
            read: Arc::clone(&read),
        });
        let mut request = Request::post("/v1/x").body(body).unwrap();
        if let Some(length) = length {
            request
                .headers_mut()
                .insert(header::CONTENT_LENGTH, length.parse().unwrap());
        }
        let answer = whole(request).await.err();
        (read.load(Ordering::Relaxed), answer)
    }

    #[tokio::test]
    async fn what_is_too_large_is_read_to_its_end_but_not_for_ever() {
        let too_large = Some(Answer::TooLarge {
            limit: MESSAGE_LIMIT,
        });
        assert_eq!(read_of(64, None).await, (64, None));
        assert_eq!(read_of(500, None).await, (500, too_large));
        assert_eq!(read_of(500, Some("512000")).await, (500, too_large));
        assert_eq!(read_of(9000, Some("9216000")).await, (1025, too_large));
        assert_eq!(read_of(9000, None).await.1, too_large);
        assert!(read_of(9000, None).await.0 < 1200);
    }
}
