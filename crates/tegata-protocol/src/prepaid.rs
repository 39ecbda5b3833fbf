//! Prepaid money (M7): a signed request yields a payment reference; when the money has come, the
//! centre issues the virtual prepaid card, and its value stands in the member's account.

use minicbor::{Decode, Encode};

use crate::{Amount, Malformed, Time, envelope::Body, malformed::check_text};

/// How money comes in. All four of the document's ways have a number; the centre offers some.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Funding {
    /// (i) Credit authorisation, later captured.
    #[n(1)]
    Credit,
    /// (ii) Transfer from the member's bank or post office.
    #[n(2)]
    Transfer,
    /// (iii) Deposit at the centre's bank or post office.
    #[n(3)]
    Deposit,
    /// (iv) Cash by registered mail.
    #[n(4)]
    Cash,
}

/// A member asks for prepaid money. Everyday key, to the centre.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PrepaidRequest {
    /// How much will be paid in.
    #[n(0)]
    pub amount: Amount,
    /// How.
    #[n(1)]
    pub funding: Funding,
}

impl Body for PrepaidRequest {
    const LABEL: u16 = 20;
    const LIMIT: usize = 512;
}

/// The centre's reply: where to pay in, and under which reference.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PaymentReference {
    /// The creditor reference (ISO 11649), without spaces: `RF18539007547034`.
    #[n(0)]
    pub reference: String,
    /// How much.
    #[n(1)]
    pub amount: Amount,
    /// How.
    #[n(2)]
    pub funding: Funding,
    /// The centre's account (IBAN, or as the bank writes it).
    #[n(3)]
    pub account: String,
    /// The account's owner.
    #[n(4)]
    pub owner: String,
    /// Until when the reference is watched for.
    #[n(5)]
    pub expires: Time,
}

impl Body for PaymentReference {
    const LABEL: u16 = 21;
    const LIMIT: usize = 1024;

    fn check(&self) -> Result<(), Malformed> {
        check_text("reference", &self.reference, 25)?;
        check_text("account", &self.account, 34)?;
        check_text("owner", &self.owner, 100)
    }
}

/// The virtual prepaid card: signed by the centre, sealed to the member.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PrepaidCard {
    /// The card's number: the position of the posting that brought the money.
    #[n(0)]
    pub number: u64,
    /// What came in with it.
    #[n(1)]
    pub value: Amount,
    /// How the money came.
    #[n(2)]
    pub funding: Funding,
    /// The reference that it was paid under.
    #[n(3)]
    pub reference: String,
    /// The bank statement that shows it.
    #[n(4)]
    pub statement: String,
    /// The entry in the statement, from 0.
    #[n(5)]
    pub entry: u32,
    /// Until when it may be spent.
    #[n(6)]
    pub expires: Time,
    /// What stands in the prepaid account with it.
    #[n(7)]
    pub balance: Amount,
}

impl Body for PrepaidCard {
    const LABEL: u16 = 22;
    const LIMIT: usize = 1024;

    fn check(&self) -> Result<(), Malformed> {
        check_text("reference", &self.reference, 25)?;
        check_text("statement", &self.statement, 35)
    }
}

/// A member asks what it has. Everyday key; changes nothing and isn't kept.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct BalanceInquiry {}

impl Body for BalanceInquiry {
    const LABEL: u16 = 23;
    const LIMIT: usize = 512;
}

/// What a member has.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Balance {
    /// In the account.
    #[n(0)]
    pub balance: Amount,
    /// Held for payments under way; what is available is the difference.
    #[n(1)]
    pub held: Amount,
}

impl Body for Balance {
    const LABEL: u16 = 24;
    const LIMIT: usize = 512;
}
