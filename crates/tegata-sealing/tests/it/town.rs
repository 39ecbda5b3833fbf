//! A service, its shops and their customers, at a time of the test's choice.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use tegata_cli::data::DataDir;
use tegata_party::client::{Answer, CallError, Callee, Caller, Client, Prepared, Stamp};
use tegata_party::identity::Registered;
use tegata_party::identity::{Centre as KnownCentre, Identity};
use tegata_party::joining::{self, Application, JoinError, Joining, Kind};
use tegata_party::keys::KeyFile;
use tegata_protocol::envelope::Body;
use tegata_protocol::joining::Slip;
use tegata_protocol::order::{
    CartToken, HandOut, KeyKind, KeyScope, KeySource, Maker, OpeningHalf, OrderId, OrderKey,
    OrderKeyId, Scheme, Stock, StockInquiry, StockUpload, cart_digest, program_digest,
};
use tegata_protocol::record::{PartyKeys, PartyRecord, Status};
use tegata_protocol::refusal::Refusal;
use tegata_protocol::{
    MessageId, OpeningKey, PartyNumber, Role, SignedBytes, SigningKey, Suite, Time, Unverified,
    Verified, cbor,
};
use tegata_sealing::cli::PARTY;
use tegata_sealing::pages;
use tegata_sealing::server::Door;
use tegata_sealing::service::{Rules, Service};

use crate::centre::Centre;

/// One runtime for all servers of all tests.
pub(crate) static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// A clock that stands still until it's moved.
#[derive(Clone)]
pub(crate) struct Moment(Arc<AtomicU64>);

impl Moment {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_795_253_400)))
    }

    /// The machine's own time, as programs see it.
    pub(crate) fn real() -> Self {
        Self(Arc::new(AtomicU64::new(tegata_cli::clock::now())))
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_secs(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

pub(crate) struct Town {
    pub(crate) time: Moment,
    pub(crate) centre: Centre,
    pub(crate) folder: tempfile::TempDir,
    shops: AtomicU32,
}

impl Town {
    pub(crate) fn new() -> Self {
        Self::at(Moment::new())
    }

    pub(crate) fn at(time: Moment) -> Self {
        Self {
            centre: Centre::start(time.clone()),
            time,
            folder: tempfile::tempdir().unwrap(),
            shops: AtomicU32::new(70),
        }
    }

    pub(crate) fn dir(&self) -> DataDir {
        DataDir::open(self.folder.path(), PARTY).unwrap()
    }

    pub(crate) fn number() -> PartyNumber {
        PartyNumber::new(Role::Sealing, 4).unwrap()
    }

    pub(crate) fn application() -> Application {
        Application {
            name: "Key Handler".into(),
            address: "http://sealing.localhost:7403".into(),
            postal: vec!["1-1 Hana, Sendai".into()],
            account: None,
        }
    }

    /// Joins with that letter, from that folder.
    pub(crate) fn join_from(&self, dir: &DataDir, slip: &Slip) -> Result<Registered, JoinError> {
        let application = Self::application();
        let joining = Joining {
            dir,
            kind: Kind::SEALING,
            slip,
            application: &application,
        };
        let keys = || KeyFile::open_or_make(dir);
        joining.join(&Client::default(), keys, self.time.now())
    }

    /// Opens what joined, as the program does.
    pub(crate) fn registered(dir: &DataDir, centre: &KnownCentre) -> Registered {
        let registers = [centre.keys.register];
        joining::open(dir, Kind::SEALING, &registers, || KeyFile::open(dir)).unwrap()
    }

    /// Joins if needed, and opens the service on its folder as it is: what a restart does.
    pub(crate) fn open(&self) -> Open {
        self.open_with(Rules::default())
    }

    pub(crate) fn open_with(&self, rules: Rules) -> Open {
        let (dir, client, now) = (self.dir(), Client::default(), self.time.now());
        let slip = self.centre.slip(Self::number());
        self.join_from(&dir, &slip).unwrap();
        let identity = Identity::read(&dir).unwrap().unwrap();
        let centre = KnownCentre::find(&dir, &client, &identity, None, now).unwrap();
        let registered = Self::registered(&dir, &centre);
        let time = self.time.clone();
        let clock = Arc::new(move || time.now());
        let service = Service::open(&dir, registered, centre, rules, clock).unwrap();
        service.publish_own_program().unwrap();
        Open::new(Arc::new(service))
    }

    pub(crate) fn shop(&self) -> Shop {
        self.shop_with(Status::Active)
    }

    pub(crate) fn shop_with(&self, status: Status) -> Shop {
        let serial = self.shops.fetch_add(1, Ordering::SeqCst);
        let number = PartyNumber::new(Role::Shop, serial).unwrap();
        let (signing, _) = SigningKey::generate(&mut rng());
        let (opening, _) = OpeningKey::generate(Suite::Standard, &mut rng());
        let keys = PartyKeys {
            spending: None,
            signing: signing.verifying_key(),
            opening: opening.sealing_key().clone(),
        };
        Shop {
            number,
            record: self.centre.enter(number, keys, status),
            signing,
            opening,
            time: self.time.clone(),
        }
    }
}

/// A service that is open, on a port of its own.
pub(crate) struct Open {
    pub(crate) service: Arc<Service>,
    pub(crate) address: String,
    server: tokio::task::JoinHandle<()>,
}

impl Open {
    fn new(service: Arc<Service>) -> Self {
        let listener = RUNTIME
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let pages = pages::router(&service);
        let router = tegata_pages::dress(Door::new(Arc::clone(&service)).router().merge(pages));
        let server = RUNTIME.spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, service).await.unwrap();
        });
        Self {
            service,
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
        Callee::party(&self.service.registered().record, Some(&self.address))
    }

    /// Asks for the key of a token, as a browser does.
    pub(crate) fn ask(&self, token: &SignedBytes) -> Result<HandOut, Told> {
        ask(&self.address, token, "standard")
    }

    pub(crate) fn key(&self, token: &SignedBytes) -> OrderKey {
        key_of(&self.ask(token).unwrap())
    }
}

