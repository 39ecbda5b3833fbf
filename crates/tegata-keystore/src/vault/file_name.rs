//! The names of a vault's files.

use std::fmt;

/// The files of a vault. Nothing else is ever touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// The vault.
    Vault,
    /// The vault's next contents, until they are safe and renamed.
    VaultDraft,
    /// The history.
    History,
    /// A new history's first bytes, until they are safe and renamed.
    HistoryDraft,
    /// A damaged history that was set aside.
    HistoryAside,
}

impl FileName {
    /// The name in the folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vault => "vault.tegata",
            Self::VaultDraft => "vault.tegata.new",
            Self::History => "history.tegata",
            Self::HistoryDraft => "history.tegata.new",
            Self::HistoryAside => "history.tegata.aside",
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
