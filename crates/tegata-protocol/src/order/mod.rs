//! Sealed orders (O1-O13): a form that is filled in at a web page and that only its recipient can
//! read, sealed by a program which is delivered together with a key when somebody orders.
//!
//! ```text
//! shop ── keys, signed, in stock ──▶ sealing service
//! shop ── page with CartToken ──▶ browser ── CartToken ──▶ sealing service
//!                                 browser ◀─ OrderKey, program ── sealing service
//! shop ◀── SealedOrder ── browser       shop ── OrderReceipt ──▶ browser
//! ```
//! - The document's six ways of sealing are two choices and a depth: a [`Scheme`].
//! - A key is believed because its maker signed it ([`OrderKey`]); by default that is the shop, and
//!   the service that hands it out can read nothing.
//! - The sealing is bound to the key's record, the order's number and the cart ([`Binding`]), so it
//!   counts for one order at one shop only.
//! - Whoever opens (a shop, or the centre for its application form) opens once.

use core::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use rand_core::CryptoRng;

pub use cart::{CartLine, CartToken, MAX_CART_LINES, cart_digest};
pub use form::{Field, FieldValue, OrderForm};
pub use key::{KeySource, Maker, OpeningHalf, OrderKey, Part, SharedKey};
pub use program::{program, program_digest};
pub use receipt::{CardKept, CreditCardForm, OrderReceipt};
pub use sealed::{Binding, ORDER_LIMIT, SealedOrder, Typed};
pub use service::{
    HandOut, KeysWanted, MadeKey, MadeKeys, Pile, ProgramEntry, Stock, StockInquiry, StockUpload,
};

use crate::Malformed;

mod cart;
mod form;
mod key;
mod program;
mod receipt;
mod sealed;
mod service;

/// The most layers of communication keys.
pub const MAX_LAYERS: u8 = 3;

macro_rules! random_number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

        impl $name {
            /// A new random number.
            pub fn random(rng: &mut impl CryptoRng) -> Self {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }

            /// From its bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// From bytes of unknown length; `None` when there are more or fewer.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// From hexadecimal; `None` when it isn't.
            pub fn from_hex(text: &str) -> Option<Self> {
                crate::MessageId::from_hex(text).map(|id| Self(*id.as_bytes()))
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                crate::digest::write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                crate::digest::write_hex(f, &self.0)
            }
        }
    };
}

random_number!(
    /// An order's number: random, made by the shop, in clear beside the sealed order (O3).
    OrderId
);
random_number!(
    /// The number of a key that seals orders: random, made by the key's maker.
    OrderKeyId
);

/// How far a key reaches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum KeyScope {
    /// Every order of a shop, until the key expires (O1, O2, O8).
    #[n(1)]
    Shop,
    /// One order (O3-O6).
    #[n(2)]
    Order,
    /// Every order of one member (O12).
    #[n(3)]
    Member,
}

/// What a key is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum KeyKind {
    /// The same secret at both ends (O1-O4): whoever hands it out can read what it seals.
    #[n(1)]
    Shared,
    /// A key pair of which only the public half travels (O5, O6).
    #[n(2)]
    Public,
}

/// How an order is sealed: how far its key reaches, what the key is, and how many layers of
/// communication keys lie between it and the form (O2, O4, O6). On the wire `[scope, kind, layers]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Scheme {
    scope: KeyScope,
    kind: KeyKind,
    layers: u8,
}

impl Scheme {
    /// What is used unless somebody decides otherwise: a key pair for each order, and one
    /// communication key (O6).
    pub const DEFAULT: Self = Self {
        scope: KeyScope::Order,
        kind: KeyKind::Public,
        layers: 1,
    };

    /// A scheme of at most [`MAX_LAYERS`] layers.
    ///
    /// # Errors
    /// [`Malformed::Field`] with more.
    pub fn new(scope: KeyScope, kind: KeyKind, layers: u8) -> Result<Self, Malformed> {
        if layers > MAX_LAYERS {
            return Err(Malformed::field("layers", "more than three"));
        }
        Ok(Self {
            scope,
            kind,
            layers,
        })
    }

    /// How far the key reaches.
    pub const fn scope(self) -> KeyScope {
        self.scope
    }

    /// What the key is.
    pub const fn kind(self) -> KeyKind {
        self.kind
    }

    /// Layers of communication keys, 0 to 3.
    pub const fn layers(self) -> u8 {
        self.layers
    }
}

/// As people write it in settings: `order-public-1`.
impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = match self.scope {
            KeyScope::Shop => "shop",
            KeyScope::Order => "order",
            KeyScope::Member => "member",
        };
        let kind = match self.kind {
            KeyKind::Shared => "shared",
            KeyKind::Public => "public",
        };
        write!(f, "{scope}-{kind}-{}", self.layers)
    }
}

impl core::str::FromStr for Scheme {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || {
            let why = "expected shop|order|member, shared|public and 0 to 3: `order-public-1`";
            Malformed::field("scheme", why)
        };
        let mut words = text.split('-');
        let scope = match words.next() {
            Some("shop") => KeyScope::Shop,
            Some("order") => KeyScope::Order,
            Some("member") => KeyScope::Member,
            _ => return Err(wrong()),
        };
        let kind = match words.next() {
            Some("shared") => KeyKind::Shared,
            Some("public") => KeyKind::Public,
            _ => return Err(wrong()),
        };
        let layers = words.next().and_then(|word| word.parse().ok());
        match (layers, words.next()) {
            (Some(layers), None) => Self::new(scope, kind, layers),
            _ => Err(wrong()),
        }
    }
}

impl<C> Encode<C> for Scheme {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(3)?;
        self.scope.encode(e, ctx)?;
        self.kind.encode(e, ctx)?;
        e.u8(self.layers)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Scheme {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(3) {
            return Err(decode::Error::message("a scheme is [scope, kind, layers]"));
        }
        let scope = KeyScope::decode(d, ctx)?;
        let kind = KeyKind::decode(d, ctx)?;
        Ok(Self::new(scope, kind, d.u8()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_written_as_they_are_read() {
        for text in ["order-public-1", "shop-shared-0", "member-public-3"] {
            assert_eq!(text.parse::<Scheme>().unwrap().to_string(), text);
        }
        assert_eq!(Scheme::DEFAULT.to_string(), "order-public-1");
        for bad in [
            "",
            "order",
            "order-public",
            "order-public-4",
            "order-public-1-",
            "a-b-1",
        ] {
            assert!(bad.parse::<Scheme>().is_err(), "{bad:?}");
        }
    }
}