/// Why there was no key, as JSON says it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) detail: String,
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into()
}

pub(crate) fn ask(address: &str, token: &SignedBytes, suite: &str) -> Result<HandOut, Told> {
    let url = format!("{address}/v1/keys?suite={suite}");
    let mut response = agent().post(&url).send(token.as_bytes()).unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_vec().unwrap();
    if status == 200 {
        return Ok(cbor::decode(&body, 16 * 1024).unwrap());
    }
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    Err(Told {
        status,
        error: told["error"].as_str().unwrap().to_owned(),
        detail: told["detail"].as_str().unwrap_or_default().to_owned(),
    })
}

/// The key in a hand-out; whose signature it bears is another question.
pub(crate) fn key_of(hand_out: &HandOut) -> OrderKey {
    let key = Unverified::<OrderKey>::parse(hand_out.key.clone()).unwrap();
    key.claimed().clone()
}

/// A key that a shop made, with the seed of the half that it keeps.
pub(crate) struct Made {
    pub(crate) id: OrderKeyId,
    pub(crate) signed: SignedBytes,
    pub(crate) seed: [u8; 32],
}

pub(crate) struct Shop {
    pub(crate) number: PartyNumber,
    pub(crate) signing: SigningKey,
    pub(crate) opening: OpeningKey,
    pub(crate) record: Verified<PartyRecord>,
    pub(crate) time: Moment,
}

pub(crate) fn scheme(text: &str) -> Scheme {
    text.parse().unwrap()
}

