//! Sealed forms in the browser: the frames that hold what is typed, and the page around them.
//!
//! ```text
//! shop's page (shop.example)          carries sealed bytes; can't read the frames below
//! └─ form frame (forms.example)       the fields; nothing can be sent from it
//!    └─ worker frame (forms.example)  checks key and program, runs the program in a worker that
//!                                     has no way out but its answer
//! ```
//! The frames stand on an origin of the shop's own that serves nothing else ([`frames`]). Each has
//! one script, pinned by its hash in header and element; the keys that everything is checked with
//! stand in the worker frame's HTML. The shop's page takes [`checkout`] and [`page_script`].
//!
//! What this can't stop: a shop's own server that serves other frames to somebody. It's the shop's
//! customer data; nobody else between browser and shop, the sealing service included, gets at it.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, html};
use sha2::{Digest as _, Sha256};

use crate::dress::STYLE;
use crate::language::Language;
use crate::page::texts;

const FORM: &str = include_str!("form-frame.js");
const WORKER: &str = include_str!("worker-frame.js");
const PAGE: &str = include_str!("order-page.js");

/// The scripts of form frame and worker frame, which browsers may keep: what a bench weighs.
pub const SCRIPTS: [&str; 2] = [FORM, WORKER];

/// Where the shop's page finds its script.
pub const PAGE_SCRIPT: &str = "/order-page.js";

/// The states and refusals that the form frame has words for: `seal.CODE` in our messages.
const CODES: [&str; 36] = [
    "sealing",
    "taken",
    "incomplete",
    "no_crypto",
    "failed",
    "unreadable",
    "forged",
    "token_invalid",
    "token_expired",
    "too_many_lines",
    "cart_changed",
    "total_changed",
    "no_suite",
    "downgrade",
    "key_refused",
    "key_expired",
    "program_refused",
    "program_failed",
    "typed_short",
    "card_refused",
    "receipt_refused",
    "shop_away",
    "service_away",
    "too_many",
    "stock_empty",
    "not_admitted",
    "order_key_unknown",
    "order_key_used",
    "order_key_expired",
    "order_unopenable",
    "order_differs",
    "form_unreadable",
    "form_incomplete",
    "order_too_large",
    "product_unknown",
    "out_of_stock",
];

/// What kind of field a person fills in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// A line of text.
    Text,
    /// Several lines.
    Area,
    /// A mail address.
    Email,
    /// A telephone number.
    Telephone,
    /// A postal code.
    PostalCode,
    /// A file (O13).
    File,
    /// A box to tick.
    Tick,
    /// One of several: what is sent, and what the person reads.
    Choice(&'static [(&'static str, &'static str)]),
}

/// A field of a sealed form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FormField {
    /// Its name inside the form.
    pub name: String,
    /// What the person reads.
    pub label: String,
    /// What helps to fill it in; may be empty.
    pub hint: String,
    /// Its kind.
    pub kind: FieldKind,
    /// May it not be left empty?
    pub required: bool,
    /// What the browser may fill in (`name`, `street-address` …); may be empty.
    pub autocomplete: String,
}

/// What is erased in the browser once the order is taken (O7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Erase {
    /// The key; the program stays until the page is left.
    Keys,
    /// The program; the key stays until the page is left.
    Program,
    /// Both.
    #[default]
    Both,
    /// Both, and the shop erases the form once the order is done.
    BothAndAtShop,
}

impl Erase {
    const fn word(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Program => "program",
            Self::Both => "both",
            Self::BothAndAtShop => "shop",
        }
    }
}

/// A form as its frame shows it.
#[derive(Clone, Debug)]
pub struct Form {
    /// Above the fields.
    pub title: String,
    /// The fields, in order.
    pub fields: Vec<FormField>,
    /// Is a card number asked for?
    pub card: bool,
    /// May a communication key be typed in?
    pub typed: bool,
    /// On the button.
    pub button: String,
    /// What is erased afterwards.
    pub erase: Erase,
}

