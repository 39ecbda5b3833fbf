//! The audit: everything in the book, recomputed from the evidence alone.
//!
//! [`replay`] walks each chain from its first record. The caller turns every piece of evidence back
//! into the [`Action`] it asked for (verifying its signature again); the same [rules](decide) decide
//! it on an empty book; and what comes out is compared with what is stored: each record's hash and
//! link, legs, ids, replies, outboxes, and in the end every row of every other table, in both
//! directions. Signed heads show whether the chain's end is missing.

use std::{collections::HashMap, path::Path};

use tegata_protocol::{Digest, PartyNumber};

use crate::{
    Action, Head, HeadsError, KnownMessage, Leg, Position, Record, RecordKind, Verdict, Working,
    decide,
    heads::{read_all, unreadable},
    record::{effects_digest, outbox_digest},
    store::{Reader, StoreError, StoredRecord, Tip, message_row},
};

mod tables;

/// Records that are read at a time.
const PAGE: u32 = 256;
/// Findings after which the audit stops looking: the first ones matter.
const ENOUGH: usize = 200;

/// Something that isn't as the evidence says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// In which table (`heads` for the file of signed heads).
    pub table: &'static str,
    /// Which row.
    pub row: String,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.table, self.row, self.what)
    }
}

/// What the audit found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Records that were checked.
    pub records: u64,
    /// Accounts that were recomputed.
    pub accounts: u64,
    /// Signed heads that were checked.
    pub heads: u64,
    /// What isn't as it should be; empty when all is well.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Is all well?
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn found(&mut self, table: &'static str, row: impl ToString, what: impl Into<String>) {
        if self.findings.len() < ENOUGH {
            self.findings.push(Finding {
                table,
                row: row.to_string(),
                what: what.into(),
            });
        }
    }

    /// A damaged row is a finding; everything else that fails ends the audit.
    fn damage(&mut self, error: StoreError) -> Result<(), AuditError> {
        match error {
            StoreError::Damaged { table, row, what } => {
                self.found(table, row, what);
                Ok(())
            }
            other @ (StoreError::Database { .. }
            | StoreError::Again
            | StoreError::Newer { .. }
            | StoreError::NotALedger { .. }
            | StoreError::TooLarge { .. }) => Err(other.into()),
        }
    }
}

/// Why the audit couldn't be done.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of heads failed.
    #[error(transparent)]
    Heads(#[from] HeadsError),
    /// The file of heads can't be read to its end.
    #[error("the signed heads can't be read")]
    Reading(#[from] std::io::Error),
}

/// Where signed heads are to be found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heads<'a> {
    /// The folder beside the database, if it's to be checked.
    pub folder: Option<&'a Path>,
    /// Heads that somebody brought: a receipt's, say.
    pub brought: &'a [Vec<u8>],
}

/// Recomputes the whole book and compares.
///
/// `interpret` verifies an accepted record's evidence and says what it asked for; `check_head`
/// verifies a signed head and reads it; both answer in words what is wrong. The journal is read in
/// pages; accounts, open business and the register are held in memory.
///
/// # Errors
/// [`AuditError`], when the store or a file can't be read. What is wrong in the book is no error
/// but a [`Finding`].
pub fn replay(
    reader: &mut dyn Reader,
    heads: Heads<'_>,
    mut interpret: impl FnMut(&StoredRecord) -> Result<Action, String>,
    mut check_head: impl FnMut(&[u8]) -> Result<Head, String>,
) -> Result<Report, AuditError> {
    let mut audit = Audit {
        report: Report::default(),
        book: Working::whole(),
        entries: HashMap::new(),
        outboxes: HashMap::new(),
        claims: HashMap::new(),
        headed: None,
        tips: HashMap::new(),
        complete: true,
        walked: true,
    };
    // Heads first: each was signed when its records were durable, so whatever they name must be
    // in what the reader sees, even while the centre goes on writing.
    audit.read_heads(heads, &mut check_head)?;
    reader.freeze()?;
    audit.walk(reader, &mut interpret)?;
    audit.check_ends();
    if audit.complete {
        tables::compare(reader, &mut audit)?;
    }
    tables::orphans(reader, &mut audit.report)?;
    reader.thaw()?;
    Ok(audit.report)
}

/// The audit under way.
struct Audit {
    report: Report,
    /// The book as the evidence makes it.
    book: Working,
    /// Entries of each statement, as the evidence makes them.
    entries: HashMap<crate::StatementKey, Vec<crate::EntryRecord>>,
    /// How many items each party's outbox has.
    outboxes: HashMap<PartyNumber, u64>,
    /// What signed heads say of records.
    claims: HashMap<Position, Head>,
    /// Whose heads the folder has, if it was to be checked.
    headed: Option<Vec<u16>>,
    /// The end of each chain so far.
    tips: HashMap<u16, Tip>,
    /// Could every record be replayed? Otherwise all tables differ, and saying so helps nobody.
    complete: bool,
    /// Was every record read? Otherwise nothing can be said of the chains' ends.
    walked: bool,
}

