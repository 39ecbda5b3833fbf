//! The bytes of `vault.tegata`.
//!
//! ```text
//! "TEGATA-VAULT"  12 bytes
//! version          2 bytes, big-endian
//! [vault id, password form, outer layer]   deterministic CBOR
//! SHA-256 of all that                      32 bytes
//! ```
//! The digest at the end protects nothing from an attacker, who can recompute it. It distinguishes damage
//! from a wrong password before any password is tried, and it stands at the end of every version,
//! so that a flipped bit isn't taken for a newer version.
//!
//! The outer layer, opened by A, holds the everyday secrets, the application's state, the
//! history's checkpoint and the inner layer, still sealed; the inner one, opened by B, the master,
//! the spending seed and a state of its own.

use crate::cbor;
use minicbor::{Decode, Decoder, Encode, Encoder};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::history::Checkpoint;
use super::seal::{LayerKey, Place, Sealed};
use super::secret::Secret32;
use super::seed::Master;
use super::{Damage, FileName, Layer, PasswordForm, VaultError};

const MAGIC: &[u8; 12] = b"TEGATA-VAULT";
const VERSION: u16 = 1;
const PREFIX: usize = MAGIC.len() + 2;
const DIGEST: usize = 32;

/// Most bytes of the application's state in one layer.
pub const LONGEST_STATE: usize = 8 * 1024 * 1024;
/// Two states and what surrounds them.
const LONGEST_FILE: usize = 2 * LONGEST_STATE + 4096;

/// What can be read without a password.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct VaultFile {
    #[cbor(n(0), with = "minicbor::bytes")]
    vault: [u8; 16],
    #[n(1)]
    form: u8,
    #[n(2)]
    outer: Sealed,
}

impl VaultFile {
    pub(super) fn new(
        identity: Identity,
        key: &LayerKey,
        outer: &Outer,
        rng: &mut impl CryptoRng,
    ) -> Self {
        Self {
            vault: identity.vault,
            form: identity.form.code(),
            outer: Sealed::seal(identity.place(Layer::A), key, outer.encode(), rng),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend(cbor::encode(self));
        bytes.extend(Sha256::digest(&bytes));
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, VaultError> {
        let body = checked_body(bytes)?;
        let file: Self = cbor::decode(body, LONGEST_FILE)
            .map_err(|_malformed| Damage::Vault("isn't in the form of a vault"))?;
        file.identity()?;
        file.outer.check()?;
        Ok(file)
    }

    pub(super) fn identity(&self) -> Result<Identity, VaultError> {
        let form = PasswordForm::from_code(self.form)
            .ok_or(Damage::Vault("has an unknown password form"))?;
        Ok(Identity {
            vault: self.vault,
            form,
        })
    }

    pub(super) fn outer(&self) -> &Sealed {
        &self.outer
    }
}

/// Checks what stands before and after the body.
fn checked_body(bytes: &[u8]) -> Result<&[u8], VaultError> {
    let (content, digest) = bytes
        .split_last_chunk::<DIGEST>()
        .ok_or(Damage::Vault("is cut short"))?;
    let (prefix, body) = content
        .split_first_chunk::<PREFIX>()
        .ok_or(Damage::Vault("is cut short"))?;
    let (magic, version) = prefix.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(Damage::Vault("doesn't begin as a vault does").into());
    }
    if Sha256::digest(content).as_slice() != digest {
        return Err(Damage::Vault("doesn't match its own digest").into());
    }
    let found = version.iter().fold(0, |v, b| v << 8 | u16::from(*b));
    match found {
        VERSION => Ok(body),
        0 => Err(Damage::Vault("has no version").into()),
        _ => Err(VaultError::NewerVersion {
            file: FileName::Vault,
            found,
        }),
    }
}

/// What both layers are bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) vault: [u8; 16],
    pub(super) form: PasswordForm,
}

impl Identity {
    pub(super) fn place(self, layer: Layer) -> Place {
        Place {
            vault: self.vault,
            form: self.form,
            layer,
        }
    }
}

impl PasswordForm {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }
}

/// The contents of the outer layer.
pub(super) struct Outer {
    pub(super) everyday: Secret32,
    pub(super) opening: Secret32,
    pub(super) holder: Secret32,
    pub(super) history: Secret32,
    pub(super) checkpoint: Checkpoint,
    pub(super) state: Zeroizing<Vec<u8>>,
    pub(super) inner: Sealed,
}

