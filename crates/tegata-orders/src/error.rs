//! What goes wrong at the recipient's end, and whose fault it is.

use std::path::PathBuf;

use tegata_cli::data;
use tegata_protocol::Malformed;
use tegata_protocol::refusal::Refusal;

/// Why an order isn't taken.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The order is at fault.
    #[error("the order is refused")]
    Refused(#[from] Refusal),
    /// We are.
    #[error(transparent)]
    Fault(#[from] FormsError),
}

/// What went wrong at this end. Never the customer's fault.
#[derive(Debug, thiserror::Error)]
pub enum FormsError {
    /// The database refused.
    #[error("the orders' tables can't be read or written")]
    Database(#[from] tegata_store::StoreError),
    /// The data folder.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// A key file couldn't be replaced.
    #[error("can't replace {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something stored isn't what this program stores.
    #[error("{what} is damaged: {why}. Restore it from a backup")]
    Damaged {
        /// What.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Something can't be made as it was asked for.
    #[error("what was to be made for orders doesn't hold")]
    Made(#[from] Malformed),
    /// An epoch or an order key can't end yet.
    #[error("{0} secrets still lie under the key that was to be destroyed; nothing was destroyed")]
    StillUsed(u64),
    /// Called outside a transaction.
    #[error("this must be done inside a transaction; nothing was changed")]
    NoTransaction,
    /// The host's own store.
    #[error("the program's store refused")]
    Host(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl FormsError {
    pub(crate) fn damaged(what: &'static str, why: impl ToString) -> Self {
        let why = why.to_string();
        Self::Damaged { what, why }
    }

    /// An error of the host's own.
    pub fn host(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Host(Box::new(error))
    }
}
