//! The offers as others see them: the JSON of `GET /v1/catalogue`, and what the pages show.

use serde::Serialize;
use tegata_protocol::purchase::TaxMode;
use tegata_protocol::ticket::Bet;
use tegata_protocol::{SeriesId, Time};

use crate::catalogue::{Catalogue, Kind, Offer, timestamp};
use crate::shop::Shop;
use crate::store::{Stock, StoreError};

/// An offer with how many are left. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its number.
    pub series: u32,
    /// `stay`, `ride`, `admission` or `wager`.
    pub kind: &'static str,
    /// The event's name.
    pub title: String,
    /// Where.
    pub place: String,
    /// When its tickets may be used.
    pub valid_from: String,
    /// Until when.
    pub valid_until: String,
    /// When sales begin; null: they have.
    pub sales_from: Option<String>,
    /// When they end.
    pub sales_until: String,
    /// Is it on sale now, and is any left?
    pub on_sale: bool,
    /// Of one ticket, night or unit.
    pub price: Price,
    /// The tax.
    pub tax: Tax,
    /// How many tickets are left.
    pub left: u64,
    /// Of how many.
    pub quota: u32,
    /// The most tickets of one order.
    pub most_per_order: u32,
    /// The names behind codes, counted from 1.
    pub names: Vec<String>,
    /// Rules for the holder.
    pub rules: Option<String>,
    /// May tickets be bound to a keyword?
    pub keyword: bool,
    /// May bearer tickets be had?
    pub bearer: bool,
    /// May tickets be had on IC cards?
    pub card: bool,
    /// What only this kind has.
    pub details: Details,
}

/// A price.
#[derive(Clone, Debug, Serialize)]
pub struct Price {
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub minor: u64,
    /// For people.
    pub text: String,
}

/// A tax.
#[derive(Clone, Debug, Serialize)]
pub struct Tax {
    /// Hundredths of a percent.
    pub basis_points: u16,
    /// Does the price hold it?
    pub included: bool,
}

/// What only one kind has.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Details {
    /// Days are counted from 1970-01-01.
    Stay {
        /// The first possible day of arrival.
        first_day: u32,
        /// The last possible day of departure.
        last_day: u32,
        /// The longest stay.
        most_nights: u8,
        /// The most guests.
        most_guests: u8,
        /// Rooms by number; none: given at the desk.
        rooms: Vec<u16>,
    },
    /// A ride.
    Ride {
        /// The classes on sale.
        classes: Vec<u8>,
        /// The class of each coach; none: free seating.
        coaches: Vec<u8>,
        /// Seats of each coach.
        seats: u16,
    },
    /// A hall.
    Admission {
        /// Rows of each section; 0: free seating.
        rows: u8,
        /// Seats of each row.
        seats: u16,
    },
    /// A race meeting.
    Wager {
        /// How many races.
        races: u8,
        /// How many runners at most.
        runners: u8,
        /// The bets taken.
        bets: Vec<&'static str>,
        /// The most units of one ticket.
        most_units: u16,
    },
}

/// Every offer of the catalogue in force.
///
/// # Errors
/// [`StoreError`].
pub fn all(shop: &Shop) -> Result<Vec<Entry>, StoreError> {
    let (catalogue, now) = (shop.catalogue(), shop.now());
    shop.store().read(|tables| {
        let entry = |offer: &Offer| Ok(entry(&catalogue, offer, tables.stock(offer.series)?, now));
        catalogue.offers().map(entry).collect()
    })
}

/// One offer.
///
/// # Errors
/// [`StoreError`].
pub fn one(shop: &Shop, series: SeriesId) -> Result<Option<Entry>, StoreError> {
    let (catalogue, now) = (shop.catalogue(), shop.now());
    let Some(offer) = catalogue.offer(series) else {
        return Ok(None);
    };
    let stock = shop.store().read(|tables| tables.stock(series))?;
    Ok(Some(entry(&catalogue, offer, stock, now)))
}

fn entry(catalogue: &Catalogue, offer: &Offer, stock: Stock, now: Time) -> Entry {
    let left = stock.left(offer.quota.into());
    Entry {
        series: offer.series.number(),
        kind: offer.kind.word(),
        title: offer.title.clone(),
        place: offer.place.clone(),
        valid_from: timestamp(offer.valid.from()).to_string(),
        valid_until: timestamp(offer.valid.until()).to_string(),
        sales_from: offer.sales_from.map(|from| timestamp(from).to_string()),
        sales_until: timestamp(offer.sales_until).to_string(),
        on_sale: offer.on_sale(now) && left > 0,
        price: Price {
            currency: offer.price.currency().to_string(),
            minor: offer.price.minor(),
            text: offer.price.to_string(),
        },
        tax: Tax {
            basis_points: offer.tax_rate.basis_points(),
            included: offer.tax_mode == TaxMode::Included,
        },
        left,
        quota: offer.quota,
        most_per_order: offer.most_per_order,
        names: offer.kind.names().to_vec(),
        rules: offer.rules.clone(),
        keyword: offer.keyword,
        bearer: offer.bearer,
        card: offer.card,
        details: details(catalogue, offer),
    }
}

fn details(catalogue: &Catalogue, offer: &Offer) -> Details {
    match &offer.kind {
        Kind::Stay(stay) => Details::Stay {
            first_day: catalogue.day_of(offer.valid.from()),
            last_day: catalogue.day_of(offer.valid.until()),
            most_nights: stay.most_nights,
            most_guests: stay.most_guests,
            rooms: stay.rooms.clone(),
        },
        Kind::Ride(ride) => Details::Ride {
            classes: ride.classes.clone(),
            coaches: ride.coaches.clone(),
            seats: ride.seats,
        },
        Kind::Admission(hall) => Details::Admission {
            rows: hall.rows,
            seats: hall.seats,
        },
        Kind::Wager(wager) => Details::Wager {
            races: wager.races,
            runners: wager.runners,
            bets: wager.bets.iter().map(|bet| bet_word(*bet)).collect(),
            most_units: wager.most_units,
        },
    }
}

/// A bet's word, as catalogues write it.
pub(crate) const fn bet_word(bet: Bet) -> &'static str {
    match bet {
        Bet::Win => "win",
        Bet::Place => "place",
        Bet::Quinella => "quinella",
        Bet::Exacta => "exacta",
        Bet::Trio => "trio",
        Bet::Trifecta => "trifecta",
    }
}
