//! The command line of `tegata-centre`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use tegata_cli::{
    clock,
    data::{DataDir, Party},
    exit::{Exit, Failure, OrExit as _},
    logs,
    password::PasswordOnly,
};
use tegata_http::serve;
use tegata_ledger::store::{Reader, SqliteStore, Store as _};
use tegata_protocol::{Amount, Digest, PartyNumber, Time};

use crate::{
    audit::Auditor,
    centre::Centre,
    certify,
    keys::{self, OperationalKeys, PublicKeys, SealedKeyFile},
    people::People,
    programs,
    readiness::Readiness,
    settings::{PARTY, RateSettings, Settings, SettingsFile},
    web::{self, Web},
};

mod bank;
mod credit;
mod ic_cards;
mod letters;

/// The offline root's folder.
pub const ROOT: Party = Party::new("tegata-root", 1);

/// The settlement centre of a town: it keeps the register and the book.
///
/// First day: `root new` (on the offline machine), `init`, `root certify`, `serve`, and tegata-guard
/// before it. Every day: `applications grant`, `bank import`. Any day: `audit`.
///
/// Exit codes: 0 done; 1 failed or refused; 2 wrong usage or input; 3 a server can't be reached;
/// 4 damaged data.
#[derive(Parser, Debug)]
#[command(name = "tegata-centre", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: logs::LogArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// The offline root key: make it, and certify the centre's keys with it
    #[command(subcommand)]
    Root(RootCommand),
    /// Make a new centre: keys, settings, terms, the first operator
    Init(Init),
    /// Serve messages and pages on a Unix socket, for tegata-guard
    Serve(Serve),
    /// Applications of members, shops and gates
    #[command(subcommand)]
    Applications(letters::ApplicationsCommand),
    /// The programs that the page offers: wallet, shop, gate
    #[command(subcommand)]
    Programs(programs::ProgramsCommand),
    /// Bank statements and suspense
    #[command(subcommand)]
    Bank(bank::BankCommand),
    /// Card numbers that shops pass on, sealed
    #[command(subcommand)]
    Credit(credit::CreditCommand),
    /// IC cards: stock, issue, replacement, end
    #[command(subcommand)]
    Cards(ic_cards::CardsCommand),
    /// Verify the whole book again from its evidence
    Audit(Audit),
    /// Show accounts and what they add up to
    Accounts(Shown),
    /// Destroy the key of a party's personal details; signatures stay verifiable
    Erase(Erase),
}

#[derive(Subcommand, Debug)]
enum RootCommand {
    /// Make a root key, sealed under a password
    New {
        /// The root's own folder, best on a stick that lies in a safe
        #[arg(long)]
        root: PathBuf,
        #[command(flatten)]
        password: PasswordOnly,
    },
    /// Certify the centre's keys, for a year at most
    Certify {
        /// The root's folder
        #[arg(long)]
        root: PathBuf,
        /// The centre's data folder
        #[arg(long, env = "TEGATA_DATA")]
        data: PathBuf,
        /// For how many days
        #[arg(long, default_value_t = 365)]
        days: u32,
        #[command(flatten)]
        password: PasswordOnly,
    },
}

#[derive(Args, Debug)]
struct Init {
    /// The centre's data folder
    #[arg(long, env = "TEGATA_DATA")]
    data: PathBuf,
    /// The organiser's name
    #[arg(long)]
    name: String,
    /// The web address that parties will use
    #[arg(long)]
    address: String,
    /// The currency, ISO 4217
    #[arg(long, default_value = "JPY")]
    currency: String,
    /// Our account at the bank: IBAN, or as the bank writes it
    #[arg(long)]
    account: String,
    /// The account's owner
    #[arg(long)]
    owner: String,
    /// A file with the terms that members and shops agree to
    #[arg(long)]
    terms: Option<PathBuf>,
    /// Password of the first operator's key
    #[command(flatten)]
    password: PasswordOnly,
}

#[derive(Args, Debug)]
struct Serve {
    /// The centre's data folder
    #[arg(long, env = "TEGATA_DATA")]
    data: PathBuf,
}

