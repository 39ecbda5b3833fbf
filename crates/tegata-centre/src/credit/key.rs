//! The credit link's two secrets, each in a file of its own beside the centre's other keys:
//! `credit.key` opens what browsers sealed, `credit-store.key` encrypts what is kept.

use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure},
};
use tegata_protocol::{Digest, OpeningKey, SealingKey, Suite};
use zeroize::Zeroizing;

use tegata_keystore::{rng, wrap::WrapKey};

const OPENING: &str = "credit.key";
const STORING: &str = "credit-store.key";

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
        dir.write_atomic(STORING, rng::secret().as_slice())?;
    }
    Ok(dir.write_atomic(OPENING, rng::secret().as_slice())?)
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
#[derive(Debug)]
pub(super) struct StoringKey(WrapKey);

impl StoringKey {
    pub(super) fn open(dir: &DataDir) -> Result<Self, Failure> {
        let missing = || {
            let what = format!("{STORING} in {} is missing", dir.path().display());
            Failure::new(Exit::Damaged, what).next("restore it from a backup")
        };
        Ok(Self(WrapKey::new(
            *read(dir, STORING)?.ok_or_else(missing)?,
        )))
    }

    /// Encrypts, bound to the reference.
    pub(super) fn wrap(&self, reference: &str, plain: &[u8]) -> Vec<u8> {
        self.0.wrap(reference.as_bytes(), plain)
    }

    pub(super) fn unwrap(&self, reference: &str, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.unwrap(reference.as_bytes(), bytes)
    }
}

/// What shop and centre call a card by: `card-` and 128 random bits.
pub(super) fn fresh_reference() -> String {
    let hex = Digest::from_bytes(*rng::secret()).to_string();
    format!("card-{}", hex.split_at(32).0)
}
