//! Taking a sealed order (O1-O13): open once, reserve, bill, receipt.
//!
//! ```text
//! bytes → too large? → the token's own? → known bytes? → its receipt
//!       → token in time → key known, unused, in time → opens → a form inside → the token's cart
//!       → the form's fields → today's prices are the token's
//!       → [ one durable transaction: key used up, goods reserved, bill and receipt signed, all kept ]
//! ```
//! A refusal inside the transaction rolls all of it back, the key too: nothing is charged, reserved or
//! used up, and the customer orders again.

use std::sync::Arc;

use tegata_cli::logs::cause;
use tegata_http::rate_limit::Permit;
use tegata_orders::kept::OrderKeys;
use tegata_orders::open::{Arrival, Opened, Sought, Taken, shortening};
use tegata_orders::{FormsError, OpenError, Own};
use tegata_pages::Language;
use tegata_pages::order::Erase;
use tegata_protocol::order::{FieldValue, Maker, OrderForm, OrderId};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{Digest, PartyNumber, SignedBytes, Time};

use super::Sealing;
use super::bill::{self, Sale};
use super::cart::{self, Priced};
use crate::catalogue::Catalogue;
use crate::catalogue::goods::{FormFields, Need};
use crate::counter::{Fault, free_number};
use crate::shop::Shop;
use crate::store::{KeepForm, NewOrder, SoldLine, StoreError, Tables};
use tegata_party::keys::Keys;

/// The longest field of a form, in characters and in bytes.
const LONGEST_FIELD: usize = 4_000;
const LONGEST_FIELD_BYTES: usize = 16_000;

/// How long a sealed card number is, in bytes: more than an encapsulated key and a tag, and far within a
/// message to the centre.
const CARD_LENGTH: std::ops::RangeInclusive<usize> = 1120 + 16 + 1..=2_048;

/// Why an order isn't taken.
#[derive(Debug, thiserror::Error)]
pub enum Untaken {
    /// The order is at fault.
    #[error("the order is refused")]
    Refused(#[from] Refusal),
    /// We are. Opaque outside.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Our end of the sealing is.
    #[error(transparent)]
    Forms(#[from] FormsError),
}

impl From<OpenError> for Untaken {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Refused(refusal) => Self::Refused(refusal),
            OpenError::Fault(fault) => Self::Forms(fault),
        }
    }
}

