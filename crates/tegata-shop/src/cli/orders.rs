//! `tegata-shop orders`: what the owner's page does, by command, while the shop runs or not.

use clap::Subcommand;
use serde_json::json;
use tegata_cli::clock;
use tegata_cli::exit::{Exit, Failure};
use tegata_orders::OrderKeys;
use tegata_protocol::order::{OrderForm, OrderId};
use tegata_protocol::{Time, TransactionNumber};

use super::owner::OwnerA;
use super::{PARTY, Usual, failed, sales, say};
use crate::catalogue::goods::Asked;
use crate::orders::csv::{self, Entry};
use crate::orders::deeds::{self, By, Deed, DeedError, Refunded};
use crate::shop::OpenError;
use crate::store::{Event, GoodsOrder, OrderState, SoldLine, Store};

/// The most orders of a list.
const MOST: u32 = 10_000;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the orders, the newest first
    List {
        #[command(flatten)]
        usual: Usual,

        /// Only those in this state: taken, billed, held, paid, packed, sent, lapsed, cancelled, stuck
        #[arg(long, value_name = "STATE", value_parser = state)]
        state: Option<OrderState>,
    },
    /// Show an order; with --form its name and address too, which is noted
    Show {
        #[command(flatten)]
        which: Which,

        /// Open the form: name, address and what else was asked for
        #[arg(long)]
        form: bool,

        #[command(flatten)]
        owner: OwnerA,
    },
    /// Note that the card was charged, or that a stuck payment turned out well
    Paid {
        #[command(flatten)]
        which: Which,
    },
    /// Note that an order is packed
    Packed {
        #[command(flatten)]
        which: Which,
    },
    /// Note that the carrier has an order
    Sent {
        #[command(flatten)]
        which: Which,

        /// The carrier's number, shown to the customer
        #[arg(long, value_name = "NUMBER", default_value = "")]
        tracking: String,
    },
    /// Cancel an order: its goods go back to the shelf, its bill isn't captured any more
    Cancel {
        #[command(flatten)]
        which: Which,

        /// It was paid, and you have given the money back
        #[arg(long)]
        refunded: bool,
    },
    /// Print all orders as CSV, safe for spreadsheets
    Csv {
        #[command(flatten)]
        data: tegata_cli::data::DataArgs,

        /// With names and addresses; each opening is noted
        #[arg(long)]
        forms: bool,

        #[command(flatten)]
        owner: OwnerA,
    },
    /// Erase the form of an order that is over, for ever
    Erase {
        #[command(flatten)]
        which: Which,
    },
}

/// An order, and how to answer.
#[derive(Debug, clap::Args)]
struct Which {
    /// The order's number as the owner's page shows it, like 4831-2207-5560, or its long one
    #[arg(value_name = "ORDER")]
    order: String,

    #[command(flatten)]
    usual: Usual,
}

fn state(word: &str) -> Result<OrderState, String> {
    let known = || OrderState::ALL.map(OrderState::word).join(", ");
    OrderState::from_word(word).ok_or_else(|| format!("expected one of {}", known()))
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::List { usual, state } => list(&usual, state),
        Command::Show { which, form, owner } => show(&which, form, &owner),
        Command::Paid { which } => act(&which, Deed::Paid),
        Command::Packed { which } => act(&which, Deed::Packed),
        Command::Sent { which, tracking } => act(&which, Deed::Sent(tracking)),
        Command::Cancel { which, refunded } => {
            let refunded = if refunded {
                Refunded::Yes
            } else {
                Refunded::NotSaid
            };
            act(&which, Deed::Cancelled(refunded))
        }
        Command::Csv { data, forms, owner } => {
            print_csv(&Usual { data, json: false }, forms, &owner)
        }
        Command::Erase { which } => act(&which, Deed::Erased),
    }
}

fn now() -> Time {
    Time::from_secs(clock::now())
}

fn wrong(error: DeedError) -> Failure {
    match error {
        DeedError::Store(error) => failed(OpenError::Store(error)),
        DeedError::Forms(error) => failed(OpenError::Forms(error)),
        DeedError::Unknown => Failure::from(error).next("see tegata-shop orders list"),
        DeedError::NotRefunded => Failure::from(error).next("then add --refunded"),
        DeedError::Tracking => Failure::from(error).with_exit(Exit::Usage),
        DeedError::NotOver | DeedError::NoCard | DeedError::Step(_) => {
            Failure::from(error).next("see tegata-shop orders show ORDER")
        }
    }
}

/// The order of this number, short or long.
fn find(store: &Store, text: &str) -> Result<GoodsOrder, Failure> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let short = digits
        .parse()
        .ok()
        .and_then(|number| TransactionNumber::new(number).ok());
    let found = store.read(|tables| match (OrderId::from_hex(text), short) {
        (Some(id), _) => tables.goods_order(id),
        (None, Some(number)) => tables.order_numbered(number),
        (None, None) => Ok(None),
    });
    found
        .map_err(|e| wrong(e.into()))?
        .ok_or_else(|| wrong(DeedError::Unknown))
}

