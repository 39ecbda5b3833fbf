//! What the owner does with orders: on the page, and by command. Nobody else can.

use std::process::Command;

use tegata_protocol::order::{FieldValue, OrderId};
use tegata_protocol::{Digest, SignedBytes};

use tegata_protocol::payment::Mode;

use tegata_shop::orders::deeds::{self, By, Deed, Refunded};

use crate::goods::{GOODS, form, key, left, lines, order, receipt, seal, send, token};
use crate::looks::check;
use crate::town::{Open, Town, contains};

/// A session of the owner's: the cookie.
fn enter(town: &Town, open: &Open) -> String {
    let (token, expires) = (Digest::of(b"token"), town.time.now().after(600));
    let offer = move |t: &tegata_shop::store::Tables<'_>| t.offer_owner_link(token, expires);
    open.shop.store().write(offer).unwrap();
    let answer = ask(open, "GET", "/owner/enter?token=token", "", "");
    answer.2.split(';').next().unwrap().to_owned()
}

/// Status, text, cookie.
fn ask(open: &Open, method: &str, path: &str, cookie: &str, body: &str) -> (u16, String, String) {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0);
    let agent: ureq::Agent = config.build().into();
    let address = format!("{}{path}", open.address);
    let answer = match method {
        "GET" => agent.get(address).header("cookie", cookie).call(),
        _ => {
            let form = "application/x-www-form-urlencoded";
            agent
                .post(address)
                .header("cookie", cookie)
                .header("origin", &open.address)
                .content_type(form)
                .send(body)
        }
    };
    let mut answer = answer.unwrap();
    let set = answer.headers().get("set-cookie");
    let set = set.map_or("", |cookie| cookie.to_str().unwrap()).to_owned();
    (
        answer.status().as_u16(),
        answer.body_mut().read_to_string().unwrap(),
        set,
    )
}

fn paid(town: &Town, open: &Open) -> OrderId {
    let answer = order(open, &[("cup", 2)]);
    let receipt = receipt(open, &answer);
    let order = open
        .shop
        .store()
        .read(|tables| tables.goods_order(receipt.order))
        .unwrap();
    let bill: SignedBytes = order.unwrap().bill.unwrap();
    town.centre.pay(&bill, Mode::Hold);
    open.fulfilment.round().unwrap();
    receipt.order
}

#[test]
fn the_owner_packs_sends_and_forgets() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let id = paid(&town, &open);
    let cookie = enter(&town, &open);
    let get = |path: &str| ask(&open, "GET", path, &cookie, "").1;
    let list = get("/owner/orders?lang=en");
    check("orders", &list, "en");
    assert!(
        list.contains("Paid, to pack") && list.contains("¥2,800"),
        "{list}"
    );
    assert!(list.contains("Running low: Cup"), "{list}");
    check("orders", &get("/owner/orders?lang=ja"), "ja");
    let one = get(&format!("/owner/orders/{id}?lang=en"));
    check("one order", &one, "en");
    assert!(one.contains("2 × Cup") && !one.contains("Hanako"), "{one}");
    let (status, shown, _) = ask(
        &open,
        "POST",
        &format!("/owner/orders/{id}/form"),
        &cookie,
        "",
    );
    check("an order's form", &shown, "en");
    assert_eq!(status, 200);
    assert!(
        shown.contains("Hanako Yamada") && shown.contains("Form opened"),
        "{shown}"
    );
}

#[test]
fn each_deed_has_its_time_and_is_noted() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let id = paid(&town, &open);
    let cookie = enter(&town, &open);
    let path = format!("/owner/orders/{id}");
    let act = |body: &str| ask(&open, "POST", &format!("{path}/act"), &cookie, body);
    assert_eq!(act("deed=erased").0, 409, "it's still needed");
    assert_eq!(act("deed=cancelled").0, 409, "it's paid");
    assert_eq!(act("deed=packed").0, 303);
    assert_eq!(act("deed=packed").0, 409, "only once");
    assert_eq!(act("deed=sent&tracking=1234-5678").0, 303);
    assert_eq!(act("deed=nonsense").0, 404);
    assert_eq!(act("deed=erased").0, 303);
    let (_, gone, _) = ask(
        &open,
        "POST",
        &format!("/owner/orders/{id}/form"),
        &cookie,
        "",
    );
    assert!(
        gone.contains("The form was erased") && !gone.contains("Hanako"),
        "{gone}"
    );
    let read = open
        .shop
        .store()
        .read(|tables| tables.order_events(id))
        .unwrap();
    let events: Vec<String> = read
        .iter()
        .map(|e| format!("{} {}", e.what, e.by))
        .collect();
    assert_eq!(
        events,
        [
            "taken customer",
            "held centre",
            "paid centre",
            "packed page",
            "sent page",
            "form erased page",
        ]
    );
}

