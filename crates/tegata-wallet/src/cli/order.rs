//! `order`, `pay`, `show`: what is typed, turned into what is meant.

use std::path::Path;

use serde_json::json;
use tegata_cli::exit::Failure;
use tegata_protocol::{
    Digest, SeriesId, Time,
    payment::Mode,
    ticket::{Bet, Contents, Ride, Seat, Stay, Wager},
};

use super::{
    args::{BetArg, ContentsArgs, OrderArgs, PayArgs, ShowArgs},
    ask::{self, open},
    failure::{failure, write_file},
    output::Output,
};
use crate::{
    buying::Wanted,
    error::WalletError,
    kept::Holding,
    tickets::{Lacking, Showing, Shown},
    wallet::{Access, Wallet},
    web_bill::BillLink,
};

pub(super) fn order(
    folder: &Path,
    args: &OrderArgs,
    out: &Output,
    now: Time,
) -> Result<(), Failure> {
    let wanted = Wanted {
        series: SeriesId::new(args.series),
        contents: contents(&args.contents)?,
        quantity: args.quantity,
        holding: match (args.card, args.bearer, args.holder_under_b) {
            (Some(card), _, _) => Holding::Card(card),
            (None, true, _) => Holding::Bearer,
            (None, false, true) => Holding::Spending,
            (None, false, false) => Holding::Everyday,
        },
        keyword: ask::keyword(&args.keyword)?,
    };
    let (mut wallet, given) = open(folder, Access::Writing, &args.a)?;
    let b = match wanted.holding {
        Holding::Spending => Some(given.b(wallet.form(), &args.a, &args.b)?),
        Holding::Everyday | Holding::Bearer | Holding::Card(_) => None,
    };
    let ordered = wallet.order(&args.shop, wanted, b.as_ref(), now);
    let bill = ordered.map_err(|e| out.failed(e))?;
    let view = wallet.view_bill(bill).map_err(failure)?;
    let text = format!("{view}\nPay it with `tegata-wallet pay --last`.");
    out.value(&view, &text)
}

pub(super) fn pay(folder: &Path, args: &PayArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (mut wallet, given) = open(folder, Access::Writing, &args.a)?;
    let address = args.bill.as_ref().filter(|bill| bill.contains("://"));
    let bill = match (&args.bill, address) {
        (_, Some(address)) => named_by(&mut wallet, address, out, now),
        (Some(wanted), None) => wallet.find_bill(wanted),
        (None, None) => wallet.last_bill(),
    };
    let bill = bill.map_err(|e| out.failed(e))?;
    let paid = if wallet.is_in_doubt(bill) {
        out.note("An instruction for this bill is in doubt; the same one is sent again.");
        wallet.pay_again(bill, now)
    } else {
        out.note(&wallet.view_bill(bill).map_err(failure)?.to_string());
        if !args.yes {
            ask::consent("Pay this?")?;
        }
        let b = given.b(wallet.form(), &args.a, &args.b)?;
        let mode = if args.now { Mode::Pay } else { Mode::Hold };
        wallet.pay(bill, mode, &b, now)
    };
    paid.map_err(|e| out.failed(e))?;
    let view = wallet.view_paid(bill).map_err(failure)?;
    out.value(&view, &view.to_string())
}

/// The bill at an address: what a QR code on a shop's page holds. It's checked, then kept.
pub(super) fn named_by(
    wallet: &mut Wallet,
    address: &str,
    out: &Output,
    now: Time,
) -> Result<Digest, WalletError> {
    let link = BillLink::from_address(address)?;
    let seen = wallet.look_at_bill(&link, now)?;
    seen.check_payable(now)?;
    if let (Some(balance), Some(after)) = (seen.balance, seen.after()) {
        let available = balance.available();
        out.note(&format!("Available now {available}, after paying {after}"));
    }
    wallet.keep_web_bill(seen, now)
}

