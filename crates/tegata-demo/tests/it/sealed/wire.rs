//! A wire that somebody listens on: it carries bytes between two parties unchanged and keeps a copy
//! of both directions.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use flate2::read::GzDecoder;

/// Which requests get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// All.
    Everything,
    /// Only what browsers ask a sealing service for: between the two companies there's no network.
    KeysOnly,
    /// Orders reach the shop, but what it answers to them is lost.
    NoReceipts,
}

/// Which direction: what is asked, or what is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Yes,
    No,
}

#[derive(Debug)]
struct State {
    target: Option<SocketAddr>,
    passing: Passing,
    streams: Vec<Arc<Mutex<Vec<u8>>>>,
}

/// A wire to one party.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    /// Where the others connect to.
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Wire {
    /// A wire that leads nowhere yet.
    pub(super) fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            target: None,
            passing: Passing::Everything,
            streams: Vec::new(),
        }));
        let wire = Self { address, state };
        let carrier = wire.clone();
        thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                carrier.carry(caller);
            }
        });
        wire
    }

    /// Leads to this address from now on.
    pub(super) fn lead(&self, target: SocketAddr) {
        self.state.lock().unwrap().target = Some(target);
    }

    /// Lets only these requests through from now on.
    pub(super) fn pass(&self, passing: Passing) {
        self.state.lock().unwrap().passing = passing;
    }

    fn passing(&self) -> Passing {
        self.state.lock().unwrap().passing
    }

    fn carry(&self, caller: TcpStream) {
        let target = self.state.lock().unwrap().target;
        let Some(Ok(called)) = target.map(TcpStream::connect) else {
            return;
        };
        let (back_from, back_to) = (called.try_clone().unwrap(), caller.try_clone().unwrap());
        let mute = Arc::<AtomicBool>::default();
        self.copy((caller, called), Asks::Yes, &mute);
        self.copy((back_from, back_to), Asks::No, &mute);
    }

    fn copy(&self, (mut from, mut to): (TcpStream, TcpStream), asks: Asks, mute: &Arc<AtomicBool>) {
        let (kept, mute) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::clone(mute));
        let wire = self.clone();
        self.state.lock().unwrap().streams.push(Arc::clone(&kept));
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                let bytes = &buffer[..read];
                kept.lock().unwrap().extend(bytes);
                if !wire.lets(bytes, asks, &mute) || to.write_all(bytes).is_err() {
                    break;
                }
            }
            drop(from.shutdown(Shutdown::Both));
            drop(to.shutdown(Shutdown::Both));
        });
    }

    fn lets(&self, bytes: &[u8], asks: Asks, mute: &AtomicBool) -> bool {
        let starts = |start: &[u8]| asks == Asks::Yes && bytes.starts_with(start);
        match self.passing() {
            Passing::Everything => true,
            Passing::NoReceipts => {
                mute.fetch_or(starts(b"POST /v1/orders HTTP"), Ordering::SeqCst);
                asks == Asks::Yes || !mute.load(Ordering::SeqCst)
            }
            Passing::KeysOnly => !starts(b"GET /v1/record") && !starts(b"POST /v1/message"),
        }
    }

    /// Everything that went over it: each direction of each connection as it was, and each HTTP
    /// body, put together and unpacked.
    pub(super) fn captured(&self) -> Vec<Vec<u8>> {
        let streams = self.state.lock().unwrap().streams.clone();
        let mut all = Vec::new();
        for stream in streams {
            let bytes = stream.lock().unwrap().clone();
            all.extend(messages(&bytes).into_iter().map(|message| message.body));
            all.push(bytes);
        }
        all
    }

    /// The bodies of requests to this path.
    pub(super) fn posted(&self, path: &str) -> Vec<Vec<u8>> {
        let start = format!("POST {path} ");
        let streams = self.state.lock().unwrap().streams.clone();
        let messages = streams.iter().flat_map(|s| messages(&s.lock().unwrap()));
        let posted = messages.filter(|message| message.head.starts_with(&start));
        posted.map(|message| message.body).collect()
    }
}

/// A message on a wire.
pub(super) struct Message {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// The HTTP messages of one direction, one after the other.
pub(super) fn messages(mut stream: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(end) = find(stream, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&stream[..end + 2]).into_owned();
        let rest = &stream[end + 4..];
        let (body, used) = match value(&head, "transfer-encoding") {
            Some(_) => chunks(rest),
            None => {
                let length = value(&head, "content-length").and_then(|length| length.parse().ok());
                let length = rest.len().min(length.unwrap_or(0));
                (rest[..length].to_vec(), length)
            }
        };
        let packed = value(&head, "content-encoding").is_some_and(|how| how == "gzip");
        let body = if packed { unpacked(&body) } else { body };
        messages.push(Message { head, body });
        stream = &rest[used..];
    }
    messages
}

fn value(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_ascii_lowercase())
}

/// A body in chunks, as far as it came; and how many bytes it took.
fn chunks(stream: &[u8]) -> (Vec<u8>, usize) {
    let (mut body, mut at) = (Vec::new(), 0);
    while let Some(line) = find(&stream[at..], b"\r\n") {
        let length = String::from_utf8_lossy(&stream[at..at + line]).into_owned();
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        let (from, to) = (at + line + 2, at + line + 2 + length);
        body.extend(&stream[from..to.min(stream.len())]);
        at = (to + 2).min(stream.len());
        if length == 0 {
            break;
        }
    }
    (body, at)
}

fn unpacked(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // What was cut off in the middle gives what came.
    drop(GzDecoder::new(body).read_to_end(&mut plain));
    plain
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
