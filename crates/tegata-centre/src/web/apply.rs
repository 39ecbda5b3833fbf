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
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use tegata_http::{
    Cbor, Cost, HttpError, Routes,
    error::PlainRefusal,
    rate_limit::Permit,
    same_origin::{host_of, is_this_machine, origin_of},
    work::blocking,
};
use tegata_pages::{
    Field, Language, Page, Refusal, Tone, button, notice,
    order::{self, Checkout, Erase, FieldKind, FormField, Forms, Pins},
};
use tegata_protocol::{
    PartyNumber,
    envelope::SEALED_LIMIT,
    refusal::{Code, Refusal as Refused},
};
use tower::ServiceExt as _;

use super::{MESSAGES, Shared, Visit, Web, now, text_of, wants_json};
use crate::{
    applications::refusal_of,
    centre::Centre,
    people::{PeopleError, SealedError},
    rate_limits::Class,
    sealed::{Application, Sealing},
    settings::Settings,
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

/// What is counted: who applies, and who has a token for it signed.
const APPLICATION: Cost<Class> = Cost::Counted(Class::Application);

/// The pages.
pub(super) fn pages(web: &Arc<Web>) -> Routes<Arc<Web>, Web> {
    let read = Cost::Free("a page that only reads");
    Routes::new(web.clone())
        .get("/apply", APPLICATION, application_form)
        .post("/apply", APPLICATION, apply)
        .get("/applied", read, applied)
}

/// What the sealed form calls.
pub(super) fn calls(web: &Arc<Web>) -> Routes<Arc<Web>, Web> {
    Routes::new(web.clone())
        .post("/v1/orders", APPLICATION, take_sealed)
        .post("/v1/orders/token", APPLICATION, fresh_token)
        .body_limit(SEALED_LIMIT)
}

/// Requests under the frames' name get the frames, all others the centre.
pub(super) fn beside_frames(web: &Arc<Web>, centre: Router) -> Router {
    let Some(sealing) = &web.centre.sealing else {
        return centre;
    };
    let name = host_of(&sealing.frames);
    let frames = order::frames(Arc::new(ApplicationForms(web.centre.clone())));
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

// ---- The page ------------------------------------------------------------------------------------

async fn application_form(
    State(web): Shared,
    permit: Permit,
    visit: Visit,
) -> Result<Page, HttpError> {
    match &web.centre.sealing {
        Some(sealing) => sealed_page(&web, permit, sealing, &visit),
        None if is_private(&visit.headers, &web.centre.settings) => {
            Ok(form_page(&web, &visit, &Application::default(), None))
        }
        None => Err(in_clear(visit.language)),
    }
}

fn sealed_page(
    web: &Web,
    permit: Permit,
    sealing: &Sealing,
    visit: &Visit,
) -> Result<Page, HttpError> {
    let (t, address) = (visit.texts(), &web.centre.settings.address);
    let page = web.page(visit.language, t.text("apply.title"), &visit.uri);
    // The frames let themselves be shown by the centre's own address only.
    if host(&visit.headers) != Some(host_of(address)) {
        let there = format!("{address}/apply");
        let body = html! { p { (t.text("apply.elsewhere")) " " a href=(there) { (there) } } };
        return Ok(page.body(body));
    }
    let token = web.centre.application_token(permit, now());
    let token = token.map_err(|error| HttpError::fault("signing a token", error).bare())?;
    let service = &sealing.rules.service.address;
    let form = order::checkout(&Checkout {
        language: visit.language,
        frames: &sealing.frames,
        form: FORM,
        token: token.as_bytes(),
        lines: &[],
        service,
        certificate: b"",
        done: "/applied",
    });
    let page = page
        .script(order::PAGE_SCRIPT)
        .embeds(&sealing.frames, &origin_of(service));
    Ok(page.body(html! {
        p { (t.text("apply.intro")) }
        p { (t.text("apply.sealed")) }
        (form)
    }))
}

fn form_page(web: &Web, visit: &Visit, form: &Application, error: Option<&str>) -> Page {
    let (t, language) = (visit.texts(), visit.language);
    let page = web.page(language, t.text("apply.title"), &visit.uri);
    page.body(html! {
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
fn is_private(headers: &HeaderMap, settings: &Settings) -> bool {
    if text_of(headers, "x-forwarded-proto") == Some("https") {
        return true;
    }
    let near = text_of(headers, "x-forwarded-for").is_none_or(|peer| {
        let peer = peer.parse::<IpAddr>();
        peer.is_ok_and(|peer| peer.to_canonical().is_loopback())
    });
    let here = host(headers).is_some_and(|host| is_this_machine(&host));
    near && (here || settings.address.starts_with("https://"))
}

/// The word of an application that others could read on its way.
pub(super) const NOT_PRIVATE: &str = "not_private";

fn in_clear(language: Language) -> HttpError {
    let what = MESSAGES.of(language).text("apply.clear");
    let json = serde_json::json!({ "error": NOT_PRIVATE, "what": what });
    HttpError::new(StatusCode::FORBIDDEN, NOT_PRIVATE).json(&json)
}

/// Takes an application (M1, M2). A program that asks for JSON gets it, a refusal too; everybody
/// else gets a page.
async fn apply(
    State(web): Shared,
    permit: Permit,
    visit: Visit,
    form: Result<Form<Application>, FormRejection>,
) -> Result<Response, HttpError> {
    if !is_private(&visit.headers, &web.centre.settings) {
        return Err(in_clear(visit.language));
    }
    let wants_json = wants_json(&visit.headers);
    let not_taken = |status, form: &Application, why: &str| {
        let page = form_page(&web, &visit, form, Some(why));
        Ok(not_taken(status, page, why, wants_json))
    };
    let form = match form {
        Ok(Form(form)) => Arc::new(form),
        Err(unreadable) => {
            let why = unreadable.body_text();
            return not_taken(unreadable.status(), &Application::default(), &why);
        }
    };
    let (centre, typed) = (web.centre.clone(), form.clone());
    match blocking(move || take(&centre, permit, &typed)).await?? {
        Ok(id) if wants_json => Ok(Json(serde_json::json!({ "application": id })).into_response()),
        Ok(id) => Ok(thanks(&web, &visit, id).into_response()),
        Err(why) => not_taken(StatusCode::UNPROCESSABLE_ENTITY, &form, &why),
    }
}

fn thanks(web: &Web, visit: &Visit, id: u64) -> Page {
    let t = visit.texts();
    let page = web.page(visit.language, t.text("applied.title"), &visit.uri);
    page.body(html! {
        (notice(Tone::Good, &t.fill("applied.thanks", &[("number", &id.to_string())])))
        p { (t.text("applied.next")) }
    })
}

fn not_taken(status: StatusCode, page: Page, why: &str, wants_json: bool) -> Response {
    if wants_json {
        let json = serde_json::json!({ "error": "application_incomplete", "what": why });
        return (status, Json(json)).into_response();
    }
    page.status(status).into_response()
}

/// The application's number, or what is wrong with it. The outer error is ours.
fn take(
    centre: &Centre,
    _counted: Permit,
    form: &Application,
) -> Result<Result<u64, String>, HttpError> {
    let (role, details) = match form.read() {
        Ok(read) => read,
        Err(why) => return Ok(Err(why)),
    };
    match centre.people.apply(role, &details, now()) {
        Ok(id) => Ok(Ok(id)),
        Err(error @ PeopleError::TooManyWaiting) => Ok(Err(error.to_string())),
        Err(error) => {
            let text = "The application couldn't be kept. Try again later.\n";
            Err(HttpError::fault("keeping an application", error).text(text))
        }
    }
}

// ---- Sealed --------------------------------------------------------------------------------------

/// A sealed application: the signed receipt, or why not. A browser has no keys, so that isn't signed.
async fn take_sealed(State(web): Shared, permit: Permit, body: Bytes) -> Result<Cbor, HttpError> {
    let centre = web.centre.clone();
    let taken = blocking(move || centre.take_sealed(permit, &body, now())).await?;
    Ok(Cbor(taken?.into_bytes()))
}

/// For what a token is wanted: an application orders nothing.
#[derive(Deserialize)]
struct Wanted {
    lines: Vec<(String, u32)>,
}

/// A fresh token, when the page was open for too long or its key didn't do.
async fn fresh_token(State(web): Shared, permit: Permit, body: Bytes) -> Result<Cbor, HttpError> {
    let wanted = serde_json::from_slice::<Wanted>(&body);
    if !wanted.is_ok_and(|wanted| wanted.lines.is_empty()) {
        let why = "an application has no lines: {\"lines\": []}";
        return Err(refused(&Refused::because(Code::CartChanged, why)));
    }
    let centre = web.centre.clone();
    let token = blocking(move || centre.application_token(permit, now())).await?;
    Ok(Cbor(token.map_err(SealedError::Open)?.into_bytes()))
}

impl From<SealedError> for HttpError {
    fn from(error: SealedError) -> Self {
        match refusal_of(&error) {
            Some(refusal) => refused(&refusal),
            None => Self::fault("taking a sealed application", error).bare(),
        }
    }
}

fn refused(refusal: &Refused) -> HttpError {
    let plain = PlainRefusal {
        word: refusal.code.word(),
        number: refusal.code.number(),
        text: refusal.code.text(),
        detail: refusal.detail.as_deref(),
    };
    HttpError::refusal(status_of(refusal.code), &plain)
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
struct ApplicationForms(Arc<Centre>);

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
            shop_origin: origin_of(&self.0.settings.address),
            recipient: PartyNumber::CENTRE.wire(),
            shop_key: *self.0.keys.receipts.verifying_key().as_bytes(),
            service_key: None,
            root_key: None,
        }
    }
}
