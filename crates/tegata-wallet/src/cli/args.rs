//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tegata_cli::{
    logs::LogArgs,
    password::{PasswordA, PasswordB, PasswordNew},
};
use tegata_party::terms::ConsentArgs;

use tegata_protocol::CardNumber;

pub(super) mod card;
pub(super) mod draw;
pub(super) mod program;

use draw::{DrawArgs, DrawnArgs};

/// The member's wallet: prepaid money, purchases and tickets, with the keys on your own disk.
///
/// Two passwords guard it. A opens what is for every day: history, balance, orders, tickets. B is
/// asked for as well whenever something is spent. Neither can be given on the command line, where
/// every process could read it: they are asked for, or come from a file or a descriptor.
#[derive(Debug, Parser)]
#[command(
    name = "tegata-wallet",
    version,
    after_help = "\
A first purchase, step by step:
  tegata-wallet join --slip-file letter.txt --name 'Hanako Yamada'
  tegata-wallet load 5000                       # where to pay in, with which reference
  tegata-wallet collect                         # once the bank's statement came
  tegata-wallet catalogue http://shop.localhost:7402
  tegata-wallet order http://shop.localhost:7402 --series 1 --section 1
  tegata-wallet pay --last
  tegata-wallet collect
  tegata-wallet show TICKET                     # a QR code, good for a minute

Nothing gets lost on the way: what was signed is written down before it's sent. If the network
fails, `tegata-wallet send` sends the same message again; a payment never counts twice.

Exit codes: 0 done; 1 refused or failed; 2 wrong usage, input or password; 3 somebody can't be
reached; 4 data damaged; 130 interrupted."
)]
pub struct Arguments {
    /// The wallet's folder [default: tegata-wallet in your data directory]
    #[arg(long, global = true, value_name = "DIR", env = "TEGATA_DATA")]
    pub(super) data: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) log: LogArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a wallet with your letter, and register (A and B)
    Join(JoinArgs),
    /// Draw strokes for `join --strokes` on a page, and keep them as a file
    Draw(DrawArgs),
    /// Send what is pending: a registration signed offline, anything in doubt (A)
    Send(SendArgs),
    /// Ask for prepaid money: tells account and reference to pay in under (A)
    Load(LoadArgs),
    /// Fetch what the centre has for you: cards, tickets, closed holds (A)
    Collect(CollectArgs),
    /// Ask the centre what the account holds (A)
    Balance(OpenArgs),
    /// Show what a shop offers (no password)
    Catalogue(CatalogueArgs),
    /// Order tickets; prints the shop's bill (A)
    Order(Box<OrderArgs>),
    /// Ask a shop something in words (A)
    Inquire(InquireArgs),
    /// List your bills, or show one (A)
    Bills(BillsArgs),
    /// Pay a bill (A and B)
    Pay(PayArgs),
    /// Your IC card: show, load, pay with it, tickets on it (A; B to load)
    Card(card::CardArgs),
    /// List your tickets (A)
    Tickets(OpenArgs),
    /// Show a ticket as a QR code, good for a minute (A; B if its key stands under B)
    Show(ShowArgs),
    /// Write a ticket's signed bytes to a file (A)
    ExportTicket(ExportTicketArgs),
    /// Write the newest signed head of the centre's book to a file, for its audit (A)
    ExportHead(ExportHeadArgs),
    /// Show the history, offline (A)
    History(HistoryArgs),
    /// Show the 24 words that restore your keys (A and B)
    Words(SpendArgs),
    /// Make the wallet again from its 24 words (new A and B)
    Restore(RestoreArgs),
    /// Change a password
    Password(PasswordArgs),
    /// Check that a downloaded file is the program that the centre published (A, or a letter)
    VerifyProgram(program::ProgramArgs),
    /// Show where the wallet stands, offline (A)
    Status(OpenArgs),
    /// Serve the wallet's page on this machine
    Serve(ServeArgs),
}

/// Password A.
#[derive(Debug, Args)]
pub(super) struct OpenArgs {
    #[command(flatten)]
    pub(super) a: PasswordA,
}

#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// Don't send but give up this message, by the digest that `status --json` shows
    #[arg(long, value_name = "DIGEST")]
    pub(super) forget: Option<String>,
    /// The centre's address, if it has moved; it must still have your letter's root
    #[arg(long, value_name = "URL")]
    pub(super) centre: Option<String>,
    #[command(flatten)]
    pub(super) a: PasswordA,
}

