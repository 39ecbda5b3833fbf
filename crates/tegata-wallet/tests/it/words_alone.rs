//! Everything is lost but the 24 words (M5): the centre tells whose wallet it was, and the mailbox
//! gives back what it can. And what a power cut or an old answer must not spoil.

use std::{fs, io::Write as _, path::Path};

use tegata_protocol::{SignedBytes, cbor, payment::Mode, purchase::Keyword};
use tegata_wallet::{
    Wallet, WalletError,
    buying::Wanted,
    entry::Entry,
    joining::NewWallet,
    kept::{BillStatus, Holding},
    paying::HEADS_FILE,
    restoring::{Home, bring_history},
    tickets::Showing,
    vault::Master,
};

use crate::{
    story::{gate, joined, wanted, with_ticket},
    town::{self, Mischief, PRICE, Town, now, yen},
    vault::{B, cheap, pw, two},
};

fn words_of(wallet: &Wallet) -> String {
    wallet.words(&pw(B)).unwrap().as_phrase().to_owned()
}

fn home(town: &Town) -> Home {
    Home {
        centre: town.centre.clone(),
        root: town::root().verifying_key(),
    }
}

fn restore(words: &str, folder: &Path, home: Option<Home>) -> Result<Wallet, WalletError> {
    let new = NewWallet {
        master: Master::from_words(words).unwrap(),
        passwords: &two(),
        cost: cheap(),
    };
    new.restore(folder, home, now())
}

fn nothing_is_left(folder: &Path) {
    for name in ["vault.tegata", "history.tegata"] {
        assert!(!folder.join(name).exists(), "{name}");
    }
}

/// Tickets came; then the folder is lost.
fn lost(town: &Town, wanted: Wanted) -> String {
    let folder = tempfile::tempdir().unwrap();
    let wallet = with_ticket(town, folder.path(), wanted);
    words_of(&wallet)
}

#[test]
fn the_words_alone_give_a_wallet_that_pays_and_shows() {
    let town = Town::start();
    let (first, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = with_ticket(&town, first.path(), wanted());
    let (phrase, before) = (words_of(&before), before.state().clone());
    drop(first);
    let mut wallet = restore(&phrase, folder.path(), Some(home(&town))).unwrap();
    assert_eq!(wallet.state().number, town::member());
    assert_eq!(
        wallet.balance(now()).unwrap().available(),
        yen(10_000 - PRICE)
    );
    // The card is back at once. The ticket's shop isn't known yet, so its delivery waits.
    let collected = wallet.collect(now()).unwrap();
    assert_eq!(collected.cards.len(), 1);
    assert_eq!(collected.tickets, []);
    let why = &collected.aside[0].why;
    assert!(why.contains("collect with --shop"), "{why}");
    wallet.meet_shop(&town.shop, now()).unwrap();
    let collected = wallet.collect(now()).unwrap();
    assert_eq!(collected.tickets.len(), 1);
    assert_eq!(collected.aside, []);
    assert_eq!(wallet.state().aside, []);
    let (old, new) = (&before.tickets[0], &wallet.state().tickets[0]);
    assert_eq!((&old.signed, old.index), (&new.signed, new.index));
    let ticket = new.digest();
    let shown = wallet.show(ticket, Showing::default(), now()).unwrap();
    assert!(gate(&shown.text, None).is_ok());
    // An item's older word of the balance doesn't count against the centre's answer.
    assert_eq!(
        wallet.state().balance.unwrap().available(),
        yen(10_000 - PRICE)
    );
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    town.deliver();
    assert_eq!(wallet.collect(now()).unwrap().tickets.len(), 1);
    let words: Vec<&str> = wallet
        .history()
        .unwrap()
        .iter()
        .map(|d| d.entry.word())
        .collect();
    assert_eq!(words[..2], ["joined", "restored"]);
    drop(wallet);
    // And from this wallet's own history, which knows of no order for the first ticket.
    let again = tempfile::tempdir().unwrap();
    bring_history(again.path(), &folder.path().join("history.tegata")).unwrap();
    let wallet = restore(&phrase, again.path(), None).unwrap();
    assert_eq!(wallet.state().tickets.len(), 2);
}

#[test]
fn tickets_under_b_and_anybodys_tickets_come_back_too() {
    for holding in [Holding::Spending, Holding::Bearer] {
        let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
        let keyword = (holding == Holding::Bearer).then(|| Keyword::new("sakura99").unwrap());
        let wanted = Wanted {
            holding,
            keyword,
            quantity: 2,
            ..wanted()
        };
        let words = lost(&town, wanted);
        let mut wallet = restore(&words, folder.path(), Some(home(&town))).unwrap();
        wallet.meet_shop(&town.shop, now()).unwrap();
        let collected = wallet.collect(now()).unwrap();
        assert_eq!(collected.tickets.len(), 2, "{:?}", collected.aside);
        for ticket in &collected.tickets {
            assert_eq!(ticket.holding, holding);
            let b = pw(B);
            let showing = Showing {
                b: Some(&b),
                keyword: (holding == Holding::Bearer).then(|| Keyword::new("sakura99").unwrap()),
                ..Showing::default()
            };
            let shown = wallet.show(ticket.digest(), showing, now()).unwrap();
            assert!(gate(&shown.text, None).is_ok(), "{holding:?}");
        }
    }
}

#[test]
fn a_cards_tickets_come_back_too() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let card = tegata_protocol::CardNumber::from_bytes([7; 10]);
    let wanted = Wanted {
        holding: Holding::Card(card),
        quantity: 2,
        ..wanted()
    };
    let words = lost(&town, wanted);
    let mut wallet = restore(&words, folder.path(), Some(home(&town))).unwrap();
    wallet.meet_shop(&town.shop, now()).unwrap();
    let collected = wallet.collect(now()).unwrap();
    assert_eq!(collected.tickets.len(), 2, "{:?}", collected.aside);
    assert_eq!(wallet.card_tickets(card).len(), 2);
}

