//! What can be set: in `DIR/guard.toml`, by the environment, by flags; flags win.
//!
//! ```toml
//! listen = "0.0.0.0:7401"
//! centre = "/srv/tegata/centre/centre.sock"
//! hosts = ["centre.example", "forms.centre.example"]
//! tls_cert = "/etc/tegata/centre.pem"
//! tls_key = "/etc/tegata/centre.key"
//! rate_per_minute = 600
//! rate_loopback_per_minute = 0
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;

use tegata_cli::exit::Failure;
use tegata_http::serve::{Tls, loopback};

/// The usual port.
pub const PORT: u16 = 7401;
/// The usual rate of one address.
pub const RATE_PER_MINUTE: u32 = 600;

/// Settings as they stand in a file or on the command line; all may be left out.
#[derive(Clone, Debug, Default, clap::Args, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The address to listen on [default: 127.0.0.1:7401; port 0 takes a free one]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,

    /// The centre's Unix socket
    #[arg(long, value_name = "SOCKET")]
    pub centre: Option<PathBuf>,

    /// A host name under which the centre is reached; may be repeated
    /// [default: centre.localhost and, for its sealed form, forms.centre.localhost]
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,

    /// The TLS certificate with its chain, PEM; needed to listen beyond this machine
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Requests per minute from one address, a minute's worth at once; 0: any number
    /// [default: 600]
    #[arg(long, value_name = "N")]
    pub rate_per_minute: Option<u32>,

    /// The same for this machine's own addresses [default: 0]
    #[arg(long, value_name = "N")]
    pub rate_loopback_per_minute: Option<u32>,
}

impl Settings {
    /// These settings where they're given, and `others` elsewhere.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        let hosts = if self.hosts.is_empty() {
            others.hosts
        } else {
            self.hosts
        };
        Self {
            listen: self.listen.or(others.listen),
            centre: self.centre.or(others.centre),
            hosts,
            tls_cert: self.tls_cert.or(others.tls_cert),
            tls_key: self.tls_key.or(others.tls_key),
            rate_per_minute: self.rate_per_minute.or(others.rate_per_minute),
            rate_loopback_per_minute: self
                .rate_loopback_per_minute
                .or(others.rate_loopback_per_minute),
        }
    }

    /// The address to listen on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listen.unwrap_or(loopback(PORT))
    }

    /// The centre's socket.
    ///
    /// # Errors
    /// If it wasn't given.
    pub fn socket(&self) -> Result<PathBuf, Failure> {
        self.centre.clone().ok_or_else(|| {
            Failure::usage("where the centre listens isn't known")
                .next("give --centre SOCKET, or `centre` in guard.toml")
        })
    }

    /// The host names of the centre.
    #[must_use]
    pub fn host_names(&self) -> Vec<String> {
        if self.hosts.is_empty() {
            vec!["centre.localhost".into(), "forms.centre.localhost".into()]
        } else {
            self.hosts.clone()
        }
    }

    /// Certificate and key, if configured.
    ///
    /// # Errors
    /// If only one of them is given, or one can't be used.
    pub fn tls(&self) -> Result<Option<Tls>, Failure> {
        Tls::as_set(
            self.tls_cert.as_deref(),
            self.tls_key.as_deref(),
            "give --tls-cert and --tls-key",
        )
    }

    /// The rate of each address elsewhere, in a minute; 0: any.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate_per_minute.unwrap_or(RATE_PER_MINUTE)
    }

    /// The rate of this machine's own addresses, in a minute; 0: any.
    #[must_use]
    pub fn rate_loopback(&self) -> u32 {
        self.rate_loopback_per_minute.unwrap_or(0)
    }
}
