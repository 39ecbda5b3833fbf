//! `tegata-shop serve`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use axum::Router;
use serde_json::json;
use tegata_cli::exit::Failure;
use tegata_cli::logs::cause;
use tegata_cli::worker::Worker;
use tegata_cli::{clock, config};
use tegata_http::same_origin::host_of;
use tegata_http::serve::{self, Bound, Hosts, Stop};
use tegata_orders::key_supply;
use tegata_party::client::Client;
use tegata_protocol::Time;
use tegata_protocol::order::Maker;
use tokio::signal::unix::{SignalKind, signal};

use super::owner::{Owner, Unlocked};
use super::{PARTY, Usual, failed, say};
use crate::fulfilment::Fulfilment;
use crate::orders::Sealing;
use crate::orders::host::Hosting;
use crate::pages;
use crate::server::Service;
use crate::settings::Settings;
use crate::shop::{Shop, Signal};
use tegata_party::identity::{Centre, Identity};
use tegata_party::joining::{self, JoinError, Kind};

/// How often to look whether the catalogue's file has changed.
const LOOK: Duration = Duration::from_secs(1);
/// How long fulfilment waits for the centre's answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the owner's page waits for the sealing service's.
const OWNERS_PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    usual: Usual,

    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    owner: Owner,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let dir = arguments.usual.existing(PARTY)?;
    let _lock = dir.lock()?;
    let settings = arguments.settings.clone().or(config::load(&dir, "shop")?);
    let opened = arguments.owner.open(&dir);
    let shop = open(&dir, &settings, opened.map_err(JoinError::into_failure)?)?;
    let tls = settings.tls()?;
    let fulfilment = start_fulfilment(&shop)?;
    let supply = start_key_supply(&shop)?;
    let learner = start_learner(&shop)?;
    let result = serve::runtime()?.block_on(async {
        let stop = Stop::on_signals()?;
        let secure = tls.is_some();
        let bound = Bound::tcp(settings.address(), &dir, tls).await?;
        announce(&arguments.usual, &shop, &bound, secure);
        let router = router(&shop, &settings);
        drop(tokio::spawn(watch(Arc::clone(&shop), stop.clone())));
        bound.run(router, stop).await;
        Ok(())
    });
    fulfilment.stop();
    if let Some(supply) = supply {
        supply.stop();
    }
    if let Some(learner) = learner {
        learner.stop();
    }
    result
}

/// The shop under its names, and the order form's frames under theirs.
fn router(shop: &Arc<Shop>, settings: &Settings) -> Router {
    let mut names = settings.host_names(shop.registered().address());
    let service = Service::new(Arc::clone(shop));
    let pages = tegata_pages::dress(service.router().merge(pages::router(shop)));
    let Some(sealing) = shop.sealing() else {
        return serve::host_guard(pages, Hosts::new(names));
    };
    let frames = host_of(&sealing.frames);
    names.push(frames.clone());
    let router = pages::frames::beside(pages, pages::frames::router(shop), frames);
    serve::host_guard(router, Hosts::new(names))
}

/// Opens the shop with the vault and the keys that its owner's passwords opened.
pub(super) fn open(
    dir: &tegata_cli::data::DataDir,
    settings: &Settings,
    unlocked: Unlocked,
) -> Result<Arc<Shop>, Failure> {
    let Unlocked { vault, keys } = unlocked;
    let opened = || {
        let now = Time::from_secs(clock::now());
        let find = |identity: &Identity| {
            let address = settings.centre.as_deref();
            Centre::find(dir, &Client::default(), identity, address, now)
        };
        let (registered, centre) = joining::open_with_centre(dir, Kind::SHOP, find, || Ok(keys))?;
        let time = Arc::new(|| Time::from_secs(clock::now()));
        let cover = vault.cover();
        let sold = vault.history().map_err(JoinError::from)?;
        let shop = Shop::open(dir, registered, centre, settings.rules(), time)?;
        let shop = shop.with_history(sold);
        let Some(orders) = &settings.orders else {
            return Ok(Arc::new(shop));
        };
        let frames = settings.frames(shop.registered().address());
        let mut sealing = Sealing::open(dir, cover, orders.rules()?, &frames, now)?;
        sealing.bill_seconds = settings.order_bill_seconds();
        if let Some(wallet) = &settings.wallet {
            sealing.wallet = wallet.trim_end_matches('/').to_owned();
        }
        Ok(Arc::new(shop.with_sealing(sealing)))
    };
    opened().map_err(failed)
}

