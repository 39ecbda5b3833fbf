//! `/pay` with a link's parts: what somebody sees whom a shop's page sends to the wallet.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use tegata_protocol::SignedBytes;
use tegata_wallet::{Wallet, wallet::Access};

use crate::{
    page::{Browser, ORIGIN, Seen, encoded},
    story::joined,
    town::{Mischief, Town, now, shop_key},
    vault::{A, B, pw},
    web_shop::{COST, ORDER, WebShop, path, receipt},
};

const MONEY: u64 = 10_000;

/// A member with money, and a shop with a page.
fn ready(folder: &std::path::Path) -> (Town, WebShop) {
    let (town, shop) = (Town::start(), WebShop::start());
    drop(joined(&town, folder));
    town.book().balance = MONEY;
    (town, shop)
}

fn status_page(shop: &WebShop) -> String {
    format!("{}/orders/0d0d?x=1", shop.address)
}

/// The link on the shop's page.
fn link_with(shop: &WebShop, bill: &SignedBytes, back: &str) -> String {
    let (address, back) = (encoded(&shop.address), encoded(back));
    format!("/pay?shop={address}&bill={}&back={back}", bill.digest())
}

fn link(shop: &WebShop, bill: &SignedBytes) -> String {
    link_with(shop, bill, &status_page(shop))
}

/// What the form of the page posts.
async fn consent(
    browser: &mut Browser,
    seen: &Seen,
    shop: &WebShop,
    bill: &SignedBytes,
    b: &str,
) -> Seen {
    let (digest, back) = (bill.digest().to_string(), status_page(shop));
    let fields = [
        ("b", b),
        ("shop", shop.address.as_str()),
        ("bill", &digest),
        ("back", &back),
    ];
    browser.post("/pay", &seen.csrf(), &fields).await
}

/// The cookie is `SameSite=Strict`: from another site one comes without it, and goes on from here.
#[tokio::test(flavor = "multi_thread")]
async fn from_a_shops_page_one_crosses_over_and_nothing_is_shown_before_a() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop) = ready(folder.path());
    let bill = shop.bill(|_| {});
    let link = link(&shop, &bill);
    let mut browser = Browser::before(folder.path());
    let door = browser.get(&browser.link.clone()).await;
    assert_eq!(door.status, StatusCode::OK);
    let own = browser.cookie.clone();

    // By the address that the shop's page has: to our own name.
    browser.cookie = String::new();
    let request = Request::get(&link).header(header::HOST, "127.0.0.1:7405");
    let sent = browser.send(request, Body::empty()).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let on = sent.to.strip_prefix(ORIGIN).unwrap().to_owned();
    // Still somebody else's link: no cookie. The page tells the way on and nothing else.
    let crossing = browser.get(&link).await;
    assert_eq!(crossing.status, StatusCode::OK);
    crossing
        .shows("You come from another page")
        .shows(&on.replace('&', "&amp;"))
        .hides("Momiji")
        .hides("JPY")
        .hides("M-48312");
    // Going on without ever having opened the door leads nowhere.
    assert_eq!(browser.get(&on).await.status, StatusCode::FORBIDDEN);
    // With the cookie, as from our own page: the door, and then the bill.
    browser.cookie = own;
    let door = browser.get(&on).await;
    door.shows("Password A").hides("Momiji").hides("JPY");
    assert_eq!(shop.asked("/v1/record"), 0, "nothing is fetched before A");
    let fields = [("a", A), ("next", on.as_str())];
    let opened = browser.post("/open", &door.csrf(), &fields).await;
    assert_eq!(opened.to, on);
    browser.get(&on).await.shows("Kissa Momiji");
    assert_eq!(town.came(40).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_paid_with_b_and_a_link_leads_back() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop) = ready(folder.path());
    let bill = shop.bill(|_| {});
    let link = link(&shop, &bill);
    let mut browser = Browser::inside(folder.path()).await;
    let back = format!("<a href=\"{}\">", status_page(&shop));
    let page = browser.get(&link).await;
    for part in [
        "Kissa Momiji (S-",
        "Maple tea, 100 g",
        "JPY 1,200",
        "8 % included",
        "10 % included",
        "JPY 4,350",
        "T1234567890123",
        "JPY 10,000",
        "JPY 5,650",
        "Password B",
        &back,
    ] {
        page.shows(part);
    }
    // Looking changes nothing.
    let before = Wallet::open(folder.path(), Access::Reading, &pw(A)).unwrap();
    assert!(before.state().bills.is_empty() && before.state().shops.is_empty());
    assert_eq!(before.history().unwrap().len(), 1);

    let forged = browser.post("/pay", "00", &[("b", B), ("shop", ""), ("bill", "")]);
    assert_eq!(forged.await.status, StatusCode::FORBIDDEN);
    let request = Request::post("/pay")
        .header(header::HOST, "wallet.localhost:7405")
        .header(header::ORIGIN, &shop.address)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let body = format!(
        "csrf={}&b={}&shop={}&bill={}",
        page.csrf(),
        encoded(B),
        encoded(&shop.address),
        bill.digest()
    );
    let foreign = browser.send(request, Body::from(body)).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let request = Request::get(&link).header(header::HOST, "evil.example");
    let rebound = browser.send(request, Body::empty()).await;
    assert_eq!(rebound.status, StatusCode::MISDIRECTED_REQUEST);
    let wrong = consent(&mut browser, &page, &shop, &bill, A).await;
    wrong.shows("This isn't password B");
    assert_eq!(town.came(40).0, 0, "nothing was sent yet");

    town.misbehave(Mischief::DropAfterActing);
    let doubt = consent(&mut browser, &page, &shop, &bill, B).await;
    doubt.shows("in_doubt");
    town.misbehave(Mischief::None);
    browser.get(&link).await.shows("has no answer yet");
    let paid = consent(&mut browser, &page, &shop, &bill, B).await;
    paid.shows("The money is held").shows(&back);
    paid.hides("Tickets</a></p>");
    assert_eq!(town.came(40), (2, 1), "twice the same bytes");

    let confirmed = shop_key().sign(&receipt(Some(bill.digest())));
    town.confirm(COST, confirmed.into_bytes());
    let refreshed = browser.post("/refresh", &page.csrf(), &[]).await;
    refreshed
        .shows("Orders that shops confirmed: 1")
        .shows("JPY 5,650");
    let number = format!("order number {ORDER} of Kissa Momiji, paid");
    browser.get("/history").await.shows(&number);
    let over = browser.get(&link).await;
    over.shows("the shop has confirmed the order")
        .shows(&back)
        .hides("Password B");
    let again = consent(&mut browser, &page, &shop, &bill, B).await;
    again.shows("bill_paid");
    assert_eq!(town.came(40), (2, 1));
}

