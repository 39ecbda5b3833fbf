//! Restoring a wallet from its 24 words.
//!
//! The words give every key again. The member's `history.tegata`, in the folder or brought from a
//! copy, gives back the rest: record, bills, tickets and cards stand whole in its entries.
//!
//! Without it the centre's address and root are enough: the centre gives a member its record by its
//! everyday key, and the mailbox, read again from its beginning, gives back cards and tickets. A
//! delivery says which request it answers, and the holder keys grow from that; its shop must be met
//! first, since the shop's record isn't in the mailbox. What doesn't come back: bills, receipts and
//! the centre's signed heads, what was signed and never answered, and the history itself.

use std::{collections::BTreeSet, path::Path};

use tegata_cli::data::DataDir;
use tegata_party::client::{CallError, Caller};
use tegata_protocol::{
    MessageId, PartyNumber, Role, SignedBytes, SigningKey, Time, VerifyingKey,
    joining::{RecordInquiry, Registered},
    payment::Mode,
    record::{PartyKeys, PartyRecord},
};

use crate::{
    entry::Dated,
    entry::{Entry, Joined},
    error::WalletError,
    joining::NewWallet,
    kept::{BillStatus, KeptBill},
    state::State,
    vault::{Password, VaultError},
    wallet::{Centre, PARTY, Wallet, rng},
};

/// Where a wallet belongs, for when no history tells it.
#[derive(Clone, Debug)]
pub struct Home {
    /// The centre's address.
    pub centre: String,
    /// Its root.
    pub root: VerifyingKey,
}

/// Brings a copy of a history into the folder of a wallet that is to be restored.
///
/// # Errors
/// [`WalletError::Vault`] when there's a history or a vault already; [`WalletError::File`].
pub fn bring_history(folder: &Path, copy: &Path) -> Result<(), WalletError> {
    let dir = DataDir::open(folder, PARTY)?;
    let there = |name| folder.join(name).exists();
    if there("vault.tegata") || there(HISTORY) {
        return Err(VaultError::AlreadyThere.into());
    }
    let bytes = std::fs::read(copy).map_err(|source| WalletError::File {
        doing: "read",
        file: copy.display().to_string(),
        source,
    })?;
    Ok(dir.write_atomic(HISTORY, &bytes)?)
}

const HISTORY: &str = "history.tegata";

impl NewWallet<'_> {
    /// Makes the vault from the words' master and fills it from the history in the folder; without
    /// one asks the centre whose wallet it is.
    ///
    /// # Errors
    /// [`WalletError::Vault`]; [`WalletError::NoSuch`] when neither history nor `home` says whose
    /// wallet it is. [`WalletError::NotRestored`] when the centre can't be asked,
    /// [`WalletError::Nobody`] when it knows nobody with these keys, [`WalletError::Unsound`] when
    /// its answer isn't to be trusted. Then nothing is left behind.
    pub fn restore(
        self,
        folder: &Path,
        home: Option<Home>,
        now: Time,
    ) -> Result<Wallet, WalletError> {
        let passwords = self.passwords;
        let first = match &home {
            Some(home) => State::new(PartyNumber::NOBODY, &home.centre, home.root),
            None => placeholder(),
        };
        let mut wallet = self.make(folder, &first)?;
        let Err(error) = wallet.recover(home.is_some(), passwords.b(), now) else {
            return Ok(wallet);
        };
        // Made a moment ago, and good for nothing: the words make it again.
        let empty = wallet.history.is_empty();
        drop(wallet);
        let dir = DataDir::open_existing(folder, PARTY)?;
        dir.remove("vault.tegata")?;
        if empty {
            dir.remove(HISTORY)?;
        }
        Err(error)
    }
}

/// A state that stands only until the history was read.
fn placeholder() -> State {
    let any = SigningKey::from_seed(&[0; 32]).verifying_key();
    State::new(PartyNumber::NOBODY, "", any)
}

impl Wallet {
    /// Fills a vault that was just made from the words.
    fn recover(&mut self, home: bool, b: &Password, now: Time) -> Result<(), WalletError> {
        let past = self.history()?;
        let mut entries = Vec::new();
        let joined = match joined_in(&past) {
            Some(joined) => joined,
            None if home => {
                let joined = self.ask_whose(b, now)?;
                entries.push(Entry::Joined(joined.clone()));
                joined
            }
            None => {
                return Err(WalletError::NoSuch {
                    what: "history that says whose wallet it is",
                    wanted: HISTORY.to_owned(),
                });
            }
        };
        self.state = State::new(joined.number, &joined.centre, joined.root);
        self.state.record = Some(joined.record);
        // What lay aside isn't in the history: the mailbox gives it again.
        let aside = first_aside(&past);
        for dated in past {
            self.state.remember(dated.entry);
        }
        if let Some(item) = aside {
            self.state.cursor = self.state.cursor.min(item.saturating_sub(1));
        }
        entries.push(Entry::Restored);
        self.commit(now, entries)
    }

