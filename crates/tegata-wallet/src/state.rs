//! What the wallet remembers, kept in the vault under password A (`OpenVault::state`) as CBOR.
//!
//! All of it is rewritten, atomically, with every step that matters; the long past stands in the
//! history instead. Entries for the history travel in the state first ([`Outbox`]), so that a crash
//! between the two writes neither loses an entry nor writes it twice.

use minicbor::{Decode, Encode};
use tegata_protocol::{
    Currency, Digest, Malformed, PartyNumber, PaymentId, SignedBytes, Time, VerifyingKey, cbor,
    prepaid::PaymentReference, record::Certificates,
};

use crate::{
    entry::Dated,
    kept::{
        BillStatus, KeptBill, KeptCard, KeptOrder, KeptTicket, KnownBalance, KnownIcCard,
        KnownShop, Pending, SetAside,
    },
    vault::LONGEST_STATE,
};

/// The layout of the state that this program writes.
const LAYOUT: u8 = 1;

/// How long bills are remembered that are done with: ninety days.
const KEPT_SECONDS: u64 = 90 * 86_400;
/// How many things are kept that didn't verify.
const KEPT_ASIDE: usize = 100;

/// All that the wallet remembers.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub struct State {
    #[n(0)]
    layout: u8,
    /// The member's number.
    #[n(1)]
    pub number: PartyNumber,
    /// The centre's web address.
    #[n(2)]
    pub centre: String,
    /// The centre's root key, pinned from the letter.
    #[n(3)]
    pub root: VerifyingKey,
    /// The centre's certificates as last seen.
    #[n(4)]
    pub certificates: Option<Certificates>,
    /// The member's own signed record, once registered.
    #[n(5)]
    pub record: Option<SignedBytes>,
    /// The organiser's currency, once the centre named it.
    #[n(6)]
    pub currency: Option<Currency>,
    /// The last item of the mailbox that was dealt with.
    #[n(7)]
    pub cursor: u64,
    /// Shops whose record the register's key vouched for.
    #[n(8)]
    pub shops: Vec<KnownShop>,
    /// Bills, oldest first.
    #[n(9)]
    pub bills: Vec<KeptBill>,
    /// What was signed and has no answer yet.
    #[n(10)]
    pub pending: Vec<Pending>,
    /// Tickets, oldest first.
    #[n(11)]
    pub tickets: Vec<KeptTicket>,
    /// Virtual prepaid cards, oldest first.
    #[n(12)]
    pub cards: Vec<KeptCard>,
    /// What came and didn't verify.
    #[n(13)]
    pub aside: Vec<SetAside>,
    /// Payment references that money is awaited under.
    #[n(14)]
    pub awaited: Vec<PaymentReference>,
    /// What the account held when the centre last said so.
    #[n(15)]
    pub balance: Option<KnownBalance>,
    /// On its way to the history.
    #[n(16)]
    pub outbox: Outbox,
    /// Orders made on shops' pages, paid and confirmed, oldest first.
    #[cbor(n(17), skip_if = "Vec::is_empty")]
    pub orders: Vec<KeptOrder>,
    /// IC cards that were on this wallet's readers, as the centre last told of them.
    #[cbor(n(18), skip_if = "Vec::is_empty")]
    pub ic_cards: Vec<KnownIcCard>,
}

impl State {
    /// The state of somebody who has a letter and nothing else yet.
    pub fn new(number: PartyNumber, centre: &str, root: VerifyingKey) -> Self {
        Self {
            layout: LAYOUT,
            number,
            centre: centre.trim_end_matches('/').to_owned(),
            root,
            certificates: None,
            record: None,
            currency: None,
            cursor: 0,
            shops: Vec::new(),
            bills: Vec::new(),
            pending: Vec::new(),
            tickets: Vec::new(),
            cards: Vec::new(),
            aside: Vec::new(),
            awaited: Vec::new(),
            balance: None,
            outbox: Outbox::default(),
            orders: Vec::new(),
            ic_cards: Vec::new(),
        }
    }

    /// The bytes for the vault.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads them again.
    ///
    /// # Errors
    /// [`Malformed`] for what isn't a state, or one of a newer program.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let state: Self = cbor::decode(bytes, LONGEST_STATE)?;
        if state.layout != LAYOUT {
            return Err(Malformed::field(
                "layout",
                "the wallet was written by another version of the program; use that one",
            ));
        }
        Ok(state)
    }

    /// The shop of this number, if it's known.
    pub fn shop(&self, number: PartyNumber) -> Option<&KnownShop> {
        self.shops.iter().find(|s| s.number == number)
    }

    /// The bill that this instruction pays.
    pub fn bill_of_payment(&self, payment: PaymentId) -> Option<&KeptBill> {
        self.bills.iter().find(|b| b.payment == Some(payment))
    }

    /// The bill of this digest, to change what is known of it.
    pub fn bill_mut(&mut self, digest: Digest) -> Option<&mut KeptBill> {
        self.bills.iter_mut().find(|b| b.digest() == digest)
    }

    /// The bill of this digest.
    pub fn bill(&self, digest: Digest) -> Option<&KeptBill> {
        self.bills.iter().find(|b| b.digest() == digest)
    }

    /// Lets go of what nobody will ask for again; it stands in the history.
    pub(crate) fn tidy(&mut self, now: Time) {
        let ended = |b: &KeptBill| {
            use BillStatus::{Closed, Confirmed, Delivered};
            matches!(b.status, Delivered | Confirmed | Closed)
        };
        let long_ago = |b: &KeptBill| b.received.after(KEPT_SECONDS) < now;
        self.bills.retain(|b| !(ended(b) && long_ago(b)));
        let surplus = self.aside.len().saturating_sub(KEPT_ASIDE);
        self.aside.drain(..surplus);
    }

    /// Remembers a shop, in place of what was known of it.
    pub fn know_shop(&mut self, shop: KnownShop) {
        self.shops.retain(|s| s.number != shop.number);
        self.shops.push(shop);
    }
}

/// Entries on their way to the history, written with the state that they belong to.
#[derive(Clone, Default, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Outbox {
    /// How long the history was before them.
    #[n(0)]
    pub after: u64,
    /// The entries.
    #[n(1)]
    pub entries: Vec<Dated>,
}
