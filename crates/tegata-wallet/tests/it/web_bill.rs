//! Paying what was ordered on a shop's page: the bill's address, every check, the confirmation.

use tegata_protocol::{
    Amount, Currency, Digest, SignedBytes,
    payment::Mode,
    purchase::{DeliveryKind, Rounding, compute_totals},
    record::Status,
};
use tegata_wallet::{
    Unfit, Unpayable, Wallet, WalletError, joining::NewWallet, kept::BillStatus,
    restoring::bring_history, sending::Settled, vault::Master, wallet::Access, web_bill::BillLink,
};

use crate::{
    story::{in_doubt, joined, order, with_ticket},
    town::{Mischief, Town, now, shop_key, signing, yen},
    vault::{A, B, cheap, pw, two},
    web_shop::{COST, ORDER, WebShop, other_shop, path, receipt},
};

/// A registered wallet with money, and a shop with a page.
fn ready(folder: &std::path::Path) -> (Town, WebShop, Wallet) {
    let (town, shop) = (Town::start(), WebShop::start());
    let wallet = joined(&town, folder);
    town.book().balance = 10_000;
    (town, shop, wallet)
}

/// Looks at the bill, keeps it, pays it by a hold.
fn pay(wallet: &mut Wallet, link: &BillLink) -> Result<Digest, WalletError> {
    let seen = wallet.look_at_bill(link, now())?;
    let bill = wallet.keep_web_bill(seen, now())?;
    let paid = wallet.pay(bill, Mode::Hold, &pw(B), now())?;
    assert_eq!(paid, Settled::Paid(bill));
    Ok(bill)
}

/// The signed receipt that confirms the order paid by this bill.
fn confirmation(bill: Digest) -> Vec<u8> {
    shop_key().sign(&receipt(Some(bill))).into_bytes()
}

#[test]
fn an_order_is_paid_from_the_account_and_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let signed = shop.bill(|_| {});
    let link = shop.link(&signed);
    let seen = wallet.look_at_bill(&link, now()).unwrap();
    assert_eq!(seen.bill.totals.total, yen(COST));
    assert_eq!(seen.after(), Some(yen(10_000 - COST)));
    let bill = pay(&mut wallet, &link).unwrap();
    assert_eq!(bill, signed.digest());
    assert_eq!(wallet.state().bills[0].status, BillStatus::Held);
    town.confirm(COST, confirmation(bill));
    let collected = wallet.collect(now()).unwrap();
    assert_eq!((collected.orders.len(), collected.aside.len()), (1, 0));
    assert!(!collected.is_empty());
    assert_eq!(wallet.state().bills[0].status, BillStatus::Confirmed);
    let known = wallet.state().balance.unwrap();
    assert_eq!((known.balance, known.held), (yen(10_000 - COST), yen(0)));

    let history = wallet.view_history().unwrap();
    let kinds: Vec<&str> = history.iter().map(|e| e.kind).collect();
    let expected = ["joined", "met", "ordered", "paid", "order_confirmed"];
    assert_eq!(kinds, expected);
    let last = history.last().unwrap().to_string();
    let words = format!("ordered, order number {ORDER} of Kissa Momiji, paid");
    assert!(
        last.contains(&words) && last.contains("JPY 4,350"),
        "{last}"
    );
    let status = wallet.view_status(now()).unwrap().to_string();
    assert!(status.contains("0 ticket(s), 1 order(s)"), "{status}");
    let told = wallet.view_collected(&collected).unwrap().to_string();
    assert!(told.contains(&ORDER.to_string()), "{told}");

    // It's over: nothing is paid twice, and what comes again changes nothing.
    assert_eq!(unpayable(pay(&mut wallet, &link)), Unpayable::Confirmed);
    let item = town.book().mailbox.last().cloned().unwrap();
    let sealed = item.sealed.map(|s| s.as_bytes().to_vec());
    town.book().push(item.signed, sealed);
    assert_eq!(wallet.collect(now()).unwrap().known, 1);
    assert_eq!(wallet.state().orders.len(), 1);
}

/// M5: what the words and the history bring back.
#[test]
fn a_confirmed_order_survives_in_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let bill = pay(&mut wallet, &shop.link(&shop.bill(|_| {}))).unwrap();
    town.confirm(COST, confirmation(bill));
    wallet.collect(now()).unwrap();
    let (words, before) = (wallet.words(&pw(B)).unwrap(), wallet.state().clone());
    drop(wallet);
    let wallet = Wallet::open(folder.path(), Access::Reading, &pw(A)).unwrap();
    assert_eq!(wallet.state().orders, before.orders);
    let elsewhere = tempfile::tempdir().unwrap();
    bring_history(elsewhere.path(), &folder.path().join("history.tegata")).unwrap();
    let new = NewWallet {
        master: Master::from_words(words.as_phrase()).unwrap(),
        passwords: &two(),
        cost: cheap(),
    };
    let restored = new.restore(elsewhere.path(), None, now()).unwrap();
    assert_eq!(restored.state().orders, before.orders);
    assert_eq!(restored.state().bills, before.bills);
    assert_eq!(restored.state().cursor, before.cursor);
}

