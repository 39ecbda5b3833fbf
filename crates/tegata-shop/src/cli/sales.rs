//! `tegata-shop sales`, `cancel` and `owner-link`: what the owner asks of the database.

use rand_core::Rng as _;
use serde::Serialize;
use serde_json::json;
use tegata_cli::exit::Failure;
use tegata_cli::{clock, config};
use tegata_http::serve::read_address;
use tegata_protocol::ticket::{Serial, SeriesRecord, Ticket};
use tegata_protocol::{Digest, SeriesId, Time, TransactionNumber, Unverified};

use super::{PARTY, Usual, failed, say};
use crate::catalogue::{self, Catalogue, read};
use crate::settings::Settings;
use crate::store::{self, Stock, Store, StoreError, TicketRow};
use tegata_keystore::rng;

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

pub(super) fn open(usual: &Usual) -> Result<Store, Failure> {
    let file = usual.existing(PARTY)?.path().join(store::FILE);
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
    let catalogue = read::file(&usual.existing(PARTY)?.path().join(catalogue::FILE))?;
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
    let (row, sales) = stored(store.read(|tables| {
        let sales = tables.sales_of(series)?.into_iter();
        let sales = sales.map(|sale| Ok((tables.tickets_of(sale.number)?, sale)));
        Ok((
            tables.series(series)?,
            sales.collect::<Result<Vec<_>, StoreError>>()?,
        ))
    }))?;
    let record = row.and_then(|row| Unverified::<SeriesRecord>::parse(row.record).ok());
    let Some(record) = record.as_ref().map(Unverified::claimed) else {
        let what = format!("series {series} was never in this shop's catalogue");
        return Err(Failure::refused(what).next("see tegata-shop sales"));
    };
    let mut lines = Vec::new();
    let mut objects = Vec::new();
    for (tickets, sale) in &sales {
        let (number, member, state) = (sale.number, sale.member, sale.state.word());
        lines.push(format!("{number}  {member}  {} × {state}", sale.quantity));
        let tickets: Vec<_> = tickets
            .iter()
            .map(|ticket| described(record, ticket))
            .collect();
        lines.extend(tickets.iter().map(|ticket| {
            let cancelled = if ticket.cancelled { "  cancelled" } else { "" };
            format!("    {:>6}  {}{cancelled}", ticket.serial, ticket.contents)
        }));
        objects.push(json!({
            "transaction": number.to_string(),
            "member": member.to_string(),
            "quantity": sale.quantity,
            "state": state,
            "expires": sale.expires.to_string(),
            "tickets": tickets,
        }));
    }
    let object = json!({ "series": series.number(), "sales": objects });
    say(usual.json, &object, &lines.join("\n"));
    Ok(())
}

/// A ticket as its seller sees it.
#[derive(Serialize)]
struct Described {
    serial: u32,
    contents: String,
    cancelled: bool,
}

fn described(record: &SeriesRecord, row: &TicketRow) -> Described {
    // Our own signature, from our own database.
    let ticket = Unverified::<Ticket>::parse(row.signed.clone());
    Described {
        serial: row.serial.number(),
        contents: ticket.map_or_else(
            |e| e.to_string(),
            |ticket| record.describe(&ticket.claimed().contents),
        ),
        cancelled: row.cancelled,
    }
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
    let numbers: Vec<u32> = cancelled.iter().map(|serial| serial.number()).collect();
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
    let tickets = stored(store.read(|tables| tables.tickets_of(number)))?;
    Ok(tickets.iter().map(|ticket| ticket.serial).collect())
}

pub(super) fn owner_link(arguments: OwnerArguments) -> Result<(), Failure> {
    let store = open(&arguments.usual)?;
    let address = read_address(arguments.usual.existing(PARTY)?.path());
    let address = address.map_err(|e| Failure::from(e).next("run tegata-shop serve first"))?;
    let mut bytes = [0; 32];
    rng::system().fill_bytes(&mut bytes);
    let token = Digest::of(&bytes);
    let expires = Time::from_secs(clock::now()).after(LINK_SECONDS);
    let kept = Digest::of(token.to_string().as_bytes());
    stored(store.write(move |tables| tables.offer_owner_link(kept, expires)))?;
    let settings: Settings = config::load(&arguments.usual.existing(PARTY)?, "shop")?;
    let scheme = if settings.tls_cert.is_some() {
        "https"
    } else {
        "http"
    };
    let link = format!("{scheme}://{address}/owner/enter?token={token}");
    say(arguments.usual.json, &json!({ "link": link }), &link);
    Ok(())
}
