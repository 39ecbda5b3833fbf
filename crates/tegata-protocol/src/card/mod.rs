//! IC cards (K1-K11): what member, centre and operator say to each other about a card that can't
//! sign. What the card itself is sent is in the crate `tegata-card`; here its bytes only pass.
//!
//! ```text
//! shop ── bill ──▶ member          quote = bill? consent 1 (K2, K3)
//! member ── CardPayment ──▶ centre    verifies the shop's signature, sets the money aside in the
//!        ◀─ Receipt ──                book: the hold waits for the card
//! member ── CardContact ─▶ centre ◀══▶ card-key server            (K4)
//!        ◀─ CardStep(Send) ──  ··▶ card ··▶  CardAnswer …  balance read (K5)
//!        ◀─ CardStep(Agree(DebitOrder)) ──   signed by the centre (K6)
//! member: order = bill? VIEW to the card; consent 2 (K7)
//!        ── the order's bytes ··▶ card ··▶ CardAnswer ──▶ centre: the receipt is in (K8)
//!        ◀─ CardStep(Done) ──      PaidNotice ──▶ shop      CardPaid ──▶ member's mailbox (K9)
//! ```
//! Contact, answers and steps aren't kept in the book: they change nothing by themselves. What a card
//! did comes into the book as the card's receipt, once for each card and counter.

use minicbor::{Decode, Encode};

use crate::{
    Amount, CardNumber, Digest, Document, Malformed, PartyNumber, PaymentId, SignedBytes, Time,
    envelope::Body, payment::BookPosition, refusal::Refusal,
};

/// The most bytes of a command to a card, or of its answer.
pub const APDU_LIMIT: usize = 512;

/// The most bytes of a ticket in a card's slot.
pub const CARD_TICKET_LIMIT: usize = 240;

/// How many ticket slots a card has.
pub const CARD_SLOTS: u8 = 16;

/// The bytes of a card's receipt.
pub const CARD_RECEIPT_LENGTH: usize = 100;

/// A byte string of a card's: it passes, nobody here reads it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct CardBytes(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

impl CardBytes {
    fn check(&self, field: &'static str, most: usize) -> Result<(), Malformed> {
        if self.0.len() > most {
            return Err(Malformed::field(field, format!("more than {most} bytes")));
        }
        Ok(())
    }
}

/// A member agrees to pay a bill with a card (K3). Everyday key; the card itself is what else it takes.
/// The reply is a [`crate::payment::Receipt`]: the money is set aside and waits for the card.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardPayment {
    /// The signed [`crate::purchase::Bill`], whole.
    #[n(0)]
    pub bill: SignedBytes,
    /// What the member was quoted and agreed to; must be the bill's total.
    #[n(1)]
    pub amount: Amount,
    /// With which card.
    #[n(2)]
    pub card: CardNumber,
}

impl Body for CardPayment {
    const LABEL: u16 = 80;

    fn check(&self) -> Result<(), Malformed> {
        if self.amount.is_zero() {
            return Err(Malformed::field("amount", "a card pays no zero"));
        }
        Ok(())
    }
}