#[test]
fn a_ticket_of_somebody_elses_key_can_not_be_shown() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let first = tempfile::tempdir().unwrap();
    let mut wallet = joined(&town, first.path());
    town.money_comes(10_000, "RF18539007547034");
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    town.misbehave(Mischief::OtherHolder);
    town.deliver();
    town.misbehave(Mischief::None);
    let words = words_of(&wallet);
    let mut wallet = restore(&words, folder.path(), Some(home(&town))).unwrap();
    wallet.meet_shop(&town.shop, now()).unwrap();
    let ticket = wallet.collect(now()).unwrap().tickets[0].digest();
    let b = pw(B);
    let showing = Showing {
        b: Some(&b),
        ..Showing::default()
    };
    let error = wallet.show(ticket, showing, now()).unwrap_err();
    assert!(
        error.to_string().contains("none of this wallet's keys"),
        "{error}"
    );
}

#[test]
fn words_of_nobody_and_a_centre_out_of_reach_are_told_apart() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let first = tempfile::tempdir().unwrap();
    let words = words_of(&joined(&town, first.path()));
    let stranger = crate::story::fresh(&town, tempfile::tempdir().unwrap().path());
    let error = restore(&words_of(&stranger), folder.path(), Some(home(&town))).unwrap_err();
    assert!(matches!(error, WalletError::Nobody { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("no member with the keys of these words")
    );
    nothing_is_left(folder.path());

    let mut away = home(&town);
    // Nothing listens on port 1.
    away.centre = "http://127.0.0.1:1".to_owned();
    let error = restore(&words, folder.path(), Some(away)).unwrap_err();
    assert!(matches!(error, WalletError::NotRestored { .. }), "{error}");
    assert!(error.to_string().contains("can't be reached"), "{error}");
    nothing_is_left(folder.path());

    let mut other = home(&town);
    other.root = tegata_protocol::SigningKey::from_seed(&[9; 32]).verifying_key();
    let error = restore(&words, folder.path(), Some(other)).unwrap_err();
    assert!(matches!(error, WalletError::Unsound { .. }), "{error}");
    for mischief in [Mischief::OtherSpending, Mischief::ForgedRecord] {
        town.misbehave(mischief);
        let error = restore(&words, folder.path(), Some(home(&town))).unwrap_err();
        assert!(matches!(error, WalletError::Unsound { .. }), "{error}");
        nothing_is_left(folder.path());
    }
    town.misbehave(Mischief::None);
    restore(&words, folder.path(), Some(home(&town))).unwrap();
}

/// A copy of the history from before the payment: the bill is found by what the delivery says.
#[test]
fn a_delivery_finds_its_bill_when_the_payment_is_forgotten() {
    let (town, first) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, first.path());
    town.money_comes(10_000, "RF18539007547034");
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    let copy = first.path().join("copy");
    fs::copy(first.path().join("history.tegata"), &copy).unwrap();
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    town.deliver();
    let (words, again) = (words_of(&wallet), tempfile::tempdir().unwrap());
    bring_history(again.path(), &copy).unwrap();
    let mut wallet = restore(&words, again.path(), None).unwrap();
    assert_eq!(wallet.state().bill(bill).unwrap().status, BillStatus::Open);
    let collected = wallet.collect(now()).unwrap();
    assert_eq!(collected.tickets.len(), 1, "{:?}", collected.aside);
    let kept = wallet.state().bill(bill).unwrap();
    assert_eq!(kept.status, BillStatus::Delivered);
    assert_eq!(kept.payment, Some(town.book().payments[0].0));
}