#[derive(Args, Debug)]
struct Shown {
    /// The centre's data folder
    #[arg(long, env = "TEGATA_DATA")]
    data: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct Erase {
    /// The centre's data folder
    #[arg(long, env = "TEGATA_DATA")]
    data: PathBuf,
    /// The party's number
    number: String,
}

#[derive(Args, Debug)]
struct Audit {
    /// The centre's data folder
    #[arg(long, env = "TEGATA_DATA")]
    data: PathBuf,
    /// A signed head of the chain that somebody brings (a receipt's); may be repeated
    #[arg(long)]
    head: Vec<PathBuf>,
    /// The root's public key in hexadecimal, if DATA isn't to be trusted for it
    #[arg(long)]
    root: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the program.
///
/// # Errors
/// [`Failure`], with the exit code.
pub fn main() -> Result<(), Failure> {
    let cli = Cli::parse();
    logs::init("tegata-centre", cli.log.format);
    match cli.command {
        Command::Root(RootCommand::New { root, password }) => root_new(&root, &password),
        Command::Root(RootCommand::Certify {
            root,
            data,
            days,
            password,
        }) => certify(&root, &data, days, &password),
        Command::Init(init) => initialise(&init),
        Command::Serve(arguments) => run(&arguments.data),
        Command::Applications(command) => letters::main(command),
        Command::Programs(command) => programs::main(command, now()),
        Command::Bank(command) => bank::main(command),
        Command::Credit(command) => credit::main(&command),
        Command::Cards(command) => ic_cards::main(command),
        Command::Audit(arguments) => audit(&arguments),
        Command::Accounts(shown) => accounts(&shown),
        Command::Erase(arguments) => erase(&arguments),
    }
}

fn now() -> Time {
    Time::from_secs(clock::now())
}

fn root_new(root: &Path, password: &PasswordOnly) -> Result<(), Failure> {
    let dir = DataDir::open(root, ROOT)?;
    let key = keys::create_root(&dir, &password.read_new()?)?;
    println!(
        "The root's key is made, and lies in {}.",
        dir.path().display()
    );
    println!("Its public part, which letters show and everybody pins:");
    println!("  {}", Digest::from_bytes(*key.as_bytes()));
    println!("next: tegata-centre init, then root certify with this folder; then lock it away");
    Ok(())
}

fn certify(root: &Path, data: &Path, days: u32, password: &PasswordOnly) -> Result<(), Failure> {
    let (root, dir) = (
        DataDir::open_existing(root, ROOT)?,
        DataDir::open_existing(data, PARTY)?,
    );
    let settings = Settings::load(&dir)?;
    certify::certify(
        &root,
        &dir,
        &password.read()?,
        &settings.name,
        (now(), days),
    )?;
    let public = PublicKeys::open(&dir, now())?;
    println!("certified until {}", public.keys.until);
    Ok(())
}

const DEFAULT_TERMS: &str = include_str!("../terms.example.txt");

fn initialise(init: &Init) -> Result<(), Failure> {
    let settings = SettingsFile {
        name: init.name.clone(),
        address: init.address.clone(),
        currency: init.currency.clone(),
        account: init.account.clone(),
        account_owner: init.owner.clone(),
        load_min: "500".to_owned(),
        load_max: "100000".to_owned(),
        card_valid_days: 180,
        code_valid_days: 60,
        credit_keep_days: 30,
        sealing: None,
        cards: None,
        pace: RateSettings::default(),
    };
    settings.check()?;
    let terms = match &init.terms {
        Some(path) => std::fs::read_to_string(path)
            .or_exit(Exit::Usage)
            .or_doing(format!("reading the terms {}", path.display()))?,
        None => DEFAULT_TERMS.to_owned(),
    };
    let password = init.password.read_new()?;
    let dir = DataDir::open(&init.data, PARTY)?;
    OperationalKeys::create(&dir)?;
    crate::credit::key::create(&dir, false)?;
    let operator = SealedKeyFile::create(&dir, OPERATOR_KEY, &password)?;
    dir.write_atomic("operator.pub", operator.verifying_key().as_bytes())?;
    let text = toml::to_string(&settings).or_exit(Exit::Refused)?;
    dir.write_atomic("centre.toml", text.as_bytes())?;
    dir.write_atomic("terms.txt", terms.as_bytes())?;
    println!("{} is set up in {}", settings.name, init.data.display());
    println!(
        "next: tegata-centre root certify --root ROOT --data {}",
        init.data.display()
    );
    Ok(())
}

const OPERATOR_KEY: &str = "operator.key";

fn run(data: &Path) -> Result<(), Failure> {
    let dir = DataDir::open_existing(data, PARTY)?;
    let _lock = dir.lock()?;
    let terms = String::from_utf8_lossy(&dir.read("terms.txt")?).into_owned();
    let centre = Arc::new(Centre::open(&dir, now())?);
    let web = Arc::new(Web {
        centre: centre.clone(),
        terms,
        data: dir.path().to_owned(),
        downloads: std::sync::Mutex::default(),
        readiness: Readiness::of(&centre),
    });
    serve::runtime()?.block_on(async {
        let stop = serve::Stop::on_signals()?;
        let public = serve::Bound::unix(&dir.file("centre.sock")?)?;
        let operators = serve::Bound::unix(&dir.file("operator.sock")?)?;
        let clockwork = tokio::spawn(tick(centre.clone()));
        let denials = tokio::spawn(deny(centre.clone()));
        // Ends when this is dropped.
        let _supply = centre.start_key_supply();
        tokio::join!(
            public.run(web::public(web.clone()), stop.clone()),
            operators.run(web::operators(web), stop),
        );
        clockwork.abort();
        denials.abort();
        Ok(())
    })
}

/// Expires holds, every second: the clock is one of the book's causes. Deletes old cards each hour.
async fn tick(centre: Arc<Centre>) {
    for second in 0_u64.. {
        let centre = centre.clone();
        let work = move || {
            centre.expire_holds(now());
            if second % 3600 == 0 {
                centre.delete_old_cards(now());
                centre.deny_cards();
            }
        };
        let ticked = tokio::task::spawn_blocking(work).await;
        if ticked.is_err() {
            tracing::error!("the clock's task failed");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Has lost cards denied as soon as the card-key server can be told. Apart from the clock: a server that is
/// slow to answer delays no hold's end.
async fn deny(centre: Arc<Centre>) {
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let centre = centre.clone();
        let told = tokio::task::spawn_blocking(move || centre.deny_waiting()).await;
        if told.is_err() {
            tracing::error!("the task that denies cards failed");
        }
    }
}

fn print(shown: &Shown, json: &serde_json::Value, text: &str) {
    if shown.json {
        println!("{json}");
    } else {
        println!("{text}");
    }
}

/// The book, to be read only.
fn open_book(dir: &DataDir) -> Result<Box<dyn Reader>, Failure> {
    let path = dir.file("ledger.sqlite")?;
    if !path.exists() {
        let missing = format!("{} has no book yet", dir.path().display());
        return Err(Failure::usage(missing).next("start tegata-centre serve once"));
    }
    let opened = SqliteStore::open_existing(&path).and_then(|store| store.reader());
    opened.or_exit(Exit::Damaged)
}

fn audit(arguments: &Audit) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&arguments.data, PARTY)?;
    let settings = Settings::load(&dir)?;
    let public = PublicKeys::open_for_audit(&dir)?;
    if let Some(root) = &arguments.root
        && *root != Digest::from_bytes(*public.root.as_bytes()).to_string()
    {
        return Err(Failure::new(
            Exit::Damaged,
            "the data folder's root isn't the one given",
        ));
    }
    let mut brought = Vec::new();
    for path in &arguments.head {
        let head = std::fs::read(path)
            .or_exit(Exit::Usage)
            .or_doing(format!("reading the head {}", path.display()))?;
        brought.push(head);
    }
    let mut reader = open_book(&dir)?;
    let auditor = Auditor::new(public.keys, settings.currency);
    // What can't be read here is a finding of the audit's.
    let tips = reader.tips().unwrap_or_default();
    let records = tips.iter().map(|tip| tip.position.sequence).sum();
    let bar = tegata_cli::progress::bar(records, "records verified");
    let watch = |records| bar.add(records);
    let report = auditor.audit_watched(reader.as_mut(), &dir.file("heads")?, &brought, watch);
    drop(bar);
    let report = report.or_exit(Exit::Damaged)?;
    if arguments.json {
        let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        println!(
            "{}",
            serde_json::json!({ "records": report.records,
            "accounts": report.accounts, "heads": report.heads, "findings": findings })
        );
    } else {
        for finding in &report.findings {
            println!("{finding}");
        }
        println!(
            "{} records, {} accounts, {} signed heads verified",
            report.records, report.accounts, report.heads
        );
    }
    if report.is_clean() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Damaged,
        format!("{} finding(s)", report.findings.len()),
    )
    .next("keep this folder as it is, restore a backup elsewhere, and compare"))
}

