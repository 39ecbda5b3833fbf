//! The handler of messages: a shop's sealed message in, a signed and sealed reply out.
//!
//! ```text
//! bytes → open → sender's record verified (register) → signature verified     strangers: one answer
//!   StockUpload:  [ one durable transaction: answered before? → that reply
//!                   else clock, record, role, every key → keys in stock, reply stored ]
//!   StockInquiry, KeysWanted:  clock, record, role → reply, not stored
//! ```
//! A shop is known by the register's signed record of it. It travels as the parcel's attachment (a
//! bare COSE_Sign1): needed with the first message, taken over whenever it's newer than the one
//! that is kept. The centre, which opens forms too, is known by its certificates.
//!
//! The same sealed message may come in a file that somebody carried here ([`import`]); it then counts
//! whenever it was signed.

use std::sync::Arc;

use tegata_http::rate_limit::Permit;
use tegata_protocol::envelope::{Body, Message, Parcel, Sealed};
use tegata_protocol::order::{KeysWanted, Stock, StockInquiry, StockUpload};
use tegata_protocol::record::PartyRecord;
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{
    PartyNumber, ReplyKey, Role, SealingKey, SignedBytes, Time, Unverified, Verified, VerifyingKey,
};

use crate::service::{Rules, Service};
use crate::store::{StoreError, Tables};
use tegata_party::answering::{ReplyTo, sign_reply};
use tegata_party::keys::{Keys, KeysError};

pub mod made;
mod upload;

/// Why there's no reply.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Unopenable, unparseable or wrongly signed. Strangers learn no more; the log does.
    #[error("the message can't be read: {0}")]
    Unreadable(String),
    /// A fault of ours: the shop may send again.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A fault of ours. Opaque outside.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The wrapped seeds.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Something that we made or kept ourselves doesn't hold.
    #[error("what the service made or kept itself doesn't hold")]
    Made(#[from] tegata_protocol::Malformed),
    /// There's no program at all.
    #[error("no program was ever published: run `tegata-sealing program publish`")]
    NoProgram,
}

fn unreadable(why: impl ToString) -> Unanswered {
    Unanswered::Unreadable(why.to_string())
}

/// Answers a sealed message from an address that was counted.
///
/// # Errors
/// [`Unanswered`].
pub fn answer(service: &Service, _counted: Permit, bytes: &[u8]) -> Result<Vec<u8>, Unanswered> {
    let (parcel, reply_key) = open(service, bytes)?;
    let (label, _) = parcel.signed.label().map_err(unreadable)?;
    let reply = match label {
        StockUpload::LABEL => {
            let asked = Asked::<StockUpload>::read(service, parcel)?;
            (asked.back(), take(service, asked, Way::Network)?)
        }
        StockInquiry::LABEL => {
            let asked = Asked::<StockInquiry>::read(service, parcel)?;
            (asked.back(), report_stock(service, asked)?)
        }
        KeysWanted::LABEL => {
            let asked = Asked::<KeysWanted>::read(service, parcel)?;
            (asked.back(), made::hand_over(service, asked)?)
        }
        other => return Err(unreadable(format!("type {other} isn't answered here"))),
    };
    let (back, signed) = reply;
    let sealed = back.seal(signed, &reply_key);
    Ok(sealed.map_err(Fault::Made)?)
}

/// Takes a [`StockUpload`] that came in a file, sealed as it would travel. Gives who sent it, and
/// the stock or why nothing was taken.
///
/// # Errors
/// [`Unanswered`], also for a message of another type.
pub fn import(
    service: &Service,
    bytes: &[u8],
) -> Result<(PartyNumber, Result<Stock, Refusal>), Unanswered> {
    let (parcel, _) = open(service, bytes)?;
    let asked = Asked::<StockUpload>::read(service, parcel)?;
    let from = asked.sender.number;
    let signed = take(service, asked, Way::ByHand)?;
    let own = service.registered().keys.signing().verifying_key();
    let (label, _) = signed.label().map_err(Fault::Made)?;
    if label == Refusal::LABEL {
        return Ok((from, Err(said(signed, &own)?)));
    }
    Ok((from, Ok(said(signed, &own)?)))
}

/// What we signed ourselves.
fn said<B: Body>(signed: SignedBytes, own: &VerifyingKey) -> Result<B, Fault> {
    let message = Unverified::<Message<B>>::parse(signed)?;
    let forged = |_e| tegata_protocol::Malformed::field("reply", "not signed by this service");
    Ok(message.verify(own).map_err(forged)?.into_value().body)
}

fn open(service: &Service, bytes: &[u8]) -> Result<(Parcel, ReplyKey), Unanswered> {
    let sealed = Sealed::parse(bytes).map_err(unreadable)?;
    let opened = sealed.open(service.registered().keys.opening());
    opened.map_err(unreadable)
}

/// Who sends: what the register or the root certifies.
#[derive(Clone, Debug)]
struct Sender {
    number: PartyNumber,
    signing: VerifyingKey,
    opening: SealingKey,
    active: bool,
    /// A record that is newer than the one that was kept.
    news: Option<Verified<PartyRecord>>,
}

