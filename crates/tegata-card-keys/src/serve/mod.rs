//! The server: a Unix socket for this machine, TLS for another one. A thread for each connection, a
//! request at a time; the handler answers one after the other, since each answer is durable first.

mod places;
pub mod tls;

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tegata_card_service::{Request, Response, WireError, receive, send};
use tegata_cli::clock;
use tegata_cli::exit::Failure;
use tegata_http::serve::Stop;
use tegata_keystore::rng;
use tokio::net::{TcpListener, UnixListener};

use crate::handler::{Client, Handler};
use places::{Place, Places, Stranger};
use tls::Tls;

/// The socket's name in the data folder.
pub const SOCKET: &str = "card-keys.sock";

/// How long a connection may be silent, and an answer may wait to be taken.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Who may come, where, and how many at once.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Where the socket stands, if not in the data folder.
    pub socket: Option<PathBuf>,
    /// The most connections at once: of application servers, of gates, and of those that are still shaking
    /// hands, so many each; of the last the oldest goes when another comes.
    pub connections: usize,
    /// The users that may use the socket beside the folder's owner.
    pub uids: Vec<u32>,
    /// The gates' socket, if they have one.
    pub gates: Option<Gates>,
}

/// The socket over which tickets are read and punched, and nothing else.
#[derive(Clone, Debug)]
pub struct Gates {
    /// Where it stands.
    pub socket: PathBuf,
    /// The users that may use it beside the folder's owner.
    pub uids: Vec<u32>,
}

/// The handler as all connections share it.
type Shared = Arc<Mutex<Handler>>;

/// The listeners, bound and not yet answered.
#[derive(Debug)]
pub struct Server {
    handler: Shared,
    own: Door,
    gates: Option<Door>,
    remote: Option<(TcpListener, Tls)>,
    open: Arc<Places>,
}

/// A socket, bound.
#[derive(Debug)]
struct Door {
    listener: UnixListener,
    path: PathBuf,
    client: Client,
    uids: Vec<u32>,
}

impl Door {
    /// `owner` may come in too, whoever else may.
    fn bind(
        path: PathBuf,
        client: Client,
        mut uids: Vec<u32>,
        owner: u32,
    ) -> Result<Self, Failure> {
        // Others get as far as being asked who they are only if somebody else may come at all.
        let mode = if uids.is_empty() { 0o600 } else { 0o666 };
        let listener = bind_unix(&path, mode)?;
        uids.push(owner);
        Ok(Self {
            listener,
            path,
            client,
            uids,
        })
    }

    fn lets_in(&self, stream: &tokio::net::UnixStream) -> bool {
        match stream.peer_cred() {
            Ok(peer) if self.uids.contains(&peer.uid()) => true,
            Ok(peer) => {
                let (uid, client) = (peer.uid(), self.client);
                tracing::warn!(uid, ?client, "refused: this user may not use the socket");
                false
            }
            Err(error) => {
                tracing::warn!(%error, "refused: who uses the socket can't be learnt");
                false
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "the socket couldn't be removed");
        }
    }
}

impl Server {
    /// Binds the socket in the folder and, if wanted, one for gates and an address for TLS. Within a
    /// runtime only.
    ///
    /// # Errors
    /// [`Failure`], if something can't be bound.
    pub async fn bind(
        handler: Handler,
        folder: &Path,
        admission: Admission,
        remote: Option<(SocketAddr, Tls)>,
    ) -> Result<Self, Failure> {
        let owner = fs::metadata(folder)?.uid();
        let path = admission.socket.unwrap_or_else(|| folder.join(SOCKET));
        let own = Door::bind(path, Client::Application, admission.uids, owner)?;
        let gates = match admission.gates {
            Some(gates) => Some(Door::bind(gates.socket, Client::Gate, gates.uids, owner)?),
            None => None,
        };
        let remote = match remote {
            Some((address, tls)) => Some((TcpListener::bind(address).await?, tls)),
            None => None,
        };
        Ok(Self {
            handler: Arc::new(Mutex::new(handler)),
            own,
            gates,
            remote,
            open: Arc::new(Places::new(admission.connections)),
        })
    }

