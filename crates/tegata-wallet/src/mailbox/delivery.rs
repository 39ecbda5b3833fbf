//! A delivery (T3): the shop's sealed parcel of tickets, which came with the centre's word that it
//! was paid. Everything in it is checked against the shop's record, the bill and the request.
//!
//! A wallet that was restored from its words alone knows neither bill nor request. Then the centre's
//! word, the shop's signature and the holders count: see [`Wallet::reclaim`].

use tegata_protocol::{
    Digest, MessageId, PartyNumber, Time, Unverified, Verified,
    envelope::{Message, Sealed},
    payment::{Delivered, Item},
    purchase::{Delivery, MAX_QUANTITY},
    ticket::{Contents, Holder, HolderKey, SeriesRecord, Ticket},
};

use super::{
    Collected, Taken,
    paid_for::{came_with, is_order_receipt, prepaid_of, unmet},
};
use crate::{
    buying::{check_series, holder_key},
    entry::{Delivered as DeliveredEntry, Entry},
    kept::{BillStatus, Holding, KeptBill, KeptTicket, KnownShop, Order, verified, verify_ticket},
    wallet::Wallet,
};

impl Wallet {
    pub(super) fn take_delivery(
        &mut self,
        item: &Item,
        message: &Verified<Message<Delivered>>,
        collected: &mut Collected,
        now: Time,
    ) -> Result<Taken, String> {
        let body = &message.body;
        let known = self.state.bill_of_payment(body.payment);
        if known.is_some_and(|k| k.status.is_done()) {
            return Ok(Taken::Known);
        }
        if known.map_or_else(|| is_order_receipt(item), |kept| kept.order.is_none()) {
            return self.take_confirmation(item, message, collected, now);
        }
        let unopened = self.unseal(item, body.delivery)?;
        let from = unopened.claimed().from;
        let from = known
            .and_then(|k| k.order.as_ref())
            .map_or(from, |o| o.shop);
        let shop = self.state.shop(from).ok_or_else(|| unmet(from))?;
        let delivery = self.believe(unopened, shop)?;
        // A payment that another copy of this wallet made is known by its bill at best.
        let billed = self.state.bill(delivery.body.bill);
        let of_shop = |b: &&KeptBill| b.order.as_ref().is_some_and(|o| o.shop == shop.number);
        let known = known.or(billed.filter(of_shop));
        let known = known.cloned();
        if known.as_ref().is_some_and(|k| k.status.is_done()) {
            return Ok(Taken::Known);
        }
        let (tickets, held) = match &known {
            Some(kept) => {
                let tickets = check_delivery(&delivery.body, kept, shop, now)?;
                let total = (kept.status == BillStatus::Held)
                    .then(|| kept.bill(shop).map(|bill| bill.totals.total));
                (tickets, total.transpose().map_err(|e| e.to_string())?)
            }
            None => (self.reclaim(&delivery.body, shop, now)?, None),
        };
        if tickets.is_empty() {
            return Ok(Taken::Known);
        }
        if let Some(bill) = known.and_then(|k| self.state.bill_mut(k.digest())) {
            bill.status = BillStatus::Delivered;
            bill.payment = Some(body.payment);
        }
        self.state.tickets.extend(tickets.iter().cloned());
        let balance = prepaid_of(body);
        if balance.is_some() {
            self.learn_balance(balance, held, message.time);
        }
        let delivered = DeliveredEntry {
            payment: body.payment,
            amount: body.amount,
            balance,
        };
        collected.tickets.extend(tickets.iter().cloned());
        let received = tickets.into_iter().map(Entry::TicketReceived);
        let mut entries: Vec<Entry> = received.collect();
        entries.push(Entry::Delivered(item.number, delivered));
        Ok(Taken::New(entries))
    }

    /// Opens what the shop sealed to this member. Who signed it is still to be verified.
    fn unseal(&self, item: &Item, digest: Digest) -> Result<Unverified<Message<Delivery>>, String> {
        let sealed = Sealed::parse(came_with(item, digest)?).map_err(|e| e.to_string())?;
        let opened = sealed.open(&self.opening());
        let (parcel, _) = opened.map_err(|_e| "it isn't sealed to this member".to_owned())?;
        Unverified::<Message<Delivery>>::parse(parcel.signed).map_err(|e| e.to_string())
    }

    fn believe(
        &self,
        message: Unverified<Message<Delivery>>,
        shop: &KnownShop,
    ) -> Result<Verified<Message<Delivery>>, String> {
        let message = message
            .verify(&shop.signing)
            .map_err(|_e| "the shop didn't sign it".to_owned())?;
        check_ends(&message, shop.number, self.state.number)?;
        Ok(message)
    }