/// The words alone know no bills: the centre's word and the shop's signature count.
#[test]
fn the_words_alone_bring_an_order_back_once_its_shop_is_met() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let bill = pay(&mut wallet, &shop.link(&shop.bill(|_| {}))).unwrap();
    town.confirm(COST, confirmation(bill));
    let words = wallet.words(&pw(B)).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let new = NewWallet {
        master: Master::from_words(words.as_phrase()).unwrap(),
        passwords: &two(),
        cost: cheap(),
    };
    let home = tegata_wallet::restoring::Home {
        centre: town.centre.clone(),
        root: crate::town::root().verifying_key(),
    };
    let mut restored = new.restore(elsewhere.path(), Some(home), now()).unwrap();
    let why = restored.collect(now()).unwrap().aside[0].why.clone();
    assert!(why.contains("collect with --shop"), "{why}");
    restored.meet_shop(&shop.address, now()).unwrap();
    let collected = restored.collect(now()).unwrap();
    assert_eq!((collected.orders.len(), collected.aside.len()), (1, 0));
    assert_eq!(restored.state().aside, []);
}

/// The centre acts and the line breaks: the same bytes are sent again, without the shop.
#[test]
fn a_payment_in_doubt_is_sent_again_even_if_the_shop_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let link = shop.link(&shop.bill(|_| {}));
    town.misbehave(Mischief::DropAfterActing);
    in_doubt(pay(&mut wallet, &link));
    shop.remove("/v1/record");
    town.misbehave(Mischief::None);
    let seen = wallet.look_at_bill(&link, now()).unwrap();
    assert_eq!(seen.status, Some(BillStatus::InDoubt));
    pay(&mut wallet, &link).unwrap();
    assert_eq!(town.came(40), (2, 1), "twice the same bytes");
    assert_eq!(shop.asked("/v1/record"), 1);
}

