//! The credit link (O13): card numbers that customers sealed for the centre alone.
//!
//! ```text
//! browser ── card, sealed to the certificate of purpose credit ──▶ shop ── CreditCardForm ──▶ here
//! shop ◀── CardKept: a reference and four digits ── here
//! ```
//! A shop passes on what it can't open. Here it's opened with a key that nothing else uses (`key`),
//! looked at (`details`), and kept encrypted for some days under another key (`store`); what leaves
//! this module is a random reference and the last four digits. No error, no log line and no `Debug`
//! text holds more. Asking a bank for money with a card (M7 i) will be done from here; it isn't yet.

use std::path::Path;

use tegata_cli::{data::DataDir, exit::Failure};
use tegata_protocol::{
    Digest, PartyNumber, Time, Unverified, Verified, cbor,
    order::{Binding, CardKept, CartToken, KeyKind, KeyScope, OpeningHalf, Scheme},
    record::{CentreKey, Certificate, Certificates, Purpose},
};

pub use details::{Card, Unusable};
pub use store::{KeptCard, StoreError};

use crate::keys::PublicKeys;
use store::Store;

mod details;
pub(crate) mod key;
mod store;

/// The most bytes of a card inside its sealing.
const CARD_LIMIT: usize = 512;
/// The certificate before the newest one: pages that were shown with it are still open.
const FORMER: &str = "credit-former.cbor";

/// Why a card isn't taken.
#[derive(Debug, thiserror::Error)]
pub enum CreditError {
    /// It doesn't open: another order's, another key's, cut off or changed.
    #[error("it was changed on the way, or sealed for another order")]
    Unopenable,
    /// It opens, and no card can be like this.
    #[error("{0}")]
    Unusable(#[from] Unusable),
    /// The order has another card already.
    #[error("another card is kept for this order")]
    Differs,
    /// The same was kept before, for as long as cards are kept.
    #[error("the card of this order was kept, and is deleted")]
    Deleted,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was kept doesn't open.
    #[error("the card {0} is damaged, or its key is lost")]
    Damaged(String),
}

/// The credit link of a centre that has one.
#[derive(Debug)]
pub struct CreditLink {
    opening: OpeningHalf,
    /// What pages may have sealed to, the newest first.
    certificates: Vec<Verified<Certificate>>,
    storing: key::StoringKey,
    store: Store,
}

impl CreditLink {
    /// Opens the link in `dir`; `None` for a centre that has no key for cards, or whose key the
    /// root hasn't certified yet.
    ///
    /// # Errors
    /// [`Failure`] when what is there can't be read.
    pub fn open(dir: &DataDir, public: &PublicKeys) -> Result<Option<Self>, Failure> {
        let Some(opening) = key::opening(dir)? else {
            return Ok(None);
        };
        let certified = |signed| {
            let certificate = Unverified::<Certificate>::parse(signed).ok()?;
            let certificate = certificate.verify(&public.root).ok()?;
            is_of(&certificate, opening.sealing_key()).then_some(certificate)
        };
        let mut signed = public.certificates.0.clone();
        if let Some(former) = dir.read_optional(FORMER)? {
            signed.extend(cbor::decode::<Certificates>(&former, 1 << 16).map_or(vec![], |c| c.0));
        }
        let certificates: Vec<_> = signed.into_iter().filter_map(certified).collect();
        if certificates.is_empty() {
            tracing::warn!("the key for card numbers isn't certified; run root certify");
            return Ok(None);
        }
        Ok(Some(Self {
            opening: OpeningHalf::Private(Box::new(opening)),
            certificates,
            storing: key::StoringKey::open(dir)?,
            store: open_store(dir.path())?,
        }))
    }

