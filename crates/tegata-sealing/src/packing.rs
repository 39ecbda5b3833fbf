//! Compressing what is handed out. A key is as good as random and doesn't shrink; a program does.
//! Each in a block of its own: together they would spoil each other's statistics by 200 bytes.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use tegata_protocol::cbor;
use tegata_protocol::order::HandOut;

/// Packs an encoded [`HandOut`]; anything else is packed as one block.
///
/// # Errors
/// What the encoder says; in memory, nothing.
pub fn pack(body: &[u8]) -> io::Result<Vec<u8>> {
    let program = cbor::decode::<HandOut>(body, body.len()).map(|handed| handed.program.len());
    let border = body.len().saturating_sub(program.unwrap_or_default());
    let (key, program) = body.split_at(border);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(key)?;
    encoder.flush()?;
    encoder.write_all(program)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use tegata_protocol::SignedBytes;

    #[test]
    fn what_is_packed_unpacks_and_is_small() {
        let noise = |n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes();
        let key: Vec<u8> = (0..350).flat_map(noise).collect();
        let program = tegata_protocol::order::program().to_owned();
        let key = SignedBytes::new(key);
        let body = cbor::encode(&HandOut { key, program });
        let packed = pack(&body).unwrap();
        let mut plain = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(packed.as_slice());
        decoder.read_to_end(&mut plain).unwrap();
        assert_eq!(plain, body);
        assert!(packed.len() <= 2500, "{} bytes", packed.len());
    }
}
