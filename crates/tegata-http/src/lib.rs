//! Serving HTTP, the same way in every program. It knows no message, no key and no money.
//!
//! - [`serve`]: listening, TLS, limits on connections, stopping.
//! - [`Routes`]: a server's routes, each with what it costs ([`rate_limit`]) and behind one rule for
//!   what other sites' pages send ([`same_origin`]).
//! - [`HttpError`]: why a request isn't answered as it was asked, and the response that says so.
//! - [`work`]: what blocks is done beside the threads that serve everybody.
//!
//! ```no_run
//! use clap::Parser;
//! use tegata_cli::{config, data, exit, logs};
//! use std::sync::Arc;
//! use tegata_http::same_origin::SameOrigin;
//! use tegata_http::{Cost, Posts, Routes, Uncounted, serve};
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
//!             let routes = Routes::new(Arc::new(Uncounted))
//!                 .get("/", Cost::Free("a page that only reads"), async || "Good morning");
//!             let ours = SameOrigin::plain("This form is another site's.\n");
//!             let router = routes.into_router(Posts::OwnPages(ours));
//!             let router = serve::host_guard(router, hosts);
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

pub mod error;
pub mod rate_limit;
mod routes;
pub mod same_origin;
pub mod serve;
pub mod work;

pub use error::{CBOR, Cbor, HttpError};
pub use routes::{Cost, Counter, Listed, Posts, Routes, Uncounted};
