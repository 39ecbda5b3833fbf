//! Statement files as a bank would write them, for tests, the demonstration and newcomers.
//!
//! [`statement`] makes one from a few plain facts. [`GOOD`] is a made one that ships as a file in
//! `samples/`, beside bad ones that are each named for their single defect.

use core::fmt::Write as _;

use jiff::civil::Date;
use quick_xml::escape::escape;
use tegata_protocol::{Amount, ArithmeticError, Currency};

use crate::camt053::NAMESPACE;
use crate::iban::AccountNumber;
use crate::statement::{Balance, EntryKind, EntryStatus, Nature, Side, StatementId, signed};

/// A good statement of five entries: a transfer with its reference in the field made for it, one
/// with it in the free text, one that matches nobody, a debit, and one that is still pending.
pub const GOOD: &str = include_str!("../samples/statement-good.xml");
/// The account of [`GOOD`].
pub const ACCOUNT: &str = "0033-001-1234567";
/// The reference in the first entry of [`GOOD`]; replace it with one that the centre gave out.
pub const REFERENCE: &str = "RF18539007547034";
/// The reference in the free text of the second entry of [`GOOD`].
pub const TYPED_REFERENCE: &str = "RF34 0000 0042";

/// The facts of a statement.
#[derive(Debug, Clone)]
pub struct SampleStatement {
    /// The account.
    pub account: AccountNumber,
    /// The bank's identification of this statement.
    pub id: StatementId,
    /// The bank's running number.
    pub sequence: u64,
    /// The day that it is of.
    pub date: Date,
    /// Booked balance before the first entry; the closing balance is computed.
    pub opening: Balance,
    /// Its entries.
    pub entries: Vec<SampleEntry>,
}

/// The facts of an entry.
#[derive(Debug, Clone)]
pub struct SampleEntry {
    /// In or out.
    pub side: Side,
    /// Booked or not yet.
    pub status: EntryStatus,
    /// A payment, or the undoing of one.
    pub nature: Nature,
    /// How the money came.
    pub kind: EntryKind,
    /// One transaction, or several that the bank booked as one sum.
    pub transactions: Vec<SampleTransaction>,
}

/// The facts of a transaction.
#[derive(Debug, Clone)]
pub struct SampleTransaction {
    /// How much.
    pub amount: Amount,
    /// The payer's name.
    pub debtor: String,
    /// A reference in the field made for it.
    pub reference: Option<String>,
    /// Free text.
    pub text: Option<String>,
}

impl SampleEntry {
    /// A booked transfer that came in, with its reference in the field made for it.
    pub fn transfer(amount: Amount, debtor: &str, reference: &str) -> Self {
        let reference = Some(reference.to_owned());
        Self::credit(SampleTransaction {
            reference,
            ..SampleTransaction::new(amount, debtor)
        })
    }

    /// A booked transfer that came in, with what its payer typed.
    pub fn typed(amount: Amount, debtor: &str, text: &str) -> Self {
        let text = Some(text.to_owned());
        Self::credit(SampleTransaction {
            text,
            ..SampleTransaction::new(amount, debtor)
        })
    }

    /// The same, as money that went out.
    #[must_use]
    pub fn outgoing(self) -> Self {
        Self {
            side: Side::Debit,
            ..self
        }
    }

    /// The same, not booked yet.
    #[must_use]
    pub fn pending(self) -> Self {
        Self {
            status: EntryStatus::Pending,
            ..self
        }
    }

    /// The same, as cash deposited at the bank's counter.
    #[must_use]
    pub fn in_cash(self) -> Self {
        Self {
            kind: EntryKind::CashDeposit,
            ..self
        }
    }

    fn credit(transaction: SampleTransaction) -> Self {
        Self {
            side: Side::Credit,
            status: EntryStatus::Booked,
            nature: Nature::Payment,
            kind: EntryKind::Transfer,
            transactions: vec![transaction],
        }
    }

    fn amount(&self, currency: Currency) -> Result<Amount, ArithmeticError> {
        let mut parts = self.transactions.iter();
        parts.try_fold(Amount::zero(currency), |sum, t| sum.plus(t.amount))
    }
}

impl SampleTransaction {
    /// A transaction without reference or text.
    pub fn new(amount: Amount, debtor: &str) -> Self {
        Self {
            amount,
            debtor: debtor.to_owned(),
            reference: None,
            text: None,
        }
    }
}

