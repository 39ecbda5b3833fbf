//! The front page, and each product's own.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use maud::{Markup, html};
use tegata_http::HttpError;
use tegata_pages::{
    Page, Picture as Shown, ProductCard, Texts, Tone, definitions, product_cards, product_picture,
};
use tegata_protocol::Amount;
use tegata_protocol::purchase::TaxMode;

use super::visit::Visit;
use super::{Front, NO_PRODUCT, Shown as Shelf, money, stocks};
use crate::catalogue::Catalogue;
use crate::catalogue::goods::{Postage, Product, Shown as Pictured, Welcome, Words};
use crate::server::stored;
use crate::store::{Stock, StoreError};

/// From so few on a product's card says how many are left.
const FEW: u64 = 5;

/// A picture as pages take it; `alt` may be left to the text beside it.
pub(super) fn picture<'a>(shown: &'a Pictured, src: &'a str, alt: &'a str) -> Shown<'a> {
    Shown {
        src,
        width: shown.picture.width,
        height: shown.picture.height,
        alt,
    }
}

pub(super) fn picture_path(shown: &Pictured) -> String {
    format!("/pictures/{}", shown.picture.name())
}

pub(super) async fn front(State(front): State<Front>, visit: Visit) -> Result<Page, HttpError> {
    let body = front_body(&front, &visit).map_err(stored)?;
    let title = visit.texts().text("front.title");
    let page = front.page(&visit, title).wide().body(body);
    Ok(match front.shop.catalogue().goods.welcome {
        Some(_) => page.own_heading(),
        None => page,
    })
}

fn front_body(front: &Front, visit: &Visit) -> Result<Markup, StoreError> {
    let catalogue = front.shop.catalogue();
    let t = visit.texts();
    let left = left_of_goods(front, &catalogue)?;
    let tickets = tickets(front, visit, &catalogue)?;
    let shelves = shelves(&catalogue);
    let chosen = visit
        .parameter("shelf")
        .and_then(|shelf| shelf.parse::<usize>().ok());
    let chosen = chosen.filter(|shelf| *shelf < shelves.len());
    let on_shelf = |product: &&Product| {
        chosen.is_none_or(|shelf| shelves.get(shelf) == product.category.as_ref().as_ref())
    };
    let products: Vec<&Product> = catalogue.goods.products.iter().filter(on_shelf).collect();
    Ok(html! {
        @if let Some(welcome) = &catalogue.goods.welcome { (welcomed(visit, welcome)) }
        @if products.is_empty() && tickets.is_empty() {
            (tegata_pages::notice(Tone::Plain, t.text("offers.none")))
        }
        @if !products.is_empty() {
            section aria-labelledby="goods" {
                h2.shelf id="goods" { (t.text("front.goods")) }
                @if shelves.len() > 1 { (shelf_links(visit, &shelves, chosen)) }
                (shelf(visit, &products, &left))
            }
        }
        @if !tickets.is_empty() {
            section aria-labelledby="tickets" {
                h2.shelf id="tickets" { (t.text("front.tickets")) }
                p { (t.text("offers.intro")) }
                ul.doors { @for card in &tickets { li { (card) } } }
            }
        }
    })
}

fn tickets(front: &Front, visit: &Visit, catalogue: &Catalogue) -> Result<Vec<Markup>, StoreError> {
    let shown = Shelf {
        t: visit.texts(),
        catalogue,
        now: front.shop.now(),
    };
    let offers = catalogue.offers().zip(stocks(&front.shop, catalogue)?);
    Ok(offers
        .map(|(offer, stock)| shown.card(offer, stock))
        .collect())
}

fn welcomed(visit: &Visit, welcome: &Welcome) -> Markup {
    html! {
        section.welcome {
            div {
                h1 { (welcome.title.of(visit.language)) }
                p { (welcome.text.of(visit.language)) }
            }
            @if let Some(shown) = &welcome.picture {
                (picture(shown, &picture_path(shown), shown.alt.of(visit.language)))
            }
        }
    }
}

/// The categories, in the file's order.
fn shelves(catalogue: &Catalogue) -> Vec<&Words> {
    let mut shelves: Vec<&Words> = Vec::new();
    for category in catalogue
        .goods
        .products
        .iter()
        .filter_map(|p| p.category.as_ref())
    {
        if !shelves.contains(&category) {
            shelves.push(category);
        }
    }
    shelves
}

