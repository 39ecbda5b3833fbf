//! What the centre answers over HTTP: messages, certificates, and the pages of joining.
//!
//! All of it is served on a Unix socket to the guard, which is the only listener; operators' orders
//! come on another socket.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{FromRequestParts, Path, Request, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use maud::html;
use tegata_cli::clock;
use tegata_http::{
    Cbor, Cost, Counter, HttpError, Listed, Posts, Routes, Uncounted,
    error::{FAULT, Failed, TOO_MANY, error_pages},
    rate_limit::{Permit, TooMany},
    same_origin::SameOrigin,
    work::blocking,
};
use tegata_pages::{
    Column, Language, Link, Messages, Page, Refusal, Role as PageRole, Table, Texts, definitions,
    dress,
    order::{PAGE_SCRIPT, page_script},
};
use tegata_protocol::{Digest, Time, cbor, envelope::SEALED_LIMIT};

use crate::{
    operator::{OPERATOR_LIMIT, OrderError},
    programs,
    rate_limits::Class,
    readiness::Readiness,
    {Answered, Centre},
};

mod apply;

static MESSAGES: std::sync::LazyLock<Messages> = std::sync::LazyLock::new(|| {
    Messages::embedded(
        include_str!("../messages/en.toml"),
        include_str!("../messages/ja.toml"),
    )
});

/// What the routes need.
#[derive(Debug)]
pub struct Web {
    /// The centre.
    pub centre: Arc<Centre>,
    /// The terms' text.
    pub terms: String,
    /// The centre's data folder: programs lie in it.
    pub data: std::path::PathBuf,
    /// Programs that were asked for, each once in memory, however many fetch it.
    pub downloads: Mutex<HashMap<Digest, Bytes>>,
    /// Whether it can do its work.
    pub readiness: Readiness,
}

type Shared = State<Arc<Web>>;

/// What forms of other sites' pages get.
const FOREIGN: &str = "This form didn't come from the centre's own page. Nothing was done.\n";

/// The routes that the guard forwards to.
pub fn public(web: Arc<Web>) -> Router {
    // Nothing rests on who applies, and programs may; but no other site's page may have its visitors do
    // it, each from an address of their own.
    let own = || {
        let own = SameOrigin::at(&web.centre.settings.address, FOREIGN).or_a_program();
        Posts::OwnPages(own)
    };
    let drawn = web.clone();
    let draw = move |parts: &Parts, failed| error_page(&drawn, parts, failed);
    let pages = error_pages(pages(&web).into_router(own()), draw);
    let signed = Posts::Anybodys("sealed and signed: no cookie counts here");
    let calls = calls(&web).into_router(signed);
    let sealed = apply::calls(&web).into_router(own());
    let router = dress(pages).merge(calls).merge(sealed);
    apply::beside_frames(&web, router.with_state(web.clone()))
}

/// The routes of the operators' socket.
pub fn operators(web: Arc<Web>) -> Router {
    let router = operators_routes().into_router(Posts::Anybodys(OPERATORS));
    router.with_state(web)
}

/// All routes with what they cost.
pub fn costs(web: &Arc<Web>) -> Vec<Listed<Class>> {
    let routes = [pages(web), calls(web), apply::calls(web)];
    let lists = routes.iter().map(|routes| routes.list().to_vec());
    lists.collect::<Vec<_>>().concat()
}

fn pages(web: &Arc<Web>) -> Routes<Arc<Web>, Web> {
    let read = Cost::Free("a page that only reads");
    Routes::new(web.clone())
        .get("/", read, guide)
        .get("/terms", read, terms)
        .get("/programs", read, programs_page)
        .get(PAGE_SCRIPT, FIXED, page_script)
        .merge(apply::pages(web))
}

fn calls(web: &Arc<Web>) -> Routes<Arc<Web>, Web> {
    let message = Cost::Free("the guard counts addresses, the centre parties whose signature held");
    let health = Cost::Free("nothing is looked at");
    let ready = Cost::Free("looked at once a second, whoever asks");
    Routes::new(web.clone())
        .post("/v1/message", message, self::message)
        .get("/v1/certificates", FIXED, certificates)
        .get("/v1/terms/{digest}", FIXED, terms_text)
        .get("/programs/{name}", FIXED, program)
        .get("/healthz", health, || async { "ok\n" })
        .get("/readyz", ready, self::ready)
        .body_limit(SEALED_LIMIT)
}

/// Why what comes on the operators' socket isn't counted.
const OPERATORS: &str = "only the centre's own user can open this socket";

const FIXED: Cost<Class> = Cost::Free("the same bytes for everybody, from memory");

fn operators_routes() -> Routes<Arc<Web>, Uncounted> {
    Routes::new(Arc::new(Uncounted))
        .post("/order", Cost::Free(OPERATORS), order)
        .body_limit(OPERATOR_LIMIT)
}

impl Counter for Web {
    type Class = Class;

