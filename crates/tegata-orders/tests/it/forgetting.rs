//! What can't be had back after an epoch's end, or after a form was erased.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use tegata_orders::{Bare, Cover, Epochs, FormsError, Host, OrderKeys, SCHEMA, epoch, kept, open};
use tegata_protocol::Suite;
use tegata_protocol::order::{KeySource, OrderId};
use tegata_store::{Connection, Database, StoreError};

use crate::recipient::{NOW, Recipient, STREET, form};

/// Everything in a folder, subfolders not needed.
pub(crate) fn dump(folder: &Path) -> Vec<u8> {
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
fn stored(recipient: &Recipient) -> Vec<([u8; 16], Vec<u8>)> {
    let connection = recipient.stranger();
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
        let recipient = Recipient::new(scheme);
        let (used, waiting) = (recipient.key(), recipient.key());
        let secrets = stored(&recipient);
        let used_secret: Vec<_> = secrets
            .iter()
            .filter(|(id, _)| id == used.id.as_bytes())
            .cloned()
            .collect();
        let (_, bytes) = recipient.order(&used);
        let (_, later) = recipient.order(&waiting);
        recipient.take(&bytes);
        let during = dump(recipient.dir.path());
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
        recipient.epochs.turn(&recipient, NOW.after(3_600)).unwrap();
        let after = dump(recipient.dir.path());
        assert!(visible(&after), "it's there for ever, perhaps");
        assert_eq!(
            attack(&after, &used_secret),
            0,
            "but nothing opens it: {scheme}"
        );
        // The key that still waits was carried over.
        let kept: Vec<_> = stored(&recipient)
            .into_iter()
            .filter(|(_, s)| !s.is_empty())
            .collect();
        assert_eq!((kept.len(), attack(&after, &kept)), (1, 1), "and it alone");
        recipient.take(&later);
    }
}

#[test]
fn the_key_of_a_refused_order_does_not_outlive_the_next_epoch() {
    let recipient = Recipient::new("order-public-1");
    let mut wanted = recipient.wanted(Suite::Compact, KeySource::Regular);
    wanted.expires = NOW.after(3 * 86_400);
    let key = recipient.make(&wanted, 1).remove(0);
    let secrets = stored(&recipient);
    let (_, bytes) = recipient.order(&key);
    let shortening = open::shortening(&recipient.connect(), recipient.own(), &bytes).unwrap();
    recipient
        .change(|c| shortening.unwrap().apply(c, NOW))
        .unwrap();
    recipient.epochs.turn(&recipient, NOW.after(3_600)).unwrap();
    let carried: Vec<_> = stored(&recipient);
    assert_eq!(attack(&dump(recipient.dir.path()), &carried), 1, "not yet");
    recipient
        .epochs
        .turn(&recipient, NOW.after(2 * 3_600))
        .unwrap();
    let after = dump(recipient.dir.path());
    assert_eq!(attack(&after, &secrets) + attack(&after, &carried), 0);
    assert!(
        stored(&recipient)
            .iter()
            .all(|(_, secret)| secret.is_empty())
    );
}

/// A host whose power fails before a certain write.
struct Failing<'a> {
    recipient: &'a Recipient,
    writes: AtomicUsize,
    fails_at: usize,
}

impl Host for Failing<'_> {
    fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError> + Send + 'static,
    ) -> Result<T, FormsError> {
        if self.writes.fetch_add(1, Ordering::SeqCst) == self.fails_at {
            return Err(FormsError::host(std::io::Error::other("power cut")));
        }
        self.recipient.write(job)
    }

    fn read<T>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError>,
    ) -> Result<T, FormsError> {
        self.recipient.read(job)
    }
}

