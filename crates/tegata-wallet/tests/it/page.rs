//! The local page: who may, and what they see.

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use tegata_http::Cost;
use tegata_protocol::{payment::Mode, prepaid::Funding};
use tegata_wallet::{
    kept::Holding,
    page::{Desk, HOST, costs, draw, router},
};
use tower::ServiceExt as _;

use crate::{
    story::{gate, joined, wanted, with_ticket},
    town::{Mischief, Town, now, yen},
    vault::{A, B, pw},
};

pub(crate) const ORIGIN: &str = "http://wallet.localhost:7405";

/// A browser with one page's cookie.
pub(crate) struct Browser {
    pub(crate) router: Router,
    pub(crate) cookie: String,
    pub(crate) link: String,
}

pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) html: String,
    pub(crate) to: String,
    cookie: String,
}

impl Browser {
    pub(crate) fn before(folder: &Path) -> Self {
        Self::at(Desk::new(folder.to_owned(), 7405))
    }

    pub(crate) fn at(desk: Desk) -> Self {
        let desk = Arc::new(desk);
        Self {
            link: desk.link(HOST).strip_prefix(ORIGIN).unwrap().to_owned(),
            router: router(desk),
            cookie: String::new(),
        }
    }

    /// A browser whose wallet is open.
    pub(crate) async fn inside(folder: &Path) -> Self {
        Self::inside_at(Desk::new(folder.to_owned(), 7405)).await
    }

    pub(crate) async fn inside_at(desk: Desk) -> Self {
        let mut browser = Self::at(desk);
        let link = browser.link.clone();
        let door = browser.get(&link).await;
        assert_eq!(door.status, StatusCode::OK);
        let opened = browser.post("/open", &door.csrf(), &[("a", A)]).await;
        assert_eq!(
            (opened.status, opened.to.as_str()),
            (StatusCode::SEE_OTHER, "/")
        );
        browser
    }

    pub(crate) async fn get(&mut self, path: &str) -> Seen {
        let request = Request::get(path).header(header::HOST, "wallet.localhost:7405");
        self.send(request, Body::empty()).await
    }

    pub(crate) async fn post(&mut self, path: &str, csrf: &str, fields: &[(&str, &str)]) -> Seen {
        let fields = [&[("csrf", csrf)], fields].concat();
        let form: Vec<String> = fields
            .iter()
            .map(|(k, v)| format!("{k}={}", encoded(v)))
            .collect();
        let request = Request::post(path)
            .header(header::HOST, "wallet.localhost:7405")
            .header(header::ORIGIN, ORIGIN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, Body::from(form.join("&"))).await
    }

    pub(crate) async fn send(&mut self, request: axum::http::request::Builder, body: Body) -> Seen {
        let request = request
            .header(header::COOKIE, &self.cookie)
            .body(body)
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let text = |name| {
            let value = response.headers().get(name);
            value.map_or("", |v| v.to_str().unwrap()).to_owned()
        };
        let (to, cookie) = (text(header::LOCATION), text(header::SET_COOKIE));
        // The language's cookie isn't the session's.
        if let Some((pair, _)) = cookie
            .split_once(';')
            .filter(|(pair, _)| !pair.starts_with("lang="))
        {
            self.cookie = pair.to_owned();
        }
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let html = String::from_utf8(bytes.to_vec()).unwrap();
        Seen {
            status,
            html,
            to,
            cookie,
        }
    }
}

/// As browsers write what was typed into a form.
pub(crate) fn encoded(text: &str) -> String {
    let each = text.bytes().map(|b| match b {
        b' ' => "+".to_owned(),
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    });
    each.collect()
}