    /// Asks the centre for the record of the one who has these keys.
    fn ask_whose(&mut self, b: &Password, now: Time) -> Result<Joined, WalletError> {
        let centre = self.centre(now).map_err(not_restored)?;
        let (signing, opening) = (self.everyday(), self.opening());
        let body = RecordInquiry {
            key: signing.verifying_key(),
        };
        let id = MessageId::random(&mut rng());
        let prepared = self.prepare(&centre.callee, id, now, body)?;
        let caller = Caller {
            number: PartyNumber::NOBODY,
            signing: &signing,
            opening: &opening,
        };
        let answer = self
            .client()
            .call::<Registered>(caller, &centre.callee, &prepared);
        let answer = answer.map_err(|e| not_restored(e.into()))?;
        let reply = answer.accepted().map_err(|refusal| WalletError::Refused {
            by: "the centre".to_owned(),
            what: "inquiry about your record",
            refusal,
        })?;
        let record = reply.into_value().body.record;
        let number = self.check_restored(&record, &centre, b, now)?;
        Ok(Joined {
            number,
            centre: self.state.centre.clone(),
            root: self.state.root,
            record,
        })
    }

    /// Is it a member's record, the register's, in force, and with all the words' keys in it?
    fn check_restored(
        &self,
        signed: &SignedBytes,
        centre: &Centre,
        b: &Password,
        now: Time,
    ) -> Result<PartyNumber, WalletError> {
        let unsound = |why: &str| WalletError::unsound("the record that the centre sent", why);
        let record = PartyRecord::verify(signed.clone(), &centre.keys.register)
            .map_err(|e| unsound(&e.to_string()))?;
        let spending = self.vault.with_spending(b, |secrets| {
            SigningKey::from_seed(secrets.seed()).verifying_key()
        })?;
        let keys = PartyKeys {
            spending: Some(spending),
            signing: self.everyday().verifying_key(),
            opening: self.opening().sealing_key().clone(),
        };
        if record.keys != keys || record.number.role() != Role::Member {
            return Err(unsound("it has other keys than your words give"));
        }
        if !record.is_active(now) {
            return Err(unsound("it isn't in force"));
        }
        Ok(record.number)
    }
}

fn joined_in(past: &[Dated]) -> Option<Joined> {
    past.iter().rev().find_map(|dated| {
        let Entry::Joined(joined) = &dated.entry else {
            return None;
        };
        Some(joined.clone())
    })
}

/// The first item of the mailbox that was set aside and not understood later.
fn first_aside(past: &[Dated]) -> Option<u64> {
    let mut aside = BTreeSet::new();
    for dated in past {
        if let Entry::SetAside(item, _) = &dated.entry {
            aside.insert(*item);
        } else if let Entry::Loaded(item, _)
        | Entry::Delivered(item, _)
        | Entry::Confirmed(item, _)
        | Entry::HoldClosed(item, _)
        | Entry::CardPaid(item, _) = &dated.entry
        {
            aside.remove(item);
        }
    }
    aside.first().copied()
}

fn not_restored(error: WalletError) -> WalletError {
    let WalletError::Call(source) = error else {
        return error;
    };
    if let CallError::Unreadable(centre) = source {
        return WalletError::Nobody { centre };
    }
    WalletError::NotRestored {
        source: Box::new(source),
    }
}

impl State {
    /// Takes from an entry of the history what the wallet has to know.
    fn remember(&mut self, entry: Entry) {
        match entry {
            Entry::Loaded(item, card) => {
                self.currency = Some(card.card.value.currency());
                self.seen(item);
                self.cards.push(card);
            }
            Entry::Ordered(bill) => self.bills.push(bill),
            Entry::Paid(paid) => self.change(paid.bill, |bill| {
                bill.payment = Some(paid.payment);
                bill.receipt = Some(paid.receipt.clone());
                bill.status = match paid.mode {
                    Mode::Hold => BillStatus::Held,
                    Mode::Pay => BillStatus::Paid,
                };
            }),
            Entry::Delivered(item, delivered) => {
                self.seen(item);
                self.close(delivered.payment, BillStatus::Delivered);
            }
            Entry::Confirmed(item, confirmed) => {
                self.seen(item);
                self.close(confirmed.order.payment, BillStatus::Confirmed);
                self.orders.push(confirmed.order);
            }
            Entry::HoldClosed(item, closed) => {
                self.seen(item);
                self.close(closed.payment, BillStatus::Closed);
            }
            Entry::CardPaid(item, card) => {
                self.seen(item);
                self.change(card.paid.bill, |bill| {
                    (bill.payment, bill.card) = (Some(card.paid.payment), Some(card.paid.card));
                    if !bill.status.is_done() {
                        bill.status = BillStatus::Held;
                    }
                });
            }
            Entry::TicketReceived(ticket) => self.tickets.push(ticket),
            Entry::SetAside(item, _) => self.seen(item),
            Entry::Met(shop) => self.know_shop(shop),
            Entry::Joined(_)
            | Entry::LoadAsked(_)
            | Entry::Refused(_)
            | Entry::Shown(_)
            | Entry::CardLoaded(_)
            | Entry::Restored => {}
        }
    }

    fn seen(&mut self, item: u64) {
        self.cursor = self.cursor.max(item);
    }

    fn change(&mut self, bill: tegata_protocol::Digest, change: impl FnOnce(&mut KeptBill)) {
        if let Some(bill) = self.bill_mut(bill) {
            change(bill);
        }
    }

    fn close(&mut self, payment: tegata_protocol::PaymentId, status: BillStatus) {
        let mut bills = self.bills.iter_mut();
        if let Some(bill) = bills.find(|b| b.payment == Some(payment)) {
            bill.status = status;
        }
    }
}
