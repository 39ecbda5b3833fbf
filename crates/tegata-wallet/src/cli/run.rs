//! Runs a command, and tells how it went.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use tegata_cli::{clock, exit::Failure, logs, progress};
use tegata_party::client::Client;
use tegata_protocol::{Amount, Currency, Time, prepaid::Funding};

use super::{
    args::{
        Arguments, BillsArgs, CatalogueArgs, CollectArgs, Command, ExportHeadArgs,
        ExportTicketArgs, FundingArg, HistoryArgs, InquireArgs, LoadArgs, OpenArgs, SendArgs,
        ServeArgs,
    },
    ask::open,
    card, draw,
    failure::{chain_of, failure, write_file},
    join, order,
    output::Output,
    program,
};
use crate::{
    buying,
    error::WalletError,
    kept::KeptBill,
    page,
    sending::Settled,
    view::{
        BalanceView, BillView, CardLoadedView, ReferenceView, RefusalView, catalogue_text,
        history_csv,
    },
    wallet::{Access, Wallet},
};

/// Runs what the command line says.
///
/// # Errors
/// [`Failure`] with the program's exit code.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    logs::init("tegata-wallet", arguments.log.format);
    let folder = folder_of(arguments.data)?;
    let out = Output {
        json: arguments.json,
    };
    let now = Time::from_secs(clock::now());
    let folder = folder.as_path();
    match arguments.command {
        Command::Join(args) => join::join(folder, &args, &out, now),
        Command::Draw(args) => draw::draw(&args, &out),
        Command::Send(args) => send(folder, &args, &out, now),
        Command::Load(args) => load(folder, &args, &out, now),
        Command::Collect(args) => collect(folder, &args, &out, now),
        Command::Balance(args) => balance(folder, &args, &out, now),
        Command::Catalogue(args) => offers(&args, &out),
        Command::Order(args) => order::order(folder, &args, &out, now),
        Command::Inquire(args) => inquire(folder, &args, &out, now),
        Command::Bills(args) => bills(folder, &args, &out),
        Command::Pay(args) => order::pay(folder, &args, &out, now),
        Command::Card(args) => card::card(folder, &args, &out, now),
        Command::Tickets(args) => tickets(folder, &args, &out),
        Command::Show(args) => order::show(folder, &args, &out, now),
        Command::ExportTicket(args) => export_ticket(folder, &args, &out),
        Command::ExportHead(args) => export_head(folder, &args, &out),
        Command::History(args) => history(folder, &args, &out),
        Command::Words(args) => join::words(folder, &args, &out),
        Command::Restore(args) => join::restore(folder, &args, &out, now),
        Command::Password(args) => join::password(folder, &args, &out),
        Command::VerifyProgram(args) => program::verify(folder, &args, &out, now),
        Command::Status(args) => status(folder, &args, &out, now),
        Command::Serve(args) => serve(folder, &args, &out),
    }
}

