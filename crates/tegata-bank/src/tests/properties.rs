//! What holds of any statement.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn amounts(currency: Currency) -> impl Strategy<Value = Amount> {
    (1_u64..10_000_000_000).prop_map(move |minor| Amount::new(minor, currency).unwrap())
}

fn transactions(currency: Currency) -> impl Strategy<Value = SampleTransaction> {
    let reference = proptest::option::of(any::<u64>());
    let text = proptest::option::of("[!-~あ-ん][ -~あ-ん]{0,60}[!-~あ-ん]");
    (amounts(currency), "[A-Z&<>'\"ア-ン]{1,20}", reference, text).prop_map(
        |(amount, debtor, reference, text)| SampleTransaction {
            amount,
            debtor,
            reference: reference.map(|n| PaymentReference::from_number(n).as_str().to_owned()),
            text,
        },
    )
}

fn entries(currency: Currency) -> impl Strategy<Value = SampleEntry> {
    let side = prop_oneof![Just(Side::Credit), Just(Side::Debit)];
    let status = prop_oneof![3 => Just(EntryStatus::Booked), 1 => Just(EntryStatus::Pending)];
    let nature = prop_oneof![3 => Just(Nature::Payment), 1 => Just(Nature::Reversal)];
    let kind = prop_oneof![Just(EntryKind::Transfer), Just(EntryKind::CashDeposit)];
    (
        side,
        status,
        nature,
        kind,
        vec(transactions(currency), 1..4),
    )
        .prop_map(|(side, status, nature, kind, transactions)| SampleEntry {
            side,
            status,
            nature,
            kind,
            transactions,
        })
}

fn statements() -> impl Strategy<Value = SampleStatement> {
    let currency = prop_oneof![Just(Currency::JPY), Just(Currency::EUR)];
    currency.prop_flat_map(|currency| {
        let side = prop_oneof![Just(Side::Credit), Just(Side::Debit)];
        let opening = (amounts(currency), side);
        (opening, vec(entries(currency), 0..6)).prop_map(|((amount, side), entries)| {
            SampleStatement {
                opening: Balance { amount, side },
                entries,
                ..good()
            }
        })
    })
}

/// Where digits of amounts and sums stand.
fn amount_digits(file: &str) -> Vec<usize> {
    let mut digits = Vec::new();
    let mut offset = 0;
    for line in file.split_inclusive('\n') {
        let value = line.trim_start();
        if value.starts_with("<Amt ") || value.starts_with("<Sum>") {
            let from = line.find('>').unwrap();
            let to = line.find("</").unwrap();
            digits.extend(
                (from..to)
                    .filter(|i| line.as_bytes()[*i].is_ascii_digit())
                    .map(|i| offset + i),
            );
        }
        offset += line.len();
    }
    digits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_a_bank_writes_is_what_is_read(facts in statements()) {
        let file = statement(&facts).unwrap();
        let file = camt053::parse_for(file.as_bytes(), &account()).unwrap();
        let read = &file.statements[0];
        prop_assert_eq!(&read.id, &facts.id);
        prop_assert_eq!(read.opening, facts.opening);
        let written = facts.entries.iter().flat_map(|e| e.transactions.iter().map(move |t| (e, t)));
        let written: Vec<_> = written.collect();
        prop_assert_eq!(read.entries.len(), written.len());
        for (index, (read, (entry, part))) in read.entries.iter().zip(written).enumerate() {
            prop_assert_eq!(usize::try_from(read.index).unwrap(), index);
            prop_assert_eq!((read.amount, read.side), (part.amount, entry.side));
            prop_assert_eq!((read.status, read.nature, read.kind), (entry.status, entry.nature, entry.kind));
            prop_assert_eq!(read.debtor.as_ref().unwrap().expose(), &part.debtor);
            let text = read.references.unstructured.first().map(PersonalText::expose);
            prop_assert_eq!(text, part.text.as_deref());
            prop_assert_eq!(read.references.creditor.first(), part.reference.as_ref());
        }
    }

    #[test]
    fn one_changed_digit_in_an_amount_is_refused(facts in statements(), at: prop::sample::Index, digit in b'0'..=b'9') {
        let mut file = statement(&facts).unwrap().into_bytes();
        let digits = amount_digits(str::from_utf8(&file).unwrap());
        let at = digits[at.index(digits.len())];
        prop_assume!(file[at] != digit);
        file[at] = digit;
        let error = camt053::parse(&file).unwrap_err();
        prop_assert!(matches!(
            error.kind,
            StatementErrorKind::Balances { .. } | StatementErrorKind::Summary { .. } | StatementErrorKind::Batch { .. }
        ), "{}", error);
    }

    #[test]
    fn a_cut_file_gives_nothing(facts in statements(), at: prop::sample::Index) {
        let file = statement(&facts).unwrap();
        let end = file.rfind('>').unwrap();
        let cut = at.index(end);
        let error = camt053::parse(&file.as_bytes()[..cut]).unwrap_err();
        prop_assert!(matches!(
            error.kind,
            StatementErrorKind::Truncated | StatementErrorKind::NotXml(_)
        ), "{}", error);
    }

    #[test]
    fn a_changed_byte_never_panics(facts in statements(), at: prop::sample::Index, byte: u8) {
        let mut file = statement(&facts).unwrap().into_bytes();
        let at = at.index(file.len());
        file[at] = byte;
        let _either = camt053::parse(&file);
    }

    #[test]
    fn bytes_without_meaning_are_refused(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(camt053::parse(&bytes).is_err());
    }
}
