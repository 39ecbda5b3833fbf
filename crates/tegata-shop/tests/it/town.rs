//! A shop and its members, at a time of the test's choice.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use tegata_cli::data::DataDir;
use tegata_keystore::vault::{Cost, Master, Password, Passwords};
use tegata_party::client::{Answer, CallError, Callee, Caller, Client, Prepared, Stamp};
use tegata_party::identity::{Centre as KnownCentre, Identity, Registered};
use tegata_party::joining::{self, Application, JoinError, Joining, Kind};
use tegata_protocol::envelope::{Message, Sealed};
use tegata_protocol::joining::Slip;
use tegata_protocol::purchase::{Delivery, Offer, PurchaseRequest, Reservation, Wish};
use tegata_protocol::record::{PartyKeys, Status};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::ticket::{Contents, Holder, HolderKey, Seat, SeriesRecord, Ticket};
use tegata_protocol::{
    MessageId, OpeningKey, PartyNumber, Role, SeriesId, SignedBytes, SigningKey, Suite, Time,
    Unverified, Verified,
};
use tegata_shop::cli::PARTY;
use tegata_shop::fulfilment::Fulfilment;
use tegata_shop::server::Service;
use tegata_shop::shop::{Rules, Shop};
use tegata_shop::vault::{self, Vault};

use crate::centre::{Centre, rng};

/// One runtime for all servers of all tests.
pub(crate) static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

/// A clock that stands still until it's moved.
#[derive(Clone)]
pub(crate) struct Moment(Arc<AtomicU64>);

