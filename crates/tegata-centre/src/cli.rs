//! The command line of `tegata-centre`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use tegata_ledger::{
    Destination, StatementKey, SuspenseReason,
    store::{Reader, SqliteStore, Store as _},
};
use tegata_program::{
    clock,
    data::{DataDir, Party},
    exit::{Exit, Failure, OrExit as _},
    logs,
    password::PasswordOnly,
    serve,
};
use tegata_protocol::{
    Amount, Digest, PartyNumber, Role, Time,
    joining::{Details, Slip},
    prepaid::Funding,
    refusal::{Code, Refusal},
};

use crate::{
    audit::Auditor,
    bank::{Statement, camt053},
    desk::Desk,
    keys::{self, OperationalKeys, PublicKeys, SealedKeyFile},
    letter::{self, Letter, Recipient},
    operator::{FIRST_OPERATOR, entries_of, operator_number, sign_import},
    people::People,
    programs,
    settings::{House, PaceSettings, Settings},
    web::{self, Web},
};

/// The centre's data folder.
pub const PARTY: Party = Party::new("tegata-centre", 1);
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
    Applications(ApplicationsCommand),
    /// The programs that the page offers: wallet, shop, gate
    #[command(subcommand)]
    Programs(programs::ProgramsCommand),
    /// Bank statements and suspense
    #[command(subcommand)]
    Bank(BankCommand),
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

