//! Sealing: HPKE base mode (RFC 9180) in two suites, and replies under a key exported from the
//! request's context (after RFC 9458 §4.4).
//!
//! A recipient's signed record fixes its suite; nothing is negotiated, so nothing can be talked
//! down. The one place that knows which library does the work: a faster composition can replace it
//! here, the vectors in `spec/vectors/` deciding.

use core::fmt;

use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit, aead::Aead as _};
use hkdf::Hkdf;
use hpke::{
    Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable,
    aead::{AeadCtxR, AeadCtxS, AesGcm128, AesGcm256},
    kdf::HkdfSha256,
    kem::{X25519HkdfSha256, XWing},
    setup_receiver, setup_sender_with_rng,
};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Digest, KeyId, Malformed, xwing::KeptXWing};

type CompactSender = AeadCtxS<AesGcm128, HkdfSha256, X25519HkdfSha256>;
type StandardSender = AeadCtxS<AesGcm256, HkdfSha256, XWing>;

/// What a reply's key is exported under.
const REPLY_LABEL: &[u8] = b"tegata reply v1";

/// How something is sealed. The numbers stand in messages and records, for ever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Suite {
    /// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM: 48 bytes more. Gates and QR codes.
    #[n(1)]
    Compact,
    /// X-Wing (ML-KEM-768 with X25519), HKDF-SHA256, AES-256-GCM: 1,136 bytes more. All else: what
    /// is recorded today stays closed when a quantum computer comes.
    #[n(2)]
    Standard,
}

impl Suite {
    /// Bytes of a public key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Compact => 32,
            Self::Standard => 1216,
        }
    }

    /// Bytes of an encapsulated key.
    pub const fn enc_length(self) -> usize {
        match self {
            Self::Compact => 32,
            Self::Standard => 1120,
        }
    }
}

/// It doesn't open: wrong key, changed, or for somebody else. Nobody learns which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it can't be opened with this key")]
pub struct Unopenable;

/// A public key that something can be sealed to.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey {
    suite: Suite,
    bytes: Box<[u8]>,
}

impl SealingKey {
    /// Reads a public key of `suite`.
    ///
    /// # Errors
    /// [`Malformed::Field`] when it isn't one.
    pub fn from_bytes(suite: Suite, bytes: &[u8]) -> Result<Self, Malformed> {
        let good = match suite {
            Suite::Compact => <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(bytes).is_ok(),
            Suite::Standard => <XWing as Kem>::PublicKey::from_bytes(bytes).is_ok(),
        };
        if good {
            Ok(Self {
                suite,
                bytes: bytes.into(),
            })
        } else {
            Err(Malformed::field(
                "sealing key",
                format!("not a key of suite {suite:?}"),
            ))
        }
    }

    /// The suite that it fixes.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its id.
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.bytes)
    }

    /// Encapsulates a fresh key to the owner: the first half of sealing. What is to be sealed may
    /// name [`Sealer::enc_digest`].
    ///
    /// # Errors
    /// [`Malformed`] for a key that no honest owner has (an X25519 key of small order).
    pub fn begin(&self, info: &[u8], rng: &mut impl CryptoRng) -> Result<Sealer, Malformed> {
        let no = |_e: HpkeError| Malformed::field("sealing key", "nothing can be sealed to it");
        let (enc, context) = match self.suite {
            Suite::Compact => {
                let (enc, context) = start(&self.bytes, info, rng).map_err(no)?;
                (enc, SendContext::Compact(Box::new(context)))
            }
            Suite::Standard => {
                let (enc, context) = start(&self.bytes, info, rng).map_err(no)?;
                (enc, SendContext::Standard(Box::new(context)))
            }
        };
        Ok(Sealer {
            suite: self.suite,
            enc,
            context,
        })
    }
}

/// An encapsulated key, and the context to seal with.
type Started<A, K> = (Vec<u8>, AeadCtxS<A, HkdfSha256, K>);

