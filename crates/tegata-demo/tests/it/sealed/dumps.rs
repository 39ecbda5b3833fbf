//! Somebody has an order as it travelled, and copies of files: the service's whole folder never opens
//! it, the shop's not any more once the epoch is over.
//!
//! The attempts are made with every 32 bytes that look random, wherever they stand, as the seed of
//! the order's opening half; and with every place of every file as a secret that lies under one of
//! the keys that came with the copy.

use std::{collections::HashSet, fs, thread};

use aes_gcm::aes::{
    Aes256, Block,
    cipher::{BlockCipherEncrypt as _, KeyInit as _},
};
use rusqlite::{Connection, types::ValueRef};
use tegata_cli::data::DataDir;
use tegata_orders::epoch;
use tegata_party::client::{Client, order::SealingService};
use tegata_protocol::{
    Unverified, Verified, cbor,
    order::{Binding, CartToken, HandOut, OpeningHalf, OrderForm, OrderKey, SealedOrder},
};

use super::{
    street::{PRODUCT, Party, SECRETS, Street, filled, now, seal, until},
    trace::found,
};

/// An order as it travelled, with the public half of what sealed it.
struct Captured {
    token: Verified<CartToken>,
    key: Verified<OrderKey>,
    sealed: Vec<u8>,
}

impl Captured {
    /// The last order that a shop was sent, from the wires.
    fn last(street: &Street, shop: &Party) -> Self {
        let order = SealedOrder::parse(&shop.orders_seen().pop().unwrap()).unwrap();
        let signing = street.record(shop).keys.signing;
        let heard = street.service.wire.captured().into_iter();
        let handed = heard.filter_map(|body| cbor::decode::<HandOut>(&body, body.len()).ok());
        let keys = handed.map(|out| Unverified::<OrderKey>::parse(out.key).unwrap());
        let mut keys = keys.filter_map(|key| key.verify(&signing).ok());
        let token = Unverified::<CartToken>::parse(order.token).unwrap();
        Self {
            token: token.verify(&signing).unwrap(),
            key: keys.find(|key| key.id == order.key).unwrap(),
            sealed: order.sealed,
        }
    }

    fn opens_with(&self, seed: &[u8; 32]) -> bool {
        let Some(half) = OpeningHalf::of(&self.key, seed) else {
            return false;
        };
        let binding = Binding::new(&self.key, self.token.order, self.token.cart);
        let plain = half
            .open(self.token.scheme, &binding, &self.sealed)
            .unwrap();
        OrderForm::parse(&plain).unwrap().text("name") == Some("Yamada Hanako")
    }

    /// With each of these; a thousandth of a second each, so on two cores.
    fn opens_with_any<'a>(&self, seeds: impl Iterator<Item = &'a [u8; 32]>) -> bool {
        let seeds: Vec<_> = seeds.collect();
        let half = seeds.split_at(seeds.len() / 2);
        let opens = |seeds: &[&[u8; 32]]| seeds.iter().any(|seed| self.opens_with(seed));
        thread::scope(|scope| {
            let first = scope.spawn(|| opens(half.0));
            opens(half.1) | first.join().unwrap()
        })
    }
}

/// A copy of everything that a party has: its files, what its database says, its logs.
struct Copy(Vec<Vec<u8>>);

impl Copy {
    fn of(party: &Party, database: &str) -> Self {
        let mut all = party.everything();
        all.extend(cells(party, database));
        Self(all)
    }