#[test]
fn an_epoch_ends_in_batches_and_a_crash_between_them_loses_no_key() {
    let recipient = Recipient::new("order-public-1");
    let wanted = recipient.wanted(Suite::Compact, KeySource::Regular);
    let keys = recipient.make(&wanted, 620);
    let secrets = stored(&recipient);
    let old_file = recipient.dir.read(epoch::FILE).unwrap();
    assert!(holds(&old_file, &old_file[13..45]));
    let failing = |fails_at| Failing {
        recipient: &recipient,
        writes: AtomicUsize::new(0),
        fails_at,
    };
    recipient.epochs.turn(&failing(1), NOW).unwrap_err();
    let moved = stored(&recipient);
    let left = moved.iter().filter(|secret| secrets.contains(secret));
    assert_eq!(left.count(), 620 - 250, "one batch was carried");
    // Started again, with the file as it lies there.
    let epochs = Arc::new(Epochs::open(&recipient.dir, Arc::new(Bare), NOW).unwrap());
    assert!(epochs.is_due(NOW, u64::MAX));
    let open =
        |bytes: &[u8]| open::open(&recipient.connect(), recipient.own(), &epochs, bytes, NOW);
    let some = keys.iter().step_by(20);
    let orders: Vec<_> = some.map(|key| recipient.order(key).1).collect();
    assert!(orders.iter().all(|bytes| open(bytes).is_ok()), "half-way");
    let host = failing(usize::MAX);
    assert_eq!(epochs.turn(&host, NOW).unwrap().carried, 370);
    assert_eq!(host.writes.load(Ordering::SeqCst), 2);
    assert!(orders.iter().all(|bytes| open(bytes).is_ok()), "at its end");
    assert!(!holds(&dump(recipient.dir.path()), &old_file[13..45]));
}

#[test]
fn a_destroyed_epoch_key_is_overwritten_where_it_lay() {
    let recipient = Recipient::new("order-public-1");
    let file = recipient.dir.path().join(epoch::FILE);
    let elsewhere = tempfile::tempdir().unwrap();
    // Another name of the same bytes, as a careless backup has one.
    let link = elsewhere.path().join("link");
    fs::hard_link(&file, &link).unwrap();
    assert!(fs::read(&link).unwrap().iter().any(|byte| *byte != 0));
    recipient.epochs.turn(&recipient, NOW).unwrap();
    assert!(fs::read(&link).unwrap().iter().all(|byte| *byte == 0));
}

#[test]
fn key_files_may_lie_under_a_cover_of_the_hosts() {
    struct Covered(u8);
    impl Cover for Covered {
        fn cover(&self, label: &[u8], bytes: &[u8]) -> Vec<u8> {
            [
                label,
                &[self.0],
                bytes
                    .iter()
                    .map(|b| b ^ self.0)
                    .collect::<Vec<_>>()
                    .as_slice(),
            ]
            .concat()
        }
        fn uncover(&self, label: &[u8], covered: &[u8]) -> Option<zeroize::Zeroizing<Vec<u8>>> {
            let rest = covered.strip_prefix(label)?.strip_prefix(&[self.0])?;
            Some(zeroize::Zeroizing::new(
                rest.iter().map(|b| b ^ self.0).collect(),
            ))
        }
    }
    let recipient = Recipient::new("order-public-1");
    fs::remove_file(recipient.dir.path().join(epoch::FILE)).unwrap();
    let open = |secret| Epochs::open(&recipient.dir, Arc::new(Covered(secret)), NOW);
    let epochs = Arc::new(open(0x5A).unwrap());
    epochs.turn(&recipient, NOW).unwrap();
    assert!(
        recipient
            .dir
            .read(epoch::FILE)
            .unwrap()
            .starts_with(epoch::FILE.as_bytes())
    );
    assert!(open(0x5A).is_ok());
    let error = open(0x5B).unwrap_err().to_string();
    assert!(
        error.contains(epoch::FILE) && error.contains("cover"),
        "{error}"
    );
}

