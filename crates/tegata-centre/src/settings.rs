//! What an organiser sets: `DIR/centre.toml`, written by `tegata-centre init`, edited by hand.
//!
//! ```toml
//! name = "Hanamizuki Town"
//! address = "https://centre.example"
//! currency = "JPY"
//! account = "JP-0001-7654321"
//! account_owner = "Hanamizuki Town Association"
//! load_min = "500"
//! load_max = "50000"
//! card_valid_days = 180
//! credit_keep_days = 30   # sealed card numbers are deleted after that
//!
//! [sealing]               # the application form is sealed in the browser
//! service = "E-12345-67890"
//! service_address = "https://sealing.example"
//! forms_address = "https://forms.centre.example"   # leads to the guard, too, and serves nothing else
//!
//! [cards]                 # IC cards: where the card-key server is, and what a card may hold
//! socket = "/run/tegata/card-keys.sock"     # or, on another machine, TLS both ways:
//! #address = "10.0.0.7:7405"
//! #pin = "SHA-256 of its certificate"        # or: authority = "/etc/tegata/card-keys-ca.pem"
//! #tls_cert = "/etc/tegata/centre.pem"
//! #tls_key = "/etc/tegata/centre.key"
//! balance_limit = "20000"
//! debit_limit = "10000"
//!
//! [pace]                  # messages of one party in a minute; 0: any number
//! members = 600
//! shops = 60000
//! gates = 6000
//! burst_seconds = 60      # how many seconds' worth may come at once
//! applications = 60       # applications and tokens for them, from one address in a minute
//! applications_loopback = 600
//! ```

use std::{num::NonZeroU32, path::PathBuf};

use serde::{Deserialize, Serialize};
use tegata_bank::AccountNumber;
use tegata_card_service::client::{Named, Server};
use tegata_cli::{
    config,
    data::{DataDir, Party},
    exit::Failure,
};
use tegata_http::{
    rate_limit::Rate,
    same_origin::{host_of, origin_of},
};
use tegata_protocol::{Amount, Currency};

use crate::rate_limits::Rates;

/// SettingsFile as they stand in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsFile {
    /// The organiser's name.
    pub name: String,
    /// The web address that parties use.
    pub address: String,
    /// The currency, ISO 4217.
    pub currency: String,
    /// Our account at the bank: an IBAN, or as the bank writes it.
    pub account: String,
    /// Its owner.
    pub account_owner: String,
    /// The least that may be loaded at once, in whole units (`500`, `5.00`).
    #[serde(default = "default_min")]
    pub load_min: String,
    /// The most.
    #[serde(default = "default_max")]
    pub load_max: String,
    /// How many days a prepaid card may be spent. Up to six months, Japan's prepaid law exempts it.
    #[serde(default = "default_days")]
    pub card_valid_days: u32,
    /// How many days an activation code in a letter counts.
    #[serde(default = "default_code_days")]
    pub code_valid_days: u32,
    /// How many days a customer's card number is kept for the credit link, 1 to 400.
    #[serde(default = "default_keep_days")]
    pub credit_keep_days: u32,
    /// The sealing of the application form; absent: it's sent as it is, over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealing: Option<SealingSettings>,
    /// IC cards; absent: none are issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cards: Option<CardsSettings>,
    /// How many messages each party may send.
    #[serde(default)]
    pub pace: RateSettings,
}

/// IC cards, as they stand in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardsSettings {
    /// The card-key server's socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// Its address on another machine, `HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The SHA-256 of its certificate, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Or the authority that issued it, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<PathBuf>,
    /// Our certificate for it, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// The most that a card may hold, in whole units.
    #[serde(default = "default_card_balance")]
    pub balance_limit: String,
    /// The most that it pays at once.
    #[serde(default = "default_card_debit")]
    pub debit_limit: String,
}

fn default_card_balance() -> String {
    "20000".to_owned()
}

fn default_card_debit() -> String {
    "10000".to_owned()
}

/// IC cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardSettings {
    /// Where the card-key server is.
    pub server: Server,
    /// The most that a card may hold, in minor units.
    pub balance: u32,
    /// The most that it pays at once, in minor units.
    pub debit: u32,
}

