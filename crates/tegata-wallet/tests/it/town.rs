//! A centre and a shop in this process, over real HTTP, that can be told to misbehave.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use tegata_protocol::{
    Amount, Currency, Digest, KeyId, MessageId, OpeningKey, PartyNumber, PaymentId, Role,
    SealingKey, SeriesId, SignedBytes, SigningKey, Suite, Time, TransactionNumber, Unverified,
    Validity, VerifyingKey, cbor,
    envelope::{Attachment, Body, Message, Parcel, Reply, Sealed},
    joining::{ActivationCode, RecordInquiry, Registered, Registration, Slip},
    payment::{
        BookPosition, Closing, Collect, Delivered, HoldClosed, Item, Mailbox, Payment, Receipt,
    },
    prepaid::{Balance, BalanceInquiry, Funding, PaymentReference, PrepaidCard, PrepaidRequest},
    purchase::{
        Bill, Delivery, DeliveryKind, Line, Offer, PurchaseRequest, Reservation, Rounding, TaxMode,
        TaxRate, Wish, compute_totals,
    },
    record::{
        CentreKey, Certificate, Certificates, ChainHead, PartyKeys, PartyRecord, Profile,
        ProgramDigest, Purpose, Status,
    },
    refusal::{Code, Refusal},
    ticket::{Serial, SeriesRecord, SeriesSecret, Ticket},
};

pub(crate) mod cards;
mod counters;

use counters::*;

pub(crate) const CODE: &str = "7Q4M-09XC-7Q4M-09XC";
pub(crate) const SERIES: u32 = 3;
pub(crate) const PRICE: u64 = 3000;

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(crate) fn now() -> Time {
    Time::from_secs(tegata_cli::clock::now())
}

pub(crate) fn yen(minor: u64) -> Amount {
    Amount::new(minor, Currency::JPY).unwrap()
}

pub(crate) fn member() -> PartyNumber {
    PartyNumber::new(Role::Member, 483_122_075).unwrap()
}

pub(crate) fn shop() -> PartyNumber {
    PartyNumber::new(Role::Shop, 7).unwrap()
}

pub(crate) fn signing(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn opening(seed: u8) -> OpeningKey {
    OpeningKey::from_seed(Suite::Standard, &[seed; 32])
}

pub(crate) fn root() -> SigningKey {
    signing(1)
}
pub(crate) fn register() -> SigningKey {
    signing(2)
}
fn receipts() -> SigningKey {
    signing(3)
}
pub(crate) fn shop_key() -> SigningKey {
    signing(4)
}
pub(crate) fn batch() -> SigningKey {
    signing(5)
}
fn centre_opening() -> OpeningKey {
    opening(6)
}
pub(crate) fn shop_opening() -> OpeningKey {
    opening(7)
}

pub(crate) fn secret() -> SeriesSecret {
    SeriesSecret::from_bytes([8; 32])
}

/// What the town does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mischief {
    #[default]
    None,
    /// Acts, then drops the connection.
    DropAfterActing,
    /// Drops the connection before reading anything of it.
    DropBeforeActing,
    /// Takes the request and never answers.
    NeverAnswer,
    /// Certificates by another root.
    FalseRoot,
    /// A program's digest by a key that isn't for lists.
    ForgedProgram,
    /// A bill by another key.
    ForgedBill,
    /// A bill whose total was changed.
    ChangedAmount,
    /// A bill for another request.
    OtherRequest,
    /// A receipt for another amount.
    OtherReceipt,
    /// A chain head that contradicts the one before.
    OtherHead,
    /// Tickets for somebody else's key.
    OtherHolder,
    /// Tickets that answer another request.
    OtherTicketRequest,
    /// Tickets by a key that isn't the series'.
    ForgedTicket,
    /// Another section than was asked for.
    OtherContents,
    /// A delivery that the shop didn't sign.
    ForgedDelivery,
    /// A delivery whose sender says it's for another member.
    OtherMember,
    /// Sealed to another member's key.
    OtherSeal,
    /// The shop has nothing left.
    SoldOut,
    /// No money.
    NoFunds,
    /// The mailbox leaves an item out.
    SkipItem,
    /// Another member's record, with the keys that were asked for.
    OtherSpending,
    /// A record that the register didn't sign.
    ForgedRecord,
}