/// What lay aside isn't in the history, but in the mailbox.
#[test]
fn a_history_that_tells_of_something_set_aside_has_it_fetched_again() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let words = lost(&town, wanted());
    let mut wallet = restore(&words, folder.path(), Some(home(&town))).unwrap();
    assert_eq!(wallet.collect(now()).unwrap().aside.len(), 1);
    town.money_comes(5, "RF18539007547034");
    assert_eq!(wallet.collect(now()).unwrap().cards.len(), 1);
    drop(wallet);
    let again = tempfile::tempdir().unwrap();
    bring_history(again.path(), &folder.path().join("history.tegata")).unwrap();
    let mut wallet = restore(&words, again.path(), None).unwrap();
    wallet.meet_shop(&town.shop, now()).unwrap();
    let collected = wallet.collect(now()).unwrap();
    assert_eq!((collected.tickets.len(), collected.cards.len()), (1, 0));
    assert_eq!(collected.known, 1);
}

/// A power cut tore the last head: later ones are still found.
#[test]
fn a_torn_head_hides_no_later_one() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = with_ticket(&town, folder.path(), wanted());
    let first = wallet.heads().unwrap();
    let whole = cbor::encode(&SignedBytes::new(vec![7; 200]));
    let file = folder.path().join(HEADS_FILE);
    for torn in [&whole[..1], &whole[..100], &[0; 50]] {
        let mut heads = fs::OpenOptions::new().append(true).open(&file).unwrap();
        heads.write_all(torn).unwrap();
        drop(heads);
        let before = wallet.heads().unwrap().len();
        let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
        wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
        assert_eq!(wallet.heads().unwrap().len(), before + 1);
    }
    let heads = wallet.heads().unwrap();
    assert_eq!(heads[..1], first);
    let bytes: Vec<u8> = heads.iter().flat_map(cbor::encode).collect();
    assert_eq!(
        fs::read(&file).unwrap(),
        bytes,
        "nothing torn stays between"
    );
}

/// A receipt that was in doubt, and is asked for again, tells of the time when it was signed.
#[test]
fn an_old_receipt_takes_no_newer_balance_back() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    town.money_comes(10_000, "RF18539007547034");
    wallet.collect(now()).unwrap();
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    town.misbehave(Mischief::DropAfterActing);
    let doubt = wallet.pay(bill, Mode::Hold, &pw(B), now());
    assert!(matches!(doubt, Err(WalletError::InDoubt { .. })));
    town.misbehave(Mischief::None);
    // The reply's time is in seconds.
    let asked = now();
    while now() == asked {
        std::thread::yield_now();
    }
    town.book().balance += 500;
    let newer = wallet.balance(now()).unwrap();
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    assert_eq!(wallet.state().balance, Some(newer));
    assert!(
        wallet
            .history()
            .unwrap()
            .iter()
            .any(|d| matches!(d.entry, Entry::Paid(_)))
    );
}

#[test]
fn reclaimed_deliveries_are_taken_once() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let words = lost(&town, wanted());
    let mut wallet = restore(&words, folder.path(), Some(home(&town))).unwrap();
    let wallet = &mut wallet;
    wallet.meet_shop(&town.shop, now()).unwrap();
    assert_eq!(wallet.collect(now()).unwrap().tickets.len(), 1);
    let items = town.book().mailbox.clone();
    for item in items {
        let sealed = item.sealed.map(|s| s.as_bytes().to_vec());
        town.book().push(item.signed, sealed);
    }
    let collected = wallet.collect(now()).unwrap();
    assert_eq!((collected.known, collected.tickets.len()), (2, 0));
    assert_eq!(wallet.state().tickets.len(), 1);
}
