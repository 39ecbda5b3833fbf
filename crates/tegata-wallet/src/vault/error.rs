//! What can go wrong with a vault, said to the person in front of it.

use std::io;

use super::{FileName, Layer, PasswordForm, PasswordRule};

/// Why the vault didn't do what was asked. Nothing on the disk is worse than before.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no vault in this folder.
    #[error("there is no vault here; make one, or name the folder that holds yours")]
    NoVault,
    /// There is a vault already, which a new one would overwrite.
    #[error("there is a vault here already, and it is left as it is; choose another folder")]
    AlreadyThere,
    /// Records of another vault's history are here.
    #[error(
        "history.tegata here belongs to another vault; put its vault.tegata back beside it, or \
         move it elsewhere first"
    )]
    HistoryInTheWay,
    /// An earlier damaged history was set aside and not yet taken away.
    #[error("history.tegata.aside is here already; move it elsewhere first")]
    AsideInTheWay,
    /// Another process has the vault.
    #[error("another wallet program is using this vault; close it, then try again")]
    InUse,
    /// This vault was opened for reading only.
    #[error("the vault was opened for reading only; nothing was written")]
    ReadOnly,
    /// The password doesn't open this layer.
    #[error("wrong password {layer}: {}", layer.purpose())]
    WrongPassword {
        /// The layer that stayed closed.
        layer: Layer,
    },
    /// The bytes aren't what this program wrote.
    #[error("damaged: {what}")]
    Damaged {
        /// What is damaged, and what to do.
        what: Damage,
    },
    /// The vault was written by a newer program.
    #[error("{file} is of version {found}, newer than this program knows; update the program")]
    NewerVersion {
        /// The file.
        file: FileName,
        /// Its version.
        found: u16,
    },
    /// The new password breaks a rule.
    #[error(transparent)]
    Password(#[from] PasswordRule),
    /// The vault has another password form than this step is for.
    #[error("{}", match form {
        PasswordForm::One => "this vault has one password: change it with the one-password step",
        PasswordForm::Two => "this vault has passwords A and B: name the one to change",
    })]
    Form {
        /// The form that the vault has.
        form: PasswordForm,
    },
    /// The file isn't the one that was opened.
    #[error("{file} was changed by something else meanwhile; close the vault and open it again")]
    ChangedElsewhere {
        /// The file.
        file: FileName,
    },
    /// More than the vault is made for.
    #[error("{what}: {length} bytes, at most {limit} fit; nothing was written")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// Its bytes.
        length: usize,
        /// The bytes allowed.
        limit: usize,
    },
    /// A cost outside of what this program uses.
    #[error(
        "key stretching with {memory_kib} KiB, {passes} passes, {lanes} lanes is refused: no vault \
         of ours asks for that; put a copy of vault.tegata back"
    )]
    Cost {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// The key couldn't be derived, for want of memory most likely.
    #[error("the password couldn't be turned into a key ({0}); free some memory, then try again")]
    Stretching(argon2::Error),
    /// The disk failed. The file holds either the old or the new contents, both whole.
    #[error("can't {doing} {file}; what it held before isn't lost")]
    Disk {
        /// The step.
        doing: &'static str,
        /// The file.
        file: FileName,
        /// What the system said.
        source: io::Error,
    },
}

/// What is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The vault's file as a whole.
    #[error("vault.tegata {0}; put a copy of it back, or make it anew from the 24 words")]
    Vault(&'static str),
    /// A layer whose password was right.
    #[error(
        "layer {0} of vault.tegata: the password is right, but the contents were altered; put a \
         copy back, or make the vault anew from the 24 words"
    )]
    Layer(Layer),
    /// The history's file as a whole.
    #[error("history.tegata {0}; put a copy of it back, or set it aside and begin a new history")]
    History(&'static str),
    /// A record of the history, counted from 0. Those before it are good.
    #[error(
        "history.tegata from record {0} on (those before it are good): altered, moved or taken \
         away; put a copy of it back"
    )]
    Record(u64),
    /// The history ends before the point that the vault remembers.
    #[error(
        "history.tegata holds {found} records, the vault remembers {expected}: its end was cut \
         off, or it is an old copy"
    )]
    HistoryShort {
        /// Records found.
        found: u64,
        /// Records that the checkpoint counts.
        expected: u64,
    },
}

impl From<Damage> for VaultError {
    fn from(what: Damage) -> Self {
        Self::Damaged { what }
    }
}
