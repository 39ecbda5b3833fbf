//! A page on which strokes are drawn for the key's seed (M5).
//!
//! ```text
//! one-time link (printed by the program) ──▶ the sheet ──points──▶ this process, in memory
//! ```
//! The same rules as for the wallet's page: own host names only, posted things from its own origin
//! with the page's token, a host-only cookie that came with the link. The server stands on any free
//! port for as long as one drawing takes. Points are read by [`Strokes::parse`], handed to whoever
//! asked for them, and neither logged nor written down. They aren't the seed: the system's
//! randomness always goes in, strokes or none.

use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Form, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use tegata_cli::exit::Failure;
use tegata_http::{
    HttpError, Listed, Posts, Routes, Uncounted,
    same_origin::SameOrigin,
    serve::{self, Bound, Hosts, Limits, Stop},
};
use tegata_pages::{
    Language, Messages, Page, Role, Texts, Tone, dress, notice,
    pad::{self, Pad},
    secondary_button,
};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::{FOREIGN, HOST, ONE_PERSON, desk::cookie_of, token::Token};
use crate::vault::{Strokes, StrokesError};

const EN: &str = include_str!("../../messages/draw-en.toml");
const JA: &str = include_str!("../../messages/draw-ja.toml");
static MESSAGES: LazyLock<Messages> = LazyLock::new(|| Messages::embedded(EN, JA));

/// The most bytes of a drawing: as many points as the page takes, in their longest form.
const LONGEST: usize = pad::MOST as usize * 36;

/// How long somebody may be away before the page gives up, unless told otherwise: ten minutes.
pub const WAIT_SECONDS: u64 = 600;

/// What is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To be mixed into new keys at once. One can go on without.
    Keys,
    /// To be written to a file.
    File,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// Somebody drew.
    Drawn(Drawing),
    /// Somebody would rather go on without.
    Declined,
    /// Nobody came, or nobody went on.
    Nobody,
}

/// Strokes and the text they were read from. The text is erased from memory with it.
pub struct Drawing {
    /// What goes into the seed.
    pub strokes: Strokes,
    text: Zeroizing<String>,
}

impl Drawing {
    /// The strokes as a strokes file has them.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drawing(…)")
    }
}

/// Shows the page until something came of it. `announce` gets the one-time link. Each page that is
/// loaded gives `wait` anew.
///
/// # Errors
/// When the system has no port or thread for it.
pub fn run(purpose: Use, wait: Duration, announce: impl FnOnce(&str)) -> Result<Outcome, Failure> {
    // No signals are caught: there's nothing to put away, and who asks for passwords afterwards
    // must be stopped by Ctrl-C as before.
    serve::runtime()?.block_on(async {
        let (stop, stopper) = Stop::by_hand();
        let bound = Bound::unannounced().await?.with_limits(Limits {
            grace: Duration::from_secs(1),
            connections: 64,
            ..Limits::default()
        });
        let port = bound.address().map_or(0, |a| a.port());
        let easel = Arc::new(Easel::new(purpose, port));
        let serving = tokio::spawn(bound.run(router(Arc::clone(&easel)), stop));
        announce(&easel.link());
        let outcome = easel.settled(wait).await;
        // Whoever is being answered still gets the answer.
        stopper.stop();
        drop(serving.await);
        Ok(outcome)
    })
}

/// The page's state: one person, one drawing.
#[derive(Debug)]
pub struct Easel {
    purpose: Use,
    port: u16,
    inside: Mutex<Inside>,
    /// Somebody was here.
    seen: Notify,
}

#[derive(Debug)]
struct Inside {
    /// Unused as yet.
    link: Option<Token>,
    cookie: Option<Token>,
    /// Comes with everything that is posted.
    csrf: Token,
    /// What came of it, until it's fetched.
    outcome: Option<Outcome>,
    settled: bool,
}

impl Easel {
    /// An easel with a fresh one-time link.
    pub fn new(purpose: Use, port: u16) -> Self {
        let inside = Inside {
            link: Some(Token::random()),
            cookie: None,
            csrf: Token::random(),
            outcome: None,
            settled: false,
        };
        Self {
            purpose,
            port,
            inside: Mutex::new(inside),
            seen: Notify::new(),
        }
    }

    /// The address that opens the page, once.
    pub fn link(&self) -> String {
        let inside = self.lock();
        let token = inside.link.as_ref().map_or("", Token::text);
        format!("http://{HOST}:{}/open/{token}", self.port)
    }

    /// What has come of it, if anything has. It's given once.
    pub fn take(&self) -> Option<Outcome> {
        self.lock().outcome.take()
    }

