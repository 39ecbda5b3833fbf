//! `card`: what is done with an IC card on this machine's reader.

use std::path::Path;

use serde_json::json;
use tegata_card::helper::Helper;
use tegata_cli::{
    clock,
    exit::{Exit, Failure},
};
use tegata_protocol::{
    Amount, CardNumber, Digest, PaymentId, Time,
    card::{Change, Errand},
    refusal::Code,
};

use super::{
    args::card::{
        CardArgs, CardCommand, ChangeArgs, LoadArgs, PageReaderArgs, PayArgs, ReadArgs, ReaderArgs,
        TicketArgs,
    },
    ask::{self, open},
    failure::failure,
    output::Output,
};
use crate::{
    card_reader::CardReader,
    card_trouble::CardTrouble,
    error::WalletError,
    ic_card::{CardTalk, Talk, card_on},
    page, speech,
    view::{AgreementView, AmountView, CardLoadedView, IcCardView},
    wallet::{Access, Wallet},
};

pub(super) fn card(folder: &Path, args: &CardArgs, out: &Output, now: Time) -> Result<(), Failure> {
    match &args.command {
        CardCommand::Show(args) => show(folder, args, out, now),
        CardCommand::Pay(args) => pay(folder, args, out, now),
        CardCommand::Load(args) => load(folder, args, out, now),
        CardCommand::Ticket(args) => ticket(folder, args, out, now),
        CardCommand::Tickets(args) => tickets(folder, args, out, now),
        CardCommand::Block(args) => change(folder, args, Change::Block, out, now),
        CardCommand::Unblock(args) => change(folder, args, Change::Unblock, out, now),
        CardCommand::Lost(args) => {
            if !args.yes {
                ask::sure("Report it lost? It's over for ever, even if you find it again.")?;
            }
            change(folder, &args.change, Change::Lost, out, now)
        }
        CardCommand::PayOut(args) => change(folder, args, Change::PayOut, out, now),
    }
}

impl ReaderArgs {
    /// Starts the program that has the reader, and waits for a card.
    fn start(&self) -> Result<Helper, CardTrouble> {
        let reader = CardReader {
            reader: self.reader.clone(),
            image: self.image.clone(),
            program: self.card_program.clone(),
            wait: self.wait,
        };
        reader.start()
    }

    fn open(&self) -> Result<Helper, Failure> {
        self.start().map_err(|e| failure(e.into()))
    }
}

impl PageReaderArgs {
    pub(super) fn reader(&self) -> CardReader {
        CardReader {
            reader: self.reader.clone(),
            image: self.card_image.clone(),
            program: self.card_program.clone(),
            wait: page::CARD_WAIT,
        }
    }
}

/// A contact outlasts the moment at which the program started.
fn moment() -> Time {
    Time::from_secs(clock::now())
}

fn show(folder: &Path, args: &ReadArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (mut wallet, _) = open(folder, Access::Writing, &args.a)?;
    let mut link = args.reader.open()?;
    out.note(&format!("The card is reached by {}.", link.description()));
    let talk = wallet
        .card_begin(&mut link, Errand::Look, now)
        .map_err(|e| out.failed(e))?;
    done(&wallet, &talk, out)
}

/// What a contact without a question came to.
fn done(wallet: &Wallet, talk: &CardTalk, out: &Output) -> Result<(), Failure> {
    match &talk.talk {
        Talk::Done(_) => {
            let known = wallet.ic_cards().iter().find(|c| c.card == talk.card);
            let view = known.map(IcCardView::from);
            let text = view.as_ref().map(ToString::to_string).unwrap_or_default();
            out.value(&view, &text)
        }
        Talk::Refused(_) | Talk::InDoubt | Talk::Asking(_) => Err(ended(talk, out)),
    }
}

/// How a contact ended that didn't do what was wanted.
fn ended(talk: &CardTalk, out: &Output) -> Failure {
    match &talk.talk {
        Talk::Refused(refusal) => out.failed(WalletError::card_refused(refusal.clone())),
        Talk::InDoubt | Talk::Asking(_) | Talk::Done(_) => Failure::new(
            Exit::Unreachable,
            "nobody can say yet what the card did; nothing is lost, and nothing is taken twice",
        )
        .next("put the same card on the reader and run this again: it's found out then"),
    }
}

