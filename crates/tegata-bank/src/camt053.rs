//! Reads camt.053.001.08, the end-of-day statement of ISO 20022.
//!
//! [`parse`] walks the file once, element by element, and gives either all of it or an error that
//! says where and why; it never gives a part. Elements that the standard has and nobody here needs
//! are passed over; elements that it doesn't have are refused where money or references stand.
//! Every sum that the bank wrote is added up again (see `sums`).

use std::collections::HashSet;

use jiff::civil::{Date, DateTime};
use tegata_protocol::{Amount, Currency, Digest};

use crate::error::{StatementError, StatementErrorKind as Kind};
use crate::iban::{AccountNumber, Iban};
use crate::statement::{
    Balance, Entry, EntryKind, EntryStatus, Nature, PersonalText, References, Side, Statement,
    StatementFile, StatementId,
};
use crate::sums::{Figures, Summary, Tallies, check_batch};
use crate::xml::{Place, Xml};

pub use crate::xml::{MAX_BYTES, MAX_DEPTH};

/// The namespace of the one version that is read.
pub const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08";

mod entry;

type Result<T> = core::result::Result<T, StatementError>;

/// Reads a statement file of any account.
///
/// # Errors
/// [`StatementError`] for the first thing that is wrong; then nothing of the file counts.
pub fn parse(bytes: &[u8]) -> Result<StatementFile> {
    read(bytes, None)
}

/// Reads a statement file of this account.
///
/// # Errors
/// [`StatementError`] as [`parse`], and for a statement of any other account.
pub fn parse_for(bytes: &[u8], account: &AccountNumber) -> Result<StatementFile> {
    read(bytes, Some(account))
}

fn read(bytes: &[u8], account: Option<&AccountNumber>) -> Result<StatementFile> {
    let xml = Xml::document(bytes, NAMESPACE)?;
    let mut file = File {
        xml,
        account,
        currency: None,
    };
    let mut statements = None;
    while let Some(tag) = file.xml.child()? {
        match tag.as_str() {
            "BkToCstmrStmt" => file.fill(&mut statements, File::message)?,
            _ => return Err(file.xml.unexpected(&tag, "BkToCstmrStmt")),
        }
    }
    let statements = file.needed(statements, "BkToCstmrStmt")?;
    file.xml.finish()?;
    Ok(StatementFile {
        digest: Digest::of(bytes),
        statements,
    })
}

/// A file while it is read.
struct File<'a> {
    xml: Xml<'a>,
    /// The account that it must be of.
    account: Option<&'a AccountNumber>,
    /// The currency of the statement being read, once it is known.
    currency: Option<Currency>,
}

/// A statement while it is read.
#[derive(Default)]
struct StatementDraft {
    id: Option<StatementId>,
    sequence: Option<u64>,
    created: Option<DateTime>,
    account: Option<AccountNumber>,
    balances: Balances,
    summary: Option<(Place, RawSummary)>,
    tallies: Tallies,
    entries: Vec<Entry>,
}

#[derive(Default)]
struct Balances {
    opening: Option<Balance>,
    /// The earlier statement's closing balance, which some banks give in place of the opening one.
    previous: Option<Balance>,
    closing: Option<(Place, Balance)>,
}

/// A balance's kind, as far as it matters.
#[derive(Clone, Copy)]
enum BalanceKind {
    Opening,
    Previous,
    Closing,
    Other,
}

#[derive(Default)]
struct RawSummary {
    all: RawFigures,
    credits: RawFigures,
    debits: RawFigures,
}

/// A summary's figures; its sums carry no currency, so they are read once that is known.
#[derive(Default)]
struct RawFigures {
    count: Option<u64>,
    sum: Option<String>,
    net: Option<(String, Side)>,
}

