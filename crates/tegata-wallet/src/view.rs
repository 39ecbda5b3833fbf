//! What the wallet shows: one shape for `--json`, one rendering for people.
//!
//! Amounts are `{"currency":"JPY","minor":5000,"text":"JPY 5,000"}`, times seconds since 1970 with
//! their text, ids lower-case hexadecimal.

use std::fmt;

use serde::Serialize;
use tegata_protocol::{
    Amount, Digest, Time,
    payment::Closing,
    prepaid::{Funding, PaymentReference},
    purchase::{Line, TaxMode, TaxRate},
    refusal::Refusal,
};

use crate::{
    entry::{Closed, Entry},
    error::WalletError,
    mailbox::Collected,
    state::{Dated, Holding, KeptBill, KeptCard, KeptTicket, KnownBalance, Pending, SetAside},
    wallet::Wallet,
};

/// An amount.
#[derive(Clone, Debug, Serialize)]
pub struct AmountView {
    currency: String,
    minor: u64,
    text: String,
}

impl From<Amount> for AmountView {
    fn from(amount: Amount) -> Self {
        Self {
            currency: amount.currency().to_string(),
            minor: amount.minor(),
            text: amount.to_string(),
        }
    }
}

impl fmt::Display for AmountView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A moment.
#[derive(Clone, Debug, Serialize)]
pub struct TimeView {
    unix: u64,
    text: String,
}

impl From<Time> for TimeView {
    fn from(time: Time) -> Self {
        Self {
            unix: time.secs(),
            text: time.to_string(),
        }
    }
}

impl fmt::Display for TimeView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Enough of an id to type.
pub fn short(id: Digest) -> String {
    id.to_string().chars().take(10).collect()
}

/// The word for a way of funding.
pub const fn funding_word(funding: Funding) -> &'static str {
    match funding {
        Funding::Credit => "credit",
        Funding::Transfer => "transfer",
        Funding::Deposit => "deposit",
        Funding::Cash => "cash",
    }
}

/// Where to pay in.
#[derive(Clone, Debug, Serialize)]
pub struct ReferenceView {
    reference: String,
    amount: AmountView,
    funding: &'static str,
    account: String,
    owner: String,
    expires: TimeView,
}

impl From<PaymentReference> for ReferenceView {
    fn from(r: PaymentReference) -> Self {
        Self {
            reference: r.reference,
            amount: r.amount.into(),
            funding: funding_word(r.funding),
            account: r.account,
            owner: r.owner,
            expires: r.expires.into(),
        }
    }
}

impl fmt::Display for ReferenceView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> = self
            .reference
            .as_bytes()
            .chunks(4)
            .map(|c| String::from_utf8_lossy(c).into_owned())
            .collect();
        writeln!(f, "Pay in         {}", self.amount)?;
        writeln!(f, "to account     {} ({})", self.account, self.owner)?;
        writeln!(f, "with reference {}", groups.join(" "))?;
        write!(
            f,
            "until          {}; only this reference finds the way to you",
            self.expires
        )
    }
}

/// What the account holds.
#[derive(Clone, Debug, Serialize)]
pub struct BalanceView {
    balance: AmountView,
    held: AmountView,
    available: AmountView,
    as_of: TimeView,
}

impl From<KnownBalance> for BalanceView {
    fn from(b: KnownBalance) -> Self {
        Self {
            available: b.available().into(),
            balance: b.balance.into(),
            held: b.held.into(),
            as_of: b.as_of.into(),
        }
    }
}

impl fmt::Display for BalanceView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Balance    {:>20}", self.balance)?;
        writeln!(f, "held       {:>20}", self.held)?;
        writeln!(f, "available  {:>20}", self.available)?;
        write!(f, "as of {}", self.as_of)
    }
}

/// A line of a bill.
#[derive(Clone, Debug, Serialize)]
pub struct LineView {
    text: String,
    quantity: u32,
    unit_price: AmountView,
    discount: AmountView,
    tax_basis_points: u16,
    tax_included: bool,
    total: Option<AmountView>,
}

impl From<&Line> for LineView {
    fn from(line: &Line) -> Self {
        Self {
            text: line.text.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price.into(),
            discount: line.discount.into(),
            tax_basis_points: line.tax_rate.basis_points(),
            tax_included: line.tax_mode == TaxMode::Included,
            total: line.total().ok().map(Into::into),
        }
    }
}

/// What a bill amounts to under one rate.
#[derive(Clone, Debug, Serialize)]
pub struct TaxView {
    basis_points: u16,
    rate: String,
    net: AmountView,
    tax: AmountView,
}

