//! The committer's connection: recalls what a batch needs, writes a batch in one transaction.

use std::{collections::HashMap, fmt};

use tegata_protocol::{CardNumber, Digest, PartyNumber};
use tegata_store::{Connection, Params, params};

use super::{
    cells::{Cells, Table, integer, position_number},
    failed, lookup, rows,
};
use crate::{
    Account, AccountId, Bill, BillKey, Card, Destination, EntryRecord, Funding, FundingState, Hold,
    Key, Leg, OutboxItem, Position, Record, Statement, StatementKey, Verdict, Working,
    store::{Entry, StoreError, Tip, Writer},
};

pub(super) struct SqliteWriter {
    connection: Connection,
    committer: u16,
    /// The last number given to each party's outbox items, as far as this batch needed it.
    numbers: HashMap<PartyNumber, u64>,
}

impl fmt::Debug for SqliteWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteWriter")
            .field("committer", &self.committer)
            .finish_non_exhaustive()
    }
}

impl SqliteWriter {
    pub(super) fn new(connection: Connection, committer: u16) -> Self {
        Self {
            connection,
            committer,
            numbers: HashMap::new(),
        }
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if !self.connection.is_writing() {
            self.connection.begin().map_err(failed("begin a batch"))?;
            // Another committer may have written to the same outboxes since.
            self.numbers.clear();
        }
        Ok(())
    }

    /// Runs one statement, which must change one row.
    fn run(&self, sql: &str, doing: &'static str, values: impl Params) -> Result<(), StoreError> {
        let done = self.connection.write_one(sql, values);
        done.map_err(failed(doing))
    }

    /// The row of a key, read.
    fn find<T>(
        &self,
        sql: &str,
        table: Table,
        key: impl Params,
        read: impl FnOnce(&mut Cells<'_, '_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        lookup::find(&self.connection, sql, table, key, read)
    }

    fn recall_one(&self, key: &Key, book: &mut Working) -> Result<(), StoreError> {
        let c = &self.connection;
        match key {
            Key::Message(key) => book.load_message(*key, lookup::known_message(c, key)?),
            Key::Account(id) => book.load_account(*id, lookup::account(c, id)?),
            Key::Hold(payment) => book.load_hold(*payment, lookup::hold(c, payment)?),
            Key::Bill(key) => book.load_bill(*key, lookup::bill(c, key)?),
            Key::Funding(reference) => {
                book.load_funding(reference.clone(), lookup::funding(c, reference)?);
            }
            Key::Party(party) => book.load_party(*party, lookup::party(c, *party)?),
            Key::Statement(key) => {
                book.load_statement(key.clone(), lookup::statement(c, key)?);
            }
            Key::Card(number) => book.load_card(*number, lookup::card(c, number)?),
            Key::Receipt(card, counter) => {
                let found = lookup::receipts(c, card, *counter)?;
                book.load_receipts((*card, *counter), found);
            }
        }
        Ok(())
    }

    fn write(&mut self, entries: &[Entry], book: &Working) -> Result<(), StoreError> {
        for entry in entries {
            self.write_entry(entry)?;
        }
        for changed in book.changed_accounts() {
            self.write_account(changed.key, changed.value, changed.stored)?;
        }
        for changed in book.changed_holds() {
            self.write_hold(changed.value, changed.stored)?;
        }
        for changed in book.changed_bills() {
            self.write_bill(changed.key, changed.value, changed.stored)?;
        }
        for changed in book.changed_parties() {
            self.write_party(*changed.key, changed.value, changed.stored)?;
        }
        for changed in book.changed_fundings() {
            self.write_funding(changed.key, changed.value, changed.stored)?;
        }
        for changed in book.changed_statements() {
            self.write_statement(changed.key, changed.value)?;
        }
        for changed in book.changed_cards() {
            self.write_card(changed.key, changed.value, changed.stored)?;
        }
        for changed in book.changed_receipts() {
            let (card, counter) = *changed.key;
            self.write_receipts(card, counter, changed.value, changed.stored)?;
        }
        Ok(())
    }

    /// Everything that is only ever appended.
    fn write_entry(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let position = position_number(entry.record.position)?;
        self.write_record(position, &entry.record, &entry.hash)?;
        for (index, leg) in (0_i64..).zip(&entry.record.legs) {
            self.write_leg(position, index, leg)?;
        }
        if let Some(evidence) = &entry.evidence {
            let attachment = evidence.attachment.as_deref();
            self.run(
                "INSERT INTO evidence (position, bytes, attached, attachment) \
                 VALUES ($1, $2, $3, $4)",
                "write evidence",
                params![
                    position,
                    &evidence.bytes[..],
                    attachment.is_some(),
                    attachment.unwrap_or_default()
                ],
            )?;
        }
        self.run(
            "INSERT INTO reply (position, bytes) VALUES ($1, $2)",
            "write a reply",
            params![position, entry.reply],
        )?;
        if let Some((key, entries)) = &entry.statement {
            for entry in entries {
                self.write_statement_entry(key, entry)?;
            }
        }
        for (index, item) in (0_i64..).zip(&entry.outbox) {
            self.write_outbox(position, index, item)?;
        }
        Ok(())
    }

    fn write_record<'a>(
        &self,
        position: i64,
        record: &'a Record,
        hash: &Digest,
    ) -> Result<(), StoreError> {
        let (accepted, code) = match record.verdict {
            Verdict::Accepted => (true, 0),
            Verdict::Refused(code) => (false, code),
        };
        let party = integer(record.cause.party.wire(), "a party's number")?;
        let optional = |d: &'a Option<Digest>| d.as_ref().map_or(&[][..], |d| d.as_bytes());
        self.run(
            concat!(
                "INSERT INTO record (",
                rows::record_columns!(),
                ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
            ),
            "write a record",
            params![
                position,
                record.previous.as_bytes(),
                hash.as_bytes(),
                record.kind.number(),
                accepted,
                code,
                party,
                record.cause.id.as_bytes(),
                record.signer.number(),
                record.evidence.as_bytes(),
                optional(&record.attachment),
                record.reply.as_bytes(),
                record.effects.as_bytes(),
                optional(&record.outbox),
                integer(record.time.secs(), "a time")?,
            ],
        )?;
        self.run(
            "INSERT INTO message_id (party, message, digest, position) VALUES ($1, $2, $3, $4)",
            "write a message's id",
            params![
                party,
                record.cause.id.as_bytes(),
                record.evidence.as_bytes(),
                position
            ],
        )
    }

