//! An operator imports a bank statement (M7 ii, iii): each credit goes to the member whose reference it
//! bears, and becomes a prepaid card in that member's mailbox.

use tegata_bank::{Found as FoundReference, PaymentReference as Reference, Statement, camt053};
use tegata_ledger::{
    AccountId, Deposit, DepositEntry, Deposited, Destination, Response, StatementKey,
};
use tegata_protocol::{
    Digest, Time, Verified,
    book::{Imported, ImportedEntry, StatementImport},
    envelope::{Body as _, Message},
    prepaid::PrepaidCard,
    refusal::Code,
};

use super::{Authenticated, Exchange, Sender, Stop, View};
use crate::{
    centre::Centre,
    operator::try_entries_of,
    reply::{Recorded, amount},
};

/// An import: what was signed, and how long the cards hold.
pub(super) struct Importing {
    import: StatementImport,
    card_seconds: u64,
}

impl Exchange for Importing {
    type Body = StatementImport;
    type Operation = Deposit;
    type Found = ();

    const SENDER: Sender = Sender::OPERATOR;
    const SAYS: &'static [u16] = &[Imported::LABEL, PrepaidCard::LABEL];

    fn read(
        message: &Verified<Message<StatementImport>>,
        view: &View<'_>,
    ) -> Result<(Deposit, ()), Code> {
        let body = &message.body;
        let entries = body.entries.iter().map(|e| DepositEntry {
            index: e.index,
            amount: e.amount,
            reference: e.reference.clone(),
        });
        let deposit = Deposit {
            bank: AccountId::bank(1, view.currency),
            statement: key_of(body),
            entries: entries.collect(),
        };
        Ok((deposit, ()))
    }

    fn ask(
        centre: &Centre,
        request: &Authenticated<StatementImport>,
        now: Time,
    ) -> Result<(Self, Deposit), Stop> {
        let body = &request.message.body;
        check_import(centre, body, &request.attachment)?;
        let (deposit, ()) = Self::read(&request.message, &centre.view(now))?;
        let importing = Self {
            import: body.clone(),
            card_seconds: centre.settings.card_seconds,
        };
        Ok((importing, deposit))
    }

    fn attached(body: &StatementImport) -> Option<Digest> {
        Some(body.file)
    }

    fn check_attachment(body: &StatementImport, file: Option<&[u8]>) -> Result<(), String> {
        check_shown(file.unwrap_or_default(), body)
    }

    /// The operator reads which credits found a member; each of those members gets a prepaid card.
    ///
    /// The book's entries are those of the import, one by one and in its order: that's how a card knows
    /// what way its money came. What the member announced doesn't count.
    fn reply(&self, record: Recorded, deposited: &Deposited) -> Response {
        let entries = &deposited.entries;
        let matched = entries
            .iter()
            .map(|e| matches!(e.destination, Destination::Member(_)));
        let imported = Imported {
            matched: matched.collect(),
            position: record.position,
        };
        let mut outbox = Vec::new();
        for (entry, signed) in entries.iter().zip(&self.import.entries) {
            let Destination::Member(member) = entry.destination else {
                continue;
            };
            let of_member = |(id, _): &&(AccountId, _)| id.owner == member.wire();
            let account = deposited.credited.iter().find(of_member);
            let balance = account.map_or(0, |(_, account)| account.balance);
            let card = PrepaidCard {
                number: card_number(record.position.sequence, entry.index),
                value: entry.amount,
                funding: signed.funding,
                reference: entry.reference.clone().unwrap_or_default(),
                statement: self.import.statement.clone(),
                entry: entry.index,
                expires: record.time.after(self.card_seconds),
                balance: amount(balance, entry.amount.currency()),
            };
            outbox.push(record.of_entry(entry.index).post(member, card));
        }
        Response {
            reply: record.reply(imported),
            outbox,
        }
    }
}

fn key_of(import: &StatementImport) -> StatementKey {
    StatementKey {
        account: import.account.clone(),
        id: import.statement.clone(),
    }
}

/// A card's number: record and entry. Entries are fewer than 10,000 in a statement.
fn card_number(sequence: u64, entry: u32) -> u64 {
    sequence
        .saturating_mul(10_000)
        .saturating_add(u64::from(entry))
}

/// The bank's file is read again: it must show what the operator signed, entry by entry.
fn check_import(centre: &Centre, signed: &StatementImport, file: &[u8]) -> Result<(), Stop> {
    let imported = centre.ledger.read(|book| book.entries(&key_of(signed)));
    if !imported.map_err(Stop::fault)?.is_empty() {
        return Err(Code::StatementImported.into());
    }
    let invalid = Code::StatementInvalid;
    let read = camt053::parse_for(file, &centre.settings.account).map_err(|_e| invalid)?;
    let statement = find(&read.statements, signed).ok_or(invalid)?;
    let seen = seen_entries(centre, statement)?;
    if Digest::of(file) != signed.file || seen != signed.entries || seen.is_empty() {
        return Err(invalid.into());
    }
    Ok(())
}

fn find<'s>(statements: &'s [Statement], signed: &StatementImport) -> Option<&'s Statement> {
    let named =
        |s: &&Statement| s.id.as_str() == signed.statement && s.account.as_str() == signed.account;
    statements.iter().find(named)
}

/// The statement's credits with the references that we gave out.
fn seen_entries(centre: &Centre, statement: &Statement) -> Result<Vec<ImportedEntry>, Stop> {
    let is_expected = |reference: &Reference| {
        let funding = centre.ledger.read(|book| book.funding(reference.as_str()));
        funding.map(|funding| funding.is_some())
    };
    try_entries_of(statement, is_expected).map_err(Stop::fault)
}

/// The bank's file must show each entry that the operator signed. Which references were known on that day,
/// nobody can tell any more: a signed one must stand in its entry.
fn check_shown(file: &[u8], signed: &StatementImport) -> Result<(), String> {
    let read = camt053::parse(file).map_err(|e| e.to_string())?;
    let statement = find(&read.statements, signed);
    let statement = statement.ok_or("the bank's file has no such statement")?;
    let credits = statement.entries.iter().filter(|e| e.is_creditable());
    let credits: Vec<_> = credits.collect();
    let same = credits.len() == signed.entries.len()
        && credits.iter().zip(&signed.entries).all(|(shown, signed)| {
            let bears = |reference: &str| {
                let found = shown.references.payment_reference();
                let found = found.known(|r| r.as_str() == reference);
                matches!(found, FoundReference::One(_))
            };
            shown.index == signed.index
                && shown.amount == signed.amount
                && shown.kind.funding() == signed.funding
                && signed.reference.as_deref().is_none_or(bears)
        });
    if same {
        return Ok(());
    }
    Err("the bank's file doesn't show the entries that were signed".to_owned())
}
