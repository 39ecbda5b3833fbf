//! A server on a Unix socket: who may use it, and what becomes of the file.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use axum::Router;
use axum::routing::get;
use tegata_http::serve::{Bound, Error, Stop, runtime};

fn ask(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_socket_is_private_served_and_gone_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("centre.sock");
    // What a crash leaves behind: a socket that nobody listens on.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let runtime = runtime().unwrap();
    let (stop, stopper) = Stop::by_hand();
    let bound = runtime.block_on(async { Bound::unix(&socket).unwrap() });
    assert_eq!(bound.address(), None);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let task = runtime.spawn(bound.run(Router::new().route("/", get(|| async { "hi" })), stop));
    assert!(ask(&socket).ends_with("hi"));

    let taken = runtime.block_on(async { Bound::unix(&socket).unwrap_err() });
    assert!(matches!(taken, Error::SocketTaken { .. }), "{taken}");
    assert!(ask(&socket).ends_with("hi"), "the first one still listens");
    stopper.stop();
    runtime.block_on(task).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_isnt_a_socket_isnt_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("precious");
    std::fs::write(&file, "data").unwrap();
    let runtime = runtime().unwrap();
    let refused = runtime.block_on(async { Bound::unix(&file).unwrap_err() });
    assert!(matches!(refused, Error::NotASocket { .. }), "{refused}");
    assert_eq!(std::fs::read(&file).unwrap(), b"data");
}

#[test]
fn a_path_too_long_for_a_socket_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x".repeat(120));
    let runtime = runtime().unwrap();
    let refused = runtime.block_on(async { Bound::unix(&file).unwrap_err() });
    assert!(refused.next().unwrap().contains("shorter"), "{refused}");
}
