//! Who is who: the offline root's certificates for the centre's keys, and the register's signed
//! record of each party.
//!
//! Members and shops pin the root's public key, which comes in their letter. The root certifies
//! separate keys of the centre for one purpose each, for a year at most; the register key then
//! signs the parties' records. A member's record holds three keys and neither name nor address.

use minicbor::{Decode, Encode};

use crate::{
    Document, Malformed, PartyNumber, Role, SealingKey, SignedBytes, Suite, Time, Unverified,
    Validity, Verified, VerifyingKey, malformed::check_text,
};

/// The longest that a certificate may hold: a leap year.
pub const CERTIFICATE_SECONDS: u64 = 366 * 86_400;

/// What one of the centre's keys is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Purpose {
    /// Signs parties' records.
    #[n(1)]
    Register,
    /// Signs receipts, notices, prepaid cards and the heads of the book's chain.
    #[n(2)]
    Receipts,
    /// Signs orders to debit cards.
    #[n(3)]
    DebitOrders,
    /// Signs lists of revocations.
    #[n(4)]
    Lists,
    /// Opens what is sealed to the centre.
    #[n(5)]
    Opening,
    /// Opens card numbers, and nothing else: the credit link's.
    #[n(6)]
    Credit,
}

/// A public key of the centre.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum CentreKey {
    /// One that verifies.
    #[n(0)]
    Verifying(#[n(0)] VerifyingKey),
    /// One that can be sealed to.
    #[n(1)]
    Sealing(#[n(0)] SealingKey),
}

/// The root's certificate for one key of the centre.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Certificate {
    /// The centre's name, 1 to 100 bytes.
    #[n(0)]
    pub centre: String,
    /// What the key is for.
    #[n(1)]
    pub purpose: Purpose,
    /// The key.
    #[n(2)]
    pub key: CentreKey,
    /// When it holds; a leap year at most.
    #[n(3)]
    pub valid: Validity,
}

impl Document for Certificate {
    const LABEL: u16 = 1;
    const LIMIT: usize = 2048;

    fn check(&self) -> Result<(), Malformed> {
        check_text("centre", &self.centre, 100)?;
        if self.valid.seconds() > CERTIFICATE_SECONDS {
            return Err(Malformed::field("valid", "longer than a year"));
        }
        match (self.purpose, &self.key) {
            (Purpose::Opening | Purpose::Credit, CentreKey::Sealing(key))
                if key.suite() == Suite::Standard =>
            {
                Ok(())
            }
            (Purpose::Opening | Purpose::Credit, _) | (_, CentreKey::Sealing(_)) => Err(
                Malformed::field("key", "not of the kind that its purpose needs"),
            ),
            (_, CentreKey::Verifying(_)) => Ok(()),
        }
    }
}

/// The centre's certificates as they are handed out: one for each purpose in use.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Certificates(#[n(0)] pub Vec<SignedBytes>);

/// The centre's keys, as far as the pinned root certifies them.
#[derive(Clone, Debug)]
pub struct CentreKeys {
    /// The centre's name.
    pub name: String,
    /// Verifies parties' records.
    pub register: VerifyingKey,
    /// Verifies receipts, notices, prepaid cards, chain heads.
    pub receipts: VerifyingKey,
    /// Verifies lists: programs' digests, revocations. A centre that hands out none has none.
    pub lists: Option<VerifyingKey>,
    /// Verifies orders to debit a card. A centre without cards may have none.
    pub debit_orders: Option<VerifyingKey>,
    /// Everything for the centre is sealed to it.
    pub opening: SealingKey,
    /// When the first of them ends.
    pub until: Time,
}

