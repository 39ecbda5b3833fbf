//! What became of an order in doubt.
//!
//! The purse tells its counter and its last receipt; if it moved by more than one, the log tells the
//! rest. From the last transaction that was known each receipt must follow: verified under K-TX, its
//! counter one higher, its balance what the amount makes of the one before. Then
//!
//! | the card | the order | |
//! | --- | --- | --- |
//! | has its receipt | was carried out | CONFIRM |
//! | stands where it stood | wasn't | VOID, so that it never will be |
//! | used the counter for another | wasn't, and never will be | |
//!
//! Anything else is a copy or an old state: the card is denied, and the receipts are evidence.
//!
//! Each step is stored in one transaction before the next is sent. A crash between any two of them
//! only means that the next job reads the purse again.

use tegata_card::command::{LOG_LENGTH, Purse, State};
use tegata_card::receipt::{Kind, Receipt, VerifiedReceipt};
use tegata_card::session::{Order, Reply, Said, Session};
use tegata_card_service::{CardKeysRefusal, OrderId, Resolved, Response};

use super::{Asked, Desk, Job, Turn, ask, balance_after, purse_told};
use crate::store::{CardRecord, CardState, MoneyOrder, OrderState, Reason, StoreError, Tables};

/// A purse whose log is being read.
#[derive(Debug)]
pub(super) struct Looking {
    purse: Purse,
    /// The newest first.
    found: Vec<Receipt>,
}

/// Why a card can't be what it was: the reason, what was known, what came.
type Objection = (Reason, Option<Receipt>, Option<Receipt>);

