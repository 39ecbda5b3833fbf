//! `tegata-sealing program`, `log`.

use std::path::PathBuf;

use serde_json::json;
use tegata_cli::exit::Failure;
use tegata_protocol::order::{self, ProgramEntry};

use super::{Usual, failed, read_in, say, service, shown};
use crate::programs;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Publish a program; from now on new keys should name it
    Publish {
        #[command(flatten)]
        usual: Usual,

        /// A file with the program's text [default: the one that this program brings]
        file: Option<PathBuf>,
    },
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Publish { usual, file } = command;
    let service = service(usual)?;
    let text = match file {
        None => order::program().to_owned(),
        Some(file) => String::from_utf8(read_in(file)?)
            .map_err(|_e| Failure::usage(format!("{} isn't UTF-8 text", shown(file))))?,
    };
    let key = service.registered().keys.signing();
    let (store, dir) = (service.store(), service.dir());
    let (digest, new) =
        programs::publish(store, dir, key, &text, service.now()).map_err(|e| failed(e.into()))?;
    let object = json!({ "program": digest.to_string(), "new": new });
    let word = if new {
        "is published"
    } else {
        "was published before"
    };
    say(usual.json, &object, &format!("{digest} {word}"));
    Ok(())
}

#[derive(Debug, clap::Args)]
pub(super) struct LogArguments {
    #[command(flatten)]
    usual: Usual,

    /// Only check that every row is as it was written; else end with code 4
    #[arg(long)]
    check: bool,
}

pub(super) fn log(arguments: &LogArguments) -> Result<(), Failure> {
    let service = service(&arguments.usual)?;
    let key = service.registered().keys.signing().verifying_key();
    let entries =
        programs::check(service.store(), service.dir(), &key).map_err(|e| failed(e.into()))?;
    let rows: Vec<_> = entries.iter().map(in_json).collect();
    let object = json!({ "good": true, "programs": rows });
    let lines = match arguments.check {
        true => format!("the log is good; programs: {}", entries.len()),
        false => entries.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    say(arguments.usual.json, &object, &lines);
    Ok(())
}

fn in_json(entry: &ProgramEntry) -> serde_json::Value {
    json!({
        "sequence": entry.sequence,
        "program": entry.program.to_string(),
        "length": entry.length,
        "published": entry.published.secs(),
    })
}

fn line(entry: &ProgramEntry) -> String {
    let (sequence, length) = (entry.sequence, entry.length);
    format!(
        "{sequence:>4}  {}  {length:>6} bytes  {}",
        entry.program, entry.published
    )
}
