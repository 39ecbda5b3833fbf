//! The owner's orders: all of them, and one with what can be done. The form is shown only when asked
//! for, and each time is noted.

use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tegata_http::HttpError;
use tegata_http::work::blocking;
use tegata_pages::{
    Column, Field, Page, Refusal, Table, Tone, button, code, danger_button, definitions, notice,
    secondary_button,
};
use tegata_protocol::order::{OrderForm, OrderId, Stock};

use super::owner::Owner;
use super::status::{OrderHistory, ordered};
use super::visit::Visit;
use super::{Front, NO_ORDER, moment, money};
use crate::catalogue::goods::Asked;
use crate::orders::csv::{self, Entry};
use crate::orders::deeds::{self, By, Deed, DeedError, Refunded};
use crate::server::stored;
use crate::shop::Shop;
use crate::store::{GoodsOrder, OrderState, StoreError};

/// The most orders of one page or table.
const MOST: u32 = 500;
/// So few of a product, or less, and the page says so.
const LOW_STOCK: u64 = 5;

/// Works on one of the owner's pages, on a thread that may wait for the disk.
async fn worked<R: Send + 'static>(
    front: Front,
    _: Owner,
    work: impl FnOnce(&Front) -> Result<R, HttpError> + Send + 'static,
) -> Result<R, HttpError> {
    blocking(move || work(&front)).await?
}

pub(super) async fn list(
    State(front): State<Front>,
    owner: Owner,
    visit: Visit,
) -> Result<Page, HttpError> {
    worked(front, owner, move |front| {
        let body = list_body(front, &visit).map_err(stored)?;
        let title = visit.texts().text("orders.title");
        Ok(front.page(&visit, title).wide().body(body))
    })
    .await
}

fn list_body(front: &Front, visit: &Visit) -> Result<Markup, StoreError> {
    let t = visit.texts();
    let chosen = visit.parameter("state").and_then(OrderState::from_word);
    let (orders, counts) = front.shop.store().read(|tables| {
        Ok::<_, StoreError>((tables.newest_orders(chosen, MOST)?, tables.count_orders()?))
    })?;
    let columns = [
        Column::text(t.text("orders.number")),
        Column::text(t.text("orders.state")),
        Column::text(t.text("orders.taken")),
        Column::text(t.text("orders.age")),
        Column::number(t.text("cart.total")),
    ];
    let row = |order: &GoodsOrder| {
        let number = order.number.to_string();
        vec![
            html! { a href=(format!("/owner/orders/{}", order.id)) { (number) } },
            html! { (state_word(visit, order.state)) },
            html! { (moment(front, visit, order.taken)) },
            html! { (age(front, visit, order)) },
            html! { (money(visit.language, order.total)) },
        ]
    };
    let table = Table::new(visit.language, t.text("orders.title"), columns)
        .rows(orders.iter().map(row))
        .when_empty(t.text("orders.none"));
    Ok(html! {
        (filters(visit, chosen, &counts))
        (table)
        (export(visit))
        (key_stock(front, visit))
        (goods_stock(front, visit)?)
        p { a href="/owner" { (t.text("orders.sales")) } }
    })
}

