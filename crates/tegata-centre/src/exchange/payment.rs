//! A member's payment instruction (M8): a bill's total is held until the shop delivers, or paid at once.

use tegata_ledger::{AccountId, HoldOrder, PayOrder, Response, alternatives};
use tegata_protocol::{
    PaymentId, Time, Verified,
    envelope::{Body as _, Message},
    payment::{HOLD_SECONDS, Mode, PaidNotice, Payment, Receipt},
    purchase::{Bill, DeliveryKind},
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

alternatives! {
    /// What a payment asks, by its mode.
    pub(crate) enum Order -> Ordered {
        Hold(HoldOrder),
        Pay(PayOrder),
    }
}

/// A payment: the bill that it's for.
pub(super) struct Paying {
    bill: Verified<Bill>,
}

impl Exchange for Paying {
    type Body = Payment;
    type Operation = Order;
    type Found = Verified<Bill>;

    const SENDER: Sender = Sender::MEMBER_SPENDING;
    const SAYS: &'static [u16] = &[Receipt::LABEL, PaidNotice::LABEL];
    const WITH_HEAD: bool = true;

    fn read(
        message: &Verified<Message<Payment>>,
        view: &View<'_>,
    ) -> Result<(Order, Verified<Bill>), Code> {
        let bill = payable(&message.body.bill, message.body.amount, view)?;
        // Tickets come with the capture of a hold; money paid at once would buy nothing.
        if message.body.mode == Mode::Pay && bill.delivery == DeliveryKind::Tickets {
            return Err(Code::BillDiffers);
        }
        let currency = bill.totals.total.currency();
        let pay = PayOrder {
            payment: PaymentId::new(message.digest()),
            payer: AccountId::prepaid(message.from, currency),
            payee: AccountId::shop(bill.shop, currency),
            amount: bill.totals.total,
            bill: bill_key(&bill),
            bill_digest: bill.digest(),
        };
        let order = match message.body.mode {
            Mode::Hold => Order::Hold(HoldOrder {
                pay,
                expires: view.time.after(HOLD_SECONDS),
            }),
            Mode::Pay => Order::Pay(pay),
        };
        Ok((order, bill))
    }

    fn ask(
        centre: &Centre,
        request: &Authenticated<Payment>,
        now: Time,
    ) -> Result<(Self, Order), Stop> {
        let message = &request.message;
        centre.check_currency(message.body.amount)?;
        let read = |view: &View<'_>| Self::read(message, view);
        let (order, bill) = centre.with_bill(&message.body.bill, now, read)?;
        Ok((Self { bill }, order))
    }

    /// The member's receipt, and the shop's notice.
    fn reply(&self, record: Recorded, outcome: &Ordered) -> Response {
        let (hold, payer, mode, hold_expires) = match outcome {
            Ordered::Hold(held) => {
                let hold = &held.hold;
                (hold, held.payer, Mode::Hold, Some(hold.expires))
            }
            Ordered::Pay(paid) => (&paid.hold, paid.payer, Mode::Pay, None),
        };
        let (bill, currency) = (self.bill.digest(), hold.amount.currency());
        let receipt = Receipt {
            payment: hold.payment,
            bill,
            mode,
            amount: hold.amount,
            balance: amount(payer.balance, currency),
            held: amount(payer.held, currency),
            hold_expires,
            position: record.position,
        };
        let notice = PaidNotice {
            payment: hold.payment,
            bill,
            transaction: self.bill.transaction,
            mode,
            amount: hold.amount,
            hold_expires,
            position: record.position,
        };
        Response {
            reply: record.reply(receipt),
            outbox: vec![record.post(self.bill.shop, notice)],
        }
    }
}