fn shelf_links(visit: &Visit, shelves: &[&Words], chosen: Option<usize>) -> Markup {
    let t = visit.texts();
    let current = |here: bool| here.then_some("true");
    html! {
        nav aria-label=(t.text("front.shelves")) {
            ul.shelves role="list" {
                li { a href="/#goods" aria-current=[current(chosen.is_none())] { (t.text("front.all")) } }
                @for (number, category) in shelves.iter().enumerate() {
                    li {
                        a href=(format!("/?shelf={number}#goods"))
                            aria-current=[current(chosen == Some(number))] {
                            (category.of(visit.language))
                        }
                    }
                }
            }
        }
    }
}

/// How many of each product are left, in the catalogue's order.
fn left_of_goods(front: &Front, catalogue: &Catalogue) -> Result<Vec<(String, u64)>, StoreError> {
    front.shop.store().read(|tables| {
        let products = catalogue.goods.products.iter();
        let left = products.map(|product| {
            let stock: Stock = tables.product_stock(product.id.as_str())?;
            Ok((product.id.to_string(), stock.left(product.stock.into())))
        });
        left.collect()
    })
}

fn shelf(visit: &Visit, products: &[&Product], left: &[(String, u64)]) -> Markup {
    let t = visit.texts();
    struct Texts {
        href: String,
        src: String,
        price: String,
        note: String,
        state: Option<(Tone, String)>,
        left: u64,
    }
    let texts: Vec<Texts> = products
        .iter()
        .map(|product| {
            let left = left.iter().find(|(id, _)| id == product.id.as_str());
            let left = left.map_or(0, |(_, left)| *left);
            Texts {
                href: format!("/goods/{}", product.id),
                src: product
                    .picture
                    .as_ref()
                    .map(picture_path)
                    .unwrap_or_default(),
                price: money(visit.language, product.price),
                note: tax_note(t, product),
                state: flag(t, left),
                left,
            }
        })
        .collect();
    let cards: Vec<ProductCard<'_>> = products
        .iter()
        .zip(&texts)
        .map(|(product, texts)| ProductCard {
            kind: product
                .category
                .as_ref()
                .map_or("", |words| words.of(visit.language)),
            title: product.title.of(visit.language),
            href: &texts.href,
            // The title beside it says what it is.
            picture: product
                .picture
                .as_ref()
                .map(|shown| picture(shown, &texts.src, "")),
            price: &texts.price,
            note: &texts.note,
            state: texts
                .state
                .as_ref()
                .map(|(tone, state)| (*tone, state.as_str())),
            action: put_in(visit, product, texts.left),
        })
        .collect();
    product_cards(&cards)
}

fn flag(t: Texts<'static>, left: u64) -> Option<(Tone, String)> {
    match left {
        0 => Some((Tone::Bad, t.text("goods.sold_out").to_owned())),
        1..=FEW => {
            let left = left.to_string();
            Some((Tone::Careful, t.fill("goods.few", &[("left", &left)])))
        }
        _ => None,
    }
}

/// One press puts one of it into the cart.
fn put_in(visit: &Visit, product: &Product, left: u64) -> Markup {
    let t = visit.texts();
    if left == 0 {
        return html! {};
    }
    let label = t.fill(
        "goods.put_in_of",
        &[("title", product.title.of(visit.language))],
    );
    html! {
        form method="post" action="/cart/add" {
            input type="hidden" name="product" value=(product.id);
            input type="hidden" name="count" value="1";
            button.secondary type="submit" aria-label=(label) { (t.text("goods.put_in")) }
        }
    }
}

fn tax_note(t: Texts<'static>, product: &Product) -> String {
    match product.tax_mode {
        TaxMode::Included => t.text("goods.tax_included").to_owned(),
        TaxMode::Added => t.text("goods.tax_added").to_owned(),
    }
}

pub(super) async fn product(
    State(front): State<Front>,
    Path(id): Path<String>,
    visit: Visit,
) -> Result<Page, HttpError> {
    let catalogue = front.shop.catalogue();
    let product = catalogue.goods.product(&id);
    let product = product.ok_or_else(|| HttpError::missing(NO_PRODUCT))?;
    let stock = front
        .shop
        .store()
        .read(|tables| tables.product_stock(&id))
        .map_err(stored)?;
    let left = stock.left(product.stock.into());
    let all_left = left_of_goods(&front, &catalogue).map_err(stored)?;
    let others = others(&catalogue, product);
    let body = html! {
        (product_body(&visit, &catalogue, product, left))
        @if !others.is_empty() {
            h2.shelf { (visit.texts().text("front.others")) }
            (shelf(&visit, &others, &all_left))
        }
    };
    let title = product.title.of(visit.language);
    Ok(front.page(&visit, title).wide().own_heading().body(body))
}

