//! Sealed orders: taken once, refused for a reason, never half.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tegata_orders::Settings;
use tegata_protocol::order::{Field, FieldValue, OrderForm};
use tegata_protocol::payment::Mode;
use tegata_protocol::purchase::{Bill, DeliveryKind};
use tegata_protocol::{SignedBytes, Unverified, Verified};
use tegata_shop::rate_limits::Class;

use crate::goods::{
    Answer, GOODS, form, key, left, lines, order, receipt, seal, send, settings, token, yen,
};
use crate::town::{Open, Town, contains};

pub(crate) fn bill_of(open: &Open, digest: tegata_protocol::Digest) -> Verified<Bill> {
    let address = format!("{}/v1/bills/{digest}", open.address);
    let bytes = ureq::get(address)
        .call()
        .unwrap()
        .body_mut()
        .read_to_vec()
        .unwrap();
    let bill = Unverified::<Bill>::parse(SignedBytes::new(bytes)).unwrap();
    bill.verify(&open.shop.registered().record.keys.signing)
        .unwrap()
}

fn bill_signed(open: &Open, answer: &Answer) -> SignedBytes {
    let id = receipt(open, answer).order;
    let order = open.shop.store().read(|tables| tables.goods_order(id));
    order.unwrap().unwrap().bill.unwrap()
}

#[test]
fn a_sealed_order_becomes_a_bill_and_reserves_the_goods() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let answer = order(&open, &[("cup", 2), ("tea", 1)]);
    let receipt = receipt(&open, &answer);
    // 2 × 1,100 + 1,080 + 600 for sending.
    assert_eq!(receipt.total, Some(yen(3880)));
    assert_eq!(receipt.recipient, Town::number());
    let bill = bill_of(&open, receipt.bill.unwrap());
    assert_eq!(bill.totals.total, yen(3880));
    assert_eq!((bill.delivery, bill.request), (DeliveryKind::Post, None));
    let texts: Vec<&str> = bill.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["Cup", "Tea", "Postage"]);
    // The guide that the bill names is the one that the shop offers.
    let guide = ureq::get(format!("{}/v1/card-interface", open.address));
    let guide = guide.call().unwrap().body_mut().read_to_vec().unwrap();
    assert_eq!(bill.interface, Some(tegata_protocol::Digest::of(&guide)));
    assert_eq!(bill.expires, bill.issued.after(3600));
    assert_eq!((left(&open, "cup"), left(&open, "tea")), (1, 49));
    assert!(
        answer
            .place
            .starts_with(&format!("/orders/{}?key=", receipt.order))
    );
    assert!(
        !contains(town.folder.path(), b"Hanako"),
        "nobody's name lies in clear"
    );
}

#[test]
fn the_same_bytes_get_the_same_receipt_and_other_bytes_none() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let lines = lines(&[("cup", 1)]);
    let token = token(&open, &lines).bytes;
    let sealed = seal(&token, &key(&open), &form(&lines));
    let first = send(&open, &sealed);
    town.time.pass(30 * 86_400);
    let again = send(&open, &sealed);
    assert_eq!((again.status, &again.bytes), (200, &first.bytes));
    assert_eq!(again.place, first.place);
    assert_eq!(left(&open, "cup"), 2, "taken once");
    let other = seal(&token, &key(&open), &form(&lines));
    assert_eq!(send(&open, &other).error(), "order_differs");
    assert_eq!(left(&open, "cup"), 2);
}

#[test]
fn what_cant_be_had_is_refused_and_nothing_changes() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    assert_eq!(
        token(&open, &lines(&[("ghost", 1)])).error(),
        "product_unknown"
    );
    assert_eq!(token(&open, &lines(&[("cup", 4)])).error(), "out_of_stock");
    assert_eq!(
        token(&open, &lines(&[("cup", 1), ("cup", 1)])).error(),
        "cart_changed"
    );
    assert_eq!(token(&open, &lines(&[("tea", 21)])).error(), "out_of_stock");
    assert_eq!(token(&open, &[]).error(), "cart_changed");
    let many = vec![("tea", 1); 501];
    assert_eq!(token(&open, &lines(&many)).error(), "order_too_large");
    // Two customers want the last three cups.
    let wanted = lines(&[("cup", 2)]);
    let (one, two) = (token(&open, &wanted).bytes, token(&open, &wanted).bytes);
    let (key_one, key_two) = (key(&open), key(&open));
    assert_eq!(
        send(&open, &seal(&one, &key_one, &form(&wanted))).status,
        200
    );
    let late = seal(&two, &key_two, &form(&wanted));
    let refused = send(&open, &late);
    assert_eq!(
        (refused.status, refused.error()),
        (409, "out_of_stock".into())
    );
    assert_eq!(left(&open, "cup"), 1);
    // Its key wasn't used up: once the shelf is full again, the same order goes through.
    let more = GOODS.replace("stock = 3", "stock = 9");
    std::fs::write(town.file("catalogue.toml"), more).unwrap();
    open.shop.reload().unwrap();
    assert_eq!(send(&open, &late).status, 200);
}

