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
//! gate_socket = "/run/tegata/gates.sock"     # for gates: tickets are read and punched, nothing else
//! gate_allow_uid = [991]
//! gate_pin = ["SHA-256 of a gate's certificate"]
//! jobs = 256
//! connections = 64
//! idle_seconds = 120
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;

use tegata_cli::exit::Failure;

use crate::handler::Bounds;
use crate::serve::tls::{Application, Clients, Files, Tls, pins};
use crate::serve::{Admission, Gates};

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

    /// A second socket, for gates: over it tickets are read and punched, and nothing else
    #[arg(long, value_name = "PATH")]
    pub gate_socket: Option<PathBuf>,

    /// A user's number that may use the gates' socket; may be repeated
    #[arg(long, value_name = "UID")]
    pub gate_allow_uid: Vec<u32>,

    /// The SHA-256 of a gate's certificate, in hexadecimal; may be repeated
    #[arg(long, value_name = "HEX")]
    pub gate_pin: Vec<String>,

    /// The most jobs at once [default: 256]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,

    /// The most connections at once, of centres and of gates each [default: 64]
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
            gate_socket: self.gate_socket.or(others.gate_socket),
            gate_allow_uid: list(self.gate_allow_uid, others.gate_allow_uid),
            gate_pin: list(self.gate_pin, others.gate_pin),
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

    /// Who may come by which socket, and how many at once.
    ///
    /// # Errors
    /// If gates' users have no socket, or the centre's.
    pub fn admission(&self) -> Result<Admission, Failure> {
        let gates = match &self.gate_socket {
            Some(socket) if self.socket.as_ref() == Some(socket) => {
                return Err(
                    Failure::usage("socket and gate_socket are one and the same")
                        .next("name another one for gates, which may do less"),
                );
            }
            Some(socket) => Some(Gates {
                socket: socket.clone(),
                uids: self.gate_allow_uid.clone(),
            }),
            None if self.gate_allow_uid.is_empty() => None,
            None => {
                return Err(
                    Failure::usage("gate_allow_uid is given, and no socket for gates")
                        .next("give gate_socket"),
                );
            }
        };
        Ok(Admission {
            socket: self.socket.clone(),
            connections: self.connections.unwrap_or(64),
            uids: self.allow_uid.clone(),
            gates,
        })
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
        let gates = pins("gate_pin", &self.gate_pin)?;
        let application = match (&self.client_ca, self.client_pin.as_slice()) {
            (Some(ca), []) => Application::CertifiedBy(ca.clone()),
            // The centre may come by the socket, and gates only from elsewhere.
            (None, []) if !gates.is_empty() => Application::Pinned(Vec::new()),
            (None, [_, ..]) => Application::Pinned(pins("client_pin", &self.client_pin)?),
            (None, []) | (Some(_), [_, ..]) => {
                return Err(Failure::usage("TLS must know its clients")
                    .next("give client_pin or client_ca, one of them, or gate_pin"));
            }
        };
        if let Application::Pinned(known) = &application
            && known.iter().any(|pin| gates.contains(pin))
        {
            return Err(Failure::usage(
                "one certificate stands in client_pin and gate_pin: a gate may do less",
            )
            .next("give the gate a certificate of its own"));
        }
        let clients = Clients { application, gates };
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

    #[test]
    fn a_gate_is_never_taken_for_the_centre() {
        let pin = "ab".repeat(32);
        let both = Settings {
            listen: "127.0.0.1:0".parse().ok(),
            tls_cert: Some("cert".into()),
            tls_key: Some("key".into()),
            client_pin: vec![pin.clone()],
            gate_pin: vec![pin.to_uppercase()],
            ..Settings::default()
        };
        let failure = both.remote().unwrap_err().to_string();
        assert!(failure.contains("client_pin and gate_pin"), "{failure}");
        let one = Settings {
            socket: Some("a.sock".into()),
            gate_socket: Some("a.sock".into()),
            ..Settings::default()
        };
        let failure = one.admission().unwrap_err().to_string();
        assert!(failure.contains("one and the same"), "{failure}");
        let homeless = Settings {
            gate_allow_uid: vec![991],
            ..Settings::default()
        };
        assert!(homeless.admission().is_err());
    }
}
