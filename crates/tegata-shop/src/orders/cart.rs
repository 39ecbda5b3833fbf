//! A cart: product ids and quantities, nothing else; and what it costs. Pure.

use std::collections::HashSet;

use tegata_protocol::order::{CartLine, MAX_CART_LINES};
use tegata_protocol::purchase::{BillError, Line, TaxMode, Totals, compute_totals};
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{Amount, Digest};

use crate::catalogue::Catalogue;
use crate::catalogue::goods::{Product, ProductId};

/// The most bytes that a browser's cookie holds with its name and attributes.
const COOKIE_LIMIT: usize = 3_900;

/// What somebody means to buy, in the order in which it was put in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cart {
    lines: Vec<(ProductId, u32)>,
}

/// Why something can't be put into the cart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CartFull {
    /// As many different goods as an order may have.
    Lines,
    /// More than a browser keeps.
    Cookie,
}

impl Cart {
    /// Reads a cookie; what can't be read isn't in the cart.
    pub fn from_cookie(text: &str) -> Self {
        let mut cart = Self::default();
        for pair in text.split('_').take(MAX_CART_LINES) {
            let Some((id, count)) = pair.split_once('.') else {
                continue;
            };
            if let (Some(id), Ok(count @ 1..=9_999)) = (ProductId::new(id), count.parse()) {
                cart.put(&id, count);
            }
        }
        cart
    }

    /// As a cookie's value: `sencha-100.2_cup-blue.1`.
    pub fn to_cookie(&self) -> String {
        let pairs = self.lines.iter().map(|(id, count)| format!("{id}.{count}"));
        pairs.collect::<Vec<_>>().join("_")
    }

    /// Sets how many of a product are in it; with none it's taken out.
    pub fn put(&mut self, id: &ProductId, count: u32) {
        if count == 0 {
            self.lines.retain(|(known, _)| known != id);
            return;
        }
        match self.lines.iter_mut().find(|(known, _)| known == id) {
            Some((_, known)) => *known = count,
            None => self.lines.push((id.clone(), count)),
        }
    }

    /// The same, unless it would become too large.
    ///
    /// # Errors
    /// [`CartFull`]; then it is as it was.
    pub fn try_put(&mut self, id: &ProductId, count: u32) -> Result<(), CartFull> {
        let mut changed = self.clone();
        changed.put(id, count);
        if changed.lines.len() > MAX_CART_LINES {
            return Err(CartFull::Lines);
        }
        if changed.to_cookie().len() > COOKIE_LIMIT {
            return Err(CartFull::Cookie);
        }
        *self = changed;
        Ok(())
    }

    /// How many of a product are in it.
    pub fn count_of(&self, id: &ProductId) -> u32 {
        let line = self.lines.iter().find(|(known, _)| known == id);
        line.map_or(0, |(_, count)| *count)
    }

    /// How many pieces in all.
    pub fn pieces(&self) -> u32 {
        let counts = self.lines.iter().map(|(_, count)| *count);
        counts.fold(0, u32::saturating_add)
    }

    /// Is nothing in it?
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Its lines.
    pub fn lines(&self) -> impl Iterator<Item = (&ProductId, u32)> {
        self.lines.iter().map(|(id, count)| (id, *count))
    }

    /// Its lines as they're signed and sealed.
    pub fn to_lines(&self) -> Vec<CartLine> {
        let line = |(id, quantity): (&ProductId, u32)| CartLine {
            product: id.to_string(),
            quantity,
        };
        self.lines().map(line).collect()
    }
}

/// A line of an order with its product.
#[derive(Clone, Copy, Debug)]
pub struct PricedLine<'a> {
    /// What.
    pub product: &'a Product,
    /// How many.
    pub quantity: u32,
    /// Quantity times price.
    pub sum: Amount,
}

/// What an order costs.
#[derive(Clone, Debug)]
pub struct Priced<'a> {
    /// Line by line.
    pub lines: Vec<PricedLine<'a>>,
    /// The goods as they're priced, tax on top left out.
    pub goods: Amount,
    /// Sending it.
    pub postage: Amount,
    /// With tax.
    pub totals: Totals,
}

