//! What a page wants a cart token for, as it comes over the network. Pure.

use serde::Deserialize;
use tegata_protocol::PartyNumber;
use tegata_protocol::order::CartLine;

/// What somebody wants to order, as it was read; nothing is priced or counted yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// The lines.
    pub lines: Vec<CartLine>,
    /// Under whose key the order is to be sealed, if under a member's.
    pub member: Option<PartyNumber>,
}

/// A wish in JSON: `{"lines": [["sencha-100", 2]]}`.
#[derive(Deserialize)]
struct Json {
    lines: Vec<(String, u32)>,
    #[serde(default)]
    member: Option<String>,
}

impl Wish {
    /// Reads JSON; `None` if it can't be read.
    pub fn from_json(body: &[u8]) -> Option<Self> {
        let wanted: Json = serde_json::from_slice(body).ok()?;
        let line = |(product, quantity)| CartLine { product, quantity };
        let member = wanted.member.as_deref().map(str::parse).transpose();
        Some(Self {
            lines: wanted.lines.into_iter().map(line).collect(),
            member: member.ok()?,
        })
    }

    /// Reads a form with one `line` for each product, `sencha-100.2`; `None` if it can't be read.
    pub fn from_form(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let lines = pairs.filter(|(name, _)| *name == "line").map(|(_, line)| {
            let (product, count) = line.split_once('.')?;
            Some(CartLine {
                product: product.to_owned(),
                quantity: count.parse().ok()?,
            })
        });
        Some(Self {
            lines: lines.collect::<Option<_>>()?,
            member: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_form_say_the_same() {
        let json = Wish::from_json(br#"{"lines": [["sencha-100", 2], ["cup", 1]]}"#);
        let form = Wish::from_form(b"line=sencha-100.2&other=1&line=cup.1");
        assert_eq!(json, form);
        assert_eq!(json.unwrap().lines.len(), 2);
        let member = Wish::from_json(br#"{"lines": [], "member": "M-48312-20752"}"#).unwrap();
        assert_eq!(member.member.unwrap().to_string(), "M-48312-20752");
    }

    #[test]
    fn what_cant_be_read_is_no_wish() {
        for bad in [&b""[..], b"{", b"[]", br#"{"lines": [["cup", -1]]}"#] {
            assert_eq!(Wish::from_json(bad), None, "{bad:?}");
        }
        let stranger = br#"{"lines": [], "member": "M-1"}"#;
        assert_eq!(Wish::from_json(stranger), None);
        for bad in [&b"line=cup"[..], b"line=cup.x", b"line=cup.-1", b"\xff"] {
            assert_eq!(Wish::from_form(bad), None, "{bad:?}");
        }
    }
}
