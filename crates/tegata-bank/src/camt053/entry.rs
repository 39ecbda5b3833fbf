//! The entries of a statement (`Ntry`) and the single transactions of a batch (`TxDtls`).

use jiff::civil::Date;
use tegata_protocol::Amount;

use super::{
    Entry, EntryKind, EntryStatus, File, Kind, Nature, PersonalText, References, Result, Side,
    StatementDraft, check_batch,
};

/// An entry while it is read.
#[derive(Default)]
struct EntryDraft {
    line: u32,
    amount: Option<Amount>,
    side: Option<Side>,
    reversal: Option<bool>,
    status: Option<EntryStatus>,
    booked_on: Option<Date>,
    value_on: Option<Date>,
    servicer: Option<String>,
    kind: Option<EntryKind>,
    note: Option<String>,
    parts: Vec<Part>,
    /// Transactions that the bank counts without showing them.
    unseen: u64,
}

/// A transaction, mostly the only one of its entry.
#[derive(Default)]
struct Part {
    line: u32,
    amount: Option<Amount>,
    side: Option<Side>,
    kind: Option<EntryKind>,
    returned: bool,
    references: References,
    debtor: Option<PersonalText>,
}

/// What `Btch` says of the transactions beside it.
#[derive(Default)]
struct Batch {
    count: Option<u64>,
    total: Option<Amount>,
    side: Option<Side>,
}

/// What all parts of an entry share.
struct Whole {
    amount: Amount,
    side: Side,
    status: EntryStatus,
    reversal: bool,
}