#[test]
fn unpaid_orders_cant_clear_the_shelf() {
    let town = Town::new(&GOODS.replace("most_per_order = 20", "most_per_order = 10"));
    let open = town.open_selling();
    // Of 50 at most 25 may wait for their money.
    let first = order(&open, &[("tea", 10)]);
    assert_eq!(order(&open, &[("tea", 10)]).status, 200);
    let wanted = lines(&[("tea", 6)]);
    let refused = token(&open, &wanted);
    assert_eq!(refused.error(), "out_of_stock");
    let text = String::from_utf8(refused.bytes).unwrap();
    assert!(text.contains("tea") && text.contains("later"), "{text}");
    let five = token(&open, &lines(&[("tea", 5)])).bytes;
    assert_eq!(order(&open, &[("tea", 5)]).status, 200);
    let late = seal(&five, &key(&open), &form(&lines(&[("tea", 5)])));
    assert_eq!(send(&open, &late).error(), "out_of_stock");
    // Money that's on its way isn't missing.
    let bill = bill_signed(&open, &first);
    town.centre.pay(&bill, Mode::Hold);
    open.fulfilment.collect().unwrap();
    assert_eq!(send(&open, &late).status, 200);
    open.fulfilment.round().unwrap();
    // 40 aren't sold, 20 of them wait.
    assert_eq!(token(&open, &lines(&[("tea", 1)])).error(), "out_of_stock");
    assert_eq!(left(&open, "tea"), 20);
}

#[test]
fn a_bill_is_shown_only_while_it_may_be_paid() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let bill = bill_signed(&open, &order(&open, &[("tea", 1)]));
    let status = || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let address = format!("{}/v1/bills/{}", open.address, bill.digest());
        let mut answer = agent.get(address).call().unwrap();
        let text = String::from_utf8_lossy(&answer.body_mut().read_to_vec().unwrap()).into_owned();
        (answer.status().as_u16(), text.contains("bill_closed"))
    };
    assert_eq!(status(), (200, false));
    for _ in 0..597 {
        open.shop
            .rate_limits()
            .address(Class::Web, [127, 0, 0, 1].into(), town.time.now())
            .unwrap();
    }
    assert_eq!(status().0, 429, "with the token and the order");
    town.time.pass(60);
    town.centre.pay(&bill, Mode::Hold);
    open.fulfilment.collect().unwrap();
    assert_eq!(status(), (404, true));
}

#[test]
fn a_long_note_in_any_language_fits() {
    let town = Town::new(&format!("{GOODS}[form]\nnote = 'optional'\n"));
    let open = town.open_selling();
    let wanted = lines(&[("tea", 1)]);
    let noted = |note: String| {
        let mut form = form(&wanted);
        form.fields.push(Field {
            name: "note".into(),
            value: FieldValue::Text(note),
        });
        send(
            &open,
            &seal(&token(&open, &wanted).bytes, &key(&open), &form),
        )
    };
    assert_eq!(noted("あ".repeat(4_000)).status, 200);
    assert_eq!(noted("あ".repeat(4_001)).error(), "form_incomplete");
    assert_eq!(noted("a".repeat(4_001)).error(), "form_incomplete");
}

