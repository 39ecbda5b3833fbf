//! What the wallet lets through to a card (K6, K7, K11): a centre, or whoever took its place on the
//! network, that orders something else than was agreed to gets nothing of it to the card.

use std::path::Path;

use tegata_card::{
    applet::Applet,
    chip::Chip as _,
    command::View,
    image::FileMemory,
    link::{InProcess, Link, LinkError},
};
use tegata_protocol::{
    CardNumber, Digest, PartyNumber, PaymentId, Role,
    card::{CardBytes, CardPaid, Change, DebitOrder, Errand},
    payment::{Closing, HoldClosed, Mode},
    refusal::Code,
};
use tegata_wallet::{
    CardTrouble, Wallet, WalletError,
    ic_card::{CardTalk, Talk},
    kept::BillStatus,
};

use crate::{
    story::{joined, wanted},
    town::{Mischief, PRICE, Town, cards::card_number, now, position, shop, signing, yen},
    vault::{B, pw},
};

/// A reader that writes down what the card is told.
struct Recording {
    card: InProcess<Applet<FileMemory>>,
    told: Vec<Vec<u8>>,
}

impl Link for Recording {
    fn reset(&mut self) -> Result<(), LinkError> {
        self.card.reset()
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, LinkError> {
        self.told.push(command.to_vec());
        self.card.transmit(command)
    }
}

impl Recording {
    fn of(image: &Path) -> Self {
        let mut applet = Applet::new(FileMemory::open(image).unwrap());
        applet.power_on();
        Self {
            card: InProcess(applet),
            told: Vec::new(),
        }
    }

    /// Was it told what somebody saw?
    fn views(&self) -> usize {
        self.told.iter().filter(|c| c[..2] == [0x80, 0xd1]).count()
    }
}

/// What is done to an order before it's signed.
type Spoil = fn(&mut DebitOrder);

fn card_paid(payment: PaymentId, bill: Digest) -> CardPaid {
    CardPaid {
        payment,
        bill,
        card: card_number(),
        counter: 2,
        amount: yen(PRICE),
        balance: yen(2_000),
        position: position(9),
    }
}

fn card_closed(payment: PaymentId, closing: Closing) -> HoldClosed {
    HoldClosed {
        payment,
        shop: shop(),
        amount: yen(PRICE),
        closing,
        card: Some(0),
    }
}

/// A bill that waits for a card with 5,000 on it.
fn waiting(town: &Town, wallet: &mut Wallet) -> (Digest, PaymentId) {
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    let payment = wallet.agree_by_card(bill, card_number(), now()).unwrap();
    (bill, payment)
}

/// Lays the card on for a payment. An order of before that nobody answered is found out first, and then
/// the bill is agreed to anew.
fn begin(wallet: &mut Wallet, link: &mut Recording, bill: Digest) -> Result<CardTalk, WalletError> {
    for _ in 0..3 {
        let payment = wallet.agree_by_card(bill, card_number(), now()).unwrap();
        let talk = wallet.card_begin(link, Errand::Pay(payment, true), now())?;
        if !matches!(talk.talk, Talk::Refused(_)) {
            return Ok(talk);
        }
    }
    panic!("it isn't found out");
}

fn ready(folder: &Path) -> (Town, Wallet, Recording) {
    let town = Town::start();
    let image = folder.join("card.image");
    let mut wallet = joined(&town, folder);
    town.issue_card(&image);
    town.book().ic().owed = 5_000;
    let mut link = Recording::of(&image);
    wallet.card_begin(&mut link, Errand::Look, now()).unwrap();
    link.told.clear();
    (town, wallet, link)
}

#[test]
fn an_order_that_differs_from_what_was_agreed_to_never_reaches_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, mut link) = ready(folder.path());
    let spoils: [(Spoil, &str); 7] = [
        (|o| o.card = CardNumber::from_bytes([1; 10]), "another card"),
        (
            |o| o.payment = PaymentId::new(Digest::of(b"other")),
            "another payment",
        ),
        (|o| o.bill = Digest::of(b"other"), "another bill"),
        (
            |o| o.shop = PartyNumber::new(Role::Shop, 99).unwrap(),
            "another shop",
        ),
        (|o| o.amount = yen(PRICE + 1), "the amount"),
        (|o| o.issued = now().before(3_600), "its time"),
        (
            |o| o.command = CardBytes(vec![0x80, 0xd1, 0, 0, 0]),
            "its command",
        ),
    ];
    for (spoil, says) in spoils {
        let (bill, _) = waiting(&town, &mut wallet);
        town.book().ic().spoil = Some(spoil);
        let refused = begin(&mut wallet, &mut link, bill).unwrap_err();
        let WalletError::Card(CardTrouble::OrderDiffers(why)) = &refused else {
            panic!("{refused}");
        };
        assert!(why.contains(says), "{why}");
        assert_eq!(link.views(), 0, "{says}: the card was told of it");
        town.book().ic().spoil = None;
    }
    let (bill, _) = waiting(&town, &mut wallet);
    town.book().ic().orders_by = signing(77);
    let begun = begin(&mut wallet, &mut link, bill);
    assert!(begun.unwrap_err().to_string().contains("didn't sign"));
    assert_eq!((link.views(), town.book().ic().made.len()), (0, 0));
}

