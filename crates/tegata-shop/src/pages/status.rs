//! An order's status: where it stands, and how to pay it. Nothing on it says who ordered.

use axum::extract::{Path, State};
use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use tegata_http::HttpError;
use tegata_pages::{Stage, Tone, code, notice, progress, qr};
use tegata_protocol::order::OrderId;
use tegata_protocol::{SignedBytes, Time};

use super::visit::{Visit, keep};
use super::{Front, NO_ORDER, moment, money};
use crate::orders::cart::Cart;
use crate::orders::status;
use crate::server::stored;
use crate::store::{Event, GoodsOrder, OrderState, SoldLine, StoreError};

/// An order with what happened to it.
pub(super) struct OrderHistory {
    pub(super) order: GoodsOrder,
    pub(super) lines: Vec<SoldLine>,
    pub(super) events: Vec<Event>,
}

impl OrderHistory {
    pub(super) fn read(front: &Front, id: OrderId) -> Result<Option<Self>, StoreError> {
        front.shop.store().read(|tables| {
            let Some(order) = tables.goods_order(id)? else {
                return Ok(None);
            };
            Ok(Some(Self {
                lines: tables.order_lines(id)?,
                events: tables.order_events(id)?,
                order,
            }))
        })
    }

    /// When an order came into a state.
    fn when(&self, state: OrderState) -> Option<Time> {
        let mut events = self.events.iter().rev();
        events
            .find(|event| event.what == state.word())
            .map(|event| event.time)
    }
}

