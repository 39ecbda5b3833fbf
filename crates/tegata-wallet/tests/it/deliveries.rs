//! What lies in the mailbox, and what of it is believed.

use tegata_protocol::payment::Mode;
use tegata_wallet::kept::BillStatus;

use crate::{
    story::{joined, order, unsound, wanted, with_ticket},
    town::{Mischief, PRICE, Town, now, yen},
    vault::{B, pw},
};

/// T3: what doesn't verify is never shown as a ticket.
#[test]
fn deliveries_that_dont_verify_are_set_aside() {
    for (mischief, part) in [
        (Mischief::OtherHolder, "another holder"),
        (Mischief::OtherTicketRequest, "another request"),
        (
            Mischief::ForgedTicket,
            "not signed with a key of its series",
        ),
        (Mischief::OtherContents, "something else than was ordered"),
        (Mischief::ForgedDelivery, "the shop didn't sign it"),
        (Mischief::OtherMember, "not for this member"),
        (Mischief::OtherSeal, "isn't sealed to this member"),
    ] {
        let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
        let mut wallet = joined(&town, folder.path());
        town.money_comes(10_000, "RF18539007547034");
        let bill = order(&town, &mut wallet);
        wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
        town.misbehave(mischief);
        town.deliver();
        let collected = wallet.collect(now()).unwrap();
        assert!(collected.tickets.is_empty(), "{mischief:?}");
        assert_eq!(collected.aside.len(), 1, "{mischief:?}");
        let why = &collected.aside[0].why;
        assert!(why.contains(part), "{mischief:?}: {why}");
        assert!(wallet.state().tickets.is_empty());
        assert_eq!(wallet.state().bills[0].status, BillStatus::Held);
        // It was dealt with: the next visit goes on behind it.
        assert_eq!(wallet.collect(now()).unwrap(), Default::default());
    }
}

#[test]
fn items_that_come_again_change_nothing() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = with_ticket(&town, folder.path(), wanted());
    let (entries, state) = (wallet.history().unwrap().len(), wallet.state().clone());
    let items = town.book().mailbox.clone();
    for item in items {
        let sealed = item.sealed.map(|s| s.as_bytes().to_vec());
        town.book().push(item.signed, sealed);
    }
    let collected = wallet.collect(now()).unwrap();
    assert_eq!(collected.known, 2);
    assert!(collected.tickets.is_empty() && collected.cards.is_empty());
    assert_eq!(wallet.state().tickets, state.tickets);
    assert_eq!(wallet.state().cards, state.cards);
    assert_eq!(wallet.history().unwrap().len(), entries);
}

#[test]
fn another_members_items_and_a_mailbox_with_holes_are_noticed() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = with_ticket(&town, folder.path(), wanted());
    let other = tegata_protocol::PartyNumber::new(tegata_protocol::Role::Member, 5).unwrap();
    let card = wallet.state().cards[0].card.clone();
    let stolen = tegata_protocol::prepaid::PrepaidCard { number: 77, ..card };
    town.book().post_to(other, stolen, None);
    let collected = wallet.collect(now()).unwrap();
    assert!(collected.aside[0].why.contains("not for this member"));
    assert_eq!(wallet.state().cards.len(), 1);
    town.money_comes(1, "RF18539007547034");
    town.money_comes(1, "RF18539007547034");
    town.misbehave(Mischief::SkipItem);
    let why = unsound(wallet.collect(now()));
    assert!(why.contains("skips"), "{why}");
    assert_eq!(wallet.state().cards.len(), 1);
}

#[test]
fn a_closed_hold_closes_the_bill() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    let bill = order(&town, &mut wallet);
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
    town.close_hold();
    let collected = wallet.collect(now()).unwrap();
    assert_eq!(collected.closed[0].amount, yen(PRICE));
    assert_eq!(wallet.state().bills[0].status, BillStatus::Closed);
}