impl CardsSettings {
    fn server(&self) -> Result<Server, (&'static str, String)> {
        let named = Named {
            socket: self.socket.as_deref(),
            address: self.address.as_deref(),
            pin: self.pin.as_deref(),
            authority: self.authority.as_deref(),
            cert: self.tls_cert.as_deref(),
            key: self.tls_key.as_deref(),
        };
        named.server().map_err(|e| ("cards", e.to_string()))
    }

    fn check(&self, currency: Currency) -> Result<CardSettings, (&'static str, String)> {
        let amount = |name, text: &str| {
            let amount = Amount::parse(text, currency).map_err(|e| (name, e.to_string()))?;
            let minor = u32::try_from(amount.minor())
                .ok()
                .filter(|m| *m <= i32::MAX as u32);
            minor.ok_or((name, "more than a card can count".to_owned()))
        };
        let card = CardSettings {
            server: self.server()?,
            balance: amount("balance_limit", &self.balance_limit)?,
            debit: amount("debit_limit", &self.debit_limit)?,
        };
        if card.debit == 0 || card.debit > card.balance {
            return Err(("debit_limit", "expected 1 to balance_limit".to_owned()));
        }
        Ok(card)
    }
}

/// Who hands out the keys that seal the application form, and where its frames stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealingSettings {
    /// The sealing service's number.
    pub service: String,
    /// Its web address.
    pub service_address: String,
    /// The address of the form's frames: another host than the pages', for nothing else.
    pub forms_address: String,
    /// May browsers without X-Wing seal with suite `compact`?
    #[serde(default = "default_compact")]
    pub compact: bool,
    /// How many keys are to be in stock.
    #[serde(default = "default_stock")]
    pub stock: u32,
}

const fn default_compact() -> bool {
    true
}

const fn default_stock() -> u32 {
    64
}

/// How the application form is sealed.
#[derive(Clone, Debug)]
pub struct SealedForms {
    /// Service, scheme, keys.
    pub rules: tegata_orders::Rules,
    /// The frames' origin.
    pub frames: String,
}

impl SealingSettings {
    fn check(&self, address: &str) -> Result<SealedForms, (&'static str, String)> {
        let wrong = |e: &dyn std::fmt::Display| ("sealing", e.to_string());
        for text in [&self.service_address, &self.forms_address] {
            web_address(text).map_err(|e| wrong(&format!("{text:?}: {e}")))?;
        }
        let frames = origin_of(&self.forms_address);
        if frames != self.forms_address.trim_end_matches('/') {
            return Err(("forms_address", "expected a host without a path".to_owned()));
        }
        if host_of(&frames) == host_of(address) {
            let why = "the frames need a host name of their own, which serves nothing else";
            return Err(("forms_address", why.to_owned()));
        }
        let forms = tegata_orders::Settings {
            service: Some(self.service.clone()),
            service_address: Some(self.service_address.clone()),
            compact: self.compact,
            stock: self.stock,
            ..tegata_orders::Settings::default()
        };
        let rules = forms.rules().map_err(|e| wrong(&e))?;
        Ok(SealedForms { rules, frames })
    }
}

/// How many messages of one party are taken in a minute; 0: any number. What was answered before
/// isn't counted when it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateSettings {
    /// Of a member. A wallet that waits for a ticket asks 200 times a minute.
    pub members: u32,
    /// Of a shop, all its sales together.
    pub shops: u32,
    /// Of a gate.
    pub gates: u32,
    /// How many seconds' worth may come at once after a rest.
    pub burst_seconds: u32,
    /// Applications, and tokens for them, of one address elsewhere.
    pub applications: u32,
    /// The same of this machine's own addresses, where a proxy may stand.
    pub applications_loopback: u32,
}

impl Default for RateSettings {
    fn default() -> Self {
        Self {
            members: 600,
            shops: 60_000,
            gates: 6_000,
            burst_seconds: 60,
            applications: 60,
            applications_loopback: 600,
        }
    }
}

impl RateSettings {
    fn check(self) -> Result<Rates, &'static str> {
        if !(1..=3600).contains(&self.burst_seconds) {
            return Err("expected 1 to 3600 seconds");
        }
        let rate = |per_minute: u32| {
            let burst = u64::from(per_minute).saturating_mul(self.burst_seconds.into()) / 60;
            let burst = u32::try_from(burst).unwrap_or(u32::MAX).max(1);
            Some(Rate {
                per_minute: NonZeroU32::new(per_minute)?,
                burst: NonZeroU32::new(burst)?,
            })
        };
        Ok(Rates {
            members: rate(self.members),
            shops: rate(self.shops),
            gates: rate(self.gates),
            applications: rate(self.applications),
            applications_loopback: rate(self.applications_loopback),
        })
    }
}