/// What a card is laid on the reader for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Errand {
    /// Put into use, written what is owed to it, ended if it's over; then read.
    #[n(0)]
    Look,
    /// Debited for a payment that waits for it; if that was in doubt, found out. The balance is read
    /// before, if the member likes (K5).
    #[n(1)]
    Pay(#[n(0)] PaymentId, #[n(1)] bool),
    /// Given a ticket whose holder it is (T6).
    #[n(2)]
    PutTicket(#[n(0)] u8, #[n(1)] SignedBytes),
    /// Asked for the ticket in a slot.
    #[n(3)]
    ReadTicket(#[n(0)] u8),
    /// Relieved of the ticket in a slot.
    #[n(4)]
    ClearTicket(#[n(0)] u8),
}

/// A card lies on the member's reader. Everyday key; not kept. The reply is a [`CardStep`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardContact {
    /// Which card.
    #[n(0)]
    pub card: CardNumber,
    /// What for.
    #[n(1)]
    pub errand: Errand,
}

impl Body for CardContact {
    const LABEL: u16 = 81;
    const LIMIT: usize = 1024;

    fn check(&self) -> Result<(), Malformed> {
        let slot = match &self.errand {
            Errand::Look | Errand::Pay(..) => 0,
            Errand::PutTicket(slot, ticket) => {
                if !(1..=CARD_TICKET_LIMIT).contains(&ticket.as_bytes().len()) {
                    return Err(Malformed::field("ticket", "doesn't fit a card's slot"));
                }
                *slot
            }
            Errand::ReadTicket(slot) | Errand::ClearTicket(slot) => *slot,
        };
        if slot >= CARD_SLOTS {
            return Err(Malformed::field("slot", "a card has slots 0 to 15"));
        }
        Ok(())
    }
}

/// What came of the step before.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Answered {
    /// The card's answer.
    #[n(0)]
    By(#[n(0)] CardBytes),
    /// Nothing came: the card was pulled out, or is another one now.
    #[n(1)]
    Nothing,
    /// The member said no to the debit order (K7); the card has seen nothing of it.
    #[n(2)]
    Declined,
}

/// The answer to a step. Everyday key; not kept. The same step's answer again gets the same reply.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardAnswer {
    /// The digest of the signed [`CardContact`].
    #[n(0)]
    pub contact: Digest,
    /// Which step it answers.
    #[n(1)]
    pub step: u32,
    /// With what.
    #[n(2)]
    pub answered: Answered,
}

impl Body for CardAnswer {
    const LABEL: u16 = 82;
    const LIMIT: usize = 1024;

    fn check(&self) -> Result<(), Malformed> {
        match &self.answered {
            Answered::By(bytes) => bytes.check("answer", APDU_LIMIT),
            Answered::Nothing | Answered::Declined => Ok(()),
        }
    }
}

/// What the member's computer does next.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Next {
    /// Hand this to the card and answer with what it says.
    #[n(0)]
    Send(#[n(0)] CardBytes),
    /// Ask the member: a signed [`DebitOrder`]. Agreed: VIEW to the card, then the order's command.
    #[n(1)]
    Agree(#[n(0)] SignedBytes),
    /// The errand is done.
    #[n(2)]
    Done(#[n(0)] CardReport),
    /// It isn't, and nothing changed beside what the report says.
    #[n(3)]
    Refused(#[n(0)] Refusal),
    /// Nobody can say yet what the card did. The next contact finds out.
    #[n(4)]
    InDoubt,
}

/// The centre's reply to a contact and to each answer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardStep {
    /// The digest of the signed [`CardContact`].
    #[n(0)]
    pub contact: Digest,
    /// This step's number, from 1.
    #[n(1)]
    pub step: u32,
    /// What to do.
    #[n(2)]
    pub next: Next,
}

impl Body for CardStep {
    const LABEL: u16 = 83;
    const LIMIT: usize = 2048;

    fn check(&self) -> Result<(), Malformed> {
        match &self.next {
            Next::Send(bytes) => bytes.check("command", APDU_LIMIT),
            Next::Refused(refusal) => refusal.check(),
            Next::Agree(_) | Next::Done(_) | Next::InDoubt => Ok(()),
        }
    }
}

/// What a contact came to.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardReport {
    /// What is on the card, as far as its receipts say.
    #[n(0)]
    pub balance: Amount,
    /// What is still to be written on it; zero after a contact that wrote it.
    #[n(1)]
    pub owed: Amount,
    /// How many transactions it has made.
    #[n(2)]
    pub counter: u32,
    /// Written on it in this contact; zero if nothing was.
    #[n(3)]
    pub loaded: Amount,
    /// The payment that this contact made.
    #[n(4)]
    pub paid: Option<PaymentId>,
    /// The ticket that was asked for, and whether a gate has punched it.
    #[n(5)]
    pub ticket: Option<CardTicket>,
    /// Is it blocked?
    #[n(6)]
    pub blocked: bool,
}

/// A ticket in a card's slot.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardTicket {
    /// The shop's signed [`crate::ticket::Ticket`].
    #[n(0)]
    pub ticket: SignedBytes,
    /// Has a gate punched it?
    #[n(1)]
    pub punched: bool,
}

/// What the centre orders a card to take off (K6), for the member's computer to compare and show.
/// Signed with the debit-orders key, which signs nothing else.
///
/// The bytes for the card are encrypted: nobody but the card can say what they take off. It takes off
/// what VIEW showed it, or nothing (K7), so what counts is that VIEW carries these fields.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct DebitOrder {
    /// Which card.
    #[n(0)]
    pub card: CardNumber,
    /// The payment.
    #[n(1)]
    pub payment: PaymentId,
    /// The digest of the signed bill.
    #[n(2)]
    pub bill: Digest,
    /// Whose bill.
    #[n(3)]
    pub shop: PartyNumber,
    /// How much.
    #[n(4)]
    pub amount: Amount,
    /// The number that the transaction has on the card.
    #[n(5)]
    pub counter: u32,
    /// What is on the card now, if it was read.
    #[n(6)]
    pub balance: Option<Amount>,
    /// When it was ordered.
    #[n(7)]
    pub issued: Time,
    /// The command for the card.
    #[n(8)]
    pub command: CardBytes,
}

impl Document for DebitOrder {
    const LABEL: u16 = 84;
    const LIMIT: usize = 1024;

