//! Reading a catalogue: a mistake is answered with line, column and what was expected.
//!
//! The TOML reader finds wrong types and misspelt keys; what follows here finds what only the
//! meaning shows: a sale that ends before it begins, more tickets than seats, a series number used
//! twice. Each names the value that it's about.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use tegata_cli::config::{self, mistake_at};
use tegata_protocol::purchase::{MAX_QUANTITY, Rounding, TaxMode, TaxRate};
use tegata_protocol::ticket::Bet;
use tegata_protocol::{Amount, Currency, Malformed, SeriesId, Time, Validity};
use toml::value::Datetime;
use toml::{Spanned, Value};

use super::goods::Goods;
use super::record::{Placed, check_texts};
use super::{AdmissionOffer, Catalogue, Kind, Offer, RideOffer, StayOffer, WagerOffer, raw};

mod goods;

/// Where in the text a mistake stands, and what it is.
struct Mistake {
    at: usize,
    what: String,
}

type Checked<T> = Result<T, Mistake>;

fn wrong<T>(span: Range<usize>, what: impl Into<String>) -> Checked<T> {
    Err(Mistake {
        at: span.start,
        what: what.into(),
    })
}

fn malformed(span: Range<usize>) -> impl FnOnce(Malformed) -> Mistake {
    move |e| Mistake {
        at: span.start,
        what: e.to_string(),
    }
}

/// Reads a catalogue file.
///
/// # Errors
/// [`config::Error`], with line, column and what was expected where the file is at fault.
pub fn file(path: &Path) -> Result<Catalogue, config::Error> {
    let bytes = std::fs::read(path).map_err(|source| {
        config::Error::from(tegata_cli::data::Error::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })
    })?;
    let text = String::from_utf8(bytes).map_err(|e| config::Error::NotText {
        file: PathBuf::from(path),
        offset: e.utf8_error().valid_up_to(),
    })?;
    parse(path, &text)
}

/// Reads a catalogue's text; `path` is only named in the error.
///
/// # Errors
/// [`config::Error::Mistake`].
pub fn parse(path: &Path, text: &str) -> Result<Catalogue, config::Error> {
    let raw: raw::Catalogue = config::parse(path, text)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    check(folder, raw).map_err(|mistake| mistake_at(path, text, mistake.at, &mistake.what))
}

fn check(folder: &Path, raw: raw::Catalogue) -> Checked<Catalogue> {
    let currency_span = raw.currency.span();
    let mut catalogue = Catalogue {
        currency: Currency::new(raw.currency.get_ref()).map_err(malformed(currency_span))?,
        zone: TimeZone::UTC,
        tax_number: None,
        rounding: match raw.rounding {
            raw::Rounding::Down => Rounding::Down,
            raw::Rounding::HalfUp => Rounding::HalfUp,
            raw::Rounding::Up => Rounding::Up,
        },
        goods: Goods::default(),
        offers: BTreeMap::new(),
    };
    if let Some(number) = raw.tax_number {
        if number.get_ref().is_empty() || number.get_ref().len() > 40 {
            return wrong(number.span(), "expected a tax number of 1 to 40 bytes");
        }
        catalogue.tax_number = Some(number.into_inner());
    }
    let zone = raw.zone.map(|zone| time_zone(&zone)).transpose()?;
    if let Some(zone) = &zone {
        catalogue.zone = zone.clone();
    }
    let place = Place {
        currency: catalogue.currency,
        zone,
    };
    let goods = goods::RawGoods {
        products: raw.goods,
        postage: raw.postage,
        form: raw.form,
        payment: raw.payment,
        welcome: raw.welcome,
    };
    catalogue.goods = goods::check(&place, folder, goods)?;
    for offer in raw.offers {
        let number = offer.get_ref().series.span();
        if *offer.get_ref().series.get_ref() == 0 {
            return wrong(number, "expected a series number from 1");
        }
        let offer = check_offer(&place, offer)?;
        check_texts(&offer).map_err(|(field, what)| Mistake {
            at: field.start,
            what,
        })?;
        let known = catalogue.offers.insert(offer.offer.series, offer.offer);
        if let Some(known) = known {
            let what = format!("series {} stands twice in the catalogue", known.series);
            return wrong(number, what);
        }
    }
    Ok(catalogue)
}

