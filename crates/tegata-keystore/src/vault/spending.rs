//! What can be lent out while password B has been given: the spending secrets.

use std::fmt;

use super::file::Inner;
use super::secret::Secret32;
use super::seed::Purpose;

/// The spending secrets, alive only inside [`OpenVault::with_spending`].
///
/// They can't be copied:
/// ```compile_fail,E0277
/// fn copy<T: Clone>() {}
/// copy::<tegata_keystore::vault::SpendingSecrets>();
/// ```
/// nor outlive the closure:
/// ```compile_fail
/// use tegata_keystore::vault::{OpenVault, Password};
/// fn keep(vault: &OpenVault, b: &Password) {
///     let kept = vault.with_spending(b, |secrets| secrets.seed()).unwrap();
/// }
/// ```
///
/// [`OpenVault::with_spending`]: super::OpenVault::with_spending
pub struct SpendingSecrets(Inner);

impl SpendingSecrets {
    pub(super) fn new(inner: Inner) -> Self {
        Self(inner)
    }

    /// The seed of the spending key (Ed25519).
    pub fn seed(&self) -> &[u8; 32] {
        self.0.spending.as_bytes()
    }

    /// Lends the seed from which holder keys of tickets under B grow.
    pub fn with_holder_seed<T>(&self, work: impl FnOnce(&[u8; 32]) -> T) -> T {
        let seed: Secret32 = self.0.master.derive(Purpose::HolderB);
        work(seed.as_bytes())
    }

    /// Lends the seed of what the secrets in a party's database lie under.
    pub fn with_store_seed<T>(&self, work: impl FnOnce(&[u8; 32]) -> T) -> T {
        let seed: Secret32 = self.0.master.derive(Purpose::Store);
        work(seed.as_bytes())
    }

    /// The application's state under B.
    pub fn state(&self) -> &[u8] {
        &self.0.state
    }
}

impl fmt::Debug for SpendingSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpendingSecrets(…)")
    }
}
