//! The sums that a statement must hold: what the bank wrote down is added up again.

use tegata_protocol::{Amount, Currency};

use crate::error::StatementErrorKind as Kind;
use crate::statement::{Balance, EntryStatus, Side, signed};

/// Entries counted and added up, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    credits: Totals,
    debits: Totals,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Totals {
    count: u64,
    sum: i128,
}

impl Tally {
    pub(crate) fn add(&mut self, amount: Amount, side: Side) {
        let totals = match side {
            Side::Credit => &mut self.credits,
            Side::Debit => &mut self.debits,
        };
        totals.count += 1;
        totals.sum += i128::from(amount.minor());
    }

    /// Credits less debits.
    pub(crate) const fn net(&self) -> i128 {
        self.credits.sum - self.debits.sum
    }
}

/// The tallies of a statement: what the bank has booked, and all that the file lists.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    booked: Tally,
    all: Tally,
}

impl Tallies {
    pub(crate) fn add(&mut self, amount: Amount, side: Side, status: EntryStatus) {
        self.all.add(amount, side);
        if status == EntryStatus::Booked {
            self.booked.add(amount, side);
        }
    }

    /// Opening balance + booked credits - booked debits = closing balance.
    pub(crate) fn check_balances(&self, opening: Balance, closing: Balance) -> Result<(), Kind> {
        let computed = opening.signed() + self.booked.net();
        if computed == closing.signed() {
            return Ok(());
        }
        let show = |minor| display(minor, closing.amount.currency());
        let (credits, debits) = (show(self.booked.credits.sum), show(self.booked.debits.sum));
        Err(Kind::Balances {
            stated: closing.to_string(),
            computed: show(computed),
            sum: format!("opening {opening} + credits {credits} - debits {debits}"),
        })
    }

    /// All figures of the summary agree with the entries.
    ///
    /// Banks differ in whether entries that aren't booked yet are summed too; either is right, as
    /// long as all figures mean the same.
    pub(crate) fn check_summary(&self, stated: &Summary, currency: Currency) -> Result<(), Kind> {
        if stated.check(&self.booked, currency).is_ok() {
            return Ok(());
        }
        stated.check(&self.all, currency)
    }
}

/// What `TxsSummry` says.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) all: Figures,
    pub(crate) credits: Figures,
    pub(crate) debits: Figures,
    /// Net of all entries.
    pub(crate) net: Option<(Amount, Side)>,
}

/// A number of entries and their sum, where the bank gives them.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) count: Option<u64>,
    pub(crate) sum: Option<Amount>,
}

impl Summary {
    fn check(&self, tally: &Tally, currency: Currency) -> Result<(), Kind> {
        let both = Totals {
            count: tally.credits.count + tally.debits.count,
            sum: tally.credits.sum + tally.debits.sum,
        };
        self.all.check(both, "entries", currency)?;
        self.credits.check(tally.credits, "credits", currency)?;
        self.debits.check(tally.debits, "debits", currency)?;
        match self.net {
            Some((amount, side)) if signed(amount, side) != tally.net() => Err(Kind::Summary {
                stated: format!("a net of {}", display(signed(amount, side), currency)),
                counted: display(tally.net(), currency),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Figures {
    fn check(&self, counted: Totals, what: &str, currency: Currency) -> Result<(), Kind> {
        if self.count.is_some_and(|stated| stated != counted.count) {
            return Err(Kind::Summary {
                stated: format!("{} {what}", self.count.unwrap_or_default()),
                counted: counted.count.to_string(),
            });
        }
        match self.sum {
            Some(sum) if i128::from(sum.minor()) != counted.sum => Err(Kind::Summary {
                stated: format!("{what} of {sum}"),
                counted: display(counted.sum, currency),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

/// A batch's transactions make its amount.
pub(crate) fn check_batch(
    stated: (Amount, Side),
    parts: impl Iterator<Item = (Amount, Side)>,
) -> Result<(), Kind> {
    let sum: i128 = parts.map(|(amount, side)| signed(amount, side)).sum();
    let (amount, side) = stated;
    if sum == signed(amount, side) {
        return Ok(());
    }
    Err(Kind::Batch {
        stated: display(signed(amount, side), amount.currency()),
        counted: display(sum, amount.currency()),
    })
}

/// Signed minor units as money.
fn display(minor: i128, currency: Currency) -> String {
    match Balance::from_signed(minor, currency) {
        Some(balance) => balance.to_string(),
        None => format!("{currency} {minor} minor units"),
    }
}
