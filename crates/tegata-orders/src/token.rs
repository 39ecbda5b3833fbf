//! The recipient's word that it waits for an order: what the page carries and the sealing service
//! hands a key out against.

use tegata_keystore::rng;
use tegata_protocol::order::{CartToken, KeyScope, OrderId};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{
    Amount, Digest, Document as _, PartyNumber, SignedBytes, Time, Unverified, Verified,
};
use tegata_store::Connection;

use crate::{FormsError, OpenError, Own, Rules, store};

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cart {
    /// The order's number; [`new_order`] makes one.
    pub order: OrderId,
    /// [`tegata_protocol::order::cart_digest`] of the lines.
    pub digest: Digest,
    /// What it costs; `None` where nothing is bought.
    pub total: Option<Amount>,
    /// The member that orders, where keys belong to members; else it isn't named.
    pub member: Option<PartyNumber>,
}

/// A number for a new order.
pub fn new_order() -> OrderId {
    OrderId::random(&mut rng::system())
}

/// Issues a token.
///
/// # Errors
/// [`Code::NotAdmitted`] as [`OpenError::Refused`], or [`FormsError`] as [`OpenError::Fault`].
pub fn issue(
    connection: &Connection,
    own: Own<'_>,
    rules: &Rules,
    cart: Cart,
    now: Time,
) -> Result<SignedBytes, OpenError> {
    let member = match rules.scheme.scope() {
        KeyScope::Member => Some(check_member(connection, cart.member)?),
        KeyScope::Shop | KeyScope::Order => None,
    };
    let token = CartToken {
        recipient: own.number,
        order: cart.order,
        cart: cart.digest,
        total: cart.total,
        scheme: rules.scheme,
        maker: rules.maker,
        compact: rules.compact,
        member,
        service: rules.service.number,
        expires: now.after(rules.token_seconds),
    };
    token.check().map_err(FormsError::from)?;
    Ok(own.signing.sign(&token))
}

/// A member from whom orders are taken.
pub(crate) fn check_member(
    connection: &Connection,
    member: Option<PartyNumber>,
) -> Result<PartyNumber, OpenError> {
    match member {
        Some(member) if store::is_member_admitted(connection, member)? => Ok(member),
        Some(_) | None => Err(Refusal::new(Code::NotAdmitted).into()),
    }
}

/// The token, if it's one of ours; whether its time is over is another question.
///
/// # Errors
/// [`Code::TokenInvalid`].
pub fn verify(own: Own<'_>, signed: SignedBytes) -> Result<Verified<CartToken>, Refusal> {
    let invalid = || Refusal::new(Code::TokenInvalid);
    let token = Unverified::<CartToken>::parse(signed).map_err(|_e| invalid())?;
    let token = token.verify(&own.signing.verifying_key());
    let token = token.map_err(|_e| invalid())?;
    if token.recipient == own.number {
        Ok(token)
    } else {
        Err(invalid())
    }
}
