//! Serving HTTP, the same way in every program: listening, TLS, limits and stopping are [`serve`]'s;
//! [`rate_limit`] counts what each client asks. It knows no message, no key and no money.
//!
//! ```no_run
//! use clap::Parser;
//! use tegata_cli::{config, data, exit, logs};
//! use tegata_http::serve;
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

pub mod rate_limit;
pub mod serve;
