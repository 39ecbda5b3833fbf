//! The cart, and the page with the sealed form. Neither needs a script; only the form itself does.

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tegata_http::HttpError;
use tegata_http::rate_limit::Permit;
use tegata_pages::order::{Checkout, PAGE_SCRIPT, checkout};
use tegata_pages::{Page, Refusal as Refused, Stepper, SummaryLine, Tone, notice, steps, summary};
use tegata_protocol::SignedBytes;
use tegata_protocol::order::CartLine;
use tegata_protocol::refusal::{Code, Refusal};

use super::goods::{missing_to_free, picture, picture_path};
use super::visit::{Visit, keep};
use super::{Front, money, refusal_text};
use crate::catalogue::Catalogue;
use crate::catalogue::goods::ProductId;
use crate::orders::cart::{self, Cart, CartFull, Priced, PricedLine};
use crate::orders::intake::Untaken;
use crate::orders::{Sealing, status, token};
use crate::shop::Shop;

/// The name of the form that the frames show.
pub(super) const FORM: &str = "order";

/// What a button of the cart says.
#[derive(Deserialize)]
pub(super) struct Change {
    product: String,
    count: String,
}

/// Puts some more of a product in.
pub(super) async fn add(
    State(front): State<Front>,
    visit: Visit,
    Form(change): Form<Change>,
) -> Response {
    put(&front, &visit, &change, |cart, id, count| {
        cart.count_of(id).saturating_add(count)
    })
}

/// Says how many of a product it's to be.
pub(super) async fn set(
    State(front): State<Front>,
    visit: Visit,
    Form(change): Form<Change>,
) -> Response {
    put(&front, &visit, &change, |_, _, count| count)
}

fn put(
    front: &Front,
    visit: &Visit,
    change: &Change,
    becomes: impl FnOnce(&Cart, &ProductId, u32) -> u32,
) -> Response {
    let catalogue = front.shop.catalogue();
    let product = catalogue.goods.product(&change.product);
    let (Some(id), Ok(count)) = (ProductId::new(&change.product), change.count.trim().parse())
    else {
        return Redirect::to("/cart").into_response();
    };
    let mut cart = visit.cart.clone();
    let wanted = becomes(&cart, &id, count);
    let most = product.map_or(0, |product| product.most_per_order);
    match cart.try_put(&id, wanted.min(most)) {
        Ok(()) if wanted > most && most > 0 => {
            ([keep(&cart)], Redirect::to("/cart?note=most")).into_response()
        }
        Ok(()) => ([keep(&cart)], Redirect::to("/cart")).into_response(),
        Err(CartFull::Lines | CartFull::Cookie) => Redirect::to("/cart?note=full").into_response(),
    }
}

pub(super) async fn page(State(front): State<Front>, visit: Visit) -> Page {
    let (t, catalogue) = (visit.texts(), front.shop.catalogue());
    let note = match visit.parameter("note") {
        Some("most") => Some(t.text("cart.most")),
        Some("full") => Some(t.text("cart.full")),
        Some(_) | None => None,
    };
    let body = html! {
        @if let Some(note) = note { (notice(Tone::Careful, note)) }
        @if visit.cart.is_empty() { (empty(&visit)) } @else { (filled(&front.shop, &visit, &catalogue)) }
    };
    front.page(&visit, t.text("cart.title")).wide().body(body)
}

fn empty(visit: &Visit) -> Markup {
    let t = visit.texts();
    html! {
        p { (t.text("cart.empty")) }
        p { a.button href="/" { (t.text("cart.back")) } }
    }
}

