//! A shop with a database, and a customer who seals for it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tegata_cli::data::{DataDir, Party};
use tegata_orders::keys::{self, Wanted};
use tegata_orders::open::{self, Arrival, Opened, Taken};
use tegata_orders::token::{self, Cart};
use tegata_orders::{Bare, Epochs, FormsError, Host, OpenError, Own, Rules, SCHEMA, Settings};
use tegata_protocol::order::{
    Binding, CartLine, Field, FieldValue, KeySource, OrderForm, OrderId, OrderKey, Scheme,
    SealedOrder, cart_digest, program_digest,
};
use tegata_protocol::refusal::Code;
use tegata_protocol::{
    Digest, PartyNumber, Role, SignedBytes, SigningKey, Suite, Time, Unverified, Verified,
};
use tegata_store::{Connection, Database};

pub(crate) const NOW: Time = Time::from_secs(1_800_000_000);

/// The shop's own tables stand elsewhere in a test.
static DATABASE: Database = Database::new("the shop's database", &[&[SCHEMA]]).overwriting();

pub(crate) fn shop_number() -> PartyNumber {
    PartyNumber::new(Role::Shop, 7).unwrap()
}

pub(crate) fn service_number() -> PartyNumber {
    PartyNumber::new(Role::Sealing, 8).unwrap()
}

/// The shop.
pub(crate) struct Recipient {
    _folder: tempfile::TempDir,
    pub(crate) dir: DataDir,
    pub(crate) signing: SigningKey,
    pub(crate) epochs: Arc<Epochs>,
    pub(crate) rules: Rules,
    writer: Mutex<Connection>,
}

impl Recipient {
    pub(crate) fn new(scheme: &str) -> Self {
        Self::with(Settings {
            scheme: scheme.to_owned(),
            danger_shared_keys: true,
            danger_shop_wide_shared_key: true,
            danger_service_made_keys: true,
            ..Settings::default()
        })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::open(folder.path(), Party::new("tegata-shop", 1)).unwrap();
        let settings = Settings {
            service: Some(service_number().to_string()),
            service_address: Some("http://sealing.localhost".to_owned()),
            ..settings
        };
        let epochs = Arc::new(Epochs::open(&dir, Arc::new(Bare), NOW).unwrap());
        let writer = DATABASE.open(&dir.path().join("shop.db")).unwrap();
        Self {
            dir,
            signing: SigningKey::from_seed(&[2; 32]),
            epochs,
            rules: settings.rules().unwrap(),
            writer: Mutex::new(writer),
            _folder: folder,
        }
    }