fn unfit<T: std::fmt::Debug>(result: Result<T, WalletError>) -> Unfit {
    match result {
        Err(WalletError::Unfit(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn unpayable<T: std::fmt::Debug>(result: Result<T, WalletError>) -> Unpayable {
    match result {
        Err(WalletError::NotPayable { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

/// Nothing was asked of the centre, nothing kept.
fn nothing_happened(town: &Town, wallet: &Wallet) {
    assert_eq!(town.came(40).0, 0);
    assert!(wallet.state().bills.is_empty() && wallet.state().shops.is_empty());
    assert_eq!(wallet.history().unwrap().len(), 1, "joined");
}

#[test]
fn a_shop_that_the_register_doesnt_know_as_active_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let bill = shop.bill(|_| {});
    let link = shop.link(&bill);
    let unknown = |wallet: &mut Wallet, part: &str| {
        let why = unfit(pay(wallet, &link));
        assert!(matches!(why, Unfit::UnknownShop { .. }), "{why:?}");
        assert!(why.to_string().contains(part), "{why}");
    };
    shop.show_record_by(&signing(77), |_| {});
    unknown(&mut wallet, "");
    shop.show_record(|record| record.status = Status::Suspended);
    unknown(&mut wallet, "may not act");
    shop.show_record(|record| {
        record.number = tegata_protocol::PartyNumber::new(tegata_protocol::Role::Gate, 7).unwrap();
    });
    unknown(&mut wallet, "isn't a shop's");
    shop.put("/v1/record", b"Welcome!".to_vec());
    unknown(&mut wallet, "");
    shop.remove("/v1/record");
    unknown(&mut wallet, "404");
    assert_eq!(shop.asked(&path(&bill)), 0, "no bill was asked for");
    nothing_happened(&town, &wallet);
}

/// Somebody passes the record of a true shop on, under an address of his own.
#[test]
fn a_record_with_another_address_is_refused_and_changes_no_known_shop() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let bill = shop.bill(|_| {});
    let elsewhere = "http://elsewhere.localhost:7402".to_owned();
    shop.show_record(|record| record.profile.as_mut().unwrap().address = elsewhere.clone());
    let why = unfit(pay(&mut wallet, &shop.link(&bill)));
    let words = why.to_string();
    assert!(matches!(why, Unfit::OtherAddress { .. }), "{words}");
    assert!(
        words.contains(&elsewhere) && words.contains(&shop.address),
        "{words}"
    );
    assert_eq!(shop.asked(&path(&bill)), 0, "no bill was asked for");
    nothing_happened(&town, &wallet);
    // The same with a bill that's known already: its shop is known by one address only.
    shop.show_record(|_| {});
    pay(&mut wallet, &shop.link(&bill)).unwrap();
    let false_link = BillLink::new(&elsewhere, &bill.digest().to_string(), None).unwrap();
    let why = unfit(pay(&mut wallet, &false_link));
    assert!(matches!(why, Unfit::OtherAddress { .. }), "{why:?}");
    assert_eq!(wallet.state().shops[0].address, shop.address);
}

#[test]
fn a_bill_that_isnt_what_was_asked_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let (one, other) = (shop.bill(|_| {}), shop.bill(|b| b.tax_number = None));
    shop.put(&path(&one), other.as_bytes().to_vec());
    let why = unfit(pay(&mut wallet, &shop.link(&one)));
    assert!(matches!(why, Unfit::OtherBill { .. }), "{why:?}");
    shop.remove(&path(&one));
    let why = unfit(pay(&mut wallet, &shop.link(&one)));
    assert!(matches!(why, Unfit::NoBill { .. }), "{why:?}");
    nothing_happened(&town, &wallet);
}

#[test]
fn an_unsound_bill_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let unsound = |wallet: &mut Wallet, bill: SignedBytes, part: &str| {
        let why = unfit(pay(wallet, &shop.link(&bill)));
        assert!(matches!(why, Unfit::Unsound { .. }), "{why:?}");
        assert!(why.to_string().contains(part), "{why}");
    };
    unsound(
        &mut wallet,
        shop.bill_by(&signing(77), |_| {}),
        "not signed",
    );
    unsound(
        &mut wallet,
        shop.bill(|b| b.shop = other_shop()),
        "another shop's",
    );
    let cheaper = shop.bill(|b| b.totals.total = yen(1));
    unsound(&mut wallet, cheaper, "don't follow from the lines");
    let letter = shop_key().sign(&receipt(None));
    shop.put(&path(&letter), letter.as_bytes().to_vec());
    unsound(&mut wallet, letter, "");
    nothing_happened(&town, &wallet);
}

#[test]
fn only_bills_for_orders_on_a_page_are_paid_by_address() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    for bill in [
        shop.bill(|b| b.request = Some(Digest::of(b"somebody's request"))),
        shop.bill(|b| b.delivery = DeliveryKind::Tickets),
        shop.bill(|b| b.delivery = DeliveryKind::Used),
    ] {
        assert_eq!(unfit(pay(&mut wallet, &shop.link(&bill))), Unfit::OtherKind);
    }
    nothing_happened(&town, &wallet);
}

#[test]
fn expired_bills_other_money_and_too_little_of_it_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let late = shop.bill(|b| {
        b.issued = now().before(60);
        b.expires = now();
    });
    let payable = |wallet: &mut Wallet, bill: &SignedBytes| {
        let seen = wallet.look_at_bill(&shop.link(bill), now())?;
        seen.check_payable(now())
    };
    assert_eq!(unpayable(payable(&mut wallet, &late)), Unpayable::Expired);
    let euros = shop.bill(|b| {
        let euro = |minor| Amount::new(minor, Currency::new("EUR").unwrap()).unwrap();
        b.lines.truncate(1);
        b.lines[0].unit_price = euro(100);
        (b.lines[0].discount, b.tip) = (euro(0), euro(0));
        b.totals = compute_totals(&b.lines, b.tip, Rounding::Down).unwrap();
    });
    let why = unfit(payable(&mut wallet, &euros));
    assert_eq!(why.to_string(), "it is in EUR, and the account in JPY");
    let good = shop.bill(|_| {});
    town.book().balance = COST - 1;
    assert_eq!(unpayable(payable(&mut wallet, &good)), Unpayable::Funds);
    town.book().balance = COST;
    payable(&mut wallet, &good).unwrap();
    nothing_happened(&town, &wallet);
}

#[test]
fn goods_by_post_are_paid_by_a_hold_only() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let seen = wallet.look_at_bill(&shop.link(&shop.bill(|_| {})), now());
    let bill = wallet.keep_web_bill(seen.unwrap(), now()).unwrap();
    let at_once = wallet.pay(bill, Mode::Pay, &pw(B), now());
    assert_eq!(unpayable(at_once), Unpayable::PostByHold);
    assert_eq!(town.came(40).0, 0);
}

/// What doesn't verify is never shown as a confirmation.
#[test]
fn confirmations_that_dont_verify_are_set_aside() {
    type Handed = fn(Digest) -> Vec<u8>;
    let cases: [(Handed, &str); 6] = [
        (
            |bill| signing(77).sign(&receipt(Some(bill))).into_bytes(),
            "the shop didn't sign it",
        ),
        (
            |_| confirmation(Digest::of(b"another bill")),
            "another bill",
        ),
        (
            |_| shop_key().sign(&receipt(None)).into_bytes(),
            "without a bill",
        ),
        (
            |bill| {
                let mut other = receipt(Some(bill));
                other.recipient = other_shop();
                shop_key().sign(&other).into_bytes()
            },
            "it's the receipt of S-",
        ),
        (|_| b"Thank you!".to_vec(), "isn't the receipt of an order"),
        (|_| Vec::new(), "isn't the receipt of an order"),
    ];
    for (handed_over, part) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (town, shop, mut wallet) = ready(folder.path());
        let bill = pay(&mut wallet, &shop.link(&shop.bill(|_| {}))).unwrap();
        town.confirm(COST, handed_over(bill));
        set_aside(&mut wallet, part);
    }
    let folder = tempfile::tempdir().unwrap();
    let (town, shop, mut wallet) = ready(folder.path());
    let bill = pay(&mut wallet, &shop.link(&shop.bill(|_| {}))).unwrap();
    town.confirm_as(COST, confirmation(bill), Digest::of(b"something else"));
    set_aside(&mut wallet, "isn't what the shop was paid for");
}

