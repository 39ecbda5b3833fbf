//! A shop asks after its bill's expiry what became of it. An unpaid one is closed by the answer: it's never
//! paid any more, and its quota is free.

use tegata_ledger::{
    BillFound, BillState as BookBillState, CloseBill, Refusal as BookRefusal, Response,
};
use tegata_protocol::{
    Digest, Time, Verified,
    envelope::{Body as _, Message},
    payment::{BillAnswer, BillInquiry, BillState},
    refusal::{Code, Refusal},
};

use super::{
    Authenticated, Exchange, Sender, Stop, View,
    bill::{bill_key, bill_of},
};
use crate::{
    centre::Centre,
    reply::{Recorded, code_of},
};

/// An inquiry: the digest of the bill.
pub(super) struct Asking {
    bill: Digest,
}

impl Exchange for Asking {
    type Body = BillInquiry;
    type Operation = CloseBill;
    type Found = ();

    const SENDER: Sender = Sender::SHOP;
    const SAYS: &'static [u16] = &[BillAnswer::LABEL];

    /// [`Code::BillInvalid`] for another's, [`Code::BillOpen`] before the expiry.
    fn read(
        message: &Verified<Message<BillInquiry>>,
        view: &View<'_>,
    ) -> Result<(CloseBill, ()), Code> {
        let bill = bill_of(&message.body.bill, view.register)?;
        if bill.shop != message.from {
            return Err(Code::BillInvalid);
        }
        if view.time < bill.expires {
            return Err(Code::BillOpen);
        }
        let close = CloseBill {
            bill: bill_key(&bill),
            bill_digest: bill.digest(),
        };
        Ok((close, ()))
    }

    fn ask(
        centre: &Centre,
        request: &Authenticated<BillInquiry>,
        now: Time,
    ) -> Result<(Self, CloseBill), Stop> {
        let message = &request.message;
        let signed = &message.body.bill;
        let read = |view: &View<'_>| Self::read(message, view);
        let (close, ()) = centre.with_bill(signed, now, read)?;
        let bill = signed.digest();
        Ok((Self { bill }, close))
    }

    fn reply(&self, record: Recorded, found: &BillFound) -> Response {
        let state = match found.state {
            BookBillState::Closed | BookBillState::Free => BillState::ClosedUnpaid,
            BookBillState::Held(payment) => BillState::Held(payment),
            BookBillState::Paid(payment) => BillState::Paid(payment),
        };
        let bill = self.bill;
        Response::reply(record.reply(BillAnswer { bill, state }))
    }

    /// While its card is out, nothing is decided about a bill yet: it's open.
    fn refused(refusal: &BookRefusal) -> Refusal {
        if let BookRefusal::HoldAwaitsCard { .. } = refusal {
            return Refusal::new(Code::BillOpen);
        }
        Refusal::new(code_of(refusal))
    }
}