/// What the centre and the shop know.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) mischief: Mischief,
    members: HashMap<PartyNumber, PartyKeys>,
    /// By (from, id): digest of the request and the reply.
    answered: HashMap<(PartyNumber, MessageId), (Digest, Parcel)>,
    pub(crate) mailbox: Vec<Item>,
    pub(crate) payments: Vec<(PaymentId, Digest)>,
    /// The digest of every signed message that asked somebody to act, each time it came.
    pub(crate) came: Vec<(u16, Digest)>,
    /// Every body that was posted, as it was on the wire.
    pub(crate) wire: Vec<Vec<u8>>,
    orders: HashMap<Digest, (Digest, MessageId, Reservation, PartyKeys)>,
    /// The digest of the message that is being answered.
    current: Option<Digest>,
    bell: Arc<Condvar>,
    pub(crate) balance: u64,
    /// The member's IC card, as the centre sees it.
    pub(crate) ic: Option<cards::Cards>,
    held: u64,
    cards: u64,
    transactions: u64,
}

type Shared = Arc<Mutex<Book>>;

/// A running town.
pub(crate) struct Town {
    pub(crate) centre: String,
    pub(crate) shop: String,
    book: Shared,
    /// Rings when a message that asks somebody to act has come.
    bell: Arc<Condvar>,
}

type Handler = fn(&Shared, &str, &str, &[u8]) -> Option<(u16, Vec<u8>)>;

impl Town {
    pub(crate) fn start() -> Self {
        let book = Shared::default();
        let bell = Arc::clone(&book.lock().unwrap().bell);
        Self {
            centre: serve(&book, centre),
            shop: serve(&book, shop_server),
            bell,
            book,
        }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    pub(crate) fn misbehave(&self, mischief: Mischief) {
        self.book().mischief = mischief;
    }

    pub(crate) fn slip(&self) -> Slip {
        Slip {
            centre: self.centre.clone(),
            root: root().verifying_key(),
            number: member(),
            code: CODE.parse::<ActivationCode>().unwrap(),
            terms: Digest::of(b"terms"),
        }
    }

    /// The bank's statement came.
    pub(crate) fn money_comes(&self, minor: u64, reference: &str) {
        let mut book = self.book();
        book.balance += minor;
        book.cards += 1;
        let card = PrepaidCard {
            number: book.cards,
            value: yen(minor),
            funding: Funding::Transfer,
            reference: reference.to_owned(),
            statement: "2026-1".into(),
            entry: 0,
            expires: now().after(86_400 * 100),
            balance: yen(book.balance),
        };
        book.post(card, None);
    }

    /// The shop captures what was paid for last, with the tickets.
    pub(crate) fn deliver(&self) {
        self.book().deliver();
    }

    /// The shop captures what was paid for last, with what it hands over for goods by post.
    pub(crate) fn confirm(&self, amount: u64, handed_over: Vec<u8>) {
        let digest = Digest::of(&handed_over);
        self.confirm_as(amount, handed_over, digest);
    }

    /// The same; the centre names another digest.
    pub(crate) fn confirm_as(&self, amount: u64, handed_over: Vec<u8>, delivery: Digest) {
        let mut book = self.book();
        let (payment, _) = *book.payments.last().unwrap();
        book.balance -= amount;
        book.held = 0;
        let delivered = Delivered {
            payment,
            amount: yen(amount),
            balance: yen(book.balance),
            delivery,
            position: position(91),
            card: book.card_of(&payment),
        };
        book.post(delivered, Some(handed_over));
    }

    /// The centre closes the last hold.
    pub(crate) fn close_hold(&self) {
        let mut book = self.book();
        let (payment, _) = *book.payments.last().unwrap();
        book.held = 0;
        let closed = HoldClosed {
            payment,
            shop: shop(),
            amount: yen(PRICE),
            closing: Closing::Expired,
            card: book.card_of(&payment),
        };
        book.post(closed, None);
    }

    /// Waits until a message of this type has come.
    pub(crate) fn wait_for(&self, label: u16) {
        let came = |book: &mut Book| !book.came.iter().any(|(l, _)| *l == label);
        drop(self.bell.wait_while(self.book(), came).unwrap());
    }

    /// How often a signed message of this type came, and how many different ones.
    pub(crate) fn came(&self, label: u16) -> (usize, usize) {
        let book = self.book();
        let digests: Vec<Digest> = book
            .came
            .iter()
            .filter(|(l, _)| *l == label)
            .map(|(_, d)| *d)
            .collect();
        let mut different = digests.clone();
        different.sort_unstable();
        different.dedup();
        (digests.len(), different.len())
    }
}

impl Book {
    /// Signs something to the member and puts it into the mailbox.
    pub(crate) fn post<B: Body>(&mut self, body: B, sealed: Option<Vec<u8>>) {
        let to = member();
        self.post_to(to, body, sealed);
    }