#[test]
fn a_shop_that_forgets_erases_the_form_once_the_order_is_sent() {
    let town = Town::new(&format!("{GOODS}[form]\nerase = 'shop'\n"));
    let open = town.open_selling();
    let id = paid(&town, &open);
    let cookie = enter(&town, &open);
    let act = |body: &str| {
        ask(
            &open,
            "POST",
            &format!("/owner/orders/{id}/act"),
            &cookie,
            body,
        )
    };
    assert_eq!(act("deed=packed").0, 303);
    let form = |open: &Open| {
        ask(
            open,
            "POST",
            &format!("/owner/orders/{id}/form"),
            &cookie,
            "",
        )
        .1
    };
    assert!(form(&open).contains("Hanako Yamada"));
    assert_eq!(act("deed=sent").0, 303);
    assert!(form(&open).contains("The form was erased"));
}

/// A form as it lies in the database: encrypted.
fn lies(open: &Open, id: OrderId) -> Vec<u8> {
    let form = open.shop.store().read(|tables| {
        let sql = "SELECT secret FROM order_form WHERE id = $1";
        let form = tables.connection();
        form.one(sql, [id.as_bytes()], |row| row.get(0))
    });
    form.unwrap()
}

fn ordered(open: &Open) -> OrderId {
    let answer = order(open, &[("tea", 1)]);
    receipt(open, &answer).order
}

#[test]
fn an_erased_form_lies_nowhere_any_more() {
    let forgetful = format!("{GOODS}[form]\nerase = 'shop'\n");
    let deed = |open: &Open, id: OrderId, deed: Deed| {
        deeds::act(open.shop.store(), id, deed, By::Page, open.shop.now()).unwrap();
    };
    let gone = |town: &Town, what: &str, end: &dyn Fn(&Open) -> Vec<u8>| {
        let open = town.open_selling();
        let form = end(&open);
        assert!(!form.is_empty());
        assert!(!contains(town.folder.path(), &form), "{what}");
    };
    let town = Town::new(&forgetful);
    gone(&town, "sent", &|open| {
        let id = paid(&town, open);
        let form = lies(open, id);
        assert!(contains(town.folder.path(), &form), "the test can see it");
        deed(open, id, Deed::Sent(String::new()));
        form
    });
    let town = Town::new(GOODS);
    gone(&town, "cancelled", &|open| {
        let id = ordered(open);
        let form = lies(open, id);
        deed(open, id, Deed::Cancelled(Refunded::NotSaid));
        form
    });
    let town = Town::new(GOODS);
    gone(&town, "lapsed", &|open| {
        let id = ordered(open);
        let form = lies(open, id);
        town.time.pass(3602);
        open.fulfilment.round().unwrap();
        form
    });
    let town = Town::new(GOODS);
    gone(&town, "its hold closed", &|open| {
        let id = ordered(open);
        let form = lies(open, id);
        let order = open.shop.store().read(|tables| tables.goods_order(id));
        let bill = order.unwrap().unwrap().bill.unwrap();
        let payment = town.centre.pay(&bill, Mode::Hold);
        open.fulfilment.collect().unwrap();
        town.centre.close(payment, Town::number());
        open.fulfilment.collect().unwrap();
        form
    });
}

#[test]
fn nobody_else_sees_or_does_anything() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let id = paid(&town, &open);
    for path in ["/owner/orders".to_owned(), format!("/owner/orders/{id}")] {
        let (status, text, _) = ask(&open, "GET", &path, "tegata_owner=guess", "");
        assert_eq!(status, 403, "{path}");
        assert!(!text.contains("2 × Cup"));
    }
    for path in [
        format!("/owner/orders/{id}/act"),
        format!("/owner/orders/{id}/form"),
        "/owner/orders.csv".to_owned(),
    ] {
        let (status, text, _) = ask(&open, "POST", &path, "", "deed=packed&forms=yes");
        assert_eq!(status, 403, "{path}");
        assert!(!text.contains("Hanako"));
    }
    let order = open
        .shop
        .store()
        .read(|tables| tables.goods_order(id))
        .unwrap()
        .unwrap();
    assert_eq!(order.state.word(), "paid");
}

#[test]
fn forms_of_other_pages_do_nothing() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let id = paid(&town, &open);
    let cookie = enter(&town, &open);
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0);
    let agent: ureq::Agent = config.build().into();
    let press = |path: &str, name: &str, value: &str| {
        let form = "application/x-www-form-urlencoded";
        let request = agent
            .post(format!("{}{path}", open.address))
            .content_type(form);
        let request = request.header("cookie", &cookie).header(name, value);
        let answer = request.send("deed=packed&forms=yes&product=cup&count=1");
        answer.unwrap().status().as_u16()
    };
    let act = format!("/owner/orders/{id}/act");
    let form = format!("/owner/orders/{id}/form");
    for path in [&*act, &*form, "/owner/orders.csv", "/cart/add", "/cart/set"] {
        assert_eq!(press(path, "origin", "http://evil.example"), 403, "{path}");
        assert_eq!(press(path, "origin", "http://127.0.0.1:1"), 403, "{path}");
        assert_eq!(press(path, "sec-fetch-site", "same-site"), 403, "{path}");
        assert_eq!(press(path, "x-nothing", "said"), 403, "{path}");
    }
    assert_eq!(press(&act, "sec-fetch-site", "same-origin"), 303);
    assert_eq!(press("/cart/add", "origin", &open.address), 303);
    assert_eq!(
        press("/v1/orders", "origin", "http://evil.example"),
        400,
        "no page of ours, and no cookie counts there"
    );
}

