//! What can be set: in `DIR/card-keys.toml`, by the environment, by flags; flags win.
//!
//! ```toml
//! allow_uid = [990]                          # who else may use the socket: the centre's user
//! socket = "/run/tegata/card-keys.sock"      # where that user can reach it
//! listen = "10.0.0.7:7405"                   # for a centre on another machine: TLS both ways
//! tls_cert = "/etc/tegata/card-keys.pem"
//! tls_key = "/etc/tegata/card-keys.key"
//! client_pin = ["SHA-256 of the centre's certificate, in hexadecimal"]
//! client_ca = "/etc/tegata/clients.pem"      # or: whoever this authority certifies
//! jobs = 256
//! connections = 64
//! idle_seconds = 120
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;

use tegata_program::exit::Failure;

use crate::house::Bounds;
use crate::serve::tls::{Clients, Files, Tls};

/// Settings as they stand in a file or on the command line; all may be left out.
#[derive(Clone, Debug, Default, clap::Args, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A user's number that may use the socket beside our own; may be repeated
    #[arg(long, value_name = "UID")]
    pub allow_uid: Vec<u32>,

    /// Where the socket stands [default: card-keys.sock in the data folder]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// Listen on this address too, with TLS that asks the client for its certificate
    #[arg(long, value_name = "ADDR", requires = "tls_cert")]
    pub listen: Option<SocketAddr>,

    /// Our TLS certificate with its chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// The SHA-256 of a client's certificate, in hexadecimal; may be repeated
    #[arg(long, value_name = "HEX")]
    pub client_pin: Vec<String>,

    /// An authority whose certificates clients may have, PEM; instead of pins
    #[arg(long, value_name = "FILE", conflicts_with = "client_pin")]
    pub client_ca: Option<PathBuf>,

    /// The most jobs at once [default: 256]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,

    /// The most connections at once [default: 64]
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,

    /// A job that nobody asked about for so many seconds is over [default: 120]
    #[arg(long, value_name = "N")]
    pub idle_seconds: Option<u64>,
}

impl Settings {
    /// These settings where they're given, and `others` elsewhere.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        fn list<T>(one: Vec<T>, other: Vec<T>) -> Vec<T> {
            if one.is_empty() { other } else { one }
        }
        Self {
            allow_uid: list(self.allow_uid, others.allow_uid),
            socket: self.socket.or(others.socket),
            listen: self.listen.or(others.listen),
            tls_cert: self.tls_cert.or(others.tls_cert),
            tls_key: self.tls_key.or(others.tls_key),
            client_pin: list(self.client_pin, others.client_pin),
            client_ca: self.client_ca.or(others.client_ca),
            jobs: self.jobs.or(others.jobs),
            connections: self.connections.or(others.connections),
            idle_seconds: self.idle_seconds.or(others.idle_seconds),
        }
    }

    /// How much is kept open.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let usual = Bounds::default();
        Bounds {
            jobs: self.jobs.unwrap_or(usual.jobs),
            idle: self.idle_seconds.unwrap_or(usual.idle),
        }
    }

    /// The address for other machines with its TLS, if configured.
    ///
    /// # Errors
    /// If something is missing: a listener that takes anybody isn't made.
    pub fn remote(&self) -> Result<Option<(SocketAddr, Tls)>, Failure> {
        let Some(address) = self.listen else {
            return Ok(None);
        };
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Err(Failure::usage("listening on an address needs TLS")
                .next("give tls_cert and tls_key"));
        };
        let clients = match (&self.client_ca, self.client_pin.as_slice()) {
            (Some(ca), []) => Clients::CertifiedBy(ca.clone()),
            (None, [_, ..]) => Clients::pinned(&self.client_pin)?,
            (None, []) | (Some(_), [_, ..]) => {
                return Err(Failure::usage("TLS must know its clients")
                    .next("give client_pin or client_ca, one of them"));
            }
        };
        let files = Files { cert, key };
        Ok(Some((address, Tls::new(files, &clients)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_listens_without_knowing_who_may_come() {
        let address = "127.0.0.1:0".parse().ok();
        let bare = Settings {
            listen: address,
            ..Settings::default()
        };
        assert!(bare.remote().is_err());
        let anybody = Settings {
            tls_cert: Some("cert".into()),
            tls_key: Some("key".into()),
            ..bare
        };
        let failure = anybody.remote().unwrap_err().to_string();
        assert!(failure.contains("must know its clients"), "{failure}");
        assert!(Settings::default().remote().unwrap().is_none());
    }
}
