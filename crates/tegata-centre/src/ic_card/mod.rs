//! The application server (K10): what the centre does about IC cards. It signs debit orders and keeps
//! the book; the keys of the cards are the card-key server's, and only bytes that nobody here can read
//! pass between that server and a card.
//!
//! ```text
//! member's PC ◀── CardStep / CardAnswer ──▶ Contact ◀── Request / Response ──▶ card-key server
//!                                              │
//!                                              ▼ receipts, once each: Rule::CardReceipt
//!                                            book ──▶ shop's notice, member's notice
//! ```
//! - [`contact`]: what a card lies on the reader for, step by step. In memory only: whatever gets lost,
//!   the next contact finds out, and the book is right without it.
//! - [`receipts`]: brings the book up to date with the card-key server's receipts. That server's word is
//!   what the book's rules rest on; each receipt counts once there.
//! - [`stock`]: cards from the manufacturer that nobody has yet, with the keys that they come under.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tegata_card_service::{
    CardKeysRefusal, CardLimits, Request, Response,
    client::{CardKeysClient, ReadWrite},
};
use tegata_cli::{data::DataDir, exit::Failure};
use tegata_ledger::Ledger;
use tegata_protocol::{
    CardNumber, Currency, Digest, PartyNumber, SignedBytes, SigningKey, Time,
    card::{Answered, CardStep, Errand, Next},
    refusal::{Code, Refusal},
};

mod contact;
pub(crate) mod receipts;
pub mod stock;

use contact::Contact;
use stock::Stock;

use crate::{keys::OperationalKeys, settings::CardSettings};

/// How long the card-key server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A contact that nobody has gone on with for so long is forgotten, in seconds.
const CONTACT_SECONDS: u64 = 600;

/// Why nothing can be said about a card now. The centre's fault, or its card-key server's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CardFault {
    /// The card-key server can't be reached, or has failed.
    #[error("the card-key server doesn't answer: {0}")]
    Service(String),
    /// The book can't be read or written.
    #[error("{0}")]
    Book(String),
}

/// What the centre needs for cards. Shared by its threads.
pub(crate) struct IcCards {
    ledger: Ledger,
    receipts: SigningKey,
    debit_orders: SigningKey,
    settings: CardSettings,
    currency: Currency,
    stock: Stock,
    contacts: Mutex<HashMap<CardNumber, Arc<Open>>>,
    /// Receipts that the book has refused since the start: handing them in again would be noise.
    refused: Mutex<HashSet<Digest>>,
    /// Cards that are over, and of which the card-key server couldn't be told yet.
    undenied: Mutex<HashSet<CardNumber>>,
}

/// A contact that is open: whose it is can be seen while somebody works on it.
struct Open {
    id: Digest,
    member: PartyNumber,
    contact: Mutex<Contact>,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, Contact> {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for IcCards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IcCards({:?})", self.settings)
    }
}