impl Shop {
    pub(crate) const fn caller(&self) -> Caller<'_> {
        Caller {
            number: self.number,
            signing: &self.signing,
            opening: &self.opening,
        }
    }

    /// A key of the usual kind, good for a day, before `change`.
    pub(crate) fn make_as(&self, change: impl FnOnce(&mut OrderKey)) -> Made {
        self.make_of("order-public-1", Suite::Standard, change)
    }

    pub(crate) fn make_of(
        &self,
        kind: &str,
        suite: Suite,
        change: impl FnOnce(&mut OrderKey),
    ) -> Made {
        let scheme = scheme(kind);
        let (half, seed) = OpeningHalf::generate(scheme.kind(), suite, &mut rng());
        let member = (scheme.scope() == KeyScope::Member).then(|| member(1));
        let mut key = OrderKey {
            recipient: self.number,
            id: OrderKeyId::random(&mut rng()),
            scheme,
            member,
            part: half.sealing_part(),
            expires: self.time.now().after(86_400),
            program: program_digest(),
            maker: Maker::Recipient,
            source: KeySource::Regular,
            made: self.time.now(),
        };
        change(&mut key);
        Made {
            id: key.id,
            signed: self.signing.sign(&key),
            seed: *seed,
        }
    }

    pub(crate) fn make(&self, count: usize) -> Vec<Made> {
        (0..count).map(|_| self.make_as(|_| {})).collect()
    }

    pub(crate) fn upload_of(keys: &[Made]) -> StockUpload {
        let keys = keys.iter().map(|key| key.signed.clone()).collect();
        StockUpload { keys }
    }

    pub(crate) fn prepare<B: Body>(&self, callee: &Callee, body: B) -> Prepared {
        self.prepare_as(callee, MessageId::random(&mut rng()), body)
    }

    pub(crate) fn prepare_as<B: Body>(&self, callee: &Callee, id: MessageId, body: B) -> Prepared {
        let record = Some(self.record.signed().as_bytes().to_vec());
        let time = self.time.now();
        Prepared::new(
            self.caller(),
            callee,
            Stamp { id, time },
            body,
            record,
            &mut rng(),
        )
        .unwrap()
    }

    pub(crate) fn send<R: Body>(
        &self,
        open: &Open,
        prepared: &Prepared,
    ) -> Result<Answer<R>, CallError> {
        Client::default().call(self.caller(), &open.callee(), prepared)
    }

    pub(crate) fn ask<B: Body, R: Body>(&self, open: &Open, body: B) -> Result<R, Refusal> {
        let answer = self.send(open, &self.prepare(&open.callee(), body));
        let reply = answer.unwrap().accepted();
        reply.map(|reply| reply.into_value().body)
    }

    pub(crate) fn upload(&self, open: &Open, keys: &[Made]) -> Result<Stock, Refusal> {
        self.ask(open, Self::upload_of(keys))
    }

    /// Puts `count` usual keys in stock.
    pub(crate) fn fill(&self, open: &Open, count: usize) -> Vec<Made> {
        let keys = self.make(count);
        for some in keys.chunks(32) {
            self.upload(open, some).unwrap();
        }
        keys
    }

    pub(crate) fn stock(&self, open: &Open) -> Stock {
        self.ask(open, StockInquiry {}).unwrap()
    }

    /// How many keys of the usual kind are left.
    pub(crate) fn left(&self, open: &Open) -> u32 {
        let stock = self.stock(open);
        let usual = |pile: &&tegata_protocol::order::Pile| {
            pile.scheme == Scheme::DEFAULT && pile.suite == Some(Suite::Standard)
        };
        stock.piles.iter().find(usual).map_or(0, |pile| pile.left)
    }

    pub(crate) fn token_as(&self, change: impl FnOnce(&mut CartToken)) -> SignedBytes {
        let mut token = CartToken {
            recipient: self.number,
            order: OrderId::random(&mut rng()),
            cart: cart_digest(&[]),
            total: None,
            scheme: Scheme::DEFAULT,
            maker: Maker::Recipient,
            compact: false,
            member: None,
            service: Town::number(),
            expires: self.time.now().after(900),
        };
        change(&mut token);
        self.signing.sign(&token)
    }

    pub(crate) fn token(&self) -> SignedBytes {
        self.token_as(|_| {})
    }

    pub(crate) fn token_of(&self, kind: &str) -> SignedBytes {
        let scheme = scheme(kind);
        self.token_as(|token| {
            token.scheme = scheme;
            token.compact = scheme.kind() == KeyKind::Public;
            token.member = (scheme.scope() == KeyScope::Member).then(|| member(1));
        })
    }
}

pub(crate) fn member(serial: u32) -> PartyNumber {
    PartyNumber::new(Role::Member, serial).unwrap()
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
