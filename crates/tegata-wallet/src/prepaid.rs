//! Loading money (M7) and asking what is there. Password A alone.

use tegata_party::client::{Caller, Prepared};
use tegata_protocol::{
    Amount, Currency, MessageId, PartyNumber, Time,
    prepaid::{Balance, BalanceInquiry, Funding, PaymentReference, PrepaidRequest},
};

use crate::{
    error::WalletError,
    kept::{Instruction, KnownBalance},
    sending::Settled,
    wallet::{Wallet, rng},
};

impl Wallet {
    /// Asks for prepaid money: signed, kept, sent.
    ///
    /// # Errors
    /// [`WalletError::Refused`], [`WalletError::InDoubt`].
    pub fn load(
        &mut self,
        amount: Amount,
        funding: Funding,
        now: Time,
    ) -> Result<PaymentReference, WalletError> {
        self.registered()?;
        let centre = self.centre(now)?;
        let id = MessageId::random(&mut rng());
        let body = PrepaidRequest { amount, funding };
        let prepared = self.prepare(&centre.callee, id, now, body)?;
        let digest = self.keep_pending(&prepared, PartyNumber::CENTRE, Instruction::Load, now)?;
        let Settled::Reference(reference) = self.settle(digest, Some(prepared), now)? else {
            return Err(WalletError::unsound("the answer", "it's of another kind"));
        };
        Ok(reference)
    }

    /// Asks the centre what the account holds.
    ///
    /// # Errors
    /// [`WalletError::Call`], [`WalletError::Refused`].
    pub fn balance(&mut self, now: Time) -> Result<KnownBalance, WalletError> {
        let known = self.ask_balance(now)?;
        self.state.balance = Some(known);
        self.state.currency = Some(known.balance.currency());
        self.commit(now, Vec::new())?;
        Ok(known)
    }

    /// The same, and nothing is written down.
    pub(crate) fn ask_balance(&mut self, now: Time) -> Result<KnownBalance, WalletError> {
        self.registered()?;
        let centre = self.centre(now)?;
        let id = MessageId::random(&mut rng());
        let prepared: Prepared = self.prepare(&centre.callee, id, now, BalanceInquiry {})?;
        let (signing, opening) = (self.everyday(), self.opening());
        let caller = Caller {
            number: self.state.number,
            signing: &signing,
            opening: &opening,
        };
        let answer = self
            .client()
            .call::<Balance>(caller, &centre.callee, &prepared)?;
        let reply = answer.accepted().map_err(|refusal| WalletError::Refused {
            by: "the centre".to_owned(),
            what: "inquiry",
            refusal,
        })?;
        Ok(KnownBalance {
            balance: reply.body.balance,
            held: reply.body.held,
            as_of: reply.time,
        })
    }

    /// The organiser's currency; asks the centre if it isn't known yet.
    ///
    /// # Errors
    /// As [`Wallet::balance`].
    pub fn currency(&mut self, now: Time) -> Result<Currency, WalletError> {
        match self.state.currency {
            Some(currency) => Ok(currency),
            None => Ok(self.balance(now)?.balance.currency()),
        }
    }

    /// Is there a record to act with?
    pub(crate) fn registered(&self) -> Result<(), WalletError> {
        match self.state.record {
            Some(_) => Ok(()),
            None => Err(WalletError::NotRegistered),
        }
    }
}

impl KnownBalance {
    /// What can be spent.
    pub fn available(&self) -> Amount {
        let zero = Amount::zero(self.balance.currency());
        self.balance.minus(self.held).unwrap_or(zero)
    }
}
