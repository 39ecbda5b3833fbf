//! Paying with a card: what begins it, what the second answer does.

use axum::Form;
use serde::Deserialize;
use tegata_card::link::Link;
use tegata_pages::Page;
use tegata_protocol::{PaymentId, card::Errand, refusal::Code};

use super::{
    super::{Answer, doubt::leaves_doubt, screens as pages, token::Token, visit::Visit},
    meant::Meant,
    screens,
    seat::{Laid, Visited},
};
use crate::{
    card_trouble::CardTrouble,
    error::WalletError,
    ic_card::{CardTalk, Talk, card_on},
    kept::BillStatus,
};

#[derive(Deserialize)]
pub(super) struct BeginForm {
    csrf: String,
    bill: String,
    shop: Option<String>,
    back: Option<String>,
    /// The balance isn't to be read (K5).
    unread: Option<String>,
}

impl BeginForm {
    fn meant(&self) -> Meant {
        Meant {
            bill: self.bill.clone(),
            shop: self.shop.clone(),
            back: self.back.clone(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct AnswerForm {
    csrf: String,
    bill: String,
    shop: Option<String>,
    back: Option<String>,
    /// Which talk it answers.
    talk: String,
    agreed: String,
}

/// Consent 1: the money is set aside, and the card is asked.
pub(super) async fn begin(visit: Visit, Form(form): Form<BeginForm>) -> Answer {
    let csrf = form.csrf.clone();
    visit
        .with_reader(&csrf, move |at, link| {
            let meant = form.meant();
            let mut waited = meant.waits(at.wallet);
            match begun(at, (&meant, &mut waited), link, form.unread.is_none()) {
                Ok(page) => Ok(page),
                Err(error) if leaves_doubt(&error) => Err(error),
                Err(error) => {
                    let error = meant.about_card(at.wallet, waited, error);
                    Ok(screens::trouble(at, &meant, &error))
                }
            }
        })
        .await
}

fn begun(
    at: &mut Visited<'_>,
    (meant, waited): (&Meant, &mut bool),
    link: Result<Box<dyn Link + Send>, CardTrouble>,
    read: bool,
) -> Result<Page, WalletError> {
    let mut link = link?;
    let card = card_on(&mut *link)?;
    let bill = meant.keep(at.wallet, at.now)?;
    let mut payment = at.wallet.agree_by_card(bill, card, at.now)?;
    if meant.status(at.wallet) == Some(BillStatus::Held) {
        // An instruction in doubt was sent again, and it was one that pays with prepaid money.
        return pages::paid(at.frame, at.wallet, bill, &screens::back(at, meant));
    }
    let mut talk = contact(at, &mut *link, (payment, read))?;
    if matches!(&talk.talk, Talk::Refused(r) if r.code == Code::IcCardNotDue)
        && meant.status(at.wallet) == Some(BillStatus::Open)
    {
        // An order of before, which the card never got, was given up now that the card lies there.
        // The member has agreed a moment ago: what was agreed to is the same bill.
        *waited = false;
        payment = at.wallet.agree_by_card(bill, card, at.now)?;
        talk = contact(at, &mut *link, (payment, read))?;
    }
    if !matches!(talk.talk, Talk::Asking(_)) {
        return Ok(screens::outcome(at, meant, *waited, &talk));
    }
    at.seat.laid = Some(Laid {
        link,
        talk,
        token: Token::random(),
        since: at.seat.now,
        meant: meant.clone(),
        waited: *waited,
    });
    Ok(asking(at).unwrap_or_else(|| screens::over(at, meant)))
}

fn contact(
    at: &mut Visited<'_>,
    link: &mut dyn Link,
    (payment, read): (PaymentId, bool),
) -> Result<CardTalk, WalletError> {
    let errand = Errand::Pay(payment, read);
    at.wallet.card_begin(link, errand, at.now)
}

/// The second question, if a card waits for its answer.
fn asking(at: &Visited<'_>) -> Option<Page> {
    let laid = at.seat.laid.as_ref()?;
    let Talk::Asking(agreement) = &laid.talk.talk else {
        return None;
    };
    Some(screens::asking(at, &laid.meant, agreement, &laid.token))
}

/// The second question once more: the language was changed, or the page loaded anew.
pub(super) async fn again(visit: Visit) -> Answer {
    visit
        .at_card(None, |at| match asking(at) {
            Some(page) => Ok(page),
            None => pages::bills(at.frame, at.wallet, at.now),
        })
        .await
}

/// Consent 2, or no.
pub(super) async fn answer(visit: Visit, Form(form): Form<AnswerForm>) -> Answer {
    let csrf = form.csrf.clone();
    visit
        .at_card(Some(&csrf), move |at| {
            let laid = at.seat.laid.take();
            let Some(mut laid) = laid.filter(|laid| laid.token.is(&form.talk)) else {
                let meant = Meant {
                    bill: form.bill,
                    shop: form.shop,
                    back: form.back,
                };
                return Ok(screens::over(at, &meant));
            };
            let agreed = form.agreed == "yes";
            match answered(at, &mut laid, agreed) {
                Ok(()) => Ok(screens::outcome(at, &laid.meant, laid.waited, &laid.talk)),
                Err(error) if leaves_doubt(&error) => Err(error),
                Err(error) => {
                    let error = laid.meant.about_card(at.wallet, laid.waited, error);
                    Ok(screens::trouble(at, &laid.meant, &error))
                }
            }
        })
        .await
}

fn answered(at: &mut Visited<'_>, laid: &mut Laid, agreed: bool) -> Result<(), WalletError> {
    let link = &mut *laid.link;
    at.wallet.card_answer(&mut laid.talk, link, agreed, at.now)
}
