//! Restoring a wallet from its 24 words.
//!
//! The words give every key again. The member's `history.tegata`, in the folder or brought from a
//! copy, gives back the rest: record, bills, tickets and cards stand whole in its entries. Without
//! it the member's number and centre must be told.

use std::path::Path;

use tegata_program::data::DataDir;
use tegata_protocol::{PartyNumber, Role, Time, VerifyingKey, payment::Mode};

use crate::{
    entry::{Entry, Joined},
    error::WalletError,
    joining::NewWallet,
    state::{BillStatus, KeptBill, State},
    vault::VaultError,
    wallet::{PARTY, Wallet},
};

/// Where a wallet belongs, for when no history tells it.
#[derive(Clone, Debug)]
pub struct Home {
    /// The centre's address.
    pub centre: String,
    /// Its root.
    pub root: VerifyingKey,
    /// The member's number.
    pub number: PartyNumber,
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
    /// Makes the vault from the words' master and fills it from the history in the folder.
    ///
    /// # Errors
    /// [`WalletError::Vault`]; [`WalletError::NoSuch`] when neither history nor `home` says whose
    /// wallet it is. Then no vault is left behind.
    pub fn restore(
        self,
        folder: &Path,
        home: Option<Home>,
        now: Time,
    ) -> Result<Wallet, WalletError> {
        let first = match &home {
            Some(home) => State::new(home.number, &home.centre, home.root),
            None => placeholder()?,
        };
        let mut wallet = self.make(folder, &first)?;
        let entries = wallet.history()?;
        let joined = entries.iter().rev().find_map(|d| {
            let Entry::Joined(joined) = &d.entry else {
                return None;
            };
            Some(joined.clone())
        });
        wallet.state = match first_state(home, joined) {
            Ok(state) => state,
            Err(error) => {
                // Made a moment ago, and good for nothing: the words make it again.
                drop(wallet);
                DataDir::open_existing(folder, PARTY)?.remove("vault.tegata")?;
                return Err(error);
            }
        };
        for dated in entries {
            wallet.state.remember(dated.entry);
        }
        wallet.commit(now, vec![Entry::Restored])?;
        Ok(wallet)
    }
}

/// A state that stands only until the history was read.
fn placeholder() -> Result<State, WalletError> {
    let number = PartyNumber::new(Role::Member, 0)?;
    let any = tegata_protocol::SigningKey::from_seed(&[0; 32]).verifying_key();
    Ok(State::new(number, "", any))
}

fn first_state(home: Option<Home>, joined: Option<Joined>) -> Result<State, WalletError> {
    if let Some(joined) = joined {
        let mut state = State::new(joined.number, &joined.centre, joined.root);
        state.record = Some(joined.record);
        return Ok(state);
    }
    let home = home.ok_or_else(|| WalletError::NoSuch {
        what: "history that says whose wallet it is",
        wanted: HISTORY.to_owned(),
    })?;
    Ok(State::new(home.number, &home.centre, home.root))
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
            Entry::HoldClosed(item, closed) => {
                self.seen(item);
                self.close(closed.payment, BillStatus::Closed);
            }
            Entry::TicketReceived(ticket) => self.tickets.push(ticket),
            Entry::SetAside(item, _) => self.seen(item),
            Entry::Met(shop) => self.know_shop(shop),
            Entry::Joined(_)
            | Entry::LoadAsked(_)
            | Entry::Refused(_)
            | Entry::Shown(_)
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
