//! From a password to a key: Argon2id (RFC 9106), 64 MiB, three passes, one lane; a tenth of a second.
//!
//! For files of programs that run without a person: key files of servers, the root, operators. A vault
//! ([`crate::vault`]) names its own cost, since it is restored on machines of every size.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::wrap::WrapKey;

const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// The system has no memory for it, or the password is longer than 4 GiB.
#[derive(Debug, thiserror::Error)]
#[error("Argon2: {0}")]
pub struct StretchError(argon2::Error);

/// The key that follows from a password and 16 random bytes, which are fresh for each file.
///
/// # Errors
/// [`StretchError`], when memory is short.
pub fn stretch(password: &[u8], salt: &[u8; 16]) -> Result<WrapKey, StretchError> {
    let cost = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(StretchError)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, cost)
        .hash_password_into(password, salt, key.as_mut())
        .map_err(StretchError)?;
    Ok(WrapKey::new(*key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_and_salt_both_count() {
        let sealed = stretch(b"open sesame", &[1; 16])
            .unwrap()
            .seal_once(b"", b"secret");
        let opened = |password, salt| {
            let key = stretch(password, &[salt; 16]).unwrap();
            key.open_once(b"", &sealed).is_some()
        };
        assert!(opened(b"open sesame".as_slice(), 1));
        assert!(!opened(b"open sesame".as_slice(), 2));
        assert!(!opened(b"open barley".as_slice(), 1));
    }
}