    fn check(&self) -> Result<(), Malformed> {
        self.command.check("command", APDU_LIMIT)
    }
}

/// The centre reports to the member that the card has paid (K9).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardPaid {
    /// The payment.
    #[n(0)]
    pub payment: PaymentId,
    /// The digest of the signed bill.
    #[n(1)]
    pub bill: Digest,
    /// With which card.
    #[n(2)]
    pub card: CardNumber,
    /// The transaction's number on the card.
    #[n(3)]
    pub counter: u32,
    /// How much.
    #[n(4)]
    pub amount: Amount,
    /// What is on the card afterwards.
    #[n(5)]
    pub balance: Amount,
    /// Where it stands in the book.
    #[n(6)]
    pub position: BookPosition,
}

impl Body for CardPaid {
    const LABEL: u16 = 85;
    const LIMIT: usize = 512;
}

/// A member moves prepaid money to a card's account. *Spending* key. It's written on the card at the
/// next contact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardLoad {
    /// Which card.
    #[n(0)]
    pub card: CardNumber,
    /// How much.
    #[n(1)]
    pub amount: Amount,
}

impl Body for CardLoad {
    const LABEL: u16 = 86;
    const LIMIT: usize = 512;

    fn check(&self) -> Result<(), Malformed> {
        if self.amount.is_zero() {
            return Err(Malformed::field("amount", "nothing to load"));
        }
        Ok(())
    }
}

/// The centre's reply to a load, and to whatever else moves money between a member's accounts.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardLoaded {
    /// Which card.
    #[n(0)]
    pub card: CardNumber,
    /// How much was moved.
    #[n(1)]
    pub amount: Amount,
    /// The prepaid account afterwards.
    #[n(2)]
    pub prepaid: Amount,
    /// The card's account afterwards: what is on the card, to be written on it, or held.
    #[n(3)]
    pub account: Amount,
    /// Where it stands in the book.
    #[n(4)]
    pub position: BookPosition,
}

impl Body for CardLoaded {
    const LABEL: u16 = 87;
    const LIMIT: usize = 512;
}

/// What a member asks for a card of its own, without the card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Change {
    /// No payments until it's unblocked.
    #[n(0)]
    Block,
    /// Payments again.
    #[n(1)]
    Unblock,
    /// It's gone: never again. Its money stays in its account.
    #[n(2)]
    Lost,
    /// A card that is out of use: its money goes back to the prepaid account.
    #[n(3)]
    PayOut,
}

/// A member's request about a card. Everyday key. The reply is a [`CardLoaded`] for
/// [`Change::PayOut`], else [`crate::book::Done`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardRequest {
    /// Which card.
    #[n(0)]
    pub card: CardNumber,
    /// What.
    #[n(1)]
    pub change: Change,
}

impl Body for CardRequest {
    const LABEL: u16 = 88;
    const LIMIT: usize = 512;
}

/// What an operator does about cards.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum CardOrder {
    /// A card becomes a member's; `index` counts the member's cards from 0.
    #[n(0)]
    Issue {
        /// Which card.
        #[n(0)]
        card: CardNumber,
        /// Whose.
        #[n(1)]
        member: PartyNumber,
        /// Which of the member's cards it is, from 0.
        #[n(2)]
        index: u16,
    },
    /// A card's money goes to another of the same member; the first is out of use for ever.
    #[n(1)]
    Replace(#[n(0)] CardNumber, #[n(1)] CardNumber),
    /// A card is over.
    #[n(2)]
    End(#[n(0)] CardNumber),
    /// A card's receipt that came by another way: 100 bytes, to be verified by the card-key server.
    #[n(3)]
    Submit(#[n(0)] CardBytes),
}

/// An operator's order about cards. Operator's key, over the operators' socket.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardOrders {
    /// What is to be done.
    #[n(0)]
    pub order: CardOrder,
}

impl Body for CardOrders {
    const LABEL: u16 = 89;
    const LIMIT: usize = 512;

    fn check(&self) -> Result<(), Malformed> {
        match &self.order {
            CardOrder::Issue { member, .. } if member.role() != crate::Role::Member => {
                Err(Malformed::field("member", "not a member's number"))
            }
            CardOrder::Replace(old, new) if old == new => {
                Err(Malformed::field("card", "replaced by itself"))
            }
            CardOrder::Submit(receipt) if receipt.0.len() != CARD_RECEIPT_LENGTH => Err(
                Malformed::field("receipt", "a card's receipt has 100 bytes"),
            ),
            CardOrder::Issue { .. }
            | CardOrder::Replace(..)
            | CardOrder::End(_)
            | CardOrder::Submit(_) => Ok(()),
        }
    }
}