impl Sender {
    fn find(
        service: &Service,
        number: PartyNumber,
        attached: Option<&[u8]>,
    ) -> Result<Self, Unanswered> {
        let centre = service.centre();
        if number == PartyNumber::CENTRE {
            return Ok(Self {
                number,
                signing: centre.keys.receipts,
                opening: centre.keys.opening,
                active: true,
                news: None,
            });
        }
        let known = service.shop(number).map_err(Fault::Store)?;
        let attached = match attached {
            Some(bytes) => {
                let signed = SignedBytes::new(bytes.to_vec());
                let record = PartyRecord::verify(signed, &centre.keys.register);
                Some(record.map_err(unreadable)?)
            }
            None => None,
        };
        let attached = attached.filter(|record| record.number == number);
        let since = |record: &Verified<PartyRecord>| record.valid.from();
        let news = attached.filter(|new| known.as_ref().is_none_or(|old| since(old) < since(new)));
        let record = news.as_ref().or(known.as_ref());
        let record = record.ok_or_else(|| unreadable(format!("{number} isn't known here")))?;
        Ok(Self {
            number,
            signing: record.keys.signing,
            opening: record.keys.opening.clone(),
            active: record.is_active(service.now()),
            news,
        })
    }
}

/// A message whose signature held.
#[derive(Debug)]
struct Asked<B> {
    message: Verified<Message<B>>,
    sender: Sender,
}

impl<B: Body> Asked<B> {
    /// Everything before this is a stranger's.
    fn read(service: &Service, parcel: Parcel) -> Result<Self, Unanswered> {
        let attached = parcel.attached().map(<[u8]>::to_vec);
        let message = Unverified::<Message<B>>::parse(parcel.signed).map_err(unreadable)?;
        let from = message.claimed().from;
        let sender = Sender::find(service, from, attached.as_deref())?;
        let message = message.verify(&sender.signing).map_err(unreadable)?;
        match message.to == service.registered().number() {
            true => Ok(Self { message, sender }),
            false => Err(unreadable("it's addressed to somebody else")),
        }
    }

    /// Where its reply goes.
    fn back(&self) -> ReplyTo {
        ReplyTo::sender(&self.message, self.sender.opening.clone())
    }

    /// What can be refused of any message, in order of the codes.
    fn check(&self, way: Way, now: Time) -> Result<(), Refusal> {
        match (way, self.message.check_time(now)) {
            (Way::Network, Err(untimely)) => {
                return Err(Refusal::because(Code::Untimely, untimely.to_string()));
            }
            (Way::ByHand, _) | (Way::Network, Ok(())) => {}
        }
        if !self.sender.active {
            return Err(Refusal::new(Code::NotActive));
        }
        match self.sender.number.role() {
            Role::Shop | Role::Centre => Ok(()),
            Role::Member | Role::Gate | Role::Sealing => Err(Refusal::because(
                Code::WrongRole,
                "only shops and the centre have keys here",
            )),
        }
    }
}

/// How a message came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Network,
    /// In a file that the operator reads in: it may have been on its way for days.
    ByHand,
}

/// What a decision needs, owned, so that it can be made on the store's thread.
#[derive(Clone)]
struct Handler {
    number: PartyNumber,
    keys: Arc<Keys>,
    rules: Arc<Rules>,
    now: Time,
}

impl Handler {
    fn of(service: &Service) -> Self {
        Self {
            number: service.registered().number(),
            keys: Arc::clone(&service.registered().keys),
            rules: Arc::clone(service.rules()),
            now: service.now(),
        }
    }

    fn sign<A: Body, B: Body>(&self, asked: &Asked<A>, body: B) -> SignedBytes {
        sign_reply(
            self.keys.signing(),
            self.number,
            self.now,
            &asked.message,
            body,
        )
    }

    fn sign_any<A: Body, B: Body>(
        &self,
        asked: &Asked<A>,
        decided: Result<B, Refusal>,
    ) -> SignedBytes {
        match decided {
            Ok(body) => self.sign(asked, body),
            Err(refusal) => {
                tracing::info!(
                    shop = %asked.sender.number,
                    code = refusal.code.word(),
                    detail = refusal.detail,
                    "refused"
                );
                self.sign(asked, refusal)
            }
        }
    }

    fn stock(&self, tables: &Tables<'_>, shop: PartyNumber) -> Result<Stock, Fault> {
        Ok(Stock {
            piles: tables.piles(shop, self.rules.low, self.now)?,
            program: tables.newest_program()?.ok_or(Fault::NoProgram)?,
        })
    }
}

/// The stored reply to an upload, or a new one that is stored.
fn take(service: &Service, asked: Asked<StockUpload>, way: Way) -> Result<SignedBytes, Fault> {
    let handler = Handler::of(service);
    service.store().write(move |tables| {
        let (from, id) = (asked.sender.number, asked.message.id);
        let digest = asked.message.digest();
        if let Some(known) = tables.answered(from, id)? {
            return Ok(match known.digest == digest {
                true => known.reply,
                false => handler.sign(&asked, Refusal::new(Code::IdReused)),
            });
        }
        let decided = match asked.check(way, handler.now) {
            Ok(()) => handler.upload(tables, &asked)?,
            Err(refusal) => Err(refusal),
        };
        let reply = handler.sign_any(&asked, decided);
        tables.keep_answer(from, id, digest, &reply)?;
        Ok(reply)
    })
}

/// Replies with what a shop has in stock. Nothing is stored of it but a newer record.
fn report_stock(service: &Service, asked: Asked<StockInquiry>) -> Result<SignedBytes, Fault> {
    let handler = Handler::of(service);
    if let Err(refusal) = asked.check(Way::Network, handler.now) {
        return Ok(handler.sign_any::<_, Stock>(&asked, Err(refusal)));
    }
    if let Some(record) = asked.sender.news.clone() {
        service.store().write(move |tables| tables.learn(&record))?;
    }
    let shop = asked.sender.number;
    let stock = service.store().read(|tables| handler.stock(tables, shop))?;
    Ok(handler.sign(&asked, stock))
}
