//! How each thing of the book stands in a row: its columns in one order, read one to one. Two
//! different rows never read as the same value, so that the audit sees every change of a column.

use tegata_protocol::{CardNumber, Change, Digest, PaymentId};

use super::cells::{Cells, Table};
use crate::{
    Account, AccountId, AccountKind, Bill, BillKey, BillState, Card, CardState, Destination,
    EntryRecord, Evidence, EvidenceKind, Funding, FundingState, Hold, HoldState, KnownMessage, Leg,
    MessageKey, OutboxItem, Record, RecordKind, Statement, StatementKey, SuspenseReason, Verdict,
    store::{StoreError, StoredOutboxItem},
};

pub(super) const RECORD: Table = Table {
    name: "record",
    keys: 1,
};
pub(super) const LEG: Table = Table {
    name: "leg",
    keys: 2,
};
pub(super) const ACCOUNT: Table = Table {
    name: "account",
    keys: 4,
};
pub(super) const MESSAGE: Table = Table {
    name: "message_id",
    keys: 2,
};
pub(super) const EVIDENCE: Table = Table {
    name: "evidence",
    keys: 1,
};
pub(super) const REPLY: Table = Table {
    name: "reply",
    keys: 1,
};
pub(super) const HOLD: Table = Table {
    name: "hold",
    keys: 1,
};
pub(super) const BILL: Table = Table {
    name: "bill",
    keys: 2,
};
pub(super) const PARTY: Table = Table {
    name: "party",
    keys: 1,
};
pub(super) const FUNDING: Table = Table {
    name: "funding_reference",
    keys: 1,
};
pub(super) const STATEMENT: Table = Table {
    name: "statement",
    keys: 2,
};
pub(super) const ENTRY: Table = Table {
    name: "statement_entry",
    keys: 3,
};
pub(super) const CARD: Table = Table {
    name: "card",
    keys: 1,
};
pub(super) const RECEIPT: Table = Table {
    name: "card_receipt",
    keys: 2,
};
pub(super) const OUTBOX: Table = Table {
    name: "outbox",
    keys: 2,
};

macro_rules! columns {
    ($($name:ident = $columns:literal;)+) => {
        $(macro_rules! $name { () => { $columns } })+
        $(pub(super) use $name;)+
    };
}

columns! {
    record_columns = "position, previous, hash, kind, accepted, code, party, message, signer, \
                      evidence, attachment, reply, effects, outbox, time";
    leg_columns = "position, idx, kind, owner, part, currency, change, held, sequence, balance, \
                   held_after";
    account_columns = "kind, owner, part, currency, balance, held, sequence";
    hold_columns = "payment, payer_kind, payer_owner, payer_part, payee_kind, payee_owner, \
                    payee_part, currency, amount, shop, txn, placed, expires, state, captured";
    bill_columns = "shop, txn, digest, state, payment";
    funding_columns = "reference, party, announced, amount, currency, expires, used, \
                       used_account, used_id, used_idx";
    statement_columns = "account, id, bank_owner, bank_part, currency, entries, total, imported";
    entry_columns = "account, id, idx, amount, currency, referenced, reference, party, reason";
    card_columns = "number, holder, idx, currency, state, counter, balance";
    receipt_columns = "card, counter, digests";
    outbox_columns = "position, idx, party, number, kind, bytes";
}

/// A record without its legs, and its hash as stored.
pub(super) fn record(c: &mut Cells<'_, '_>) -> Result<(Record, Digest), StoreError> {
    let (position, previous, hash) = (c.position()?, c.digest()?, c.digest()?);
    let kind = c.numbered(RecordKind::from_number)?;
    let accepted = c.flag()?;
    let code: u16 = c.number()?;
    let verdict = match (accepted, code) {
        (true, 0) => Verdict::Accepted,
        (true, _) => return Err(c.damaged("a code, though accepted")),
        (false, code) => Verdict::Refused(code),
    };
    let record = Record {
        position,
        previous,
        kind,
        verdict,
        cause: MessageKey {
            party: c.party()?,
            id: c.message()?,
        },
        signer: c.numbered(EvidenceKind::from_number)?,
        evidence: c.digest()?,
        attachment: c.optional_digest()?,
        legs: Vec::new(),
        reply: c.digest()?,
        effects: c.digest()?,
        outbox: c.optional_digest()?,
        time: c.time()?,
    };
    Ok((record, hash))
}