pub(super) fn show(folder: &Path, args: &ShowArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let keyword = ask::keyword(&args.keyword)?;
    let nonce = args.nonce.as_deref().map(nonce_of).transpose()?;
    let (mut wallet, given) = open(folder, Access::Writing, &args.a)?;
    let kept = wallet.find_ticket(&args.ticket).map_err(failure)?.clone();
    let b = match kept.holding {
        Holding::Spending => Some(given.b(wallet.form(), &args.a, &args.b)?),
        Holding::Everyday | Holding::Bearer | Holding::Card(_) => None,
    };
    let showing = Showing {
        keyword,
        nonce,
        b: b.as_ref(),
        lacking: if args.without_keyword {
            Lacking::Shown
        } else {
            Lacking::Refused
        },
    };
    let shown = wallet.show(kept.digest(), showing, now).map_err(failure)?;
    let view = wallet.view_ticket(&kept).map_err(failure)?;
    // With --text the code stands alone, for whoever passes it on.
    if !args.form.text {
        out.note(&format!("Ticket {view}"));
    }
    deliver(&shown, args, out, &kept.digest().to_string())
}

/// Into the terminal or a file.
fn deliver(shown: &Shown, args: &ShowArgs, out: &Output, id: &str) -> Result<(), Failure> {
    let file = match (&args.form.png, &args.form.svg) {
        (Some(file), _) => {
            let png = shown.code.png();
            Some((file, png.map_err(|e| failure(e.into()))?))
        }
        (None, Some(file)) => {
            let svg = shown.code.svg("Ticket").into_string();
            Some((file, svg.into_bytes()))
        }
        (None, None) => None,
    };
    if let Some((file, bytes)) = &file {
        write_file(file, bytes)?;
    }
    let text = match &file {
        Some((file, _)) => format!("Written to {}; good for a minute.", file.display()),
        None if args.form.text => shown.text.clone(),
        None => shown.code.terminal_coloured(),
    };
    let value = json!({
        "ticket": id,
        "text": shown.text,
        "file": file.map(|(file, _)| file.display().to_string()),
    });
    out.value(&value, &text)
}

fn nonce_of(text: &str) -> Result<[u8; 8], Failure> {
    let id = tegata_protocol::KeyId::from_hex(text.trim());
    let id = id.ok_or_else(|| Failure::usage("--nonce isn't 16 hexadecimal digits"))?;
    Ok(*id.as_bytes())
}

/// What the tickets shall be good for.
fn contents(args: &ContentsArgs) -> Result<Contents, Failure> {
    let contents = if let Some(section) = args.section {
        Contents::Admission(Seat {
            section,
            row: args.row.unwrap_or_default(),
            seat: args.seat.unwrap_or_default(),
        })
    } else if let (Some(from), Some(to)) = (args.from, args.to) {
        Contents::Ride(Ride {
            from,
            to,
            class: args.class.unwrap_or(2),
            coach: 0,
            seat: 0,
        })
    } else if let Some(arrival) = &args.arrival {
        Contents::Stay(Stay {
            arrival_day: day_of(arrival)?,
            nights: args.nights.unwrap_or(1),
            guests: args.guests.unwrap_or(1),
            room: 0,
        })
    } else {
        wager(args)?
    };
    let sound = contents.check();
    sound.map_err(|e| failure(WalletError::Input(e)))?;
    Ok(contents)
}

fn wager(args: &ContentsArgs) -> Result<Contents, Failure> {
    let missing = || Failure::usage("say what the tickets shall be good for; see `order --help`");
    let (race, bet) = (
        args.race.ok_or_else(missing)?,
        args.bet.ok_or_else(missing)?,
    );
    let runners = args.runners.as_deref().ok_or_else(missing)?;
    let numbers: Result<Vec<u8>, _> = runners.split(['-', ',']).map(str::parse).collect();
    let wrong = |_e| Failure::usage("--runners: expected numbers like 3-7");
    Ok(Contents::Wager(Wager {
        race,
        bet: match bet {
            BetArg::Win => Bet::Win,
            BetArg::Place => Bet::Place,
            BetArg::Quinella => Bet::Quinella,
            BetArg::Exacta => Bet::Exacta,
            BetArg::Trio => Bet::Trio,
            BetArg::Trifecta => Bet::Trifecta,
        },
        runners: numbers.map_err(wrong)?,
        units: args.units.unwrap_or(1),
    }))
}

/// Days since 1970-01-01.
fn day_of(date: &str) -> Result<u32, Failure> {
    let wrong = || Failure::usage("--arrival: expected a date like 2026-12-24");
    let day: jiff::civil::Date = date.trim().parse().map_err(|_e| wrong())?;
    let since = day.duration_since(jiff::civil::date(1970, 1, 1));
    u32::try_from(since.as_hours() / 24).map_err(|_e| wrong())
}
