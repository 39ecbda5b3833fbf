//! A server on TCP: limits on slow clients, and how it ends.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use tegata_cli::data::{DataDir, Party};
use tegata_http::serve::{
    Bound, Error, Hosts, Limits, Stop, Stopper, host_guard, loopback, read_address,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

const SHORT: Duration = Duration::from_millis(50);

struct Server {
    runtime: Runtime,
    stopper: Stopper,
    task: JoinHandle<()>,
    address: SocketAddr,
    folder: TempDir,
}

impl Server {
    fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::open(folder.path(), Party::new("test", 1)).unwrap();
        let runtime = Runtime::new().unwrap();
        let bound = runtime
            .block_on(Bound::tcp(loopback(0), &dir, None))
            .unwrap();
        let address = bound.address().unwrap();
        let who = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
        let router = Router::new()
            .route("/who", get(who))
            .route("/big", get(|| async { vec![0; 64 << 20] }))
            .route("/never", get(std::future::pending::<()>))
            .route("/post", post(|body: String| async { body }));
        let (stop, stopper) = Stop::by_hand();
        let router = host_guard(router, Hosts::new(["test.localhost"]));
        let task = runtime.spawn(bound.with_limits(limits).run(router, stop));
        Self {
            runtime,
            stopper,
            task,
            address,
            folder,
        }
    }

    fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    fn stop(self) -> TempDir {
        self.stopper.stop();
        self.runtime.block_on(self.task).unwrap();
        self.folder
    }
}

/// All that comes until the other side closes; a reset is an end too.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest));
    rest
}

fn text(stream: TcpStream) -> String {
    String::from_utf8(rest(stream)).unwrap()
}

#[test]
fn others_find_the_port_and_the_handler_the_client() {
    let server = Server::start(Limits::default());
    assert_eq!(read_address(server.folder.path()).unwrap(), server.address);
    let request = "GET /who HTTP/1.1\r\nHost: test.localhost\r\nConnection: close\r\n\r\n";
    let stream = server.send(request);
    let me = stream.local_addr().unwrap().to_string();
    assert!(text(stream).ends_with(&me));
    let other = server.send("GET /who HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(text(other).starts_with("HTTP/1.1 421 "));
    let folder = server.stop();
    read_address(folder.path()).unwrap_err();
}

#[test]
fn plain_http_beyond_loopback_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::open(folder.path(), Party::new("test", 1)).unwrap();
    let runtime = Runtime::new().unwrap();
    let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = runtime
        .block_on(Bound::tcp(anywhere, &dir, None))
        .unwrap_err();
    assert!(matches!(refused, Error::Plain { .. }), "{refused}");
}

#[test]
fn headers_bodies_and_readers_that_take_for_ever_are_cut_off() {
    let grace = Duration::from_secs(3600);
    let limits = Limits {
        header: SHORT,
        body: SHORT,
        stall: SHORT,
        grace,
        ..Limits::default()
    };
    let server = Server::start(limits);
    let head = server.send("GET /who HTTP/1.1\r\nHost: test.loc");
    assert!(!text(head).contains("200"));
    let body = server
        .send("POST /post HTTP/1.1\r\nHost: test.localhost\r\nContent-Length: 10\r\n\r\nhalf");
    let answer = text(body);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // 64 MiB don't fit into any socket's buffers. The word to stop is only obeyed in time
    // because the reader that takes nothing is cut off.
    let reader = server.send("GET /big HTTP/1.1\r\nHost: test.localhost\r\n\r\n");
    let mut first = [0; 12];
    (&reader).read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.stop();
    assert!(rest(reader).len() < 64 << 20);
}

#[test]
fn requests_that_never_end_are_cut_off_after_the_grace() {
    let server = Server::start(Limits {
        grace: SHORT,
        ..Limits::default()
    });
    let never = server.send("GET /never HTTP/1.1\r\nHost: test.localhost\r\n\r\n");
    let answered =
        server.send("GET /who HTTP/1.1\r\nHost: test.localhost\r\nConnection: close\r\n\r\n");
    assert!(text(answered).starts_with("HTTP/1.1 200 "));
    server.stop();
    assert_eq!(text(never), "");
}
