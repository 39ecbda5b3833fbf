//! Amounts as they're read aloud (K2, K7): for those who'd rather hear than read. Pages speak with the
//! browser's voice; the command line with a speech program of the system's, if there's one.

use std::process::{Command, Stdio};

use tegata_pages::Language;
use tegata_protocol::{Amount, purchase::Bill};

use crate::ic_card::Agreement;

/// Programs that read a text aloud, with the arguments before the text.
const SPEAKERS: &[(&str, &[&str])] = &[
    ("espeak-ng", &[]),
    ("spd-say", &["--wait"]),
    ("espeak", &[]),
    ("say", &[]),
];

/// The language of the terminal.
pub(crate) fn language() -> Language {
    let named = ["LC_ALL", "LC_MESSAGES", "LANG"];
    let set = named.iter().find_map(|name| {
        let value = std::env::var(name).ok();
        value.filter(|v| !v.is_empty())
    });
    match set {
        Some(value) if value.starts_with("ja") => Language::Ja,
        Some(_) | None => Language::En,
    }
}

/// An amount in words that voices read well: `1200 yen`, not `JPY 1,200`.
pub(crate) fn amount(amount: Amount, language: Language) -> String {
    let code = amount.currency().to_string();
    let written = amount.to_string();
    let figures: String = written
        .trim_start_matches(code.as_str())
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let name = match (code.as_str(), language) {
        ("JPY", Language::En) => "yen",
        ("JPY", Language::Ja) => "円",
        ("EUR", Language::En) => "euros",
        ("EUR", Language::Ja) => "ユーロ",
        ("USD", Language::En) => "dollars",
        ("USD", Language::Ja) => "ドル",
        (other, _) => other,
    };
    match language {
        Language::En => format!("{figures} {name}"),
        Language::Ja => format!("{figures}{name}"),
    }
}

/// What a bill asks for, line by line: read before the member agrees to it.
pub(crate) fn quote(bill: &Bill, shop: &str, language: Language) -> String {
    let total = amount(bill.totals.total, language);
    let mut said = match language {
        Language::En => format!("{shop} asks you to pay {total}."),
        Language::Ja => format!("{shop}へのお支払いは{total}です。"),
    };
    for line in &bill.lines {
        let (text, quantity) = (&line.text, line.quantity);
        // A line that was verified has a sum.
        let Ok(sum) = line.total() else { continue };
        let sum = amount(sum, language);
        said.push_str(&match language {
            Language::En => format!(" {quantity} of {text}: {sum}."),
            Language::Ja => format!("{text}、{quantity}点、{sum}。"),
        });
    }
    said
}

/// What is asked before a card is debited.
pub(crate) fn agreement(agreement: &Agreement, language: Language) -> String {
    let order = &agreement.order;
    let total = amount(order.amount, language);
    let shop = &agreement.shop;
    let balance = order.balance.map(|b| amount(b, language));
    let left = agreement.left().map(|l| amount(l, language));
    match (language, balance.zip(left)) {
        (Language::En, Some((balance, left))) => {
            format!("You pay {total} to {shop}. On the card are {balance}; {left} will be left.")
        }
        (Language::En, None) => format!("You pay {total} to {shop}."),
        (Language::Ja, Some((balance, left))) => format!(
            "{shop}に{total}を支払います。カードには{balance}あり、残りは{left}になります。"
        ),
        (Language::Ja, None) => format!("{shop}に{total}を支払います。"),
    }
}

/// What is said when the card has paid.
pub(crate) fn paid(left: Amount, language: Language) -> String {
    let left = amount(left, language);
    match language {
        Language::En => format!("Paid. {left} are left on the card."),
        Language::Ja => format!("支払いました。カードの残りは{left}です。"),
    }
}

/// Reads a text aloud, and waits until it has been said. Says on standard error if it can't.
pub(crate) fn aloud(text: &str) {
    for (program, arguments) in SPEAKERS {
        let spoken = Command::new(program)
            .args(*arguments)
            .arg(text)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if spoken.is_ok_and(|status| status.success()) {
            return;
        }
    }
    eprintln!("no speech program was found (espeak-ng, spd-say): {text}");
}

#[cfg(test)]
mod tests {
    use tegata_protocol::Currency;

    use super::*;

    #[test]
    fn a_quote_is_said_line_by_line() {
        use tegata_protocol::{
            PartyNumber, Role, Time, TransactionNumber,
            purchase::{DeliveryKind, Line, Rounding, TaxMode, TaxRate, compute_totals},
        };
        let yen = |minor| Amount::new(minor, Currency::JPY).unwrap();
        let lines = vec![Line {
            text: "Tea".into(),
            quantity: 2,
            unit_price: yen(600),
            tax_rate: TaxRate::new(800).unwrap(),
            tax_mode: TaxMode::Included,
            discount: yen(0),
        }];
        let bill = Bill {
            shop: PartyNumber::new(Role::Shop, 7).unwrap(),
            transaction: TransactionNumber::new(1).unwrap(),
            request: None,
            totals: compute_totals(&lines, yen(0), Rounding::Down).unwrap(),
            lines,
            tip: yen(0),
            rounding: Rounding::Down,
            tax_number: None,
            issued: Time::from_secs(0),
            expires: Time::from_secs(9),
            delivery: DeliveryKind::Post,
            interface: None,
        };
        let english = "Momiji asks you to pay 1200 yen. 2 of Tea: 1200 yen.";
        assert_eq!(quote(&bill, "Momiji", Language::En), english);
        let japanese = "Momijiへのお支払いは1200円です。Tea、2点、1200円。";
        assert_eq!(quote(&bill, "Momiji", Language::Ja), japanese);
    }

    #[test]
    fn amounts_are_said_as_people_say_them() {
        let yen = Amount::new(1_200, Currency::JPY).unwrap();
        assert_eq!(amount(yen, Language::En), "1200 yen");
        assert_eq!(amount(yen, Language::Ja), "1200円");
        let euro = Amount::new(1_250, Currency::new("EUR").unwrap()).unwrap();
        assert_eq!(amount(euro, Language::En), "12.50 euros");
        assert!(paid(yen, Language::Ja).contains("1200円"));
    }
}
