//! The desk: every message to the centre passes here. Open, verify, decide, answer.
//!
//! Nothing is believed before it's verified, nothing answered before it's durable. A message that
//! can't be opened, parsed or verified gets one answer, whatever was wrong with it; only the log
//! knows. What the book decides is in [`interpret`](crate::interpret); what is said about it, in
//! [`replies`](crate::replies).

use std::sync::Arc;

use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure, OrExit as _},
};
use tegata_ledger::{
    Action, Committed, Decision, Draft, Evidence, EvidenceKind, Fault, Ledger, MessageKey,
    Response, store::SqliteStore,
};
use tegata_protocol::{
    Amount, CardNumber, PartyNumber, ReplyKey, Role, SealingKey, SignedBytes, Time, Unverified,
    Validity, Verified, VerifyingKey,
    book::{Done, Imported},
    card::{
        CardAnswer, CardContact, CardLoad, CardLoaded, CardPaid, CardPayment, CardRequest, CardStep,
    },
    envelope::{Body, Message, Parcel, Reply, Sealed},
    joining::{RecordInquiry, Registered, Registration, SaltedDetails},
    order::{CardKept, CreditCardForm},
    payment::{
        BillAnswer, BillInquiry, Capture, Captured, Collect, Delivered, HoldClosed, Mailbox,
        PaidNotice, Payment, Receipt,
    },
    prepaid::{Balance, BalanceInquiry, Funding, PaymentReference, PrepaidCard, PrepaidRequest},
    purchase::Bill,
    record::{PartyRecord, Status},
    refusal::{Code, Refusal},
};
use tokio::sync::oneshot;

mod cards;
mod checks;
mod ic_cards;
mod questions;

use checks::{check_claim, check_delivery, may_act, may_send, order, timely};

use crate::{
    audit::ReceiptsSigner,
    credit::CreditLink,
    ic_card::CardDesk,
    interpret,
    keys::{OperationalKeys, PublicKeys, rng, sign_record},
    people::People,
    rate_limits::{Cost, RateLimits},
    register::LiveRegister,
    replies::{self, Return},
    sealed::Sealing,
    settings::House,
};

/// What the centre says to others with its receipts key, by label.
const SAID: &[u16] = &[
    Refusal::LABEL,
    Registered::LABEL,
    PaymentReference::LABEL,
    PrepaidCard::LABEL,
    Balance::LABEL,
    Receipt::LABEL,
    PaidNotice::LABEL,
    Captured::LABEL,
    BillAnswer::LABEL,
    HoldClosed::LABEL,
    Delivered::LABEL,
    Mailbox::LABEL,
    CardKept::LABEL,
    Imported::LABEL,
    Done::LABEL,
    CardStep::LABEL,
    CardPaid::LABEL,
    CardLoaded::LABEL,
];

/// An item of the outbox that isn't anything the centre says.
#[derive(Debug, thiserror::Error)]
#[error("the outbox holds something that the centre never says; run the audit")]
struct Damaged;

/// How long a party's record holds: ten years. Records aren't renewed yet, and money must stay
/// within reach.
const RECORD_SECONDS: u64 = 10 * 365 * 86_400;
/// Items of one page of a mailbox, and its bytes.
const PAGE_ITEMS: u32 = 32;
const PAGE_BYTES: usize = 160 * 1024;

/// What a message gets.
#[derive(Debug)]
pub enum Answered {
    /// A sealed reply: accepted or refused, nobody on the way sees which.
    Reply(Vec<u8>),
    /// It can't be opened, read or verified; one answer for all of it.
    Unreadable,
    /// Too much at once.
    Busy,
    /// Too many messages of this party: it may send the same one again after so many seconds.
    TooFast(u64),
    /// Our fault; the same message may be sent again.
    Fault,
}

/// Why a message isn't heard. For the log only.
#[derive(Debug, thiserror::Error)]
enum Unheard {
    /// The sender's doing: it can't be opened, read or verified.
    #[error("{0}")]
    Unreadable(String),
    /// Ours: what is needed to judge it couldn't be read. Nothing is decided, it may come again.
    #[error("{0}")]
    Fault(String),
    /// The sender's doing, but no harm: it comes too fast. Nothing is decided.
    #[error("{0} sends too fast")]
    TooFast(PartyNumber, u64),
}

