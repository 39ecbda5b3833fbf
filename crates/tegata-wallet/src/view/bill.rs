//! Bills and payments.

use std::fmt;

use serde::Serialize;
use tegata_pages::{Language, Texts};
use tegata_protocol::{
    Digest, Time, Verified,
    purchase::{Bill, DeliveryKind, Line, TaxMode, TaxRate},
};

use super::{AmountView, TimeView};
use crate::{
    error::WalletError,
    kept::{BillStatus, KeptBill},
    page,
    wallet::Wallet,
    web_bill::WebBill,
};

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
    pub(super) expires: TimeView,
    payment: Option<String>,
    /// How what was bought comes: `tickets`, `data`, `post` or `used`.
    delivery: &'static str,
}

impl BillView {
    /// Of a bill that stands so.
    fn of(bill: &Verified<Bill>, shop: String, title: String, status: BillStatus) -> Self {
        let tax = |t: &tegata_protocol::purchase::TaxTotal| TaxView {
            basis_points: t.rate.basis_points(),
            rate: percent(t.rate),
            net: t.net.into(),
            tax: t.tax.into(),
        };
        Self {
            bill: bill.digest().to_string(),
            transaction: bill.transaction.to_string(),
            shop: bill.shop.to_string(),
            shop_name: shop,
            title,
            status: status.word(),
            lines: bill.lines.iter().map(LineView::from).collect(),
            tip: bill.tip.into(),
            taxes: bill.totals.rates.iter().map(tax).collect(),
            total: bill.totals.total.into(),
            tax_number: bill.tax_number.clone(),
            issued: bill.issued.into(),
            expires: bill.expires.into(),
            payment: None,
            delivery: delivery_word(bill.delivery),
        }
    }

    /// Do the goods come by post?
    pub fn by_post(&self) -> bool {
        self.delivery == delivery_word(DeliveryKind::Post)
    }

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
    /// Text, quantity, unit price, tax, total.
    pub fn cells(&self, t: Texts<'_>) -> [String; 5] {
        let total = self.total.as_ref().map(ToString::to_string);
        [
            self.text.clone(),
            self.quantity.to_string(),
            self.unit_price.to_string(),
            self.tax(t),
            total.unwrap_or_default(),
        ]
    }

    fn tax(&self, t: Texts<'_>) -> String {
        let bp = self.tax_basis_points;
        let rate = TaxRate::new(bp).map_or_else(|_e| bp.to_string(), percent);
        match (bp, self.tax_included) {
            (0, _) => t.text("bill.tax_none").to_owned(),
            (_, true) => t.fill("bill.tax_included", &[("rate", &rate)]),
            (_, false) => t.fill("bill.tax_added", &[("rate", &rate)]),
        }
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
            let [text, quantity, price, rate, total] = line.cells(page::texts(Language::En));
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
            "at_card" => ("set aside for", "put the card on the reader: `card pay`"),
            "confirmed" => ("paid for", "the shop has confirmed the order"),
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

impl From<&WebBill> for BillView {
    fn from(seen: &WebBill) -> Self {
        let (bill, shop) = (&seen.bill, seen.shop.name.clone());
        Self::of(
            bill,
            shop,
            goods(bill),
            seen.status.unwrap_or(BillStatus::Open),
        )
    }
}

/// What a bill for goods is for: its first line, and how many more there are.
fn goods(bill: &Bill) -> String {
    let first = bill.lines.first().map(|line| line.text.as_str());
    match bill.lines.len().saturating_sub(1) {
        0 => first.unwrap_or_default().to_owned(),
        more => format!("{} + {more}", first.unwrap_or_default()),
    }
}

const fn delivery_word(delivery: DeliveryKind) -> &'static str {
    match delivery {
        DeliveryKind::Tickets => "tickets",
        DeliveryKind::Data => "data",
        DeliveryKind::Post => "post",
        DeliveryKind::Used => "used",
    }
}

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
        let title = title.unwrap_or_else(|| goods(&bill));
        let shop = self.name_of(bill.shop);
        Ok(BillView {
            payment: kept.payment.map(|p| p.to_string()),
            ..BillView::of(&bill, shop, title, kept.status)
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

    /// Bills that can be paid, or whose instruction is in doubt.
    ///
    /// # Errors
    /// As [`Wallet::view_bill`].
    pub fn view_open_bills(&self, now: Time) -> Result<Vec<BillView>, WalletError> {
        let mut open = Vec::new();
        for kept in &self.state.bills {
            let payable = match kept.status {
                BillStatus::Open => self.bill(kept)?.expires > now,
                BillStatus::InDoubt | BillStatus::AtCard => true,
                BillStatus::Held
                | BillStatus::Paid
                | BillStatus::Delivered
                | BillStatus::Confirmed
                | BillStatus::Closed => false,
            };
            if payable {
                open.push(self.view_bill(kept.digest())?);
            }
        }
        Ok(open)
    }
}
