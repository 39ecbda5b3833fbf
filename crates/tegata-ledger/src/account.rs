//! Accounts, and the legs by which a record moves them.

use core::fmt;

use minicbor::Encode;
use tegata_protocol::{Change, Currency, PartyNumber};

numbered! {
    /// What an account is for.
    pub enum AccountKind {
        /// A member's prepaid money.
        Prepaid = 1,
        /// What we know to be on a member's card or device.
        CardShadow = 2,
        /// What we owe a shop.
        Shop = 3,
        /// Our own account at a bank (negative: we own it).
        Bank = 4,
        /// What a credit company owes us (negative).
        CreditReceivable = 5,
        /// Cash received by mail and not yet paid in (negative).
        CashInTransit = 6,
        /// Fees that we earned.
        Fees = 7,
        /// Money received that nobody could be found for yet.
        Suspense = 8,
        /// Losses on cards.
        CardLoss = 9,
        /// Value that expired unspent.
        ExpiredValue = 10,
    }
}

impl AccountKind {
    /// May this kind never owe us, holds counted?
    pub const fn is_limited(self) -> bool {
        matches!(self, Self::Prepaid | Self::CardShadow | Self::Shop)
    }
}

/// Which account.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode)]
pub struct AccountId {
    /// What it is for.
    #[n(0)]
    pub kind: AccountKind,
    /// Whose: a party's number in its wire form, the number of a bank account of ours, or 0.
    #[n(1)]
    pub owner: u64,
    /// Of cards: which of its holder's it is. Else 0; other numbers are kept for stripes that spread a
    /// busy shop's credits.
    #[n(2)]
    pub part: u16,
    /// In which currency.
    #[n(3)]
    pub currency: Currency,
}

impl AccountId {
    /// An account with part 0.
    pub const fn new(kind: AccountKind, owner: u64, currency: Currency) -> Self {
        Self {
            kind,
            owner,
            part: 0,
            currency,
        }
    }

    /// A member's prepaid account.
    pub const fn prepaid(member: PartyNumber, currency: Currency) -> Self {
        Self::new(AccountKind::Prepaid, member.wire(), currency)
    }

    /// A shop's account.
    pub const fn shop(shop: PartyNumber, currency: Currency) -> Self {
        Self::new(AccountKind::Shop, shop.wire(), currency)
    }

    /// The account at a bank that our configuration gives this number.
    pub const fn bank(number: u64, currency: Currency) -> Self {
        Self::new(AccountKind::Bank, number, currency)
    }

    /// What was lost on cards.
    pub const fn card_loss(currency: Currency) -> Self {
        Self::new(AccountKind::CardLoss, 0, currency)
    }

    /// Where money waits that nobody could be found for.
    pub const fn suspense(currency: Currency) -> Self {
        Self::new(AccountKind::Suspense, 0, currency)
    }
}

/// `Prepaid M-48312-20751 JPY`; accounts of nobody registered have a plain number: `Bank 1 JPY`.
impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_party = matches!(
            self.kind,
            AccountKind::Prepaid | AccountKind::Shop | AccountKind::CardShadow
        );
        match PartyNumber::from_wire(self.owner).ok().filter(|_| of_party) {
            Some(party) => write!(f, "{:?} {party}", self.kind)?,
            None => write!(f, "{:?} {}", self.kind, self.owner)?,
        }
        if self.part > 0 {
            write!(f, "/{}", self.part)?;
        }
        write!(f, " {}", self.currency)
    }
}

/// What an account holds after its latest leg.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Account {
    /// Minor units; positive is what we owe.
    pub balance: i64,
    /// Minor units set aside by holds; never below zero.
    pub held: i64,
    /// How many legs the account has had.
    pub sequence: u64,
}

impl Account {
    /// What can be spent: balance less holds.
    pub const fn available(&self) -> i64 {
        self.balance.saturating_sub(self.held)
    }
}

/// What a record does to one account, and how it stands afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
pub struct Leg {
    /// Which account.
    #[n(0)]
    pub account: AccountId,
    /// The change of the balance.
    #[n(1)]
    pub change: Change,
    /// The change of what is held.
    #[n(2)]
    pub held: Change,
    /// The account's own count of legs, this one included: it orders them across committers.
    #[n(3)]
    pub sequence: u64,
    /// The balance after it.
    #[n(4)]
    pub balance: i64,
    /// What is held after it.
    #[n(5)]
    pub held_after: i64,
}

impl Leg {
    /// The account as this leg leaves it.
    pub const fn after(&self) -> Account {
        Account {
            balance: self.balance,
            held: self.held_after,
            sequence: self.sequence,
        }
    }
}
