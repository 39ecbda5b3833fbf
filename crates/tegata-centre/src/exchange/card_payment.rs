//! A member agrees to pay a bill with an IC card (K3): the money is set aside, and waits for the card. The
//! shop learns of it when the card has paid.

use tegata_ledger::{AccountId, CardHold, Held, Response};
use tegata_protocol::{
    Amount, Digest, PaymentId, Time, Verified,
    card::CardPayment,
    envelope::{Body as _, Message},
    payment::{HOLD_SECONDS, Mode, Receipt},
    refusal::Code,
};

use super::{
    Authenticated, Exchange, Sender, Stop, View,
    bill::{bill_key, payable},
};
use crate::{
    centre::Centre,
    reply::{Recorded, amount},
};

/// A payment by card: the digest of its bill.
pub(super) struct PayingByCard {
    bill: Digest,
}

impl Exchange for PayingByCard {
    type Body = CardPayment;
    type Operation = CardHold;
    type Found = Digest;

    const SENDER: Sender = Sender::MEMBER;
    const SAYS: &'static [u16] = &[Receipt::LABEL];
    const WITH_HEAD: bool = true;

    fn read(
        message: &Verified<Message<CardPayment>>,
        view: &View<'_>,
    ) -> Result<(CardHold, Digest), Code> {
        let body = &message.body;
        let bill = payable(&body.bill, body.amount, view)?;
        let currency = bill.totals.total.currency();
        let hold = CardHold {
            card: body.card,
            holder: message.from,
            payment: PaymentId::new(message.digest()),
            payee: AccountId::shop(bill.shop, currency),
            amount: bill.totals.total,
            bill: bill_key(&bill),
            bill_digest: bill.digest(),
            expires: view.time.after(HOLD_SECONDS),
        };
        Ok((hold, bill.digest()))
    }

    fn ask(
        centre: &Centre,
        request: &Authenticated<CardPayment>,
        now: Time,
    ) -> Result<(Self, CardHold), Stop> {
        if centre.cards.is_none() {
            return Err(Code::NotOffered.into());
        }
        if is_over_debit_limit(centre, request.message.body.amount) {
            return Err(Code::IcCardLimit.into());
        }
        let (hold, bill) = Self::read(&request.message, &centre.view(now))?;
        Ok((Self { bill }, hold))
    }

    fn reply(&self, record: Recorded, held: &Held) -> Response {
        let hold = &held.hold;
        let currency = hold.amount.currency();
        let receipt = Receipt {
            payment: hold.payment,
            bill: self.bill,
            mode: Mode::Hold,
            amount: hold.amount,
            balance: amount(held.payer.balance, currency),
            held: amount(held.payer.held, currency),
            hold_expires: Some(hold.expires),
            position: record.position,
        };
        Response::reply(record.reply(receipt))
    }
}

fn is_over_debit_limit(centre: &Centre, amount: Amount) -> bool {
    let cards = centre.settings.cards.as_ref();
    let limit = cards.map_or(0, |cards| cards.debit);
    amount.minor() > u64::from(limit)
}
