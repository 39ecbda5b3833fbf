//! Orders of goods between shop and centre: hold, capture, expiry, card numbers. The states are drawn
//! in [`crate::orders`].
//!
//! A capture's delivery is the shop's signed receipt of the order. It isn't sealed: the shop doesn't
//! know who pays, and the receipt names nobody. It's stored before the capture is signed, the capture
//! before it's sent, so the same bytes go out again after a crash.

use tegata_orders::FormsError;
use tegata_party::answering;
use tegata_party::client::Answer;
use tegata_protocol::envelope::Parcel;
use tegata_protocol::order::{CardKept, CreditCardForm};
use tegata_protocol::payment::{
    BillAnswer, BillInquiry, BillState, Capture, Captured, Mode, PaidNotice,
};
use tegata_protocol::refusal::Code;
use tegata_protocol::{Digest, Malformed, PartyNumber, PaymentId, SignedBytes, Time};

use super::{Fulfilment, FulfilmentError, SLACK, first_error, is_away};
use crate::orders::deeds;
use crate::store::{GoodsOrder, OrderState, StoreError, Tables, damaged};

/// How many orders one round looks at in each state.
const AT_ONCE: u32 = 1_000;
/// How long the credit link may take to keep a card number, in seconds.
const CARD_SECONDS: u64 = 900;
/// Who did it, in an order's events.
const CENTRE: &str = "centre";
/// The shop itself did.
const SHOP: &str = "shop";

/// The centre holds the money for an order, or has paid it out at once.
pub(super) fn paid(
    tables: &Tables<'_>,
    order: &GoodsOrder,
    notice: &PaidNotice,
    now: Time,
) -> Result<(), FulfilmentError> {
    let number = order.number;
    if order.state != OrderState::Billed {
        let known = order.payment == Some(notice.payment);
        if !known {
            // A hold ends by itself; what was paid at once, its owner must give back.
            let state = order.state.word();
            tracing::error!(%number, state, payment = %notice.payment, "paid too late");
            tables.note_event(order.id, now, "paid too late", CENTRE)?;
        }
        return Ok(());
    }
    if notice.amount != order.total || notice.transaction != number {
        tracing::error!(%number, "the notice's amount or number isn't the bill's");
        return Ok(());
    }
    take_payment(tables, order, notice.payment, notice.mode, now)
}

fn take_payment(
    tables: &Tables<'_>,
    order: &GoodsOrder,
    payment: PaymentId,
    mode: Mode,
    now: Time,
) -> Result<(), FulfilmentError> {
    let state = match mode {
        Mode::Hold => OrderState::Held,
        Mode::Pay => OrderState::Paid,
    };
    tables.keep_order_payment(order.id, payment)?;
    tables.step_order(order, state, now, CENTRE)?;
    tracing::info!(number = %order.number, "the order is {}", state.word());
    Ok(())
}

/// The hold for an order was closed; was a form erased for it?
pub(super) fn closed(
    tables: &Tables<'_>,
    order: &GoodsOrder,
    now: Time,
) -> Result<bool, FulfilmentError> {
    if order.state.may_become(OrderState::Lapsed) && order.state != OrderState::Billed {
        tables.step_order(order, OrderState::Lapsed, now, CENTRE)?;
        return Ok(forget(tables, order, CENTRE, now)?);
    }
    Ok(false)
}

/// An order that comes to nothing needs nobody's address.
fn forget(
    tables: &Tables<'_>,
    order: &GoodsOrder,
    by: &str,
    now: Time,
) -> Result<bool, StoreError> {
    let erased = deeds::erase(tables, order, by, now);
    erased.map_err(|e| damaged(e.to_string()))
}

impl Fulfilment {
    fn orders_in(&self, state: OrderState) -> Result<Vec<GoodsOrder>, StoreError> {
        self.shop
            .store()
            .read(|tables| tables.orders_in(state, AT_ONCE))
    }

    /// Is anything awaited for an order?
    pub(super) fn awaits_goods(&self) -> bool {
        let waits = |state| {
            let orders = self.shop.store().read(|tables| tables.orders_in(state, 1));
            orders.is_ok_and(|orders| !orders.is_empty())
        };
        waits(OrderState::Billed) || waits(OrderState::Held)
    }

    /// Everything that can be done now for orders of goods.
    pub(super) fn goods(&self) -> Result<(), FulfilmentError> {
        let now = self.shop.now();
        first_error([
            self.lapse_cards(now),
            self.capture_orders(now),
            self.inquire_orders(now),
            self.pass_cards_on(now),
        ])
    }

