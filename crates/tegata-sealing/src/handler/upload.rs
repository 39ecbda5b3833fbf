//! Keys that a shop puts in stock: all of them, or none.

use std::collections::BTreeSet;

use tegata_protocol::order::{Maker, OrderKey, Stock, StockUpload};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{SignedBytes, Unverified, Verified};

use super::{Asked, Fault, Handler};
use crate::store::{KeyState, NewKey, Tables};

/// The most keys of one shop in stock.
const MOST: u64 = 50_000;
/// How far ahead of ours a shop's clock may be.
const CLOCK: u64 = 300;

impl Handler {
    /// Puts the keys in stock, if each of them may come in.
    pub(super) fn upload(
        &self,
        tables: &Tables<'_>,
        asked: &Asked<StockUpload>,
    ) -> Result<Result<Stock, Refusal>, Fault> {
        let signed = &asked.message.body.keys;
        let (mut keys, mut ids) = (Vec::new(), BTreeSet::new());
        for (signed, place) in signed.iter().zip(1_usize..) {
            let key = match self.key(tables, asked, signed)? {
                Ok(key) if ids.insert(key.id) => key,
                Ok(_) => return Ok(Err(refused(place, "it stands here twice"))),
                Err(why) => return Ok(Err(refused(place, &why))),
            };
            keys.push(key);
        }
        let shop = asked.sender.number;
        let more = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        if tables.keys_in_stock(shop)?.saturating_add(more) > MOST {
            let why = format!("{MOST} keys are in stock, no more fit");
            return Ok(Err(Refusal::because(Code::StockRefused, why)));
        }
        for key in &keys {
            let state = KeyState::InStock;
            tables.add_key(NewKey { key, state })?;
        }
        if let Some(record) = &asked.sender.news {
            tables.learn(record)?;
        }
        tracing::info!(%shop, keys = keys.len(), "keys came in stock");
        Ok(Ok(self.stock(tables, shop)?))
    }

    /// One key, or why it can't come in.
    fn key(
        &self,
        tables: &Tables<'_>,
        asked: &Asked<StockUpload>,
        signed: &SignedBytes,
    ) -> Result<Result<Verified<OrderKey>, String>, Fault> {
        let key = match Unverified::<OrderKey>::parse(signed.clone()) {
            Ok(key) => key,
            Err(error) => return Ok(Err(format!("it can't be read: {error}"))),
        };
        let Ok(key) = key.verify(&asked.sender.signing) else {
            return Ok(Err("it isn't signed by the sender's bill key".to_owned()));
        };
        if let Some(why) = self.against(&key, asked) {
            return Ok(Err(why));
        }
        if tables.program(key.program)?.is_none() {
            return Ok(Err("its program was never published here".to_owned()));
        }
        if tables.knows_key(key.recipient, key.id)? {
            return Ok(Err("it was in stock before".to_owned()));
        }
        Ok(Ok(key))
    }

    /// What speaks against a key by itself.
    fn against(&self, key: &OrderKey, asked: &Asked<StockUpload>) -> Option<String> {
        if key.recipient != asked.sender.number {
            return Some(format!("it's {}'s", key.recipient));
        }
        if key.maker != Maker::Recipient {
            return Some("it says that the service made it".to_owned());
        }
        if key.expires <= self.now {
            return Some(format!("it expired at {}", key.expires));
        }
        if key.made > self.now.after(CLOCK) {
            return Some("it's from the future; check the clock".to_owned());
        }
        let against = self.rules.against(key.scheme, key.source)?;
        Some(against.to_owned())
    }
}

fn refused(place: usize, why: &str) -> Refusal {
    let mut detail = format!("key {place}: {why}");
    if detail.len() > 200 {
        // What a parser says may be long, and may stand in any language.
        detail = detail.chars().filter(char::is_ascii).take(200).collect();
    }
    Refusal::because(Code::StockRefused, detail)
}
