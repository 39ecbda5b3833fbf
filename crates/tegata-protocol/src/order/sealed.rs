//! Sealing a form and opening it again: what the program in the browser does, in Rust.
//!
//! ```text
//! form ─ c1 ─▶ layer 1      c1 ─ c2 ─▶ layer 2  …      ck ─ key of the order ─▶ key part
//! bytes = enc ‖ key part ‖ layer k ‖ … ‖ layer 1          no layers: enc ‖ the form, sealed
//! ```
//! A layer is AES-256-GCM under a communication key that seals nothing else, so its nonce is zero.
//! The key part is RFC 9180 in base mode. A shared key takes the place of the key encapsulation:
//! `enc` is then 32 random bytes, and the shared secret is grown from both as DHKEM does it, under
//! the private KEM number 0xFF00; the rest is the same.

use aes_gcm::{Aes256Gcm, KeyInit, aead::Aead as _};
use hkdf::{Hkdf, HkdfExtract};
use minicbor::{Decode, Encode};
use pbkdf2::pbkdf2_hmac;
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{OpeningHalf, OrderId, OrderKey, OrderKeyId, Part, Scheme, SharedKey};
use crate::{Digest, Malformed, SignedBytes, Unopenable, Verified, cbor, malformed::check_text};

/// The most bytes of a sealed order on the wire, and of the form inside.
pub const ORDER_LIMIT: usize = 64 * 1024;

/// A communication key, and what a layer adds.
const KEY: usize = 32;
const TAG: usize = 16;
/// Rounds of PBKDF2 for a typed-in key; browsers have no Argon2.
const TYPED_ROUNDS: u32 = 600_000;
/// The shortest typed-in key, in characters.
const TYPED_LEAST: usize = 12;

/// The KEM number that stands for a shared key, from the range for private use.
const SHARED_KEM: [u8; 2] = [0xFF, 0x00];

/// A sealed order as it's sent: the token in clear, so that everybody on the way knows the order's
/// number and nobody more.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct SealedOrder {
    /// The recipient's own signed [`super::CartToken`].
    #[n(0)]
    pub token: SignedBytes,
    /// Which key sealed it.
    #[n(1)]
    pub key: OrderKeyId,
    /// The sealed form.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// A card number, sealed to the centre's credit link: the shop can't read it.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub card: Option<Vec<u8>>,
}

impl SealedOrder {
    /// Reads what was sent.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        cbor::decode(bytes, ORDER_LIMIT)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }
}

/// What a sealing is bound to: the key's signed payload (recipient, scheme, suite, key, expiry,
/// program …), the order's number, and the cart. HPKE's `info`.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
#[cbor(array)]
pub struct Binding {
    #[cbor(n(0), with = "minicbor::bytes")]
    key: Vec<u8>,
    #[n(1)]
    order: OrderId,
    #[n(2)]
    cart: Digest,
    #[n(3)]
    purpose: Purpose,
}

/// Which of an order's two sealings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode)]
#[cbor(index_only)]
enum Purpose {
    #[n(1)]
    Form,
    #[n(2)]
    Card,
}

impl Binding {
    /// Binds a form to a key, an order and a cart.
    pub fn new(key: &Verified<OrderKey>, order: OrderId, cart: Digest) -> Self {
        Self {
            key: crate::payload_of(&**key),
            order,
            cart,
            purpose: Purpose::Form,
        }
    }

    /// Binds a card number to the centre's certificate for its credit link, an order and a cart.
    pub fn of_card(
        certificate: &Verified<crate::record::Certificate>,
        order: OrderId,
        cart: Digest,
    ) -> Self {
        Self {
            key: crate::payload_of(&**certificate),
            order,
            cart,
            purpose: Purpose::Card,
        }
    }

    /// Its bytes.
    pub fn info(&self) -> Vec<u8> {
        cbor::encode(self)
    }
}

/// A communication key that a person typed in: at least twelve characters.
pub struct Typed(Zeroizing<String>);

impl Typed {
    /// Takes what was typed.
    ///
    /// # Errors
    /// [`Malformed::Field`] when it's short.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        check_text("typed-in key", text, 200)?;
        if text.chars().count() < TYPED_LEAST {
            let why = format!("too short: at least {TYPED_LEAST} characters");
            return Err(Malformed::field("typed-in key", why));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Stretches it with a salt that nobody keeps: the key itself travels, sealed.
    fn stretch(&self, rng: &mut impl CryptoRng) -> Zeroizing<[u8; KEY]> {
        let (mut salt, mut key) = ([0; 16], Zeroizing::new([0; KEY]));
        rng.fill_bytes(&mut salt);
        pbkdf2_hmac::<Sha256>(self.0.as_bytes(), &salt, TYPED_ROUNDS, key.as_mut());
        key
    }
}

impl core::fmt::Debug for Typed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Typed")
    }
}