    async fn settled(&self, wait: Duration) -> Outcome {
        loop {
            if let Some(outcome) = self.take() {
                return outcome;
            }
            if tokio::time::timeout(wait, self.seen.notified())
                .await
                .is_err()
            {
                return self.take().unwrap_or(Outcome::Nobody);
            }
        }
    }

    /// Uses the link up; gives the line that sets the cookie.
    fn use_link(&self, token: &str) -> Option<String> {
        let mut inside = self.lock();
        if !inside.link.as_ref().is_some_and(|link| link.is(token)) {
            return None;
        }
        inside.link = None;
        let cookie = Token::random();
        let line = format!(
            "{}={}; Path=/; HttpOnly; SameSite=Strict",
            self.cookie_name(),
            cookie.text()
        );
        inside.cookie = Some(cookie);
        Some(line)
    }

    fn cookie_name(&self) -> String {
        format!("tegata-draw-{}", self.port)
    }

    /// Has this visitor come by the link?
    fn knows(&self, headers: &HeaderMap) -> bool {
        let given = cookie_of(headers, &self.cookie_name());
        let inside = self.lock();
        matches!((&inside.cookie, given), (Some(token), Some(given)) if token.is(given))
    }

    fn is_our_form(&self, csrf: &str) -> bool {
        self.lock().csrf.is(csrf)
    }

    /// Only the first thing counts.
    fn settle(&self, outcome: Outcome) -> bool {
        let mut inside = self.lock();
        if inside.settled {
            return false;
        }
        inside.settled = true;
        inside.outcome = Some(outcome);
        drop(inside);
        self.seen.notify_one();
        true
    }

