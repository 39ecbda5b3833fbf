//! What can be set: in `DIR/sealing.toml`, by the environment, by flags; flags win.
//!
//! ```toml
//! listen = "127.0.0.1:7403"
//! centre = "https://centre.example"
//! hosts = ["keys.example"]
//! tls_cert = "/etc/tegata/keys.pem"
//! tls_key = "/etc/tegata/keys.key"
//! low_stock = 20
//! rate_per_minute = 120
//! rate_loopback_per_minute = 600
//! danger_shared_keys = false
//! danger_shop_wide_shared_key = false
//! danger_service_made_keys = ["S-00000-00077"]
//! ```
//! What begins with `danger_` lets the service read orders, which it can't otherwise.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use tegata_cli::exit::Failure;
use tegata_http::same_origin::host_of;
use tegata_http::serve::{Tls, loopback};
use tegata_protocol::PartyNumber;

use crate::service::Rules;

/// The usual port.
pub const PORT: u16 = 7403;

/// Settings as they stand in a file or on the command line; all may be left out.
#[derive(Clone, Debug, Default, clap::Args, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The address to listen on [default: 127.0.0.1:7403; port 0 takes a free one]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,

    /// The centre's web address [default: the letter's]
    #[arg(long, value_name = "URL")]
    pub centre: Option<String>,

    /// A host name under which the service is reached; may be repeated [default: that of its own
    /// address, and sealing.localhost]
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,

    /// The TLS certificate with its chain, PEM; needed to listen beyond this machine
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// So few keys left of a kind, or fewer, are called low [default: 20]
    #[arg(long, value_name = "N")]
    pub low_stock: Option<u32>,

    /// How many keys and messages one address may ask for or send in a minute, a minute's worth at
    /// once; 0: any number [default: 120]
    #[arg(long, value_name = "N")]
    pub rate_per_minute: Option<u32>,

    /// The same for this machine's own addresses, where a proxy may stand; keys and messages are
    /// counted apart [default: 600]
    #[arg(long, value_name = "N")]
    pub rate_loopback_per_minute: Option<u32>,

    /// Take keys that are the same secret at both ends: this service can then read those orders
    #[arg(long)]
    pub danger_shared_keys: bool,

    /// Take shared keys for many orders too: each customer can then read the others' orders
    #[arg(long, requires = "danger_shared_keys")]
    pub danger_shop_wide_shared_key: bool,

    /// Make keys for this shop when it wants that: this service can then read those orders; may be
    /// repeated
    #[arg(long, value_name = "SHOP")]
    pub danger_service_made_keys: Vec<String>,
}

impl Settings {
    /// These settings where they're given, and `others` elsewhere.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        fn list(one: Vec<String>, other: Vec<String>) -> Vec<String> {
            if one.is_empty() { other } else { one }
        }
        Self {
            listen: self.listen.or(others.listen),
            centre: self.centre.or(others.centre),
            hosts: list(self.hosts, others.hosts),
            tls_cert: self.tls_cert.or(others.tls_cert),
            tls_key: self.tls_key.or(others.tls_key),
            low_stock: self.low_stock.or(others.low_stock),
            rate_per_minute: self.rate_per_minute.or(others.rate_per_minute),
            rate_loopback_per_minute: self
                .rate_loopback_per_minute
                .or(others.rate_loopback_per_minute),
            danger_shared_keys: self.danger_shared_keys || others.danger_shared_keys,
            danger_shop_wide_shared_key: self.danger_shop_wide_shared_key
                || others.danger_shop_wide_shared_key,
            danger_service_made_keys: list(
                self.danger_service_made_keys,
                others.danger_service_made_keys,
            ),
        }
    }

    /// The address to listen on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listen.unwrap_or(loopback(PORT))
    }

    /// The host names of the service, whose own address is `own`.
    #[must_use]
    pub fn host_names(&self, own: &str) -> Vec<String> {
        if !self.hosts.is_empty() {
            return self.hosts.clone();
        }
        vec![host_of(own), "sealing.localhost".to_owned()]
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

    /// The rules of handing out.
    ///
    /// # Errors
    /// If a shop's number isn't one.
    pub fn rules(&self) -> Result<Rules, Failure> {
        let usual = Rules::default();
        let makes_for: Result<BTreeSet<PartyNumber>, _> = self
            .danger_service_made_keys
            .iter()
            .map(|number| number.parse())
            .collect();
        let makes_for =
            makes_for.map_err(|e| Failure::usage(e).doing("reading danger_service_made_keys"))?;
        Ok(Rules {
            low: self.low_stock.unwrap_or(usual.low),
            address_per_minute: self.rate_per_minute.unwrap_or(usual.address_per_minute),
            loopback_per_minute: self
                .rate_loopback_per_minute
                .unwrap_or(usual.loopback_per_minute),
            shared: self.danger_shared_keys,
            shop_wide_shared: self.danger_shared_keys && self.danger_shop_wide_shared_key,
            makes_for,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_own_name_is_among_its_hosts() {
        let settings = Settings::default();
        let hosts = settings.host_names("https://keys.example:8443/x");
        assert_eq!(hosts, ["keys.example", "sealing.localhost"]);
    }

    #[test]
    fn nothing_dangerous_is_set_unless_somebody_sets_it() {
        let rules = Settings::default().rules().unwrap();
        assert!(!rules.shared && !rules.shop_wide_shared && rules.makes_for.is_empty());
        let one = Settings {
            danger_shop_wide_shared_key: true,
            ..Settings::default()
        };
        assert!(!one.rules().unwrap().shop_wide_shared);
        let wrong = Settings {
            danger_service_made_keys: vec!["S-1".to_owned()],
            ..Settings::default()
        };
        assert!(wrong.rules().is_err());
    }
}