impl Unheard {
    fn because(why: impl std::fmt::Display) -> Self {
        Self::Unreadable(why.to_string())
    }

    fn fault(why: impl std::error::Error) -> Self {
        let mut text = why.to_string();
        let mut cause = why.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::Fault(text)
    }
}

/// Everything the desk works with.
#[derive(Debug)]
pub struct Desk {
    pub(crate) ledger: Ledger,
    pub(crate) keys: OperationalKeys,
    pub(crate) public: PublicKeys,
    pub(crate) house: House,
    pub(crate) people: People,
    pub(crate) credit: Option<CreditLink>,
    pub(crate) sealing: Option<Sealing>,
    pub(crate) cards: Option<Arc<CardDesk>>,
    pub(crate) register: LiveRegister,
    pub(crate) paces: RateLimits,
}

/// A message whose sender is known and whose signature held.
struct Heard<B> {
    message: Verified<Message<B>>,
    record: Arc<PartyRecord>,
    attachment: Vec<u8>,
    cost: Cost,
}

impl<B> Heard<B> {
    fn back(&self, reply: ReplyKey) -> Back {
        Back::new(&self.message, reply, &self.record.keys.opening).costing(self.cost)
    }
}

/// How a reply goes back.
struct Back {
    to: Return,
    /// The key of the request's own sealing, if the request was signed for it.
    exported: Option<ReplyKey>,
    opening: SealingKey,
    /// What the request cost its sender.
    cost: Cost,
}

/// What is to happen with a message.
enum Step {
    /// Into the book.
    Draft(Box<Draft>, Back, Then),
    /// Nothing changes: answered at once.
    Answer(Vec<u8>, Back),
    /// Somebody else is asked first, who may take his time.
    Work(Work, Back),
}

/// What gives a reply's payload, off the threads that serve everybody.
type Work = Box<dyn FnOnce() -> Vec<u8> + Send>;

/// What remains to be done once a draft is durable.
enum Then {
    Nothing,
    /// The signed head goes with the reply.
    SendHead,
    /// A new party is in the register.
    Enter(Box<PartyRecord>, Option<SaltedDetails>),
    /// A card is over: the card-key server shall know.
    Deny(CardNumber),
}

