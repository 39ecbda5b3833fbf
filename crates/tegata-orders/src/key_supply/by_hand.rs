//! The same by files that somebody carries (O11): both are sealed to whoever is to read them.

use std::sync::Arc;

use tegata_party::client::Callee;
use tegata_protocol::envelope::{Message, Sealed};
use tegata_protocol::order::{MadeKeys, StockUpload};
use tegata_protocol::record::PartyRecord;
use tegata_protocol::{Unverified, Verified};

use super::{KeySupplyError, MOST_LIVING, Party, decide, import, prepare};
use crate::keys::{NewKeys, Wanted};
use crate::{Epochs, FormsError, Own, Rules, store};

/// An upload for a file.
#[derive(Debug)]
pub struct UploadFile {
    /// What to write: only the service can open it.
    pub bytes: Vec<u8>,
    /// How many keys are inside.
    pub keys: usize,
}

/// Makes keys, 32 at most, and seals them to the service. Nothing else sends them: a file that is
/// lost takes its keys with it, and others are made.
///
/// # Errors
/// [`KeySupplyError`].
pub fn write_upload<P: Party>(
    party: &P,
    epochs: &Arc<Epochs>,
    service: &Verified<PartyRecord>,
    wanted: &Wanted,
    count: usize,
) -> Result<UploadFile, KeySupplyError> {
    if party.read(store::count_living)? >= MOST_LIVING {
        let why = format!("{MOST_LIVING} keys wait for orders already; no more are made");
        return Err(KeySupplyError::File(why));
    }
    let caller = party.caller();
    let own = Own {
        number: caller.number,
        signing: caller.signing,
    };
    let new = NewKeys::grow(own, wanted, count.clamp(1, decide::BATCH), party.now())?;
    let epochs = Arc::clone(epochs);
    let keys = party.write(move |c| new.store_sent(c, &epochs))?;
    let count = keys.len();
    let prepared = prepare(party, &Callee::party(service, None), StockUpload { keys })?;
    Ok(UploadFile {
        bytes: prepared.to_bytes(),
        keys: count,
    })
}

/// Reads a file of keys that the service made. A file may be read twice. Gives how many keys were
/// new.
///
/// # Errors
/// [`KeySupplyError::File`] when it's not for us or not by the service.
pub fn read_made<P: Party>(
    party: &P,
    epochs: &Arc<Epochs>,
    rules: &Rules,
    service: &Verified<PartyRecord>,
    bytes: &[u8],
) -> Result<usize, KeySupplyError> {
    let wrong = |why: &str| KeySupplyError::File(why.to_owned());
    let caller = party.caller();
    let sealed = Sealed::parse(bytes).map_err(|e| KeySupplyError::File(e.to_string()))?;
    if sealed.to != caller.number {
        return Err(KeySupplyError::File(format!("it's for {}", sealed.to)));
    }
    let opened = sealed.open(caller.opening);
    let (parcel, _) = opened.map_err(|_e| wrong("it isn't sealed to our opening key"))?;
    let message = Unverified::<Message<MadeKeys>>::parse(parcel.signed);
    let message = message.map_err(|e| KeySupplyError::File(e.to_string()))?;
    let service = Callee::party(service, None);
    let message = message.verify(&service.replies);
    let message = message.map_err(|_e| wrong("the sealing service didn't sign it"))?;
    if message.from != service.number || message.to != caller.number {
        return Err(wrong("it isn't from the sealing service to us"));
    }
    let made = message.into_value().body;
    match import(party, epochs, rules, &service, made) {
        Err(KeySupplyError::Forms(FormsError::Made(why))) => {
            Err(KeySupplyError::File(why.to_string()))
        }
        other => other,
    }
}
