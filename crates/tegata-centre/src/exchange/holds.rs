//! Who hears of a hold, and what of its end.

use tegata_ledger::{AccountKind, Hold, OutboxItem};
use tegata_protocol::{
    PartyNumber,
    payment::{Closing, HoldClosed},
};

use crate::reply::Recorded;

/// Whose account pays.
pub(super) fn owner_of(hold: &Hold) -> Option<PartyNumber> {
    PartyNumber::from_wire(hold.payer.owner).ok()
}

/// The index of the card whose account pays, if it's a card's.
pub(super) fn card_of(hold: &Hold) -> Option<u16> {
    (hold.payer.kind == AccountKind::CardShadow).then_some(hold.payer.part)
}

/// The member reads that a hold has ended without a capture.
pub(super) fn closed_for_member(
    record: Recorded,
    hold: &Hold,
    closing: Closing,
) -> Option<OutboxItem> {
    let card = card_of(hold);
    owner_of(hold).map(|member| record.post(member, closed(hold, closing, card)))
}

/// The shop reads that a hold has ended without a capture; by which card it would have been paid isn't the
/// shop's business.
pub(super) fn closed_for_shop(record: Recorded, hold: &Hold, closing: Closing) -> OutboxItem {
    record.post(hold.bill.shop, closed(hold, closing, None))
}

const fn closed(hold: &Hold, closing: Closing, card: Option<u16>) -> HoldClosed {
    HoldClosed {
        payment: hold.payment,
        shop: hold.bill.shop,
        amount: hold.amount,
        closing,
        card,
    }
}