impl Part {
    /// Seals `form` under this key; a typed-in key becomes the first communication key.
    ///
    /// # Errors
    /// [`Malformed`] for a key that nothing can be sealed to.
    pub fn seal(
        &self,
        scheme: Scheme,
        binding: &Binding,
        form: &[u8],
        typed: Option<&Typed>,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, Malformed> {
        let (mut layers, mut data) = (Vec::new(), Zeroizing::new(form.to_vec()));
        for layer in 0..scheme.layers() {
            let communication = match typed.filter(|_| layer == 0) {
                Some(typed) => typed.stretch(rng),
                None => {
                    let mut key = Zeroizing::new([0; KEY]);
                    rng.fill_bytes(key.as_mut());
                    key
                }
            };
            layers = [lock(&communication, &[0; 12], &data), layers].concat();
            data = Zeroizing::new(communication.to_vec());
        }
        let info = binding.info();
        let (enc, key_part) = match self {
            Self::Public(key) => {
                let sealer = key.begin(&info, rng)?;
                let enc = sealer.enc().to_vec();
                (enc, sealer.finish(b"", &data).0)
            }
            Self::Shared(key) => {
                let mut enc = [0; 32];
                rng.fill_bytes(&mut enc);
                let (key, nonce) = schedule(key, &enc, &info);
                (enc.to_vec(), lock(&key, &nonce, &data))
            }
        };
        Ok([enc, key_part, layers].concat())
    }
}

impl OpeningHalf {
    /// Opens what [`Part::seal`] or the program in a browser sealed.
    ///
    /// # Errors
    /// [`Unopenable`]: another key, order, cart or scheme, or changed.
    pub fn open(
        &self,
        scheme: Scheme,
        binding: &Binding,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unopenable> {
        let enc_length = match self {
            Self::Shared(_) => 32,
            Self::Private(key) => key.sealing_key().suite().enc_length(),
        };
        let (enc, rest) = sealed.split_at_checked(enc_length).ok_or(Unopenable)?;
        let layers = usize::from(scheme.layers());
        let key_part_length = if layers == 0 {
            rest.len()
        } else {
            KEY.saturating_add(TAG)
        };
        let (key_part, mut rest) = rest.split_at_checked(key_part_length).ok_or(Unopenable)?;
        let mut data = self.open_key_part(&binding.info(), enc, key_part)?;
        for left in (0..layers).rev() {
            let length = if left == 0 {
                rest.len()
            } else {
                KEY.saturating_add(TAG)
            };
            let (layer, further) = rest.split_at_checked(length).ok_or(Unopenable)?;
            let key = data.as_slice().try_into().map_err(|_e| Unopenable)?;
            data = unlock(key, &[0; 12], layer)?;
            rest = further;
        }
        Ok(data)
    }

    fn open_key_part(
        &self,
        info: &[u8],
        enc: &[u8],
        key_part: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unopenable> {
        match self {
            Self::Private(key) => Ok(key.open(info, enc, b"", key_part)?.0),
            Self::Shared(key) => {
                let (key, nonce) = schedule(key, enc, info);
                unlock(&key, &nonce, key_part)
            }
        }
    }
}

fn lock(key: &[u8; KEY], nonce: &[u8; 12], data: &[u8]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "AES-GCM refuses only gigabytes")]
    Aes256Gcm::new(key.into())
        .encrypt(nonce.into(), data)
        .expect("sealing in memory")
}

fn unlock(
    key: &[u8; KEY],
    nonce: &[u8; 12],
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Unopenable> {
    let opened = Aes256Gcm::new(key.into()).decrypt(nonce.into(), data);
    opened.map(Zeroizing::new).map_err(|_e| Unopenable)
}

/// RFC 9180 §4.1 and §5.1 for a shared key: the shared secret as DHKEM grows it, then the key
/// schedule of base mode with AES-256-GCM.
fn schedule(key: &SharedKey, enc: &[u8], info: &[u8]) -> (Zeroizing<[u8; KEY]>, [u8; 12]) {
    let kem = [b"KEM".as_slice(), &SHARED_KEM].concat();
    let mut secret = Zeroizing::new([0; KEY]);
    expand(
        &extract(&[], &kem, b"eae_prk", key.expose()).1,
        &kem,
        b"shared_secret",
        enc,
        secret.as_mut(),
    );
    let hpke = [b"HPKE".as_slice(), &SHARED_KEM, &[0, 1, 0, 2]].concat();
    let context = [
        &[0][..],
        &extract(&[], &hpke, b"psk_id_hash", b"").0,
        &extract(&[], &hpke, b"info_hash", info).0,
    ]
    .concat();
    let (mut sealing, mut nonce) = (Zeroizing::new([0; KEY]), [0; 12]);
    let prk = extract(secret.as_slice(), &hpke, b"secret", b"").1;
    expand(&prk, &hpke, b"key", &context, sealing.as_mut());
    expand(&prk, &hpke, b"base_nonce", &context, &mut nonce);
    (sealing, nonce)
}

/// RFC 9180's LabeledExtract.
fn extract(salt: &[u8], suite: &[u8], label: &[u8], ikm: &[u8]) -> ([u8; 32], Hkdf<Sha256>) {
    let mut extract = HkdfExtract::<Sha256>::new(Some(salt));
    for part in [b"HPKE-v1", suite, label, ikm] {
        extract.input_ikm(part);
    }
    let (prk, hkdf) = extract.finalize();
    (prk.into(), hkdf)
}

/// RFC 9180's LabeledExpand.
fn expand(prk: &Hkdf<Sha256>, suite: &[u8], label: &[u8], info: &[u8], out: &mut [u8]) {
    let length = u16::try_from(out.len()).unwrap_or(u16::MAX).to_be_bytes();
    #[expect(
        clippy::expect_used,
        reason = "32 bytes are below HKDF's limit of 8,160"
    )]
    prk.expand_multi_info(&[&length, b"HPKE-v1", suite, label, info], out)
        .expect("HKDF");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        PartyNumber, Role, SigningKey, Suite, Time, Unverified,
        order::{KeyKind, KeyScope, KeySource, Maker, cart_digest},
    };
    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    const ORDER: OrderId = OrderId::from_bytes([9; 16]);

    fn key(scheme: Scheme, suite: Suite) -> (OpeningHalf, Verified<OrderKey>) {
        let half = OpeningHalf::from_seed(scheme.kind(), suite, &[3; 32]);
        let made = Time::from_secs(1_000);
        let key = OrderKey {
            recipient: PartyNumber::new(Role::Shop, 7).unwrap(),
            id: OrderKeyId::from_bytes([1; 16]),
            scheme,
            member: None,
            part: half.sealing_part(),
            expires: made.after(60),
            program: Digest::of(b"program"),
            maker: Maker::Recipient,
            source: KeySource::Regular,
            made,
        };
        let shop = SigningKey::from_seed(&[2; 32]);
        let unverified = Unverified::parse(shop.sign(&key)).unwrap();
        (half, unverified.verify(&shop.verifying_key()).unwrap())
    }

    fn schemes() -> Vec<(Scheme, Suite)> {
        let mut schemes = Vec::new();
        for layers in 0..=3 {
            for (kind, suite) in [
                (KeyKind::Shared, Suite::Standard),
                (KeyKind::Public, Suite::Compact),
                (KeyKind::Public, Suite::Standard),
            ] {
                schemes.push((Scheme::new(KeyScope::Order, kind, layers).unwrap(), suite));
            }
        }
        schemes
    }

    #[test]
    fn every_scheme_opens_what_it_sealed_and_nothing_else() {
        let rng = &mut UnwrapErr(SysRng);
        for (scheme, suite) in schemes() {
            let (half, key) = key(scheme, suite);
            let binding = Binding::new(&key, ORDER, cart_digest(&[]));
            for form in [&b""[..], b"x", &[7; 5000]] {
                let sealed = key.part.seal(scheme, &binding, form, None, rng).unwrap();
                assert_eq!(
                    *half.open(scheme, &binding, &sealed).unwrap(),
                    form,
                    "{scheme}"
                );
                let other = Binding::new(&key, OrderId::from_bytes([8; 16]), cart_digest(&[]));
                assert!(half.open(scheme, &other, &sealed).is_err(), "{scheme}");
                for cut in [0, 1, 31, 32, 60, sealed.len() - 1] {
                    let cut = cut.min(sealed.len() - 1);
                    assert!(
                        half.open(scheme, &binding, &sealed[..cut]).is_err(),
                        "{scheme} {cut}"
                    );
                }
                for place in [0, 33, sealed.len() / 2, sealed.len() - 1] {
                    let mut changed = sealed.clone();
                    changed[place] ^= 1;
                    assert!(
                        half.open(scheme, &binding, &changed).is_err(),
                        "{scheme} {place}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_typed_in_key_seals_and_needs_length() {
        let rng = &mut UnwrapErr(SysRng);
        let (scheme, suite) = (Scheme::DEFAULT, Suite::Compact);
        let (half, key) = key(scheme, suite);
        let binding = Binding::new(&key, ORDER, cart_digest(&[]));
        let typed = Typed::new("winter in Kyoto").unwrap();
        let seal = |rng: &mut _| key.part.seal(scheme, &binding, b"form", Some(&typed), rng);
        let (one, two) = (seal(rng).unwrap(), seal(rng).unwrap());
        assert_eq!(*half.open(scheme, &binding, &one).unwrap(), b"form");
        // The same words never give the same communication key twice.
        assert_ne!(one[one.len() - 20..], two[two.len() - 20..]);
        assert!(Typed::new("short").is_err() && Typed::new("十二文字にはまだ足りない").is_ok());
    }
}
