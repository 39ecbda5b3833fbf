//! What can be set: in `DIR/shop.toml`, by the environment, by flags; flags win.
//!
//! ```toml
//! listen = "127.0.0.1:7402"
//! centre = "https://centre.example"
//! hosts = ["shop.example"]
//! tls_cert = "/etc/tegata/shop.pem"
//! tls_key = "/etc/tegata/shop.key"
//! bill_minutes = 15
//! open_bills = 5
//! messages_per_minute = 120
//! rate_per_minute = 600
//! rate_loopback_per_minute = 0
//! rate_web_loopback_per_minute = 600
//! rate_tokens_per_minute = 60
//!
//! # For goods by post: where the order form's frames stand, and how long a bill may be paid.
//! forms_address = "https://forms.shop.example"
//! order_bill_minutes = 60
//! unpaid_share = 50
//!
//! # Who hands out the keys that orders are sealed with; see tegata-orders for all of it.
//! [orders]
//! service = "E-12345-67890"
//! service_address = "https://sealing.example"
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;

use tegata_cli::exit::Failure;
use tegata_http::same_origin::{host_of, origin_of};
use tegata_http::serve::{Tls, loopback};

use crate::orders::BILL_SECONDS;
use crate::rate_limits::Rates;
use crate::shop::Rules;

/// The usual port.
pub const PORT: u16 = 7402;

/// Settings as they stand in a file or on the command line; all may be left out.
#[derive(Clone, Debug, Default, clap::Args, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The address to listen on [default: 127.0.0.1:7402; port 0 takes a free one]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,

    /// The centre's web address [default: the letter's]
    #[arg(long, value_name = "URL")]
    pub centre: Option<String>,

    /// A host name under which the shop is reached; may be repeated [default: that of its own
    /// address, and shop.localhost]
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,

    /// The TLS certificate with its chain, PEM; needed to listen beyond this machine
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// How long a bill may be paid, in minutes, no longer than a hold lasts [default: 15]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=30))]
    pub bill_minutes: Option<u32>,

    /// How long a bill may be paid, in seconds; for trying things out
    #[arg(long, value_name = "N", hide = true, conflicts_with = "bill_minutes")]
    pub bill_seconds: Option<u32>,

    /// How many unpaid bills one member may have [default: 5]
    #[arg(long, value_name = "N")]
    pub open_bills: Option<u32>,

    /// How many messages one member may send in a minute, a minute's worth at once; 0: any number
    /// [default: 120]
    #[arg(long, value_name = "N")]
    pub messages_per_minute: Option<u32>,

    /// The same for one address, whoever sends from there [default: 600]
    #[arg(long, value_name = "N")]
    pub rate_per_minute: Option<u32>,

    /// The same for this machine's own addresses [default: 0]
    #[arg(long, value_name = "N")]
    pub rate_loopback_per_minute: Option<u32>,

    /// How many orders, tokens and bills this machine's own addresses may ask for in a minute: a proxy
    /// there stands for all visitors; 0: any number [default: 600]
    #[arg(long, value_name = "N")]
    pub rate_web_loopback_per_minute: Option<u32>,

    /// How many tokens for orders one address elsewhere may ask for in a minute; 0: any number
    /// [default: 60]
    #[arg(long, value_name = "N")]
    pub rate_tokens_per_minute: Option<u32>,

    /// The address of the order form's frames: a host name of their own that leads to this shop
    /// [default: forms. before the name in the shop's own address]
    #[arg(long, value_name = "URL")]
    pub forms_address: Option<String>,

    /// How long a bill for goods may be paid, in minutes [default: 60]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub order_bill_minutes: Option<u32>,

    /// The same in seconds; for trying things out
    #[arg(
        long,
        value_name = "N",
        hide = true,
        conflicts_with = "order_bill_minutes"
    )]
    pub order_bill_seconds: Option<u32>,

    /// How much of what isn't sold of a product unpaid orders may reserve, in percent; where
    /// nothing is reserved, one order may have more [default: 50]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub unpaid_share: Option<u32>,

    /// Where customers' wallets show their page, on their own machine
    /// [default: http://wallet.localhost:7405]
    #[arg(long, value_name = "URL")]
    pub wallet: Option<String>,

    /// Sealed orders: the sealing service, and how they're sealed.
    #[arg(skip)]
    pub orders: Option<tegata_orders::Settings>,
}