impl Desk<'_> {
    /// The purse was read.
    pub(super) fn looked(&mut self, job: &mut Job, session: Session, purse: Purse) -> Turn {
        let card = self.card(job.csn)?;
        let known = self.store.read().receipt(job.csn, card.counter)?;
        if let Some(objection) = contradiction(&card, known, &purse) {
            return self.rolled_back(job, &objection);
        }
        let found = match purse.last {
            Some(last) if purse.counter > card.counter => vec![last],
            Some(_) | None => Vec::new(),
        };
        self.look_further(job, session, Looking { purse, found })
    }

    /// The log told one more.
    pub(super) fn logged(
        &mut self,
        job: &mut Job,
        session: Session,
        mut looking: Looking,
        receipt: Receipt,
    ) -> Turn {
        looking.found.push(receipt);
        self.look_further(job, session, looking)
    }

    /// The log has no record where there must be one.
    pub(super) fn log_missing(&mut self, job: &Job, looking: &Looking) -> Turn {
        self.rolled_back(job, &(Reason::LogMissing, None, looking.purse.last))
    }

    fn look_further(&mut self, job: &mut Job, session: Session, looking: Looking) -> Turn {
        let card = self.card(job.csn)?;
        let missing = looking.purse.counter.saturating_sub(card.counter);
        if missing > u32::from(LOG_LENGTH) {
            return self.log_missing(job, &looking);
        }
        match u8::try_from(looking.found.len()) {
            Ok(back) if u32::from(back) < missing => {
                ask(session, &Order::ReadLog(back), Asked::Log(looking))
            }
            _ => self.found(job, session, &looking),
        }
    }

    /// Everything since the last known transaction is here: judge it, keep it, then confirm or void.
    fn found(&mut self, job: &mut Job, session: Session, looking: &Looking) -> Turn {
        let card = self.card(job.csn)?;
        let order = self.store.read().order_in_doubt(job.csn)?;
        let judged = self.judge(&card, order.as_ref(), looking)?;
        let receipts = match judged {
            Ok(receipts) => receipts,
            Err(objection) => return self.rolled_back(job, &objection),
        };
        let purse = &looking.purse;
        let fresh = as_told(&card, purse, false);
        if !receipts.is_empty() || order.is_some() || fresh != card {
            job.resolved = self
                .store
                .write(|tables| keep(tables, &card, order.as_ref(), (&receipts, purse)))?;
        }
        match purse.last {
            Some(last) if !purse.ratified => {
                let confirm = Order::Confirm(last.transaction.id);
                ask(session, &confirm, Asked::Confirm)
            }
            Some(_) | None => self.void_or_go_on(job, session),
        }
    }

    fn judge(
        &self,
        card: &CardRecord,
        order: Option<&MoneyOrder>,
        looking: &Looking,
    ) -> Result<Result<Vec<VerifiedReceipt>, Objection>, StoreError> {
        let mut receipts = Vec::new();
        let (mut counter, mut balance) = (card.counter, card.balance);
        for &came in looking.found.iter().rev() {
            counter = counter.saturating_add(1);
            let against = |reason, known| Ok(Err((reason, known, Some(came))));
            let Some(receipt) = self.verified(came).filter(|_| came.csn == card.csn) else {
                return against(Reason::ReceiptForged, None);
            };
            if came.transaction.counter != counter {
                return against(Reason::LogMissing, None);
            }
            if balance_after(balance, &came) != Some(came.balance) {
                return against(Reason::BalanceDiffers, None);
            }
            balance = came.balance;
            let known = self.store.read().receipt(card.csn, counter)?;
            if known.is_some_and(|known| known != came) {
                return against(Reason::ReceiptDiffers, known);
            }
            let open = counter == looking.purse.counter && !looking.purse.ratified;
            if let Some(reason) = self.strange(order, &came, open)? {
                return against(reason, None);
            }
            receipts.push(receipt);
        }
        Ok(Ok(receipts))
    }

    /// What is strange about a receipt that wasn't known. One that somebody confirmed, and that
    /// isn't ours, came by a gate, or from before our own store was restored: it's kept.
    fn strange(
        &self,
        order: Option<&MoneyOrder>,
        came: &Receipt,
        open: bool,
    ) -> Result<Option<Reason>, StoreError> {
        let id = came.transaction.id;
        if let Some(order) = order.filter(|order| order.transaction.id == id) {
            let void = is_void_of(order, came);
            let fits = void || order.is_met_by(came);
            return Ok((!fits).then_some(Reason::OrderDiffers));
        }
        let known = self.store.read().order(id)?;
        Ok(match known {
            Some(_) => Some(Reason::OrderDiffers),
            None if open => Some(Reason::UnknownOrder),
            None => None,
        })
    }

    fn rolled_back(&mut self, job: &Job, (reason, known, came): &Objection) -> Turn {
        let response = Response::Refused(CardKeysRefusal::RolledBack);
        let receipts = (known.as_ref(), came.as_ref());
        self.denied(job.csn, *reason, receipts, response)
    }

    /// The session has a number that was used before. If its purse contradicts what is known too, that
    /// says more.
    pub(super) fn copied(&mut self, job: &Job, asked: &Asked, said: &Said, number: u32) -> Turn {
        let card = self.card(job.csn)?;
        if let Said::Done(Reply::Purse(purse)) = said {
            let known = self.store.read().receipt(job.csn, card.counter)?;
            if let Some(objection) = contradiction(&card, known, purse) {
                return self.rolled_back(job, &objection);
            }
        }
        // What a copy did with money has to be looked at by people.
        let response = if matches!(asked, Asked::Money(_)) {
            Response::InDoubt
        } else {
            Response::Refused(CardKeysRefusal::RolledBack)
        };
        let highest = card.next_sequence.saturating_sub(1);
        let numbers = [highest, number].map(|number| number.to_be_bytes().to_vec());
        let [known, came] = numbers;
        self.denied_by(job.csn, Reason::SequenceBehind, (known, came), response)
    }

    /// The last transaction is confirmed.
    pub(super) fn confirmed(&mut self, job: &mut Job, session: Session) -> Turn {
        self.store.write(|tables| {
            let doubt = tables.order_in_doubt(job.csn)?.is_some();
            tables.change_card(job.csn, |card| card.look = doubt)
        })?;
        self.void_or_go_on(job, session)
    }

    fn void_or_go_on(&mut self, job: &mut Job, session: Session) -> Turn {
        if let Some(order) = self.store.read().order_in_doubt(job.csn)? {
            let void = Order::Void {
                id: order.transaction.id,
                counter: order.transaction.counter,
            };
            return ask(session, &void, Asked::Void(order));
        }
        let card = self.card(job.csn)?;
        job.purse = Some(purse_told(&card, Some(card.balance)));
        self.go_on(job, session)
    }

    /// The order that wasn't carried out never will be.
    pub(super) fn voided(
        &mut self,
        job: &mut Job,
        session: Session,
        order: &MoneyOrder,
        came: Receipt,
    ) -> Turn {
        let card = self.card(job.csn)?;
        let fits = is_void_of(order, &came) && came.balance == card.balance;
        let Some(receipt) = self.verified(came) else {
            return self.rolled_back(job, &(Reason::ReceiptForged, None, Some(came)));
        };
        if !fits {
            return self.rolled_back(job, &(Reason::OrderDiffers, None, Some(came)));
        }
        let id = order.transaction.id;
        self.store.write(|tables| {
            tables.keep_receipt(&receipt)?;
            tables.end_order(id, OrderState::Void)?;
            tables.change_card(job.csn, |card| {
                card.counter = order.transaction.counter;
                card.look = false;
            })
        })?;
        job.resolved = Some(Resolved::Void(OrderId(id)));
        self.void_or_go_on(job, session)
    }
}

