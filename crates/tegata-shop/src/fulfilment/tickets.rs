//! Making tickets (T2-T5): serials, signatures, the sealed delivery, the signed capture.

use tegata_party::answering;
use tegata_protocol::envelope::{Envelope, Parcel};
use tegata_protocol::payment::Capture;
use tegata_protocol::purchase::Delivery;
use tegata_protocol::ticket::{Serial, Ticket};
use tegata_protocol::{Digest, Malformed, MessageId, PartyNumber, SignedBytes};

use super::{FulfilmentError, total_of};
use crate::counter::order::Order;
use crate::series::SeriesKeys;
use crate::shop::Shop;
use crate::store::{Sale, SeriesRow, damaged};
use tegata_keystore::rng;

/// Makes the tickets of a paid sale: Paid → Ready. The serials are taken in a transaction of their
/// own first, since stretching a keyword takes long; serials lost to a crash stay unused.
pub(super) fn make(shop: &Shop, sale: &Sale) -> Result<(), FulfilmentError> {
    let (series, quantity) = (sale.series, sale.quantity);
    let serials = shop
        .store()
        .write(move |tables| tables.take_serials(series, quantity))?;
    let row = shop.store().read(|tables| tables.series(series))?;
    let row = row.ok_or_else(|| damaged("a sold series isn't in it"))?;
    let order = Order::unwrap(&shop.registered().keys, sale.number, &sale.order)?;
    let tickets = sign_tickets(shop, sale, &order, &row, &serials)?;
    let delivery = Delivery {
        bill: sale.bill.digest(),
        tickets: tickets.clone(),
        series: row.record,
        request: order.request,
    };
    let delivery = seal(shop, sale.member, &order.opening, delivery)?;
    let capture = sign_capture(shop, sale, Digest::of(&delivery))?;
    let sale = sale.clone();
    shop.store().write(move |tables| {
        for (serial, ticket) in serials.into_iter().zip(&tickets) {
            tables.enter_ticket(sale.series, serial, sale.number, ticket)?;
        }
        tables.make_ready(&sale, &capture, &delivery)?;
        Ok(())
    })
}

fn sign_tickets(
    shop: &Shop,
    sale: &Sale,
    order: &Order,
    row: &SeriesRow,
    serials: &[Serial],
) -> Result<Vec<SignedBytes>, FulfilmentError> {
    let series = SeriesKeys::unwrap(&shop.registered().keys, row)?;
    let batch = series.batch.verifying_key().id();
    let cipher = series.secret.serial_key();
    let (issuer, mut tickets) = (shop.registered().number(), Vec::new());
    let parts = order.contents.iter().zip(&order.holders).zip(&order.valid);
    for (((contents, holder), valid), serial) in parts.zip(serials) {
        let tag = |keyword| series.secret.keyword_tag(*serial, keyword);
        tickets.push(series.batch.sign(&Ticket {
            issuer,
            series: sale.series,
            contents: contents.clone(),
            serial: cipher.encrypt(issuer, sale.series, batch, *serial),
            request: sale.request,
            holder: holder.clone(),
            keyword: order.keyword.as_ref().map(tag),
            valid: *valid,
        }));
    }
    if tickets.len() != serials.len() {
        return Err(damaged("an order of another length than its sale").into());
    }
    Ok(tickets)
}

/// The delivery, signed by the shop and sealed to the member (T3).
fn seal(
    shop: &Shop,
    member: PartyNumber,
    opening: &tegata_protocol::SealingKey,
    delivery: Delivery,
) -> Result<Vec<u8>, Malformed> {
    let mut rng = rng::system();
    let envelope = Envelope::to(member, opening, &mut rng)?;
    let signed = envelope.sign(
        shop.registered().keys.signing(),
        shop.registered().number(),
        MessageId::random(&mut rng),
        shop.now(),
        delivery,
    );
    Ok(envelope.seal(&Parcel::new(signed)).0.to_bytes())
}

/// The capture. It isn't signed for one sealing: it may be sent many times.
pub(super) fn sign_capture(
    shop: &Shop,
    sale: &Sale,
    delivery: Digest,
) -> Result<SignedBytes, FulfilmentError> {
    let payment = sale.payment;
    let payment = payment.ok_or_else(|| damaged("a paid sale without its payment"))?;
    Ok(answering::sign(
        shop.registered().keys.signing(),
        shop.registered().number(),
        PartyNumber::CENTRE,
        shop.now(),
        Capture {
            payment,
            amount: total_of(sale)?,
            delivery,
        },
    ))
}