fn list(usual: &Usual, state: Option<OrderState>) -> Result<(), Failure> {
    let store = sales::open(usual)?;
    let orders = store.read(|tables| tables.newest_orders(state, MOST));
    let orders = orders.map_err(|e| wrong(e.into()))?;
    let line = |order: &GoodsOrder| {
        let (number, state) = (order.number.to_string(), order.state.word());
        format!("{number}  {state:<9}  {}  {}", order.taken, order.total)
    };
    let lines: Vec<String> = match orders.is_empty() {
        true => vec!["No orders.".to_owned()],
        false => orders.iter().map(line).collect(),
    };
    let objects: Vec<_> = orders.iter().map(object).collect();
    say(usual.json, &json!({ "orders": objects }), &lines.join("\n"));
    Ok(())
}

fn object(order: &GoodsOrder) -> serde_json::Value {
    json!({
        "order": order.number.to_string(),
        "id": order.id.to_string(),
        "state": order.state.word(),
        "taken": order.taken.to_string(),
        "total": { "currency": order.total.currency().to_string(), "minor": order.total.minor() },
        "tracking": order.tracking,
    })
}

fn show(which: &Which, form: bool, owner: &OwnerA) -> Result<(), Failure> {
    let store = sales::open(&which.usual)?;
    let order = find(&store, &which.order)?;
    let form = match form {
        true => read_form(&which.usual, &store, &order, owner)?,
        false => None,
    };
    let read = store.read(|tables| {
        Ok((
            tables.order_lines(order.id)?,
            tables.order_events(order.id)?,
        ))
    });
    let (lines, events): (Vec<SoldLine>, Vec<Event>) = read.map_err(wrong)?;
    let mut object = object(&order);
    let said = |line: &SoldLine| json!({ "product": line.product, "quantity": line.quantity });
    if let Some(object) = object.as_object_mut() {
        object.insert("lines".into(), lines.iter().map(said).collect());
        if let Some(form) = &form {
            let fields = Asked::ALL.into_iter().filter_map(|asked| {
                Some((asked.word().to_owned(), json!(form.text(asked.word())?)))
            });
            object.insert("form".into(), serde_json::Value::Object(fields.collect()));
        }
    }
    say(
        which.usual.json,
        &object,
        &text_of(&order, &lines, &events, form.as_ref()),
    );
    Ok(())
}

fn text_of(
    order: &GoodsOrder,
    lines: &[SoldLine],
    events: &[Event],
    form: Option<&OrderForm>,
) -> String {
    let (number, state) = (order.number, order.state.word());
    let mut text = vec![format!("{number}  {state}  {}", order.total)];
    text.extend(
        lines
            .iter()
            .map(|line| format!("    {} × {}", line.quantity, line.title)),
    );
    if let Some(form) = form {
        let fields = Asked::ALL.into_iter().filter_map(|asked| {
            Some(format!(
                "    {}: {}",
                asked.word(),
                form.text(asked.word())?
            ))
        });
        text.extend(fields);
    }
    let event = |event: &Event| format!("    {}  {}  ({})", event.time, event.what, event.by);
    text.extend(events.iter().map(event));
    text.join("\n")
}

fn read_form(
    usual: &Usual,
    store: &Store,
    order: &GoodsOrder,
    owner: &OwnerA,
) -> Result<Option<OrderForm>, Failure> {
    let dir = usual.existing(PARTY)?;
    let vault = owner.reading(&dir).map_err(|e| failed(e.into()))?;
    let order_keys = OrderKeys::read(&dir, vault.cover()).map_err(|e| wrong(e.into()))?;
    match order_keys {
        Some(keys) => deeds::read_form(store, &keys, order.id, By::Command, now()).map_err(wrong),
        None => Ok(None),
    }
}

fn act(which: &Which, deed: Deed) -> Result<(), Failure> {
    let store = sales::open(&which.usual)?;
    let order = find(&store, &which.order)?;
    let erased = deed == Deed::Erased;
    deeds::act(&store, order.id, deed, By::Command, now()).map_err(wrong)?;
    let order = find(&store, &which.order)?;
    let what = if erased {
        "its form is erased"
    } else {
        order.state.word()
    };
    let line = format!("{}: {what}", order.number);
    say(which.usual.json, &object(&order), &line);
    Ok(())
}

fn print_csv(usual: &Usual, forms: bool, owner: &OwnerA) -> Result<(), Failure> {
    let store = sales::open(usual)?;
    let orders = store.read(|tables| tables.newest_orders(None, u32::MAX));
    let entries = orders
        .map_err(|e| wrong(e.into()))?
        .into_iter()
        .map(|order| {
            let lines = store.read(|tables| tables.order_lines(order.id));
            let form = match forms {
                true => read_form(usual, &store, &order, owner)?,
                false => None,
            };
            Ok(Entry {
                lines: lines.map_err(|e| wrong(e.into()))?,
                form,
                order,
            })
        });
    let entries = entries.collect::<Result<Vec<_>, Failure>>()?;
    print!("{}", csv::table(&entries, forms));
    Ok(())
}