fn announce(usual: &Usual, shop: &Shop, bound: &Bound, secure: bool) {
    let address = bound.url(secure);
    let number = shop.registered().number().to_string();
    let object = json!({ "address": address, "number": number, "pid": std::process::id() });
    let name = shop.registered().name();
    say(
        usual.json,
        &object,
        &format!("{name} ({number}) is open at {address}"),
    );
}

fn start_fulfilment(shop: &Arc<Shop>) -> Result<Worker<Signal>, Failure> {
    let fulfilment = Fulfilment::new(Arc::clone(shop), Client::new(PATIENCE));
    let what = "fulfilment";
    let worker = Worker::start("shop-fulfilment", what, Signal::Stop, move |signals| {
        fulfilment.run(signals);
    })?;
    shop.wakes(worker.signals().clone());
    Ok(worker)
}

/// Keeps order keys in stock at the sealing service, if the shop takes sealed orders.
fn start_key_supply(shop: &Arc<Shop>) -> Result<Option<Worker<key_supply::Signal>>, Failure> {
    let Some(sealing) = shop.sealing() else {
        return Ok(None);
    };
    let (epochs, rules) = (Arc::clone(&sealing.epochs), sealing.rules.clone());
    let host = Hosting(Arc::clone(shop));
    let supply = key_supply::KeySupply::new(host, epochs, rules, Client::new(PATIENCE));
    let asking = key_supply::KeySupply::new(
        Hosting(Arc::clone(shop)),
        Arc::clone(&sealing.epochs),
        sealing.rules.clone(),
        Client::new(OWNERS_PATIENCE),
    );
    let asking = Arc::new(asking);
    let fetching = Arc::clone(&asking);
    shop.asks_key_stock(Box::new(move || asking.inquire().ok()));
    let fetched = move || fetching.fetch_made().is_ok_and(|count| count > 0);
    shop.fetches_made_keys(Box::new(fetched));
    let (what, stop) = ("the key supply", key_supply::Signal::Stop);
    let work = move |signals: &_| supply.run(signals);
    Worker::start("shop-key-supply", what, stop, work).map(Some)
}

/// Learns the sealing service's key from its certified record, where the service may make keys.
fn start_learner(shop: &Arc<Shop>) -> Result<Option<Worker<()>>, Failure> {
    let wanted = |sealing: &Sealing| sealing.rules.maker == Maker::Service;
    if !shop.sealing().is_some_and(wanted) {
        return Ok(None);
    }
    let shop = Arc::clone(shop);
    let work = move |signals: &Receiver<()>| {
        while !learn(&shop)
            && signals.recv_timeout(OWNERS_PATIENCE) == Err(RecvTimeoutError::Timeout)
        {}
    };
    Worker::start("shop-learner", "the learner", (), work).map(Some)
}

fn learn(shop: &Shop) -> bool {
    let Some(sealing) = shop.sealing() else {
        return true;
    };
    let (service, register) = (&sealing.rules.service, shop.centre().keys.register);
    match Client::new(OWNERS_PATIENCE).party_record(&service.address, &register) {
        Ok(record) if record.number == service.number => {
            sealing.service.set(record.keys.signing).is_ok()
        }
        Ok(record) => {
            tracing::warn!(found = %record.number, "another service stands at that address");
            false
        }
        Err(error) => {
            tracing::warn!(
                error = cause(&error),
                "the sealing service's key isn't known yet"
            );
            false
        }
    }
}

/// Reads the catalogue again when its file changes, or on SIGHUP.
async fn watch(shop: Arc<Shop>, stop: Stop) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(
                error = cause(&error),
                "SIGHUP can't be received; the catalogue stays as it is"
            );
            return;
        }
    };
    let mut look = tokio::time::interval(LOOK);
    loop {
        let asked = tokio::select! {
            () = stop.wait() => return,
            _ = hangup.recv() => true,
            _ = look.tick() => false,
        };
        let shop = Arc::clone(&shop);
        let read = move || {
            if shop.shelf().has_changed() || asked {
                // The log and the owner's page show it already.
                drop(shop.reload());
            }
        };
        drop(tokio::task::spawn_blocking(read).await);
    }
}
