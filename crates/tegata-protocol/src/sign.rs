//! Signatures: Ed25519 (RFC 8032) in COSE_Sign1 (RFC 9052), and the types that remember what was
//! verified.
//!
//! Everything signed is a [`Document`]: its payload is `[label, version, body]`, so that a signature
//! over one kind of thing can't be taken for another. Bytes become an [`Unverified`] document by
//! parsing, and a [`Verified`] one only by the right key; only the latter gives its value away.
//! A stranger's COSE library verifies the same bytes: algorithm -8, attached payload, empty
//! external data.

use core::{
    fmt,
    ops::{Deref, Neg as _},
};

use curve25519_dalek::{
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::Scalar,
};
use ed25519_dalek::{Signer, Verifier};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use zeroize::Zeroizing;

use crate::{Digest, KeyId, Malformed, cbor};

/// A secret Ed25519 key. Not `Clone`, not printable, wiped when dropped.
///
/// ```compile_fail
/// fn copy(key: &tegata_protocol::SigningKey) -> tegata_protocol::SigningKey { key.clone() }
/// ```
/// ```compile_fail
/// fn show(key: &tegata_protocol::SigningKey) -> String { format!("{key}") }
/// ```
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key that grows from a 32-byte seed (RFC 8032 §5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// A key from fresh randomness, and the seed to keep.
    pub fn generate(rng: &mut impl rand_core::CryptoRng) -> (Self, Zeroizing<[u8; 32]>) {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        (Self::from_seed(&seed), seed)
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs a document, with the key's id in the protected header.
    pub fn sign<T: Document>(&self, document: &T) -> SignedBytes {
        self.sign_payload(payload_of(document), Some(self.verifying_key().id()))
    }

    /// Signs a payload made by [`payload_of`] earlier: what the ledger keeps of a reply.
    pub fn sign_kept_payload(&self, payload: Vec<u8>) -> SignedBytes {
        self.sign_payload(payload, Some(self.verifying_key().id()))
    }

    /// Signs a document without naming the key, where each byte counts and the key is known from
    /// elsewhere: a presentation, whose ticket names its holder.
    pub(crate) fn sign_unnamed<T: Document>(&self, document: &T) -> SignedBytes {
        self.sign_payload(payload_of(document), None)
    }

    fn sign_payload(&self, payload: Vec<u8>, key: Option<KeyId>) -> SignedBytes {
        let protected = protected_header(key);
        let signature = self.0.sign(&to_be_signed(&protected, &payload)).to_bytes();
        let sign1 = Sign1 {
            key,
            protected,
            payload,
            signature,
        };
        SignedBytes(cbor::encode(&sign1))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.verifying_key().id())
    }
}

/// A public Ed25519 key that a record may hold: canonical, of the prime-order group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Reads a public key.
    ///
    /// # Errors
    /// [`Malformed::Field`] for bytes that aren't a canonical point of the prime-order group:
    /// under a small- or mixed-order key, implementations disagree about what is signed.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Malformed> {
        let wrong = |why: &str| Malformed::field("public key", why);
        let point = CompressedEdwardsY(*bytes)
            .decompress()
            .ok_or_else(|| wrong("not a point"))?;
        let key = ed25519_dalek::VerifyingKey::from(point);
        if key.as_bytes() != bytes {
            return Err(wrong("not in canonical form"));
        }
        if point.is_small_order() || !is_of_prime_order(&point) {
            return Err(wrong("of small or mixed order"));
        }
        Ok(Self(key))
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Its id.
    pub fn id(&self) -> KeyId {
        KeyId::of(self.0.as_bytes())
    }

    /// The key as a COSE_Key (RFC 9052 §7, RFC 9053 §7.2): `{1: 1 (OKP), 2: key id, 3: -8 (EdDSA),
    /// -1: 6 (Ed25519), -2: the 32 bytes}`, for a stranger's library to verify with.
    pub fn to_cose_key(&self) -> Vec<u8> {
        struct CoseKey<'a>(&'a VerifyingKey);
        impl<C> Encode<C> for CoseKey<'_> {
            fn encode<W: encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), encode::Error<W::Error>> {
                e.map(5)?.u8(1)?.u8(1)?;
                e.u8(2)?.bytes(self.0.id().as_bytes())?;
                e.u8(3)?.i8(-8)?.i8(-1)?.u8(6)?;
                e.i8(-2)?.bytes(self.0.as_bytes())?.ok()
            }
        }
        cbor::encode(&CoseKey(self))
    }

    /// Single cofactorless verification: S below the group's order, R compared byte by byte.
    fn accepts(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0
            .verify(message, &ed25519_dalek::Signature::from_bytes(signature))
            .is_ok()
    }

    /// Is this the signature of the bare `message`? For test vectors and benchmarks; documents go
    /// through [`Unverified::verify`].
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.accepts(message, signature)
    }
}

