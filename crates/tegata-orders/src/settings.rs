//! What a shop may set about sealed orders, and which of it is dangerous.
//!
//! ```toml
//! [orders]
//! service = "E-12345-67890"
//! service_address = "https://sealing.example"
//! scheme = "order-public-1"
//! ```

use tegata_protocol::order::{KeyKind, KeyScope, KeySource, Maker, Scheme, program_digest};
use tegata_protocol::{Digest, PartyNumber, Role, Suite, Time};

use crate::keys::Wanted;

/// The settings as they stand in a file; all may be left out but the service.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The sealing service's number; no sealed orders without one.
    pub service: Option<String>,
    /// Its web address.
    pub service_address: Option<String>,
    /// How orders are sealed: scope, kind and layers.
    pub scheme: String,
    /// Who makes the keys: `recipient` or `service`.
    pub keys_made_by: String,
    /// May browsers without X-Wing seal with suite `compact`, which a quantum computer will open?
    pub compact: bool,
    /// How many keys are to be in stock.
    pub stock: u32,
    /// How many keys are made in an hour at most; four times `stock` unless set. Whoever asks the
    /// service for keys and sends no orders can't have more made.
    pub keys_per_hour: Option<u32>,
    /// How long a key may wait for an order, in days.
    pub key_days: u32,
    /// How long a key for want of stock holds, in hours; 0 for none.
    pub fallback_hours: u32,
    /// How long an order page may stay open, in minutes.
    pub token_minutes: u32,
    /// How often the epoch key is replaced, in minutes.
    pub epoch_minutes: u32,
    /// The same in seconds, which wins; for trying things out.
    pub epoch_seconds: Option<u32>,
    /// Further programs that keys may name, as hexadecimal SHA-256; the one built in always may.
    pub programs: Vec<String>,
    /// Allows schemes of kind `shared`: the service that hands the key out can read the orders.
    pub danger_shared_keys: bool,
    /// Allows `shop-shared-…`: every customer can read every other's orders.
    pub danger_shop_wide_shared_key: bool,
    /// Allows keys that the service makes: it can read the orders.
    pub danger_service_made_keys: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service: None,
            service_address: None,
            scheme: Scheme::DEFAULT.to_string(),
            keys_made_by: "recipient".to_owned(),
            compact: true,
            stock: 200,
            keys_per_hour: None,
            key_days: 3,
            fallback_hours: 24,
            token_minutes: 60,
            epoch_minutes: 60,
            epoch_seconds: None,
            programs: Vec::new(),
            danger_shared_keys: false,
            danger_shop_wide_shared_key: false,
            danger_service_made_keys: false,
        }
    }
}

/// Why the settings can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A value that means nothing.
    #[error("{name} is {found:?}: {expected}")]
    Value {
        /// Which setting.
        name: &'static str,
        /// What it says.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// No service.
    #[error("sealed orders need a sealing service: set service and service_address")]
    NoService,
    /// Something dangerous that wasn't allowed.
    #[error("{what} needs {setting} = true: {why}")]
    Danger {
        /// What was asked for.
        what: String,
        /// The setting that allows it.
        setting: &'static str,
        /// Why it's dangerous.
        why: &'static str,
    },
}

/// The sealing service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Its number.
    pub number: PartyNumber,
    /// Its web address.
    pub address: String,
}

/// Settings that may be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Who hands the keys out.
    pub service: Service,
    /// How orders are sealed.
    pub scheme: Scheme,
    /// Who makes the keys.
    pub maker: Maker,
    /// May browsers without X-Wing seal?
    pub compact: bool,
    /// How many keys are to be in stock.
    pub stock: u32,
    /// How many keys for single orders are made in an hour at most.
    pub keys_per_hour: u32,
    /// How long a key holds, in seconds.
    pub key_seconds: u64,
    /// How long a fallback key holds, in seconds; 0 for none.
    pub fallback_seconds: u64,
    /// How long a token holds, in seconds.
    pub token_seconds: u64,
    /// How long an epoch lasts, in seconds.
    pub epoch_seconds: u64,
    /// The programs that keys may name.
    pub programs: Vec<Digest>,
}

impl Rules {
    /// Keys as they are usually wanted now, of nobody in particular; for whoever makes some by hand.
    pub fn wanted(&self, suite: Suite, source: KeySource, now: Time) -> Wanted {
        let seconds = match source {
            KeySource::Regular => self.key_seconds,
            KeySource::Fallback => self.fallback_seconds,
        };
        Wanted {
            scheme: self.scheme,
            suite,
            member: None,
            source,
            program: self.programs.first().copied().unwrap_or(program_digest()),
            expires: now.after(seconds),
        }
    }
}

impl Settings {
    fn hourly(&self) -> u32 {
        let usual = self.stock.max(1).saturating_mul(4);
        self.keys_per_hour.unwrap_or(usual).max(1)
    }

