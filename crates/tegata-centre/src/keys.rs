//! The centre's keys: the offline root in a folder of its own, and the operational keys that it
//! certifies.
//!
//! The root's folder (`--root DIR`) belongs on a stick in a safe. `tegata-centre root certify` needs
//! it for a minute once a year; nothing else does. The operational keys lie in the centre's data
//! folder, readable by the centre's user alone: a server must be able to start at night. The credit
//! link's lie in files of their own (`credit/key.rs`).

use getrandom::SysRng;
use minicbor::{Decode, Encode};
use rand_core::UnwrapErr;
use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure, OrExit as _},
    password::Password,
};
use tegata_keystore::{rng, stretch::stretch};
use tegata_protocol::{
    Malformed, OpeningKey, SignedBytes, SigningKey, Suite, Time, Unverified, Validity,
    VerifyingKey, cbor,
    record::{CentreKeys, Certificate, CertificateError, Certificates},
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const KEYS: &str = "keys.cbor";
pub(crate) const CERTIFICATES: &str = "certificates.cbor";
pub(crate) const ROOT_PUBLIC: &str = "root.pub";
pub(crate) const ROOT_SECRET: &str = "root.key";

/// The system's randomness.
pub(crate) fn rng() -> UnwrapErr<SysRng> {
    rng::system()
}

/// A secret that only a password opens: Argon2id, then AES-256-GCM.
#[derive(Encode, Decode)]
#[cbor(map)]
struct SealedSecret {
    #[cbor(n(0), with = "minicbor::bytes")]
    salt: [u8; 16],
    #[cbor(n(1), with = "minicbor::bytes")]
    ciphertext: Vec<u8>,
}

impl SealedSecret {
    fn seal(secret: &[u8; 32], password: &Password) -> Result<Self, Failure> {
        let salt = rng::bytes();
        let ciphertext = stretch(password.expose(), &salt)?.seal_once(b"", secret);
        Ok(Self { salt, ciphertext })
    }

    fn open(&self, password: &Password) -> Result<Zeroizing<[u8; 32]>, Failure> {
        let wrong = || Failure::refused("the password doesn't open this key").next("try again");
        let key = stretch(password.expose(), &self.salt)?;
        let plain = key.open_once(b"", &self.ciphertext).ok_or_else(wrong)?;
        let bytes = <[u8; 32]>::try_from(plain.as_slice()).map_err(|_e| wrong())?;
        Ok(Zeroizing::new(bytes))
    }
}

/// A signing key in a file that a password opens: the root's, an operator's.
#[derive(Debug)]
pub struct SealedKeyFile;

impl SealedKeyFile {
    /// Makes a fresh key, seals it under the password and keeps it as `name`.
    ///
    /// # Errors
    /// [`Failure`]; one that exists already is never replaced.
    pub fn create(dir: &DataDir, name: &str, password: &Password) -> Result<SigningKey, Failure> {
        if dir.read_optional(name)?.is_some() {
            return Err(Failure::usage(format!(
                "{name} exists already in {}",
                dir.path().display()
            )));
        }
        let (key, seed) = SigningKey::generate(&mut rng::system());
        let sealed = SealedSecret::seal(&seed, password)?;
        dir.write_atomic(name, &cbor::encode(&sealed))?;
        Ok(key)
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Failure`] when it's missing, damaged, or the password is wrong.
    pub fn open(dir: &DataDir, name: &str, password: &Password) -> Result<SigningKey, Failure> {
        let sealed: SealedSecret = read_cbor(dir, name)?;
        Ok(SigningKey::from_seed(&*sealed.open(password)?))
    }
}

/// Reads a file of ours.
pub(crate) fn read_cbor<T>(dir: &DataDir, name: &str) -> Result<T, Failure>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let bytes = Zeroizing::new(dir.read(name)?);
    let damaged = |e: Malformed| format!("{name} in {} is damaged: {e}", dir.path().display());
    let decoded = cbor::decode(&bytes, 1 << 20).map_err(|e| anyhow::anyhow!(damaged(e)));
    decoded.or_exit(Exit::Damaged)
}

/// Makes the root key in its own folder.
///
/// # Errors
/// [`Failure`].
pub fn create_root(dir: &DataDir, password: &Password) -> Result<VerifyingKey, Failure> {
    let key = SealedKeyFile::create(dir, ROOT_SECRET, password)?;
    Ok(key.verifying_key())
}

/// The seeds of the operational keys.
#[derive(Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
struct Seeds {
    #[cbor(n(0), with = "minicbor::bytes")]
    register: [u8; 32],
    #[cbor(n(1), with = "minicbor::bytes")]
    receipts: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    debit_orders: [u8; 32],
    #[cbor(n(3), with = "minicbor::bytes")]
    lists: [u8; 32],
    #[cbor(n(4), with = "minicbor::bytes")]
    opening: [u8; 32],
}

/// The operational keys, each for one purpose.
#[derive(Debug)]
pub struct OperationalKeys {
    /// Signs parties' records.
    pub register: SigningKey,
    /// Signs receipts, notices, cards and heads.
    pub receipts: SigningKey,
    /// Signs debit orders.
    pub debit_orders: SigningKey,
    /// Signs lists.
    pub lists: SigningKey,
    /// Opens what is sealed to the centre.
    pub opening: OpeningKey,
}

impl OperationalKeys {
    /// Makes fresh keys; those that exist are never replaced.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn create(dir: &DataDir) -> Result<Self, Failure> {
        if dir.read_optional(KEYS)?.is_some() {
            let there = format!("{} holds a centre's keys already", dir.path().display());
            return Err(Failure::usage(there).next("choose another folder"));
        }
        let seeds = Seeds {
            register: rng::bytes(),
            receipts: rng::bytes(),
            debit_orders: rng::bytes(),
            lists: rng::bytes(),
            opening: rng::bytes(),
        };
        dir.write_atomic(KEYS, &Zeroizing::new(cbor::encode(&seeds)))?;
        Self::open(dir)
    }

    /// The receipts key alone.
    pub fn into_receipts(self) -> SigningKey {
        self.receipts
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open(dir: &DataDir) -> Result<Self, Failure> {
        let seeds: Seeds = read_cbor(dir, KEYS)?;
        Ok(Self {
            register: SigningKey::from_seed(&seeds.register),
            receipts: SigningKey::from_seed(&seeds.receipts),
            debit_orders: SigningKey::from_seed(&seeds.debit_orders),
            lists: SigningKey::from_seed(&seeds.lists),
            opening: OpeningKey::from_seed(Suite::Standard, &seeds.opening),
        })
    }
}

pub(crate) fn hex(bytes: &[u8; 32]) -> String {
    tegata_protocol::Digest::from_bytes(*bytes).to_string()
}

/// What anybody may know of the centre: root, certificates, and the keys that they certify.
#[derive(Debug, Clone)]
pub struct PublicKeys {
    /// The root's public key.
    pub root: VerifyingKey,
    /// The certificates as handed out.
    pub certificates: Certificates,
    /// The keys in them.
    pub keys: CentreKeys,
}

impl PublicKeys {
    /// Reads and verifies them.
    ///
    /// # Errors
    /// [`Failure`] when they're missing or don't hold at `now`.
    pub fn open(dir: &DataDir, now: Time) -> Result<Self, Failure> {
        let (root, certificates) = read_public(dir)?;
        let keys = CentreKeys::verify(&root, &certificates, now).map_err(|e| {
            let certify = "run tegata-centre root certify with the root key";
            let (exit, next) = match &e {
                // New certificates would begin at the wrong time, too.
                CertificateError::ClockBehind { .. } => (
                    Exit::Refused,
                    "run the same command again once the clock is right",
                ),
                CertificateError::Missing(_) => (Exit::Refused, certify),
                CertificateError::Malformed(_) | CertificateError::Forged => {
                    (Exit::Damaged, certify)
                }
            };
            Failure::new(exit, e).next(next)
        })?;
        Ok(Self {
            root,
            certificates,
            keys,
        })
    }

    /// Reads and verifies them as of the day on which they were made: what they certified then may
    /// still be audited when they have expired.
    ///
    /// # Errors
    /// [`Failure`] when they're missing or damaged.
    pub fn open_for_audit(dir: &DataDir) -> Result<Self, Failure> {
        let (_, certificates) = read_public(dir)?;
        let made = certificates.0.iter().filter_map(|signed| {
            let certificate = Unverified::<Certificate>::parse(signed.clone()).ok()?;
            Some(certificate.claimed().valid.from())
        });
        Self::open(dir, made.max().unwrap_or(Time::from_secs(0)))
    }
}

fn read_public(dir: &DataDir) -> Result<(VerifyingKey, Certificates), Failure> {
    let Some(text) = dir.read_optional(ROOT_PUBLIC)? else {
        let missing = format!("{} has no certificates yet", dir.path().display());
        return Err(Failure::usage(missing).next("run tegata-centre root certify"));
    };
    let text = String::from_utf8_lossy(&text);
    let key = tegata_protocol::Digest::from_hex(text.trim());
    let key = key.and_then(|d| VerifyingKey::from_bytes(d.as_bytes()).ok());
    let damaged = || Failure::new(Exit::Damaged, "root.pub isn't a public key");
    Ok((key.ok_or_else(damaged)?, read_cbor(dir, CERTIFICATES)?))
}

/// Signs a party's record with the register's key.
pub(crate) fn sign_record(
    keys: &OperationalKeys,
    record: &tegata_protocol::record::PartyRecord,
) -> SignedBytes {
    keys.register.sign(record)
}

/// From `now` on for so many seconds; five minutes earlier for those whose clock is behind.
pub(crate) fn lasting(now: Time, seconds: u64) -> Validity {
    let from = now.before(tegata_protocol::CLOCK_WINDOW);
    #[expect(
        clippy::expect_used,
        reason = "both spans in use are years, far from the end of time"
    )]
    Validity::new(from, now.after(seconds)).expect("a positive span")
}
