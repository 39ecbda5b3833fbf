//! A centre that does what a shop needs of it, and fails on demand.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tegata_protocol::envelope::{Body, Message, Parcel, Reply, Sealed};
use tegata_protocol::joining::{ActivationCode, Registered, Registration, Slip};
use tegata_protocol::order::{CardKept, CreditCardForm};
use tegata_protocol::payment::{
    BillAnswer, BillInquiry, BillState, BookPosition, Capture, Captured, Closing, Collect,
    HoldClosed, Item, Mailbox, Mode, PaidNotice,
};
use tegata_protocol::purchase::Bill;
use tegata_protocol::record::{
    CentreKey, Certificate, Certificates, PartyKeys, PartyRecord, Profile, Purpose, Status,
};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{
    Digest, MessageId, OpeningKey, PartyNumber, PaymentId, Role, SignedBytes, SigningKey, Suite,
    Unverified, Validity, VerifyingKey, cbor,
};

use crate::town::{Moment, RUNTIME};

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

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
    /// What is asked is lost on the way.
    Deaf,
}

#[derive(Default)]
struct Book {
    mood: Mood,
    answered: HashMap<(PartyNumber, MessageId), (Digest, SignedBytes)>,
    parties: HashMap<PartyNumber, PartyRecord>,
    mail: Vec<Item>,
    holds: HashMap<PaymentId, Hold>,
    closed_bills: HashSet<Digest>,
    captures: Vec<(MessageId, Vec<u8>)>,
    calls: Vec<u16>,
    cards: Option<Code>,
    no_mailbox: bool,
}

struct Hold {
    bill: Digest,
    open: bool,
    captured: bool,
}

#[derive(Clone)]
pub(crate) struct Centre {
    pub(crate) address: String,
    pub(crate) time: Moment,
    root: VerifyingKey,
    register: Arc<SigningKey>,
    receipts: Arc<SigningKey>,
    opening: Arc<OpeningKey>,
    certificates: Vec<u8>,
    book: Arc<Mutex<Book>>,
    captured: Arc<Condvar>,
}

impl Centre {
    pub(crate) fn start(time: Moment) -> Self {
        let root = SigningKey::from_seed(&[90; 32]);
        let register = SigningKey::from_seed(&[91; 32]);
        let receipts = SigningKey::from_seed(&[92; 32]);
        let opening = OpeningKey::from_seed(Suite::Standard, &[93; 32]);
        let now = time.now();
        let certify = |purpose, key| {
            let valid = Validity::new(now.before(3600), now.after(300 * 86_400)).unwrap();
            let centre = "Test centre".to_owned();
            root.sign(&Certificate {
                centre,
                purpose,
                key,
                valid,
            })
        };
        let certificates = Certificates(vec![
            certify(
                Purpose::Register,
                CentreKey::Verifying(register.verifying_key()),
            ),
            certify(
                Purpose::Receipts,
                CentreKey::Verifying(receipts.verifying_key()),
            ),
            certify(
                Purpose::Opening,
                CentreKey::Sealing(opening.sealing_key().clone()),
            ),
        ]);
        let mut centre = Self {
            address: String::new(),
            time,
            root: root.verifying_key(),
            register: Arc::new(register),
            receipts: Arc::new(receipts),
            opening: Arc::new(opening),
            certificates: cbor::encode(&certificates),
            book: Arc::default(),
            captured: Arc::default(),
        };
        let listener = RUNTIME
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        centre.address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/certificates", get(certificates_of))
            .route("/v1/terms/{digest}", get(|| async { "terms" }))
            .route("/v1/message", post(message))
            .with_state(centre.clone());
        drop(RUNTIME.spawn(async move { axum::serve(listener, router).await }));
        centre
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.book().mood = mood;
    }

    /// From now on mailboxes can't be had.
    pub(crate) fn lose_mailbox(&self) {
        self.book().no_mailbox = true;
    }

    /// What the credit link says to card numbers; with `None` it takes them.
    pub(crate) fn refuse_cards(&self, code: Option<Code>) {
        self.book().cards = code;
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
    ) -> SignedBytes {
        let profile = matches!(number.role(), Role::Shop | Role::Gate).then(|| Profile {
            name: "Somebody".into(),
            address: "http://somebody.localhost".into(),
        });
        self.certify(PartyRecord {
            number,
            keys,
            profile,
            valid: self.a_year(),
            status,
        })
    }

    fn a_year(&self) -> Validity {
        let now = self.time.now();
        Validity::new(now.before(60), now.after(365 * 86_400)).unwrap()
    }

    fn certify(&self, record: PartyRecord) -> SignedBytes {
        let signed = self.register.sign(&record);
        self.book().parties.insert(record.number, record);
        signed
    }

