//! Tests of the statement reader: the shipped samples, each single defect, and any statement at all.
//!
//! The files in `samples/` are made by [`samples`] here; with `TEGATA_WRITE_SAMPLES=1` in the
//! environment the test that compares them writes them anew.

mod properties;
mod samples;

use jiff::civil::date;
use tegata_protocol::{Amount, Currency, prepaid::Funding};

use super::sample::{SampleEntry, SampleStatement, SampleTransaction, statement};
use super::*;

fn yen(minor: u64) -> Amount {
    Amount::new(minor, Currency::JPY).unwrap()
}

fn account() -> AccountNumber {
    sample::ACCOUNT.parse().unwrap()
}

/// The facts of the good sample.
fn good() -> SampleStatement {
    SampleStatement {
        account: account(),
        id: StatementId::new("2026-11-20/0033-001").unwrap(),
        sequence: 324,
        date: date(2026, 11, 20),
        opening: Balance::holding(yen(1_250_000)),
        entries: vec![
            SampleEntry::transfer(yen(10_000), "TANAKA HANAKO", sample::REFERENCE),
            SampleEntry::typed(
                yen(5_000),
                "サトウ　タロウ",
                &format!("チャージ {}", sample::TYPED_REFERENCE.to_lowercase()),
            ),
            SampleEntry::typed(yen(3_200), "MEYER & SONS", "invoice 4711, thank you"),
            SampleEntry::typed(yen(880), "TEGATA CENTRE", "bank charges").outgoing(),
            SampleEntry::transfer(yen(7_500), "SUZUKI ICHIRO", "RF5100000124").pending(),
        ],
    }
}

fn read(facts: &SampleStatement) -> StatementFile {
    camt053::parse(statement(facts).unwrap().as_bytes()).unwrap()
}

fn refused(file: &str) -> StatementErrorKind {
    camt053::parse(file.as_bytes()).unwrap_err().kind
}

#[test]
fn a_good_statement_tells_everything_that_it_says() {
    let file = camt053::parse_for(sample::GOOD.as_bytes(), &account()).unwrap();
    assert_eq!(file.content(), Content::Entries);
    let [day] = file.statements.as_slice() else {
        panic!("one statement")
    };
    assert_eq!(day.id.as_str(), "2026-11-20/0033-001");
    assert_eq!(day.sequence, Some(324));
    assert_eq!(day.created.to_string(), "2026-11-20T22:15:00");
    assert_eq!(day.closing, Balance::holding(yen(1_267_320)));
    assert_eq!(
        day.entries.iter().map(|e| e.index).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    let found: Vec<_> = day
        .entries
        .iter()
        .map(|e| e.references.payment_reference())
        .collect();
    assert_eq!(found[0], Found::One(sample::REFERENCE.parse().unwrap()));
    assert_eq!(
        found[1],
        Found::One(sample::TYPED_REFERENCE.parse().unwrap())
    );
    assert_eq!(found[2], Found::Nothing);
    let creditable: Vec<_> = day.entries.iter().map(Entry::is_creditable).collect();
    assert_eq!(creditable, [true, true, true, false, false]);
    let first = &day.entries[0];
    assert_eq!(
        (first.amount, first.kind),
        (yen(10_000), EntryKind::Transfer)
    );
    assert_eq!(first.booked_on, Some(date(2026, 11, 20)));
    assert_eq!(first.debtor.as_ref().unwrap().expose(), "TANAKA HANAKO");
    assert_eq!(
        first.references.end_to_end, None,
        "NOTPROVIDED is no reference"
    );
    assert_eq!(
        day.entries[2].debtor.as_ref().unwrap().expose(),
        "MEYER & SONS"
    );
    let line = usize::try_from(first.line).unwrap();
    assert_eq!(sample::GOOD.lines().nth(line - 1).unwrap().trim(), "<Ntry>");
}

#[test]
fn names_and_free_texts_stay_out_of_logs() {
    let file = camt053::parse(sample::GOOD.as_bytes()).unwrap();
    let logged = format!("{file:?}");
    for private in ["TANAKA", "サトウ", "MEYER", "invoice", "チャージ"] {
        assert!(!logged.contains(private), "{private}");
    }
}

#[test]
fn a_batch_counts_by_its_transactions() {
    let mut facts = good();
    facts.entries[0]
        .transactions
        .push(SampleTransaction::new(yen(250), "B"));
    facts.entries[0]
        .transactions
        .push(SampleTransaction::new(yen(250), "B"));
    let file = read(&facts);
    let entries = &file.statements[0].entries;
    assert_eq!(entries.len(), 7);
    let amounts: Vec<_> = entries.iter().map(|e| e.amount.minor()).collect();
    assert_eq!(amounts[..4], [10_000, 250, 250, 5_000]);
    assert_eq!(
        entries.iter().map(|e| e.index).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5, 6]
    );
    assert!(entries[1].line < entries[2].line);
}

