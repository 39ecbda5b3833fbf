//! Joining (M1-M3): a number and an activation code come by letter; keys are made at home; the
//! registration travels sealed, at once or later.
//!
//! The personal details travel beside the signed message, never in it: what is signed names only
//! `SHA-256(salt ‖ details)`, so that evidence can stay for ever and a person can still be erased.

use core::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac};
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    Digest, Document, KeyId, Malformed, MessageId, PartyNumber, SignedBytes, SigningKey,
    Unverified, VerifyingKey, cbor,
    envelope::Body,
    malformed::check_text,
    record::{PartyKeys, Profile},
};

/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The code in the letter: 80 random bits, `7Q4M-09XC-…` in four groups of four.
#[derive(PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ActivationCode([u8; 10]);

impl ActivationCode {
    /// A fresh code.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 10];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The key that registrations are authenticated with. This is what the centre keeps.
    pub fn key(&self) -> ActivationKey {
        let mut mac = hmac(b"tegata activation v1");
        mac.update(&self.0);
        ActivationKey(mac.finalize().into_bytes().into())
    }

    /// The groups of letters, for the letter only.
    pub fn reveal(&self) -> String {
        let mut text = String::new();
        let (mut bits, mut held) = (0_u32, 0_u32);
        for byte in self.0 {
            held = (held << 8) | u32::from(byte);
            bits = bits.saturating_add(8);
            while bits >= 5 {
                bits = bits.saturating_sub(5);
                if matches!(text.len(), 4 | 9 | 14) {
                    text.push('-');
                }
                let index = usize::try_from((held >> bits) & 31).unwrap_or_default();
                text.push(ALPHABET.get(index).copied().map_or('?', char::from));
            }
        }
        text
    }
}

impl fmt::Debug for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActivationCode(…)")
    }
}

/// Reads what people type: any case, with or without hyphens; O for 0, I and L for 1.
impl FromStr for ActivationCode {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = |why: &str| Malformed::field("activation code", why);
        let (mut bytes, mut filled) = ([0_u8; 10], 0_usize);
        let (mut bits, mut held, mut letters) = (0_u32, 0_u32, 0_usize);
        for c in text
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '－' | 'ー'))
        {
            let value = value_of(c).ok_or_else(|| wrong("holds a letter that no code has"))?;
            held = (held << 5) | value;
            bits = bits.saturating_add(5);
            letters = letters.saturating_add(1);
            if bits >= 8 {
                bits = bits.saturating_sub(8);
                let byte = bytes
                    .get_mut(filled)
                    .ok_or_else(|| wrong("has more than 16 letters"))?;
                *byte = u8::try_from((held >> bits) & 255).unwrap_or_default();
                filled = filled.saturating_add(1);
            }
        }
        if letters != 16 {
            return Err(wrong(
                "must have 16 letters and digits; compare with the letter",
            ));
        }
        Ok(Self(bytes))
    }
}

fn value_of(c: char) -> Option<u32> {
    let narrow = match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide.wrapping_sub(0xFEE0))?,
        _ => c,
    };
    let letter = match narrow.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = ALPHABET.iter().position(|a| char::from(*a) == letter)?;
    u32::try_from(place).ok()
}

/// What the centre keeps of an activation code, and both sides authenticate the registration with.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ActivationKey([u8; 32]);

impl ActivationKey {
    /// From what the centre kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn mac(&self, number: PartyNumber, claim: &Claim) -> [u8; 32] {
        let mut mac = hmac(&self.0);
        mac.update(b"tegata registration v1");
        mac.update(&number.wire().to_be_bytes());
        mac.update(&cbor::encode(claim));
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for ActivationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActivationKey(…)")
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    Hmac::new_from_slice(key).expect("HMAC key")
}

/// Personal details, as typed. They travel sealed, beside the signed message.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Details {
    /// The person's or company's name, 1 to 100 bytes.
    #[n(0)]
    pub name: String,
    /// Address lines, at most 6 of 100 bytes.
    #[n(1)]
    pub postal: Vec<String>,
    /// Electronic mail, at most 200 bytes.
    #[n(2)]
    pub mail: Option<String>,
    /// A shop's account for payouts (IBAN or as the bank writes it).
    #[n(3)]
    pub account: Option<String>,
}

impl Details {
    /// Checks each field's length.
    ///
    /// # Errors
    /// [`Malformed::Field`] that names it.
    pub fn check(&self) -> Result<(), Malformed> {
        check_text("name", &self.name, 100)?;
        if self.postal.len() > 6 {
            return Err(Malformed::field("postal", "more than six lines"));
        }
        self.postal
            .iter()
            .try_for_each(|line| check_text("postal", line, 100))?;
        let optional = [("mail", &self.mail), ("account", &self.account)];
        optional
            .into_iter()
            .try_for_each(|(field, text)| match text {
                Some(text) => check_text(field, text, 200),
                None => Ok(()),
            })
    }
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Details(…)")
    }
}

