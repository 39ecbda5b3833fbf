//! A centre for tests: certifies its keys and registers whoever has the code.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use tegata_cli::clock;
use tegata_protocol::{
    Digest, MessageId, OpeningKey, PartyNumber, Role, SignedBytes, SigningKey, Suite, Time,
    Unverified, Validity, cbor,
    envelope::{Body, Message, Parcel, Reply, Sealed},
    joining::{ActivationCode, Registered, Registration, SaltedDetails, Slip},
    record::{CentreKey, Certificate, Certificates, PartyRecord, Purpose, Status},
    refusal::{Code, Refusal},
};

use crate::shop::{key, rng};

pub(crate) fn register_key() -> SigningKey {
    key(51)
}

pub(crate) fn renewed_register_key() -> SigningKey {
    key(54)
}

fn receipts_key() -> SigningKey {
    key(52)
}

fn opening_key() -> OpeningKey {
    OpeningKey::from_seed(Suite::Standard, &[53; 32])
}

/// How the centre behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Kind,
    /// Receives the message and breaks off.
    Broken,
    /// Certifies with another root.
    False,
    /// Says that the first message it sees is untimely.
    Late,
    /// Has another register key by now, certified for days to come.
    Renewed,
    /// Its clock is a day ahead of the gate's.
    Ahead,
}

/// What the centre has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) signed: Vec<SignedBytes>,
}

#[derive(Debug)]
pub(crate) struct Centre {
    pub(crate) address: SocketAddr,
    pub(crate) mood: Arc<Mutex<Mood>>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone)]
struct Shared {
    mood: Arc<Mutex<Mood>>,
    seen: Arc<Mutex<Seen>>,
}

pub(crate) fn now() -> Time {
    Time::from_secs(clock::now())
}

impl Centre {
    pub(crate) fn start(mood: Mood) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let shared = Shared {
            mood: Arc::new(Mutex::new(mood)),
            seen: Arc::default(),
        };
        let router = Router::new()
            .route("/v1/certificates", get(certificates))
            .route("/v1/terms/{digest}", get(|| async { "terms" }))
            .route("/v1/message", post(message))
            .with_state(shared.clone());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            mood: shared.mood,
            seen: shared.seen,
            _runtime: runtime,
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn slip(&self, number: PartyNumber) -> Slip {
        Slip {
            centre: format!("http://{}", self.address),
            root: key(50).verifying_key(),
            number,
            code: code(),
            terms: Digest::of(b"terms"),
        }
    }
}

pub(crate) fn gate_number() -> PartyNumber {
    PartyNumber::new(Role::Gate, 5).unwrap()
}

fn code() -> ActivationCode {
    "0123-4567-89AB-CDEF".parse().unwrap()
}

async fn certificates(State(shared): State<Shared>) -> Vec<u8> {
    let root = match *shared.mood.lock().unwrap() {
        Mood::False => key(99),
        Mood::Kind | Mood::Broken | Mood::Late | Mood::Renewed | Mood::Ahead => key(50),
    };
    let renewed = *shared.mood.lock().unwrap() == Mood::Renewed;
    let from = match *shared.mood.lock().unwrap() {
        Mood::Ahead => now().after(86_340),
        Mood::Kind | Mood::Broken | Mood::False | Mood::Late | Mood::Renewed => now().before(60),
    };
    let (register, days) = if renewed {
        (renewed_register_key(), 9)
    } else {
        (register_key(), 1)
    };
    let certify = |purpose, key| {
        root.sign(&Certificate {
            centre: "Test centre".into(),
            purpose,
            key,
            valid: Validity::new(from, now().after(days * 86_400)).unwrap(),
        })
    };
    let register = CentreKey::Verifying(register.verifying_key());
    let receipts = CentreKey::Verifying(receipts_key().verifying_key());
    let opening = CentreKey::Sealing(opening_key().sealing_key().clone());
    cbor::encode(&Certificates(vec![
        certify(Purpose::Register, register),
        certify(Purpose::Receipts, receipts),
        certify(Purpose::Opening, opening),
    ]))
}

async fn message(
    State(shared): State<Shared>,
    body: Bytes,
) -> Result<Vec<u8>, (StatusCode, &'static str)> {
    let sealed = Sealed::parse(&body).unwrap();
    let (parcel, reply_key) = sealed.open(&opening_key()).unwrap();
    let claimed = Unverified::<Message<Registration>>::parse(parcel.signed.clone()).unwrap();
    let key = claimed.claimed().body.claim.keys.signing;
    let request = claimed.verify(&key).unwrap();
    let seen = {
        let mut seen = shared.seen.lock().unwrap();
        seen.signed.push(parcel.signed.clone());
        seen.signed.len()
    };
    let mood = *shared.mood.lock().unwrap();
    if mood == Mood::Broken {
        return Err((StatusCode::INTERNAL_SERVER_ERROR, "broken"));
    }
    let answer = if mood == Mood::Late && seen == 1 {
        reply(&request, Refusal::new(Code::Untimely))
    } else if request.body.vouched_by(request.from, &code().key()) {
        let details = SaltedDetails::parse(parcel.attached().unwrap()).unwrap();
        assert_eq!(details.digest(), request.body.claim.details);
        let record = record_of(&request);
        reply(&request, Registered { record })
    } else {
        reply(&request, Refusal::new(Code::ActivationRefused))
    };
    let answer = Parcel::new(answer);
    let reply = if request.enc_digest == Some(reply_key.enc_digest()) {
        Reply::exported(&reply_key, &answer, &mut rng())
    } else {
        let opening = &request.body.claim.keys.opening;
        Reply::Sealed(Sealed::seal(request.from, opening, &answer, &mut rng()).unwrap())
    };
    Ok(reply.to_bytes())
}

fn record_of(request: &Message<Registration>) -> SignedBytes {
    let claim = request.body.claim.clone();
    register_key().sign(&PartyRecord {
        number: request.from,
        keys: claim.keys,
        profile: claim.profile,
        valid: Validity::new(now().before(60), now().after(86_400)).unwrap(),
        status: Status::Active,
    })
}

fn reply<B: Body>(
    request: &tegata_protocol::Verified<Message<Registration>>,
    body: B,
) -> SignedBytes {
    receipts_key().sign(&Message {
        from: PartyNumber::CENTRE,
        to: request.from,
        id: MessageId::random(&mut rng()),
        time: now(),
        not_after: None,
        enc_digest: None,
        answers: Some(request.digest()),
        body,
    })
}
