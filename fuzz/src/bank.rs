//! What a bank writes.

use tegata_bank::{
    AccountNumber, Balance, EntryStatus, Found, Iban, PaymentReference, Side, Statement, camt053,
    search,
};
use tegata_protocol::{Amount, Digest};

/// A statement file: its sums, added up once more, are those that it states; a refused one says at
/// which of its lines.
pub fn bank(bytes: &[u8]) {
    match camt053::parse(bytes) {
        Ok(file) => {
            assert_eq!(file.digest, Digest::of(bytes));
            file.statements.iter().for_each(check_sums);
        }
        Err(error) => {
            let lines = 1 + bytes.iter().filter(|b| **b == b'\n').count();
            assert!((1..=lines).contains(&(error.line as usize)), "{error}");
            assert!(error.column >= 1, "{error}");
        }
    }
    if let Ok(text) = core::str::from_utf8(bytes) {
        typed(text);
    }
}

fn check_sums(statement: &Statement) {
    let signed = |amount: Amount, side: Side| match side {
        Side::Credit => i128::from(amount.minor()),
        Side::Debit => -i128::from(amount.minor()),
    };
    let balance = |balance: Balance| {
        assert_eq!(balance.amount.currency(), statement.currency);
        signed(balance.amount, balance.side)
    };
    let mut sum = balance(statement.opening);
    for (entry, index) in statement.entries.iter().zip(0..) {
        assert_eq!(entry.index, index);
        assert_eq!(entry.amount.currency(), statement.currency);
        if entry.status == EntryStatus::Booked {
            sum += signed(entry.amount, entry.side);
        }
        if let Found::Several(all) = entry.references.payment_reference() {
            assert!(all.len() > 1, "several references, and not two of them");
        }
    }
    assert_eq!(sum, balance(statement.closing), "the sums don't add up");
}

/// Numbers of accounts and references, as people and banks write them.
fn typed(text: &str) {
    if let Ok(iban) = text.parse::<Iban>() {
        assert_eq!(iban.to_string().parse(), Ok(iban));
    }
    if let Ok(account) = text.parse::<AccountNumber>() {
        assert_eq!(account.to_string().parse(), Ok(account));
    }
    if let Ok(reference) = text.parse::<PaymentReference>() {
        assert_eq!(
            search([reference.to_string().as_str()]),
            Found::One(reference)
        );
    }
    match search([text]) {
        Found::Nothing => {}
        Found::One(one) => assert_eq!(one.as_str().parse(), Ok(one)),
        Found::Several(all) => {
            for one in all {
                assert_eq!(one.as_str().parse(), Ok(one));
            }
        }
    }
}