    fn write_leg(&self, position: i64, index: i64, leg: &Leg) -> Result<(), StoreError> {
        self.run(
            concat!(
                "INSERT INTO leg (",
                rows::leg_columns!(),
                ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            ),
            "write a leg",
            params![
                position,
                index,
                leg.account.kind.number(),
                integer(leg.account.owner, "an account's owner")?,
                leg.account.part,
                leg.account.currency.code(),
                leg.change.minor(),
                leg.held.minor(),
                integer(leg.sequence, "an account's sequence")?,
                leg.balance,
                leg.held_after,
            ],
        )
    }

    fn write_account(
        &self,
        id: &AccountId,
        account: &Account,
        stored: bool,
    ) -> Result<(), StoreError> {
        let (kind, owner, part, currency) = lookup::account_key(id)?;
        let sequence = integer(account.sequence, "an account's sequence")?;
        let sql = if stored {
            "UPDATE account SET balance = $1, held = $2, sequence = $3 \
             WHERE kind = $4 AND owner = $5 AND part = $6 AND currency = $7"
        } else {
            "INSERT INTO account (balance, held, sequence, kind, owner, part, currency) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)"
        };
        let (balance, held) = (account.balance, account.held);
        let values = params![balance, held, sequence, kind, owner, part, currency];
        self.run(sql, "write an account", values)
    }