fn set_aside(wallet: &mut Wallet, part: &str) {
    let collected = wallet.collect(now()).unwrap();
    assert_eq!(collected.orders, [], "{part}");
    let why = &collected.aside[0].why;
    assert!(why.contains(part), "{part}: {why}");
    assert!(wallet.state().orders.is_empty());
    assert_eq!(wallet.state().bills[0].status, BillStatus::Held);
}

/// A shop can't pass a receipt off as tickets, known payment or not.
#[test]
fn tickets_arent_paid_by_an_order_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let (town, _, mut wallet) = ready(folder.path());
    let bill = order(&town, &mut wallet);
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    town.confirm(3000, confirmation(bill));
    let collected = wallet.collect(now()).unwrap();
    assert_eq!((collected.orders.len(), collected.aside.len()), (0, 1));
    assert_eq!(wallet.state().bills[0].status, BillStatus::Held);
    // Paid by another copy of this wallet: here the bill is known and the payment isn't.
    let folder = tempfile::tempdir().unwrap();
    let (town, _, mut wallet) = ready(folder.path());
    let bill = order(&town, &mut wallet);
    town.book().payments.push((
        tegata_protocol::PaymentId::new(Digest::of(b"the other copy's")),
        bill,
    ));
    town.confirm(3000, confirmation(bill));
    let collected = wallet.collect(now()).unwrap();
    let why = &collected.aside[0].why;
    assert!(why.contains("tickets were paid for"), "{why}");
    assert_eq!(wallet.state().bills[0].status, BillStatus::Open);
}

/// Tickets and orders stand side by side.
#[test]
fn a_wallet_with_tickets_pays_orders_too() {
    let (town, shop) = (Town::start(), WebShop::start());
    let folder = tempfile::tempdir().unwrap();
    let mut wallet = with_ticket(&town, folder.path(), crate::story::wanted());
    let bill = pay(&mut wallet, &shop.link(&shop.bill(|_| {}))).unwrap();
    town.confirm(COST, confirmation(bill));
    assert_eq!(wallet.collect(now()).unwrap().orders.len(), 1);
    let ticket = wallet.state().tickets[0].digest();
    let shown = wallet.show(ticket, Default::default(), now()).unwrap();
    assert!(crate::story::gate(&shown.text, None).is_ok());
    assert_eq!(wallet.view_tickets().unwrap().len(), 1);
}

/// A link back leads to the shop's own recorded origin, or there's none.
#[test]
fn nobody_is_led_back_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (_town, shop, mut wallet) = ready(folder.path());
    let bill = shop.bill(|_| {});
    let seen = wallet.look_at_bill(&shop.link(&bill), now()).unwrap();
    let back = |to: &str| {
        let link = BillLink::new(&shop.address, &bill.digest().to_string(), Some(to));
        link.unwrap().back_to(&seen.shop).map(str::to_owned)
    };
    let own = format!("{}/orders/1?a=b", shop.address);
    assert_eq!(back(&own), Some(own.clone()));
    for bad in [
        "http://evil.example/".to_owned(),
        "javascript:alert(1)".to_owned(),
        "/orders/1".to_owned(),
        String::new(),
        shop.address.clone(),
        format!("{}0/", shop.address),
        format!("{}@evil.example/", shop.address),
        format!("{}\\@evil.example/", shop.address),
        format!("{}.evil.example/", shop.address),
        format!("https{}/", shop.address.strip_prefix("http").unwrap()),
        format!("{own}\n"),
        format!("{own}ü"),
        format!(" {own}"),
    ] {
        assert_eq!(back(&bad), None, "{bad:?}");
    }
}