#[derive(Debug, Args)]
pub(super) struct CollectArgs {
    /// Wait this long for something new
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(super) wait: u64,
    /// Meet the shop at this address first: its deliveries wait if this wallet doesn't know it
    #[arg(long, value_name = "URL")]
    pub(super) shop: Vec<String>,
    #[command(flatten)]
    pub(super) a: PasswordA,
}

/// Passwords A and B.
#[derive(Debug, Args)]
pub(super) struct SpendArgs {
    #[command(flatten)]
    pub(super) a: PasswordA,
    #[command(flatten)]
    pub(super) b: PasswordB,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "tegata-wallet join [OPTIONS] --slip-file <FILE> --name <NAME>",
    after_help = "\
The letter's line holds your activation code: it is used once and not kept.

  tegata-wallet join --slip-file letter.txt --name 'Hanako Yamada' --postal '1-2-3 Chiyoda'
  tegata-wallet join --slip-file letter.txt --name 'Hanako Yamada' --later   # offline
  tegata-wallet join --slip-file letter.txt --name 'Hanako Yamada' --draw    # you draw, too
  tegata-wallet send                                                         # later, with A alone

If the centre refuses (a wrong code, say), run `join` again: the keys stay the same."
)]
pub(super) struct JoinArgs {
    #[command(flatten)]
    pub(super) slip: SlipArgs,
    /// Your name; goes to the centre, sealed, and is in nothing that is signed
    #[arg(long)]
    pub(super) name: String,
    /// A line of your address (may be repeated)
    #[arg(long, value_name = "LINE")]
    pub(super) postal: Vec<String>,
    /// Your mail address
    #[arg(long, value_name = "ADDRESS")]
    pub(super) mail: Option<String>,
    /// A file of drawn strokes (`x y t` per line), mixed into the system's randomness
    #[arg(long, value_name = "FILE")]
    pub(super) strokes: Option<PathBuf>,
    #[command(flatten)]
    pub(super) drawn: DrawnArgs,
    /// Sign now, send later with `send`: needs no network at all
    #[arg(long)]
    pub(super) later: bool,
    /// One password for everything, instead of A and B
    #[arg(long)]
    pub(super) one_password: bool,
    /// Don't show the 24 words that restore the keys (`words` shows them later; with --json they aren't
    /// shown)
    #[arg(long)]
    pub(super) no_words: bool,
    #[command(flatten)]
    pub(super) consent: ConsentArgs,
    #[command(flatten)]
    pub(super) a: PasswordA,
    #[command(flatten)]
    pub(super) b: PasswordB,
}

/// The letter.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct SlipArgs {
    /// The letter's line: tegata:join?… (others on this machine may see it; prefer --slip-file)
    #[arg(long, value_name = "LINE", conflicts_with_all = ["slip_file", "centre"])]
    pub(super) slip: Option<String>,
    /// A file that holds the letter's line: the letter as text or HTML, or a picture of it (PNG, JPEG)
    #[arg(long, value_name = "FILE", conflicts_with = "centre")]
    pub(super) slip_file: Option<PathBuf>,
    /// The centre's address, if you type the letter part by part
    #[arg(long, value_name = "URL", requires_all = ["root", "number", "code", "terms"])]
    pub(super) centre: Option<String>,
    /// The centre's root key
    #[arg(long, value_name = "HEX", requires = "centre")]
    pub(super) root: Option<String>,
    /// Your number
    #[arg(long, value_name = "M-…", requires = "centre")]
    pub(super) number: Option<String>,
    /// Your activation code
    #[arg(long, value_name = "CODE", requires = "centre")]
    pub(super) code: Option<String>,
    /// The digest of the terms
    #[arg(long, value_name = "HEX", requires = "centre")]
    pub(super) terms: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    /// How much, e.g. 5000 or 12.50
    pub(super) amount: String,
    /// The currency; otherwise the organiser's
    #[arg(long, value_name = "ISO 4217")]
    pub(super) currency: Option<String>,
    /// How you will pay in
    #[arg(long, value_enum, default_value_t = FundingArg::Transfer)]
    pub(super) funding: FundingArg,
    #[command(flatten)]
    pub(super) a: PasswordA,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FundingArg {
    /// From your bank or post office
    Transfer,
    /// At the centre's bank or post office
    Deposit,
}