    fn write_hold(&self, hold: &Hold, stored: bool) -> Result<(), StoreError> {
        let (state, captured) = rows::hold_state_columns(&hold.state);
        let captured = integer(captured, "an amount")?;
        if stored {
            let sql = "UPDATE hold SET state = $1, captured = $2 WHERE payment = $3";
            let payment = hold.payment.digest();
            let values = params![state, captured, payment.as_bytes()];
            return self.run(sql, "write a hold", values);
        }
        let sql = concat!(
            "INSERT INTO hold (",
            rows::hold_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
        );
        let (payment, currency) = (hold.payment.digest(), hold.amount.currency());
        let values = params![
            payment.as_bytes(),
            hold.payer.kind.number(),
            integer(hold.payer.owner, "an account's owner")?,
            hold.payer.part,
            hold.payee.kind.number(),
            integer(hold.payee.owner, "an account's owner")?,
            hold.payee.part,
            currency.code(),
            integer(hold.amount.minor(), "an amount")?,
            integer(hold.bill.shop.wire(), "a party's number")?,
            integer(hold.bill.transaction.wire(), "a transaction")?,
            integer(hold.placed.secs(), "a time")?,
            integer(hold.expires.secs(), "a time")?,
            state,
            captured,
        ];
        self.run(sql, "write a hold", values)
    }

    fn write_bill(&self, key: &BillKey, bill: &Bill, stored: bool) -> Result<(), StoreError> {
        let (shop, txn) = lookup::bill_key(key)?;
        let (state, payment) = rows::bill_state_columns(&bill.state);
        let payment = payment.as_ref().map_or(&[][..], |d| d.as_bytes());
        let sql = if stored {
            "UPDATE bill SET digest = $1, state = $2, payment = $3 WHERE shop = $4 AND txn = $5"
        } else {
            "INSERT INTO bill (digest, state, payment, shop, txn) VALUES ($1, $2, $3, $4, $5)"
        };
        let values = params![bill.digest.as_bytes(), state, payment, shop, txn];
        self.run(sql, "write a bill", values)
    }

    fn write_party(
        &self,
        party: PartyNumber,
        record: &[u8],
        stored: bool,
    ) -> Result<(), StoreError> {
        let party = integer(party.wire(), "a party's number")?;
        let sql = if stored {
            "UPDATE party SET record = $1 WHERE party = $2"
        } else {
            "INSERT INTO party (record, party) VALUES ($1, $2)"
        };
        self.run(sql, "write a party", params![record, party])
    }