/// Whom the frames trust, and who may show them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pins {
    /// The only origin whose pages may show the form: `https://shop.example`.
    pub shop_origin: String,
    /// The recipient's party number, as it stands in messages.
    pub recipient: u64,
    /// The key that signs the recipient's tokens, keys and receipts.
    pub shop_key: [u8; 32],
    /// The sealing service's key: only where keys that the service made are allowed.
    pub service_key: Option<[u8; 32]>,
    /// The centre's root, where card numbers are asked for.
    pub root_key: Option<[u8; 32]>,
}

/// Who has forms to show.
pub trait Forms: Send + Sync + 'static {
    /// The form of this name.
    fn form(&self, name: &str, language: Language) -> Option<Form>;
    /// Whom its frames trust.
    fn pins(&self) -> Pins;
}

/// What the shop's page needs to show a form.
#[derive(Clone, Copy, Debug)]
pub struct Checkout<'a> {
    /// The language.
    pub language: Language,
    /// The forms' origin: `https://forms.shop.example`.
    pub frames: &'a str,
    /// Which form.
    pub form: &'a str,
    /// The signed cart token.
    pub token: &'a [u8],
    /// What is ordered: product and quantity.
    pub lines: &'a [(String, u32)],
    /// The sealing service's address.
    pub service: &'a str,
    /// The centre's signed certificate for its credit link, where card numbers are asked for.
    pub certificate: &'a [u8],
    /// Where to go once the order is taken.
    pub done: &'a str,
}

/// The place of a form in the shop's page.
pub fn checkout(view: &Checkout<'_>) -> Markup {
    let t = texts(view.language);
    let source = format!(
        "{}/form/{}?lang={}",
        view.frames,
        view.form,
        view.language.tag()
    );
    html! {
        div.sealed id="order-form" data-frames=(view.frames) data-service=(view.service)
            data-token=(hex(view.token)) data-lines=(lines_json(view.lines))
            data-certificate=(hex(view.certificate)) data-done=(view.done) {
            noscript { p.notice.careful role="note" { (t.text("seal.no_script")) } }
            p.notice.bad id="order-failed" role="alert" hidden { (t.text("seal.frame_away")) }
            p.notice.careful id="order-known" role="alert" hidden {
                a href=(view.done) { (t.text("seal.known")) }
            }
            iframe src=(source) title=(t.text("seal.frame")) {}
        }
    }
}

/// The shop page's script, for a route at [`PAGE_SCRIPT`].
pub async fn page_script() -> Response {
    script(PAGE)
}

/// The frames' own origin: nothing else may be served under its name.
pub fn frames(forms: Arc<dyn Forms>) -> Router {
    Router::new()
        .route("/form/{name}", get(form_frame))
        .route("/worker", get(worker_frame))
        .route(
            "/form.js",
            get(|| async { sealed_headers(script(FORM), NOTHING) }),
        )
        .route(
            "/worker.js",
            get(|| async { sealed_headers(script(WORKER), NOTHING) }),
        )
        .route(
            "/style.css",
            get(|| async { sealed_headers(style(), NOTHING) }),
        )
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(map_response(always_sealed))
        .with_state(forms)
}

const NOTHING: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

async fn form_frame(
    State(forms): State<Arc<dyn Forms>>,
    Path(name): Path<String>,
    language: Language,
) -> Response {
    let (pins, form) = (forms.pins(), forms.form(&name, language));
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src 'self'; frame-src 'self'; \
         connect-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors {}",
        *FORM_HASH, pins.shop_origin
    );
    match form {
        Some(form) => {
            let page = form_page(&form, &pins, language);
            sealed_headers(html_of(page), &policy)
        }
        None => sealed_headers(StatusCode::NOT_FOUND.into_response(), NOTHING),
    }
}