fn pay(folder: &Path, args: &PayArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (mut wallet, _) = open(folder, Access::Writing, &args.a)?;
    let bill = find_bill(&mut wallet, args, out, now)?;
    let view = wallet.view_bill(bill).map_err(failure)?;
    out.note(&view.to_string());
    if !args.yes {
        ask::consent("Pay this with your card?")?;
    }
    // Whatever goes wrong then: its card may have paid before.
    let mut waited = wallet.waits_for_card(bill);
    let failed = |wallet: &Wallet, waited, error| {
        let error = wallet.about_card(bill, waited, error);
        out.failed(error)
    };
    let link = args.reader.start();
    let mut link = link.map_err(|e| failed(&wallet, waited, e.into()))?;
    let card = card_on(&mut link).map_err(|e| failed(&wallet, waited, e.into()))?;
    let begun = begin(&mut wallet, &mut link, (bill, card), args);
    let (mut payment, mut talk) = begun.map_err(|e| failed(&wallet, waited, e))?;
    if matches!(&talk.talk, Talk::Refused(why) if why.code == Code::IcCardNotDue) {
        // An order that nobody answered was found to be void: it's agreed to anew.
        waited = false;
        let begun = begin(&mut wallet, &mut link, (bill, card), args);
        (payment, talk) = begun.map_err(|e| failed(&wallet, waited, e))?;
    }
    if let Talk::Asking(agreement) = &talk.talk {
        let view = AgreementView::from(&**agreement);
        out.note(&view.to_string());
        if args.speak {
            speech::aloud(&speech::agreement(agreement, speech::language()));
        }
        let agreed = args.yes || ask::agreed("Take this off the card?")? == Some(true);
        let answered = wallet.card_answer(&mut talk, &mut link, agreed, moment());
        answered.map_err(|e| failed(&wallet, waited, e))?;
    }
    let report = match &talk.talk {
        Talk::Done(report) if report.paid == Some(payment) => report,
        Talk::Refused(why) => {
            let error = WalletError::card_refused(why.clone());
            return Err(failed(&wallet, waited, error));
        }
        Talk::Done(_) | Talk::InDoubt | Talk::Asking(_) => return Err(ended(&talk, out)),
    };
    let value = json!({
        "payment": payment.to_string(), "card": card.to_string(), "link": link.description(),
        "balance": AmountView::from(report.balance), "counter": report.counter,
    });
    let left = report.balance;
    let text = format!("Paid with card {card}; {left} left on it.\nThe shop has been told.");
    if args.speak {
        speech::aloud(&speech::paid(left, speech::language()));
    }
    out.value(&value, &text)
}

/// Agrees to the bill, if that isn't done yet, and lays the card on.
fn begin(
    wallet: &mut Wallet,
    link: &mut Helper,
    (bill, card): (Digest, CardNumber),
    args: &PayArgs,
) -> Result<(PaymentId, CardTalk), WalletError> {
    let payment = wallet.agree_by_card(bill, card, moment())?;
    let errand = Errand::Pay(payment, !args.no_balance);
    Ok((payment, wallet.card_begin(link, errand, moment())?))
}

fn find_bill(
    wallet: &mut Wallet,
    args: &PayArgs,
    out: &Output,
    now: Time,
) -> Result<Digest, Failure> {
    let address = args.bill.as_ref().filter(|bill| bill.contains("://"));
    let bill = match (&args.bill, address) {
        (_, Some(address)) => super::order::named_by(wallet, address, out, now),
        (Some(wanted), None) => wallet.find_bill(wanted),
        (None, None) => wallet.last_bill(),
    };
    bill.map_err(|e| out.failed(e))
}

fn load(folder: &Path, args: &LoadArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (mut wallet, given) = open(folder, Access::Writing, &args.a)?;
    let currency = wallet.currency(now).map_err(|e| out.failed(e))?;
    let amount = Amount::parse(&args.amount, currency);
    let amount = amount.map_err(|e| failure(WalletError::Input(e)))?;
    let card = chosen(&wallet, args.card.as_deref())?;
    let b = given.b(wallet.form(), &args.a, &args.b)?;
    let loaded = wallet.load_card(card, amount, &b, now);
    let loaded = loaded.map_err(|e| out.failed(e))?;
    let view = CardLoadedView::from(&loaded);
    out.value(&view, &view.to_string())?;
    if loaded.amount == amount {
        return Ok(());
    }
    let earlier =
        format!("that was a load of before, which was in doubt; of {amount} nothing was moved");
    Err(Failure::refused(earlier).next("run this again, if you want that too"))
}