/// Prices an order's lines by a catalogue.
///
/// # Errors
/// [`Code::OrderTooLarge`], [`Code::ProductUnknown`], [`Code::CartChanged`] for a product on two lines, or
/// [`Code::OutOfStock`] for more than one order may have, each with the product's name.
pub fn price<'a>(catalogue: &'a Catalogue, lines: &[CartLine]) -> Result<Priced<'a>, Refusal> {
    let large = |_e: BillError| Refusal::new(Code::OrderTooLarge);
    let mut goods = Amount::zero(catalogue.currency);
    let mut priced: Vec<PricedLine<'a>> = Vec::new();
    let mut seen = HashSet::new();
    for line in lines {
        let product = catalogue.goods.product(&line.product);
        let product =
            product.ok_or_else(|| Refusal::because(Code::ProductUnknown, &line.product))?;
        if !seen.insert(&line.product) {
            let why = format!("{}: on two lines", product.id);
            return Err(Refusal::because(Code::CartChanged, why));
        }
        if line.quantity > product.most_per_order {
            let why = format!(
                "{}: at most {} in one order",
                product.id, product.most_per_order
            );
            return Err(Refusal::because(Code::OutOfStock, why));
        }
        let sum = product
            .price
            .times(line.quantity)
            .map_err(|e| large(e.into()))?;
        goods = goods.plus(sum).map_err(|e| large(e.into()))?;
        priced.push(PricedLine {
            product,
            quantity: line.quantity,
            sum,
        });
    }
    let postage = catalogue.goods.postage.map(|postage| postage.of(goods));
    let mut billed: Vec<Line> = priced.iter().map(bill_line).collect();
    billed.extend(postage_line(catalogue, goods, "postage"));
    let totals = compute_totals(
        &billed,
        Amount::zero(catalogue.currency),
        catalogue.rounding,
    );
    Ok(Priced {
        lines: priced,
        goods,
        postage: postage.unwrap_or(Amount::zero(catalogue.currency)),
        totals: totals.map_err(large)?,
    })
}

fn bill_line(line: &PricedLine<'_>) -> Line {
    Line {
        text: line.product.id.to_string(),
        quantity: line.quantity,
        unit_price: line.product.price,
        tax_rate: line.product.tax_rate,
        tax_mode: line.product.tax_mode,
        discount: Amount::zero(line.product.price.currency()),
    }
}

/// The bill's line for sending goods of a sum; none where it costs nothing.
pub(super) fn postage_line(catalogue: &Catalogue, goods: Amount, text: &str) -> Option<Line> {
    let postage = catalogue.goods.postage?;
    let unit_price = postage.of(goods);
    (!unit_price.is_zero()).then(|| Line {
        text: text.to_owned(),
        quantity: 1,
        unit_price,
        tax_rate: postage.tax_rate,
        tax_mode: postage.tax_mode,
        discount: Amount::zero(catalogue.currency),
    })
}

impl Priced<'_> {
    /// All tax in it.
    pub fn tax(&self) -> Amount {
        let zero = Amount::zero(self.totals.total.currency());
        let taxes = self.totals.rates.iter().map(|rate| rate.tax);
        taxes.fold(zero, |sum, tax| sum.plus(tax).unwrap_or(sum))
    }

    /// Does tax come on top of any price?
    pub fn adds_tax(&self) -> bool {
        self.lines
            .iter()
            .any(|line| line.product.tax_mode == TaxMode::Added)
    }

    /// The digest of its lines.
    pub fn digest(&self) -> Digest {
        let line = |line: &PricedLine<'_>| CartLine {
            product: line.product.id.to_string(),
            quantity: line.quantity,
        };
        tegata_protocol::order::cart_digest(&self.lines.iter().map(line).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ProductId {
        ProductId::new(name).unwrap()
    }

    #[test]
    fn a_cookie_says_what_is_in_the_cart() {
        let mut cart = Cart::default();
        cart.put(&id("sencha-100"), 2);
        cart.put(&id("cup"), 1);
        cart.put(&id("sencha-100"), 3);
        assert_eq!(cart.to_cookie(), "sencha-100.3_cup.1");
        assert_eq!(Cart::from_cookie(&cart.to_cookie()), cart);
        assert_eq!(cart.pieces(), 4);
        cart.put(&id("cup"), 0);
        assert_eq!(cart.to_cookie(), "sencha-100.3");
    }

    #[test]
    fn a_strange_cookie_is_an_empty_cart() {
        for bad in [
            "", "_", "a", "a.", ".1", "a.0", "a.10000", "A.1", "a.-1", "<b>.1", "a.1.1",
        ] {
            assert!(Cart::from_cookie(bad).is_empty(), "{bad:?}");
        }
        assert_eq!(Cart::from_cookie("x_a.1_%00.2").to_cookie(), "a.1");
    }

    #[test]
    fn a_cart_stays_within_a_cookie_and_within_an_order() {
        let mut cart = Cart::default();
        let mut full = None;
        for n in 0..600 {
            if let Err(why) = cart.try_put(&id(&format!("a-product-with-a-long-name-{n}")), 9) {
                full = Some(why);
                break;
            }
        }
        assert_eq!(full, Some(CartFull::Cookie));
        assert!(cart.to_cookie().len() <= COOKIE_LIMIT);
        let mut cart = Cart::default();
        let put = |cart: &mut Cart, n: usize| cart.try_put(&id(&format!("{n}")), 1);
        assert!((0..500).all(|n| put(&mut cart, n).is_ok()));
        assert_eq!(put(&mut cart, 500), Err(CartFull::Lines));
    }
}
