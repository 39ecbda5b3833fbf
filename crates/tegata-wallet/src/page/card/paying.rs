//! Paying with a card: what begins it, what the second answer does.

use axum::Form;
use serde::Deserialize;
use tegata_card::link::Link;
use tegata_pages::Page;
use tegata_protocol::{Digest, PaymentId, card::Errand, refusal::Code};

use super::{
    super::{
        Answer,
        act::Visit,
        desk::{Token, leaves_doubt},
        screens as pages,
    },
    Laid, Visited, screens,
};
use crate::{
    card_trouble::CardTrouble,
    error::WalletError,
    ic_card::{CardTalk, Talk, card_on},
    kept::{BillStatus, KeptBill},
    wallet::Wallet,
    web_bill::BillLink,
};

/// Which bill is meant, as all forms say it. A bill that a shop's page named is fetched by its link
/// until it's kept.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::page) struct Meant {
    pub(in crate::page) bill: String,
    pub(in crate::page) shop: Option<String>,
    pub(in crate::page) back: Option<String>,
}

impl Meant {
    /// A bill that is kept.
    pub(in crate::page) fn kept(bill: Digest) -> Self {
        Self {
            bill: bill.to_string(),
            shop: None,
            back: None,
        }
    }

    /// A bill that a page named.
    pub(in crate::page) fn linked(link: &BillLink) -> Self {
        Self {
            bill: link.bill().to_string(),
            shop: Some(link.shop().to_owned()),
            back: link.back().map(str::to_owned),
        }
    }

    pub(super) fn link(&self) -> Option<Result<BillLink, WalletError>> {
        let shop = self.shop.as_deref()?;
        let link = BillLink::new(shop, &self.bill, self.back.as_deref());
        Some(link.map_err(WalletError::from))
    }

    /// The bill, kept from now on.
    fn keep(&self, at: &mut Visited<'_>) -> Result<Digest, WalletError> {
        let Some(link) = self.link() else {
            return at.wallet.find_bill(&self.bill);
        };
        let seen = at.wallet.look_at_bill(&link?, at.now)?;
        at.wallet.keep_web_bill(seen, at.now)
    }

    /// The bill, if it's kept.
    pub(super) fn bill_in<'w>(&self, wallet: &'w Wallet) -> Option<&'w KeptBill> {
        let digest = Digest::from_hex(&self.bill)?;
        wallet.state().bill(digest)
    }

    /// Where it stands, if it's kept.
    pub(super) fn status(&self, wallet: &Wallet) -> Option<BillStatus> {
        self.bill_in(wallet).map(|kept| kept.status)
    }

    /// Does it wait for its card?
    fn waits(&self, wallet: &Wallet) -> bool {
        self.bill_in(wallet).is_some_and(KeptBill::waits_for_card)
    }

    /// An error, as [`Wallet::about_card`] has it.
    pub(super) fn about_card(
        &self,
        wallet: &Wallet,
        waited: bool,
        error: WalletError,
    ) -> WalletError {
        match self.bill_in(wallet) {
            Some(kept) => wallet.about_card(kept.digest(), waited, error),
            None => error,
        }
    }
}

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
    let bill = meant.keep(at)?;
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
