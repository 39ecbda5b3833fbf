//! Party numbers and bills' totals.

use serde_json::{Value, json};
use tegata_protocol::{
    Amount, Currency, PartyNumber, Role,
    purchase::{Line, Rounding, TaxMode, TaxRate, compute_totals},
};

use super::{vectors, word};

pub(super) fn numbers() -> Value {
    let one = |role: Role, serial| {
        let number = PartyNumber::new(role, serial).unwrap();
        json!({ "text": number.to_string(), "wire": number.wire(), "valid": true })
    };
    let mut all: Vec<Value> = Role::ALL
        .into_iter()
        .map(|role| one(role, 483_122_075))
        .collect();
    all.push(one(Role::Member, 0));
    all.push(one(Role::Member, 999_999_999));
    all.push(json!({ "text": "C-00000-00001", "wire": PartyNumber::CENTRE.wire(), "valid": true }));
    all.extend([
        json!({ "defect": "wrong check digit", "text": "M-48312-20753", "wire": 14_831_220_753_u64, "valid": false }),
        json!({ "defect": "two neighbours exchanged", "text": "M-43812-20752", "wire": 14_381_220_752_u64, "valid": false }),
        json!({ "defect": "unknown role", "text": "X-48312-20758", "wire": 54_831_220_758_u64, "valid": false }),
        json!({ "defect": "a digit too few", "text": "M-48312-2075", "wire": 1_483_122_075, "valid": false }),
        json!({ "defect": "another role's letter", "text": "S-48312-20752", "wire": 24_831_220_752_u64, "valid": false }),
    ]);
    json!({ "what": "party numbers as people write them and as they stand in messages", "vectors": all })
}

#[test]
fn numbers_are_judged_as_the_vectors_say() {
    for vector in vectors("numbers.json") {
        let (text, wire) = (word(&vector, "text"), vector["wire"].as_u64().unwrap());
        let valid = vector["valid"].as_bool().unwrap();
        assert_eq!(PartyNumber::from_wire(wire).is_ok(), valid, "{vector}");
        assert_eq!(text.parse::<PartyNumber>().is_ok(), valid, "{vector}");
        if valid {
            assert_eq!(PartyNumber::from_wire(wire).unwrap().to_string(), text);
            assert_eq!(text.parse::<PartyNumber>().unwrap().wire(), wire);
        }
    }
}

/// Quantity, unit price, rate, mode, discount.
type Row = (u32, u64, u16, TaxMode, u64);

const INCLUDED: TaxMode = TaxMode::Included;
const ADDED: TaxMode = TaxMode::Added;

/// What each bill is about, its currency, rounding, tip and lines.
const BILLS: &[(&str, Currency, Rounding, u64, &[Row])] = &[
    (
        "one line, tax included",
        Currency::JPY,
        Rounding::Down,
        0,
        &[(2, 550, 1000, INCLUDED, 0)],
    ),
    (
        "three lines rounded once",
        Currency::JPY,
        Rounding::Down,
        0,
        &[
            (1, 33, 800, ADDED, 0),
            (1, 33, 800, ADDED, 0),
            (1, 33, 800, ADDED, 0),
        ],
    ),
    (
        "the same, halves up",
        Currency::JPY,
        Rounding::HalfUp,
        0,
        &[
            (1, 33, 800, ADDED, 0),
            (1, 33, 800, ADDED, 0),
            (1, 33, 800, ADDED, 0),
        ],
    ),
    (
        "the same, up",
        Currency::JPY,
        Rounding::Up,
        0,
        &[
            (1, 33, 800, ADDED, 0),
            (1, 33, 800, ADDED, 0),
            (1, 33, 800, ADDED, 0),
        ],
    ),
    (
        "exactly a half",
        Currency::JPY,
        Rounding::HalfUp,
        0,
        &[(1, 5, 1000, ADDED, 0)],
    ),
    (
        "two rates, discount and tip",
        Currency::JPY,
        Rounding::Down,
        10,
        &[(2, 1100, 1000, INCLUDED, 0), (3, 333, 800, ADDED, 9)],
    ),
    (
        "both modes under one rate",
        Currency::EUR,
        Rounding::HalfUp,
        0,
        &[(1, 1999, 1900, INCLUDED, 0), (1, 1999, 1900, ADDED, 0)],
    ),
    (
        "no tax at all",
        Currency::EUR,
        Rounding::Up,
        0,
        &[(7, 101, 0, INCLUDED, 7)],
    ),
    (
        "all tax",
        Currency::JPY,
        Rounding::Down,
        0,
        &[(1, 101, 10_000, INCLUDED, 0)],
    ),
    (
        "free of charge",
        Currency::JPY,
        Rounding::Up,
        0,
        &[(1, 500, 1000, INCLUDED, 500)],
    ),
    (
        "the largest",
        Currency::JPY,
        Rounding::Down,
        0,
        &[(1, 1_000_000_000_000_000, 0, ADDED, 0)],
    ),
];