impl File<'_> {
    /// Reads one entry and appends it, or its transactions, to the statement.
    pub(super) fn entry(&mut self, statement: &mut StatementDraft) -> Result<()> {
        let mut draft = EntryDraft {
            line: self.xml.line(),
            ..EntryDraft::default()
        };
        while let Some(tag) = self.xml.child()? {
            self.entry_part(&tag, &mut draft)?;
        }
        let whole = Whole {
            amount: self.needed(draft.amount, "Amt")?,
            side: self.needed(draft.side, "CdtDbtInd")?,
            status: self.needed(draft.status, "Sts")?,
            reversal: draft.reversal.unwrap_or(false),
        };
        statement
            .tallies
            .add(whole.amount, whole.side, whole.status);
        let parts = self.parts(&mut draft, &whole)?;
        for part in parts {
            let index = u32::try_from(statement.entries.len()).unwrap_or(u32::MAX);
            statement.entries.push(made(index, part, &draft, &whole));
        }
        Ok(())
    }

    fn entry_part(&mut self, tag: &str, draft: &mut EntryDraft) -> Result<()> {
        match tag {
            "Amt" => self.fill(&mut draft.amount, File::amount),
            "CdtDbtInd" => self.fill(&mut draft.side, File::side),
            "RvslInd" => self.fill(&mut draft.reversal, File::indicator),
            "Sts" => self.fill(&mut draft.status, File::status),
            "BookgDt" => self.fill(&mut draft.booked_on, File::date_or_time),
            "ValDt" => self.fill(&mut draft.value_on, File::date_or_time),
            "AcctSvcrRef" => self.fill(&mut draft.servicer, |f| f.xml.text(35)),
            "BkTxCd" => self.fill(&mut draft.kind, File::kind),
            "AddtlNtryInf" => self.fill(&mut draft.note, |f| f.xml.text(500)),
            "NtryDtls" => self.details(draft),
            "NtryRef" | "Avlbty" | "ComssnWvrInd" | "AddtlInfInd" | "AmtDtls" | "Chrgs"
            | "TechInptChanl" | "Intrst" | "CardTx" => self.xml.skip(),
            _ => Err(self.xml.unexpected(tag, "an element of ReportEntry10")),
        }
    }

    /// The transactions of an entry, each with its amount, which together make the entry's.
    fn parts(&self, draft: &mut EntryDraft, whole: &Whole) -> Result<Vec<Part>> {
        let mut parts = core::mem::take(&mut draft.parts);
        if parts.is_empty() {
            let kind = (draft.unseen > 1).then_some(EntryKind::UndividedBatch);
            parts.push(Part {
                line: draft.line,
                kind,
                ..Part::default()
            });
        }
        if let [only] = parts.as_mut_slice() {
            only.line = draft.line;
            only.amount = only.amount.or(Some(whole.amount));
            only.references
                .unstructured
                .extend(draft.note.take().map(PersonalText::new));
        }
        let mut sums = Vec::with_capacity(parts.len());
        for part in &parts {
            let amount = self.needed(part.amount, "NtryDtls/TxDtls/Amt")?;
            sums.push((amount, part.side.unwrap_or(whole.side)));
        }
        check_batch((whole.amount, whole.side), sums.into_iter()).map_err(|k| self.xml.error(k))?;
        Ok(parts)
    }

    fn details(&mut self, draft: &mut EntryDraft) -> Result<()> {
        let mut batch = None;
        let first = draft.parts.len();
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "Btch" => self.fill(&mut batch, File::batch)?,
                "TxDtls" => {
                    let part = self.transaction()?;
                    draft.parts.push(part);
                }
                _ => return Err(self.xml.unexpected(&tag, "Btch or TxDtls")),
            }
        }
        let parts = draft.parts.get(first..).unwrap_or_default();
        let Some(batch) = batch else { return Ok(()) };
        if parts.is_empty() {
            draft.unseen = draft.unseen.saturating_add(batch.count.unwrap_or(2));
            return Ok(());
        }
        batch
            .check(parts, draft.side)
            .map_err(|kind| self.xml.error(kind))
    }

    fn batch(&mut self) -> Result<Batch> {
        let mut batch = Batch::default();
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "NbOfTxs" => self.fill(&mut batch.count, File::number)?,
                "TtlAmt" => self.fill(&mut batch.total, File::amount)?,
                "CdtDbtInd" => self.fill(&mut batch.side, File::side)?,
                "MsgId" | "PmtInfId" => self.xml.skip()?,
                _ => return Err(self.xml.unexpected(&tag, "an element of BatchInformation2")),
            }
        }
        Ok(batch)
    }

    fn transaction(&mut self) -> Result<Part> {
        let mut part = Part {
            line: self.xml.line(),
            ..Part::default()
        };
        let mut seen = Seen::default();
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "Refs" => self.fill(&mut seen.refs, |f| f.references(&mut part.references))?,
                "Amt" => self.fill(&mut part.amount, File::amount)?,
                "CdtDbtInd" => self.fill(&mut part.side, File::side)?,
                "BkTxCd" => self.fill(&mut part.kind, File::kind)?,
                "RltdPties" => self.fill(&mut seen.parties, |f| {
                    part.debtor = f.only("Dbtr", File::name)?.flatten();
                    Ok(())
                })?,
                "RmtInf" => {
                    self.fill(&mut seen.remittance, |f| f.remittance(&mut part.references))?
                }
                "RtrInf" => {
                    part.returned = true;
                    self.xml.skip()?;
                }
                "CshDpst" => {
                    part.kind = Some(EntryKind::CashDeposit);
                    self.xml.skip()?;
                }
                "AddtlTxInf" => {
                    let text = self.xml.text(500)?;
                    part.references.unstructured.push(PersonalText::new(text));
                }
                "AmtDtls" | "Avlbty" | "Chrgs" | "Intrst" | "RltdAgts" | "LclInstrm" | "Purp"
                | "RltdRmtInf" | "RltdDts" | "RltdPric" | "RltdQties" | "FinInstrmId" | "Tax"
                | "CorpActn" | "SfkpgAcct" | "CardTx" | "SplmtryData" => self.xml.skip()?,
                _ => {
                    return Err(self
                        .xml
                        .unexpected(&tag, "an element of EntryTransaction10"));
                }
            }
        }
        Ok(part)
    }

    fn references(&mut self, references: &mut References) -> Result<()> {
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "EndToEndId" => self.fill(&mut references.end_to_end, |f| f.xml.text(35))?,
                "AcctSvcrRef" => self.fill(&mut references.servicer, |f| f.xml.text(35))?,
                "MsgId" | "PmtInfId" | "InstrId" | "UETR" | "TxId" | "MndtId" | "ChqNb"
                | "ClrSysRef" | "AcctOwnrTxId" | "AcctSvcrTxId" | "MktInfrstrctrTxId"
                | "PrcgId" | "Prtry" => self.xml.skip()?,
                _ => {
                    return Err(self
                        .xml
                        .unexpected(&tag, "an element of TransactionReferences6"));
                }
            }
        }
        // What the standard prescribes when the payer gave none.
        references.end_to_end.take_if(|id| id == "NOTPROVIDED");
        Ok(())
    }

    /// The name of a party, if it is a person or a firm and not a bank.
    fn name(&mut self) -> Result<Option<PersonalText>> {
        let name = self.only("Pty", |f| f.only("Nm", |f| f.xml.text(140)))?;
        Ok(name.flatten().map(PersonalText::new))
    }

    fn remittance(&mut self, references: &mut References) -> Result<()> {
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "Ustrd" => {
                    let text = self.xml.text(140)?;
                    references.unstructured.push(PersonalText::new(text));
                }
                "Strd" => self.structured(references)?,
                _ => return Err(self.xml.unexpected(&tag, "Ustrd or Strd")),
            }
        }
        Ok(())
    }

    fn structured(&mut self, references: &mut References) -> Result<()> {
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "CdtrRefInf" => {
                    let reference = self.only("Ref", |f| f.xml.text(35))?;
                    references.creditor.extend(reference);
                }
                "AddtlRmtInf" => {
                    let text = self.xml.text(140)?;
                    references.unstructured.push(PersonalText::new(text));
                }
                "RfrdDocInf" | "RfrdDocAmt" | "Invcr" | "Invcee" | "TaxRmt" | "GrnshmtRmt" => {
                    self.xml.skip()?;
                }
                _ => {
                    let expected = "an element of StructuredRemittanceInformation16";
                    return Err(self.xml.unexpected(&tag, expected));
                }
            }
        }
        Ok(())
    }

    fn status(&mut self) -> Result<EntryStatus> {
        let code = self.code_or_other("Cd", "Prtry")?;
        match code.as_deref() {
            Some("BOOK") => Ok(EntryStatus::Booked),
            Some("PDNG") => Ok(EntryStatus::Pending),
            Some("FUTR") => Ok(EntryStatus::Future),
            Some("INFO") => Ok(EntryStatus::Information),
            other => {
                let found = other.unwrap_or("a code of the bank's own");
                Err(self
                    .xml
                    .error(Kind::value(found, "BOOK, PDNG, FUTR or INFO")))
            }
        }
    }

    /// Reads the kind from the bank transaction code: domain, family, sub-family.
    fn kind(&mut self) -> Result<EntryKind> {
        let domain = self.only("Domn", |f| {
            let (mut code, mut family) = (None, None);
            while let Some(tag) = f.xml.child()? {
                match tag.as_str() {
                    "Cd" => f.fill(&mut code, |f| f.xml.text(4))?,
                    "Fmly" => f.fill(&mut family, File::family)?,
                    _ => return Err(f.xml.unexpected(&tag, "Cd or Fmly")),
                }
            }
            Ok((f.needed(code, "Cd")?, f.needed(family, "Fmly")?))
        })?;
        let Some((domain, (family, sub))) = domain else {
            return Ok(EntryKind::Other);
        };
        Ok(match (domain.as_str(), family.as_str(), sub.as_str()) {
            ("PMNT", "RCDT" | "ICDT" | "RRCT" | "IRCT", _) => EntryKind::Transfer,
            ("PMNT", "CNTR", "CDPT" | "BCDP" | "FCDP" | "MIXD") | ("PMNT", "CCRD", "CDPT") => {
                EntryKind::CashDeposit
            }
            _ => EntryKind::Other,
        })
    }

    fn family(&mut self) -> Result<(String, String)> {
        let (mut code, mut sub) = (None, None);
        while let Some(tag) = self.xml.child()? {
            match tag.as_str() {
                "Cd" => self.fill(&mut code, |f| f.xml.text(4))?,
                "SubFmlyCd" => self.fill(&mut sub, |f| f.xml.text(4))?,
                _ => return Err(self.xml.unexpected(&tag, "Cd or SubFmlyCd")),
            }
        }
        Ok((self.needed(code, "Cd")?, self.needed(sub, "SubFmlyCd")?))
    }
}