#[test]
fn equal_payments_both_count() {
    let mut facts = good();
    let twin = facts.entries[0].clone();
    facts.entries.insert(1, twin);
    let file = read(&facts);
    let [first, second] = &file.statements[0].entries[..2] else {
        panic!("two entries")
    };
    assert_eq!(
        (first.amount, &first.references),
        (second.amount, &second.references)
    );
    assert!(first.is_creditable() && second.is_creditable());
}

#[test]
fn reversals_returns_and_what_isnt_booked_are_listed_but_not_credited() {
    let mut facts = good();
    facts.entries[0].nature = Nature::Reversal;
    facts.entries[1].status = EntryStatus::Information;
    let file = statement(&facts).unwrap();
    let returned = file.replacen("</RltdPties>", "</RltdPties><RtrInf/>", 3);
    let file = camt053::parse(returned.as_bytes()).unwrap();
    let entries = &file.statements[0].entries;
    assert_eq!(entries.len(), 5);
    assert!(entries.iter().all(|e| !e.is_creditable()));
    assert_eq!(entries[2].nature, Nature::Reversal);
}

#[test]
fn cash_at_the_counter_is_known_as_such() {
    let paid_in = include_str!("../../samples/statement-good-deposit.xml");
    let kinds = |file: &str| {
        let entries = &camt053::parse(file.as_bytes()).unwrap().statements[0].entries;
        entries.iter().map(|e| e.kind.funding()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(paid_in), [Funding::Transfer, Funding::Deposit]);
    for (sub, funding) in [
        ("BCDP", Funding::Deposit),
        ("FCDP", Funding::Deposit),
        ("MIXD", Funding::Deposit),
        ("CHKD", Funding::Transfer),
    ] {
        let other = paid_in.replace(">CDPT<", &format!(">{sub}<"));
        assert_ne!(other, paid_in);
        assert_eq!(kinds(&other)[1], funding, "{sub}");
    }
    let mut facts = good();
    facts.entries[0].kind = EntryKind::CashDeposit;
    assert_eq!(
        read(&facts).statements[0].entries[0].kind,
        EntryKind::CashDeposit
    );
    let undetailed = "<BkTxCd><Prtry><Cd>NTRF+99</Cd></Prtry></BkTxCd>\n<NtryDtls><TxDtls><CshDpst/></TxDtls></NtryDtls>";
    let file = with_first_entry(undetailed);
    assert_eq!(file.statements[0].entries[0].kind, EntryKind::CashDeposit);
}

#[test]
fn a_batch_whose_details_are_still_to_come_is_one_entry_without_reference() {
    let file = with_first_entry(
        "<NtryDtls><Btch><NbOfTxs>3</NbOfTxs></Btch></NtryDtls><AddtlNtryInf>three</AddtlNtryInf>",
    );
    let entry = &file.statements[0].entries[0];
    assert_eq!(
        (entry.kind, entry.amount),
        (EntryKind::UndividedBatch, yen(10_000))
    );
    assert_eq!(entry.references.payment_reference(), Found::Nothing);
}

#[test]
fn batches_of_absurd_sizes_are_still_one_entry() {
    let batch = "<NtryDtls><Btch><NbOfTxs>999999999999999999</NbOfTxs></Btch></NtryDtls>";
    let file = with_first_entry(&batch.repeat(20));
    assert_eq!(
        file.statements[0].entries[0].kind,
        EntryKind::UndividedBatch
    );
}

#[test]
fn a_reference_in_the_banks_own_note_is_found() {
    let note = format!(
        "<AddtlNtryInf>Einzahlung {}</AddtlNtryInf>",
        sample::REFERENCE
    );
    let file = with_first_entry(&note);
    let found = file.statements[0].entries[0].references.payment_reference();
    assert_eq!(found, Found::One(sample::REFERENCE.parse().unwrap()));
}

/// The good sample, with this in the first entry in place of transaction code and details.
fn with_first_entry(rest: &str) -> StatementFile {
    let file = sample::GOOD;
    let from = file.find("<BkTxCd>").unwrap();
    let to = file.find("</Ntry>").unwrap();
    let file = format!("{}{rest}{}", &file[..from], &file[to..]);
    camt053::parse(file.as_bytes()).unwrap()
}

#[test]
fn a_day_without_entries_is_no_error_but_nothing_to_import() {
    let quiet = SampleStatement {
        entries: Vec::new(),
        ..good()
    };
    assert_eq!(read(&quiet).content(), Content::NothingToImport);
    let none = statement(&quiet).unwrap();
    let from = none.find("  <Stmt>").unwrap();
    let to = none.find("</Stmt>").unwrap() + "</Stmt>".len();
    let none = format!("{}{}", &none[..from], &none[to..]);
    let file = camt053::parse(none.as_bytes()).unwrap();
    assert!(file.statements.is_empty());
    assert_eq!(file.content(), Content::NothingToImport);
}

#[test]
fn an_overdrawn_account_adds_up_too() {
    let mut facts = good();
    facts.opening = Balance {
        amount: yen(20_000),
        side: Side::Debit,
    };
    let closing = read(&facts).statements[0].closing;
    assert_eq!(
        closing,
        Balance {
            amount: yen(2_680),
            side: Side::Debit
        }
    );
    assert_eq!(closing.to_string(), "-JPY 2,680");
}

#[test]
fn banks_may_write_the_same_in_other_ways() {
    let good = read(&good());
    let prefixed = sample::GOOD
        .replace("</", "</n:")
        .replace("<", "<n:")
        .replace("<n:/n:", "</n:")
        .replace("<n:?xml", "<?xml")
        .replace("xmlns=", "xmlns:n=");
    let ways = [
        format!("\u{feff}{}", sample::GOOD),
        sample::GOOD.replace('\n', "\r\n"),
        sample::GOOD.replace("OPBD", "PRCD"),
        sample::GOOD.replace(
            "encoding=\"UTF-8\"",
            "encoding=\"utf-8\" standalone=\"yes\"",
        ),
        sample::GOOD.replace(
            "<Amt Ccy=\"JPY\">10000<",
            "<Amt Ccy='JPY'>10<!-- -->0&#48;<![CDATA[0]]><",
        ),
        sample::GOOD.replace("T22:15:00", "T22:15:00.123+09:00"),
        sample::GOOD.replace(
            "<CreDtTm>2026-11-20T22:15:00</CreDtTm>\n      <Acct>",
            "<Acct>",
        ),
        sample::GOOD.replace("<Dt>2026-11-20</Dt>", "<DtTm>2026-11-20T10:00:00Z</DtTm>"),
        sample::GOOD.replace(">10000<", ">10000.00<"),
        sample::GOOD.replace("<GrpHdr>", "<?audit no?><GrpHdr>"),
        sample::GOOD.replace(
            "</CreDtTm>\n    </GrpHdr>",
            "</CreDtTm><MsgPgntn><PgNb>1</PgNb><LastPgInd>true</LastPgInd></MsgPgntn></GrpHdr>",
        ),
        prefixed,
    ];
    for way in ways {
        let read = camt053::parse(way.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{way}"));
        let mut entries = read.statements[0].entries.clone();
        for (entry, plain) in entries.iter_mut().zip(&good.statements[0].entries) {
            entry.line = plain.line;
        }
        assert_eq!(entries, good.statements[0].entries, "{way}");
        assert_ne!(way, sample::GOOD, "the replacement did something");
    }
}

#[test]
fn a_summary_may_count_what_is_booked_or_all_but_not_mix_them() {
    let booked = sample::GOOD
        .replace("<NbOfNtries>5<", "<NbOfNtries>4<")
        .replace("<Sum>26580<", "<Sum>19080<")
        .replace(
            "<NbOfNtries>4</NbOfNtries>\n          <Sum>25700<",
            "<NbOfNtries>3</NbOfNtries>\n          <Sum>18200<",
        );
    assert!(booked.contains("<Sum>18200<"));
    assert!(camt053::parse(booked.as_bytes()).is_ok());
    let mixed = sample::GOOD.replace("<Sum>25700<", "<Sum>18200<");
    assert!(matches!(
        refused(&mixed),
        StatementErrorKind::Summary { .. }
    ));
}

#[test]
fn an_identification_that_the_book_cant_hold_is_refused_in_words() {
    let with = |id: &str| sample::GOOD.replace(">2026-11-20/0033-001<", &format!(">{id}<"));
    let id = format!("{}-1", "明細".repeat(5));
    let file = camt053::parse(with(&id).as_bytes()).unwrap();
    assert_eq!(file.statements[0].id.as_str(), id, "32 bytes");
    let long = with(&"明細".repeat(6));
    let said = camt053::parse(long.as_bytes()).unwrap_err().to_string();
    assert!(
        said.contains("at most 35 bytes (it has 36: a kanji takes three)"),
        "{said}"
    );
    assert!(said.starts_with("line 9, "), "{said}");
}

#[test]
fn two_statements_are_both_read_or_both_refused() {
    let second = statement(&SampleStatement {
        id: StatementId::new("next").unwrap(),
        ..good()
    })
    .unwrap();
    let from = second.find("    <Stmt>").unwrap();
    let to = second.find("  </BkToCstmrStmt>").unwrap();
    let two = sample::GOOD.replace(
        "  </BkToCstmrStmt>",
        &format!("{}  </BkToCstmrStmt>", &second[from..to]),
    );
    assert_eq!(camt053::parse(two.as_bytes()).unwrap().statements.len(), 2);
    let mut spoilt = two;
    let last = spoilt.rfind(">880<").unwrap();
    spoilt.replace_range(last..last + 5, ">881<");
    let error = camt053::parse(spoilt.as_bytes()).unwrap_err();
    assert!(
        error.path.starts_with("Document/BkToCstmrStmt/Stmt[2]"),
        "{error}"
    );
}

#[test]
fn hostile_files_are_refused_quickly() {
    let deep = format!(
        "<Document xmlns=\"{}\"><BkToCstmrStmt><SplmtryData>{}",
        camt053::NAMESPACE,
        "<a>".repeat(100_000)
    );
    assert!(matches!(
        refused(&deep),
        StatementErrorKind::TooDeep { limit: 64 }
    ));
    let attributes: String = (0..100_000).map(|i| format!(" a{i}=\"\"")).collect();
    let wide = sample::GOOD.replace("<GrpHdr>", &format!("<GrpHdr{attributes}>"));
    assert!(matches!(refused(&wide), StatementErrorKind::NotXml(_)));
    let large = vec![b' '; camt053::MAX_BYTES + 1];
    let error = camt053::parse(&large).unwrap_err();
    assert!(matches!(error.kind, StatementErrorKind::TooLarge { .. }));
    let hidden = sample::GOOD.replace("<Strd>", "<Strd><RfrdDocInf><Nb>&lol;</Nb></RfrdDocInf>");
    assert_eq!(refused(&hidden), StatementErrorKind::Entity("lol".into()));
    for control in ["&#0;", "&#1;", "&#xD800;", "\u{1}"] {
        let file = sample::GOOD.replace("TANAKA", control);
        let kind = refused(&file);
        assert!(
            matches!(
                kind,
                StatementErrorKind::Entity(_) | StatementErrorKind::NotXml(_)
            ),
            "{control}: {kind}"
        );
    }
}

#[test]
fn foreign_elements_cant_pass_for_the_banks() {
    let namespaced = sample::GOOD.replace("<Ntry>", "<Ntry xmlns=\"urn:other\">");
    assert!(matches!(
        refused(&namespaced),
        StatementErrorKind::Unexpected { .. }
    ));
    let prefixed = sample::GOOD
        .replace("<Ntry>", "<x:Ntry>")
        .replace("</Ntry>", "</x:Ntry>");
    assert!(matches!(
        refused(&prefixed),
        StatementErrorKind::Unexpected { .. }
    ));
}
