//! The pages, in both languages.

use std::collections::BTreeSet;

use tegata_protocol::order::{Maker, program_digest};
use tegata_sealing::service::Rules;

use crate::town::{Open, Town, agent};

fn page(open: &Open, path: &str) -> String {
    let mut response = agent()
        .get(format!("{}{path}", open.address))
        .call()
        .unwrap();
    response.body_mut().read_to_string().unwrap()
}

#[test]
fn the_stock_page_shows_who_runs_low() {
    let town = Town::new();
    let open = town.open();
    assert!(page(&open, "/").contains("No shop has keys here yet."));
    let (few, many) = (town.shop(), town.shop());
    few.fill(&open, 3);
    many.fill(&open, 30);
    let html = page(&open, "/");
    assert!(html.contains("Key Handler") && html.contains("封"));
    let low = html.matches("low: the shop should bring more").count();
    assert_eq!((low, html.matches("enough").count()), (1, 1));
    assert!(html.contains(&few.number.to_string()) && html.contains("order-public-1"));
    assert!(!html.contains("Danger"));
    let japanese = page(&open, "/?lang=ja");
    assert!(japanese.contains("鍵の在庫") && japanese.contains("残りわずか"));
    let missing = agent()
        .get(format!("{}/nowhere", open.address))
        .call()
        .unwrap();
    assert_eq!(missing.status().as_u16(), 404);
}

#[test]
fn dangerous_settings_stand_on_the_page() {
    let town = Town::new();
    let shop = town.shop();
    let rules = Rules {
        shared: true,
        makes_for: BTreeSet::from([shop.number]),
        ..Rules::default()
    };
    let open = town.open_with(rules);
    shop.stock(&open);
    open.key(&shop.token_as(|token| token.maker = Maker::Service));
    assert_eq!(page(&open, "/").matches("Danger: this service").count(), 2);
}

#[test]
fn the_log_page_shows_digests_and_dates() {
    let town = Town::new();
    let open = town.open();
    let html = page(&open, "/log");
    assert!(html.contains(&program_digest().to_string()));
    assert!(html.contains("2026-11-21 09:30:00") && html.contains("handed out now"));
    assert!(page(&open, "/log?lang=ja").contains("公開記録"));
}