/// `10 %`, `8.25 %`.
pub fn percent(rate: TaxRate) -> String {
    let (whole, part) = (rate.basis_points() / 100, rate.basis_points() % 100);
    let text = format!("{whole}.{part:02}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A bill, line by line.
#[derive(Clone, Debug, Serialize)]
pub struct BillView {
    /// The id: SHA-256 of the signed bill.
    pub bill: String,
    transaction: String,
    shop: String,
    shop_name: String,
    /// The event.
    pub title: String,
    status: &'static str,
    lines: Vec<LineView>,
    tip: AmountView,
    taxes: Vec<TaxView>,
    /// What is to be paid.
    pub total: AmountView,
    tax_number: Option<String>,
    issued: TimeView,
    expires: TimeView,
    payment: Option<String>,
}

impl BillView {
    /// The status's word.
    pub const fn status(&self) -> &'static str {
        self.status
    }

    /// The lines.
    pub fn lines(&self) -> &[LineView] {
        &self.lines
    }

    /// The taxes.
    pub fn taxes(&self) -> &[TaxView] {
        &self.taxes
    }

    /// Shop, transaction number, tax number, issued, expires: for a page.
    pub fn particulars(&self) -> [(&'static str, String); 5] {
        [
            ("shop", format!("{} ({})", self.shop_name, self.shop)),
            ("transaction", self.transaction.clone()),
            ("tax_number", self.tax_number.clone().unwrap_or_default()),
            ("issued", self.issued.to_string()),
            ("expires", self.expires.to_string()),
        ]
    }
}

impl LineView {
    /// Text, quantity, unit price, rate, total: for a page.
    pub fn cells(&self) -> [String; 5] {
        let bp = self.tax_basis_points;
        let rate = TaxRate::new(bp).map_or_else(|_e| bp.to_string(), percent);
        let mode = if self.tax_included { "incl." } else { "excl." };
        let total = self.total.as_ref().map(ToString::to_string);
        [
            self.text.clone(),
            self.quantity.to_string(),
            self.unit_price.to_string(),
            format!("{rate} {mode}"),
            total.unwrap_or_default(),
        ]
    }
}

impl TaxView {
    /// Rate, net, tax: for a page.
    pub fn cells(&self) -> [String; 3] {
        [
            self.rate.clone(),
            self.net.to_string(),
            self.tax.to_string(),
        ]
    }
}

impl fmt::Display for BillView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Bill {} of {} ({})",
            self.transaction, self.shop_name, self.shop
        )?;
        writeln!(f, "{}", self.title)?;
        for line in &self.lines {
            let [text, quantity, price, rate, total] = line.cells();
            writeln!(f, "  {quantity:>3} × {text}")?;
            if line.discount.minor > 0 {
                writeln!(f, "        at {price}, less {}", line.discount)?;
            } else {
                writeln!(f, "        at {price}")?;
            }
            writeln!(f, "        {rate:<28}{total:>20}")?;
        }
        if self.tip.minor > 0 {
            writeln!(f, "  Tip                               {:>20}", self.tip)?;
        }
        for tax in &self.taxes {
            let [rate, net, amount] = tax.cells();
            writeln!(f, "  {rate:>7}: net {net:>18}, tax {amount:>15}")?;
        }
        writeln!(f, "  Total to pay                      {:>20}", self.total)?;
        if let Some(number) = &self.tax_number {
            writeln!(f, "Tax number {number}")?;
        }
        writeln!(
            f,
            "Issued {}, to be paid until {}",
            self.issued, self.expires
        )?;
        write!(f, "Bill id {}  status {}", &self.bill, self.status)
    }
}

/// A payment and its receipt.
#[derive(Clone, Debug, Serialize)]
pub struct PaidView {
    payment: Option<String>,
    bill: String,
    transaction: String,
    status: &'static str,
    amount: AmountView,
    balance: Option<AmountView>,
    held: Option<AmountView>,
}

impl fmt::Display for PaidView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, then) = match self.status {
            "held" => ("held for", "the shop delivers; then run `collect`"),
            "paid" => ("paid for", "the shop has been told"),
            _ => ("settled for", "see `status`"),
        };
        writeln!(
            f,
            "{} {what} bill {}: {then}",
            self.amount, self.transaction
        )?;
        if let (Some(balance), Some(held)) = (&self.balance, &self.held) {
            writeln!(f, "Balance {balance}, held {held}")?;
        }
        let payment = self.payment.as_deref().unwrap_or("-");
        write!(f, "Payment {payment}")
    }
}