fn filters(visit: &Visit, chosen: Option<OrderState>, counts: &[(OrderState, u64)]) -> Markup {
    let t = visit.texts();
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let current = |here: bool| here.then_some("true");
    html! {
        nav aria-label=(t.text("orders.filter")) {
            ul.filters role="list" {
                li {
                    a href="/owner/orders" aria-current=[current(chosen.is_none())] {
                        (t.text("orders.all")) " " (all)
                    }
                }
                @for (state, count) in counts {
                    li {
                        a href=(format!("/owner/orders?state={}", state.word()))
                            aria-current=[current(chosen == Some(*state))] {
                            (state_word(visit, *state)) " " (count)
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn state_word(visit: &Visit, state: OrderState) -> &'static str {
    visit.texts().text(match state {
        OrderState::Taken => "orders.taken_by_card",
        OrderState::Billed => "orders.billed",
        OrderState::Held => "orders.held",
        OrderState::Paid => "orders.paid",
        OrderState::Packed => "orders.packed",
        OrderState::Sent => "orders.sent",
        OrderState::Lapsed => "orders.lapsed",
        OrderState::Cancelled => "orders.cancelled",
        OrderState::Stuck => "orders.stuck",
    })
}

/// How long it has stood in its state.
fn age(front: &Front, visit: &Visit, order: &GoodsOrder) -> String {
    let minutes = front.shop.now().secs().saturating_sub(order.changed.secs()) / 60;
    let (key, number) = match minutes {
        0..120 => ("orders.minutes", minutes),
        120..2880 => ("orders.hours", minutes / 60),
        _ => ("orders.days", minutes / 1440),
    };
    visit.texts().fill(key, &[("number", &number.to_string())])
}

fn export(visit: &Visit) -> Markup {
    let t = visit.texts();
    html! {
        h2 { (t.text("orders.export")) }
        form method="post" action="/owner/orders.csv" {
            (Field::checkbox("forms", t.text("orders.export_forms"))
                .hint(t.text("orders.export_hint")))
            (secondary_button(t.text("orders.export_button")))
        }
    }
}

/// What the sealing service has in stock for this shop.
fn key_stock(front: &Front, visit: &Visit) -> Markup {
    let t = visit.texts();
    let Some(asked) = front.shop.key_stock() else {
        return html! {};
    };
    let columns = || {
        [
            Column::text(t.text("orders.keys_scheme")),
            Column::number(t.text("orders.keys_left")),
            Column::text(t.text("orders.keys_fallback")),
        ]
    };
    html! {
        h2 { (t.text("orders.keys")) }
        @match asked {
            None => (notice(Tone::Careful, t.text("orders.keys_away"))),
            Some(Stock { piles, .. }) => {
                @if piles.iter().any(|pile| pile.low) {
                    (notice(Tone::Careful, t.text("orders.keys_low")))
                }
                (Table::new(visit.language, t.text("orders.keys"), columns()).rows(
                    piles.iter().map(|pile| vec![
                        html! { (pile.scheme) @if let Some(suite) = pile.suite { " " (format!("{suite:?}").to_lowercase()) } },
                        html! { (pile.left) },
                        html! { @if let Some(until) = pile.fallback_until { (moment(front, visit, until)) } },
                    ])
                ))
            }
        }
    }
}

fn goods_stock(front: &Front, visit: &Visit) -> Result<Markup, StoreError> {
    let (t, catalogue) = (visit.texts(), front.shop.catalogue());
    let stocks = front.shop.store().read(|tables| {
        let products = catalogue.goods.products.iter();
        products
            .map(|product| Ok((product, tables.product_stock(product.id.as_str())?)))
            .collect::<Result<Vec<_>, StoreError>>()
    })?;
    let low: Vec<&str> = stocks
        .iter()
        .filter(|(product, stock)| stock.left(product.stock.into()) <= LOW_STOCK)
        .map(|(product, _)| product.title.of(visit.language))
        .collect();
    let columns = [
        Column::text(t.text("orders.product")),
        Column::number(t.text("owner.column_quota")),
        Column::number(t.text("owner.column_held")),
        Column::number(t.text("owner.column_sold")),
        Column::number(t.text("owner.column_left")),
    ];
    let rows = stocks.iter().map(|(product, stock)| {
        let href = format!("/goods/{}", product.id);
        let left = stock.left(product.stock.into());
        vec![
            html! { a href=(href) { (product.title.of(visit.language)) } },
            html! { (product.stock) },
            html! { (stock.held) },
            html! { (stock.sold) },
            html! { @if left <= LOW_STOCK { strong { (left) } } @else { (left) } },
        ]
    });
    let table = Table::new(visit.language, t.text("orders.stock"), columns).rows(rows);
    let low_text = t.fill("orders.low", &[("titles", &low.join(", "))]);
    Ok(html! {
        h2 { (t.text("orders.stock")) }
        @if !low.is_empty() { (notice(Tone::Careful, &low_text)) }
        (table)
    })
}

pub(super) async fn one(
    State(front): State<Front>,
    owner: Owner,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Page, HttpError> {
    let id = order_id(&id)?;
    worked(front, owner, move |front| {
        shown(front, &visit, id, None, None)
    })
    .await
}

fn order_id(text: &str) -> Result<OrderId, HttpError> {
    OrderId::from_hex(text).ok_or_else(|| HttpError::missing(NO_ORDER))
}

/// An order's page, with its form if that was asked for, and what went wrong if anything did.
fn shown(
    front: &Front,
    visit: &Visit,
    id: OrderId,
    form: Option<&Option<OrderForm>>,
    wrong: Option<&DeedError>,
) -> Result<Page, HttpError> {
    let t = visit.texts();
    let history = OrderHistory::read(front, id).map_err(stored)?;
    let history = history.ok_or_else(|| HttpError::missing(NO_ORDER))?;
    let (order, erased) = (&history.order, deeds::is_erased(&history.events));
    let title = t.fill("orders.one", &[("number", &order.number.to_string())]);
    Ok(front.page(visit, &title).body(html! {
        @if let Some(wrong) = wrong {
            (Refusal {
                language: visit.language,
                code: "order_state",
                what: wrong_text(visit, wrong),
                next: t.text("orders.wrong_next"),
            })
        }
        (definitions(&facts(front, visit, order)))
        (ordered(visit, order, &history.lines))
        (address(visit, order, form.or(erased.then_some(&None))))
        (actions(visit, order, erased))
        (events(front, visit, &history))
        p { a href="/owner/orders" { "← " (t.text("orders.back")) } }
    }))
}

fn facts(front: &Front, visit: &Visit, order: &GoodsOrder) -> Vec<(&'static str, Markup)> {
    let t = visit.texts();
    let mut facts = vec![
        (
            t.text("orders.state"),
            html! { strong { (state_word(visit, order.state)) } },
        ),
        (
            t.text("orders.taken"),
            html! { (moment(front, visit, order.taken)) },
        ),
    ];
    if !order.card_reference.is_empty() {
        facts.push((t.text("orders.card"), code(&order.card_reference)));
    }
    if !order.tracking.is_empty() {
        facts.push((t.text("status.tracking"), code(&order.tracking)));
    }
    facts
}

fn address(visit: &Visit, order: &GoodsOrder, form: Option<&Option<OrderForm>>) -> Markup {
    let t = visit.texts();
    let open = format!("/owner/orders/{}/form", order.id);
    html! {
        h2 { (t.text("orders.address")) }
        @match form {
            None => {
                p { (t.text("orders.address_hint")) }
                form method="post" action=(open) { (secondary_button(t.text("orders.address_show"))) }
            }
            Some(None) => p { (t.text("orders.address_gone")) },
            Some(Some(form)) => (definitions(&fields(visit, form))),
        }
    }
}

fn fields(visit: &Visit, form: &OrderForm) -> Vec<(&'static str, Markup)> {
    let t = visit.texts();
    let label = |asked| {
        t.text(match asked {
            Asked::Name => "field.name",
            Asked::PostalCode => "field.postal_code",
            Asked::Address => "field.address",
            Asked::Phone => "field.phone",
            Asked::Mail => "field.mail",
            Asked::Note => "field.note",
        })
    };
    let filled = Asked::ALL.into_iter().filter_map(|asked| {
        let text = form.text(asked.word())?.to_owned();
        Some((label(asked), html! { address { (text) } }))
    });
    filled.collect()
}

fn actions(visit: &Visit, order: &GoodsOrder, erased: bool) -> Markup {
    let t = visit.texts();
    let action = format!("/owner/orders/{}/act", order.id);
    let may = |to: OrderState| order.state.may_become(to);
    let charged = order.state == OrderState::Taken && !order.card_reference.is_empty();
    let by_hand = charged || order.state == OrderState::Stuck;
    let paid = matches!(order.state, OrderState::Paid | OrderState::Packed);
    let simple = |deed: &str, button: Markup| {
        html! {
            form method="post" action=(action) {
                input type="hidden" name="deed" value=(deed);
                (button)
            }
        }
    };
    html! {
        h2 { (t.text("orders.do")) }
        div.actions {
            @if by_hand { (simple("paid", secondary_button(t.text("orders.do_paid")))) }
            @if may(OrderState::Packed) { (simple("packed", button(t.text("orders.do_packed")))) }
            @if may(OrderState::Sent) {
                form method="post" action=(action) {
                    input type="hidden" name="deed" value="sent";
                    (Field::text("tracking", t.text("status.tracking")).optional(visit.language))
                    (button(t.text("orders.do_sent")))
                }
            }
            @if may(OrderState::Cancelled) {
                form method="post" action=(action) {
                    input type="hidden" name="deed" value="cancelled";
                    @if paid { (Field::checkbox("refunded", t.text("orders.refunded")).required()) }
                    (danger_button(t.text("orders.do_cancel")))
                }
            }
            @if order.state.is_over() && !erased {
                (simple("erased", danger_button(t.text("orders.do_erase"))))
            }
        }
        @if !order.state.is_over() && !may(OrderState::Cancelled) {
            p.small { (t.text("orders.moving")) }
        }
    }
}

fn events(front: &Front, visit: &Visit, history: &OrderHistory) -> Markup {
    let t = visit.texts();
    let columns = [
        Column::text(t.text("orders.when")),
        Column::text(t.text("orders.what")),
        Column::text(t.text("orders.by")),
    ];
    let rows = history.events.iter().map(|event| {
        vec![
            html! { (moment(front, visit, event.time)) },
            html! { (event_word(visit, &event.what)) },
            html! { (by_word(visit, &event.by)) },
        ]
    });
    html! { (Table::new(visit.language, t.text("orders.events"), columns).rows(rows)) }
}

fn event_word(visit: &Visit, what: &str) -> String {
    let t = visit.texts();
    match (OrderState::from_word(what), what) {
        (Some(OrderState::Taken), _) => t.text("stage.taken").to_owned(),
        (Some(state), _) => state_word(visit, state).to_owned(),
        (None, deeds::FORM_READ) => t.text("orders.form_read").to_owned(),
        (None, deeds::FORM_ERASED) => t.text("orders.form_erased").to_owned(),
        (None, other) => other.to_owned(),
    }
}

fn by_word(visit: &Visit, by: &str) -> String {
    let t = visit.texts();
    match by {
        "customer" => t.text("orders.by_customer").to_owned(),
        "centre" => t.text("orders.by_centre").to_owned(),
        "shop" => t.text("orders.by_shop").to_owned(),
        "page" => t.text("orders.by_page").to_owned(),
        "command" => t.text("orders.by_command").to_owned(),
        other => other.to_owned(),
    }
}

fn wrong_text(visit: &Visit, wrong: &DeedError) -> &'static str {
    visit.texts().text(match wrong {
        DeedError::Unknown => "missing.order",
        DeedError::NotRefunded => "orders.wrong_refund",
        DeedError::NotOver => "orders.wrong_over",
        DeedError::NoCard => "orders.wrong_card",
        DeedError::Tracking => "orders.wrong_tracking",
        DeedError::Step(_) => "orders.wrong_state",
        DeedError::Forms(_) | DeedError::Store(_) => "fault.what",
    })
}

/// What the owner did wrong; a fault of ours isn't that.
fn wrong(error: DeedError) -> Result<DeedError, HttpError> {
    match error {
        DeedError::Forms(_) | DeedError::Store(_) => {
            Err(HttpError::fault("acting on an order", error))
        }
        DeedError::Unknown
        | DeedError::NotRefunded
        | DeedError::NotOver
        | DeedError::NoCard
        | DeedError::Tracking
        | DeedError::Step(_) => Ok(error),
    }
}

/// Opens the form: by POST, so that no link, preview or reload does it unseen.
pub(super) async fn form(
    State(front): State<Front>,
    owner: Owner,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Page, HttpError> {
    let id = order_id(&id)?;
    worked(front, owner, move |front| {
        match read_form(&front.shop, id) {
            Ok(form) => shown(front, &visit, id, Some(&form), None),
            Err(error) => shown(front, &visit, id, None, Some(&wrong(error)?)),
        }
    })
    .await
}

fn read_form(shop: &Shop, id: OrderId) -> Result<Option<OrderForm>, DeedError> {
    match shop.sealing() {
        Some(sealing) => {
            deeds::read_form(shop.store(), &sealing.order_keys, id, By::Page, shop.now())
        }
        None => Ok(None),
    }
}

/// What a button says.
#[derive(Deserialize)]
pub(super) struct Pressed {
    deed: String,
    #[serde(default)]
    tracking: String,
    #[serde(default)]
    refunded: String,
}

impl Pressed {
    fn deed(self) -> Option<Deed> {
        match self.deed.as_str() {
            "paid" => Some(Deed::Paid),
            "packed" => Some(Deed::Packed),
            "sent" => Some(Deed::Sent(self.tracking)),
            "cancelled" if self.refunded == "yes" => Some(Deed::Cancelled(Refunded::Yes)),
            "cancelled" => Some(Deed::Cancelled(Refunded::NotSaid)),
            "erased" => Some(Deed::Erased),
            _ => None,
        }
    }
}

pub(super) async fn act(
    State(front): State<Front>,
    owner: Owner,
    Path(id): Path<String>,
    visit: Visit,
    Form(pressed): Form<Pressed>,
) -> Result<Response, HttpError> {
    let id = order_id(&id)?;
    let deed = pressed.deed().ok_or_else(|| HttpError::missing(NO_ORDER))?;
    worked(front, owner, move |front| {
        let done = deeds::act(front.shop.store(), id, deed, By::Page, front.shop.now());
        match done {
            Ok(()) => Ok(Redirect::to(&format!("/owner/orders/{id}")).into_response()),
            Err(error) => {
                let page = shown(front, &visit, id, None, Some(&wrong(error)?))?;
                Ok(page.status(StatusCode::CONFLICT).into_response())
            }
        }
    })
    .await
}

/// What the table is to hold.
#[derive(Deserialize)]
pub(super) struct Export {
    #[serde(default)]
    forms: String,
}

pub(super) async fn table(
    State(front): State<Front>,
    owner: Owner,
    Form(export): Form<Export>,
) -> Result<impl IntoResponse, HttpError> {
    let forms = export.forms == "yes";
    let entries = worked(front, owner, move |front| {
        let entries = entries(&front.shop, forms);
        entries.map_err(|error| HttpError::fault("exporting the orders", error))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"orders.csv\"",
        ),
    ];
    Ok((headers, csv::table(&entries.await?, forms)))
}

fn entries(shop: &Shop, forms: bool) -> Result<Vec<Entry>, DeedError> {
    let orders = shop
        .store()
        .read(|tables| tables.newest_orders(None, u32::MAX))?;
    let entry = |order: GoodsOrder| {
        let lines = shop.store().read(|tables| tables.order_lines(order.id))?;
        let form = match forms {
            true => read_form(shop, order.id)?,
            false => None,
        };
        Ok(Entry { order, lines, form })
    };
    orders.into_iter().map(entry).collect()
}