#[test]
fn epochs_may_end_while_orders_come_and_keys_are_made() {
    let recipient = Arc::new(Recipient::new("order-public-1"));
    let done = Arc::new(AtomicBool::new(false));
    let turning = {
        let (recipient, done) = (Arc::clone(&recipient), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut turns = 0;
            while !done.load(Ordering::SeqCst) || turns < 20 {
                recipient.epochs.turn(&*recipient, NOW).unwrap();
                turns += 1;
            }
        })
    };
    let customers: Vec<_> = (0..4)
        .map(|_| {
            let recipient = Arc::clone(&recipient);
            std::thread::spawn(move || {
                for _ in 0..25 {
                    let (_, bytes) = recipient.order(&recipient.key());
                    recipient.take(&bytes);
                }
            })
        })
        .collect();
    for customer in customers {
        customer.join().unwrap();
    }
    done.store(true, Ordering::SeqCst);
    turning.join().unwrap();
}

fn keep(recipient: &Recipient, keys: &OrderKeys, number: u8) -> OrderId {
    let order = OrderId::from_bytes([number; 16]);
    recipient
        .change(|connection| keys.keep(connection, order, &form()))
        .unwrap();
    order
}

fn order_keys(recipient: &Recipient) -> Arc<OrderKeys> {
    Arc::new(OrderKeys::open(&recipient.dir, Arc::new(Bare), NOW).unwrap())
}

fn cell(recipient: &Recipient, order: OrderId) -> Vec<u8> {
    let sql = "SELECT secret FROM order_form WHERE id = ?1";
    recipient
        .stranger()
        .query_row(sql, [order.as_bytes()], |row| row.get(0))
        .unwrap()
}

pub(crate) fn holds(copy: &[u8], text: &[u8]) -> bool {
    copy.windows(text.len()).any(|window| window == text)
}

#[test]
fn a_form_is_kept_encrypted_and_each_under_its_own_order() {
    let recipient = Recipient::new("order-public-1");
    let keys = order_keys(&recipient);
    let (one, two) = (keep(&recipient, &keys, 1), keep(&recipient, &keys, 2));
    assert_eq!(keys.form(&recipient.connect(), one).unwrap(), Some(form()));
    assert!(!holds(&dump(recipient.dir.path()), STREET.as_bytes()));
    assert_ne!(cell(&recipient, one), cell(&recipient, two));
    // One order's form laid under another's number doesn't open.
    let swap = "UPDATE order_form SET secret = (SELECT secret FROM order_form WHERE id = ?1) \
        WHERE id = ?2";
    recipient
        .stranger()
        .execute(swap, [one.as_bytes(), two.as_bytes()])
        .unwrap();
    assert!(keys.form(&recipient.connect(), two).is_err());
    let reading = OrderKeys::read(&recipient.dir, Arc::new(Bare))
        .unwrap()
        .unwrap();
    assert_eq!(
        reading.form(&recipient.connect(), one).unwrap(),
        Some(form())
    );
}

/// What is erased must be overwritten, and that is the database's own affair.
#[test]
fn no_form_is_kept_where_it_could_not_be_erased() {
    static CARELESS: Database = Database::new("the shop's database", &[&[SCHEMA]]);
    let recipient = Recipient::new("order-public-1");
    let keys = order_keys(&recipient);
    let order = OrderId::from_bytes([1; 16]);
    let mut careless = CARELESS.open(&recipient.file()).unwrap();
    let misused = |result: Result<(), FormsError>| {
        let misused = matches!(
            result,
            Err(FormsError::Database(StoreError::Misused { .. }))
        );
        assert!(misused, "{result:?}");
    };
    misused(careless.write(|c| keys.keep(c, order, &form())));
    misused(careless.write(|c| kept::erase(c, order).map(drop)));
    assert_eq!(keys.form(&careless, order).unwrap(), None);
}

