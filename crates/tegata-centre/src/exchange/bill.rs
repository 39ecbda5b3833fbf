//! Bills, as payments and inquiries name them: signed by a shop in force, and not expired.

use tegata_ledger::BillKey;
use tegata_protocol::{
    Amount, SignedBytes, Time, Unverified, Verified, purchase::Bill, record::Status, refusal::Code,
};

use super::{Stop, View};
use crate::{centre::Centre, register::Register};

/// The book's key of a bill.
pub(super) const fn bill_key(bill: &Bill) -> BillKey {
    BillKey {
        shop: bill.shop,
        transaction: bill.transaction,
    }
}

/// A bill that a registered shop signed.
///
/// # Errors
/// [`Code::BillInvalid`].
pub(super) fn bill_of(
    signed: &SignedBytes,
    register: &dyn Register,
) -> Result<Verified<Bill>, Code> {
    let invalid = Code::BillInvalid;
    let bill = Unverified::<Bill>::parse(signed.clone()).map_err(|_e| invalid)?;
    let shop = register.party(bill.claimed().shop).ok_or(invalid)?;
    bill.verify(&shop.keys.signing).map_err(|_e| invalid)
}

/// A bill that a shop in force signed, over what the member agreed to, and not yet expired.
///
/// # Errors
/// The first [`Code`] that holds of bill invalid, bill differs, bill expired.
pub(super) fn payable(
    signed: &SignedBytes,
    amount: Amount,
    view: &View<'_>,
) -> Result<Verified<Bill>, Code> {
    let bill = bill_of(signed, view.register)?;
    let shop = view.register.party(bill.shop).ok_or(Code::BillInvalid)?;
    if shop.status != Status::Active || !shop.valid.holds(view.time) {
        return Err(Code::BillInvalid);
    }
    if amount != bill.totals.total {
        return Err(Code::BillDiffers);
    }
    if view.time >= bill.expires {
        return Err(Code::BillExpired);
    }
    Ok(bill)
}

impl Centre {
    /// Reads a message about a bill. A refusal is looked at twice: the register's failing isn't the shop's,
    /// and a bill whose number belongs to another one is invalid before it is anything else.
    ///
    /// # Errors
    /// [`Stop`].
    pub(super) fn with_bill<T>(
        &self,
        signed: &SignedBytes,
        now: Time,
        read: impl Fn(&View<'_>) -> Result<T, Code>,
    ) -> Result<T, Stop> {
        let view = self.view(now);
        let code = match read(&view) {
            Ok(read) => return Ok(read),
            Err(code) => code,
        };
        let Ok(bill) = Unverified::<Bill>::parse(signed.clone()) else {
            return Err(code.into());
        };
        let shop = self.register.recall(bill.claimed().shop);
        if shop.map_err(Stop::fault)?.is_none() || code == Code::BillInvalid {
            return Ok(read(&view)?);
        }
        let key = bill_key(bill.claimed());
        let known = self.ledger.read(|book| book.bill(&key));
        match known.map_err(Stop::fault)? {
            Some(known) if known.digest != bill.digest() => Err(Code::BillInvalid.into()),
            _ => Err(code.into()),
        }
    }

    /// The centre's book is in one currency.
    pub(super) fn check_currency(&self, amount: Amount) -> Result<(), Code> {
        if amount.currency() == self.settings.currency {
            return Ok(());
        }
        Err(Code::WrongCurrency)
    }
}
