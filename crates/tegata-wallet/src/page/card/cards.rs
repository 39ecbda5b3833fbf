//! `/card`: the cards that are known, and what is done with them besides paying.

use axum::Form;
use serde::Deserialize;
use tegata_card::link::Link;
use tegata_pages::{Page, Tone};
use tegata_protocol::{
    Amount,
    card::{Change, Errand},
};

use super::{
    super::{
        Answer,
        doubt::leaves_doubt,
        visit::{PlainForm, Typed, Visit},
    },
    screens,
    seat::Visited,
};
use crate::{card_trouble::CardTrouble, error::WalletError, ic_card::Talk};

#[derive(Deserialize)]
pub(super) struct ChangeForm {
    csrf: String,
    card: String,
    change: Wanted,
    /// A lost card is over for ever: that is asked once more.
    sure: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    Block,
    Unblock,
    Lost,
    PayOut,
}

#[derive(Deserialize)]
pub(super) struct LoadForm {
    csrf: String,
    card: String,
    amount: String,
    b: Typed,
}

pub(super) async fn page(visit: Visit) -> Answer {
    visit
        .get(|w, _, frame, csrf| Ok(screens::cards(frame, w, csrf, None)))
        .await
}

/// Lays the card on: it's read, and what is owed to it is written.
pub(super) async fn show(visit: Visit, Form(form): Form<PlainForm>) -> Answer {
    visit
        .with_reader(&form.csrf, |at, link| match looked(at, link) {
            Ok(page) => Ok(page),
            Err(error) => told(at, error),
        })
        .await
}

fn looked(
    at: &mut Visited<'_>,
    link: Result<Box<dyn Link + Send>, CardTrouble>,
) -> Result<Page, WalletError> {
    let mut link = link?;
    let talk = at.wallet.card_begin(&mut *link, Errand::Look, at.now)?;
    let t = at.frame.texts();
    let said = match &talk.talk {
        Talk::Done(report) if !report.loaded.is_zero() => {
            let amount = report.loaded.to_string();
            (Tone::Good, t.fill("ic.written", &[("amount", &amount)]))
        }
        Talk::Done(_) => (Tone::Good, t.text("ic.read").to_owned()),
        Talk::Refused(refusal) => return Err(WalletError::card_refused(refusal.clone())),
        Talk::InDoubt | Talk::Asking(_) => (Tone::Careful, t.text("ic.doubt").to_owned()),
    };
    Ok(screens::cards(at.frame, at.wallet, at.csrf, Some(&said)))
}

/// What went wrong, above the cards. After some errors the wallet must be opened anew instead.
fn told(at: &mut Visited<'_>, error: WalletError) -> Result<Page, WalletError> {
    if leaves_doubt(&error) {
        return Err(error);
    }
    Ok(screens::cards_trouble(at.frame, at.wallet, at.csrf, &error))
}

/// Blocks, unblocks, gives up, pays out.
pub(super) async fn change(visit: Visit, Form(form): Form<ChangeForm>) -> Answer {
    let csrf = form.csrf.clone();
    visit
        .at_card(Some(&csrf), move |at| match changed(at, &form) {
            Ok(page) => Ok(page),
            Err(error) => told(at, error),
        })
        .await
}

fn changed(at: &mut Visited<'_>, form: &ChangeForm) -> Result<Page, WalletError> {
    at.seat.clear();
    let card = at.wallet.find_ic_card(Some(&form.card))?;
    let (change, said) = match form.change {
        Wanted::Block => (Change::Block, "ic.now_blocked"),
        Wanted::Unblock => (Change::Unblock, "ic.now_unblocked"),
        Wanted::Lost if form.sure.is_none() => {
            return Ok(screens::lost(at.frame, at.wallet, card, at.csrf));
        }
        Wanted::Lost => (Change::Lost, "ic.now_lost"),
        Wanted::PayOut => (Change::PayOut, "ic.now_paid_out"),
    };
    let paid = at.wallet.change_card(card, change, at.now)?;
    let t = at.frame.texts();
    let said = match paid {
        None => t.text(said).to_owned(),
        Some(paid) if paid.amount.is_zero() => t.text("ic.nothing_paid_out").to_owned(),
        Some(paid) => {
            let amounts = [paid.amount.to_string(), paid.prepaid.to_string()];
            let values = [("amount", &*amounts[0]), ("prepaid", &amounts[1])];
            t.fill(said, &values)
        }
    };
    let said = (Tone::Good, said);
    Ok(screens::cards(at.frame, at.wallet, at.csrf, Some(&said)))
}

/// Moves prepaid money to a card's account.
pub(super) async fn load(visit: Visit, Form(form): Form<LoadForm>) -> Answer {
    let csrf = form.csrf.clone();
    visit
        .at_card(Some(&csrf), move |at| match loaded(at, &form) {
            Ok(page) => Ok(page),
            Err(error) => told(at, error),
        })
        .await
}

fn loaded(at: &mut Visited<'_>, form: &LoadForm) -> Result<Page, WalletError> {
    at.seat.clear();
    let card = at.wallet.find_ic_card(Some(&form.card))?;
    let currency = at.wallet.currency(at.now)?;
    let amount = Amount::parse(form.amount.trim(), currency)?;
    let b = form.b.password();
    let loaded = at.wallet.load_card(card, amount, &b, at.now)?;
    let t = at.frame.texts();
    let values = [
        ("amount", &*loaded.amount.to_string()),
        ("prepaid", &*loaded.prepaid.to_string()),
    ];
    let said = if loaded.amount == amount {
        (Tone::Good, t.fill("ic.loaded", &values))
    } else {
        // One of before was in doubt: it's done now, and this one isn't.
        (Tone::Careful, t.fill("ic.loaded_before", &values))
    };
    Ok(screens::cards(at.frame, at.wallet, at.csrf, Some(&said)))
}
