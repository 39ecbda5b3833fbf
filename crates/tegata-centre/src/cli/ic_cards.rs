//! `tegata-centre cards`: IC cards, from the manufacturer's list to their end.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tegata_card::receipt::{Kind, Receipt};
use tegata_card_service::{Request, Response};
use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure, OrExit as _},
    password::PasswordOnly,
};
use tegata_ledger::{Card, CardState};
use tegata_protocol::{
    Amount, CardNumber, Currency, PartyNumber, Role, Time,
    card::{CardBytes, CardOrder},
    cbor,
};

use super::{OPERATOR_KEY, PARTY, Shown, bank::send_order, now, open_book, print};
use crate::{
    ic_card::stock,
    keys::SealedKeyFile,
    operator::{FIRST_OPERATOR, operator_number, sign_card_order},
    settings::Settings,
};

/// How long the card-key server may take for an answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// The most cards that are listed.
const LISTED: u32 = 1_000_000;

#[derive(Subcommand, Debug)]
pub(super) enum CardsCommand {
    /// Take a manufacturer's list of new cards into stock: a line for each with number and key
    Add {
        /// The list; `tegata-card virtual` writes one beside its image
        file: PathBuf,
        /// The centre's data folder
        #[arg(long, env = "TEGATA_DATA")]
        data: PathBuf,
    },
    /// Give a card to a member; it goes into use at its first contact with the member's wallet
    Issue {
        /// The card's number, 20 hexadecimal digits
        card: String,
        /// The member's number
        member: String,
        #[command(flatten)]
        by: By,
    },
    /// Move a lost or worn card's money to another card of the same member; the first is over
    Replace {
        /// The card that is over
        card: String,
        /// The card that takes its place; issue it first
        with: String,
        #[command(flatten)]
        by: By,
    },
    /// End a card; its money stays in its account, and its member can have it paid out
    End {
        /// The card's number
        card: String,
        #[command(flatten)]
        by: By,
    },
    /// Hand in a card's receipt that came by another way: from its log, or a gate
    Submit {
        /// The 100 bytes in hexadecimal
        receipt: String,
        #[command(flatten)]
        by: By,
    },
    /// Have a card given new keys at its next contact; moves no money, and needs no password
    Renew {
        /// The card's number
        card: String,
        /// The centre's data folder
        #[arg(long, env = "TEGATA_DATA")]
        data: PathBuf,
    },
    /// List the cards with what is on them
    List(Shown),
    /// Show a card's log: every transaction whose receipt the card-key server has
    Log {
        /// The card's number
        card: String,
        #[command(flatten)]
        shown: Shown,
    },
}

#[derive(Args, Debug)]
pub(super) struct By {
    /// The centre's data folder; the centre must be running
    #[arg(long, env = "TEGATA_DATA")]
    data: PathBuf,
    /// The operator's password
    #[command(flatten)]
    password: PasswordOnly,
}

/// Runs a command.
///
/// # Errors
/// [`Failure`], with the exit code.
pub(super) fn main(command: CardsCommand) -> Result<(), Failure> {
    match command {
        CardsCommand::Add { file, data } => add(&file, &data),
        CardsCommand::Issue { card, member, by } => issue(&card, &member, &by),
        CardsCommand::Replace { card, with, by } => {
            let (old, new) = (number(&card)?, number(&with)?);
            if old == new {
                return Err(Failure::usage("a card can't take its own place"));
            }
            let holder = tell("This ends", old, &by)?.holder;
            let other = tell("and gives what it has to", new, &by)?.holder;
            if holder != other {
                let what = format!("card {old} is {holder}'s, card {new} is {other}'s");
                return Err(
                    Failure::refused(what).next("issue another card to the same member first")
                );
            }
            order(&by, CardOrder::Replace(old, new))?;
            println!("card {new} has what card {old} had; {old} is over");
            Ok(())
        }
        CardsCommand::End { card, by } => {
            let card = number(&card)?;
            if tell("This ends for good", card, &by)?.state.is_over() {
                println!("card {card} is over already; nothing was changed");
                return Ok(());
            }
            order(&by, CardOrder::End(card))?;
            println!("card {card} is over");
            Ok(())
        }
        CardsCommand::Submit { receipt, by } => submit(&receipt, &by),
        CardsCommand::Renew { card, data } => {
            let card = number(&card)?;
            let dir = DataDir::open_existing(&data, PARTY)?;
            let known = known(&dir, card)?;
            if known.state.is_over() {
                let what = format!("card {card} is out of use ({})", word(&known));
                return Err(Failure::refused(what).next("see tegata-centre cards list"));
            }
            stock::renew(&dir, card)?;
            println!("card {card} gets new keys at its next contact");
            Ok(())
        }
        CardsCommand::List(shown) => list(&shown),
        CardsCommand::Log { card, shown } => log(number(&card)?, &shown),
    }
}

