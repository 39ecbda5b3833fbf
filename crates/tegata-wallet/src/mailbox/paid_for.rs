//! What came with the centre's word that a shop was paid: is it that, and what is left?

use tegata_protocol::{
    Amount, Digest, Document as _, PartyNumber, SignedBytes,
    order::OrderReceipt,
    payment::{Delivered, Item},
};

/// What is left of prepaid money, if that paid. A card's payment leaves it as it was, and the balance told is
/// that of the card's account.
pub(super) fn prepaid_of(delivered: &Delivered) -> Option<Amount> {
    delivered.card.is_none().then_some(delivered.balance)
}

/// What came with an item, if it's what the shop was paid for.
pub(super) fn came_with(item: &Item, digest: Digest) -> Result<&[u8], String> {
    let came = item.sealed.as_ref().ok_or("nothing came with it")?;
    if Digest::of(came.as_bytes()) != digest {
        return Err("what came with it isn't what the shop was paid for".to_owned());
    }
    Ok(came.as_bytes())
}

/// Why something of a shop that this wallet hasn't met must wait.
pub(super) fn unmet(shop: PartyNumber) -> String {
    format!("its shop, {shop}, isn't known to this wallet yet; collect with --shop ADDRESS")
}

/// Did an order's receipt come, and not something sealed?
pub(super) fn is_order_receipt(item: &Item) -> bool {
    let came = item.sealed.as_ref().map(|a| a.as_bytes().to_vec());
    let label = came.and_then(|bytes| SignedBytes::new(bytes).label().ok());
    label.is_some_and(|(label, _)| label == OrderReceipt::LABEL)
}
