//! Bank statements (M7 ii, iii): credited once, to whom the reference names, or to suspense.

use tegata_bank::{camt053, sample::SampleEntry};
use tegata_centre::operator::{OrderError, entries_of, sign_import};
use tegata_ledger::{Destination, SuspenseReason};
use tegata_protocol::{
    Digest, SigningKey, Time, Unverified,
    book::{Imported, ImportedEntry, StatementImport},
    cbor,
    envelope::{Message, Parcel},
    prepaid::{Funding, PrepaidCard},
    refusal::Code,
};

use crate::town::{ACCOUNT, Town, rng, statement, yen};

fn order(town: &Town, parcel: &Parcel, at: Time) -> Result<Imported, OrderError> {
    let signed = town.centre.order(&cbor::encode(parcel), at)?;
    let reply = Unverified::<Message<Imported>>::parse(signed).unwrap();
    let reply = reply.verify(&town.public.keys.receipts).unwrap();
    assert_eq!(reply.answers, Some(parcel.signed.digest()));
    Ok(reply.into_value().body)
}

fn code(result: Result<Imported, OrderError>) -> Code {
    match result.unwrap_err() {
        OrderError::Refused(refusal) => refusal.code,
        other @ (OrderError::Unreadable(_) | OrderError::Fault(_) | OrderError::ReplyDamaged) => {
            panic!("{other}")
        }
    }
}

/// Nothing may change but the journal.
fn refused(town: &Town, parcel: &Parcel, expected: Code, at: Time) {
    let book = town.book();
    assert_eq!(code(order(town, parcel, at)), expected);
    assert_eq!(code(order(town, parcel, at)), expected, "again");
    assert_eq!(town.book(), book);
}

fn transfer(town: &Town, member: &crate::town::Party, amount: u64) -> SampleEntry {
    let reference = town.reference(member, amount, town.now).reference;
    SampleEntry::transfer(yen(amount), "KIRISHIMA HANAKO", &reference)
}

fn first_card(town: &Town, member: &crate::town::Party) -> Message<PrepaidCard> {
    let mail = town.collect(member, 0, town.now);
    let card = Unverified::<Message<PrepaidCard>>::parse(mail.items[0].signed.clone()).unwrap();
    card.verify(&town.public.keys.receipts)
        .unwrap()
        .into_value()
}

#[test]
fn money_finds_its_member_and_brings_a_prepaid_card() {
    let town = Town::new();
    let (hanako, taro) = (town.member(0), town.member(0));
    let file = town.statement(vec![
        transfer(&town, &hanako, 5000),
        SampleEntry::typed(yen(77), "NOBODY", "hello"),
        transfer(&town, &taro, 600).in_cash(),
        SampleEntry::typed(yen(880), "US", "charges").outgoing(),
        transfer(&town, &taro, 900).pending(),
    ]);
    let done = order(&town, &town.import_order(&file, town.now), town.now).unwrap();
    assert_eq!(done.matched, [true, false, true]);
    assert_eq!(
        (town.balance(&hanako).balance, town.balance(&taro).balance),
        (5000, 600)
    );
    let card = first_card(&town, &hanako);
    assert_eq!(
        (card.to, card.body.value, card.body.balance),
        (hanako.number, yen(5000), yen(5000))
    );
    assert_eq!((card.body.entry, card.body.funding), (0, Funding::Transfer));
    let card = first_card(&town, &taro);
    assert_eq!(
        (card.body.entry, card.body.funding),
        (2, Funding::Deposit),
        "a transfer was announced, cash came"
    );
    assert_eq!(
        town.collect(&taro, 0, town.now).items.len(),
        1,
        "nothing for what is pending"
    );
    town.assert_clean();
}

