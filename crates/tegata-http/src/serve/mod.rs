//! Serving HTTP, the same way in every program.
//!
//! A program binds a TCP address or a Unix socket ([`Bound`]), hands over its routes and runs
//! until it's stopped ([`Stop`]: SIGTERM or Ctrl-C); open requests then get [`GRACE`] to end.
//! Plain HTTP is spoken on loopback only. The address really bound stands in `DIR/address`, so
//! that others find a port that the system chose. [`host_guard`] answers only to the party's
//! own host names: otherwise any web page could reach a server on loopback by having its own
//! name point there.

mod connections;
mod hosts;
mod listen;
mod slow;
mod stop;
mod tls;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use connections::{GRACE, HEADER_LIMIT, Limits, MAX_CONNECTIONS};
pub use hosts::{Hosts, host_guard};
pub use listen::{Bound, ListenArgs, read_address};
pub use stop::{Stop, Stopper};
pub use tls::Tls;

use tegata_cli::data;
use tegata_cli::exit::{Exit, Failure};

/// Why a server can't start.
///
/// Deliberately not a [`std::error::Error`]: it's the end of the line, and so becomes a [`Failure`] with
/// its code and its advice.
#[derive(Debug)]
pub enum Error {
    /// The address is in use, isn't ours, or may not be used.
    Bind {
        /// Address or socket.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// Plain HTTP beyond this machine.
    Plain {
        /// The address.
        address: SocketAddr,
    },
    /// Somebody listens on the Unix socket already.
    SocketTaken {
        /// The socket.
        path: PathBuf,
    },
    /// What stands in the socket's place isn't a socket.
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The certificate or its key can't be used.
    Tls {
        /// The file.
        path: PathBuf,
        /// What's wrong with it.
        what: String,
    },
    /// The data folder.
    Data(data::Error),
    /// The operating system wouldn't start threads or signals.
    System {
        /// What was asked of it.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, source } => write!(f, "can't listen on {address}: {source}"),
            Self::Plain { address } => write!(
                f,
                "refusing plain HTTP on {address}: others on the network could read along"
            ),
            Self::SocketTaken { path } => {
                write!(f, "another process already listens on {}", path.display())
            }
            Self::NotASocket { path } => {
                write!(f, "{} exists and isn't a socket", path.display())
            }
            Self::Tls { path, what } => write!(f, "can't use {} for TLS: {what}", path.display()),
            Self::Data(error) => error.fmt(f),
            Self::System { what, source } => {
                write!(f, "the operating system refused {what}: {source}")
            }
        }
    }
}

impl From<data::Error> for Error {
    fn from(error: data::Error) -> Self {
        Self::Data(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Data(error) = error {
            return error.into();
        }
        let next = error.next();
        let failure = Self::new(error.exit(), error);
        match next {
            Some(next) => failure.next(next),
            None => failure,
        }
    }
}

impl Error {
    /// The code that a program ends with.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Plain { .. } | Self::NotASocket { .. } | Self::Tls { .. } => Exit::Usage,
            Self::Data(error) => error.exit(),
            Self::Bind { .. } | Self::SocketTaken { .. } | Self::System { .. } => Exit::Refused,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        match self {
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => Some(
                "stop the program that uses it, or choose another with --listen (port 0: any)"
                    .into(),
            ),
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::InvalidInput => {
                Some("choose a shorter path: the system allows about a hundred bytes".into())
            }
            Self::Plain { .. } => {
                Some("listen on 127.0.0.1, or give a certificate and its key".into())
            }
            Self::SocketTaken { .. } => Some("stop that process first".into()),
            Self::NotASocket { .. } => Some("move that file away".into()),
            Self::Data(error) => error.next(),
            Self::Bind { .. } | Self::Tls { .. } | Self::System { .. } => None,
        }
    }
}

/// `127.0.0.1:port`.
#[must_use]
pub const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// A runtime on all cores for servers.
///
/// # Errors
/// If the system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::System {
            what: "worker threads",
            source,
        })
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
