//! How the book names what comes from outside of it: a bill by its shop's number, a statement by its
//! bank's.

use minicbor::Encode;
use tegata_protocol::{PartyNumber, TransactionNumber};

/// A bill: its shop and the number that the shop drew for the sale.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode)]
pub struct BillKey {
    /// Who sells.
    #[n(0)]
    pub shop: PartyNumber,
    /// The sale's number.
    #[n(1)]
    pub transaction: TransactionNumber,
}

/// A bank statement: whose account, and the bank's own id of the statement.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode)]
pub struct StatementKey {
    /// The account as the bank names it (an IBAN, or branch and number).
    #[n(0)]
    pub account: String,
    /// The statement's id.
    #[n(1)]
    pub id: String,
}