#[test]
fn a_statement_counts_once_whoever_sends_it_again_and_however_often() {
    let town = Town::new();
    let member = town.member(0);
    let file = town.statement(vec![transfer(&town, &member, 5000)]);
    let first = town.import_order(&file, town.now);
    let done = order(&town, &first, town.now).unwrap();
    let same = order(&town, &first, town.now.after(30 * 86_400)).unwrap();
    assert_eq!(done, same, "the same order gets the same answer");
    let anew = town.import_order(&file, town.now);
    refused(&town, &anew, Code::StatementImported, town.now);
    let longer = file.replace("KIRISHIMA", "KIRISIMA");
    let other_bytes = town.import_order(&longer, town.now);
    refused(&town, &other_bytes, Code::StatementImported, town.now);
    assert_eq!(town.balance(&member).balance, 5000);
    town.assert_clean();
}

#[test]
fn of_several_reasons_against_an_import_the_smallest_code_is_given() {
    let town = Town::new();
    let member = town.member(0);
    let file = town.statement(vec![transfer(&town, &member, 5000)]);
    order(&town, &town.import_order(&file, town.now), town.now).unwrap();
    let entries =
        |parcel: &Parcel, other: &[u8]| Parcel::with(parcel.signed.clone(), other.to_vec());
    let imported = town.import_order(&file, town.now);
    refused(
        &town,
        &entries(&imported, b"not a file"),
        Code::StatementImported,
        town.now,
    );
    let old = town.import_order(&file, town.now.before(301));
    refused(&town, &old, Code::Untimely, town.now);
    let ended = town.now.after(10 * 365 * 86_400);
    let retired = town.import_order(&file, ended);
    refused(&town, &retired, Code::NotActive, ended);
}

#[test]
fn the_first_transfer_under_a_reference_counts_and_the_rest_is_in_suspense() {
    let town = Town::new();
    let member = town.member(0);
    let reference = town.reference(&member, 5000, town.now).reference;
    let paid = |amount| SampleEntry::transfer(yen(amount), "KIRISHIMA HANAKO", &reference);
    let first = town.statement(vec![paid(4999), paid(1)]);
    let done = order(&town, &town.import_order(&first, town.now), town.now).unwrap();
    assert_eq!(
        done.matched,
        [true, false],
        "what came counts, not what was announced"
    );
    let second = town.statement(vec![paid(5000)]);
    let done = order(&town, &town.import_order(&second, town.now), town.now).unwrap();
    assert_eq!(done.matched, [false]);
    let late = town.reference(&member, 700, town.now).reference;
    let file = town.statement(vec![
        SampleEntry::transfer(yen(700), "LATE", &late),
        SampleEntry::transfer(yen(3), "WRONG", "RF18539007547034"),
        SampleEntry::typed(yen(4), "BOTH", &format!("{reference} or {late}")),
    ]);
    let months = town.now.after(90 * 86_400);
    order(&town, &town.import_order(&file, months), months).unwrap();
    assert_eq!(town.balance(&member).balance, 4999);
    let waiting = town.reader().suspense(100).unwrap();
    let why: Vec<_> = waiting
        .iter()
        .map(|w| match w.entry.destination {
            Destination::Suspense(why) => (w.entry.amount.minor(), why),
            Destination::Member(member) => panic!("{member}"),
        })
        .collect();
    let expected = [
        (1, SuspenseReason::UsedReference),
        (5000, SuspenseReason::UsedReference),
        (700, SuspenseReason::ExpiredReference),
        (3, SuspenseReason::NoReference),
        (4, SuspenseReason::NoReference),
    ];
    assert_eq!(why, expected);
    town.assert_clean();
}

