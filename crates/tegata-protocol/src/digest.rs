//! Digests and the identifiers made of bytes.

use core::fmt;

use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};

/// Writes bytes as lower-case hexadecimal.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] [u8; $length]);

        impl $name {
            /// From its bytes.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// From bytes of unknown length; `None` when there are more or fewer.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// From hexadecimal; `None` when it isn't.
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; $length];
                let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
                if text.len() != bytes.len().saturating_mul(2) || !digits {
                    return None;
                }
                for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
                }
                Some(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }
    };
}

byte_string!(
    /// SHA-256 of something.
    Digest, 32
);
byte_string!(
    /// A message's own random number. Unique for each sender, kept for ever by each receiver (T4).
    MessageId, 16
);
byte_string!(
    /// An IC card's number, printed on it in hexadecimal (K1).
    CardNumber, 10
);
byte_string!(
    /// The first eight bytes of SHA-256 of a public key: enough to find it, not to trust it.
    KeyId, 8
);

impl core::str::FromStr for CardNumber {
    type Err = &'static str;

    /// Reads the 20 digits, as printed, spaces between them allowed.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let number = Self::from_hex(&digits);
        number.ok_or("a card's number has 20 digits, 0 to 9 and A to F; it stands on the card")
    }
}

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// SHA-256 over several pieces, each behind its length, so that no two lists collide.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl MessageId {
    /// A new random number.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl KeyId {
    /// The id of a public key.
    pub fn of(public_key: &[u8]) -> Self {
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(Digest::of(public_key).as_bytes()) {
            *to = *from;
        }
        Self(id)
    }
}

/// A payment, and the hold it placed: the digest of the instruction that the member signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct PaymentId(#[n(0)] Digest);

impl PaymentId {
    /// The payment that was instructed by the signed bytes of this digest.
    pub const fn new(instruction: Digest) -> Self {
        Self(instruction)
    }

    /// The digest of the member's signed instruction.
    pub const fn digest(&self) -> Digest {
        self.0
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
