//! A gate in this process, with a log in a temporary folder.

use std::path::PathBuf;

use std::sync::Arc;
use tegata_gate::{
    Event, Gate, Identity, Verdict,
    admission::Store,
    store::{FILE, LogReader, SqliteStore},
};

use tegata_party::keys::{Keys, Seeds};
use tegata_protocol::{PartyNumber, VerifyingKey};

use crate::{
    centre::gate_number,
    shop::{NOW, NOW_MILLIS, SHOP, Shop, key},
};

#[derive(Debug)]
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join(FILE)
    }

    pub(crate) fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.file()).unwrap()
    }

    pub(crate) fn log(&self) -> LogReader {
        LogReader::open(&self.file()).unwrap()
    }

    /// A gate for the usual shop's event.
    pub(crate) fn gate(&self) -> Gate {
        gate(self.store(), vec![SHOP.loaded(&SHOP.check_data(1))])
    }
}

pub(crate) fn log_key() -> VerifyingKey {
    key(90).verifying_key()
}

pub(crate) fn identity(number: PartyNumber) -> Identity {
    Identity {
        number,
        name: "North gate".into(),
        keys: Arc::new(Keys::grow(&Seeds {
            signing: [90; 32],
            opening: [91; 32],
            store: [92; 32],
        })),
    }
}

/// A gate whose current event is the usual shop's.
pub(crate) fn gate(store: impl Store + 'static, events: Vec<Event>) -> Gate {
    let gate = Gate::new(identity(gate_number()), events, store).unwrap();
    gate.choose(&[SHOP.event().to_string().parse().unwrap()])
        .unwrap();
    gate
}

pub(crate) fn check(gate: &Gate, scanned: &[u8]) -> Verdict {
    gate.check(scanned, NOW, NOW_MILLIS)
}

/// Checks so many milliseconds later.
pub(crate) fn check_later(gate: &Gate, scanned: &[u8], millis: u64) -> Verdict {
    gate.check(scanned, NOW.after(millis / 1000), NOW_MILLIS + millis)
}

/// The same ticket, shown anew so many seconds later.
pub(crate) fn show_later(shop: Shop, serial: u32, seconds: u64) -> Vec<u8> {
    let ticket = shop.batch().sign(&shop.ticket(serial));
    let presentation = shop.presentation(ticket, shop.now.after(seconds));
    shop.seal(&presentation, &crate::shop::holder())
}
