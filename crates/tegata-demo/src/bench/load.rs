//! The crowd at the door: requests sealed beforehand, sent over kept connections, a fixed number of
//! them under way at any time.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use rustix::time::ClockId;
use tokio::{net::TcpStream, task::LocalSet};

use super::primitives::nanos;

/// What came back.
#[derive(Debug)]
pub struct Answers {
    /// Each request's reply, in the requests' order.
    pub replies: Vec<Bytes>,
    /// How long each took, in nanoseconds, in no order.
    pub waits: Vec<u64>,
    /// From the first request to the last reply.
    pub wall: u64,
}

impl Answers {
    /// The wait that so many of a thousand stay below.
    #[must_use]
    pub fn percentile(&self, permille: usize) -> u64 {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        let last = waits.len().saturating_sub(1);
        let index = waits.len().saturating_mul(permille) / 1000;
        waits.get(index.min(last)).copied().unwrap_or_default()
    }

    /// How many came back in a second.
    #[must_use]
    pub fn per_second(&self) -> u64 {
        let count = u64::try_from(self.replies.len()).unwrap_or(u64::MAX);
        let sent = count.saturating_mul(1_000_000_000);
        sent.checked_div(self.wall).unwrap_or_default()
    }
}

/// Sends all requests to `/v1/message` over `connections` connections, one at a time on each.
///
/// # Errors
/// When a connection breaks or an answer isn't a reply.
pub fn send_all(
    server: SocketAddr,
    requests: Vec<Bytes>,
    connections: usize,
) -> anyhow::Result<Answers> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, crowd(server, requests, connections))
}

async fn crowd(
    server: SocketAddr,
    requests: Vec<Bytes>,
    connections: usize,
) -> anyhow::Result<Answers> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(connect(server).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let requests = Rc::new(requests);
    let start = nanos(ClockId::Monotonic);
    let tasks = open.into_iter().map(|connection| {
        let queue = Queue {
            requests: Rc::clone(&requests),
            next: Arc::clone(&next),
            server,
        };
        tokio::task::spawn_local(queue.work(connection))
    });
    let tasks: Vec<_> = tasks.collect();
    let mut done = Vec::with_capacity(requests.len());
    for task in tasks {
        done.extend(task.await??);
    }
    let wall = nanos(ClockId::Monotonic).saturating_sub(start);
    ensure!(done.len() == requests.len(), "some requests had no answer");
    done.sort_unstable_by_key(|one| one.index);
    let waits = done.iter().map(|one| one.wait).collect();
    let replies = done.into_iter().map(|one| one.reply).collect();
    Ok(Answers {
        replies,
        waits,
        wall,
    })
}

async fn connect(server: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

struct One {
    index: usize,
    reply: Bytes,
    wait: u64,
}

/// What is still to be sent, shared by all connections.
struct Queue {
    requests: Rc<Vec<Bytes>>,
    next: Arc<AtomicUsize>,
    server: SocketAddr,
}

impl Queue {
    async fn work(self, mut connection: SendRequest<Full<Bytes>>) -> anyhow::Result<Vec<One>> {
        let mut done = Vec::new();
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = self.requests.get(index) else {
                return Ok(done);
            };
            let start = nanos(ClockId::Monotonic);
            let reply = post(&mut connection, self.server, request.clone()).await?;
            let wait = nanos(ClockId::Monotonic).saturating_sub(start);
            done.push(One { index, reply, wait });
        }
    }
}

async fn post(
    connection: &mut SendRequest<Full<Bytes>>,
    server: SocketAddr,
    body: Bytes,
) -> anyhow::Result<Bytes> {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/message")
        .header(header::HOST, server.to_string())
        .header(header::CONTENT_TYPE, "application/cbor")
        .body(Full::new(body))?;
    connection.ready().await?;
    let response = connection.send_request(request).await.context("sending")?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(
        status == StatusCode::OK,
        "the centre answered {status}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_pace() {
        let answers = Answers {
            replies: vec![Bytes::new(); 100],
            waits: (1..=100).rev().collect(),
            wall: 500_000_000,
        };
        assert_eq!(answers.percentile(500), 51);
        assert_eq!(answers.percentile(990), 100);
        assert_eq!(answers.per_second(), 200);
    }
}