fn time_zone(zone: &Spanned<String>) -> Checked<TimeZone> {
    let what = "expected a time zone like \"Asia/Tokyo\" or \"Europe/Zurich\"";
    TimeZone::get(zone.get_ref()).or_else(|_e| wrong(zone.span(), what))
}

struct Place {
    currency: Currency,
    zone: Option<TimeZone>,
}

fn check_offer(place: &Place, raw: Spanned<raw::Offer>) -> Checked<Placed> {
    let whole = raw.span();
    let raw = raw.into_inner();
    let (kind, names) = check_kind(&raw)?;
    let valid = validity(place, &raw)?;
    let (sales_from, sales_until) = sales(place, &raw, &valid)?;
    let quota = check_quota(&raw.quota, &kind)?;
    let most_per_order = most_per_order(raw.most_per_order.as_ref())?;
    let offer = Offer {
        series: SeriesId::new(*raw.series.get_ref()),
        valid,
        sales_from,
        sales_until,
        quota,
        price: price(place, &raw.price)?,
        tax_rate: tax_rate(&raw.tax)?,
        tax_mode: tax_mode(raw.tax_mode),
        keyword: raw.keyword || raw.bearer,
        bearer: raw.bearer,
        card: raw.card,
        most_per_order,
        kind,
        title: raw.title.get_ref().clone(),
        place: raw.place.get_ref().clone(),
        rules: raw.rules.as_ref().map(|r| r.get_ref().clone()),
    };
    Ok(Placed {
        offer,
        title: raw.title.span(),
        place: raw.place.span(),
        names: names.unwrap_or(whole.clone()),
        rules: raw.rules.map_or(whole, |r| r.span()),
    })
}

fn moment(place: &Place, value: &Spanned<Datetime>) -> Checked<Time> {
    let text = value.get_ref().to_string();
    let expected = "expected a date with a time, like 2026-12-24T18:00:00 or \
         2026-12-24T18:00:00+09:00";
    let datetime = value.get_ref();
    if datetime.date.is_none() || datetime.time.is_none() {
        return wrong(value.span(), expected);
    }
    let seconds = if datetime.offset.is_some() {
        let moment = text.parse::<jiff::Timestamp>();
        moment.map(jiff::Timestamp::as_second)
    } else {
        let Some(zone) = &place.zone else {
            let what = "a local time needs `zone = \"Asia/Tokyo\"` at the top of the catalogue; \
                 or give an offset, like 2026-12-24T18:00:00+09:00";
            return wrong(value.span(), what);
        };
        let local = text.parse::<jiff::civil::DateTime>();
        let zoned = local.and_then(|local| local.to_zoned(zone.clone()));
        zoned.map(|zoned| zoned.timestamp().as_second())
    };
    match seconds.map(u64::try_from) {
        Ok(Ok(seconds)) => Ok(Time::from_secs(seconds)),
        Ok(Err(_)) | Err(_) => wrong(value.span(), expected),
    }
}

fn validity(place: &Place, raw: &raw::Offer) -> Checked<Validity> {
    let from = moment(place, &raw.valid_from)?;
    let until = moment(place, &raw.valid_until)?;
    let what = "expected a moment after valid_from";
    Validity::new(from, until).or_else(|_e| wrong(raw.valid_until.span(), what))
}

