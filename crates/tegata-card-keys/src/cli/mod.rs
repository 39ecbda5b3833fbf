//! The command line.

use clap::{Parser, Subcommand};
use serde_json::json;
use tegata_card::keys::Csn;
use tegata_cli::config;
use tegata_cli::data::{DataArgs, DataDir, Party};
use tegata_cli::exit::{Exit, Failure, OrExit as _};
use tegata_cli::logs::LogArgs;
use tegata_cli::password::PasswordOnly;
use tegata_http::serve::{self, Stop};
use tegata_keystore::rng;

use crate::handler::Handler;
use crate::keys::{self, KeyFileError, MasterKeys};
use crate::serve::Server;
use crate::settings::Settings;
use crate::store::{self, CardRecord, Store, StoreError, Versions};

/// The program's name.
pub const PROGRAM: &str = "tegata-card-keys";
/// Its data folders.
pub const PARTY: Party = Party::new(PROGRAM, 1);

/// The card-key server: holds the cards' keys and opens sessions with cards.
///
/// It has no signing key and knows neither members nor the book. The centre asks it over a socket
/// on the same machine, or over TLS from another one.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    after_help = "\
Starting:
  1. tegata-card-keys init --data card-keys      makes the three master keys; back up the folder
  2. tegata-card-keys serve --data card-keys     listens on card-keys/card-keys.sock
  3. Tell the centre where the socket is.

Settings stand in DIR/card-keys.toml (`allow_uid = [990]`) or in the environment
(TEGATA_CARD_KEYS_IDLE_SECONDS); flags win. The log goes to standard error; TEGATA_LOG filters it.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage or input, 4 data damaged."
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the master keys and seal them under a password
    Init(Init),
    /// Open sessions for the centre
    Serve(Box<Serve>),
    /// What is known of cards (while it serves, too)
    #[command(subcommand)]
    Cards(Cards),
    /// A card was lost or copied: it opens no session any more (while it serves, too)
    Deny(One),
    /// Show why cards were denied that nobody reported
    Evidence(Usual),
}

#[derive(Debug, clap::Args)]
struct Init {
    #[command(flatten)]
    usual: Usual,

    #[command(flatten)]
    password: PasswordOnly,
}

#[derive(Debug, clap::Args)]
struct Serve {
    #[command(flatten)]
    usual: Usual,

    #[command(flatten)]
    password: PasswordOnly,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Cards {
    /// All cards
    List(Usual),
    /// One card with its orders
    Show(One),
}

#[derive(Debug, clap::Args)]
struct One {
    #[command(flatten)]
    usual: Usual,

    /// The card's number, 20 hexadecimal digits
    card: Csn,
}

#[derive(Debug, clap::Args)]
struct Usual {
    #[command(flatten)]
    data: DataArgs,

    /// Print JSON objects on standard output, one a line
    #[arg(long)]
    json: bool,
}

impl Usual {
    fn existing(&self) -> Result<DataDir, Failure> {
        Ok(DataDir::open_existing(&self.data.data, PARTY)?)
    }

    fn store(&self) -> Result<Store, Failure> {
        open_store(&self.existing()?)
    }

    /// Prints an object as JSON, or a line for people.
    fn say(&self, object: &serde_json::Value, line: &str) {
        if self.json {
            println!("{object}");
        } else {
            println!("{line}");
        }
    }
}

/// Runs a command.
///
/// # Errors
/// [`Failure`], ready to be shown.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    tegata_cli::logs::init(PROGRAM, arguments.log.format);
    match arguments.command {
        Command::Init(arguments) => init(&arguments),
        Command::Serve(arguments) => serve(*arguments),
        Command::Cards(Cards::List(usual)) => list(&usual),
        Command::Cards(Cards::Show(one)) => show(&one),
        Command::Deny(one) => deny(&one),
        Command::Evidence(usual) => evidence(&usual),
    }
}

fn init(arguments: &Init) -> Result<(), Failure> {
    let dir = DataDir::open(&arguments.usual.data.data, PARTY)?;
    let _lock = dir.lock()?;
    let path = dir.file(keys::FILE)?;
    if path.exists() {
        return Err(key_failure(KeyFileError::Exists(path)));
    }
    let password = arguments.password.read_new()?;
    let made = MasterKeys::new(*rng::secret(), *rng::secret(), *rng::secret());
    keys::create(&path, &made, &password, rng::bytes()).map_err(key_failure)?;
    drop(open_store(&dir)?);
    let shown = path.display().to_string();
    let line = format!("The master keys stand in {shown}. Back up the folder and the password.");
    arguments.usual.say(&json!({ "keys": shown }), &line);
    Ok(())
}

