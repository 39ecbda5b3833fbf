//! The real program, as the guard and operators reach it: through its Unix sockets.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread::JoinHandle,
};

use crate::town::{Folder, PROGRAM};

/// A running `tegata-centre serve`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: Option<JoinHandle<String>>,
    socket: PathBuf,
}

impl Server {
    /// Starts it and returns when both of its sockets listen.
    pub(crate) fn start(folder: &Folder) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--data", &folder.data_text()]);
        command.env_clear().env("TEGATA_LOG", "debug,hyper=info");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (ready, listening) = mpsc::channel();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.contains("\"listening\"") {
                    // Nobody waits for the third and later ones.
                    let _sent = ready.send(());
                }
                log.push_str(&line);
                log.push('\n');
            }
            log
        });
        let started = listening.recv().and_then(|()| listening.recv());
        let server = Self {
            child,
            log: Some(log),
            socket: folder.data().join("centre.sock"),
        };
        if started.is_err() {
            panic!("the server ended: {}", server.end());
        }
        server
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing of it runs any more when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as an operator stops it.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(asked.success());
        let status = self.child.wait().unwrap();
        (status, self.end())
    }

    /// Its whole log, once it has ended.
    pub(crate) fn end(mut self) -> String {
        drop(self.child.kill());
        drop(self.child.wait());
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One connection to a Unix socket, kept for many requests.
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
}

/// What came back over HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// All lines of the head but the date.
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> std::io::Result<Self> {
        let stream = BufReader::new(UnixStream::connect(socket)?);
        Ok(Self { stream })
    }

    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> std::io::Result<Answer> {
        self.request("POST", path, body)
    }

    pub(crate) fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        self.request("GET", path, b"")
    }

    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: centre\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        // A server that has read enough answers before it has read all.
        drop(stream.write_all(body));
        self.answer()
    }

    fn answer(&mut self) -> std::io::Result<Answer> {
        let broken = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(broken());
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let value = |name: &str| {
            let line = head.iter().find(|l| l.to_lowercase().starts_with(name));
            line.and_then(|l| l.split_once(':'))
                .map(|(_, v)| v.trim().to_owned())
        };
        let length = value("content-length")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let status = head
            .first()
            .and_then(|l| l.split(' ').nth(1))
            .ok_or_else(broken)?;
        let status = status.parse().map_err(|_e| broken())?;
        head.retain(|l| !l.to_lowercase().starts_with("date:"));
        Ok(Answer { status, head, body })
    }
}