async fn worker_frame(State(forms): State<Arc<dyn Forms>>) -> Response {
    let pins = forms.pins();
    let policy = format!(
        "default-src 'none'; script-src '{}'; worker-src blob:; connect-src 'none'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'self' {}",
        *WORKER_HASH, pins.shop_origin
    );
    let meta = [
        ("recipient", pins.recipient.to_string()),
        ("shop-key", hex(&pins.shop_key)),
        (
            "service-key",
            pins.service_key.map(|key| hex(&key)).unwrap_or_default(),
        ),
        (
            "root-key",
            pins.root_key.map(|key| hex(&key)).unwrap_or_default(),
        ),
    ];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "Worker" }
                @for (name, content) in &meta {
                    meta name={ "tegata-" (name) } content=(content);
                }
                script type="module" src="/worker.js" integrity=(*WORKER_HASH) {}
            }
            body {}
        }
    };
    sealed_headers(html_of(page), &policy)
}

fn form_page(form: &Form, pins: &Pins, language: Language) -> Markup {
    let t = texts(language);
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (form.title) }
                link rel="stylesheet" href="/style.css";
                script type="module" src="/form.js" integrity=(*FORM_HASH) {}
            }
            body.shop.frame {
                form autocomplete="on" data-shop=(pins.shop_origin)
                    data-erase=(form.erase.word()) {
                    // Nothing can be typed until the script has seen that it can be sealed.
                    fieldset disabled {
                        legend { (form.title) }
                        @for field in &form.fields { (control(field, language)) }
                        @if form.card { (card_fields(language)) }
                        @if form.typed { (typed_field(language)) }
                        p.sum id="sum" hidden { (t.text("seal.total")) " " strong id="total" {} }
                        button id="order" type="submit" { (form.button) }
                        p.hint { (t.text("seal.promise")) }
                    }
                    p id="status" role="status" aria-live="polite" tabindex="-1" {
                        noscript { (t.text("seal.no_script")) }
                    }
                    @for code in CODES {
                        template data-code=(code) { (t.text(&format!("seal.{code}"))) }
                    }
                }
            }
        }
    }
}

fn control(field: &FormField, language: Language) -> Markup {
    let (id, t) = (format!("field-{}", field.name), texts(language));
    let hint = (!field.hint.is_empty()).then(|| format!("{id}-hint"));
    let complete = if field.autocomplete.is_empty() {
        "off"
    } else {
        &field.autocomplete
    };
    let kind = match field.kind {
        FieldKind::Text | FieldKind::PostalCode | FieldKind::Area | FieldKind::Choice(_) => "text",
        FieldKind::Email => "email",
        FieldKind::Telephone => "tel",
        FieldKind::File => "file",
        FieldKind::Tick => "checkbox",
    };
    let tick = field.kind == FieldKind::Tick;
    // No `name`: a form that was submitted after all would hold nothing.
    let input = match field.kind {
        FieldKind::Area => html! {
            textarea id=(id) rows="3" data-field=(field.name) required[field.required]
                maxlength="4000" autocomplete=(complete) aria-describedby=[hint.as_deref()] {}
        },
        FieldKind::Choice(choices) => html! {
            select id=(id) data-field=(field.name) aria-describedby=[hint.as_deref()] {
                @for (value, label) in choices { option value=(value) { (label) } }
            }
        },
        FieldKind::Text
        | FieldKind::Email
        | FieldKind::Telephone
        | FieldKind::PostalCode
        | FieldKind::File
        | FieldKind::Tick => html! {
            input id=(id) type=(kind) data-field=(field.name) required[field.required]
                maxlength=[(!tick).then_some("400")] value=[tick.then_some("yes")]
                autocomplete=(complete) aria-describedby=[hint.as_deref()];
        },
    };
    html! {
        div.field.tick[tick] {
            @if tick { (input) }
            label for=(id) {
                (field.label)
                @if !field.required && !tick { span.optional { " (" (t.text("optional")) ")" } }
            }
            @if let Some(hint) = &hint { p.hint id=(hint) { (field.hint) } }
            @if !tick { (input) }
        }
    }
}

