//! Accepting connections, limiting them, and letting them end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::slow::{TimelyBody, TimelyStream};
use super::{Stop, Tls, seconds};

/// How long open requests may still take after the word to stop.
pub const GRACE: Duration = seconds(5);
/// How long a client may take to send its request's headers (and for the TLS handshake).
pub const HEADER_LIMIT: Duration = seconds(10);
/// The most connections at a time; more wait in the system's queue.
pub const MAX_CONNECTIONS: usize = 4096;

/// What a server allows its clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a request's headers, for the pause between two requests, and for the TLS handshake.
    /// Not on Unix sockets, whose clients are our own.
    pub header: Duration,
    /// For a request's body to arrive as a whole. Not on Unix sockets.
    pub body: Duration,
    /// For a client that doesn't take its answer, until it takes a piece more.
    pub stall: Duration,
    /// For open requests after the word to stop.
    pub grace: Duration,
    /// Connections at a time.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header: HEADER_LIMIT,
            body: seconds(60),
            stall: seconds(60),
            grace: GRACE,
            connections: MAX_CONNECTIONS,
        }
    }
}

/// Where connections come in.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener, Option<Tls>),
    Unix(UnixListener),
}

/// Serves until it's stopped; `stopped` runs as soon as nobody new is let in.
pub(super) async fn serve(
    listener: Listener,
    router: Router,
    limits: Limits,
    stop: Stop,
    stopped: impl FnOnce(),
) {
    let graceful = GracefulShutdown::new();
    let server = Server {
        service: TowerToHyperService::new(router),
        limits,
        places: Arc::new(Semaphore::new(limits.connections)),
    };
    tokio::select! {
        () = server.accept_for_ever(listener, &graceful) => {}
        () = stop.wait() => {}
    }
    stopped();
    if timeout(limits.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests didn't end in time and were cut off");
    }
}

struct Server {
    service: TowerToHyperService<Router>,
    limits: Limits,
    places: Arc<Semaphore>,
}

impl Server {
    /// Takes the listener along, so that it's closed as soon as this is dropped.
    async fn accept_for_ever(&self, listener: Listener, graceful: &GracefulShutdown) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                return;
            };
            let accepted = match &listener {
                Listener::Tcp(tcp, tls) => tcp.accept().await.map(|(stream, peer)| {
                    // Without it a small answer waits for the acknowledgement of another.
                    drop(stream.set_nodelay(true));
                    let one = self.connection(Some(peer), place, graceful.watcher());
                    match tls.clone() {
                        Some(tls) => drop(tokio::spawn(one.run_tls(stream, tls))),
                        None => drop(tokio::spawn(one.run(stream))),
                    }
                }),
                Listener::Unix(unix) => unix.accept().await.map(|(stream, _)| {
                    let one = self.connection(None, place, graceful.watcher());
                    drop(tokio::spawn(one.run(stream)));
                }),
            };
            if let Err(error) = accepted {
                // Too many open files, for example: give some the time to close.
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    fn connection(
        &self,
        peer: Option<SocketAddr>,
        place: OwnedSemaphorePermit,
        watcher: Watcher,
    ) -> Connection {
        let (service, limits) = (self.service.clone(), self.limits);
        Connection {
            service,
            limits,
            peer,
            watcher,
            _place: place,
        }
    }
}

struct Connection {
    service: TowerToHyperService<Router>,
    limits: Limits,
    peer: Option<SocketAddr>,
    watcher: Watcher,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run_tls(self, stream: TcpStream, tls: Tls) {
        match timeout(self.limits.header, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) => self.run(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Self {
            service,
            limits,
            peer,
            watcher,
            _place,
        } = self;
        let handle = service_fn(move |request: Request<Incoming>| {
            let Some(peer) = peer else {
                return service.call(request.map(Body::new));
            };
            let mut request = request.map(|body| Body::new(TimelyBody::new(body, limits.body)));
            request.extensions_mut().insert(ConnectInfo(peer));
            service.call(request)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new());
        builder.header_read_timeout(peer.map(|_| limits.header));
        let stream = TokioIo::new(TimelyStream::new(stream, limits.stall));
        let connection = builder.serve_connection(stream, handle);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
