//! The history, for people and for spreadsheets.

use std::fmt;

use serde::Serialize;
use tegata_pages::{Language, Texts};
use tegata_protocol::{Digest, prepaid::Funding};

use super::{AmountView, TimeView, short};
use crate::{
    entry::Dated,
    entry::{CardLoaded, CardPaid, Entry},
    error::WalletError,
    kept::{KeptBill, KeptOrder},
    page,
    wallet::Wallet,
};

/// A sentence that the messages of each language have under a key, with what is filled in.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    key: &'static str,
    values: Vec<(&'static str, String)>,
}

impl Saying {
    /// In the words of a language.
    pub(crate) fn text(&self, t: Texts<'_>) -> String {
        let values: Vec<_> = self.values.iter().map(|(k, v)| (*k, v.as_str())).collect();
        t.fill(self.key, &values)
    }
}

/// Something that needs no words: names and numbers.
fn plain(text: impl Into<String>) -> Saying {
    say("say.plain", [("text", text.into())])
}

fn say<const N: usize>(key: &'static str, values: [(&'static str, String); N]) -> Saying {
    let values = values.into();
    Saying { key, values }
}

/// An entry of the history.
#[derive(Clone, Debug, Serialize)]
pub struct EntryView {
    /// When.
    pub time: TimeView,
    /// What kind.
    pub kind: &'static str,
    /// In words, English ones.
    pub text: String,
    /// The same for other languages.
    #[serde(skip)]
    pub(crate) saying: Saying,
    /// The amount, above zero in, as it changed the account or is to change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<AmountView>,
    /// In the account afterwards, where the entry says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<AmountView>,
    /// The id of the bill, ticket or payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl fmt::Display for EntryView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = self.amount.as_ref().map(ToString::to_string);
        write!(
            f,
            "{}  {:<15} {:>16}  {}",
            self.time,
            self.kind,
            amount.unwrap_or_default(),
            self.text
        )
    }
}

impl Wallet {
    /// The history, oldest first.
    ///
    /// # Errors
    /// As [`Wallet::history`].
    pub fn view_history(&self) -> Result<Vec<EntryView>, WalletError> {
        let entries = self.history()?;
        Ok(entries.iter().map(|d| self.view_entry(d)).collect())
    }

    fn view_entry(&self, dated: &Dated) -> EntryView {
        let mut view = EntryView {
            time: dated.time.into(),
            kind: dated.entry.word(),
            text: String::new(),
            saying: plain(""),
            amount: None,
            balance: None,
            id: None,
        };
        self.describe(&dated.entry, &mut view);
        view.text = view.saying.text(page::texts(Language::En));
        view
    }

    fn describe(&self, entry: &Entry, view: &mut EntryView) {
        match entry {
            Entry::Joined(j) => view.saying = plain(format!("{}, {}", j.number, j.centre)),
            Entry::LoadAsked(r) => {
                let key = match r.funding {
                    Funding::Deposit => "say.deposit",
                    Funding::Transfer | Funding::Credit | Funding::Cash => "say.transfer",
                };
                view.saying = say(key, [("reference", r.reference.clone())]);
                view.amount = Some(r.amount.into());
            }
            Entry::Loaded(_, kept) => {
                let (number, reference) = (kept.card.number.to_string(), &kept.card.reference);
                let values = [("number", number), ("reference", reference.to_string())];
                view.saying = say("say.card", values);
                view.amount = Some(kept.card.value.into());
                view.balance = Some(kept.card.balance.into());
            }
            Entry::Ordered(kept) => self.describe_bill(kept, view),
            Entry::Refused(r) => {
                let detail = r.detail.as_ref().map(|d| format!(" ({d})"));
                let (code, detail) = (r.code.word().to_owned(), detail.unwrap_or_default());
                let (by, key) = (self.name_of(r.by), refused_key(&r.what));
                view.saying = say(key, [("by", by), ("code", code), ("detail", detail)]);
            }
            Entry::Paid(paid) => {
                view.saying = plain(self.name_of(paid.shop));
                view.amount = Some(paid.amount.into());
                view.balance = Some(paid.balance.into());
                view.id = Some(paid.payment.to_string());
            }
            Entry::Delivered(_, d) => {
                view.saying = say("say.delivered", []);
                view.amount = Some(d.amount.into());
                view.balance = d.balance.map(Into::into);
                view.id = Some(d.payment.to_string());
            }
            Entry::Confirmed(_, c) => {
                view.saying = self.order_in_words(&c.order);
                view.amount = Some(c.amount.into());
                view.balance = c.balance.map(Into::into);
                view.id = Some(c.order.payment.to_string());
            }
            Entry::TicketReceived(kept) => {
                let ticket = self.view_ticket(kept);
                view.saying = ticket.map_or_else(
                    |e| plain(e.to_string()),
                    |t| plain(format!("{}: {}", t.title, t.contents)),
                );
                view.id = Some(kept.digest().to_string());
            }
            Entry::SetAside(item, why) => {
                let values = [("item", item.to_string()), ("why", why.clone())];
                view.saying = say("say.aside", values);
            }
            Entry::Shown(ticket) => {
                view.saying = self.ticket_in_words(*ticket);
                view.id = Some(ticket.to_string());
            }
            Entry::HoldClosed(_, closed) => {
                view.saying = plain(self.name_of(closed.shop));
                view.amount = Some(closed.amount.into());
                view.id = Some(closed.payment.to_string());
            }
            Entry::CardPaid(_, card) => self.describe_card_payment(card, view),
            Entry::CardLoaded(card) => describe_card_load(card, view),
            Entry::Restored => view.saying = say("say.restored", []),
            Entry::Met(shop) => view.saying = plain(format!("{} ({})", shop.name, shop.number)),
        }
    }

