//! Both ends together: a shop as it really stocks and opens, and this service.

use std::sync::{Arc, Mutex};

use tegata_cli::data::DataDir;
use tegata_orders::key_supply::{self, Party};
use tegata_orders::open::{self, Arrival};
use tegata_orders::token::{self, Cart};
use tegata_orders::{
    Bare, Epochs, FormsError, Host, KeySupply, Own, Rules, SCHEMA, Settings, keys,
};
use tegata_party::client::{Caller, Client};
use tegata_protocol::order::{
    Binding, KeySource, Maker, OrderForm, OrderKey, SealedOrder, cart_digest,
};
use tegata_protocol::{PartyNumber, Suite, Time, Unverified, VerifyingKey};
use tegata_sealing::handler;
use tegata_sealing::service::Rules as Allowed;
use tegata_store::{Connection, Database};

use crate::town::{Open, Shop, Town, ask, member, rng};

static DATABASE: Database = Database::new("the shop's database", &[&[SCHEMA]]);

/// A shop that stocks and opens by itself.
#[derive(Clone)]
struct Recipient {
    shop: Arc<Shop>,
    register: VerifyingKey,
    database: Arc<Mutex<Connection>>,
    epochs: Arc<Epochs>,
    rules: Rules,
    _folder: Arc<tempfile::TempDir>,
}

impl Recipient {
    fn new(shop: Shop, open: &Open, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let party = tegata_cli::data::Party::new("tegata-shop", 1);
        let dir = DataDir::open(folder.path(), party).unwrap();
        let epochs = Epochs::open(&dir, Arc::new(Bare), shop.time.now()).unwrap();
        let database = DATABASE.open(&folder.path().join("shop.db")).unwrap();
        let settings = Settings {
            service: Some(Town::number().to_string()),
            service_address: Some(open.address.clone()),
            danger_shared_keys: true,
            danger_shop_wide_shared_key: true,
            danger_service_made_keys: true,
            ..settings
        };
        Self {
            shop: Arc::new(shop),
            register: open.service.centre().keys.register,
            database: Arc::new(Mutex::new(database)),
            epochs: Arc::new(epochs),
            rules: settings.rules().unwrap(),
            _folder: Arc::new(folder),
        }
    }

    fn of(town: &Town, open: &Open, scheme: &str, maker: &str) -> Self {
        let settings = Settings {
            scheme: scheme.to_owned(),
            keys_made_by: maker.to_owned(),
            stock: 64,
            ..Settings::default()
        };
        Self::new(town.shop(), open, settings)
    }

    fn own(&self) -> Own<'_> {
        Own {
            number: self.shop.number,
            signing: &self.shop.signing,
        }
    }

    fn supply(&self) -> KeySupply<Self> {
        let (epochs, rules) = (Arc::clone(&self.epochs), self.rules.clone());
        KeySupply::new(self.clone(), epochs, rules, Client::default())
    }

    /// A customer orders, and the shop opens what comes. Gives the key that did it.
    fn order(&self, open: &Open, suite: Suite, who: Option<PartyNumber>) -> OrderKey {
        let (order, now) = (token::new_order(), self.shop.time.now());
        let cart = Cart {
            order,
            digest: cart_digest(&[]),
            total: None,
            member: who,
        };
        let token = self.change(|c| token::issue(c, self.own(), &self.rules, cart, now));
        let token = token.unwrap();
        let word = match suite {
            Suite::Standard => "standard",
            Suite::Compact => "compact",
        };
        let handed = ask(&open.address, &token, word).unwrap();
        let key = Unverified::<OrderKey>::parse(handed.key).unwrap();
        let signer = match key.claimed().maker {
            Maker::Recipient => self.shop.record.keys.signing,
            Maker::Service => open.service.registered().record.keys.signing,
        };
        let key = key.verify(&signer).unwrap();
        let form = OrderForm {
            lines: Vec::new(),
            fields: Vec::new(),
            language: "en".to_owned(),
        };
        let binding = Binding::new(&key, order, cart_digest(&[]));
        let rng = &mut rng();
        let sealed = key
            .part
            .seal(key.scheme, &binding, &form.to_bytes(), None, rng);
        let sealed = SealedOrder {
            token,
            key: key.id,
            sealed: sealed.unwrap(),
            card: None,
        };
        if key.maker == Maker::Service {
            // The shop meets a key that it doesn't know, and asks.
            self.supply().fetch_made().unwrap();
        }
        let bytes = sealed.to_bytes();
        let arrival = self.change(|c| open::open(c, self.own(), &self.epochs, &bytes, now));
        match arrival.unwrap() {
            Arrival::New(opened) => assert_eq!(opened.order(), order),
            Arrival::Known(_) => panic!("known"),
        }
        key.into_value()
    }

    fn change<T, E>(&self, job: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let mut database = self.database.lock().unwrap();
        database.begin().unwrap();
        let done = job(&database);
        match &done {
            Ok(_) => database.commit().unwrap(),
            Err(_) => database.abandon().unwrap(),
        }
        done
    }
}