/// Elements of a transaction that may stand once.
#[derive(Default)]
struct Seen {
    refs: Option<()>,
    parties: Option<()>,
    remittance: Option<()>,
}

impl Batch {
    fn check(&self, parts: &[Part], entry_side: Option<Side>) -> core::result::Result<(), Kind> {
        let shown = u64::try_from(parts.len()).unwrap_or(u64::MAX);
        if let Some(count) = self.count.filter(|c| *c != shown) {
            let (stated, counted) = (format!("{count} transactions"), shown.to_string());
            return Err(Kind::Batch { stated, counted });
        }
        let side = entry_side.unwrap_or(Side::Credit);
        let sums: Option<Vec<_>> = parts
            .iter()
            .map(|p| Some((p.amount?, p.side.unwrap_or(side))))
            .collect();
        match (self.total, sums) {
            (Some(total), Some(sums)) => {
                check_batch((total, self.side.unwrap_or(side)), sums.into_iter())
            }
            _ => Ok(()),
        }
    }
}

fn made(index: u32, part: Part, draft: &EntryDraft, whole: &Whole) -> Entry {
    let mut references = part.references;
    references.servicer = references.servicer.or_else(|| draft.servicer.clone());
    let reversal = whole.reversal || part.returned;
    Entry {
        index,
        line: part.line,
        amount: part.amount.unwrap_or(whole.amount),
        side: part.side.unwrap_or(whole.side),
        booked_on: draft.booked_on,
        value_on: draft.value_on,
        status: whole.status,
        kind: part.kind.or(draft.kind).unwrap_or(EntryKind::Other),
        nature: if reversal {
            Nature::Reversal
        } else {
            Nature::Payment
        },
        references,
        debtor: part.debtor,
    }
}