/// Each refusal by its name, in both languages, and never a form.
#[tokio::test(flavor = "multi_thread")]
async fn what_isnt_paid_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop) = ready(folder.path());
    let mut browser = Browser::inside(folder.path()).await;
    let good = shop.bill(|_| {});
    let late = shop.bill(|b| {
        b.issued = now().before(60);
        b.expires = now();
    });
    let gone = shop.bill(|b| b.tax_number = None);
    shop.remove(&path(&gone));
    let other = shop.bill(|b| b.tip = crate::town::yen(0));
    let swapped = shop.bill(|b| b.issued = now().before(1));
    shop.put(&path(&swapped), other.as_bytes().to_vec());
    let japanese = [
        (&late, "bill_expired", "期限は過ぎ"),
        (&gone, "no_such_bill", "その請求書はありません"),
        (&swapped, "digest_differs", "別の請求書"),
    ];
    for (bill, code, words) in japanese {
        refused(&mut browser, &link(&shop, bill), code, words).await;
    }
    town.book().balance = COST - 1;
    let poor = link(&shop, &good);
    refused(&mut browser, &poor, "insufficient_funds", "足りません").await;
    town.book().balance = MONEY;
    shop.show_record(|r| r.profile.as_mut().unwrap().address = "http://x.example".into());
    refused(
        &mut browser,
        &link(&shop, &good),
        "address_differs",
        "登録簿では",
    )
    .await;
    shop.remove("/v1/record");
    refused(
        &mut browser,
        &link(&shop, &good),
        "unknown_shop",
        "有効な店がありません",
    )
    .await;
    refused(
        &mut browser,
        "/pay?shop=x&bill=y",
        "bill_address",
        "アドレスではありません",
    )
    .await;
    assert_eq!(town.came(40).0, 0);
}

async fn refused(browser: &mut Browser, link: &str, code: &str, japanese: &str) {
    let page = browser.get(&format!("{link}&lang=en")).await;
    page.shows(code).hides("name=\"b\"");
    let page = browser.get(&format!("{link}&lang=ja")).await;
    page.shows(code).shows(japanese).hides("name=\"b\"");
}

/// The centre's own refusal comes through too, and the bill stays open.
#[tokio::test(flavor = "multi_thread")]
async fn the_centres_refusal_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (town, shop) = ready(folder.path());
    let bill = shop.bill(|_| {});
    let mut browser = Browser::inside(folder.path()).await;
    let page = browser.get(&link(&shop, &bill)).await;
    town.misbehave(Mischief::NoFunds);
    let refused = consent(&mut browser, &page, &shop, &bill, B).await;
    refused.shows("insufficient_funds");
    browser.get(&link(&shop, &bill)).await.shows("Password B");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_link_leads_to_somebody_elses_page() {
    let folder = tempfile::tempdir().unwrap();
    let (_town, shop) = ready(folder.path());
    let bill = shop.bill(|_| {});
    let mut browser = Browser::inside(folder.path()).await;
    for bad in [
        "http://evil.example/",
        "javascript:alert(1)",
        "//evil.example",
    ] {
        let page = browser.get(&link_with(&shop, &bill, bad)).await;
        page.shows("Password B")
            .hides(&format!("href=\"{bad}"))
            .hides("Back to Kissa");
    }
}