fn sales(place: &Place, raw: &raw::Offer, valid: &Validity) -> Checked<(Option<Time>, Time)> {
    let from = raw.sales_from.as_ref();
    let from = from.map(|from| moment(place, from)).transpose()?;
    let Some(until) = &raw.sales_until else {
        return match (&raw.sales_from, from) {
            (Some(raw), Some(from)) if from >= valid.until() => {
                wrong(raw.span(), "expected a moment before valid_until")
            }
            _ => Ok((from, valid.until())),
        };
    };
    let end = moment(place, until)?;
    if from.is_some_and(|from| from >= end) {
        return wrong(until.span(), "expected a moment after sales_from");
    }
    if end > valid.until() {
        return wrong(until.span(), "expected a moment not after valid_until");
    }
    Ok((from, end))
}

/// The text of a number that may be written with or without quotes.
fn digits(value: &Spanned<Value>, expected: &str) -> Checked<String> {
    match value.get_ref() {
        Value::Integer(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_) => wrong(value.span(), expected),
    }
}

fn price(place: &Place, value: &Spanned<Value>) -> Checked<Amount> {
    let expected = "expected a price like 3500, or with decimals in quotes: \"35.00\"";
    let text = digits(value, expected)?;
    Amount::parse(&text, place.currency).map_err(malformed(value.span()))
}

fn tax_rate(value: &Spanned<Value>) -> Checked<TaxRate> {
    let expected = "expected percent, 0 to 100: 10, or with up to two decimals in quotes: \"7.7\"";
    let text = digits(value, expected)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction_good = fraction.len() <= 2 && fraction.bytes().all(|b| b.is_ascii_digit());
    let whole_good = whole.starts_with(|c: char| c.is_ascii_digit());
    let basis_points = format!("{whole}{fraction:0<2}").parse::<u16>();
    match basis_points.map(TaxRate::new) {
        Ok(Ok(rate)) if fraction_good && whole_good => Ok(rate),
        Ok(_) | Err(_) => wrong(value.span(), expected),
    }
}

const fn tax_mode(raw: raw::TaxMode) -> TaxMode {
    match raw {
        raw::TaxMode::Included => TaxMode::Included,
        raw::TaxMode::Added => TaxMode::Added,
    }
}

fn most_per_order(value: Option<&Spanned<u32>>) -> Checked<u32> {
    let most = u32::try_from(MAX_QUANTITY).unwrap_or(1);
    match value {
        None => Ok(most),
        Some(value) if (1..=most).contains(value.get_ref()) => Ok(*value.get_ref()),
        Some(value) => wrong(value.span(), format!("expected 1 to {most}")),
    }
}

fn check_quota(quota: &Spanned<u32>, kind: &Kind) -> Checked<u32> {
    if *quota.get_ref() == 0 {
        return wrong(
            quota.span(),
            "expected at least 1; take the offer out to sell none",
        );
    }
    if let Kind::Admission(hall) = kind
        && hall.rows > 0
    {
        let sections = u64::try_from(hall.sections.len()).unwrap_or(u64::MAX);
        let seats = sections.saturating_mul(u64::from(hall.rows) * u64::from(hall.seats));
        if u64::from(*quota.get_ref()) > seats {
            let what = format!("expected at most {seats}: there are no more seats");
            return wrong(quota.span(), what);
        }
    }
    Ok(*quota.get_ref())
}

/// The kind with what it needs, and where its names stand.
fn check_kind(raw: &raw::Offer) -> Checked<(Kind, Option<Range<usize>>)> {
    refuse_foreign_tables(raw)?;
    match raw.kind.get_ref() {
        raw::Kind::Stay => Ok((Kind::Stay(stay(raw.stay.as_ref())?), None)),
        raw::Kind::Ride => {
            let ride = needed(raw, raw.ride.as_ref(), "[offer.ride] with its stops")?;
            let names = ride.get_ref().stops.span();
            Ok((Kind::Ride(check_ride(ride.get_ref())?), Some(names)))
        }
        raw::Kind::Admission => {
            let what = "[offer.admission] with its sections";
            let hall = needed(raw, raw.admission.as_ref(), what)?;
            let names = hall.get_ref().sections.span();
            Ok((Kind::Admission(check_hall(hall.get_ref())?), Some(names)))
        }
        raw::Kind::Wager => {
            let what = "[offer.wager] with its races and runners";
            let wager = needed(raw, raw.wager.as_ref(), what)?;
            Ok((Kind::Wager(check_wager(wager.get_ref())?), None))
        }
    }
}

