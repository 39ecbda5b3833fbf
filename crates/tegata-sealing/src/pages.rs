//! The service's pages: whose keys are left, and the log of programs. Anybody may see both; nobody
//! types anything here.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use tegata_cli::logs::cause;
use tegata_http::error::{FAULT, Failed, TOO_MANY, error_pages};
use tegata_http::same_origin::SameOrigin;
use tegata_http::{Cost, HttpError, Listed, Posts, Routes};
use tegata_pages::{
    Column, Language, Link, Messages, Page, Refusal, Role, Table, Texts, Tone, code, notice,
};
use tegata_protocol::order::{Pile, ProgramEntry};
use tegata_protocol::{PartyNumber, Suite};

use crate::programs::{self, LogError};
use crate::server::stored;
use crate::service::{Class, Service};
use crate::store::StoreError;

const EN: &str = include_str!("../messages/en.toml");
const JA: &str = include_str!("../messages/ja.toml");
static MESSAGES: LazyLock<Messages> = LazyLock::new(|| Messages::embedded(EN, JA));

#[derive(Clone, Debug)]
struct Front {
    service: Arc<Service>,
}

/// What forms of other sites' pages get.
const FOREIGN: &str = "This form didn't come from the service's own page. Nothing was done.\n";

/// The pages' routes, and the page for every other address.
pub fn router(service: &Arc<Service>) -> Router {
    let front = Front {
        service: Arc::clone(service),
    };
    let own = SameOrigin::at(service.registered().address(), FOREIGN);
    let router = routes(service).into_router(Posts::OwnPages(own));
    let drawn = front.clone();
    let draw = move |parts: &Parts, failed| error_page(&drawn, parts, failed);
    error_pages(router, draw).with_state(front)
}

/// The pages' routes with what they cost.
pub fn costs(service: &Arc<Service>) -> Vec<Listed<Class>> {
    routes(service).list().to_vec()
}

fn routes(service: &Arc<Service>) -> Routes<Front, Service> {
    let read = Cost::Free("a page that only reads");
    Routes::new(Arc::clone(service))
        .get("/", read, stock)
        // Every entry's signature is verified for it.
        .get("/log", Cost::Counted(Class::Keys), log)
        .fallback(missing)
}

/// The page that says why there's no other.
fn error_page(front: &Front, parts: &Parts, failed: Failed) -> Option<Response> {
    let language = Language::of_request(&parts.uri, &parts.headers);
    let t = MESSAGES.of(language);
    let [title, what, next] = match failed.word {
        FAULT => ["fault.title", "fault.what", "fault.next"],
        TOO_MANY => ["too_many.title", "too_many.what", "too_many.next"],
        NO_PAGE => ["missing.title", "missing.what", "missing.next"],
        _ => return None,
    };
    let refusal = Refusal {
        language,
        code: failed.word,
        what: t.text(what),
        next: t.text(next),
    };
    let page = front.page(language, &parts.uri, t.text(title)).body(html! {
        (refusal)
        @if failed.status == StatusCode::NOT_FOUND {
            p { a.button href="/" { (t.text("missing.back")) } }
        }
    });
    Some(page.into_response())
}

const NO_PAGE: &str = "no_page";

async fn missing() -> HttpError {
    HttpError::missing(NO_PAGE)
}

impl Front {
    fn page(&self, language: Language, uri: &Uri, title: &str) -> Page {
        let t = MESSAGES.of(language);
        let menu = [
            Link::new(t.text("menu.stock"), "/"),
            Link::new(t.text("menu.log"), "/log"),
        ];
        Page::new(
            language,
            Role::Sealing,
            self.service.registered().name(),
            title,
        )
        .here(uri)
        .menu(menu)
    }
}

/// A shop as the pages show it: number, name, and what is left of its keys.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its number.
    pub number: PartyNumber,
    /// Its name; empty for the centre.
    pub name: String,
    /// Its keys.
    pub piles: Vec<Pile>,
    /// Keys that the service made for it and that it hasn't fetched.
    pub waiting: u64,
}

/// Everybody who has keys here.
///
/// # Errors
/// [`StoreError`].
pub fn stocks(service: &Service) -> Result<Vec<Shown>, StoreError> {
    let (low, now) = (service.rules().low, service.now());
    let numbers = service.store().read(|tables| tables.recipients())?;
    let shown = numbers.into_iter().map(|number| {
        let record = service.shop(number)?;
        let profile = record.as_ref().and_then(|record| record.profile.as_ref());
        let (piles, waiting) = service.store().read(|tables| {
            let waiting = tables.made_waiting(number)?;
            Ok::<_, StoreError>((tables.piles(number, low, now)?, waiting))
        })?;
        Ok(Shown {
            number,
            name: profile.map_or(String::new(), |profile| profile.name.clone()),
            piles,
            waiting,
        })
    });
    shown.collect()
}