    /// The tickets of a delivery whose bill and request this wallet doesn't know: those that it
    /// hasn't yet. Each must be of the series that came with it, and anybody's or held by a key that
    /// grows from the request's number. Keys under password B can't be looked at here; what isn't
    /// held by an everyday key is taken for theirs, and compared when it's shown.
    fn reclaim(
        &self,
        delivery: &Delivery,
        shop: &KnownShop,
        now: Time,
    ) -> Result<Vec<KeptTicket>, String> {
        let series: Verified<SeriesRecord> =
            verified(&delivery.series, &shop.signing, "series").map_err(|e| e.to_string())?;
        let request = delivery.request.ok_or(
            "this wallet lost the request that it answers, and it doesn't say which one that was",
        )?;
        let mut tickets = Vec::new();
        for (place, signed) in (0..).zip(&delivery.tickets) {
            let ticket = verify_ticket(signed, &series).map_err(|e| e.to_string())?;
            let of = (ticket.issuer, ticket.series);
            if of != (shop.number, series.series) || series.issuer != shop.number {
                return Err("a ticket is of another series".to_owned());
            }
            let (holding, index) = self.holding(&ticket.holder, request, place)?;
            tickets.push(KeptTicket {
                signed: signed.clone(),
                series: delivery.series.clone(),
                shop: shop.number,
                request,
                index,
                holding,
                received: now,
            });
        }
        let had: Vec<Digest> = self.state.tickets.iter().map(KeptTicket::digest).collect();
        tickets.retain(|ticket| !had.contains(&ticket.digest()));
        Ok(tickets)
    }

    fn holding(
        &self,
        holder: &Holder,
        request: MessageId,
        place: u8,
    ) -> Result<(Holding, u8), String> {
        let key = match holder {
            Holder::Bearer => return Ok((Holding::Bearer, place)),
            Holder::Card(card) => {
                return Ok((
                    Holding::Card(tegata_protocol::CardNumber::from_bytes(*card)),
                    place,
                ));
            }
            Holder::Key(HolderKey(key)) => key,
        };
        let most = u8::try_from(MAX_QUANTITY).unwrap_or(u8::MAX);
        let seed = self.vault.holder_seed();
        let grown = |index: &u8| holder_key(seed, request, *index).verifying_key() == *key;
        Ok(match (0..most).find(grown) {
            Some(index) => (Holding::Everyday, index),
            None => (Holding::Spending, place),
        })
    }
}

fn check_ends(
    message: &Message<Delivery>,
    shop: PartyNumber,
    member: PartyNumber,
) -> Result<(), String> {
    if message.from != shop {
        return Err(format!("it's from {}, not from {shop}", message.from));
    }
    if message.to != member {
        return Err(format!("it's for {}, not for this member", message.to));
    }
    Ok(())
}

/// Are these the tickets that were ordered? All of them, or none is believed.
fn check_delivery(
    delivery: &Delivery,
    kept: &KeptBill,
    shop: &KnownShop,
    now: Time,
) -> Result<Vec<KeptTicket>, String> {
    let order = kept.order.as_ref();
    let order = order.ok_or("tickets came, and goods were ordered")?;
    if delivery.bill != kept.digest() {
        return Err("it's for another bill".to_owned());
    }
    let series: Verified<SeriesRecord> =
        verified(&delivery.series, &shop.signing, "series").map_err(|e| e.to_string())?;
    check_series(&series, order)?;
    if delivery.tickets.len() != order.holders.len() {
        let (came, ordered) = (delivery.tickets.len(), order.holders.len());
        return Err(format!("{came} ticket(s) came, {ordered} were ordered"));
    }
    let mut free: Vec<Option<&Holder>> = order.holders.iter().map(Some).collect();
    let mut tickets = Vec::new();
    for signed in &delivery.tickets {
        let ticket = verify_ticket(signed, &series).map_err(|e| e.to_string())?;
        check_ticket(&ticket, order)?;
        tickets.push(KeptTicket {
            signed: signed.clone(),
            series: delivery.series.clone(),
            shop: order.shop,
            request: order.id,
            index: claim_place(&mut free, &ticket.holder)?,
            holding: order.holding,
            received: now,
        });
    }
    Ok(tickets)
}

fn check_ticket(ticket: &Ticket, order: &Order) -> Result<(), String> {
    if (ticket.issuer, ticket.series) != (order.shop, order.series) {
        return Err("a ticket is of another series".to_owned());
    }
    if ticket.request != order.request {
        return Err("a ticket answers another request".to_owned());
    }
    if ticket.keyword.is_some() != order.keyword {
        return Err("a ticket has a keyword where none was asked for, or lacks it".to_owned());
    }
    if !fits(&order.contents, &ticket.contents) {
        return Err("a ticket is good for something else than was ordered".to_owned());
    }
    Ok(())
}

/// Which of the ordered holders is it? Each may hold one ticket.
fn claim_place(free: &mut [Option<&Holder>], holder: &Holder) -> Result<u8, String> {
    let place = free.iter().position(|f| *f == Some(holder));
    let place = place.ok_or("a ticket is another holder's")?;
    if let Some(slot) = free.get_mut(place) {
        *slot = None;
    }
    u8::try_from(place).map_err(|e| e.to_string())
}

/// Is it what was asked for? What was left to the shop (a room, a seat) is the shop's to choose.
fn fits(asked: &Contents, got: &Contents) -> bool {
    let left = |asked: u16, got: u16| asked == 0 || asked == got;
    match (asked, got) {
        (Contents::Stay(a), Contents::Stay(g)) => {
            (a.arrival_day, a.nights, a.guests) == (g.arrival_day, g.nights, g.guests)
                && left(a.room, g.room)
        }
        (Contents::Ride(a), Contents::Ride(g)) => {
            (a.from, a.to, a.class) == (g.from, g.to, g.class)
                && left(a.coach.into(), g.coach.into())
                && left(a.seat, g.seat)
        }
        (Contents::Admission(a), Contents::Admission(g)) => {
            a.section == g.section && left(a.row.into(), g.row.into()) && left(a.seat, g.seat)
        }
        (Contents::Wager(a), Contents::Wager(g)) => a == g,
        _ => false,
    }
}