    pub(crate) fn post_to<B: Body>(&mut self, to: PartyNumber, body: B, sealed: Option<Vec<u8>>) {
        let signed = message(&receipts(), PartyNumber::CENTRE, to, None, body);
        self.push(signed, sealed);
    }

    pub(crate) fn push(&mut self, signed: SignedBytes, sealed: Option<Vec<u8>>) {
        let number = u64::try_from(self.mailbox.len()).unwrap() + 1;
        let sealed = sealed.map(|bytes| {
            let parcel = Parcel::with(signed.clone(), bytes);
            parcel.attachment.unwrap()
        });
        self.mailbox.push(Item {
            number,
            signed,
            sealed,
        });
    }

    fn deliver(&mut self) {
        let (payment, bill) = *self.payments.last().unwrap();
        let (request, id, reservation, keys) = self.orders.get(&bill).unwrap().clone();
        let mischief = self.mischief;
        let tickets = tickets(&request, &reservation, mischief);
        let delivery = Delivery {
            bill,
            tickets,
            series: shop_key().sign(&series()),
            request: Some(id),
        };
        let to = if mischief == Mischief::OtherMember {
            PartyNumber::new(Role::Member, 5).unwrap()
        } else {
            member()
        };
        let by = if mischief == Mischief::ForgedDelivery {
            signing(99)
        } else {
            shop_key()
        };
        let signed = message(&by, shop(), to, None, delivery);
        let other = opening(98);
        let key = if mischief == Mischief::OtherSeal {
            other.sealing_key()
        } else {
            &keys.opening
        };
        let sealed = Sealed::seal(to, key, &Parcel::new(signed), &mut rng()).unwrap();
        let sealed = sealed.to_bytes();
        self.balance -= PRICE;
        self.held = 0;
        let delivered = Delivered {
            payment,
            amount: yen(PRICE),
            balance: yen(self.balance),
            delivery: Digest::of(&sealed),
            position: position(90),
            card: self.card_of(&payment),
        };
        self.post(delivered, Some(sealed));
    }
}

fn tickets(request: &Digest, reservation: &Reservation, mischief: Mischief) -> Vec<SignedBytes> {
    let batch_id: KeyId = batch().verifying_key().id();
    let holders = reservation.holders.iter().zip(40..);
    let made = holders.map(|(holder, serial)| {
        let serial = Serial::new(serial);
        let id = SeriesId::new(SERIES);
        let mut ticket = Ticket {
            issuer: shop(),
            series: id,
            contents: reservation.contents.clone(),
            serial: secret().serial_key().encrypt(shop(), id, batch_id, serial),
            request: *request,
            holder: holder.clone(),
            keyword: reservation
                .keyword
                .as_ref()
                .map(|k| secret().keyword_tag(serial, k)),
            valid: Validity::new(now().before(60), now().after(3600)).unwrap(),
        };
        spoil(&mut ticket, mischief);
        if mischief == Mischief::ForgedTicket {
            return signing(97).sign(&ticket);
        }
        batch().sign(&ticket)
    });
    made.collect()
}

fn spoil(ticket: &mut Ticket, mischief: Mischief) {
    use tegata_protocol::ticket::{Contents, Holder, HolderKey, Seat};
    match mischief {
        Mischief::OtherHolder => {
            ticket.holder = Holder::Key(HolderKey(signing(96).verifying_key()));
        }
        Mischief::OtherTicketRequest => ticket.request = Digest::of(b"another"),
        Mischief::OtherContents => {
            ticket.contents = Contents::Admission(Seat {
                section: 2,
                row: 0,
                seat: 0,
            });
        }
        _ => {}
    }
}

pub(crate) fn series() -> SeriesRecord {
    SeriesRecord {
        issuer: shop(),
        series: SeriesId::new(SERIES),
        kind: "admission".into(),
        title: "Evening concert".into(),
        place: "Town hall".into(),
        valid: Validity::new(now().before(3600), now().after(86_400)).unwrap(),
        names: vec!["Stalls".into(), "Balcony".into()],
        rules: None,
        batches: vec![batch().verifying_key()],
        event_key: secret().event_key().sealing_key().clone(),
    }
}

/// The series record as a gate has it.
pub(crate) fn gate_series() -> tegata_protocol::Verified<SeriesRecord> {
    let signed = shop_key().sign(&series());
    let series = Unverified::parse(signed).unwrap();
    series.verify(&shop_key().verifying_key()).unwrap()
}

pub(crate) fn position(sequence: u64) -> BookPosition {
    BookPosition {
        committer: 1,
        sequence,
    }
}

pub(crate) fn message<B: Body>(
    key: &SigningKey,
    from: PartyNumber,
    to: PartyNumber,
    answers: Option<Digest>,
    body: B,
) -> SignedBytes {
    key.sign(&Message {
        from,
        to,
        id: MessageId::random(&mut rng()),
        time: now(),
        not_after: None,
        enc_digest: None,
        answers,
        body,
    })
}

/// A server on a free port: one thread, one request per connection.
fn serve(book: &Shared, handler: Handler) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let book = Arc::clone(book);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let book = Arc::clone(&book);
            std::thread::spawn(move || answer(&book, stream.unwrap(), handler));
        }
    });
    address
}