#[test]
fn what_the_operator_signed_must_be_what_the_file_says() {
    let town = Town::new();
    let member = town.member(0);
    let file = town.statement(vec![
        transfer(&town, &member, 5000),
        SampleEntry::typed(yen(77), "NOBODY", "hello"),
    ]);
    let read = camt053::parse(file.as_bytes()).unwrap();
    let honest = entries_of(&read.statements[0], |r| {
        town.reader().funding(r.as_str()).unwrap().is_some()
    });
    let signs = |entries: Vec<ImportedEntry>| {
        let (bytes, of) = (file.as_bytes(), &read.statements[0]);
        sign_import(town.operator(), bytes, of, entries, town.now)
    };
    let changed = |change: &dyn Fn(&mut Vec<ImportedEntry>)| {
        let mut entries = honest.clone();
        change(&mut entries);
        refused(&town, &signs(entries), Code::StatementInvalid, town.now);
    };
    changed(&|e| e[0].amount = yen(5001));
    changed(&|e| e[1].reference = e[0].reference.clone());
    changed(&|e| e[0].reference = None);
    changed(&|e| e[0].funding = Funding::Deposit);
    changed(&|e| e[1].index = 5);
    changed(&|e| drop(e.pop()));
    changed(&Vec::clear);
    let after = file.replace("NOBODY", "SOMEBODY");
    let swapped = Parcel::with(signs(honest.clone()).signed, after.into_bytes());
    refused(&town, &swapped, Code::StatementInvalid, town.now);
    let without = Parcel::new(signs(honest.clone()).signed);
    refused(&town, &without, Code::StatementInvalid, town.now);
    order(&town, &signs(honest), town.now).unwrap();
    town.assert_clean();
}

#[test]
fn a_file_that_is_not_good_is_refused_as_a_whole() {
    let town = Town::new();
    let member = town.member(0);
    let good = town.statement(vec![transfer(&town, &member, 5000)]);
    let read = camt053::parse(good.as_bytes()).unwrap();
    let entries = || {
        entries_of(&read.statements[0], |r| {
            town.reader().funding(r.as_str()).unwrap().is_some()
        })
    };
    for (what, file) in [
        ("another account", good.replace(ACCOUNT, "JP-0001-7654322")),
        (
            "an unknown version",
            good.replace("camt.053.001.08", "camt.053.001.02"),
        ),
        (
            "a wrong sum",
            good.replace("<Sum>5000</Sum>", "<Sum>5001</Sum>"),
        ),
        ("cut off", good[..good.len() / 2].to_owned()),
        ("empty", String::new()),
    ] {
        assert_ne!(file, good, "{what}");
        let parcel = sign_import(
            town.operator(),
            file.as_bytes(),
            &read.statements[0],
            entries(),
            town.now,
        );
        refused(&town, &parcel, Code::StatementInvalid, town.now);
    }
    assert_eq!(town.balance(&member).balance, 0);
    town.import(&good, town.now).unwrap();
}

#[test]
fn only_an_operators_own_signature_moves_money() {
    let town = Town::new();
    let member = town.member(0);
    let file = town.statement(vec![transfer(&town, &member, 5000)]);
    let (book, records) = (town.book(), town.records());
    let read = camt053::parse(file.as_bytes()).unwrap();
    let signs = |who: (tegata_protocol::PartyNumber, &SigningKey)| {
        let entries = entries_of(&read.statements[0], |_| true);
        sign_import(who, file.as_bytes(), &read.statements[0], entries, town.now)
    };
    let stranger = SigningKey::generate(&mut rng()).0;
    let (operator, key) = town.operator();
    let second = tegata_protocol::PartyNumber::new(tegata_protocol::Role::Centre, 2).unwrap();
    let mut flipped = cbor::encode(&signs((operator, key)));
    let middle = flipped.len() - file.len() - 20;
    flipped[middle] ^= 1;
    let orders = [
        cbor::encode(&signs((operator, &stranger))),
        cbor::encode(&signs((member.number, &member.signing))),
        cbor::encode(&signs((second, key))),
        flipped,
        b"nonsense".to_vec(),
        Vec::new(),
    ];
    for (n, bytes) in orders.iter().enumerate() {
        let answer = town.centre.order(bytes, town.now);
        assert!(
            matches!(answer, Err(OrderError::Unreadable(_))),
            "{n}: {answer:?}"
        );
    }
    assert_eq!((town.book(), town.records()), (book, records), "no trace");
}

