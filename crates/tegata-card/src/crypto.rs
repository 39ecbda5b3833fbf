//! The three functions of AES-256 that everything here is made of: CMAC (RFC 4493, SP 800-38B), a
//! key derivation in counter mode over it (SP 800-108), and CBC with the padding of ISO 9797-1,
//! method 2.

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use cmac::{Cmac, Mac as _};
use zeroize::Zeroizing;

/// Bytes of an AES block, of a MAC, of a challenge.
pub(crate) const BLOCK: usize = 16;

/// A block.
pub(crate) type Block = [u8; BLOCK];

/// A key's 32 bytes, erased when dropped.
pub(crate) type KeyBytes = Zeroizing<[u8; 32]>;

/// AES-CMAC over the parts, one after the other.
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Block {
    let mut mac = <Cmac<Aes256> as cmac::KeyInit>::new(key.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// SP 800-108 in counter mode, with the fields in GlobalPlatform's order (Amendment D, 4.1.5):
/// label(12) ‖ 00 ‖ bits(2) ‖ i(1) ‖ context, i from 1.
fn derive(key: &[u8; 32], label: [u8; 12], bits: u16, i: u8, context: &[&[u8]]) -> Block {
    let bits = bits.to_be_bytes();
    let counter = [i];
    let mut parts: Vec<&[u8]> = vec![&label, &[0], &bits, &counter];
    parts.extend_from_slice(context);
    mac(key, &parts)
}

/// 16 bytes from `key`.
pub(crate) fn derive_16(key: &[u8; 32], label: [u8; 12], context: &[&[u8]]) -> Block {
    derive(key, label, 128, 1, context)
}

/// A key of 32 bytes from `key`.
pub(crate) fn derive_32(key: &[u8; 32], label: [u8; 12], context: &[&[u8]]) -> KeyBytes {
    let mut derived = Zeroizing::new([0; 32]);
    let (first, second) = derived.split_at_mut(BLOCK);
    first.copy_from_slice(&derive(key, label, 256, 1, context));
    second.copy_from_slice(&derive(key, label, 256, 2, context));
    derived
}

/// One block through AES.
pub(crate) fn encrypt_block(key: &[u8; 32], mut block: Block) -> Block {
    Aes256::new(key.into()).encrypt_block((&mut block).into());
    block
}

/// CBC over whole blocks; what isn't a whole block at the end is left out, so callers pad first.
pub(crate) fn cbc_encrypt(key: &[u8; 32], iv: Block, plain: &[u8]) -> Vec<u8> {
    let cipher = Aes256::new(key.into());
    let mut chain = iv;
    let mut out = Vec::with_capacity(plain.len());
    for block in plain.as_chunks::<BLOCK>().0 {
        for (byte, plain) in chain.iter_mut().zip(block) {
            *byte ^= plain;
        }
        cipher.encrypt_block((&mut chain).into());
        out.extend_from_slice(&chain);
    }
    out
}

/// CBC back.
pub(crate) fn cbc_decrypt(key: &[u8; 32], iv: Block, sealed: &[u8]) -> Zeroizing<Vec<u8>> {
    let cipher = Aes256::new(key.into());
    let mut chain = iv;
    let mut out = Zeroizing::new(Vec::with_capacity(sealed.len()));
    for block in sealed.as_chunks::<BLOCK>().0 {
        let mut plain = *block;
        cipher.decrypt_block((&mut plain).into());
        for (byte, before) in plain.iter_mut().zip(chain) {
            *byte ^= before;
        }
        out.extend_from_slice(&plain);
        chain = *block;
    }
    out
}

/// 80, then zeros up to a whole block.
pub(crate) fn pad(plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(Vec::with_capacity(plain.len().saturating_add(BLOCK)));
    padded.extend_from_slice(plain);
    padded.push(0x80);
    while !padded.len().is_multiple_of(BLOCK) {
        padded.push(0);
    }
    padded
}

/// What was padded, or `None` if it wasn't.
pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|&byte| byte != 0)?;
    match padded.split_at_checked(end) {
        Some((plain, [0x80, ..])) if padded.len().saturating_sub(end) <= BLOCK => Some(plain),
        Some(_) | None => None,
    }
}

/// Are they the same? In constant time.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(a, b).into()
}
