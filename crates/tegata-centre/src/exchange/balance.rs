//! A member asks for the balance of its prepaid account.

use tegata_ledger::AccountId;
use tegata_protocol::{
    Amount, Role, Verified,
    envelope::Message,
    prepaid::{Balance, BalanceInquiry},
};

use super::{Inquiry, Stop};
use crate::centre::Centre;

/// The inquiry.
pub(super) struct Balances;

impl Inquiry for Balances {
    type Body = BalanceInquiry;
    type Reply = Balance;

    const ROLE: Option<Role> = Some(Role::Member);

    fn answer(
        centre: &Centre,
        message: &Verified<Message<BalanceInquiry>>,
    ) -> Result<Balance, Stop> {
        let currency = centre.settings.currency;
        let id = AccountId::prepaid(message.from, currency);
        let account = centre.ledger.read(|book| book.account(&id));
        let account = account.map_err(Stop::fault)?.unwrap_or_default();
        let amount = |minor| {
            let minor = u64::try_from(minor).unwrap_or_default();
            Amount::new(minor, currency).map_err(Stop::fault)
        };
        Ok(Balance {
            balance: amount(account.balance)?,
            held: amount(account.held)?,
        })
    }
}
