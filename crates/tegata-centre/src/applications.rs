//! Sealed applications arrive: a token, the opened form, its entry among the people, and the key supply.

use std::sync::{
    Arc,
    mpsc::{Sender, channel},
};

use tegata_cli::clock;
use tegata_http::rate_limit::Permit;
use tegata_orders::{
    FormsError, Host, OpenError, Own,
    key_supply::{KeySupply, Party, Signal},
    open::{self, Arrival},
    token::{self, Cart},
};
use tegata_party::client::{Caller, Client};
use tegata_protocol::{
    PartyNumber, SignedBytes, Time, VerifyingKey,
    order::cart_digest,
    refusal::{Code, Refusal},
};
use tegata_store::Connection;

use crate::{
    centre::Centre,
    people::{PeopleError, SealedError},
    sealed::Application,
};

/// How long the sealing service may take for an answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

impl Centre {
    /// Whose receipts key signs what.
    fn own(&self) -> Own<'_> {
        Own {
            number: PartyNumber::CENTRE,
            signing: &self.keys.receipts,
        }
    }

    /// A token for an application, for an address that was counted, if they're taken sealed here.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn application_token(&self, _counted: Permit, now: Time) -> Result<SignedBytes, OpenError> {
        let sealing = self.sealing.as_ref().ok_or_else(not_offered)?;
        let cart = Cart {
            order: token::new_order(),
            digest: cart_digest(&[]),
            total: None,
            member: None,
        };
        let issue = |forms: &Connection| token::issue(forms, self.own(), &sealing.rules, cart, now);
        self.people.read_forms(issue)
    }

    /// Opens a sealed application from an address that was counted and enters it; gives the signed
    /// receipt.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn take_sealed(
        &self,
        _counted: Permit,
        bytes: &[u8],
        now: Time,
    ) -> Result<SignedBytes, SealedError> {
        let sealing = self.sealing.as_ref().ok_or_else(not_offered)?;
        let shortening = |forms: &Connection| open::shortening(forms, self.own(), bytes);
        if let Some(shortening) = self
            .people
            .read_forms(shortening)
            .map_err(OpenError::from)?
        {
            let apply = |forms: &Connection| shortening.apply(forms, now);
            self.people.change_forms(apply).map_err(OpenError::from)?;
        }
        let arrived = self
            .people
            .read_forms(|forms| open::open(forms, self.own(), &sealing.epochs, bytes, now))?;
        let opened = match arrived {
            Arrival::Known(receipt) => return Ok(receipt),
            Arrival::New(opened) => opened,
        };
        let application = Application::of_form(opened.form()).read();
        let (role, details) = application.map_err(|why| incomplete(&why))?;
        self.people
            .apply_sealed(self.own(), &opened, (role, &details), now)
    }

    /// Starts the key supply on a thread of its own, if applications are sealed here. It ends when it's
    /// told to, or when what is returned is dropped.
    pub fn start_key_supply(self: &Arc<Self>) -> Option<Sender<Signal>> {
        let sealing = self.sealing.as_ref()?;
        let (tell, told) = channel();
        let party = Forms(Arc::clone(self));
        let (epochs, rules) = (Arc::clone(&sealing.epochs), sealing.rules.clone());
        let supply = KeySupply::new(party, epochs, rules, Client::new(PATIENCE));
        std::thread::spawn(move || supply.run(&told));
        Some(tell)
    }
}

fn not_offered() -> OpenError {
    let why = "applications aren't sealed here: see [sealing] in centre.toml";
    Refusal::because(Code::NotOffered, why).into()
}

/// What was typed isn't repeated: the answer isn't sealed.
fn incomplete(why: &str) -> SealedError {
    let field = ["role", "name", "postal", "mail"]
        .into_iter()
        .find(|field| why.contains(field));
    let refusal = match field {
        Some(field) => Refusal::because(Code::FormIncomplete, field),
        None => Refusal::new(Code::FormIncomplete),
    };
    SealedError::Open(refusal.into())
}

/// Why a sealed application isn't taken, for whoever sent it; `None` for a fault of ours.
pub(crate) fn refusal_of(error: &SealedError) -> Option<Refusal> {
    match error {
        SealedError::Open(OpenError::Refused(refusal)) => Some(refusal.clone()),
        SealedError::People(PeopleError::TooManyWaiting) => Some(Refusal::new(Code::TooMany)),
        SealedError::Open(OpenError::Fault(_)) | SealedError::People(_) => None,
    }
}

/// The centre as the key supply needs it.
#[derive(Debug)]
struct Forms(Arc<Centre>);

impl Host for Forms {
    fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError> + Send + 'static,
    ) -> Result<T, FormsError> {
        self.0.people.change_forms(job)
    }

    fn read<T>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, FormsError>,
    ) -> Result<T, FormsError> {
        self.0.people.read_forms(job)
    }
}

impl Party for Forms {
    fn caller(&self) -> Caller<'_> {
        Caller {
            number: PartyNumber::CENTRE,
            signing: &self.0.keys.receipts,
            opening: &self.0.keys.opening,
        }
    }

    fn register(&self) -> VerifyingKey {
        self.0.public.keys.register
    }

    fn record(&self) -> Option<Vec<u8>> {
        None
    }

    fn now(&self) -> Time {
        Time::from_secs(clock::now())
    }
}