fn needed<'a, T>(
    raw: &raw::Offer,
    table: Option<&'a Spanned<T>>,
    what: &str,
) -> Checked<&'a Spanned<T>> {
    match table {
        Some(table) => Ok(table),
        None => wrong(
            raw.kind.span(),
            format!("an offer of this kind needs a table {what}"),
        ),
    }
}

fn refuse_foreign_tables(raw: &raw::Offer) -> Checked<()> {
    let kind = *raw.kind.get_ref();
    let tables = [
        (
            "stay",
            raw.stay.as_ref().map(Spanned::span),
            matches!(kind, raw::Kind::Stay),
        ),
        (
            "ride",
            raw.ride.as_ref().map(Spanned::span),
            matches!(kind, raw::Kind::Ride),
        ),
        (
            "admission",
            raw.admission.as_ref().map(Spanned::span),
            matches!(kind, raw::Kind::Admission),
        ),
        (
            "wager",
            raw.wager.as_ref().map(Spanned::span),
            matches!(kind, raw::Kind::Wager),
        ),
    ];
    for (name, span, own) in tables {
        if let (Some(span), false) = (span, own) {
            let what = format!("a table [offer.{name}] in an offer of another kind");
            return wrong(span, what);
        }
    }
    Ok(())
}

/// A whole number within a range, or what stands for it.
fn ranged<T: Copy + PartialOrd + std::fmt::Display>(
    value: Option<&Spanned<T>>,
    range: Range<T>,
    default: T,
) -> Checked<T> {
    match value {
        None => Ok(default),
        Some(value) if range.contains(value.get_ref()) => Ok(*value.get_ref()),
        Some(value) => {
            let (start, end) = (range.start, range.end);
            wrong(
                value.span(),
                format!("expected {start} or more, below {end}"),
            )
        }
    }
}

/// The values of a list, each checked, none twice.
fn listed<T: Clone + PartialEq>(
    list: &Spanned<Vec<Spanned<T>>>,
    good: impl Fn(&T) -> bool,
    expected: &str,
) -> Checked<Vec<T>> {
    let mut values: Vec<T> = Vec::new();
    for value in list.get_ref() {
        if !good(value.get_ref()) {
            return wrong(value.span(), expected);
        }
        if values.contains(value.get_ref()) {
            return wrong(value.span(), "stands twice in the list");
        }
        values.push(value.get_ref().clone());
    }
    if values.is_empty() {
        return wrong(list.span(), "expected at least one");
    }
    Ok(values)
}

fn stay(raw: Option<&Spanned<raw::Stay>>) -> Checked<StayOffer> {
    let Some(raw) = raw.map(Spanned::get_ref) else {
        return Ok(StayOffer {
            rooms: Vec::new(),
            most_nights: 60,
            most_guests: 20,
        });
    };
    let rooms = raw.rooms.as_ref();
    let rooms =
        rooms.map(|rooms| listed(rooms, |room| *room > 0, "expected a room number above 0"));
    Ok(StayOffer {
        rooms: rooms.transpose()?.unwrap_or_default(),
        most_nights: ranged(raw.most_nights.as_ref(), 1..61, 60)?,
        most_guests: ranged(raw.most_guests.as_ref(), 1..21, 20)?,
    })
}