#[test]
fn only_the_owner_of_the_folder_reads_the_database() {
    use std::os::unix::fs::PermissionsExt as _;
    let town = Town::new(GOODS);
    town.open_selling().kill();
    let lax = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(town.file("shop.db"), lax).unwrap();
    let _open = town.open_selling();
    for name in ["shop.db", "shop.db-wal"] {
        let mode = std::fs::metadata(town.file(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    tegata_shop::catalogue::sample::write(folder.path()).unwrap();
    let file = std::fs::metadata(folder.path().join("catalogue.toml")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

#[test]
fn one_whole_order_is_always_possible() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    assert_eq!(order(&open, &[("cup", 3)]).status, 200, "more than half");
    assert_eq!(left(&open, "cup"), 0);
    let town = Town::new(GOODS);
    let open = town.open_selling();
    assert_eq!(order(&open, &[("cup", 1)]).status, 200);
    assert_eq!(order(&open, &[("cup", 1)]).status, 200);
    assert_eq!(token(&open, &lines(&[("cup", 1)])).error(), "out_of_stock");
}

#[test]
fn another_cart_price_or_form_than_the_page_showed_is_refused() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let wanted = lines(&[("cup", 1)]);
    let fresh = || token(&open, &wanted).bytes;
    let other = form(&lines(&[("cup", 2)]));
    assert_eq!(
        send(&open, &seal(&fresh(), &key(&open), &other)).error(),
        "cart_changed"
    );
    let without = |name: &str| {
        let mut form: OrderForm = form(&wanted);
        form.fields.retain(|field| field.name != name);
        form
    };
    for name in ["name", "postal_code", "address"] {
        let answer = send(&open, &seal(&fresh(), &key(&open), &without(name)));
        assert_eq!(answer.error(), "form_incomplete", "{name}");
    }
    let mut strange = form(&wanted);
    strange.fields[0].name = "credit_card".into();
    assert_eq!(
        send(&open, &seal(&fresh(), &key(&open), &strange)).error(),
        "form_incomplete"
    );
    let before = fresh();
    let dearer = GOODS.replace("price = 1100", "price = 1200");
    std::fs::write(town.file("catalogue.toml"), dearer).unwrap();
    open.shop.reload().unwrap();
    let answer = send(&open, &seal(&before, &key(&open), &form(&wanted)));
    assert_eq!(answer.error(), "cart_changed");
    assert_eq!(left(&open, "cup"), 3);
}

#[test]
fn tokens_and_keys_count_once_and_for_a_while() {
    let town = Town::new(GOODS);
    let open = town.open_selling();
    let wanted = lines(&[("tea", 1)]);
    let used = key(&open);
    assert_eq!(
        send(
            &open,
            &seal(&token(&open, &wanted).bytes, &used, &form(&wanted))
        )
        .status,
        200
    );
    let again = seal(&token(&open, &wanted).bytes, &used, &form(&wanted));
    assert_eq!(send(&open, &again).error(), "order_key_used");
    let late = seal(&token(&open, &wanted).bytes, &key(&open), &form(&wanted));
    town.time.pass(3600);
    assert_eq!(send(&open, &late).error(), "token_expired");
    let other_town = Town::new(GOODS);
    let elsewhere = other_town.open_selling();
    let theirs = token(&elsewhere, &wanted).bytes;
    assert_eq!(
        send(&open, &seal(&theirs, &key(&open), &form(&wanted))).error(),
        "token_invalid"
    );
    assert_eq!(send(&open, &[0; 65 * 1024]).error(), "order_too_large");
    assert_eq!(send(&open, b"nonsense").status, 400);
}

#[test]
fn five_hundred_lines_fit_a_bill() {
    let mut goods = GOODS.to_owned();
    for n in 0..498 {
        let long = format!("a long title {n}").repeat(6);
        let words = format!("{{ en = '{long}', ja = '{long}' }}");
        let (price, tax) = (100 + n, if n % 2 == 0 { 8 } else { 10 });
        goods.push_str(&format!(
            "[[goods]]\nid = 'p{n}'\ntitle = {words}\ntext = {words}\nprice = {price}\n\
             tax = {tax}\nstock = 9\n"
        ));
    }
    let town = Town::new(&goods);
    let open = town.open_selling();
    let names: Vec<String> = (0..498).map(|n| format!("p{n}")).collect();
    let mut wanted: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 9)).collect();
    wanted.extend([("cup", 1), ("tea", 2)]);
    let receipt = receipt(&open, &order(&open, &wanted));
    let bill = bill_of(&open, receipt.bill.unwrap());
    assert_eq!(Some(bill.totals.total), receipt.total);
    assert_eq!(bill.lines.len(), 32);
    assert_eq!(bill.lines[31].text, "235 further goods");
}

#[test]
fn keys_are_fetched_for_an_order_only_where_the_service_makes_them() {
    let made = Settings {
        keys_made_by: "service".to_owned(),
        danger_service_made_keys: true,
        ..settings()
    };
    for (settings, fetches) in [(made, true), (settings(), false)] {
        let (town, other_town) = (Town::new(GOODS), Town::new(GOODS));
        let open = town.open_selling_by(settings);
        let elsewhere = other_town.open_selling();
        let asked = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&asked);
        open.shop.fetches_made_keys(Box::new(move || {
            noted.store(true, Ordering::SeqCst);
            false
        }));
        let wanted = lines(&[("tea", 1)]);
        let unknown = seal(
            &token(&open, &wanted).bytes,
            &key(&elsewhere),
            &form(&wanted),
        );
        assert_eq!(send(&open, &unknown).error(), "order_key_unknown");
        assert_eq!(asked.load(Ordering::SeqCst), fetches);
    }
}