/// Is ℓ times a public point the identity? As `EdwardsPoint::is_torsion_free`, but not in constant
/// time, which public keys don't need: a gate decodes a new holder's key with every ticket.
fn is_of_prime_order(point: &EdwardsPoint) -> bool {
    // The scalar -1 is the whole number ℓ - 1.
    let rest =
        EdwardsPoint::vartime_double_scalar_mul_basepoint(&-Scalar::ONE, point, &Scalar::ZERO);
    rest == point.neg()
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.id())
    }
}

impl<C> Encode<C> for VerifyingKey {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for VerifyingKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = d.bytes()?.try_into();
        let bytes = bytes.map_err(|_e| decode::Error::message("a public key has 32 bytes"))?;
        Ok(Self::from_bytes(bytes)?)
    }
}

/// Something that is signed on its own: a record, a bill, a ticket, a message.
pub trait Document: Sized + Encode<()> + for<'b> Decode<'b, ()> {
    /// Which kind of thing: the number in the specification's table of types, for ever.
    const LABEL: u16;
    /// The version of its form.
    const VERSION: u8 = 1;
    /// The most bytes that its signed form may have.
    const LIMIT: usize;

    /// Checks what the types alone can't say: lengths, sums, orders.
    ///
    /// # Errors
    /// [`Malformed::Field`] that names the field.
    fn check(&self) -> Result<(), Malformed>;
}

/// `[label, version, body]`: what is signed of a document.
pub fn payload_of<T: Document>(document: &T) -> Vec<u8> {
    cbor::encode(&Payload {
        label: T::LABEL,
        version: T::VERSION,
        body: document,
    })
}

/// The digest of a document's payload, which two parties can compute without a signature.
pub fn digest_of<T: Document>(document: &T) -> Digest {
    Digest::of(&payload_of(document))
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Payload<B> {
    #[n(0)]
    label: u16,
    #[n(1)]
    version: u8,
    #[n(2)]
    body: B,
}

/// Parses a payload that was kept unsigned (a stored reply), as [`payload_of`] made it. Nothing
/// vouches for it but where it was kept.
///
/// # Errors
/// [`Malformed`].
pub fn parse_kept_payload<T: Document>(payload: &[u8]) -> Result<T, Malformed> {
    parse_payload(payload)
}

/// Parses `[label, version, body]` into a document.
fn parse_payload<T: Document>(payload: &[u8]) -> Result<T, Malformed> {
    let (label, version) = label_of_payload(payload)?;
    if (label, version) != (T::LABEL, T::VERSION) {
        let (expected, own) = (T::LABEL, T::VERSION);
        return Err(Malformed::Label {
            found: label,
            found_version: version,
            expected,
            version: own,
        });
    }
    let document = cbor::decode::<Payload<T>>(payload, T::LIMIT)?.body;
    document.check()?;
    Ok(document)
}

fn label_of_payload(payload: &[u8]) -> Result<(u16, u8), Malformed> {
    let mut d = Decoder::new(payload);
    let read = |d: &mut Decoder<'_>| -> Result<(u16, u8), decode::Error> {
        if d.array()? != Some(3) {
            return Err(decode::Error::message(
                "a payload is [label, version, body]",
            ));
        }
        Ok((d.u16()?, d.u8()?))
    };
    read(&mut d).map_err(|e| Malformed::Cbor(e.to_string()))
}