    /// Where the socket stands.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.own.path
    }

    /// Where the gates' socket stands.
    #[must_use]
    pub fn gate_socket(&self) -> Option<&Path> {
        self.gates.as_ref().map(|door| door.path.as_path())
    }

    /// The address for other machines that was really bound.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let (listener, _) = self.remote.as_ref()?;
        listener.local_addr().ok()
    }

    /// Answers until it's told to stop. A request that is being answered then is answered.
    pub async fn run(self, stop: Stop) {
        loop {
            tokio::select! {
                () = stop.wait() => break,
                come = self.own.listener.accept() => match come {
                    Ok((stream, _)) => self.admit_local(&self.own, stream),
                    Err(error) => self.pause(&error).await,
                },
                come = self.accept_gate() => match come {
                    Ok((stream, door)) => self.admit_local(door, stream),
                    Err(error) => self.pause(&error).await,
                },
                come = self.accept_remote() => match come {
                    Ok((stream, tls)) => self.admit_remote(stream, tls),
                    Err(error) => self.pause(&error).await,
                },
            }
        }
        let Self {
            handler,
            own,
            gates,
            ..
        } = self;
        drop((own, gates));
        // Whatever is being decided becomes durable first.
        drop(handler.lock());
    }

    async fn pause(&self, error: &std::io::Error) {
        tracing::warn!(%error, "a connection couldn't be taken");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    async fn accept_remote(&self) -> std::io::Result<(tokio::net::TcpStream, Tls)> {
        match &self.remote {
            Some((listener, tls)) => {
                let (stream, _) = listener.accept().await?;
                Ok((stream, tls.clone()))
            }
            None => std::future::pending().await,
        }
    }

    async fn accept_gate(&self) -> std::io::Result<(tokio::net::UnixStream, &Door)> {
        match &self.gates {
            Some(door) => {
                let (stream, _) = door.listener.accept().await?;
                Ok((stream, door))
            }
            None => std::future::pending().await,
        }
    }

    fn admit_local(&self, door: &Door, stream: tokio::net::UnixStream) {
        if !door.lets_in(&stream) {
            return;
        }
        let (handler, client) = (Arc::clone(&self.handler), door.client);
        let Some(place) = Place::take(&self.open, client) else {
            return;
        };
        spawn(move || {
            let _place = place;
            let stream = stream.into_std()?;
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            talk(stream, client, &handler)
        });
    }

    fn admit_remote(&self, stream: tokio::net::TcpStream, tls: Tls) {
        let (handler, open) = (Arc::clone(&self.handler), Arc::clone(&self.open));
        let met = stream.into_std().and_then(|stream| {
            stream.set_nonblocking(false)?;
            stream.set_nodelay(true)?;
            Ok((Stranger::meet(&open, &stream)?, stream))
        });
        let (stranger, stream) = match met {
            Ok(met) => met,
            Err(error) => {
                tracing::warn!(%error, "a connection couldn't be taken");
                return;
            }
        };
        spawn(move || {
            let (client, secure) = tls.accept(stream, HANDSHAKE)?;
            let place = Place::take(&open, client);
            drop(stranger);
            let Some(_place) = place else {
                return Ok(());
            };
            secure.sock.set_read_timeout(Some(PATIENCE))?;
            secure.sock.set_write_timeout(Some(PATIENCE))?;
            talk(secure, client, &handler)
        });
    }
}

/// A thread for a connection.
fn spawn(serve: impl FnOnce() -> Result<(), WireError> + Send + 'static) {
    let thread = std::thread::Builder::new().name("card-keys".into());
    let spawned = thread.spawn(move || match serve() {
        Ok(()) | Err(WireError::Closed) => {}
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::info!(error, "a connection ended");
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread for a connection");
    }
}

/// Answers what comes over a connection until it ends.
fn talk<S: Read + Write>(
    mut stream: S,
    client: Client,
    handler: &Mutex<Handler>,
) -> Result<(), WireError> {
    loop {
        let request: Request = receive(&mut stream)?;
        let response = answer(handler, client, request);
        send(&mut stream, &response)?;
    }
}

fn answer(handler: &Mutex<Handler>, client: Client, request: Request) -> Response {
    let mut challenge = rng::bytes;
    // A panic before this one lost its job and no more: the store has transactions.
    let mut handler = handler.lock().unwrap_or_else(PoisonError::into_inner);
    handler.answer(client, request, clock::now(), &mut challenge)
}

/// Binds under another name until the permissions are right. What a crash left is replaced; the
/// folder's lock says that nobody listens there.
fn bind_unix(path: &Path, mode: u32) -> Result<UnixListener, Failure> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            let what = format!("{} is there and isn't a socket", path.display());
            return Err(Failure::usage(what).next("move it away"));
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    let unready = path.with_extension("unready");
    if let Err(error) = fs::remove_file(&unready)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error.into());
    }
    let listener = UnixListener::bind(&unready)?;
    fs::set_permissions(&unready, Permissions::from_mode(mode))?;
    fs::rename(&unready, path)?;
    Ok(listener)
}
