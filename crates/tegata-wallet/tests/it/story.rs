//! A member's way from the letter to the gate, and what goes wrong on it.

use std::path::Path;

use tegata_party::client::Client;
use tegata_protocol::{
    Digest, SeriesId, Unverified,
    joining::Details,
    payment::Mode,
    prepaid::Funding,
    purchase::Keyword,
    record::CertificateError,
    refusal::Code,
    ticket::{CARD_TICKET_LIMIT, CheckList, Checker, Contents, Holder, Seat, Serial, Ticket},
};
use tegata_wallet::{
    Wallet, WalletError,
    buying::Wanted,
    entry::Entry,
    joining::{NewWallet, When, state_of},
    kept::{BillStatus, Holding},
    sending::Settled,
    tickets::{Lacking, Showing},
    vault::{Layer, Master, Password, PasswordForm, Passwords, VaultError},
    wallet::Access,
};

use crate::{
    town::{self, Mischief, PRICE, Town, now, yen},
    vault::{A, B, cheap, pw, two},
};

pub(crate) fn details() -> Details {
    Details {
        name: "Hanako Yamada".into(),
        postal: vec!["1-2-3 Chiyoda".into()],
        mail: None,
        account: None,
    }
}

/// A wallet with cheap passwords, not registered.
pub(crate) fn fresh(town: &Town, folder: &Path) -> Wallet {
    let new = NewWallet {
        master: Master::generate(&mut town::rng(), None),
        passwords: &two(),
        cost: cheap(),
    };
    let wallet = new.make(folder, &state_of(&town.slip())).unwrap();
    wallet.with_client(Client::new(std::time::Duration::from_secs(5)))
}

pub(crate) fn joined(town: &Town, folder: &Path) -> Wallet {
    let mut wallet = fresh(town, folder);
    let settled = wallet.register(&town.slip(), details(), &pw(B), When::Now, now());
    assert_eq!(settled.unwrap(), Some(Settled::Registered));
    wallet
}

pub(crate) fn wanted() -> Wanted {
    Wanted {
        series: SeriesId::new(town::SERIES),
        contents: Contents::Admission(Seat {
            section: 1,
            row: 0,
            seat: 0,
        }),
        quantity: 1,
        holding: Holding::Everyday,
        keyword: None,
    }
}

pub(crate) fn order(town: &Town, wallet: &mut Wallet) -> Digest {
    wallet.order(&town.shop, wanted(), None, now()).unwrap()
}

/// A wallet with a ticket.
pub(crate) fn with_ticket(town: &Town, folder: &Path, wanted: Wanted) -> Wallet {
    let mut wallet = joined(town, folder);
    town.money_comes(10_000, "RF18539007547034");
    let b = pw(B);
    let bill = wallet.order(&town.shop, wanted, Some(&b), now()).unwrap();
    wallet.pay(bill, Mode::Hold, &b, now()).unwrap();
    town.deliver();
    let collected = wallet.collect(now()).unwrap();
    assert_eq!(collected.aside, []);
    assert!(!collected.tickets.is_empty());
    wallet
}

pub(crate) struct List;

impl CheckList for List {
    fn is_cancelled(&self, _: Serial) -> bool {
        false
    }
    fn is_issued(&self, _: Serial) -> bool {
        true
    }
    fn wrong_keywords(&self, _: Serial) -> u8 {
        0
    }
}

/// What the gate says to the text of a QR code.
pub(crate) fn gate(text: &str, nonce: Option<[u8; 8]>) -> Result<Serial, Code> {
    let scanned = base45::decode(text).unwrap();
    let checker = Checker::new(town::gate_series(), town::secret());
    let verdict = checker.check(&scanned, &[], &List, now(), nonce);
    verdict.map(|a| a.serial).map_err(|r| r.code)
}

pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, WalletError>) -> Code {
    match result {
        Err(WalletError::Refused { refusal, .. }) => refusal.code,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn in_doubt<T: std::fmt::Debug>(result: Result<T, WalletError>) {
    assert!(
        matches!(result, Err(WalletError::InDoubt { .. })),
        "{result:?}"
    );
}

pub(crate) fn unsound<T: std::fmt::Debug>(result: Result<T, WalletError>) -> String {
    match result {
        Err(error @ WalletError::Unsound { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// M3, M7, M8, T1, T3, T7: join, load, collect, order, pay, collect, show, admitted.
#[test]
fn from_the_letter_to_the_gate() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    let reference = wallet.load(yen(10_000), Funding::Transfer, now()).unwrap();
    assert_eq!(wallet.state().awaited.len(), 1);
    town.money_comes(10_000, &reference.reference);
    let collected = wallet.collect(now()).unwrap();
    assert_eq!(collected.cards.len(), 1);
    assert_eq!(wallet.state().awaited, []);
    assert_eq!(wallet.balance(now()).unwrap().available(), yen(10_000));

    let bill = order(&town, &mut wallet);
    let shown = wallet.view_bill(bill).unwrap().to_string();
    for part in [
        "Evening concert",
        "JPY 3,000",
        "10 %",
        "JPY 272",
        "T1234567890123",
    ] {
        assert!(shown.contains(part), "{part} in:\n{shown}");
    }
    let paid = wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    assert_eq!(paid, Settled::Paid(bill));
    assert_eq!(wallet.heads().unwrap().len(), 1);
    assert_eq!(wallet.newest_head().unwrap(), wallet.heads().unwrap()[0]);

    town.deliver();
    let collected = wallet.collect(now()).unwrap();
    assert_eq!((collected.tickets.len(), collected.aside.len()), (1, 0));
    let known = wallet.state().balance.unwrap();
    assert_eq!((known.balance, known.held), (yen(7_000), yen(0)));
    assert_eq!(wallet.state().bills[0].status, BillStatus::Delivered);
    let ticket = collected.tickets[0].digest();
    let shown = wallet.show(ticket, Showing::default(), now()).unwrap();
    assert!(shown.code.version() <= 16);
    assert_eq!(gate(&shown.text, None), Ok(Serial::new(40)));

    let kinds: Vec<&str> = wallet
        .history()
        .unwrap()
        .iter()
        .map(|d| d.entry.word())
        .collect();
    let expected = [
        "joined",
        "load_asked",
        "loaded",
        "met",
        "ordered",
        "paid",
        "ticket_received",
        "delivered",
        "shown",
    ];
    assert_eq!(kinds, expected);
}

/// M3: signed offline, kept under A alone, sent later.
#[test]
fn a_registration_signed_offline_is_sent_later_with_a_alone() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = Town::start();
    let mut slip = nowhere.slip();
    slip.centre = "http://127.0.0.1:9".into();
    let new = NewWallet {
        master: Master::generate(&mut town::rng(), None),
        passwords: &two(),
        cost: cheap(),
    };
    let mut wallet = new.make(folder.path(), &state_of(&slip)).unwrap();
    let settled = wallet.register(&slip, details(), &pw(B), When::Later, now());
    assert_eq!(settled.unwrap(), None);
    drop(wallet);

    let mut wallet = Wallet::open(folder.path(), Access::Writing, &pw(A)).unwrap();
    in_doubt(wallet.send_pending(now()).remove(0).1);
    drop(wallet);
    // Its centre moves to an address where somebody listens.
    let town = Town::start();
    let mut wallet = Wallet::open(folder.path(), Access::Writing, &pw(A)).unwrap();
    wallet.centre_moved(&town.centre, now()).unwrap();
    let days_later = now();
    let settled = wallet.send_pending(days_later).remove(0).1;
    assert_eq!(settled.unwrap(), Settled::Registered);
    assert!(wallet.state().pending.is_empty());
    assert!(wallet.state().record.is_some());
    assert!(wallet.send_pending(now()).is_empty());
}

#[test]
fn a_wrong_code_is_refused_and_the_same_keys_register_with_the_right_one() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = fresh(&town, folder.path());
    let mut slip = town.slip();
    slip.code = "0000-0000-0000-0000".parse().unwrap();
    let result = wallet.register(&slip, details(), &pw(B), When::Now, now());
    assert_eq!(refused(result), Code::ActivationRefused);
    let words = wallet.words(&pw(B)).unwrap();
    let again = wallet.register(&town.slip(), details(), &pw(B), When::Now, now());
    assert_eq!(again.unwrap(), Some(Settled::Registered));
    assert_eq!(wallet.words(&pw(B)).unwrap().as_phrase(), words.as_phrase());
    let third = wallet.register(&town.slip(), details(), &pw(B), When::Now, now());
    assert!(matches!(third, Err(WalletError::Registered(_))));
}

/// The centre acts and the line breaks: the same bytes are sent again, and one payment results.
#[test]
fn a_payment_in_doubt_is_sent_again_and_counts_once() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    let bill = order(&town, &mut wallet);
    town.misbehave(Mischief::DropAfterActing);
    in_doubt(wallet.pay(bill, Mode::Hold, &pw(B), now()));
    assert!(wallet.is_in_doubt(bill));
    assert_eq!(wallet.state().bills[0].status, BillStatus::InDoubt);
    // Paying again, even by another process and with a wrong B, signs nothing new.
    drop(wallet);
    let mut wallet = Wallet::open(folder.path(), Access::Writing, &pw(A)).unwrap();
    in_doubt(wallet.pay(bill, Mode::Hold, &pw("quite another password"), now()));
    town.misbehave(Mischief::None);
    let settled = wallet.send_pending(now()).remove(0).1;
    assert_eq!(settled.unwrap(), Settled::Paid(bill));
    assert_eq!(town.came(40), (3, 1), "three times the same bytes");
    assert_eq!(town.book().payments.len(), 1);
    assert_eq!(wallet.state().bills[0].status, BillStatus::Held);
    let again = wallet.pay(bill, Mode::Hold, &pw(B), now());
    let next = again.unwrap_err().next().unwrap();
    assert!(next.contains("nothing more to pay") && next.contains("collect"));
}

/// What may have counted isn't given up; what the bill's end has settled may be.
#[test]
fn a_payment_in_doubt_is_given_up_only_when_its_over() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    let bill = order(&town, &mut wallet);
    town.misbehave(Mischief::DropBeforeActing);
    in_doubt(wallet.pay(bill, Mode::Hold, &pw(B), now()));
    let pending = wallet.state().pending[0].digest().to_string();
    let early = wallet.forget(&pending, now());
    assert!(matches!(early, Err(WalletError::MayCount)), "{early:?}");
    wallet.forget(&pending, now().after(2 * 86_400)).unwrap();
    assert!(wallet.state().pending.is_empty());
    in_doubt(wallet.load(yen(5), Funding::Deposit, now()));
    let load = wallet.state().pending[0].digest().to_string();
    wallet.forget(&load[..8], now()).unwrap();
}

/// The state keeps what is needed; the history keeps everything.
#[test]
fn bills_that_are_long_done_stand_in_the_history_only() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = with_ticket(&town, folder.path(), wanted());
    let later = now().after(91 * 86_400);
    wallet.centre_moved(&town.centre, later).unwrap();
    assert!(wallet.state().bills.is_empty());
    assert_eq!(wallet.state().tickets.len(), 1);
    let ordered = |e: &Entry| matches!(e, Entry::Ordered(_));
    assert!(wallet.history().unwrap().iter().any(|d| ordered(&d.entry)));
}