    fn with(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// All that might be a seed.
    fn seeds(&self) -> HashSet<[u8; 32]> {
        let places = self.0.iter().flat_map(|bytes| random(bytes, 32));
        places.map(|place| place.try_into().unwrap()).collect()
    }

    /// Seeds of order keys that lie somewhere under one of these keys.
    fn seeds_under(&self, keys: &[[u8; 32]]) -> HashSet<[u8; 32]> {
        let places = self.0.iter().flat_map(|bytes| random(bytes, 12 + 48));
        let places: HashSet<&[u8]> = places.collect();
        let ciphers: Vec<Aes256> = keys.iter().map(|key| Aes256::new(key.into())).collect();
        let pairs = places
            .iter()
            .flat_map(|place| ciphers.iter().map(move |cipher| (cipher, place)));
        pairs
            .filter_map(|(cipher, place)| begins_with_seed(cipher, place))
            .collect()
    }
}

/// Every place of so many bytes that look random: more than three quarters of them different, where
/// text, numbers and empty space have less, and keys and ciphertexts practically always more.
fn random(bytes: &[u8], length: usize) -> Vec<&[u8]> {
    let (mut counts, mut different, mut places) = ([0_u16; 256], 0, Vec::new());
    for (at, byte) in bytes.iter().enumerate() {
        let count = &mut counts[usize::from(*byte)];
        *count += 1;
        different += usize::from(*count == 1);
        if at >= length {
            let count = &mut counts[usize::from(bytes[at - length])];
            *count -= 1;
            different -= usize::from(*count == 0);
        }
        if at + 1 >= length && different * 4 > length * 3 {
            places.push(&bytes[at + 1 - length..=at]);
        }
    }
    places
}

/// What every column of every table holds: values that SQLite has spread over several pages too.
fn cells(party: &Party, database: &str) -> Vec<Vec<u8>> {
    let database = Connection::open(party.folder.join(database)).unwrap();
    let mut tables = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut cells = Vec::new();
    for table in tables.map(Result::unwrap) {
        let mut query = database
            .prepare(&format!("SELECT * FROM \"{table}\""))
            .unwrap();
        let columns = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                if let ValueRef::Blob(bytes) | ValueRef::Text(bytes) = row.get_ref(column).unwrap()
                {
                    cells.push(bytes.to_vec());
                }
            }
        }
    }
    cells
}

/// Decrypts as AES-GCM does, its tag left aside; a stored key begins `[seed, …`.
fn begins_with_seed(cipher: &Aes256, place: &[u8]) -> Option<[u8; 32]> {
    let (nonce, sealed) = place.split_at(12);
    let mut plain = [0; 48];
    for (count, (plain, sealed)) in plain.chunks_mut(16).zip(sealed.chunks(16)).enumerate() {
        let mut block = Block::default();
        block[..12].copy_from_slice(nonce);
        block[15] = u8::try_from(count).unwrap() + 2;
        cipher.encrypt_block(&mut block);
        for (at, byte) in plain.iter_mut().enumerate() {
            *byte = block[at] ^ sealed[at];
        }
        if count == 0 && !plain.starts_with(&[0x82, 0x58, 32]) {
            return None;
        }
    }
    plain[3..35].try_into().ok()
}

/// Every 32 bytes that a file names as such.
fn keys_in(file: &[u8]) -> Vec<[u8; 32]> {
    let named = file
        .windows(34)
        .filter(|window| window.starts_with(&[0x58, 32]));
    named
        .map(|window| window[2..].try_into().unwrap())
        .collect()
}

fn service_keys(street: &Street) -> tegata_party::keys::Keys {
    let party = tegata_sealing::cli::PARTY;
    let dir = DataDir::open_existing(&street.service.folder, party).unwrap();
    tegata_party::keys::KeyFile::open(&dir).unwrap()
}

#[test]
#[ignore = "needs every program built: run cargo xtask test"]
fn the_services_whole_folder_opens_no_order() {
    let street = Street::new("danger_shared_keys = true");
    let few = "compact = false\nfallback_hours = 0\nstock = 2";
    let mut shop = street.open_shop("Hanamizuki Books", few);
    let before = Copy::of(&street.service, "sealing.db");
    street.order(&shop, None).unwrap();
    let order = Captured::last(&street, &shop);
    let all = before.with(Copy::of(&street.service, "sealing.db"));
    let seeds = all.seeds();
    assert!(seeds.len() > 1_000, "{}", seeds.len());
    assert!(!order.opens_with_any(seeds.iter()));
    assert!(!order.opens_with_any(unwrapped(&street, &shop, &all).iter()));
    // The attempt itself is good: an order under a shared key is opened by the same copy.
    street.open(
        &mut shop,
        &format!("scheme = \"order-shared-1\"\ndanger_shared_keys = true\n{few}"),
    );
    street.order(&shop, None).unwrap();
    let shared = Captured::last(&street, &shop);
    let seeds = Copy::of(&street.service, "sealing.db").seeds();
    assert!(shared.opens_with_any(seeds.iter()));
}

