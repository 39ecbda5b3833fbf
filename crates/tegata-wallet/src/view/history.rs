//! The history, for people and for spreadsheets.

use std::fmt;

use serde::Serialize;
use tegata_protocol::Digest;

use super::{AmountView, TimeView, funding_word, short};
use crate::{
    entry::Entry,
    error::WalletError,
    state::{Dated, KeptBill},
    wallet::Wallet,
};

/// An entry of the history.
#[derive(Clone, Debug, Serialize)]
pub struct EntryView {
    /// When.
    pub time: TimeView,
    /// What kind.
    pub kind: &'static str,
    /// In words.
    pub text: String,
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
            amount: None,
            balance: None,
            id: None,
        };
        self.describe(&dated.entry, &mut view);
        view
    }

    fn describe(&self, entry: &Entry, view: &mut EntryView) {
        match entry {
            Entry::Joined(j) => view.text = format!("{} at {}", j.number, j.centre),
            Entry::LoadAsked(r) => {
                view.text = format!("{} under {}", funding_word(r.funding), r.reference);
                view.amount = Some(r.amount.into());
            }
            Entry::Loaded(_, kept) => {
                view.text = format!("card {}, {}", kept.card.number, kept.card.reference);
                view.amount = Some(kept.card.value.into());
                view.balance = Some(kept.card.balance.into());
            }
            Entry::Ordered(kept) => self.describe_bill(kept, view),
            Entry::Refused(r) => {
                let detail = r.detail.as_deref().unwrap_or_default();
                let by = self.name_of(r.by);
                let text = format!("{} by {by}: {} {detail}", r.what, r.code);
                text.trim_end().clone_into(&mut view.text);
            }
            Entry::Paid(paid) => {
                view.text = self.name_of(paid.shop);
                view.amount = Some(paid.amount.into());
                view.balance = Some(paid.balance.into());
                view.id = Some(paid.payment.to_string());
            }
            Entry::Delivered(_, d) => {
                view.text = "the shop delivered and has its money".to_owned();
                view.amount = Some(d.amount.into());
                view.balance = Some(d.balance.into());
                view.id = Some(d.payment.to_string());
            }
            Entry::TicketReceived(kept) => {
                let ticket = self.view_ticket(kept);
                view.text = ticket.map_or_else(
                    |e| e.to_string(),
                    |t| format!("{}: {}", t.title, t.contents),
                );
                view.id = Some(kept.digest().to_string());
            }
            Entry::SetAside(item, why) => view.text = format!("item {item}: {why}"),
            Entry::Shown(ticket) => {
                view.text = self.ticket_in_words(*ticket);
                view.id = Some(ticket.to_string());
            }
            Entry::HoldClosed(_, closed) => {
                view.text = self.name_of(closed.shop);
                view.amount = Some(closed.amount.into());
                view.id = Some(closed.payment.to_string());
            }
            Entry::Restored => view.text = "from the 24 words".to_owned(),
            Entry::Met(shop) => view.text = format!("{} ({})", shop.name, shop.number),
        }
    }

    /// The ticket's event and contents; its id when it isn't here.
    fn ticket_in_words(&self, id: Digest) -> String {
        let mut tickets = self.state.tickets.iter();
        let kept = tickets.find(|t| t.digest() == id);
        let view = kept.and_then(|kept| self.view_ticket(kept).ok());
        view.map_or_else(
            || format!("ticket {}", short(id)),
            |t| format!("{}: {}", t.title, t.contents),
        )
    }

    fn describe_bill(&self, kept: &KeptBill, view: &mut EntryView) {
        view.id = Some(kept.digest().to_string());
        match self.bill(kept) {
            Ok(bill) => {
                let shop = self.name_of(bill.shop);
                view.text = format!("bill {} of {shop}", bill.transaction);
                view.amount = Some(bill.totals.total.into());
            }
            Err(error) => view.text = error.to_string(),
        }
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
