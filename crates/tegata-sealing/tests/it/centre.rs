//! A centre that registers sealing services, and enters the shops that tests play themselves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tegata_protocol::envelope::{Message, Parcel, Reply, Sealed};
use tegata_protocol::joining::{ActivationCode, Registered, Registration, Slip};
use tegata_protocol::record::{
    CentreKey, Certificate, Certificates, PartyKeys, PartyRecord, Profile, Purpose, Status,
};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{
    Digest, Document, MessageId, OpeningKey, PartyNumber, Role, SignedBytes, SigningKey, Suite,
    Unverified, Validity, Verified, VerifyingKey, cbor,
};

use crate::town::{Moment, RUNTIME, rng};

/// How the centre behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Mood {
    /// As it should.
    #[default]
    Well,
    /// It answers nobody.
    Away,
    /// It does what is asked, and its answer is lost.
    Mute,
}

#[derive(Default)]
struct Book {
    mood: Mood,
    parties: HashMap<PartyNumber, PartyRecord>,
    answered: HashMap<MessageId, SignedBytes>,
    registrations: usize,
}

#[derive(Clone)]
pub(crate) struct Centre {
    pub(crate) address: String,
    pub(crate) receipts: Arc<SigningKey>,
    pub(crate) opening: Arc<OpeningKey>,
    time: Moment,
    root: VerifyingKey,
    register: Arc<SigningKey>,
    certificates: Vec<u8>,
    book: Arc<Mutex<Book>>,
}

impl Centre {
    pub(crate) fn start(time: Moment) -> Self {
        let seeded = |n| SigningKey::from_seed(&[n; 32]);
        let (root, register, receipts) = (seeded(90), seeded(91), seeded(92));
        let opening = OpeningKey::from_seed(Suite::Standard, &[93; 32]);
        let now = time.now();
        let certify = |purpose, key| {
            root.sign(&Certificate {
                centre: "Test centre".to_owned(),
                purpose,
                key,
                valid: Validity::new(now.before(3600), now.after(300 * 86_400)).unwrap(),
            })
        };
        let verifying = |key: &SigningKey| CentreKey::Verifying(key.verifying_key());
        let certificates = Certificates(vec![
            certify(Purpose::Register, verifying(&register)),
            certify(Purpose::Receipts, verifying(&receipts)),
            certify(
                Purpose::Opening,
                CentreKey::Sealing(opening.sealing_key().clone()),
            ),
        ]);
        let listener = RUNTIME
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let centre = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            receipts: Arc::new(receipts),
            opening: Arc::new(opening),
            time,
            root: root.verifying_key(),
            register: Arc::new(register),
            certificates: cbor::encode(&certificates),
            book: Arc::default(),
        };
        let router = Router::new()
            .route("/v1/certificates", get(certificates_of))
            .route("/v1/terms/{digest}", get(|| async { "terms" }))
            .route("/v1/message", post(message))
            .with_state(centre.clone());
        drop(RUNTIME.spawn(async move { axum::serve(listener, router).await }));
        centre
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.book.lock().unwrap().mood = mood;
    }

    pub(crate) fn registrations(&self) -> usize {
        self.book.lock().unwrap().registrations
    }

    pub(crate) fn slip(&self, number: PartyNumber) -> Slip {
        Slip {
            centre: self.address.clone(),
            root: self.root,
            number,
            code: ActivationCode::random(&mut rng()),
            terms: Digest::of(b"terms"),
        }
    }

    /// A record for a party that the test plays itself.
    pub(crate) fn enter(
        &self,
        number: PartyNumber,
        keys: PartyKeys,
        status: Status,
    ) -> Verified<PartyRecord> {
        let profile = (number.role() != Role::Member).then(|| Profile {
            name: format!("Shop {number}"),
            address: "http://shop.localhost".into(),
        });
        let signed = self.register.sign(&PartyRecord {
            number,
            keys,
            profile,
            valid: self.a_year(),
            status,
        });
        PartyRecord::verify(signed, &self.register.verifying_key()).unwrap()
    }

    fn a_year(&self) -> Validity {
        let now = self.time.now();
        Validity::new(now.before(60), now.after(365 * 86_400)).unwrap()
    }

    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let sealed = Sealed::parse(bytes).ok()?;
        let (parcel, reply_key) = sealed.open(&self.opening).ok()?;
        let message = Unverified::<Message<Registration>>::parse(parcel.signed).ok()?;
        let claim = message.claimed().body.claim.clone();
        let message = message.verify(&claim.keys.signing).ok()?;
        let mut book = self.book.lock().unwrap();
        book.registrations += 1;
        let known = book.answered.get(&message.id).cloned();
        let reply = match known {
            Some(reply) => reply,
            None => {
                let reply = self.register_party(&mut book, &message);
                book.answered.insert(message.id, reply.clone());
                reply
            }
        };
        let parcel = Parcel::new(reply);
        let reply = if message.enc_digest == Some(reply_key.enc_digest()) {
            Reply::exported(&reply_key, &parcel, &mut rng())
        } else {
            let opening = claim.keys.opening;
            Reply::Sealed(Sealed::seal(message.from, &opening, &parcel, &mut rng()).unwrap())
        };
        Some(reply.to_bytes())
    }

    fn register_party(
        &self,
        book: &mut Book,
        message: &Verified<Message<Registration>>,
    ) -> SignedBytes {
        let claim = &message.body.claim;
        if message.check_time(self.time.now()).is_err() {
            return self.say(message, Refusal::new(Code::Untimely));
        }
        if book.parties.contains_key(&message.from) {
            return self.say(message, Refusal::new(Code::AlreadyRegistered));
        }
        let record = PartyRecord {
            number: message.from,
            keys: claim.keys.clone(),
            profile: claim.profile.clone(),
            valid: self.a_year(),
            status: Status::Active,
        };
        let signed = self.register.sign(&record);
        book.parties.insert(message.from, record);
        self.say(message, Registered { record: signed })
    }

    fn say<B>(&self, asked: &Verified<Message<Registration>>, body: B) -> SignedBytes
    where
        B: tegata_protocol::envelope::Body,
        Message<B>: Document,
    {
        self.receipts.sign(&Message {
            from: PartyNumber::CENTRE,
            to: asked.from,
            id: MessageId::random(&mut rng()),
            time: self.time.now(),
            not_after: None,
            enc_digest: None,
            answers: Some(asked.digest()),
            body,
        })
    }
}

async fn certificates_of(State(centre): State<Centre>) -> Response {
    let mood = centre.book.lock().unwrap().mood;
    match mood {
        Mood::Away => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mood::Well | Mood::Mute => centre.certificates.clone().into_response(),
    }
}

async fn message(State(centre): State<Centre>, body: Bytes) -> Response {
    let mood = centre.book.lock().unwrap().mood;
    if mood == Mood::Away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match (centre.answer(&body), mood) {
        (_, Mood::Mute) => StatusCode::BAD_GATEWAY.into_response(),
        (Some(reply), _) => reply.into_response(),
        (None, _) => StatusCode::BAD_REQUEST.into_response(),
    }
}