/// Why the centre's certificates don't make a set of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not certificates.
    #[error("a certificate can't be read: {0}")]
    Malformed(#[from] Malformed),
    /// Not signed by the pinned root.
    #[error("a certificate isn't signed by the root in your letter: this may be a false centre")]
    Forged,
    /// None at this time for one purpose.
    #[error("no certificate for {0:?} holds at this time; the centre must renew it")]
    Missing(Purpose),
    /// The one for a purpose begins later. It was just made, so this machine's clock is behind.
    #[error(
        "this machine's clock says {now}, before the centre's certificate for {purpose:?} begins \
         ({from}): set the clock right"
    )]
    ClockBehind {
        /// What the key is for.
        purpose: Purpose,
        /// When the certificate begins.
        from: Time,
        /// What the clock says.
        now: Time,
    },
}

impl CentreKeys {
    /// Verifies every certificate with the pinned root and picks those that hold at `now`.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(
        root: &VerifyingKey,
        certificates: &Certificates,
        now: Time,
    ) -> Result<Self, CertificateError> {
        let (mut held, mut later) = (Vec::new(), Vec::new());
        for signed in &certificates.0 {
            let unverified = Unverified::<Certificate>::parse(signed.clone())?;
            let certificate = unverified
                .verify(root)
                .map_err(|_e| CertificateError::Forged)?;
            if certificate.valid.holds(now) {
                held.push(certificate.into_value());
            } else if certificate.valid.from() > now {
                later.push((certificate.purpose, certificate.valid.from()));
            }
        }
        // Nobody hands out a certificate before it begins: the clock is wrong, not the centre.
        let missing = |purpose| {
            let begins = later.iter().filter(|(p, _)| *p == purpose);
            match begins.map(|(_, from)| *from).min() {
                Some(from) => CertificateError::ClockBehind { purpose, from, now },
                None => CertificateError::Missing(purpose),
            }
        };
        let verifying = |purpose| {
            let found = held
                .iter()
                .find_map(|c| match (&c.key, c.purpose == purpose) {
                    (CentreKey::Verifying(key), true) => Some(*key),
                    _ => None,
                });
            found.ok_or_else(|| missing(purpose))
        };
        let opening = held.iter().find_map(|c| match &c.key {
            CentreKey::Sealing(key) if c.purpose == Purpose::Opening => Some(key.clone()),
            CentreKey::Sealing(_) | CentreKey::Verifying(_) => None,
        });
        Ok(Self {
            name: held.first().map(|c| c.centre.clone()).unwrap_or_default(),
            register: verifying(Purpose::Register)?,
            receipts: verifying(Purpose::Receipts)?,
            lists: verifying(Purpose::Lists).ok(),
            debit_orders: verifying(Purpose::DebitOrders).ok(),
            opening: opening.ok_or_else(|| missing(Purpose::Opening))?,
            until: held.iter().map(|c| c.valid.until()).min().unwrap_or(now),
        })
    }
}

/// May a party act?
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Yes.
    #[n(1)]
    Active,
    /// Not at present.
    #[n(2)]
    Suspended,
    /// Never again.
    #[n(3)]
    Closed,
}

/// A party's public keys.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PartyKeys {
    /// A member's spending key (payments, key changes; under password B). Others have none.
    #[n(0)]
    pub spending: Option<VerifyingKey>,
    /// A member's everyday key (requests, inquiries; under A), a shop's bill key, a gate's log key,
    /// an operator's key.
    #[n(1)]
    pub signing: VerifyingKey,
    /// What is for the party is sealed to it.
    #[n(2)]
    pub opening: SealingKey,
}

impl PartyKeys {
    /// Checks that a party of this role has the keys that it must have.
    ///
    /// # Errors
    /// [`Malformed::Field`].
    pub fn check(&self, role: Role) -> Result<(), Malformed> {
        if self.spending.is_some() != (role == Role::Member) {
            return Err(Malformed::field(
                "keys",
                "members have a spending key, others none",
            ));
        }
        if self.spending == Some(self.signing) {
            return Err(Malformed::field(
                "keys",
                "spending and everyday key are the same",
            ));
        }
        if self.opening.suite() != Suite::Standard {
            return Err(Malformed::field(
                "keys",
                "the opening key isn't of the standard suite",
            ));
        }
        Ok(())
    }
}

