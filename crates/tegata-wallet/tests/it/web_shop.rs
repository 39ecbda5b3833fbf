//! A shop with a page, as far as a wallet sees it: its record and its bills, over real HTTP.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use tegata_protocol::{
    Digest, PartyNumber, SignedBytes, SigningKey, TransactionNumber, Validity,
    order::{OrderId, OrderReceipt},
    purchase::{Bill, DeliveryKind, Line, Rounding, TaxMode, TaxRate, compute_totals},
    record::{PartyKeys, PartyRecord, Profile, Status},
};
use tegata_wallet::web_bill::BillLink;

use crate::town::{now, register, shop, shop_key, shop_opening, yen};

/// What an order costs.
pub(crate) const COST: u64 = 4_350;
/// The number of every order.
pub(crate) const ORDER: OrderId = OrderId::from_bytes([0x0d; 16]);

/// What lies where, and what was asked for.
#[derive(Default)]
struct Shelf {
    files: HashMap<String, Vec<u8>>,
    asked: Vec<String>,
}

pub(crate) struct WebShop {
    pub(crate) address: String,
    shelf: Arc<Mutex<Shelf>>,
}

impl WebShop {
    /// A shop whose record has its address.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shop = Self {
            address: format!("http://shop.localhost:{port}"),
            shelf: Arc::default(),
        };
        let shelf = Arc::clone(&shop.shelf);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&shelf, stream.unwrap());
            }
        });
        shop.show_record(|_| {});
        shop
    }

    /// Shows a record that differs so from the right one.
    pub(crate) fn show_record(&self, change: impl FnOnce(&mut PartyRecord)) {
        self.show_record_by(&register(), change);
    }

    pub(crate) fn show_record_by(&self, key: &SigningKey, change: impl FnOnce(&mut PartyRecord)) {
        let mut record = PartyRecord {
            number: shop(),
            keys: PartyKeys {
                spending: None,
                signing: shop_key().verifying_key(),
                opening: shop_opening().sealing_key().clone(),
            },
            profile: Some(Profile {
                name: "Kissa Momiji".into(),
                address: self.address.clone(),
            }),
            valid: Validity::new(now().before(60), now().after(86_400)).unwrap(),
            status: Status::Active,
        };
        change(&mut record);
        self.put("/v1/record", key.sign(&record).into_bytes());
    }

    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) {
        self.shelf.lock().unwrap().files.insert(path.into(), bytes);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.shelf.lock().unwrap().files.remove(path);
    }

    /// Everything that was asked for.
    pub(crate) fn all_asked(&self) -> Vec<String> {
        self.shelf.lock().unwrap().asked.clone()
    }

    /// How often this was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let shelf = self.shelf.lock().unwrap();
        shelf.asked.iter().filter(|asked| *asked == path).count()
    }

    /// A bill that differs so from a sound one, and waits at its address.
    pub(crate) fn bill(&self, change: impl FnOnce(&mut Bill)) -> SignedBytes {
        self.bill_by(&shop_key(), change)
    }

    pub(crate) fn bill_by(&self, key: &SigningKey, change: impl FnOnce(&mut Bill)) -> SignedBytes {
        let mut bill = bill();
        change(&mut bill);
        let signed = key.sign(&bill);
        self.put(&path(&signed), signed.as_bytes().to_vec());
        signed
    }

    /// The link on the order's page.
    pub(crate) fn link(&self, bill: &SignedBytes) -> BillLink {
        BillLink::from_address(&format!("{}{}", self.address, path(bill))).unwrap()
    }
}

/// Where a bill waits.
pub(crate) fn path(bill: &SignedBytes) -> String {
    format!("/v1/bills/{}", bill.digest())
}

/// What the shop hands over when it takes the money.
pub(crate) fn receipt(bill: Option<Digest>) -> OrderReceipt {
    OrderReceipt {
        recipient: shop(),
        order: ORDER,
        sealed: Digest::of(b"the sealed order"),
        cart: Digest::of(b"the cart"),
        total: Some(yen(COST)),
        bill,
        received: now(),
    }
}

pub(crate) fn other_shop() -> PartyNumber {
    PartyNumber::new(tegata_protocol::Role::Shop, 8).unwrap()
}

fn bill() -> Bill {
    let line = |text: &str, quantity, price, rate| Line {
        text: text.into(),
        quantity,
        unit_price: yen(price),
        tax_rate: TaxRate::new(rate).unwrap(),
        tax_mode: TaxMode::Included,
        discount: yen(0),
    };
    let lines = vec![
        line("Maple tea, 100 g", 3, 1_200, 800),
        line("Postage", 1, 750, 1000),
    ];
    Bill {
        shop: shop(),
        transaction: TransactionNumber::new(41).unwrap(),
        request: None,
        totals: compute_totals(&lines, yen(0), Rounding::Down).unwrap(),
        lines,
        tip: yen(0),
        rounding: Rounding::Down,
        tax_number: Some("T1234567890123".into()),
        issued: now(),
        expires: now().after(600),
        delivery: DeliveryKind::Post,
        interface: None,
    }
}

fn serve(shelf: &Mutex<Shelf>, mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    while reader.read_line(&mut line).unwrap() > 2 {}
    let mut shelf = shelf.lock().unwrap();
    shelf.asked.push(path.clone());
    let (status, body) = match shelf.files.get(&path) {
        Some(file) => (200, file.clone()),
        None => (404, Vec::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    drop(stream.write_all(&[head.as_bytes(), &body].concat()));
}
