//! What every page of the wallet stands in: language, place, and how an error is told.

use axum::http::{StatusCode, Uri};
use maud::{Markup, html};
use tegata_pages::{Field, Language, Link, Page, Refusal, Role, Texts, button};
use tegata_party::client::CallError;
use tegata_protocol::{record::CertificateError, refusal::Code};

use super::texts;
use crate::{
    card_trouble::CardTrouble,
    error::{Unfit, Unpayable, WalletError},
    vault::{Layer, PasswordForm, VaultError},
    wallet::Wallet,
};

/// What surrounds each page.
pub(super) struct Frame {
    language: Language,
    here: Uri,
}

impl Frame {
    pub(super) fn new(language: Language, here: &Uri) -> Self {
        Self {
            language,
            here: here.clone(),
        }
    }

    pub(super) const fn language(&self) -> Language {
        self.language
    }

    pub(super) fn texts(&self) -> Texts<'static> {
        texts(self.language)
    }

    /// A page without menu: for those who aren't inside.
    pub(super) fn bare(&self, title: &'static str) -> Page {
        let t = self.texts();
        Page::new(self.language, Role::Wallet, t.text("name"), t.text(title)).here(&self.here)
    }

    /// A page of the open wallet.
    pub(super) fn page(&self, title: &str, wallet: &Wallet) -> Page {
        let t = self.texts();
        let link = |text, href: &str| Link::new(t.text(text), href);
        let number = wallet.state().number.to_string();
        Page::new(self.language, Role::Wallet, number, title)
            .here(&self.here)
            .menu([
                link("menu.overview", "/"),
                link("menu.tickets", "/tickets"),
                link("menu.pay", "/pay"),
                link("menu.ic_card", "/card"),
                link("menu.cards", "/cards"),
                link("menu.history", "/history"),
            ])
    }

    /// Asks for password A.
    pub(super) fn door(&self, csrf: &str, next: &str, error: Option<&WalletError>) -> Page {
        let t = self.texts();
        let wrong = error.is_some_and(|e| wrong_layer(e) == Some(Layer::A));
        let other = error.filter(|_| !wrong);
        let status = if error.is_some() {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::OK
        };
        self.bare("door.title").status(status).body(html! {
            p { (t.text("door.what")) }
            @if let Some(error) = other { (self.refusal(error)) }
            form method="post" action="/open" {
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="next" value=(next);
                (Field::password("a", t.text("field.a"))
                    .error(wrong.then(|| t.text("wrong.a")))
                    .required())
                (button(t.text("door.button")))
            }
        })
    }

    /// The link was used, or isn't one.
    pub(super) fn used_link(&self) -> Page {
        let t = self.texts();
        self.bare("link.title")
            .status(StatusCode::GONE)
            .body(html! {
                p { (t.text("link.what")) }
                p { a href="/" { (t.text("link.go_on")) } }
            })
    }

    /// Without the link nothing is shown.
    pub(super) fn outside(&self) -> Page {
        let t = self.texts();
        self.bare("outside.title")
            .status(StatusCode::FORBIDDEN)
            .body(html! { p { (t.text("outside.what")) } })
    }

    pub(super) fn lost(&self) -> Page {
        let t = self.texts();
        self.bare("lost.title")
            .status(StatusCode::NOT_FOUND)
            .body(html! { p { a href="/" { (t.text("menu.overview")) } } })
    }

    /// Something wasn't done.
    pub(super) fn failed(&self, error: &WalletError) -> Page {
        let t = self.texts();
        let body = html! {
            (self.refusal(error))
            p { a href="/" { (t.text("menu.overview")) } }
        };
        let status = if matches!(error, WalletError::NoSuch { .. }) {
            StatusCode::NOT_FOUND
        } else if wrong_layer(error).is_some() {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::CONFLICT
        };
        self.bare("failed.title").status(status).body(body)
    }

    /// What went wrong, in words.
    pub(super) fn why(&self, error: &WalletError) -> String {
        why(self.texts(), error)
    }

    pub(super) fn refusal(&self, error: &WalletError) -> Markup {
        let t = self.texts();
        let what = why(t, error);
        let (code, what, next) = match wrong_layer(error) {
            Some(Layer::A) => ("wrong_a", t.text("wrong.a"), "next.again"),
            Some(Layer::B) => ("wrong_b", t.text("wrong.b"), "next.again"),
            None => {
                let (code, next) = code_of(error);
                (code, what.as_str(), next)
            }
        };
        let next = t.text(next);
        let language = self.language;
        let refusal = Refusal {
            language,
            code,
            what,
            next,
        };
        html! { (refusal) }
    }
}

