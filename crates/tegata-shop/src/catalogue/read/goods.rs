//! Reading the goods of a catalogue: products, postage, form, ways to pay, the front page's welcome.

use std::path::Path;
use std::sync::Arc;

use tegata_pages::order::Erase;
use toml::Spanned;

use super::super::goods::{
    FormFields, Goods, Need, Postage, Product, ProductId, Shown, Ways, Welcome, Words,
};
use super::super::picture::Picture;
use super::super::raw;
use super::{Checked, Place, price, ranged, tax_mode, tax_rate, wrong};

/// The most different rates of tax among goods and postage: a bill sums each up in a line.
const MOST_RATES: usize = 8;
/// The most products.
const MOST_PRODUCTS: usize = 500;
/// The most bytes of all pictures: they're kept in memory.
const ALL_PICTURES: usize = 64 * 1024 * 1024;

/// What the catalogue's text says about goods.
pub(super) struct RawGoods {
    pub(super) products: Vec<Spanned<raw::Product>>,
    pub(super) postage: Option<Spanned<raw::Postage>>,
    pub(super) form: Option<Spanned<raw::Form>>,
    pub(super) payment: Option<Spanned<raw::Ways>>,
    pub(super) welcome: Option<raw::Welcome>,
}

/// Checks it all; pictures are looked for in `folder`.
pub(super) fn check(place: &Place, folder: &Path, raw: RawGoods) -> Checked<Goods> {
    let mut goods = Goods {
        postage: raw
            .postage
            .map(|p| postage(place, p.get_ref()))
            .transpose()?,
        form: raw
            .form
            .map_or(Ok(FormFields::default()), |form| fields(&form))?,
        ways: raw
            .payment
            .map_or(Ok(Ways::default()), |ways| check_ways(&ways))?,
        welcome: raw.welcome.map(|w| welcome(folder, &w)).transpose()?,
        products: Vec::new(),
    };
    for product in &raw.products {
        let id = &product.get_ref().id;
        let checked = check_product(place, folder, product.get_ref())?;
        if goods.product(checked.id.as_str()).is_some() {
            let what = format!("the product {} stands twice in the catalogue", checked.id);
            return wrong(id.span(), what);
        }
        goods.products.push(checked);
        check_size(&goods, product)?;
    }
    Ok(goods)
}

fn check_size(goods: &Goods, last: &Spanned<raw::Product>) -> Checked<()> {
    if goods.products.len() > MOST_PRODUCTS {
        return wrong(
            last.span(),
            format!("expected at most {MOST_PRODUCTS} products"),
        );
    }
    let of_products = goods.products.iter().map(|p| (p.tax_rate, p.tax_mode));
    let of_postage = goods.postage.iter().map(|p| (p.tax_rate, p.tax_mode));
    let mut rates: Vec<_> = of_products.chain(of_postage).collect();
    rates.sort_unstable_by_key(|(rate, mode)| (*rate, *mode as u8));
    rates.dedup();
    if rates.len() > MOST_RATES {
        let what = format!("expected at most {MOST_RATES} different taxes in one catalogue");
        return wrong(last.get_ref().tax.span(), what);
    }
    let bytes: usize = goods.pictures().map(|picture| picture.bytes.len()).sum();
    if bytes > ALL_PICTURES {
        return wrong(last.span(), "expected at most 64 MiB of pictures in all");
    }
    Ok(())
}

fn check_product(place: &Place, folder: &Path, raw: &raw::Product) -> Checked<Product> {
    let Some(id) = ProductId::new(raw.id.get_ref()) else {
        let what = "expected 1 to 40 of a to z, 0 to 9 and -, like \"sencha-100\"";
        return wrong(raw.id.span(), what);
    };
    let unit = price(place, &raw.price)?;
    if unit.is_zero() {
        return wrong(raw.price.span(), "expected a price above nothing");
    }
    let category = raw.category.as_ref();
    let picture = match (&raw.picture, &raw.alt) {
        (None, _) => None,
        (Some(file), None) => {
            let what = "a picture needs `alt`: what it shows, for whoever can't see it";
            return wrong(file.span(), what);
        }
        (Some(file), Some(alt)) => Some(shown(folder, file, alt)?),
    };
    Ok(Product {
        id,
        title: words(&raw.title, 100)?,
        text: words(&raw.text, 2000)?,
        category: category.map(|category| words(category, 60)).transpose()?,
        price: unit,
        tax_rate: tax_rate(&raw.tax)?,
        tax_mode: tax_mode(raw.tax_mode),
        stock: ranged(Some(&raw.stock), 0..1_000_000, 0)?,
        most_per_order: ranged(raw.most_per_order.as_ref(), 1..10_000, 99)?,
        picture,
    })
}

