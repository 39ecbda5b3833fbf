//! Opening a sealed order, once.
//!
//! [`find`] looks up what is needed; [`Found::open`], the slow part, needs no database and runs on any
//! thread ([`open`] does both); [`Opened::consume`] looks again and uses the key up, inside the
//! host's transaction. Of many that race for one key one gets it; of many that bring the same bytes
//! one takes the order and the others get its receipt.
//!
//! A key that an order came under is no stock any more, whatever becomes of that order: a wire or a log
//! may have the sealed bytes. So the host asks [`shortening`] first, and what that gives it applies in a
//! transaction of its own: the key ends with the order's token. Else the secrets of orders that are
//! refused would wait for days.
//!
//! The checks stand in this order, each with its own refusal: size, shape, the token's signature,
//! the order's number (the same bytes get the stored receipt, for ever), the token's time, the key
//! (known, for such orders, unused, in time), that it opens, that a form is inside, that the form's
//! cart is the token's, that the member is admitted.

use tegata_protocol::order::{
    Binding, CartToken, KeyScope, KeySource, Maker, ORDER_LIMIT, OrderForm, OrderId, OrderKeyId,
    OrderReceipt, SealedOrder, cart_digest,
};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{Digest, Document as _, Malformed, SignedBytes, Suite, Time, Verified};
use tegata_store::Connection;

use crate::keys::{self, KeyState, Sealing};
use crate::store::{self, KeyRow};
use crate::{Epochs, FormsError, OpenError, Own, token};

/// How long after its order's token a key ends, in seconds.
const GRACE: u64 = 600;

fn refuse<T>(code: Code) -> Result<T, OpenError> {
    Err(Refusal::new(code).into())
}

/// What came.
#[derive(Debug)]
pub enum Arrival {
    /// These bytes came before: their signed receipt.
    Known(SignedBytes),
    /// A new order, open.
    New(Box<Opened>),
}

/// An order that opens. Nothing is used up yet.
#[derive(Debug)]
pub struct Opened {
    token: Verified<CartToken>,
    form: OrderForm,
    card: Option<Vec<u8>>,
    sealed: Digest,
    key: OrderKeyId,
    for_one_order: bool,
}

/// What came of taking an order.
#[derive(Debug)]
pub enum Taken {
    /// It's taken: the signed receipt.
    New(SignedBytes),
    /// Somebody was quicker with the same bytes: the receipt that they got.
    Known(SignedBytes),
}

impl Taken {
    /// The signed receipt.
    pub fn receipt(&self) -> &SignedBytes {
        match self {
            Self::New(receipt) | Self::Known(receipt) => receipt,
        }
    }
}

/// What [`find`] found.
#[derive(Debug)]
pub enum Sought {
    /// These bytes came before: their signed receipt.
    Known(SignedBytes),
    /// A new order, with all that it takes to open it.
    New(Box<Found>),
}

/// A sealed order and the secret that opens it.
pub struct Found {
    token: Verified<CartToken>,
    order: SealedOrder,
    digest: Digest,
    row: KeyRow,
    sealing: Sealing,
    admitted: Result<(), Refusal>,
}

impl core::fmt::Debug for Found {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Found({} under {})", self.token.order, self.row.id)
    }
}

/// Opens what was sent.
///
/// # Errors
/// [`OpenError`].
pub fn open(
    connection: &Connection,
    own: Own<'_>,
    epochs: &Epochs,
    bytes: &[u8],
    now: Time,
) -> Result<Arrival, OpenError> {
    match find(connection, own, epochs, bytes, now)? {
        Sought::Known(receipt) => Ok(Arrival::Known(receipt)),
        Sought::New(found) => Ok(Arrival::New(Box::new(found.open()?))),
    }
}

