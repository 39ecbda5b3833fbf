//! A shop's catalogue as a table, whatever more the shop may tell.

use serde_json::Value;

/// The table; a catalogue in another form is printed as it came.
#[must_use]
pub fn text(catalogue: &Value) -> String {
    let listed = ["offers", "series"].iter().find_map(|n| catalogue.get(n));
    let Some(offers) = listed.unwrap_or(catalogue).as_array() else {
        return format!("{catalogue:#}");
    };
    let head = ["Series", "Kind", "Price", "Left"];
    let mut lines = vec![line(head.map(str::to_owned), "Title")];
    for offer in offers {
        lines.push(line(
            [
                cell(offer, &["series", "number"]),
                cell(offer, &["kind"]),
                price(offer),
                cell(offer, &["left"]),
            ],
            &format!("{}, {}", cell(offer, &["title"]), cell(offer, &["place"])),
        ));
        lines.extend(more(offer));
    }
    lines.join("\n")
}

fn line([series, kind, price, left]: [String; 4], title: &str) -> String {
    format!("{series:>6}  {kind:<10} {price:>14} {left:>6}  {title}")
}

/// When it's good for, and the names behind codes.
fn more(offer: &Value) -> Vec<String> {
    let names = offer.get("names").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    let coded = (1_usize..).zip(names);
    let coded: Vec<String> = coded.map(|(i, name)| format!("{i} {name}")).collect();
    let (from, until) = (cell(offer, &["valid_from"]), cell(offer, &["valid_until"]));
    let when = (!from.is_empty()).then(|| format!("{from} to {until}"));
    let codes = (!coded.is_empty()).then(|| coded.join(" · "));
    let lines = [when, codes].into_iter().flatten();
    lines.map(|l| format!("        {l}")).collect()
}

fn price(offer: &Value) -> String {
    match offer.get("price") {
        Some(price) if price.is_object() => cell(price, &["text"]),
        _ => cell(offer, &["price"]),
    }
}

fn cell(row: &Value, names: &[&str]) -> String {
    let found = names.iter().find_map(|n| row.get(n));
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    found.filter(|v| !v.is_null()).map(text).unwrap_or_default()
}