impl Moment {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_795_253_400)))
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_secs(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn set(&self, time: Time) {
        self.0.store(time.secs(), Ordering::SeqCst);
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// A hall of one section with free seating, of `quota` places.
pub(crate) fn catalogue(quota: u32) -> String {
    format!(
        "currency = 'JPY'\nzone = 'Asia/Tokyo'\n[[offer]]\nseries = 7\nkind = 'admission'\n\
         title = 'Concert'\nplace = 'Hall'\nvalid_from = 2026-11-21T00:00:00\n\
         valid_until = 2027-01-31T23:00:00\nquota = {quota}\nprice = 1000\ntax = 10\n\
         [offer.admission]\nsections = ['Stalls']\n"
    )
}

/// The owner's passwords.
pub(crate) const A: &str = "password for packing";
pub(crate) const B: &str = "password for signing";

pub(crate) fn b() -> Password {
    Password::typed(B)
}

/// The shop's vault, made cheaply if it's missing.
pub(crate) fn vault(dir: &DataDir) -> Vault {
    if !vault::is_there(dir) {
        let master = Master::generate(&mut rng(), None);
        let passwords = Passwords::two(Password::typed(A), b()).unwrap();
        let cheap = Cost::new(8, 1, 1).unwrap();
        Vault::create(dir, master, &passwords, cheap).unwrap();
    }
    Vault::reading(dir, &Password::typed(A)).unwrap()
}

pub(crate) struct Town {
    pub(crate) time: Moment,
    pub(crate) centre: Centre,
    pub(crate) folder: tempfile::TempDir,
    passwords: tempfile::TempDir,
    /// Where the shop says that it stands.
    pub(crate) address: &'static str,
    members: AtomicU32,
}

impl Town {
    pub(crate) fn new(catalogue: &str) -> Self {
        Self::at(Moment::new(), catalogue)
    }

    pub(crate) fn at(time: Moment, catalogue: &str) -> Self {
        let town = Self {
            centre: Centre::start(time.clone()),
            time,
            folder: tempfile::tempdir().unwrap(),
            passwords: tempfile::tempdir().unwrap(),
            address: "http://shop.localhost:7402",
            members: AtomicU32::new(1),
        };
        std::fs::write(town.file("catalogue.toml"), catalogue).unwrap();
        town
    }

    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn dir(&self) -> DataDir {
        DataDir::open(self.folder.path(), PARTY).unwrap()
    }

    pub(crate) fn number() -> PartyNumber {
        PartyNumber::new(Role::Shop, 77).unwrap()
    }

    pub(crate) fn application() -> Application {
        Application {
            name: "Hanamizuki Books".into(),
            address: "http://shop.localhost:7402".into(),
            postal: vec!["1-1 Hana, Sendai".into()],
            account: None,
        }
    }

    /// Joins if needed, and opens the shop on its folder as it is: what a restart does.
    pub(crate) fn open(&self) -> Open {
        self.open_with(Rules::default())
    }

    pub(crate) fn open_with(&self, rules: Rules) -> Open {
        self.open_so(rules, |shop| shop)
    }

    /// With something more.
    pub(crate) fn open_so(&self, rules: Rules, more: impl FnOnce(Shop) -> Shop) -> Open {
        let (dir, client) = (self.dir(), Client::default());
        let slip = self.centre.slip(Self::number());
        let now = self.time.now();
        let application = Application {
            address: self.address.into(),
            ..Self::application()
        };
        self.join_from(&dir, &slip, &application).unwrap();
        let identity = Identity::read(&dir).unwrap().unwrap();
        let centre = KnownCentre::find(&dir, &client, &identity, None, now).unwrap();
        let registers = [centre.keys.register];
        let keys = || vault(&dir).keys(&b());
        let registered = joining::open(&dir, Kind::SHOP, &registers, keys).unwrap();
        let time = self.time.clone();
        let clock = Arc::new(move || time.now());
        let shop = Shop::open(&dir, registered, centre, rules, clock).unwrap();
        Open::new(Arc::new(more(shop)))
    }

    /// Gives a program the owner's passwords, as files that only its user may read.
    pub(crate) fn tell_passwords(&self, command: &mut Command) {
        command.env("TEGATA_AGREE", "yes");
        for (layer, password) in [("A", A), ("B", B)] {
            let file = self.passwords.path().join(layer);
            std::fs::write(&file, password).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            command.env(format!("TEGATA_PASSWORD_{layer}_FILE"), file);
        }
    }

    /// Joins with that letter, from that folder, under the owner's passwords.
    pub(crate) fn join_from(
        &self,
        dir: &DataDir,
        slip: &Slip,
        application: &Application,
    ) -> Result<Registered, JoinError> {
        let joining = Joining {
            dir,
            kind: Kind::SHOP,
            slip,
            application,
        };
        let keys = || vault(dir).keys(&b());
        joining.join(&Client::default(), keys, self.time.now())
    }

    pub(crate) fn member(&self) -> Member {
        self.member_with(Status::Active)
    }

    pub(crate) fn member_with(&self, status: Status) -> Member {
        let serial = self.members.fetch_add(1, Ordering::SeqCst);
        let number = PartyNumber::new(Role::Member, serial).unwrap();
        let mut rng = rng();
        let (everyday, _) = SigningKey::generate(&mut rng);
        let (spending, _) = SigningKey::generate(&mut rng);
        let (opening, _) = OpeningKey::generate(Suite::Standard, &mut rng);
        let keys = PartyKeys {
            spending: Some(spending.verifying_key()),
            signing: everyday.verifying_key(),
            opening: opening.sealing_key().clone(),
        };
        let record = self.centre.enter(number, keys, status);
        Member {
            number,
            everyday,
            opening,
            record,
            time: self.time.clone(),
        }
    }
}

/// A shop that is open, on a port of its own.
pub(crate) struct Open {
    pub(crate) shop: Arc<Shop>,
    pub(crate) fulfilment: Fulfilment,
    pub(crate) address: String,
    server: tokio::task::JoinHandle<()>,
}

impl Open {
    fn new(shop: Arc<Shop>) -> Self {
        let listener = RUNTIME
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let pages = tegata_shop::pages::router(&shop);
        let router = tegata_pages::dress(Service::new(Arc::clone(&shop)).router().merge(pages));
        let server = RUNTIME.spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, service).await.unwrap();
        });
        let fulfilment = Fulfilment::new(Arc::clone(&shop), Client::default());
        Self {
            shop,
            fulfilment,
            address,
            server,
        }
    }

    /// The power fails: nothing more is written, nothing is said to anybody.
    pub(crate) fn kill(self) {
        self.server.abort();
        drop(RUNTIME.block_on(self.server));
    }

    pub(crate) fn callee(&self) -> Callee {
        Callee::party(&self.shop.registered().record, Some(&self.address))
    }

    pub(crate) fn left(&self, series: u32) -> u64 {
        let series = SeriesId::new(series);
        let quota = self.shop.catalogue().offer(series).unwrap().quota;
        let stock = self
            .shop
            .store()
            .read(|tables| tables.stock(series))
            .unwrap();
        stock.left(quota.into())
    }

    pub(crate) fn series(&self, offer: &Offer) -> Verified<SeriesRecord> {
        let key = self.shop.registered().record.keys.signing;
        Unverified::<SeriesRecord>::parse(offer.series.clone())
            .unwrap()
            .verify(&key)
            .unwrap()
    }
}

