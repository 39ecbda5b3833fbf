//! What the centre answers over HTTP: messages, certificates, and the pages of joining.
//!
//! All of it is served on a Unix socket to the guard, which is the only listener; operators' orders
//! come on another socket.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use maud::html;
use tegata_cli::clock;
use tegata_pages::{
    Column, Language, Link, Messages, Page, Role as PageRole, Table, definitions, dress,
};
use tegata_protocol::{Digest, Time, cbor};

use crate::{
    desk::{Answered, Desk},
    operator::{OPERATOR_LIMIT, OrderError},
    programs,
};

mod apply;

static MESSAGES: std::sync::LazyLock<Messages> = std::sync::LazyLock::new(|| {
    Messages::embedded(
        include_str!("../messages/en.toml"),
        include_str!("../messages/ja.toml"),
    )
});

const CBOR: &str = "application/cbor";

/// What the routes need.
#[derive(Debug)]
pub struct Web {
    /// The desk.
    pub desk: Arc<Desk>,
    /// The terms' text.
    pub terms: String,
    /// The centre's data folder: programs lie in it.
    pub data: std::path::PathBuf,
    /// Programs that were asked for, each once in memory, however many fetch it.
    pub downloads: Mutex<HashMap<Digest, Bytes>>,
}

type Shared = State<Arc<Web>>;

/// The routes that the guard forwards to.
pub fn public(web: Arc<Web>) -> Router {
    let pages = Router::new()
        .route("/", get(guide))
        .merge(apply::pages())
        .route("/terms", get(terms))
        .route("/programs", get(programs_page))
        .with_state(web.clone())
        .route(
            tegata_pages::order::PAGE_SCRIPT,
            get(tegata_pages::order::page_script),
        );
    let calls = Router::new()
        .route("/v1/message", post(message))
        .route("/v1/certificates", get(certificates))
        .route("/v1/terms/{digest}", get(terms_text))
        .route("/programs/{name}", get(program))
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(apply::calls())
        .layer(DefaultBodyLimit::max(
            tegata_protocol::envelope::SEALED_LIMIT,
        ))
        .with_state(web.clone());
    apply::beside_frames(&web, dress(pages).merge(calls))
}

/// The routes of the operators' socket.
pub fn operators(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/order", post(order))
        .layer(DefaultBodyLimit::max(OPERATOR_LIMIT))
        .with_state(desk)
}

fn now() -> Time {
    Time::from_secs(clock::now())
}

/// What is too long, or breaks off, is as unreadable as anything else that can't be read.
async fn message(State(web): Shared, body: Result<Bytes, BytesRejection>) -> Response {
    let answered = match body {
        Ok(body) => web.desk.accept(&body, now()).await,
        Err(_) => Answered::Unreadable,
    };
    match answered {
        Answered::Reply(bytes) => ([(header::CONTENT_TYPE, CBOR)], bytes).into_response(),
        Answered::Unreadable => {
            let json = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::BAD_REQUEST, json, "{\"error\":\"unreadable\"}").into_response()
        }
        Answered::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "1")],
        )
            .into_response(),
        Answered::TooFast(seconds) => {
            let wait = [
                (header::RETRY_AFTER, seconds.to_string()),
                (header::CONTENT_TYPE, "application/json".to_owned()),
            ];
            (
                StatusCode::TOO_MANY_REQUESTS,
                wait,
                "{\"error\":\"too_many\"}",
            )
                .into_response()
        }
        Answered::Fault => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn certificates(State(web): Shared) -> Response {
    let bytes = cbor::encode(&web.desk.public.certificates);
    ([(header::CONTENT_TYPE, CBOR)], bytes).into_response()
}

async fn terms_text(State(web): Shared, Path(digest): Path<String>) -> Response {
    if Digest::from_hex(&digest) == Some(Digest::of(web.terms.as_bytes())) {
        web.terms.clone().into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

/// Operators' replies: the signed reply, or in words why not.
async fn order(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let done = tokio::task::spawn_blocking(move || desk.order(&body, now())).await;
    match done {
        Ok(Ok(signed)) => signed.into_bytes().into_response(),
        Ok(Err(error @ (OrderError::Unreadable(_) | OrderError::Refused(_)))) => {
            (StatusCode::CONFLICT, error.to_string()).into_response()
        }
        Ok(Err(OrderError::Fault(fault))) => {
            tracing::error!(
                error = &*fault as &dyn std::error::Error,
                "an order wasn't booked"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
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
        let name = self.desk.house.name.clone();
        Page::new(language, PageRole::Centre, name, title)
            .menu(menu)
            .here(here)
    }
}

async fn guide(State(web): Shared, language: Language, uri: Uri) -> impl IntoResponse {
    let t = MESSAGES.of(language);
    let root = grouped(web.desk.public.root.as_bytes());
    web.page(language, t.text("guide.title"), &uri).body(html! {
        p { (t.fill("guide.welcome", &[("name", &web.desk.house.name)])) }
        h2 { (t.text("guide.how")) }
        ol {
            li { a href="/apply" { (t.text("guide.step1")) } }
            li { (t.text("guide.step2")) }
            li { a href="/programs" { (t.text("guide.step3")) } }
            li { (t.text("guide.step4")) }
        }
        h2 { (t.text("guide.facts")) }
        (definitions(&[
            (t.text("guide.currency"), html! { (web.desk.house.currency) }),
            (t.text("guide.load"), html! {
                (web.desk.house.load_min) " – " (web.desk.house.load_max)
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
    let offered = programs::offered(&web.data, &web.desk.public);
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
async fn program(State(web): Shared, Path(name): Path<String>) -> Response {
    let offered = programs::offered(&web.data, &web.desk.public);
    if let Some(of) = name.strip_suffix(".sign1.cbor") {
        let found = offered.iter().find(|p| p.name == of);
        return match found {
            Some(p) => (
                [(header::CONTENT_TYPE, CBOR)],
                p.signed().as_bytes().to_vec(),
            )
                .into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
    }
    let Some(found) = offered.into_iter().find(|p| p.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kept = || web.downloads.lock().unwrap_or_else(PoisonError::into_inner);
    let known = kept().get(&found.digest).cloned();
    let bytes = match known {
        Some(bytes) => bytes,
        None => {
            let path = programs::file_of(&web.data, &found);
            let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
            let Ok(Ok(read)) = read else {
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            };
            let bytes = Bytes::from(read);
            kept().insert(found.digest, bytes.clone());
            bytes
        }
    };
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
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
