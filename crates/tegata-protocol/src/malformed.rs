//! What can be wrong with bytes before anybody asks what they mean.

/// The bytes are at fault: not what the specification says, whatever they were meant to say.
///
/// A stranger never sees which of these it was (one indistinguishable answer); the log does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More bytes than this kind of thing may have.
    #[error("{length} bytes where at most {limit} are allowed")]
    TooLong {
        /// Bytes received.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not CBOR, or not the expected shape.
    #[error("not the expected CBOR: {0}")]
    Cbor(String),
    /// CBOR, but not its deterministic form.
    #[error("not in deterministic CBOR form")]
    NotDeterministic,
    /// Another type or version of message than expected.
    #[error(
        "type {found}, version {found_version} where type {expected}, version {version} is expected"
    )]
    Label {
        /// The label that stands in the bytes.
        found: u16,
        /// The version that stands in the bytes.
        found_version: u8,
        /// The label expected.
        expected: u16,
        /// The version expected.
        version: u8,
    },
    /// A field holds a value outside its range.
    #[error("{field}: {why}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl Malformed {
    /// A field out of its range.
    pub fn field(field: &'static str, why: impl Into<String>) -> Self {
        Self::Field {
            field,
            why: why.into(),
        }
    }
}

impl From<Malformed> for minicbor::decode::Error {
    fn from(e: Malformed) -> Self {
        Self::message(e.to_string())
    }
}

/// Refuses text that is longer than `limit` bytes, empty, or holds control characters.
pub(crate) fn check_text(field: &'static str, text: &str, limit: usize) -> Result<(), Malformed> {
    if text.is_empty() || text.len() > limit {
        return Err(Malformed::field(
            field,
            format!("{} bytes, expected 1 to {limit}", text.len()),
        ));
    }
    if text.chars().any(|c| c.is_control() || is_bidi_control(c)) {
        return Err(Malformed::field(field, "holds control characters"));
    }
    Ok(())
}

/// Characters that turn the direction of writing and so could make a bill read otherwise.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}')
}