/// Each sealing is fresh: nobody on the wire can tell that the same message came twice.
#[test]
fn sending_again_seals_anew() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    let bill = order(&town, &mut wallet);
    town.misbehave(Mischief::DropAfterActing);
    let before = town.book().wire.len();
    in_doubt(wallet.pay(bill, Mode::Hold, &pw(B), now()));
    in_doubt(wallet.pay(bill, Mode::Hold, &pw(B), now()));
    let wire = town.book().wire[before..].to_vec();
    assert_eq!(wire.len(), 2);
    assert_ne!(wire[0], wire[1]);
}

#[test]
fn a_refused_payment_leaves_the_bill_open_and_another_can_be_signed() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    let bill = order(&town, &mut wallet);
    town.misbehave(Mischief::NoFunds);
    let result = wallet.pay(bill, Mode::Hold, &pw(B), now());
    assert_eq!(refused(result), Code::InsufficientFunds);
    assert_eq!(wallet.state().bills[0].status, BillStatus::Open);
    town.misbehave(Mischief::None);
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    assert_eq!(town.came(40), (2, 2));
}

#[test]
fn a_receipt_for_another_amount_isnt_believed() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    let bill = order(&town, &mut wallet);
    town.misbehave(Mischief::OtherReceipt);
    in_doubt(wallet.pay(bill, Mode::Hold, &pw(B), now()));
    assert!(wallet.is_in_doubt(bill));
    assert!(wallet.heads().unwrap().is_empty());
}