/// Details with the salt that hides them in what is signed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SaltedDetails {
    #[cbor(n(0), with = "minicbor::bytes")]
    salt: [u8; 32],
    /// The details.
    #[n(1)]
    pub details: Details,
}

/// Without the salt: with it, whoever reads a log could try names against signed digests.
impl fmt::Debug for SaltedDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = &self.details;
        f.debug_struct("SaltedDetails")
            .field("details", details)
            .finish_non_exhaustive()
    }
}

impl SaltedDetails {
    /// Details under a fresh salt.
    ///
    /// # Errors
    /// [`Malformed::Field`] for a field that is too long.
    pub fn new(details: Details, rng: &mut impl CryptoRng) -> Result<Self, Malformed> {
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        let salted = Self { salt, details };
        salted.check()?;
        Ok(salted)
    }

    /// What is signed instead of them: SHA-256(salt ‖ details).
    pub fn digest(&self) -> Digest {
        Digest::of(&[&self.salt[..], &cbor::encode(&self.details)].concat())
    }

    /// The bytes that travel beside the registration.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads them again.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let salted: Self = cbor::decode(bytes, 2048)?;
        salted.check()?;
        Ok(salted)
    }

    fn check(&self) -> Result<(), Malformed> {
        self.details.check()
    }
}

/// What a registration claims; the activation code authenticates it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Claim {
    /// SHA-256(salt ‖ details).
    #[n(0)]
    pub details: Digest,
    /// SHA-256 of the terms that were agreed to.
    #[n(1)]
    pub terms: Digest,
    /// The keys to certify.
    #[n(2)]
    pub keys: PartyKeys,
    /// Name and address of a shop or gate.
    #[n(3)]
    pub profile: Option<Profile>,
}

/// Registration of a party (M3). The message is signed with the party's signing (everyday) key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Registration {
    /// What is claimed.
    #[n(0)]
    pub claim: Claim,
    /// A member's spending key signs for itself: a [`Possession`].
    #[n(1)]
    pub possession: Option<SignedBytes>,
    #[cbor(n(2), with = "minicbor::bytes")]
    code_mac: [u8; 32],
}

impl Registration {
    /// Makes a registration. `spending` is a member's spending key.
    pub fn new(
        number: PartyNumber,
        id: MessageId,
        claim: Claim,
        spending: Option<&SigningKey>,
        code: &ActivationCode,
    ) -> Self {
        let code_mac = code.key().mac(number, &claim);
        let proof = Possession {
            number,
            id,
            signing: claim.keys.signing.id(),
            opening: claim.keys.opening.id(),
        };
        Self {
            claim,
            possession: spending.map(|key| key.sign(&proof)),
            code_mac,
        }
    }

    /// Does the activation code's key vouch for the claim? In constant time.
    pub fn vouched_by(&self, number: PartyNumber, key: &ActivationKey) -> bool {
        key.mac(number, &self.claim).ct_eq(&self.code_mac).into()
    }

    /// Does the spending key, if there must be one, prove that its owner registers here?
    pub fn possesses_spending(&self, number: PartyNumber, id: MessageId) -> bool {
        match (&self.claim.keys.spending, &self.possession) {
            (None, None) => true,
            (Some(key), Some(signed)) => self.proof_holds(number, id, key, signed),
            _ => false,
        }
    }

    fn proof_holds(
        &self,
        number: PartyNumber,
        id: MessageId,
        key: &VerifyingKey,
        signed: &SignedBytes,
    ) -> bool {
        let proof = Unverified::<Possession>::parse(signed.clone());
        let keys = &self.claim.keys;
        let wanted = Possession {
            number,
            id,
            signing: keys.signing.id(),
            opening: keys.opening.id(),
        };
        proof.is_ok_and(|p| p.verify(key).is_ok_and(|p| *p == wanted))
    }
}

impl Body for Registration {
    const LABEL: u16 = 10;
    const DEFERRABLE: bool = true;

    fn check(&self) -> Result<(), Malformed> {
        self.claim.profile.as_ref().map_or(Ok(()), Profile::check)
    }
}

/// The spending key's own signature at registration: nobody registers a key that isn't theirs.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Possession {
    /// Who registers.
    #[n(0)]
    pub number: PartyNumber,
    /// The registration's message number.
    #[n(1)]
    pub id: MessageId,
    /// The signing key beside it.
    #[n(2)]
    pub signing: KeyId,
    /// The opening key beside it.
    #[n(3)]
    pub opening: KeyId,
}

impl Document for Possession {
    const LABEL: u16 = 11;
    const LIMIT: usize = 256;

    fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// The centre's reply: the party's record.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Registered {
    /// The signed [`crate::record::PartyRecord`].
    #[n(0)]
    pub record: SignedBytes,
}

impl Body for Registered {
    const LABEL: u16 = 12;
}

/// A party that has nothing left but its keys asks for its own record (M5). Signed with the key that
/// it names; its number is what it doesn't know, so the message is from [`PartyNumber::NOBODY`].
/// Changes nothing and isn't kept. The reply is [`Registered`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct RecordInquiry {
    /// The signing key whose record is wanted.
    #[n(0)]
    pub key: VerifyingKey,
}