/// More than the fixed parts, the CBOR heads and the tag take.
const ROOM: usize = 512;

impl Outer {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let inner = cbor::encode(&self.inner);
        let mut plain = with_room(ROOM + self.state.len() + inner.len());
        write(&mut plain, |e| {
            e.array(7)?
                .bytes(self.everyday.as_bytes())?
                .bytes(self.opening.as_bytes())?
                .bytes(self.holder.as_bytes())?
                .bytes(self.history.as_bytes())?
                .encode(self.checkpoint)?
                .bytes(&self.state)?
                .bytes(&inner)?
                .ok()
        });
        plain
    }

    pub(super) fn decode(plain: &[u8]) -> Result<Self, VaultError> {
        read_outer(plain)
            .ok()
            .filter(|outer| outer.inner.check().is_ok())
            .ok_or_else(|| Damage::Layer(Layer::A).into())
    }
}

fn read_outer(plain: &[u8]) -> Result<Outer, minicbor::decode::Error> {
    let mut d = Decoder::new(plain);
    expect_array(&mut d, 7)?;
    let outer = Outer {
        everyday: secret(&mut d)?,
        opening: secret(&mut d)?,
        holder: secret(&mut d)?,
        history: secret(&mut d)?,
        checkpoint: d.decode()?,
        state: Zeroizing::new(d.bytes()?.to_vec()),
        inner: cbor::decode(d.bytes()?, LONGEST_FILE)?,
    };
    expect_end(&d, plain)?;
    Ok(outer)
}

/// The contents of the inner layer. They exist only while somebody spends.
pub(super) struct Inner {
    pub(super) master: Master,
    pub(super) spending: Secret32,
    pub(super) state: Zeroizing<Vec<u8>>,
}

impl Inner {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut plain = with_room(ROOM + self.state.len());
        write(&mut plain, |e| {
            e.array(3)?
                .bytes(self.master.as_bytes())?
                .bytes(self.spending.as_bytes())?
                .bytes(&self.state)?
                .ok()
        });
        plain
    }

    pub(super) fn decode(plain: &[u8]) -> Result<Self, VaultError> {
        read_inner(plain)
            .ok()
            .ok_or_else(|| Damage::Layer(Layer::B).into())
    }
}

fn read_inner(plain: &[u8]) -> Result<Inner, minicbor::decode::Error> {
    let mut d = Decoder::new(plain);
    expect_array(&mut d, 3)?;
    let inner = Inner {
        master: Master::kept(secret(&mut d)?),
        spending: secret(&mut d)?,
        state: Zeroizing::new(d.bytes()?.to_vec()),
    };
    expect_end(&d, plain)?;
    Ok(inner)
}

/// Secrets are decoded by hand: a general decoder copies them through the stack, and the check of
/// the deterministic form encodes them again into memory that nobody wipes. These bytes were
/// sealed by this program, so there is no stranger's form to refuse.
fn secret(d: &mut Decoder<'_>) -> Result<Secret32, minicbor::decode::Error> {
    let bytes = d.bytes()?.try_into();
    let bytes = bytes.map_err(|_wrong_length| minicbor::decode::Error::message("not 32 bytes"))?;
    Ok(Secret32::copied(bytes))
}

fn expect_array(d: &mut Decoder<'_>, length: u64) -> Result<(), minicbor::decode::Error> {
    if d.array()? == Some(length) {
        return Ok(());
    }
    Err(minicbor::decode::Error::message("another array"))
}

fn expect_end(d: &Decoder<'_>, plain: &[u8]) -> Result<(), minicbor::decode::Error> {
    if d.position() == plain.len() {
        return Ok(());
    }
    Err(minicbor::decode::Error::message("bytes left over"))
}

/// Room for everything from the start: a vector that grows leaves its old bytes behind.
fn with_room(room: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(room))
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn write(plain: &mut Vec<u8>, fields: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Written) {
    let room = plain.capacity();
    #[expect(clippy::expect_used, reason = "writing to memory can't fail")]
    fields(&mut Encoder::new(&mut *plain)).expect("encoding into memory");
    debug_assert!(plain.len() + 16 <= room, "the secrets were moved in memory");
}
