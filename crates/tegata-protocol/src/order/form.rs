//! What is inside a sealed order: the filled-in form.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::cart::{CartLine, check_lines};
use crate::{Malformed, cbor, malformed::check_text};

/// The most fields of a form.
const MAX_FIELDS: usize = 60;

/// What a field holds: text, or a file's bytes (O13).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub enum FieldValue {
    /// What was typed; may have several lines.
    Text(String),
    /// A file.
    Bytes(Vec<u8>),
}

/// A filled-in field: `[name, text or bytes]`.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Field {
    /// The field's name in the form, 1 to 40 bytes.
    #[n(0)]
    pub name: String,
    /// What it holds.
    #[n(1)]
    pub value: FieldValue,
}

/// A filled-in form, and the cart that goes with it. It isn't signed: a customer has no key, the
/// sealing alone ties it to the order. Its `Debug` shows no values.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OrderForm {
    /// What is ordered; nothing in an application or inquiry.
    #[n(0)]
    pub lines: Vec<CartLine>,
    /// The fields, in the form's order.
    #[n(1)]
    pub fields: Vec<Field>,
    /// The language that it was filled in: `en` or `ja`.
    #[n(2)]
    pub language: String,
}

impl OrderForm {
    /// Reads the bytes that were inside.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let form: Self = cbor::decode(bytes, super::ORDER_LIMIT)?;
        form.check()?;
        Ok(form)
    }

    /// Its bytes, ready to be sealed.
    pub fn to_bytes(&self) -> zeroize::Zeroizing<Vec<u8>> {
        zeroize::Zeroizing::new(cbor::encode(self))
    }

    /// What was typed into a field, if it holds text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        match &field.value {
            FieldValue::Text(text) => Some(text),
            FieldValue::Bytes(_) => None,
        }
    }

    fn check(&self) -> Result<(), Malformed> {
        check_lines(&self.lines)?;
        if self.fields.len() > MAX_FIELDS {
            return Err(Malformed::field("fields", "more than 60"));
        }
        let mut names: Vec<&str> = Vec::new();
        for field in &self.fields {
            check_text("name", &field.name, 40)?;
            if names.contains(&field.name.as_str()) {
                return Err(Malformed::field("fields", "one name twice"));
            }
            names.push(&field.name);
        }
        match self.language.as_str() {
            "en" | "ja" => Ok(()),
            _ => Err(Malformed::field("language", "expected en or ja")),
        }
    }
}

impl core::fmt::Debug for OrderForm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|field| &*field.name).collect();
        write!(f, "OrderForm({} lines, {names:?})", self.lines.len())
    }
}

impl core::fmt::Debug for Field {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Field({})", self.name)
    }
}

impl core::fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("FieldValue")
    }
}

impl<C> Encode<C> for FieldValue {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Text(text) => e.str(text)?.ok(),
            Self::Bytes(bytes) => e.bytes(bytes)?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for FieldValue {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        if d.datatype()? == minicbor::data::Type::Bytes {
            return Ok(Self::Bytes(d.bytes()?.to_vec()));
        }
        Ok(Self::Text(d.str()?.to_owned()))
    }
}
