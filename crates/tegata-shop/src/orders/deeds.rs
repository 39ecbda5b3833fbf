//! What the owner does with an order, on the page or by command: both come here, and each deed is noted
//! in the order's events with who did it.

use tegata_cli::logs::cause;
use tegata_orders::FormsError;
use tegata_orders::kept::{self, OrderKeys};
use tegata_protocol::Time;
use tegata_protocol::order::{OrderForm, OrderId};

use crate::store::{Event, GoodsOrder, KeepForm, OrderState, StepError, Store, StoreError, Tables};

/// The longest reference of a carrier's, in bytes.
const LONGEST_TRACKING: usize = 80;

/// Where a deed was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// On the owner's page.
    Page,
    /// By a command.
    Command,
}

impl By {
    const fn word(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Command => "command",
        }
    }
}

/// A deed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    /// The card was charged, or a stuck payment turned out well.
    Paid,
    /// It's in its parcel.
    Packed,
    /// The carrier has it, under this reference; none is possible.
    Sent(String),
    /// Called off; whoever had paid got the money back.
    Cancelled(Refunded),
    /// The form is erased for ever.
    Erased,
}

/// Did the owner give the money back?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refunded {
    /// Yes, outside of Tegata.
    Yes,
    /// Nothing was said of it.
    NotSaid,
}

/// Why a deed wasn't done.
#[derive(Debug, thiserror::Error)]
pub enum DeedError {
    /// There's no such order.
    #[error("there's no such order")]
    Unknown,
    /// It's paid.
    #[error("the order is paid: give the money back first, and say that you did")]
    NotRefunded,
    /// It isn't over.
    #[error("the order isn't over yet: its form is still needed")]
    NotOver,
    /// There's no card to charge.
    #[error("the credit link hasn't taken the card number: there's nothing to charge yet")]
    NoCard,
    /// A reference that can't be one.
    #[error("the carrier's reference is too long, or holds control characters")]
    Tracking,
    /// Not from its state.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The forms.
    #[error(transparent)]
    Forms(#[from] FormsError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Does it, in one transaction.
///
/// # Errors
/// [`DeedError`]; nothing was done then.
pub fn act(store: &Store, id: OrderId, deed: Deed, by: By, now: Time) -> Result<(), DeedError> {
    let erased = store.write(move |tables| {
        let order = tables.goods_order(id)?.ok_or(DeedError::Unknown)?;
        do_it(tables, &order, &deed, by.word(), now)
    })?;
    if erased {
        scrub(store);
    }
    Ok(())
}

/// Does it; was a form erased?
fn do_it(
    tables: &Tables<'_>,
    order: &GoodsOrder,
    deed: &Deed,
    by: &str,
    now: Time,
) -> Result<bool, DeedError> {
    let paid = matches!(order.state, OrderState::Paid | OrderState::Packed);
    let by_hand = matches!(order.state, OrderState::Taken | OrderState::Stuck);
    let next = match deed {
        // What goes by a bill, the centre says.
        Deed::Paid if !by_hand => return Err(StepError::of(order, OrderState::Paid).into()),
        Deed::Paid if order.state == OrderState::Taken && order.card_reference.is_empty() => {
            return Err(DeedError::NoCard);
        }
        Deed::Paid => OrderState::Paid,
        Deed::Packed => OrderState::Packed,
        Deed::Sent(tracking) => {
            let tracking = tracking.trim();
            if tracking.len() > LONGEST_TRACKING || tracking.chars().any(char::is_control) {
                return Err(DeedError::Tracking);
            }
            tables.keep_tracking(order.id, tracking)?;
            OrderState::Sent
        }
        Deed::Cancelled(Refunded::NotSaid) if paid => return Err(DeedError::NotRefunded),
        Deed::Cancelled(_) => OrderState::Cancelled,
        Deed::Erased if !order.state.is_over() => return Err(DeedError::NotOver),
        Deed::Erased => return erase(tables, order, by, now),
    };
    tables.step_order(order, next, now, by)?;
    match (next, order.form) {
        (OrderState::Sent, KeepForm::UntilSent) | (OrderState::Cancelled, _) => {
            erase(tables, order, by, now)
        }
        (_, KeepForm::UntilSent | KeepForm::UntilErased) => Ok(false),
    }
}

/// Erases an order's form; was there one? Then [`scrub`] must follow once that is durable.
///
/// # Errors
/// [`DeedError`].
pub(crate) fn erase(
    tables: &Tables<'_>,
    order: &GoodsOrder,
    by: &str,
    now: Time,
) -> Result<bool, DeedError> {
    let erased = kept::erase(tables.connection(), order.id)?;
    if erased {
        tables.note_event(order.id, now, FORM_ERASED, by)?;
    }
    Ok(erased)
}

/// The event of an erased form.
pub const FORM_ERASED: &str = "form erased";
/// Was the form erased, by what happened to its order?
pub fn is_erased(events: &[Event]) -> bool {
    events.iter().any(|event| event.what == FORM_ERASED)
}

/// The event of a form that was read.
pub const FORM_READ: &str = "form read";

/// Takes what was erased out of the database's log too; if somebody is reading, the next time does.
pub(crate) fn scrub(store: &Store) {
    match kept::scrub_file(store.file()) {
        Ok(true) => {}
        Ok(false) => tracing::warn!("an erased form still stands in the log; erase again later"),
        Err(error) => tracing::warn!(error = cause(&error), "the log couldn't be emptied"),
    }
}

/// Opens an order's form, and notes that somebody did. `None` once it's erased.
///
/// # Errors
/// [`DeedError`].
pub fn read_form(
    store: &Store,
    keys: &OrderKeys,
    id: OrderId,
    by: By,
    now: Time,
) -> Result<Option<OrderForm>, DeedError> {
    // Noted first: a form that was shown without a note would be worse than a note too many. What is
    // erased can't be read, and isn't noted as read.
    let there = store.write(move |tables| {
        tables.goods_order(id)?.ok_or(DeedError::Unknown)?;
        if is_erased(&tables.order_events(id)?) {
            return Ok::<_, DeedError>(false);
        }
        tables.note_event(id, now, FORM_READ, by.word())?;
        Ok(true)
    })?;
    if !there {
        return Ok(None);
    }
    let read = store.read(|tables| keys.form(tables.connection(), id));
    Ok(read?)
}