fn serve(arguments: Serve) -> Result<(), Failure> {
    let dir = arguments.usual.existing()?;
    let _lock = dir.lock()?;
    let settings = arguments.settings.or(config::load(&dir, "card-keys")?);
    let (admission, remote) = (settings.admission()?, settings.remote()?);
    let password = arguments.password.read()?;
    let keys = keys::open(&dir.file(keys::FILE)?, &password).map_err(key_failure)?;
    drop(password);
    let handler = Handler::new(keys, open_store(&dir)?, settings.bounds());
    serve::runtime()?.block_on(async {
        let stop = Stop::on_signals()?;
        let server = Server::bind(handler, dir.path(), admission, remote).await?;
        let socket = server.socket().display().to_string();
        let address = server.address().map(|address| address.to_string());
        let gates = server
            .gate_socket()
            .map(|socket| socket.display().to_string());
        let object = json!({
            "socket": socket, "gate_socket": gates, "address": address, "pid": std::process::id(),
        });
        let line = format!("The card-key server is open at {socket}");
        arguments.usual.say(&object, &line);
        server.run(stop).await;
        Ok(())
    })
}

fn list(usual: &Usual) -> Result<(), Failure> {
    let store = usual.store()?;
    for card in store.read().cards().map_err(store_failure)? {
        usual.say(&card_json(&card), &card_line(&card));
    }
    Ok(())
}

fn show(one: &One) -> Result<(), Failure> {
    let store = one.usual.store()?;
    let tables = store.read();
    let card = tables.card(one.card).map_err(store_failure)?;
    let card = card.ok_or_else(|| unknown(one.card))?;
    one.usual.say(&card_json(&card), &card_line(&card));
    for order in tables.orders_of(one.card).map_err(store_failure)? {
        let what = &order.transaction;
        let id: String = what.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let (kind, state) = (
            format!("{:?}", order.kind).to_lowercase(),
            order.state.word(),
        );
        let object = json!({
            "order": id, "counter": what.counter, "kind": kind, "amount": what.amount,
            "state": state, "time": what.time,
        });
        let line = format!(
            "  {:>6}  {kind:<6} {:>10}  {state:<8} {id}",
            what.counter, what.amount
        );
        one.usual.say(&object, &line);
    }
    Ok(())
}

fn deny(one: &One) -> Result<(), Failure> {
    let mut store = one.usual.store()?;
    let known = store.read().card(one.card).map_err(store_failure)?;
    known.ok_or_else(|| unknown(one.card))?;
    let card = store.write(|tables| tables.change_card(one.card, |card| card.denied = true));
    let card = card.map_err(store_failure)?;
    one.usual
        .say(&card_json(&card), &format!("{} is denied.", card.csn));
    Ok(())
}

fn evidence(usual: &Usual) -> Result<(), Failure> {
    let store = usual.store()?;
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
    for row in store.read().evidence().map_err(store_failure)? {
        let (csn, known, came) = (row.csn.to_string(), hex(&row.known), hex(&row.came));
        let object = json!({
            "card": csn, "found": row.found, "reason": row.reason, "known": known, "came": came,
        });
        let line = format!(
            "{csn}  {}  found {}\n  known {known}\n  came  {came}",
            row.reason, row.found
        );
        usual.say(&object, &line);
    }
    Ok(())
}

fn card_json(card: &CardRecord) -> serde_json::Value {
    let version =
        |versions: Versions| json!({ "current": versions.current, "next": versions.next });
    json!({
        "card": card.csn.to_string(),
        "state": card.state.word(),
        "denied": card.denied,
        "counter": card.counter,
        "balance": card.balance,
        "currency": String::from_utf8_lossy(&card.limits.currency),
        "keys": {
            "debit": version(card.debit),
            "admin": version(card.admin),
            "receipt": version(card.receipt),
        },
    })
}

fn card_line(card: &CardRecord) -> String {
    let denied = if card.denied { "  denied" } else { "" };
    let currency = String::from_utf8_lossy(&card.limits.currency);
    format!(
        "{}  {:<13} {:>6}  {:>10} {currency}{denied}",
        card.csn,
        card.state.word(),
        card.counter,
        card.balance
    )
}

fn unknown(card: Csn) -> Failure {
    Failure::refused(format!("no card {card} was personalised here"))
        .next("look at the card, or at tegata-card-keys cards list")
}

fn open_store(dir: &DataDir) -> Result<Store, Failure> {
    Store::open(&dir.file(store::FILE)?).map_err(store_failure)
}

fn store_failure(error: StoreError) -> Failure {
    let exit = match error.is_damage() {
        true => Exit::Damaged,
        false => Exit::Refused,
    };
    ended(error, exit)
}

fn key_failure(error: KeyFileError) -> Failure {
    let exit = match &error {
        KeyFileError::Damaged(_) => Exit::Damaged,
        KeyFileError::Exists(_) | KeyFileError::Exposed { .. } => Exit::Usage,
        KeyFileError::Io { .. }
        | KeyFileError::Newer(_)
        | KeyFileError::WrongPassword
        | KeyFileError::Derivation(_) => Exit::Refused,
    };
    let next = error.next();
    ended(error, exit).next(next)
}

/// An error with all its causes and a code of its own.
fn ended(error: impl Into<Failure>, exit: Exit) -> Failure {
    match Err::<std::convert::Infallible, _>(error).or_exit(exit) {
        Err(failure) => failure,
        Ok(never) => match never {},
    }
}