fn check_ride(raw: &raw::Ride) -> Checked<RideOffer> {
    let stops = listed(
        &raw.stops,
        |stop| !stop.is_empty(),
        "expected a stop's name",
    )?;
    if stops.len() < 2 {
        return wrong(raw.stops.span(), "expected at least two stops");
    }
    let class_good = |class: &u8| (1..=9).contains(class);
    let coaches = check_coaches(raw)?;
    let classes = match &raw.classes {
        Some(classes) => listed(classes, class_good, "expected a class, 1 to 9")?,
        None if coaches.is_empty() => vec![1],
        None => {
            let mut classes = coaches.clone();
            classes.sort_unstable();
            classes.dedup();
            classes
        }
    };
    if let (Some(raw), false) = (&raw.classes, coaches.is_empty())
        && classes.iter().any(|class| !coaches.contains(class))
    {
        return wrong(raw.span(), "expected only classes that a coach has");
    }
    let seats = match (&raw.seats, coaches.is_empty()) {
        (None, true) => 0,
        (Some(seats), false) if *seats.get_ref() > 0 => *seats.get_ref(),
        (None, false) => return wrong(raw.stops.span(), "coaches need `seats`, the seats of each"),
        (Some(seats), true) => {
            return wrong(seats.span(), "seats need `coaches`, the class of each");
        }
        (Some(seats), false) => return wrong(seats.span(), "expected at least 1"),
    };
    Ok(RideOffer {
        stops,
        classes,
        coaches,
        seats,
    })
}

fn check_coaches(raw: &raw::Ride) -> Checked<Vec<u8>> {
    let Some(list) = &raw.coaches else {
        return Ok(Vec::new());
    };
    if list.get_ref().is_empty() || list.get_ref().len() > 255 {
        return wrong(
            list.span(),
            "expected the class of each coach, 1 to 255 of them",
        );
    }
    for class in list.get_ref() {
        if !(1..=9).contains(class.get_ref()) {
            return wrong(class.span(), "expected a class, 1 to 9");
        }
    }
    Ok(list
        .get_ref()
        .iter()
        .map(|class| *class.get_ref())
        .collect())
}

fn check_hall(raw: &raw::Admission) -> Checked<AdmissionOffer> {
    let good = |name: &String| !name.is_empty();
    let sections = listed(&raw.sections, good, "expected a section's name")?;
    let (rows, seats) = match (&raw.rows, &raw.seats) {
        (None, None) => (0, 0),
        (Some(rows), Some(seats)) => (
            ranged(Some(rows), 1..255, 1)?,
            ranged(Some(seats), 1..u16::MAX, 1)?,
        ),
        (Some(rows), None) => return wrong(rows.span(), "rows need `seats`, the seats of each"),
        (None, Some(seats)) => return wrong(seats.span(), "seats need `rows`"),
    };
    Ok(AdmissionOffer {
        sections,
        rows,
        seats,
    })
}

fn check_wager(raw: &raw::Wager) -> Checked<WagerOffer> {
    let bets = match &raw.bets {
        None => ALL_BETS.to_vec(),
        Some(bets) if bets.get_ref().is_empty() => {
            return wrong(bets.span(), "expected at least one");
        }
        Some(bets) => bets
            .get_ref()
            .iter()
            .map(|bet| bet_of(*bet.get_ref()))
            .collect(),
    };
    Ok(WagerOffer {
        races: ranged(Some(&raw.races), 1..100, 1)?,
        runners: ranged(Some(&raw.runners), 3..100, 3)?,
        bets,
        most_units: ranged(raw.most_units.as_ref(), 1..10_001, 10_000)?,
    })
}

const ALL_BETS: [Bet; 6] = [
    Bet::Win,
    Bet::Place,
    Bet::Quinella,
    Bet::Exacta,
    Bet::Trio,
    Bet::Trifecta,
];

const fn bet_of(bet: raw::Bet) -> Bet {
    match bet {
        raw::Bet::Win => Bet::Win,
        raw::Bet::Place => Bet::Place,
        raw::Bet::Quinella => Bet::Quinella,
        raw::Bet::Exacta => Bet::Exacta,
        raw::Bet::Trio => Bet::Trio,
        raw::Bet::Trifecta => Bet::Trifecta,
    }
}