    fn count(&self, class: Class, sender: IpAddr) -> Result<Permit, TooMany> {
        self.centre.rate_limits.address(class, sender, now())
    }

    /// The guard says whose request it is, and nobody else reaches this socket.
    fn sender(&self, request: &Request) -> Option<IpAddr> {
        let named = text_of(request.headers(), "x-forwarded-for");
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        named.map_or(Some(here), |named| named.parse().ok())
    }
}

/// The page that says why there's no other; programs get what they understand.
fn error_page(web: &Web, parts: &Parts, failed: Failed) -> Option<Response> {
    let [title, what, next] = match failed.word {
        TOO_MANY => ["too_many.title", "too_many.what", "too_many.next"],
        apply::NOT_PRIVATE => ["apply.title", "apply.clear", "apply.clear_next"],
        _ => return None,
    };
    if wants_json(&parts.headers) {
        return None;
    }
    let language = Language::of_request(&parts.uri, &parts.headers);
    let t = MESSAGES.of(language);
    let refusal = Refusal {
        language,
        code: failed.word,
        what: t.text(what),
        next: t.text(next),
    };
    let page = web.page(language, t.text(title), &parts.uri);
    Some(page.body(html! { (refusal) }).into_response())
}

/// Who looks at a page that needs to know more than a language.
struct Visit {
    language: Language,
    uri: Uri,
    headers: HeaderMap,
}

impl Visit {
    fn texts(&self) -> Texts<'static> {
        MESSAGES.of(self.language)
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            language: Language::of_request(&parts.uri, &parts.headers),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
        })
    }
}

/// Browsers name HTML among what they take, programs that want JSON don't.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = text_of(headers, "accept");
    accept.is_some_and(|v| v.contains("application/json") && !v.contains("text/html"))
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn now() -> Time {
    Time::from_secs(clock::now())
}

/// What is too long, or breaks off, is as unreadable as anything else that can't be read.
async fn message(
    State(web): Shared,
    body: Result<Bytes, BytesRejection>,
) -> Result<Cbor, HttpError> {
    let answered = match body {
        Ok(body) => web.centre.accept(&body, now()).await,
        Err(_) => Answered::Unreadable,
    };
    match answered {
        Answered::Reply(bytes) => Ok(Cbor(bytes)),
        Answered::Unreadable => Err(HttpError::new(StatusCode::BAD_REQUEST, "unreadable")),
        Answered::Busy => {
            let busy = HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "busy");
            Err(busy.retry_after(1).bare())
        }
        Answered::TooFast(seconds) => Err(TooMany { seconds }.into()),
        // Why was logged where it was found.
        Answered::Fault => {
            web.readiness.doubt();
            Err(HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, FAULT).bare())
        }
    }
}

/// Can the centre do its work? Why not stands in the log.
async fn ready(State(web): Shared) -> Result<&'static str, HttpError> {
    let ready = blocking(move || web.readiness.is_ready(clock::monotonic_millis()));
    if ready.await? {
        return Ok("ready\n");
    }
    let not_ready = HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready");
    Err(not_ready.text("not ready\n"))
}

async fn certificates(State(web): Shared) -> Cbor {
    Cbor(cbor::encode(&web.centre.public.certificates))
}

async fn terms_text(State(web): Shared, Path(digest): Path<String>) -> Result<String, HttpError> {
    let known = Digest::from_hex(&digest) == Some(Digest::of(web.terms.as_bytes()));
    let found = known.then(|| web.terms.clone());
    found.ok_or_else(|| HttpError::missing("terms_unknown").bare())
}

/// Operators' replies: the signed reply, or in words why not. An operator is told a fault's reason: it
/// is he who mends it.
async fn order(State(web): Shared, body: Bytes) -> Result<Vec<u8>, HttpError> {
    let centre = web.centre.clone();
    let done = blocking(move || centre.order(&body, now())).await;
    let error = match done.map_err(|broken| broken.text("the order's work broke off\n"))? {
        Ok(signed) => return Ok(signed.into_bytes()),
        Err(error) => error,
    };
    match error {
        OrderError::Unreadable(_) | OrderError::Refused(_) => {
            let refused = HttpError::new(StatusCode::CONFLICT, "refused");
            Err(refused.text(error.to_string()))
        }
        OrderError::Fault(_) | OrderError::ReplyDamaged => {
            web.readiness.doubt();
            let reason = with_causes(&error);
            Err(HttpError::fault("booking an operator's order", error).text(reason))
        }
    }
}

/// An error and what led to it, as one sentence.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let causes = causes.map(|cause| format!(": {cause}"));
    std::iter::once(error.to_string()).chain(causes).collect()
}

impl Web {
    fn page(&self, language: Language, title: &str, here: &Uri) -> Page {
        let t = MESSAGES.of(language);
        let menu = [
            Link::new(t.text("menu.guide"), "/"),
            Link::new(t.text("menu.apply"), "/apply"),
            Link::new(t.text("menu.programs"), "/programs"),
            Link::new(t.text("menu.terms"), "/terms"),
        ];
        let name = self.centre.settings.name.clone();
        Page::new(language, PageRole::Centre, name, title)
            .menu(menu)
            .here(here)
    }
}

