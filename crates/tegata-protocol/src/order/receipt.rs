//! What comes back for a sealed order, and what becomes of a card number.

use minicbor::{Decode, Encode};

use super::OrderId;
use crate::{
    Amount, Digest, Document, Malformed, PartyNumber, SignedBytes, Time, envelope::Body,
    malformed::check_text,
};

/// The recipient's receipt: this order was opened and taken. Signed like its bills.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct OrderReceipt {
    /// Who took it.
    #[n(0)]
    pub recipient: PartyNumber,
    /// The order's number.
    #[n(1)]
    pub order: OrderId,
    /// SHA-256 of the [`super::SealedOrder`] as it was received.
    #[n(2)]
    pub sealed: Digest,
    /// [`super::cart_digest`] of what was ordered.
    #[n(3)]
    pub cart: Digest,
    /// What it costs; absent where nothing is bought.
    #[n(4)]
    pub total: Option<Amount>,
    /// The digest of the signed bill, where there's one to pay.
    #[n(5)]
    pub bill: Option<Digest>,
    /// When it was taken.
    #[n(6)]
    pub received: Time,
}

impl Document for OrderReceipt {
    const LABEL: u16 = 129;
    const LIMIT: usize = 512;

    fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// A shop passes a sealed card number on to the centre, whose credit link alone can open it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CreditCardForm {
    /// The signed [`super::CartToken`] of the order.
    #[n(0)]
    pub token: SignedBytes,
    /// The sealed card number.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

impl Body for CreditCardForm {
    const LABEL: u16 = 128;
    const LIMIT: usize = 4 * 1024;
}

/// The centre's reply: the credit link has the card, under this reference.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardKept {
    /// What shop and credit link call it by, 1 to 40 bytes.
    #[n(0)]
    pub reference: String,
    /// The number's last four digits, for people.
    #[n(1)]
    pub last_four: String,
}

impl Body for CardKept {
    const LABEL: u16 = 26;
    const LIMIT: usize = 512;

    fn check(&self) -> Result<(), Malformed> {
        check_text("reference", &self.reference, 40)?;
        if self.last_four.len() != 4 || !self.last_four.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Malformed::field("last_four", "expected four digits"));
        }
        Ok(())
    }
}