fn filled(shop: &Shop, visit: &Visit, catalogue: &Catalogue) -> Markup {
    let t = visit.texts();
    let lines = visit.cart.to_lines();
    let (known, gone): (Vec<CartLine>, Vec<CartLine>) = lines
        .into_iter()
        .partition(|line| catalogue.goods.product(&line.product).is_some());
    let priced = match cart::price(catalogue, &known) {
        Ok(priced) => priced,
        Err(refusal) => return refused(visit, &refusal),
    };
    let short: Vec<Option<u64>> = priced.lines.iter().map(|line| short(shop, line)).collect();
    let can_go = gone.is_empty() && short.iter().all(Option::is_none) && !known.is_empty();
    let below = html! {
        (to_free(visit, catalogue, &priced))
        @if can_go {
            p { a.button href="/checkout" { (t.text("cart.go")) } }
            p.small { (t.text("cart.promise")) }
        } @else {
            p.small { (t.text("cart.mend")) }
        }
    };
    html! {
        div.cart {
            div {
                ul.lines role="list" {
                    @for (line, short) in priced.lines.iter().zip(&short) {
                        (one_line(visit, line, *short))
                    }
                    @for line in &gone { (gone_line(visit, line)) }
                }
                p { a href="/" { "← " (t.text("cart.more")) } }
            }
            (sums(visit, &priced, &below))
        }
    }
}

/// How many are left, if that isn't enough.
fn short(shop: &Shop, line: &PricedLine<'_>) -> Option<u64> {
    let stock = shop
        .store()
        .read(|tables| tables.product_stock(line.product.id.as_str()));
    let left = stock.ok()?.left(line.product.stock.into());
    (left < u64::from(line.quantity)).then_some(left)
}

fn one_line(visit: &Visit, line: &PricedLine<'_>, short: Option<u64>) -> Markup {
    let (t, language, product) = (visit.texts(), visit.language, line.product);
    let title = product.title.of(language);
    let src = product
        .picture
        .as_ref()
        .map(picture_path)
        .unwrap_or_default();
    let shown = product
        .picture
        .as_ref()
        .map(|shown| picture(shown, &src, ""));
    let label = t.fill("cart.count_of", &[("title", title)]);
    let remove = t.fill("cart.remove_of", &[("title", title)]);
    let left = short.unwrap_or_default().to_string();
    html! {
        li {
            (tegata_pages::thumbnail(shown.as_ref()))
            div.what {
                a href=(format!("/goods/{}", product.id)) { (title) }
                strong { (money(language, line.sum)) }
                p.small { (t.fill("cart.each", &[("price", &money(language, product.price))])) }
                div.change {
                    (Stepper {
                        action: "/cart/set",
                        product: product.id.as_str(),
                        count: line.quantity,
                        most: product.most_per_order,
                        label: &label,
                        words: (t.text("cart.fewer"), t.text("cart.one_more")),
                    })
                    (remove_button(product.id.as_str(), t.text("cart.remove"), &remove))
                }
                @if short.is_some() {
                    p.box.bad role="alert" { (t.fill("cart.short", &[("left", &left)])) }
                }
            }
        }
    }
}

fn remove_button(product: &str, text: &str, label: &str) -> Markup {
    html! {
        form method="post" action="/cart/set" {
            input type="hidden" name="product" value=(product);
            input type="hidden" name="count" value="0";
            button.link type="submit" aria-label=(label) { (text) }
        }
    }
}

fn gone_line(visit: &Visit, line: &CartLine) -> Markup {
    let t = visit.texts();
    let label = t.fill("cart.remove_of", &[("title", &line.product)]);
    html! {
        li {
            (tegata_pages::thumbnail(None))
            div.what {
                span { (tegata_pages::code(&line.product)) }
                p.box.bad role="alert" { (t.text("cart.gone")) }
                div.change { (remove_button(&line.product, t.text("cart.remove"), &label)) }
            }
        }
    }
}

/// What it comes to.
pub(super) fn sums(visit: &Visit, priced: &Priced<'_>, below: &Markup) -> Markup {
    let (t, language) = (visit.texts(), visit.language);
    let goods = money(language, priced.goods);
    let postage = match priced.postage.is_zero() {
        true => t.text("cart.free").to_owned(),
        false => money(language, priced.postage),
    };
    let (tax, total) = (
        money(language, priced.tax()),
        money(language, priced.totals.total),
    );
    let line = |term, sum, total| SummaryLine { term, sum, total };
    let tax_term = match priced.adds_tax() {
        true => t.text("cart.tax_added"),
        false => t.text("cart.tax"),
    };
    let lines = [
        line(t.text("cart.goods"), &goods, false),
        line(t.text("cart.postage"), &postage, false),
        line(t.text("cart.total"), &total, true),
        line(tax_term, &tax, false),
    ];
    summary(t.text("cart.sum"), &lines, below)
}