/// Whatever breaks here, the client sees a broken connection.
fn answer(book: &Shared, mut stream: TcpStream, handler: Handler) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return;
    };
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let Some((status, reply)) = handler(book, method, path, &body) else {
        return;
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        reply.len()
    );
    let sent = stream.write_all(head.as_bytes());
    drop(sent.and_then(|()| stream.write_all(&reply)));
}

fn centre(book: &Shared, method: &str, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mischief = book.lock().unwrap().mischief;
    match (method, path) {
        ("GET", "/v1/certificates") => Some((200, cbor::encode(&certificates(mischief)))),
        ("POST", "/v1/message") => post(book, body, &centre_opening(), centre_message),
        ("GET", path) if path.starts_with("/v1/terms/") => Some((200, b"terms".to_vec())),
        ("GET", "/programs/tegata-wallet.sign1.cbor" | "/programs/renamed.sign1.cbor") => {
            Some((200, program(mischief).into_bytes()))
        }
        _ => Some((404, Vec::new())),
    }
}

fn shop_server(book: &Shared, method: &str, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    match (method, path) {
        ("GET", "/v1/record") => {
            let keys = PartyKeys {
                spending: None,
                signing: shop_key().verifying_key(),
                opening: shop_opening().sealing_key().clone(),
            };
            let profile = Profile {
                name: "Hanamizuki Hall".into(),
                address: "http://shop.localhost:7402".into(),
            };
            let record = record(shop(), keys, Some(profile));
            Some((200, record.into_bytes()))
        }
        ("GET", "/v1/catalogue") => Some((200, br#"{"series":[{"number":3,"kind":"admission","title":"Evening concert","place":"Town hall","price":{"text":"JPY 3,000"},"left":9,"names":["Stalls","Balcony"]}]}"#.to_vec())),
        ("POST", "/v1/message") => post(book, body, &shop_opening(), shop_message),
        _ => Some((404, Vec::new())),
    }
}

fn record(number: PartyNumber, keys: PartyKeys, profile: Option<Profile>) -> SignedBytes {
    register().sign(&PartyRecord {
        number,
        keys,
        profile,
        valid: Validity::new(now().before(60), now().after(86_400)).unwrap(),
        status: Status::Active,
    })
}

fn certificates(mischief: Mischief) -> Certificates {
    let root = if mischief == Mischief::FalseRoot {
        signing(95)
    } else {
        root()
    };
    let one = |purpose, key| {
        root.sign(&Certificate {
            centre: "Town centre".into(),
            purpose,
            key,
            valid: Validity::new(now().before(60), now().after(86_400)).unwrap(),
        })
    };
    let verifying = |key: SigningKey| CentreKey::Verifying(key.verifying_key());
    Certificates(vec![
        one(Purpose::Register, verifying(register())),
        one(Purpose::Receipts, verifying(receipts())),
        one(Purpose::DebitOrders, verifying(cards::debit_orders())),
        one(Purpose::Lists, verifying(lists())),
        one(
            Purpose::Opening,
            CentreKey::Sealing(centre_opening().sealing_key().clone()),
        ),
    ])
}

/// What the centre offers for download as `tegata-wallet`.
pub(crate) const PROGRAM: &[u8] = b"\x7fELF a wallet";

fn program(mischief: Mischief) -> SignedBytes {
    let key = match mischief {
        Mischief::ForgedProgram => register(),
        _ => lists(),
    };
    key.sign(&ProgramDigest {
        name: "tegata-wallet".into(),
        edition: "0.1.0".into(),
        length: u64::try_from(PROGRAM.len()).unwrap(),
        digest: Digest::of(PROGRAM),
        published: now(),
    })
}

fn lists() -> SigningKey {
    signing(93)
}

type Act = fn(&mut Book, u16, &Parcel) -> Result<Parcel, &'static str>;

/// Opens, answers once per message, seals.
fn post(book: &Shared, body: &[u8], key: &OpeningKey, act: Act) -> Option<(u16, Vec<u8>)> {
    let mut book = book.lock().unwrap();
    book.wire.push(body.to_vec());
    let sealed = Sealed::parse(body).unwrap();
    let (parcel, reply_key) = sealed.open(key).unwrap();
    let (label, _) = parcel.signed.label().unwrap();
    if book.mischief == Mischief::DropBeforeActing && asks_to_act(label) {
        return None;
    }
    let Ok(reply) = act(&mut book, label, &parcel) else {
        return Some((400, br#"{"error":"unreadable"}"#.to_vec()));
    };
    if asks_to_act(label) {
        book.came.push((label, parcel.signed.digest()));
        book.bell.notify_all();
        match book.mischief {
            Mischief::DropAfterActing => return None,
            Mischief::NeverAnswer => {
                drop(book);
                std::thread::park();
                return None;
            }
            _ => {}
        }
    }
    let stranger = sender_opening(&book, &parcel);
    let reply = match enc_digest(&parcel) == Some(reply_key.enc_digest()) {
        true => Reply::exported(&reply_key, &reply, &mut rng()),
        false => {
            let (number, key) = stranger.unwrap();
            Reply::Sealed(Sealed::seal(number, &key, &reply, &mut rng()).unwrap())
        }
    };
    Some((200, reply.to_bytes()))
}

/// Everything but looking.
fn asks_to_act(label: u16) -> bool {
    ![BalanceInquiry::LABEL, Collect::LABEL, RecordInquiry::LABEL].contains(&label)
}

fn claimed<B: Body>(parcel: &Parcel) -> Message<B> {
    let parsed = Unverified::<Message<B>>::parse(parcel.signed.clone()).unwrap();
    parsed.claimed().clone_message()
}

trait CloneMessage<B> {
    fn clone_message(&self) -> Message<B>;
}

impl<B: Body> CloneMessage<B> for Message<B> {
    fn clone_message(&self) -> Message<B> {
        cbor::decode(&cbor::encode(self), 1 << 20).unwrap()
    }
}

/// Of any message: the digest of the sealing that it was signed for.
fn enc_digest(parcel: &Parcel) -> Option<Digest> {
    let label = parcel.signed.label().unwrap().0;
    if let Some(digest) = cards::enc_digest_of(label, parcel) {
        return digest;
    }
    match label {
        Registration::LABEL => claimed::<Registration>(parcel).enc_digest,
        PrepaidRequest::LABEL => claimed::<PrepaidRequest>(parcel).enc_digest,
        BalanceInquiry::LABEL => claimed::<BalanceInquiry>(parcel).enc_digest,
        Collect::LABEL => claimed::<Collect>(parcel).enc_digest,
        RecordInquiry::LABEL => claimed::<RecordInquiry>(parcel).enc_digest,
        Payment::LABEL => claimed::<Payment>(parcel).enc_digest,
        PurchaseRequest::LABEL => claimed::<PurchaseRequest>(parcel).enc_digest,
        other => panic!("type {other}"),
    }
}

fn sender_opening(book: &Book, parcel: &Parcel) -> Option<(PartyNumber, SealingKey)> {
    if parcel.signed.label().unwrap().0 == Registration::LABEL {
        let message = claimed::<Registration>(parcel);
        return Some((message.from, message.body.claim.keys.opening));
    }
    let keys = book.members.get(&member())?;
    Some((member(), keys.opening.clone()))
}

/// Verifies, answers a known message as before, and signs what `act` decides.
fn once<B: Body, R: Body>(
    book: &mut Book,
    parcel: &Parcel,
    key: &VerifyingKey,
    own: (PartyNumber, SigningKey),
    act: impl FnOnce(&mut Book, &Message<B>) -> Result<(R, Option<Vec<u8>>), Refusal>,
) -> Parcel {
    let digest = parcel.signed.digest();
    let message = Unverified::<Message<B>>::parse(parcel.signed.clone()).unwrap();
    let message = message.verify(key).unwrap();
    assert_eq!(message.to, own.0, "addressed to us");
    if let Some((known, reply)) = book.answered.get(&(message.from, message.id)) {
        assert_eq!(*known, digest, "one id, one message");
        return reply.clone();
    }
    message.check_time(now()).unwrap();
    let to = message.from;
    book.current = Some(digest);
    let reply = match act(book, &message) {
        Ok((body, attachment)) => Parcel {
            signed: self::message(&own.1, own.0, to, Some(digest), body),
            attachment: attachment.and_then(|a| {
                Parcel::with(SignedBytes::new(Vec::new()), a).attachment as Option<Attachment>
            }),
        },
        Err(refusal) => Parcel::new(self::message(&own.1, own.0, to, Some(digest), refusal)),
    };
    if asks_to_act(B::LABEL) {
        let key = (message.from, message.id);
        book.answered.insert(key, (digest, reply.clone()));
    }
    reply
}
