//! Tests of the centre as parties and operators meet it: real keys, real messages, a real book.
//!
//! [`town`] makes a centre in a folder of its own, with members and shops that joined by letter;
//! every other module shows one of its sides. Time is a parameter of the centre, so a month passes
//! in no time; only [`kill`] and [`commands`] start the real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod attacks;
mod audit;
mod bank;
mod clock;
mod commands;
mod credit;
mod day;
mod faults;
mod folders;
mod ic_cards;
mod joining;
mod kill;
mod limits;
mod own_record;
mod payments;
mod posted;
mod refusals;
mod routes;
mod sealed;
mod sealing;
mod server;
mod town;
