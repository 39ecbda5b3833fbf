//! The cart token: the shop's signed word that it waits for an order at today's prices.

use tegata_http::rate_limit::Permit;
use tegata_orders::OpenError;
use tegata_protocol::order::{CartLine, MAX_CART_LINES, OrderId, cart_digest};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{PartyNumber, SignedBytes};

use super::cart;
use super::intake::Untaken;
use crate::shop::Shop;

/// A token for what is in a cart.
#[derive(Debug)]
pub struct Issued {
    /// The order's number.
    pub order: OrderId,
    /// The signed token.
    pub token: SignedBytes,
}

/// Signs a token for these lines, for an address that was counted. Nothing is reserved yet; but what can't be had is refused here
/// already, before anybody fills in a form.
///
/// # Errors
/// [`Untaken`]: an unknown product, more than is left, or a shop that takes no sealed orders.
pub fn issue(
    shop: &Shop,
    _counted: Permit,
    lines: &[CartLine],
    member: Option<PartyNumber>,
) -> Result<Issued, Untaken> {
    let Some(sealing) = shop.sealing() else {
        let why = "this shop takes no orders for goods: its owner sets [orders] in shop.toml";
        return Err(Refusal::because(Code::NotOffered, why).into());
    };
    if lines.is_empty() {
        return Err(Refusal::because(Code::CartChanged, "the cart is empty").into());
    }
    if lines.len() > MAX_CART_LINES {
        return Err(Refusal::new(Code::OrderTooLarge).into());
    }
    let catalogue = shop.catalogue();
    let priced = cart::price(&catalogue, lines)?;
    let wanted = tegata_orders::token::Cart {
        order: tegata_orders::token::new_order(),
        digest: cart_digest(lines),
        total: Some(priced.totals.total),
        member,
    };
    let token = shop.store().read(|tables| {
        super::intake::check_stock(tables, &priced, shop.rules().unpaid_share)?;
        let (rules, now) = (&sealing.rules, shop.now());
        let issued =
            tegata_orders::token::issue(tables.connection(), shop.own(), rules, wanted, now);
        issued.map_err(|e: OpenError| Untaken::from(e))
    })?;
    Ok(Issued {
        order: wanted.order,
        token,
    })
}