/// Looks up what it takes to open what was sent.
///
/// # Errors
/// [`OpenError`].
pub fn find(
    connection: &Connection,
    own: Own<'_>,
    epochs: &Epochs,
    bytes: &[u8],
    now: Time,
) -> Result<Sought, OpenError> {
    if bytes.len() > ORDER_LIMIT {
        return refuse(Code::OrderTooLarge);
    }
    let order = SealedOrder::parse(bytes).map_err(|_e| Refusal::new(Code::FormUnreadable))?;
    let token = token::verify(own, order.token.clone())?;
    let digest = Digest::of(bytes);
    if let Some(receipt) = known(connection, token.order, digest)? {
        return Ok(Sought::Known(receipt));
    }
    if token.expires <= now {
        return refuse(Code::TokenExpired);
    }
    let (row, sealing) = find_key(connection, epochs, &token, order.key, now)?;
    if row.source == KeySource::Fallback {
        epochs.watch().came(row.scheme, row.suite, now);
    }
    // Refused only when all else is good.
    let admitted = match check_member(connection, &token) {
        Ok(()) => Ok(()),
        Err(OpenError::Refused(refusal)) => Err(refusal),
        Err(fault) => return Err(fault),
    };
    Ok(Sought::New(Box::new(Found {
        token,
        order,
        digest,
        row,
        sealing,
        admitted,
    })))
}

/// A key that an order came under, and that lives for longer than the order's token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shortening {
    key: OrderKeyId,
    until: Time,
}

/// Does the key that this order came under live for too long? The order itself may be refused later,
/// and its token's time may be over: it must only be a token of ours.
///
/// # Errors
/// [`FormsError`].
pub fn shortening(
    connection: &Connection,
    own: Own<'_>,
    bytes: &[u8],
) -> Result<Option<Shortening>, FormsError> {
    if bytes.len() > ORDER_LIMIT {
        return Ok(None);
    }
    let Ok(order) = SealedOrder::parse(bytes) else {
        return Ok(None);
    };
    let Ok(token) = token::verify(own, order.token) else {
        return Ok(None);
    };
    let until = token.expires.after(GRACE);
    let too_long = |row: &KeyRow| {
        let one = keys::is_for_one_order(row.scheme, row.source);
        one && row.state == KeyState::Stocked && until < row.expires
    };
    let row = store::key(connection, order.key)?.filter(too_long);
    Ok(row.map(|row| Shortening { key: row.id, until }))
}

impl Shortening {
    /// Lets the key end ten minutes after the token, or now, inside the host's transaction. Is it
    /// shorter now? [`keys::tidy`] erases its secret when that time has come.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn apply(self, connection: &Connection, now: Time) -> Result<bool, FormsError> {
        store::in_transaction(connection)?;
        // Not before now: what was made in the last hour is counted by when it ends, too.
        store::shorten_key(connection, self.key, self.until.max(now))
    }
}

impl Found {
    /// Opens the order.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(self) -> Result<Opened, OpenError> {
        let (token, row) = (self.token, self.row);
        let open_key = self.sealing.open_key(&row.signer)?;
        let binding = Binding::new(&open_key.key, token.order, token.cart);
        let plain = open_key
            .half
            .open(token.scheme, &binding, &self.order.sealed);
        let plain = plain.map_err(|_e| Refusal::new(Code::OrderUnopenable))?;
        let form = OrderForm::parse(&plain).map_err(unreadable)?;
        if cart_digest(&form.lines) != token.cart {
            return refuse(Code::CartChanged);
        }
        self.admitted?;
        Ok(Opened {
            token,
            form,
            card: self.order.card,
            sealed: self.digest,
            key: row.id,
            for_one_order: keys::is_for_one_order(row.scheme, row.source),
        })
    }
}

/// The receipt of an order that came before, if these are its bytes.
fn known(
    connection: &Connection,
    order: OrderId,
    sealed: Digest,
) -> Result<Option<SignedBytes>, OpenError> {
    match store::taken_order(connection, order)? {
        None => Ok(None),
        Some(taken) if taken.sealed == sealed => Ok(Some(taken.receipt)),
        Some(_) => refuse(Code::OrderDiffers),
    }
}

/// The key and its secret, if it may open this token's order now. An epoch may end between reading and
/// decrypting: then the row is read again.
fn find_key(
    connection: &Connection,
    epochs: &Epochs,
    token: &CartToken,
    id: OrderKeyId,
    now: Time,
) -> Result<(KeyRow, Sealing), OpenError> {
    for _ in 0..3 {
        let Some(row) = store::key(connection, id)? else {
            break;
        };
        if !belong_together(token, &row) {
            let detail = "the key isn't one for such orders";
            return Err(Refusal::because(Code::OrderKeyUnknown, detail).into());
        }
        check_usable(&row, now)?;
        if let Some(sealing) = keys::sealing(epochs, &row)? {
            return Ok((row, sealing));
        }
    }
    refuse(Code::OrderKeyUnknown)
}