#[test]
fn the_card_is_told_what_was_seen_and_then_the_order_and_after_a_no_neither() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, mut link) = ready(folder.path());
    let (bill, payment) = waiting(&town, &mut wallet);
    let pay = Errand::Pay(payment, true);
    let mut talk = wallet.card_begin(&mut link, pay, now()).unwrap();
    let Talk::Asking(agreement) = &talk.talk else {
        panic!("{talk:?}");
    };
    assert_eq!(
        (agreement.order.balance, agreement.left()),
        (Some(yen(5_000)), Some(yen(2_000)))
    );
    let before = link.told.len();
    wallet
        .card_answer(&mut talk, &mut link, false, now())
        .unwrap();
    assert_eq!(link.views(), 0, "{:?}", &link.told[before..]);
    assert!(matches!(talk.talk, Talk::Refused(_)));
    assert_eq!(wallet.state().bill(bill).unwrap().status, BillStatus::Open);

    // The order of before is found out first.
    let mut talk = begin(&mut wallet, &mut link, bill).unwrap();
    link.told.clear();
    let Talk::Asking(agreement) = talk.talk.clone() else {
        panic!("{talk:?}");
    };
    let order = agreement.order;
    let payment = order.payment;
    wallet
        .card_answer(&mut talk, &mut link, true, now())
        .unwrap();
    assert!(
        matches!(&talk.talk, Talk::Done(r) if r.paid == Some(payment)),
        "{talk:?}"
    );
    let view = View {
        amount: u32::try_from(PRICE).unwrap(),
        counter: order.counter,
        bill: *bill.as_bytes(),
    };
    let at = link.told.iter().position(|c| *c == view.command()).unwrap();
    assert_eq!((link.views(), &link.told[at + 1]), (1, &order.command.0));
    assert_eq!(wallet.state().bill(bill).unwrap().status, BillStatus::Held);
}

#[test]
fn what_only_the_member_may_tell_the_card_isnt_carried_for_anybody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, mut link) = ready(folder.path());
    let view = View {
        amount: 1,
        counter: 2,
        bill: [0; 32],
    };
    for command in [
        view.command(),
        vec![0x00, 0xb0, 0, 0],
        vec![0x80, 0xd0],
        Vec::new(),
    ] {
        town.book().ic().send_instead = Some(command.clone());
        let begun = wallet.card_begin(&mut link, Errand::Look, now());
        let refused = begun.unwrap_err();
        assert!(
            matches!(refused, WalletError::Card(CardTrouble::Command)),
            "{command:02x?}: {refused}"
        );
        assert!(
            !link.told.contains(&command),
            "{command:02x?} reached the card"
        );
    }
}

/// The card was told to pay, and then nobody could be reached: it has paid, and the next contact says so.
#[test]
fn after_the_order_has_reached_the_card_whatever_fails_is_in_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, mut link) = ready(folder.path());
    let (bill, payment) = waiting(&town, &mut wallet);
    let pay = || Errand::Pay(payment, true);
    let mut talk = wallet.card_begin(&mut link, pay(), now()).unwrap();
    town.misbehave(Mischief::DropBeforeActing);
    wallet
        .card_answer(&mut talk, &mut link, true, now())
        .unwrap();
    assert!(matches!(talk.talk, Talk::InDoubt), "{talk:?}");
    let status = |wallet: &Wallet| wallet.state().bill(bill).unwrap().status;
    assert_eq!((link.views(), status(&wallet)), (1, BillStatus::AtCard));
    town.misbehave(Mischief::None);
    let talk = wallet.card_begin(&mut link, pay(), now()).unwrap();
    assert!(
        matches!(&talk.talk, Talk::Done(r) if r.paid == Some(payment)),
        "{talk:?}"
    );
    assert_eq!((link.views(), status(&wallet)), (1, BillStatus::Held));
}

