//! The master secret, from which all of a member's keys grow (M5).
//!
//! The operating system's randomness always enters; drawn strokes may be mixed in, never stand
//! alone. The master is what the 24 words say, so everything here is derived from it and from
//! nothing else.

use std::fmt;

use rand_core::CryptoRng;

use super::secret::{Secret32, leaving_nothing};
use super::{Strokes, Words, WordsError};

/// The entropy of the 24 words. Making a vault consumes it.
pub struct Master(Secret32);

impl Master {
    /// From the system's randomness, and strokes if some were drawn:
    /// `HKDF-Extract(salt = 32 random bytes, strokes' digest)`, which is random whatever the
    /// strokes are, and unknown to somebody who foresaw the random bytes but not the strokes.
    pub fn generate(rng: &mut impl CryptoRng, strokes: Option<&Strokes>) -> Self {
        leaving_nothing(|| {
            let system = Secret32::random(rng);
            let digest: &[u8] = strokes.map_or(&[], |s| s.digest());
            Self(Secret32::derived(
                Some(system.as_bytes()),
                digest,
                b"tegata master v1",
            ))
        })
    }

    /// From the 24 words, as typed.
    ///
    /// # Errors
    /// [`WordsError`] says which word is wrong and which was likely meant.
    pub fn from_words(typed: &str) -> Result<Self, WordsError> {
        leaving_nothing(|| super::words::entropy(typed).map(Self))
    }

    pub(super) fn kept(secret: Secret32) -> Self {
        Self(secret)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(super) fn words(&self) -> Words {
        super::words::spell(&self.0)
    }

    pub(super) fn derive(&self, purpose: Purpose) -> Secret32 {
        Secret32::derived(None, self.as_bytes(), purpose.label())
    }
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master(…)")
    }
}

/// What a derived secret is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Everyday,
    Opening,
    Holder,
    History,
    Spending,
    HolderB,
    Store,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Everyday => b"tegata everyday v1",
            Self::Opening => b"tegata opening v1",
            Self::Holder => b"tegata holder v1",
            Self::History => b"tegata history v1",
            Self::Spending => b"tegata spending v1",
            Self::HolderB => b"tegata holder-b v1",
            Self::Store => b"tegata store v1",
        }
    }
}
