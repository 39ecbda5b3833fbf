//! `tegata-gate check`.

use std::io::BufRead as _;
use std::path::PathBuf;

use tegata_cli::{
    clock,
    exit::{Exit, Failure, OrExit as _},
};
use tegata_pages::Language;
use tegata_protocol::Time;

use super::{Common, open, print_json};
use crate::{
    event::EventName,
    gate::Gate,
    verdict::Verdict,
    words::{VerdictJson, said},
};

/// The most bytes of one line from standard input; more can't be a code.
const LINE_LIMIT: u64 = 4096;

/// Check scanned codes and admit their holders
///
/// Each code is the text of a QR code (base45). Without --text or --file each line of standard
/// input is one: let a hand scanner type into it. An admission is on the disk before its verdict
/// is printed.
///
/// Ends with 0 if everybody was admitted, with 1 if anybody wasn't. A code that is read twice
/// within two seconds is told "just admitted" and doesn't count as another admission.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
    /// The event whose tickets are good here: a number, or SHOP/NUMBER; may be repeated
    #[arg(long = "event", value_name = "N")]
    events: Vec<EventName>,
    /// A code's text
    #[arg(
        long,
        value_name = "BASE45",
        conflicts_with = "file",
        allow_hyphen_values = true
    )]
    text: Option<String>,
    /// A file that holds one code's text, or the presentation itself
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let common = &arguments.common;
    let opened = open::open(common, &arguments.events)?;
    let all_in = match (&arguments.text, &arguments.file) {
        (Some(text), _) => check(common, &opened.gate, Scan::Text(text))?,
        (None, Some(file)) => {
            let bytes = std::fs::read(file)
                .or_exit(Exit::Usage)
                .or_doing(format!("reading {}", file.display()))?;
            check(common, &opened.gate, Scan::of_file(&bytes))?
        }
        (None, None) => check_lines(common, &opened.gate)?,
    };
    drop(opened.gate);
    drop(opened.lock);
    Ok(if all_in { Exit::Done } else { Exit::Refused })
}

/// What was scanned, as it came.
enum Scan<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> Scan<'a> {
    /// base45 knows no small letters and no bytes above 127; a presentation begins with one.
    fn of_file(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => Self::Text(text),
            Ok(_) | Err(_) => Self::Bytes(bytes),
        }
    }
}

fn check_lines(common: &Common, gate: &Gate) -> Result<bool, Failure> {
    let mut all_in = true;
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut input, LINE_LIMIT).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(all_in);
        }
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            all_in &= check(common, gate, Scan::Text(&text))?;
        }
    }
}

fn check(common: &Common, gate: &Gate, scan: Scan<'_>) -> Result<bool, Failure> {
    let millis = clock::now_millis();
    let now = Time::from_secs(millis / 1000);
    let verdict = match scan {
        Scan::Text(text) => gate.check_text(text, now, millis),
        Scan::Bytes(bytes) => gate.check(bytes, now, millis),
    };
    if common.json {
        print_json(&VerdictJson::new(&verdict))?;
    } else {
        print(&verdict);
    }
    Ok(verdict.admits())
}

fn print(verdict: &Verdict) {
    let said = said(verdict, Language::En);
    let code = verdict
        .code()
        .map_or(String::new(), |code| format!(" {} {code}", code.number()));
    println!("{}{code}: {}", said.headline, said.what);
    if !said.next.is_empty() {
        println!("  next: {}", said.next);
    }
}