fn card_fields(language: Language) -> Markup {
    let t = texts(language);
    let part = |name: &str, complete: &str, mode: &str| {
        let id = format!("card-{name}");
        html! {
            div.field {
                label for=(id) { (t.text(&format!("seal.card_{name}"))) }
                input id=(id) type="text" data-card=(name) autocomplete=(complete) inputmode=(mode)
                    maxlength="80";
            }
        }
    };
    html! {
        fieldset.card {
            legend {
                (t.text("seal.card"))
                span.optional { " (" (t.text("optional")) ")" }
            }
            p.hint { (t.text("seal.card_hint")) }
            (part("number", "cc-number", "numeric"))
            (part("expiry", "cc-exp", "numeric"))
            (part("name", "cc-name", "text"))
        }
    }
}

fn typed_field(language: Language) -> Markup {
    let t = texts(language);
    html! {
        details id="typed-part" hidden {
            summary { (t.text("seal.typed")) }
            div.field {
                label for="typed-key" { (t.text("seal.typed_label")) }
                p.hint id="typed-hint" { (t.text("seal.typed_hint")) }
                input id="typed-key" type="text" autocomplete="off" maxlength="200"
                    aria-describedby="typed-hint";
            }
        }
    }
}

// ---- Headers -------------------------------------------------------------------------------------

static FORM_HASH: LazyLock<String> = LazyLock::new(|| hash_of(FORM));
static WORKER_HASH: LazyLock<String> = LazyLock::new(|| hash_of(WORKER));

/// A script's hash as policies and `integrity` write it.
fn hash_of(script: &str) -> String {
    format!(
        "sha256-{}",
        BASE64_STANDARD.encode(Sha256::digest(script.as_bytes()))
    )
}

/// No answer leaves this origin without headers: not a refusal of axum's own either.
async fn always_sealed(response: Response) -> Response {
    match response
        .headers()
        .contains_key(header::CONTENT_SECURITY_POLICY)
    {
        true => response,
        false => sealed_headers(response, NOTHING),
    }
}

/// The headers of an answer from the frames' origin; `policy` is its content security policy.
fn sealed_headers(mut response: Response, policy: &str) -> Response {
    let usual = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("origin-agent-cluster", "?1"),
        ("integrity-policy", "blocked-destinations=(script)"),
        ("x-dns-prefetch-control", "off"),
        (
            "permissions-policy",
            "camera=(), microphone=(), geolocation=(), payment=(), usb=(), clipboard-read=()",
        ),
        ("cache-control", "no-store"),
    ];
    let headers = response.headers_mut();
    for (name, value) in usual {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let policy = HeaderValue::from_str(policy).unwrap_or(HeaderValue::from_static(NOTHING));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn html_of(page: Markup) -> Response {
    (
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        page.into_string(),
    )
        .into_response()
}

fn script(text: &'static str) -> Response {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        text,
    )
        .into_response()
}

fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines_json(lines: &[(String, u32)]) -> String {
    serde_json::to_string(lines).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::{Method, Request};
    use tower::ServiceExt as _;

    struct One;

    impl Forms for One {
        fn form(&self, _: &str, _: Language) -> Option<Form> {
            None
        }

        fn pins(&self) -> Pins {
            Pins {
                shop_origin: "https://shop.example".to_owned(),
                recipient: 1,
                shop_key: [0; 32],
                service_key: None,
                root_key: None,
            }
        }
    }

    #[tokio::test]
    async fn no_answer_leaves_the_frames_origin_without_a_policy() {
        for (method, path) in [
            (Method::GET, "/worker"),
            (Method::GET, "/worker.js"),
            (Method::GET, "/form/none"),
            (Method::GET, "/form/%FF"),
            (Method::POST, "/worker"),
            (Method::GET, "/elsewhere"),
        ] {
            let request = Request::builder().method(&method).uri(path);
            let request = request.body(Body::empty()).unwrap();
            let response = frames(Arc::new(One)).oneshot(request).await.unwrap();
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str();
            assert!(
                policy.unwrap().starts_with("default-src 'none'"),
                "{method} {path}"
            );
            assert!(response.headers().contains_key("x-content-type-options"));
        }
    }
}
