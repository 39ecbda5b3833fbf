//! What browsers send: forms, addresses, cookies, headers.

use std::cell::RefCell;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Form, FromRequest as _};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use tegata_centre::sealed::Application;
use tegata_gate::{EventId, EventName};
use tegata_http::same_origin::{SameOrigin, host_of, is_this_machine, origin_of};
use tegata_http::serve::Hosts;
use tegata_pages::Language;
use tegata_protocol::{PartyNumber, SeriesId};
use tegata_shop::orders::cart::Cart;
use tegata_shop::orders::wish::Wish;
use tegata_wallet::page::{Desk, HOST, PORT, router};
use tegata_wallet::web_bill::BillLink;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime of one thread");
    static WALLET: RefCell<Option<Wallet>> = const { RefCell::new(None) };
}

/// Forms of the shop's and the centre's pages, the cart's cookie, and links that a wallet follows.
pub fn forms(bytes: &[u8]) {
    if let Some(wish) = Wish::from_json(bytes) {
        assert!(wish.lines.len() <= bytes.len());
    }
    if let Some(wish) = Wish::from_form(bytes) {
        assert!(wish.member.is_none() && wish.lines.len() <= bytes.len());
    }
    if let Some(applied) = posted::<Application>(bytes)
        && let Ok((_, details)) = applied.read()
    {
        assert_eq!(details.check(), Ok(()));
    }
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    let cart = Cart::from_cookie(text);
    assert_eq!(Cart::from_cookie(&cart.to_cookie()), cart);
    assert!(cart.to_cookie().len() <= text.len());
    if let Ok(link) = BillLink::from_address(text) {
        let again = BillLink::new(link.shop(), &link.bill().to_string(), None);
        assert_eq!(again.ok(), Some(link));
    }
    if let Ok(name) = text.parse::<EventName>() {
        assert_eq!(name.to_string().parse(), Ok(name));
        let id = EventId {
            issuer: PartyNumber::CENTRE,
            series: SeriesId::new(1),
        };
        assert!(!name.fits(id) || text.trim().trim_start_matches(['+', '0']) == "1");
    }
}

/// A form as a server of ours reads it.
fn posted<T: serde::de::DeserializeOwned>(body: &[u8]) -> Option<T> {
    let kind = "application/x-www-form-urlencoded";
    let request = Request::post("/").header(header::CONTENT_TYPE, kind);
    let request = request.body(Body::from(body.to_vec())).expect("a request");
    let read = async { Form::<T>::from_request(request, &()).await };
    RUNTIME
        .with(|runtime| runtime.block_on(read))
        .ok()
        .map(|Form(form)| form)
}

/// The headers that decide who is asked, who asks, and in which language: a line for the address, then
/// one for each header.
pub fn headers(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let uri = lines.next().and_then(|line| Uri::try_from(line).ok());
    let headers: HeaderMap = lines.filter_map(header_of).collect();
    let language = Language::of_request(&uri.unwrap_or_default(), &headers);
    assert_eq!(Language::from_tag(language.tag()), Some(language));

    let one = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = one(header::HOST).unwrap_or_default();
    let origin = one(header::ORIGIN);
    let ours = Hosts::new(["shop.example"]);
    if ours.accept_headers(&headers) {
        let host = host_of(host);
        assert!(host == "shop.example" || is_this_machine(&host), "{host}");
    }
    let address = "https://shop.example/tea";
    for rule in [
        SameOrigin::plain(""),
        SameOrigin::secure(""),
        SameOrigin::at(address, ""),
    ] {
        if let (true, Some(origin)) = (rule.accepts(&headers), origin) {
            let own = [host_of(host), host_of(address)];
            assert!(own.contains(&host_of(origin)), "{origin} asks {host}");
        }
    }
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    assert_eq!(origin_of(&origin_of(text)), origin_of(text));
}

fn header_of(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..at]).ok()?;
    Some((
        name,
        HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?,
    ))
}

/// A wallet's page that somebody has come to by its link, and that has no wallet behind it.
struct Wallet {
    router: Router,
    cookie: String,
    csrf: String,
}

impl Wallet {
    async fn new() -> Self {
        let desk = Arc::new(Desk::new("/nonexistent/wallet".into(), PORT));
        let link = desk.link(HOST);
        let path = link
            .strip_prefix(&origin_of(&link))
            .unwrap_or_default()
            .to_owned();
        let router = router(desk);
        let request = Request::get(path).header(header::HOST, HOST);
        let request = request.body(Body::empty()).expect("a request");
        let answer = router.clone().oneshot(request).await.expect("an answer");
        let cookie = answer.headers().get(header::SET_COOKIE).expect("a cookie");
        let cookie = cookie.to_str().expect("it's text").split(';').next();
        let cookie = cookie.unwrap_or_default().to_owned();
        let page = axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .expect("a page");
        let page = String::from_utf8_lossy(&page).into_owned();
        let csrf = page.split("name=\"csrf\" value=\"").nth(1);
        let csrf = csrf
            .and_then(|rest| rest.split('"').next())
            .expect("a form");
        Self {
            router,
            cookie,
            csrf: csrf.to_owned(),
        }
    }
}

/// Requests to a wallet's page, from its own forms: a line for the path, the rest is what is posted. The
/// form's token is put in where the input has `TOKEN`.
pub fn wallet_page(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let Some(Ok(uri)) = parts.next().map(Uri::try_from) else {
        return;
    };
    if uri.host().is_some() {
        return;
    }
    let body = parts
        .next()
        .map(|body| String::from_utf8_lossy(body).into_owned());
    RUNTIME.with(|runtime| {
        let mut wallet = WALLET.take();
        let here = wallet.get_or_insert_with(|| runtime.block_on(Wallet::new()));
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri;
        let origin = format!("http://{HOST}");
        for (name, value) in [
            (header::HOST, HOST),
            (header::ORIGIN, &origin),
            (header::COOKIE, &here.cookie),
            (header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
        ] {
            let value = HeaderValue::from_str(value).expect("it's plain");
            request.headers_mut().insert(name, value);
        }
        if let Some(body) = body {
            *request.method_mut() = Method::POST;
            *request.body_mut() = Body::from(body.replace("TOKEN", &here.csrf));
        }
        let answer = runtime.block_on(here.router.clone().oneshot(request));
        let status = answer.expect("an answer").status();
        assert!(!status.is_server_error(), "{status}");
        WALLET.set(wallet);
    });
}