/// The file as a whole.
impl File<'_> {
    fn message(&mut self) -> Result<Vec<Statement>> {
        let mut header = None;
        let mut created = None;
        let mut statements = Vec::new();
        let mut ids = HashSet::new();
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "GrpHdr" => {
                    self.fill(&mut header, File::header)?;
                    created = header.flatten();
                }
                "Stmt" => {
                    let statement = self.statement(created)?;
                    if !ids.insert(statement.id.clone()) {
                        let id = statement.id.as_str().to_owned();
                        return Err(self.xml.error(Kind::RepeatedStatement(id)));
                    }
                    statements.push(statement);
                }
                "SplmtryData" => self.xml.skip()?,
                _ => return Err(self.xml.unexpected(&tag, "GrpHdr, Stmt or SplmtryData")),
            }
        }
        self.needed(header, "GrpHdr")?;
        Ok(statements)
    }

    /// Gives the time of making.
    fn header(&mut self) -> Result<Option<DateTime>> {
        let mut id = None;
        let mut created = None;
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "MsgId" => self.fill(&mut id, |f| f.xml.text(35))?,
                "CreDtTm" => self.fill(&mut created, File::date_time)?,
                "MsgPgntn" => self.single_page()?,
                "MsgRcpt" | "OrgnlBizQry" | "AddtlInf" => self.xml.skip()?,
                _ => return Err(self.xml.unexpected(&tag, "an element of GroupHeader81")),
            }
        }
        self.needed(id, "MsgId")?;
        Ok(created)
    }

    /// Pages would each need the others to agree with themselves; only whole statements are read.
    fn single_page(&mut self) -> Result<()> {
        let mut number = String::new();
        let mut last = String::new();
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "PgNb" => number = self.xml.text(5)?,
                "LastPgInd" => last = self.xml.text(5)?,
                _ => return Err(self.xml.unexpected(&tag, "PgNb or LastPgInd")),
            }
        }
        let only = number.trim_start_matches('0') == "1" && matches!(last.as_str(), "true" | "1");
        if only {
            Ok(())
        } else {
            Err(self.xml.error(Kind::Pages(number)))
        }
    }
}

