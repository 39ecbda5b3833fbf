//! What the application server asks of the card-key server, and what it's answered. The first signs
//! and never sees a key of a card; the second has the keys and never sees a member or the book (K10).
//!
//! A *job* is one session with one card. The application server carries its bytes to the card and
//! back and learns nothing from them:
//!
//! ```text
//! Begin(job, card, task) ──▶ Send(bytes) ··▶ card ··▶ Answer(job, bytes) ──▶ Send(bytes) ··▶ …
//!      Task::Debit, Load, Refund:  ──▶ Opened(balance, counter) ◀── Order(job, money)
//!                                  ──▶ Send(bytes) ··▶ … ──▶ Settled(receipt, bytes) ··▶ … ──▶ Done
//!      all others:                 ──▶ … ──▶ Done
//! ```
//! A job ends with `Done`, `Refused` or `InDoubt`. In doubt, the next job of that card finds out
//! first, and says so in `Opened` and `Done` (`resolved`), before anything new is begun.
//!
//! A gate's connection may begin `ReadTicket` and `Punch`, answer and abandon, and nothing else.
//!
//! On the wire: a frame is a length (u32, big-endian, at most [`FRAME_LIMIT`]) and deterministic
//! CBOR. One request, one response, in order; several connections are served side by side.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::float_arithmetic
    )
)]

use minicbor::{Decode, Encode};

pub mod client;
pub mod timely;
mod wire;

pub use wire::{WireError, decode, encode, receive, send};

/// The most bytes of a frame.
pub const FRAME_LIMIT: u32 = 4096;

/// The most receipts in a [`Response::Receipts`]; so many fit a frame.
pub const RECEIPTS_LIMIT: usize = 32;

/// A job's number: random, chosen by the application server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct JobId(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub [u8; 16],
);

/// A card's number on this wire. See `tegata_card::keys::Csn`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct CardNumber(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub [u8; 10],
);

/// A money order's number, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct OrderId(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub [u8; 16],
);

/// A card's receipt as it stands on the wire: the 100 bytes of `tegata_card::receipt::Receipt`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct ReceiptBytes(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub Vec<u8>,
);

/// A card's limits. See `tegata_card::command::Limits`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardLimits {
    /// ISO 4217.
    #[n(0)]
    pub currency: String,
    /// The highest balance, in minor units.
    #[n(1)]
    pub balance: u32,
    /// The most that one debit takes.
    #[n(2)]
    pub debit: u32,
    /// The most that is debited offline in all.
    #[n(3)]
    pub offline: u32,
}

/// What a job is for. Its `Debug` shows no transport key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Task {
    /// A blank card gets its keys and goes into use.
    #[n(0)]
    Personalise {
        /// The manufacturer's key of this card, 32 bytes.
        #[cbor(n(0), with = "minicbor::bytes")]
        transport_key: Vec<u8>,
        /// What it may hold and pay.
        #[n(1)]
        limits: CardLimits,
    },
    /// Read purse and last receipt; find out what was in doubt.
    #[n(1)]
    Read,
    /// Take off. With `read`, the balance is read before (K5).
    #[n(2)]
    Debit {
        /// Shall the balance be read?
        #[n(0)]
        read: bool,
    },
    /// Put on.
    #[n(3)]
    Load,
    /// Put on again, of a debit before.
    #[n(4)]
    Refund,
    /// Stop the card.
    #[n(5)]
    Block,
    /// Let it go on.
    #[n(6)]
    Unblock,
    /// End it for ever.
    #[n(7)]
    Terminate,
    /// Set its limits; the currency stays.
    #[n(8)]
    Limit(#[n(0)] CardLimits),
    /// Give it the next version of each key.
    #[n(9)]
    ChangeKeys,
    /// Put a ticket; an empty one empties the slot.
    #[n(10)]
    PutTicket {
        /// Which slot.
        #[n(0)]
        slot: u8,
        /// At most 240 bytes.
        #[cbor(n(1), with = "minicbor::bytes")]
        ticket: Vec<u8>,
    },
    /// Read the ticket in that slot.
    #[n(11)]
    ReadTicket {
        /// Which slot.
        #[n(0)]
        slot: u8,
    },
    /// Punch the ticket in that slot.
    #[n(12)]
    Punch {
        /// Which slot.
        #[n(0)]
        slot: u8,
        /// The punch's number.
        #[n(1)]
        id: OrderId,
        /// Which gate.
        #[cbor(n(2), with = "minicbor::bytes")]
        terminal: [u8; 8],
        /// By the gate's clock, seconds since 1970.
        #[n(3)]
        time: u32,
        /// What the ticket must be: SHA-256 isn't asked of a card, so all of it.
        #[cbor(n(4), with = "minicbor::bytes")]
        ticket: Vec<u8>,
    },
}

