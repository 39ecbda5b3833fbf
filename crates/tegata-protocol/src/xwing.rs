//! X-Wing (ML-KEM-768 with X25519) for a recipient who opens often.
//!
//! An X-Wing secret key is 32 bytes, and the `hpke` crate grows both halves from them at every
//! opening: as much work as the opening itself. This is the same KEM for the same `hpke`, byte for
//! byte, with the halves kept; a test compares the two.

use std::sync::Arc;

use hpke::{
    Deserializable, HpkeError, Kem, Serializable,
    kem::{SharedSecret, XWing},
};
use ml_kem::{FromSeed as _, MlKem768, kem::Decapsulate as _, ml_kem_768::DecapsulationKey};
use rand_core::CryptoRng;
use sha3::{Digest as _, Sha3_256};
use shake::{ExtendableOutput as _, Shake256, Update as _, XofReader as _};
use subtle::{Choice, ConstantTimeEq};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// What the shared secrets are hashed with, so that no other combination gives the same.
const LABEL: &[u8; 6] = br"\.//^\";
/// Bytes of the part of a ciphertext that is ML-KEM's; X25519's 32 follow.
const ML_KEM_CIPHERTEXT: usize = 1088;

type Public = <XWing as Kem>::PublicKey;
type Seed = <XWing as Kem>::PrivateKey;

/// The KEM.
pub(crate) enum KeptXWing {}

/// A secret key with both its halves.
#[derive(Clone)]
pub(crate) struct Kept(Arc<Halves>);

struct Halves {
    seed: Seed,
    ml_kem: DecapsulationKey,
    x25519: StaticSecret,
    x25519_public: PublicKey,
}

impl Kept {
    /// Grows both halves: SHAKE-256 of the seed, 64 bytes for ML-KEM, 32 for X25519.
    fn new(seed: Seed) -> Self {
        let mut shake = Shake256::default();
        shake.update(&Zeroizing::new(seed.to_bytes()));
        let mut grown = shake.finalize_xof();
        let (mut first, mut second) = (Zeroizing::new([0; 64]), Zeroizing::new([0; 32]));
        grown.read(first.as_mut());
        grown.read(second.as_mut());
        let (ml_kem, _) = MlKem768::from_seed(&(*first).into());
        let x25519 = StaticSecret::from(*second);
        let x25519_public = PublicKey::from(&x25519);
        Self(Arc::new(Halves {
            seed,
            ml_kem,
            x25519,
            x25519_public,
        }))
    }
}

impl Halves {
    /// The secret that a ciphertext holds.
    fn open(&self, ciphertext: &[u8]) -> Option<[u8; 32]> {
        let (first, second) = ciphertext.split_at_checked(ML_KEM_CIPHERTEXT)?;
        let second = PublicKey::from(<[u8; 32]>::try_from(second).ok()?);
        let of_ml_kem = self.ml_kem.decapsulate(&first.try_into().ok()?);
        let of_x25519 = self.x25519.diffie_hellman(&second);
        let secret = Sha3_256::new()
            .chain_update(of_ml_kem)
            .chain_update(of_x25519.as_bytes())
            .chain_update(second.as_bytes())
            .chain_update(self.x25519_public.as_bytes())
            .chain_update(LABEL);
        Some(secret.finalize().into())
    }
}

impl Kem for KeptXWing {
    type PublicKey = Public;
    type PrivateKey = Kept;
    type EncappedKey = <XWing as Kem>::EncappedKey;
    type NSecret = <XWing as Kem>::NSecret;

    const KEM_ID: u16 = XWing::KEM_ID;

    fn sk_to_pk(secret: &Kept) -> Public {
        XWing::sk_to_pk(&secret.0.seed)
    }

    fn derive_keypair(ikm: &[u8]) -> (Kept, Public) {
        let (seed, public) = XWing::derive_keypair(ikm);
        (Kept::new(seed), public)
    }

    fn decap(
        secret: &Kept,
        sender: Option<&Public>,
        sealed: &Self::EncappedKey,
    ) -> Result<SharedSecret<Self>, HpkeError> {
        if sender.is_some() {
            return Err(HpkeError::DecapError);
        }
        let opened = secret.0.open(&sealed.to_bytes());
        Ok(SharedSecret(opened.ok_or(HpkeError::DecapError)?.into()))
    }

    fn encap_with_rng(
        public: &Public,
        sender: Option<(&Kept, &Public)>,
        rng: &mut impl CryptoRng,
    ) -> Result<(SharedSecret<Self>, Self::EncappedKey), HpkeError> {
        if sender.is_some() {
            return Err(HpkeError::EncapError);
        }
        let (secret, sealed) = XWing::encap_with_rng(public, None, rng)?;
        Ok((SharedSecret(secret.0), sealed))
    }
}

impl Serializable for Kept {
    type OutputSize = <Seed as Serializable>::OutputSize;

    fn write_exact(&self, out: &mut [u8]) {
        self.0.seed.write_exact(out);
    }
}

impl Deserializable for Kept {
    fn from_bytes(bytes: &[u8]) -> Result<Self, HpkeError> {
        Seed::from_bytes(bytes).map(Self::new)
    }
}

impl ConstantTimeEq for Kept {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.seed.ct_eq(&other.0.seed)
    }
}

#[cfg(test)]
mod tests {
    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    use super::*;

    #[test]
    fn it_opens_what_the_plain_kem_opens_and_to_the_same_secret() {
        let mut rng = UnwrapErr(SysRng);
        for n in 0..32_u8 {
            let (plain, public) = XWing::derive_keypair(&[n; 32]);
            let (kept, same) = KeptXWing::derive_keypair(&[n; 32]);
            assert_eq!(public, same);
            assert_eq!(plain.to_bytes(), kept.to_bytes());
            let (secret, sealed) = XWing::encap_with_rng(&public, None, &mut rng).unwrap();
            assert_eq!(KeptXWing::decap(&kept, None, &sealed).unwrap().0, secret.0);
            // A changed ciphertext gives another secret, and the same one to both.
            let mut changed = sealed.to_bytes();
            changed[usize::from(n) * 35] ^= 1;
            let changed = <XWing as Kem>::EncappedKey::from_bytes(&changed).unwrap();
            let opened = KeptXWing::decap(&kept, None, &changed).unwrap().0;
            assert_eq!(opened, XWing::decap(&plain, None, &changed).unwrap().0);
            assert_ne!(opened, secret.0);
        }
    }
}