#[test]
fn an_answer_that_comes_too_late_tells_the_card_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, mut link) = ready(folder.path());
    let (bill, payment) = waiting(&town, &mut wallet);
    let pay = Errand::Pay(payment, true);
    let mut talk = wallet.card_begin(&mut link, pay, now()).unwrap();
    let answered = wallet.card_answer(&mut talk, &mut link, true, now().after(110));
    let refused = answered.unwrap_err();
    assert!(
        matches!(refused, WalletError::Card(CardTrouble::Late)),
        "{refused}"
    );
    assert_eq!((link.views(), town.book().ic().made.len()), (0, 0));
    assert_eq!(wallet.state().bill(bill).unwrap().status, BillStatus::Open);
}

/// The centre's clock and the member's may be minutes apart: only this machine's own counts here.
#[test]
fn a_clock_that_is_fast_hinders_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, mut link) = ready(folder.path());
    let (_, payment) = waiting(&town, &mut wallet);
    let (pay, fast) = (Errand::Pay(payment, true), now().after(170));
    let mut talk = wallet.card_begin(&mut link, pay, fast).unwrap();
    wallet
        .card_answer(&mut talk, &mut link, true, fast.after(3))
        .unwrap();
    assert!(matches!(talk.talk, Talk::Done(_)), "{:?}", talk.talk);
}

/// Only what ends the payment lets the bill be agreed to anew: the rest may leave an order out there.
#[test]
fn a_refusal_that_ends_nothing_leaves_the_bill_with_its_card() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, mut link) = ready(folder.path());
    let (bill, payment) = waiting(&town, &mut wallet);
    for code in Code::ALL
        .iter()
        .filter(|code| (800..900).contains(&code.number()))
    {
        let ends = [
            Code::IcCardDeclined,
            Code::IcCardNotDue,
            Code::IcCardNotAsShown,
            // The card has paid: that's known.
            Code::IcCardUnbooked,
        ];
        if ends.contains(code) {
            continue;
        }
        town.book().ic().refuse = Some(*code);
        let pay = Errand::Pay(payment, true);
        let talk = wallet.card_begin(&mut link, pay, now()).unwrap();
        assert!(matches!(talk.talk, Talk::Refused(_)), "{talk:?}");
        let kept = wallet.state().bill(bill).unwrap();
        assert_eq!(
            (kept.status, kept.payment),
            (BillStatus::AtCard, Some(payment)),
            "{code}"
        );
    }
}

#[test]
fn a_bill_whose_card_never_came_may_be_paid_again() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, mut link) = ready(folder.path());
    let (bill, first) = waiting(&town, &mut wallet);
    town.close_hold();
    wallet.collect(now()).unwrap();
    let kept = wallet.state().bill(bill).unwrap();
    assert_eq!((kept.status, kept.payment), (BillStatus::Open, None));
    let second = wallet.agree_by_card(bill, card_number(), now()).unwrap();
    assert_ne!(first, second);
    let talk = wallet.card_begin(&mut link, Errand::Pay(second, true), now());
    assert!(matches!(talk.unwrap().talk, Talk::Asking(_)));
}

#[test]
fn a_bill_that_one_card_is_to_pay_isnt_paid_with_another() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, _link) = ready(folder.path());
    let (bill, payment) = waiting(&town, &mut wallet);
    let other = CardNumber::from_bytes([9; 10]);
    let refused = wallet.agree_by_card(bill, other, now()).unwrap_err();
    assert!(
        matches!(refused, WalletError::Card(CardTrouble::Changed)),
        "{refused}"
    );
    let kept = wallet.state().bill(bill).unwrap();
    assert_eq!(
        (kept.status, kept.payment),
        (BillStatus::AtCard, Some(payment))
    );
    assert_eq!(town.came(80), (1, 1), "the centre wasn't asked again");
}

/// Another copy of the wallet agreed to it. What the card took isn't prepaid money, and what comes once
/// more changes nothing.
#[test]
fn a_payment_by_card_is_known_by_its_bill() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, _link) = ready(folder.path());
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    town.book().balance = 10_000;
    let before = wallet.balance(now()).unwrap();
    let payment = PaymentId::new(Digest::of(b"another copy's"));
    let paid = card_paid(payment, bill);
    town.book().payments.push((payment, bill));
    town.book().ic().agreed.push(payment);
    town.book().post(paid.clone(), None);
    assert_eq!(wallet.collect(now()).unwrap().card_payments.len(), 1);
    let status = |wallet: &Wallet| {
        let kept = wallet.state().bill(bill).unwrap();
        (kept.status, kept.payment)
    };
    assert_eq!(status(&wallet), (BillStatus::Held, Some(payment)));
    // The balance that comes with the delivery is that of the card's account.
    town.deliver();
    wallet.collect(now()).unwrap();
    assert_eq!(status(&wallet), (BillStatus::Delivered, Some(payment)));
    let known = wallet.state().balance.unwrap();
    assert_eq!(known.balance, before.balance);
    town.book().post(paid, None);
    assert_eq!(wallet.collect(now()).unwrap().card_payments.len(), 0);
    assert_eq!(status(&wallet), (BillStatus::Delivered, Some(payment)));
}