    fn capture_orders(&self, now: Time) -> Result<(), FulfilmentError> {
        let held = self.orders_in(OrderState::Held)?;
        each(held, |order| match self.may_ask(order.number, now) {
            true => self.capture_order(order, now),
            false => Ok(()),
        })
    }

    fn inquire_orders(&self, now: Time) -> Result<(), FulfilmentError> {
        let billed = self.orders_in(OrderState::Billed)?;
        each(billed, |order| {
            let over = order.expires.after(SLACK) <= now;
            match over && self.may_ask(order.number, now) {
                true => self.inquire_order(order, now),
                false => Ok(()),
            }
        })
    }

    /// Gives up the orders whose card numbers nobody took in time.
    fn lapse_cards(&self, now: Time) -> Result<(), FulfilmentError> {
        let cards = self.orders_with_card()?;
        let late = |order: &GoodsOrder| order.taken.after(CARD_SECONDS) <= now;
        each(cards.into_iter().filter(late).collect(), |order| {
            tracing::warn!(number = %order.number, "nobody took the card number: the order lapses");
            self.settle_order(order, OrderState::Lapsed, now, SHOP)
        })
    }

    fn orders_with_card(&self) -> Result<Vec<GoodsOrder>, StoreError> {
        let store = self.shop.store();
        store.read(|tables| tables.orders_with_card(AT_ONCE))
    }

    fn pass_cards_on(&self, now: Time) -> Result<(), FulfilmentError> {
        let cards = self.orders_with_card()?;
        each(cards, |order| match self.may_ask(order.number, now) {
            true => self.pass_card_on(order, now),
            false => Ok(()),
        })
    }