/// Writes a camt.053.001.08 statement as a bank would.
///
/// # Errors
/// [`ArithmeticError`] when amounts are of several currencies or too large together.
pub fn statement(facts: &SampleStatement) -> Result<String, ArithmeticError> {
    let mut file = Writer::default();
    file.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    file.open(&format!("Document xmlns=\"{NAMESPACE}\""));
    file.open("BkToCstmrStmt");
    file.open("GrpHdr");
    file.text(
        "MsgId",
        &format!(
            "{}-M",
            facts.id.as_str().chars().take(33).collect::<String>()
        ),
    );
    file.text("CreDtTm", &format!("{}T22:15:00", facts.date));
    file.close("GrpHdr");
    file.statement(facts)?;
    file.close("BkToCstmrStmt");
    file.close("Document");
    Ok(file.written)
}

/// Text that is written line by line, elements indented.
#[derive(Default)]
struct Writer {
    written: String,
    depth: usize,
}

/// The sums of the entries, by side.
struct Sums {
    credits: (usize, Amount),
    debits: (usize, Amount),
    closing: Balance,
}

impl Writer {
    fn statement(&mut self, facts: &SampleStatement) -> Result<(), ArithmeticError> {
        let currency = facts.opening.amount.currency();
        let sums = sums(facts)?;
        self.open("Stmt");
        self.text("Id", facts.id.as_str());
        self.text("ElctrncSeqNb", &facts.sequence.to_string());
        self.text("CreDtTm", &format!("{}T22:15:00", facts.date));
        self.account(&facts.account, currency);
        self.balance("OPBD", facts.opening, facts.date);
        self.balance("CLBD", sums.closing, facts.date);
        self.summary(&sums)?;
        for entry in &facts.entries {
            self.entry(entry, entry.amount(currency)?, facts.date);
        }
        self.close("Stmt");
        Ok(())
    }

    fn account(&mut self, account: &AccountNumber, currency: Currency) {
        self.open("Acct");
        self.open("Id");
        match account {
            AccountNumber::Iban(iban) => self.text("IBAN", iban.as_str()),
            AccountNumber::Other(_) => {
                self.open("Othr");
                self.text("Id", account.as_str());
                self.close("Othr");
            }
        }
        self.close("Id");
        self.text("Ccy", currency.code());
        self.close("Acct");
    }

    fn balance(&mut self, code: &str, balance: Balance, date: Date) {
        self.open("Bal");
        self.line(&format!("<Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"));
        self.amount("Amt", balance.amount);
        self.side(balance.side);
        self.line(&format!("<Dt><Dt>{date}</Dt></Dt>"));
        self.close("Bal");
    }

    fn summary(&mut self, sums: &Sums) -> Result<(), ArithmeticError> {
        let all = (
            sums.credits.0 + sums.debits.0,
            sums.credits.1.plus(sums.debits.1)?,
        );
        self.open("TxsSummry");
        let groups = [
            ("TtlNtries", all),
            ("TtlCdtNtries", sums.credits),
            ("TtlDbtNtries", sums.debits),
        ];
        for (name, (count, sum)) in groups {
            self.open(name);
            self.text("NbOfNtries", &count.to_string());
            self.text("Sum", &decimal(sum));
            self.close(name);
        }
        self.close("TxsSummry");
        Ok(())
    }

    fn entry(&mut self, entry: &SampleEntry, amount: Amount, date: Date) {
        self.open("Ntry");
        self.amount("Amt", amount);
        self.side(entry.side);
        if entry.nature == Nature::Reversal {
            self.text("RvslInd", "true");
        }
        self.line(&format!(
            "<Sts><Cd>{}</Cd></Sts>",
            status_code(entry.status)
        ));
        self.line(&format!("<BookgDt><Dt>{date}</Dt></BookgDt>"));
        self.line(&format!("<ValDt><Dt>{date}</Dt></ValDt>"));
        self.transaction_code(entry.kind, entry.side);
        self.open("NtryDtls");
        let several = entry.transactions.len() > 1;
        if several {
            self.open("Btch");
            self.text("NbOfTxs", &entry.transactions.len().to_string());
            self.close("Btch");
        }
        for transaction in &entry.transactions {
            self.transaction(transaction, entry.side);
        }
        self.close("NtryDtls");
        self.close("Ntry");
    }