impl From<StoreError> for Untaken {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

/// An order that was taken, now or before.
#[derive(Debug)]
pub struct Accepted {
    /// Its number.
    pub order: OrderId,
    /// The signed receipt.
    pub receipt: SignedBytes,
}

/// Takes a sealed order from an address that was counted, or gives the receipt that it got before.
///
/// # Errors
/// [`Untaken`].
pub fn take(shop: &Shop, _counted: Permit, bytes: &[u8]) -> Result<Accepted, Untaken> {
    let Some(sealing) = shop.sealing() else {
        return Err(Refusal::new(Code::NotOffered).into());
    };
    let now = shop.now();
    let mut arrival = open(shop, sealing, bytes, now);
    if unknown_key(&arrival) && sealing.rules.maker == Maker::Service && shop.fetch_made_keys() {
        arrival = open(shop, sealing, bytes, now);
    }
    let opened = match arrival? {
        Arrival::Known(receipt) => return known(receipt),
        Arrival::New(opened) => opened,
    };
    let order = opened.order();
    let handler = Handler::of(shop, sealing, now);
    let taken = shop
        .store()
        .write(move |tables| handler.take(tables, &opened));
    match taken {
        Ok(taken) => {
            shop.wake_fulfilment();
            let receipt = taken.receipt().clone();
            Ok(Accepted { order, receipt })
        }
        Err(error) => {
            tracing::info!(%order, error = cause(&error), "an order wasn't taken");
            Err(error)
        }
    }
}

/// The key that an order came under is no stock any more, whatever becomes of that order.
fn end_key_with_token(shop: &Shop, bytes: &[u8], now: Time) -> Result<(), Untaken> {
    let find = |tables: &Tables<'_>| shortening(tables.connection(), shop.own(), bytes);
    if let Some(shortening) = shop.store().read(find)? {
        let shorten = move |tables: &Tables<'_>| shortening.apply(tables.connection(), now);
        shop.store()
            .write(move |tables| shorten(tables).map_err(Untaken::from))?;
    }
    Ok(())
}

/// Decrypts outside of the database, so that nobody waits for its one reader meanwhile.
fn open(shop: &Shop, sealing: &Sealing, bytes: &[u8], now: Time) -> Result<Arrival, Untaken> {
    end_key_with_token(shop, bytes, now)?;
    let sought = shop.store().read(|tables| {
        let (connection, epochs) = (tables.connection(), &sealing.epochs);
        tegata_orders::open::find(connection, shop.own(), epochs, bytes, now)
    });
    match sought? {
        Sought::Known(receipt) => Ok(Arrival::Known(receipt)),
        Sought::New(found) => Ok(Arrival::New(Box::new(found.open()?))),
    }
}

/// A key that the service made a moment ago may not have been fetched yet.
fn unknown_key(arrival: &Result<Arrival, Untaken>) -> bool {
    matches!(arrival, Err(Untaken::Refused(refusal)) if refusal.code == Code::OrderKeyUnknown)
}

fn known(receipt: SignedBytes) -> Result<Accepted, Untaken> {
    let parsed =
        tegata_protocol::Unverified::<tegata_protocol::order::OrderReceipt>::parse(receipt.clone());
    // Our own signature, from our own database.
    let order = parsed.map_err(FormsError::from)?.claimed().order;
    Ok(Accepted { order, receipt })
}

/// What the transaction needs, owned, so that it can run on the store's thread.
struct Handler {
    number: PartyNumber,
    keys: Arc<Keys>,
    order_keys: Arc<OrderKeys>,
    catalogue: Arc<Catalogue>,
    bill_seconds: u64,
    unpaid_share: u32,
    now: Time,
}

impl Handler {
    fn of(shop: &Shop, sealing: &Sealing, now: Time) -> Self {
        Self {
            number: shop.registered().number(),
            keys: Arc::clone(&shop.registered().keys),
            order_keys: Arc::clone(&sealing.order_keys),
            catalogue: shop.catalogue(),
            bill_seconds: sealing.bill_seconds,
            unpaid_share: shop.rules().unpaid_share,
            now,
        }
    }

    fn take(&self, tables: &Tables<'_>, opened: &Opened) -> Result<Taken, Untaken> {
        let own = Own {
            number: self.number,
            signing: self.keys.signing(),
        };
        opened.consume(tables.connection(), own, self.now, || {
            self.sell(tables, opened)
        })
    }

    /// Reserves and bills, or says what is wrong; gives the bill's digest.
    fn sell(&self, tables: &Tables<'_>, opened: &Opened) -> Result<Option<Digest>, Untaken> {
        let form = opened.form();
        check_fields(self.catalogue.goods.form, form)?;
        let by_card = self.check_way(opened)?;
        let priced = cart::price(&self.catalogue, &form.lines)?;
        if opened.token().total != Some(priced.totals.total) {
            return Err(Refusal::because(Code::CartChanged, "a price has changed").into());
        }
        check_stock(tables, &priced, self.unpaid_share)?;
        let order = self.order(tables, opened, &priced, by_card)?;
        tables.begin_order(&order)?;
        self.order_keys.keep(tables.connection(), order.id, form)?;
        tracing::info!(order = %order.id, number = %order.number, total = %order.total, "order taken");
        Ok(order.bill.as_ref().map(SignedBytes::digest))
    }

    /// By card, or from prepaid?
    fn check_way(&self, opened: &Opened) -> Result<bool, Refusal> {
        let (ways, card) = (self.catalogue.goods.ways, opened.card().is_some());
        let length = opened.card().map(<[u8]>::len);
        match (card, ways.card, ways.prepaid) {
            // It could never be passed on.
            (true, true, _) if !length.is_some_and(|length| CARD_LENGTH.contains(&length)) => {
                let why = "no sealed card number has this length";
                Err(Refusal::because(Code::CardRefused, why))
            }
            (true, true, _) => Ok(true),
            (false, _, true) => Ok(false),
            (true, false, _) => Err(Refusal::because(
                Code::FormIncomplete,
                "this shop takes no card numbers",
            )),
            (false, _, false) => Err(Refusal::because(Code::FormIncomplete, "card number")),
        }
    }

