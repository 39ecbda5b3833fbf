//! What each of our programs does alike.
//!
//! A party's program (guard, centre, shop, wallet, gate) starts the same way: it reads its
//! command line, opens the folder that holds all it owns ([`data`]), reads its settings
//! ([`config`]), asks for passwords ([`password`]), starts its log ([`logs`]), perhaps serves
//! HTTP ([`serve`]), and ends with a code and a sentence that says what happened and what to do
//! next ([`exit`]). Servers count what each client asks ([`pace`]). This crate is that plumbing and nothing else: it knows no message, no key
//! and no money.
//!
//! ```no_run
//! use clap::Parser;
//! use tegata_program::{config, data, exit, logs, serve};
//!
//! #[derive(Parser)]
//! struct Arguments {
//!     #[command(flatten)]
//!     data: data::DataArgs,
//!     #[command(flatten)]
//!     log: logs::LogArgs,
//! }
//!
//! #[derive(Default, serde::Deserialize)]
//! #[serde(deny_unknown_fields, default)]
//! struct Settings {
//!     listen: Option<std::net::SocketAddr>,
//! }
//!
//! const PARTY: data::Party = data::Party::new("tegata-shop", 1);
//!
//! fn main() -> std::process::ExitCode {
//!     exit::run("tegata-shop", || {
//!         let arguments = Arguments::parse();
//!         logs::init("tegata-shop", arguments.log.format);
//!         let dir = data::DataDir::open(&arguments.data.data, PARTY)?;
//!         let _lock = dir.lock()?;
//!         let settings: Settings = config::load(&dir, "shop")?;
//!         let address = settings.listen.unwrap_or(serve::loopback(7402));
//!         serve::runtime()?.block_on(async {
//!             let stop = serve::Stop::on_signals()?;
//!             let bound = serve::Bound::tcp(address, &dir, None).await?;
//!             let hosts = serve::Hosts::new(["shop.localhost"]);
//!             let router = serve::host_guard(axum::Router::new(), hosts);
//!             bound.run(router, stop).await;
//!             Ok(())
//!         })
//!     })
//! }
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

pub mod clock;
pub mod config;
pub mod data;
pub mod exit;
pub mod logs;
pub mod pace;
pub mod password;
pub mod progress;
pub mod serve;
