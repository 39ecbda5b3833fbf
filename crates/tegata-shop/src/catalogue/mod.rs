//! The catalogue: what a shop offers, from a TOML file that its owner edits. Tickets are [`Offer`]s;
//! what is sent by post is [`goods`].
//!
//! [`read`] turns the file into a [`Catalogue`] or says line, column and what was expected;
//! [`shelf`] keeps the one in force and takes over a new one when the file changes. A wish is held
//! against an [`Offer`] by [`Offer::fits`], which is pure.

use std::collections::BTreeMap;

use goods::Goods;
use jiff::tz::TimeZone;
use tegata_protocol::purchase::{Rounding, TaxMode, TaxRate};
use tegata_protocol::ticket::{Bet, Contents};
use tegata_protocol::{Amount, Currency, SeriesId, Time, Validity};

mod fit;
pub mod goods;
pub mod picture;
mod raw;
pub mod read;
mod record;
pub mod sample;
pub mod shelf;

/// The file's name in the data folder.
pub const FILE: &str = "catalogue.toml";
/// A catalogue that a new shop may start from.
pub const EXAMPLE: &str = include_str!("../../catalogue.example.toml");

/// All that a shop offers.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The one currency of its prices.
    pub currency: Currency,
    /// Where it is: local times and nights are counted there.
    pub zone: TimeZone,
    /// The owner's tax number, for bills.
    pub tax_number: Option<String>,
    /// How tax is rounded.
    pub rounding: Rounding,
    /// What is sold by post, and how.
    pub goods: Goods,
    offers: BTreeMap<SeriesId, Offer>,
}

/// One series on sale.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its number, for ever.
    pub series: SeriesId,
    /// The event's name.
    pub title: String,
    /// Where.
    pub place: String,
    /// When its tickets may be used.
    pub valid: Validity,
    /// From when on it's sold; always, if nothing is said.
    pub sales_from: Option<Time>,
    /// Until when it's sold.
    pub sales_until: Time,
    /// How many tickets there are in all.
    pub quota: u32,
    /// The price of one ticket, night, or unit staked.
    pub price: Amount,
    /// Its tax.
    pub tax_rate: TaxRate,
    /// Does the price hold the tax?
    pub tax_mode: TaxMode,
    /// Rules for the holder.
    pub rules: Option<String>,
    /// May a buyer bind tickets to a keyword (T5)?
    pub keyword: bool,
    /// May tickets be had for whoever carries them and knows the keyword?
    pub bearer: bool,
    /// May tickets be had on IC cards (T6)?
    pub card: bool,
    /// The most tickets of one request.
    pub most_per_order: u32,
    /// What kind, and what that kind needs.
    pub kind: Kind,
}

/// The four kinds of the ticket document (T9), with what each needs to be sold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Nights in a room.
    Stay(StayOffer),
    /// A seat from stop to stop.
    Ride(RideOffer),
    /// A place in a hall.
    Admission(AdmissionOffer),
    /// Bets on races.
    Wager(WagerOffer),
}

/// Nights in a room; the price is one night's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StayOffer {
    /// Rooms by number; none: they're given at the desk.
    pub rooms: Vec<u16>,
    /// The longest stay.
    pub most_nights: u8,
    /// The most guests of a room.
    pub most_guests: u8,
}

/// A ride along a line of stops.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RideOffer {
    /// The stops in their order.
    pub stops: Vec<String>,
    /// The classes on sale.
    pub classes: Vec<u8>,
    /// The class of each coach, from 1; none: free seating.
    pub coaches: Vec<u8>,
    /// Seats of a coach.
    pub seats: u16,
}

/// Admission to sections of a hall.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdmissionOffer {
    /// The sections.
    pub sections: Vec<String>,
    /// Rows of each section; 0: free seating.
    pub rows: u8,
    /// Seats of each row.
    pub seats: u16,
}

/// Bets on a meeting's races; the price is one unit's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WagerOffer {
    /// How many races.
    pub races: u8,
    /// How many runners at most.
    pub runners: u8,
    /// Which bets are taken.
    pub bets: Vec<Bet>,
    /// The most units of one ticket.
    pub most_units: u16,
}

impl Catalogue {
    /// The offer of a series.
    pub fn offer(&self, series: SeriesId) -> Option<&Offer> {
        self.offers.get(&series)
    }

    /// All offers, by number.
    pub fn offers(&self) -> impl Iterator<Item = &Offer> {
        self.offers.values()
    }

    /// The day of a moment, counted from 1970-01-01, where the shop is.
    pub fn day_of(&self, time: Time) -> u32 {
        let zoned = timestamp(time).to_zoned(self.zone.clone());
        let epoch = jiff::civil::date(1970, 1, 1);
        let days = zoned.date().since((jiff::Unit::Day, epoch));
        days.map_or(0, |span| u32::try_from(span.get_days()).unwrap_or(0))
    }

    /// The first moment of a day where the shop is.
    pub fn start_of(&self, day: u32) -> Option<Time> {
        let epoch = jiff::civil::date(1970, 1, 1);
        let span = jiff::Span::new().try_days(i64::from(day)).ok()?;
        let date = epoch.checked_add(span).ok()?;
        let start = date.to_zoned(self.zone.clone()).ok()?;
        u64::try_from(start.timestamp().as_second())
            .ok()
            .map(Time::from_secs)
    }
}

/// A moment as the calendar library has it.
pub(crate) fn timestamp(time: Time) -> jiff::Timestamp {
    let seconds = i64::try_from(time.secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX)
}

impl Kind {
    /// Its word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Stay(_) => "stay",
            Self::Ride(_) => "ride",
            Self::Admission(_) => "admission",
            Self::Wager(_) => "wager",
        }
    }

    /// The names behind a ticket's codes.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Ride(ride) => &ride.stops,
            Self::Admission(admission) => &admission.sections,
            Self::Stay(_) | Self::Wager(_) => &[],
        }
    }
}

impl Offer {
    /// Is it on sale at `now`?
    pub fn on_sale(&self, now: Time) -> bool {
        self.sales_from.is_none_or(|from| from <= now) && now < self.sales_until
    }

    /// How many times the price one ticket with these contents costs.
    pub fn units(contents: &Contents) -> u32 {
        match contents {
            Contents::Stay(stay) => stay.nights.into(),
            Contents::Wager(wager) => wager.units.into(),
            Contents::Ride(_) | Contents::Admission(_) => 1,
        }
    }
}