    fn capture_order(&self, order: GoodsOrder, now: Time) -> Result<(), FulfilmentError> {
        let receipt = self.receipt_of(&order)?;
        let capture = match order.capture.clone() {
            Some(capture) => capture,
            None => self.sign_order_capture(&order, &receipt)?,
        };
        let parcel = Parcel::with(capture, receipt.into_bytes());
        let answer: Answer<Captured> = self.send(parcel)?;
        let refusal = match answer {
            Answer::Accepted { reply, .. } if order.payment == Some(reply.body.payment) => {
                return self.settle_order(order, OrderState::Paid, now, CENTRE);
            }
            Answer::Accepted { .. } => {
                return Err(Malformed::field("captured", "another payment's").into());
            }
            Answer::Refused(refusal) => refusal.into_value().body,
        };
        self.order_capture_refused(order, refusal.code, now)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "three codes mean something here; all others mean that somebody must look"
    )]
    fn order_capture_refused(
        &self,
        order: GoodsOrder,
        code: Code,
        now: Time,
    ) -> Result<(), FulfilmentError> {
        match code {
            // Our own capture, sent before and signed anew since.
            Code::HoldCaptured => self.settle_order(order, OrderState::Paid, now, CENTRE),
            Code::HoldClosed => self.settle_order(order, OrderState::Lapsed, now, CENTRE),
            Code::Untimely => {
                self.ask_later(order.number, now);
                let receipt = self.receipt_of(&order)?;
                self.sign_order_capture(&order, &receipt).map(drop)
            }
            _ => {
                let number = order.number;
                tracing::error!(%number, code = code.word(), "an order's capture was refused");
                self.settle_order(order, OrderState::Stuck, now, CENTRE)
            }
        }
    }

    fn receipt_of(&self, order: &GoodsOrder) -> Result<SignedBytes, FulfilmentError> {
        let found = self
            .shop
            .store()
            .read(|tables| tegata_orders::open::receipt(tables.connection(), order.id));
        let missing = || damaged("an order without its receipt");
        let found = found.map_err(|e: FormsError| damaged(e.to_string()))?;
        Ok(found.ok_or_else(missing)?)
    }

    /// Signs an order's capture and keeps it before it's sent.
    fn sign_order_capture(
        &self,
        order: &GoodsOrder,
        receipt: &SignedBytes,
    ) -> Result<SignedBytes, FulfilmentError> {
        let payment = order.payment;
        let payment = payment.ok_or_else(|| damaged("a held order without payment"))?;
        let registered = self.shop.registered();
        let capture = answering::sign(
            registered.keys.signing(),
            registered.number(),
            PartyNumber::CENTRE,
            self.shop.now(),
            Capture {
                payment,
                amount: order.total,
                delivery: Digest::of(receipt.as_bytes()),
            },
        );
        let (id, kept) = (order.id, capture.clone());
        let store = self.shop.store();
        store.write(move |tables| tables.keep_order_capture(id, &kept))?;
        Ok(capture)
    }

    fn settle_order(
        &self,
        order: GoodsOrder,
        to: OrderState,
        now: Time,
        by: &'static str,
    ) -> Result<(), FulfilmentError> {
        let paid = (to == OrderState::Paid).then(|| order.clone());
        let erased = self.shop.store().write(move |tables| {
            tables.step_order(&order, to, now, by)?;
            tracing::info!(number = %order.number, "the order is {}", to.word());
            let nothing = matches!(to, OrderState::Lapsed | OrderState::Cancelled);
            Ok::<_, FulfilmentError>(nothing && forget(tables, &order, by, now)?)
        })?;
        self.scrub_if(erased);
        paid.map_or(Ok(()), |order| self.enter_order(&order))
    }

    /// Asks whether a bill whose time is over was paid after all.
    fn inquire_order(&self, order: GoodsOrder, now: Time) -> Result<(), FulfilmentError> {
        let Some(bill) = order.bill.clone() else {
            return Ok(());
        };
        let digest = bill.digest();
        let answer: BillAnswer = match self.ask(BillInquiry { bill }) {
            Err(FulfilmentError::Refused(refusal)) => {
                let (number, code) = (order.number, refusal.code.word());
                tracing::warn!(%number, code, "an inquiry was refused; again later");
                self.ask_later(number, now);
                return Ok(());
            }
            other => other?,
        };
        if answer.bill != digest {
            return Err(Malformed::field("bill answer", "about another bill").into());
        }
        let (payment, mode) = match answer.state {
            BillState::ClosedUnpaid => {
                return self.settle_order(order, OrderState::Lapsed, now, CENTRE);
            }
            BillState::Held(payment) => (payment, Mode::Hold),
            BillState::Paid(payment) => (payment, Mode::Pay),
        };
        let store = self.shop.store();
        store.write(move |tables| take_payment(tables, &order, payment, mode, now))
    }

    /// Hands a sealed card number to the centre's credit link, which alone can read it.
    fn pass_card_on(&self, order: GoodsOrder, now: Time) -> Result<(), FulfilmentError> {
        let (token, sealed) = (order.card_token.clone(), order.card.clone());
        let token = token.ok_or_else(|| damaged("a card without its token"))?;
        let kept: CardKept = match self.ask(CreditCardForm { token, sealed }) {
            // One of the clocks is wrong, not the card.
            Err(FulfilmentError::Refused(refusal)) if refusal.code == Code::Untimely => {
                self.ask_later(order.number, now);
                return Err(refusal.into());
            }
            Err(FulfilmentError::Refused(refusal)) => {
                return self.refuse_card(order, refusal.code.word(), now);
            }
            Err(FulfilmentError::Made(why)) => {
                tracing::warn!(number = %order.number, %why, "a card number can't be passed on");
                return self.refuse_card(order, Code::CardRefused.word(), now);
            }
            other => other?,
        };
        let store = self.shop.store();
        Ok(store.write(move |tables| {
            tables.keep_card(order.id, &kept.reference)?;
            tables.note_event(order.id, now, "card kept", CENTRE)
        })?)
    }

    /// A card that can't be used: the order is called off, its goods come back.
    fn refuse_card(
        &self,
        order: GoodsOrder,
        why: &'static str,
        now: Time,
    ) -> Result<(), FulfilmentError> {
        let (id, number) = (order.id, order.number);
        tracing::warn!(%number, why, "the card number wasn't taken: the order is cancelled");
        let store = self.shop.store();
        store.write(move |tables| tables.note_event(id, now, why, CENTRE))?;
        self.settle_order(order, OrderState::Cancelled, now, CENTRE)
    }
}

/// Does it for each order: one that fails doesn't keep the others waiting, unless the centre is away.
fn each(
    orders: Vec<GoodsOrder>,
    mut work: impl FnMut(GoodsOrder) -> Result<(), FulfilmentError>,
) -> Result<(), FulfilmentError> {
    let mut first = Ok(());
    for order in orders {
        match work(order) {
            Ok(()) => {}
            Err(error) if is_away(&error) => return Err(error),
            Err(error) => first = first.and(Err(error)),
        }
    }
    first
}