impl Seen {
    pub(crate) fn csrf(&self) -> String {
        let (_, rest) = self.html.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    pub(crate) fn shows(&self, text: &str) -> &Self {
        assert!(self.html.contains(text), "{text} in:\n{}", self.html);
        self
    }

    pub(crate) fn hides(&self, text: &str) -> &Self {
        assert!(!self.html.contains(text), "{text} in:\n{}", self.html);
        self
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_before_a() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let number = with_ticket(&town, folder.path(), wanted())
        .state()
        .number
        .to_string();
    let mut browser = Browser::before(folder.path());
    for path in ["/", "/pay", "/tickets", "/history", "/cards", "/pay/0000"] {
        let seen = browser.get(path).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{path}");
        seen.hides(&number).hides("Evening concert").hides("JPY");
    }
    let link = browser.link.clone();
    let door = browser.get(&link).await;
    assert!(door.cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"));
    door.hides(&number).shows("Password A");
    // At the door the same pages ask for A, and show nothing yet.
    let seen = browser.get("/pay").await;
    seen.shows("Password A")
        .shows("value=\"/pay\"")
        .hides(&number);
    // The link is used up; somebody else who has it finds it closed.
    let mut other = Browser {
        cookie: String::new(),
        router: browser.router.clone(),
        link: String::new(),
    };
    assert_eq!(other.get(&link).await.status, StatusCode::GONE);
    let csrf = seen.csrf();
    let tried = other.post("/open", &csrf, &[("a", A)]).await;
    assert_eq!(tried.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_a_says_so_and_the_right_one_opens() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    drop(joined(&town, folder.path()));
    let mut browser = Browser::before(folder.path());
    let link = browser.link.clone();
    let csrf = browser.get(&link).await.csrf();
    let wrong = browser
        .post("/open", &csrf, &[("a", B), ("next", "/pay")])
        .await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    wrong.shows("This isn't password A").hides(B);
    let fixed = browser.cookie.clone();
    let right = browser
        .post("/open", &csrf, &[("a", A), ("next", "//evil.example")])
        .await;
    assert_eq!(right.to, "/");
    assert_ne!(browser.cookie, fixed, "the session has a cookie of its own");
    browser.get("/").await.shows("M-48312-20752");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_is_paid_with_b_from_our_own_form_only() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = joined(&town, folder.path());
    town.money_comes(10_000, "RF18539007547034");
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    drop(wallet);
    let mut browser = Browser::inside(folder.path()).await;
    let overview = browser.get("/").await;
    overview.shows("Evening concert").shows("JPY 3,000");
    let path = format!("/pay/{bill}");
    let page = browser.get(&path).await;
    page.shows("Hanamizuki Hall")
        .shows("10 %")
        .shows("JPY 272")
        .shows("Password B");
    let csrf = page.csrf();

    let forged = browser.post(&path, "00", &[("b", B)]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let request = Request::post(&path)
        .header(header::HOST, "wallet.localhost:7405")
        .header(header::ORIGIN, "http://shop.localhost:7402")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let body = Body::from(format!("csrf={csrf}&b={}", B.replace(' ', "+")));
    let foreign = browser.send(request, body).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let wrong = browser.post(&path, &csrf, &[("b", A)]).await;
    wrong.shows("This isn't password B");
    assert_eq!(town.came(40).0, 0, "nothing was sent yet");

    town.misbehave(Mischief::DropAfterActing);
    browser
        .post(&path, &csrf, &[("b", B)])
        .await
        .shows("in_doubt");
    town.misbehave(Mischief::None);
    let paid = browser.post(&path, &csrf, &[("b", B)]).await;
    paid.shows("The money is held");
    assert_eq!(town.came(40), (2, 1));
    town.deliver();
    let refreshed = browser.post("/refresh", &csrf, &[]).await;
    refreshed.shows("JPY 7,000");
    browser.get("/tickets").await.shows("Evening concert");
    browser.get("/cards").await.shows("JPY 10,000");
    browser
        .get("/history")
        .await
        .shows("Ticket received")
        .shows("Paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_shown_as_a_picture() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let wallet = with_ticket(&town, folder.path(), wanted());
    let path = format!("/tickets/{}", wallet.state().tickets[0].digest());
    drop(wallet);
    let mut browser = Browser::inside(folder.path()).await;
    let page = browser.get(&path).await;
    page.hides("<svg class=\"qr\"").shows("Stalls");
    let shown = browser.post(&path, &page.csrf(), &[]).await;
    shown.shows("<svg class=\"qr\"").shows("Good for a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_under_b_asks_for_b() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let wanted = tegata_wallet::buying::Wanted {
        holding: Holding::Spending,
        ..wanted()
    };
    let wallet = with_ticket(&town, folder.path(), wanted);
    let path = format!("/tickets/{}", wallet.state().tickets[0].digest());
    drop(wallet);
    let mut browser = Browser::inside(folder.path()).await;
    let page = browser.get(&path).await;
    page.shows("Password B");
    let without = browser.post(&path, &page.csrf(), &[]).await;
    without.hides("<svg class=\"qr\"");
    let shown = browser.post(&path, &page.csrf(), &[("b", B)]).await;
    shown.shows("<svg class=\"qr\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_hosts_are_turned_away_and_japanese_is_spoken() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    drop(joined(&town, folder.path()));
    let mut browser = Browser::inside(folder.path()).await;
    browser
        .get("/?lang=ja")
        .await
        .shows("残高はまだわかりません")
        .shows("最新にする");
    let csrf = browser.get("/").await.csrf();
    let refreshed = browser.post("/refresh?lang=ja", &csrf, &[]).await;
    refreshed.shows("新しいものはありません").hides("Nothing");
    let request = Request::get("/")
        .header(header::HOST, "evil.example:7405")
        .header(header::COOKIE, &browser.cookie)
        .body(Body::empty())
        .unwrap();
    let answer = browser.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
}

/// Names and numbers are as they are; sentences are Japanese.
#[tokio::test(flavor = "multi_thread")]
async fn a_japanese_page_has_no_english_sentences() {
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    let mut wallet = with_ticket(&town, folder.path(), wanted());
    wallet.load(yen(5000), Funding::Transfer, now()).unwrap();
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    town.misbehave(Mischief::SoldOut);
    assert!(wallet.order(&town.shop, wanted(), None, now()).is_err());
    town.misbehave(Mischief::None);
    drop(wallet);
    let mut browser = Browser::inside(folder.path()).await;
    browser
        .get("/history?lang=ja")
        .await
        .shows("店が届け")
        .shows("振込、参照番号")
        .shows("注文、断ったのは")
        .hides("by transfer")
        .hides("delivered and has")
        .hides("bill ");
    let page = browser.get(&format!("/pay/{bill}?lang=ja")).await;
    page.shows("10 %（税込）").hides("included").hides("incl.");
    town.misbehave(Mischief::DropAfterActing);
    let csrf = page.csrf();
    let path = format!("/pay/{bill}?lang=ja");
    let doubt = browser.post(&path, &csrf, &[("b", B)]).await;
    doubt
        .shows("つながりません")
        .hides("reached")
        .hides("doubt, and");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_gives_the_vault_back() {
    use tegata_wallet::{Wallet, WalletError, vault::VaultError, wallet::Access};
    let (town, folder) = (Town::start(), tempfile::tempdir().unwrap());
    drop(with_ticket(&town, folder.path(), wanted()));
    let mut browser = Browser::inside(folder.path()).await;
    let busy = Wallet::open(folder.path(), Access::Writing, &pw(A));
    assert!(matches!(busy, Err(WalletError::Vault(VaultError::InUse))));
    Wallet::open(folder.path(), Access::Reading, &pw(A)).unwrap();
    let csrf = browser.get("/").await.csrf();
    browser.post("/close", &csrf, &[]).await;
    browser.get("/").await.shows("Password A").hides("M-48312");
    let mut wallet = Wallet::open(folder.path(), Access::Writing, &pw(A)).unwrap();
    let ticket = wallet.state().tickets[0].digest();
    let shown = wallet.show(ticket, Default::default(), now()).unwrap();
    assert!(gate(&shown.text, None).is_ok());
    let bill = wallet.order(&town.shop, wanted(), None, now()).unwrap();
    wallet.pay(bill, Mode::Hold, &pw(B), now()).unwrap();
}

/// The rule stands around all routes of both pages, so a new one can't be without it; and why none is
/// counted stands beside each.
#[tokio::test]
async fn no_route_takes_what_another_sites_page_sends() {
    let folder = tempfile::tempdir().unwrap();
    let wallet = router(Arc::new(Desk::new(folder.path().to_owned(), 7405)));
    let easel = draw::router(Arc::new(draw::Easel::new(draw::Use::Keys, 7405)));
    for (router, routes) in [(wallet, costs()), (easel, draw::costs())] {
        for route in routes {
            let Cost::Free(why) = route.cost;
            assert!(why.contains("one person"), "{}", route.path);
            let path = route.path.replace("{id}", "1").replace("{token}", "1");
            let foreign = [
                (header::ORIGIN.as_str(), "http://shop.localhost:7405"),
                (header::ORIGIN.as_str(), "null"),
                ("sec-fetch-site", "cross-site"),
                ("x-nothing", "said"),
            ];
            for (name, value) in foreign {
                let request = Request::post(&path)
                    .header(header::HOST, "wallet.localhost:7405")
                    .header(name, value)
                    .body(Body::empty())
                    .unwrap();
                let answer = router.clone().oneshot(request).await.unwrap();
                assert_eq!(answer.status(), 403, "{path} {name}: {value}");
                let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                assert!(text.contains("Nothing was done."), "{path}: {text}");
            }
        }
    }
}
