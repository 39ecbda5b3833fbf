//! Between a shop and its sealing service: stocks of keys, and the log of programs.

use minicbor::{Decode, Encode};

use super::{Scheme, SharedKey};
use crate::{Digest, Document, Malformed, SignedBytes, Suite, Time, envelope::Body};

/// The most keys in one upload: what fits a sealed message.
const MAX_KEYS: usize = 32;

/// A shop puts keys in stock.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct StockUpload {
    /// Signed [`super::OrderKey`]s, 1 to 32.
    #[n(0)]
    pub keys: Vec<SignedBytes>,
}

impl Body for StockUpload {
    const LABEL: u16 = 123;
    const LIMIT: usize = 60 * 1024;

    fn check(&self) -> Result<(), Malformed> {
        match self.keys.len() {
            1..=MAX_KEYS => Ok(()),
            n => Err(Malformed::field("keys", format!("{n}, expected 1 to 32"))),
        }
    }
}

/// A shop asks what it has in stock. Changes nothing and isn't kept.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct StockInquiry {}

impl Body for StockInquiry {
    const LABEL: u16 = 125;
    const LIMIT: usize = 512;
}

/// What is left of one kind of key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Pile {
    /// How they seal.
    #[n(0)]
    pub scheme: Scheme,
    /// The suite of key pairs.
    #[n(1)]
    pub suite: Option<Suite>,
    /// How many that nobody was given yet.
    #[n(2)]
    pub left: u32,
    /// So few that more should come.
    #[n(3)]
    pub low: bool,
    /// Until when the fallback key holds, if there is one.
    #[n(4)]
    pub fallback_until: Option<Time>,
}

/// The service's reply: what the shop has in stock there.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Stock {
    /// Each kind of key.
    #[n(0)]
    pub piles: Vec<Pile>,
    /// SHA-256 of the program that the service hands out now: new keys should name it.
    #[n(1)]
    pub program: Digest,
}

impl Body for Stock {
    const LABEL: u16 = 124;
    const LIMIT: usize = 8 * 1024;

    fn check(&self) -> Result<(), Malformed> {
        if self.piles.len() > 64 {
            return Err(Malformed::field("piles", "more than 64"));
        }
        Ok(())
    }
}

/// A shop fetches the opening halves of keys that the service made.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KeysWanted {
    /// The number of the last key that the shop has; 0 for none.
    #[n(0)]
    pub after: u64,
}

impl Body for KeysWanted {
    const LABEL: u16 = 126;
    const LIMIT: usize = 512;
}

/// A key that the service made, with the half that opens.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct MadeKey {
    /// Its number in this shop's row, from 1, rising.
    #[n(0)]
    pub number: u64,
    /// The [`super::OrderKey`], signed by the service.
    #[n(1)]
    pub key: SignedBytes,
    /// The 32 bytes that its opening half grows from.
    #[n(2)]
    pub seed: SharedKey,
}

/// The service's reply, over the network or in a file carried by hand (O11).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct MadeKeys {
    /// At most 24, by number.
    #[n(0)]
    pub keys: Vec<MadeKey>,
    /// Are there more behind them?
    #[n(1)]
    pub more: bool,
}

impl Body for MadeKeys {
    const LABEL: u16 = 127;
    const LIMIT: usize = 60 * 1024;

    fn check(&self) -> Result<(), Malformed> {
        if self.keys.len() > 24 || !self.keys.is_sorted_by(|a, b| a.number < b.number) {
            return Err(Malformed::field("keys", "too many, or not in order"));
        }
        Ok(())
    }
}

/// An entry of the service's public log: each program that it ever handed out, chained and signed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ProgramEntry {
    /// The entry's number, from 1.
    #[n(0)]
    pub sequence: u64,
    /// SHA-256 of the signed entry before; 32 zeros for the first.
    #[n(1)]
    pub previous: Digest,
    /// SHA-256 of the program's text.
    #[n(2)]
    pub program: Digest,
    /// Its length in bytes.
    #[n(3)]
    pub length: u32,
    /// When it was first handed out.
    #[n(4)]
    pub published: Time,
}

impl Document for ProgramEntry {
    const LABEL: u16 = 122;
    const LIMIT: usize = 512;

    fn check(&self) -> Result<(), Malformed> {
        match self.sequence {
            0 => Err(Malformed::field("sequence", "from 1")),
            _ => Ok(()),
        }
    }
}

/// What a browser is sent when it orders. Not signed as a whole: the key is signed, and names the
/// program.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct HandOut {
    /// The signed [`super::OrderKey`].
    #[n(0)]
    pub key: SignedBytes,
    /// The program's text.
    #[n(1)]
    pub program: String,
}