/// A ticket.
#[derive(Clone, Debug, Serialize)]
pub struct TicketView {
    /// The id: SHA-256 of the signed ticket.
    pub ticket: String,
    /// The event.
    pub title: String,
    /// Where.
    pub place: String,
    kind: &'static str,
    /// What it's good for.
    pub contents: String,
    rules: Option<String>,
    shop: String,
    shop_name: String,
    series: u32,
    valid_from: TimeView,
    valid_until: TimeView,
    holder: &'static str,
    /// Does it want a keyword?
    pub keyword: bool,
}

impl TicketView {
    /// The first and the first moment after it may be used, and who may: for a page.
    pub fn particulars(&self) -> [(&'static str, String); 5] {
        [
            ("place", self.place.clone()),
            ("contents", self.contents.clone()),
            ("valid_from", self.valid_from.to_string()),
            ("valid_until", self.valid_until.to_string()),
            ("shop", self.shop_name.clone()),
        ]
    }

    /// Does showing it take password B?
    pub fn needs_b(&self) -> bool {
        self.holder == holding_word(Holding::Spending)
    }
}

const fn holding_word(holding: Holding) -> &'static str {
    match holding {
        Holding::Everyday => "key_a",
        Holding::Spending => "key_b",
        Holding::Bearer => "bearer",
    }
}

impl fmt::Display for TicketView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id: String = self.ticket.chars().take(10).collect();
        writeln!(f, "{id}  {} — {}", self.title, self.place)?;
        writeln!(f, "            {}", self.contents)?;
        write!(
            f,
            "            from {} until {}; {}{}",
            self.valid_from,
            self.valid_until,
            match self.holder {
                "key_b" => "shown with passwords A and B",
                "bearer" => "for whoever carries it",
                _ => "shown with password A",
            },
            if self.keyword {
                ", with its keyword"
            } else {
                ""
            }
        )
    }
}

/// A prepaid card.
#[derive(Clone, Debug, Serialize)]
pub struct CardView {
    /// Its number.
    pub number: u64,
    /// What came in.
    pub value: AmountView,
    funding: &'static str,
    /// The reference it was paid under.
    pub reference: String,
    /// Until when it may be spent.
    pub expires: TimeView,
    /// In the account with it.
    pub balance: AmountView,
}

impl From<&KeptCard> for CardView {
    fn from(kept: &KeptCard) -> Self {
        let card = &kept.card;
        Self {
            number: card.number,
            value: card.value.into(),
            funding: funding_word(card.funding),
            reference: card.reference.clone(),
            expires: card.expires.into(),
            balance: card.balance.into(),
        }
    }
}

impl fmt::Display for CardView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Card {}: {} came in under {}; balance {}, to be spent until {}",
            self.number, self.value, self.reference, self.balance, self.expires
        )
    }
}

/// What was set aside.
#[derive(Clone, Debug, Serialize)]
pub struct AsideView {
    item: u64,
    why: String,
    received: TimeView,
}

impl From<&SetAside> for AsideView {
    fn from(aside: &SetAside) -> Self {
        Self {
            item: aside.item,
            why: aside.why.clone(),
            received: aside.received.into(),
        }
    }
}

impl fmt::Display for AsideView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Item {} doesn't verify and was set aside: {}",
            self.item, self.why
        )
    }
}

/// A hold that was closed.
#[derive(Clone, Debug, Serialize)]
pub struct ClosedView {
    payment: String,
    shop: String,
    amount: AmountView,
    why: &'static str,
}

impl From<&Closed> for ClosedView {
    fn from(closed: &Closed) -> Self {
        Self {
            payment: closed.payment.to_string(),
            shop: closed.shop.to_string(),
            amount: closed.amount.into(),
            why: match closed.closing {
                Closing::Expired => "expired",
                Closing::Voided => "voided",
            },
        }
    }
}

impl fmt::Display for ClosedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Hold {} of {} was closed ({}): {} is available again",
            self.payment.get(..10).unwrap_or_default(),
            self.shop,
            self.why,
            self.amount
        )
    }
}

/// What a visit to the mailbox brought.
#[derive(Clone, Debug, Serialize)]
pub struct CollectedView {
    cards: Vec<CardView>,
    tickets: Vec<TicketView>,
    closed: Vec<ClosedView>,
    aside: Vec<AsideView>,
    known: u64,
}

impl fmt::Display for CollectedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = self.cards.iter().map(ToString::to_string).collect();
        lines.extend(self.tickets.iter().map(|t| format!("Ticket {t}")));
        lines.extend(self.closed.iter().map(ToString::to_string));
        lines.extend(self.aside.iter().map(ToString::to_string));
        if lines.is_empty() {
            lines.push("Nothing new.".to_owned());
        }
        f.write_str(&lines.join("\n"))
    }
}

