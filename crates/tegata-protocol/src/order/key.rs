//! The key that seals an order, signed by its maker, and the half that opens it again.

use core::fmt;

use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{KeyKind, KeyScope, OrderKeyId, Scheme};
use crate::{Digest, Document, Malformed, OpeningKey, PartyNumber, Role, SealingKey, Suite, Time};

/// Who made a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Maker {
    /// Who opens the orders: the service that hands the key out can't.
    #[n(1)]
    Recipient,
    /// The sealing service, as the document has it: it could read the orders.
    #[n(2)]
    Service,
}

/// Where a key came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum KeySource {
    /// From stock, or made for this purpose.
    #[n(1)]
    Regular,
    /// What is handed out when the stock is empty: one key for many orders, a day at most.
    #[n(2)]
    Fallback,
}

/// How long a fallback key may hold: a day.
const FALLBACK_SECONDS: u64 = 86_400;

/// A secret that both ends have. Not printable, wiped when dropped.
///
/// ```compile_fail
/// fn show(key: &tegata_protocol::order::SharedKey) -> String { format!("{key}") }
/// ```
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(transparent)]
pub struct SharedKey(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl SharedKey {
    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey")
    }
}

/// The part of a key that seals.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Part {
    /// The secret of both ends.
    #[n(1)]
    Shared(#[n(0)] SharedKey),
    /// The public half.
    #[n(2)]
    Public(#[n(0)] SealingKey),
}

impl Part {
    /// What it is.
    pub const fn kind(&self) -> KeyKind {
        match self {
            Self::Shared(_) => KeyKind::Shared,
            Self::Public(_) => KeyKind::Public,
        }
    }

    /// The suite of a public key; a shared one has none.
    pub const fn suite(&self) -> Option<Suite> {
        match self {
            Self::Shared(_) => None,
            Self::Public(key) => Some(key.suite()),
        }
    }
}

/// A key for sealing orders. Signed with the bill key of the shop that opens (the receipts key if
/// the centre opens), or with the sealing service's key if that made it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct OrderKey {
    /// Who opens what it seals: a shop, or the centre.
    #[n(0)]
    pub recipient: PartyNumber,
    /// The key's number.
    #[n(1)]
    pub id: OrderKeyId,
    /// How it seals.
    #[n(2)]
    pub scheme: Scheme,
    /// Whose orders it seals, if the scope is a member.
    #[n(3)]
    pub member: Option<PartyNumber>,
    /// The key.
    #[n(4)]
    pub part: Part,
    /// Until when it may be used.
    #[n(5)]
    pub expires: Time,
    /// SHA-256 of the program that seals with it: no other may be run.
    #[n(6)]
    pub program: Digest,
    /// Who made it.
    #[n(7)]
    pub maker: Maker,
    /// From stock, or for want of stock.
    #[n(8)]
    pub source: KeySource,
    /// When it was made.
    #[n(9)]
    pub made: Time,
}

impl Document for OrderKey {
    const LABEL: u16 = 120;
    const LIMIT: usize = 2048;

    fn check(&self) -> Result<(), Malformed> {
        check_recipient(self.recipient)?;
        if self.scheme.kind() != self.part.kind() {
            return Err(Malformed::field("key", "not of the scheme's kind"));
        }
        check_member(self.scheme, self.member)?;
        let length = self.expires.secs().saturating_sub(self.made.secs());
        if length == 0 {
            return Err(Malformed::field("expires", "not after the making"));
        }
        if self.source == KeySource::Fallback && length > FALLBACK_SECONDS {
            return Err(Malformed::field("expires", "a fallback key for over a day"));
        }
        Ok(())
    }
}

/// A member is named where keys belong to members, and nowhere else.
///
/// # Errors
/// [`Malformed::Field`].
pub(super) fn check_member(scheme: Scheme, member: Option<PartyNumber>) -> Result<(), Malformed> {
    match (scheme.scope(), member.map(PartyNumber::role)) {
        (KeyScope::Member, Some(Role::Member)) | (KeyScope::Shop | KeyScope::Order, None) => Ok(()),
        _ => Err(Malformed::field("member", "named without need, or missing")),
    }
}

/// Shops open orders, and the centre its application forms.
///
/// # Errors
/// [`Malformed::Field`].
pub(super) fn check_recipient(recipient: PartyNumber) -> Result<(), Malformed> {
    match recipient.role() {
        Role::Shop | Role::Centre => Ok(()),
        Role::Member | Role::Gate | Role::Sealing => {
            Err(Malformed::field("recipient", "neither shop nor centre"))
        }
    }
}

/// The half of a key that opens orders. Not `Clone`, not printable.
///
/// ```compile_fail
/// fn copy(half: &tegata_protocol::order::OpeningHalf) -> tegata_protocol::order::OpeningHalf {
///     half.clone()
/// }
/// ```
pub enum OpeningHalf {
    /// The secret of both ends.
    Shared(SharedKey),
    /// The private half.
    Private(Box<OpeningKey>),
}

impl OpeningHalf {
    /// A new key: the half that opens, and the 32 bytes that it grows from. `suite` is for key pairs.
    pub fn generate(
        kind: KeyKind,
        suite: Suite,
        rng: &mut impl CryptoRng,
    ) -> (Self, zeroize::Zeroizing<[u8; 32]>) {
        let mut seed = zeroize::Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        (Self::from_seed(kind, suite, &seed), seed)
    }

    /// The half that grows from 32 bytes.
    pub fn from_seed(kind: KeyKind, suite: Suite, seed: &[u8; 32]) -> Self {
        match kind {
            KeyKind::Shared => Self::Shared(SharedKey::from_bytes(*seed)),
            KeyKind::Public => Self::Private(Box::new(OpeningKey::from_seed(suite, seed))),
        }
    }

    /// The half for the record `key` that grows from 32 bytes; `None` if it's another key's.
    pub fn of(key: &OrderKey, seed: &[u8; 32]) -> Option<Self> {
        let suite = key.part.suite().unwrap_or(Suite::Standard);
        let half = Self::from_seed(key.part.kind(), suite, seed);
        (half.sealing_part() == key.part).then_some(half)
    }

    /// The part that seals.
    pub fn sealing_part(&self) -> Part {
        match self {
            Self::Shared(key) => Part::Shared(key.clone()),
            Self::Private(key) => Part::Public(key.sealing_key().clone()),
        }
    }
}

impl fmt::Debug for OpeningHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared(_) => f.write_str("OpeningHalf(shared)"),
            Self::Private(key) => write!(f, "OpeningHalf(of {:?})", key.sealing_key()),
        }
    }
}