/// Two heads for one record are evidence that the centre changed its book.
#[test]
fn heads_that_contradict_each_other_are_noticed() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    for (mischief, contradiction) in [
        (Mischief::None, false),
        (Mischief::None, false),
        (Mischief::OtherHead, true),
    ] {
        town.misbehave(mischief);
        let bill = order(&town, &mut wallet);
        wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
        assert_eq!(wallet.heads_contradict().unwrap(), contradiction);
    }
    let status = wallet.view_status(now()).unwrap().to_string();
    assert!(status.contains("ALARM"), "{status}");
    assert_eq!(wallet.heads().unwrap().len(), 3);
}

#[test]
fn a_false_centre_gets_nothing() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    town.misbehave(Mischief::FalseRoot);
    let mut wallet = fresh(&town, folder.path());
    let result = wallet.register(&town.slip(), details(), &pw(B), When::Now, now());
    let why = unsound(result);
    assert!(why.contains("root in your letter"), "{why}");
    assert!(town.book().wire.is_empty(), "nothing was sent");
}

/// The certificates began a minute ago; a clock that is an hour behind stands before that.
#[test]
fn a_clock_that_is_behind_is_named_with_both_times() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = fresh(&town, folder.path());
    let late = now().before(3_600);
    let refused = wallet.register(&town.slip(), details(), &pw(B), When::Now, late);
    let behind = refused.unwrap_err();
    let WalletError::ClockBehind(CertificateError::ClockBehind { from, now, .. }) = &behind else {
        panic!("{behind}");
    };
    assert!(*now == late && *from > late.after(3_000), "{behind}");
    let text = behind.to_string();
    for part in [&now.to_string(), &from.to_string(), "set the clock right"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let next = behind.next().unwrap();
    assert!(next.contains("once the clock is right"), "{next}");
    assert!(town.book().wire.is_empty(), "nothing was sent");
}

/// Where nothing was signed, nobody reads that something counts once.
#[test]
fn who_only_asks_isnt_told_that_it_counts_once() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    wallet.centre_moved("http://127.0.0.1:9", now()).unwrap();
    let away = wallet.balance(now()).unwrap_err();
    assert!(matches!(away, WalletError::Call(_)), "{away}");
    assert_eq!(away.next(), Some("check the address, and try again later"));
    assert!(wallet.state().pending.is_empty());
}

