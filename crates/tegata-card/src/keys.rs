//! Whose keys are whose. A card has a key of its own for each role; each grows from that role's
//! master key, the card's number and the key's version. The master keys stay in the card-key server.
//!
//! ```text
//! master key of a role ──(CSN, version)──▶ Kc ──▶ K-ENC, K-MAC, K-DEK     (debit, admin)
//!                                            └──▶ K-TX                    (receipt)
//! ```
//! Source: JP 2000-142307 (K4, K10); SP 800-108; GlobalPlatform Amendment D for the static keys.

use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::{self, KeyBytes};

/// A card's number: 10 bytes, printed on it in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Csn([u8; 10]);

impl Csn {
    /// The number with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 10]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }
}

impl fmt::Display for Csn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Csn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Csn({self})")
    }
}

/// That isn't a card's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a card's number has 20 hexadecimal digits")]
pub struct NotACsn;

impl std::str::FromStr for Csn {
    type Err = NotACsn;

    fn from_str(text: &str) -> Result<Self, NotACsn> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() || pairs.len() != 10 {
            return Err(NotACsn);
        }
        let mut bytes = [0; 10];
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digits = std::str::from_utf8(pair).ok().filter(|d| !d.contains('+'));
            *byte = digits
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .ok_or(NotACsn)?;
        }
        Ok(Self(bytes))
    }
}

/// What a key is for. It's the high nibble of the key's version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// The manufacturer's key of a blank card; gone once the card is personalised.
    Transport,
    /// Reads the purse, debits, confirms, voids, reads and punches tickets.
    Debit,
    /// Loads, puts tickets and keys, sets limits, blocks, unblocks, terminates.
    Admin,
    /// Authenticates receipts; opens no session.
    Receipt,
}

impl Role {
    const fn nibble(self) -> u8 {
        match self {
            Self::Transport => 0x00,
            Self::Debit => 0x10,
            Self::Admin => 0x20,
            Self::Receipt => 0x30,
        }
    }
}

/// A key's version: its role and a number from 1 to 15.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyVersion {
    role: Role,
    number: u8,
}

impl KeyVersion {
    /// The version under which blank cards are delivered.
    pub const TRANSPORT: Self = Self {
        role: Role::Transport,
        number: 1,
    };

    /// The version of that number, 1 to 15.
    #[must_use]
    pub const fn new(role: Role, number: u8) -> Option<Self> {
        match number {
            1..=15 => Some(Self { role, number }),
            _ => None,
        }
    }

    /// As it stands on the wire, or `None` if no key has that version.
    #[must_use]
    pub const fn from_wire(byte: u8) -> Option<Self> {
        let role = match byte & 0xf0 {
            0x00 => Role::Transport,
            0x10 => Role::Debit,
            0x20 => Role::Admin,
            0x30 => Role::Receipt,
            _ => return None,
        };
        Self::new(role, byte & 0x0f)
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn wire(self) -> u8 {
        self.role.nibble() | self.number
    }

    /// What the key is for.
    #[must_use]
    pub const fn role(self) -> Role {
        self.role
    }

    /// The number within its role, 1 to 15.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.number
    }

    /// The version after it; 15 is the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::new(self.role, self.number.checked_add(1)?)
    }
}

/// A role's master key, from which all cards' keys of that role grow.
///
/// ```compile_fail
/// let key = tegata_card::keys::MasterKey::new(tegata_card::keys::Role::Debit, [0; 32]);
/// let copy = key.clone();
/// ```
///
/// ```compile_fail
/// let key = tegata_card::keys::MasterKey::new(tegata_card::keys::Role::Debit, [0; 32]);
/// println!("{key}");
/// ```
pub struct MasterKey {
    role: Role,
    bytes: KeyBytes,
}

impl MasterKey {
    /// The key with these bytes, which are best random.
    #[must_use]
    pub fn new(role: Role, bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self { role, bytes }
    }

    /// What its keys are for.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The key of one card, in that version of this role (1 to 15).
    #[must_use]
    pub fn card_key(&self, csn: Csn, number: u8) -> Option<CardKey> {
        let version = KeyVersion::new(self.role, number)?;
        let mut label = *b"tegata-card\0";
        if let Some(last) = label.last_mut() {
            *last = self.role.nibble();
        }
        let bytes = crypto::derive_32(&self.bytes, label, &[csn.as_bytes(), &[version.wire()]]);
        Some(CardKey { version, bytes })
    }

    /// The bytes, for the key file that keeps them encrypted.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({:?}, …)", self.role)
    }
}

/// One card's key in one role and version: Kc.
///
/// ```compile_fail
/// let key = tegata_card::keys::CardKey::transport([0; 32]);
/// let copy = key.clone();
/// ```
pub struct CardKey {
    version: KeyVersion,
    bytes: KeyBytes,
}

impl CardKey {
    /// A blank card's key, as the manufacturer states it.
    #[must_use]
    pub fn transport(bytes: [u8; 32]) -> Self {
        Self::from_parts(KeyVersion::TRANSPORT, bytes)
    }

    pub(crate) fn from_parts(version: KeyVersion, bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self { version, bytes }
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> KeyVersion {
        self.version
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The keys of SCP03 that grow from it.
    pub(crate) fn static_keys(&self) -> StaticKeys {
        let key = |letter| {
            let mut label = *b"tegata-scp3\0";
            if let Some(last) = label.last_mut() {
                *last = letter;
            }
            crypto::derive_32(&self.bytes, label, &[])
        };
        StaticKeys {
            enc: key(b'E'),
            mac: key(b'M'),
            dek: key(b'D'),
        }
    }

    /// SCP03's key check value: the first three bytes of AES over sixteen times 01.
    pub(crate) fn check_value(&self) -> [u8; 3] {
        let [a, b, c, ..] = crypto::encrypt_block(&self.bytes, [1; 16]);
        [a, b, c]
    }
}

impl fmt::Debug for CardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardKey({:?}, …)", self.version)
    }
}

/// SCP03's static keys.
pub(crate) struct StaticKeys {
    pub(crate) enc: KeyBytes,
    pub(crate) mac: KeyBytes,
    pub(crate) dek: KeyBytes,
}

impl fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticKeys(…)")
    }
}