/// A statement.
impl File<'_> {
    fn statement(&mut self, created: Option<DateTime>) -> Result<Statement> {
        self.currency = None;
        let mut draft = StatementDraft {
            created,
            ..StatementDraft::default()
        };
        let mut created = None;
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "CreDtTm" => self.fill(&mut created, File::date_time)?,
                _ => self.statement_part(&tag, &mut draft)?,
            }
        }
        draft.created = created.or(draft.created);
        self.finished(draft)
    }

    fn statement_part(&mut self, tag: &str, draft: &mut StatementDraft) -> Result<()> {
        match tag {
            "Id" => self.fill(&mut draft.id, File::statement_id),
            "ElctrncSeqNb" => self.fill(&mut draft.sequence, File::number),
            "StmtPgntn" => self.single_page(),
            "CpyDplctInd" => self.original(),
            "Acct" => self.fill(&mut draft.account, File::own_account),
            "Bal" => self.balance(&mut draft.balances),
            "TxsSummry" => {
                let place = self.xml.place();
                self.fill(&mut draft.summary, |f| Ok((place, f.summary()?)))
            }
            "Ntry" => self.entry(draft),
            "RptgSeq" | "LglSeqNb" | "FrToDt" | "RptgSrc" | "RltdAcct" | "Intrst"
            | "AddtlStmtInf" => self.xml.skip(),
            _ => Err(self.xml.unexpected(tag, "an element of AccountStatement9")),
        }
    }

    /// The statement is complete: checks all that needs the whole of it.
    fn finished(&self, draft: StatementDraft) -> Result<Statement> {
        let id = self.needed(draft.id, "Id")?;
        let account = self.needed(draft.account, "Acct")?;
        let created = self.needed(draft.created, "CreDtTm")?;
        let opening = draft.balances.opening.or(draft.balances.previous);
        let opening = self.needed(opening, "a Bal of type OPBD (opening booked)")?;
        let closing = self.needed(
            draft.balances.closing,
            "a Bal of type CLBD (closing booked)",
        )?;
        let (place, closing) = closing;
        let currency = closing.amount.currency();
        let tallies = draft.tallies;
        let balances = tallies.check_balances(opening, closing);
        balances.map_err(|kind| self.xml.error_at(&place, kind))?;
        if let Some((place, raw)) = draft.summary {
            let at = |kind| self.xml.error_at(&place, kind);
            let summary = raw.with_currency(currency).map_err(at)?;
            tallies.check_summary(&summary, currency).map_err(at)?;
        }
        Ok(Statement {
            id,
            account,
            currency,
            sequence: draft.sequence,
            created,
            opening,
            closing,
            entries: draft.entries,
        })
    }

    fn statement_id(&mut self) -> Result<StatementId> {
        let text = self.xml.text(StatementId::MAX)?;
        let bytes = text.len();
        let expected = match bytes > StatementId::MAX {
            true => format!(
                "at most 35 bytes (it has {bytes}: a kanji takes three); ask the bank for shorter \
                 identifications of statements"
            ),
            false => "1 to 35 printable characters".to_owned(),
        };
        StatementId::new(&text).map_err(|_e| self.xml.error(Kind::value(&text, expected)))
    }

    /// Refuses what the bank itself marks as a repetition; a copy may be the only one we get.
    fn original(&mut self) -> Result<()> {
        let mark = self.xml.text(4)?;
        match mark.as_str() {
            "COPY" => Ok(()),
            "DUPL" | "CODU" => Err(self.xml.error(Kind::MarkedDuplicate(mark))),
            _ => Err(self.xml.error(Kind::value(&mark, "COPY, DUPL or CODU"))),
        }
    }

    fn own_account(&mut self) -> Result<AccountNumber> {
        let mut number = None;
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "Id" => self.fill(&mut number, File::account_number)?,
                "Ccy" => {
                    let code = self.xml.text(3)?;
                    self.in_currency(&code)?;
                }
                "Tp" | "Nm" | "Prxy" | "Ownr" | "Svcr" => self.xml.skip()?,
                _ => return Err(self.xml.unexpected(&tag, "an element of CashAccount39")),
            }
        }
        self.needed(number, "Id")
    }

    fn account_number(&mut self) -> Result<AccountNumber> {
        let mut number = None;
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "IBAN" => self.fill(&mut number, File::iban)?,
                "Othr" => self.fill(&mut number, File::other_account)?,
                _ => return Err(self.xml.unexpected(&tag, "IBAN or Othr")),
            }
        }
        let found = self.needed(number, "IBAN")?;
        match self.account {
            Some(expected) if *expected != found => Err(self.xml.error(Kind::OtherAccount {
                found: found.shortened(),
                expected: expected.shortened(),
            })),
            Some(_) | None => Ok(found),
        }
    }

    fn iban(&mut self) -> Result<AccountNumber> {
        let text = self.xml.text(34)?;
        let iban = text.parse::<Iban>();
        iban.map(AccountNumber::Iban).map_err(|e| {
            let expected = format!("an IBAN without mistakes ({e})");
            self.xml.error(Kind::value(&text, expected))
        })
    }

    fn other_account(&mut self) -> Result<AccountNumber> {
        let mut number = None;
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "Id" => self.fill(&mut number, |f| {
                    let text = f.xml.text(34)?;
                    let expected = "1 to 34 printable characters";
                    AccountNumber::other(&text)
                        .map_err(|_e| f.xml.error(Kind::value(&text, expected)))
                })?,
                "SchmeNm" | "Issr" => self.xml.skip()?,
                _ => return Err(self.xml.unexpected(&tag, "Id, SchmeNm or Issr")),
            }
        }
        self.needed(number, "Id")
    }

    fn balance(&mut self, balances: &mut Balances) -> Result<()> {
        let place = self.xml.place();
        let (mut kind, mut amount, mut side) = (None, None, None);
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "Tp" => self.fill(&mut kind, File::balance_kind)?,
                "Amt" => self.fill(&mut amount, File::amount)?,
                "CdtDbtInd" => self.fill(&mut side, File::side)?,
                "CdtLine" | "Dt" | "Avlbty" => self.xml.skip()?,
                _ => return Err(self.xml.unexpected(&tag, "an element of CashBalance8")),
            }
        }
        let kind = self.needed(kind, "Tp")?;
        let balance = Balance {
            amount: self.needed(amount, "Amt")?,
            side: self.needed(side, "CdtDbtInd")?,
        };
        match kind {
            BalanceKind::Opening => self.fill(&mut balances.opening, |_| Ok(balance)),
            BalanceKind::Previous => self.fill(&mut balances.previous, |_| Ok(balance)),
            BalanceKind::Closing => self.fill(&mut balances.closing, |_| Ok((place, balance))),
            BalanceKind::Other => Ok(()),
        }
    }

    fn balance_kind(&mut self) -> Result<BalanceKind> {
        let mut code = None;
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "CdOrPrtry" => self.fill(&mut code, |f| f.code_or_other("Cd", "Prtry"))?,
                "SubTp" => self.xml.skip()?,
                _ => return Err(self.xml.unexpected(&tag, "CdOrPrtry or SubTp")),
            }
        }
        Ok(match self.needed(code, "CdOrPrtry")?.as_deref() {
            Some("OPBD") => BalanceKind::Opening,
            Some("PRCD") => BalanceKind::Previous,
            Some("CLBD") => BalanceKind::Closing,
            Some(_) | None => BalanceKind::Other,
        })
    }

    fn summary(&mut self) -> Result<RawSummary> {
        let mut summary = RawSummary::default();
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "TtlNtries" => summary.all = self.figures()?,
                "TtlCdtNtries" => summary.credits = self.figures()?,
                "TtlDbtNtries" => summary.debits = self.figures()?,
                "TtlNtriesPerBkTxCd" => self.xml.skip()?,
                _ => {
                    return Err(self
                        .xml
                        .unexpected(&tag, "an element of TotalTransactions6"));
                }
            }
        }
        Ok(summary)
    }

    fn figures(&mut self) -> Result<RawFigures> {
        let mut figures = RawFigures::default();
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "NbOfNtries" => self.fill(&mut figures.count, File::number)?,
                "Sum" => self.fill(&mut figures.sum, |f| f.xml.text(20))?,
                "TtlNetNtry" => self.fill(&mut figures.net, File::net)?,
                _ => return Err(self.xml.unexpected(&tag, "NbOfNtries, Sum or TtlNetNtry")),
            }
        }
        Ok(figures)
    }

    fn net(&mut self) -> Result<(String, Side)> {
        let (mut amount, mut side) = (None, None);
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "Amt" => self.fill(&mut amount, |f| f.xml.text(20))?,
                "CdtDbtInd" => self.fill(&mut side, File::side)?,
                _ => return Err(self.xml.unexpected(&tag, "Amt or CdtDbtInd")),
            }
        }
        Ok((self.needed(amount, "Amt")?, self.needed(side, "CdtDbtInd")?))
    }
}

