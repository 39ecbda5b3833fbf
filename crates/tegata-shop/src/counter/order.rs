//! What the tickets of a sale will be made from, kept between bill and payment.
//!
//! It holds the keyword, so it lies wrapped in the database and is forgotten once the tickets are
//! made or the sale has lapsed.

use minicbor::{Decode, Encode};
use tegata_protocol::purchase::Keyword;
use tegata_protocol::ticket::{Contents, Holder};
use tegata_protocol::{MessageId, SealingKey, TransactionNumber, Validity, cbor};
use zeroize::Zeroizing;

use tegata_party::keys::{Keys, KeysError};

const LIMIT: usize = 8 * 1024;

/// An order.
#[derive(Debug, Encode, Decode)]
#[cbor(map)]
pub struct Order {
    /// The delivery is sealed to it.
    #[n(0)]
    pub opening: SealingKey,
    /// What each ticket is good for.
    #[n(1)]
    pub contents: Vec<Contents>,
    /// Who holds each.
    #[n(2)]
    pub holders: Vec<Holder>,
    /// The buyer's keyword (T5).
    #[n(3)]
    pub keyword: Option<Keyword>,
    /// When each may be used.
    #[n(4)]
    pub valid: Vec<Validity>,
    /// The request's message number; orders of earlier editions lack it.
    #[n(5)]
    pub request: Option<MessageId>,
}

impl Order {
    /// Wraps it for the database.
    pub fn wrap(&self, keys: &Keys, sale: TransactionNumber) -> Vec<u8> {
        let plain = Zeroizing::new(cbor::encode(self));
        keys.wrap(&label(sale), &plain)
    }

    /// Unwraps it.
    ///
    /// # Errors
    /// [`KeysError::Foreign`].
    pub fn unwrap(keys: &Keys, sale: TransactionNumber, wrapped: &[u8]) -> Result<Self, KeysError> {
        let plain = keys.unwrap(&label(sale), wrapped)?;
        cbor::decode(&plain, LIMIT).map_err(|_e| KeysError::Foreign)
    }
}

fn label(sale: TransactionNumber) -> Vec<u8> {
    format!("order {sale}").into_bytes()
}