/// What has no answer yet.
#[derive(Clone, Debug, Serialize)]
pub struct PendingView {
    what: &'static str,
    digest: String,
    to: String,
    made: TimeView,
}

impl From<&Pending> for PendingView {
    fn from(pending: &Pending) -> Self {
        Self {
            what: pending.what.word(),
            digest: pending.digest().to_string(),
            to: pending.to.to_string(),
            made: pending.made.into(),
        }
    }
}

impl fmt::Display for PendingView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}, signed {}", self.what, self.to, self.made)
    }
}

/// Where the wallet stands.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    number: String,
    registered: bool,
    centre: String,
    passwords: u8,
    balance: Option<BalanceView>,
    open_bills: Vec<BillView>,
    pending: Vec<PendingView>,
    awaited: Vec<ReferenceView>,
    tickets: usize,
    cards: usize,
    aside: Vec<AsideView>,
    history_entries: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_repair: Option<String>,
}

impl StatusView {
    /// Is it in the register?
    pub const fn registered(&self) -> bool {
        self.registered
    }
}

impl fmt::Display for StatusView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.registered {
            "registered"
        } else {
            "not registered yet"
        };
        writeln!(f, "Member {} at {}, {state}", self.number, self.centre)?;
        let form = if self.passwords == 1 {
            "one password"
        } else {
            "passwords A and B"
        };
        writeln!(
            f,
            "{} ticket(s), {} card(s), {} entries of history, {form}",
            self.tickets, self.cards, self.history_entries
        )?;
        if let Some(balance) = &self.balance {
            writeln!(f, "{balance}")?;
        }
        let mut more = |title: &str, lines: Vec<String>| {
            lines.iter().try_for_each(|l| writeln!(f, "{title}: {l}"))
        };
        more(
            "Pending",
            self.pending.iter().map(ToString::to_string).collect(),
        )?;
        more(
            "Awaited",
            self.awaited.iter().map(|a| a.reference.clone()).collect(),
        )?;
        let bill = |b: &BillView| {
            let id = b.bill.get(..10).unwrap_or_default();
            format!("{id} {} {}, until {}", b.title, b.total, b.expires)
        };
        more("Bill", self.open_bills.iter().map(bill).collect())?;
        more(
            "Set aside",
            self.aside.iter().map(ToString::to_string).collect(),
        )?;
        if let Some(repair) = &self.history_repair {
            writeln!(f, "History: {repair}")?;
        }
        write!(
            f,
            "All of it is on your own disk; nobody else has the keys."
        )
    }
}

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

/// A refusal.
#[derive(Clone, Debug, Serialize)]
pub struct RefusalView {
    by: String,
    what: &'static str,
    code: u16,
    word: &'static str,
    text: &'static str,
    detail: Option<String>,
}

impl RefusalView {
    /// Of a signed refusal.
    pub fn new(by: &str, what: &'static str, refusal: &Refusal) -> Self {
        Self {
            by: by.to_owned(),
            what,
            code: refusal.code.number(),
            word: refusal.code.word(),
            text: refusal.code.text(),
            detail: refusal.detail.clone(),
        }
    }
}

/// Views of what a wallet holds.
impl Wallet {
    /// A bill, verified again.
    ///
    /// # Errors
    /// [`WalletError::NoSuch`]; [`WalletError::State`] when it isn't what it was.
    pub fn view_bill(&self, digest: Digest) -> Result<BillView, WalletError> {
        let kept = self.kept_bill(digest)?;
        let bill = self.bill(kept)?;
        let shop = self.state.shop(bill.shop);
        let series = shop.and_then(|s| kept.series(s).ok());
        let title = series.map(|s| format!("{}, {}", s.title, s.place));
        let tax = |t: &tegata_protocol::purchase::TaxTotal| TaxView {
            basis_points: t.rate.basis_points(),
            rate: percent(t.rate),
            net: t.net.into(),
            tax: t.tax.into(),
        };
        Ok(BillView {
            bill: digest.to_string(),
            transaction: bill.transaction.to_string(),
            shop: bill.shop.to_string(),
            shop_name: self.name_of(bill.shop),
            title: title.unwrap_or_default(),
            status: kept.status.word(),
            lines: bill.lines.iter().map(LineView::from).collect(),
            tip: bill.tip.into(),
            taxes: bill.totals.rates.iter().map(tax).collect(),
            total: bill.totals.total.into(),
            tax_number: bill.tax_number.clone(),
            issued: bill.issued.into(),
            expires: bill.expires.into(),
            payment: kept.payment.map(|p| p.to_string()),
        })
    }

