//! A shop delivers and takes what was held for it, or a part (T11). The delivery goes to the member.

use tegata_ledger::{Capture as TakeHold, Captured as Taken, Response};
use tegata_protocol::{
    Digest, SignedBytes, Time, Unverified, Verified,
    envelope::{Attachment, Body as _, Message, Sealed},
    order::OrderReceipt,
    payment::{Capture, Captured, DELIVERY_LIMIT, Delivered},
    record::PartyRecord,
    refusal::Code,
};

use super::{
    Authenticated, Exchange, Sender, Stop, View,
    holds::{card_of, owner_of},
};
use crate::{
    centre::Centre,
    reply::{Recorded, amount},
};

/// A capture: what was delivered.
pub(super) struct Capturing {
    delivery: Vec<u8>,
}

impl Exchange for Capturing {
    type Body = Capture;
    type Operation = TakeHold;
    type Found = ();

    const SENDER: Sender = Sender::SHOP;
    const SAYS: &'static [u16] = &[Captured::LABEL, Delivered::LABEL];

    fn read(message: &Verified<Message<Capture>>, _: &View<'_>) -> Result<(TakeHold, ()), Code> {
        let take = TakeHold {
            payment: message.body.payment,
            payee_party: message.from,
            amount: message.body.amount,
        };
        Ok((take, ()))
    }

    fn ask(
        centre: &Centre,
        request: &Authenticated<Capture>,
        now: Time,
    ) -> Result<(Self, TakeHold), Stop> {
        let body = &request.message.body;
        centre.check_currency(body.amount)?;
        check_delivery(&request.attachment, body.delivery, &request.record)?;
        let (take, ()) = Self::read(&request.message, &centre.view(now))?;
        let delivery = request.attachment.clone();
        Ok((Self { delivery }, take))
    }

    fn attached(body: &Capture) -> Option<Digest> {
        Some(body.delivery)
    }

    /// The shop's money, and the member's delivery.
    fn reply(&self, record: Recorded, taken: &Taken) -> Response {
        let (hold, currency) = (&taken.hold, taken.taken.currency());
        let delivered = Delivered {
            payment: hold.payment,
            amount: taken.taken,
            balance: amount(taken.payer.balance, currency),
            delivery: Digest::of(&self.delivery),
            position: record.position,
            card: card_of(hold),
        };
        let sealed = Attachment::new(self.delivery.clone());
        let member = owner_of(hold);
        let item = member.map(|member| record.post_with(member, delivered, Some(sealed)));
        let captured = Captured {
            payment: hold.payment,
            amount: taken.taken,
            position: record.position,
        };
        Response {
            reply: record.reply(captured),
            outbox: item.into_iter().collect(),
        }
    }
}

/// What came with a capture must be what was signed for: a delivery that is sealed to the member, or for
/// goods by post the shop's own receipt of the order. That one isn't sealed: the shop doesn't know who
/// pays, and the receipt names nobody.
fn check_delivery(delivery: &[u8], named: Digest, shop: &PartyRecord) -> Result<(), Code> {
    let same = Digest::of(delivery) == named;
    let known = || Sealed::parse(delivery).is_ok() || is_order_receipt(delivery, shop);
    if delivery.len() <= DELIVERY_LIMIT && same && known() {
        return Ok(());
    }
    Err(Code::DeliveryInvalid)
}

/// Is it an order's receipt that this shop signed?
fn is_order_receipt(delivery: &[u8], shop: &PartyRecord) -> bool {
    let receipt = Unverified::<OrderReceipt>::parse(SignedBytes::new(delivery.to_vec()));
    let receipt = receipt.ok().and_then(|r| r.verify(&shop.keys.signing).ok());
    receipt.is_some_and(|r| r.recipient == shop.number)
}