/// The bytes of a COSE_Sign1, exactly as they were made or received. Nobody has verified them.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct SignedBytes(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>);

/// No signed thing is larger: 1 MiB (a bank statement's import; messages are far smaller).
pub const SIGNED_LIMIT: usize = 1 << 20;

impl SignedBytes {
    /// Bytes that claim to be a COSE_Sign1.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// SHA-256 of the bytes: what receipts, idempotency and evidence go by.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The label and version that stand inside, to choose the parser by.
    ///
    /// # Errors
    /// [`Malformed`] when this isn't a COSE_Sign1 of ours.
    pub fn label(&self) -> Result<(u16, u8), Malformed> {
        label_of_payload(&cbor::decode::<Sign1>(&self.0, SIGNED_LIMIT)?.payload)
    }

    /// The payload inside, for whoever keeps it to sign it again.
    ///
    /// # Errors
    /// [`Malformed`] when this isn't a COSE_Sign1 of ours.
    pub fn payload(&self) -> Result<Vec<u8>, Malformed> {
        Ok(cbor::decode::<Sign1>(&self.0, SIGNED_LIMIT)?.payload)
    }
}

impl fmt::Debug for SignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedBytes({} bytes, {})", self.0.len(), self.digest())
    }
}

/// A document that parsed, of which nothing is believed yet.
pub struct Unverified<T> {
    claimed: T,
    sign1: Sign1,
    signed: SignedBytes,
}

impl<T: Document> Unverified<T> {
    /// Parses signed bytes: right type, deterministic form, every field within its limits.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(signed: SignedBytes) -> Result<Self, Malformed> {
        let sign1: Sign1 = cbor::decode(signed.as_bytes(), T::LIMIT.min(SIGNED_LIMIT))?;
        let claimed = parse_payload(&sign1.payload)?;
        Ok(Self {
            claimed,
            sign1,
            signed,
        })
    }

    /// What the document says of itself, to find the key by that must have signed it. Decide
    /// nothing else by it.
    pub fn claimed(&self) -> &T {
        &self.claimed
    }

    /// The id of the key that claims to have signed, if it is named.
    pub fn key(&self) -> Option<KeyId> {
        self.sign1.key
    }

    /// SHA-256 of the signed bytes.
    pub fn digest(&self) -> Digest {
        self.signed.digest()
    }

    /// The bytes, still unverified.
    pub fn into_signed(self) -> SignedBytes {
        self.signed
    }

    /// The document, if `key` signed it.
    ///
    /// # Errors
    /// [`Forged`] when it didn't.
    pub fn verify(self, key: &VerifyingKey) -> Result<Verified<T>, Forged> {
        let named = self.sign1.key.is_none_or(|id| id == key.id());
        let message = to_be_signed(&self.sign1.protected, &self.sign1.payload);
        if !named || !key.accepts(&message, &self.sign1.signature) {
            return Err(Forged);
        }
        Ok(Verified {
            value: self.claimed,
            signed: self.signed,
            signer: *key,
        })
    }
}

impl<T> fmt::Debug for Unverified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unverified({:?})", self.signed)
    }
}

/// A document whose signature held. There is no other way to get one than [`Unverified::verify`].
#[derive(Clone)]
pub struct Verified<T> {
    value: T,
    signed: SignedBytes,
    signer: VerifyingKey,
}

