//! Buying (T1, T4, T5): a member's sealed request, and the shop's bill or refusal.

use core::fmt;

use minicbor::{Decode, Encode};
use zeroize::Zeroize;

pub use bill::{
    Bill, BillError, DeliveryKind, Line, MAX_LINES, Rounding, TaxMode, TaxRate, TaxTotal, Totals,
    compute_totals,
};

use crate::{
    Digest, Malformed, SeriesId, SignedBytes,
    envelope::Body,
    malformed::check_text,
    ticket::{Contents, Holder},
};

mod bill;

/// The most tickets in one request: what fits a delivery of 4 KiB.
pub const MAX_QUANTITY: usize = 4;

/// A member's request to a shop. Everyday key, sealed to the shop. The message's own random number
/// is the document's α (T4).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PurchaseRequest {
    /// The member's own record, so that the shop can verify and seal to it.
    #[n(0)]
    pub record: SignedBytes,
    /// What is asked for.
    #[n(1)]
    pub wish: Wish,
}

impl Body for PurchaseRequest {
    const LABEL: u16 = 30;
    const LIMIT: usize = 8 * 1024;

    fn check(&self) -> Result<(), Malformed> {
        match &self.wish {
            Wish::Reservation(r) => r.check(),
            Wish::Inquiry(text) => check_text("inquiry", text, 1000),
        }
    }
}

/// What a member asks a shop for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Wish {
    /// Tickets.
    #[n(0)]
    Reservation(#[n(0)] Reservation),
    /// Something else, in words. Shops answer it with `not_a_reservation` (T1, step 212).
    #[n(1)]
    Inquiry(#[n(0)] String),
}

/// Tickets of one series.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Reservation {
    /// Which series.
    #[n(0)]
    pub series: SeriesId,
    /// The contents wished for; the shop fills in what it assigns (a seat of 0 is free choice).
    #[n(1)]
    pub contents: Contents,
    /// One holder for each ticket, 1 to [`MAX_QUANTITY`], no two the same.
    #[n(2)]
    pub holders: Vec<Holder>,
    /// A keyword of the member's own: the tickets are of use only to who can give it (T5).
    #[n(3)]
    pub keyword: Option<Keyword>,
}

impl Reservation {
    fn check(&self) -> Result<(), Malformed> {
        self.contents.check()?;
        if self.holders.is_empty() || self.holders.len() > MAX_QUANTITY {
            return Err(Malformed::field(
                "holders",
                format!("expected 1 to {MAX_QUANTITY}"),
            ));
        }
        let repeated = self.holders.iter().enumerate().any(|(i, h)| {
            matches!(h, Holder::Key(_))
                && self
                    .holders
                    .iter()
                    .skip(i.saturating_add(1))
                    .any(|o| o == h)
        });
        if repeated {
            return Err(Malformed::field("holders", "one key holds two tickets"));
        }
        let bearer = self.holders.iter().any(|h| matches!(h, Holder::Bearer));
        if bearer && self.keyword.is_none() {
            return Err(Malformed::field("keyword", "a bearer ticket needs one"));
        }
        Ok(())
    }
}

/// A ticket's keyword, 4 to 64 bytes of text. Never printed.
#[derive(Clone, PartialEq, Eq, Encode, Zeroize)]
#[zeroize(drop)]
#[cbor(transparent)]
pub struct Keyword(#[n(0)] String);

impl Keyword {
    /// A keyword as typed; spaces around it don't count.
    ///
    /// # Errors
    /// [`Malformed::Field`] for fewer than 4 or more than 64 bytes.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        if text.len() < 4 {
            return Err(Malformed::field("keyword", "shorter than 4 letters"));
        }
        check_text("keyword", text, 64)?;
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyword(…)")
    }
}

impl<'b, C> Decode<'b, C> for Keyword {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self::new(d.str()?)?)
    }
}

/// The shop's reply: the quota is held, and this is to be paid.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Offer {
    /// The signed [`Bill`].
    #[n(0)]
    pub bill: SignedBytes,
    /// The signed [`crate::ticket::SeriesRecord`] that the tickets will be of.
    #[n(1)]
    pub series: SignedBytes,
}

impl Body for Offer {
    const LABEL: u16 = 31;
}

/// What the shop delivers once the money is held: tickets, signed and sealed to the member (T3).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Delivery {
    /// The digest of the signed bill.
    #[n(0)]
    pub bill: Digest,
    /// The signed tickets.
    #[n(1)]
    pub tickets: Vec<SignedBytes>,
    /// The signed series record.
    #[n(2)]
    pub series: SignedBytes,
}

impl Body for Delivery {
    const LABEL: u16 = 52;
    const LIMIT: usize = 4 * 1024;

    fn check(&self) -> Result<(), Malformed> {
        if self.tickets.is_empty() || self.tickets.len() > MAX_QUANTITY {
            return Err(Malformed::field(
                "tickets",
                format!("expected 1 to {MAX_QUANTITY}"),
            ));
        }
        Ok(())
    }
}
