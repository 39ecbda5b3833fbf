//! An offer's own page.

use maud::{Markup, html};
use tegata_pages::{Texts, code, definitions, notice};
use tegata_protocol::purchase::TaxMode;

use super::Shown;
use crate::catalogue::{Kind, Offer};
use crate::listing::bet_word;
use crate::shop::Shop;
use crate::store::Stock;

pub(super) fn body(shown: &Shown<'_>, offer: &Offer, stock: Stock, shop: &Shop) -> Markup {
    let t = shown.t;
    let (tone, state) = shown.state(offer, stock);
    let mut pairs: Vec<(&str, Markup)> = vec![
        (t.text("offer.what"), html! { (shown.kind(offer)) }),
        (t.text("offer.where"), html! { (offer.place) }),
        (t.text("offer.when"), html! { (shown.span(offer)) }),
        (
            t.text("offer.price"),
            html! { strong { (price(t, offer)) } " (" (tax(t, offer)) ")" },
        ),
        (
            t.text("offer.sales"),
            html! { (shown.time(offer.sales_until)) },
        ),
    ];
    pairs.extend(details(t, &offer.kind));
    if let Some(rules) = &offer.rules {
        pairs.push((t.text("offer.rules"), html! { (rules) }));
    }
    pairs.push((t.text("offer.keyword"), keyword(t, offer)));
    pairs.push((t.text("offer.series"), html! { (offer.series) }));
    html! {
        (notice(tone, &state))
        (definitions(&pairs))
        @if offer.on_sale(shown.now) { (order(shown, offer, shop)) }
    }
}

/// A price with what it's the price of.
pub(super) fn price(t: Texts<'static>, offer: &Offer) -> String {
    let price = offer.price.to_string();
    match &offer.kind {
        Kind::Stay(_) => t.fill("offer.price_stay", &[("price", &price)]),
        Kind::Wager(_) => t.fill("offer.price_wager", &[("price", &price)]),
        Kind::Ride(_) | Kind::Admission(_) => price,
    }
}

fn tax(t: Texts<'static>, offer: &Offer) -> String {
    let points = offer.tax_rate.basis_points();
    let rate = match points % 100 {
        0 => (points / 100).to_string(),
        rest => format!("{}.{rest:02}", points / 100),
    };
    if points == 0 {
        return t.text("offer.tax_none").to_owned();
    }
    let key = match offer.tax_mode {
        TaxMode::Included => "offer.tax_included",
        TaxMode::Added => "offer.tax_added",
    };
    t.fill(key, &[("rate", &rate)])
}

fn keyword(t: Texts<'static>, offer: &Offer) -> Markup {
    let key = if offer.keyword {
        "offer.keyword_yes"
    } else {
        "offer.keyword_no"
    };
    html! {
        (t.text(key))
        @if offer.bearer { " " (t.text("offer.bearer")) }
        @if offer.card { " " (t.text("offer.card")) }
    }
}

fn numbered(names: &[String]) -> Markup {
    html! { ol { @for name in names { li { (name) } } } }
}

fn details(t: Texts<'static>, kind: &Kind) -> Vec<(&'static str, Markup)> {
    let up_to = |number: String| t.fill("offer.up_to", &[("number", &number)]);
    match kind {
        Kind::Stay(stay) => {
            let rooms: Vec<String> = stay.rooms.iter().map(u16::to_string).collect();
            let mut pairs = vec![
                (
                    t.text("offer.nights"),
                    html! { (up_to(stay.most_nights.to_string())) },
                ),
                (
                    t.text("offer.guests"),
                    html! { (up_to(stay.most_guests.to_string())) },
                ),
            ];
            if !rooms.is_empty() {
                pairs.push((t.text("offer.rooms"), html! { (rooms.join(", ")) }));
            }
            pairs
        }
        Kind::Ride(ride) => {
            let classes: Vec<String> = ride.classes.iter().map(u8::to_string).collect();
            let (coaches, seats) = (ride.coaches.len().to_string(), ride.seats.to_string());
            let values = [("coaches", &*coaches), ("seats", &*seats)];
            let seats = match ride.coaches.is_empty() {
                true => t.text("offer.seats_free").to_owned(),
                false => t.fill("offer.coach_seats", &values),
            };
            vec![
                (
                    t.text("offer.stops"),
                    html! { (numbered(&ride.stops)) (seats) },
                ),
                (t.text("offer.classes"), html! { (classes.join(", ")) }),
            ]
        }
        Kind::Admission(hall) => {
            let (rows, seats) = (hall.rows.to_string(), hall.seats.to_string());
            let seats = match hall.rows {
                0 => t.text("offer.seats_free").to_owned(),
                _ => t.fill("offer.seats", &[("rows", &rows), ("seats", &seats)]),
            };
            vec![(
                t.text("offer.sections"),
                html! { (numbered(&hall.sections)) (seats) },
            )]
        }
        Kind::Wager(wager) => {
            let bets: Vec<&str> = wager.bets.iter().map(|bet| bet_word(*bet)).collect();
            vec![
                (t.text("offer.races"), html! { (wager.races) }),
                (
                    t.text("offer.runners"),
                    html! { (up_to(wager.runners.to_string())) },
                ),
                (t.text("offer.bets"), html! { (bets.join(", ")) }),
            ]
        }
    }
}

fn order(shown: &Shown<'_>, offer: &Offer, shop: &Shop) -> Markup {
    let t = shown.t;
    let contents = match &offer.kind {
        Kind::Stay(_) => {
            let day = shown.now.max(offer.valid.from());
            let zoned = crate::catalogue::timestamp(day).to_zoned(shown.catalogue.zone.clone());
            format!("--arrival {} --nights 1 --guests 1", zoned.date())
        }
        Kind::Ride(ride) => {
            let class = ride.classes.first().copied().unwrap_or(1);
            format!("--from 1 --to {} --class {class}", ride.stops.len())
        }
        Kind::Admission(_) => "--section 1".to_owned(),
        Kind::Wager(wager) => {
            let bet = wager.bets.first().copied();
            let bet = bet.unwrap_or(tegata_protocol::ticket::Bet::Win);
            let runners: Vec<_> = (1..=bet.runners()).map(|n| n.to_string()).collect();
            let (bet, runners) = (bet_word(bet), runners.join("-"));
            format!("--race 1 --bet {bet} --runners {runners} --units 1")
        }
    };
    let address = shop.registered().address();
    let series = offer.series;
    let command = format!("tegata-wallet order {address} --series {series} {contents}");
    let minutes = (shop.rules().bill_seconds / 60).to_string();
    let most = offer.most_per_order.to_string();
    html! {
        h2 { (t.text("offer.order")) }
        p { (t.fill("offer.order_intro", &[("minutes", &minutes)])) }
        p { (code(&command)) }
        p { (code("tegata-wallet pay --last")) }
        p.small { (t.fill("offer.order_more", &[("most", &most)])) }
    }
}