/// Declined, or another copy's: what a card was to pay was never held of prepaid money.
#[test]
fn a_cards_closed_hold_frees_no_prepaid_money() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, _link) = ready(folder.path());
    town.book().balance = 10_000;
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    let before = wallet.balance(now()).unwrap();
    assert_eq!(before.held, yen(PRICE));
    let closed = card_closed(PaymentId::new(Digest::of(b"another")), Closing::Voided);
    town.book().post(closed, None);
    assert!(wallet.collect(now()).unwrap().closed.is_empty());
    let known = |wallet: &Wallet| {
        let known = wallet.state().balance.unwrap();
        (known.balance, known.held)
    };
    assert_eq!(known(&wallet), (before.balance, before.held));
    // The card has paid another bill, and its shop delivered nothing in time.
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    let paid = card_paid(PaymentId::new(Digest::of(b"a third")), bill);
    let closed = card_closed(paid.payment, Closing::Expired);
    town.book().post(paid, None);
    town.book().post(closed, None);
    assert_eq!(wallet.collect(now()).unwrap().closed.len(), 1);
    let status = wallet.state().bill(bill).unwrap().status;
    assert_eq!(status, BillStatus::Closed);
    assert_eq!(known(&wallet), (before.balance, before.held));
}

/// A card's payment that ended, and whose news comes late, doesn't stand for the one that was made since.
#[test]
fn old_news_of_a_card_leave_a_newer_payment_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, _link) = ready(folder.path());
    town.book().balance = 10_000;
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    let kept = |wallet: &Wallet| {
        let kept = wallet.state().bill(bill).unwrap();
        (kept.status, kept.payment, kept.card)
    };
    let before = kept(&wallet);
    assert_eq!(before.0, BillStatus::Held);
    let payment = PaymentId::new(Digest::of(b"another copy's"));
    let paid = card_paid(payment, bill);
    let closed = card_closed(payment, Closing::Expired);
    town.book().post(paid, None);
    town.book().post(closed, None);
    let collected = wallet.collect(now()).unwrap();
    assert_eq!(kept(&wallet), before);
    // Both are in the history: that it was paid, and that it was given back.
    let told = (collected.card_payments.len(), collected.closed.len());
    assert_eq!(told, (1, 1));
}

/// Sent again it gets the answer that it got: given up and made anew, the money would move twice.
#[test]
fn a_load_or_payment_in_doubt_isnt_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, _link) = ready(folder.path());
    town.book().balance = 10_000;
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    town.misbehave(Mischief::DropAfterActing);
    let doubt = wallet.load_card(card_number(), yen(500), &pw(B), now());
    assert!(
        matches!(doubt, Err(WalletError::InDoubt { .. })),
        "{doubt:?}"
    );
    let doubt = wallet.agree_by_card(bill, card_number(), now());
    assert!(
        matches!(doubt, Err(WalletError::InDoubt { .. })),
        "{doubt:?}"
    );
    let pending = wallet.state().pending.clone();
    assert_eq!(pending.len(), 2);
    for pending in pending {
        let kept = wallet.forget(&pending.digest().to_string(), now());
        assert!(matches!(kept, Err(WalletError::MayCount)), "{kept:?}");
    }
    town.misbehave(Mischief::None);
    let answered = wallet.send_pending(now());
    assert!(answered.iter().all(|(_, settled)| settled.is_ok()));
    assert_eq!(town.book().balance, 9_500, "it moved once");
}

/// A gate would refuse it, and the slot would be taken.
#[test]
fn a_ticket_that_wasnt_bought_for_the_card_isnt_written_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, mut link) = ready(folder.path());
    town.book().balance = 10_000;
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    town.deliver();
    wallet.collect(now()).unwrap();
    let ticket = wallet.state().tickets[0].signed.clone();
    let put = wallet.card_begin(&mut link, Errand::PutTicket(0, ticket), now());
    assert!(
        matches!(put, Err(WalletError::Card(CardTrouble::OtherHolder))),
        "{put:?}"
    );
}

/// The centre ended it, and the wallet hears so by a refusal: from then on it can be paid out.
#[test]
fn a_card_that_the_centre_ended_is_known_as_over() {
    let folder = tempfile::tempdir().unwrap();
    let (town, mut wallet, _link) = ready(folder.path());
    town.book().ic().ended = true;
    assert_eq!(wallet.ic_cards()[0].over, None);
    let refused = wallet.change_card(card_number(), Change::Block, now());
    assert!(
        matches!(refused, Err(WalletError::Refused { .. })),
        "{refused:?}"
    );
    assert!(wallet.ic_cards()[0].over.is_some());
}