pub(super) fn leg(c: &mut Cells<'_, '_>) -> Result<(u64, Leg), StoreError> {
    c.position()?;
    let index = c.number()?;
    let leg = Leg {
        account: account_id(c)?,
        change: Change::new(c.signed()?),
        held: Change::new(c.signed()?),
        sequence: c.number()?,
        balance: c.signed()?,
        held_after: c.signed()?,
    };
    Ok((index, leg))
}

fn account_id(c: &mut Cells<'_, '_>) -> Result<AccountId, StoreError> {
    Ok(AccountId {
        kind: c.numbered(AccountKind::from_number)?,
        owner: c.number()?,
        part: c.number()?,
        currency: c.currency()?,
    })
}

pub(super) fn account(c: &mut Cells<'_, '_>) -> Result<(AccountId, Account), StoreError> {
    let id = account_id(c)?;
    let account = Account {
        balance: c.signed()?,
        held: c.signed()?,
        sequence: c.number()?,
    };
    Ok((id, account))
}

pub(super) fn known_message(c: &mut Cells<'_, '_>) -> Result<KnownMessage, StoreError> {
    c.party()?;
    c.message()?;
    Ok(KnownMessage {
        digest: c.digest()?,
        position: c.position()?,
    })
}

pub(super) fn evidence(c: &mut Cells<'_, '_>, kind: EvidenceKind) -> Result<Evidence, StoreError> {
    c.position()?;
    let bytes = c.bytes()?.into();
    let attached = c.flag()?;
    let attachment = c.bytes()?;
    if !attached && !attachment.is_empty() {
        return Err(c.damaged("something, though nothing is attached"));
    }
    let attachment = attached.then_some(attachment);
    Ok(Evidence {
        kind,
        bytes,
        attachment,
    })
}

pub(super) fn reply(c: &mut Cells<'_, '_>) -> Result<Vec<u8>, StoreError> {
    c.position()?;
    c.bytes()
}

/// The numbers of [`HoldState`] at rest.
pub(super) fn hold_state_columns(state: &HoldState) -> (i64, u64) {
    match state {
        HoldState::Open => (0, 0),
        HoldState::Captured(amount) => (1, amount.minor()),
        HoldState::Expired => (2, 0),
        HoldState::Voided => (3, 0),
        HoldState::Awaiting => (4, 0),
    }
}

pub(super) fn hold(c: &mut Cells<'_, '_>) -> Result<Hold, StoreError> {
    let payment = c.payment()?;
    let payer = (
        c.numbered(AccountKind::from_number)?,
        c.number()?,
        c.number()?,
    );
    let payee = (
        c.numbered(AccountKind::from_number)?,
        c.number()?,
        c.number()?,
    );
    let currency = c.currency()?;
    let id = |(kind, owner, part)| AccountId {
        kind,
        owner,
        part,
        currency,
    };
    let amount = c.amount(currency)?;
    let bill = bill_key(c)?;
    let (placed, expires) = (c.time()?, c.time()?);
    let state: u8 = c.number()?;
    let captured = c.amount(currency)?;
    let state = match (state, captured.is_zero()) {
        (0, true) => HoldState::Open,
        (1, _) => HoldState::Captured(captured),
        (2, true) => HoldState::Expired,
        (3, true) => HoldState::Voided,
        (4, true) => HoldState::Awaiting,
        _ => return Err(c.damaged("state and captured amount don't go together")),
    };
    Ok(Hold {
        payment,
        payer: id(payer),
        payee: id(payee),
        amount,
        bill,
        placed,
        expires,
        state,
    })
}

fn bill_key(c: &mut Cells<'_, '_>) -> Result<BillKey, StoreError> {
    Ok(BillKey {
        shop: c.party()?,
        transaction: c.transaction()?,
    })
}

/// The number of [`BillState`] at rest, and the payment that goes with it.
pub(super) fn bill_state_columns(state: &BillState) -> (i64, Option<Digest>) {
    match state {
        BillState::Free => (0, None),
        BillState::Held(payment) => (1, Some(payment.digest())),
        BillState::Paid(payment) => (2, Some(payment.digest())),
        BillState::Closed => (3, None),
    }
}

pub(super) fn bill(c: &mut Cells<'_, '_>) -> Result<(BillKey, Bill), StoreError> {
    let key = bill_key(c)?;
    let digest = c.digest()?;
    let state: u8 = c.number()?;
    let payment = c.optional_digest()?.map(PaymentId::new);
    let state = match (state, payment) {
        (0, None) => BillState::Free,
        (1, Some(payment)) => BillState::Held(payment),
        (2, Some(payment)) => BillState::Paid(payment),
        (3, None) => BillState::Closed,
        _ => return Err(c.damaged("state and payment don't go together")),
    };
    Ok((key, Bill { digest, state }))
}

