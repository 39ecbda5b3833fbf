//! How the form looks, and whether everybody can use it. The pictures stay below the target folder.

use serde_json::json;

use crate::browser::{Visit, filled};
use crate::town::{Plan, Town};

const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/screenshots");

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn everybody_can_use_the_form() {
    std::fs::create_dir_all(PICTURES).unwrap();
    let town = Town::start(Plan {
        card: true,
        ..Plan::default()
    });
    for language in ["en", "ja"] {
        for (device, width) in [("phone", 390), ("desktop", 1100)] {
            for dark in [false, true] {
                let light = if dark { "dark" } else { "light" };
                let picture = format!("{PICTURES}/form-{language}-{device}-{light}.png");
                let visit = Visit::of(&json!({
                    "url": format!("{}?lang={language}", town.page()), "fill": filled(),
                    "viewport": {"width": width, "height": 900}, "dark": dark,
                    "axe": true, "presses": 0, "screenshot": picture,
                }));
                assert_eq!(visit.0["axe"], json!([]), "{picture}");
            }
        }
    }
}
