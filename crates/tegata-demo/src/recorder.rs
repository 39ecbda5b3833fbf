//! What travels between the parties, seen by somebody on the wire: sealed.
//!
//! Small proxies stand between the programs. They pass everything on unchanged and keep each sealed
//! message as `NNN-from-to-kind.sealed.cbor`. What the parties can open themselves is exported
//! beside them as `NNN-from-to-kind.sign1.cbor`, and `keys/` has what verifies it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt as _;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

/// The most that a proxy passes on.
const LIMIT: usize = 1 << 20;

/// Keeps artefacts, numbered in the order of their passing.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    state: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    count: u32,
    kind: String,
}

impl Recorder {
    /// A recorder into `folder`, which is made with its `keys/`.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn new(folder: PathBuf) -> anyhow::Result<Arc<Self>> {
        fs::create_dir_all(folder.join("keys")).context("making the artefacts' folder")?;
        Ok(Arc::new(Self {
            folder,
            state: Mutex::default(),
        }))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says what the next messages are about; nobody on the wire could tell.
    pub fn about(&self, kind: &str) {
        kind.clone_into(&mut self.lock().kind);
    }

    /// How many artefacts there are.
    pub fn count(&self) -> u32 {
        self.lock().count
    }

    /// Keeps something signed.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn signed(&self, from: &str, to: &str, kind: &str, bytes: &[u8]) -> anyhow::Result<()> {
        self.write(&format!("{from}-{to}-{kind}.sign1.cbor"), bytes)
    }

    /// Keeps a public key as a COSE_Key.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn key(&self, party: &str, purpose: &str, cose_key: &[u8]) -> anyhow::Result<()> {
        let path = self
            .folder
            .join("keys")
            .join(format!("{party}-{purpose}.cose_key.cbor"));
        fs::write(&path, cose_key).with_context(|| format!("writing {}", path.display()))
    }

    fn sealed(&self, from: &str, to: &str, bytes: &[u8], answer: bool) {
        let kind = self.lock().kind.clone();
        let kind = if answer {
            format!("{kind}-reply")
        } else {
            kind
        };
        let written = self.write(&format!("{from}-{to}-{kind}.sealed.cbor"), bytes);
        if let Err(e) = written {
            eprintln!("an artefact is lost: {e:#}");
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let count = {
            let mut state = self.lock();
            state.count += 1;
            state.count
        };
        let path = self.folder.join(format!("{count:03}-{name}"));
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which messages a proxy keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Every one: somebody's own doing.
    All,
    /// Only large ones, under a name of their own: a server also asks for its mail all the time.
    LargerThan(usize, &'static str),
}

#[derive(Clone, Debug)]
struct Proxy {
    recorder: Arc<Recorder>,
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Body>,
    upstream: String,
    from: String,
    to: String,
    keep: Keep,
}

/// Starts a proxy from one party to another; gives the address to use instead of `upstream`.
///
/// # Errors
/// When no port is free.
pub async fn between(
    recorder: &Arc<Recorder>,
    (from, to): (&str, &str),
    upstream: SocketAddr,
    keep: Keep,
) -> anyhow::Result<SocketAddr> {
    let proxy = Proxy {
        recorder: recorder.clone(),
        client: Client::builder(TokioExecutor::new()).build_http(),
        upstream: upstream.to_string(),
        from: from.to_owned(),
        to: to.to_owned(),
        keep,
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(pass).with_state(proxy);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn pass(State(proxy): State<Proxy>, request: Request) -> Response {
    proxy
        .pass(request)
        .await
        .unwrap_or_else(|e| (StatusCode::BAD_GATEWAY, format!("{e:#}\n")).into_response())
}

impl Proxy {
    async fn pass(&self, request: Request) -> anyhow::Result<Response> {
        let is_message = request.uri().path() == "/v1/message";
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        parts.uri = format!("http://{}{path}", self.upstream).parse::<Uri>()?;
        let sent = axum::body::to_bytes(body, LIMIT).await?;
        let kept = is_message && self.keeps(&sent);
        if kept {
            self.note(&sent, false);
        }
        let request = Request::from_parts(parts, Body::from(sent));
        let (parts, body) = self.client.request(request).await?.into_parts();
        let answer = body.collect().await?.to_bytes();
        if kept && parts.status.is_success() {
            self.note(&answer, true);
        }
        Ok(Response::from_parts(parts, Body::from(answer)))
    }

    fn keeps(&self, sent: &Bytes) -> bool {
        match self.keep {
            Keep::All => true,
            Keep::LargerThan(bytes, _) => sent.len() > bytes,
        }
    }

    fn note(&self, bytes: &Bytes, answer: bool) {
        let (from, to) = if answer {
            (&self.to, &self.from)
        } else {
            (&self.from, &self.to)
        };
        match self.keep {
            Keep::All => self.recorder.sealed(from, to, bytes, answer),
            Keep::LargerThan(_, kind) => {
                let kind = if answer {
                    format!("{kind}-reply")
                } else {
                    kind.to_owned()
                };
                let written = self
                    .recorder
                    .write(&format!("{from}-{to}-{kind}.sealed.cbor"), bytes);
                if let Err(e) = written {
                    eprintln!("an artefact is lost: {e:#}");
                }
            }
        }
    }
}
