//! What is ordered, and the shop's word for it.

use minicbor::{Decode, Encode};

use super::{
    Maker, OrderId, Scheme,
    key::{check_member, check_recipient},
};
use crate::{
    Amount, Digest, Document, Malformed, PartyNumber, Role, Time, cbor, malformed::check_text,
};

/// The most lines of an order.
pub const MAX_CART_LINES: usize = 500;
/// The most pieces of one line.
const MAX_QUANTITY: u32 = 9_999;

/// A line of an order.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct CartLine {
    /// The product's name in the shop's catalogue, 1 to 40 bytes.
    #[n(0)]
    pub product: String,
    /// How many, 1 to 9,999.
    #[n(1)]
    pub quantity: u32,
}

/// Checks the lines of a cart; a form that orders nothing has none.
///
/// # Errors
/// [`Malformed::Field`].
pub(super) fn check_lines(lines: &[CartLine]) -> Result<(), Malformed> {
    if lines.len() > MAX_CART_LINES {
        let why = format!("{} lines where {MAX_CART_LINES} are allowed", lines.len());
        return Err(Malformed::field("lines", why));
    }
    for line in lines {
        check_text("product", &line.product, 40)?;
        if line.quantity == 0 || line.quantity > MAX_QUANTITY {
            return Err(Malformed::field("quantity", "expected 1 to 9,999"));
        }
    }
    Ok(())
}

/// SHA-256 of the lines' deterministic CBOR: what the token and the sealing are bound to.
pub fn cart_digest(lines: &[CartLine]) -> Digest {
    struct Lines<'a>(&'a [CartLine]);
    impl<C> Encode<C> for Lines<'_> {
        fn encode<W: minicbor::encode::Write>(
            &self,
            e: &mut minicbor::Encoder<W>,
            ctx: &mut C,
        ) -> Result<(), minicbor::encode::Error<W::Error>> {
            self.0.encode(e, ctx)
        }
    }
    Digest::of(&cbor::encode(&Lines(lines)))
}

/// The recipient's word that it waits for this order: the sealing service hands a key out against
/// it, and the sealed order comes back with it. Signed like the recipient's bills.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CartToken {
    /// Who waits for the order.
    #[n(0)]
    pub recipient: PartyNumber,
    /// The order's number.
    #[n(1)]
    pub order: OrderId,
    /// [`cart_digest`] of what is ordered.
    #[n(2)]
    pub cart: Digest,
    /// What it costs; absent where nothing is bought.
    #[n(3)]
    pub total: Option<Amount>,
    /// How it's to be sealed.
    #[n(4)]
    pub scheme: Scheme,
    /// Who may make the key.
    #[n(5)]
    pub maker: Maker,
    /// May a browser that lacks X-Wing seal with suite `compact`?
    #[n(6)]
    pub compact: bool,
    /// The member that orders, where keys belong to members.
    #[n(7)]
    pub member: Option<PartyNumber>,
    /// The sealing service that hands the key out.
    #[n(8)]
    pub service: PartyNumber,
    /// Until when.
    #[n(9)]
    pub expires: Time,
}

impl Document for CartToken {
    const LABEL: u16 = 121;
    const LIMIT: usize = 512;

    fn check(&self) -> Result<(), Malformed> {
        if self.service.role() != Role::Sealing {
            return Err(Malformed::field("service", "not a sealing service"));
        }
        check_recipient(self.recipient)?;
        check_member(self.scheme, self.member)
    }
}