impl Task {
    /// A word for it, for logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Personalise { .. } => "personalise",
            Self::Read => "read",
            Self::Debit { read: true } => "debit, reading",
            Self::Debit { read: false } => "debit",
            Self::Load => "load",
            Self::Refund => "refund",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Terminate => "terminate",
            Self::Limit(_) => "limit",
            Self::ChangeKeys => "change keys",
            Self::PutTicket { .. } => "put ticket",
            Self::ReadTicket { .. } => "read ticket",
            Self::Punch { .. } => "punch",
        }
    }
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Task({}, …)", self.name())
    }
}

/// An amount to be debited, loaded or refunded; the job says which.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Money {
    /// The order's number.
    #[n(0)]
    pub id: OrderId,
    /// Minor units, 1 to 2³¹-1.
    #[n(1)]
    pub amount: u32,
    /// ISO 4217; must be the card's.
    #[n(2)]
    pub currency: String,
    /// SHA-256 of the signed bill, or of the load's request.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub bill: [u8; 32],
    /// Which terminal.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub terminal: [u8; 8],
    /// Seconds since 1970.
    #[n(5)]
    pub time: u32,
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Request {
    /// Begin a job. A job of that card that is open is over.
    #[n(0)]
    Begin(#[n(0)] JobId, #[n(1)] CardNumber, #[n(2)] Task),
    /// What the card answered. Empty: nothing came.
    #[n(1)]
    Answer(
        #[n(0)] JobId,
        #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>,
    ),
    /// After `Opened`: the money.
    #[n(2)]
    Order(#[n(0)] JobId, #[n(1)] Money),
    /// The job is given up.
    #[n(3)]
    Abandon(#[n(0)] JobId),
    /// Did that card make this receipt?
    #[n(4)]
    Check(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// What is known of a card.
    #[n(5)]
    Card(#[n(0)] CardNumber),
    /// A lost or copied card: no session any more.
    #[n(6)]
    Deny(#[n(0)] CardNumber),
    /// A receipt that came by another way (a gate, a log): check it and keep it.
    #[n(7)]
    Submit(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// The kept receipts of that card whose counter is above this one, VOID ones too: answered with
    /// [`Response::Receipts`]. Who posts each receipt once asks above the last one that it posted.
    ///
    /// There may be a gap: a receipt that was submitted can be ahead of one that hasn't come yet.
    /// Go on from the last one before the gap, or what comes later is missed.
    #[n(8)]
    Receipts(#[n(0)] CardNumber, #[n(1)] u32),
    /// What became of that order? Answered with [`Response::Found`]. It asks the store, no card: an
    /// order stays in doubt until a job of its card has found out.
    #[n(9)]
    Find(#[n(0)] OrderId),
}

/// What became of an order for money.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Fate {
    /// No order of that number was given. It may still be given by a job that is open, or by an
    /// order that is on its way.
    #[n(0)]
    Unknown,
    /// Nobody can say yet; the next job of its card finds out.
    #[n(1)]
    InDoubt,
    /// It was carried out: the receipt. Final.
    #[n(2)]
    CarriedOut(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// It wasn't, and never will be: refused by the card, or void. Final.
    ///
    /// A refused order has no receipt, and its counter is free for the next. A void one has a VOID
    /// receipt of its own unless its counter was used by another transaction: then that one's
    /// receipt has the counter.
    #[n(3)]
    NotCarriedOut,
}

/// What was found out about an order in doubt. Both are final.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Resolved {
    /// It was carried out: the receipt.
    #[n(0)]
    CarriedOut(
        #[n(0)] OrderId,
        #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>,
    ),
    /// It wasn't, and never will be: its counter is used up.
    #[n(1)]
    Void(#[n(0)] OrderId),
}

/// A purse, as its card told it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PurseTold {
    /// The balance; not told if it wasn't read.
    #[n(0)]
    pub balance: Option<u32>,
    /// The number that the next transaction has.
    #[n(1)]
    pub counter: u32,
    /// Its limits.
    #[n(2)]
    pub limits: CardLimits,
    /// Is it blocked?
    #[n(3)]
    pub blocked: bool,
}

/// A ticket, as its card told it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct TicketTold {
    /// The shop's signed ticket.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub ticket: Vec<u8>,
    /// Was it punched?
    #[n(1)]
    pub punched: bool,
}

/// How a job ended well.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub struct Done {
    /// What was in doubt before it.
    #[n(0)]
    pub resolved: Option<Resolved>,
    /// The purse, if it was read.
    #[n(1)]
    pub purse: Option<PurseTold>,
    /// The ticket, if one was read.
    #[n(2)]
    pub ticket: Option<TicketTold>,
    /// The card's word for a punch, 46 bytes; its MAC is verified.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub punched: Option<Vec<u8>>,
}

/// What is known of a card.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Known {
    /// The number of the last transaction whose receipt came.
    #[n(0)]
    pub counter: u32,
    /// The balance after it.
    #[n(1)]
    pub balance: u32,
    /// An order in doubt.
    #[n(2)]
    pub in_doubt: Option<OrderId>,
    /// May it open no session any more?
    #[n(3)]
    pub denied: bool,
    /// Its limits.
    #[n(4)]
    pub limits: CardLimits,
}

/// A response.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Response {
    /// Bytes for the card.
    #[n(0)]
    Send(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// A money job's session is open: now the order.
    #[n(1)]
    Opened {
        /// What was in doubt before.
        #[n(0)]
        resolved: Option<Resolved>,
        /// The purse.
        #[n(1)]
        purse: PurseTold,
    },
    /// Bytes for the card that debit, load or refund. The order is kept: from here on it's in doubt.
    #[n(2)]
    Ordered {
        /// The number that the transaction has on the card.
        #[n(0)]
        counter: u32,
        /// The bytes.
        #[cbor(n(1), with = "minicbor::bytes")]
        send: Vec<u8>,
    },
    /// The card did it. The receipt is verified and kept; the bytes tell the card so.
    #[n(3)]
    Settled {
        /// The 100 bytes.
        #[cbor(n(0), with = "minicbor::bytes")]
        receipt: Vec<u8>,
        /// CONFIRM for the card. If it gets lost, the next job says it again; the job ends with
        /// `Done` whatever is answered to it, since the receipt is kept.
        #[cbor(n(1), with = "minicbor::bytes")]
        send: Vec<u8>,
    },
    /// The job ended well.
    #[n(4)]
    Done(#[n(0)] Done),
    /// Refused, and nothing changed. The job is over.
    #[n(5)]
    Refused(#[n(0)] CardKeysRefusal),
    /// Nobody can say yet what the card did. The job is over; the next one finds out.
    #[n(6)]
    InDoubt,
    /// What is known of the card; `None`: it isn't ours.
    #[n(7)]
    Card(#[n(0)] Option<Known>),
    /// The receipt is that card's, or isn't.
    #[n(8)]
    Checked(#[n(0)] bool),
    /// The receipt was kept, or known before.
    #[n(9)]
    Kept {
        /// The very same receipt was known.
        #[n(0)]
        known: bool,
        /// Another receipt with the same counter is known: the card was copied. It's denied now.
        #[cbor(n(1), with = "minicbor::bytes")]
        copy_of: Option<Vec<u8>>,
    },
    /// The card-key server can't, for reasons of its own. Nothing is known about the card.
    #[n(10)]
    Fault,
    /// Kept receipts of the card, their counters rising, at most [`RECEIPTS_LIMIT`]. Fewer: there are
    /// no more now.
    #[n(11)]
    Receipts(#[n(0)] Vec<ReceiptBytes>),
    /// What became of the order.
    #[n(12)]
    Found(#[n(0)] Fate),
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $code:literal, $text:literal;)*) => {
        /// Why the card-key server refuses. The numbers are for ever.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
        #[cbor(index_only)]
        pub enum CardKeysRefusal {
            $($(#[$doc])* #[n($number)] $name,)*
        }

        impl CardKeysRefusal {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What happened and what to do, for a person.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

refusals! {
    /// No card of that number was personalised here.
    UnknownCard = 1, "card_unknown", "This card isn't one of ours.";
    /// It's denied: lost, or copied.
    Denied = 2, "card_denied", "This card was reported lost, or was copied. Ask for a new one.";
    /// It's blocked.
    Blocked = 3, "card_blocked", "This card is blocked. The centre can unblock it.";
    /// It's terminated.
    Terminated = 4, "card_terminated", "This card is no longer in use.";
    /// It doesn't know its key.
    NotProven = 5, "card_unproven", "This card doesn't prove to be the one it says. Don't use it.";
    /// Another card than the job's.
    OtherCard = 6, "card_changed", "Another card lies on the reader. Put the first one back and begin again.";
    /// The card refuses the key's version.
    StaleKey = 7, "card_stale_key", "The card doesn't know the key that is in use now. The centre must look at it.";
    /// Its counter is behind what was seen: an old state was put back.
    RolledBack = 8, "card_rolled_back", "The card is in a state of before. It's denied; the centre must look at it.";
    /// Not enough on it.
    Insufficient = 9, "card_insufficient", "There isn't enough on the card. Load it and pay again.";
    /// More than one debit may take.
    OverDebitLimit = 10, "card_over_debit_limit", "The card doesn't pay that much at once.";
    /// More than the card may hold.
    OverBalanceLimit = 11, "card_over_balance_limit", "The card can't hold that much.";
    /// Zero, or beyond what a card can count.
    WrongAmount = 12, "card_wrong_amount", "A card pays and takes amounts from 1 to 2147483647.";
    /// Another currency than the card's.
    WrongCurrency = 13, "card_wrong_currency", "The card holds another currency.";
    /// What was shown isn't what was ordered.
    NotAsViewed = 14, "card_not_as_shown", "The card was asked for something other than what was shown. Nothing was paid; use another computer.";
    /// Another transaction came first.
    WrongCounter = 15, "card_counter", "The card did something else meanwhile. Begin again.";
    /// The order's number was used.
    OrderKnown = 16, "card_order_known", "An order of this number was given before.";
    /// The job is unknown or over.
    JobUnknown = 17, "card_job_unknown", "This session with the card is over. Begin again.";
    /// That request doesn't fit the job's state.
    OutOfTurn = 18, "card_out_of_turn", "That isn't what comes next in this session. Begin again.";
    /// The slot holds another ticket.
    SlotInUse = 19, "card_slot_in_use", "The slot holds another ticket. Empty it first.";
    /// The slot holds none.
    NoTicket = 20, "card_no_ticket", "There's no ticket in that slot.";
    /// Punched before.
    Punched = 21, "card_ticket_used", "The ticket was used before.";
    /// The slot, the ticket's length or the limits can't be.
    WrongRequest = 22, "card_wrong_request", "That can't be asked of a card.";
    /// A card of this number was personalised before.
    Personalised = 23, "card_personalised", "A card of this number is in use.";
    /// The last version of its keys is used.
    NoMoreKeys = 24, "card_no_more_keys", "The card's keys can't be changed again. Replace the card.";
    /// The card is damaged, or can open no session any more.
    Worn = 25, "card_worn", "The card can't be used any more. Replace it.";
    /// This kind of client may not ask that.
    NotPermitted = 26, "card_not_permitted", "A gate's connection may have tickets read and punched, and nothing else. The centre can do more.";
}