/// What a purse says against itself or against what is known.
fn contradiction(card: &CardRecord, known: Option<Receipt>, purse: &Purse) -> Option<Objection> {
    let last = purse.last;
    let whole = match last {
        Some(last) => last.transaction.counter == purse.counter && last.balance == purse.balance,
        None => purse.counter == 0 && purse.balance == 0,
    };
    if !whole {
        Some((Reason::LogMissing, known, last))
    } else if purse.counter < card.counter {
        Some((Reason::CounterBehind, known, last))
    } else if purse.counter == card.counter && (last != known || purse.balance != card.balance) {
        Some((Reason::ReceiptDiffers, known, last))
    } else {
        None
    }
}

fn is_void_of(order: &MoneyOrder, receipt: &Receipt) -> bool {
    receipt.kind == Kind::Void
        && receipt.csn == order.csn
        && receipt.transaction.id == order.transaction.id
        && receipt.transaction.counter == order.transaction.counter
        && receipt.transaction.amount == 0
}

/// The card's record after its purse was read.
fn as_told(card: &CardRecord, purse: &Purse, doubt: bool) -> CardRecord {
    CardRecord {
        state: match purse.state {
            State::Active => CardState::Active,
            State::Blocked => CardState::Blocked,
            // Neither opens a session in which a purse is read.
            State::Blank | State::Terminated => card.state,
        },
        look: doubt || !purse.ratified,
        counter: purse.counter,
        balance: purse.balance,
        limits: purse.limits,
        ..card.clone()
    }
}

/// Keeps what was found, and ends the order that was in doubt if that says how it ended.
fn keep(
    tables: &Tables<'_>,
    card: &CardRecord,
    order: Option<&MoneyOrder>,
    (receipts, purse): (&[VerifiedReceipt], &Purse),
) -> Result<Option<Resolved>, StoreError> {
    for receipt in receipts {
        tables.keep_receipt(receipt)?;
    }
    let mut resolved = None;
    if let Some(order) = order.filter(|order| order.transaction.counter <= purse.counter) {
        let id = order.transaction.id;
        let met = receipts.iter().find(|r| order.is_met_by(r.get()));
        let (state, what) = match met {
            Some(receipt) => {
                let bytes = receipt.get().to_bytes();
                (OrderState::Done, Resolved::CarriedOut(OrderId(id), bytes))
            }
            None => (OrderState::Void, Resolved::Void(OrderId(id))),
        };
        tables.end_order(id, state)?;
        resolved = Some(what);
    }
    let doubt = order.is_some() && resolved.is_none();
    let denied = tables.known_card(card.csn)?.denied;
    tables.keep_card(&CardRecord {
        denied,
        ..as_told(card, purse, doubt)
    })?;
    Ok(resolved)
}