pub(super) async fn page(
    State(front): State<Front>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Response, HttpError> {
    let keys = &front.shop.registered().keys;
    let given = visit.parameter("key").unwrap_or_default();
    let id = OrderId::from_hex(&id).filter(|id| status::opens(keys, *id, given));
    let history = id
        .map(|id| OrderHistory::read(&front, id))
        .transpose()
        .map_err(stored)?
        .flatten();
    // A wrong key and an unknown order look the same.
    let history = history.ok_or_else(|| HttpError::missing(NO_ORDER))?;
    let ordered = is_of(&visit.cart, &history.lines);
    let now_empty = ordered.then(Cart::default);
    let mut seen = visit.clone();
    seen.cart = now_empty.clone().unwrap_or(seen.cart);
    let page = front
        .page(&seen, visit.texts().text("status.title"))
        .body(body(&front, &visit, &history));
    let cookie: Option<[(HeaderName, String); 1]> = now_empty.map(|cart| [keep(&cart)]);
    Ok(match cookie {
        Some(cookie) => (cookie, page).into_response(),
        None => page.into_response(),
    })
}

/// Is this cart what was ordered? Then it has done its work.
fn is_of(cart: &Cart, lines: &[SoldLine]) -> bool {
    let ordered = lines
        .iter()
        .map(|line| (line.product.as_str(), line.quantity));
    !cart.is_empty()
        && cart
            .lines()
            .map(|(id, count)| (id.as_str(), count))
            .eq(ordered)
}

fn body(front: &Front, visit: &Visit, history: &OrderHistory) -> Markup {
    let t = visit.texts();
    let order = &history.order;
    html! {
        (said(front, visit, history))
        @if let (OrderState::Billed, Some(bill)) = (order.state, &order.bill) {
            (pay(front, visit, order, bill))
        }
        (stages(front, visit, history))
        @if matches!(order.state, OrderState::Billed | OrderState::Held) {
            // Not by itself: a page that changes under somebody's eyes is hard to read.
            p { a href=(visit.uri) { (t.text("status.look_again")) } }
        }
        h2 { (t.text("status.ordered")) }
        (ordered(visit, order, &history.lines))
        p.small { (t.text("status.number")) " " (code(&order.number.to_string())) ". "
            (t.text("status.keep")) }
    }
}

/// What was ordered, without a word of who did.
pub(super) fn ordered(visit: &Visit, order: &GoodsOrder, lines: &[SoldLine]) -> Markup {
    let t = visit.texts();
    let sum = |minor| match tegata_protocol::Amount::new(minor, order.total.currency()) {
        Ok(amount) => money(visit.language, amount),
        Err(_) => minor.to_string(),
    };
    let goods: u64 = lines.iter().map(|line| line.sum).sum();
    let rest = order.total.minor().saturating_sub(goods);
    html! {
        ul.lines role="list" {
            @for line in lines {
                li { div.what {
                    span { (line.quantity) " × " (line.title) }
                    strong { (sum(line.sum)) }
                } }
            }
            @if rest > 0 {
                li { div.what { span { (t.text("status.rest")) } strong { (sum(rest)) } } }
            }
            li { div.what {
                strong { (t.text("cart.total")) }
                strong { (money(visit.language, order.total)) }
            } }
        }
    }
}

/// The state in a sentence.
fn said(front: &Front, visit: &Visit, history: &OrderHistory) -> Markup {
    let (t, order) = (visit.texts(), &history.order);
    let until = moment(front, visit, order.expires);
    let (tone, text) = match order.state {
        OrderState::Taken => (Tone::Good, t.text("status.taken").to_owned()),
        OrderState::Billed => (Tone::Plain, t.fill("status.billed", &[("until", &until)])),
        OrderState::Held => (Tone::Good, t.text("status.held").to_owned()),
        OrderState::Paid => (Tone::Good, t.text("status.paid").to_owned()),
        OrderState::Packed => (Tone::Good, t.text("status.packed").to_owned()),
        OrderState::Sent => (Tone::Good, t.text("status.sent").to_owned()),
        OrderState::Lapsed => (Tone::Careful, t.text("status.lapsed").to_owned()),
        OrderState::Cancelled => (Tone::Bad, t.text("status.cancelled").to_owned()),
        OrderState::Stuck => (Tone::Careful, t.text("status.stuck").to_owned()),
    };
    html! {
        (notice(tone, &text))
        @if !order.tracking.is_empty() {
            p { (t.text("status.tracking")) ": " (code(&order.tracking)) }
        }
        @if matches!(order.state, OrderState::Lapsed | OrderState::Cancelled) {
            p { a.button href="/" { (t.text("status.again")) } }
        }
    }
}

/// How to pay: the wallet on this machine, or a QR code for the one on a telephone.
fn pay(front: &Front, visit: &Visit, order: &GoodsOrder, bill: &SignedBytes) -> Markup {
    let t = visit.texts();
    let shop = front.shop.registered().address().trim_end_matches('/');
    let address = format!("{shop}/v1/bills/{}", bill.digest());
    let back = status::address(&front.shop.registered().keys, order.id);
    let back = format!("{shop}{back}");
    let wallet = front.shop.wallet();
    let (origin, digest) = (encoded(shop), bill.digest());
    let href = format!(
        "{wallet}/pay?shop={origin}&bill={digest}&back={}",
        encoded(&back)
    );
    html! {
        section.pay aria-labelledby="pay" {
            div {
                h2 id="pay" { (t.text("status.to_pay")) }
                p.sum { (money(visit.language, order.total)) }
                p { a.button href=(href) { (t.text("status.pay_here")) } }
                p.small { (t.text("status.pay_how")) }
                p.small { (t.text("status.pay_line")) br; (code(&format!("tegata-wallet pay {address}"))) }
            }
            @if let Ok(picture) = qr::svg(&address) { (picture) }
        }
    }
}

/// Percent-encodes whatever isn't plain.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let one = |b: u8| match plain(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

fn stages(front: &Front, visit: &Visit, history: &OrderHistory) -> Markup {
    let t = visit.texts();
    let at = match history.order.state {
        OrderState::Taken | OrderState::Billed | OrderState::Held | OrderState::Stuck => 1,
        OrderState::Paid => 2,
        OrderState::Packed => 3,
        OrderState::Sent => 4,
        OrderState::Lapsed | OrderState::Cancelled => return html! {},
    };
    let when = |state| {
        let time = history.when(state);
        time.map_or(String::new(), |time| moment(front, visit, time))
    };
    let details = [
        when(OrderState::Taken),
        when(OrderState::Paid),
        when(OrderState::Packed),
        when(OrderState::Sent),
    ];
    let stages = [
        Stage {
            name: t.text("stage.taken"),
            detail: &details[0],
        },
        Stage {
            name: t.text("stage.paid"),
            detail: &details[1],
        },
        Stage {
            name: t.text("stage.packed"),
            detail: &details[2],
        },
        Stage {
            name: t.text("stage.sent"),
            detail: &details[3],
        },
    ];
    progress(&stages, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_in_a_parameter() {
        assert_eq!(
            encoded("http://a/b?c=d&e"),
            "http%3A%2F%2Fa%2Fb%3Fc%3Dd%26e"
        );
    }
}
