//! Joining (M1-M5): keys are made at home, the registration is signed, and sent at once or later.
//!
//! Signed for later, it needs no network at all: it isn't tied to a sealing (no `enc_digest`),
//! counts for thirty days (`not_after`), and lies in the vault under password A alone.

use std::{path::Path, sync::Arc};

use tegata_cli::data::DataDir;
use tegata_protocol::{
    Digest, MessageId, PartyNumber, SigningKey, Time,
    envelope::{Message, Parcel},
    joining::{ActivationCode, Claim, Details, Registration, SaltedDetails, Slip},
    record::PartyKeys,
};

use crate::{
    error::WalletError,
    kept::{Instruction, Pending},
    sending::Settled,
    state::State,
    vault::{Cost, FolderDisk, Master, NewVault, OpenVault, Password, Passwords},
    wallet::{PARTY, Wallet, rng},
};

/// How long a registration that was signed offline counts: thirty days.
pub const DEFERRED_SECONDS: u64 = 30 * 86_400;

/// What a new wallet is made from.
#[derive(Debug)]
pub struct NewWallet<'a> {
    /// Fresh, or from the 24 words.
    pub master: Master,
    /// Its passwords.
    pub passwords: &'a Passwords,
    /// [`Cost::STANDARD`], outside of tests.
    pub cost: Cost,
}

impl NewWallet<'_> {
    /// Makes the vault in the folder: a number handed out by this centre, no record yet.
    ///
    /// # Errors
    /// [`WalletError::Vault`] when there's a vault already, or the disk fails.
    pub fn make(self, folder: &Path, state: &State) -> Result<Wallet, WalletError> {
        let dir = DataDir::open(folder, PARTY)?;
        let vault = NewVault {
            master: self.master,
            passwords: self.passwords,
            cost: self.cost,
            state: &state.to_bytes(),
        };
        let disk = Arc::new(FolderDisk::lock(folder)?);
        Wallet::assemble(OpenVault::create(disk, vault, &mut rng())?, dir)
    }
}

/// The state of a wallet that was made with this letter and nothing else yet.
pub fn state_of(slip: &Slip) -> State {
    State::new(slip.number, &slip.centre, slip.root)
}

/// When is the registration sent?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Now: tied to the centre's key of today.
    Now,
    /// Later: signed offline.
    Later,
}

impl Wallet {
    /// Signs the registration with all three keys and keeps it under A; sends it, unless for later.
    ///
    /// An earlier registration that wasn't accepted is replaced.
    ///
    /// # Errors
    /// [`WalletError::Registered`]; [`WalletError::Vault`] with layer B for the wrong password;
    /// [`WalletError::Refused`] and [`WalletError::InDoubt`] by the centre.
    pub fn register(
        &mut self,
        slip: &Slip,
        details: Details,
        b: &Password,
        when: When,
        now: Time,
    ) -> Result<Option<Settled>, WalletError> {
        if self.state.record.is_some() {
            return Err(WalletError::Registered(self.state.number));
        }
        self.follow(slip);
        let details = SaltedDetails::new(details, &mut rng())?;
        let parcel = match when {
            When::Later => self.sign_offline(slip, &details, b, now)?,
            When::Now => return self.register_now(slip, &details, b, now).map(Some),
        };
        self.keep_registration(parcel, now)?;
        Ok(None)
    }

    /// Takes number, address and root from the letter: an earlier attempt may have had another.
    fn follow(&mut self, slip: &Slip) {
        self.state.number = slip.number;
        slip.centre
            .trim_end_matches('/')
            .clone_into(&mut self.state.centre);
        self.state.root = slip.root;
    }

    fn sign_offline(
        &self,
        slip: &Slip,
        details: &SaltedDetails,
        b: &Password,
        now: Time,
    ) -> Result<Parcel, WalletError> {
        let id = MessageId::random(&mut rng());
        let body = self.registration(slip, details.digest(), id, b)?;
        let signed = self.everyday().sign(&Message {
            from: slip.number,
            to: PartyNumber::CENTRE,
            id,
            time: now,
            not_after: Some(now.after(DEFERRED_SECONDS)),
            enc_digest: None,
            answers: None,
            body,
        });
        Ok(Parcel::with(signed, details.to_bytes()))
    }

    fn register_now(
        &mut self,
        slip: &Slip,
        details: &SaltedDetails,
        b: &Password,
        now: Time,
    ) -> Result<Settled, WalletError> {
        let centre = self.centre(now)?;
        let id = MessageId::random(&mut rng());
        let body = self.registration(slip, details.digest(), id, b)?;
        let (signing, opening) = (self.everyday(), self.opening());
        let caller = tegata_party::client::Caller {
            number: slip.number,
            signing: &signing,
            opening: &opening,
        };
        let attachment = Some(details.to_bytes());
        let stamp = tegata_party::client::Stamp { id, time: now };
        let prepared = tegata_party::client::Prepared::new(
            caller,
            &centre.callee,
            stamp,
            body,
            attachment,
            &mut rng(),
        )?;
        self.keep_registration(prepared.parcel().clone(), now)?;
        self.settle(prepared.digest(), Some(prepared), now)
    }

    fn keep_registration(&mut self, parcel: Parcel, now: Time) -> Result<(), WalletError> {
        let earlier = |p: &Pending| p.what == Instruction::Register;
        self.state.pending.retain(|p| !earlier(p));
        self.state.pending.push(Pending {
            parcel,
            to: PartyNumber::CENTRE,
            made: now,
            what: Instruction::Register,
        });
        self.commit(now, Vec::new())
    }

    /// The claim, vouched for by the letter's code and by the spending key's own signature.
    fn registration(
        &self,
        slip: &Slip,
        details: Digest,
        id: MessageId,
        b: &Password,
    ) -> Result<Registration, WalletError> {
        let (signing, opening) = (self.everyday(), self.opening());
        Ok(self.vault.with_spending(b, |secrets| {
            let spending = SigningKey::from_seed(secrets.seed());
            let keys = PartyKeys {
                spending: Some(spending.verifying_key()),
                signing: signing.verifying_key(),
                opening: opening.sealing_key().clone(),
            };
            let claim = Claim {
                details,
                terms: slip.terms,
                keys,
                profile: None,
            };
            Registration::new(slip.number, id, claim, Some(&spending), &slip.code)
        })?)
    }
}

/// A letter typed in part by part.
#[derive(Debug)]
pub struct TypedSlip<'a> {
    /// The centre's address.
    pub centre: &'a str,
    /// The root's public key, 64 hexadecimal digits.
    pub root: &'a str,
    /// The number.
    pub number: &'a str,
    /// The terms' digest, 64 hexadecimal digits.
    pub terms: &'a str,
}

impl TypedSlip<'_> {
    /// The letter with its code.
    ///
    /// # Errors
    /// [`WalletError::Input`] that names the part.
    pub fn with_code(&self, code: ActivationCode) -> Result<Slip, WalletError> {
        let hex = |field, text: &str| {
            let wrong = || tegata_protocol::Malformed::field(field, "isn't 64 hex digits");
            Digest::from_hex(text.trim()).ok_or_else(wrong)
        };
        Ok(Slip {
            centre: self.centre.trim().to_owned(),
            root: tegata_protocol::VerifyingKey::from_bytes(hex("root", self.root)?.as_bytes())?,
            number: self.number.parse()?,
            code,
            terms: hex("terms", self.terms)?,
        })
    }
}
