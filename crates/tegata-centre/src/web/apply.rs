//! The application form (M1): sealed in the browser where a sealing service is set (O13), else sent
//! as it is, over TLS or on this machine only.
//!
//! The sealed form's frames stand under a host name of their own, which the guard forwards too; by
//! that name requests are told apart here, and nothing else is served under it.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use axum::{
    Form, Json, Router,
    body::Bytes,
    extract::{Request, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use maud::{Markup, html};
use serde::Deserialize;
use tegata_pages::{
    Field, Language, Page, Refusal, Tone, button, notice,
    order::{self, Checkout, Erase, FieldKind, FormField, Forms, Pins},
};
use tegata_protocol::{
    PartyNumber, SignedBytes,
    refusal::{Code, Refusal as Refused},
};
use tower::ServiceExt as _;

use super::{CBOR, MESSAGES, Shared, Web, now};
use crate::{
    desk::Desk,
    people::SealedError,
    sealed::{Application, Sealing, refusal_of},
    settings::{House, host_of, is_this_machine, origin_of},
};

/// The form's name at the frames' origin.
const FORM: &str = "apply";

/// Who may apply: what is sent, and its text.
const ROLES: [(&str, &str); 4] = [
    ("member", "apply.member"),
    ("shop", "apply.shop"),
    ("gate", "apply.gate"),
    ("sealing", "apply.sealing"),
];

/// The pages.
pub(super) fn pages() -> Router<Arc<Web>> {
    Router::new()
        .route("/apply", get(application_form).post(apply))
        .route("/applied", get(applied))
}

/// What the sealed form calls.
pub(super) fn calls() -> Router<Arc<Web>> {
    Router::new()
        .route("/v1/orders", post(take_sealed))
        .route("/v1/orders/token", post(fresh_token))
}

/// Requests under the frames' name get the frames, all others the centre.
pub(super) fn beside_frames(web: &Arc<Web>, centre: Router) -> Router {
    let Some(sealing) = &web.desk.sealing else {
        return centre;
    };
    let name = host_of(&sealing.frames);
    let frames = order::frames(Arc::new(ApplicationForms(web.desk.clone())));
    Router::new().fallback(move |request: Request| {
        let router = match host(request.headers()) == Some(name.clone()) {
            true => frames.clone(),
            false => centre.clone(),
        };
        router.oneshot(request)
    })
}

fn host(headers: &HeaderMap) -> Option<String> {
    text_of(headers, "host").map(host_of)
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

// ---- The page ------------------------------------------------------------------------------------

async fn application_form(
    State(web): Shared,
    language: Language,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    match &web.desk.sealing {
        Some(sealing) => sealed_page(&web, sealing, language, &uri, &headers),
        None if is_private(&headers, &web.desk.house) => {
            form_page(&web, language, &uri, &Application::default(), None).into_response()
        }
        None => refuse_clear(&web, language, &uri, &headers),
    }
}

fn sealed_page(
    web: &Web,
    sealing: &Sealing,
    language: Language,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response {
    let (t, address) = (MESSAGES.of(language), &web.desk.house.address);
    let page = web.page(language, t.text("apply.title"), uri);
    // The frames let themselves be shown by the centre's own address only.
    if host(headers) != Some(host_of(address)) {
        let there = format!("{address}/apply");
        let body = html! { p { (t.text("apply.elsewhere")) " " a href=(there) { (there) } } };
        return page.body(body).into_response();
    }
    let token = match web.desk.application_token(now()) {
        Ok(token) => token,
        Err(error) => return failed(&error),
    };
    let service = &sealing.rules.service.address;
    let form = order::checkout(&Checkout {
        language,
        frames: &sealing.frames,
        form: FORM,
        token: token.as_bytes(),
        lines: &[],
        service,
        certificate: b"",
        done: "/applied",
    });
    page.script(order::PAGE_SCRIPT)
        .embeds(&sealing.frames, &origin_of(service))
        .body(html! {
            p { (t.text("apply.intro")) }
            p { (t.text("apply.sealed")) }
            (form)
        })
        .into_response()
}

fn form_page(
    web: &Web,
    language: Language,
    uri: &Uri,
    form: &Application,
    error: Option<&str>,
) -> Page {
    let t = MESSAGES.of(language);
    web.page(language, t.text("apply.title"), uri).body(html! {
        p { (t.text("apply.intro")) }
        @if let Some(error) = error {
            (Refusal {
                language, code: "application_incomplete", what: error, next: t.text("apply.mend"),
            })
        }
        form method="post" action="/apply" {
            (roles(language, &form.role))
            (Field::text("name", t.text("apply.name")).value(&form.name).required())
            (Field::text("postal", t.text("apply.postal")).hint(t.text("apply.postal_hint"))
                .value(&form.postal).required())
            (Field::text("mail", t.text("apply.mail")).hint(t.text("apply.optional"))
                .value(&form.mail))
            p.hint { (t.text("apply.unsealed")) }
            (button(t.text("apply.send")))
        }
    })
}

fn roles(language: Language, role: &str) -> Markup {
    let t = MESSAGES.of(language);
    let chosen = |value: &str| role == value || (role.is_empty() && value == "member");
    html! {
        fieldset {
            legend { (t.text("apply.as")) }
            @for (value, key) in ROLES {
                label.choice {
                    input type="radio" name="role" value=(value) checked[chosen(value)];
                    " " (t.text(key))
                }
            }
        }
    }
}

/// The place that a sealed form's page goes to.
async fn applied(State(web): Shared, language: Language, uri: Uri) -> Page {
    let t = MESSAGES.of(language);
    web.page(language, t.text("applied.title"), &uri)
        .body(html! {
            (notice(Tone::Good, t.text("applied.sealed")))
            p { (t.text("applied.next")) }
        })
}

// ---- As it is ------------------------------------------------------------------------------------

/// Does nobody on the way read what is sent? Over TLS, or on this machine. The guard says how the
/// request came to it; a proxy before it, on this machine, is believed to be what the centre's own
/// address says.
fn is_private(headers: &HeaderMap, house: &House) -> bool {
    if text_of(headers, "x-forwarded-proto") == Some("https") {
        return true;
    }
    let near = text_of(headers, "x-forwarded-for").is_none_or(|peer| {
        let peer = peer.parse::<IpAddr>();
        peer.is_ok_and(|peer| peer.to_canonical().is_loopback())
    });
    let here = host(headers).is_some_and(|host| is_this_machine(&host));
    near && (here || house.address.starts_with("https://"))
}

fn refuse_clear(web: &Web, language: Language, uri: &Uri, headers: &HeaderMap) -> Response {
    let t = MESSAGES.of(language);
    let what = t.text("apply.clear");
    if wants_json(headers) {
        let json = serde_json::json!({ "error": "not_private", "what": what });
        return (StatusCode::FORBIDDEN, Json(json)).into_response();
    }
    let refusal = Refusal {
        language,
        code: "not_private",
        what,
        next: t.text("apply.clear_next"),
    };
    let page = web.page(language, t.text("apply.title"), uri);
    page.status(StatusCode::FORBIDDEN)
        .body(html! { (refusal) })
        .into_response()
}

/// Takes an application (M1, M2). A program that asks for JSON gets it, a refusal too; everybody
/// else gets a page.
async fn apply(
    State(web): Shared,
    language: Language,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<Application>, FormRejection>,
) -> Response {
    if !is_private(&headers, &web.desk.house) {
        return refuse_clear(&web, language, &uri, &headers);
    }
    let t = MESSAGES.of(language);
    let wants_json = wants_json(&headers);
    let form = match form {
        Ok(Form(form)) => form,
        Err(unreadable) => {
            let (blank, why) = (Application::default(), unreadable.body_text());
            let page = form_page(&web, language, &uri, &blank, Some(&why));
            return not_taken(unreadable.status(), page, &why, wants_json);
        }
    };
    // On a thread that may wait for the disk.
    let (desk, form) = (web.clone(), Arc::new(form));
    let typed = form.clone();
    let taken = tokio::task::spawn_blocking(move || take(&desk, &typed)).await;
    let taken = taken.unwrap_or_else(|_e| Err("the application couldn't be kept".to_owned()));
    match taken {
        Ok(id) if wants_json => Json(serde_json::json!({ "application": id })).into_response(),
        Ok(id) => web
            .page(language, t.text("applied.title"), &uri)
            .body(html! {
                (notice(Tone::Good, &t.fill("applied.thanks", &[("number", &id.to_string())])))
                p { (t.text("applied.next")) }
            })
            .into_response(),
        Err(why) => {
            let page = form_page(&web, language, &uri, &form, Some(&why));
            not_taken(StatusCode::UNPROCESSABLE_ENTITY, page, &why, wants_json)
        }
    }
}

/// Browsers name HTML among what they take, programs that want JSON don't.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    accept.is_some_and(|v| v.contains("application/json") && !v.contains("text/html"))
}

fn not_taken(status: StatusCode, page: Page, why: &str, wants_json: bool) -> Response {
    if wants_json {
        let json = serde_json::json!({ "error": "application_incomplete", "what": why });
        return (status, Json(json)).into_response();
    }
    page.status(status).into_response()
}

fn take(web: &Web, form: &Application) -> Result<u64, String> {
    let (role, details) = form.read()?;
    web.desk.people.apply(role, &details, now()).map_err(|e| {
        tracing::error!(error = %e, "an application wasn't kept");
        "the application couldn't be kept; try again later".to_owned()
    })
}

// ---- Sealed --------------------------------------------------------------------------------------

/// A sealed application: the signed receipt, or why not. A browser has no keys, so that isn't signed.
async fn take_sealed(State(web): Shared, body: Bytes) -> Response {
    let desk = web.desk.clone();
    let taken = tokio::task::spawn_blocking(move || desk.take_sealed(&body, now())).await;
    answer(taken.map(|taken| taken.map_err(Box::new)))
}

/// For what a token is wanted: an application orders nothing.
#[derive(Deserialize)]
struct Wanted {
    lines: Vec<(String, u32)>,
}

/// A fresh token, when the page was open for too long or its key didn't do.
async fn fresh_token(State(web): Shared, body: Bytes) -> Response {
    let wanted = serde_json::from_slice::<Wanted>(&body);
    if !wanted.is_ok_and(|wanted| wanted.lines.is_empty()) {
        let why = "an application has no lines: {\"lines\": []}";
        return refused(&Refused::because(Code::CartChanged, why));
    }
    let desk = web.desk.clone();
    let token = tokio::task::spawn_blocking(move || desk.application_token(now())).await;
    answer(token.map(|token| token.map_err(|e| Box::new(SealedError::Open(e)))))
}

fn answer<E>(done: Result<Result<SignedBytes, Box<SealedError>>, E>) -> Response {
    match done {
        Ok(Ok(signed)) => ([(header::CONTENT_TYPE, CBOR)], signed.into_bytes()).into_response(),
        Ok(Err(error)) => match refusal_of(&error) {
            Some(refusal) => refused(&refusal),
            None => failed(&*error),
        },
        Err(_broken) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Response {
    tracing::error!(error, "a sealed application wasn't taken");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

fn refused(refusal: &Refused) -> Response {
    let body = serde_json::json!({
        "error": refusal.code.word(),
        "number": refusal.code.number(),
        "text": refusal.code.text(),
        "detail": refusal.detail,
    });
    (status_of(refusal.code), Json(body)).into_response()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a few codes have a status of their own; all others are the sender's fault"
)]
const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::OrderTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Code::NotOffered => StatusCode::NOT_FOUND,
        Code::OrderDiffers | Code::OrderKeyUsed | Code::CartChanged => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    }
}

// ---- The frames ----------------------------------------------------------------------------------

type Choices = Vec<(&'static str, &'static str)>;

fn choices(language: Language) -> &'static [(&'static str, &'static str)] {
    static EN: LazyLock<Choices> = LazyLock::new(|| texts_of(Language::En));
    static JA: LazyLock<Choices> = LazyLock::new(|| texts_of(Language::Ja));
    match language {
        Language::En => &EN,
        Language::Ja => &JA,
    }
}

fn texts_of(language: Language) -> Choices {
    let t = MESSAGES.of(language);
    let texts = ROLES.iter().map(|(role, key)| (*role, t.text(key)));
    texts.collect()
}

/// The form as its frame shows it.
struct ApplicationForms(Arc<Desk>);

impl Forms for ApplicationForms {
    fn form(&self, name: &str, language: Language) -> Option<order::Form> {
        let t = MESSAGES.of(language);
        let field = |name: &str, hint: &str, kind, required, complete: &str| FormField {
            name: name.to_owned(),
            label: t.text(&format!("apply.{name}")).to_owned(),
            hint: hint.to_owned(),
            kind,
            required,
            autocomplete: complete.to_owned(),
        };
        let role = FieldKind::Choice(choices(language));
        let lines = t.text("apply.postal_lines");
        (name == FORM).then(|| order::Form {
            title: t.text("apply.form").to_owned(),
            fields: vec![
                field("role", "", role, true, ""),
                field("name", "", FieldKind::Text, true, "name"),
                field("postal", lines, FieldKind::Area, true, "street-address"),
                field("mail", "", FieldKind::Email, false, "email"),
            ],
            card: false,
            typed: false,
            button: t.text("apply.send").to_owned(),
            erase: Erase::Both,
        })
    }

    fn pins(&self) -> Pins {
        Pins {
            shop_origin: origin_of(&self.0.house.address),
            recipient: PartyNumber::CENTRE.wire(),
            shop_key: *self.0.keys.receipts.verifying_key().as_bytes(),
            service_key: None,
            root_key: None,
        }
    }
}