#[test]
fn with_tls_the_owners_cookie_never_goes_without() {
    let mut town = Town::new(GOODS);
    town.address = "https://shop.example";
    let open = town.open_selling();
    let (token, expires) = (Digest::of(b"token"), town.time.now().after(600));
    let offer = move |t: &tegata_shop::store::Tables<'_>| t.offer_owner_link(token, expires);
    open.shop.store().write(offer).unwrap();
    let (_, _, cookie) = ask(&open, "GET", "/owner/enter?token=token", "", "");
    assert!(
        cookie.starts_with("__Host-tegata_owner=")
            && cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(ask(&open, "GET", "/owner", cookie, "").0, 200);
    let bare = cookie.trim_start_matches("__Host-");
    assert_eq!(ask(&open, "GET", "/owner", bare, "").0, 403);
    let strict = |open: &Open| {
        let answer = ureq::get(&open.address).call().unwrap();
        answer.headers().get("strict-transport-security").is_some()
    };
    assert!(strict(&open));
    assert!(!strict(&Town::new(GOODS).open_selling()));
}

#[test]
fn the_table_runs_nothing_in_a_spreadsheet() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let wanted = lines(&[("tea", 1)]);
    let mut evil = form(&wanted);
    evil.fields[0].value = FieldValue::Text("=HYPERLINK(\"http://evil\")".into());
    let sealed = seal(&token(&open, &wanted).bytes, &key(&open), &evil);
    assert_eq!(send(&open, &sealed).status, 200);
    let cookie = enter(&town, &open);
    let (_, plain, _) = ask(&open, "POST", "/owner/orders.csv", &cookie, "");
    assert!(
        plain.contains("\"1 × Tea\"") && !plain.contains("HYPERLINK"),
        "{plain}"
    );
    let (_, full, _) = ask(&open, "POST", "/owner/orders.csv", &cookie, "forms=yes");
    assert!(
        full.contains("\"'=HYPERLINK(\"\"http://evil\"\")\""),
        "{full}"
    );
}

#[test]
fn the_same_by_command() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let id = paid(&town, &open);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tegata-shop"));
        town.tell_passwords(&mut command);
        let output = command
            .arg("orders")
            .args(arguments)
            .arg("--data")
            .arg(town.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    };
    let (_, list) = run(&["list", "--state", "paid"]);
    let number = list.split_whitespace().next().unwrap().to_owned();
    let plain = run(&["show", &number]).1;
    assert!(
        plain.contains("2 × Cup") && !plain.contains("Hanako"),
        "{plain}"
    );
    let open_form = run(&["show", &id.to_string(), "--form", "--json"]).1;
    assert!(
        open_form.contains("\"name\":\"Hanako Yamada\""),
        "{open_form}"
    );
    assert_eq!(run(&["erase", &number]).0, 1);
    assert_eq!(run(&["cancel", &number]).0, 1);
    assert_eq!(run(&["packed", &number]).0, 0);
    assert_eq!(run(&["sent", &number, "--tracking", "1234"]).0, 0);
    assert!(run(&["csv", "--forms"]).1.contains("\"Hanako Yamada\""));
    assert!(!run(&["csv"]).1.contains("Hanako"));
    assert_eq!(run(&["erase", &number]).0, 0);
    assert!(!run(&["show", &number, "--form"]).1.contains("Hanako"));
    let events = || {
        open.shop
            .store()
            .read(|tables| tables.order_events(id))
            .unwrap()
    };
    let last = events().pop().unwrap();
    assert_eq!(
        last.what, "form erased",
        "what is erased isn't noted as read"
    );
    let cookie = enter(&town, &open);
    let (_, page, _) = ask(&open, "GET", &format!("/owner/orders/{id}"), &cookie, "");
    assert!(page.contains("The form was erased.") && !page.contains("Show the address"));
    assert!(!page.contains("Erase the form"));
    assert_eq!(run(&["show", "0000-0000-0000"]).0, 1);
    assert_eq!(run(&["list", "--state", "lost"]).0, 2);
    assert_eq!(left(&open, "cup"), 1);
    assert!(!contains(town.folder.path(), b"Hanako"));
}

#[test]
fn members_are_admitted_by_command() {
    let town = Town::new(GOODS);
    let _open = town.open_selling();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tegata-shop"));
        town.tell_passwords(&mut command);
        let output = command
            .arg("members")
            .args(arguments)
            .args(["--json", "--data"])
            .arg(town.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    };
    let member = "M-48312-20752";
    assert!(!run(&["list"]).1.contains(member));
    assert_eq!(run(&["admit", member]).0, 0);
    assert!(run(&["list"]).1.contains(member));
    assert_ne!(run(&["admit", "S-00000-00077"]).0, 0, "a shop is no member");
    assert_eq!(run(&["dismiss", member]).0, 0);
    assert!(!run(&["list"]).1.contains(member));
}
