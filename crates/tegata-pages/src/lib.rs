//! What every page of ours shares: layout, security headers, languages, forms, pictures.
//!
//! A party's program writes its pages with `maud` and wraps each in a [`Page`]; [`dress`] gives
//! its routes the stylesheet, the headers and the language switch. Pages need no script, but for
//! sealed forms ([`order`]) and the sheet to draw on ([`pad`]): all others work with HTML and one
//! stylesheet. Nothing is fetched from anywhere else.
//!
//! ```
//! use axum::{Router, response::IntoResponse, routing::get};
//! use maud::html;
//! use std::sync::LazyLock;
//! use tegata_pages::{Field, Language, Messages, Page, Role};
//!
//! // include_str!("../messages/en.toml") in a real program.
//! const EN: &str = "[ask]\ntitle = 'Reserve'\nname = 'Your number'\nhint = 'From the letter'";
//! const JA: &str = "[ask]\ntitle = '予約'\nname = '会員番号'\nhint = '手紙にあります'";
//! static MESSAGES: LazyLock<Messages> = LazyLock::new(|| Messages::embedded(EN, JA));
//!
//! async fn ask(language: Language) -> impl IntoResponse {
//!     let t = MESSAGES.of(language);
//!     Page::new(language, Role::Shop, "Hanamizuki Books", t.text("ask.title")).body(html! {
//!         form method="post" {
//!             (Field::text("member", t.text("ask.name")).hint(t.text("ask.hint")).required())
//!             (tegata_pages::button(t.text("ask.title")))
//!         }
//!     })
//! }
//!
//! let router: Router = tegata_pages::dress(Router::new().route("/ask", get(ask)));
//! ```
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests may"
    )
)]

mod dress;
mod language;
pub mod order;
pub mod pad;
mod page;
mod parts;
pub mod qr;

pub use dress::{STYLE, dress};
pub use language::{Language, Messages, Texts};
pub use page::{Link, Page, Role};
pub use parts::{
    Bar, Column, Door, Field, Picture, ProductCard, Refusal, Stage, Stepper, SummaryLine, Table,
    Tile, Tone, Verdict, bar_chart, button, code, danger_button, definitions, doors, notice,
    product_cards, product_picture, progress, secondary_button, steps, summary, thumbnail, ticket,
    tiles, verdict,
};
