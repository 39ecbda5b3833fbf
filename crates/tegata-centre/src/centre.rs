//! What the running centre works with: keys, settings, book, register, people, cards.
//!
//! Who does what with it stands elsewhere: [`exchange`](crate::exchange) what parties ask,
//! [`handler`](crate::handler) the way from sealed bytes to the sealed answer,
//! [`operator_api`](crate::operator_api) what operators order, [`chores`](crate::chores) what the clock asks
//! for.

use std::sync::Arc;

use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure, OrExit as _},
};
use tegata_ledger::{Ledger, store::SqliteStore};
use tegata_protocol::Time;

use crate::{
    credit::CreditLink,
    heads::ReceiptsSigner,
    ic_card::IcCards,
    keys::{OperationalKeys, PublicKeys},
    people::People,
    rate_limits::RateLimits,
    register::LiveRegister,
    sealed::Sealing,
    settings::Settings,
};

/// A centre that is open. Shared by all threads that serve.
#[derive(Debug)]
pub struct Centre {
    pub(crate) ledger: Ledger,
    pub(crate) keys: OperationalKeys,
    pub(crate) public: PublicKeys,
    pub(crate) settings: Settings,
    pub(crate) people: People,
    pub(crate) credit: Option<CreditLink>,
    pub(crate) sealing: Option<Sealing>,
    pub(crate) cards: Option<Arc<IcCards>>,
    pub(crate) register: LiveRegister,
    pub(crate) rate_limits: RateLimits,
}

impl Centre {
    /// Opens what lies in `dir`: keys, register, book and people.
    pub(crate) fn open_parts(dir: &DataDir, now: Time) -> Result<Self, Failure> {
        let settings = Settings::load(dir)?;
        let public = PublicKeys::open(dir, now)?;
        let keys = OperationalKeys::open(dir)?;
        // The committer signs heads on its own thread, with a copy of the key of its own.
        let signer = Box::new(ReceiptsSigner(OperationalKeys::open(dir)?.into_receipts()));
        let store = SqliteStore::open(&dir.file("ledger.sqlite")?).or_exit(Exit::Damaged)?;
        let ledger = Ledger::open(store, 0, signer, &dir.file("heads")?).or_exit(Exit::Damaged)?;
        let register = LiveRegister::new(ledger.clone(), public.keys.register);
        let people = People::open(dir.path()).or_exit(Exit::Damaged)?;
        let credit = CreditLink::open(dir, &public)?;
        let sealing = settings.sealing.as_ref();
        let sealing = sealing
            .map(|set| Sealing::open(dir, set, now))
            .transpose()?;
        let cards = settings.cards.as_ref();
        let cards = cards.map(|set| IcCards::open(dir, set, settings.currency, ledger.clone()));
        let cards = cards.transpose()?.map(Arc::new);
        let rate_limits = RateLimits::new(settings.rates);
        Ok(Self {
            ledger,
            keys,
            public,
            settings,
            people,
            credit,
            sealing,
            cards,
            register,
            rate_limits,
        })
    }
}