/// The sender's half of HPKE for one pair of AEAD and KEM.
fn start<A: hpke::aead::Aead, K: Kem>(
    key: &[u8],
    info: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Started<A, K>, HpkeError> {
    let key = K::PublicKey::from_bytes(key)?;
    let (enc, context) =
        setup_sender_with_rng::<A, HkdfSha256, K>(&OpModeS::Base, &key, info, rng)?;
    Ok((enc.to_bytes().to_vec(), context))
}

/// The recipient's half: the plaintext, and the secret exported for the reply.
fn receive<A: hpke::aead::Aead, K: Kem>(
    key: &K::PrivateKey,
    info: &[u8],
    enc: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<(Vec<u8>, Zeroizing<[u8; 32]>), HpkeError> {
    let enc = K::EncappedKey::from_bytes(enc)?;
    let mut context: AeadCtxR<A, HkdfSha256, K> = setup_receiver(&OpModeR::Base, key, &enc, info)?;
    let plaintext = context.open(ciphertext, aad)?;
    Ok((plaintext, exported(|out| context.export(REPLY_LABEL, out))))
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({:?}, {})", self.suite, self.id())
    }
}

impl<C> Encode<C> for SealingKey {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(2)?;
        self.suite.encode(e, ctx)?;
        e.bytes(&self.bytes)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for SealingKey {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(2) {
            return Err(decode::Error::message("a sealing key is [suite, bytes]"));
        }
        let suite = Suite::decode(d, ctx)?;
        Ok(Self::from_bytes(suite, d.bytes()?)?)
    }
}

enum SendContext {
    Compact(Box<CompactSender>),
    Standard(Box<StandardSender>),
}

/// Half-way sealed: a key is encapsulated, the contents are still to come.
pub struct Sealer {
    suite: Suite,
    enc: Vec<u8>,
    context: SendContext,
}

impl Sealer {
    /// The encapsulated key, which travels in clear.
    pub fn enc(&self) -> &[u8] {
        &self.enc
    }

    /// SHA-256 of the encapsulated key: signed inside, it ties the contents to this one sealing, so
    /// that who holds the signed bytes alone can't fetch the reply.
    pub fn enc_digest(&self) -> Digest {
        Digest::of(&self.enc)
    }

    /// The suite.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Seals the contents. Gives the ciphertext and the key that the reply will be under.
    pub fn finish(mut self, aad: &[u8], plaintext: &[u8]) -> (Vec<u8>, ReplyKey) {
        let (ciphertext, secret) = match &mut self.context {
            SendContext::Compact(c) => (
                c.seal(plaintext, aad),
                exported(|out| c.export(REPLY_LABEL, out)),
            ),
            SendContext::Standard(c) => (
                c.seal(plaintext, aad),
                exported(|out| c.export(REPLY_LABEL, out)),
            ),
        };
        #[expect(
            clippy::expect_used,
            reason = "AES-GCM refuses only messages of gigabytes"
        )]
        let ciphertext = ciphertext.expect("sealing in memory");
        (
            ciphertext,
            ReplyKey {
                suite: self.suite,
                enc: self.enc,
                secret,
            },
        )
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({:?})", self.suite)
    }
}

fn exported(export: impl FnOnce(&mut [u8]) -> Result<(), HpkeError>) -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    #[expect(
        clippy::expect_used,
        reason = "32 bytes are below HKDF's limit of 8,160"
    )]
    export(secret.as_mut()).expect("exporting 32 bytes");
    secret
}

enum Secret {
    Compact(Box<<X25519HkdfSha256 as Kem>::PrivateKey>),
    Standard(<KeptXWing as Kem>::PrivateKey),
}

/// The secret half of a [`SealingKey`]. Not `Clone`, not printable.
///
/// ```compile_fail
/// fn copy(key: &tegata_protocol::OpeningKey) -> tegata_protocol::OpeningKey { key.clone() }
/// ```
pub struct OpeningKey {
    secret: Secret,
    public: SealingKey,
}

impl OpeningKey {
    /// The key pair that grows from a 32-byte seed (RFC 9180's DeriveKeyPair).
    pub fn from_seed(suite: Suite, seed: &[u8; 32]) -> Self {
        let (secret, bytes) = match suite {
            Suite::Compact => {
                let (secret, public) = X25519HkdfSha256::derive_keypair(seed);
                (
                    Secret::Compact(Box::new(secret)),
                    public.to_bytes().to_vec(),
                )
            }
            Suite::Standard => {
                let (secret, public) = KeptXWing::derive_keypair(seed);
                (Secret::Standard(secret), public.to_bytes().to_vec())
            }
        };
        Self {
            secret,
            public: SealingKey {
                suite,
                bytes: bytes.into(),
            },
        }
    }