#[test]
fn bad_bills_are_refused_and_none_is_kept() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    for (mischief, part) in [
        (Mischief::ForgedBill, "not signed"),
        (Mischief::ChangedAmount, "don't follow from the lines"),
        (Mischief::OtherRequest, "another request"),
    ] {
        town.misbehave(mischief);
        let why = unsound(wallet.order(&town.shop, wanted(), None, now()));
        assert!(why.contains(part), "{mischief:?}: {why}");
        assert!(wallet.state().bills.is_empty() && wallet.state().pending.is_empty());
    }
}

#[test]
fn the_shops_refusals_come_through_with_code_and_words() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    town.misbehave(Mischief::SoldOut);
    let result = wallet.order(&town.shop, wanted(), None, now());
    let text = result.as_ref().unwrap_err().to_string();
    assert!(
        text.contains("Hanamizuki Hall") && text.contains("see you next year"),
        "{text}"
    );
    assert_eq!(refused(result), Code::SoldOut);
    let asked = wallet.inquire(&town.shop, "Is there a cloakroom?", now());
    assert_eq!(refused(asked), Code::NotAReservation);
    assert!(wallet.state().pending.is_empty());
}

/// M4: a wrong password names its layer, and nothing is sent.
#[test]
fn wrong_passwords_name_their_layer() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    let bill = order(&town, &mut wallet);
    let paid = wallet.pay(bill, Mode::Hold, &pw(A), now());
    let layer = |e| match e {
        WalletError::Vault(VaultError::WrongPassword { layer }) => layer,
        other => panic!("{other:?}"),
    };
    assert_eq!(layer(paid.unwrap_err()), Layer::B);
    assert!(wallet.state().pending.is_empty());
    drop(wallet);
    let opened = Wallet::open(folder.path(), Access::Writing, &pw(B));
    assert_eq!(layer(opened.unwrap_err()), Layer::A);
    assert_eq!(town.came(40), (0, 0));
}

/// M4: A alone shows the history, offline, beside a wallet that is in use.
#[test]
fn the_history_opens_with_a_alone_and_without_anybody() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let writing = with_ticket(&town, folder.path(), wanted());
    let reading = Wallet::open(folder.path(), Access::Reading, &pw(A)).unwrap();
    assert_eq!(reading.history().unwrap(), writing.history().unwrap());
    let csv = tegata_wallet::view::history_csv(&reading.view_history().unwrap());
    assert!(csv.starts_with("time,kind,currency,amount_minor"), "{csv}");
    assert!(
        csv.contains(",paid,JPY,3000,10000,Hanamizuki Hall,"),
        "{csv}"
    );
}

/// M5: the words bring back every key, and with the history all the rest.
#[test]
fn the_words_restore_keys_and_tickets() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let wallet = with_ticket(&town, folder.path(), wanted());
    let words = wallet.words(&pw(B)).unwrap();
    let (before, entries) = (wallet.state().clone(), wallet.history().unwrap());
    drop(wallet);
    let elsewhere = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.tegata");
    tegata_wallet::restoring::bring_history(elsewhere.path(), &history).unwrap();
    let passwords = Passwords::two(pw("another password A"), pw("another password B")).unwrap();
    let new = NewWallet {
        master: Master::from_words(words.as_phrase()).unwrap(),
        passwords: &passwords,
        cost: cheap(),
    };
    let mut restored = new.restore(elsewhere.path(), None, now()).unwrap();
    assert_eq!(restored.history().unwrap().len(), entries.len() + 1);
    let after = restored.state().clone();
    assert_eq!(after.number, before.number);
    assert_eq!(after.record, before.record);
    assert_eq!(after.tickets, before.tickets);
    assert_eq!(after.bills, before.bills);
    assert_eq!(after.cards, before.cards);
    assert_eq!(after.cursor, before.cursor);
    // The holder key is the same: the gate admits.
    let ticket = after.tickets[0].digest();
    let shown = restored.show(ticket, Showing::default(), now()).unwrap();
    assert!(gate(&shown.text, None).is_ok());
    // Everyday, opening and spending key are the same: the centre answers.
    assert_eq!(
        restored.balance(now()).unwrap().balance,
        yen(10_000 - PRICE)
    );
    let bill = order(&town, &mut restored);
    restored
        .pay(bill, Mode::Hold, &pw("another password B"), now())
        .unwrap();
}

