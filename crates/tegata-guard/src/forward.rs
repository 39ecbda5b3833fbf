//! One request to the centre and the answer back, over a pool of connections to its socket.
//!
//! The body arrives here whole before the centre hears of it: a slow client holds up the guard
//! and nobody else, and the centre never sees a request that breaks off. The answer is passed
//! on piece by piece as it comes. Headers that concern one connection only (RFC 9110 §7.6.1)
//! stay on that connection.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderMap, HeaderName, Request, Response, Uri, header, uri};
use http_body_util::Full;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tegata_http::rate_limit::Permit;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use crate::answers::Answer;

/// How long a connection to the centre is kept while nobody needs it.
const IDLE: Duration = Duration::from_secs(60);
/// How many are kept.
const KEPT: usize = 512;

/// The way to the centre.
#[derive(Clone, Debug)]
pub struct Centre {
    client: Client<Connector, Full<Bytes>>,
}

impl Centre {
    /// The centre that listens on this socket, now or later.
    #[must_use]
    pub fn at(socket: &Path) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(KEPT)
            .build(Connector {
                socket: Arc::new(socket.to_owned()),
            });
        Self { client }
    }

    /// Passes on a request that was counted; headers and path as they are but for what concerns the
    /// connection.
    ///
    /// # Errors
    /// [`Answer::Down`] if the centre never got it, [`Answer::Broken`] if that isn't known.
    pub async fn ask(
        &self,
        _counted: Permit,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, Answer> {
        *request.uri_mut() = at_the_centre(request.uri());
        remove_hop_by_hop(request.headers_mut());
        let mut response = self
            .client
            .request(request)
            .await
            .map_err(|error| failed(&error))?;
        remove_hop_by_hop(response.headers_mut());
        Ok(response.map(Body::new))
    }
}

fn failed(error: &ClientError) -> Answer {
    let source = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    if error.is_connect() {
        tracing::warn!(reason = source, "the centre doesn't answer");
        Answer::Down
    } else {
        tracing::warn!(reason = source, "the connection to the centre broke");
        Answer::Broken
    }
}

/// The pool wants a scheme and an authority; the centre sees neither.
fn at_the_centre(uri: &Uri) -> Uri {
    let mut parts = uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(Authority::from_static("centre"));
    let root = || PathAndQuery::from_static("/");
    parts.path_and_query = Some(uri.path_and_query().cloned().unwrap_or_else(root));
    Uri::from_parts(parts).unwrap_or_default()
}

/// Takes off what concerns one connection only, and what `Connection` names besides.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    const ALWAYS: [HeaderName; 9] = [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .filter(|name| !needed_end_to_end(name))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in ALWAYS {
        headers.remove(name);
    }
}

/// `Connection: host` must not take the host away.
fn needed_end_to_end(name: &HeaderName) -> bool {
    [
        header::HOST,
        header::CONTENT_LENGTH,
        header::COOKIE,
        header::FORWARDED,
    ]
    .contains(name)
        || name.as_str().starts_with("x-forwarded-")
}

/// Makes connections to the centre's socket.
#[derive(Clone, Debug)]
struct Connector {
    socket: Arc<PathBuf>,
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<ToCentre>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = Arc::clone(&self.socket);
        Box::pin(async move {
            Ok(TokioIo::new(ToCentre(
                UnixStream::connect(socket.as_path()).await?,
            )))
        })
    }
}

/// A connection to the centre, in the form that the pool wants.
#[derive(Debug)]
struct ToCentre(UnixStream);

impl Connection for ToCentre {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for ToCentre {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ToCentre {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_connection_stays_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Trace, host, x-forwarded-for"),
            ("x-trace", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("host", "centre.localhost"),
            ("x-forwarded-for", "192.0.2.1"),
            ("cookie", "lang=ja"),
        ] {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cookie", "host", "x-forwarded-for"]);
    }

    #[test]
    fn path_and_query_are_passed_on_as_they_came() {
        let uri: Uri = "http://evil.example:1/v1/a%2Fb/..?q=%20&q".parse().unwrap();
        assert_eq!(
            at_the_centre(&uri).to_string(),
            "http://centre/v1/a%2Fb/..?q=%20&q"
        );
    }
}