impl Audit {
    /// Verifies the signed heads and keeps what they say until their record comes.
    fn read_heads(
        &mut self,
        heads: Heads<'_>,
        check: &mut impl FnMut(&[u8]) -> Result<Head, String>,
    ) -> Result<(), AuditError> {
        for (number, signed) in (1_u64..).zip(heads.brought) {
            self.claim(format!("brought, number {number}"), check(signed));
        }
        let Some(folder) = heads.folder else {
            return Ok(());
        };
        let mut headed = Vec::new();
        for committer in committers(folder)? {
            let mut last = 0;
            let left = unreadable(folder, committer)?;
            if left > 0 {
                let what = format!("{left} bytes behind the last whole head can't be read");
                self.report
                    .found("heads", format!("{committer}.heads"), what);
            }
            for (number, signed) in (1_u64..).zip(read_all(folder, committer)?) {
                let row = format!("{committer}.heads, number {number}");
                let head = check(&signed?);
                match &head {
                    Ok(head) if head.committer != committer || head.sequence < last => {
                        self.report.found("heads", &row, "out of order");
                    }
                    Ok(head) => {
                        last = head.sequence;
                        headed.push(committer);
                    }
                    Err(_) => {}
                }
                self.claim(row, head);
            }
        }
        self.headed = Some(headed);
        Ok(())
    }

    fn claim(&mut self, row: String, head: Result<Head, String>) {
        self.report.heads = self.report.heads.saturating_add(1);
        match head {
            Ok(head) if head.sequence == 0 => {}
            Ok(head) => match self.claims.insert(head.position(), head) {
                Some(other) if other != head => {
                    self.report
                        .found("heads", row, "two heads for one record differ");
                }
                _ => {}
            },
            Err(what) => self.report.found("heads", row, what),
        }
    }

