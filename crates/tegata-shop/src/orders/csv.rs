//! Orders as a table for other programs (RFC 4180), safe to open in a spreadsheet.
//!
//! A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, a tab or a line's end, also in their
//! full-width forms; such a cell gets an apostrophe in front. Every cell stands in quotes.

use tegata_protocol::order::OrderForm;

use crate::catalogue::goods::Asked;
use crate::catalogue::timestamp;
use crate::store::{GoodsOrder, SoldLine};

/// An order with what belongs to it.
#[derive(Debug)]
pub struct Entry {
    /// The order.
    pub order: GoodsOrder,
    /// What was ordered.
    pub lines: Vec<SoldLine>,
    /// Who ordered, where that's wanted and still there.
    pub form: Option<OrderForm>,
}

/// The whole table, with a mark by which spreadsheets know that it's UTF-8.
pub fn table(entries: &[Entry], with_forms: bool) -> String {
    let mut head = vec![
        "order", "id", "state", "taken", "currency", "total", "goods", "tracking",
    ];
    if with_forms {
        head.extend(Asked::ALL.map(Asked::word));
    }
    let mut text = String::from('\u{FEFF}');
    push_row(&mut text, head.into_iter().map(str::to_owned));
    for entry in entries {
        let order = &entry.order;
        let goods = entry
            .lines
            .iter()
            .map(|line| format!("{} × {}", line.quantity, line.title));
        let mut row = vec![
            order.number.to_string(),
            order.id.to_string(),
            order.state.word().to_owned(),
            timestamp(order.taken).to_string(),
            order.total.currency().to_string(),
            plain(&order.total.to_string()),
            goods.collect::<Vec<_>>().join("; "),
            order.tracking.clone(),
        ];
        if with_forms {
            let value = |asked: Asked| {
                let form = entry.form.as_ref();
                form.and_then(|form| form.text(asked.word()))
                    .unwrap_or_default()
                    .to_owned()
            };
            row.extend(Asked::ALL.map(value));
        }
        push_row(&mut text, row);
    }
    text
}

/// `JPY 1,980` without its currency and grouping.
fn plain(amount: &str) -> String {
    let number = amount.split_once(' ').map_or(amount, |(_, number)| number);
    number.replace(',', "")
}

fn push_row(text: &mut String, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().map(|cell| quoted(&cell)).collect();
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

fn quoted(cell: &str) -> String {
    let runs = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let guard = if runs { "'" } else { "" };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_runs_or_breaks_out() {
        for bad in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＠a",
        ] {
            assert!(quoted(bad).starts_with("\"'"), "{bad:?}");
        }
        assert_eq!(quoted("a \"b\", c\nd"), "\"a \"\"b\"\", c\nd\"");
        assert_eq!(plain("JPY 1,234,567"), "1234567");
    }
}