    /// A handler that panicked has left nothing half-done in here.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Here = State<Arc<Easel>>;

/// All pages.
pub fn router(easel: Arc<Easel>) -> Router {
    let own = Posts::OwnPages(SameOrigin::plain(FOREIGN));
    let router = routes().into_router(own).with_state(easel);
    serve::host_guard(dress(router), Hosts::new([HOST]))
}

/// All pages with what they cost.
pub fn costs() -> Vec<Listed<Infallible>> {
    routes().list().to_vec()
}

fn routes() -> Routes<Arc<Easel>, Uncounted> {
    Routes::new(Arc::new(Uncounted))
        .get("/open/{token}", ONE_PERSON, open)
        .get("/", ONE_PERSON, sheet)
        .post("/strokes", ONE_PERSON, strokes)
        .post("/without", ONE_PERSON, without)
        .get(pad::SCRIPT_PATH, ONE_PERSON, pad::script)
        .fallback(outside)
        .body_limit(LONGEST)
}

/// The one-time link; whoever came by it may load the page again.
async fn open(
    State(easel): Here,
    language: Language,
    uri: Uri,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Response {
    match easel.use_link(&token) {
        Some(cookie) => {
            let page = sheet_page(&easel, language, &uri);
            ([(header::SET_COOKIE, cookie)], page).into_response()
        }
        None => sheet(State(easel), language, uri, headers).await,
    }
}

async fn sheet(State(easel): Here, language: Language, uri: Uri, headers: HeaderMap) -> Response {
    if !easel.knows(&headers) {
        return outside(language, uri).await;
    }
    sheet_page(&easel, language, &uri).into_response()
}

/// The points, as a strokes file has them.
async fn strokes(
    State(easel): Here,
    language: Language,
    headers: HeaderMap,
    text: String,
) -> Result<StatusCode, HttpError> {
    let t = MESSAGES.of(language);
    let text = Zeroizing::new(text);
    let refused = |status, word, text: String| Err(HttpError::new(status, word).text(text));
    let token = headers.get(pad::TOKEN_HEADER).and_then(|v| v.to_str().ok());
    if !easel.knows(&headers) || !token.is_some_and(|token| easel.is_our_form(token)) {
        let text = t.text("outside.what").to_owned();
        return refused(StatusCode::FORBIDDEN, "outside", text);
    }
    let strokes = match Strokes::parse(&text) {
        Ok(strokes) => strokes,
        Err(error) => {
            return refused(StatusCode::UNPROCESSABLE_ENTITY, "strokes", wrong(t, error));
        }
    };
    if easel.settle(Outcome::Drawn(Drawing { strokes, text })) {
        return Ok(StatusCode::NO_CONTENT);
    }
    let text = t.text("wrong.settled").to_owned();
    refused(StatusCode::CONFLICT, "settled", text)
}

/// What is wrong with a drawing, in the page's language.
fn wrong(t: Texts<'_>, error: StrokesError) -> String {
    match error {
        StrokesError::TooFew { points } => {
            t.fill("wrong.too_few", &[("points", &points.to_string())])
        }
        StrokesError::TooMany => t.text("wrong.too_many").to_owned(),
        StrokesError::Line { .. } | StrokesError::Backwards { .. } => {
            t.text("wrong.unreadable").to_owned()
        }
    }
}

#[derive(Deserialize)]
struct WithoutForm {
    csrf: String,
}

/// Somebody goes on without a drawing.
async fn without(
    State(easel): Here,
    language: Language,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form<WithoutForm>,
) -> Response {
    if !easel.knows(&headers) || !easel.is_our_form(&form.csrf) || easel.purpose != Use::Keys {
        return outside(language, uri).await;
    }
    easel.settle(Outcome::Declined);
    let t = MESSAGES.of(language);
    let body = notice(Tone::Plain, t.text("without.done"));
    bare(language, &uri, "without.title")
        .body(body)
        .into_response()
}

/// Without the link nothing is shown.
async fn outside(language: Language, uri: Uri) -> Response {
    let t = MESSAGES.of(language);
    bare(language, &uri, "outside.title")
        .status(StatusCode::FORBIDDEN)
        .body(html! { p { (t.text("outside.what")) } })
        .into_response()
}

fn bare(language: Language, uri: &Uri, title: &'static str) -> Page {
    let t = MESSAGES.of(language);
    Page::new(language, Role::Wallet, t.text("name"), t.text(title)).here(uri)
}

fn sheet_page(easel: &Easel, language: Language, uri: &Uri) -> Page {
    // Somebody is here: that counts as life.
    easel.seen.notify_one();
    let t = MESSAGES.of(language);
    let token = easel.lock().csrf.text().to_owned();
    let pad = Pad {
        language,
        action: "/strokes",
        token: &token,
    };
    let body = html! {
        p data-pad="before" { (t.text("draw.what")) }
        (pad)
        div data-pad="before" { (worth(t, easel.purpose)) }
        @if easel.purpose == Use::Keys {
            form data-pad="before" method="post" action="/without" {
                input type="hidden" name="csrf" value=(token);
                p { (t.text("without.what")) }
                (secondary_button(t.text("without.button")))
            }
        }
        div data-pad="done" tabindex="-1" hidden {
            (notice(Tone::Good, t.text(match easel.purpose {
                Use::Keys => "done.keys",
                Use::File => "done.file",
            })))
        }
    };
    bare(language, uri, "draw.title")
        .script(pad::SCRIPT_PATH)
        .body(body)
}

/// What a drawing is worth, and where it stays.
fn worth(t: Texts<'_>, purpose: Use) -> Markup {
    let kept = match purpose {
        Use::Keys => "draw.kept_nowhere",
        Use::File => "draw.kept_in_file",
    };
    html! {
        h2 { (t.text("draw.worth")) }
        p { (t.text("draw.mixed")) }
        p { (t.text(kept)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_the_same_in_both_languages() {
        assert_eq!(Messages::problems(EN, JA), [""; 0]);
    }

    fn drawing() -> Outcome {
        let text: String = (0..64).map(|i| format!("{i} {i} {i}\n")).collect();
        let strokes = Strokes::parse(&text).unwrap();
        let text = Zeroizing::new(text);
        Outcome::Drawn(Drawing { strokes, text })
    }

    #[test]
    fn only_the_first_thing_counts_and_its_points_are_shown_to_no_log() {
        let easel = Easel::new(Use::Keys, 1);
        assert!(easel.take().is_none());
        assert!(easel.settle(drawing()));
        assert!(!easel.settle(Outcome::Declined));
        let outcome = easel.take();
        assert_eq!(format!("{outcome:?}"), "Some(Drawn(Drawing(…)))");
        assert!(!easel.settle(drawing()), "nor once it was fetched");
        assert!(easel.take().is_none());
    }

    #[tokio::test]
    async fn a_page_that_is_looked_at_ends_nothing() {
        let easel = Arc::new(Easel::new(Use::Keys, 1));
        let waiting = {
            let easel = Arc::clone(&easel);
            tokio::spawn(async move { easel.settled(Duration::from_secs(3600)).await })
        };
        for _ in 0..3 {
            drop(sheet_page(&easel, Language::En, &Uri::from_static("/")));
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
        }
        assert!(easel.settle(Outcome::Declined));
        assert!(matches!(waiting.await.unwrap(), Outcome::Declined));
    }

    #[tokio::test]
    async fn who_draws_at_the_last_moment_is_heard() {
        let easel = Easel::new(Use::Keys, 1);
        let nobody = easel.settled(Duration::ZERO).await;
        assert!(matches!(nobody, Outcome::Nobody));
        assert!(easel.settle(drawing()));
        let drawn = easel.settled(Duration::ZERO).await;
        assert!(matches!(drawn, Outcome::Drawn(_)));
    }
}
