//! `tegata-shop sales`, `cancel` and `owner-link`: what the owner asks of the database.

use rand_core::Rng as _;
use serde_json::json;
use tegata_program::clock;
use tegata_program::exit::Failure;
use tegata_program::serve::read_address;
use tegata_protocol::ticket::Serial;
use tegata_protocol::{Digest, SeriesId, Time, TransactionNumber};

use super::{Usual, failed, say};
use crate::catalogue::{self, Catalogue, read};
use crate::chance;
use crate::store::{self, Sale, Stock, Store, StoreError};

/// How long a link to the owner's page is good.
const LINK_SECONDS: u64 = 600;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    usual: Usual,

    /// Show each sale of this series, with its tickets' serials
    #[arg(long, value_name = "N")]
    series: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(super) struct CancelArguments {
    #[command(flatten)]
    usual: Usual,

    /// The series
    #[arg(long, value_name = "N")]
    series: u32,

    /// The one ticket with this serial
    #[arg(long, value_name = "N", required_unless_present = "transaction")]
    serial: Option<u32>,

    /// All tickets of the sale with this transaction number, as the bill shows it
    #[arg(long, value_name = "NUMBER", conflicts_with = "serial")]
    transaction: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct OwnerArguments {
    #[command(flatten)]
    usual: Usual,
}

fn open(usual: &Usual) -> Result<Store, Failure> {
    let file = usual.existing()?.path().join(store::FILE);
    if !file.exists() {
        return Err(
            Failure::refused("this shop has never been open: there are no sales")
                .next("run tegata-shop serve first"),
        );
    }
    Store::open(&file).map_err(|e| failed(e.into()))
}

fn stored<T>(result: Result<T, StoreError>) -> Result<T, Failure> {
    result.map_err(|e| failed(e.into()))
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let store = open(&arguments.usual)?;
    match arguments.series {
        Some(series) => one_series(&arguments.usual, &store, SeriesId::new(series)),
        None => every_series(&arguments.usual, &store),
    }
}

fn every_series(usual: &Usual, store: &Store) -> Result<(), Failure> {
    let catalogue = read::file(&usual.existing()?.path().join(catalogue::FILE))?;
    let stocks = stored(stocks(store, &catalogue))?;
    let rows: Vec<_> = catalogue.offers().zip(&stocks).collect();
    let objects: Vec<_> = rows
        .iter()
        .map(|(offer, stock)| {
            json!({
                "series": offer.series.number(),
                "kind": offer.kind.word(),
                "title": offer.title,
                "quota": offer.quota,
                "held": stock.held,
                "sold": stock.sold,
                "left": stock.left(offer.quota.into()),
            })
        })
        .collect();
    let mut lines = vec![format!(
        "{:>8} {:>8} {:>8} {:>8} {:>8}  title",
        "series", "quota", "held", "sold", "left"
    )];
    lines.extend(rows.iter().map(|(offer, stock)| {
        let (series, quota) = (offer.series.to_string(), offer.quota);
        let (held, sold, left) = (stock.held, stock.sold, stock.left(quota.into()));
        format!(
            "{series:>8} {quota:>8} {held:>8} {sold:>8} {left:>8}  {}",
            offer.title
        )
    }));
    say(usual.json, &json!({ "series": objects }), &lines.join("\n"));
    Ok(())
}

fn stocks(store: &Store, catalogue: &Catalogue) -> Result<Vec<Stock>, StoreError> {
    store.read(|tables| catalogue.offers().map(|o| tables.stock(o.series)).collect())
}

fn one_series(usual: &Usual, store: &Store, series: SeriesId) -> Result<(), Failure> {
    let sales: Vec<(Sale, Vec<Serial>)> = stored(store.read(|tables| {
        let sales = tables.sales_of(series)?.into_iter();
        sales
            .map(|sale| Ok((sale.clone(), tables.serials_of(sale.number)?)))
            .collect()
    }))?;
    let objects: Vec<_> = sales
        .iter()
        .map(|(sale, serials)| {
            json!({
                "transaction": sale.number.to_string(),
                "member": sale.member.to_string(),
                "quantity": sale.quantity,
                "state": sale.state.word(),
                "expires": sale.expires.to_string(),
                "serials": numbers(serials),
            })
        })
        .collect();
    let lines: Vec<String> = sales
        .iter()
        .map(|(sale, serials)| {
            let state = sale.state.word();
            let serials: Vec<_> = serials.iter().map(|s| s.number().to_string()).collect();
            let serials = serials.join(", ");
            format!(
                "{}  {}  {} × {state}  {serials}",
                sale.number, sale.member, sale.quantity
            )
        })
        .collect();
    let object = json!({ "series": series.number(), "sales": objects });
    say(usual.json, &object, &lines.join("\n"));
    Ok(())
}

fn numbers(serials: &[Serial]) -> Vec<u32> {
    serials.iter().map(|serial| serial.number()).collect()
}

pub(super) fn cancel(arguments: CancelArguments) -> Result<(), Failure> {
    let store = open(&arguments.usual)?;
    let series = SeriesId::new(arguments.series);
    let serials = match (&arguments.transaction, arguments.serial) {
        (Some(text), _) => serials_of(&store, series, text)?,
        (None, Some(serial)) => vec![Serial::new(serial)],
        (None, None) => Vec::new(),
    };
    let cancelled = stored(store.write(move |tables| {
        let mut cancelled = Vec::new();
        for serial in serials {
            if tables.cancel_ticket(series, serial)? {
                cancelled.push(serial);
            }
        }
        Ok(cancelled)
    }))?;
    if cancelled.is_empty() {
        return Err(
            Failure::refused("there's no such ticket that isn't cancelled already")
                .next("see tegata-shop sales --series N"),
        );
    }
    let numbers = numbers(&cancelled);
    let object = json!({ "series": series.number(), "cancelled": numbers });
    let lines = format!(
        "Cancelled in series {series}: {numbers:?}.\nNext: bring new check data to its gates."
    );
    say(arguments.usual.json, &object, &lines);
    Ok(())
}

fn serials_of(store: &Store, series: SeriesId, text: &str) -> Result<Vec<Serial>, Failure> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number = digits.parse().ok().map(TransactionNumber::new);
    let Some(Ok(number)) = number else {
        return Err(
            Failure::usage(format!("{text:?} isn't a transaction number"))
                .next("give it as the bill shows it, like 4831-2207-5560"),
        );
    };
    let sale = stored(store.read(|tables| tables.sale(number)))?;
    if sale.is_none_or(|sale| sale.series != series) {
        return Err(
            Failure::refused(format!("series {series} has no sale {number}"))
                .next("see tegata-shop sales --series N"),
        );
    }
    stored(store.read(|tables| tables.serials_of(number)))
}

pub(super) fn owner_link(arguments: OwnerArguments) -> Result<(), Failure> {
    let store = open(&arguments.usual)?;
    let address = read_address(arguments.usual.existing()?.path());
    let address = address.map_err(|e| Failure::from(e).next("run tegata-shop serve first"))?;
    let mut bytes = [0; 32];
    chance::system().fill_bytes(&mut bytes);
    let token = Digest::of(&bytes);
    let expires = Time::from_secs(clock::now()).after(LINK_SECONDS);
    let kept = Digest::of(token.to_string().as_bytes());
    stored(store.write(move |tables| tables.offer_owner_link(kept, expires)))?;
    let link = format!("http://{address}/owner/enter?token={token}");
    say(arguments.usual.json, &json!({ "link": link }), &link);
    Ok(())
}