impl Desk {
    /// Opens the centre in `dir`: its keys, register, book and people. The first operator, whose
    /// public key `tegata-centre init` left there, is entered in the register if that's still to be
    /// done: only who holds the book open writes into it.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open(dir: &DataDir, now: Time) -> Result<Self, Failure> {
        let house = House::load(dir)?;
        let public = PublicKeys::open(dir, now)?;
        let keys = OperationalKeys::open(dir)?;
        // The committer signs heads on its own thread, with a copy of the key of its own.
        let signer = Box::new(ReceiptsSigner(OperationalKeys::open(dir)?.into_receipts()));
        let store = SqliteStore::open(&dir.file("ledger.sqlite")?).or_exit(Exit::Damaged)?;
        let ledger = Ledger::open(store, 0, signer, &dir.file("heads")?).or_exit(Exit::Damaged)?;
        let register = LiveRegister::new(ledger.clone(), public.keys.register);
        let people = People::open(dir.path()).or_exit(Exit::Damaged)?;
        let credit = CreditLink::open(dir, &public)?;
        let sealing = house.sealing.as_ref();
        let sealing = sealing
            .map(|set| Sealing::open(dir, set, now))
            .transpose()?;
        let cards = house.cards.as_ref();
        let cards = cards.map(|set| CardDesk::open(dir, set, house.currency, ledger.clone()));
        let cards = cards.transpose()?.map(Arc::new);
        let paces = RateLimits::new(house.rates);
        let desk = Self {
            ledger,
            keys,
            public,
            house,
            people,
            credit,
            sealing,
            cards,
            register,
            paces,
        };
        desk.appoint_pending(dir, now)?;
        Ok(desk)
    }

    /// Takes a sealed message and gives the answer.
    pub async fn accept(&self, bytes: &[u8], now: Time) -> Answered {
        match self.hear(bytes, now) {
            Ok(Step::Answer(payload, back)) => self.answer(payload, None, &back),
            Ok(Step::Work(work, back)) => match tokio::task::spawn_blocking(work).await {
                Ok(payload) => self.answer(payload, None, &back),
                Err(_) => Answered::Fault,
            },
            Ok(Step::Draft(draft, back, then)) => self.commit(*draft, back, then, now).await,
            Err(Unheard::Unreadable(why)) => {
                tracing::info!(%why, "a message that can't be read");
                Answered::Unreadable
            }
            Err(Unheard::Fault(error)) => {
                tracing::error!(%error, "a message couldn't be judged");
                Answered::Fault
            }
            Err(Unheard::TooFast(party, seconds)) => {
                tracing::info!(%party, "a party sends too fast");
                Answered::TooFast(seconds)
            }
        }
    }

    fn hear(&self, bytes: &[u8], now: Time) -> Result<Step, Unheard> {
        let sealed = Sealed::parse(bytes).map_err(Unheard::because)?;
        if sealed.to != PartyNumber::CENTRE {
            return Err(Unheard::because("it's addressed to somebody else"));
        }
        let (parcel, reply) = sealed.open(&self.keys.opening).map_err(Unheard::because)?;
        let (label, _) = parcel.signed.label().map_err(Unheard::because)?;
        match label {
            Registration::LABEL => self.registration(parcel, reply, now),
            PrepaidRequest::LABEL => self.prepaid(parcel, reply, now),
            Payment::LABEL => self.payment(parcel, reply, now),
            Capture::LABEL => self.capture(parcel, reply, now),
            BillInquiry::LABEL => self.inquiry(parcel, reply, now),
            BalanceInquiry::LABEL => self.balance(parcel, reply, now),
            RecordInquiry::LABEL => self.own_record(parcel, reply, now),
            Collect::LABEL => self.collect(parcel, reply, now),
            CreditCardForm::LABEL => self.card(parcel, reply, now),
            CardPayment::LABEL => self.card_payment(parcel, reply, now),
            CardContact::LABEL => self.card_contact(parcel, reply, now),
            CardAnswer::LABEL => self.card_answer(parcel, reply, now),
            CardLoad::LABEL => self.card_load(parcel, reply, now),
            CardRequest::LABEL => self.card_request(parcel, reply, now),
            other => Err(Unheard::because(format!("type {other} isn't for a centre"))),
        }
    }

    /// Verifies a message by its sender's record.
    fn known<B: Body>(
        &self,
        parcel: Parcel,
        key: impl Fn(&PartyRecord) -> Option<VerifyingKey>,
        now: Time,
    ) -> Result<Heard<B>, Unheard> {
        let attachment = parcel.attached().unwrap_or_default().to_vec();
        let message = Unverified::<Message<B>>::parse(parcel.signed).map_err(Unheard::because)?;
        let from = message.claimed().from;
        let unknown = || Unheard::because(format!("{from} isn't registered"));
        let record = self.register.recall(from).map_err(Unheard::fault)?;
        let record = record.ok_or_else(unknown)?;
        let key = key(&record);
        let key = key.ok_or_else(|| Unheard::because(format!("{from} has no such key")))?;
        let message = message.verify(&key).map_err(Unheard::because)?;
        if message.to != PartyNumber::CENTRE {
            return Err(Unheard::because("it was signed for somebody else"));
        }
        let cost = self.admit(&message, now)?;
        Ok(Heard {
            message,
            record,
            attachment,
            cost,
        })
    }

    /// Counts a verified message. Who sends too fast may still ask again for what was answered.
    fn admit<B: Body>(&self, message: &Verified<Message<B>>, now: Time) -> Result<Cost, Unheard> {
        let party = message.from;
        let seconds = match self.paces.count(party, now) {
            Ok(cost) => return Ok(cost),
            Err(seconds) => seconds,
        };
        let id = message.id;
        let known = self
            .ledger
            .read(|book| book.reply_of(&MessageKey { party, id }));
        match known.map_err(Unheard::fault)? {
            Some(known) if known.message.digest == message.digest() => Ok(Cost::Free),
            _ => Err(Unheard::TooFast(party, seconds)),
        }
    }

    fn registration(&self, parcel: Parcel, reply: ReplyKey, now: Time) -> Result<Step, Unheard> {
        let details = parcel
            .attached()
            .and_then(|bytes| SaltedDetails::parse(bytes).ok());
        let message = Unverified::<Message<Registration>>::parse(parcel.signed);
        let message = message.map_err(Unheard::because)?;
        let key = message.claimed().body.claim.keys.signing;
        let message = message.verify(&key).map_err(Unheard::because)?;
        if message.to != PartyNumber::CENTRE {
            return Err(Unheard::because("it was signed for somebody else"));
        }
        let claim = &message.body.claim;
        let back = Back::new(&message, reply, &claim.keys.opening);
        let details = details.filter(|d| d.digest() == claim.details);
        let invited = self
            .people
            .invitation(message.from)
            .map_err(Unheard::fault)?;
        let Some(invited) = invited.filter(|i| message.body.vouched_by(message.from, &i.key))
        else {
            // A stranger may have written this: it's answered, but leaves no trace in the book.
            let untimely = message.check_time(now).map_err(|_e| Code::Untimely);
            let code = untimely.err().unwrap_or(Code::ActivationRefused);
            return Ok(Step::Answer(back.to.refusal(now, Refusal::new(code)), back));
        };
        let known = self.register.recall(message.from).map_err(Unheard::fault)?;
        let back = back.costing(self.admit(&message, now)?);
        let verdict = match known {
            None => check_claim(&message, &invited, details.as_ref(), now),
            Some(_) => timely(&message, now).and(Err(Code::AlreadyRegistered)),
        };
        let record = self.new_record(&message, now);
        let signed = sign_record(&self.keys, &record);
        let action = match verdict {
            Ok(()) => Action::Register {
                party: record.number,
                record: signed.as_bytes().to_vec(),
            },
            Err(code) => Action::Refuse(code.number()),
        };
        let to = back.to;
        let draft = draft(&message, None, action, now, move |d| {
            replies::fixed(
                to,
                Registered {
                    record: signed.clone(),
                },
                d,
            )
        });
        Ok(Step::Draft(
            Box::new(draft),
            back,
            Then::Enter(Box::new(record), details),
        ))
    }

    fn new_record(&self, message: &Verified<Message<Registration>>, now: Time) -> PartyRecord {
        let claim = &message.body.claim;
        PartyRecord {
            number: message.from,
            keys: claim.keys.clone(),
            profile: claim.profile.clone(),
            valid: lasting(now, RECORD_SECONDS),
            status: Status::Active,
        }
    }

    fn prepaid(&self, parcel: Parcel, reply: ReplyKey, now: Time) -> Result<Step, Unheard> {
        let heard = self.known::<PrepaidRequest>(parcel, signing, now)?;
        let back = heard.back(reply);
        let action = order(&heard, Role::Member, now, || {
            let checked = self.check_prepaid(&heard.message.body);
            Ok(checked.map(|()| interpret::prepaid(&heard.message, now)))
        })?;
        let to = back.to;
        let answer = PaymentReference {
            reference: interpret::reference_for(heard.message.digest())
                .as_str()
                .to_owned(),
            amount: heard.message.body.amount,
            funding: heard.message.body.funding,
            account: self.house.account.as_str().to_owned(),
            owner: self.house.account_owner.clone(),
            expires: now.after(interpret::REFERENCE_SECONDS),
        };
        let limits = (self.house.load_min, self.house.load_max);
        let draft = draft(&heard.message, None, action, now, move |d| {
            replies::prepaid(to, answer.clone(), limits, d)
        });
        Ok(Step::Draft(Box::new(draft), back, Then::Nothing))
    }

    fn check_prepaid(&self, request: &PrepaidRequest) -> Result<(), Code> {
        let (least, most) = (self.house.load_min, self.house.load_max);
        if request.amount.currency() != self.house.currency {
            return Err(Code::WrongCurrency);
        }
        if !(least.minor()..=most.minor()).contains(&request.amount.minor()) {
            return Err(Code::AmountOutOfRange);
        }
        match request.funding {
            Funding::Transfer | Funding::Deposit => Ok(()),
            Funding::Credit | Funding::Cash => Err(Code::FundingNotOffered),
        }
    }

    fn payment(&self, parcel: Parcel, reply: ReplyKey, now: Time) -> Result<Step, Unheard> {
        let heard = self.known::<Payment>(parcel, |record| record.keys.spending, now)?;
        let back = heard.back(reply);
        let mut bill = None;
        let action = order(&heard, Role::Member, now, || {
            let body = &heard.message.body;
            if let Err(code) = self.check_currency(body.amount) {
                return Ok(Err(code));
            }
            let decided = self.with_bill(&body.bill, || {
                interpret::payment(&heard.message, &self.register, now)
            })?;
            Ok(decided.map(|(found, action)| {
                bill = Some(found);
                action
            }))
        })?;
        let to = back.to;
        let draft = draft(&heard.message, None, action, now, move |d| match &bill {
            Some(bill) => replies::payment(to, bill, bill.digest(), d),
            None => replies::fixed(to, tegata_protocol::book::Done {}, d),
        });
        Ok(Step::Draft(Box::new(draft), back, Then::SendHead))
    }

    fn check_currency(&self, amount: Amount) -> Result<(), Code> {
        if amount.currency() == self.house.currency {
            Ok(())
        } else {
            Err(Code::WrongCurrency)
        }
    }

    /// Decides about a bill. A refusal is looked at twice: the register's failing isn't the shop's,
    /// and a bill whose number belongs to another one is invalid before it is anything else.
    fn with_bill<T>(
        &self,
        signed: &SignedBytes,
        decide: impl Fn() -> Result<T, Code>,
    ) -> Result<Result<T, Code>, Unheard> {
        let code = match decide() {
            Ok(decided) => return Ok(Ok(decided)),
            Err(code) => code,
        };
        let Ok(bill) = Unverified::<Bill>::parse(signed.clone()) else {
            return Ok(Err(code));
        };
        let shop = self.register.recall(bill.claimed().shop);
        if shop.map_err(Unheard::fault)?.is_none() || code == Code::BillInvalid {
            return Ok(decide());
        }
        let key = interpret::bill_key(bill.claimed());
        let known = self.ledger.read(|book| book.bill(&key));
        match known.map_err(Unheard::fault)? {
            Some(known) if known.digest != bill.digest() => Ok(Err(Code::BillInvalid)),
            _ => Ok(Err(code)),
        }
    }

    fn capture(&self, parcel: Parcel, reply: ReplyKey, now: Time) -> Result<Step, Unheard> {
        let heard = self.known::<Capture>(parcel, signing, now)?;
        let back = heard.back(reply);
        let delivery = heard.attachment.clone();
        let action = order(&heard, Role::Shop, now, || {
            let body = &heard.message.body;
            let checked = self.check_currency(body.amount);
            let checked =
                checked.and_then(|()| check_delivery(&delivery, body.delivery, &heard.record));
            Ok(checked.map(|()| interpret::capture(&heard.message)))
        })?;
        let (to, kept) = (back.to, Some(delivery.clone()));
        let draft = draft(&heard.message, kept, action, now, move |d| {
            replies::capture(to, &delivery, d)
        });
        Ok(Step::Draft(Box::new(draft), back, Then::Nothing))
    }

    fn inquiry(&self, parcel: Parcel, reply: ReplyKey, now: Time) -> Result<Step, Unheard> {
        let heard = self.known::<BillInquiry>(parcel, signing, now)?;
        let back = heard.back(reply);
        let action = order(&heard, Role::Shop, now, || {
            self.with_bill(&heard.message.body.bill, || {
                interpret::inquiry(&heard.message, &self.register, now)
            })
        })?;
        let (to, bill) = (back.to, heard.message.body.bill.digest());
        let draft = draft(&heard.message, None, action, now, move |d| {
            replies::inquiry(to, bill, d)
        });
        Ok(Step::Draft(Box::new(draft), back, Then::Nothing))
    }

    async fn commit(&self, draft: Draft, back: Back, then: Then, now: Time) -> Answered {
        let (done, waiting) = oneshot::channel();
        self.ledger.submit(draft, move |result| {
            // Whoever asked may have hung up; the book doesn't mind.
            drop(done.send(result));
        });
        match waiting.await {
            Ok(Ok(committed)) => self.committed(&committed, &back, then),
            Ok(Err(Fault::Conflict { key, position })) => {
                tracing::warn!(party = %key.party, %position, "a message id was used twice");
                let refusal = Refusal::new(Code::IdReused);
                self.answer(back.to.refusal(now, refusal), None, &back)
            }
            Ok(Err(Fault::Busy)) => Answered::Busy,
            Ok(Err(fault)) => {
                tracing::error!(
                    error = &fault as &dyn std::error::Error,
                    "a message wasn't booked"
                );
                Answered::Fault
            }
            Err(_) => Answered::Fault,
        }
    }

    fn committed(&self, committed: &Committed, back: &Back, then: Then) -> Answered {
        let accepted = matches!(committed.verdict, tegata_ledger::Verdict::Accepted);
        if committed.known && back.cost == Cost::Counted {
            self.paces.give_back(back.to.to);
        }
        let mut head = None;
        match then {
            Then::Enter(record, details) if accepted => {
                // A repetition finds what a crash, or a fault here, kept the first time from keeping.
                let entered = self.people.enter(record.number, details.as_ref());
                if !committed.known {
                    self.register.enter(*record);
                }
                if let Err(e) = entered {
                    tracing::error!(
                        error = &e as &dyn std::error::Error,
                        "personal details weren't kept"
                    );
                    return Answered::Fault;
                }
            }
            Then::Deny(card) if accepted => self.deny_card(card),
            Then::SendHead => head = Some(committed.head.to_vec()),
            Then::Nothing | Then::Enter(..) | Then::Deny(_) => {}
        }
        self.answer(committed.reply.to_vec(), head, back)
    }

    /// Signs a payload and seals it for the way back.
    fn answer(&self, payload: Vec<u8>, attachment: Option<Vec<u8>>, back: &Back) -> Answered {
        let Some(signed) = self.sign_kept(payload) else {
            tracing::error!("the book holds a reply that the centre never gives; run the audit");
            return Answered::Fault;
        };
        let parcel = match attachment {
            Some(bytes) => Parcel::with(signed, bytes),
            None => Parcel::new(signed),
        };
        match back.seal(&parcel) {
            Ok(reply) => Answered::Reply(reply.to_bytes()),
            Err(e) => {
                tracing::error!(error = %e, "a reply can't be sealed");
                Answered::Fault
            }
        }
    }
}