fn accounts(shown: &Shown) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let currency = Settings::load(&dir)?.currency;
    let all = open_book(&dir)?.accounts(None, 1_000_000);
    let all = all.or_exit(Exit::Damaged)?;
    let sum: i64 = all.iter().map(|(_, account)| account.balance).sum();
    let json = all.iter().map(|(id, account)| {
        serde_json::json!({ "account": id.to_string(), "balance": account.balance,
            "held": account.held })
    });
    let json = serde_json::json!({ "accounts": json.collect::<Vec<_>>(), "sum": sum });
    let lines = all.iter().map(|(id, account)| {
        let sign = if account.balance < 0 { "-" } else { "" };
        let amount = |minor: i64| Amount::new(minor.unsigned_abs(), currency);
        let balance = amount(account.balance).map_or_else(|e| e.to_string(), |a| a.to_string());
        format!(
            "{:<32} {sign}{balance}, held {}",
            id.to_string(),
            account.held
        )
    });
    let mut lines: Vec<_> = lines.collect();
    lines.push(format!("{:<32} {sum}", "sum (must be zero)"));
    print(shown, &json, &lines.join("\n"));
    Ok(())
}

fn erase(arguments: &Erase) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&arguments.data, PARTY)?;
    let number: PartyNumber = arguments.number.parse().or_exit(Exit::Usage)?;
    let erased = People::open(dir.path())?.erase(number)?;
    for kind in ["html", "pdf", "slip"] {
        dir.remove(format!("letters/{number}.{kind}"))?;
    }
    if erased {
        println!("the details of {number} can't be read any more; backups forget them in 30 days");
        return Ok(());
    }
    Err(Failure::refused(format!("no details of {number} are kept")))
}