fn chosen(wallet: &Wallet, wanted: Option<&str>) -> Result<CardNumber, Failure> {
    wallet.find_ic_card(wanted).map_err(failure)
}

fn change(
    folder: &Path,
    args: &ChangeArgs,
    change: Change,
    out: &Output,
    now: Time,
) -> Result<(), Failure> {
    let (mut wallet, _) = open(folder, Access::Writing, &args.a)?;
    let card = chosen(&wallet, args.card.as_deref())?;
    let done = wallet.change_card(card, change, now);
    let done = done.map_err(|e| out.failed(e))?;
    let (word, text) = match change {
        Change::Block => ("blocked", "blocked. It pays nothing until you unblock it."),
        Change::Unblock => ("unblocked", "unblocked. It pays again."),
        Change::Lost => (
            "lost",
            "reported lost. It's over for ever; its money is yours. Ask the centre for another card, or run \
             `tegata-wallet card pay-out`.",
        ),
        Change::PayOut => ("paid_out", "paid out."),
    };
    let mut value = json!({ "card": card.to_string(), "state": word });
    let mut text = format!("Card {card}: {text}");
    if let Some(paid) = done {
        value["amount"] = json!(AmountView::from(paid.amount));
        value["prepaid"] = json!(AmountView::from(paid.prepaid));
        let (amount, prepaid) = (paid.amount, paid.prepaid);
        text = if amount.is_zero() {
            format!("Card {card} had nothing to pay out. Prepaid {prepaid}.")
        } else {
            format!("{amount} of card {card} are in your prepaid account. Prepaid {prepaid}.")
        };
    }
    out.value(&value, &text)
}

fn ticket(folder: &Path, args: &TicketArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (mut wallet, _) = open(folder, Access::Writing, &args.a)?;
    let kept = wallet.find_ticket(&args.ticket).map_err(failure)?.clone();
    let mut link = args.reader.open()?;
    let errand = Errand::PutTicket(args.slot, kept.signed.clone());
    let talk = wallet
        .card_begin(&mut link, errand, now)
        .map_err(|e| out.failed(e))?;
    let Talk::Done(_) = &talk.talk else {
        return Err(ended(&talk, out));
    };
    let (card, slot) = (talk.card.to_string(), args.slot);
    let value = json!({
        "ticket": kept.digest().to_string(), "card": card, "slot": slot, "link": link.description(),
    });
    let text =
        format!("The ticket is on card {card}, slot {slot}. Lay the card on the gate's reader.");
    out.value(&value, &text)
}

fn tickets(folder: &Path, args: &ReadArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let (mut wallet, _) = open(folder, Access::Writing, &args.a)?;
    let mut link = args.reader.open()?;
    let (mut found, mut lines) = (Vec::new(), Vec::new());
    for slot in 0..tegata_protocol::card::CARD_SLOTS {
        let talk = wallet.card_begin(&mut link, Errand::ReadTicket(slot), now);
        let talk = talk.map_err(|e| out.failed(e))?;
        match &talk.talk {
            Talk::Done(report) => {
                let Some(told) = &report.ticket else { continue };
                let id = told.ticket.digest();
                let known = wallet.state().tickets.iter().find(|t| t.digest() == id);
                let view = known.and_then(|kept| wallet.view_ticket(kept).ok());
                let what = view
                    .as_ref()
                    .map_or_else(|| id.to_string(), ToString::to_string);
                let used = if told.punched { ", used" } else { "" };
                lines.push(format!("Slot {slot}: {what}{used}"));
                found.push(json!({
                    "slot": slot, "ticket": id.to_string(), "punched": told.punched,
                }));
            }
            Talk::Refused(refusal) if refusal.code == Code::IcCardTicket => {}
            Talk::Refused(_) | Talk::InDoubt | Talk::Asking(_) => return Err(ended(&talk, out)),
        }
    }
    if lines.is_empty() {
        lines.push("No tickets on this card.".to_owned());
    }
    out.value(&json!({ "tickets": found }), &lines.join("\n"))
}