impl IcCards {
    /// Opens it in the centre's folder.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn open(
        dir: &DataDir,
        settings: &CardSettings,
        currency: Currency,
        ledger: Ledger,
    ) -> Result<Self, Failure> {
        let keys = OperationalKeys::open(dir)?;
        Ok(Self {
            ledger,
            receipts: keys.receipts,
            debit_orders: keys.debit_orders,
            settings: settings.clone(),
            currency,
            stock: Stock::open(dir)?,
            contacts: Mutex::default(),
            refused: Mutex::default(),
            undenied: Mutex::default(),
        })
    }

    /// The most that a card may hold, in minor units.
    pub(crate) fn balance_limit(&self) -> u32 {
        self.settings.balance
    }

    fn limits(&self) -> CardLimits {
        CardLimits {
            currency: self.currency.code().to_owned(),
            balance: self.settings.balance,
            debit: self.settings.debit,
            offline: 0,
        }
    }

    fn connect(&self) -> Result<CardKeys, CardFault> {
        Ok(CardKeys {
            client: self.settings.server.connect(PATIENCE).map_err(service)?,
        })
    }

    /// A card lies on a reader: the first step. A contact with that card before it is over, if the card
    /// is this member's.
    pub(crate) fn begin(
        &self,
        (id, member): (Digest, PartyNumber),
        card: CardNumber,
        errand: Errand,
        now: Time,
    ) -> CardStep {
        let refused = |code| CardStep {
            contact: id,
            step: 1,
            next: Next::Refused(Refusal::new(code)),
        };
        match self.standing(card) {
            Ok(Some(standing)) if standing.card.holder == member => {}
            Ok(_) => return refused(Code::IcCardUnknown),
            Err(error) => {
                tracing::error!(%card, %error, "a card can't be looked up");
                return refused(Code::IcCardService);
            }
        }
        let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        // One that somebody works on just now isn't old.
        let young = |c: &Contact| now < c.touched.after(CONTACT_SECONDS);
        contacts.retain(|_, c| c.contact.try_lock().map_or(true, |c| young(&c)));
        if let Some(known) = contacts.get(&card).filter(|open| open.id == id) {
            let known = Arc::clone(known);
            drop(contacts);
            return known.lock().last_step();
        }
        let contact = Mutex::new(Contact::new((id, member), card, errand, now));
        let open = Arc::new(Open {
            id,
            member,
            contact,
        });
        // Locked before anybody else can find it: the same message again waits for the first step.
        let mut contact = open.lock();
        contacts.insert(card, Arc::clone(&open));
        drop(contacts);
        contact.start(self, now)
    }

    /// What the card, or the member, said to the step before.
    pub(crate) fn go_on(
        &self,
        (id, member): (Digest, PartyNumber),
        (step, answered): (u32, &Answered),
        now: Time,
    ) -> CardStep {
        // It may have been one of before a restart, with an order out: only a new contact can tell.
        let over = || CardStep {
            contact: id,
            step: step.saturating_add(1),
            next: Next::InDoubt,
        };
        let found = {
            let contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
            let open = contacts.values().find(|c| (c.id, c.member) == (id, member));
            open.cloned()
        };
        let Some(open) = found else { return over() };
        let mut contact = open.lock();
        let step = contact.answer(self, step, answered, now);
        step.unwrap_or_else(over)
    }

    /// A card that is over shall open no session any more, wherever it turns up.
    ///
    /// # Errors
    /// [`CardFault`]: [`Self::deny_again`] tries it once more.
    pub(crate) fn deny(&self, card: CardNumber) -> Result<(), CardFault> {
        let told = self.tell_denied(card);
        match told {
            Ok(()) => self.undenied().remove(&card),
            Err(_) => self.undenied().insert(card),
        };
        told
    }

    /// Tells the card-key server of a card that is over, without waiting for it. If it can't be told now,
    /// [`Self::deny_again`] does so once it's back, and so does the next start: until then a gate would
    /// believe that card.
    pub(crate) fn deny_soon(self: &Arc<Self>, card: CardNumber) {
        let cards = Arc::clone(self);
        let deny = move || {
            if let Err(error) = cards.deny(card) {
                tracing::error!(%card, %error, "the card-key server couldn't be told that a card is over; tried again every ten seconds");
            }
        };
        // The member's answer doesn't wait for it.
        std::thread::spawn(deny);
    }

    /// Tells the card-key server of those cards again that it couldn't be told of.
    ///
    /// # Errors
    /// [`CardFault`] of the first that can't be told now either.
    pub(crate) fn deny_again(&self) -> Result<(), CardFault> {
        let waiting: Vec<CardNumber> = self.undenied().iter().copied().collect();
        waiting.into_iter().try_for_each(|card| self.deny(card))
    }

    fn undenied(&self) -> MutexGuard<'_, HashSet<CardNumber>> {
        self.undenied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_denied(&self, card: CardNumber) -> Result<(), CardFault> {
        let mut server = self.connect()?;
        let response = server.call(&Request::Deny(number(card)))?;
        let told = matches!(
            response,
            Response::Card(_) | Response::Refused(CardKeysRefusal::UnknownCard)
        );
        if told {
            Ok(())
        } else {
            Err(unexpected("a card that is over"))
        }
    }

    /// The same for all cards that are over and that the card-key server still lets in.
    ///
    /// # Errors
    /// [`CardFault`] of the first that can't be told.
    pub(crate) fn deny_all(&self) -> Result<(), CardFault> {
        let mut after = None;
        loop {
            let page = self.ledger.read(|b| b.cards(after.as_ref(), 500));
            let page = page.map_err(book)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(*last);
            for (card, _) in page.iter().filter(|(_, c)| c.state.is_over()) {
                let known = self.ask(&Request::Card(number(*card)))?;
                if matches!(known, Response::Card(Some(known)) if !known.denied) {
                    self.deny(*card)?;
                }
            }
        }
    }

    /// One question that needs no card.
    pub(crate) fn ask(&self, request: &Request) -> Result<Response, CardFault> {
        self.connect()?.call(request)
    }

    fn sign_order(&self, order: &tegata_protocol::card::DebitOrder) -> SignedBytes {
        self.debit_orders.sign(order)
    }
}

