//! One good example of every signed type, made from fixed seeds: the vectors and most tests start
//! from these.

use std::sync::LazyLock;

use tegata_protocol::{
    Amount, CardNumber, Currency, Digest, Document, KeyId, MessageId, OpeningKey, PartyNumber,
    PaymentId, Role, SealingKey, SeriesId, SignedBytes, SigningKey, Suite, Time, TransactionNumber,
    Validity, VerifyingKey,
    book::{Done, Imported, ImportedEntry, Rule, StatementImport},
    card::{
        Answered, CardAnswer, CardBytes, CardContact, CardLoad, CardLoaded, CardOrder, CardOrders,
        CardPaid, CardPayment, CardReport, CardRequest, CardStep, CardTicket, Change, DebitOrder,
        Errand, Next,
    },
    envelope::{Attachment, Body, Message},
    joining::{
        ActivationCode, Claim, Details, RecordInquiry, Registered, Registration, SaltedDetails,
    },
    order::{
        CardKept, CartLine, CartToken, CreditCardForm, Field, FieldValue, KeyKind, KeyScope,
        KeySource, KeysWanted, MadeKey, MadeKeys, Maker, OpeningHalf, OrderForm, OrderId, OrderKey,
        OrderKeyId, OrderReceipt, Pile, ProgramEntry, Scheme, SealedOrder, SharedKey, Stock,
        StockInquiry, StockUpload, cart_digest,
    },
    payment::{
        BillAnswer, BillInquiry, BillState, BookPosition, Capture, Captured, Closing, Collect,
        Delivered, HoldClosed, Item, Mailbox, Mode, PaidNotice, Payment, Receipt,
    },
    prepaid::{Balance, BalanceInquiry, Funding, PaymentReference, PrepaidCard, PrepaidRequest},
    purchase::{
        Bill, Delivery, DeliveryKind, Keyword, Line, Offer, PurchaseRequest, Reservation, Rounding,
        TaxMode, TaxRate, Wish, compute_totals,
    },
    record::{
        CentreKey, Certificate, ChainHead, PartyKeys, PartyRecord, Profile, ProgramDigest, Purpose,
        Status,
    },
    refusal::{Code, Refusal},
    ticket::{
        Admission, Bet, CardUse, CheckData, Contents, Holder, Presentation, Ride, Seat, Serial,
        SerialSet, SeriesRecord, SeriesSecret, Stay, Ticket, Wager,
    },
};

use crate::{
    kinds::{KINDS, Kind},
    town,
};

mod cards;
mod orders;
mod parties;
mod tickets;
mod trade;

use cards::cards;
use orders::orders;
pub(crate) use orders::{ORDER, ORDER_SEED, cart_lines, order_form, order_key, sealed_order};
use parties::{REFERENCE, identities, joining, prepaid};
pub(crate) use parties::{claim, details, member_keys, other_keys, record};
pub(crate) use tickets::ticket;
use tickets::{book, shown, tickets};
pub(crate) use trade::bill;
use trade::{POSITION, mailbox, payment, payment_id, purchase, seat, series_record};

/// The keys of the example town, all from seeds of one repeated byte.
pub(crate) const ROOT: u8 = 10;
pub(crate) const REGISTER: u8 = 11;
pub(crate) const RECEIPTS: u8 = 6;
pub(crate) const LISTS: u8 = 16;
pub(crate) const CENTRE_OPENING: u8 = 5;
pub(crate) const EVERYDAY: u8 = 1;
pub(crate) const SPENDING: u8 = 12;
pub(crate) const MEMBER_OPENING: u8 = 3;
pub(crate) const SHOP: u8 = 2;
pub(crate) const SHOP_OPENING: u8 = 4;
pub(crate) const GATE: u8 = 8;
pub(crate) const GATE_OPENING: u8 = 13;
pub(crate) const OPERATOR: u8 = 14;
pub(crate) const OPERATOR_OPENING: u8 = 15;
pub(crate) const DEBIT_ORDERS: u8 = 7;
pub(crate) const SERVICE: u8 = 17;
pub(crate) const SERVICE_OPENING: u8 = 18;
pub(crate) const CREDIT: u8 = 19;
pub(crate) const BATCH: u8 = 20;
pub(crate) const HOLDER: u8 = 30;
pub(crate) const CODE: &str = "7Q4M-09XC-K3VA-PZ5T";

/// One good example.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) kind: &'static str,
    /// What sets it apart from others of its kind.
    pub(crate) note: &'static str,
    pub(crate) seed: u8,
    pub(crate) signed: SignedBytes,
}

impl Sample {
    pub(crate) fn key(&self) -> SigningKey {
        town::signing(self.seed)
    }
}

