//! Showing a ticket (T7): signed by its holder for this moment, sealed to the event, as text for a
//! QR code.

use tegata_pages::qr::Code;
use tegata_protocol::{
    Digest, SignedBytes, SigningKey, Time, Verified,
    purchase::Keyword,
    ticket::{Holder, HolderKey, Presentation, SeriesRecord, Ticket},
};

use crate::{
    buying::holder_key,
    entry::Entry,
    error::WalletError,
    kept::{Holding, KeptTicket},
    vault::Password,
    wallet::{Wallet, find_by_id, rng},
};

/// The largest QR code that gates must read.
const LARGEST_CODE: i16 = 16;

/// A ticket ready to be shown. Good for a minute.
#[derive(Debug)]
pub struct Shown {
    /// The sealed presentation in base45.
    pub text: String,
    /// As a picture.
    pub code: Code,
}

/// What is given when a ticket is shown.
#[derive(Debug, Default)]
pub struct Showing<'a> {
    /// The keyword, where the ticket has one.
    pub keyword: Option<Keyword>,
    /// The gate's challenge, where it shows one.
    pub nonce: Option<[u8; 8]>,
    /// Password B, where the ticket's holder key stands under it.
    pub b: Option<&'a Password>,
    /// What if the ticket has a keyword and none is given?
    pub lacking: Lacking,
}

/// What happens when a ticket's keyword isn't given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lacking {
    /// The wallet asks for it: the gate would refuse.
    #[default]
    Refused,
    /// It's shown all the same, to see the gate refuse it.
    Shown,
}

impl Wallet {
    /// The ticket whose id begins so.
    ///
    /// # Errors
    /// [`WalletError::NoSuch`], [`WalletError::Ambiguous`].
    pub fn find_ticket(&self, wanted: &str) -> Result<&KeptTicket, WalletError> {
        let ids = self.state.tickets.iter().map(KeptTicket::digest);
        let id = find_by_id("ticket", wanted, ids)?;
        let found = self.state.tickets.iter().find(|t| t.digest() == id);
        found.ok_or_else(|| WalletError::NoSuch {
            what: "ticket",
            wanted: wanted.to_owned(),
        })
    }

    /// Series record and ticket, verified again.
    ///
    /// # Errors
    /// [`WalletError::State`] when they aren't what they were.
    pub fn open_ticket(
        &self,
        kept: &KeptTicket,
    ) -> Result<(Verified<SeriesRecord>, Verified<Ticket>), WalletError> {
        let shop = self.state.shop(kept.shop).ok_or(WalletError::NoSuch {
            what: "shop",
            wanted: kept.shop.to_string(),
        })?;
        kept.open(shop).map_err(WalletError::State)
    }

    /// The signed tickets whose holder is that card, oldest first: what is written to it.
    #[must_use]
    pub fn card_tickets(&self, card: tegata_protocol::CardNumber) -> Vec<SignedBytes> {
        let on_card = |kept: &&KeptTicket| kept.holding == Holding::Card(card);
        let kept = self.state.tickets.iter().filter(on_card);
        kept.map(|kept| kept.signed.clone()).collect()
    }

    /// Makes a presentation of the ticket for this moment, and notes in the history that it was
    /// shown.
    ///
    /// # Errors
    /// [`WalletError::OnCard`] for a ticket whose holder is a card;
    /// [`WalletError::NeedsKeyword`], [`WalletError::NeedsB`]; [`WalletError::Vault`] with layer B
    /// for the wrong password; [`WalletError::Input`] for a keyword too long for the code.
    pub fn show(
        &mut self,
        id: Digest,
        showing: Showing<'_>,
        now: Time,
    ) -> Result<Shown, WalletError> {
        let kept = self.find_ticket(&id.to_string())?.clone();
        if let Holding::Card(card) = kept.holding {
            return Err(WalletError::OnCard(card));
        }
        let (series, ticket) = self.open_ticket(&kept)?;
        let lacking = ticket.keyword.is_some() && showing.keyword.is_none();
        if lacking && showing.lacking == Lacking::Refused {
            return Err(WalletError::NeedsKeyword);
        }
        let presentation = Presentation {
            ticket: kept.signed.clone(),
            event: series.series,
            time: now,
            nonce: showing.nonce,
            keyword: showing.keyword,
        };
        let of = (&kept, &ticket.holder);
        let sealed = self.sign_presentation(&presentation, of, &series, showing.b)?;
        let text = base45::encode(&sealed);
        let code = Code::at_most(&text, LARGEST_CODE)?;
        self.commit(now, vec![Entry::Shown(id)])?;
        Ok(Shown { text, code })
    }

    fn sign_presentation(
        &self,
        presentation: &Presentation,
        (kept, holder): (&KeptTicket, &Holder),
        series: &SeriesRecord,
        b: Option<&Password>,
    ) -> Result<Vec<u8>, WalletError> {
        let seal = |key: &SigningKey| presentation.seal(key, series, &mut rng());
        let held = |seed: &[u8; 32]| {
            let key = holder_key(seed, kept.request, kept.index);
            let ours = *holder == Holder::Key(HolderKey(key.verifying_key()));
            ours.then(|| seal(&key)).ok_or_else(not_ours)
        };
        let sealed = match kept.holding {
            Holding::Everyday => held(self.vault.holder_seed())?,
            // The signature of a bearer proves nothing: any key will do.
            Holding::Bearer => seal(&SigningKey::generate(&mut rng()).0),
            Holding::Card(card) => return Err(WalletError::OnCard(card)),
            Holding::Spending => {
                let b = b.ok_or(WalletError::NeedsB("this ticket's key stands under it"))?;
                let lend = |s: &crate::vault::SpendingSecrets| s.with_holder_seed(held);
                self.vault.with_spending(b, lend)??
            }
        };
        Ok(sealed?)
    }
}

/// A ticket that a restored wallet took for its own.
fn not_ours() -> WalletError {
    WalletError::unsound("the ticket", "none of this wallet's keys is its holder")
}
