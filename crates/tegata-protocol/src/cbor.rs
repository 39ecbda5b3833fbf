//! Deterministic CBOR (RFC 8949 §4.2): one byte string for each value.
//!
//! Whatever a party receives is decoded, encoded again and compared: bytes that don't come out the
//! same (long integers, indefinite lengths, unknown or unordered map keys, trailing bytes) are
//! refused before anybody looks at the value. So two parties that agree on a digest agree on the
//! meaning, and no field can hide that one of them skips.

use minicbor::{Decode, Encode};

use crate::Malformed;

/// Encodes a value into its only encoding.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "writing to a Vec can't fail, and no encoder of ours does"
    )]
    minicbor::to_vec(value).expect("encoding into memory")
}

/// Decodes `bytes`, of at most `limit` bytes, if they are the deterministic encoding of a `T`.
///
/// # Errors
/// [`Malformed`] when too long, not a `T`, or not the bytes that [`encode`] would give.
pub fn decode<T>(bytes: &[u8], limit: usize) -> Result<T, Malformed>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    if bytes.len() > limit {
        return Err(Malformed::TooLong {
            length: bytes.len(),
            limit,
        });
    }
    let value: T = minicbor::decode(bytes).map_err(|e| Malformed::Cbor(e.to_string()))?;
    if encode(&value) != bytes {
        return Err(Malformed::NotDeterministic);
    }
    Ok(value)
}
