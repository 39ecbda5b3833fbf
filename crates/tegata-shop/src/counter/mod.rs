//! The counter: a member's sealed request (T1) in, a signed and sealed bill or refusal out.
//!
//! ```text
//! bytes → open → record verified (register) → signature verified (everyday key)     strangers: one answer
//!       → not answered before? then counted; too many: wait, nothing is kept
//!       → [ one durable transaction:
//!             answered before?  → the stored reply; other bytes under that id → id_reused
//!             clock, record, offer, holders, open bills, quota, seats → refusal
//!             else quota held, seats assigned, bill signed
//!             reply stored ]
//!       → reply sealed
//! ```
//! A reply is final: whoever sends the same bytes after a month gets it again (T4). Faults aren't
//! stored; the member sends again.

use std::sync::Arc;

use tegata_http::rate_limit::Permit;
use tegata_protocol::envelope::{Body, Message, Sealed};
use tegata_protocol::purchase::{Offer, PurchaseRequest, Wish};
use tegata_protocol::record::PartyRecord;
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{Malformed, PartyNumber, Role, SignedBytes, Time, Unverified, Verified};

use crate::catalogue::Catalogue;
use crate::series::SeriesError;
use crate::shop::{Rules, Shop};
use crate::store::{StoreError, Tables};
use tegata_party::answering::{ReplyTo, sign_reply};
use tegata_party::keys::{Keys, KeysError};

mod bill;
mod grant;
pub mod order;

pub(crate) use bill::cut;
pub(crate) use grant::free_number;

/// Why there's no reply.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Unopenable, unparseable or wrongly signed. Strangers learn no more; the log does.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// Too many messages of one member.
    #[error("too many messages; wait {0} seconds")]
    TooFast(u64),
    /// A fault of ours: the member may send again.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A fault of ours. Opaque outside.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The series.
    #[error(transparent)]
    Series(#[from] SeriesError),
    /// The wrapped secrets.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Something that we made ourselves doesn't hold.
    #[error("what the shop made itself doesn't hold")]
    Made(#[from] Malformed),
    /// A bill can't be computed.
    #[error(transparent)]
    Bill(#[from] tegata_protocol::purchase::BillError),
}

fn unreadable(why: impl ToString) -> Unanswered {
    Unanswered::Unreadable(why.to_string())
}

/// A request whose record and signature held.
struct Asked {
    request: Verified<Message<PurchaseRequest>>,
    record: Verified<PartyRecord>,
}

/// Answers a sealed message from an address that was counted.
///
/// # Errors
/// [`Unanswered`].
pub fn answer(shop: &Shop, _counted: Permit, bytes: &[u8]) -> Result<Vec<u8>, Unanswered> {
    let sealed = Sealed::parse(bytes).map_err(unreadable)?;
    let opened = sealed.open(shop.registered().keys.opening());
    let (parcel, reply_key) = opened.map_err(unreadable)?;
    let asked = read(shop, parcel.signed)?;
    if !is_repetition(shop, &asked)? {
        let counted = shop.rate_limits().member(asked.request.from, shop.now());
        counted.map_err(|late| Unanswered::TooFast(late.seconds))?;
    }
    let opening = asked.record.keys.opening.clone();
    let back = ReplyTo::sender(&asked.request, opening);
    let handler = Handler::of(shop);
    let reply = shop
        .store()
        .write(move |tables| handler.reply_to(tables, &asked))?;
    shop.wake_fulfilment();
    let sealed = back.seal(reply, &reply_key);
    Ok(sealed.map_err(Fault::Made)?)
}

/// Who says it, and did they sign it? Everything before this line is a stranger's.
fn read(shop: &Shop, signed: SignedBytes) -> Result<Asked, Unanswered> {
    let request = Unverified::<Message<PurchaseRequest>>::parse(signed).map_err(unreadable)?;
    let register = shop.centre().keys.register;
    let record = PartyRecord::verify(request.claimed().body.record.clone(), &register);
    let record = record.map_err(unreadable)?;
    let request = request.verify(&record.keys.signing).map_err(unreadable)?;
    if request.to != shop.registered().number() {
        return Err(unreadable("it's addressed to somebody else"));
    }
    if request.from != record.number {
        return Err(unreadable("the record is another party's"));
    }
    Ok(Asked { request, record })
}

/// Was this very message answered before? It gets its stored reply, whatever the limit.
fn is_repetition(shop: &Shop, asked: &Asked) -> Result<bool, Fault> {
    let (from, id) = (asked.request.from, asked.request.id);
    let known = shop.store().read(|tables| tables.answered(from, id))?;
    Ok(known.is_some_and(|known| known.digest == asked.request.digest()))
}

/// What a decision needs, owned, so that it can be made on the store's thread.
struct Handler {
    number: PartyNumber,
    keys: Arc<Keys>,
    catalogue: Arc<Catalogue>,
    rules: Rules,
    now: Time,
}

impl Handler {
    fn of(shop: &Shop) -> Self {
        Self {
            number: shop.registered().number(),
            keys: Arc::clone(&shop.registered().keys),
            catalogue: shop.catalogue(),
            rules: shop.rules(),
            now: shop.now(),
        }
    }

    /// The stored reply, or a new one that is stored.
    fn reply_to(&self, tables: &Tables<'_>, asked: &Asked) -> Result<SignedBytes, Fault> {
        let (from, id, digest) = (asked.request.from, asked.request.id, asked.request.digest());
        if let Some(known) = tables.answered(from, id)? {
            return Ok(match known.digest == digest {
                true => known.reply,
                false => self.sign(asked, Refusal::new(Code::IdReused)),
            });
        }
        let reply = match self.decide(tables, asked)? {
            Ok(offer) => self.sign(asked, offer),
            Err(refusal) => {
                tracing::info!(member = %from, code = refusal.code.word(), "refused");
                self.sign(asked, refusal)
            }
        };
        tables.keep_answer(from, id, digest, &reply)?;
        Ok(reply)
    }

    /// Everything that can be refused, in order of the codes.
    fn decide(&self, tables: &Tables<'_>, asked: &Asked) -> Result<Result<Offer, Refusal>, Fault> {
        if let Err(refusal) = self.check_sender(asked) {
            return Ok(Err(refusal));
        }
        let reservation = match &asked.request.body.wish {
            Wish::Reservation(reservation) => reservation,
            Wish::Inquiry(_) => return Ok(Err(Refusal::new(Code::NotAReservation))),
        };
        let Some(offer) = self.catalogue.offer(reservation.series) else {
            return Ok(Err(Refusal::new(Code::SeriesUnknown)));
        };
        if let Err(refusal) = offer.fits(&self.catalogue, reservation, self.now) {
            return Ok(Err(refusal));
        }
        self.grant(tables, asked, offer, reservation)
    }

    fn check_sender(&self, asked: &Asked) -> Result<(), Refusal> {
        if let Err(untimely) = asked.request.check_time(self.now) {
            return Err(Refusal::because(Code::Untimely, untimely.to_string()));
        }
        if !asked.record.is_active(self.now) {
            return Err(Refusal::new(Code::NotActive));
        }
        if asked.record.number.role() != Role::Member {
            return Err(Refusal::because(Code::WrongRole, "only members buy"));
        }
        Ok(())
    }

    fn sign<B: Body>(&self, asked: &Asked, body: B) -> SignedBytes {
        sign_reply(
            self.keys.signing(),
            self.number,
            self.now,
            &asked.request,
            body,
        )
    }
}
