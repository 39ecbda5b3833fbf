//! Reading the book, over a connection that can't write.

use std::fmt;

use tegata_protocol::{CardNumber, PartyNumber, PaymentId, Time};
use tegata_store::{Connection, Params, params};

use super::{
    cells::{integer, position_number},
    failed,
    lookup::{self, RECORD_AT, REPLY_AT, find, list},
    rows,
};
use crate::{
    Account, AccountId, Bill, BillKey, Card, EntryRecord, Funding, Hold, Leg, MessageKey, Position,
    RecordKind, Statement, StatementKey,
    store::{
        CardReceipts, DayCount, Reader, StoreError, StoredOutboxItem, StoredRecord, StoredReply,
        SuspenseEntry, Tip,
    },
};

pub(super) struct SqliteReader {
    connection: Connection,
}

impl SqliteReader {
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection }
    }
}

impl fmt::Debug for SqliteReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteReader").finish_non_exhaustive()
    }
}

/// Takes the numbers off items that must be numbered 0, 1, 2 …; those that aren't are `misplaced`.
fn in_order<T>(
    table: &'static str,
    position: Position,
    numbered: Vec<(u64, T)>,
    misplaced: &mut Vec<(&'static str, String)>,
) -> Vec<T> {
    let place = |(expected, (index, item))| {
        if index != expected {
            misplaced.push((table, format!("{position} {index}")));
        }
        item
    };
    (0..).zip(numbered).map(place).collect()
}

impl SqliteReader {
    fn legs(&self, position: Position) -> Result<Vec<(u64, Leg)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::leg_columns!(),
            " FROM leg WHERE position = $1 ORDER BY idx"
        );
        let values = [position_number(position)?];
        list(&self.connection, sql, rows::LEG, values, rows::leg)
    }

    fn outbox(&self, position: Position) -> Result<Vec<(u64, StoredOutboxItem)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::outbox_columns!(),
            " FROM outbox WHERE position = $1 ORDER BY idx"
        );
        let values = [position_number(position)?];
        list(&self.connection, sql, rows::OUTBOX, values, rows::outbox)
    }

    fn reply_at(&self, position: Position) -> Result<Option<Vec<u8>>, StoreError> {
        let values = [position_number(position)?];
        find(&self.connection, REPLY_AT, rows::REPLY, values, rows::reply)
    }

    fn holds_where(&self, sql: &str, values: impl Params) -> Result<Vec<Hold>, StoreError> {
        list(&self.connection, sql, rows::HOLD, values, rows::hold)
    }
}

impl Reader for SqliteReader {
    fn freeze(&mut self) -> Result<(), StoreError> {
        self.connection.freeze().map_err(failed("begin reading"))
    }

    fn thaw(&mut self) -> Result<(), StoreError> {
        self.connection.thaw().map_err(failed("end reading"))
    }

    fn tips(&mut self) -> Result<Vec<Tip>, StoreError> {
        let mut tips = Vec::new();
        let mut before = i64::MAX;
        let sql = concat!(
            "SELECT ",
            rows::record_columns!(),
            " FROM record WHERE position < $1 ORDER BY position DESC LIMIT 1"
        );
        while let Some((record, hash)) =
            find(&self.connection, sql, rows::RECORD, [before], rows::record)?
        {
            before = position_number(Position::new(record.position.committer, 0))?;
            tips.push(Tip {
                position: record.position,
                hash,
                time: record.time,
            });
        }
        tips.reverse();
        Ok(tips)
    }

    fn reply_of(&mut self, key: &MessageKey) -> Result<Option<StoredReply>, StoreError> {
        let Some(message) = lookup::known_message(&self.connection, key)? else {
            return Ok(None);
        };
        let position = [position_number(message.position)?];
        let record = find(
            &self.connection,
            RECORD_AT,
            rows::RECORD,
            position,
            rows::record,
        )?;
        let reply = self.reply_at(message.position)?;
        let (Some((record, _)), Some(reply)) = (record, reply) else {
            return Err(StoreError::Damaged {
                table: "message_id",
                row: super::super::message_row(key.party, key.id),
                what: format!("names record {}, which isn't whole", message.position),
            });
        };
        Ok(Some(StoredReply {
            message,
            verdict: record.verdict,
            reply,
        }))
    }

