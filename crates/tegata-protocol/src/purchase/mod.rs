//! Buying (T1, T4, T5): a member's sealed request, and the shop's bill or refusal.

use core::fmt;

use minicbor::{Decode, Encode};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroize;

pub use bill::{
    Bill, BillError, DeliveryKind, Line, MAX_LINES, Rounding, TaxMode, TaxRate, TaxTotal, Totals,
    compute_totals,
};

use crate::{
    Digest, Malformed, MessageId, SeriesId, SignedBytes,
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

/// The most bytes of a keyword: with more, a presentation of the longest ticket and a gate's
/// challenge wouldn't fit its QR code.
pub const KEYWORD_LIMIT: usize = 24;

/// A ticket's keyword, 4 to 24 bytes of text in Unicode's normal form NFKC: the same word typed on
/// another keyboard (full-width, composed or not) is the same keyword. Never printed.
#[derive(Clone, PartialEq, Eq, Encode, Zeroize)]
#[zeroize(drop)]
#[cbor(transparent)]
pub struct Keyword(#[n(0)] String);

impl Keyword {
    /// A keyword as typed, made normal; spaces around it don't count.
    ///
    /// # Errors
    /// [`Malformed::Field`] for fewer than 4 or more than [`KEYWORD_LIMIT`] bytes.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        // Four times the limit is more than any text that could still become short enough.
        check_text("keyword", text, 4 * KEYWORD_LIMIT)?;
        let mut normal: String = text.nfkc().collect();
        let keyword = normal.trim().to_owned();
        normal.zeroize();
        let keyword = Self(keyword);
        if keyword.0.len() < 4 {
            return Err(Malformed::field("keyword", "shorter than 4 letters"));
        }
        check_text("keyword", &keyword.0, KEYWORD_LIMIT)?;
        Ok(keyword)
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
    /// The request's message number. A wallet whose holder keys grow from it, and that has lost all
    /// but its master secret, finds them again by it.
    #[n(3)]
    pub request: Option<MessageId>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_keyword_from_another_keyboard_is_the_same() {
        let said = |text: &str| Keyword::new(text).unwrap();
        assert_eq!(said("  sakura 9 "), said("ｓａｋｕｒａ　９"));
        assert_eq!(said("Zürich"), said("Zu\u{308}rich"));
        assert_eq!(said("ガラス戸"), said("ｶﾞﾗｽ戸"));
        assert_ne!(said("sakura"), said("Sakura"));
        for bad in ["abc", " ab ", "", "a\tbcd", "\u{202E}abcd"] {
            assert!(Keyword::new(bad).is_err(), "{bad:?}");
        }
        assert!(Keyword::new(&"x".repeat(24)).is_ok());
        assert!(Keyword::new(&"x".repeat(25)).is_err());
    }

    #[test]
    fn a_keyword_travels_in_normal_form_only() {
        let wire = |text: &str| crate::cbor::encode(&text.to_owned());
        let read = |text: &str| crate::cbor::decode::<Keyword>(&wire(text), 100);
        assert!(read("sakura").is_ok());
        assert_eq!(read("ｓａｋｕｒａ"), Err(Malformed::NotDeterministic));
        assert_eq!(read(" sakura"), Err(Malformed::NotDeterministic));
    }
}