#[test]
fn words_without_a_history_need_to_be_told_whose_wallet_it_is() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let wallet = joined(&town, folder.path());
    let words = wallet.words(&pw(B)).unwrap();
    let restore = |folder: &Path, home| {
        let new = NewWallet {
            master: Master::from_words(words.as_phrase()).unwrap(),
            passwords: &two(),
            cost: cheap(),
        };
        new.restore(folder, home, now())
    };
    let nothing = tempfile::tempdir().unwrap();
    let result = restore(nothing.path(), None);
    assert!(
        matches!(result, Err(WalletError::NoSuch { .. })),
        "{result:?}"
    );
    assert!(
        !nothing.path().join("vault.tegata").exists(),
        "nothing half-made"
    );
    let home = tegata_wallet::restoring::Home {
        centre: town.centre.clone(),
        root: town::root().verifying_key(),
    };
    let restored = restore(nothing.path(), Some(home)).unwrap();
    assert_eq!(restored.state().number, town::member());
}

/// T5: a keyword stays out of the state, and the gate wants it.
#[test]
fn a_keyword_is_wanted_at_the_gate_and_isnt_kept() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let keyword = || Some(Keyword::new("sakura99").unwrap());
    let wanted = Wanted {
        keyword: keyword(),
        ..wanted()
    };
    let mut wallet = with_ticket(&town, folder.path(), wanted);
    let bytes = wallet.state().to_bytes();
    assert!(
        !bytes.windows(8).any(|w| w == b"sakura99"),
        "the keyword was kept"
    );
    let ticket = wallet.state().tickets[0].digest();
    let without = wallet.show(ticket, Showing::default(), now());
    assert!(matches!(without, Err(WalletError::NeedsKeyword)));
    let lacking = Showing {
        lacking: Lacking::Shown,
        ..Showing::default()
    };
    let without = wallet.show(ticket, lacking, now()).unwrap();
    assert_eq!(gate(&without.text, None), Err(Code::WrongKeyword));
    let show = |wallet: &mut Wallet, keyword| {
        let showing = Showing {
            keyword,
            ..Showing::default()
        };
        wallet.show(ticket, showing, now()).unwrap().text
    };
    let wrong = show(&mut wallet, Some(Keyword::new("sakura98").unwrap()));
    assert_eq!(gate(&wrong, None), Err(Code::WrongKeyword));
    assert!(gate(&show(&mut wallet, keyword()), None).is_ok());
}

#[test]
fn a_ticket_under_b_is_shown_with_b_only() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let wanted = Wanted {
        holding: Holding::Spending,
        quantity: 2,
        ..wanted()
    };
    let mut wallet = with_ticket(&town, folder.path(), wanted);
    for index in 0..2 {
        let ticket = wallet.state().tickets[index].digest();
        let without = wallet.show(ticket, Showing::default(), now());
        assert!(matches!(without, Err(WalletError::NeedsB(_))));
        let b = pw(B);
        let nonce = Some([7; 8]);
        let showing = Showing {
            b: Some(&b),
            nonce,
            ..Showing::default()
        };
        let shown = wallet.show(ticket, showing, now()).unwrap();
        assert!(gate(&shown.text, nonce).is_ok());
        assert_eq!(
            gate(&shown.text, Some([8; 8])),
            Err(Code::StalePresentation)
        );
    }
}

#[test]
fn a_bearers_ticket_needs_its_keyword_only() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let keyword = || Some(Keyword::new("open sesame").unwrap());
    let wanted = Wanted {
        holding: Holding::Bearer,
        keyword: keyword(),
        ..wanted()
    };
    let mut wallet = with_ticket(&town, folder.path(), wanted);
    let ticket = wallet.state().tickets[0].digest();
    let showing = Showing {
        keyword: keyword(),
        ..Showing::default()
    };
    let shown = wallet.show(ticket, showing, now()).unwrap();
    assert!(gate(&shown.text, None).is_ok());
}

