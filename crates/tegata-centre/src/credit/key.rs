//! The credit link's two secrets, each in a file of its own beside the centre's other keys:
//! `credit.key` opens what browsers sealed, `credit-store.key` encrypts what is kept.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead as _, Payload},
};
use rand_core::Rng as _;
use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure},
};
use tegata_protocol::{Digest, OpeningKey, SealingKey, Suite};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::keys::rng;

const OPENING: &str = "credit.key";
const STORING: &str = "credit-store.key";
const NONCE: usize = 12;

/// Makes the keys of a credit link. `replace` destroys the opening key in force, and with it the
/// way into every sealed card in the book's evidence; cards that are kept stay readable.
///
/// # Errors
/// [`Failure`]; without `replace` a key that exists stays.
pub(crate) fn create(dir: &DataDir, replace: bool) -> Result<(), Failure> {
    if dir.read_optional(OPENING)?.is_some() && !replace {
        let there = format!("{} has a key for card numbers", dir.path().display());
        return Err(Failure::usage(there).next("give --replace to put another in its place"));
    }
    if dir.read_optional(STORING)?.is_none() {
        dir.write_atomic(STORING, fresh().as_slice())?;
    }
    Ok(dir.write_atomic(OPENING, fresh().as_slice())?)
}

fn fresh() -> Zeroizing<[u8; 32]> {
    let mut seed = Zeroizing::new([0; 32]);
    rng().fill_bytes(seed.as_mut());
    seed
}

/// The key that opens card numbers, if the centre has one.
pub(super) fn opening(dir: &DataDir) -> Result<Option<OpeningKey>, Failure> {
    let seed = read(dir, OPENING)?;
    Ok(seed.map(|seed| OpeningKey::from_seed(Suite::Standard, &seed)))
}

/// The public half, for the root to certify.
///
/// # Errors
/// [`Failure`].
pub(crate) fn sealing(dir: &DataDir) -> Result<Option<SealingKey>, Failure> {
    Ok(opening(dir)?.map(|key| key.sealing_key().clone()))
}

fn read(dir: &DataDir, name: &str) -> Result<Option<Zeroizing<[u8; 32]>>, Failure> {
    let Some(bytes) = dir.read_optional(name)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    let seed = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_e| {
        let what = format!("{name} in {} is damaged", dir.path().display());
        Failure::new(Exit::Damaged, what).next("restore it from a backup")
    })?;
    Ok(Some(Zeroizing::new(seed)))
}

/// The key that kept cards lie under.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct StoringKey([u8; 32]);

impl StoringKey {
    pub(super) fn open(dir: &DataDir) -> Result<Self, Failure> {
        let missing = || {
            let what = format!("{STORING} in {} is missing", dir.path().display());
            Failure::new(Exit::Damaged, what).next("restore it from a backup")
        };
        Ok(Self(*read(dir, STORING)?.ok_or_else(missing)?))
    }

    /// Encrypts under a random nonce, bound to the reference.
    pub(super) fn wrap(&self, reference: &str, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng().fill_bytes(&mut nonce);
        #[expect(
            clippy::expect_used,
            reason = "AES-GCM refuses only messages of gigabytes"
        )]
        let ciphertext = Aes256Gcm::new((&self.0).into())
            .encrypt(&nonce.into(), bound(plain, reference))
            .expect("sealing in memory");
        [nonce.as_slice(), &ciphertext].concat()
    }

    pub(super) fn unwrap(&self, reference: &str, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE)?;
        let nonce = <[u8; NONCE]>::try_from(nonce).ok()?;
        let plain =
            Aes256Gcm::new((&self.0).into()).decrypt(&nonce.into(), bound(ciphertext, reference));
        plain.ok().map(Zeroizing::new)
    }
}

fn bound<'a>(msg: &'a [u8], reference: &'a str) -> Payload<'a, 'a> {
    let aad = reference.as_bytes();
    Payload { msg, aad }
}

impl std::fmt::Debug for StoringKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoringKey")
    }
}

/// What shop and centre call a card by: `card-` and 128 random bits.
pub(super) fn fresh_reference() -> String {
    let hex = Digest::from_bytes(*fresh()).to_string();
    format!("card-{}", hex.split_at(32).0)
}
