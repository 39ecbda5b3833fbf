//! Errors after which what stands in memory may not be what stands on the disk.

use crate::{error::WalletError, vault::VaultError};

/// After these, what stands in memory may not be what stands on the disk.
pub(super) fn leaves_doubt(error: &WalletError) -> bool {
    let WalletError::Vault(error) = error else {
        return matches!(error, WalletError::Data(_) | WalletError::State(_));
    };
    !matches!(error, VaultError::WrongPassword { .. })
}