#[test]
fn an_erased_form_is_in_no_file_any_more() {
    let recipient = Recipient::new("order-public-1");
    let keys = order_keys(&recipient);
    let orders: Vec<OrderId> = (0..150)
        .map(|_| {
            let order = tegata_orders::token::new_order();
            recipient
                .change(|connection| keys.keep(connection, order, &form()))
                .unwrap();
            order
        })
        .collect();
    kept::scrub(&recipient.connect()).unwrap();
    for order in &orders[..50] {
        let secret = cell(&recipient, *order);
        assert!(holds(&dump(recipient.dir.path()), &secret));
        assert!(
            recipient
                .change(|connection| kept::erase(connection, *order))
                .unwrap()
        );
        assert!(
            !recipient
                .change(|connection| kept::erase(connection, *order))
                .unwrap()
        );
        assert!(kept::scrub_file(&recipient.file()).unwrap());
        let after = dump(recipient.dir.path());
        for piece in secret.chunks_exact(16) {
            assert!(!holds(&after, piece));
        }
        assert_eq!(keys.form(&recipient.connect(), *order).unwrap(), None);
    }
    for order in &orders[50..] {
        assert_eq!(
            keys.form(&recipient.connect(), *order).unwrap(),
            Some(form())
        );
    }
}

#[test]
fn replacing_the_order_key_encrypts_all_anew_and_says_how_far_it_is() {
    let recipient = Recipient::new("order-public-1");
    let keys = order_keys(&recipient);
    let orders: Vec<OrderId> = (0..250)
        .map(|number| keep(&recipient, &keys, number))
        .collect();
    let (old_file, old) = (
        recipient.dir.read(kept::FILE).unwrap(),
        cell(&recipient, orders[7]),
    );
    let mut seen = Vec::new();
    keys.rotate(&recipient, NOW.after(60), |progress| {
        seen.push((progress.done, progress.total))
    })
    .unwrap();
    assert_eq!(seen, [(100, 250), (200, 250), (250, 250)]);
    assert_ne!(cell(&recipient, orders[7]), old);
    for order in &orders {
        assert_eq!(
            keys.form(&recipient.connect(), *order).unwrap(),
            Some(form())
        );
    }
    let again = order_keys(&recipient);
    assert_eq!(
        again.form(&recipient.connect(), orders[9]).unwrap(),
        Some(form())
    );
    assert!(!again.is_rotating());
    assert_eq!(again.made(), NOW.after(60));
    // The old key is in no file, so what it encrypted is closed, wherever a copy lies.
    assert!(!holds(&dump(recipient.dir.path()), &old_file[13..45]));
}

#[test]
fn a_crash_while_the_order_key_is_replaced_loses_no_form() {
    let recipient = Recipient::new("order-public-1");
    let keys = order_keys(&recipient);
    let orders: Vec<OrderId> = (0..250)
        .map(|number| keep(&recipient, &keys, number))
        .collect();
    let crash = std::panic::AssertUnwindSafe(|| {
        keys.rotate(&recipient, NOW, |progress| {
            assert!(progress.done < 200, "power cut")
        })
    });
    std::panic::catch_unwind(crash).unwrap_err();
    drop(keys);
    let keys = order_keys(&recipient);
    assert!(keys.is_rotating());
    for order in &orders {
        assert_eq!(
            keys.form(&recipient.connect(), *order).unwrap(),
            Some(form())
        );
    }
    keys.rotate(&recipient, NOW, |_| {}).unwrap();
    assert_eq!(
        keys.form(&recipient.connect(), orders[0]).unwrap(),
        Some(form())
    );
    assert!(!order_keys(&recipient).is_rotating());
}

#[test]
fn without_its_order_key_a_form_says_what_is_missing() {
    let recipient = Recipient::new("order-public-1");
    let order = keep(&recipient, &order_keys(&recipient), 1);
    fs::remove_file(recipient.dir.path().join(kept::FILE)).unwrap();
    let error = order_keys(&recipient)
        .form(&recipient.connect(), order)
        .unwrap_err();
    assert!(error.to_string().contains(kept::FILE), "{error}");
}