/// Four that somebody who looks at this may like too: of its category first.
fn others<'a>(catalogue: &'a Catalogue, product: &Product) -> Vec<&'a Product> {
    let mut others: Vec<&Product> = catalogue
        .goods
        .products
        .iter()
        .filter(|other| other.id != product.id)
        .collect();
    others.sort_by_key(|other| other.category != product.category);
    others.truncate(4);
    others
}

fn product_body(visit: &Visit, catalogue: &Catalogue, product: &Product, left: u64) -> Markup {
    let (t, language) = (visit.texts(), visit.language);
    let src = product
        .picture
        .as_ref()
        .map(picture_path)
        .unwrap_or_default();
    let shown = product.picture.as_ref();
    let shown = shown.map(|shown| picture(shown, &src, shown.alt.of(language)));
    let rate = percent(product.tax_rate.basis_points());
    let tax = match product.tax_mode {
        TaxMode::Included => t.fill("offer.tax_included", &[("rate", &rate)]),
        TaxMode::Added => t.fill("offer.tax_added", &[("rate", &rate)]),
    };
    let mut facts: Vec<(&str, Markup)> = vec![(t.text("goods.stock"), in_stock(t, left))];
    if let Some(postage) = &catalogue.goods.postage {
        facts.push((
            t.text("goods.postage"),
            html! { (postage_text(visit, postage)) },
        ));
    }
    facts.push((
        t.text("goods.number"),
        tegata_pages::code(product.id.as_str()),
    ));
    html! {
        nav.crumbs aria-label=(t.text("front.crumbs")) {
            a href="/" { (t.text("menu.shop")) }
            @if let Some(category) = &product.category { " › " (category.of(language)) }
        }
        div.product {
            (product_picture(shown.as_ref()))
            div {
                h1 { (product.title.of(language)) }
                p.price { strong { (money(language, product.price)) } " " small { (tax) } }
                p.text { (product.text.of(language)) }
                (buy(visit, product, left))
                (definitions(&facts))
            }
        }
    }
}

fn in_stock(t: Texts<'static>, left: u64) -> Markup {
    let left_text = left.to_string();
    html! {
        @match left {
            0 => (t.text("goods.sold_out_text")),
            1..=FEW => (t.fill("goods.few", &[("left", &left_text)])),
            _ => (t.text("goods.in_stock")),
        }
    }
}

fn buy(visit: &Visit, product: &Product, left: u64) -> Markup {
    let t = visit.texts();
    if left == 0 {
        return tegata_pages::notice(Tone::Careful, t.text("goods.sold_out_text"));
    }
    let most = u64::from(product.most_per_order).min(left);
    html! {
        form.buy method="post" action="/cart/add" {
            input type="hidden" name="product" value=(product.id);
            div.field {
                label for="count" { (t.text("goods.count")) }
                input id="count" name="count" type="number" value="1" min="1" max=(most) required
                    inputmode="numeric";
            }
            button type="submit" { (t.text("goods.put_in")) }
        }
    }
}

pub(super) fn postage_text(visit: &Visit, postage: &Postage) -> String {
    let (t, language) = (visit.texts(), visit.language);
    let price = money(language, postage.price);
    match postage.free_from {
        Some(free) => {
            let free = money(language, free);
            t.fill("goods.postage_free", &[("price", &price), ("free", &free)])
        }
        None => price,
    }
}

pub(super) fn percent(basis_points: u16) -> String {
    match basis_points % 100 {
        0 => (basis_points / 100).to_string(),
        rest => format!("{}.{rest:02}", basis_points / 100),
    }
}

/// How much is missing until sending is free, if it can be.
pub(super) fn missing_to_free(postage: &Postage, goods: Amount) -> Option<Amount> {
    let free = postage.free_from?;
    free.minus(goods).ok().filter(|missing| !missing.is_zero())
}

/// A picture as it was read with the catalogue. An SVG that is opened by itself may run nothing.
pub(super) async fn pictures(
    State(front): State<Front>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, HttpError> {
    let catalogue = front.shop.catalogue();
    let mut pictures = catalogue.goods.pictures();
    let found = pictures.find(|picture| picture.name() == name);
    let picture = found.ok_or_else(|| HttpError::missing("picture_unknown").bare())?;
    let headers = [
        (header::CONTENT_TYPE, picture.kind.media_type()),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, picture.bytes.clone()))
}
