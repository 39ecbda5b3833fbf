//! When the centre itself fails: nobody is refused for it, nothing is remembered, and the same
//! message succeeds later.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use rusqlite::Connection;
use tegata_bank::{camt053, sample::SampleEntry};
use tegata_centre::{
    keys::PublicKeys,
    operator::{OrderError, try_entries_of},
    people::People,
    readiness::Readiness,
    web::{self, Web},
    {Answered, Centre},
};
use tegata_cli::{clock, exit::Exit};
use tegata_protocol::{
    Role, Time, cbor,
    joining::Registered,
    payment::{BillAnswer, BillInquiry, Mode, Receipt},
    prepaid::{Balance, BalanceInquiry},
};
use tower::ServiceExt as _;

use crate::town::{Folder, Letter, Party, Town, own, payment, yen};

/// Takes a table away while something is tried, and puts it back as it was, to the letter.
fn without<T>(data: &Path, file: &str, table: &str, tried: impl FnOnce() -> T) -> T {
    let open = || Connection::open(data.join(file)).unwrap();
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
    let Town {
        folder,
        centre,
        now,
    } = town;
    drop(centre);
    let centre = Centre::open(&folder.dir(), now).unwrap();
    Town {
        folder,
        centre,
        now,
    }
}

#[test]
fn who_can_not_be_looked_up_is_not_a_stranger() {
    let town = Town::new();
    let member = town.member(700);
    let town = restarted(town);
    let letter = own(&town, &member, BalanceInquiry {}, None, town.now);
    without(&town.data(), "ledger.sqlite", "party", || {
        faults(&town, &letter)
    });
    without(&town.data(), "ledger.sqlite", "account", || {
        faults(&town, &letter)
    });
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
    without(&town.data(), "ledger.sqlite", "party", || {
        faults(&town, &letter)
    });
    town.send::<Receipt>(&member, &letter, town.now).unwrap();
    let inquiry = own(&town, &shop, BillInquiry { bill }, None, town.now);
    without(&town.data(), "ledger.sqlite", "bill", || {
        faults(&town, &inquiry)
    });
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
    without(&town.data(), "people.sqlite", "invitation", || {
        faults(&town, &letter)
    });
    without(&town.data(), "people.sqlite", "person", || {
        faults(&town, &letter)
    });
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
        without(&town.data(), "ledger.sqlite", table, || {
            faults(&town, &letter)
        });
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
    let failure = Centre::open(&folder.dir(), later).unwrap_err();
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
    let order = || town.centre.order(&parcel, town.now);
    for table in ["statement_entry", "funding_reference", "outbox"] {
        let answer = without(&town.data(), "ledger.sqlite", table, order);
        assert!(
            matches!(answer, Err(OrderError::Fault(_))),
            "{table}: {answer:?}"
        );
    }
    order().unwrap();
    assert_eq!(town.balance(&member).balance, 600);
    town.assert_clean();
}

/// Status and text of what a router answers.
async fn ask(router: &Router, method: &str, path: &str, body: Vec<u8>) -> (u16, String) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("host", "centre.example");
    let request = request.body(Body::from(body)).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

/// An operator may know why, and nobody else does; and who watches the centre sees that it can't work.
#[test]
fn a_fault_during_an_import_is_told_with_its_reason_and_the_centre_is_not_ready() {
    let town = Town::new();
    let member = town.member(0);
    let reference = town.reference(&member, 600, town.now).reference;
    let file = town.statement(vec![SampleEntry::transfer(yen(600), "X", &reference)]);
    let town = restarted(town);
    let parcel = cbor::encode(&town.import_order(&file, Time::from_secs(clock::now())));
    let data = town.data();
    let Town { folder, centre, .. } = town;
    let centre = Arc::new(centre);
    let web = Arc::new(Web {
        readiness: Readiness::of(&centre),
        centre,
        terms: "Terms".to_owned(),
        data: data.clone(),
        downloads: std::sync::Mutex::default(),
    });
    let (public, operators) = (web::public(web.clone()), web::operators(web.clone()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ready = || runtime.block_on(ask(&public, "GET", "/readyz", Vec::new()));
    let import = || runtime.block_on(ask(&operators, "POST", "/order", parcel.clone()));
    for table in ["statement_entry", "funding_reference", "outbox"] {
        assert_eq!(ready(), (200, "ready\n".to_owned()));
        without(&data, "ledger.sqlite", table, || {
            let (status, why) = import();
            assert_eq!(status, 500, "{table}: {why}");
            assert!(why.starts_with("the book failed: "), "{why}");
            // A reading notices what it misses, a writing what the schema has too much.
            let reason = why.contains(&format!("no such table: {table}"))
                || why.contains(r#"the file has the table "gone""#);
            assert!(reason, "{why}");
            assert_eq!(ready(), (503, "not ready\n".to_owned()), "{table}");
        });
        web.readiness.doubt();
    }
    assert_eq!(ready().0, 200, "the store holds again");
    assert_eq!(import().0, 200);
    let (status, why) = runtime.block_on(ask(&operators, "POST", "/order", b"x".to_vec()));
    assert_eq!(status, 409, "{why}");
    assert_eq!(ready().0, 200, "a refusal is no fault");
    drop(folder);
}

/// What can't be looked up isn't unknown: no operator signs that it goes to suspense.
#[test]
fn a_reference_that_can_not_be_looked_up_is_no_unknown_one() {
    let town = Town::new();
    let member = town.member(0);
    let reference = town.reference(&member, 600, town.now).reference;
    let file = town.statement(vec![
        SampleEntry::transfer(yen(600), "X", &reference),
        SampleEntry::typed(yen(77), "NOBODY", "hello"),
    ]);
    let read = camt053::parse(file.as_bytes()).unwrap();
    let entries = |look_up: &dyn Fn() -> Result<bool, &'static str>| {
        try_entries_of(&read.statements[0], |_| look_up())
    };
    let known = entries(&|| Ok(true)).unwrap();
    assert_eq!(known[0].reference.as_deref(), Some(&*reference));
    assert_eq!(entries(&|| Ok(false)).unwrap()[0].reference, None);
    assert_eq!(
        entries(&|| Err("the disk is away")),
        Err("the disk is away")
    );
}
