//! The wallet's integration tests, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests may"
)]

mod browser;
mod card_browser;
mod consent;
mod crash;
mod deliveries;
mod drawing;
mod ic_card;
mod page;
mod page_card;
mod page_pay;
mod program;
mod story;
mod town;
mod vault;
mod verify_program;
mod web_bill;
mod web_shop;
mod words_alone;
