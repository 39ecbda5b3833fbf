//! A second book, too simple to be wrong: lists of what was accepted, and everything else worked
//! out from them each time.

use tegata_ledger::{
    AccountId, AccountKind, Action, BillKey, Capture, CloseBill, Deposit, ExpectFunding, HoldState,
    PayOrder, Register, Release, ReleaseReason, Replace,
};
use tegata_protocol::{Digest, PaymentId, Time};

/// A book that remembers what was accepted, as lists, and works everything out from them.
#[derive(Default)]
pub(crate) struct Naive {
    parties: Vec<u64>,
    references: Vec<(String, u64, Time)>,
    used: Vec<String>,
    statements: Vec<String>,
    credits: Vec<(AccountId, u64)>,
    payments: Vec<NaivePayment>,
    closed: Vec<(BillKey, Digest)>,
}

struct NaivePayment {
    order: PayOrder,
    expires: Time,
    state: HoldState,
}

impl Naive {
    fn available(&self, account: AccountId) -> u64 {
        let received: u64 = self
            .credits
            .iter()
            .filter(|c| c.0 == account)
            .map(|c| c.1)
            .sum();
        let of = self.payments.iter().filter(|p| p.order.payer == account);
        let gone: u64 = of
            .map(|p| match p.state {
                HoldState::Open | HoldState::Awaiting => p.order.amount.minor(),
                HoldState::Captured(amount) => amount.minor(),
                HoldState::Expired | HoldState::Voided => 0,
            })
            .sum();
        received - gone
    }

    fn may_pay(&self, order: &PayOrder) -> bool {
        self.fits(order.bill, order.bill_digest)
            && !self.taken(order.bill)
            && !self.closed.iter().any(|c| c.0 == order.bill)
            && order.amount.minor() <= self.available(order.payer)
    }

    /// Has the number always meant this bill?
    fn fits(&self, bill: BillKey, digest: Digest) -> bool {
        let paid = self.payments.iter().filter(|p| p.order.bill == bill);
        let closed = self.closed.iter().filter(|c| c.0 == bill);
        paid.map(|p| p.order.bill_digest)
            .chain(closed.map(|c| c.1))
            .all(|d| d == digest)
    }

    fn taken(&self, bill: BillKey) -> bool {
        let of_bill = self.payments.iter().filter(|p| p.order.bill == bill);
        of_bill
            .map(|p| p.state)
            .any(|s| matches!(s, HoldState::Open | HoldState::Captured(_)))
    }

    /// Would it be accepted? If so, remember it.
    pub(crate) fn accepts(&mut self, action: &Action, now: Time) -> bool {
        match action {
            Action::Note(_) => true,
            Action::Refuse(_) => false,
            Action::Register(Register { party, .. }) => {
                let new = !self.parties.contains(&party.wire());
                if new {
                    self.parties.push(party.wire());
                }
                new
            }
            Action::Replace(Replace { party, .. }) => self.parties.contains(&party.wire()),
            Action::ExpectFunding(ExpectFunding {
                reference,
                party,
                expires,
                ..
            }) => {
                let new = !self.references.iter().any(|r| r.0 == *reference);
                let accepted = new && self.parties.contains(&party.wire());
                if accepted {
                    self.references
                        .push((reference.clone(), party.wire(), *expires));
                }
                accepted
            }
            Action::Deposit(deposit) => self.deposit(deposit, now),
            Action::Hold(hold) => {
                now < hold.expires && self.pay(&hold.pay, hold.expires, HoldState::Open)
            }
            Action::Pay(pay) => self.pay(pay, now, HoldState::Captured(pay.amount)),
            Action::Capture(Capture {
                payment,
                payee_party,
                amount,
            }) => self.end(*payment, |p| {
                (p.order.payee.owner == payee_party.wire()
                    && now < p.expires
                    && amount.minor() <= p.order.amount.minor()
                    && (!amount.is_zero() || p.order.amount.is_zero()))
                .then_some(HoldState::Captured(*amount))
            }),
            Action::Release(Release { payment, why }) => self.end(*payment, |p| match why {
                ReleaseReason::Expired => (now >= p.expires).then_some(HoldState::Expired),
                // None of these waits for a card.
                ReleaseReason::Unpaid => None,
                ReleaseReason::Voided { by } => {
                    (p.order.payee.owner == by.wire()).then_some(HoldState::Voided)
                }
            }),
            Action::CloseBill(CloseBill { bill, bill_digest }) => self.close(*bill, *bill_digest),
            Action::IssueCard(_)
            | Action::ChangeCard(_)
            | Action::LoadCard(_)
            | Action::EmptyCard(_)
            | Action::HoldByCard(_)
            | Action::PostReceipt(_) => unreachable!("cards have tests of their own"),
        }
    }

    fn pay(&mut self, order: &PayOrder, expires: Time, state: HoldState) -> bool {
        let accepted = self.may_pay(order);
        if accepted {
            let order = order.clone();
            self.payments.push(NaivePayment {
                order,
                expires,
                state,
            });
        }
        accepted
    }

    fn close(&mut self, bill: BillKey, digest: Digest) -> bool {
        let fits = self.fits(bill, digest);
        if fits && !self.taken(bill) {
            self.closed.push((bill, digest));
        }
        fits
    }

    fn end(&mut self, payment: PaymentId, to: impl Fn(&NaivePayment) -> Option<HoldState>) -> bool {
        let found = self
            .payments
            .iter_mut()
            .find(|p| p.order.payment == payment && p.state == HoldState::Open);
        let Some((state, payment)) = found.and_then(|p| Some((to(p)?, p))) else {
            return false;
        };
        payment.state = state;
        true
    }

    fn deposit(&mut self, deposit: &Deposit, now: Time) -> bool {
        let id = &deposit.statement.id;
        if self.statements.contains(id) || deposit.entries.iter().any(|e| e.amount.is_zero()) {
            return false;
        }
        self.statements.push(id.clone());
        for entry in &deposit.entries {
            let found = self.references.iter().find(|r| {
                Some(&r.0) == entry.reference.as_ref() && now < r.2 && !self.used.contains(&r.0)
            });
            if let Some((reference, party, _)) = found {
                self.used.push(reference.clone());
                let account = AccountId::new(AccountKind::Prepaid, *party, deposit.bank.currency);
                self.credits.push((account, entry.amount.minor()));
            }
        }
        true
    }
}