/// Where the wallet lives when nobody says.
fn folder_of(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let named = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    let usual = || {
        let home = named("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        named("XDG_DATA_HOME").map(PathBuf::from).or(home)
    };
    let folder = given.or_else(|| usual().map(|data| data.join("tegata-wallet")));
    folder.ok_or_else(|| Failure::usage("no home folder is known; say where with --data DIR"))
}

fn send(folder: &Path, args: &SendArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (mut wallet, _) = open(folder, Access::Writing, &args.a)?;
    if let Some(address) = &args.centre {
        wallet.centre_moved(address, now).map_err(failure)?;
    }
    if let Some(wanted) = &args.forget {
        let given_up = wallet.forget(wanted, now).map_err(failure)?;
        let what = given_up.what.word();
        let value = json!({ "forgotten": given_up.digest().to_string(), "what": what });
        return out.value(&value, &format!("The {what} is given up."));
    }
    let (mut results, mut failed, mut lines) = (Vec::new(), None, Vec::new());
    for (pending, settled) in wallet.send_pending(now) {
        let what = pending.what.word();
        let (result, error, told) = match settled {
            Ok(settled) => ("settled", None, told(&wallet, &settled)),
            Err(error) => {
                let refused = matches!(error, WalletError::Refused { .. });
                let told = chain_of(&error);
                (
                    if refused { "refused" } else { "in_doubt" },
                    Some(error),
                    told,
                )
            }
        };
        let why = error.as_ref().map(chain_of);
        lines.push(format!("{what}: {told}"));
        let digest = pending.digest().to_string();
        let refusal = match &error {
            Some(WalletError::Refused { by, what, refusal }) => {
                Some(RefusalView::new(by, what, refusal))
            }
            _ => None,
        };
        results.push(json!({
            "what": what, "digest": digest, "result": result, "why": why, "refused": refusal,
        }));
        failed = failed.or(error);
    }
    if lines.is_empty() {
        lines.push("Nothing is pending.".to_owned());
    }
    out.value(&json!({ "sent": results }), lines.join("\n").trim_end())?;
    failed.map_or(Ok(()), |error| Err(failure(error)))
}

/// What came of a message, for its sender.
fn told(wallet: &Wallet, settled: &Settled) -> String {
    match settled {
        Settled::Registered => format!("registered as {}", wallet.state().number),
        Settled::Reference(reference) => ReferenceView::from(reference.clone()).to_string(),
        Settled::Bill(_) => "the shop's bill came: see `tegata-wallet bills`".to_owned(),
        Settled::Paid(bill) => {
            let paid = wallet.view_paid(*bill);
            paid.map_or_else(|e| e.to_string(), |view| view.to_string())
        }
        Settled::Answered => "the shop answered".to_owned(),
        Settled::AtCard(_) => {
            "the money is set aside; put the card on the reader: `card pay`".to_owned()
        }
        Settled::CardLoaded(loaded) => CardLoadedView::from(loaded).to_string(),
    }
}

fn load(folder: &Path, args: &LoadArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let input = |e| failure(WalletError::Input(e));
    let (mut wallet, _) = open(folder, Access::Writing, &args.a)?;
    let currency = match &args.currency {
        Some(code) => Currency::new(&code.to_uppercase()).map_err(input)?,
        None => wallet.currency(now).map_err(|e| out.failed(e))?,
    };
    let amount = Amount::parse(&args.amount, currency).map_err(input)?;
    let funding = match args.funding {
        FundingArg::Transfer => Funding::Transfer,
        FundingArg::Deposit => Funding::Deposit,
    };
    let reference = wallet.load(amount, funding, now);
    let view: ReferenceView = reference.map_err(|e| out.failed(e))?.into();
    out.value(&view, &view.to_string())
}

fn collect(folder: &Path, args: &CollectArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (mut wallet, _) = open(folder, Access::Writing, &args.a)?;
    for shop in &args.shop {
        wallet.meet_shop(shop, now).map_err(|e| out.failed(e))?;
    }
    let mut collected = wallet.collect(now).map_err(|e| out.failed(e))?;
    let until = clock::monotonic_millis().saturating_add(args.wait.saturating_mul(1000));
    let waiting = (args.wait > 0).then(|| progress::spinner("waiting for the centre"));
    while collected.is_empty() && clock::monotonic_millis() < until {
        std::thread::park_timeout(POLL);
        let now = Time::from_secs(clock::now());
        collected = wallet.collect(now).map_err(|e| out.failed(e))?;
    }
    drop(waiting);
    let view = wallet.view_collected(&collected).map_err(failure)?;
    out.value(&view, &view.to_string())
}

/// How often somebody asks who waits for something.
const POLL: Duration = Duration::from_millis(300);

fn balance(folder: &Path, args: &OpenArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (mut wallet, _) = open(folder, Access::Writing, &args.a)?;
    let view: BalanceView = wallet.balance(now).map_err(|e| out.failed(e))?.into();
    out.value(&view, &view.to_string())
}

fn offers(args: &CatalogueArgs, out: &Output) -> Result<(), Failure> {
    let value = buying::catalogue(&Client::default(), &args.shop).map_err(failure)?;
    let text = catalogue_text(&value);
    out.value(&value, &text)
}

fn inquire(folder: &Path, args: &InquireArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (mut wallet, _) = open(folder, Access::Writing, &args.a)?;
    let asked = wallet.inquire(&args.shop, &args.text, now);
    asked.map_err(|e| out.failed(e))?;
    out.value(&json!({ "answered": true }), "The shop answered.")
}

fn bills(folder: &Path, args: &BillsArgs, out: &Output) -> Result<(), Failure> {
    let (wallet, _) = open(folder, Access::Reading, &args.a)?;
    if let Some(wanted) = &args.bill {
        let bill = wallet.find_bill(wanted).map_err(failure)?;
        let view = wallet.view_bill(bill).map_err(failure)?;
        return out.value(&view, &view.to_string());
    }
    let ids = wallet.state().bills.iter().map(KeptBill::digest);
    let views: Result<Vec<BillView>, WalletError> = ids.map(|id| wallet.view_bill(id)).collect();
    let views = views.map_err(failure)?;
    let line = |b: &BillView| {
        let id = b.bill.get(..10).unwrap_or_default();
        format!("{id}  {:<10} {:>16}  {}", b.status(), b.total, b.title)
    };
    let text = listed(views.iter().map(line), "No bills.");
    out.value(&json!({ "bills": views }), &text)
}

/// Lines, or a word for none.
fn listed(lines: impl Iterator<Item = String>, none: &str) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return none.to_owned();
    }
    lines.join("\n")
}

