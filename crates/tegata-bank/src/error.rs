//! Why a bank file was refused, where in it, and what should have stood there.

use core::fmt;

/// A bank file was refused as a whole: nothing of it counts.
///
/// Prints as `line 42, column 9, Document/BkToCstmrStmt/Stmt[1]/Ntry[2]/Amt: …; expected …`. Names
/// and free texts never stand in it, so it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}{}: {kind}", behind_comma(path))]
pub struct StatementError {
    /// Line of the element that is at fault, from 1.
    pub line: u32,
    /// Column in that line, in characters, from 1.
    pub column: u32,
    /// The element's path, as `Document/BkToCstmrStmt/Stmt[1]/Ntry[2]/Amt`. Empty outside of all.
    pub path: String,
    /// What is wrong with it.
    pub kind: StatementErrorKind,
}

fn behind_comma(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!(", {path}")
    }
}

/// What is wrong with a bank file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementErrorKind {
    /// The file is larger than any statement may be.
    #[error(
        "the file has {bytes} bytes; expected at most {limit}: ask the bank for shorter periods"
    )]
    TooLarge {
        /// Bytes in the file.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not well-formed XML in UTF-8.
    #[error("this isn't XML ({0}); expected a camt.053.001.08 file in UTF-8, as the bank made it")]
    NotXml(String),
    /// The file ends before its elements are closed.
    #[error("the file ends here, before it is complete; expected the whole file: fetch it again")]
    Truncated,
    /// Elements are nested deeper than any statement needs.
    #[error("elements are nested deeper than {limit}; expected a camt.053.001.08 file")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// The file brings its own document type, which could redefine what it says.
    #[error("the file has a DOCTYPE; expected none: bank files don't have one")]
    Doctype,
    /// An entity reference other than the five of XML.
    #[error("the entity &{0}; is unknown; expected only &amp; &lt; &gt; &quot; &apos;")]
    Entity(String),
    /// Another kind or version of message.
    #[error("this is {found}; expected camt.053.001.08 (an end-of-day statement)")]
    Version {
        /// Its name, as far as it has one.
        found: String,
    },
    /// An element that doesn't belong here.
    #[error("<{element}> doesn't belong here; expected {expected}")]
    Unexpected {
        /// The element's name.
        element: String,
        /// What may stand here.
        expected: &'static str,
    },
    /// Text stands where only elements may.
    #[error("text stands between elements; expected only elements")]
    StrayText,
    /// A needed element isn't there.
    #[error("{element} is missing; expected one")]
    Missing {
        /// The missing element.
        element: &'static str,
    },
    /// An element that may stand once stands twice.
    #[error("this element stands here a second time; expected it once")]
    Twice,
    /// A text is empty or longer than the standard allows.
    #[error("the text has {found} characters; expected 1 to {limit}")]
    Length {
        /// Its characters.
        found: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// A value isn't of the needed form.
    #[error("{found:?} can't be used; expected {expected}")]
    Value {
        /// The value, shortened.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// The statement is of an account that isn't the centre's.
    #[error("the statement is of account {found}; expected the centre's account {expected}")]
    OtherAccount {
        /// The file's account, shortened.
        found: String,
        /// The configured account, shortened.
        expected: String,
    },
    /// An amount in a currency that isn't the account's.
    #[error("the amount is in {found}; expected {expected}, the currency of the account")]
    OtherCurrency {
        /// Its currency.
        found: String,
        /// The account's.
        expected: String,
    },
    /// Opening balance and booked entries don't make the closing balance.
    #[error("the closing balance is {stated}; expected {computed} ({sum})")]
    Balances {
        /// What the file says.
        stated: String,
        /// What the closing balance must be.
        computed: String,
        /// How that is computed.
        sum: String,
    },
    /// The summary of all entries doesn't agree with the entries.
    #[error("the summary says {stated}; expected {counted}, as the entries add up")]
    Summary {
        /// The summary's figure.
        stated: String,
        /// The entries' figure.
        counted: String,
    },
    /// The transactions of a batch don't make its amount.
    #[error("the batch says {stated}; expected {counted}, as its transactions add up")]
    Batch {
        /// The batch's figure.
        stated: String,
        /// The transactions' figure.
        counted: String,
    },
    /// Two statements of one file have the same identification.
    #[error("a second statement with the identification {0:?}; expected each once")]
    RepeatedStatement(String),
    /// The statement is one page of several.
    #[error("this is page {0} of several; expected the whole statement in one file")]
    Pages(String),
    /// The bank itself says that this repeats an earlier statement.
    #[error("the bank marks this as a duplicate ({0}); expected the original statement")]
    MarkedDuplicate(String),
}

impl StatementErrorKind {
    /// A value that can't be used; shortens what was found.
    pub(crate) fn value(found: &str, expected: impl fmt::Display) -> Self {
        Self::Value {
            found: shortened(found),
            expected: expected.to_string(),
        }
    }
}

/// At most forty characters of a text.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