/// The first sample of a kind.
pub(crate) fn sample(kind: &str) -> Sample {
    let found = all().into_iter().find(|sample| sample.kind == kind);
    found.unwrap_or_else(|| panic!("no sample of {kind}"))
}

pub(crate) fn gate() -> PartyNumber {
    PartyNumber::new(Role::Gate, 31).unwrap()
}

pub(crate) fn service() -> PartyNumber {
    PartyNumber::new(Role::Sealing, 1).unwrap()
}

pub(crate) fn operator() -> PartyNumber {
    PartyNumber::new(Role::Centre, 2).unwrap()
}

pub(crate) fn yen(minor: u64) -> Amount {
    Amount::new(minor, Currency::JPY).unwrap()
}

fn year() -> Validity {
    Validity::new(town::NOW.before(86_400), town::NOW.after(364 * 86_400)).unwrap()
}

fn sealing(seed: u8) -> SealingKey {
    town::opening(seed).sealing_key().clone()
}

fn verifying(seed: u8) -> VerifyingKey {
    town::signing(seed).verifying_key()
}

fn document<T: Document>(kind: &'static str, note: &'static str, seed: u8, value: &T) -> Sample {
    let signed = town::signing(seed).sign(value);
    Sample {
        kind,
        note,
        seed,
        signed,
    }
}

/// A request, as it is signed for one sealing.
fn request<B: Body>(
    kind: &'static str,
    seed: u8,
    from: PartyNumber,
    to: PartyNumber,
    body: B,
) -> Sample {
    let message = Message {
        enc_digest: Some(Digest::of(b"the encapsulated key")),
        ..plain(from, to, B::LABEL, body)
    };
    document(kind, "", seed, &message)
}

/// A reply.
fn reply<B: Body>(
    kind: &'static str,
    seed: u8,
    from: PartyNumber,
    to: PartyNumber,
    body: B,
) -> Sample {
    let message = Message {
        answers: Some(Digest::of(b"the signed request")),
        ..plain(from, to, B::LABEL, body)
    };
    document(kind, "", seed, &message)
}

/// What the centre puts into a mailbox: no request, no sealing of its own.
fn notice<B: Body>(kind: &'static str, to: PartyNumber, body: B) -> Sample {
    let message = plain(PartyNumber::CENTRE, to, B::LABEL, body);
    document(kind, "", RECEIPTS, &message)
}

fn plain<B>(from: PartyNumber, to: PartyNumber, label: u16, body: B) -> Message<B> {
    let mut id = [0xA0; 16];
    id[14..].copy_from_slice(&label.to_be_bytes());
    Message {
        from,
        to,
        id: MessageId::from_bytes(id),
        time: town::NOW,
        not_after: None,
        enc_digest: None,
        answers: None,
        body,
    }
}

fn noted(mut sample: Sample, note: &'static str) -> Sample {
    sample.note = note;
    sample
}

/// Every sample. Each kind occurs at least once.
pub(crate) fn all() -> Vec<Sample> {
    static ALL: LazyLock<Vec<Sample>> = LazyLock::new(make_all);
    ALL.clone()
}

fn make_all() -> Vec<Sample> {
    let mut samples = identities();
    samples.extend(joining());
    samples.extend(prepaid());
    samples.extend(purchase());
    samples.extend(payment());
    samples.extend(mailbox());
    samples.extend(tickets());
    samples.extend(shown());
    samples.extend(book());
    samples.extend(orders());
    samples.extend(cards());
    samples
}

/// Opening keys of the compact suite, for what must be refused.
pub(crate) fn compact(seed: u8) -> OpeningKey {
    OpeningKey::from_seed(Suite::Compact, &[seed; 32])
}

/// Every kind has a sample, every sample is good, and no two kinds share a label.
#[test]
fn every_kind_has_a_good_sample() {
    let samples = all();
    for kind in KINDS {
        assert!(samples.iter().any(|s| s.kind == kind.name), "{}", kind.name);
        let same = KINDS.iter().filter(|other| other.label == kind.label);
        assert_eq!(same.count(), 1, "label {}", kind.label);
    }
    for sample in samples {
        let kind = Kind::named(sample.kind);
        let read = kind.read(sample.signed.as_bytes(), &sample.key().verifying_key());
        assert_eq!(read, Ok(()), "{} {}", sample.kind, sample.note);
        assert_eq!(sample.signed.label(), Ok((kind.label, kind.version)));
    }
}

/// T2: the ids that the samples lean on.
#[test]
fn a_batch_key_is_known_by_its_id() {
    let id: KeyId = verifying(BATCH).id();
    assert_eq!(series_record().batch(id), Some(&verifying(BATCH)));
    let secret: SeriesSecret = town::secret();
    assert_eq!(secret.event_key().sealing_key(), &series_record().event_key);
    assert_eq!(Time::from_secs(0).secs(), 0);
}
