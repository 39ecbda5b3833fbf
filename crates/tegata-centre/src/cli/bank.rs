//! `tegata-centre bank`: statements of the bank, and money that nobody could be found for.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use tegata_bank::{Statement, camt053};
use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure, OrExit as _},
    password::PasswordOnly,
};
use tegata_ledger::{Destination, StatementKey, SuspenseReason, store::Reader};
use tegata_protocol::{
    Digest,
    prepaid::Funding,
    refusal::{Code, Refusal},
};

use super::{OPERATOR_KEY, PARTY, Shown, now, open_book, print};
use crate::{
    keys::SealedKeyFile,
    operator::{FIRST_OPERATOR, operator_number, sign_import, try_entries_of},
    settings::Settings,
};

#[derive(Subcommand, Debug)]
pub(super) enum BankCommand {
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

/// Runs a command.
///
/// # Errors
/// [`Failure`], with the exit code.
pub(super) fn main(command: BankCommand) -> Result<(), Failure> {
    match command {
        BankCommand::Import {
            file,
            dry_run,
            shown,
            password,
        } => import(&file, dry_run, &shown, &password),
        BankCommand::Suspense(shown) => suspense(&shown),
    }
}

fn import(
    file: &Path,
    dry_run: bool,
    shown: &Shown,
    password: &PasswordOnly,
) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let settings = Settings::load(&dir)?;
    let bytes = std::fs::read(file)
        .map_err(|e| anyhow::anyhow!("{} can't be read: {e}", file.display()))
        .or_exit(Exit::Usage)?;
    let read = camt053::parse_for(&bytes, &settings.account).map_err(|e| {
        Failure::usage(format!("{} is refused as a whole: {e}", file.display()))
            .next("nothing was credited; ask the bank for a correct file")
    })?;
    let mut book = open_book(&dir)?;
    refuse_imported(book.as_mut(), &read.statements)?;
    let mut statements = Vec::new();
    for statement in &read.statements {
        let entries = try_entries_of(statement, |reference| {
            let funding = book.funding(reference.as_str());
            funding.map(|funding| funding.is_some())
        });
        // What can't be looked up isn't unknown: nothing is signed then.
        statements.push((statement, entries.or_exit(Exit::Damaged)?));
    }
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
pub(super) fn send_order(socket: &Path, body: &[u8]) -> Result<Vec<u8>, Failure> {
    use std::io::{Read as _, Write as _};
    let unreachable = |e: std::io::Error| {
        Failure::new(Exit::Unreachable, format!("the centre isn't running ({e})"))
            .next("start tegata-centre serve, then try again")
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
    let said = String::from_utf8_lossy(body);
    match head.get(..12) {
        Some(b"HTTP/1.1 200") => Ok(body.to_vec()),
        Some(b"HTTP/1.1 409") => Err(Failure::refused(format!("refused: {}", said.trim()))),
        Some(_) | None => {
            let next = "see why in the centre's log and mend it; then give the same order again: \
                        what is in the book already is refused";
            let fault = format!("the centre has a fault: {}", said.trim());
            Err(Failure::refused(fault).next(next))
        }
    }
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
