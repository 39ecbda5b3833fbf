//! A shop and a sealing service in one thread, which answer as a test tells them to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use tegata_protocol::order::{
    Binding, CartLine, CartToken, HandOut, KeySource, Maker, OpeningHalf, OrderForm, OrderId,
    OrderKey, OrderKeyId, OrderReceipt, Scheme, SealedOrder, cart_digest, program, program_digest,
};
use tegata_protocol::record::{PartyKeys, PartyRecord, Profile, Status};
use tegata_protocol::{
    Amount, Currency, Digest, OpeningKey, PartyNumber, Role, SigningKey, Suite, Time, Unverified,
    Validity, Verified, cbor,
};

pub(crate) const NOW: Time = Time::from_secs(1_800_000_000);

/// What the town says of token, key and receipt, and who signs.
pub(crate) struct Words {
    pub(crate) token: CartToken,
    pub(crate) key: OrderKey,
    pub(crate) program: String,
    pub(crate) token_by: SigningKey,
    pub(crate) key_by: SigningKey,
    pub(crate) receipt_by: SigningKey,
    pub(crate) receipt: fn(&mut OrderReceipt),
    /// Refusals that come before the next answers, as status and body.
    pub(crate) first: Vec<(u16, String)>,
    /// Every request: its line and its body.
    pub(crate) asked: Vec<(String, Vec<u8>)>,
    /// What was opened.
    pub(crate) forms: Vec<OrderForm>,
    half: OpeningHalf,
}

pub(crate) struct Town {
    pub(crate) address: String,
    words: Mutex<Words>,
}

pub(crate) fn shop_key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

pub(crate) fn service_key() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub(crate) fn lines() -> Vec<CartLine> {
    vec![CartLine {
        product: "book".to_owned(),
        quantity: 2,
    }]
}

pub(crate) fn record_of(role: Role, signing: &SigningKey, address: &str) -> Verified<PartyRecord> {
    let record = PartyRecord {
        number: PartyNumber::new(role, 5).unwrap(),
        keys: PartyKeys {
            spending: None,
            signing: signing.verifying_key(),
            opening: OpeningKey::from_seed(Suite::Standard, &[3; 32])
                .sealing_key()
                .clone(),
        },
        profile: Some(Profile {
            name: "A name".to_owned(),
            address: address.to_owned(),
        }),
        valid: Validity::new(NOW.before(9), NOW.after(9_999)).unwrap(),
        status: Status::Active,
    };
    let register = SigningKey::from_seed(&[4; 32]);
    PartyRecord::verify(register.sign(&record), &register.verifying_key()).unwrap()
}

impl Words {
    fn new(scheme: Scheme) -> Self {
        let half = OpeningHalf::from_seed(scheme.kind(), Suite::Standard, &[7; 32]);
        let shop = PartyNumber::new(Role::Shop, 5).unwrap();
        Self {
            token: CartToken {
                recipient: shop,
                order: OrderId::from_bytes([6; 16]),
                cart: cart_digest(&lines()),
                total: Some(Amount::new(300, Currency::JPY).unwrap()),
                scheme,
                maker: Maker::Recipient,
                compact: true,
                member: None,
                service: PartyNumber::new(Role::Sealing, 5).unwrap(),
                expires: NOW.after(60),
            },
            key: OrderKey {
                recipient: shop,
                id: OrderKeyId::from_bytes([8; 16]),
                scheme,
                member: None,
                part: half.sealing_part(),
                expires: NOW.after(60),
                program: program_digest(),
                maker: Maker::Recipient,
                source: KeySource::Regular,
                made: NOW.before(60),
            },
            program: program().to_owned(),
            token_by: shop_key(),
            key_by: shop_key(),
            receipt_by: shop_key(),
            receipt: |_| {},
            first: Vec::new(),
            asked: Vec::new(),
            forms: Vec::new(),
            half,
        }
    }

    fn answer(&mut self, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        if !self.first.is_empty() {
            let (status, text) = self.first.remove(0);
            return (status, text.into_bytes());
        }
        let answer = match path {
            "/v1/orders/token" => self.token_by.sign(&self.token).into_bytes(),
            "/v1/keys?suite=standard" => cbor::encode(&HandOut {
                key: self.key_by.sign(&self.key),
                program: self.program.clone(),
            }),
            "/v1/orders" => self.take(body),
            other => panic!("nobody asks for {other}"),
        };
        (200, answer)
    }

    fn take(&mut self, body: &[u8]) -> Vec<u8> {
        let order = SealedOrder::parse(body).unwrap();
        let key = Unverified::<OrderKey>::parse(self.key_by.sign(&self.key)).unwrap();
        let key = key.verify(&self.key_by.verifying_key()).unwrap();
        let binding = Binding::new(&key, self.token.order, self.token.cart);
        let form = self.half.open(self.token.scheme, &binding, &order.sealed);
        self.forms.push(OrderForm::parse(&form.unwrap()).unwrap());
        let mut receipt = OrderReceipt {
            recipient: self.token.recipient,
            order: self.token.order,
            sealed: Digest::of(body),
            cart: self.token.cart,
            total: self.token.total,
            bill: None,
            received: NOW,
        };
        (self.receipt)(&mut receipt);
        self.receipt_by.sign(&receipt).into_bytes()
    }
}

impl Town {
    pub(crate) fn start(scheme: &str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let town = Arc::new(Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            words: Mutex::new(Words::new(scheme.parse().unwrap())),
        });
        let serving = Arc::clone(&town);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serving.serve(stream.unwrap());
            }
        });
        town
    }

    pub(crate) fn words(&self) -> std::sync::MutexGuard<'_, Words> {
        self.words.lock().unwrap()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let path = first.split(' ').nth(1).unwrap().to_owned();
        let (status, answer) = {
            let mut words = self.words();
            words.asked.push((path.clone(), body.clone()));
            words.answer(&path, &body)
        };
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n\
             content-location: /orders/seen\r\n\r\n",
            answer.len()
        );
        stream
            .write_all(&[head.as_bytes(), &answer].concat())
            .unwrap();
    }
}