fn number(text: &str) -> Result<CardNumber, Failure> {
    let number = CardNumber::from_hex(text.trim());
    number.ok_or_else(|| {
        Failure::usage(format!("{text:?} isn't a card's number"))
            .next("give the 20 hexadecimal digits that are printed on it")
    })
}

fn add(file: &Path, data: &Path) -> Result<(), Failure> {
    let dir = DataDir::open_existing(data, PARTY)?;
    let place = file.display();
    let wrong = |why: String| {
        let next = "nothing was taken: give the list that came with the cards, or the .key file that \
                    tegata-card wrote beside an image";
        Failure::usage(format!("{place}: {why}")).next(next)
    };
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    let cards = stock::parse(&text).map_err(wrong)?;
    if cards.is_empty() {
        return Err(wrong("it names no card".to_owned()));
    }
    let new = stock::add(&dir, &cards)?;
    let known = cards.len().saturating_sub(new);
    println!("{new} card(s) were added to the stock; {known} were there already");
    println!("next: tegata-centre cards issue CARD MEMBER");
    Ok(())
}

fn issue(card: &str, member: &str, by: &By) -> Result<(), Failure> {
    let card = number(card)?;
    let member: PartyNumber = member.parse().or_exit(Exit::Usage)?;
    if member.role() != Role::Member {
        return Err(Failure::usage(format!("{member} isn't a member's number")));
    }
    let dir = DataDir::open_existing(&by.data, PARTY)?;
    if !stock::has(&dir, card)? {
        let what = format!("card {card} isn't in stock: nobody could put it into use");
        return Err(
            Failure::refused(what).next("take its list first: tegata-centre cards add LIST")
        );
    }
    let theirs = open_book(&dir)?.cards_of(member).or_exit(Exit::Damaged)?;
    let index = u16::try_from(theirs.len()).or_exit(Exit::Refused)?;
    order(
        by,
        CardOrder::Issue {
            card,
            member,
            index,
        },
    )?;
    println!("card {card} is {member}'s now");
    println!("next: {member} lays it on a reader: tegata-wallet card show");
    Ok(())
}

fn submit(receipt: &str, by: &By) -> Result<(), Failure> {
    let receipt: String = receipt.split_whitespace().collect();
    let (pairs, rest) = receipt.as_bytes().as_chunks::<2>();
    let digit = |pair: &[u8; 2]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(digit).collect();
    let bytes = bytes.filter(|_| rest.is_empty());
    let bytes = bytes.filter(|bytes| bytes.len() == 100);
    let bytes = bytes.ok_or_else(|| Failure::usage("a receipt is 200 hexadecimal digits"))?;
    order(by, CardOrder::Submit(CardBytes(bytes)))?;
    println!("the receipt is the card's, and in the book");
    Ok(())
}

/// A card that was issued.
fn known(dir: &DataDir, number: CardNumber) -> Result<Card, Failure> {
    let card = open_book(dir)?.card(&number).or_exit(Exit::Damaged)?;
    card.ok_or_else(|| {
        let what = format!("card {number} was never issued; nothing was changed");
        Failure::refused(what).next("see tegata-centre cards list")
    })
}

/// Says whose card it is and what it has, before the operator's password is asked for: what can't be taken back
/// should be seen first.
fn tell(what: &str, number: CardNumber, by: &By) -> Result<Card, Failure> {
    let dir = DataDir::open_existing(&by.data, PARTY)?;
    let card = known(&dir, number)?;
    let account = open_book(&dir)?.account(&card.account());
    let account = account.or_exit(Exit::Damaged)?.unwrap_or_default();
    let there = amount(account.balance, card.currency);
    let (holder, state) = (card.holder, word(&card));
    eprintln!("{what} card {number} of {holder} ({state}, {there} in its account).");
    Ok(card)
}

