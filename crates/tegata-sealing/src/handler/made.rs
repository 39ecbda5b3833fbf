//! Keys that the service made, on their way to the shop that opens with them (O11): by message, or
//! sealed into a file that somebody carries.
//!
//! A seed stays here, wrapped, until the shop says that it has it: the `after` of a later
//! [`KeysWanted`]. Then it's erased.

use tegata_protocol::envelope::{Parcel, Sealed};
use tegata_protocol::order::{KeysWanted, MadeKey, MadeKeys, SharedKey};
use tegata_protocol::{Malformed, PartyNumber, SealingKey, SignedBytes};

use super::{Asked, Fault, Handler, Way};
use crate::service::Service;
use crate::store::{Tables, Waiting};
use tegata_keystore::rng;
use tegata_party::answering;
use tegata_party::keys::{Keys, KeysError};

/// The most keys of one message: what [`MadeKeys`] allows.
const MOST: usize = 24;

/// What a wrapped seed is wrapped under.
pub(crate) fn label(recipient: PartyNumber, number: u64) -> Vec<u8> {
    format!("made key {number} of {recipient}").into_bytes()
}

/// The reply to a shop that wants its keys.
pub(super) fn hand_over(service: &Service, asked: Asked<KeysWanted>) -> Result<SignedBytes, Fault> {
    let handler = Handler::of(service);
    if let Err(refusal) = asked.check(Way::Network, handler.now) {
        return Ok(handler.sign_any::<_, MadeKeys>(&asked, Err(refusal)));
    }
    service.store().write(move |tables| {
        if let Some(record) = &asked.sender.news {
            tables.learn(record)?;
        }
        let (shop, after) = (asked.sender.number, asked.message.body.after);
        let keys = fetch(tables, &handler.keys, shop, after)?;
        Ok(handler.sign(&asked, keys))
    })
}

/// Erases what the shop has, and gives what comes next.
fn fetch(
    tables: &Tables<'_>,
    keys: &Keys,
    shop: PartyNumber,
    after: u64,
) -> Result<MadeKeys, Fault> {
    let erased = tables.acknowledge(shop, after)?;
    if erased > 0 {
        tracing::info!(%shop, keys = erased, "the shop has its keys; they're erased here");
    }
    let mut waiting = tables.made_after(shop, after, MOST.saturating_add(1))?;
    let more = waiting.len() > MOST;
    waiting.truncate(MOST);
    if let Some(last) = waiting.last() {
        tables.note_fetched(shop, last.number)?;
    }
    let opened = waiting.into_iter().map(|key| open(keys, shop, key));
    let keys = opened.collect::<Result<_, _>>()?;
    Ok(MadeKeys { keys, more })
}

fn open(keys: &Keys, shop: PartyNumber, waiting: Waiting) -> Result<MadeKey, Fault> {
    let seed = keys.unwrap(&label(shop, waiting.number), &waiting.seed)?;
    let seed = <[u8; 32]>::try_from(seed.as_slice()).map_err(|_e| KeysError::Foreign)?;
    Ok(MadeKey {
        number: waiting.number,
        key: waiting.record,
        seed: SharedKey::from_bytes(seed),
    })
}

/// What is written into a file for a shop.
#[derive(Debug)]
pub struct Export {
    /// The sealed message; only the shop opens it.
    pub bytes: Vec<u8>,
    /// How many keys are inside.
    pub keys: usize,
    /// The number of the last of them; 0 if there are none.
    pub last: u64,
    /// Are there more?
    pub more: bool,
}

/// Why there's no file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nobody of that number was ever heard of.
    #[error("{0} isn't known here: its record comes with its first message, or with `shop add`")]
    UnknownShop(PartyNumber),
    /// A fault of ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Seals the keys behind `after` to the shop that opens with them; those up to `after` it has, and
/// they're erased.
///
/// # Errors
/// [`ExportError`].
pub fn export(service: &Service, shop: PartyNumber, after: u64) -> Result<Export, ExportError> {
    let opening = opening_of(service, shop)?;
    let handler = Handler::of(service);
    let keys = service
        .store()
        .write(move |tables| fetch(tables, &handler.keys, shop, after))?;
    let handler = Handler::of(service);
    let (count, more) = (keys.keys.len(), keys.more);
    let last = keys.keys.last().map_or(0, |key| key.number);
    let signed = answering::sign(
        handler.keys.signing(),
        handler.number,
        shop,
        handler.now,
        keys,
    );
    let sealed = Sealed::seal(shop, &opening, &Parcel::new(signed), &mut rng::system());
    Ok(Export {
        bytes: sealed.map_err(|e: Malformed| Fault::Made(e))?.to_bytes(),
        keys: count,
        last,
        more,
    })
}

fn opening_of(service: &Service, shop: PartyNumber) -> Result<SealingKey, ExportError> {
    if shop == PartyNumber::CENTRE {
        return Ok(service.centre().keys.opening);
    }
    let record = service.shop(shop).map_err(Fault::Store)?;
    let record = record.ok_or(ExportError::UnknownShop(shop))?;
    Ok(record.keys.opening.clone())
}
