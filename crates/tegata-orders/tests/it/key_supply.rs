//! Trading with a sealing service: stock, lost answers, refusals, service-made keys, files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tegata_orders::key_supply::{self, KeySupplyError, Party};
use tegata_orders::keys::{self, KeyState};
use tegata_orders::{Epochs, Fallbacks, FormsError, Host, KeySupply, Rules, Settings};
use tegata_party::client::{Caller, Client};
use tegata_protocol::envelope::{Parcel, Sealed};
use tegata_protocol::order::{
    KeySource, MadeKey, Maker, OpeningHalf, OrderKey, OrderKeyId, Part, SharedKey, program_digest,
};
use tegata_protocol::refusal::Code;
use tegata_protocol::{
    Digest, OpeningKey, PartyNumber, Role, SigningKey, Suite, Time, Unverified, VerifyingKey,
};
use tegata_store::Connection;

use crate::forgetting::{dump, holds};
use crate::recipient::{NOW, Recipient, shop_number};
use crate::service::{Mood, Service};

/// The shop as the key supply sees it.
struct Lent {
    recipient: Arc<Recipient>,
    opening: OpeningKey,
    register: VerifyingKey,
    clock: Arc<AtomicU64>,
}

impl Host for Lent {
    fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError> + Send + 'static,
    ) -> Result<T, FormsError> {
        self.recipient.write(job)
    }

    fn read<T>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError>,
    ) -> Result<T, FormsError> {
        self.recipient.read(job)
    }
}

impl Party for Lent {
    fn caller(&self) -> Caller<'_> {
        Caller {
            number: shop_number(),
            signing: &self.recipient.signing,
            opening: &self.opening,
        }
    }

    fn register(&self) -> VerifyingKey {
        self.register
    }

    fn record(&self) -> Option<Vec<u8>> {
        Some(b"the shop's record".to_vec())
    }

    fn now(&self) -> Time {
        Time::from_secs(self.clock.load(Ordering::SeqCst))
    }
}

/// A shop and its service.
struct Town {
    recipient: Arc<Recipient>,
    service: Arc<Service>,
    clock: Arc<AtomicU64>,
}

impl Town {
    fn new(scheme: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            scheme: scheme.to_owned(),
            stock: 70,
            compact: false,
            danger_shared_keys: true,
            danger_shop_wide_shared_key: true,
            danger_service_made_keys: true,
            ..Settings::default()
        };
        change(&mut settings);
        let mut recipient = Recipient::with(settings);
        let verifying = recipient.signing.verifying_key();
        let service = Service::start(verifying, opening().sealing_key().clone());
        recipient.rules.service.address = service.address.clone();
        Self {
            recipient: Arc::new(recipient),
            service,
            clock: Arc::new(AtomicU64::new(NOW.secs())),
        }
    }

    fn lent(&self) -> Lent {
        Lent {
            recipient: Arc::clone(&self.recipient),
            opening: opening(),
            register: self.service.register.verifying_key(),
            clock: Arc::clone(&self.clock),
        }
    }

    fn supply(&self) -> KeySupply<Lent> {
        self.supply_of(self.recipient.rules.clone())
    }

    fn supply_of(&self, rules: Rules) -> KeySupply<Lent> {
        let epochs = Arc::clone(&self.recipient.epochs);
        let client = Client::new(Duration::from_secs(10));
        KeySupply::new(self.lent(), epochs, rules, client)
    }

    fn round(&self) -> Result<(), KeySupplyError> {
        self.supply().round()
    }

    fn count(&self, source: KeySource) -> usize {
        let books = self.service.books();
        books.keys.iter().filter(|key| key.source == source).count()
    }

    fn stocked(&self) -> usize {
        let sql = "SELECT count(*) FROM order_key WHERE state = 1";
        let connection = self.recipient.stranger();
        let count: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        count.try_into().unwrap()
    }

    fn good(&self) {
        self.service.books().mood = Mood::Good;
    }
}

fn opening() -> OpeningKey {
    OpeningKey::from_seed(Suite::Standard, &[40; 32])
}