/// What shops, gates and sealing services show of themselves. Members show nothing.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Profile {
    /// Name, 1 to 100 bytes.
    #[n(0)]
    pub name: String,
    /// Web address, at most 200 bytes.
    #[n(1)]
    pub address: String,
}

impl Profile {
    pub(crate) fn check(&self) -> Result<(), Malformed> {
        check_text("name", &self.name, 100)?;
        check_text("address", &self.address, 200)
    }
}

/// The register's signed record of a party.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PartyRecord {
    /// Its number; the role stands in it.
    #[n(0)]
    pub number: PartyNumber,
    /// Its keys.
    #[n(1)]
    pub keys: PartyKeys,
    /// Name and address of a shop or gate.
    #[n(2)]
    pub profile: Option<Profile>,
    /// When the record holds.
    #[n(3)]
    pub valid: Validity,
    /// May it act?
    #[n(4)]
    pub status: Status,
}

impl PartyRecord {
    /// Checks that the party may act at `now`.
    pub fn is_active(&self, now: Time) -> bool {
        self.status == Status::Active && self.valid.holds(now)
    }

    /// Parses a record and verifies it with the register's key.
    ///
    /// # Errors
    /// [`Malformed`], or a forged one as [`Malformed::Field`] of the signature.
    pub fn verify(
        signed: SignedBytes,
        register: &VerifyingKey,
    ) -> Result<Verified<Self>, Malformed> {
        let unverified = Unverified::<Self>::parse(signed)?;
        let forged = |_e| Malformed::field("record", "not signed by the register's key");
        unverified.verify(register).map_err(forged)
    }
}

impl Document for PartyRecord {
    const LABEL: u16 = 2;
    const LIMIT: usize = 2560;

    fn check(&self) -> Result<(), Malformed> {
        let role = self.number.role();
        self.keys.check(role)?;
        match (role, &self.profile) {
            (Role::Member | Role::Centre, None) => Ok(()),
            (Role::Shop | Role::Gate | Role::Sealing, Some(profile)) => profile.check(),
            _ => Err(Malformed::field(
                "profile",
                "shops, gates and sealing services have one, others none",
            )),
        }
    }
}

/// The newest link of a committer's hash chain, signed with the receipts key: who holds it notices
/// when a payment before it disappears or changes.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ChainHead {
    /// Which committer.
    #[n(0)]
    pub committer: u16,
    /// The record's number in its chain, from 1; 0 for a chain that is still empty.
    #[n(1)]
    pub sequence: u64,
    /// The record's hash.
    #[n(2)]
    pub hash: crate::Digest,
    /// When it was committed.
    #[n(3)]
    pub time: Time,
}

impl Document for ChainHead {
    const LABEL: u16 = 5;
    const LIMIT: usize = 256;

    fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// What the centre says of a program that it hands out (M1): signed with the lists key, so that
/// whoever has the letter can check what they downloaded.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ProgramDigest {
    /// The file's name: 1 to 80 letters, digits, dots, hyphens, underscores.
    #[n(0)]
    pub name: String,
    /// Its version, 1 to 40 bytes.
    #[n(1)]
    pub edition: String,
    /// Its length in bytes.
    #[n(2)]
    pub length: u64,
    /// SHA-256 of the file.
    #[n(3)]
    pub digest: crate::Digest,
    /// When it was published.
    #[n(4)]
    pub published: Time,
}

impl Document for ProgramDigest {
    const LABEL: u16 = 6;
    const LIMIT: usize = 512;

    fn check(&self) -> Result<(), Malformed> {
        check_text("name", &self.name, 80)?;
        check_text("edition", &self.edition, 40)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.name.starts_with('.') || !self.name.chars().all(plain) {
            return Err(Malformed::field("name", "not a plain file name"));
        }
        Ok(())
    }
}
