//! Handing out: a shop's signed token in, one key and the program that seals with it out.
//!
//! ```text
//! token → shop known? → signed by its bill key? → for this service, not expired, shop active
//!   → [ one durable transaction:
//!         this order has a key already?      → that one
//!         one in the other suite?            → that one burns, and there's no third
//!         scope order:   one key out of stock, for this order and no other
//!         scope shop, member:  the key that counts now (a member's, if the shop admitted them)
//!         else the fallback key, a day old at most
//!         else, if token and settings both want it: a key that the service makes
//!         noted: this order has this key, until the token expires ]
//!   → key and program
//! ```
//! A browser asks, so there's nobody to sign or seal to. What comes back needs no secrecy: the key
//! is signed and, by default, a public half. Keys that orders were given and didn't use burn with
//! their token.

use std::sync::Arc;

use tegata_http::rate_limit::Permit;
use tegata_protocol::order::{
    CartToken, HandOut, KeyKind, KeyScope, KeySource, Maker, OpeningHalf, OrderKey, OrderKeyId,
};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{PartyNumber, SignedBytes, Suite, Time, Unverified, Verified, VerifyingKey};

use crate::handler::{Fault, made};
use crate::service::{Rules, Service};
use crate::store::{KeyState, Kind, NewKey, StoredKey, Tables, Waiting};
use tegata_keystore::rng;
use tegata_party::keys::Keys;

/// How long a key that the service makes holds at most: a day.
const MADE_SECONDS: u64 = 86_400;
/// The most keys that were made for a shop and wait for it.
const MOST_WAITING: u64 = 10_000;

