//! What the tests share: a guard process, a centre to answer, a client that speaks bare HTTP.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use tegata_http::serve::{Bound, Stop, Stopper};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A folder for guard and centre.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("centre.sock")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("guard")
    }

    /// The guard's command line; it takes a free port.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tegata-guard"));
        command
            .arg("--data")
            .arg(self.data())
            .arg("--centre")
            .arg(self.socket());
        command
            .args(more)
            .env_remove("TEGATA_LOG")
            .stderr(Stdio::piped());
        if !more.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command
    }

    /// Starts the guard and waits until it says that it listens.
    pub(crate) fn guard(&self, more: &[&str]) -> GuardProcess {
        let mut child = self.command(more).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("\"listening\"") {
            line.clear();
            assert_ne!(
                log.read_line(&mut line).unwrap(),
                0,
                "the guard ended: {line}"
            );
        }
        let address = tegata_http::serve::read_address(&self.data()).unwrap();
        GuardProcess {
            child,
            address,
            log,
        }
    }
}

/// A running guard; killed when dropped.
pub(crate) struct GuardProcess {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) log: BufReader<ChildStderr>,
}

impl Drop for GuardProcess {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl GuardProcess {
    pub(crate) fn connect(&self) -> Client<TcpStream> {
        Client::over(TcpStream::connect(self.address).unwrap())
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

/// A centre that answers everything and remembers what it got.
pub(crate) struct Centre {
    runtime: Runtime,
    stopper: Stopper,
    task: tokio::task::JoinHandle<()>,
    got: Arc<Mutex<Vec<Got>>>,
}

/// A request as it reached the centre.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Centre {
    /// Starts a centre; `/echo` gives the body back, all else a page.
    pub(crate) fn start(socket: &Path) -> Self {
        let runtime = Runtime::new().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopper) = Stop::by_hand();
        let bound = runtime.block_on(async { Bound::unix(socket).unwrap() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&got));
        let task = runtime.spawn(bound.run(router, stop));
        Self {
            runtime,
            stopper,
            task,
            got,
        }
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn stop(self) {
        self.stopper.stop();
        self.runtime.block_on(self.task).unwrap();
    }
}

async fn answer(State(got): State<Arc<Mutex<Vec<Got>>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let line = format!("{} {}", parts.method, parts.uri);
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    got.lock().unwrap().push(Got {
        line,
        headers: parts.headers,
        body: body.clone(),
    });
    if parts.uri.path().ends_with("/echo") {
        return ([("x-centre", "yes")], body).into_response();
    }
    Response::builder()
        .status(404)
        .header("keep-alive", "x")
        .body(Body::from("nothing"))
        .unwrap()
}

/// Bare HTTP over any stream: what is sent is what the test says, byte for byte.
pub(crate) struct Client<S>(BufReader<S>);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: centre.localhost\r\n\r\n").as_bytes());
        self.answer()
    }

    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: centre.localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        self.send(head.as_bytes());
        self.send(body);
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(
                self.0.read_line(&mut head).unwrap(),
                0,
                "no answer: {head:?}"
            );
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer {
            status,
            head,
            body: Vec::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        answer.body = vec![0; length];
        self.0.read_exact(&mut answer.body).unwrap();
        answer
    }

    /// Reads until the other side closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end too.
        drop(self.0.read_to_end(&mut rest));
        rest
    }
}