    fn order(
        &self,
        tables: &Tables<'_>,
        opened: &Opened,
        priced: &Priced<'_>,
        by_card: bool,
    ) -> Result<NewOrder, Untaken> {
        let language = Language::from_tag(&opened.form().language).unwrap_or_default();
        let number = free_number(tables)?;
        let expires = self.now.after(self.bill_seconds);
        let sale = Sale {
            shop: self.number,
            number,
            catalogue: &self.catalogue,
            priced,
            language,
            issued: self.now,
            expires,
        };
        let bill = match by_card {
            true => None,
            false => Some(
                self.keys
                    .signing()
                    .sign(&bill::make(&sale).map_err(Fault::from)?),
            ),
        };
        let line = |line: &cart::PricedLine<'_>| SoldLine {
            product: line.product.id.to_string(),
            title: line.product.title.of(language).to_owned(),
            quantity: line.quantity,
            sum: line.sum.minor(),
        };
        Ok(NewOrder {
            id: opened.order(),
            number,
            taken: self.now,
            expires,
            language,
            total: priced.totals.total,
            bill,
            card: opened.card().unwrap_or_default().to_vec(),
            card_token: opened.card().map(|_| opened.token().signed().clone()),
            lines: priced.lines.iter().map(line).collect(),
            form: match self.catalogue.goods.form.erase {
                Erase::BothAndAtShop => KeepForm::UntilSent,
                Erase::Keys | Erase::Program | Erase::Both => KeepForm::UntilErased,
            },
        })
    }
}

/// Are there so many of each product, and may so many more wait for their money? `share` is the part of
/// what isn't sold that may, in percent: many who reserve without paying can't clear the shelf. Where
/// nothing waits yet, one order may have as many as an order may.
pub(super) fn check_stock(
    tables: &Tables<'_>,
    priced: &Priced<'_>,
    share: u32,
) -> Result<(), Untaken> {
    for line in &priced.lines {
        let (id, wanted) = (line.product.id.as_str(), u64::from(line.quantity));
        let stock = tables.product_stock(id)?;
        let left = stock.left(line.product.stock.into());
        let refuse = |why: String| Err(Refusal::because(Code::OutOfStock, why).into());
        if left < wanted {
            return refuse(format!("{id}: {left} left"));
        }
        let most = left.saturating_add(stock.held).saturating_mul(share.into());
        let most = most.div_ceil(100);
        // Counted one by one only where it matters: what is held counts money on its way, too.
        let too_many = |unpaid: u64| unpaid > 0 && unpaid.saturating_add(wanted) > most;
        if too_many(stock.held) && too_many(tables.unpaid_of(id)?) {
            let why = "the others are reserved by orders that aren't paid yet, try again later";
            return refuse(format!("{id}: {why}"));
        }
    }
    Ok(())
}

/// Are there no more characters than a field may have?
fn is_short(text: &str) -> bool {
    text.len() <= LONGEST_FIELD_BYTES && text.chars().count() <= LONGEST_FIELD
}

/// Is every field there that must be, and none that wasn't asked for?
fn check_fields(fields: FormFields, form: &OrderForm) -> Result<(), Refusal> {
    let incomplete = |name: &str| Err(Refusal::because(Code::FormIncomplete, name));
    for (field, need) in fields.asked() {
        let text = form.text(field.word()).map_or("", str::trim);
        if need == Need::Required && text.is_empty() {
            return incomplete(field.word());
        }
    }
    for field in &form.fields {
        let asked = fields.asked().any(|(asked, _)| asked.word() == field.name);
        match &field.value {
            FieldValue::Text(text) if asked && is_short(text) => {}
            FieldValue::Text(_) | FieldValue::Bytes(_) => return incomplete(&field.name),
        }
    }
    Ok(())
}