#[derive(Subcommand, Debug)]
enum ApplicationsCommand {
    /// List them
    List(Shown),
    /// Grant one: draw a number and a code, write the letter
    Grant {
        /// The application's number
        application: u64,
        /// Where the letter goes [default: DATA/letters]
        #[arg(long)]
        letters: Option<PathBuf>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Enter one for somebody at the desk
    Add {
        /// member, shop or gate
        #[arg(long)]
        role: String,
        /// Name
        #[arg(long)]
        name: String,
        /// A line of the postal address; may be repeated
        #[arg(long)]
        postal: Vec<String>,
        #[command(flatten)]
        shown: Shown,
    },
}

#[derive(Subcommand, Debug)]
enum BankCommand {
    /// Import a statement file (camt.053.001.08); the centre must be running
    Import {
        /// The bank's file
        file: PathBuf,
        /// Only show what would be credited
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        shown: Shown,
        #[command(flatten)]
        password: PasswordOnly,
    },
    /// Show money that nobody could be found for
    Suspense(Shown),
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
        Command::Applications(command) => applications(command),
        Command::Programs(command) => programs::main(command, now()),
        Command::Bank(BankCommand::Import {
            file,
            dry_run,
            shown,
            password,
        }) => import(&file, dry_run, &shown, &password),
        Command::Bank(BankCommand::Suspense(shown)) => suspense(&shown),
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
    let house = House::load(&dir)?;
    keys::certify(&root, &dir, &password.read()?, &house.name, (now(), days))?;
    let public = PublicKeys::open(&dir, now())?;
    println!("certified until {}", public.keys.until);
    Ok(())
}

const DEFAULT_TERMS: &str = include_str!("../terms.example.txt");

fn initialise(init: &Init) -> Result<(), Failure> {
    let settings = Settings {
        name: init.name.clone(),
        address: init.address.clone(),
        currency: init.currency.clone(),
        account: init.account.clone(),
        account_owner: init.owner.clone(),
        load_min: "500".to_owned(),
        load_max: "100000".to_owned(),
        card_valid_days: 180,
        code_valid_days: 60,
        pace: PaceSettings::default(),
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
    let desk = Arc::new(Desk::open(&dir, now())?);
    let web = Arc::new(Web {
        desk: desk.clone(),
        terms,
        data: dir.path().to_owned(),
        downloads: std::sync::Mutex::default(),
    });
    serve::runtime()?.block_on(async {
        let stop = serve::Stop::on_signals()?;
        let public = serve::Bound::unix(&dir.file("centre.sock")?)?;
        let operators = serve::Bound::unix(&dir.file("operator.sock")?)?;
        let clockwork = tokio::spawn(tick(desk.clone()));
        tokio::join!(
            public.run(web::public(web), stop.clone()),
            operators.run(web::operators(desk), stop),
        );
        clockwork.abort();
        Ok(())
    })
}

/// Expires holds, every second: the clock is one of the book's causes.
async fn tick(desk: Arc<Desk>) {
    loop {
        let desk = desk.clone();
        let ticked = tokio::task::spawn_blocking(move || desk.expire_holds(now())).await;
        if ticked.is_err() {
            tracing::error!("the clock's task failed");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn applications(command: ApplicationsCommand) -> Result<(), Failure> {
    match command {
        ApplicationsCommand::List(shown) => list(&shown),
        ApplicationsCommand::Grant {
            application,
            letters,
            shown,
        } => grant(application, letters, &shown),
        ApplicationsCommand::Add {
            role,
            name,
            postal,
            shown,
        } => {
            let role = Role::ALL
                .into_iter()
                .find(|r| word(*r) == role && *r != Role::Centre);
            let role = role.ok_or_else(|| Failure::usage("--role: member, shop or gate"))?;
            let details = Details {
                name,
                postal,
                mail: None,
                account: None,
            };
            details.check().or_exit(Exit::Usage)?;
            let dir = DataDir::open_existing(&shown.data, PARTY)?;
            let id = People::open(dir.path())?.apply(role, &details, now())?;
            print(
                &shown,
                &serde_json::json!({ "application": id }),
                &format!("application {id}"),
            );
            Ok(())
        }
    }
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Shop => "shop",
        Role::Gate => "gate",
        Role::Sealing => "sealing",
        Role::Centre => "centre",
    }
}

fn print(shown: &Shown, json: &serde_json::Value, text: &str) {
    if shown.json {
        println!("{json}");
    } else {
        println!("{text}");
    }
}

fn list(shown: &Shown) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let people = People::open(dir.path())?;
    let (mut json, mut lines) = (Vec::new(), Vec::new());
    for a in people.applications()? {
        let name = people
            .details(a.id)
            .map_or("(erased)".to_owned(), |d| d.name);
        let number = a.number.map(|n| n.to_string());
        let shown = number.as_deref().unwrap_or("waiting");
        let (role, received) = (word(a.role), a.received);
        lines.push(format!(
            "{:>5}  {role:<6}  {received}  {shown:<13}  {name}",
            a.id
        ));
        json.push(serde_json::json!({ "application": a.id, "role": role,
            "received": received.secs(), "number": number, "name": name }));
    }
    print(shown, &json.into(), &lines.join("\n"));
    Ok(())
}

fn grant(application: u64, letters: Option<PathBuf>, shown: &Shown) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let (house, public) = (House::load(&dir)?, PublicKeys::open(&dir, now())?);
    let terms = Digest::of(&dir.read("terms.txt")?);
    let expires = now().after(house.code_seconds);
    let people = People::open(dir.path())?;
    let granted = people.grant(application, terms, (now(), expires))?;
    let slip = Slip {
        centre: house.address.clone(),
        root: public.root,
        number: granted.number,
        code: granted.code,
        terms,
    };
    let letter = letter_for(&house, &slip, &granted.details, expires);
    let folder = match letters {
        Some(folder) => folder,
        None => dir.file("letters")?,
    };
    let folder = Folder::open(&folder)?;
    let name = granted.number.to_string();
    folder.write(&format!("{name}.html"), letter::html(&letter)?.as_bytes())?;
    let pdf = letter::pdf(&letter);
    match &pdf {
        Ok(bytes) => folder.write(&format!("{name}.pdf"), bytes)?,
        Err(e) => eprintln!("no PDF: {e}"),
    }
    folder.write(&format!("{name}.slip"), slip.reveal().as_bytes())?;
    let html = folder.0.join(format!("{name}.html"));
    let json = serde_json::json!({
        "number": name, "letter": html.display().to_string(),
        "slip": folder.0.join(format!("{name}.slip")).display().to_string(),
    });
    print(
        shown,
        &json,
        &format!("{name}: letter in {}", html.display()),
    );
    Ok(())
}

/// A folder for letters: they're secret until used.
struct Folder(PathBuf);

impl Folder {
    fn open(path: &Path) -> Result<Self, Failure> {
        tegata_program::data::make_dir(path)?;
        Ok(Self(path.to_owned()))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(self.0.join(name)).or_exit(Exit::Refused)?;
        file.write_all(bytes).or_exit(Exit::Refused)
    }
}

fn letter_for(house: &House, slip: &Slip, details: &Details, expires: Time) -> Letter {
    let recipient = match slip.number.role() {
        Role::Member => Recipient::Member,
        Role::Shop | Role::Gate | Role::Sealing | Role::Centre => Recipient::Shop,
    };
    let day = |time: Time| time.to_string().chars().take(10).collect();
    let mut addressee = vec![details.name.clone()];
    addressee.extend(details.postal.iter().cloned());
    Letter {
        recipient,
        centre_name: house.name.clone(),
        centre_address: vec![house.account_owner.clone()],
        web: house.address.clone(),
        addressee,
        date: day(now()),
        number: slip.number.to_string(),
        activation_code: slip.code.reveal(),
        expires: day(expires),
        root_fingerprint: Digest::from_bytes(*slip.root.as_bytes()).to_string(),
        terms_title: format!("Terms of {}", house.name),
        terms_digest: slip.terms.to_string(),
        slip: slip.reveal(),
    }
}

fn import(
    file: &Path,
    dry_run: bool,
    shown: &Shown,
    password: &PasswordOnly,
) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let house = House::load(&dir)?;
    let bytes = std::fs::read(file)
        .map_err(|e| anyhow::anyhow!("{} can't be read: {e}", file.display()))
        .or_exit(Exit::Usage)?;
    let read = camt053::parse_for(&bytes, &house.account).map_err(|e| {
        Failure::usage(format!("{} is refused as a whole: {e}", file.display()))
            .next("nothing was credited; ask the bank for a correct file")
    })?;
    let mut book = open_book(&dir)?;
    refuse_imported(book.as_mut(), &read.statements)?;
    let statements = read.statements.iter().map(|statement| {
        let known =
            |r: &crate::bank::PaymentReference| matches!(book.funding(r.as_str()), Ok(Some(_)));
        // Each look-up needs the reader to itself.
        let known = std::cell::RefCell::new(known);
        (
            statement,
            entries_of(statement, |r| (known.borrow_mut())(r)),
        )
    });
    let statements: Vec<_> = statements.collect();
    if statements.iter().all(|(_, entries)| entries.is_empty()) {
        print(
            shown,
            &serde_json::json!({ "credits": 0 }),
            "nothing to import: no booked credits",
        );
        return Ok(());
    }
    show_entries(shown, &statements);
    if dry_run {
        return Ok(());
    }
    let key = SealedKeyFile::open(&dir, OPERATOR_KEY, &password.read()?)?;
    let operator = (operator_number(FIRST_OPERATOR)?, &key);
    let with_credits = statements
        .into_iter()
        .filter(|(_, entries)| !entries.is_empty());
    for (statement, entries) in with_credits {
        let parcel = sign_import(operator, &bytes, statement, entries, now());
        let reply = send_order(
            &dir.file("operator.sock")?,
            &tegata_protocol::cbor::encode(&parcel),
        )?;
        let id = statement.id.as_str();
        print(
            shown,
            &serde_json::json!({ "statement": id, "reply": Digest::of(&reply).to_string() }),
            &format!("statement {id} is in the book"),
        );
    }
    Ok(())
}

/// A file of several statements is taken whole or not at all.
fn refuse_imported(book: &mut dyn Reader, statements: &[Statement]) -> Result<(), Failure> {
    for statement in statements {
        let key = StatementKey {
            account: statement.account.as_str().to_owned(),
            id: statement.id.as_str().to_owned(),
        };
        if !book.entries(&key).or_exit(Exit::Damaged)?.is_empty() {
            let refusal = Refusal::because(Code::StatementImported, key.id);
            return Err(Failure::refused(format!("refused: {refusal}")));
        }
    }
    Ok(())
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

fn show_entries(
    shown: &Shown,
    statements: &[(&Statement, Vec<tegata_protocol::book::ImportedEntry>)],
) {
    for (statement, entries) in statements {
        for entry in entries {
            let reference = entry
                .reference
                .as_deref()
                .unwrap_or("no known reference: to suspense");
            let id = statement.id.as_str();
            let came = match entry.funding {
                Funding::Deposit => "deposit",
                Funding::Transfer | Funding::Credit | Funding::Cash => "transfer",
            };
            let json = serde_json::json!({ "statement": id, "entry": entry.index,
                "amount": entry.amount.minor(), "reference": entry.reference, "funding": came });
            let text = format!(
                "{id} #{:<4} {:>16}  {came:<8}  {reference}",
                entry.index, entry.amount
            );
            print(shown, &json, &text);
        }
    }
}

/// One HTTP request over the operators' socket.
fn send_order(socket: &Path, body: &[u8]) -> Result<Vec<u8>, Failure> {
    use std::io::{Read as _, Write as _};
    let unreachable = |e: std::io::Error| {
        Failure::new(Exit::Unreachable, format!("the centre isn't running ({e})"))
            .next("start tegata-centre serve, then import again")
    };
    let mut stream = std::os::unix::net::UnixStream::connect(socket).map_err(unreachable)?;
    let head = format!(
        "POST /order HTTP/1.1\r\nHost: operators\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).map_err(unreachable)?;
    stream.write_all(body).map_err(unreachable)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(unreachable)?;
    let split = answer.windows(4).position(|w| w == b"\r\n\r\n");
    let split = split.ok_or_else(|| Failure::refused("the centre's answer breaks off"))?;
    let (head, body) = answer.split_at(split.saturating_add(4));
    if head.starts_with(b"HTTP/1.1 200") {
        return Ok(body.to_vec());
    }
    Err(Failure::refused(format!(
        "refused: {}",
        String::from_utf8_lossy(body).trim()
    )))
}

fn suspense(shown: &Shown) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let waiting = open_book(&dir)?.suspense(10_000).or_exit(Exit::Damaged)?;
    let json = waiting.iter().map(|w| {
        serde_json::json!({ "statement": w.statement.id, "entry": w.entry.index,
            "amount": w.entry.amount.minor(), "currency": w.entry.amount.currency().code(),
            "reference": w.entry.reference, "why": why(w.entry.destination) })
    });
    let lines = waiting.iter().map(|w| {
        let reference = w.entry.reference.as_deref().unwrap_or("-");
        let (id, index) = (&w.statement.id, w.entry.index);
        format!(
            "{id} #{index:<4} {:>16}  {reference}  {}",
            w.entry.amount,
            why(w.entry.destination)
        )
    });
    let mut lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        lines.push("suspense is empty".to_owned());
    }
    print(shown, &json.collect(), &lines.join("\n"));
    Ok(())
}

/// The word that stands in JSON and lists.
const fn why(destination: Destination) -> &'static str {
    match destination {
        Destination::Member(_) => "credited",
        Destination::Suspense(reason) => match reason {
            SuspenseReason::NoReference => "no_reference",
            SuspenseReason::UnknownReference => "unknown_reference",
            SuspenseReason::ExpiredReference => "expired_reference",
            SuspenseReason::UsedReference => "used_reference",
            SuspenseReason::AboveLimit => "above_limit",
        },
    }
}

fn audit(arguments: &Audit) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&arguments.data, PARTY)?;
    let house = House::load(&dir)?;
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
    let auditor = Auditor::new(public.keys, house.currency);
    // What can't be read here is a finding of the audit's.
    let tips = reader.tips().unwrap_or_default();
    let records = tips.iter().map(|tip| tip.position.sequence).sum();
    let bar = tegata_program::progress::bar(records, "records verified");
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
    let currency = House::load(&dir)?.currency;
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
