//! Random words that stand in links, cookies and forms, so that nobody else's are taken for them.

use std::fmt;

use rand_core::Rng as _;
use subtle::ConstantTimeEq as _;

use crate::wallet::rng;

/// 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    pub(super) fn random() -> Self {
        let mut bytes = [0_u8; 32];
        rng().fill_bytes(&mut bytes);
        Self(bytes.iter().map(|b| format!("{b:02x}")).collect())
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// In constant time.
    pub(super) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
