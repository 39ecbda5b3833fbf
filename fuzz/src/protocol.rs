//! The protocol's own decoders.
//!
//! For signed types the input is the payload, `[label, version, body]`; it is signed here, so that
//! the fuzzer's way doesn't end at a signature that it can't make.

use std::sync::LazyLock;

use tegata_protocol::{
    Amount, Currency, Digest, Document, KeyId, Malformed, OpeningKey, PartyNumber, SealingKey,
    SignedBytes, SigningKey, Suite, Time, Unverified, VerifyingKey,
    book::{Done, Imported, Rule, StatementImport},
    card::{
        CardAnswer, CardContact, CardLoad, CardLoaded, CardOrders, CardPaid, CardPayment,
        CardRequest, CardStep, DebitOrder,
    },
    cbor,
    envelope::{Message, Reply, Sealed},
    joining::{
        ActivationCode, Possession, RecordInquiry, Registered, Registration, SaltedDetails, Slip,
    },
    order::{
        Binding, CardKept, CartToken, CreditCardForm, HandOut, KeyKind, KeySource, KeysWanted,
        MadeKeys, Maker, OpeningHalf, OrderForm, OrderId, OrderKey, OrderKeyId, OrderReceipt,
        ProgramEntry, Scheme, SealedOrder, Stock, StockInquiry, StockUpload, cart_digest,
    },
    payload_of,
    payment::{
        BillAnswer, BillInquiry, Capture, Captured, Collect, Delivered, HoldClosed, Mailbox,
        PaidNotice, Payment, Receipt,
    },
    prepaid::{Balance, BalanceInquiry, PaymentReference, PrepaidCard, PrepaidRequest},
    purchase::{Bill, Delivery, Keyword, Offer, PurchaseRequest, compute_totals},
    record::{Certificate, Certificates, ChainHead, PartyRecord, ProgramDigest},
    refusal::Refusal,
    ticket::{
        Admission, CardUse, CheckData, Presentation, SealedPresentation, SeriesRecord,
        SeriesSecret, Ticket,
    },
};

pub(crate) static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed(&[1; 32]));

/// Reads signed bytes as one type.
fn read<T: Document>(signed: &SignedBytes) -> Option<T> {
    let unverified = Unverified::<T>::parse(signed.clone()).ok()?;
    let verified = unverified
        .verify(&KEY.verifying_key())
        .expect("our own signature");
    let payload = signed.payload().expect("it was parsed");
    assert_eq!(
        payload_of(&*verified),
        payload,
        "accepted, but not what was sent"
    );
    Some(verified.into_value())
}

