//! Contrast as WCAG 2.2 defines it (1.4.3): at least 4.5 to 1 for every pair of colours that
//! carries text, 3 to 1 for the borders of inputs; by day and by night, for every party.
#![expect(
    clippy::disallowed_types,
    reason = "a formula over light, not over money"
)]

use std::collections::BTreeMap;

use tegata_pages::STYLE;

type Colours = BTreeMap<String, [f64; 3]>;

const TEXT: [(&str, &str); 23] = [
    ("ink", "ground"),
    ("ink", "sheet"),
    ("ink", "wash"),
    ("ink", "good-wash"),
    ("ink", "bad-wash"),
    ("ink", "careful-wash"),
    ("quiet", "ground"),
    ("quiet", "sheet"),
    ("accent", "ground"),
    ("accent", "sheet"),
    ("accent", "wash"),
    ("accent", "good-wash"),
    ("accent", "bad-wash"),
    ("accent", "careful-wash"),
    ("on-accent", "accent"),
    ("bad", "ground"),
    ("bad", "bad-wash"),
    ("on-tone", "bad"),
    ("on-verdict", "in"),
    ("on-verdict", "out"),
    ("on-verdict", "wait"),
    ("on-verdict", "again"),
    ("good", "good-wash"),
];

#[test]
fn all_text_can_be_read_by_day_and_by_night_on_everybodys_pages() {
    let (day, night) = STYLE.split_once("prefers-color-scheme: dark").unwrap();
    let night = night.split_once("\n}\n").unwrap().0;
    let base = colours(day, ":root");
    let dark = colours(night, ":root");
    assert!(base.len() > 10 && dark.len() > 10);
    for party in [
        ":root", ".centre", ".shop", ".gate", ".sealing", ".wallet", ".town",
    ] {
        let mut day_colours = base.clone();
        day_colours.extend(colours(day, party));
        let mut night_colours = day_colours.clone();
        night_colours.extend(dark.clone());
        night_colours.extend(colours(night, party));
        for (when, colours) in [("day", &day_colours), ("night", &night_colours)] {
            for (ink, paper) in TEXT {
                let contrast = contrast(colours[ink], colours[paper]);
                assert!(
                    contrast >= 4.5,
                    "{party} by {when}: {ink} on {paper}: {contrast:.2}"
                );
            }
            for paper in ["ground", "sheet"] {
                let contrast = contrast(colours["edge"], colours[paper]);
                assert!(
                    contrast >= 3.0,
                    "{party} by {when}: edge on {paper}: {contrast:.2}"
                );
            }
        }
    }
}

/// The custom properties that the first rule for `selector` sets to a colour.
fn colours(css: &str, selector: &str) -> Colours {
    let rule = css
        .split_once(&format!("{selector} {{"))
        .map_or("", |(_, rest)| rest);
    let rule = rule.split('}').next().unwrap();
    rule.split(';')
        .map(|property| property.rsplit("*/").next().unwrap())
        .filter_map(|property| property.trim().strip_prefix("--")?.split_once(": #"))
        .map(|(name, hex)| (name.to_owned(), rgb(hex)))
        .collect()
}

fn rgb(hex: &str) -> [f64; 3] {
    assert_eq!(hex.len(), 6, "{hex}");
    [0, 2, 4].map(|at| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0)
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(rgb: [f64; 3]) -> f64 {
    let linear = |c: f64| {
        if c <= 0.04045 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2])
}
