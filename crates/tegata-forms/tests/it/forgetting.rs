//! What can't be had back after an epoch's end, or after a form was erased.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use tegata_forms::{Bare, OrderKeys, kept};
use tegata_protocol::Time;
use tegata_protocol::order::OrderId;

use crate::desk::{Desk, NOW, STREET, form};

/// Everything in a folder, subfolders not needed.
fn dump(folder: &Path) -> Vec<u8> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut all = Vec::new();
    for file in files {
        // Files one after the other, apart.
        all.extend(fs::read(&file).unwrap());
        all.extend([0; 64]);
    }
    all
}

/// A secret as it lay in the database: under which name, and its bytes.
fn stored(desk: &Desk) -> Vec<([u8; 16], Vec<u8>)> {
    let connection = desk.connect();
    let mut query = connection
        .prepare("SELECT id, secret FROM order_key")
        .unwrap();
    let rows = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// Tries every window of 32 bytes as the key of every one of these secrets. How many open?
fn attack(copy: &[u8], secrets: &[([u8; 16], Vec<u8>)]) -> usize {
    let opens = |(id, secret): &([u8; 16], Vec<u8>)| {
        let aad = [b"tegata order key v1 ".as_slice(), id].concat();
        let (nonce, sealed) = secret.split_first_chunk::<12>().unwrap();
        copy.windows(32).any(|key| {
            let key: &[u8; 32] = key.try_into().unwrap();
            let payload = Payload {
                msg: sealed,
                aad: &aad,
            };
            Aes256Gcm::new(key.into())
                .decrypt(&Nonce::from(*nonce), payload)
                .is_ok()
        })
    };
    secrets.iter().filter(|secret| opens(secret)).count()
}

#[test]
fn after_an_epochs_end_no_copy_gives_back_a_used_key() {
    for scheme in ["order-public-1", "order-shared-1"] {
        let desk = Desk::new(scheme);
        let (used, waiting) = (desk.key(), desk.key());
        let secrets = stored(&desk);
        let used_secret: Vec<_> = secrets
            .iter()
            .filter(|(id, _)| id == used.id.as_bytes())
            .cloned()
            .collect();
        let (_, bytes) = desk.order(&used);
        let (_, later) = desk.order(&waiting);
        desk.take(&bytes);
        let during = dump(desk.dir.path());
        let visible = |copy: &[u8]| copy.windows(64).any(|w| w == &used_secret[0].1[..64]);
        assert!(
            visible(&during),
            "the log still has the secret that was erased"
        );
        assert_eq!(
            attack(&during, &used_secret),
            1,
            "and the epoch's key opens it"
        );
        desk.epochs.turn(&desk, NOW.after(3_600)).unwrap();
        let after = dump(desk.dir.path());
        assert!(visible(&after), "it's there for ever, perhaps");
        assert_eq!(
            attack(&after, &used_secret),
            0,
            "but nothing opens it: {scheme}"
        );
        // The key that still waits was carried over.
        let kept: Vec<_> = stored(&desk)
            .into_iter()
            .filter(|(_, s)| !s.is_empty())
            .collect();
        assert_eq!((kept.len(), attack(&after, &kept)), (1, 1), "and it alone");
        desk.take(&later);
    }
}