    /// Somebody pays a bill: the money is held (or paid at once), and the shop is told.
    pub(crate) fn pay(&self, signed: &SignedBytes, mode: Mode) -> PaymentId {
        let bill = Unverified::<Bill>::parse(signed.clone()).unwrap();
        let payment = PaymentId::new(Digest::of(signed.as_bytes()));
        let claimed = bill.claimed();
        let notice = PaidNotice {
            payment,
            bill: bill.digest(),
            transaction: claimed.transaction,
            mode,
            amount: claimed.totals.total,
            hold_expires: Some(self.time.now().after(1800)),
            position: BookPosition {
                committer: 1,
                sequence: 1,
            },
        };
        let hold = Hold {
            bill: bill.digest(),
            open: true,
            captured: false,
        };
        self.book().holds.insert(payment, hold);
        self.post(claimed.shop, notice);
        payment
    }

    /// As if the notice had got lost: only an inquiry will tell.
    pub(crate) fn pay_in_silence(&self, bill: &SignedBytes) -> PaymentId {
        let payment = self.pay(bill, Mode::Hold);
        self.book().mail.pop();
        payment
    }

    /// A hold's time is over.
    pub(crate) fn close(&self, payment: PaymentId, shop: PartyNumber) {
        self.book().holds.get_mut(&payment).unwrap().open = false;
        let amount = tegata_protocol::Amount::zero(tegata_protocol::Currency::JPY);
        let closing = Closing::Expired;
        self.post(
            shop,
            HoldClosed {
                payment,
                shop,
                amount,
                closing,
                card: None,
            },
        );
    }

    pub(crate) fn post<B: Body>(&self, to: PartyNumber, body: B) {
        let signed = self.receipts.sign(&self.say(to, None, body));
        self.post_signed(signed);
    }

    pub(crate) fn post_signed(&self, signed: SignedBytes) {
        let mut book = self.book();
        let number = u64::try_from(book.mail.len()).unwrap() + 1;
        book.mail.push(Item {
            number,
            signed,
            sealed: None,
        });
    }

    fn say<B: Body>(&self, to: PartyNumber, answers: Option<Digest>, body: B) -> Message<B> {
        Message {
            from: PartyNumber::CENTRE,
            to,
            id: MessageId::random(&mut rng()),
            time: self.time.now(),
            not_after: None,
            enc_digest: None,
            answers,
            body,
        }
    }

    /// The captures that were accepted, with their sealed deliveries.
    pub(crate) fn captures(&self) -> Vec<(MessageId, Vec<u8>)> {
        self.book().captures.clone()
    }

    /// Waits until so many captures were accepted.
    pub(crate) fn wait_for_captures(&self, count: usize) {
        let book = self.book();
        let few = |book: &mut Book| book.captures.len() < count;
        drop(self.captured.wait_while(book, few).unwrap());
    }