impl RawSummary {
    fn with_currency(self, currency: Currency) -> core::result::Result<Summary, Kind> {
        let net = match self.all.net {
            Some((text, side)) => Some((money(&text, currency)?, side)),
            None => None,
        };
        let figures = |raw: RawFigures| -> core::result::Result<Figures, Kind> {
            let sum = raw.sum.map(|text| money(&text, currency)).transpose()?;
            Ok(Figures {
                count: raw.count,
                sum,
            })
        };
        Ok(Summary {
            all: figures(RawFigures {
                net: None,
                ..self.all
            })?,
            credits: figures(self.credits)?,
            debits: figures(self.debits)?,
            net,
        })
    }
}

/// Values.
impl File<'_> {
    fn amount(&mut self) -> Result<Amount> {
        let code = self.xml.attribute("Ccy").map(str::to_owned);
        let text = self.xml.text(19)?;
        let code = code.ok_or_else(|| {
            self.xml.error(Kind::Missing {
                element: "the attribute Ccy",
            })
        })?;
        let currency = self.in_currency(&code)?;
        money(&text, currency).map_err(|kind| self.xml.error(kind))
    }

    /// All amounts of a statement are in the currency of its account.
    fn in_currency(&mut self, code: &str) -> Result<Currency> {
        let found = Currency::new(code);
        let expected = "a currency's three capitals, as JPY";
        let found = found.map_err(|_e| self.xml.error(Kind::value(code, expected)))?;
        let expected = *self.currency.get_or_insert(found);
        if found == expected {
            return Ok(found);
        }
        let (found, expected) = (found.to_string(), expected.to_string());
        Err(self.xml.error(Kind::OtherCurrency { found, expected }))
    }

    fn side(&mut self) -> Result<Side> {
        let text = self.xml.text(4)?;
        match text.as_str() {
            "CRDT" => Ok(Side::Credit),
            "DBIT" => Ok(Side::Debit),
            _ => Err(self.xml.error(Kind::value(&text, "CRDT or DBIT"))),
        }
    }

    fn number(&mut self) -> Result<u64> {
        let text = self.xml.text(18)?;
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        number.ok_or_else(|| self.xml.error(Kind::value(&text, "a whole number")))
    }

    fn indicator(&mut self) -> Result<bool> {
        let text = self.xml.text(5)?;
        match text.as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(self.xml.error(Kind::value(&text, "true or false"))),
        }
    }

    /// A time as the bank's own clock shows it; how far that is from UTC doesn't matter here.
    fn date_time(&mut self) -> Result<DateTime> {
        let text = self.xml.text(40)?;
        let local = without_zone(&text, 19);
        let read = local
            .filter(|l| l.as_bytes().get(10) == Some(&b'T'))
            .map(str::parse);
        let expected = "a time as 2026-11-21T18:30:00";
        read.and_then(core::result::Result::ok)
            .ok_or_else(|| self.xml.error(Kind::value(&text, expected)))
    }

    fn date(&mut self) -> Result<Date> {
        let text = self.xml.text(40)?;
        let local = without_zone(&text, 10).filter(|l| l.len() == 10);
        let read = local.and_then(|l| l.parse().ok());
        read.ok_or_else(|| self.xml.error(Kind::value(&text, "a date as 2026-11-21")))
    }

    fn date_or_time(&mut self) -> Result<Date> {
        let mut date = None;
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "Dt" => self.fill(&mut date, File::date)?,
                "DtTm" => self.fill(&mut date, |f| f.date_time().map(DateTime::date))?,
                _ => return Err(self.xml.unexpected(&tag, "Dt or DtTm")),
            }
        }
        self.needed(date, "Dt")
    }

    /// A code of the standard's own list, or `None` for one of the bank's own.
    fn code_or_other(&mut self, code: &'static str, other: &'static str) -> Result<Option<String>> {
        let mut found = None;
        while let Some(tag) = self.xml.child()? {
            if tag == code {
                self.fill(&mut found, |f| f.xml.text(4).map(Some))?;
            } else if tag == other {
                self.fill(&mut found, |f| f.xml.skip().map(|()| None))?;
            } else {
                return Err(self.xml.unexpected(&tag, "Cd or Prtry"));
            }
        }
        self.needed(found, "Cd")
    }

    /// Reads an element that may stand once.
    fn fill<T>(
        &mut self,
        slot: &mut Option<T>,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<()> {
        if slot.is_some() {
            return Err(self.xml.error(Kind::Twice));
        }
        *slot = Some(read(self)?);
        Ok(())
    }

    /// Reads this one among the children of the open element and passes over all others.
    fn only<T>(
        &mut self,
        wanted: &str,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut found = None;
        while let Some(tag) = self.xml.child()? {
            if tag == wanted {
                self.fill(&mut found, &mut read)?;
            } else {
                self.xml.skip()?;
            }
        }
        Ok(found)
    }

    /// An element that must have been there.
    fn needed<T>(&self, value: Option<T>, element: &'static str) -> Result<T> {
        value.ok_or_else(|| self.xml.error(Kind::Missing { element }))
    }
}

fn money(text: &str, currency: Currency) -> core::result::Result<Amount, Kind> {
    let expected = || match currency.decimals() {
        0 => format!("a plain whole number of {currency}"),
        decimals => format!("a plain number of {currency} with at most {decimals} decimals"),
    };
    Amount::parse(text, currency).map_err(|_why| Kind::value(text, expected()))
}

/// The part before `Z` or `+09:00`, at least `least` characters long; `None` for another ending.
fn without_zone(text: &str, least: usize) -> Option<&str> {
    if !text.is_ascii() {
        return None;
    }
    let (head, tail) = text.split_at_checked(least)?;
    let zone = tail
        .find(['Z', '+', '-'])
        .map_or("", |at| tail.get(at..).unwrap_or_default());
    let local = text.strip_suffix(zone)?;
    let right = match zone.as_bytes() {
        [] | [b'Z'] => true,
        [_, h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()),
        _ => false,
    };
    (right && !head.is_empty()).then_some(local)
}
