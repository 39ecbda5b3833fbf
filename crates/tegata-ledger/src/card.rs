//! Cards: whose a card is, and how far its receipts are in the book (K9).
//!
//! A card's money stands in its *shadow account*: what is on the card, what is still to be written on
//! it, and what is held for payments that it made. So a lost card is no loss, and nobody who alters a
//! card's memory can spend what its account doesn't have.
//!
//! ```text
//! Hold by card: Awaiting ──receipt──▶ Open ──▶ Captured | Expired
//!                  └── void, or its time is over ──▶ Voided | Expired
//! ```
//! Only a hold whose receipt is in can be captured. A receipt counts once for each card and counter;
//! other bytes for the same pair say that the card was copied.

use minicbor::Encode;
use tegata_protocol::{Amount, CardNumber, Currency, Digest, PartyNumber, PaymentId, Time};

use crate::{AccountId, AccountKind, BillKey};

numbered! {
    /// What may be done with a card.
    pub enum CardState {
        /// It pays.
        Active = 1,
        /// Its holder stopped it for now.
        Blocked = 2,
        /// Its holder lost it.
        Lost = 3,
        /// There are two of it.
        Copied = 4,
        /// Another took its place.
        Replaced = 5,
        /// It's over.
        Ended = 6,
    }
}

impl CardState {
    /// Is it out of use for ever?
    pub const fn is_over(self) -> bool {
        match self {
            Self::Active | Self::Blocked => false,
            Self::Lost | Self::Copied | Self::Replaced | Self::Ended => true,
        }
    }
}

/// A card, as the book knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
pub struct Card {
    /// Whose.
    #[n(0)]
    pub holder: PartyNumber,
    /// Which of the holder's cards: the part of its shadow account.
    #[n(1)]
    pub index: u16,
    /// What it holds.
    #[n(2)]
    pub currency: Currency,
    /// What may be done with it.
    #[n(3)]
    pub state: CardState,
    /// The highest counter of its receipts; 0 before the first.
    #[n(4)]
    pub counter: u32,
    /// What is on it by that receipt, in minor units.
    #[n(5)]
    pub balance: u32,
}

impl Card {
    /// Its shadow account.
    pub const fn account(&self) -> AccountId {
        AccountId {
            kind: AccountKind::CardShadow,
            owner: self.holder.wire(),
            part: self.index,
            currency: self.currency,
        }
    }
}

numbered! {
    /// What a card did.
    pub enum CardDeed {
        /// It took off.
        Debit = 1,
        /// It was loaded.
        Load = 2,
        /// It used a counter up, and nothing else.
        Void = 3,
    }
}

/// A card's receipt, of which the card-key server says that it's genuine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardReceipt {
    /// Which card.
    pub card: CardNumber,
    /// The transaction's number on it, from 1.
    pub counter: u32,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// What was done.
    pub deed: CardDeed,
    /// How much.
    pub amount: Amount,
    /// What is on the card afterwards, in minor units.
    pub balance: u32,
    /// The payment that it's of. A debit of none was made offline, for `terminal`'s owner.
    pub payment: Option<PaymentId>,
    /// Whose terminal it was.
    pub terminal: Option<PartyNumber>,
}

/// A payment that a card is to make. Who pays follows from the card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardHold {
    /// The card.
    pub card: CardNumber,
    /// Who says that it's theirs.
    pub holder: PartyNumber,
    /// The payment's number: the digest of the member's signed agreement.
    pub payment: PaymentId,
    /// A shop's account.
    pub payee: AccountId,
    /// How much.
    pub amount: Amount,
    /// For which bill.
    pub bill: BillKey,
    /// The digest of the signed bill.
    pub bill_digest: Digest,
    /// From then on it can't be captured any more.
    pub expires: Time,
}