    /// How often a message of this type came.
    pub(crate) fn calls<B: Body>(&self) -> usize {
        self.book()
            .calls
            .iter()
            .filter(|label| **label == B::LABEL)
            .count()
    }

    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let sealed = Sealed::parse(bytes).ok()?;
        let (parcel, reply_key) = sealed.open(&self.opening).ok()?;
        let (label, _) = parcel.signed.label().ok()?;
        self.book().calls.push(label);
        if label == Collect::LABEL && self.book().no_mailbox {
            return None;
        }
        let attached = parcel.attached().map(<[u8]>::to_vec);
        let signed = parcel.signed;
        let (reply, enc_digest, to, opening) = match label {
            Registration::LABEL => {
                self.on::<Registration, _>(signed, |m| self.register_party(m))?
            }
            Collect::LABEL => self.on::<Collect, _>(signed, |m| self.mailbox(m))?,
            Capture::LABEL => self.on::<Capture, _>(signed, |m| self.capture(m, attached))?,
            CreditCardForm::LABEL => self.on::<CreditCardForm, _>(signed, |_| self.card())?,
            BillInquiry::LABEL => self.on::<BillInquiry, _>(signed, |m| self.inquiry(m))?,
            _ => return None,
        };
        let parcel = Parcel::new(reply);
        let reply = if enc_digest == Some(reply_key.enc_digest()) {
            Reply::exported(&reply_key, &parcel, &mut rng())
        } else {
            Reply::Sealed(Sealed::seal(to, &opening, &parcel, &mut rng()).unwrap())
        };
        Some(reply.to_bytes())
    }

    /// Verifies, finds the stored reply or makes one, as wire and specification say.
    fn on<B: Body + HasKeys, R>(
        &self,
        signed: SignedBytes,
        act: impl FnOnce(&Unverified<Message<B>>) -> Result<R, Code>,
    ) -> Option<(
        SignedBytes,
        Option<Digest>,
        PartyNumber,
        tegata_protocol::SealingKey,
    )>
    where
        R: Body,
    {
        let message = Unverified::<Message<B>>::parse(signed.clone()).ok()?;
        let (from, id) = (message.claimed().from, message.claimed().id);
        let keys = match message.claimed().body.keys() {
            Some(keys) => keys,
            None => self.book().parties.get(&from)?.keys.clone(),
        };
        let copy = Unverified::<Message<B>>::parse(signed).ok()?;
        let verified = copy.verify(&keys.signing).ok()?;
        let digest = verified.digest();
        let back = |reply| Some((reply, verified.enc_digest, from, keys.opening.clone()));
        if let Some((known, reply)) = self.book().answered.get(&(from, id)) {
            assert_eq!(*known, digest, "a shop never uses an id twice");
            return back(reply.clone());
        }
        let result = match verified.check_time(self.time.now()) {
            Err(_) => Err(Code::Untimely),
            Ok(()) => act(&message),
        };
        let reply = match result {
            Ok(body) => self.receipts.sign(&self.say(from, Some(digest), body)),
            Err(code) => {
                let refusal = self.say(from, Some(digest), Refusal::new(code));
                self.receipts.sign(&refusal)
            }
        };
        if B::LABEL != Collect::LABEL {
            self.book()
                .answered
                .insert((from, id), (digest, reply.clone()));
        }
        back(reply)
    }

    fn register_party(
        &self,
        message: &Unverified<Message<Registration>>,
    ) -> Result<Registered, Code> {
        let claim = &message.claimed().body.claim;
        let number = message.claimed().from;
        if self.book().parties.contains_key(&number) {
            return Err(Code::AlreadyRegistered);
        }
        let record = self.certify(PartyRecord {
            number,
            keys: claim.keys.clone(),
            profile: claim.profile.clone(),
            valid: self.a_year(),
            status: Status::Active,
        });
        Ok(Registered { record })
    }

    fn mailbox(&self, message: &Unverified<Message<Collect>>) -> Result<Mailbox, Code> {
        let after = message.claimed().body.after;
        let book = self.book();
        let waiting = book.mail.iter().filter(|item| item.number > after);
        // Two at a time, so that shops have to ask for more.
        let items: Vec<Item> = waiting.clone().take(2).cloned().collect();
        let more = waiting.count() > items.len();
        Ok(Mailbox { items, more })
    }

    fn capture(
        &self,
        message: &Unverified<Message<Capture>>,
        delivery: Option<Vec<u8>>,
    ) -> Result<Captured, Code> {
        let body = &message.claimed().body;
        let delivery = delivery.ok_or(Code::DeliveryInvalid)?;
        if Digest::of(&delivery) != body.delivery || delivery.len() > 4096 {
            return Err(Code::DeliveryInvalid);
        }
        let mut book = self.book();
        let hold = book.holds.get_mut(&body.payment).ok_or(Code::HoldUnknown)?;
        if hold.captured {
            return Err(Code::HoldCaptured);
        }
        if !hold.open {
            return Err(Code::HoldClosed);
        }
        hold.captured = true;
        book.captures.push((message.claimed().id, delivery));
        self.captured.notify_all();
        let position = BookPosition {
            committer: 1,
            sequence: 2,
        };
        Ok(Captured {
            payment: body.payment,
            amount: body.amount,
            position,
        })
    }

    fn card(&self) -> Result<CardKept, Code> {
        self.book().cards.map_or_else(
            || {
                Ok(CardKept {
                    reference: "card-1".into(),
                    last_four: "4242".into(),
                })
            },
            Err,
        )
    }

    fn inquiry(&self, message: &Unverified<Message<BillInquiry>>) -> Result<BillAnswer, Code> {
        let bill = Unverified::<Bill>::parse(message.claimed().body.bill.clone());
        let bill = bill.map_err(|_e| Code::BillInvalid)?;
        if self.time.now() < bill.claimed().expires {
            return Err(Code::BillOpen);
        }
        let mut book = self.book();
        let digest = bill.digest();
        let held = book.holds.iter().find(|(_, hold)| hold.bill == digest);
        let state = match held {
            Some((payment, _)) => BillState::Held(*payment),
            None => {
                book.closed_bills.insert(digest);
                BillState::ClosedUnpaid
            }
        };
        Ok(BillAnswer {
            bill: digest,
            state,
        })
    }
}

/// The keys by which a message is verified when its sender isn't registered yet.
trait HasKeys {
    fn keys(&self) -> Option<PartyKeys> {
        None
    }
}

impl HasKeys for Registration {
    fn keys(&self) -> Option<PartyKeys> {
        Some(self.claim.keys.clone())
    }
}

impl HasKeys for Collect {}
impl HasKeys for Capture {}
impl HasKeys for CreditCardForm {}
impl HasKeys for BillInquiry {}

async fn certificates_of(State(centre): State<Centre>) -> Response {
    match centre.book().mood {
        Mood::Away => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Mood::Well | Mood::Mute | Mood::Deaf => centre.certificates.clone().into_response(),
    }
}

async fn message(State(centre): State<Centre>, body: Bytes) -> Response {
    let mood = centre.book().mood;
    if mood == Mood::Away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let answer = match mood {
        Mood::Deaf => None,
        Mood::Well | Mood::Away | Mood::Mute => centre.answer(&body),
    };
    match (mood, answer) {
        (Mood::Deaf, _) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        (Mood::Mute, _) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        (_, Some(reply)) => reply.into_response(),
        (_, None) => StatusCode::BAD_REQUEST.into_response(),
    }
}