    /// Replays the journal, page by page.
    fn walk(
        &mut self,
        reader: &mut dyn Reader,
        interpret: &mut impl FnMut(&StoredRecord) -> Result<Action, String>,
    ) -> Result<(), AuditError> {
        let mut from = Position::new(0, 0);
        loop {
            let page = match reader.records(from, PAGE) {
                Ok(page) => page,
                Err(e) => {
                    (self.complete, self.walked) = (false, false);
                    return self.report.damage(e);
                }
            };
            let Some(last) = page.last() else {
                return Ok(());
            };
            let next = after(last.record.position);
            for stored in &page {
                self.check(stored, interpret);
                if self.report.findings.len() >= ENOUGH {
                    (self.complete, self.walked) = (false, false);
                    return Ok(());
                }
            }
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    fn check(
        &mut self,
        stored: &StoredRecord,
        interpret: &mut impl FnMut(&StoredRecord) -> Result<Action, String>,
    ) {
        self.report.records = self.report.records.saturating_add(1);
        for (table, row) in &stored.misplaced {
            self.report.found(table, row, "out of place");
        }
        self.check_link(stored);
        self.check_parts(stored);
        self.check_outbox(stored);
        if stored.record.verdict == Verdict::Accepted {
            match interpret(stored) {
                Ok(action) => self.check_decision(stored, &action),
                Err(what) => {
                    self.complete = false;
                    let position = stored.record.position;
                    self.report.found("evidence", position, what);
                }
            }
        } else if !stored.record.legs.is_empty() {
            let position = stored.record.position;
            self.report.found("leg", position, "of a refused record");
        }
    }

    /// The record's place in its chain, its hash, and what a signed head says of it.
    fn check_link(&mut self, stored: &StoredRecord) {
        let record = &stored.record;
        let position = record.position;
        let tip = self.tips.get(&position.committer);
        let expected = tip.map_or(Position::new(position.committer, 1), |t| t.position.next());
        if position != expected {
            let missing = if position.sequence == expected.next().sequence {
                "missing".to_owned()
            } else {
                format!("missing, and all up to {position}")
            };
            self.complete = false;
            self.report.found("record", expected, missing);
        } else if record.previous != tip.map_or(Record::GENESIS, |t| t.hash) {
            let what = "column previous isn't the hash of the record before";
            self.report.found("record", position, what);
        }
        let hash = record.hash();
        if hash != stored.hash {
            let what = "column hash isn't the hash of the record's columns and legs";
            self.report.found("record", position, what);
        }
        if let Some(head) = self.claims.remove(&position)
            && (head.hash, head.time) != (hash, record.time)
        {
            let what = "another record than the one that a head was signed for";
            self.report.found("record", position, what);
        }
        let tip = Tip {
            position,
            hash,
            time: record.time,
        };
        self.tips.insert(position.committer, tip);
    }

    /// What belongs to the record by digest: evidence, attachment, reply, message id.
    fn check_parts(&mut self, stored: &StoredRecord) {
        let record = &stored.record;
        let position = record.position;
        let accepted = record.verdict == Verdict::Accepted;
        match &stored.evidence {
            Some(_) if !accepted => {
                self.report
                    .found("evidence", position, "kept, though the record is refused");
            }
            Some(evidence) => {
                if Digest::of(&evidence.bytes) != record.evidence {
                    let what = "column bytes isn't what the record names";
                    self.report.found("evidence", position, what);
                }
                if evidence.attachment.as_deref().map(Digest::of) != record.attachment {
                    let what = "column attachment isn't what the record names";
                    self.report.found("evidence", position, what);
                }
            }
            None if accepted => self.report.found("evidence", position, "missing"),
            None => {}
        }
        match &stored.reply {
            Some(reply) if Digest::of(reply) == record.reply => {}
            Some(_) => {
                let what = "column bytes isn't what the record names";
                self.report.found("reply", position, what);
            }
            None => self.report.found("reply", position, "missing"),
        }
        let digest = record.evidence;
        let row = message_row(record.cause.party, record.cause.id);
        match stored.message {
            Some(known) if known == (KnownMessage { digest, position }) => {}
            Some(_) => {
                let what = format!("not as record {position} says");
                self.report.found("message_id", row, what);
            }
            None => self.report.found("message_id", row, "missing"),
        }
    }

    /// The outbox items are those of the record, numbered 1, 2, 3 … for each party.
    fn check_outbox(&mut self, stored: &StoredRecord) {
        let items: Vec<_> = stored.outbox.iter().map(|o| o.item.clone()).collect();
        if outbox_digest(&items) != stored.record.outbox {
            let what = "its items aren't those that the record names";
            self.report.found("outbox", stored.record.position, what);
        }
        for (index, item) in stored.outbox.iter().enumerate() {
            let last = self.outboxes.entry(item.item.to).or_default();
            *last = last.saturating_add(1);
            if item.number != *last {
                let what = format!("column number is {}, expected {last}", item.number);
                let row = format!("{} {index}", stored.record.position);
                self.report.found("outbox", row, what);
            }
        }
    }

    /// Decides the action anew and compares.
    fn check_decision(&mut self, stored: &StoredRecord, action: &Action) {
        let record = &stored.record;
        let position = record.position;
        if record.kind == RecordKind::Refuse || action.kind() != record.kind {
            let what = format!(
                "is {:?}, the evidence asks {:?}",
                record.kind,
                action.kind()
            );
            self.report.found("record", position, what);
        }
        let decided = match decide(&mut self.book, action, record.time) {
            Ok(decided) => decided,
            Err(refusal) => {
                let what = format!("accepted, but the rules refuse it: {refusal}");
                self.complete = false;
                return self.report.found("record", position, what);
            }
        };
        self.check_legs(position, &record.legs, &decided.legs);
        if effects_digest(&decided.effects) != record.effects {
            let what = "column effects isn't what the evidence asks for";
            self.report.found("record", position, what);
        }
        for effect in decided.effects {
            if let crate::Effect::Statement(key, _, entries) = effect {
                self.entries.insert(key, entries);
            }
        }
    }

    fn check_legs(&mut self, position: Position, stored: &[Leg], expected: &[Leg]) {
        for index in 0..stored.len().max(expected.len()) {
            let row = format!("{position} {index}");
            match (stored.get(index), expected.get(index)) {
                (Some(a), Some(b)) if a == b => {}
                (Some(a), Some(b)) => {
                    let what = format!("is {a:?}, expected {b:?}");
                    self.report.found("leg", row, what);
                }
                (Some(_), None) => self.report.found("leg", row, "shouldn't be there"),
                (None, _) => self.report.found("leg", row, "missing"),
            }
        }
    }

    /// Chains without heads, and heads that name records beyond the chains' ends.
    fn check_ends(&mut self) {
        let headed = |c| self.headed.as_ref().is_none_or(|all| all.contains(c));
        let mut bare: Vec<_> = self.tips.keys().filter(|c| !headed(c)).collect();
        bare.sort_unstable();
        for committer in bare {
            let row = format!("{committer}.heads");
            self.report.found(
                "heads",
                row,
                "no head that holds, though the chain has records",
            );
        }
        if !self.walked {
            return;
        }
        let mut beyond: Vec<_> = self.claims.keys().copied().collect();
        beyond.sort_unstable();
        let mut said = None;
        for position in beyond {
            if said == Some(position.committer) {
                continue;
            }
            said = Some(position.committer);
            let tip = self.tips.get(&position.committer);
            let from = tip.map_or(Position::new(position.committer, 1), |t| t.position.next());
            let what =
                format!("missing, and perhaps more: a head was signed for record {position}");
            self.report.found("record", from, what);
        }
    }
}

/// The place to read on from.
const fn after(position: Position) -> Option<Position> {
    if position.sequence < Position::MAX_SEQUENCE {
        Some(position.next())
    } else if position.committer < Position::MAX_COMMITTER {
        Some(Position::new(position.committer.saturating_add(1), 0))
    } else {
        None
    }
}

/// The committers whose heads lie in the folder.
fn committers(folder: &Path) -> Result<Vec<u16>, AuditError> {
    let mut found = Vec::new();
    if !folder.exists() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|n| n.strip_suffix(".heads"));
        found.extend(number.and_then(|n| n.parse::<u16>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}