async fn guide(State(web): Shared, language: Language, uri: Uri) -> impl IntoResponse {
    let t = MESSAGES.of(language);
    let root = grouped(web.centre.public.root.as_bytes());
    web.page(language, t.text("guide.title"), &uri).body(html! {
        p { (t.fill("guide.welcome", &[("name", &web.centre.settings.name)])) }
        h2 { (t.text("guide.how")) }
        ol {
            li { a href="/apply" { (t.text("guide.step1")) } }
            li { (t.text("guide.step2")) }
            li { a href="/programs" { (t.text("guide.step3")) } }
            li { (t.text("guide.step4")) }
        }
        h2 { (t.text("guide.facts")) }
        (definitions(&[
            (t.text("guide.currency"), html! { (web.centre.settings.currency) }),
            (t.text("guide.load"), html! {
                (web.centre.settings.load_min) " – " (web.centre.settings.load_max)
            }),
            (t.text("guide.root"), html! { code translate="no" { (root) } }),
        ]))
        p.small { (t.text("guide.root_hint")) }
    })
}

fn grouped(bytes: &[u8; 32]) -> String {
    let hex = Digest::from_bytes(*bytes).to_string();
    let groups: Vec<_> = hex
        .as_bytes()
        .chunks(4)
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(" ")
}

/// The programs with their digests, signed (M1).
async fn programs_page(State(web): Shared, language: Language, uri: Uri) -> impl IntoResponse {
    let t = MESSAGES.of(language);
    let offered = programs::offered(&web.data, &web.centre.public);
    let rows = offered.iter().map(|p| {
        let (file, signature) = (
            format!("/programs/{}", p.name),
            format!("/programs/{}.sign1.cbor", p.name),
        );
        vec![
            html! { a href=(file) { (p.name) } },
            html! { (p.edition) },
            html! { (p.length.div_ceil(1024)) " KiB" },
            html! { code translate="no" { (p.digest) } " " a href=(signature) {
                (t.text("programs.signature"))
            } },
        ]
    });
    let columns = [
        Column::text(t.text("programs.name")),
        Column::text(t.text("programs.edition")),
        Column::number(t.text("programs.size")),
        Column::text("SHA-256"),
    ];
    let table = Table::new(language, t.text("programs.caption"), columns).rows(rows);
    web.page(language, t.text("programs.title"), &uri)
        .body(html! {
            p { (t.text("programs.intro")) }
            @if offered.is_empty() { p { (t.text("programs.none")) } } @else { (table) }
            p { (t.text("programs.check")) }
            p { code translate="no" {
                "tegata-centre programs verify FILE --signature FILE.sign1.cbor \
                 --certificates certificates.cbor --root ROOT"
            } }
            p { a href="/v1/certificates" { (t.text("programs.certificates")) } }
        })
}

/// Hands out a program, or its signed digest. Only what is offered: no path leads elsewhere.
async fn program(State(web): Shared, Path(name): Path<String>) -> Result<Response, HttpError> {
    let missing = || HttpError::missing("program_unknown").bare();
    let offered = programs::offered(&web.data, &web.centre.public);
    if let Some(of) = name.strip_suffix(".sign1.cbor") {
        let found = offered.iter().find(|p| p.name == of);
        let found = found.ok_or_else(missing)?;
        return Ok(Cbor(found.signed().as_bytes().to_vec()).into_response());
    }
    let found = offered.into_iter().find(|p| p.name == name);
    let found = found.ok_or_else(missing)?;
    let kept = || web.downloads.lock().unwrap_or_else(PoisonError::into_inner);
    let known = kept().get(&found.digest).cloned();
    let bytes = match known {
        Some(bytes) => bytes,
        None => {
            let path = programs::file_of(&web.data, &found);
            let read = blocking(move || std::fs::read(path)).await?;
            let read = read.map_err(|e| HttpError::fault("reading a program", e).bare())?;
            let bytes = Bytes::from(read);
            kept().insert(found.digest, bytes.clone());
            bytes
        }
    };
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

async fn terms(State(web): Shared, language: Language, uri: Uri) -> impl IntoResponse {
    let t = MESSAGES.of(language);
    web.page(language, t.text("terms.title"), &uri).body(html! {
        pre.text { (web.terms) }
        (definitions(&[(t.text("terms.digest"), html! {
            code translate="no" { (Digest::of(web.terms.as_bytes())) }
        })]))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_languages_say_the_same() {
        let (en, ja) = (
            include_str!("../messages/en.toml"),
            include_str!("../messages/ja.toml"),
        );
        assert_eq!(
            tegata_pages::Messages::problems(en, ja),
            Vec::<String>::new()
        );
    }
}
