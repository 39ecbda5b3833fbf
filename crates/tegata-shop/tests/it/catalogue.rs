//! A mistake in the catalogue: line, column, what was expected. And what a changed file does.

use std::fmt::Write as _;
use std::path::Path;

use tegata_protocol::SeriesId;
use tegata_shop::catalogue::{EXAMPLE, read};

use crate::town::{Town, catalogue, seats};

/// One change to a good catalogue each, and what its owner is told.
const MISTAKES: &[(&str, &str)] = &[
    ("currency = 'JPY'", "currency = 'YEN'"),
    ("currency = 'JPY'", ""),
    ("zone = 'Asia/Tokyo'", "zone = 'Asia/Tokio'"),
    ("zone = 'Asia/Tokyo'", ""),
    (
        "zone = 'Asia/Tokyo'",
        "zone = 'Asia/Tokyo'\ntax_number = ''",
    ),
    (
        "zone = 'Asia/Tokyo'",
        "zone = 'Asia/Tokyo'\nrounding = 'nearest'",
    ),
    ("series = 7", "series = -7"),
    ("series = 7", "series = 0"),
    ("series = 7", ""),
    ("kind = 'admission'", "kind = 'concert'"),
    ("kind = 'admission'", "kind = 'stay'"),
    ("kind = 'admission'", "kind = 'ride'"),
    ("kind = 'admission'", "kind = 'wager'"),
    ("title = 'Concert'", "titel = 'Concert'"),
    ("title = 'Concert'", "title = ''"),
    ("title = 'Concert'", "title = \"Con\\u0007cert\""),
    ("title = 'Concert'", "title = \"Con\\u202Ecert\""),
    ("place = 'Hall'", "place = 5"),
    (
        "valid_from = 2026-11-21T00:00:00",
        "valid_from = 2026-11-21",
    ),
    (
        "valid_from = 2026-11-21T00:00:00",
        "valid_from = 'tomorrow'",
    ),
    (
        "valid_from = 2026-11-21T00:00:00",
        "valid_from = 2027-11-21T00:00:00",
    ),
    ("quota = 9", "quota = 0"),
    ("quota = 9", "quota = 9\nsales_from = 2027-02-01T00:00:00"),
    ("quota = 9", "quota = 9\nsales_until = 2027-02-01T00:00:00"),
    (
        "quota = 9",
        "quota = 9\nsales_from = 2026-12-02T00:00:00\nsales_until = 2026-12-01T00:00:00",
    ),
    ("price = 1000", "price = 10.5"),
    ("price = 1000", "price = '10.50'"),
    ("price = 1000", "price = -1"),
    ("tax = 10", "tax = 101"),
    ("tax = 10", "tax = '7.777'"),
    ("tax = 10", "tax = 'ten'"),
    ("tax = 10", "tax = 10\ntax_mode = 'extra'"),
    ("tax = 10", "tax = 10\nmost_per_order = 5"),
    ("tax = 10", "tax = 10\nkeyword = 'yes'"),
    ("sections = ['Stalls']", "sections = []"),
    ("sections = ['Stalls']", "sections = ['Stalls', 'Stalls']"),
    ("sections = ['Stalls']", "sections = ['Stalls']\nrows = 3"),
    (
        "sections = ['Stalls']",
        "sections = ['Stalls']\nrows = 2\nseats = 4",
    ),
    (
        "sections = ['Stalls']",
        "sections = ['A name of a section that is longer than forty bytes']",
    ),
    ("[offer.admission]", "[offer.admision]"),
    ("[[offer]]", "[[offer]"),
    ("[[offer]]", "[offer]"),
];

