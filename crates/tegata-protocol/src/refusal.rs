//! Refusals: what a party answers, signed and sealed, when it understood a message and won't do it.
//!
//! Each code is numbered for ever. Within an exchange the smaller code comes first: when several
//! reasons hold, the smallest is the answer, so that everybody's implementation says the same.

use core::fmt;

use minicbor::{Decode, Encode};

use crate::{Malformed, envelope::Body, malformed::check_text};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal, $retry:ident, $text:literal;)*) => {
        /// Why something is refused. The number stands in messages, for ever.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode, Decode)]
        #[cbor(index_only)]
        pub enum Code {
            $($(#[$doc])* #[n($number)] $name,)*
        }

        impl Code {
            /// Every code, in order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number.
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// The word that stands in logs, JSON and documentation.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// May a *new* message succeed later, without anything being mended first?
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }

            /// What happened and what to do next, in English.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

/// May a new message succeed?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// Not as it stands: something must be mended first.
    Mend,
    /// Later, unchanged.
    Later,
}

codes! {
    /// Signed too long ago or in the future.
    Untimely = 100, "untimely", Mend,
        "The message was signed too long ago or in the future. Set the clock right and send a new one.";
    /// The same message number was used for other bytes.
    IdReused = 101, "id_reused", Mend,
        "This message number was used before for another message. Nothing was done; send a new message.";
    /// The sender's record isn't active.
    NotActive = 102, "not_active", Mend,
        "The sender's registration isn't active. Ask the centre.";
    /// The sender's role may not send this.
    WrongRole = 103, "wrong_role", Mend,
        "A party of this kind can't send this message.";
    /// Too many at once from one party.
    TooMany = 104, "too_many", Later,
        "Too many messages in a short time. Wait a minute and send a new one.";
    /// The message's type isn't one that this party answers.
    NotOffered = 105, "not_offered", Mend,
        "This party doesn't answer messages of this type. Check the address.";

    /// The number and code don't belong together, or the code was never handed out.
    ActivationRefused = 200, "activation_refused", Mend,
        "Number and activation code don't belong together. Compare both with the letter.";
    /// The number is registered already.
    AlreadyRegistered = 201, "already_registered", Mend,
        "This number is registered already. If it wasn't you, tell the centre at once.";
    /// The activation code is too old.
    ActivationExpired = 202, "activation_expired", Mend,
        "The activation code has expired. Ask the centre for a new letter.";
    /// Other terms than those sent with the letter.
    TermsDiffer = 203, "terms_differ", Mend,
        "The terms agreed to aren't those that came with the letter. Read the current ones and register again.";
    /// Personal details missing, or not those that were signed.
    DetailsDiffer = 204, "details_differ", Mend,
        "The personal details aren't those that were signed. Register again.";
    /// A key can't be certified: proof of possession fails, or it's of the wrong suite.
    KeyRefused = 205, "key_refused", Mend,
        "One of the keys can't be certified. Make new keys and register again.";

    /// The organiser doesn't use this currency.
    WrongCurrency = 300, "wrong_currency", Mend,
        "This currency isn't used here.";
    /// Below or above what may be loaded.
    AmountOutOfRange = 301, "amount_out_of_range", Mend,
        "The amount is below or above what may be loaded at once.";
    /// This way of funding isn't offered.
    FundingNotOffered = 302, "funding_not_offered", Mend,
        "This way of paying in isn't offered here.";

    /// The bill isn't a bill of a registered shop, or it's changed.
    BillInvalid = 400, "bill_invalid", Mend,
        "The bill isn't one that a registered shop signed. Ask the shop for a new one.";
    /// The instruction doesn't say what the bill says.
    BillDiffers = 401, "bill_differs", Mend,
        "The instruction doesn't agree with the bill.";
    /// The bill's time is over.
    BillExpired = 402, "bill_expired", Mend,
        "The bill has expired. Ask the shop for a new one.";
    /// The shop asked about the bill after its expiry, and it was closed unpaid.
    BillClosed = 403, "bill_closed", Mend,
        "The shop has closed this bill. Ask it for a new one.";
    /// Paid, or held for, already.
    BillPaid = 404, "bill_paid", Mend,
        "This bill is paid already. Nothing was taken.";
    /// Not enough available.
    InsufficientFunds = 405, "insufficient_funds", Mend,
        "Not enough money is available. Load the card and send a new instruction.";

    /// The delivery is missing, too large, or not the one that was signed for.
    DeliveryInvalid = 440, "delivery_invalid", Mend,
        "The delivery is missing, too large or not the one that was signed for.";
    /// No such payment.
    HoldUnknown = 450, "hold_unknown", Mend,
        "No such hold is known.";
    /// Somebody else's payment.
    HoldNotYours = 451, "hold_not_yours", Mend,
        "This hold is another shop's.";
    /// Expired or released.
    HoldClosed = 452, "hold_closed", Mend,
        "The hold was closed before the capture came. The delivery is void.";
    /// Captured already.
    HoldCaptured = 453, "hold_captured", Mend,
        "This hold was captured already.";
    /// More than was held.
    AboveHold = 454, "above_hold", Mend,
        "The capture is above the amount held.";
    /// The bill is still open: it may yet be paid.
    BillOpen = 460, "bill_open", Later,
        "The bill hasn't expired; it may still be paid. Ask again after its expiry.";

    /// The bank statement is in the book already.
    StatementImported = 480, "statement_imported", Mend,
        "This bank statement was imported before. Nothing was credited again.";
    /// What the operator signed isn't what the bank's file says, or the file isn't good.
    StatementInvalid = 481, "statement_invalid", Mend,
        "The bank's file isn't good, or isn't what the operator signed. Nothing was credited.";

    /// Understood, but not a reservation.
    NotAReservation = 500, "not_a_reservation", Mend,
        "This isn't a reservation. For inquiries see the shop's page.";
    /// No such series in the catalogue.
    SeriesUnknown = 501, "series_unknown", Mend,
        "The shop's catalogue has no such offer. Look at the current catalogue.";
    /// Sales are over, or haven't begun.
    SalesClosed = 502, "sales_closed", Mend,
        "This isn't on sale at this time.";
    /// The wish doesn't fit what is offered.
    WishInvalid = 503, "wish_invalid", Mend,
        "What was asked for doesn't fit this offer. Look at the catalogue.";
    /// Too many, or none.
    QuantityRefused = 504, "quantity_refused", Mend,
        "The number of tickets is out of range.";
    /// This kind of holder isn't accepted.
    HolderRefused = 505, "holder_refused", Mend,
        "A ticket of this offer can't be held that way.";
    /// Too many unpaid bills of one member.
    TooManyOpenBills = 506, "too_many_open_bills", Later,
        "Too many unpaid bills are open. Pay them or let them expire.";
    /// None left.
    SoldOut = 507, "sold_out", Later,
        "Sold out. A ticket may come back when somebody's bill expires.";

    /// Not a presentation that this gate can read.
    TicketMalformed = 600, "malformed", Mend,
        "This can't be read as a ticket for this gate.";
    /// Not signed by the issuer.
    TicketForged = 601, "forged", Mend,
        "The issuer didn't sign this ticket.";
    /// Genuine, for another event.
    WrongEvent = 602, "wrong_event", Mend,
        "This ticket is for another event.";
    /// Cancelled or replaced.
    Cancelled = 603, "cancelled", Mend,
        "This ticket was cancelled or replaced by another.";
    /// Too early.
    NotYetValid = 604, "not_yet_valid", Later,
        "This ticket isn't valid yet.";
    /// Too late.
    Expired = 605, "expired", Mend,
        "This ticket has expired.";
    /// Genuine, but not on the list of issued tickets.
    NotActivated = 606, "not_activated", Later,
        "This ticket isn't on the gate's list yet. Renew the check data.";
    /// The presentation is too old or from the future.
    StalePresentation = 607, "stale_presentation", Later,
        "This was made more than a minute ago. Show the ticket anew.";
    /// Shown by somebody who doesn't hold it.
    WrongHolder = 608, "wrong_holder", Mend,
        "The ticket is another holder's.";
    /// Keyword missing or wrong.
    WrongKeyword = 609, "wrong_keyword", Mend,
        "The keyword is missing or wrong.";
    /// Admitted before.
    AlreadyUsed = 610, "already_used", Mend,
        "This ticket was used already.";
    /// The card-key server can't be asked, so nobody can say whether the card is genuine.
    CardUnprovable = 611, "card_unprovable", Later,
        "The card can't be proven: the card-key server doesn't answer. Try again when it does.";
    /// Not one of our cards.
    CardForeign = 612, "card_foreign", Mend,
        "This card isn't one of ours.";
    /// It doesn't prove its number.
    CardUnproven = 613, "card_unproven", Mend,
        "This card doesn't prove to be the one that it says.";
    /// Reported lost, or copied.
    CardDenied = 614, "card_denied", Mend,
        "This card was reported lost, or was copied.";
    /// Blocked.
    CardBlocked = 615, "card_blocked", Mend,
        "This card is blocked. The centre can unblock it.";
    /// No longer in use.
    CardEnded = 616, "card_ended", Mend,
        "This card is no longer in use.";
    /// No ticket on it.
    CardEmpty = 617, "card_empty", Mend,
        "There's no ticket on this card.";
    /// Taken away too early.
    CardGone = 618, "card_gone", Later,
        "The card was taken away too early. Lay it on the reader again.";
    /// Another card came in between.
    CardChanged = 619, "card_changed", Later,
        "Another card came in between. Lay one card on the reader, and leave it there.";

    /// Not a token of this shop's.
    TokenInvalid = 700, "token_invalid", Mend,
        "The order doesn't come from this shop's page. Open the shop's page and order again.";
    /// The page was open for too long.
    TokenExpired = 701, "token_expired", Later,
        "The order page was open for too long. Order again; what was typed stays in the page.";
    /// No key of that number waits for an order.
    OrderKeyUnknown = 702, "order_key_unknown", Later,
        "The order is sealed with a key that this shop doesn't have. Order again with a fresh program.";
    /// The key sealed another order before.
    OrderKeyUsed = 703, "order_key_used", Later,
        "The key has sealed another order already. Order again with a fresh program.";
    /// The key's time is over.
    OrderKeyExpired = 704, "order_key_expired", Later,
        "The key has expired. Order again with a fresh program.";
    /// It doesn't open: changed on the way, or sealed for another order.
    OrderUnopenable = 705, "order_unopenable", Later,
        "The order can't be opened: it was changed on the way or sealed for another order.";
    /// Other bytes came under this order's number before.
    OrderDiffers = 706, "order_differs", Mend,
        "Another order was taken under this number. Nothing was done; order again.";
    /// What is inside isn't a form that can be read.
    FormUnreadable = 707, "form_unreadable", Mend,
        "The form inside the order can't be read. Order again from the shop's page.";
    /// A field is missing, or holds what can't be.
    FormIncomplete = 708, "form_incomplete", Mend,
        "A field of the form is missing or can't be right. Correct it and order again.";
    /// More bytes than an order may have.
    OrderTooLarge = 709, "order_too_large", Mend,
        "The order is too large: 64 KiB and 500 lines at most. Make two orders of it.";
    /// The cart inside isn't the one that the page showed, or its price has changed.
    CartChanged = 710, "cart_changed", Mend,
        "The cart or its price has changed since the page was shown. Look at it and order again.";
    /// A product that the shop doesn't have.
    ProductUnknown = 711, "product_unknown", Mend,
        "The shop has no such product any more. Take it out of the cart.";
    /// Not so many left.
    OutOfStock = 712, "out_of_stock", Mend,
        "Not so many are left. Order fewer.";
    /// Orders are taken only from members that the shop admitted.
    NotAdmitted = 713, "not_admitted", Mend,
        "This shop takes such orders only from members that it admitted. Ask the shop.";

    /// A key that can't be put in stock.
    StockRefused = 720, "stock_refused", Mend,
        "One of the keys can't be put in stock. Nothing was taken; make new ones.";
    /// No key is left for this shop.
    StockEmpty = 721, "stock_empty", Later,
        "The sealing service has no key left for this shop. Try again in a minute.";

    /// The credit link can't use the card number.
    CardRefused = 730, "card_refused", Mend,
        "The card number can't be right, or was sealed for another order. Type it again.";

    /// No such card, or another member's.
    IcCardUnknown = 800, "ic_card_unknown", Mend,
        "This card isn't one of yours. Use the card that the centre gave you.";
    /// It's blocked.
    IcCardBlocked = 801, "ic_card_blocked", Mend,
        "This card is blocked. Unblock it in your wallet, or ask the centre.";
    /// It was reported lost, replaced, copied or ended.
    IcCardEnded = 802, "ic_card_ended", Mend,
        "This card is out of use: reported lost, replaced, copied or ended. Ask the centre.";
    /// Another card lies on the reader.
    IcCardChanged = 803, "ic_card_changed", Mend,
        "Another card lies on the reader, or this payment is another card's. Put that one on it and begin again.";
    /// It doesn't know the keys that it should.
    IcCardUnproven = 804, "ic_card_unproven", Mend,
        "The card on the reader doesn't prove to be the one it says. Don't use it.";
    /// The card said no.
    IcCardRefuses = 805, "ic_card_refuses", Mend,
        "The card refused, and nothing changed on it.";
    /// Less on the card than is to be paid.
    IcCardInsufficient = 806, "ic_card_insufficient", Mend,
        "There isn't enough on the card. Load it and pay again.";
    /// Above a limit of the card's.
    IcCardLimit = 807, "ic_card_limit", Mend,
        "That is more than the card may hold, or pay at once.";
    /// What the PC showed the card isn't what was ordered.
    IcCardNotAsShown = 808, "ic_card_not_as_shown", Mend,
        "The card was asked for something other than what was shown. Nothing was paid; use another computer.";
    /// The member said no at the second question.
    IcCardDeclined = 809, "ic_card_declined", Mend,
        "You declined. Nothing was paid.";
    /// No such contact, or its step is over.
    IcCardContactOver = 810, "ic_card_contact_over", Mend,
        "This contact with the card is over. Begin again; what was in doubt is found out then.";
    /// The payment isn't waiting for a card.
    IcCardNotDue = 811, "ic_card_not_due", Mend,
        "This payment isn't waiting for the card: it was made, given up, or ran out. See the bill.";
    /// The card-key server can't be reached.
    IcCardService = 812, "ic_card_service", Later,
        "The centre can't reach its card service now. Try again in a minute.";
    /// The hold ends before member and shop could act on a payment.
    IcCardTooLate = 813, "ic_card_too_late", Later,
        "Too little time is left for this payment. In two minutes its money is free; if the bill has expired by then, order again.";
    /// A number that is in use.
    IcCardKnown = 814, "ic_card_known", Mend,
        "A card with this number was issued before.";
    /// A slot or ticket that doesn't fit.
    IcCardTicket = 815, "ic_card_ticket", Mend,
        "The card has no such ticket, or that slot holds another one.";
    /// It's in use, and that can't be done then.
    IcCardInUse = 816, "ic_card_in_use", Mend,
        "This card is in use. Report it lost, or have the centre end it, first.";
    /// The card made a payment that the book doesn't know: the book is an older copy.
    IcCardUnbooked = 817, "ic_card_unbooked", Mend,
        "The card has made this payment, but the centre's book doesn't have it. Don't pay again: ask the centre.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The body of a refusal.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Refusal {
    /// Why.
    #[n(0)]
    pub code: Code,
    /// More about this case, for the person; at most 200 bytes.
    #[n(1)]
    pub detail: Option<String>,
}

impl Refusal {
    /// A refusal that needs no more words.
    pub const fn new(code: Code) -> Self {
        Self { code, detail: None }
    }

    /// A refusal with more about this case.
    pub fn because(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: Some(detail.into()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.code.text())?;
        self.detail
            .as_ref()
            .map_or(Ok(()), |detail| write!(f, " ({detail})"))
    }
}

impl core::error::Error for Refusal {}

impl Body for Refusal {
    const LABEL: u16 = 9;

    fn check(&self) -> Result<(), Malformed> {
        self.detail
            .as_ref()
            .map_or(Ok(()), |detail| check_text("detail", detail, 200))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        assert!(Code::ALL.is_sorted_by(|a, b| a.number() < b.number()));
        let mut words: Vec<_> = Code::ALL.iter().map(|c| c.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