    fn outbox_after(
        &mut self,
        party: PartyNumber,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredOutboxItem>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::outbox_columns!(),
            " FROM outbox WHERE party = $1 AND number > $2 ORDER BY number LIMIT $3"
        );
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let values = params![integer(party.wire(), "a party's number")?, after, limit];
        list(&self.connection, sql, rows::OUTBOX, values, |c| {
            Ok(rows::outbox(c)?.1)
        })
    }

    fn account(&mut self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        lookup::account(&self.connection, id)
    }

    fn accounts(
        &mut self,
        after: Option<&AccountId>,
        limit: u32,
    ) -> Result<Vec<(AccountId, Account)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::account_columns!(),
            " FROM account WHERE (kind, owner, part, currency) > ($1, $2, $3, $4) \
             ORDER BY kind, owner, part, currency LIMIT $5"
        );
        let (kind, owner, part, currency) = match after {
            Some(id) => {
                let (kind, owner, part, currency) = lookup::account_key(id)?;
                (i64::from(kind), owner, part, currency)
            }
            None => (i64::MIN, 0, 0, ""),
        };
        let values = params![kind, owner, part, currency, limit];
        list(&self.connection, sql, rows::ACCOUNT, values, rows::account)
    }

    fn hold(&mut self, payment: &PaymentId) -> Result<Option<Hold>, StoreError> {
        lookup::hold(&self.connection, payment)
    }

    fn holds(&mut self, after: Option<&PaymentId>, limit: u32) -> Result<Vec<Hold>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::hold_columns!(),
            " FROM hold WHERE payment > $1 ORDER BY payment LIMIT $2"
        );
        let after = after.map(PaymentId::digest);
        let after = after.as_ref().map_or(&[][..], |d| d.as_bytes());
        self.holds_where(sql, params![after, limit])
    }

    fn holds_of(&mut self, payer: &AccountId) -> Result<Vec<Hold>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::hold_columns!(),
            " FROM hold WHERE state IN (0, 4) AND payer_kind = $1 AND payer_owner = $2 \
             AND payer_part = $3 AND currency = $4 ORDER BY expires, payment"
        );
        self.holds_where(sql, lookup::account_key(payer)?)
    }

    fn holds_expired(&mut self, now: Time, limit: u32) -> Result<Vec<Hold>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::hold_columns!(),
            " FROM hold WHERE state IN (0, 4) AND expires <= $1 ORDER BY expires, payment LIMIT $2"
        );
        let now = i64::try_from(now.secs()).unwrap_or(i64::MAX);
        self.holds_where(sql, params![now, limit])
    }

    fn bill(&mut self, key: &BillKey) -> Result<Option<Bill>, StoreError> {
        lookup::bill(&self.connection, key)
    }

    fn bills(
        &mut self,
        after: Option<&BillKey>,
        limit: u32,
    ) -> Result<Vec<(BillKey, Bill)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::bill_columns!(),
            " FROM bill WHERE (shop, txn) > ($1, $2) ORDER BY shop, txn LIMIT $3"
        );
        let (shop, txn) = match after {
            Some(key) => lookup::bill_key(key)?,
            None => (i64::MIN, 0),
        };
        let values = params![shop, txn, limit];
        list(&self.connection, sql, rows::BILL, values, rows::bill)
    }

    fn party(&mut self, number: PartyNumber) -> Result<Option<Vec<u8>>, StoreError> {
        lookup::party(&self.connection, number)
    }

    fn parties(
        &mut self,
        after: Option<PartyNumber>,
        limit: u32,
    ) -> Result<Vec<(PartyNumber, Vec<u8>)>, StoreError> {
        let sql = "SELECT party, record FROM party WHERE party > $1 ORDER BY party LIMIT $2";
        let after = match after {
            Some(party) => integer(party.wire(), "a party's number")?,
            None => i64::MIN,
        };
        list(
            &self.connection,
            sql,
            rows::PARTY,
            params![after, limit],
            |c| Ok((c.party()?, c.bytes()?)),
        )
    }

    fn funding(&mut self, reference: &str) -> Result<Option<Funding>, StoreError> {
        lookup::funding(&self.connection, reference)
    }

    fn fundings(
        &mut self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, Funding)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::funding_columns!(),
            " FROM funding_reference WHERE $1 = 1 OR reference > $2 ORDER BY reference LIMIT $3"
        );
        let values = params![after.is_none(), after.unwrap_or_default(), limit];
        list(&self.connection, sql, rows::FUNDING, values, rows::funding)
    }

    fn statements(
        &mut self,
        after: Option<&StatementKey>,
        limit: u32,
    ) -> Result<Vec<(StatementKey, Statement)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::statement_columns!(),
            " FROM statement WHERE $1 = 1 OR (account, id) > ($2, $3) \
             ORDER BY account, id LIMIT $4"
        );
        let (account, id) = after.map_or(("", ""), |k| (k.account.as_str(), k.id.as_str()));
        let values = params![after.is_none(), account, id, limit];
        list(
            &self.connection,
            sql,
            rows::STATEMENT,
            values,
            rows::statement,
        )
    }

    fn card(&mut self, number: &CardNumber) -> Result<Option<Card>, StoreError> {
        lookup::card(&self.connection, number)
    }

    fn cards(
        &mut self,
        after: Option<&CardNumber>,
        limit: u32,
    ) -> Result<Vec<(CardNumber, Card)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::card_columns!(),
            " FROM card WHERE number > $1 ORDER BY number LIMIT $2"
        );
        let after = after.map_or(&[][..], |number| number.as_bytes());
        let values = params![after, limit];
        list(&self.connection, sql, rows::CARD, values, rows::card)
    }

    fn cards_of(&mut self, holder: PartyNumber) -> Result<Vec<(CardNumber, Card)>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::card_columns!(),
            " FROM card WHERE holder = $1 ORDER BY idx"
        );
        let values = [integer(holder.wire(), "a party's number")?];
        list(&self.connection, sql, rows::CARD, values, rows::card)
    }

    fn receipts(
        &mut self,
        after: Option<&(CardNumber, u32)>,
        limit: u32,
    ) -> Result<Vec<CardReceipts>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::receipt_columns!(),
            " FROM card_receipt WHERE (card, counter) > ($1, $2) ORDER BY card, counter LIMIT $3"
        );
        let (card, counter) = after.map_or((&[][..], 0), |(card, n)| (card.as_bytes(), *n));
        let values = params![card, counter, limit];
        list(&self.connection, sql, rows::RECEIPT, values, rows::receipts)
    }

    fn entries(&mut self, statement: &StatementKey) -> Result<Vec<EntryRecord>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::entry_columns!(),
            " FROM statement_entry WHERE account = $1 AND id = $2 ORDER BY idx"
        );
        let values = [statement.account.as_str(), statement.id.as_str()];
        list(&self.connection, sql, rows::ENTRY, values, |c| {
            Ok(rows::entry(c)?.1)
        })
    }

    fn suspense(&mut self, limit: u32) -> Result<Vec<SuspenseEntry>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::entry_columns!(),
            " FROM statement_entry WHERE party = 0 ORDER BY account, id, idx LIMIT $1"
        );
        let entries = list(&self.connection, sql, rows::ENTRY, [limit], rows::entry)?;
        let with_time = |(key, entry): (StatementKey, _)| {
            let imported = lookup::statement(&self.connection, &key)?.map(|s| s.imported);
            Ok(SuspenseEntry {
                statement: key,
                imported: imported.unwrap_or(Time::from_secs(0)),
                entry,
            })
        };
        entries.into_iter().map(with_time).collect()
    }

    fn records(&mut self, from: Position, limit: u32) -> Result<Vec<StoredRecord>, StoreError> {
        let sql = concat!(
            "SELECT ",
            rows::record_columns!(),
            " FROM record WHERE position >= $1 ORDER BY position LIMIT $2"
        );
        let values = params![position_number(from)?, limit];
        let found = list(&self.connection, sql, rows::RECORD, values, rows::record)?;
        let with_all = |(mut record, hash): (crate::Record, _)| {
            let position = record.position;
            let mut misplaced = Vec::new();
            record.legs = in_order("leg", position, self.legs(position)?, &mut misplaced);
            let outbox = self.outbox(position)?;
            let sql = "SELECT position, bytes, attached, attachment FROM evidence \
                       WHERE position = $1";
            let values = [position_number(position)?];
            let evidence = find(&self.connection, sql, rows::EVIDENCE, values, |c| {
                rows::evidence(c, record.signer)
            })?;
            Ok(StoredRecord {
                message: lookup::known_message(&self.connection, &record.cause)?,
                evidence,
                reply: self.reply_at(position)?,
                outbox: in_order("outbox", position, outbox, &mut misplaced),
                misplaced,
                record,
                hash,
            })
        };
        found.into_iter().map(with_all).collect()
    }

    fn orphans(&mut self, limit: u32) -> Result<Vec<(&'static str, String)>, StoreError> {
        let mut orphans = Vec::new();
        let sources = [
            (rows::LEG, "position, idx", "leg"),
            (rows::MESSAGE, "party, message", "message_id"),
            (rows::EVIDENCE, "position, position", "evidence"),
            (rows::REPLY, "position, position", "reply"),
            (rows::OUTBOX, "position, idx", "outbox"),
            (rows::ENTRY, "account, id, idx", "statement_entry"),
        ];
        for (table, key, name) in sources {
            let belongs = if name == "statement_entry" {
                "SELECT 1 FROM statement s WHERE s.account = t.account AND s.id = t.id"
            } else if name == "message_id" {
                "SELECT 1 FROM record r WHERE r.position = t.position \
                 AND r.party = t.party AND r.message = t.message"
            } else {
                "SELECT 1 FROM record r WHERE r.position = t.position"
            };
            let sql = format!("SELECT {key} FROM {name} t WHERE NOT EXISTS ({belongs}) LIMIT $1");
            let found = list(&self.connection, &sql, table, [limit], |c| Ok(c.row_name()))?;
            orphans.extend(found.into_iter().map(|row| (name, row)));
        }
        Ok(orphans)
    }

    fn counts(&mut self, from: Time, until: Time) -> Result<Vec<DayCount>, StoreError> {
        let sql = "SELECT time / 86400 * 86400 AS day, kind, \
                   sum(accepted), sum(1 - accepted) \
                   FROM record WHERE time >= $1 AND time < $2 GROUP BY day, kind ORDER BY day, kind";
        let seconds = |t: Time| i64::try_from(t.secs()).unwrap_or(i64::MAX);
        let values = params![seconds(from), seconds(until)];
        list(&self.connection, sql, rows::RECORD, values, |c| {
            Ok(DayCount {
                day: c.time()?,
                kind: c.numbered(RecordKind::from_number)?,
                accepted: c.number()?,
                refused: c.number()?,
            })
        })
    }
}