/// How far it is until sending is free.
fn to_free(visit: &Visit, catalogue: &Catalogue, priced: &Priced<'_>) -> Markup {
    let t = visit.texts();
    let missing = catalogue.goods.postage.as_ref().and_then(|postage| {
        let missing = missing_to_free(postage, priced.goods)?;
        Some((postage.free_from?, missing))
    });
    html! {
        @if let Some((free, missing)) = missing {
            @let missing = money(visit.language, missing);
            @let text = t.fill("cart.to_free", &[("sum", &missing)]);
            p.small {
                label for="to-free" { (text) }
                meter id="to-free" min="0" max=(free.minor()) value=(priced.goods.minor()) { (text) }
            }
        }
    }
}

/// A refusal in the visitor's language.
pub(super) fn refused(visit: &Visit, refusal: &Refusal) -> Markup {
    let t = visit.texts();
    let word = refusal.code.word();
    let what = refusal_text(refusal.code, visit.language);
    let detail = refusal.detail.as_deref().unwrap_or_default();
    let what = match detail {
        "" => what.to_owned(),
        detail => format!("{what} ({detail})"),
    };
    html! {
        (Refused { language: visit.language, code: word, what: &what, next: t.text("refusal.next") })
        p { a.button href="/cart" { (t.text("refusal.to_cart")) } }
    }
}

/// The page with the sealed form: from here on only the frames see what is typed. The shop signs a
/// token for each, so whoever asks is counted.
pub(super) async fn form(
    State(front): State<Front>,
    permit: Permit,
    visit: Visit,
) -> Result<Page, HttpError> {
    let page = front
        .page(&visit, visit.texts().text("checkout.title"))
        .wide();
    if visit.cart.is_empty() {
        return Ok(page.body(empty(&visit)));
    }
    let Some(sealing) = front.shop.sealing() else {
        return Ok(page.body(refused(&visit, &Refusal::new(Code::NotOffered))));
    };
    match form_body(&front, permit, &visit, sealing) {
        Ok(body) => Ok(page
            .script(PAGE_SCRIPT)
            .embeds(&sealing.frames, &sealing.rules.service.address)
            .body(body)),
        Err(Untaken::Refused(refusal)) => Ok(page.body(refused(&visit, &refusal))),
        Err(error @ (Untaken::Fault(_) | Untaken::Forms(_))) => {
            Err(HttpError::fault("signing a token", error))
        }
    }
}

fn form_body(
    front: &Front,
    permit: Permit,
    visit: &Visit,
    sealing: &Sealing,
) -> Result<Markup, Untaken> {
    let (t, catalogue) = (visit.texts(), front.shop.catalogue());
    let lines = visit.cart.to_lines();
    let member = visit
        .parameter("member")
        .and_then(|member| member.parse().ok());
    let issued = token::issue(&front.shop, permit, &lines, member)?;
    let priced = cart::price(&catalogue, &lines)?;
    let pairs: Vec<(String, u32)> = lines
        .iter()
        .map(|line| (line.product.clone(), line.quantity))
        .collect();
    let certificate = front.shop.credit_certificate();
    let done = status::address(&front.shop.registered().keys, issued.order);
    let view = Checkout {
        language: visit.language,
        frames: &sealing.frames,
        form: FORM,
        token: issued.token.as_bytes(),
        lines: &pairs,
        service: &sealing.rules.service.address,
        certificate: certificate.as_ref().map_or(&[], SignedBytes::as_bytes),
        done: &done,
    };
    let names: Vec<&str> = t.text("checkout.steps").split(", ").collect();
    Ok(html! {
        (steps(&names, 1))
        div.cart {
            div { (checkout(&view)) }
            (sums(visit, &priced, &contents(visit, &priced)))
        }
    })
}

fn contents(visit: &Visit, priced: &Priced<'_>) -> Markup {
    let t = visit.texts();
    html! {
        details {
            summary { (t.text("checkout.contents")) }
            ul {
                @for line in &priced.lines {
                    li { (line.quantity) " × " (line.product.title.of(visit.language)) }
                }
            }
        }
        p { a href="/cart" { "← " (t.text("checkout.back")) } }
    }
}
