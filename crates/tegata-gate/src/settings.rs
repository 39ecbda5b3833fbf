//! What can be set: in `DIR/gate.toml`, by the environment, by flags; flags win.
//!
//! ```toml
//! listen = "127.0.0.1:7404"
//! events = [1, "S-00000-00075/2"]
//! hosts = ["gate-north.localhost"]
//! tls_cert = "/etc/tegata/gate.pem"
//! tls_key = "/etc/tegata/gate.key"
//! card_keys = "/run/tegata/gates.sock"        # the card-key server's socket for gates; or its address
//! #card_keys_address = "10.0.0.7:7405"         # on another machine, over TLS
//! #card_keys_pin = "SHA-256 of its certificate"  # or: card_keys_authority = "FILE"
//! #card_keys_cert = "/etc/tegata/gate-cards.pem"
//! #card_keys_key = "/etc/tegata/gate-cards.key"
//! reader = "ACR122U"
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;

use tegata_cli::exit::Failure;
use tegata_http::serve::{Tls, loopback};

use tegata_card_service::client::{Named, Server};

use crate::card::{Cards, ReaderAt};
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
    /// The card-key server's socket.
    pub card_keys: Option<PathBuf>,
    /// Or its address on another machine.
    pub card_keys_address: Option<String>,
    /// The SHA-256 of its certificate.
    pub card_keys_pin: Option<String>,
    /// Or the authority that issued it, PEM.
    pub card_keys_authority: Option<PathBuf>,
    /// Our certificate for it, PEM.
    pub card_keys_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub card_keys_key: Option<PathBuf>,
    /// The card reader's name or a part of it; empty: whichever has a card.
    pub reader: Option<String>,
    /// Instead of a reader: the image of a card made of software.
    pub card_image: Option<PathBuf>,
    /// The program that reads cards.
    pub reader_program: Option<PathBuf>,
    /// How many seconds a card is waited for.
    pub card_wait: Option<u16>,
}

/// The card reader, as flags.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CardArgs {
    /// The card-key server's socket: who proves the cards that are laid on the reader
    #[arg(long, value_name = "SOCKET")]
    pub card_keys: Option<PathBuf>,
    /// Read cards, in the reader of this name or a part of it ('' for whichever has a card)
    #[arg(long, value_name = "NAME-PART")]
    pub reader: Option<String>,
    /// Read a card made of software, from its image, for trying
    #[arg(long, value_name = "FILE", conflicts_with = "reader")]
    pub card_image: Option<PathBuf>,
    /// The program that reads cards (default: the tegata-card beside this program)
    #[arg(long, value_name = "FILE")]
    pub reader_program: Option<PathBuf>,
    /// How long a card is waited for (default: 10)
    #[arg(long, value_name = "SECONDS")]
    pub card_wait: Option<u16>,
}

/// How long a card is waited for, in seconds.
const CARD_WAIT: u16 = 10;

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

    /// The card reader, if one is configured; a flag's wins.
    ///
    /// # Errors
    /// If the file names a reader and an image.
    pub fn cards(&self, flags: &CardArgs) -> Result<Option<Cards>, Failure> {
        let reader = match (&flags.reader, &flags.card_image) {
            (None, None) => (&self.reader, &self.card_image),
            given => given,
        };
        let reader = match reader {
            (None, None) => return Ok(None),
            (Some(name), None) => ReaderAt::Named(name.clone()),
            (None, Some(image)) => ReaderAt::Image(image.clone()),
            (Some(_), Some(_)) => {
                let what = "a card is read from a reader or from an image, not from both";
                let next = "take reader or card_image out of gate.toml";
                return Err(Failure::usage(what).next(next));
            }
        };
        let either =
            |flag: &Option<PathBuf>, set: &Option<PathBuf>| flag.as_ref().or(set.as_ref()).cloned();
        let keys = self.keys(flags)?;
        let program = either(&flags.reader_program, &self.reader_program);
        let wait = flags.card_wait.or(self.card_wait).unwrap_or(CARD_WAIT);
        Ok(Some(Cards::new(program, reader, keys, wait)))
    }

    /// Where the card-key server is, if that's known; a flag's socket wins.
    fn keys(&self, flags: &CardArgs) -> Result<Option<Server>, Failure> {
        if let Some(socket) = &flags.card_keys {
            return Ok(Some(Server::Socket(socket.clone())));
        }
        let named = Named {
            socket: self.card_keys.as_deref(),
            address: self.card_keys_address.as_deref(),
            pin: self.card_keys_pin.as_deref(),
            authority: self.card_keys_authority.as_deref(),
            cert: self.card_keys_cert.as_deref(),
            key: self.card_keys_key.as_deref(),
        };
        if named.is_empty() {
            return Ok(None);
        }
        let server = named.server();
        let mend =
            |e| Failure::usage(format!("gate.toml: {e}")).next("mend card_keys… in gate.toml");
        server.map(Some).map_err(mend)
    }

    /// Certificate and key, if configured.
    ///
    /// # Errors
    /// If only one of them is given, or one can't be used.
    pub fn tls(&self) -> Result<Option<Tls>, Failure> {
        Tls::as_set(
            self.tls_cert.as_deref(),
            self.tls_key.as_deref(),
            "set tls_cert and tls_key in gate.toml",
        )
    }
}