    /// Opens a card that came with an order's token (verified as `shop`'s own), and keeps it. The
    /// same card of the same order gets the same reference.
    ///
    /// # Errors
    /// [`CreditError`].
    pub fn keep(
        &self,
        shop: PartyNumber,
        token: &CartToken,
        sealed: &[u8],
        now: Time,
    ) -> Result<CardKept, CreditError> {
        let digest = Digest::of(sealed);
        if let Some(kept) = self.store.find(shop, token.order)? {
            return again(kept, digest);
        }
        let card = self.reveal_sealed(token, sealed, now)?;
        let reference = key::fresh_reference();
        let kept = KeptCard {
            shop,
            order: token.order,
            sealed: digest,
            last_four: card.last_four().to_owned(),
            received: now,
            reference,
        };
        let secret = self.storing.wrap(&kept.reference, &card.to_bytes());
        // Whoever was quicker with a card of this order has its reference kept.
        again(self.store.keep(&kept, &secret)?, digest)
    }

    fn reveal_sealed(
        &self,
        token: &CartToken,
        sealed: &[u8],
        now: Time,
    ) -> Result<Card, CreditError> {
        let open = |certificate| {
            let binding = Binding::of_card(certificate, token.order, token.cart);
            self.opening.open(scheme(), &binding, sealed).ok()
        };
        let plain = self.certificates.iter().find_map(open);
        let plain = plain.ok_or(CreditError::Unopenable)?;
        Ok(Card::read(&plain, now)?)
    }

    /// A kept card, for whoever asks a bank for money with it.
    ///
    /// # Errors
    /// [`CreditError::Deleted`] when there is none under this reference.
    pub fn card(&self, reference: &str) -> Result<Card, CreditError> {
        let secret = self.store.secret(reference)?.ok_or(CreditError::Deleted)?;
        let damaged = || CreditError::Damaged(reference.to_owned());
        let plain = self.storing.unwrap(reference, &secret);
        Card::of_bytes(&plain.ok_or_else(damaged)?).ok_or_else(damaged)
    }

    /// Deletes the cards that came before `until`; gives how many.
    ///
    /// # Errors
    /// [`CreditError::Store`].
    pub fn delete_before(&self, until: Time) -> Result<usize, CreditError> {
        Ok(self.store.delete_before(until)?)
    }
}

/// The cards that are kept now, for people: references and last digits. Needs no key.
///
/// # Errors
/// [`StoreError`].
pub fn list(dir: &Path) -> Result<Vec<KeptCard>, StoreError> {
    Store::open(dir)?.all()
}

fn open_store(dir: &Path) -> Result<Store, Failure> {
    use tegata_cli::exit::{Exit, OrExit as _};
    Store::open(dir).or_exit(Exit::Damaged)
}

/// A second sending of a card: the same bytes have the same reference.
fn again(kept: KeptCard, sealed: Digest) -> Result<CardKept, CreditError> {
    if kept.sealed != sealed {
        return Err(CreditError::Differs);
    }
    if kept.last_four.is_empty() {
        return Err(CreditError::Deleted);
    }
    let (reference, last_four) = (kept.reference, kept.last_four);
    Ok(CardKept {
        reference,
        last_four,
    })
}

/// Cards are sealed to a public key without communication keys.
fn scheme() -> Scheme {
    Scheme::new(KeyScope::Order, KeyKind::Public, 0).unwrap_or(Scheme::DEFAULT)
}

fn is_of(certificate: &Certificate, key: &tegata_protocol::SealingKey) -> bool {
    let same = matches!(&certificate.key, CentreKey::Sealing(of) if of == key);
    certificate.purpose == Purpose::Credit && same
}

/// Before new certificates replace the old ones: remembers that of the credit link, which pages
/// show for some minutes yet.
///
/// # Errors
/// [`Failure`].
pub(crate) fn remember_certificate(dir: &DataDir, old: &Certificates) -> Result<(), Failure> {
    let of_credit = |signed: &&tegata_protocol::SignedBytes| {
        let certificate = Unverified::<Certificate>::parse((*signed).clone());
        certificate.is_ok_and(|c| c.claimed().purpose == Purpose::Credit)
    };
    let former: Vec<_> = old.0.iter().filter(of_credit).cloned().collect();
    if !former.is_empty() {
        dir.write_atomic(FORMER, &cbor::encode(&Certificates(former)))?;
    }
    Ok(())
}
