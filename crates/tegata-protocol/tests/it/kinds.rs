//! Every signed type by its name in the specification, and how its bytes are read.

use tegata_protocol::{
    Document, Malformed, SignedBytes, Unverified, VerifyingKey,
    book::{Done, Imported, Rule, StatementImport},
    card::{
        CardAnswer, CardContact, CardLoad, CardLoaded, CardOrders, CardPaid, CardPayment,
        CardRequest, CardStep, DebitOrder,
    },
    envelope::{Body, Message},
    joining::{Possession, RecordInquiry, Registered, Registration},
    order::{
        CardKept, CartToken, CreditCardForm, KeysWanted, MadeKeys, OrderKey, OrderReceipt,
        ProgramEntry, Stock, StockInquiry, StockUpload,
    },
    payment::{
        BillAnswer, BillInquiry, Capture, Captured, Collect, Delivered, HoldClosed, Mailbox,
        PaidNotice, Payment, Receipt,
    },
    prepaid::{Balance, BalanceInquiry, PaymentReference, PrepaidCard, PrepaidRequest},
    purchase::{Bill, Delivery, Offer, PurchaseRequest},
    record::{Certificate, ChainHead, PartyRecord, ProgramDigest},
    refusal::Refusal,
    ticket::{Admission, CardUse, CheckData, Presentation, SeriesRecord, Ticket},
};

/// A kind of signed thing, by its name in the specification.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) label: u16,
    pub(crate) version: u8,
    pub(crate) limit: usize,
    pub(crate) message: bool,
    read: fn(SignedBytes, &VerifyingKey) -> Result<(), Reason>,
}

/// Why bytes aren't what they should be: the classes of the vectors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reason {
    pub(crate) class: &'static str,
    pub(crate) text: String,
}

impl From<Malformed> for Reason {
    fn from(e: Malformed) -> Self {
        let class = match &e {
            Malformed::TooLong { .. } => "too_long",
            Malformed::Cbor(_) => "cbor",
            Malformed::NotDeterministic => "not_deterministic",
            Malformed::Label { .. } => "label",
            Malformed::Field { .. } => "field",
        };
        Self {
            class,
            text: e.to_string(),
        }
    }
}

impl Kind {
    pub(crate) fn read(&self, bytes: &[u8], key: &VerifyingKey) -> Result<(), Reason> {
        (self.read)(SignedBytes::new(bytes.to_vec()), key)
    }

    pub(crate) fn named(name: &str) -> &'static Self {
        let found = KINDS.iter().find(|kind| kind.name == name);
        found.unwrap_or_else(|| panic!("no kind {name}"))
    }
}

fn read<T: Document>(signed: SignedBytes, key: &VerifyingKey) -> Result<(), Reason> {
    let unverified = Unverified::<T>::parse(signed)?;
    let verified = unverified.verify(key).map_err(|e| Reason {
        class: "forged",
        text: e.to_string(),
    })?;
    // What was decoded is what is encoded: nothing in the bytes was skipped.
    assert_eq!(
        tegata_protocol::payload_of(&*verified),
        verified.signed().payload().unwrap()
    );
    Ok(())
}

macro_rules! kinds {
    (documents { $($document:ty = $document_name:literal,)* } messages { $($body:ty = $name:literal,)* }) => {
        /// Every signed type.
        pub(crate) static KINDS: &[Kind] = &[
            $(Kind {
                name: $document_name,
                label: <$document as Document>::LABEL,
                version: <$document as Document>::VERSION,
                limit: <$document as Document>::LIMIT,
                message: false,
                read: read::<$document>,
            },)*
            $(Kind {
                name: $name,
                label: <$body as Body>::LABEL,
                version: <$body as Body>::VERSION,
                limit: <$body as Body>::LIMIT,
                message: true,
                read: read::<Message<$body>>,
            },)*
        ];
    };
}

kinds! {
    documents {
    Certificate = "certificate",
    PartyRecord = "party-record",
    ChainHead = "chain-head",
    ProgramDigest = "program-digest",
    Possession = "possession",
    Bill = "bill",
    Ticket = "ticket",
    SeriesRecord = "series-record",
    Presentation = "presentation",
    Admission = "admission",
    CardUse = "card-use",
    OrderKey = "order-key",
    CartToken = "cart-token",
    ProgramEntry = "program-entry",
    OrderReceipt = "order-receipt",
    DebitOrder = "debit-order",
    }
    messages {
    Refusal = "refusal",
    Registration = "registration",
    Registered = "registered",
    PrepaidRequest = "prepaid-request",
    PaymentReference = "payment-reference",
    PrepaidCard = "prepaid-card",
    BalanceInquiry = "balance-inquiry",
    Balance = "balance",
    RecordInquiry = "record-inquiry",
    PurchaseRequest = "purchase-request",
    Offer = "offer",
    Payment = "payment",
    Receipt = "receipt",
    PaidNotice = "paid-notice",
    Capture = "capture",
    Captured = "captured",
    BillInquiry = "bill-inquiry",
    BillAnswer = "bill-answer",
    HoldClosed = "hold-closed",
    Delivered = "delivered",
    Collect = "collect",
    Mailbox = "mailbox",
    Delivery = "delivery",
    CheckData = "check-data",
    StatementImport = "statement-import",
    Rule = "rule",
    Imported = "imported",
    Done = "done",
    StockUpload = "stock-upload",
    Stock = "stock",
    StockInquiry = "stock-inquiry",
    KeysWanted = "keys-wanted",
    MadeKeys = "made-keys",
    CreditCardForm = "card-form",
    CardKept = "card-kept",
    CardPayment = "card-payment",
    CardContact = "card-contact",
    CardAnswer = "card-answer",
    CardStep = "card-step",
    CardPaid = "card-paid",
    CardLoad = "card-load",
    CardLoaded = "card-loaded",
    CardRequest = "card-request",
    CardOrders = "card-orders",
    }
}