    fn transaction_code(&mut self, kind: EntryKind, side: Side) {
        let (family, sub) = match (kind, side) {
            (EntryKind::Transfer | EntryKind::UndividedBatch, Side::Credit) => ("RCDT", "ESCT"),
            (EntryKind::Transfer | EntryKind::UndividedBatch, Side::Debit) => ("ICDT", "ESCT"),
            (EntryKind::CashDeposit, _) => ("CNTR", "CDPT"),
            (EntryKind::Other, _) => ("OTHR", "OTHR"),
        };
        self.open("BkTxCd");
        self.open("Domn");
        self.text("Cd", "PMNT");
        self.line(&format!(
            "<Fmly><Cd>{family}</Cd><SubFmlyCd>{sub}</SubFmlyCd></Fmly>"
        ));
        self.close("Domn");
        self.close("BkTxCd");
    }

    fn transaction(&mut self, transaction: &SampleTransaction, side: Side) {
        self.open("TxDtls");
        self.line("<Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>");
        self.amount("Amt", transaction.amount);
        self.side(side);
        self.open("RltdPties");
        let name = escape(transaction.debtor.as_str());
        self.line(&format!("<Dbtr><Pty><Nm>{name}</Nm></Pty></Dbtr>"));
        self.close("RltdPties");
        if transaction.reference.is_some() || transaction.text.is_some() {
            self.remittance(transaction);
        }
        self.close("TxDtls");
    }

    fn remittance(&mut self, transaction: &SampleTransaction) {
        self.open("RmtInf");
        if let Some(text) = &transaction.text {
            self.text("Ustrd", text);
        }
        if let Some(reference) = &transaction.reference {
            self.open("Strd");
            self.open("CdtrRefInf");
            self.line("<Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry><Issr>ISO</Issr></Tp>");
            self.text("Ref", reference);
            self.close("CdtrRefInf");
            self.close("Strd");
        }
        self.close("RmtInf");
    }

    fn amount(&mut self, name: &str, amount: Amount) {
        let currency = amount.currency();
        self.line(&format!(
            "<{name} Ccy=\"{currency}\">{}</{name}>",
            decimal(amount)
        ));
    }

    fn side(&mut self, side: Side) {
        self.text(
            "CdtDbtInd",
            match side {
                Side::Credit => "CRDT",
                Side::Debit => "DBIT",
            },
        );
    }

    fn text(&mut self, name: &str, text: &str) {
        self.line(&format!("<{name}>{}</{name}>", escape(text)));
    }

    fn open(&mut self, tag: &str) {
        self.line(&format!("<{tag}>"));
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.line(&format!("</{name}>"));
    }

    fn line(&mut self, text: &str) {
        // Writing to a string can't fail.
        let _written = writeln!(self.written, "{:1$}{text}", "", self.depth * 2);
    }
}

fn sums(facts: &SampleStatement) -> Result<Sums, ArithmeticError> {
    let currency = facts.opening.amount.currency();
    let mut credits = (0, Amount::zero(currency));
    let mut debits = credits;
    let mut closing = facts.opening.signed();
    for entry in &facts.entries {
        let amount = entry.amount(currency)?;
        let group = match entry.side {
            Side::Credit => &mut credits,
            Side::Debit => &mut debits,
        };
        *group = (group.0 + 1, group.1.plus(amount)?);
        if entry.status == EntryStatus::Booked {
            closing += signed(amount, entry.side);
        }
    }
    let closing = Balance::from_signed(closing, currency).ok_or(ArithmeticError::TooLarge)?;
    Ok(Sums {
        credits,
        debits,
        closing,
    })
}

const fn status_code(status: EntryStatus) -> &'static str {
    match status {
        EntryStatus::Booked => "BOOK",
        EntryStatus::Pending => "PDNG",
        EntryStatus::Future => "FUTR",
        EntryStatus::Information => "INFO",
    }
}

/// An amount as banks write it: `12500`, `12.50`.
fn decimal(amount: Amount) -> String {
    let decimals = amount.currency().decimals();
    let digits = format!("{:0>1$}", amount.minor(), decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if fraction.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{fraction}")
    }
}