/// Hands out the key for an order to an address that was counted, or says why not.
///
/// # Errors
/// [`Fault`]: try again.
pub fn hand_out(
    service: &Service,
    _counted: Permit,
    token: &[u8],
    suite: Suite,
) -> Result<Result<HandOut, Refusal>, Fault> {
    let token = match read(service, token, suite)? {
        Ok(token) => token,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let hands = Hands::of(service, token, suite);
    service.store().write(move |tables| hands.choose(tables))
}

fn invalid(why: impl Into<String>) -> Refusal {
    Refusal::because(Code::TokenInvalid, why)
}

/// The token, if it counts here and now.
fn read(
    service: &Service,
    token: &[u8],
    suite: Suite,
) -> Result<Result<Verified<CartToken>, Refusal>, Fault> {
    let signed = SignedBytes::new(token.to_vec());
    let Ok(token) = Unverified::<CartToken>::parse(signed) else {
        return Ok(Err(invalid("this isn't a token")));
    };
    let shop = token.claimed().recipient;
    let Some((key, active)) = key_of(service, shop)? else {
        return Ok(Err(invalid(format!("{shop} has no keys here"))));
    };
    let Ok(token) = token.verify(&key) else {
        return Ok(Err(invalid(format!("{shop} didn't sign it"))));
    };
    if !active {
        return Ok(Err(Refusal::new(Code::NotActive)));
    }
    Ok(check(service, &token, suite).map(|()| token))
}

/// The key that a shop signs tokens with, and whether it may act.
fn key_of(service: &Service, shop: PartyNumber) -> Result<Option<(VerifyingKey, bool)>, Fault> {
    if shop == PartyNumber::CENTRE {
        return Ok(Some((service.centre().keys.receipts, true)));
    }
    let record = service.shop(shop)?;
    Ok(record.map(|record| (record.keys.signing, record.is_active(service.now()))))
}

fn check(service: &Service, token: &CartToken, suite: Suite) -> Result<(), Refusal> {
    if token.service != service.registered().number() {
        return Err(invalid(format!("it's for the service {}", token.service)));
    }
    if suite == Suite::Compact && !token.compact {
        return Err(invalid("the shop takes no orders of suite compact"));
    }
    if token.expires <= service.now() {
        return Err(Refusal::new(Code::TokenExpired));
    }
    Ok(())
}

/// What the choice needs, owned, so that it can be made on the store's thread.
struct Hands {
    keys: Arc<Keys>,
    rules: Arc<Rules>,
    token: Verified<CartToken>,
    kind: Kind,
    suite: Suite,
    now: Time,
}

impl Hands {
    fn of(service: &Service, token: Verified<CartToken>, suite: Suite) -> Self {
        let kind = Kind {
            recipient: token.recipient,
            scheme: token.scheme,
            suite: match token.scheme.kind() {
                KeyKind::Public => Some(suite),
                KeyKind::Shared => None,
            },
        };
        Self {
            keys: Arc::clone(&service.registered().keys),
            rules: Arc::clone(service.rules()),
            token,
            kind,
            suite,
            now: service.now(),
        }
    }

    fn choose(&self, tables: &Tables<'_>) -> Result<Result<HandOut, Refusal>, Fault> {
        let (order, until) = (self.token.order, self.token.expires);
        let given = tables.given(self.kind, order, self.now)?;
        let found = match given {
            Some(key) => Ok(key),
            None if self.had_each(tables)? => {
                let why = "this order was given a key in each suite";
                Err(Refusal::because(Code::StockEmpty, why))
            }
            None => self.find(tables)?,
        };
        let key = match found {
            Ok(key) => key,
            Err(refusal) => return Ok(Err(refusal)),
        };
        tables.burn_other(self.kind, order)?;
        tables.give(self.kind, order, &key, until)?;
        let claimed = Unverified::<OrderKey>::parse(key.record)?;
        let program = tables.program(claimed.claimed().program)?;
        Ok(Ok(HandOut {
            program: program.ok_or(Fault::NoProgram)?,
            key: claimed.into_signed(),
        }))
    }

    /// Who asks in one suite and then in the other, and so on, empties no stock.
    fn had_each(&self, tables: &Tables<'_>) -> Result<bool, Fault> {
        let (kind, order, now) = (self.kind, self.token.order, self.now);
        Ok(tables.had(kind, order, now)? && tables.had_other(kind, order, now)?)
    }

    /// A key for an order that has none yet.
    fn find(&self, tables: &Tables<'_>) -> Result<Result<StoredKey, Refusal>, Fault> {
        let scheme = self.kind.scheme;
        if let Some(why) = self.rules.against(scheme, KeySource::Regular) {
            return Ok(Err(Refusal::because(Code::StockEmpty, why)));
        }
        let member = match scheme.scope() {
            KeyScope::Member => self.token.member,
            KeyScope::Order | KeyScope::Shop => None,
        };
        if let Some(member) = member
            && !tables.admits(self.kind.recipient, member)?
        {
            return Ok(Err(Refusal::new(Code::NotAdmitted)));
        }
        if scheme.scope() == KeyScope::Order
            && let Some(key) = self.take_one(tables)?
        {
            return Ok(Ok(key));
        }
        if let Some(key) = self.current(tables, member)? {
            return Ok(Ok(key));
        }
        if let Some(key) = self.make(tables)? {
            return Ok(Ok(key));
        }
        tracing::warn!(shop = %self.kind.recipient, %scheme, "no key is left");
        Ok(Err(Refusal::new(Code::StockEmpty)))
    }

    fn take_one(&self, tables: &Tables<'_>) -> Result<Option<StoredKey>, Fault> {
        let key = tables.take_one(self.kind, self.now, self.token.expires)?;
        if key.is_some() {
            let left = tables.left(self.kind, self.now)?;
            // Said once on the way down, and once at its end.
            if left == self.rules.low || left == 0 {
                let Kind {
                    recipient, scheme, ..
                } = self.kind;
                tracing::warn!(shop = %recipient, %scheme, left, "the stock of keys is low");
            }
        }
        Ok(key)
    }

    /// The key of many orders that counts now; for single orders that is the fallback.
    fn current(
        &self,
        tables: &Tables<'_>,
        member: Option<PartyNumber>,
    ) -> Result<Option<StoredKey>, Fault> {
        let key = tables.current(self.kind, member, self.now)?;
        if key.is_some() && self.kind.scheme.scope() == KeyScope::Order {
            if let Some(why) = self.rules.against(self.kind.scheme, KeySource::Fallback) {
                tracing::warn!(shop = %self.kind.recipient, why, "the fallback key isn't used");
                return Ok(None);
            }
            tracing::warn!(shop = %self.kind.recipient, "the fallback key is handed out");
        }
        Ok(key)
    }

    /// A key that the service makes itself, where the shop's token and the operator's settings
    /// both say so. Members' keys are always their shop's.
    fn make(&self, tables: &Tables<'_>) -> Result<Option<StoredKey>, Fault> {
        let shop = self.kind.recipient;
        let scope = self.kind.scheme.scope();
        let wanted = self.token.maker == Maker::Service && self.rules.makes_for.contains(&shop);
        if !wanted || scope == KeyScope::Member {
            return Ok(None);
        }
        if tables.made_waiting(shop)? >= MOST_WAITING {
            tracing::error!(%shop, "the shop doesn't fetch the keys that were made for it");
            return Ok(None);
        }
        let Some(program) = tables.newest_program()? else {
            return Err(Fault::NoProgram);
        };
        let rng = &mut rng::system();
        let (half, seed) = OpeningHalf::generate(self.kind.scheme.kind(), self.suite, rng);
        let (state, expires) = match scope {
            KeyScope::Order => (KeyState::GivenAway, self.token.expires),
            KeyScope::Shop | KeyScope::Member => (KeyState::InStock, self.now.after(MADE_SECONDS)),
        };
        let key = self.keys.signing().sign(&OrderKey {
            recipient: shop,
            id: OrderKeyId::random(rng),
            scheme: self.kind.scheme,
            member: None,
            part: half.sealing_part(),
            expires: expires.min(self.now.after(MADE_SECONDS)),
            program,
            maker: Maker::Service,
            source: KeySource::Regular,
            made: self.now,
        });
        let number = tables.next_made(shop)?;
        let waiting = Waiting {
            number,
            record: key,
            seed: self.keys.wrap(&made::label(shop, number), seed.as_slice()),
        };
        tables.keep_made(shop, &waiting)?;
        let key = Unverified::<OrderKey>::parse(waiting.record)?;
        let forged = |_e| tegata_protocol::Malformed::field("key", "not our own signature");
        let own = self.keys.signing().verifying_key();
        let key = key.verify(&own).map_err(forged)?;
        let row = tables.add_key(NewKey { key: &key, state })?;
        Ok(Some(StoredKey {
            number: row,
            record: key.signed().clone(),
        }))
    }
}