impl Host for Recipient {
    fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError> + Send + 'static,
    ) -> Result<T, FormsError> {
        self.change(job)
    }

    fn read<T>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError>,
    ) -> Result<T, FormsError> {
        job(&self.database.lock().unwrap())
    }
}

impl Party for Recipient {
    fn caller(&self) -> Caller<'_> {
        self.shop.caller()
    }

    fn register(&self) -> VerifyingKey {
        self.register
    }

    fn record(&self) -> Option<Vec<u8>> {
        Some(self.shop.record.signed().as_bytes().to_vec())
    }

    fn now(&self) -> Time {
        self.shop.time.now()
    }
}

#[test]
fn a_shop_stocks_by_itself_and_opens_what_is_sealed() {
    let town = Town::new();
    let open = town.open();
    let recipient = Recipient::of(&town, &open, "order-public-1", "recipient");
    recipient.supply().round().unwrap();
    let stock = recipient.shop.stock(&open);
    let piles: Vec<_> = stock.piles.iter().map(|p| (p.suite, p.left)).collect();
    assert_eq!(
        piles,
        [(Some(Suite::Compact), 64), (Some(Suite::Standard), 64)]
    );
    assert!(stock.piles.iter().all(|pile| pile.fallback_until.is_some()));
    recipient.order(&open, Suite::Standard, None);
    recipient.order(&open, Suite::Compact, None);
    for _ in 0..43 {
        open.key(&recipient.shop.token());
    }
    assert_eq!(recipient.shop.left(&open), 20);
    recipient.supply().round().unwrap();
    assert_eq!(
        recipient.shop.left(&open),
        52,
        "it was low: a whole batch more"
    );
    for _ in 0..52 {
        open.key(&recipient.shop.token());
    }
    let fallback = recipient.order(&open, Suite::Standard, None);
    assert_eq!(fallback.source, KeySource::Fallback);
}

#[test]
fn every_scheme_goes_from_stock_to_opening() {
    let town = Town::new();
    let rules = Allowed {
        shared: true,
        shop_wide_shared: true,
        ..Allowed::default()
    };
    let open = town.open_with(rules);
    for scheme in [
        "shop-shared-0",
        "shop-shared-1",
        "order-shared-0",
        "order-shared-1",
        "order-public-0",
        "order-public-3",
        "shop-public-1",
        "member-public-1",
    ] {
        let recipient = Recipient::of(&town, &open, scheme, "recipient");
        let who = scheme.starts_with("member").then(|| member(1));
        if let Some(member) = who {
            let now = recipient.shop.time.now();
            recipient.change(|c| keys::admit(c, member, now)).unwrap();
        }
        recipient.supply().round().unwrap();
        let key = recipient.order(&open, Suite::Standard, who);
        assert_eq!(key.scheme.to_string(), scheme);
    }
}

#[test]
fn keys_that_the_service_makes_reach_the_shop_both_ways() {
    let town = Town::new();
    let open = town.open();
    let recipient = Recipient::of(&town, &open, "order-public-1", "service");
    let number = recipient.shop.number;
    open.kill();
    let open = town.open_with(Allowed {
        makes_for: [number].into(),
        ..Allowed::default()
    });
    // On another port now.
    let mut recipient = recipient;
    recipient.rules.service.address.clone_from(&open.address);
    recipient.supply().round().unwrap();
    let key = recipient.order(&open, Suite::Standard, None);
    assert_eq!(key.maker, Maker::Service);
    recipient.supply().round().unwrap();
    let waiting = |open: &Open| {
        let store = open.service.store();
        store.read(|tables| tables.made_waiting(number)).unwrap()
    };
    assert_eq!(waiting(&open), 0, "the shop has it");
    let token = recipient
        .shop
        .token_as(|token| token.maker = Maker::Service);
    open.key(&token);
    let file = handler::made::export(&open.service, number, 1).unwrap();
    let record = open.service.registered().record.clone();
    let (epochs, rules) = (&recipient.epochs, &recipient.rules);
    let read = || key_supply::read_made(&recipient, epochs, rules, &record, &file.bytes).unwrap();
    assert_eq!([read(), read()], [1, 0]);
}

#[test]
fn keys_of_the_shop_come_by_file() {
    let town = Town::new();
    let open = town.open();
    let recipient = Recipient::of(&town, &open, "order-public-1", "recipient");
    let wanted = keys::Wanted {
        scheme: recipient.rules.scheme,
        suite: Suite::Standard,
        member: None,
        source: KeySource::Regular,
        program: tegata_protocol::order::program_digest(),
        expires: town.time.now().after(9 * 86_400),
    };
    let record = open.service.registered().record.clone();
    let file =
        key_supply::write_upload(&recipient, &recipient.epochs, &record, &wanted, 8).unwrap();
    town.time.pass(2 * 86_400);
    let (from, stock) = handler::import(&open.service, &file.bytes).unwrap();
    assert_eq!(
        (from, stock.unwrap().piles[0].left),
        (recipient.shop.number, 8)
    );
    recipient.order(&open, Suite::Standard, None);
}
