//! When the centre itself fails: nobody is refused for it, nothing is remembered, and the same
//! message succeeds later.

use rusqlite::Connection;
use tegata_bank::sample::SampleEntry;
use tegata_centre::{
    desk::{Answered, Desk},
    keys::PublicKeys,
    operator::OrderError,
    people::People,
};
use tegata_cli::exit::Exit;
use tegata_protocol::{
    Role, cbor,
    joining::Registered,
    payment::{BillAnswer, BillInquiry, Mode, Receipt},
    prepaid::{Balance, BalanceInquiry},
};

use crate::town::{Folder, Letter, Party, Town, own, payment, yen};

/// Takes a table away while something is tried, and puts it back as it was, to the letter.
fn without<T>(town: &Town, file: &str, table: &str, tried: impl FnOnce() -> T) -> T {
    let open = || Connection::open(town.data().join(file)).unwrap();
    let as_it_was: Vec<(String, String)> = {
        let connection = open();
        let sql = "SELECT name, sql FROM sqlite_schema WHERE tbl_name = ?1 AND sql IS NOT NULL";
        let mut query = connection.prepare(sql).unwrap();
        let rows = query.query_map([table], |r| Ok((r.get(0)?, r.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let rename = |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        open().execute_batch(&sql).unwrap();
    };
    rename(table, "gone");
    let result = tried();
    rename("gone", table);
    let connection = open();
    connection
        .pragma_update(None, "writable_schema", true)
        .unwrap();
    for (name, sql) in as_it_was {
        let restore = "UPDATE sqlite_schema SET sql = ?1 WHERE name = ?2";
        assert_eq!(connection.execute(restore, [sql, name]).unwrap(), 1);
    }
    result
}

fn faults(town: &Town, letter: &Letter) {
    let answer = town.accept(&letter.bytes, town.now);
    assert!(matches!(answer, Answered::Fault), "{answer:?}");
}

/// A centre that has just started: it knows nobody by heart.
fn restarted(town: Town) -> Town {
    let Town { folder, desk, now } = town;
    drop(desk);
    let desk = Desk::open(&folder.dir(), now).unwrap();
    Town { folder, desk, now }
}

#[test]
fn who_can_not_be_looked_up_is_not_a_stranger() {
    let town = Town::new();
    let member = town.member(700);
    let town = restarted(town);
    let letter = own(&town, &member, BalanceInquiry {}, None, town.now);
    without(&town, "ledger.sqlite", "party", || faults(&town, &letter));
    without(&town, "ledger.sqlite", "account", || faults(&town, &letter));
    let (balance, _) = town.send::<Balance>(&member, &letter, town.now).unwrap();
    assert_eq!(balance.balance, yen(700));
}

#[test]
fn a_shop_that_can_not_be_looked_up_makes_no_bill_invalid() {
    let town = Town::new();
    let (member, shop) = (town.member(700), town.shop());
    let bill = town.bill(&shop, 100, town.now);
    let town = restarted(town);
    let known = town.ask::<_, Balance>(&member, BalanceInquiry {}, None, town.now);
    known.unwrap();
    let letter = own(&town, &member, payment(&bill, Mode::Hold), None, town.now);
    without(&town, "ledger.sqlite", "party", || faults(&town, &letter));
    town.send::<Receipt>(&member, &letter, town.now).unwrap();
    let inquiry = own(&town, &shop, BillInquiry { bill }, None, town.now);
    without(&town, "ledger.sqlite", "bill", || faults(&town, &inquiry));
    let open = town.send::<BillAnswer>(&shop, &inquiry, town.now);
    assert!(open.is_err(), "the bill is still open");
    town.assert_clean();
}

#[test]
fn a_registration_is_answered_when_its_details_are_kept() {
    let town = Town::new();
    let slip = town.invite(Role::Member, town.now);
    let party = Party::new(slip.number);
    let letter = town.registration(&party, &slip, town.now);
    without(&town, "people.sqlite", "invitation", || {
        faults(&town, &letter)
    });
    without(&town, "people.sqlite", "person", || faults(&town, &letter));
    town.send::<Registered>(&party, &letter, town.now).unwrap();
    let people = People::open(&town.data()).unwrap();
    assert_eq!(
        people.person(party.number).unwrap().details,
        crate::town::details()
    );
    town.assert_clean();
}

#[test]
fn a_payment_that_can_not_be_written_is_not_refused() {
    let town = Town::new();
    let (member, shop) = (town.member(700), town.shop());
    let bill = town.bill(&shop, 100, town.now);
    let letter = own(&town, &member, payment(&bill, Mode::Hold), None, town.now);
    for table in ["hold", "outbox", "message_id"] {
        without(&town, "ledger.sqlite", table, || faults(&town, &letter));
    }
    let (receipt, _) = town.send::<Receipt>(&member, &letter, town.now).unwrap();
    assert_eq!((receipt.held, town.balance(&member).held), (yen(100), 100));
    assert_eq!(town.hold(letter.payment()).unwrap().amount, yen(100));
    town.assert_clean();
}

#[test]
fn expired_certificates_stop_the_server_and_not_the_audit() {
    let folder = Folder::new();
    let town = Town::new();
    let later = town.now.after(366 * 86_400);
    let failure = Desk::open(&folder.dir(), later).unwrap_err();
    assert_eq!(failure.exit(), Exit::Refused);
    assert!(failure.to_string().contains("root certify"), "{failure}");
    let expired = PublicKeys::open(&town.dir(), later);
    assert!(expired.is_err());
    let for_audit = PublicKeys::open_for_audit(&town.dir()).unwrap();
    assert_eq!(for_audit.keys.receipts, town.public.keys.receipts);
}

#[test]
fn an_import_that_can_not_be_checked_is_not_refused() {
    let town = Town::new();
    let member = town.member(0);
    let reference = town.reference(&member, 600, town.now).reference;
    let file = town.statement(vec![SampleEntry::transfer(yen(600), "X", &reference)]);
    let town = restarted(town);
    let parcel = cbor::encode(&town.import_order(&file, town.now));
    let order = || town.desk.order(&parcel, town.now);
    for table in ["statement_entry", "funding_reference", "outbox"] {
        let answer = without(&town, "ledger.sqlite", table, order);
        assert!(
            matches!(answer, Err(OrderError::Fault(_))),
            "{table}: {answer:?}"
        );
    }
    order().unwrap();
    assert_eq!(town.balance(&member).balance, 600);
    town.assert_clean();
}