impl Back {
    fn new<B>(message: &Verified<Message<B>>, reply: ReplyKey, opening: &SealingKey) -> Self {
        let own = message.enc_digest == Some(reply.enc_digest());
        Self {
            to: Return {
                to: message.from,
                answers: message.digest(),
            },
            exported: own.then_some(reply),
            opening: opening.clone(),
            cost: Cost::Free,
        }
    }

    /// The same, of a request that cost its sender something.
    fn costing(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    fn seal(&self, parcel: &Parcel) -> Result<Reply, tegata_protocol::Malformed> {
        match &self.exported {
            Some(key) => Ok(Reply::exported(key, parcel, &mut rng())),
            None => {
                let sealed = Sealed::seal(self.to.to, &self.opening, parcel, &mut rng())?;
                Ok(Reply::Sealed(sealed))
            }
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of the ways to choose a key")]
fn signing(record: &PartyRecord) -> Option<VerifyingKey> {
    Some(record.keys.signing)
}

/// A draft of a party's verified message.
fn draft<B>(
    message: &Verified<Message<B>>,
    attachment: Option<Vec<u8>>,
    action: Action,
    now: Time,
    respond: impl Fn(&Decision) -> Response + Send + 'static,
) -> Draft {
    let key = MessageKey {
        party: message.from,
        id: message.id,
    };
    let evidence = evidence(EvidenceKind::Party, message.signed(), attachment);
    Draft::new(key, evidence, action, now, respond)
}

pub(crate) fn evidence(
    kind: EvidenceKind,
    signed: &SignedBytes,
    attachment: Option<Vec<u8>>,
) -> Evidence {
    Evidence {
        kind,
        bytes: Arc::from(signed.as_bytes()),
        attachment,
    }
}

/// From `now` on for so many seconds; five minutes earlier for those whose clock is behind.
pub(crate) fn lasting(now: Time, seconds: u64) -> Validity {
    let from = now.before(tegata_protocol::CLOCK_WINDOW);
    #[expect(
        clippy::expect_used,
        reason = "both spans in use are years, far from the end of time"
    )]
    Validity::new(from, now.after(seconds)).expect("a positive span")
}