/// Is the key one that this token's order may be sealed with? Our own keys always may, those of a
/// service only where the token says so.
fn belong_together(token: &CartToken, row: &KeyRow) -> bool {
    let suite = token.compact || row.suite != Some(Suite::Compact);
    let maker = row.maker == Maker::Recipient || token.maker == Maker::Service;
    suite && maker && (row.scheme, row.member) == (token.scheme, token.member)
}

fn check_usable(row: &KeyRow, now: Time) -> Result<(), OpenError> {
    match row.state {
        KeyState::Stocked if now < row.expires => Ok(()),
        KeyState::Consumed => refuse(Code::OrderKeyUsed),
        KeyState::Stocked | KeyState::Expired => refuse(Code::OrderKeyExpired),
    }
}

/// Are orders taken from the member whose key it is?
fn check_member(connection: &Connection, token: &CartToken) -> Result<(), OpenError> {
    if token.scheme.scope() == KeyScope::Member {
        token::check_member(connection, token.member)?;
    }
    Ok(())
}

fn unreadable(why: Malformed) -> Refusal {
    let too_many_lines = matches!(why, Malformed::Field { field: "lines", .. });
    Refusal::new(match too_many_lines {
        true => Code::OrderTooLarge,
        false => Code::FormUnreadable,
    })
}

impl Opened {
    /// The recipient's own token.
    pub const fn token(&self) -> &Verified<CartToken> {
        &self.token
    }

    /// The order's number.
    pub fn order(&self) -> OrderId {
        self.token.order
    }

    /// What was inside. Its cart is the token's; whether products, prices and fields are good is for
    /// the host to say.
    pub const fn form(&self) -> &OrderForm {
        &self.form
    }

    /// The sealed card number, for the centre's credit link.
    pub fn card(&self) -> Option<&[u8]> {
        self.card.as_deref()
    }

    /// SHA-256 of the sealed order as it came.
    pub const fn digest(&self) -> Digest {
        self.sealed
    }

    /// Takes the order, inside the host's transaction: uses the key up, lets the host write its own
    /// rows, and keeps the receipt. `work` gives the digest of the signed bill, where there's one to
    /// pay; it doesn't run for an order that was taken before. On any error the host must roll the
    /// transaction back.
    ///
    /// # Errors
    /// The host's own from `work`, or [`OpenError`].
    pub fn consume<E: From<OpenError>>(
        &self,
        connection: &Connection,
        own: Own<'_>,
        now: Time,
        work: impl FnOnce() -> Result<Option<Digest>, E>,
    ) -> Result<Taken, E> {
        if let Some(receipt) = self.claim(connection, now)? {
            return Ok(Taken::Known(receipt));
        }
        let bill = work()?;
        Ok(Taken::New(self.sign_off(connection, own, bill, now)?))
    }

    /// Uses the key up; gives the receipt if the order was taken before.
    fn claim(&self, connection: &Connection, now: Time) -> Result<Option<SignedBytes>, OpenError> {
        store::in_transaction(connection)?;
        if let Some(receipt) = known(connection, self.order(), self.sealed)? {
            return Ok(Some(receipt));
        }
        let Some(row) = store::key(connection, self.key)? else {
            return refuse(Code::OrderKeyUnknown);
        };
        check_usable(&row, now)?;
        check_member(connection, &self.token)?;
        if self.for_one_order && !store::use_up_key(connection, self.key)? {
            return refuse(Code::OrderKeyUsed);
        }
        Ok(None)
    }

    fn sign_off(
        &self,
        connection: &Connection,
        own: Own<'_>,
        bill: Option<Digest>,
        now: Time,
    ) -> Result<SignedBytes, OpenError> {
        let receipt = OrderReceipt {
            recipient: own.number,
            order: self.order(),
            sealed: self.sealed,
            cart: self.token.cart,
            total: self.token.total,
            bill,
            received: now,
        };
        receipt.check().map_err(FormsError::from)?;
        let receipt = own.signing.sign(&receipt);
        store::keep_receipt(connection, self.order(), self.sealed, &receipt, now)?;
        Ok(receipt)
    }
}

/// The receipt of an order that was taken.
///
/// # Errors
/// [`FormsError`].
pub fn receipt(connection: &Connection, order: OrderId) -> Result<Option<SignedBytes>, FormsError> {
    Ok(store::taken_order(connection, order)?.map(|taken| taken.receipt))
}