pub(super) fn funding(c: &mut Cells<'_, '_>) -> Result<(String, Funding), StoreError> {
    let (reference, party, announced) = (c.text()?, c.party()?, c.flag()?);
    let minor: u64 = c.number()?;
    let code = c.text()?;
    let amount = if announced {
        let amount = tegata_protocol::Currency::new(&code)
            .and_then(|currency| tegata_protocol::Amount::new(minor, currency));
        Some(amount.map_err(|e| c.damaged(&e.to_string()))?)
    } else if minor == 0 && code.is_empty() {
        None
    } else {
        return Err(c.damaged("an amount, though none was announced"));
    };
    let (expires, used) = (c.time()?, c.flag()?);
    let (account, id, index): (_, _, u32) = (c.text()?, c.text()?, c.number()?);
    let state = if used {
        let statement = StatementKey { account, id };
        FundingState::Used { statement, index }
    } else if account.is_empty() && id.is_empty() && index == 0 {
        FundingState::Open
    } else {
        return Err(c.damaged("a statement, though unused"));
    };
    let funding = Funding {
        party,
        amount,
        expires,
        state,
    };
    Ok((reference, funding))
}

fn statement_key(c: &mut Cells<'_, '_>) -> Result<StatementKey, StoreError> {
    Ok(StatementKey {
        account: c.text()?,
        id: c.text()?,
    })
}

pub(super) fn statement(c: &mut Cells<'_, '_>) -> Result<(StatementKey, Statement), StoreError> {
    let key = statement_key(c)?;
    let (owner, part) = (c.number()?, c.number()?);
    let currency = c.currency()?;
    let statement = Statement {
        bank: AccountId {
            kind: AccountKind::Bank,
            owner,
            part,
            currency,
        },
        entries: c.number()?,
        total: c.amount(currency)?,
        imported: c.time()?,
    };
    Ok((key, statement))
}

pub(super) fn entry(c: &mut Cells<'_, '_>) -> Result<(StatementKey, EntryRecord), StoreError> {
    let key = statement_key(c)?;
    let index = c.number()?;
    let minor: u64 = c.number()?;
    let currency = c.currency()?;
    let amount = tegata_protocol::Amount::new(minor, currency);
    let amount = amount.map_err(|e| c.damaged(&e.to_string()))?;
    let referenced = c.flag()?;
    let reference = c.text()?;
    if !referenced && !reference.is_empty() {
        return Err(c.damaged("a reference, though none was given"));
    }
    let party: u64 = c.number()?;
    let reason: u8 = c.number()?;
    let destination = match (party, reason) {
        (0, reason) => SuspenseReason::from_number(reason).map(Destination::Suspense),
        (party, 0) => tegata_protocol::PartyNumber::from_wire(party)
            .ok()
            .map(Destination::Member),
        _ => None,
    };
    let destination =
        destination.ok_or_else(|| c.damaged("member and reason don't go together"))?;
    let entry = EntryRecord {
        index,
        amount,
        reference: referenced.then_some(reference),
        destination,
    };
    Ok((key, entry))
}

pub(super) fn card(c: &mut Cells<'_, '_>) -> Result<(CardNumber, Card), StoreError> {
    let number = c.card()?;
    let card = Card {
        holder: c.party()?,
        index: c.number()?,
        currency: c.currency()?,
        state: c.numbered(CardState::from_number)?,
        counter: c.number()?,
        balance: c.number()?,
    };
    Ok((number, card))
}

/// A card's number and a counter.
type ReceiptKey = (CardNumber, u32);

pub(super) fn receipts(c: &mut Cells<'_, '_>) -> Result<(ReceiptKey, Vec<Digest>), StoreError> {
    let key = (c.card()?, c.number()?);
    let bytes = c.bytes()?;
    let (digests, rest) = bytes.as_chunks::<32>();
    if digests.is_empty() || !rest.is_empty() {
        return Err(c.damaged("not a row of digests"));
    }
    let digests = digests.iter().copied().map(Digest::from_bytes);
    Ok((key, digests.collect()))
}

pub(super) fn outbox(c: &mut Cells<'_, '_>) -> Result<(u64, StoredOutboxItem), StoreError> {
    let (position, index) = (c.position()?, c.number()?);
    let (to, number) = (c.party()?, c.number()?);
    let item = OutboxItem {
        to,
        kind: c.number()?,
        bytes: c.bytes()?,
    };
    let stored = StoredOutboxItem {
        number,
        position,
        item,
    };
    Ok((index, stored))
}
