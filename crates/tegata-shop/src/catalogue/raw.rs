//! The catalogue as it stands in the file: every value with its place, nothing checked but its type.

use serde::Deserialize;
use toml::value::Datetime;
use toml::{Spanned, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalogue {
    pub(super) currency: Spanned<String>,
    pub(super) zone: Option<Spanned<String>>,
    pub(super) tax_number: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) rounding: Rounding,
    #[serde(default, rename = "offer")]
    pub(super) offers: Vec<Spanned<Offer>>,
    #[serde(default)]
    pub(super) goods: Vec<Spanned<Product>>,
    pub(super) postage: Option<Spanned<Postage>>,
    pub(super) form: Option<Spanned<Form>>,
    pub(super) payment: Option<Spanned<Ways>>,
    pub(super) welcome: Option<Welcome>,
}

/// A text in both languages: `{ en = "Green tea", ja = "煎茶" }`.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a text in both languages, like { en = \"Tea\", ja = \"お茶\" }"
)]
pub(super) struct Words {
    pub(super) en: Spanned<String>,
    pub(super) ja: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Product {
    pub(super) id: Spanned<String>,
    pub(super) title: Words,
    pub(super) text: Words,
    pub(super) category: Option<Words>,
    pub(super) price: Spanned<Value>,
    pub(super) tax: Spanned<Value>,
    #[serde(default)]
    pub(super) tax_mode: TaxMode,
    pub(super) stock: Spanned<u32>,
    pub(super) most_per_order: Option<Spanned<u32>>,
    pub(super) picture: Option<Spanned<String>>,
    pub(super) alt: Option<Words>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Postage {
    pub(super) price: Spanned<Value>,
    pub(super) free_from: Option<Spanned<Value>>,
    pub(super) tax: Spanned<Value>,
    #[serde(default)]
    pub(super) tax_mode: TaxMode,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Need {
    Required,
    Optional,
    No,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    pub(super) name: Option<Need>,
    pub(super) postal_code: Option<Need>,
    pub(super) address: Option<Need>,
    pub(super) phone: Option<Need>,
    pub(super) mail: Option<Need>,
    pub(super) note: Option<Need>,
    pub(super) erase: Option<Erase>,
}

/// What is erased: in the browser `keys`, `program` or `both`; `shop`: both, and here once it's sent.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Erase {
    Keys,
    Program,
    Both,
    Shop,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ways {
    #[serde(default = "yes")]
    pub(super) prepaid: bool,
    #[serde(default)]
    pub(super) card: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Welcome {
    pub(super) title: Words,
    pub(super) text: Words,
    pub(super) picture: Option<Spanned<String>>,
    pub(super) alt: Option<Words>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rounding {
    #[default]
    Down,
    HalfUp,
    Up,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TaxMode {
    #[default]
    Included,
    Added,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Stay,
    Ride,
    Admission,
    Wager,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Offer {
    pub(super) series: Spanned<u32>,
    pub(super) kind: Spanned<Kind>,
    pub(super) title: Spanned<String>,
    pub(super) place: Spanned<String>,
    pub(super) valid_from: Spanned<Datetime>,
    pub(super) valid_until: Spanned<Datetime>,
    pub(super) sales_from: Option<Spanned<Datetime>>,
    pub(super) sales_until: Option<Spanned<Datetime>>,
    pub(super) quota: Spanned<u32>,
    pub(super) price: Spanned<Value>,
    pub(super) tax: Spanned<Value>,
    #[serde(default)]
    pub(super) tax_mode: TaxMode,
    pub(super) rules: Option<Spanned<String>>,
    #[serde(default = "yes")]
    pub(super) keyword: bool,
    #[serde(default)]
    pub(super) bearer: bool,
    #[serde(default)]
    pub(super) card: bool,
    pub(super) most_per_order: Option<Spanned<u32>>,
    pub(super) stay: Option<Spanned<Stay>>,
    pub(super) ride: Option<Spanned<Ride>>,
    pub(super) admission: Option<Spanned<Admission>>,
    pub(super) wager: Option<Spanned<Wager>>,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stay {
    pub(super) rooms: Option<Spanned<Vec<Spanned<u16>>>>,
    pub(super) most_nights: Option<Spanned<u8>>,
    pub(super) most_guests: Option<Spanned<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ride {
    pub(super) stops: Spanned<Vec<Spanned<String>>>,
    pub(super) classes: Option<Spanned<Vec<Spanned<u8>>>>,
    pub(super) coaches: Option<Spanned<Vec<Spanned<u8>>>>,
    pub(super) seats: Option<Spanned<u16>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admission {
    pub(super) sections: Spanned<Vec<Spanned<String>>>,
    pub(super) rows: Option<Spanned<u8>>,
    pub(super) seats: Option<Spanned<u16>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wager {
    pub(super) races: Spanned<u8>,
    pub(super) runners: Spanned<u8>,
    pub(super) bets: Option<Spanned<Vec<Spanned<Bet>>>>,
    pub(super) most_units: Option<Spanned<u16>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Bet {
    Win,
    Place,
    Quinella,
    Exacta,
    Trio,
    Trifecta,
}
