//! Goods that are sent by post: what the `[[goods]]` of a catalogue become.
//!
//! A product's id is its name in carts, orders and addresses, for ever. `stock` counts like a series'
//! quota: how many were put on sale in all; what is reserved and sold stands in the database.

use std::fmt;
use std::sync::Arc;

use tegata_pages::Language;
use tegata_pages::order::Erase;
use tegata_protocol::Amount;
use tegata_protocol::purchase::{TaxMode, TaxRate};

use super::picture::Picture;

/// A product's name: 1 to 40 of `a`-`z`, `0`-`9` and `-`, so that it fits cookies and addresses.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProductId(String);

impl ProductId {
    /// The name, if it's one.
    pub fn new(name: &str) -> Option<Self> {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=40).contains(&name.len()) && name.bytes().all(good);
        fits.then(|| Self(name.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text in both languages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// In English.
    pub en: String,
    /// In Japanese.
    pub ja: String,
}

impl Words {
    /// In one language.
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Ja => &self.ja,
        }
    }
}

/// A picture with what it shows, for whoever can't see it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The picture.
    pub picture: Arc<Picture>,
    /// What it shows.
    pub alt: Words,
}

/// A product.
#[derive(Clone, Debug)]
pub struct Product {
    /// Its name.
    pub id: ProductId,
    /// What it's called.
    pub title: Words,
    /// What it's like.
    pub text: Words,
    /// What it stands with on the front page.
    pub category: Option<Words>,
    /// Of one.
    pub price: Amount,
    /// Its tax.
    pub tax_rate: TaxRate,
    /// Does the price hold the tax?
    pub tax_mode: TaxMode,
    /// How many were put on sale in all.
    pub stock: u32,
    /// The most of one order.
    pub most_per_order: u32,
    /// What it looks like.
    pub picture: Option<Shown>,
}

/// What sending costs: the same for every order, nothing above a sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Postage {
    /// Of one order.
    pub price: Amount,
    /// From this sum of goods on it's free.
    pub free_from: Option<Amount>,
    /// Its tax.
    pub tax_rate: TaxRate,
    /// Does the price hold the tax?
    pub tax_mode: TaxMode,
}

impl Postage {
    /// For goods of this sum.
    pub fn of(&self, goods: Amount) -> Amount {
        match self.free_from {
            Some(free) if goods.minor() >= free.minor() => Amount::zero(self.price.currency()),
            Some(_) | None => self.price,
        }
    }
}

/// What a customer can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Asked {
    /// The name.
    Name,
    /// The postal code.
    PostalCode,
    /// The lines of the address.
    Address,
    /// A telephone number.
    Phone,
    /// A mail address.
    Mail,
    /// Whatever else they want to say.
    Note,
}

impl Asked {
    /// All of them, in the form's order.
    pub const ALL: [Self; 6] = [
        Self::Name,
        Self::PostalCode,
        Self::Address,
        Self::Phone,
        Self::Mail,
        Self::Note,
    ];

    /// The field's name inside the sealed form, and in the catalogue.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::PostalCode => "postal_code",
            Self::Address => "address",
            Self::Phone => "phone",
            Self::Mail => "mail",
            Self::Note => "note",
        }
    }
}

/// Is a field asked for?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// It must be filled in.
    Required,
    /// It may be left empty.
    Optional,
    /// It isn't asked for.
    No,
}

/// Which fields the form has, and what is erased afterwards (O7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FormFields {
    pub(super) needs: [Need; 6],
    /// What is erased once the order is taken, and done.
    pub erase: Erase,
}

impl Default for FormFields {
    fn default() -> Self {
        use Need::{No, Optional, Required};
        Self {
            needs: [Required, Required, Required, Optional, No, Optional],
            erase: Erase::default(),
        }
    }
}

impl FormFields {
    /// The fields that are asked for, and whether each must be filled in.
    pub fn asked(&self) -> impl Iterator<Item = (Asked, Need)> + '_ {
        let all = Asked::ALL.into_iter().zip(self.needs);
        all.filter(|(_, need)| *need != Need::No)
    }
}

/// The ways to pay for goods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ways {
    /// From the customer's prepaid account, by a bill.
    pub prepaid: bool,
    /// By a card number, which only the centre's credit link can read.
    pub card: bool,
}

/// All that is sold by post, and how.
#[derive(Clone, Debug, Default)]
pub struct Goods {
    /// In the file's order.
    pub products: Vec<Product>,
    /// What sending costs; nothing where nothing is said.
    pub postage: Option<Postage>,
    /// What a customer is asked for.
    pub form: FormFields,
    /// How it's paid.
    pub ways: Ways,
    /// What stands at the top of the front page.
    pub welcome: Option<Welcome>,
}

/// What stands at the top of the front page.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// A line.
    pub title: Words,
    /// A few sentences.
    pub text: Words,
    /// A picture beside it.
    pub picture: Option<Shown>,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            prepaid: true,
            card: false,
        }
    }
}

impl Goods {
    /// The product of this name.
    pub fn product(&self, id: &str) -> Option<&Product> {
        self.products
            .iter()
            .find(|product| product.id.as_str() == id)
    }

    /// Every picture.
    pub fn pictures(&self) -> impl Iterator<Item = &Arc<Picture>> {
        let welcome = self.welcome.iter().filter_map(|w| w.picture.as_ref());
        let products = self.products.iter().filter_map(|p| p.picture.as_ref());
        welcome.chain(products).map(|shown| &shown.picture)
    }
}