    /// A key pair from fresh randomness, and the seed to keep.
    pub fn generate(suite: Suite, rng: &mut impl CryptoRng) -> (Self, Zeroizing<[u8; 32]>) {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        (Self::from_seed(suite, &seed), seed)
    }

    /// The public half.
    pub const fn sealing_key(&self) -> &SealingKey {
        &self.public
    }

    /// Opens what was sealed to this key, and gives the key for the reply.
    ///
    /// # Errors
    /// [`Unopenable`].
    pub fn open(
        &self,
        info: &[u8],
        enc: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, ReplyKey), Unopenable> {
        let opened = match &self.secret {
            Secret::Compact(key) => {
                receive::<AesGcm128, X25519HkdfSha256>(key, info, enc, aad, ciphertext)
            }
            Secret::Standard(key) => {
                receive::<AesGcm256, KeptXWing>(key, info, enc, aad, ciphertext)
            }
        };
        let (plaintext, secret) = opened.map_err(|_e| Unopenable)?;
        let reply = ReplyKey {
            suite: self.public.suite,
            enc: enc.to_vec(),
            secret,
        };
        Ok((Zeroizing::new(plaintext), reply))
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpeningKey(of {:?})", self.public)
    }
}

/// What both ends of a sealed request can seal the reply with: one microsecond instead of another
/// encapsulation. Exported from the request's HPKE context; each reply mixes in a fresh nonce.
pub struct ReplyKey {
    suite: Suite,
    enc: Vec<u8>,
    secret: Zeroizing<[u8; 32]>,
}

impl ReplyKey {
    /// SHA-256 of the encapsulated key that the request came with.
    pub fn enc_digest(&self) -> Digest {
        Digest::of(&self.enc)
    }

    /// Seals a reply under a fresh nonce.
    pub fn seal(&self, plaintext: &[u8], rng: &mut impl CryptoRng) -> ([u8; 32], Vec<u8>) {
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let (key, iv) = self.derive(&nonce);
        let sealed = match self.suite {
            Suite::Compact => Aes128Gcm::new_from_slice(key.get(..16).unwrap_or_default())
                .map(|c| c.encrypt(&iv.into(), plaintext)),
            Suite::Standard => {
                Aes256Gcm::new_from_slice(key.as_slice()).map(|c| c.encrypt(&iv.into(), plaintext))
            }
        };
        #[expect(
            clippy::expect_used,
            reason = "key lengths are fixed, replies far below gigabytes"
        )]
        let sealed = sealed
            .expect("key of the right length")
            .expect("sealing in memory");
        (nonce, sealed)
    }

    /// Opens a reply.
    ///
    /// # Errors
    /// [`Unopenable`].
    pub fn open(&self, nonce: &[u8; 32], ciphertext: &[u8]) -> Result<Vec<u8>, Unopenable> {
        let (key, iv) = self.derive(nonce);
        match self.suite {
            Suite::Compact => Aes128Gcm::new_from_slice(key.get(..16).unwrap_or_default())
                .map_err(|_e| Unopenable)?
                .decrypt(&iv.into(), ciphertext),
            Suite::Standard => Aes256Gcm::new_from_slice(key.as_slice())
                .map_err(|_e| Unopenable)?
                .decrypt(&iv.into(), ciphertext),
        }
        .map_err(|_e| Unopenable)
    }

    /// RFC 9458 §4.4: salt = enc ‖ nonce, prk = Extract(salt, secret), then key and nonce.
    fn derive(&self, nonce: &[u8; 32]) -> (Zeroizing<[u8; 32]>, [u8; 12]) {
        let salt = [self.enc.as_slice(), nonce].concat();
        let prk = Hkdf::<Sha256>::new(Some(&salt), self.secret.as_slice());
        let (mut key, mut iv) = (Zeroizing::new([0; 32]), [0; 12]);
        #[expect(
            clippy::expect_used,
            reason = "44 bytes are below HKDF's limit of 8,160"
        )]
        prk.expand(b"key", key.as_mut())
            .and_then(|()| prk.expand(b"nonce", &mut iv))
            .expect("HKDF");
        (key, iv)
    }
}

impl fmt::Debug for ReplyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyKey({:?})", self.suite)
    }
}