/// A stable code, and the key of what to do next.
const fn code_of(error: &WalletError) -> (&'static str, &'static str) {
    if let WalletError::Refused { refusal, .. } = error {
        let next = if matches!(refusal.code, Code::IcCardDeclined) {
            "next.still_open"
        } else {
            "next.refused"
        };
        (refusal.code.word(), next)
    } else if let WalletError::Unfit(why) = error {
        let posing = matches!(why, Unfit::UnknownShop { .. } | Unfit::OtherAddress { .. });
        let next = if posing {
            "next.posing"
        } else {
            "next.ask_shop"
        };
        (why.word(), next)
    } else if let WalletError::NotPayable { why, .. } = error {
        (why.word(), "next.status")
    } else if let WalletError::Card(trouble) = error {
        (trouble.word(), next_with_card(trouble))
    } else if matches!(error, WalletError::InDoubt { .. }) {
        ("in_doubt", "next.doubt")
    } else {
        ("failed", "next.status")
    }
}

const fn next_with_card(trouble: &CardTrouble) -> &'static str {
    match trouble {
        CardTrouble::NoCard
        | CardTrouble::Changed
        | CardTrouble::NoneKnown
        | CardTrouble::Several => "next.lay_on",
        CardTrouble::OtherHolder => "next.own_card",
        CardTrouble::Reader(_) => "next.reader",
        CardTrouble::NotOurs => "next.own_card",
        CardTrouble::Late => "next.again",
        CardTrouble::OrderDiffers(_) | CardTrouble::Command => "next.tell_centre",
    }
}

/// What went wrong, in the page's language; what only a damaged or hostile machine brings about is
/// told in English.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what isn't translated has its English text"
)]
fn why(t: Texts<'_>, error: &WalletError) -> String {
    let key = match error {
        WalletError::ClockBehind(CertificateError::ClockBehind { from, now, .. }) => {
            let (now, from) = (now.to_string(), from.to_string());
            return t.fill("why.clock", &[("now", &now), ("from", &from)]);
        }
        WalletError::Refused { refusal, .. } => return refused(t, refusal),
        WalletError::Unfit(why) => return unfit(t, why),
        WalletError::Call(call) => return not_reached(t, call).unwrap_or_else(|| call.to_string()),
        WalletError::InDoubt { source, .. } => {
            let cause = not_reached(t, source).unwrap_or_else(|| source.to_string());
            return format!("{} {cause}", t.text("why.in_doubt"));
        }
        WalletError::NotPayable { why, .. } => match why {
            Unpayable::TicketsByHold => "why.by_hold",
            Unpayable::PostByHold => "why.post_by_hold",
            Unpayable::Funds => "why.funds",
            Unpayable::Confirmed => "why.confirmed",
            Unpayable::Expired => "why.expired",
            Unpayable::Held => "why.held",
            Unpayable::Paid | Unpayable::Delivered => "why.paid",
            Unpayable::Closed => "why.closed",
            Unpayable::AtCard => "why.at_card",
        },
        WalletError::Card(trouble) => return at_card(t, trouble),
        WalletError::CardInDoubt { source } => return why(t, source),
        WalletError::Input(_) => "why.input",
        WalletError::NotRegistered => "why.not_registered",
        WalletError::NeedsKeyword => "why.keyword",
        WalletError::OnCard(_) => "why.on_card",
        WalletError::NeedsB(_) => "why.needs_b",
        WalletError::MayCount => "why.may_count",
        WalletError::NoSuch { .. } => "why.none",
        other => return other.to_string(),
    };
    t.text(key).to_owned()
}