fn told(text: &str) -> String {
    match read::parse(Path::new("catalogue.toml"), text) {
        Ok(_) => "no mistake found".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_was_expected() {
    let good = catalogue(9);
    assert_eq!(told(&good), "no mistake found");
    let mut all = String::new();
    for (was, is) in MISTAKES {
        let text = good.replacen(was, is, 1);
        assert_ne!(text, good, "{was}");
        writeln!(all, "── {was} → {is}\n{}\n", told(&text)).unwrap();
    }
    insta::assert_snapshot!("mistakes", all);
}

const RIDE: &str = "currency = 'EUR'\n[[offer]]\nseries = 1\nkind = 'ride'\ntitle = 'Train'\n\
     place = 'Station'\nvalid_from = 2026-11-21T00:00:00Z\nvalid_until = 2027-01-31T23:00:00Z\n\
     quota = 9\nprice = '12.50'\ntax = '7.7'\n[offer.ride]\nstops = ['A', 'B']\n";

#[test]
fn mistakes_of_other_kinds_are_told_too() {
    let wager = RIDE.replace("kind = 'ride'", "kind = 'wager'");
    let wager = wager.replace(
        "[offer.ride]\nstops = ['A', 'B']",
        "[offer.wager]\nraces = 3\nrunners = 2",
    );
    let stay = RIDE.replace("kind = 'ride'", "kind = 'stay'");
    let stay = stay.replace(
        "[offer.ride]\nstops = ['A', 'B']",
        "[offer.stay]\nrooms = [0]",
    );
    let cases = [
        RIDE.replace("['A', 'B']", "['A']"),
        RIDE.replace("['A', 'B']", "['A', 'B']\ncoaches = [1]"),
        RIDE.replace("['A', 'B']", "['A', 'B']\ncoaches = [1, 0]\nseats = 4"),
        RIDE.replace("['A', 'B']", "['A', 'B']\nseats = 4"),
        RIDE.replace(
            "['A', 'B']",
            "['A', 'B']\ncoaches = [1]\nseats = 4\nclasses = [2]",
        ),
        RIDE.replace("quota", &format!("rules = '{}'\nquota", "r".repeat(301))),
        format!("{RIDE}{}", RIDE.replace("currency = 'EUR'\n", "")),
        wager,
        stay,
        long_texts(119, 290),
    ];
    let all: Vec<String> = cases.iter().map(|text| told(text)).collect();
    assert_eq!(told(RIDE), "no mistake found");
    insta::assert_snapshot!("other_mistakes", all.join("\n\n"));
}

/// So many seats that they can't be counted in 32 bits are many, and no crash.
#[test]
fn a_hall_may_claim_more_seats_than_there_are_people() {
    let sections: Vec<String> = (0..260).map(|n| format!("'{n}'")).collect();
    let huge = format!(
        "sections = [{}]\nrows = 254\nseats = 65534",
        sections.join(", ")
    );
    let text = catalogue(9).replace("sections = ['Stalls']", &huge);
    let told = told(&text);
    assert!(told.contains(":14:12: names: "), "{told}");
}

#[test]
fn a_tax_without_digits_is_none() {
    for nothing in ["''", "'.'", "'.5'", "' '"] {
        let text = catalogue(9).replace("tax = 10", &format!("tax = {nothing}"));
        let told = told(&text);
        assert!(
            told.contains(":12:7: expected percent"),
            "{nothing}: {told}"
        );
    }
}

/// Thirty stops, and a title and rules of these lengths.
fn long_texts(title: usize, rules: usize) -> String {
    let stops: Vec<String> = (0..30).map(|n| format!("'{n:040}'")).collect();
    let (title, rules) = ("t".repeat(title), "r".repeat(rules));
    RIDE.replace("'A', 'B'", &stops.join(", ")).replace(
        "title = 'Train'",
        &format!("title = '{title}'\nrules = '{rules}'"),
    )
}

/// The longest delivery that the catalogue lets pass fits a capture.
#[test]
fn the_longest_delivery_that_passes_fits() {
    use tegata_protocol::purchase::{Keyword, Reservation};
    use tegata_protocol::ticket::{Contents, Ride};
    let passes = |rules| {
        let text = long_texts(119, rules);
        let coaches = [vec![2; 199], vec![1]].concat();
        let text = text.replace(
            "stops",
            &format!("seats = 300\ncoaches = {coaches:?}\nstops"),
        );
        (told(&text) == "no mistake found").then_some(text)
    };
    let longest = (1..=300).rev().find_map(passes).unwrap();
    let town = Town::new(&longest);
    let (open, member) = (town.open(), town.member());
    let wish = Reservation {
        series: SeriesId::new(1),
        contents: Contents::Ride(Ride {
            from: 28,
            to: 29,
            class: 1,
            coach: 0,
            seat: 0,
        }),
        keyword: Some(Keyword::new("open sesame").unwrap()),
        ..seats(4)
    };
    let offer = member.buy(&open, wish);
    town.centre
        .pay(&offer.bill, tegata_protocol::payment::Mode::Hold);
    open.fulfilment.round().unwrap();
    let length = town.centre.captures()[0].1.len();
    assert!((4000..=4096).contains(&length), "{length}");
}

#[test]
fn the_example_is_a_catalogue() {
    let catalogue = read::parse(Path::new("catalogue.example.toml"), EXAMPLE).unwrap();
    let kinds: Vec<_> = catalogue.offers().map(|offer| offer.kind.word()).collect();
    assert_eq!(kinds, ["admission", "stay", "ride", "wager"]);
}

#[test]
fn a_bad_edit_keeps_the_old_catalogue_and_says_so() {
    let town = Town::new(&catalogue(9));
    let (open, file) = (town.open(), town.file("catalogue.toml"));
    assert!(!open.shop.shelf().has_changed());
    std::fs::write(&file, catalogue(9).replace("tax = 10", "tax = 1000")).unwrap();
    assert!(open.shop.shelf().has_changed());
    open.shop.reload().unwrap_err();
    let mistake = open.shop.shelf().mistake().unwrap();
    assert!(
        mistake.contains("catalogue.toml:12:7: expected percent"),
        "{mistake}"
    );
    town.member().buy(&open, seats(1));
    std::fs::write(&file, catalogue(1)).unwrap();
    open.shop.reload().unwrap();
    assert_eq!(open.shop.shelf().mistake(), None);
    assert_eq!(open.left(7), 0);
}

#[test]
fn a_series_never_becomes_another_kind() {
    let town = Town::new(&catalogue(9));
    let open = town.open();
    let other = RIDE.replace("series = 1", "series = 7");
    std::fs::write(town.file("catalogue.toml"), other).unwrap();
    let error = open.shop.reload().unwrap_err().to_string();
    assert!(error.contains("series 7 was sold as admission"), "{error}");
    town.member().buy(&open, seats(1));
}

#[test]
fn new_texts_are_signed_anew_and_new_prices_arent() {
    let town = Town::new(&catalogue(9));
    let open = town.open();
    let record = || {
        let series = SeriesId::new(7);
        open.shop
            .store()
            .read(|tables| tables.series(series))
            .unwrap()
            .unwrap()
            .record
    };
    let edit = |text: &str| {
        std::fs::write(town.file("catalogue.toml"), text).unwrap();
        open.shop.reload().unwrap();
        record()
    };
    let first = record();
    assert_eq!(
        edit(&catalogue(9).replace("price = 1000", "price = 2000")),
        first
    );
    assert_eq!(edit(&catalogue(12)), first);
    let renamed = edit(&catalogue(9).replace("Concert", "Matinée"));
    assert_ne!(renamed, first);
    let offer = town.member().buy(&open, seats(1));
    let series = open.series(&offer);
    assert_eq!(series.title, "Matinée");
    open.kill();
    let open = town.open();
    let again = open
        .shop
        .store()
        .read(|tables| tables.series(SeriesId::new(7)));
    assert_eq!(again.unwrap().unwrap().record, renamed);
}

/// The same for goods: one change each.
const GOODS_MISTAKES: &[(&str, &str)] = &[
    ("id = 'cup'", "id = 'Cup'"),
    ("id = 'cup'", "id = ''"),
    (
        "id = 'cup'",
        "id = 'a-name-that-is-longer-than-the-forty-bytes-allowed'",
    ),
    ("id = 'cup'", "id = 'tea'"),
    ("id = 'cup'", ""),
    ("title = { en = 'Cup', ja = '湯のみ' }", "title = 'Cup'"),
    (
        "title = { en = 'Cup', ja = '湯のみ' }",
        "title = { en = 'Cup' }",
    ),
    (
        "title = { en = 'Cup', ja = '湯のみ' }",
        "title = { en = '', ja = '湯のみ' }",
    ),
    ("price = 1100", "price = 0"),
    ("price = 1100", "price = '11.50'"),
    ("stock = 3", "stock = -1"),
    ("stock = 3", "stock = 3\nmost_per_order = 0"),
    ("stock = 3", "stock = 3\npicture = 'cup.svg'"),
    (
        "stock = 3",
        "stock = 3\npicture = '../keys.cbor'\nalt = { en = 'a', ja = 'b' }",
    ),
    (
        "stock = 3",
        "stock = 3\npicture = 'cup.svg'\nalt = { en = 'a', ja = 'b' }",
    ),
    (
        "stock = 3",
        "stock = 3\npicture = 'evil.svg'\nalt = { en = 'a', ja = 'b' }",
    ),
    ("stock = 3", "stock = 3\ncolour = 'blue'"),
    ("free_from = 5000", "free_from = 'much'"),
    ("[postage]", "[form]\nname = 'maybe'\n[postage]"),
    (
        "[postage]",
        "[form]\nname = 'no'\npostal_code = 'no'\naddress = 'optional'\n[postage]",
    ),
    ("[postage]", "[form]\nerase = 'nothing'\n[postage]"),
    ("[postage]", "[payment]\nprepaid = false\n[postage]"),
    (
        "[postage]",
        "[welcome]\ntitle = { en = 'a', ja = 'b' }\n[postage]",
    ),
];

#[test]
fn a_mistake_in_goods_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pictures")).unwrap();
    let evil = "<svg width=\"9\" height=\"9\"><script>1</script></svg>";
    std::fs::write(folder.path().join("pictures/evil.svg"), evil).unwrap();
    let file = folder.path().join("catalogue.toml");
    read::parse(&file, crate::goods::GOODS).unwrap();
    let mut told = String::new();
    for (good, bad) in GOODS_MISTAKES {
        let text = crate::goods::GOODS.replacen(good, bad, 1);
        assert_ne!(text, crate::goods::GOODS, "{good}");
        let error = read::parse(&file, &text).unwrap_err().to_string();
        let error = error.replace(&folder.path().display().to_string(), "DIR");
        writeln!(told, "{bad}\n  {}", error.lines().next().unwrap()).unwrap();
    }
    insta::assert_snapshot!("goods_mistakes", told);
}

#[test]
fn the_sample_shop_has_no_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let written = tegata_shop::catalogue::sample::write(folder.path()).unwrap();
    let catalogue = read::file(&folder.path().join("catalogue.toml")).unwrap();
    assert_eq!(catalogue.goods.products.len(), 10);
    assert_eq!(catalogue.goods.pictures().count(), 11);
    assert_eq!(written.len(), 12);
    let again = tegata_shop::catalogue::sample::write(folder.path()).unwrap();
    assert!(again.is_empty(), "nothing is written over");
}
