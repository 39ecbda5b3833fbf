//! What can be set: in `DIR/gate.toml`, by the environment, by flags; flags win.
//!
//! ```toml
//! listen = "127.0.0.1:7404"
//! events = [1, "S-00000-00075/2"]
//! hosts = ["gate-north.localhost"]
//! tls_cert = "/etc/tegata/gate.pem"
//! tls_key = "/etc/tegata/gate.key"
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;

use tegata_program::{
    exit::Failure,
    serve::{Tls, loopback},
};

use crate::event::EventName;

/// The usual port.
pub const PORT: u16 = 7404;

/// Settings as they stand in a file or in the environment; all may be left out.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The address to listen on.
    pub listen: Option<SocketAddr>,
    /// The events whose holders come in here.
    pub events: Vec<EventName>,
    /// The page's host names.
    pub hosts: Vec<String>,
    /// The TLS certificate with its chain, PEM.
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    pub tls_key: Option<PathBuf>,
}

impl Settings {
    /// The address to listen on; a flag's wins.
    #[must_use]
    pub fn address(&self, flag: Option<SocketAddr>) -> SocketAddr {
        flag.or(self.listen).unwrap_or(loopback(PORT))
    }

    /// The chosen events; flags win.
    #[must_use]
    pub fn chosen<'a>(&'a self, flags: &'a [EventName]) -> &'a [EventName] {
        if flags.is_empty() {
            &self.events
        } else {
            flags
        }
    }

    /// The host names of the gate's page.
    #[must_use]
    pub fn host_names(&self) -> Vec<String> {
        if self.hosts.is_empty() {
            vec!["gate.localhost".into()]
        } else {
            self.hosts.clone()
        }
    }

    /// Certificate and key, if configured.
    ///
    /// # Errors
    /// If only one of them is given, or one can't be used.
    pub fn tls(&self) -> Result<Option<Tls>, Failure> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Ok(Some(Tls::from_files(cert, key)?)),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => {
                Err(Failure::usage("TLS needs both a certificate and its key")
                    .next("set tls_cert and tls_key in gate.toml"))
            }
        }
    }
}
