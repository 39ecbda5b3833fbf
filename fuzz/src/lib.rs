//! What the fuzz targets do with their input.
//!
//! Each takes bytes as a stranger might send them, or as a damaged file might hold them, and checks
//! that nothing panics. Where there's an encoder, what is accepted must be encoded again to the very
//! bytes that came; where there's none, another property of what is accepted is checked, e.g. that a
//! bank's sums add up, or that a card holds no more than before.
//!
//! [`TARGETS`] has them all by name. The programs in `fuzz_targets/` hand them to the fuzzer; the
//! program `smoke` runs them without one.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a target tells the fuzzer what it found"
)]

mod bank;
mod card;
mod card_service;
mod files;
mod pages;
mod protocol;
pub mod seeds;
mod shop;
pub mod smoke;
mod vault;

pub use bank::bank;
pub use card::{applet, card_answers, card_memory, helper, vpcd};
pub use card_service::card_service;
pub use files::{
    check_data, config, evidence, key_file, letter, letter_picture, stock, wallet_files,
};
pub use pages::{forms, headers, wallet_page};
pub use protocol::{
    bill, book, card, details, identities, joining, keys, order, order_form, payment, prepaid,
    presentation, purchase, sealed, sealed_order, sign1, ticket, typed,
};
pub use shop::{catalogue, goods_picture, guide, order_answers};
pub use vault::{history, seed, vault};

/// What a target does with its input.
pub type Target = fn(&[u8]);

/// All targets, by the names of their programs.
pub const TARGETS: &[(&str, Target)] = &[
    ("applet", applet),
    ("bank", bank),
    ("bill", bill),
    ("book", book),
    ("card", card),
    ("card_answers", card_answers),
    ("card_memory", card_memory),
    ("card_service", card_service),
    ("catalogue", catalogue),
    ("check_data", check_data),
    ("config", config),
    ("details", details),
    ("evidence", evidence),
    ("forms", forms),
    ("goods_picture", goods_picture),
    ("guide", guide),
    ("headers", headers),
    ("helper", helper),
    ("history", history),
    ("identities", identities),
    ("joining", joining),
    ("key_file", key_file),
    ("keys", keys),
    ("letter", letter),
    ("letter_picture", letter_picture),
    ("order", order),
    ("order_answers", order_answers),
    ("order_form", order_form),
    ("payment", payment),
    ("prepaid", prepaid),
    ("presentation", presentation),
    ("purchase", purchase),
    ("sealed", sealed),
    ("sealed_order", sealed_order),
    ("seed", seed),
    ("sign1", sign1),
    ("stock", stock),
    ("ticket", ticket),
    ("typed", typed),
    ("vault", vault),
    ("vpcd", vpcd),
    ("wallet_files", wallet_files),
    ("wallet_page", wallet_page),
];