macro_rules! exchange {
    ($(#[$doc:meta])* $name:ident: $($kind:ty),+) => {
        $(#[$doc])*
        pub fn $name(payload: &[u8]) {
            let signed = KEY.sign_kept_payload(payload.to_vec());
            $(drop(read::<$kind>(&signed));)+
        }
    };
}

exchange!(
    /// Certificates, records, heads, digests of programs.
    identities: Certificate, PartyRecord, ChainHead, ProgramDigest
);
exchange!(
    /// Registrations and refusals.
    joining: Message<Registration>, Possession, Message<Registered>, Message<Refusal>,
    Message<RecordInquiry>
);
exchange!(
    /// Prepaid money.
    prepaid: Message<PrepaidRequest>, Message<PaymentReference>, Message<PrepaidCard>,
    Message<BalanceInquiry>, Message<Balance>
);
exchange!(
    /// Requests, offers, deliveries.
    purchase: Message<PurchaseRequest>, Message<Offer>, Message<Delivery>
);
exchange!(
    /// Payments, captures, mailboxes.
    payment: Message<Payment>, Message<Receipt>, Message<PaidNotice>, Message<Capture>,
    Message<Captured>, Message<BillInquiry>, Message<BillAnswer>, Message<HoldClosed>,
    Message<Delivered>, Message<Collect>, Message<Mailbox>
);
exchange!(
    /// Tickets and what gates have.
    ticket: Ticket, SeriesRecord, Message<CheckData>, Presentation, Admission, CardUse
);
exchange!(
    /// Imports and rules.
    book: Message<StatementImport>, Message<Rule>, Message<Imported>, Message<Done>
);

exchange!(
    /// Paying with cards.
    card: DebitOrder, Message<CardPayment>, Message<CardContact>, Message<CardAnswer>,
    Message<CardStep>, Message<CardPaid>, Message<CardLoad>, Message<CardLoaded>,
    Message<CardRequest>, Message<CardOrders>
);

exchange!(
    /// Keys, tokens, stock and receipts of sealed orders.
    order: OrderKey, CartToken, ProgramEntry, OrderReceipt, Message<StockUpload>,
    Message<StockInquiry>, Message<Stock>, Message<KeysWanted>, Message<MadeKeys>,
    Message<CreditCardForm>, Message<CardKept>
);

/// Bills: what is accepted has the totals that are computed again.
pub fn bill(payload: &[u8]) {
    let signed = KEY.sign_kept_payload(payload.to_vec());
    if let Some(bill) = read::<Bill>(&signed) {
        let totals = compute_totals(&bill.lines, bill.tip, bill.rounding);
        assert_eq!(totals.as_ref(), Ok(&bill.totals));
    }
}

/// The COSE_Sign1 around everything, as it comes.
pub fn sign1(bytes: &[u8]) {
    let signed = SignedBytes::new(bytes.to_vec());
    let label = signed.label();
    if let Ok(payload) = signed.payload() {
        assert!(payload.len() < bytes.len());
    } else {
        assert!(label.is_err(), "a label without payload");
    }
    if let Ok(unverified) = Unverified::<Message<Collect>>::parse(signed) {
        // Nobody has this key: a signature that holds was forged.
        let key = SigningKey::from_seed(&[0x77; 32]).verifying_key();
        assert!(unverified.verify(&key).is_err());
    }
}

/// Sealed messages and replies from the wire.
pub fn sealed(bytes: &[u8]) {
    static OPENING: LazyLock<OpeningKey> =
        LazyLock::new(|| OpeningKey::from_seed(Suite::Compact, &[5; 32]));
    if let Ok(sealed) = Sealed::parse(bytes) {
        assert_eq!(sealed.to_bytes(), bytes);
        drop(sealed.open(&OPENING));
    }
    if let Ok(reply) = Reply::parse(bytes) {
        assert_eq!(reply.to_bytes(), bytes);
    }
    drop(cbor::decode::<Certificates>(bytes, 64 * 1024));
}

/// A key for orders of this kind, and what an order is bound to.
fn order_town(kind: KeyKind, suite: Suite, layers: u8) -> (Scheme, OpeningHalf, Binding) {
    let scheme = Scheme::new(Scheme::DEFAULT.scope(), kind, layers).expect("at most three");
    let half = OpeningHalf::from_seed(kind, suite, &[60; 32]);
    let key = OrderKey {
        recipient: PartyNumber::CENTRE,
        id: OrderKeyId::from_bytes([0; 16]),
        scheme,
        member: None,
        part: half.sealing_part(),
        expires: Time::from_secs(60),
        program: Digest::of(b"program"),
        maker: Maker::Recipient,
        source: KeySource::Regular,
        made: Time::from_secs(0),
    };
    let unverified = Unverified::parse(KEY.sign(&key)).expect("a good key");
    let key = unverified
        .verify(&KEY.verifying_key())
        .expect("our own signature");
    let binding = Binding::new(&key, OrderId::from_bytes([0; 16]), cart_digest(&[]));
    (scheme, half, binding)
}

/// Sealed orders from the wire, and sealed bytes: nobody knows what would open here.
pub fn sealed_order(bytes: &[u8]) {
    static TOWNS: LazyLock<Vec<(Scheme, OpeningHalf, Binding)>> = LazyLock::new(|| {
        let kinds = [
            (KeyKind::Shared, Suite::Compact),
            (KeyKind::Public, Suite::Compact),
            (KeyKind::Public, Suite::Standard),
        ];
        let all = kinds.into_iter();
        all.flat_map(|(kind, suite)| (0..=3).map(move |n| order_town(kind, suite, n)))
            .collect()
    });
    let mut sealed = bytes.to_vec();
    if let Ok(order) = SealedOrder::parse(bytes) {
        assert_eq!(order.to_bytes(), bytes);
        sealed = order.sealed;
    }
    for (scheme, half, binding) in TOWNS.iter() {
        assert!(half.open(*scheme, binding, &sealed).is_err());
    }
}

/// What is inside a sealed order, and what a browser is sent.
pub fn order_form(bytes: &[u8]) {
    if let Ok(form) = OrderForm::parse(bytes) {
        assert_eq!(form.to_bytes().as_slice(), bytes);
        let _digest = cart_digest(&form.lines);
        for field in &form.fields {
            let _text = form.text(&field.name);
        }
    }
    drop(cbor::decode::<HandOut>(bytes, 64 * 1024));
}

/// What a gate's camera sees.
pub fn presentation(bytes: &[u8]) {
    static EVENT: LazyLock<OpeningKey> =
        LazyLock::new(|| SeriesSecret::from_bytes([7; 32]).event_key());
    if let Ok(sealed) = SealedPresentation::parse(bytes) {
        assert_eq!(cbor::encode(&sealed), bytes);
        drop(sealed.open(&EVENT));
    }
}

/// Personal details beside a registration.
pub fn details(bytes: &[u8]) {
    if let Ok(salted) = SaltedDetails::parse(bytes) {
        assert_eq!(salted.to_bytes(), bytes);
    }
}

/// Public keys: what is accepted can be used.
pub fn keys(bytes: &[u8]) {
    let Some((suite, key)) = bytes.split_first() else {
        return;
    };
    if let Ok(key) = <[u8; 32]>::try_from(key)
        && let Ok(key) = VerifyingKey::from_bytes(&key)
    {
        assert!(!key.verifies(b"message", &[0; 64]));
    }
    let suite = if suite % 2 == 0 {
        Suite::Compact
    } else {
        Suite::Standard
    };
    if let Ok(key) = SealingKey::from_bytes(suite, key) {
        assert_eq!(
            cbor::decode::<SealingKey>(&cbor::encode(&key), 2048),
            Ok(key.clone())
        );
        assert_eq!(key.id(), KeyId::of(key.as_bytes()));
    }
}

/// What people type and programs are told in words.
pub fn typed(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(number) = text.parse::<PartyNumber>() {
        assert_eq!(number.to_string().parse(), Ok(number));
    }
    if let Ok(code) = text.parse::<ActivationCode>() {
        assert_eq!(code.reveal().parse::<ActivationCode>().as_ref(), Ok(&code));
    }
    if let Ok(slip) = text.parse::<Slip>() {
        let again: Result<Slip, Malformed> = slip.reveal().parse();
        assert_eq!(
            again.map(|s| (s.number, s.terms)),
            Ok((slip.number, slip.terms))
        );
    }
    if let Ok(amount) = Amount::parse(text, Currency::EUR) {
        assert!(amount.minor() <= tegata_protocol::MAX_MINOR);
    }
    if let Ok(scheme) = text.parse::<Scheme>() {
        assert_eq!(scheme.to_string().parse(), Ok(scheme));
    }
    if let Ok(keyword) = Keyword::new(text) {
        assert_eq!(cbor::decode(&cbor::encode(&keyword), 64), Ok(keyword));
    }
    let _digest = Digest::from_hex(text);
    let _shown = Time::from_secs(bytes.len() as u64 * 31_556_952).to_string();
}