#[derive(Debug, Args)]
pub(super) struct CatalogueArgs {
    /// The shop's address
    pub(super) shop: String,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "tegata-wallet order [OPTIONS] <SHOP> --series <N> <CONTENTS>",
    after_help = "\
What the tickets shall be good for (one group):
  admission: --section 1 [--row 3 --seat 12]           (0, or left out: free choice of the shop)
  ride:      --from 1 --to 4 [--class 2]
  stay:      --arrival 2026-12-24 --nights 2 --guests 2
  wager:     --race 5 --bet trio --runners 3-7-1 --units 2
Codes of sections and stops stand in the shop's catalogue."
)]
pub(super) struct OrderArgs {
    /// The shop's address
    pub(super) shop: String,
    /// The series' number in the shop's catalogue
    #[arg(long, value_name = "N")]
    pub(super) series: u32,
    /// How many tickets (at most 4)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(super) quantity: u8,
    #[command(flatten)]
    pub(super) contents: ContentsArgs,
    #[command(flatten)]
    pub(super) keyword: KeywordArgs,
    /// Tickets for whoever carries them and knows the keyword
    #[arg(long, conflicts_with = "holder_under_b")]
    pub(super) bearer: bool,
    /// Tickets for the IC card of this number (20 digits, on the card): the gate reads the card
    #[arg(
        long,
        value_name = "CSN",
        conflicts_with_all = ["bearer", "holder_under_b", "keyword_file", "keyword_prompt"]
    )]
    pub(super) card: Option<CardNumber>,
    /// Keep the tickets' keys under password B: showing them takes B too
    #[arg(long)]
    pub(super) holder_under_b: bool,
    #[command(flatten)]
    pub(super) a: PasswordA,
    #[command(flatten)]
    pub(super) b: PasswordB,
}

/// What the tickets shall be good for.
#[derive(Debug, Default, Args)]
#[group(required = true, multiple = true)]
pub(super) struct ContentsArgs {
    /// Admission: the section's code
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "arrival", "race"])]
    pub(super) section: Option<u16>,
    /// Admission: a row of your choice
    #[arg(long, value_name = "N", requires = "section")]
    pub(super) row: Option<u8>,
    /// Admission: a seat of your choice
    #[arg(long, value_name = "N", requires = "section")]
    pub(super) seat: Option<u16>,
    /// Ride: the stop where it begins
    #[arg(long, value_name = "N", requires = "to", conflicts_with_all = ["arrival", "race"])]
    pub(super) from: Option<u16>,
    /// Ride: the stop where it ends
    #[arg(long, value_name = "N", requires = "from")]
    pub(super) to: Option<u16>,
    /// Ride: the class of travel [default: 2]
    #[arg(long, value_name = "N", requires = "from")]
    pub(super) class: Option<u8>,
    /// Stay: the first night, YYYY-MM-DD
    #[arg(long, value_name = "DATE", conflicts_with = "race")]
    pub(super) arrival: Option<String>,
    /// Stay: how many nights [default: 1]
    #[arg(long, value_name = "N", requires = "arrival")]
    pub(super) nights: Option<u8>,
    /// Stay: how many guests [default: 1]
    #[arg(long, value_name = "N", requires = "arrival")]
    pub(super) guests: Option<u8>,
    /// Wager: which race
    #[arg(long, value_name = "N", requires_all = ["bet", "runners"])]
    pub(super) race: Option<u8>,
    /// Wager: how it's bet
    #[arg(long, value_enum, requires = "race")]
    pub(super) bet: Option<BetArg>,
    /// Wager: the runners, e.g. 3-7
    #[arg(long, value_name = "N-N", requires = "race")]
    pub(super) runners: Option<String>,
    /// Wager: how many units are staked [default: 1]
    #[arg(long, value_name = "N", requires = "race")]
    pub(super) units: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum BetArg {
    /// The winner
    Win,
    /// Among the first
    Place,
    /// The first two, in any order
    Quinella,
    /// The first two, in order
    Exacta,
    /// The first three, in any order
    Trio,
    /// The first three, in order
    Trifecta,
}

/// A ticket's keyword.
#[derive(Debug, Default, Args)]
pub(super) struct KeywordArgs {
    /// The keyword, from the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with = "keyword_prompt")]
    pub(super) keyword_file: Option<PathBuf>,
    /// Ask for the keyword
    #[arg(long)]
    pub(super) keyword_prompt: bool,
}

#[derive(Debug, Args)]
pub(super) struct InquireArgs {
    /// The shop's address
    pub(super) shop: String,
    /// The question
    pub(super) text: String,
    #[command(flatten)]
    pub(super) a: PasswordA,
}

