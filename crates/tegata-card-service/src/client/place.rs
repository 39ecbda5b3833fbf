//! Where the card-key server is, how it's known there, and why it can't be reached.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::WireError;

/// Where the card-key server is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Server {
    /// Its socket on this machine.
    Socket(PathBuf),
    /// On another machine: TLS 1.3, both sides showing certificates.
    Remote(Remote),
}

/// A card-key server on another machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote {
    /// `HOST:PORT`.
    pub address: String,
    /// How its certificate is known.
    pub trust: Trust,
    /// Our certificate with its chain, PEM: by it the server knows us.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// How the card-key server's certificate is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// It's this very one. What else it says doesn't matter.
    Pinned(CertificatePin),
    /// An authority of the operator's own has issued it.
    CertifiedBy {
        /// The authority's certificate, PEM.
        authority: PathBuf,
        /// The name that stands in the server's certificate; `None`: the address's host.
        name: Option<String>,
    },
}

/// What settings say of where the card-key server is: a socket, or an address and what TLS to it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// Its socket on this machine.
    pub socket: Option<&'a Path>,
    /// Or its address on another, `HOST:PORT`.
    pub address: Option<&'a str>,
    /// The SHA-256 of its certificate, in hexadecimal.
    pub pin: Option<&'a str>,
    /// Or the authority that issued it, PEM.
    pub authority: Option<&'a Path>,
    /// Our certificate, PEM.
    pub cert: Option<&'a Path>,
    /// Its private key, PEM.
    pub key: Option<&'a Path>,
}

/// Settings that lead to no card-key server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotNamed {
    /// Both a socket and an address, or neither.
    #[error("the card-key server is at a socket or at an address: give one of them")]
    Where,
    /// Both a pin and an authority, or neither.
    #[error(
        "the card-key server's certificate is known by a pin or by its authority: give one of them"
    )]
    Trust,
    /// The pin isn't one.
    #[error(transparent)]
    Pin(#[from] NotAPin),
    /// TLS needs a certificate of ours, and its key.
    #[error("TLS to the card-key server needs a certificate of ours and its private key")]
    Certificate,
}

impl Named<'_> {
    /// Is there anything at all?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.socket.is_none() && self.address.is_none()
    }

    /// Where that is.
    ///
    /// # Errors
    /// [`NotNamed`].
    pub fn server(&self) -> Result<Server, NotNamed> {
        let address = match (self.socket, self.address) {
            (Some(socket), None) => return Ok(Server::Socket(socket.to_owned())),
            (None, Some(address)) => address.to_owned(),
            (None, None) | (Some(_), Some(_)) => return Err(NotNamed::Where),
        };
        let trust = match (self.pin, self.authority) {
            (Some(pin), None) => Trust::Pinned(pin.parse()?),
            (None, Some(authority)) => Trust::CertifiedBy {
                authority: authority.to_owned(),
                name: None,
            },
            (None, None) | (Some(_), Some(_)) => return Err(NotNamed::Trust),
        };
        let (Some(cert), Some(key)) = (self.cert, self.key) else {
            return Err(NotNamed::Certificate);
        };
        Ok(Server::Remote(Remote {
            address,
            trust,
            cert: cert.to_owned(),
            key: key.to_owned(),
        }))
    }
}

/// The SHA-256 of a certificate (DER). `openssl x509 -in FILE -noout -fingerprint -sha256` shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificatePin([u8; 32]);

/// Not a pin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a certificate's SHA-256 has 64 hexadecimal digits; \
     openssl x509 -in FILE -noout -fingerprint -sha256 shows it"
)]
pub struct NotAPin;

impl CertificatePin {
    /// From the digest.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for CertificatePin {
    type Err = NotAPin;

    /// Reads 64 hexadecimal digits; colons between them are allowed.
    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let digit = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digits = text.chars().filter(|c| *c != ':').map(digit);
        let digits: Vec<u8> = digits.collect::<Option<_>>().ok_or(NotAPin)?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        match (<[u8; 32]>::try_from(bytes), rest) {
            (Ok(digest), []) => Ok(Self(digest)),
            (Ok(_) | Err(_), _) => Err(NotAPin),
        }
    }
}

impl fmt::Display for CertificatePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CertificatePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificatePin({self})")
    }
}

/// Why there's no connection to the card-key server. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The socket can't be used.
    #[error(
        "the card-key server can't be reached at {}: {}",
        socket.display(), socket_advice(source)
    )]
    Socket {
        /// Which.
        socket: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The address leads nowhere.
    #[error(
        "the card-key server can't be reached at {address}: see that it runs, that its `listen` \
         says so, and that no firewall stands between"
    )]
    Address {
        /// Which.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// One of our files can't be used for TLS.
    #[error("{} can't be used to reach the card-key server: {what}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Whoever answers isn't the card-key server that was named.
    #[error(
        "who answers at {address} shows another certificate than the card-key server's: {what}. \
         If the operator replaced it, take the new pin or authority from the operator, and from \
         nobody else; otherwise somebody is in between"
    )]
    AnotherServer {
        /// Where.
        address: String,
        /// What the certificate lacks.
        what: String,
    },
    /// The card-key server doesn't take us.
    #[error("the card-key server at {place} doesn't let us in: {advice}")]
    NotLetIn {
        /// Where.
        place: String,
        /// What to do.
        advice: String,
        /// How it showed.
        source: WireError,
    },
    /// Nothing came in time.
    #[error(
        "who listens at {place} gave no answer in time: see whether the card-key server is \
         overloaded or stopped, and whether it's it that listens there"
    )]
    Silent {
        /// Where.
        place: String,
    },
    /// Whatever listens there, it speaks otherwise.
    #[error(
        "what listens at {place} isn't a card-key server of this version: see whether the place \
         is right, and both programs are of one version"
    )]
    AnotherProtocol {
        /// Where.
        place: String,
    },
}

fn socket_advice(error: &io::Error) -> &'static str {
    let kind = error.kind();
    if kind == ErrorKind::NotFound {
        "there's no such socket. Start it (tegata-card-keys serve), or name its socket"
    } else if kind == ErrorKind::ConnectionRefused {
        "nobody listens. Start it (tegata-card-keys serve)"
    } else if kind == ErrorKind::PermissionDenied {
        "this user may not. Give `socket` a folder that this user can reach, and `allow_uid` \
         this user's number, in its card-keys.toml"
    } else {
        "see whether it runs, and whether that is its socket"
    }
}

/// What bytes can be read from and written to.
pub trait ReadWrite: Read + Write {}

impl<S: Read + Write> ReadWrite for S {}

impl fmt::Display for Server {
    /// Its path or address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Remote(remote) => f.write_str(&remote.address),
        }
    }
}

/// Is this how a timeout shows?
pub(super) fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_64_digits_with_or_without_colons() {
        let whole = CertificatePin::new([0xab; 32]);
        assert_eq!("aB".repeat(32).parse(), Ok(whole));
        assert_eq!(["AB"; 32].join(":").parse(), Ok(whole));
        assert_eq!(whole.to_string().parse(), Ok(whole));
        for wrong in [
            "",
            "ab",
            &"ab".repeat(33),
            &"zz".repeat(32),
            &"a".repeat(63),
            &"a".repeat(65),
        ] {
            assert_eq!(wrong.parse::<CertificatePin>(), Err(NotAPin), "{wrong}");
        }
    }
}
