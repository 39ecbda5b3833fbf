//! Deposits: a bank statement's credits find their members by reference, or wait in suspense.
//!
//! What was received is credited, whatever was announced; a reference serves once, in its time.

use std::collections::BTreeSet;

use tegata_protocol::{Amount, Change};

use super::{Attempt, Operation, check_currency, check_kind};
use crate::{
    AccountId, AccountKind, Deposit, DepositEntry, Deposited, Destination, Effect, EntryRecord,
    Funding, FundingState, Key, Refusal, Statement, StatementKey, SuspenseReason, Working,
};

/// Calls `want` with what deciding the deposit needs.
fn needs(book: &Working, deposit: &Deposit, want: &mut dyn FnMut(Key)) {
    want(Key::Statement(deposit.statement.clone()));
    want(Key::Account(deposit.bank));
    want(Key::Account(AccountId::suspense(deposit.bank.currency)));
    for reference in deposit.entries.iter().filter_map(|e| e.reference.as_ref()) {
        let key = Key::Funding(reference.clone());
        let known = book.has(&key).then(|| book.funding(reference)).flatten();
        want(key);
        if let Some(funding) = known {
            let currency = deposit.bank.currency;
            want(Key::Account(AccountId::prepaid(funding.party, currency)));
        }
    }
}

/// Books a statement: its sum to the bank, each entry to its member or to suspense.
impl Operation for Deposit {
    type Outcome = Deposited;

    fn needs(&self, book: &Working, want: &mut dyn FnMut(Key)) {
        needs(book, self, want);
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> Result<Deposited, Refusal> {
        attempt.deposit(self)
    }
}

impl Attempt<'_> {
    fn deposit(&mut self, deposit: &Deposit) -> Result<Deposited, Refusal> {
        check_kind(deposit.bank, deposit.bank.kind == AccountKind::Bank)?;
        let statement = &deposit.statement;
        if self.book.statement(statement).is_some() {
            let statement = statement.clone();
            return Err(Refusal::StatementImported { statement });
        }
        let total = check_entries(deposit)?;
        self.post(deposit.bank, total.debit(), Change::NONE)?;
        let mut used = BTreeSet::new();
        let mut entries = Vec::new();
        for entry in &deposit.entries {
            let destination = self.book_entry(statement, entry, &mut used)?;
            entries.push(EntryRecord {
                index: entry.index,
                amount: entry.amount,
                reference: entry.reference.clone(),
                destination,
            });
        }
        self.effects.push(Effect::Statement(
            statement.clone(),
            Statement {
                bank: deposit.bank,
                entries: u32::try_from(entries.len()).unwrap_or(u32::MAX),
                total,
                imported: self.now,
            },
            entries.clone(),
        ));
        let credited = self
            .accounts
            .iter()
            .filter(|(id, _)| id.kind == AccountKind::Prepaid)
            .map(|(id, account)| (*id, *account))
            .collect();
        Ok(Deposited { entries, credited })
    }

    /// Credits one entry to its member, or to suspense.
    fn book_entry(
        &mut self,
        statement: &StatementKey,
        entry: &DepositEntry,
        used: &mut BTreeSet<String>,
    ) -> Result<Destination, Refusal> {
        let amount = entry.amount;
        match self.find_member(entry, used) {
            Ok((reference, funding)) => {
                let account = AccountId::prepaid(funding.party, amount.currency());
                if self.post(account, amount.credit(), Change::NONE).is_err() {
                    return self.suspend(amount, SuspenseReason::AboveLimit);
                }
                used.insert(reference.clone());
                let party = funding.party;
                let state = FundingState::Used {
                    statement: statement.clone(),
                    index: entry.index,
                };
                self.effects
                    .push(Effect::Funding(reference, Funding { state, ..funding }));
                Ok(Destination::Member(party))
            }
            Err(reason) => self.suspend(amount, reason),
        }
    }

    fn suspend(&mut self, amount: Amount, why: SuspenseReason) -> Result<Destination, Refusal> {
        let account = AccountId::suspense(amount.currency());
        self.post(account, amount.credit(), Change::NONE)?;
        Ok(Destination::Suspense(why))
    }

    /// Who is to be credited, by the reference that the entry bears.
    fn find_member(
        &self,
        entry: &DepositEntry,
        used: &BTreeSet<String>,
    ) -> Result<(String, Funding), SuspenseReason> {
        let reference = entry
            .reference
            .as_ref()
            .ok_or(SuspenseReason::NoReference)?;
        let funding = self
            .book
            .funding(reference)
            .ok_or(SuspenseReason::UnknownReference)?;
        if funding.state != FundingState::Open || used.contains(reference) {
            return Err(SuspenseReason::UsedReference);
        }
        if self.now >= funding.expires {
            return Err(SuspenseReason::ExpiredReference);
        }
        Ok((reference.clone(), funding.clone()))
    }
}

/// The sum of a statement's entries, if each stands once and is an amount of the bank's currency.
fn check_entries(deposit: &Deposit) -> Result<Amount, Refusal> {
    let mut total = Amount::zero(deposit.bank.currency);
    let mut seen = BTreeSet::new();
    for entry in &deposit.entries {
        if !seen.insert(entry.index) {
            return Err(Refusal::EntryTwice {
                statement: deposit.statement.clone(),
                index: entry.index,
            });
        }
        if entry.amount.is_zero() {
            return Err(Refusal::AmountZero);
        }
        check_currency(entry.amount, deposit.bank)?;
        total = total.plus(entry.amount).map_err(|_e| Refusal::Overflow {
            account: deposit.bank,
        })?;
    }
    Ok(total)
}
