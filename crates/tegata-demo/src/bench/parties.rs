//! Members and shops of a bench: they join by real letters, and the members' money comes with a
//! real statement of the bank. Their keys are in this program's memory and nowhere else.

use std::fs;

use anyhow::{Context as _, ensure};
use tegata_bank::{
    AccountNumber, Balance, Side, StatementId,
    sample::{SampleEntry, SampleStatement, statement},
};
use tegata_cli::clock;
use tegata_party::client::{Callee, Caller, Client, Prepared, Stamp};
use tegata_protocol::{
    Amount, Currency, MessageId, OpeningKey, PartyNumber, SignedBytes, SigningKey, Suite, Time,
    envelope::Body,
    joining::{Claim, Details, Registered, Registration, SaltedDetails, Slip},
    prepaid::{Funding, PaymentReference, PrepaidRequest},
    record::{CentreKeys, PartyKeys, Profile},
};

use super::primitives::rng;
use crate::town::{ACCOUNT, Letter, Town};

/// What each member pays in: the most that the centre takes at once.
pub const PURSE: u64 = 100_000;

/// Now, in the protocol's measure.
#[must_use]
pub fn now() -> Time {
    Time::from_secs(clock::now())
}

/// An amount of yen.
///
/// # Errors
/// When it's more than an amount can be.
pub fn yen(minor: u64) -> anyhow::Result<Amount> {
    Ok(Amount::new(minor, Currency::JPY)?)
}

/// A party with its keys.
#[derive(Debug)]
pub struct Party {
    /// Its number.
    pub number: PartyNumber,
    /// Everyday or bill key.
    pub signing: SigningKey,
    /// A member's spending key.
    pub spending: Option<SigningKey>,
    /// Opens what is sealed to it.
    pub opening: OpeningKey,
    /// The register's signed record.
    pub record: SignedBytes,
}

/// The centre, as the bench's parties see it.
#[derive(Debug)]
pub struct Centre {
    /// Its keys.
    pub keys: CentreKeys,
    callee: Callee,
    client: Client,
}

impl Centre {
    /// The centre of a town, whose root stands in a letter.
    ///
    /// # Errors
    /// When its certificates don't hold.
    pub fn of(town: &Town, letter: &Letter) -> anyhow::Result<Self> {
        let client = Client::default();
        let address = format!("http://{}", town.guard);
        let keys = client.centre_keys(&address, &slip_of(letter)?.root, now())?;
        let callee = Callee::centre(&address, &keys);
        Ok(Self {
            keys,
            callee,
            client,
        })
    }

    fn call<B: Body, R: Body>(
        &self,
        caller: Caller<'_>,
        id: MessageId,
        body: B,
        attachment: Option<Vec<u8>>,
    ) -> anyhow::Result<R> {
        let stamp = Stamp { id, time: now() };
        let prepared = Prepared::new(caller, &self.callee, stamp, body, attachment, &mut rng())?;
        let answer = self.client.call::<R>(caller, &self.callee, &prepared)?;
        Ok(answer.accepted()?.into_value().body)
    }

    /// Somebody joins by a letter.
    ///
    /// # Errors
    /// When the centre refuses.
    pub fn join(&self, letter: &Letter, profile: Option<Profile>) -> anyhow::Result<Party> {
        let slip = slip_of(letter)?;
        let fresh = || SigningKey::generate(&mut rng()).0;
        let (signing, spending) = (fresh(), profile.is_none().then(fresh));
        let (opening, _) = OpeningKey::generate(Suite::Standard, &mut rng());
        let details = details(&letter.number)?;
        let keys = PartyKeys {
            spending: spending.as_ref().map(SigningKey::verifying_key),
            signing: signing.verifying_key(),
            opening: opening.sealing_key().clone(),
        };
        let claim = Claim {
            details: details.digest(),
            terms: slip.terms,
            keys,
            profile,
        };
        let id = MessageId::random(&mut rng());
        let body = Registration::new(slip.number, id, claim, spending.as_ref(), &slip.code);
        let caller = Caller {
            number: slip.number,
            signing: &signing,
            opening: &opening,
        };
        let registered: Registered = self.call(caller, id, body, Some(details.to_bytes()))?;
        Ok(Party {
            number: slip.number,
            signing,
            spending,
            opening,
            record: registered.record,
        })
    }

    /// A member asks to pay in; gives the reference for the bank.
    fn reference(&self, member: &Party) -> anyhow::Result<String> {
        let body = PrepaidRequest {
            amount: yen(PURSE)?,
            funding: Funding::Transfer,
        };
        let caller = Caller {
            number: member.number,
            signing: &member.signing,
            opening: &member.opening,
        };
        let id = MessageId::random(&mut rng());
        let answer: PaymentReference = self.call(caller, id, body, None)?;
        Ok(answer.reference)
    }
}

fn slip_of(letter: &Letter) -> anyhow::Result<Slip> {
    let line = fs::read_to_string(&letter.slip).context("reading a letter's slip")?;
    Ok(line.parse()?)
}

fn details(number: &str) -> anyhow::Result<SaltedDetails> {
    let details = Details {
        name: format!("Owner of {number}"),
        postal: vec!["1-2-3 Sakura Street".to_owned()],
        mail: None,
        account: None,
    };
    Ok(SaltedDetails::new(details, &mut rng())?)
}

/// A shop joins.
///
/// # Errors
/// When the centre refuses.
pub fn shop(centre: &Centre, letter: &Letter) -> anyhow::Result<Party> {
    let profile = Profile {
        name: format!("Shop {}", letter.number),
        address: "http://shop.localhost".to_owned(),
    };
    centre.join(letter, Some(profile))
}

/// All members pay in: one statement of the bank, imported by the operator.
///
/// # Errors
/// When the centre refuses, or the file isn't imported.
pub fn fund(town: &Town, centre: &Centre, members: &[Party]) -> anyhow::Result<()> {
    let entries = members.iter().map(|member| {
        let reference = centre.reference(member)?;
        let debtor = format!("Owner of {}", member.number);
        Ok(SampleEntry::transfer(yen(PURSE)?, &debtor, &reference))
    });
    let facts = SampleStatement {
        account: AccountNumber::other(ACCOUNT)?,
        id: StatementId::new("BENCH-1")?,
        sequence: 1,
        date: jiff::civil::date(2026, 4, 1),
        opening: Balance {
            amount: yen(0)?,
            side: Side::Credit,
        },
        entries: entries.collect::<anyhow::Result<_>>()?,
    };
    let (file, data) = (town.path("statement.xml"), town.path("centre"));
    fs::write(&file, statement(&facts)?)?;
    let operator = town.password("operator")?;
    let import = ["bank", "import", &file, "--data", &data];
    let import = [&import[..], &["--password-file", &operator]].concat();
    town.centre(&import)?.done()?;
    let waiting = ["bank", "suspense", "--data", &data, "--json"];
    let waiting = town.centre(&waiting)?.json()?;
    ensure!(
        waiting.as_array().is_some_and(Vec::is_empty),
        "money went to suspense: {waiting}"
    );
    Ok(())
}