/// What the service has wrapped with its own keys: it does so with keys that it makes.
fn unwrapped(street: &Street, shop: &Party, copy: &Copy) -> Vec<[u8; 32]> {
    let keys = service_keys(street);
    let mut seeds = Vec::new();
    for place in copy.0.iter().flat_map(|bytes| random(bytes, 12 + 32 + 16)) {
        for number in 1..3 {
            let label = format!("made key {number} of {}", shop.number);
            if let Ok(plain) = keys.unwrap(label.as_bytes(), place) {
                seeds.push(plain.as_slice().try_into().unwrap());
            }
        }
    }
    seeds
}

/// What a service makes itself it can open: so the attempt above would have found it.
#[test]
#[ignore = "needs every program built: run cargo xtask test"]
fn a_service_opens_what_it_made_the_key_for() {
    let mut street = Street::new("");
    let mut shop = street.shop("Hanamizuki Books");
    street.service.stop();
    let settings = format!("danger_service_made_keys = [\"{}\"]", shop.number);
    fs::write(street.service.folder.join("sealing.toml"), settings).unwrap();
    street.service.start();
    street.set(
        &shop,
        "keys_made_by = \"service\"\ndanger_service_made_keys = true",
    );
    shop.start();
    let token = street.token(&shop, &[(PRODUCT, 1)]).unwrap();
    let (service, front) = (street.record(&street.service), street.front(&shop));
    // Away, the shop can't fetch the key; what it has fetched, the service erases.
    shop.stop();
    let desk = SealingService {
        address: &street.service.address,
        danger_trusted: Some(&service),
    };
    let key = Client::default()
        .order_key(&front, desk, &token, now())
        .unwrap();
    let copy = Copy::of(&street.service, "sealing.db");
    let seeds = unwrapped(&street, &shop, &copy);
    let sealed = seal(&token, &key, &filled(&[(PRODUCT, 1)]).to_bytes());
    let sealed = SealedOrder::parse(&sealed).unwrap().sealed;
    assert!(Captured { token, key, sealed }.opens_with_any(seeds.iter()));
}

/// All keys that a copy of the shop's folder brings along, out of their covers.
fn keys_of(shop: &Party) -> Vec<[u8; 32]> {
    let cover = shop.vault().0.cover();
    let mut keys = Vec::new();
    for file in [epoch::FILE, tegata_orders::kept::FILE] {
        let covered = fs::read(shop.folder.join(file)).unwrap();
        keys.extend(keys_in(&cover.uncover(file.as_bytes(), &covered).unwrap()));
    }
    keys
}

#[test]
#[ignore = "needs every program built: run cargo xtask test"]
fn after_an_epochs_end_the_shops_files_open_no_order() {
    let street = Street::new("");
    let few = "compact = false\nfallback_hours = 0\nstock = 2";
    let mut shop = street.open_shop("Hanamizuki Books", few);
    let (before, keys_before) = (Copy::of(&shop, "shop.db"), keys_of(&shop));
    let number = street.order(&shop, None).unwrap().0.order().to_string();
    let order = Captured::last(&street, &shop);
    // Within the epoch the copy opens it: the attempt is good.
    assert!(order.opens_with_any(before.seeds_under(&keys_before).iter()));
    let epoch = fs::read(shop.folder.join(epoch::FILE)).unwrap();
    street.open(&mut shop, &format!("epoch_seconds = 1\n{few}"));
    until("the epoch's end", || {
        let now = fs::read(shop.folder.join(epoch::FILE)).ok()?;
        (now != epoch && now.len() <= epoch.len()).then_some(())
    });
    shop.stop();
    let (after, keys) = (Copy::of(&shop, "shop.db"), keys_of(&shop));
    let living = after.seeds_under(&keys);
    // Other keys are in stock, and are found.
    assert!(!living.is_empty());
    assert!(!order.opens_with_any(living.iter()));
    assert!(!order.opens_with_any(after.seeds().iter()));
    // What was inside is kept, so that only the owner's own key shows it.
    assert_eq!(found(&after.0, &SECRETS), None);
    assert_eq!(shop.read_form(&number)["name"], "Yamada Hanako");
}