#[derive(Debug, Args)]
pub(super) struct BillsArgs {
    /// A bill's id (its beginning will do) or transaction number; without it, all are listed
    pub(super) bill: Option<String>,
    #[command(flatten)]
    pub(super) a: PasswordA,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A bill that was named by its address is fetched from the shop and checked: the shop must stand in the
centre's register with that very address.

The bill is shown first, and you are asked. The instruction is signed with the key under B, written
down, and only then sent. If no answer comes, `pay` and `send` send the same instruction again: the
money is taken once.")]
pub(super) struct PayArgs {
    /// The bill's id (its beginning will do) or transaction number; or the address of a shop's
    /// bill, as the QR code on an order's page holds it
    #[arg(required_unless_present = "last")]
    pub(super) bill: Option<String>,
    /// The newest bill
    #[arg(long, conflicts_with = "bill")]
    pub(super) last: bool,
    /// Pay at once; otherwise the money is held until the shop has delivered
    #[arg(long)]
    pub(super) now: bool,
    /// Agree without being asked
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) a: PasswordA,
    #[command(flatten)]
    pub(super) b: PasswordB,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The ticket's id; its beginning will do
    pub(super) ticket: String,
    #[command(flatten)]
    pub(super) form: ShowForm,
    /// Show a ticket that has a keyword without giving it; the gate will refuse
    #[arg(long, conflicts_with_all = ["keyword_file", "keyword_prompt"])]
    pub(super) without_keyword: bool,
    /// The gate's challenge, 16 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub(super) nonce: Option<String>,
    #[command(flatten)]
    pub(super) keyword: KeywordArgs,
    #[command(flatten)]
    pub(super) a: PasswordA,
    #[command(flatten)]
    pub(super) b: PasswordB,
}

/// How a ticket is shown.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(super) struct ShowForm {
    /// In the terminal (the default)
    #[arg(long)]
    pub(super) terminal: bool,
    /// As a PNG picture
    #[arg(long, value_name = "FILE")]
    pub(super) png: Option<PathBuf>,
    /// As an SVG picture
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
    /// As the text inside the code
    #[arg(long)]
    pub(super) text: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExportTicketArgs {
    /// The ticket's id; its beginning will do
    pub(super) ticket: String,
    /// Where to write it
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) a: PasswordA,
}

#[derive(Debug, Args)]
pub(super) struct ExportHeadArgs {
    /// Where to write it
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) a: PasswordA,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// As comma-separated values
    #[arg(long, conflicts_with = "json")]
    pub(super) csv: bool,
    #[command(flatten)]
    pub(super) a: PasswordA,
}

#[derive(Debug, Args)]
#[command(after_help = "\
If you have a copy of history.tegata, give it: it brings back your record, bills and tickets.
Without it, say with --centre, --root and --number whose wallet it is.")]
pub(super) struct RestoreArgs {
    /// A file that holds the 24 words; otherwise they are asked for
    #[arg(long, value_name = "FILE")]
    pub(super) words_file: Option<PathBuf>,
    /// A copy of your history.tegata
    #[arg(long, value_name = "FILE")]
    pub(super) history: Option<PathBuf>,
    /// The centre's address
    #[arg(long, value_name = "URL", requires = "root")]
    pub(super) centre: Option<String>,
    /// The centre's root key, from your letter
    #[arg(long, value_name = "HEX", requires = "centre")]
    pub(super) root: Option<String>,
    /// The address of a shop that you have tickets of; may be given several times
    #[arg(long, value_name = "URL")]
    pub(super) shop: Vec<String>,
    /// One password for everything, instead of A and B
    #[arg(long)]
    pub(super) one_password: bool,
    #[command(flatten)]
    pub(super) a: PasswordA,
    #[command(flatten)]
    pub(super) b: PasswordB,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The old passwords come from --password-a-… and --password-b-…, the new one from --new-password-….
Copies of the vault that were made before still open with the old password.")]
pub(super) struct PasswordArgs {
    /// Which one (`only`: the one password of a wallet that has no other)
    #[arg(value_enum)]
    pub(super) which: WhichPassword,
    #[command(flatten)]
    pub(super) a: PasswordA,
    #[command(flatten)]
    pub(super) b: PasswordB,
    #[command(flatten)]
    pub(super) new: PasswordNew,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum WhichPassword {
    /// The password that opens the wallet
    A,
    /// The password that spends
    B,
    /// The only password
    Only,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The page is for this machine and this person: the address that is printed opens it once. Password A
opens a session, which ends after ten minutes without use; B is asked for with each payment. While a
session is open, other wallet programs can read this wallet, not write it.

An IC card is reached through the program tegata-card, as by the command `card`.")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub(super) listen: tegata_http::serve::ListenArgs,
    #[command(flatten)]
    pub(super) card: card::PageReaderArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