pub(super) fn bills() -> Value {
    let one = |(what, currency, rounding, tip, rows): &(&str, Currency, Rounding, u64, &[Row])| {
        let amount = |minor| Amount::new(minor, *currency).unwrap();
        let lines: Vec<Line> = rows.iter().map(|row| line(*row, *currency)).collect();
        let totals = compute_totals(&lines, amount(*tip), *rounding).unwrap();
        let row = |&(quantity, price, rate, mode, discount): &Row| {
            let mode = u8::from(mode == ADDED);
            json!({ "quantity": quantity, "unit_price": price, "tax_rate": rate, "tax_mode": mode, "discount": discount })
        };
        let rates = totals.rates.iter().map(|r| {
            json!({ "rate": r.rate.basis_points(), "net": r.net.minor(), "tax": r.tax.minor() })
        });
        json!({
            "what": what,
            "currency": currency.code(),
            "rounding": number(*rounding),
            "tip": tip,
            "lines": rows.iter().map(row).collect::<Vec<_>>(),
            "rates": rates.collect::<Vec<_>>(),
            "total": totals.total.minor(),
        })
    };
    let all: Vec<Value> = BILLS.iter().map(one).collect();
    json!({ "what": "bills' totals, in minor units; numbers as in purchase.md", "vectors": all })
}

const fn number(rounding: Rounding) -> u8 {
    match rounding {
        Rounding::Down => 0,
        Rounding::HalfUp => 1,
        Rounding::Up => 2,
    }
}

fn line((quantity, price, rate, tax_mode, discount): Row, currency: Currency) -> Line {
    Line {
        text: "x".into(),
        quantity,
        unit_price: Amount::new(price, currency).unwrap(),
        tax_rate: TaxRate::new(rate).unwrap(),
        tax_mode,
        discount: Amount::new(discount, currency).unwrap(),
    }
}

/// The page's recipe in plain integers, on the file's figures.
#[test]
fn totals_follow_the_page() {
    for bill in vectors("bills.json") {
        let list = |name: &str| bill[name].as_array().unwrap().clone();
        let int = |v: &Value, name: &str| u128::from(v[name].as_u64().unwrap());
        let divide = |a: u128, b: u128| match bill["rounding"].as_u64().unwrap() {
            0 => a / b,
            1 => (2 * a + b) / (2 * b),
            _ => a.div_ceil(b),
        };
        let mut total = int(&bill, "tip");
        for rate in list("rates") {
            let r = int(&rate, "rate");
            let sum = |mode| -> u128 {
                let lines = list("lines");
                let chosen = lines
                    .iter()
                    .filter(|l| int(l, "tax_rate") == r && int(l, "tax_mode") == mode);
                chosen
                    .map(|l| int(l, "quantity") * int(l, "unit_price") - int(l, "discount"))
                    .sum()
            };
            let (included, added) = (sum(0), sum(1));
            let (inside, on_top) = (divide(included * r, 10_000 + r), divide(added * r, 10_000));
            assert_eq!(int(&rate, "tax"), inside + on_top, "{bill}");
            assert_eq!(int(&rate, "net"), included - inside + added, "{bill}");
            total += included + added + on_top;
        }
        assert_eq!(int(&bill, "total"), total, "{bill}");
    }
}