fn refused(result: Result<(), KeySupplyError>) -> Code {
    match result {
        Err(KeySupplyError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn stock_and_fallback_are_filled_up_and_then_left_alone() {
    let town = Town::new("order-public-1", |_| {});
    town.round().unwrap();
    assert_eq!(town.count(KeySource::Regular), 64, "whole batches");
    assert_eq!(town.count(KeySource::Fallback), 1);
    let before = town.service.books().uploads.len();
    town.round().unwrap();
    assert_eq!(town.service.books().uploads.len(), before);
    // Half of it is handed out.
    town.service.books().keys.truncate(20);
    town.round().unwrap();
    assert!(town.count(KeySource::Regular) >= 51);
    assert_eq!(town.stocked(), 65 + 32);
    let key = town.service.books().keys.pop().unwrap();
    assert_eq!(
        (key.recipient, key.program),
        (shop_number(), program_digest())
    );
}

/// Somebody takes every key out of the service's stock, again and again.
#[test]
fn who_takes_keys_without_ordering_has_so_many_made_and_no_more() {
    let town = Town::new("order-public-1", |s| {
        s.keys_per_hour = Some(100);
        s.fallback_hours = 0;
    });
    for _ in 0..10 {
        town.service.books().keys.clear();
        town.round().unwrap();
    }
    assert_eq!(town.stocked(), 100);
    town.clock.fetch_add(3_599, Ordering::SeqCst);
    town.round().unwrap();
    assert_eq!(town.stocked(), 100, "not before the hour is over");
    town.clock.fetch_add(1, Ordering::SeqCst);
    town.service.books().keys.clear();
    town.round().unwrap();
    assert_eq!(town.stocked(), 164);
}

#[test]
fn four_times_the_stock_is_made_in_an_hour_unless_set() {
    let town = Town::new("order-public-1", |s| s.stock = 9);
    assert_eq!(town.recipient.rules.keys_per_hour, 36);
}

#[test]
fn no_more_than_ten_thousand_keys_wait() {
    let town = Town::new("order-public-1", |s| {
        s.keys_per_hour = Some(1_000);
        s.fallback_hours = 0;
    });
    town.round().unwrap();
    // More of the same, made long ago.
    let copies = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9926) \
        INSERT INTO order_key SELECT randomblob(16), scheme, suite, member, source, maker, signer, \
        made - 7200, expires, state, 2, slot, secret FROM n, \
        (SELECT * FROM order_key WHERE state = 1 LIMIT 1)";
    town.recipient.stranger().execute_batch(copies).unwrap();
    assert_eq!(town.stocked(), 9_990);
    town.service.books().keys.clear();
    town.round().unwrap();
    assert_eq!(town.stocked(), 10_000);
    let wanted = town.recipient.wanted(Suite::Compact, KeySource::Regular);
    let (lent, record) = (town.lent(), town.service.record());
    let file = key_supply::write_upload(&lent, &town.recipient.epochs, &record, &wanted, 9);
    assert!(matches!(file, Err(KeySupplyError::File(_))), "{file:?}");
}

#[test]
fn an_order_under_a_fallback_key_is_noticed_and_more_so_while_keys_are_left() {
    let town = Town::new("order-public-1", |_| {});
    town.round().unwrap();
    let mut wanted = town.recipient.wanted(Suite::Standard, KeySource::Fallback);
    wanted.expires = NOW.after(7_200);
    let key = town.recipient.make(&wanted, 1).remove(0);
    assert_eq!(town.supply().fallbacks(), Fallbacks::default());
    town.recipient.open_new(&town.recipient.order(&key).1);
    let both = Fallbacks {
        last: Some(NOW),
        although_stocked: Some(NOW),
    };
    assert_eq!(town.supply().fallbacks(), both);
    // Later they have run out, and the service says so.
    town.service.books().keys.clear();
    town.supply().inquire().unwrap();
    town.recipient
        .open(&town.recipient.order(&key).1, NOW.after(5))
        .unwrap();
    let later = Fallbacks {
        last: Some(NOW.after(5)),
        ..both
    };
    assert_eq!(town.supply().fallbacks(), later);
}

#[test]
fn a_running_key_supply_looks_when_woken_and_stops_when_told() {
    let town = Town::new("order-public-1", |s| {
        s.stock = 32;
        s.fallback_hours = 0;
    });
    let (tell, signals) = std::sync::mpsc::channel();
    let supply = town.supply();
    let running = std::thread::spawn(move || supply.run(&signals));
    // Looks come one by one; when a second one is taken the round before it is over.
    tell.send(key_supply::Signal::Look).unwrap();
    while town.service.books().keys.len() < 32 {
        std::thread::yield_now();
    }
    town.service.books().keys.clear();
    tell.send(key_supply::Signal::Look).unwrap();
    while town.service.books().keys.len() < 32 {
        std::thread::yield_now();
    }
    tell.send(key_supply::Signal::Stop).unwrap();
    running.join().unwrap();
}

#[test]
fn an_upload_whose_answer_is_lost_is_sent_again_and_counts_once() {
    let town = Town::new("order-public-1", |s| {
        s.stock = 32;
        s.fallback_hours = 0;
    });
    town.service.books().mood = Mood::Deaf;
    for _ in 0..2 {
        assert!(matches!(town.round(), Err(KeySupplyError::Call(_))));
    }
    // An epoch ends in between, and the program is started again.
    town.clock.fetch_add(3_600, Ordering::SeqCst);
    assert!(town.round().is_err());
    town.good();
    town.round().unwrap();
    let uploads = town.service.books().uploads.clone();
    assert_eq!(uploads.len(), 4);
    assert!(
        uploads.iter().all(|digest| *digest == uploads[0]),
        "the same message each time"
    );
    assert_eq!((town.count(KeySource::Regular), town.stocked()), (32, 32));
}

#[test]
fn keys_that_the_service_refuses_are_struck_out_and_others_come_later() {
    let town = Town::new("order-public-1", |s| {
        s.stock = 32;
        s.fallback_hours = 0;
    });
    town.service.books().mood = Mood::Refuses(Code::StockRefused);
    assert_eq!(refused(town.round()), Code::StockRefused);
    assert_eq!(town.stocked(), 0);
    town.good();
    town.round().unwrap();
    assert_eq!(town.stocked(), 32);
}

#[test]
fn an_upload_that_came_too_late_is_signed_anew_with_the_same_keys() {
    let town = Town::new("order-public-1", |s| {
        s.stock = 32;
        s.fallback_hours = 0;
    });
    town.service.books().mood = Mood::Refuses(Code::Untimely);
    assert_eq!(refused(town.round()), Code::Untimely);
    assert_eq!(town.stocked(), 32);
    town.good();
    town.round().unwrap();
    let uploads = town.service.books().uploads.clone();
    assert_eq!((uploads.len(), town.stocked()), (2, 32));
    assert_ne!(uploads[0], uploads[1]);
}

#[test]
fn a_stranger_at_the_address_is_told_from_the_service() {
    let town = Town::new("order-public-1", |_| {});
    town.service.books().number = PartyNumber::new(Role::Sealing, 99).unwrap();
    match town.round() {
        Err(error @ KeySupplyError::Stranger { .. }) => {
            assert!(error.to_string().contains("check the settings"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(town.stocked(), 0, "nothing was made for it");
}

#[test]
fn a_program_that_the_shop_does_not_know_gets_no_key() {
    let town = Town::new("order-public-1", |s| s.fallback_hours = 0);
    town.service.books().program = Digest::of(b"sends everything elsewhere");
    town.round().unwrap();
    let books = town.service.books();
    assert!(books.keys.iter().all(|key| key.program == program_digest()));
}

#[test]
fn each_admitted_member_gets_a_key_and_one_in_time_for_the_next() {
    let town = Town::new("member-public-1", |s| s.key_days = 4);
    let members: Vec<PartyNumber> = (1..=3)
        .map(|n| PartyNumber::new(Role::Member, n).unwrap())
        .collect();
    for member in &members {
        town.recipient
            .change(|c| keys::admit(c, *member, NOW))
            .unwrap();
    }
    town.round().unwrap();
    let owners = || -> Vec<_> {
        let books = town.service.books();
        books.keys.iter().map(|key| key.member.unwrap()).collect()
    };
    assert_eq!(owners(), members);
    town.round().unwrap();
    assert_eq!(owners().len(), 3);
    town.recipient
        .change(|c| keys::dismiss(c, members[0]))
        .unwrap();
    town.clock.fetch_add(3 * 86_400, Ordering::SeqCst);
    town.round().unwrap();
    assert_eq!(owners()[3..], members[1..]);
}

#[test]
fn a_shared_key_lies_nowhere_in_clear_while_it_is_sent() {
    let town = Town::new("order-shared-1", |s| s.stock = 20);
    town.service.books().mood = Mood::Deaf;
    assert!(town.round().is_err());
    let shared: Vec<[u8; 32]> = town
        .service
        .books()
        .keys
        .iter()
        .map(|key| match &key.part {
            Part::Shared(shared) => *shared.expose(),
            Part::Public(_) => panic!("public"),
        })
        .collect();
    assert_eq!(shared.len(), 20);
    let files = dump(town.recipient.dir.path());
    assert!(shared.iter().all(|secret| !holds(&files, secret)));
}

/// A key that the service made for the shop.
fn made(town: &Town, number: u8) -> (MadeKey, OrderKey) {
    let scheme = town.recipient.rules.scheme;
    let half = OpeningHalf::from_seed(scheme.kind(), Suite::Compact, &[number; 32]);
    let key = OrderKey {
        recipient: shop_number(),
        id: OrderKeyId::from_bytes([number; 16]),
        scheme,
        member: None,
        part: half.sealing_part(),
        expires: NOW.after(3_600),
        program: program_digest(),
        maker: Maker::Service,
        source: KeySource::Regular,
        made: NOW,
    };
    let made = MadeKey {
        number: u64::from(number),
        key: town.service.signing.sign(&key),
        seed: SharedKey::from_bytes([number; 32]),
    };
    (made, key)
}

fn with_made_keys(count: u8) -> Town {
    let town = Town::new("order-public-1", |s| {
        s.keys_made_by = "service".to_owned();
        s.compact = true;
    });
    let keys: Vec<MadeKey> = (1..=count).map(|number| made(&town, number).0).collect();
    town.service.books().made = keys;
    town
}

#[test]
fn service_made_keys_are_fetched_page_by_page_and_open_orders() {
    let town = with_made_keys(5);
    town.round().unwrap();
    assert_eq!((town.stocked(), town.service.books().keys.len()), (5, 0));
    let (made, key) = made(&town, 3);
    let verified = Unverified::<OrderKey>::parse(made.key).unwrap();
    let verified = verified
        .verify(&town.service.signing.verifying_key())
        .unwrap();
    let (_, bytes) = town.recipient.order(&verified);
    town.recipient.take(&bytes);
    let state = keys::state(&town.recipient.connect(), key.id).unwrap();
    assert_eq!(state, Some(KeyState::Consumed));
    assert_eq!(
        town.supply().fetch_made().unwrap(),
        0,
        "it goes on behind the last one"
    );
    // Where the shop makes keys again, those of the service aren't uploaded to it.
    let own = Rules {
        maker: Maker::Recipient,
        fallback_seconds: 0,
        ..town.recipient.rules.clone()
    };
    town.supply_of(own).round().unwrap();
    let books = town.service.books();
    assert!(!books.keys.is_empty() && books.keys.iter().all(|key| key.maker == Maker::Recipient));
}

#[test]
fn a_made_key_that_is_not_in_order_stops_the_whole_page() {
    let town = with_made_keys(2);
    let forger = SigningKey::from_seed(&[77; 32]);
    let (_, key) = made(&town, 2);
    town.service.books().made[1].key = forger.sign(&key);
    assert!(matches!(
        town.round(),
        Err(KeySupplyError::Forms(FormsError::Made(_)))
    ));
    assert_eq!(town.stocked(), 0);
}

fn file(town: &Town, to: PartyNumber, opening: &OpeningKey, most: usize) -> Vec<u8> {
    let made = town.service.made_after(0, most);
    let parcel = Parcel::new(town.service.message(None, made));
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let sealed = Sealed::seal(to, opening.sealing_key(), &parcel, &mut rng);
    sealed.unwrap().to_bytes()
}

#[test]
fn made_keys_come_in_a_file_too() {
    let town = with_made_keys(5);
    let (lent, record) = (town.lent(), town.service.record());
    let read = |bytes: &[u8]| {
        key_supply::read_made(
            &lent,
            &town.recipient.epochs,
            &town.recipient.rules,
            &record,
            bytes,
        )
    };
    let bytes = file(&town, shop_number(), &opening(), 5);
    assert_eq!(read(&bytes).unwrap(), 5);
    assert_eq!(read(&bytes).unwrap(), 0, "read twice");
    let elsewhere = PartyNumber::new(Role::Shop, 70).unwrap();
    let stranger = OpeningKey::from_seed(Suite::Standard, &[41; 32]);
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    let bad = [
        file(&town, elsewhere, &opening(), 5),
        file(&town, shop_number(), &stranger, 5),
        changed,
        b"not a file of ours".to_vec(),
    ];
    for bytes in bad {
        assert!(matches!(read(&bytes), Err(KeySupplyError::File(_))));
    }
    town.service.books().number = PartyNumber::new(Role::Sealing, 9).unwrap();
    let other = file(&town, shop_number(), &opening(), 5);
    assert!(
        matches!(read(&other), Err(KeySupplyError::File(_))),
        "another service's number"
    );
}

#[test]
fn an_upload_is_written_to_a_file_that_only_the_service_opens() {
    let town = Town::new("order-public-1", |_| {});
    let wanted = town.recipient.wanted(Suite::Compact, KeySource::Regular);
    let lent = town.lent();
    let (epochs, record): (&Arc<Epochs>, _) = (&town.recipient.epochs, town.service.record());
    let file = key_supply::write_upload(&lent, epochs, &record, &wanted, 9).unwrap();
    assert_eq!(file.keys, 9);
    let sealed = Sealed::parse(&file.bytes).unwrap();
    assert!(sealed.open(&opening()).is_err());
    let (parcel, _) = sealed.open(&town.service.opening).unwrap();
    assert_eq!(parcel.attached(), Some(&b"the shop's record"[..]));
    town.service.take(&parcel.signed);
    assert_eq!((town.count(KeySource::Regular), town.stocked()), (9, 9));
    // The key supply doesn't send them a second time.
    town.round().unwrap();
    assert_eq!(town.service.books().keys.len(), town.stocked());
}