impl<T> Verified<T> {
    /// The bytes that were signed, as received.
    pub fn signed(&self) -> &SignedBytes {
        &self.signed
    }

    /// SHA-256 of the signed bytes.
    pub fn digest(&self) -> Digest {
        self.signed.digest()
    }

    /// The key that signed.
    pub fn signer(&self) -> &VerifyingKey {
        &self.signer
    }

    /// The value alone, when the evidence is no longer wanted.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verified").field(&self.value).finish()
    }
}

/// The signature isn't by the key that should have signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature isn't by the key that should have signed")]
pub struct Forged;

/// COSE_Sign1: tag 18, `[protected, {}, payload, signature]`.
struct Sign1 {
    key: Option<KeyId>,
    protected: Vec<u8>,
    payload: Vec<u8>,
    signature: [u8; 64],
}

/// `{1: -8}` or `{1: -8, 4: key id}`: algorithm EdDSA, and the key's id.
fn protected_header(key: Option<KeyId>) -> Vec<u8> {
    match key {
        None => vec![0xA1, 0x01, 0x27],
        Some(id) => [&[0xA2, 0x01, 0x27, 0x04, 0x48][..], id.as_bytes()].concat(),
    }
}

fn parse_protected(bytes: &[u8]) -> Option<Option<KeyId>> {
    match bytes {
        [0xA1, 0x01, 0x27] => Some(None),
        [0xA2, 0x01, 0x27, 0x04, 0x48, id @ ..] => KeyId::from_slice(id).map(Some),
        _ => None,
    }
}

/// The Sig_structure of RFC 9052 §4.4: `["Signature1", protected, h'', payload]`.
fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    struct Structure<'a>(&'a [u8], &'a [u8]);
    impl<C> Encode<C> for Structure<'_> {
        fn encode<W: encode::Write>(
            &self,
            e: &mut Encoder<W>,
            _: &mut C,
        ) -> Result<(), encode::Error<W::Error>> {
            e.array(4)?
                .str("Signature1")?
                .bytes(self.0)?
                .bytes(&[])?
                .bytes(self.1)?
                .ok()
        }
    }
    cbor::encode(&Structure(protected, payload))
}

impl<C> Encode<C> for Sign1 {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.tag(minicbor::data::Tag::new(18))?
            .array(4)?
            .bytes(&self.protected)?
            .map(0)?;
        e.bytes(&self.payload)?.bytes(&self.signature)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Sign1 {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let wrong = decode::Error::message;
        if d.tag()? != minicbor::data::Tag::new(18) || d.array()? != Some(4) {
            return Err(wrong("not a tagged COSE_Sign1"));
        }
        let protected = d.bytes()?.to_vec();
        let key = parse_protected(&protected).ok_or_else(|| {
            wrong("the protected header isn't {alg: EdDSA} with or without key id")
        })?;
        if d.map()? != Some(0) {
            return Err(wrong("the unprotected header isn't empty"));
        }
        let payload = d.bytes()?.to_vec();
        let signature = d.bytes()?.try_into();
        let signature = signature.map_err(|_e| wrong("an Ed25519 signature has 64 bytes"))?;
        Ok(Self {
            key,
            protected,
            payload,
            signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;

    use super::*;

    #[test]
    fn the_quick_test_of_the_order_agrees_with_the_slow_one() {
        for seed in 0..8 {
            let key = SigningKey::from_seed(&[seed; 32]).verifying_key();
            let point = CompressedEdwardsY(*key.as_bytes()).decompress().unwrap();
            for (torsion, rest) in EIGHT_TORSION.iter().zip(0..) {
                for point in [point + torsion, *torsion] {
                    assert_eq!(is_of_prime_order(&point), point.is_torsion_free());
                    let taken = VerifyingKey::from_bytes(&point.compress().to_bytes()).is_ok();
                    assert_eq!(taken, rest == 0 && point != *torsion);
                }
            }
        }
    }
}