/// T6: the wallet keeps what is written to the card, and shows no code that a gate would refuse.
#[test]
fn a_cards_tickets_are_kept_for_it_and_not_shown() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let card: tegata_protocol::CardNumber = "0701 0203 0405 0607 0809".parse().unwrap();
    let wanted = Wanted {
        holding: Holding::Card(card),
        quantity: 2,
        ..wanted()
    };
    drop(with_ticket(&town, folder.path(), wanted));
    // As it was written down, and read again.
    let mut wallet = Wallet::open(folder.path(), Access::Writing, &pw(A)).unwrap();
    let signed = wallet.card_tickets(card);
    assert_eq!(signed.len(), 2);
    assert_ne!(signed[0], signed[1]);
    for signed in &signed {
        assert!(signed.as_bytes().len() <= CARD_TICKET_LIMIT);
        let ticket = Unverified::<Ticket>::parse(signed.clone()).unwrap();
        assert_eq!(ticket.claimed().holder, Holder::Card(*card.as_bytes()));
    }
    assert!(
        wallet
            .card_tickets(tegata_protocol::CardNumber::from_bytes([8; 10]))
            .is_empty()
    );
    let ticket = wallet.state().tickets[0].digest();
    let shown = wallet.show(ticket, Showing::default(), now());
    let Err(error @ WalletError::OnCard(_)) = shown else {
        panic!("{shown:?}")
    };
    assert!(
        error.to_string().contains("on card 07010203040506070809"),
        "{error}"
    );
    let view = wallet.view_tickets().unwrap().remove(0);
    assert!(
        view.to_string().contains("on card 07010203040506070809"),
        "{view}"
    );
}

#[test]
fn a_cards_number_is_twenty_digits_however_they_are_typed() {
    let number = |text: &str| {
        text.parse::<tegata_protocol::CardNumber>()
            .map(|card| *card.as_bytes())
    };
    assert_eq!(
        number("0aFF0000000000000001"),
        Ok([0x0a, 0xff, 0, 0, 0, 0, 0, 0, 0, 1])
    );
    for wrong in [
        "",
        "07",
        "070102030405060708",
        "0701020304050607080",
        "07010203040506070809AA",
        "070102030405060708GG",
    ] {
        assert!(number(wrong).unwrap_err().contains("20 digits"), "{wrong}");
    }
}

/// M4: the one-password form, and a change to it.
#[test]
fn one_password_opens_and_spends() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let passwords = Passwords::one(pw("the only password")).unwrap();
    let new = NewWallet {
        master: Master::generate(&mut town::rng(), None),
        passwords: &passwords,
        cost: cheap(),
    };
    let mut wallet = new.make(folder.path(), &state_of(&town.slip())).unwrap();
    let only = || Password::typed("the only password");
    wallet
        .register(&town.slip(), details(), &only(), When::Now, now())
        .unwrap();
    assert_eq!(wallet.form(), PasswordForm::One);
    let bill = order(&town, &mut wallet);
    // Tickets come only against a hold: money paid at once would buy nothing.
    let at_once = wallet.pay(bill, Mode::Pay, &only(), now());
    let at_once = at_once.unwrap_err();
    assert_eq!(at_once.next(), Some("pay without --now"), "{at_once:?}");
    wallet.pay(bill, Mode::Hold, &only(), now()).unwrap();
    assert_eq!(wallet.state().bills[0].status, BillStatus::Held);
    let changed = Passwords::one(pw("the other password")).unwrap();
    wallet.change_only(&only(), &changed).unwrap();
    drop(wallet);
    Wallet::open(folder.path(), Access::Reading, &pw("the other password")).unwrap();
}