    fn kept_bill(&self, digest: Digest) -> Result<&KeptBill, WalletError> {
        self.state.bill(digest).ok_or_else(|| WalletError::NoSuch {
            what: "bill",
            wanted: digest.to_string(),
        })
    }

    /// How a payment stands.
    ///
    /// # Errors
    /// As [`Wallet::view_bill`].
    pub fn view_paid(&self, digest: Digest) -> Result<PaidView, WalletError> {
        let kept = self.kept_bill(digest)?;
        let bill = self.bill(kept)?;
        Ok(PaidView {
            payment: kept.payment.map(|p| p.to_string()),
            bill: digest.to_string(),
            transaction: bill.transaction.to_string(),
            status: kept.status.word(),
            amount: bill.totals.total.into(),
            balance: self.state.balance.map(|b| b.balance.into()),
            held: self.state.balance.map(|b| b.held.into()),
        })
    }

    /// Every ticket, oldest first.
    ///
    /// # Errors
    /// [`WalletError::State`] when one isn't what it was.
    pub fn view_tickets(&self) -> Result<Vec<TicketView>, WalletError> {
        self.state
            .tickets
            .iter()
            .map(|t| self.view_ticket(t))
            .collect()
    }

    /// A ticket, verified again.
    ///
    /// # Errors
    /// [`WalletError::State`] when it isn't what it was.
    pub fn view_ticket(&self, kept: &KeptTicket) -> Result<TicketView, WalletError> {
        let (series, ticket) = self.open_ticket(kept)?;
        Ok(TicketView {
            ticket: kept.digest().to_string(),
            title: series.title.clone(),
            place: series.place.clone(),
            kind: ticket.contents.kind(),
            contents: series.describe(&ticket.contents),
            rules: series.rules.clone(),
            shop: kept.shop.to_string(),
            shop_name: self.name_of(kept.shop),
            series: series.series.number(),
            valid_from: ticket.valid.from().into(),
            valid_until: ticket.valid.until().into(),
            holder: holding_word(kept.holding),
            keyword: ticket.keyword.is_some(),
        })
    }

    /// What a visit to the mailbox brought.
    ///
    /// # Errors
    /// As [`Wallet::view_ticket`].
    pub fn view_collected(&self, collected: &Collected) -> Result<CollectedView, WalletError> {
        let tickets = collected.tickets.iter().map(|t| self.view_ticket(t));
        Ok(CollectedView {
            cards: collected.cards.iter().map(CardView::from).collect(),
            tickets: tickets.collect::<Result<_, _>>()?,
            closed: collected.closed.iter().map(ClosedView::from).collect(),
            aside: collected.aside.iter().map(AsideView::from).collect(),
            known: collected.known,
        })
    }

    /// Bills that can be paid, or whose instruction is in doubt.
    ///
    /// # Errors
    /// As [`Wallet::view_bill`].
    pub fn view_open_bills(&self, now: Time) -> Result<Vec<BillView>, WalletError> {
        let mut open = Vec::new();
        for kept in &self.state.bills {
            let payable = match kept.status {
                crate::state::BillStatus::Open => self.bill(kept)?.expires > now,
                crate::state::BillStatus::InDoubt => true,
                _ => false,
            };
            if payable {
                open.push(self.view_bill(kept.digest())?);
            }
        }
        Ok(open)
    }

    /// Where the wallet stands.
    ///
    /// # Errors
    /// As [`Wallet::history`] and [`Wallet::view_bill`].
    pub fn view_status(&self, now: Time) -> Result<StatusView, WalletError> {
        let awaited = self.state.awaited.iter().filter(|r| now < r.expires);
        Ok(StatusView {
            number: self.state.number.to_string(),
            registered: self.state.record.is_some(),
            centre: self.state.centre.clone(),
            passwords: match self.form() {
                crate::vault::PasswordForm::One => 1,
                crate::vault::PasswordForm::Two => 2,
            },
            balance: self.state.balance.map(Into::into),
            open_bills: self.view_open_bills(now)?,
            pending: self.state.pending.iter().map(PendingView::from).collect(),
            awaited: awaited.cloned().map(Into::into).collect(),
            tickets: self.state.tickets.len(),
            cards: self.state.cards.len(),
            aside: self.state.aside.iter().map(AsideView::from).collect(),
            history_entries: self.history()?.len(),
            history_repair: self.history.torn_end().map(|t| t.to_string()),
        })
    }

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
                view.text = format!("{} by {by}: {} {detail}", r.what, r.code);
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
                view.text = format!("ticket {}", short(*ticket));
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
