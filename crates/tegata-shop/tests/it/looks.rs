//! Every page of the storefront in both languages, as a browser gets it: what must hold for any page.
//! They're written to `target/tmp/shop/` to be looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tegata_shop::catalogue::sample;
use tegata_shop::store::OrderState;

use crate::goods::{order, receipt};
use crate::town::{Open, Town};

/// The sample shop, open.
pub(crate) fn sample_shop() -> (Town, Open) {
    let catalogue = sample::FILES
        .iter()
        .find(|(name, _)| *name == "catalogue.toml")
        .unwrap()
        .1;
    let town = Town::new(catalogue);
    // A folder with other things in it is nobody's: first it becomes the shop's.
    drop(town.dir());
    sample::write(town.folder.path()).unwrap();
    let open = town.open_selling();
    (town, open)
}

pub(crate) fn get(open: &Open, path: &str, cookie: &str) -> (u16, String) {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let request = agent
        .get(format!("{}{path}", open.address))
        .header("cookie", cookie);
    let mut response = request.call().unwrap();
    (
        response.status().as_u16(),
        response.body_mut().read_to_string().unwrap(),
    )
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shop");
    std::fs::create_dir_all(folder.join("pictures")).unwrap();
    std::fs::write(folder.join("style.css"), tegata_pages::STYLE).unwrap();
    folder
}

#[test]
fn every_page_of_the_storefront_in_both_languages() {
    let (_town, open) = sample_shop();
    let folder = folder();
    for picture in open.shop.catalogue().goods.pictures() {
        std::fs::write(folder.join("pictures").join(picture.name()), &picture.bytes).unwrap();
    }
    let answer = order(&open, &[("sencha-uji", 2), ("cup-moon", 1)]);
    let (billed, digest) = (answer.place.clone(), receipt(&open, &answer).bill.unwrap());
    let sent = order(&open, &[("notebook-indigo", 1)]);
    let id = receipt(&open, &sent).order;
    let now = open.shop.now();
    let send = move |tables: &tegata_shop::store::Tables<'_>| {
        for state in [
            OrderState::Held,
            OrderState::Paid,
            OrderState::Packed,
            OrderState::Sent,
        ] {
            let order = tables.goods_order(id).unwrap().unwrap();
            tables.step_order(&order, state, now, "page").unwrap();
        }
        tables.keep_tracking(id, "1234-5678-9012")
    };
    open.shop.store().write(send).unwrap();
    let cart = "cart=sencha-uji.2_cup-moon.1_tenugui-asanoha.1_gone.3";
    let good = "cart=sencha-uji.2_cup-moon.1";
    let pages = [
        ("front", "/", good),
        ("product", "/goods/sencha-uji", good),
        ("product-sold-out", "/goods/tenugui-asanoha", ""),
        ("cart", "/cart", good),
        ("cart-mend", "/cart", cart),
        ("cart-empty", "/cart", ""),
        ("checkout", "/checkout", good),
        ("checkout-refused", "/checkout", cart),
        ("billed", &billed, ""),
        ("sent", &sent.place, ""),
        ("missing", "/goods/nothing", good),
        ("offer", "/offers/101", ""),
    ];
    for language in ["en", "ja"] {
        for (name, path, cookie) in pages {
            let (status, html) = get(&open, path, &format!("{cookie}; lang={language}"));
            assert_eq!(status, if name == "missing" { 404 } else { 200 }, "{name}");
            check(name, &html, language);
            assert!(
                !html.contains("Hanako"),
                "{name} says nothing of the customer"
            );
            let html = html
                .replace("\"/style.css?v=", "\"style.css?v=")
                .replace("\"/pictures/", "\"pictures/");
            std::fs::write(folder.join(format!("{name}-{language}.html")), html).unwrap();
        }
    }
    let (_, html) = get(&open, &billed, "lang=en");
    // 2 × 1,404 + 3,300: above the sum from which on sending is free.
    assert!(html.contains("¥6,108"));
    let link =
        format!("/pay?shop=http%3A%2F%2Fshop.localhost%3A7402&amp;bill={digest}&amp;back=http");
    assert!(
        html.contains(&link),
        "what the wallet's own page understands"
    );
}

/// What must hold for any page.
pub(crate) fn check(name: &str, html: &str, language: &str) {
    assert!(
        html.starts_with(&format!("<!DOCTYPE html><html lang=\"{language}\">")),
        "{name}"
    );
    assert_eq!(
        html.matches("<h1").count(),
        1,
        "{name}: one heading of the first rank"
    );
    assert!(
        !html.contains(" style=") && !html.contains(" onclick="),
        "{name}"
    );
    for key in [
        "front.",
        "goods.",
        "cart.",
        "checkout.",
        "status.",
        "stage.",
        "refusal.",
        "orders.",
    ] {
        let shown = format!(">{key}");
        assert!(!html.contains(&shown), "{name}: a text is missing: {key}");
    }
    for image in html.split("<img ").skip(1) {
        let image = image.split('>').next().unwrap();
        for needed in ["alt=\"", "width=\"", "height=\"", "src=\"/pictures/"] {
            assert!(image.contains(needed), "{name}: {image}");
        }
    }
    let ids: Vec<&str> = attributes(html, "id");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "{name}: ids are unique: {ids:?}");
    let referring = ["for", "aria-describedby", "aria-labelledby"];
    for id in referring
        .iter()
        .flat_map(|attribute| attributes(html, attribute))
    {
        assert!(
            unique.contains(id),
            "{name}: {id} is referred to but isn't there"
        );
    }
    let controls = html.matches("<input ").count() - html.matches("type=\"hidden\"").count()
        + html.matches("<select ").count()
        + html.matches("<textarea ").count()
        + html.matches("<meter ").count();
    assert_eq!(
        html.matches("<label ").count(),
        controls,
        "{name}: every control has its label"
    );
    let outside = [
        "http://wallet.localhost",
        "http://forms.shop",
        "http://sealing.localhost",
    ];
    for source in attributes(html, "src")
        .iter()
        .chain(&attributes(html, "href"))
    {
        let known = source.starts_with(['/', '#', '?']) || *source == "data:,";
        let known = known || outside.iter().any(|start| source.starts_with(start));
        assert!(known, "{name}: {source} leads elsewhere");
    }
}

fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.match_indices(&start)
        .map(|(at, found)| html[at + found.len()..].split('"').next().unwrap())
        .collect()
}
