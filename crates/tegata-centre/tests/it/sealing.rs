//! A sealing service for tests: takes the centre's keys, hands them out; and a centre on the network
//! whose application form is sealed with them.

use std::{
    collections::{HashMap, VecDeque},
    net::TcpListener,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tegata_centre::{
    Centre,
    readiness::Readiness,
    web::{self, Web},
};
use tegata_protocol::{
    MessageId, PartyNumber, Role, SignedBytes, Time, Unverified, VerifyingKey, cbor,
    envelope::{Body, Message, Parcel, Reply, Sealed},
    order::{
        CartToken, HandOut, KeySource, OrderId, OrderKey, Pile, Scheme, Stock, StockInquiry,
        StockUpload, program, program_digest,
    },
};

use crate::town::{Party, Town, rng};

pub(crate) fn now() -> Time {
    Time::from_secs(tegata_cli::clock::now())
}

/// Serves on a thread of its own, as long as the test's process lives.
pub(crate) fn serve(listener: TcpListener, router: Router) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// What the service has.
struct Service {
    party: Party,
    record: SignedBytes,
    receipts: VerifyingKey,
    stock: Mutex<VecDeque<SignedBytes>>,
    handed: Mutex<HashMap<OrderId, SignedBytes>>,
    fallback: Mutex<Option<(SignedBytes, Time)>>,
}

impl Service {
    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (parcel, reply_key) = Sealed::parse(bytes).ok()?.open(&self.party.opening).ok()?;
        let (label, _) = parcel.signed.label().ok()?;
        let answers = parcel.signed.digest();
        if label == StockUpload::LABEL {
            for key in self.heard::<StockUpload>(parcel.signed)?.keys {
                self.take(key);
            }
        } else {
            self.heard::<StockInquiry>(parcel.signed)?;
        }
        let reply = self.party.signing.sign(&Message {
            from: self.party.number,
            to: PartyNumber::CENTRE,
            id: MessageId::random(&mut rng()),
            time: now(),
            not_after: None,
            enc_digest: None,
            answers: Some(answers),
            body: self.stock(),
        });
        Some(Reply::exported(&reply_key, &Parcel::new(reply), &mut rng()).to_bytes())
    }

    fn heard<B: Body>(&self, signed: SignedBytes) -> Option<B> {
        let message = Unverified::<Message<B>>::parse(signed).ok()?;
        let message = message.verify(&self.receipts).ok()?.into_value();
        (message.from == PartyNumber::CENTRE).then_some(message.body)
    }

    fn take(&self, signed: SignedBytes) {
        let key = Unverified::<OrderKey>::parse(signed.clone()).unwrap();
        let key = key.verify(&self.receipts).unwrap();
        match key.source {
            KeySource::Regular => self.stock.lock().unwrap().push_back(signed),
            KeySource::Fallback => {
                *self.fallback.lock().unwrap() = Some((signed, key.expires));
            }
        }
    }

    fn stock(&self) -> Stock {
        let left = u32::try_from(self.stock.lock().unwrap().len()).unwrap();
        let fallback = self.fallback.lock().unwrap();
        Stock {
            piles: vec![Pile {
                scheme: Scheme::DEFAULT,
                suite: Some(tegata_protocol::Suite::Standard),
                left,
                low: left < 8,
                fallback_until: fallback.as_ref().map(|(_, until)| *until),
            }],
            program: program_digest(),
        }
    }

    /// Waits until the centre has uploaded keys.
    fn stocked(&self) {
        for _ in 0..600 {
            if self.stock.lock().unwrap().len() >= 8 {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
        panic!("no keys came");
    }

    fn hand_out(&self, token: &[u8]) -> Option<Vec<u8>> {
        let token = Unverified::<CartToken>::parse(SignedBytes::new(token.to_vec())).ok()?;
        let token = token.verify(&self.receipts).ok()?;
        let mut handed = self.handed.lock().unwrap();
        let key = match handed.get(&token.order) {
            Some(key) => key.clone(),
            None => self.stock.lock().unwrap().pop_front()?,
        };
        handed.insert(token.order, key.clone());
        let program = program().to_owned();
        Some(cbor::encode(&HandOut { key, program }))
    }
}

type Shared = State<Arc<Service>>;

fn answered(bytes: Option<Vec<u8>>) -> Response {
    let allow = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    match bytes {
        Some(bytes) => (allow, bytes).into_response(),
        None => (StatusCode::BAD_REQUEST, allow, "{}").into_response(),
    }
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route(
            "/v1/record",
            get(|State(s): Shared| async move { s.record.as_bytes().to_vec() }),
        )
        .route(
            "/v1/message",
            post(|State(s): Shared, body: Bytes| async move { answered(s.answer(&body)) }),
        )
        .route(
            "/v1/keys",
            post(|State(s): Shared, body: Bytes| async move { answered(s.hand_out(&body)) }),
        )
        .with_state(service)
}

/// A centre whose application form is sealed.
pub(crate) struct Sealing {
    pub(crate) town: Folded,
    pub(crate) service_address: String,
    /// The centre's own address.
    pub(crate) address: String,
    _supply: Option<std::sync::mpsc::Sender<tegata_orders::key_supply::Signal>>,
}

/// The folder, without the centre that first ran in it.
type Folded = crate::town::Folder;

impl Sealing {
    pub(crate) fn start() -> Self {
        let town = Town::new();
        let slip = town.invite(Role::Sealing, town.now);
        let party = Party::new(slip.number);
        let record = town.register(&party, &slip, town.now).unwrap().record;
        let service = Arc::new(Service {
            record,
            receipts: town.public.keys.receipts,
            party,
            stock: Mutex::default(),
            handed: Mutex::default(),
            fallback: Mutex::default(),
        });
        let (of_service, service_port) = listener();
        serve(of_service, router(service.clone()));
        let (of_centre, port) = listener();
        let folder = town.folder;
        drop(town.centre);
        let service_address = format!("http://sealing.localhost:{service_port}");
        let address = format!("http://centre.localhost:{port}");
        let set = format!(
            "[sealing]\nservice = \"{}\"\nservice_address = \"{service_address}\"\n\
             forms_address = \"http://forms.centre.localhost:{port}\"\nstock = 32\ncompact = false\n",
            slip.number
        );
        let file = folder.data().join("centre.toml");
        let settings = std::fs::read_to_string(&file).unwrap();
        let settings = settings.replace("https://centre.example", &address);
        std::fs::write(&file, format!("{settings}{set}")).unwrap();
        let centre = Arc::new(Centre::open(&folder.dir(), now()).unwrap());
        let supply = centre.start_key_supply();
        let web = Arc::new(Web {
            readiness: Readiness::of(&centre),
            centre,
            terms: "Terms".to_owned(),
            data: folder.data(),
            downloads: Mutex::default(),
        });
        serve(of_centre, web::public(web));
        service.stocked();
        Self {
            town: folder,
            service_address,
            address,
            _supply: supply,
        }
    }
}
