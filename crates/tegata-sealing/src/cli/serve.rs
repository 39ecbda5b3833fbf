//! `tegata-sealing serve`.

use std::sync::Arc;

use serde_json::json;
use tegata_cli::config;
use tegata_cli::exit::Failure;
use tegata_http::serve::{self, Bound, Hosts, Stop};

use super::{Ask, PARTY, Usual, failed, open, say};
use crate::server::Door;
use crate::service::{Rules, Service};
use crate::settings::Settings;
use crate::{key_expiry, pages};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    usual: Usual,

    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let dir = arguments.usual.existing(PARTY)?;
    let _lock = dir.lock()?;
    let settings = arguments.settings.or(config::load(&dir, "sealing")?);
    let service = Arc::new(open(&dir, &settings, Ask::AtOnce)?);
    let published = service.publish_own_program();
    published.map_err(|e| failed(e.into()))?;
    warn_of_danger(service.rules());
    let tls = settings.tls()?;
    let expiry = key_expiry::start(Arc::clone(&service))?;
    let result = serve::runtime()?.block_on(async {
        let stop = Stop::on_signals()?;
        let secure = tls.is_some();
        let bound = Bound::tcp(settings.address(), &dir, tls).await?;
        announce(arguments.usual.json, &service, &bound, secure);
        let hosts = Hosts::new(settings.host_names(service.registered().address()));
        let router = Door::new(Arc::clone(&service)).router();
        let router = router.merge(pages::router(&service));
        let router = serve::host_guard(tegata_pages::dress(router), hosts);
        bound.run(router, stop).await;
        Ok(())
    });
    expiry.stop();
    result
}

fn warn_of_danger(rules: &Rules) {
    if rules.shared {
        tracing::warn!("danger_shared_keys: this service can read orders sealed with such keys");
    }
    if rules.shop_wide_shared {
        tracing::warn!("danger_shop_wide_shared_key: customers can read each other's orders");
    }
    for shop in &rules.makes_for {
        tracing::warn!(%shop, "danger_service_made_keys: this service can read that shop's orders");
    }
}

fn announce(json: bool, service: &Service, bound: &Bound, secure: bool) {
    let address = bound.url(secure);
    let number = service.registered().number().to_string();
    let object = json!({ "address": address, "number": number, "pid": std::process::id() });
    let name = service.registered().name();
    say(
        json,
        &object,
        &format!("{name} ({number}) is open at {address}"),
    );
}
