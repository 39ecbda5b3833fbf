//! The one deterministic encoding, for this crate's own files: the card-key server uses them too, and
//! must do without the protocol's crate.

use minicbor::{Decode, Encode};

/// Encodes a value into its only encoding.
pub(crate) fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "writing to a Vec can't fail, and no encoder of ours does"
    )]
    minicbor::to_vec(value).expect("encoding into memory")
}

/// Decodes `bytes`, of at most `limit` bytes, if they are the only encoding of a `T`.
pub(crate) fn decode<T>(bytes: &[u8], limit: usize) -> Result<T, minicbor::decode::Error>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    if bytes.len() > limit {
        return Err(minicbor::decode::Error::message("too long"));
    }
    let value: T = minicbor::decode(bytes)?;
    if encode(&value) != bytes {
        return Err(minicbor::decode::Error::message(
            "not the only encoding of itself",
        ));
    }
    Ok(value)
}