impl Body for RecordInquiry {
    const LABEL: u16 = 25;
    const LIMIT: usize = 512;
}

/// The machine-readable line of a letter: all that a program needs to join.
///
/// `tegata:join?centre=ADDRESS&root=HEX&number=M-…&code=…&terms=HEX`
pub struct Slip {
    /// The centre's web address.
    pub centre: String,
    /// The root's public key, to pin.
    pub root: VerifyingKey,
    /// The number handed out.
    pub number: PartyNumber,
    /// The activation code.
    pub code: ActivationCode,
    /// SHA-256 of the terms.
    pub terms: Digest,
}

impl fmt::Debug for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slip({} at {})", self.number, self.centre)
    }
}

impl Slip {
    /// The line, for the letter only: it holds the code.
    pub fn reveal(&self) -> String {
        format!(
            "tegata:join?centre={}&root={}&number={}&code={}&terms={}",
            self.centre,
            Digest::from_bytes(*self.root.as_bytes()),
            self.number,
            self.code.reveal(),
            self.terms
        )
    }
}

impl Slip {
    /// Finds the line within a whole letter: its text, or the HTML file that the centre made.
    ///
    /// # Errors
    /// [`Malformed`] when there's no such line, or something is wrong with it.
    pub fn in_letter(letter: &str) -> Result<Self, Malformed> {
        let none = || Malformed::field("letter", "no line in it begins with tegata:join?");
        let start = letter.find("tegata:join?").ok_or_else(none)?;
        let line = letter.get(start..).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ')');
        let line = line.split(ends).next().unwrap_or_default();
        line.replace("&amp;", "&").parse()
    }
}

impl FromStr for Slip {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let wrong = |why: &str| Malformed::field("slip", why);
        let query = line.trim().strip_prefix("tegata:join?");
        let query = query.ok_or_else(|| wrong("doesn't begin with tegata:join?"))?;
        let part = |name: &str| {
            let mut parts = query.split('&').filter_map(|p| p.split_once('='));
            let found = parts.find(|(n, _)| *n == name).map(|(_, value)| value);
            found.ok_or_else(|| wrong(&format!("lacks {name}=")))
        };
        let digest = |name: &str| {
            Digest::from_hex(part(name)?)
                .ok_or_else(|| wrong(&format!("{name} isn't 64 hex digits")))
        };
        Ok(Self {
            centre: part("centre")?.to_owned(),
            root: VerifyingKey::from_bytes(digest("root")?.as_bytes())?,
            number: part("number")?.parse()?,
            code: part("code")?.parse()?,
            terms: digest("terms")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_isnt_printed() {
        let details = Details {
            name: "Hanako".to_owned(),
            postal: Vec::new(),
            mail: None,
            account: None,
        };
        let salt = [0xAB; 32];
        let printed = format!("{:?}", SaltedDetails { salt, details });
        assert_eq!(printed, "SaltedDetails { details: Details(…), .. }");
    }

    #[test]
    fn a_slip_is_found_in_its_letter() {
        let slip = Slip {
            centre: "https://centre.example".to_owned(),
            root: crate::SigningKey::from_seed(&[7; 32]).verifying_key(),
            number: PartyNumber::new(crate::Role::Member, 483_122_075).unwrap(),
            code: ActivationCode([7; 10]),
            terms: Digest::of(b"terms"),
        };
        let line = slip.reveal();
        let in_html = line.replace('&', "&amp;");
        for letter in [
            line.clone(),
            format!("Dear member,\r\n\t{line}\r\nWe look forward to seeing you.\r\n"),
            format!("<p>The code: <code translate=\"no\">{in_html}</code></p>"),
            format!("<meta content='{in_html}'>"),
            format!("(see {line})"),
        ] {
            let found = Slip::in_letter(&letter).unwrap();
            assert_eq!(found.reveal(), line, "{letter}");
        }
        assert!(Slip::in_letter("Dear member,").is_err());
        assert!(Slip::in_letter("tegata:join?centre=x").is_err());
    }

    #[test]
    fn codes_survive_people() {
        let code = ActivationCode([0, 1, 2, 0xFF, 0x80, 5, 6, 7, 8, 9]);
        let text = code.reveal();
        assert_eq!(text.len(), 19);
        assert_eq!(text.parse::<ActivationCode>().unwrap(), code);
        let sloppy = text
            .to_lowercase()
            .replace('-', " ")
            .replace('0', "o")
            .replace('1', "l");
        assert_eq!(sloppy.parse::<ActivationCode>().unwrap(), code);
        assert!(text[..18].parse::<ActivationCode>().is_err());
        assert!(format!("{text}A").parse::<ActivationCode>().is_err());
        assert!(
            text.replace(&text[0..1], "U")
                .parse::<ActivationCode>()
                .is_err()
        );
    }
}