    fn epoch_length(&self) -> u64 {
        let minutes = u64::from(self.epoch_minutes) * 60;
        let seconds = self.epoch_seconds.map(u64::from);
        seconds.unwrap_or(minutes.max(60)).max(1)
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`SettingsError`], which names the setting.
    pub fn rules(&self) -> Result<Rules, SettingsError> {
        let wrong = |name, found: &str, expected| SettingsError::Value {
            name,
            found: found.to_owned(),
            expected,
        };
        let scheme: Scheme = self.scheme.parse().map_err(|_e| {
            let expected = "shop|order|member, shared|public and 0 to 3, as in order-public-1";
            wrong("scheme", &self.scheme, expected)
        })?;
        let maker = match self.keys_made_by.as_str() {
            "recipient" => Maker::Recipient,
            "service" => Maker::Service,
            other => {
                return Err(wrong(
                    "keys_made_by",
                    other,
                    "expected recipient or service",
                ));
            }
        };
        self.check_dangers(scheme, maker)?;
        if self.fallback_hours > 24 {
            let found = self.fallback_hours.to_string();
            return Err(wrong("fallback_hours", &found, "24 at most"));
        }
        let programs = self.programs.iter().map(|text| {
            let expected = "expected the 64 hexadecimal digits of a SHA-256";
            Digest::from_hex(text).ok_or_else(|| wrong("programs", text, expected))
        });
        let mut programs = programs.collect::<Result<Vec<_>, _>>()?;
        programs.insert(0, program_digest());
        Ok(Rules {
            service: self.service()?,
            scheme,
            maker,
            compact: self.compact,
            stock: self.stock.max(1),
            keys_per_hour: self.hourly(),
            key_seconds: u64::from(self.key_days.max(1)) * 86_400,
            fallback_seconds: u64::from(self.fallback_hours) * 3_600,
            token_seconds: u64::from(self.token_minutes.max(1)) * 60,
            epoch_seconds: self.epoch_length(),
            programs,
        })
    }

    fn service(&self) -> Result<Service, SettingsError> {
        let (Some(text), Some(address)) = (&self.service, &self.service_address) else {
            return Err(SettingsError::NoService);
        };
        let number = text.parse::<PartyNumber>().ok();
        let number = number.filter(|number| number.role() == Role::Sealing);
        let number = number.ok_or_else(|| SettingsError::Value {
            name: "service",
            found: text.clone(),
            expected: "expected a sealing service's number, like E-12345-67890",
        })?;
        let address = address.trim().trim_end_matches('/').to_owned();
        Ok(Service { number, address })
    }

    /// What weakens must be said twice.
    fn check_dangers(&self, scheme: Scheme, maker: Maker) -> Result<(), SettingsError> {
        let shared = scheme.kind() == KeyKind::Shared;
        let dangers = [
            (
                shared && !self.danger_shared_keys,
                format!("the scheme {scheme}"),
                "danger_shared_keys",
                "whoever hands a shared key out can read what it seals",
            ),
            (
                shared && scheme.scope() == KeyScope::Shop && !self.danger_shop_wide_shared_key,
                format!("the scheme {scheme}"),
                "danger_shop_wide_shared_key",
                "every customer is given the one key that opens all orders",
            ),
            (
                maker == Maker::Service && !self.danger_service_made_keys,
                "keys_made_by = \"service\"".to_owned(),
                "danger_service_made_keys",
                "the service can open what its keys seal",
            ),
        ];
        match dangers.into_iter().find(|(not_allowed, ..)| *not_allowed) {
            Some((_, what, setting, why)) => Err(SettingsError::Danger { what, setting, why }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(scheme: &str) -> Settings {
        let number = PartyNumber::new(Role::Sealing, 7).unwrap();
        Settings {
            service: Some(number.to_string()),
            service_address: Some("http://sealing.localhost/".to_owned()),
            scheme: scheme.to_owned(),
            ..Settings::default()
        }
    }

    #[test]
    fn every_scheme_that_weakens_is_refused_by_the_name_of_its_setting() {
        let named = |settings: &Settings| match settings.rules() {
            Ok(_) => "",
            Err(SettingsError::Danger { setting, what, why }) => {
                let text = SettingsError::Danger { setting, what, why }.to_string();
                assert!(text.contains(setting) && text.contains("= true"), "{text}");
                setting
            }
            Err(other @ (SettingsError::NoService | SettingsError::Value { .. })) => {
                panic!("{other}")
            }
        };
        for scheme in [
            "order-public-0",
            "order-public-3",
            "member-public-1",
            "shop-public-1",
        ] {
            assert_eq!(named(&settings(scheme)), "", "{scheme}");
        }
        for scheme in ["order-shared-0", "member-shared-1", "shop-shared-1"] {
            let mut settings = settings(scheme);
            assert_eq!(named(&settings), "danger_shared_keys", "{scheme}");
            settings.danger_shared_keys = true;
            let shop_wide = scheme.starts_with("shop");
            let expected = if shop_wide {
                "danger_shop_wide_shared_key"
            } else {
                ""
            };
            assert_eq!(named(&settings), expected, "{scheme}");
            settings.danger_shop_wide_shared_key = true;
            assert_eq!(named(&settings), "", "{scheme}");
        }
        let mut made = settings("order-public-1");
        made.keys_made_by = "service".to_owned();
        assert_eq!(named(&made), "danger_service_made_keys");
        made.danger_service_made_keys = true;
        assert_eq!(made.rules().unwrap().maker, Maker::Service);
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        let name = |change: fn(&mut Settings)| {
            let mut settings = settings("order-public-1");
            change(&mut settings);
            let SettingsError::Value { name, .. } = settings.rules().unwrap_err() else {
                panic!("another error")
            };
            name
        };
        assert_eq!(name(|s| s.scheme = "order-public-4".into()), "scheme");
        assert_eq!(name(|s| s.keys_made_by = "nobody".into()), "keys_made_by");
        assert_eq!(name(|s| s.fallback_hours = 25), "fallback_hours");
        assert_eq!(name(|s| s.programs = vec!["00".into()]), "programs");
        assert_eq!(name(|s| s.service = Some("S-1".into())), "service");
        assert_eq!(Settings::default().rules(), Err(SettingsError::NoService));
        assert_eq!(
            settings("order-public-1").rules().unwrap().service.address,
            "http://sealing.localhost"
        );
    }
}