/// A connection to the card-key server.
struct CardKeys {
    client: CardKeysClient<Box<dyn ReadWrite + Send>>,
}

impl CardKeys {
    fn call(&mut self, request: &Request) -> Result<Response, CardFault> {
        let response = self.client.call(request).map_err(service)?;
        if response == Response::Fault {
            return Err(service("it reports a fault of its own"));
        }
        Ok(response)
    }
}

fn service(e: impl std::fmt::Display) -> CardFault {
    CardFault::Service(e.to_string())
}

fn book(e: impl std::fmt::Display) -> CardFault {
    CardFault::Book(e.to_string())
}

fn stock_fault(e: Failure) -> CardFault {
    book(format!("the stock: {e}"))
}

fn unexpected(asked: &str) -> CardFault {
    CardFault::Service(format!(
        "asked about {asked}, it gave an answer that doesn't fit"
    ))
}

/// A card's number on the wire to the card-key server.
pub(crate) fn number(card: CardNumber) -> tegata_card_service::CardNumber {
    tegata_card_service::CardNumber(*card.as_bytes())
}

/// The code by which a member learns what the card-key server, or the card, refused.
pub(crate) fn refusal_of(refusal: CardKeysRefusal) -> Refusal {
    let code = match refusal {
        CardKeysRefusal::UnknownCard => Code::IcCardUnknown,
        CardKeysRefusal::Denied | CardKeysRefusal::Terminated | CardKeysRefusal::RolledBack => {
            Code::IcCardEnded
        }
        CardKeysRefusal::Blocked => Code::IcCardBlocked,
        CardKeysRefusal::NotProven => Code::IcCardUnproven,
        CardKeysRefusal::OtherCard => Code::IcCardChanged,
        CardKeysRefusal::Insufficient => Code::IcCardInsufficient,
        CardKeysRefusal::OverDebitLimit
        | CardKeysRefusal::OverBalanceLimit
        | CardKeysRefusal::WrongAmount => Code::IcCardLimit,
        CardKeysRefusal::NotAsViewed => Code::IcCardNotAsShown,
        CardKeysRefusal::OrderKnown | CardKeysRefusal::JobUnknown | CardKeysRefusal::OutOfTurn => {
            Code::IcCardContactOver
        }
        CardKeysRefusal::SlotInUse | CardKeysRefusal::NoTicket | CardKeysRefusal::Punched => {
            Code::IcCardTicket
        }
        CardKeysRefusal::NotPermitted => Code::IcCardService,
        CardKeysRefusal::WrongCurrency
        | CardKeysRefusal::WrongCounter
        | CardKeysRefusal::StaleKey
        | CardKeysRefusal::WrongRequest
        | CardKeysRefusal::Personalised
        | CardKeysRefusal::NoMoreKeys
        | CardKeysRefusal::Worn => Code::IcCardRefuses,
    };
    Refusal::because(code, refusal.code())
}
