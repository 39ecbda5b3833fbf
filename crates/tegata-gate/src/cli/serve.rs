//! `tegata-gate serve`.

use std::sync::Arc;

use tegata_cli::exit::{Exit, Failure};
use tegata_http::serve::{Bound, ListenArgs, Stop, runtime};

use super::{Common, open};
use crate::{
    event::EventName,
    folder::FolderError,
    running::RunningGate,
    serve::{Transport, router},
    settings::CardArgs,
};

/// Serve the page for the person at the gate
///
/// The page has one large field: a hand scanner types the code into it and presses Enter; the
/// verdict fills the page. It needs no script. Programs post {"text": "…"} to /v1/check.
///
/// With --reader (or --card-image) cards are read, too: by a button on the page, or by posting {} to
/// /v1/card. A card is proven by the card-key server at --card-keys; without it none is believed.
///
/// While it runs, `tegata-gate load` hands newer check data to it, and `log`, `verify-log`,
/// `export` and `status` read beside it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    listen: ListenArgs,
    /// The event whose tickets are good here: a number, or SHOP/NUMBER; may be repeated
    #[arg(long = "event", value_name = "N")]
    events: Vec<EventName>,
    #[command(flatten)]
    cards: CardArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let opened = open::open_for_serving(&arguments.common, &arguments.events)?;
    let address = opened.settings.address(arguments.listen.listen);
    let tls = opened.settings.tls()?;
    let transport = match tls {
        Some(_) => Transport::Tls,
        None => Transport::Plain,
    };
    let log = opened.folder.log().map_err(FolderError::into_failure)?;
    let names = opened.settings.chosen(&arguments.events).to_vec();
    let hosts = opened.settings.host_names();
    let data = opened.folder.dir().clone();
    let cards = opened.settings.cards(&arguments.cards)?;
    let door = RunningGate::new(opened.gate, opened.folder, log, names);
    let door = Arc::new(door.with_cards(cards));
    let json = arguments.common.json;
    runtime()?.block_on(async {
        let stop = Stop::on_signals()?;
        let bound = Bound::tcp(address, &data, tls).await?;
        if let Some(address) = bound.address().filter(|_| json) {
            super::print_json(&serde_json::json!({ "listening": address }))?;
        }
        bound.run(router(door, &hosts, transport), stop).await;
        Ok::<(), Failure>(())
    })?;
    drop(opened.lock);
    Ok(Exit::Done)
}