#[test]
fn an_operators_id_used_for_another_order_is_refused() {
    let town = Town::new();
    let member = town.member(0);
    let one = town.statement(vec![transfer(&town, &member, 600)]);
    let two = town.statement(vec![transfer(&town, &member, 700)]);
    let first = town.import_order(&one, town.now);
    order(&town, &first, town.now).unwrap();
    let first = Unverified::<Message<StatementImport>>::parse(first.signed).unwrap();
    let second = town.import_order(&two, town.now).signed;
    let second = Unverified::<Message<StatementImport>>::parse(second).unwrap();
    let mut message = second.claimed().clone();
    message.id = first.claimed().id;
    let forged = town.operator().1.sign(&message);
    let parcel = Parcel::with(forged, two.into_bytes());
    refused(&town, &parcel, Code::IdReused, town.now);
    town.assert_clean();
}

#[test]
fn two_operators_at_once_credit_a_statement_once() {
    let town = Town::new();
    let member = town.member(0);
    let file = town.statement(vec![transfer(&town, &member, 5000)]);
    let orders = [(); 6].map(|()| town.import_order(&file, town.now));
    let results = std::thread::scope(|scope| {
        let sends = |parcel| {
            let town = &town;
            scope.spawn(move || order(town, parcel, town.now))
        };
        orders.each_ref().map(sends).map(|t| t.join().unwrap())
    });
    let (done, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1);
    for result in refused {
        assert_eq!(code(result), Code::StatementImported);
    }
    assert_eq!(town.balance(&member).balance, 5000);
    town.assert_clean();
}

#[test]
fn a_statement_in_another_currency_is_refused() {
    let town = Town::new();
    let file = statement(1, vec![SampleEntry::typed(yen(50), "X", "y")]);
    let euros = file.replace("JPY", "EUR");
    let parcel = town.import_order(&euros, town.now);
    refused(&town, &parcel, Code::WrongCurrency, town.now);
    assert_ne!(Digest::of(file.as_bytes()), Digest::of(euros.as_bytes()));
}

#[test]
fn a_statement_signed_under_another_name_is_not_a_second_one() {
    let town = Town::new();
    let file = town.statement(vec![SampleEntry::typed(yen(50), "X", "y")]);
    let first = town.import_order(&file, town.now);
    order(&town, &first, town.now).unwrap();
    let signed = Unverified::<Message<StatementImport>>::parse(first.signed).unwrap();
    for (account, statement) in [
        ("JP 0001 7654321", signed.claimed().body.statement.clone()),
        (ACCOUNT, "2026-99999".to_owned()),
    ] {
        let mut message = signed.claimed().clone();
        message.id = tegata_protocol::MessageId::random(&mut rng());
        (message.body.account, message.body.statement) = (account.to_owned(), statement);
        let renamed = Parcel::with(town.operator().1.sign(&message), file.clone().into_bytes());
        refused(&town, &renamed, Code::StatementInvalid, town.now);
    }
    town.assert_clean();
}

#[test]
fn an_order_signed_for_somebody_else_is_not_heard() {
    let town = Town::new();
    let file = town.statement(vec![SampleEntry::typed(yen(50), "X", "y")]);
    let signed = town.import_order(&file, town.now).signed;
    let signed = Unverified::<Message<StatementImport>>::parse(signed).unwrap();
    let mut message = signed.claimed().clone();
    message.to = town.shop().number;
    let parcel = Parcel::with(town.operator().1.sign(&message), file.into_bytes());
    let answer = town.centre.order(&cbor::encode(&parcel), town.now);
    assert!(
        matches!(answer, Err(OrderError::Unreadable(_))),
        "{answer:?}"
    );
    town.assert_clean();
}
