//! CBOR as a tree that can be bent out of shape: for vectors with one defect, and for checking
//! what the specification's pages say.

use std::fmt::Write as _;

/// A CBOR item, or bytes that stand where one should.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Node {
    Uint(u64),
    /// -1 - n.
    Negative(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Tag(u64, Box<Node>),
    Bool(bool),
    Null,
    Raw(Vec<u8>),
}

impl Node {
    /// Reads one item of definite length; says what is wrong otherwise.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut d = minicbor::Decoder::new(bytes);
        let node = Self::item(&mut d).map_err(|e| e.to_string())?;
        if d.position() == bytes.len() {
            Ok(node)
        } else {
            Err(format!("{} bytes too many", bytes.len() - d.position()))
        }
    }

    fn item(d: &mut minicbor::Decoder<'_>) -> Result<Self, minicbor::decode::Error> {
        use minicbor::data::Type;
        let other = |what| minicbor::decode::Error::message(format!("{what} isn't used here"));
        Ok(match d.datatype()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => Self::Uint(d.u64()?),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
                Self::Negative(u64::try_from(-1 - d.i64()?).unwrap())
            }
            Type::Bytes => Self::Bytes(d.bytes()?.to_vec()),
            Type::String => Self::Text(d.str()?.to_owned()),
            Type::Bool => Self::Bool(d.bool()?),
            Type::Null => {
                d.null()?;
                Self::Null
            }
            Type::Tag => Self::Tag(d.tag()?.as_u64(), Box::new(Self::item(d)?)),
            Type::Array => {
                let length = d.array()?.unwrap();
                Self::Array(
                    (0..length)
                        .map(|_| Self::item(d))
                        .collect::<Result<_, _>>()?,
                )
            }
            Type::Map => {
                let length = d.map()?.unwrap();
                let pair = |_| Ok((Self::item(d)?, Self::item(d)?));
                Self::Map(
                    (0..length)
                        .map(pair)
                        .collect::<Result<_, minicbor::decode::Error>>()?,
                )
            }
            what => return Err(other(what)),
        })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Uint(n) => head(0, *n, out),
            Self::Negative(n) => head(1, *n, out),
            Self::Bytes(b) => {
                head(2, b.len() as u64, out);
                out.extend(b);
            }
            Self::Text(t) => {
                head(3, t.len() as u64, out);
                out.extend(t.as_bytes());
            }
            Self::Array(items) => {
                head(4, items.len() as u64, out);
                items.iter().for_each(|item| item.write(out));
            }
            Self::Map(pairs) => {
                head(5, pairs.len() as u64, out);
                for (key, value) in pairs {
                    key.write(out);
                    value.write(out);
                }
            }
            Self::Tag(tag, item) => {
                head(6, *tag, out);
                item.write(out);
            }
            Self::Bool(b) => out.push(0xF4 + u8::from(*b)),
            Self::Null => out.push(0xF6),
            Self::Raw(b) => out.extend(b),
        }
    }

    /// The node at the end of a path of array places and map keys.
    pub(crate) fn at(&mut self, path: &[u64]) -> &mut Self {
        let Some((step, rest)) = path.split_first() else {
            return self;
        };
        let next = match self {
            Self::Array(items) => items.get_mut(usize::try_from(*step).unwrap()),
            Self::Map(pairs) => {
                let found = pairs.iter_mut().find(|(key, _)| *key == Self::Uint(*step));
                found.map(|(_, value)| value)
            }
            _ => None,
        };
        next.unwrap_or_else(|| panic!("nothing at {path:?}"))
            .at(rest)
    }

    pub(crate) fn pairs(&mut self) -> &mut Vec<(Self, Self)> {
        match self {
            Self::Map(pairs) => pairs,
            other => panic!("not a map: {other:?}"),
        }
    }

    pub(crate) fn items(&mut self) -> &mut Vec<Self> {
        match self {
            Self::Array(items) => items,
            other => panic!("not an array: {other:?}"),
        }
    }

    pub(crate) fn remove(&mut self, key: u64) {
        self.pairs().retain(|(k, _)| *k != Self::Uint(key));
    }

    /// Puts a pair where its key belongs.
    pub(crate) fn insert(&mut self, key: u64, value: Self) {
        self.remove(key);
        let pairs = self.pairs();
        let place = pairs
            .iter()
            .position(|(k, _)| matches!(k, Self::Uint(k) if *k > key));
        pairs.insert(place.unwrap_or(pairs.len()), (Self::Uint(key), value));
    }
}

fn head(major: u8, n: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    let bytes = n.to_be_bytes();
    match n {
        0..=23 => out.push(major | bytes[7]),
        24..=0xFF => out.extend([major | 24, bytes[7]]),
        0x100..=0xFFFF => {
            out.push(major | 25);
            out.extend(&bytes[6..]);
        }
        0x1_0000..=0xFFFF_FFFF => {
            out.push(major | 26);
            out.extend(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend(bytes);
        }
    }
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "half a byte: {text}");
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