impl Settings {
    /// These settings where they're given, and `others` elsewhere.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        let hosts = match self.hosts.is_empty() {
            true => others.hosts,
            false => self.hosts,
        };
        Self {
            listen: self.listen.or(others.listen),
            centre: self.centre.or(others.centre),
            hosts,
            tls_cert: self.tls_cert.or(others.tls_cert),
            tls_key: self.tls_key.or(others.tls_key),
            bill_minutes: self.bill_minutes.or(others.bill_minutes),
            bill_seconds: self.bill_seconds.or(others.bill_seconds),
            open_bills: self.open_bills.or(others.open_bills),
            messages_per_minute: self.messages_per_minute.or(others.messages_per_minute),
            rate_per_minute: self.rate_per_minute.or(others.rate_per_minute),
            rate_loopback_per_minute: self
                .rate_loopback_per_minute
                .or(others.rate_loopback_per_minute),
            rate_web_loopback_per_minute: self
                .rate_web_loopback_per_minute
                .or(others.rate_web_loopback_per_minute),
            rate_tokens_per_minute: self
                .rate_tokens_per_minute
                .or(others.rate_tokens_per_minute),
            forms_address: self.forms_address.or(others.forms_address),
            order_bill_minutes: self.order_bill_minutes.or(others.order_bill_minutes),
            order_bill_seconds: self.order_bill_seconds.or(others.order_bill_seconds),
            unpaid_share: self.unpaid_share.or(others.unpaid_share),
            wallet: self.wallet.or(others.wallet),
            orders: self.orders.or(others.orders),
        }
    }

    /// Where the order form's frames stand, for a shop whose own address is `own`.
    #[must_use]
    pub fn frames(&self, own: &str) -> String {
        let usual = || origin_of(own).replacen("://", "://forms.", 1);
        let given = self
            .forms_address
            .as_deref()
            .map(|given| given.trim_end_matches('/'));
        given.map_or_else(usual, str::to_owned)
    }

    /// How long a bill for goods may be paid.
    #[must_use]
    pub fn order_bill_seconds(&self) -> u64 {
        let minutes = self.order_bill_minutes.map(|m| u64::from(m) * 60);
        let seconds = self.order_bill_seconds.map(u64::from);
        seconds.or(minutes).unwrap_or(BILL_SECONDS).max(1)
    }

    /// The address to listen on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listen.unwrap_or(loopback(PORT))
    }

    /// The host names of the shop, whose own address is `own`.
    #[must_use]
    pub fn host_names(&self, own: &str) -> Vec<String> {
        if !self.hosts.is_empty() {
            return self.hosts.clone();
        }
        vec![host_of(own), "shop.localhost".to_owned()]
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

    /// The rules of selling.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let usual = Rules::default();
        let minutes = self.bill_minutes.map(|m| u64::from(m) * 60);
        let seconds = self.bill_seconds.map(u64::from);
        Rules {
            bill_seconds: seconds.or(minutes).unwrap_or(usual.bill_seconds).max(1),
            open_bills: self.open_bills.map_or(usual.open_bills, u64::from),
            unpaid_share: self
                .unpaid_share
                .map_or(usual.unpaid_share, |share| share.clamp(1, 100)),
            rates: Rates {
                member: self.messages_per_minute.unwrap_or(usual.rates.member),
                address: self.rate_per_minute.unwrap_or(usual.rates.address),
                loopback: self
                    .rate_loopback_per_minute
                    .unwrap_or(usual.rates.loopback),
                web_loopback: self
                    .rate_web_loopback_per_minute
                    .unwrap_or(usual.rates.web_loopback),
                tokens: self.rate_tokens_per_minute.unwrap_or(usual.rates.tokens),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shops_own_name_is_among_its_hosts() {
        let settings = Settings::default();
        let hosts = settings.host_names("https://books.example:8443/shop");
        assert_eq!(hosts, ["books.example", "shop.localhost"]);
    }

    #[test]
    fn the_frames_have_a_name_of_their_own() {
        let mut settings = Settings::default();
        let frames = settings.frames("http://shop.localhost:7402/");
        assert_eq!(frames, "http://forms.shop.localhost:7402");
        settings.forms_address = Some("https://f.example/".into());
        assert_eq!(settings.frames("https://shop.example"), "https://f.example");
        assert_eq!(host_of(&settings.frames("")), "f.example");
    }
}