    fn write_funding(
        &self,
        reference: &str,
        funding: &Funding,
        stored: bool,
    ) -> Result<(), StoreError> {
        // Both take the columns in one order, the reference last.
        let sql = if stored {
            "UPDATE funding_reference SET party = $1, announced = $2, amount = $3, currency = $4, \
             expires = $5, used = $6, used_account = $7, used_id = $8, used_idx = $9 \
             WHERE reference = $10"
        } else {
            "INSERT INTO funding_reference (party, announced, amount, currency, expires, used, \
             used_account, used_id, used_idx, reference) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        };
        let (account, id, index) = match &funding.state {
            FundingState::Open => ("", "", 0),
            FundingState::Used { statement, index } => {
                (statement.account.as_str(), statement.id.as_str(), *index)
            }
        };
        let currency = funding.amount.map(|a| a.currency());
        let values = params![
            integer(funding.party.wire(), "a party's number")?,
            funding.amount.is_some(),
            integer(funding.amount.map_or(0, |a| a.minor()), "an amount")?,
            currency.as_ref().map_or("", |c| c.code()),
            integer(funding.expires.secs(), "a time")?,
            funding.state != FundingState::Open,
            account,
            id,
            index,
            reference,
        ];
        self.run(sql, "write a funding reference", values)
    }

    fn write_statement(&self, key: &StatementKey, statement: &Statement) -> Result<(), StoreError> {
        let sql = concat!(
            "INSERT INTO statement (",
            rows::statement_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        );
        let values = params![
            key.account,
            key.id,
            integer(statement.bank.owner, "an account's owner")?,
            statement.bank.part,
            statement.bank.currency.code(),
            statement.entries,
            integer(statement.total.minor(), "an amount")?,
            integer(statement.imported.secs(), "a time")?,
        ];
        self.run(sql, "write a statement", values)
    }

    fn write_card(&self, number: &CardNumber, card: &Card, stored: bool) -> Result<(), StoreError> {
        // Both take the columns in one order, the number last.
        let sql = if stored {
            "UPDATE card SET holder = $1, idx = $2, currency = $3, state = $4, counter = $5, \
             balance = $6 WHERE number = $7"
        } else {
            "INSERT INTO card (holder, idx, currency, state, counter, balance, number) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)"
        };
        let values = params![
            integer(card.holder.wire(), "a party's number")?,
            card.index,
            card.currency.code(),
            card.state.number(),
            card.counter,
            card.balance,
            number.as_bytes(),
        ];
        self.run(sql, "write a card", values)
    }

    fn write_receipts(
        &self,
        card: CardNumber,
        counter: u32,
        digests: &[Digest],
        stored: bool,
    ) -> Result<(), StoreError> {
        let sql = if stored {
            "UPDATE card_receipt SET digests = $1 WHERE card = $2 AND counter = $3"
        } else {
            "INSERT INTO card_receipt (digests, card, counter) VALUES ($1, $2, $3)"
        };
        let digests: Vec<u8> = digests.iter().flat_map(|d| *d.as_bytes()).collect();
        let values = params![digests, card.as_bytes(), counter];
        self.run(sql, "write a card's receipt", values)
    }

    fn write_statement_entry(
        &self,
        key: &StatementKey,
        entry: &EntryRecord,
    ) -> Result<(), StoreError> {
        let sql = concat!(
            "INSERT INTO statement_entry (",
            rows::entry_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        );
        let currency = entry.amount.currency();
        let (party, reason) = match entry.destination {
            Destination::Member(party) => (party.wire(), 0),
            Destination::Suspense(reason) => (0, reason.number()),
        };
        let values = params![
            key.account,
            key.id,
            entry.index,
            integer(entry.amount.minor(), "an amount")?,
            currency.code(),
            entry.reference.is_some(),
            entry.reference.as_deref().unwrap_or_default(),
            integer(party, "a party's number")?,
            reason,
        ];
        self.run(sql, "write a statement's entry", values)
    }

    fn write_outbox(
        &mut self,
        position: i64,
        index: i64,
        item: &OutboxItem,
    ) -> Result<(), StoreError> {
        let number = self.next_number(item.to)?;
        let sql = concat!(
            "INSERT INTO outbox (",
            rows::outbox_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6)"
        );
        let values = params![
            position,
            index,
            integer(item.to.wire(), "a party's number")?,
            integer(number, "an outbox number")?,
            item.kind,
            item.bytes,
        ];
        self.run(sql, "write an outbox item", values)
    }

    fn next_number(&mut self, party: PartyNumber) -> Result<u64, StoreError> {
        let last = match self.numbers.get(&party) {
            Some(last) => *last,
            None => lookup::last_outbox_number(&self.connection, party)?,
        };
        let next = last.saturating_add(1);
        self.numbers.insert(party, next);
        Ok(next)
    }
}

impl Writer for SqliteWriter {
    fn tip(&mut self) -> Result<Option<Tip>, StoreError> {
        lookup::tip(&self.connection, self.committer)
    }

    fn recall(&mut self, keys: &[Key], book: &mut Working) -> Result<(), StoreError> {
        self.begin()?;
        keys.iter().try_for_each(|key| self.recall_one(key, book))
    }

    fn reply(&mut self, position: Position) -> Result<(Verdict, Vec<u8>), StoreError> {
        let number = position_number(position)?;
        let missing = |table| StoreError::Damaged {
            table,
            row: position.to_string(),
            what: "missing".to_owned(),
        };
        let record = self.find(lookup::RECORD_AT, rows::RECORD, [number], rows::record)?;
        let (record, _) = record.ok_or_else(|| missing("record"))?;
        let reply = self.find(lookup::REPLY_AT, rows::REPLY, [number], rows::reply)?;
        Ok((record.verdict, reply.ok_or_else(|| missing("reply"))?))
    }

    fn commit(&mut self, entries: &[Entry], book: &Working) -> Result<(), StoreError> {
        self.begin()?;
        self.write(entries, book)?;
        self.connection.commit().map_err(failed("commit a batch"))
    }

    fn abandon(&mut self) -> Result<(), StoreError> {
        self.connection.abandon().map_err(failed("abandon a batch"))
    }
}