fn words(raw: &raw::Words, longest: usize) -> Checked<Words> {
    for text in [&raw.en, &raw.ja] {
        let bad = |c: char| c.is_control() && c != '\n';
        let length = text.get_ref().trim().len();
        if length == 0 || text.get_ref().len() > longest || text.get_ref().contains(bad) {
            let what =
                format!("expected a text of 1 to {longest} bytes without control characters");
            return wrong(text.span(), what);
        }
    }
    Ok(Words {
        en: raw.en.get_ref().clone(),
        ja: raw.ja.get_ref().clone(),
    })
}

/// A picture from the folder `pictures` beside the catalogue.
fn shown(folder: &Path, file: &Spanned<String>, alt: &raw::Words) -> Checked<Shown> {
    let name = file.get_ref();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        let what = "expected a file's name in the folder `pictures` beside the catalogue, \
             like \"sencha.svg\"";
        return wrong(file.span(), what);
    }
    let path = folder.join("pictures").join(name);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) => return wrong(file.span(), format!("can't read {}: {e}", path.display())),
    };
    match Picture::new(bytes) {
        Ok(picture) => Ok(Shown {
            picture: Arc::new(picture),
            alt: words(alt, 300)?,
        }),
        Err(what) => wrong(file.span(), what),
    }
}

fn postage(place: &Place, raw: &raw::Postage) -> Checked<Postage> {
    let free_from = raw.free_from.as_ref();
    Ok(Postage {
        price: price(place, &raw.price)?,
        free_from: free_from.map(|sum| price(place, sum)).transpose()?,
        tax_rate: tax_rate(&raw.tax)?,
        tax_mode: tax_mode(raw.tax_mode),
    })
}

fn fields(raw: &Spanned<raw::Form>) -> Checked<FormFields> {
    let usual = FormFields::default();
    let raw_needs = [
        raw.get_ref().name,
        raw.get_ref().postal_code,
        raw.get_ref().address,
        raw.get_ref().phone,
        raw.get_ref().mail,
        raw.get_ref().note,
    ];
    let mut needs = usual.needs;
    for (need, raw) in needs.iter_mut().zip(raw_needs) {
        *need = raw.map_or(*need, |raw| match raw {
            raw::Need::Required => Need::Required,
            raw::Need::Optional => Need::Optional,
            raw::Need::No => Need::No,
        });
    }
    let erase = match raw.get_ref().erase {
        None => usual.erase,
        Some(raw::Erase::Keys) => Erase::Keys,
        Some(raw::Erase::Program) => Erase::Program,
        Some(raw::Erase::Both) => Erase::Both,
        Some(raw::Erase::Shop) => Erase::BothAndAtShop,
    };
    if !needs.contains(&Need::Required) {
        return wrong(
            raw.span(),
            "expected at least one required field: whom is it sent to?",
        );
    }
    Ok(FormFields { needs, erase })
}

fn check_ways(raw: &Spanned<raw::Ways>) -> Checked<Ways> {
    let ways = Ways {
        prepaid: raw.get_ref().prepaid,
        card: raw.get_ref().card,
    };
    if !ways.prepaid && !ways.card {
        return wrong(
            raw.span(),
            "expected at least one way to pay: prepaid or card",
        );
    }
    Ok(ways)
}

fn welcome(folder: &Path, raw: &raw::Welcome) -> Checked<Welcome> {
    let picture = match (&raw.picture, &raw.alt) {
        (None, _) => None,
        (Some(file), None) => return wrong(file.span(), "a picture needs `alt`: what it shows"),
        (Some(file), Some(alt)) => Some(shown(folder, file, alt)?),
    };
    Ok(Welcome {
        title: words(&raw.title, 120)?,
        text: words(&raw.text, 1000)?,
        picture,
    })
}