fn tickets(folder: &Path, args: &OpenArgs, out: &Output) -> Result<(), Failure> {
    let (wallet, _) = open(folder, Access::Reading, &args.a)?;
    let views = wallet.view_tickets().map_err(failure)?;
    let text = listed(views.iter().map(ToString::to_string), "No tickets.");
    out.value(&json!({ "tickets": views }), &text)
}

fn export_ticket(folder: &Path, args: &ExportTicketArgs, out: &Output) -> Result<(), Failure> {
    let (wallet, _) = open(folder, Access::Reading, &args.a)?;
    let ticket = wallet.find_ticket(&args.ticket).map_err(failure)?;
    write_file(&args.file, ticket.signed.as_bytes())?;
    let file = args.file.display().to_string();
    let value = json!({ "ticket": ticket.digest().to_string(), "file": file });
    out.value(&value, &format!("Written to {file}."))
}

fn export_head(folder: &Path, args: &ExportHeadArgs, out: &Output) -> Result<(), Failure> {
    let (wallet, _) = open(folder, Access::Reading, &args.a)?;
    let head = wallet.newest_head().map_err(failure)?;
    write_file(&args.file, head.as_bytes())?;
    let file = args.file.display().to_string();
    let text = format!("Written to {file}; the centre's `audit --head {file}` must find it.");
    out.value(
        &json!({ "head": head.digest().to_string(), "file": file }),
        &text,
    )
}

fn history(folder: &Path, args: &HistoryArgs, out: &Output) -> Result<(), Failure> {
    let (wallet, _) = open(folder, Access::Reading, &args.a)?;
    let entries = wallet.view_history().map_err(failure)?;
    if args.csv {
        print!("{}", history_csv(&entries));
        return Ok(());
    }
    let text = listed(entries.iter().map(ToString::to_string), "Nothing yet.");
    out.value(&json!({ "entries": entries }), &text)
}

fn status(folder: &Path, args: &OpenArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (wallet, _) = open(folder, Access::Reading, &args.a)?;
    let view = wallet.view_status(now).map_err(failure)?;
    out.value(&view, &view.to_string())
}

/// Serves the page; the link is printed, and nowhere else.
fn serve(folder: &Path, args: &ServeArgs, out: &Output) -> Result<(), Failure> {
    // A wallet must be there before anybody is asked to open it.
    crate::wallet::password_form(folder).map_err(failure)?;
    let reader = args.card.reader();
    page::run(folder.to_owned(), args.listen.listen, reader, |link| {
        let text = if out.json {
            format!("{}\n", json!({ "link": link }))
        } else {
            format!("Open this once, on this machine: {link}\nStop with Ctrl-C.\n")
        };
        // In one piece: whoever reads the first line only doesn't stop the server by it.
        let mut stdout = std::io::stdout().lock();
        drop(
            stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush()),
        );
    })
}