fn default_min() -> String {
    "500".to_owned()
}

fn default_max() -> String {
    "100000".to_owned()
}

const fn default_days() -> u32 {
    180
}

const fn default_code_days() -> u32 {
    60
}

const fn default_keep_days() -> u32 {
    30
}

/// The centre's data folder.
pub const PARTY: Party = Party::new("tegata-centre", 1);

/// Settings that make sense.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The organiser's name.
    pub name: String,
    /// The web address.
    pub address: String,
    /// The currency.
    pub currency: Currency,
    /// Our account.
    pub account: AccountNumber,
    /// Its owner.
    pub account_owner: String,
    /// The least that may be loaded.
    pub load_min: Amount,
    /// The most.
    pub load_max: Amount,
    /// How long a prepaid card may be spent, in seconds.
    pub card_seconds: u64,
    /// How long an activation code counts, in seconds.
    pub code_seconds: u64,
    /// How long a card number is kept, in seconds.
    pub credit_keep_seconds: u64,
    /// How the application form is sealed, if it is.
    pub sealing: Option<SealedForms>,
    /// IC cards, if there are any.
    pub cards: Option<CardSettings>,
    /// How many messages each party may send.
    pub rates: Rates,
}

impl Settings {
    /// Reads and checks `DIR/centre.toml`.
    ///
    /// # Errors
    /// [`Failure`] that names the setting.
    pub fn load(dir: &DataDir) -> Result<Self, Failure> {
        config::load::<SettingsFile>(dir, "centre")?.check()
    }
}

impl SettingsFile {
    /// Checks them.
    ///
    /// # Errors
    /// [`Failure`] that names the setting.
    pub fn check(&self) -> Result<Settings, Failure> {
        let wrong = |what: &str, e: &dyn std::fmt::Display| {
            Failure::usage(format!("centre.toml: {what}: {e}")).next("mend it and start again")
        };
        let currency = Currency::new(&self.currency).map_err(|e| wrong("currency", &e))?;
        let amount = |name, text: &str| Amount::parse(text, currency).map_err(|e| wrong(name, &e));
        short_text(&self.name).map_err(|e| wrong("name", &e))?;
        short_text(&self.account_owner).map_err(|e| wrong("account_owner", &e))?;
        web_address(&self.address).map_err(|e| wrong("address", &e))?;
        let sealing = self.sealing.as_ref().map(|s| s.check(&self.address));
        let cards = self.cards.as_ref().map(|s| s.check(currency));
        let days = |n: u32| u64::from(n).saturating_mul(86_400);
        if !(1..=400).contains(&self.credit_keep_days) {
            return Err(wrong("credit_keep_days", &"expected 1 to 400 days"));
        }
        let settings = Settings {
            name: self.name.clone(),
            address: self.address.trim_end_matches('/').to_owned(),
            currency,
            account: self.account.parse().map_err(|e| wrong("account", &e))?,
            account_owner: self.account_owner.clone(),
            load_min: amount("load_min", &self.load_min)?,
            load_max: amount("load_max", &self.load_max)?,
            card_seconds: days(self.card_valid_days),
            code_seconds: days(self.code_valid_days),
            credit_keep_seconds: days(self.credit_keep_days),
            sealing: sealing.transpose().map_err(|(name, e)| wrong(name, &e))?,
            cards: cards.transpose().map_err(|(name, e)| wrong(name, &e))?,
            rates: self.pace.check().map_err(|e| wrong("burst_seconds", &e))?,
        };
        if settings.load_min.minor() > settings.load_max.minor() {
            return Err(wrong("load_min", &"larger than load_max"));
        }
        Ok(settings)
    }
}

/// Certificates and payment references bear it, and they hold no more.
fn short_text(text: &str) -> Result<(), &'static str> {
    if (1..=100).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err("expected 1 to 100 bytes of plain text")
    }
}

/// It stands in letters, within a line whose parts `&` separates.
fn web_address(text: &str) -> Result<(), &'static str> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '&' | '?' | '#' | '"' | '<' | '>');
    if rest.is_some_and(|r| !r.is_empty()) && text.len() <= 200 && text.chars().all(plain) {
        Ok(())
    } else {
        Err("expected http:// or https:// and a host, at most 200 plain characters")
    }
}