pub(crate) struct Member {
    pub(crate) number: PartyNumber,
    pub(crate) everyday: SigningKey,
    pub(crate) opening: OpeningKey,
    pub(crate) record: SignedBytes,
    time: Moment,
}

/// A holder's key, fresh.
pub(crate) fn holder() -> Holder {
    Holder::Key(HolderKey(
        SigningKey::generate(&mut rng()).0.verifying_key(),
    ))
}

/// `count` tickets for the hall of [`catalogue`].
pub(crate) fn seats(count: usize) -> Reservation {
    Reservation {
        series: SeriesId::new(7),
        contents: Contents::Admission(Seat {
            section: 1,
            row: 0,
            seat: 0,
        }),
        holders: (0..count).map(|_| holder()).collect(),
        keyword: None,
    }
}

impl Member {
    pub(crate) const fn caller(&self) -> Caller<'_> {
        Caller {
            number: self.number,
            signing: &self.everyday,
            opening: &self.opening,
        }
    }

    pub(crate) fn prepare(&self, open: &Open, wish: Wish) -> Prepared {
        self.prepare_as(open, MessageId::random(&mut rng()), wish)
    }

    pub(crate) fn prepare_as(&self, open: &Open, id: MessageId, wish: Wish) -> Prepared {
        self.prepare_at(&open.callee(), id, wish)
    }

    pub(crate) fn prepare_for(&self, callee: &Callee, wish: Wish) -> Prepared {
        self.prepare_at(callee, MessageId::random(&mut rng()), wish)
    }

    fn prepare_at(&self, callee: &Callee, id: MessageId, wish: Wish) -> Prepared {
        let record = self.record.clone();
        let body = PurchaseRequest { record, wish };
        let time = self.time.now();
        Prepared::new(
            self.caller(),
            callee,
            Stamp { id, time },
            body,
            None,
            &mut rng(),
        )
        .unwrap()
    }

    pub(crate) fn send(
        &self,
        open: &Open,
        prepared: &Prepared,
    ) -> Result<Answer<Offer>, CallError> {
        Client::default().call(self.caller(), &open.callee(), prepared)
    }

    pub(crate) fn ask(&self, open: &Open, wish: Wish) -> Result<Offer, Refusal> {
        let answer = self.send(open, &self.prepare(open, wish)).unwrap();
        answer.accepted().map(|reply| reply.into_value().body)
    }

    pub(crate) fn buy(&self, open: &Open, wish: Reservation) -> Offer {
        self.ask(open, Wish::Reservation(wish)).unwrap()
    }

    pub(crate) fn refused(&self, open: &Open, wish: Reservation) -> Code {
        self.ask(open, Wish::Reservation(wish)).unwrap_err().code
    }

    /// Opens a delivery as a wallet does.
    pub(crate) fn open(&self, open: &Open, delivery: &[u8]) -> (Delivery, Vec<Verified<Ticket>>) {
        let (parcel, _) = Sealed::parse(delivery)
            .unwrap()
            .open(&self.opening)
            .unwrap();
        let key = open.shop.registered().record.keys.signing;
        let message = Unverified::<Message<Delivery>>::parse(parcel.signed).unwrap();
        let message = message.verify(&key).unwrap();
        assert_eq!((message.from, message.to), (Town::number(), self.number));
        let delivery = message.into_value().body;
        let series = Unverified::<SeriesRecord>::parse(delivery.series.clone()).unwrap();
        let series = series.verify(&key).unwrap();
        let tickets = delivery.tickets.iter().map(|signed| {
            let ticket = Unverified::<Ticket>::parse(signed.clone()).unwrap();
            let batch = *series.batch(ticket.key().unwrap()).unwrap();
            ticket.verify(&batch).unwrap()
        });
        let tickets = tickets.collect();
        (delivery, tickets)
    }
}

/// Every file of a folder, for what must or mustn't stand in it.
pub(crate) fn contains(folder: &Path, needle: &[u8]) -> bool {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).any(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}