/// Something about a card that the centre has nothing to do with.
fn at_card(t: Texts<'_>, trouble: &CardTrouble) -> String {
    let key = match trouble {
        CardTrouble::NoCard => "card_trouble.none",
        CardTrouble::Changed => "card_trouble.changed",
        CardTrouble::Reader(why) => return t.fill("card_trouble.reader", &[("why", why)]),
        CardTrouble::NotOurs => "card_trouble.foreign",
        CardTrouble::OrderDiffers(why) => return t.fill("card_trouble.differs", &[("why", why)]),
        CardTrouble::Late => "card_trouble.late",
        CardTrouble::Command => "card_trouble.command",
        CardTrouble::NoneKnown => "ic.none",
        CardTrouble::Several => "card_trouble.several",
        CardTrouble::OtherHolder => "card_trouble.other_holder",
    };
    t.text(key).to_owned()
}

/// A bill that a link named and that isn't paid.
fn unfit(t: Texts<'_>, why: &Unfit) -> String {
    match why {
        Unfit::Address(text) => t.fill("unfit.address", &[("text", text)]),
        Unfit::UnknownShop { address, .. } => t.fill("unfit.unknown_shop", &[("address", address)]),
        Unfit::OtherAddress {
            shop,
            given,
            recorded,
        } => {
            let values = [("shop", &**shop), ("given", given), ("recorded", recorded)];
            t.fill("unfit.other_address", &values)
        }
        Unfit::NoBill { shop } => t.fill("unfit.no_bill", &[("shop", shop)]),
        Unfit::OtherBill { shop } => t.fill("unfit.other_bill", &[("shop", shop)]),
        Unfit::Unsound { shop, .. } => t.fill("unfit.unsound", &[("shop", shop)]),
        Unfit::OtherKind => t.text("unfit.other_kind").to_owned(),
        Unfit::Currency { bill, account } => {
            t.fill("unfit.currency", &[("bill", bill), ("account", account)])
        }
    }
}

/// A signed no. Codes that no member gets have no translation.
fn refused(t: Texts<'_>, refusal: &tegata_protocol::refusal::Refusal) -> String {
    let key = format!("refusal.{}", refusal.code.word());
    let text = t.text(&key);
    let text = if text == key {
        refusal.code.text()
    } else {
        text
    };
    match &refusal.detail {
        Some(detail) => format!("{text} ({detail})"),
        None => text.to_owned(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what isn't translated has its English text"
)]
fn not_reached(t: Texts<'_>, error: &CallError) -> Option<String> {
    match error {
        CallError::Unreachable { address, .. } => {
            Some(t.fill("why.unreachable", &[("address", address)]))
        }
        CallError::Busy { address, seconds } => {
            let seconds = seconds.to_string();
            Some(t.fill("why.busy", &[("address", address), ("seconds", &seconds)]))
        }
        CallError::Fault { address, .. } => Some(t.fill("why.fault", &[("address", address)])),
        _ => None,
    }
}

/// Which password was wrong, if one was.
pub(super) const fn wrong_layer(error: &WalletError) -> Option<Layer> {
    if let WalletError::Vault(VaultError::WrongPassword { layer }) = error {
        return Some(*layer);
    }
    None
}

/// What B is called in this wallet.
pub(super) fn b_label(wallet: &Wallet) -> &'static str {
    match wallet.form() {
        PasswordForm::One => "field.only",
        PasswordForm::Two => "field.b",
    }
}
