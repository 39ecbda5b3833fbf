//! Binding addresses and sockets.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use axum::Router;
use tokio::net::{TcpListener, UnixListener};

use super::connections::{self, Limits, Listener};
use super::{Error, Stop, Tls};
use tegata_cli::data::{self, DataDir};

const ADDRESS: &str = "address";

/// The command-line argument `--listen`; flatten it into a program's arguments.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct ListenArgs {
    /// The address to listen on; port 0 takes any free one, see DIR/address
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// A bound address or socket, not yet served. Dropping it removes its traces from the disk.
#[derive(Debug)]
pub struct Bound {
    listener: Listener,
    limits: Limits,
    trace: Option<Trace>,
}

/// The file that others find us by; removed when we stop.
#[derive(Debug)]
struct Trace(PathBuf);

impl Drop for Trace {
    fn drop(&mut self) {
        // Nobody is left to report to; the next start replaces it.
        drop(fs::remove_file(&self.0));
    }
}

impl Bound {
    /// Binds a TCP address and writes it to `DIR/address`.
    ///
    /// # Errors
    /// [`Error::Plain`] for anything but loopback without TLS; [`Error::Bind`] if it's taken.
    pub async fn tcp(address: SocketAddr, dir: &DataDir, tls: Option<Tls>) -> Result<Self, Error> {
        let (listener, bound) = listen(address, tls.is_some()).await?;
        dir.write_atomic(ADDRESS, format!("{bound}\n").as_bytes())?;
        let trace = Trace(dir.file(ADDRESS)?);
        // Whoever waits for this line reads the file next.
        tracing::info!(address = %bound, tls = tls.is_some(), "listening");
        Ok(Self {
            listener: Listener::Tcp(listener, tls),
            limits: Limits::default(),
            trace: Some(trace),
        })
    }

    /// Binds any free port of loopback and writes its address nowhere: for a page that one person
    /// is shown, and that ends soon.
    ///
    /// # Errors
    /// [`Error::Bind`] if the system has no port. Within a runtime only.
    pub async fn unannounced() -> Result<Self, Error> {
        let (listener, bound) = listen(super::loopback(0), false).await?;
        tracing::info!(address = %bound, tls = false, "listening");
        Ok(Self {
            listener: Listener::Tcp(listener, None),
            limits: Limits::default(),
            trace: None,
        })
    }

    /// Binds a Unix socket that only its owner can use. A socket left over from a crash is
    /// replaced; one on which somebody listens isn't.
    ///
    /// # Errors
    /// [`Error::SocketTaken`], [`Error::NotASocket`] or [`Error::Bind`]. Within a runtime only.
    pub fn unix(path: &Path) -> Result<Self, Error> {
        clear_stale(path)?;
        // Bound under another name until its permissions are right.
        let unready = path.with_extension("unready");
        let refused = |source| Error::Bind {
            address: path.display().to_string(),
            source,
        };
        drop(fs::remove_file(&unready));
        let listener = UnixListener::bind(&unready).map_err(refused)?;
        fs::set_permissions(&unready, Permissions::from_mode(0o600)).map_err(refused)?;
        fs::rename(&unready, path).map_err(refused)?;
        tracing::info!(socket = %path.display(), "listening");
        let trace = Trace(path.to_owned());
        Ok(Self {
            listener: Listener::Unix(listener),
            limits: Limits::default(),
            trace: Some(trace),
        })
    }

    /// Other limits than the usual ones.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The address really bound; none for a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Tcp(listener, _) => listener.local_addr().ok(),
            Listener::Unix(_) => None,
        }
    }

    /// The web address really bound, over TLS or not; empty for a Unix socket.
    #[must_use]
    pub fn url(&self, secure: bool) -> String {
        let scheme = if secure { "https" } else { "http" };
        let address = self.address();
        address.map_or(String::new(), |address| format!("{scheme}://{address}"))
    }

    /// Serves until it's stopped, then gives open requests [`super::GRACE`] to end. Over TCP a
    /// handler finds the client's address as `axum::extract::ConnectInfo<SocketAddr>`.
    pub async fn run(self, router: Router, stop: Stop) {
        let Self {
            listener,
            limits,
            trace,
        } = self;
        connections::serve(listener, router, limits, stop, || drop(trace)).await;
    }
}

/// A listener and the address it really has.
async fn listen(address: SocketAddr, tls: bool) -> Result<(TcpListener, SocketAddr), Error> {
    if !tls && !address.ip().is_loopback() {
        return Err(Error::Plain { address });
    }
    let refused = |source| Error::Bind {
        address: address.to_string(),
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

/// The address that a server on this data folder has bound.
///
/// # Errors
/// If no server runs there, or the file is damaged.
pub fn read_address(dir: &Path) -> Result<SocketAddr, data::Error> {
    let path = dir.join(ADDRESS);
    let text =
        fs::read_to_string(&path).map_err(|source| data::Error::io("read", &path, source))?;
    let invalid = |error| io::Error::new(ErrorKind::InvalidData, error);
    text.trim()
        .parse()
        .map_err(|error| data::Error::io("understand", &path, invalid(error)))
}

fn clear_stale(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(Error::NotASocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(Error::SocketTaken {
            path: path.to_owned(),
        }),
        Err(_) => fs::remove_file(path).map_err(|source| Error::Bind {
            address: path.display().to_string(),
            source,
        }),
    }
}
