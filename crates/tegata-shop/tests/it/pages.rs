//! The pages and the public addresses, as a browser or a wallet asks for them.

use tegata_protocol::record::PartyRecord;
use tegata_protocol::ticket::SeriesRecord;
use tegata_protocol::{Digest, SignedBytes, SigningKey, Unverified};

use crate::town::{Open, Town, catalogue, seats};

struct Answer {
    status: u16,
    cookie: String,
    bytes: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }
}

fn get_with(open: &Open, path: &str, cookie: &str) -> Answer {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0);
    let agent: ureq::Agent = config.build().into();
    let request = agent
        .get(format!("{}{path}", open.address))
        .header("cookie", cookie);
    let mut response = request.call().unwrap();
    let header = response.headers().get("set-cookie");
    Answer {
        status: response.status().as_u16(),
        cookie: header.map_or("", |h| h.to_str().unwrap()).to_owned(),
        bytes: response.body_mut().read_to_vec().unwrap(),
    }
}

fn get(open: &Open, path: &str) -> Answer {
    get_with(open, path, "")
}

#[test]
fn offers_stand_on_pages_in_two_languages() {
    let town = Town::new(tegata_shop::catalogue::EXAMPLE);
    let open = town.open();
    let english = get(&open, "/?lang=en").text();
    for word in [
        "Winter concert",
        "JPY 9,800 a night",
        "120 of 120 left",
        "2026-12-24 22:00",
    ] {
        assert!(english.contains(word), "{word} in {english}");
    }
    let japanese = get(&open, "/?lang=ja").text();
    for word in [
        "商品一覧",
        "1泊 JPY 9,800",
        "残り 120 / 120",
        "2026年12月24日 22:00",
    ] {
        assert!(japanese.contains(word), "{word} in {japanese}");
    }
    for series in ["101", "201", "301", "401"] {
        for language in ["en", "ja"] {
            let page = get(&open, &format!("/offers/{series}?lang={language}"));
            let command =
                format!("tegata-wallet order http://shop.localhost:7402 --series {series} --");
            assert_eq!(page.status, 200);
            assert!(page.text().contains(&command), "{}", page.text());
        }
    }
    let how = get(&open, "/how").text();
    assert!(how.contains(&Town::number().to_string()), "{how}");
}

#[test]
fn an_offer_says_why_it_cant_be_had() {
    let town = Town::new(&catalogue(1));
    let open = town.open();
    assert!(get(&open, "/offers/7").text().contains("1 of 1 left"));
    town.member().buy(&open, seats(1));
    assert!(get(&open, "/offers/7").text().contains("Sold out"));
    town.time.pass(366 * 86_400);
    assert!(get(&open, "/offers/7").text().contains("Sales are over"));
    let early = catalogue(1).replace("quota", "sales_from = 2026-12-24T12:00:00\nquota");
    let town = Town::new(&early);
    let open = town.open();
    let page = get(&open, "/offers/7").text();
    assert!(page.contains("On sale from 2026-12-24 12:00"), "{page}");
}

#[test]
fn what_isnt_there_is_told_helpfully() {
    let town = Town::new(&catalogue(1));
    let open = town.open();
    for path in ["/nothing", "/offers/8", "/offers/concert", "/v1/nothing"] {
        let page = get(&open, path);
        assert_eq!(page.status, 404, "{path}");
        assert!(page.text().contains("To the offers"), "{path}");
    }
    assert_eq!(
        get(&open, "/v1/series/8").text(),
        r#"{"error":"series_unknown"}"#
    );
}

#[test]
fn the_catalogue_as_json() {
    let town = Town::new(tegata_shop::catalogue::EXAMPLE);
    let open = town.open();
    let json: serde_json::Value =
        serde_json::from_slice(&get(&open, "/v1/catalogue").bytes).unwrap();
    let pretty = serde_json::to_string_pretty(&json).unwrap();
    insta::assert_snapshot!("catalogue_json", pretty);
}

#[test]
fn record_and_series_are_what_was_signed() {
    let town = Town::new(&catalogue(1));
    let open = town.open();
    let register = SigningKey::from_seed(&[91; 32]).verifying_key();
    let bytes = SignedBytes::new(get(&open, "/v1/record").bytes);
    let record = PartyRecord::verify(bytes, &register).unwrap();
    assert_eq!(record.number, Town::number());
    let bytes = SignedBytes::new(get(&open, "/v1/series/7").bytes);
    let series = Unverified::<SeriesRecord>::parse(bytes).unwrap();
    series.verify(&record.keys.signing).unwrap();
}

#[test]
fn the_owners_page_opens_once_for_each_link() {
    let town = Town::new(&catalogue(9));
    let open = town.open();
    assert_eq!(get(&open, "/owner").status, 403);
    assert_eq!(get(&open, "/owner/enter?token=guess").status, 403);
    assert_eq!(get(&open, "/owner/enter").status, 403);
    let (token, expires) = (Digest::of(b"the token"), town.time.now().after(600));
    let offer =
        move |tables: &tegata_shop::store::Tables<'_>| tables.offer_owner_link(token, expires);
    open.shop
        .store()
        .write(move |tables| offer(tables))
        .unwrap();
    let entered = get(&open, "/owner/enter?token=the%20token");
    assert_eq!(entered.status, 303);
    assert!(
        entered.cookie.contains("HttpOnly; SameSite=Strict"),
        "{}",
        entered.cookie
    );
    assert_eq!(
        get(&open, "/owner/enter?token=the%20token").status,
        403,
        "used up"
    );
    let cookie = entered.cookie.split(';').next().unwrap();
    let page = get_with(&open, "/owner", cookie);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("The catalogue file is in force"));
    assert_eq!(get_with(&open, "/owner", "tegata_owner=guess").status, 403);
    std::fs::write(town.file("catalogue.toml"), "currency = 5").unwrap();
    open.shop.reload().unwrap_err();
    let page = get_with(&open, "/owner", cookie).text();
    assert!(page.contains("catalogue.toml:1:12"), "{page}");
    town.time.pass(1801);
    assert_eq!(
        get_with(&open, "/owner", cookie).status,
        403,
        "idle for too long"
    );
}

#[test]
fn an_old_link_opens_nothing() {
    let town = Town::new(&catalogue(9));
    let open = town.open();
    let (token, expires) = (Digest::of(b"token"), town.time.now().after(600));
    let offer =
        move |tables: &tegata_shop::store::Tables<'_>| tables.offer_owner_link(token, expires);
    open.shop.store().write(offer).unwrap();
    town.time.pass(600);
    assert_eq!(get(&open, "/owner/enter?token=token").status, 403);
}