    pub(crate) fn own(&self) -> Own<'_> {
        Own {
            number: shop_number(),
            signing: &self.signing,
        }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("shop.db")
    }

    /// Another connection, as another thread or process has one.
    pub(crate) fn connect(&self) -> Connection {
        DATABASE.open(&self.file()).unwrap()
    }

    /// Plain SQL on the file.
    pub(crate) fn stranger(&self) -> rusqlite::Connection {
        tegata_store_attacks::stranger(&self.file())
    }

    pub(crate) fn change<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        change(&mut self.writer.lock().unwrap(), job)
    }

    pub(crate) fn wanted(&self, suite: Suite, source: KeySource) -> Wanted {
        Wanted {
            scheme: self.rules.scheme,
            suite,
            member: None,
            source,
            program: program_digest(),
            expires: NOW.after(7_200),
        }
    }

    /// Makes keys and stores them.
    pub(crate) fn make(&self, wanted: &Wanted, count: usize) -> Vec<Verified<OrderKey>> {
        let made = self.change(|connection| {
            keys::make(connection, self.own(), &self.epochs, wanted, count, NOW)
        });
        made.unwrap()
            .into_iter()
            .map(|key| self.verified(key))
            .collect()
    }

    /// One key for one order, of the quick suite.
    pub(crate) fn key(&self) -> Verified<OrderKey> {
        let wanted = self.wanted(Suite::Compact, KeySource::Regular);
        self.make(&wanted, 1).remove(0)
    }

    fn verified(&self, signed: SignedBytes) -> Verified<OrderKey> {
        let key = Unverified::<OrderKey>::parse(signed).unwrap();
        key.verify(&self.signing.verifying_key()).unwrap()
    }

    pub(crate) fn token(&self, order: OrderId, lines: &[CartLine]) -> SignedBytes {
        self.token_of(order, lines, None).unwrap()
    }

    pub(crate) fn token_of(
        &self,
        order: OrderId,
        lines: &[CartLine],
        member: Option<PartyNumber>,
    ) -> Result<SignedBytes, OpenError> {
        let cart = Cart {
            order,
            digest: cart_digest(lines),
            total: None,
            member,
        };
        token::issue(
            &self.writer.lock().unwrap(),
            self.own(),
            &self.rules,
            cart,
            NOW,
        )
    }

    /// What a customer sends who orders one book.
    pub(crate) fn order(&self, key: &Verified<OrderKey>) -> (OrderId, Vec<u8>) {
        let order = token::new_order();
        let token = self.token(order, &lines());
        (order, seal(key, order, token, &form()))
    }

    pub(crate) fn open(&self, bytes: &[u8], now: Time) -> Result<Arrival, OpenError> {
        open::open(&self.connect(), self.own(), &self.epochs, bytes, now)
    }

    pub(crate) fn open_new(&self, bytes: &[u8]) -> Box<Opened> {
        match self.open(bytes, NOW).unwrap() {
            Arrival::New(opened) => opened,
            Arrival::Known(_) => panic!("known"),
        }
    }

    pub(crate) fn consume(&self, opened: &Opened, now: Time) -> Result<Taken, OpenError> {
        self.change(|connection| opened.consume(connection, self.own(), now, || Ok(None)))
    }

    /// Opens and takes.
    pub(crate) fn take(&self, bytes: &[u8]) -> SignedBytes {
        let opened = self.open_new(bytes);
        self.consume(&opened, NOW).unwrap().receipt().clone()
    }

    /// Why it isn't opened.
    pub(crate) fn refusal(&self, bytes: &[u8], now: Time) -> Code {
        code(self.open(bytes, now))
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
        job(&self.connect())
    }
}

/// One transaction; an error rolls it back.
pub(crate) fn change<T, E>(
    connection: &mut Connection,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    connection.begin().unwrap();
    let result = job(connection);
    match &result {
        Ok(_) => connection.commit().unwrap(),
        Err(_) => connection.abandon().unwrap(),
    }
    result
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, OpenError>) -> Code {
    match result {
        Err(OpenError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn lines() -> Vec<CartLine> {
    let product = "book".to_owned();
    vec![CartLine {
        product,
        quantity: 1,
    }]
}

pub(crate) const STREET: &str = "3-1 Marunouchi, Chiyoda-ku";

pub(crate) fn form() -> OrderForm {
    OrderForm {
        lines: lines(),
        fields: vec![Field {
            name: "address".to_owned(),
            value: FieldValue::Text(STREET.to_owned()),
        }],
        language: "en".to_owned(),
    }
}

pub(crate) fn seal(
    key: &Verified<OrderKey>,
    order: OrderId,
    token: SignedBytes,
    form: &OrderForm,
) -> Vec<u8> {
    seal_bytes(
        key,
        key.scheme,
        order,
        cart_digest(&form.lines),
        token,
        &form.to_bytes(),
    )
}

pub(crate) fn seal_bytes(
    key: &Verified<OrderKey>,
    scheme: Scheme,
    order: OrderId,
    cart: Digest,
    token: SignedBytes,
    form: &[u8],
) -> Vec<u8> {
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let binding = Binding::new(key, order, cart);
    let sealed = key
        .part
        .seal(scheme, &binding, form, None, &mut rng)
        .unwrap();
    let order = SealedOrder {
        token,
        key: key.id,
        sealed,
        card: None,
    };
    order.to_bytes()
}