/// An account's minor units as people read them. A card's account is never below zero.
fn amount(minor: i64, currency: Currency) -> String {
    let there = Amount::new(u64::try_from(minor).unwrap_or_default(), currency);
    there.map_or_else(
        |_e| format!("{currency} {minor}"),
        |there| there.to_string(),
    )
}

/// Signs an order and hands it to the running centre.
fn order(by: &By, order: CardOrder) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&by.data, PARTY)?;
    let key = SealedKeyFile::open(&dir, OPERATOR_KEY, &by.password.read()?)?;
    let operator = (operator_number(FIRST_OPERATOR)?, &key);
    let parcel = sign_card_order(operator, order, now());
    send_order(&dir.file("operator.sock")?, &cbor::encode(&parcel))?;
    Ok(())
}

fn list(shown: &Shown) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let mut book = open_book(&dir)?;
    let cards = book.cards(None, LISTED).or_exit(Exit::Damaged)?;
    let mut lines = Vec::new();
    let mut json = Vec::new();
    for (number, card) in cards {
        let account = book.account(&card.account()).or_exit(Exit::Damaged)?;
        let account = account.unwrap_or_default();
        json.push(serde_json::json!({
            "card": number.to_string(), "member": card.holder.to_string(),
            "state": word(&card), "on_card": card.balance, "counter": card.counter,
            "account": account.balance, "held": account.held,
            "currency": card.currency.code(),
        }));
        let [on_it, has, held] = [i64::from(card.balance), account.balance, account.held]
            .map(|minor| amount(minor, card.currency));
        lines.push(format!(
            "{number}  {}  {:<8}  on it {on_it:>12}  account {has:>12}, held {held}",
            card.holder,
            word(&card),
        ));
    }
    if lines.is_empty() {
        lines.push("no card was issued yet".to_owned());
    }
    print(shown, &json.into(), &lines.join("\n"));
    Ok(())
}

/// Asks the card-key server for a card's receipts, page by page.
fn log(card: CardNumber, shown: &Shown) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let cards = Settings::load(&dir)?.cards;
    let cards = cards.ok_or_else(|| {
        Failure::usage("this centre has no cards").next("write [cards] into centre.toml")
    })?;
    let mut client = cards.server.connect(PATIENCE).or_exit(Exit::Unreachable)?;
    let (mut after, mut lines, mut json) = (0, Vec::new(), Vec::new());
    loop {
        let asked = Request::Receipts(crate::ic_card::number(card), after);
        let Response::Receipts(page) = client.call(&asked).or_exit(Exit::Unreachable)? else {
            return Err(Failure::refused(format!(
                "the card-key server knows no card {card}"
            )));
        };
        if page.is_empty() {
            break;
        }
        for bytes in &page {
            let receipt = Receipt::parse(&bytes.0);
            let receipt =
                receipt.ok_or_else(|| Failure::new(Exit::Damaged, "a receipt can't be read"))?;
            let done = receipt.transaction;
            after = after.max(done.counter);
            let kind = kind_word(receipt.kind);
            // A void has none: the card only used its counter up.
            let time = match done.time {
                0 => format!("{:23}", "-"),
                secs => Time::from_secs(secs.into()).to_string(),
            };
            lines.push(format!(
                "{:>6}  {time}  {kind:<6} {:>10}  then {:>10}",
                done.counter, done.amount, receipt.balance
            ));
            json.push(serde_json::json!({
                "counter": done.counter, "kind": kind, "amount": done.amount,
                "balance": receipt.balance, "time": done.time,
            }));
        }
    }
    if lines.is_empty() {
        lines.push(format!("card {card} has done nothing yet"));
    }
    print(shown, &json.into(), &lines.join("\n"));
    Ok(())
}

const fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Debit => "debit",
        Kind::Load => "load",
        Kind::Refund => "refund",
        Kind::Void => "void",
    }
}

/// The word that stands in JSON and lists.
const fn word(card: &Card) -> &'static str {
    match card.state {
        CardState::Active => "active",
        CardState::Blocked => "blocked",
        CardState::Lost => "lost",
        CardState::Copied => "copied",
        CardState::Replaced => "replaced",
        CardState::Ended => "ended",
    }
}