    fn describe_card_payment(&self, card: &CardPaid, view: &mut EntryView) {
        let shop = card.shop.map(|shop| self.name_of(shop));
        let values = [
            ("shop", shop.unwrap_or_else(|| "-".to_owned())),
            ("card", card.paid.card.to_string()),
            ("left", card.paid.balance.to_string()),
        ];
        view.saying = say("say.card_paid", values);
        view.amount = Some(card.paid.amount.into());
        view.id = Some(card.paid.payment.to_string());
    }

    /// The ticket's event and contents; its id when it isn't here.
    fn ticket_in_words(&self, id: Digest) -> Saying {
        let mut tickets = self.state.tickets.iter();
        let kept = tickets.find(|t| t.digest() == id);
        let view = kept.and_then(|kept| self.view_ticket(kept).ok());
        view.map_or_else(
            || say("say.ticket", [("id", short(id))]),
            |t| plain(format!("{}: {}", t.title, t.contents)),
        )
    }

    /// The order's number and shop.
    fn order_in_words(&self, order: &KeptOrder) -> Saying {
        match self.view_order(order) {
            Ok(view) => say(
                "say.order",
                [("number", view.order), ("shop", view.shop_name)],
            ),
            Err(error) => plain(error.to_string()),
        }
    }

    fn describe_bill(&self, kept: &KeptBill, view: &mut EntryView) {
        view.id = Some(kept.digest().to_string());
        match self.bill(kept) {
            Ok(bill) => {
                let shop = self.name_of(bill.shop);
                let number = bill.transaction.to_string();
                view.saying = say("say.bill", [("number", number), ("shop", shop)]);
                view.amount = Some(bill.totals.total.into());
            }
            Err(error) => view.saying = plain(error.to_string()),
        }
    }
}

fn describe_card_load(card: &CardLoaded, view: &mut EntryView) {
    let key = match card.paid_out {
        true => "say.card_paid_out",
        false => "say.card_loaded",
    };
    view.saying = say(key, [("card", card.loaded.card.to_string())]);
    view.amount = Some(card.loaded.amount.into());
    view.balance = Some(card.loaded.prepaid.into());
}

/// What was refused; history keeps it as a word.
fn refused_key(what: &str) -> &'static str {
    match what {
        "registration" => "say.refused_registration",
        "load" => "say.refused_load",
        "order" => "say.refused_order",
        "payment" | "card payment" | "card" => "say.refused_payment",
        "card load" => "say.refused_load",
        _ => "say.refused_inquiry",
    }
}

/// The history as comma-separated values (RFC 4180), with a line of names first.
pub fn history_csv(entries: &[EntryView]) -> String {
    let mut csv = "time,kind,currency,amount_minor,balance_minor,text,id\r\n".to_owned();
    for e in entries {
        let minor = |a: &Option<AmountView>| a.as_ref().map(|a| a.minor.to_string());
        let currency = e.amount.as_ref().map(|a| a.currency.clone());
        let fields = [
            Some(e.time.text.clone()),
            Some(e.kind.to_owned()),
            currency,
            minor(&e.amount),
            minor(&e.balance),
            Some(e.text.clone()),
            e.id.clone(),
        ];
        let fields = fields.map(|f| quoted(&f.unwrap_or_default()));
        csv.push_str(&fields.join(","));
        csv.push_str("\r\n");
    }
    csv
}

/// In quotes where commas, quotes or line ends would be misread; what a spreadsheet would take for
/// a formula gets a quote in front.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t']);
    let field = if formula {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}