async fn stock(
    State(front): State<Front>,
    language: Language,
    uri: Uri,
) -> Result<Page, HttpError> {
    let shops = stocks(&front.service).map_err(stored)?;
    let (t, rules) = (MESSAGES.of(language), front.service.rules());
    let page = front.page(language, &uri, t.text("stock.title"));
    Ok(page.body(html! {
        p { (t.text("stock.intro")) }
        @if rules.shared { (notice(Tone::Careful, t.text("stock.danger_shared"))) }
        @if !rules.makes_for.is_empty() { (notice(Tone::Careful, t.text("stock.danger_made"))) }
        @if shops.is_empty() { (notice(Tone::Plain, t.text("stock.none"))) }
        @for shop in &shops { (table_of(t, shop)) }
    }))
}

fn table_of(t: Texts<'static>, shop: &Shown) -> Markup {
    let name = match shop.name.as_str() {
        "" => t.text("stock.centre"),
        name => name,
    };
    let number = shop.number.to_string();
    let caption = t.fill("stock.of", &[("name", name), ("number", &number)]);
    let columns = [
        Column::text(t.text("stock.kind")),
        Column::text(t.text("stock.suite")),
        Column::number(t.text("stock.left")),
        Column::text(t.text("stock.state")),
        Column::text(t.text("stock.fallback")),
    ];
    let rows = shop.piles.iter().map(|pile| {
        let state = if pile.low {
            "stock.low"
        } else {
            "stock.enough"
        };
        let until = pile.fallback_until.map(|until| until.to_string());
        let until = until.unwrap_or_else(|| t.text("stock.no_fallback").to_owned());
        vec![
            code(&pile.scheme.to_string()),
            html! { (suite_word(pile.suite)) },
            html! { (pile.left) },
            html! { (t.text(state)) },
            html! { (until) },
        ]
    });
    let table = Table::new(t.language(), &caption, columns);
    html! { (table.rows(rows).when_empty(t.text("stock.no_pile"))) }
}

/// What a suite is called in settings and addresses.
pub(crate) const fn suite_word(suite: Option<Suite>) -> &'static str {
    match suite {
        None => "–",
        Some(Suite::Compact) => "compact",
        Some(Suite::Standard) => "standard",
    }
}

async fn log(State(front): State<Front>, language: Language, uri: Uri) -> Result<Page, HttpError> {
    let (t, service) = (MESSAGES.of(language), &front.service);
    let key = service.registered().keys.signing().verifying_key();
    let body = match programs::check(service.store(), service.dir(), &key) {
        Ok(entries) => log_table(t, &entries),
        Err(LogError::Store(error)) => return Err(stored(error)),
        Err(error) => {
            tracing::error!(error = cause(&error), "the log of programs isn't good");
            let what = t.fill("log.damaged", &[("why", &error.to_string())]);
            let (next, code) = (t.text("log.damaged_next"), "log_damaged");
            html! { (Refusal { language, code, what: &what, next }) }
        }
    };
    let key = key.id().to_string();
    let values = [("key", key.as_str()), ("path", "/v1/log")];
    Ok(front.page(language, &uri, t.text("log.title")).body(html! {
        p { (t.text("log.intro")) }
        (body)
        p.small { (t.fill("log.key", &values)) }
    }))
}

fn log_table(t: Texts<'static>, entries: &[ProgramEntry]) -> Markup {
    let columns = [
        Column::number(t.text("log.number")),
        Column::text(t.text("log.program")),
        Column::number(t.text("log.bytes")),
        Column::text(t.text("log.published")),
    ];
    let rows = entries.iter().zip(1..).map(|(entry, place)| {
        let published = entry.published.to_string();
        vec![
            html! { (entry.sequence) },
            html! {
                (code(&entry.program.to_string()))
                @if place == entries.len() { " " small { (t.text("log.current")) } }
            },
            html! { (entry.length) },
            html! { (published.trim_end_matches(" UTC")) },
        ]
    });
    html! { (Table::new(t.language(), t.text("log.caption"), columns).rows(rows)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_the_same_in_both_languages() {
        assert_eq!(Messages::problems(EN, JA), [""; 0]);
    }
}
