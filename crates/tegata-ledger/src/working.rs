//! What a batch works on: the part of the book that its actions need, changed in memory.
//!
//! The committer asks which [`Key`]s the actions need, has the store put them here, decides one
//! action after the other, each seeing what the ones before did, and hands [the changes](Working)
//! back to the store. In the audit and in tests it holds the whole book.

use std::{cell::Cell, collections::HashMap, hash::Hash};

use tegata_protocol::{CardNumber, Digest, PartyNumber, PaymentId};

use crate::{
    Account, AccountId, Bill, BillKey, Card, Effect, Funding, Hold, MessageKey, Position,
    Statement, StatementKey,
};

/// Something that an action needs to know.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// Was this message received before?
    Message(MessageKey),
    /// An account.
    Account(AccountId),
    /// A payment.
    Hold(PaymentId),
    /// A bill.
    Bill(BillKey),
    /// A funding reference.
    Funding(String),
    /// A party's record.
    Party(PartyNumber),
    /// A bank statement.
    Statement(StatementKey),
    /// A card.
    Card(CardNumber),
    /// The receipts of a card with this counter.
    Receipt(CardNumber, u32),
}

/// A message that was received before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownMessage {
    /// SHA-256 of its signed bytes.
    pub digest: Digest,
    /// Its record.
    pub position: Position,
}

/// Values of one kind, each known, known to be absent, or never looked up.
#[derive(Debug)]
struct Shelf<K, V> {
    slots: HashMap<K, Slot<V>>,
}

#[derive(Debug)]
struct Slot<V> {
    value: Option<V>,
    /// Did the store have it before the batch?
    stored: bool,
    changed: bool,
}

/// A changed value on its way to the store.
#[derive(Debug)]
pub struct Changed<'a, K, V> {
    /// Which.
    pub key: &'a K,
    /// What it is from now on.
    pub value: &'a V,
    /// Does the store hold it already, so that it is to be updated?
    pub stored: bool,
}

impl<K: Ord + Hash + Clone, V> Shelf<K, V> {
    fn new() -> Self {
        Self {
            slots: HashMap::new(),
        }
    }

    fn has(&self, key: &K) -> bool {
        self.slots.contains_key(key)
    }

    fn load(&mut self, key: K, value: Option<V>) {
        let stored = value.is_some();
        self.slots.insert(
            key,
            Slot {
                value,
                stored,
                changed: false,
            },
        );
    }

    fn put(&mut self, key: &K, value: V) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.value = Some(value);
            slot.changed = true;
        } else {
            let slot = Slot {
                value: Some(value),
                stored: false,
                changed: true,
            };
            self.slots.insert(key.clone(), slot);
        }
    }

    /// In the order of keys: trees like it, and rows that are locked must be locked in one order.
    fn changes(&self) -> Vec<Changed<'_, K, V>> {
        let changed = self.slots.iter().filter(|(_, slot)| slot.changed);
        let mut changes: Vec<_> = changed
            .filter_map(|(key, slot)| {
                let value = slot.value.as_ref()?;
                let stored = slot.stored;
                Some(Changed { key, value, stored })
            })
            .collect();
        changes.sort_unstable_by(|a, b| a.key.cmp(b.key));
        changes
    }

    fn values(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots
            .iter()
            .filter_map(|(k, slot)| Some((k, slot.value.as_ref()?)))
    }
}

/// The part of the book that a batch needs, as the actions so far leave it.
#[derive(Debug)]
pub struct Working {
    messages: Shelf<MessageKey, KnownMessage>,
    accounts: Shelf<AccountId, Account>,
    holds: Shelf<PaymentId, Hold>,
    bills: Shelf<BillKey, Bill>,
    fundings: Shelf<String, Funding>,
    parties: Shelf<PartyNumber, Vec<u8>>,
    statements: Shelf<StatementKey, Statement>,
    cards: Shelf<CardNumber, Card>,
    receipts: Shelf<(CardNumber, u32), Vec<Digest>>,
    whole: bool,
    missed: Cell<bool>,
}

/// For each shelf: is it there, what is on it, put the store's value on it, what changed.
macro_rules! shelf {
    ($shelf:ident: $key:ty => $value:ty, $get:ident, $load:ident, $changed:ident, $all:ident) => {
        /// What is known of this key; `None` when there is no such thing.
        pub fn $get(&self, key: &$key) -> Option<&$value> {
            let slot = self.$shelf.slots.get(key);
            if slot.is_none() && !self.whole {
                self.missed.set(true);
            }
            slot?.value.as_ref()
        }

        /// Puts in what the store has (or that it has nothing).
        pub fn $load(&mut self, key: $key, value: Option<$value>) {
            self.$shelf.load(key, value);
        }

        /// What the store has to write, in the order of keys.
        pub fn $changed(&self) -> Vec<Changed<'_, $key, $value>> {
            self.$shelf.changes()
        }

        /// Everything of this kind that is here.
        pub fn $all(&self) -> impl Iterator<Item = (&$key, &$value)> {
            self.$shelf.values()
        }
    };
}

impl Working {
    /// Nothing recalled yet: whatever an action needs must be [recalled](crate::store::Writer::recall).
    pub fn partial() -> Self {
        Self::new(false)
    }

    /// The whole of an empty book: what isn't here doesn't exist.
    pub fn whole() -> Self {
        Self::new(true)
    }

    fn new(whole: bool) -> Self {
        Self {
            messages: Shelf::new(),
            accounts: Shelf::new(),
            holds: Shelf::new(),
            bills: Shelf::new(),
            fundings: Shelf::new(),
            parties: Shelf::new(),
            statements: Shelf::new(),
            cards: Shelf::new(),
            receipts: Shelf::new(),
            whole,
            missed: Cell::new(false),
        }
    }

    shelf!(messages: MessageKey => KnownMessage, message, load_message, changed_messages, messages);
    shelf!(accounts: AccountId => Account, account, load_account, changed_accounts, accounts);
    shelf!(holds: PaymentId => Hold, hold, load_hold, changed_holds, holds);
    shelf!(bills: BillKey => Bill, bill, load_bill, changed_bills, bills);
    shelf!(fundings: String => Funding, funding, load_funding, changed_fundings, fundings);
    shelf!(parties: PartyNumber => Vec<u8>, party, load_party, changed_parties, parties);
    shelf!(statements: StatementKey => Statement, statement, load_statement, changed_statements, statements);
    shelf!(cards: CardNumber => Card, card, load_card, changed_cards, cards);
    shelf!(receipts: (CardNumber, u32) => Vec<Digest>, receipts_at, load_receipts, changed_receipts, receipts);

    /// Is this key here, or known to be absent?
    pub fn has(&self, key: &Key) -> bool {
        self.whole
            || match key {
                Key::Message(k) => self.messages.has(k),
                Key::Account(k) => self.accounts.has(k),
                Key::Hold(k) => self.holds.has(k),
                Key::Bill(k) => self.bills.has(k),
                Key::Funding(k) => self.fundings.has(k),
                Key::Party(k) => self.parties.has(k),
                Key::Statement(k) => self.statements.has(k),
                Key::Card(k) => self.cards.has(k),
                Key::Receipt(card, counter) => self.receipts.has(&(*card, *counter)),
            }
    }

    /// Did anybody look at something that was never recalled? Then nothing decided here counts.
    pub fn missed(&self) -> bool {
        self.missed.get()
    }

    /// Remembers a message.
    pub(crate) fn put_message(&mut self, key: &MessageKey, known: KnownMessage) {
        self.messages.put(key, known);
    }

    /// Sets an account.
    pub(crate) fn put_account(&mut self, id: &AccountId, account: Account) {
        self.accounts.put(id, account);
    }

    /// Sets what an effect says.
    pub(crate) fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Party(party, record) => self.parties.put(party, record.clone()),
            Effect::Hold(hold) => self.holds.put(&hold.payment, hold.clone()),
            Effect::Bill(key, bill) => self.bills.put(key, *bill),
            Effect::Funding(reference, funding) => {
                self.fundings.put(reference, funding.clone());
            }
            Effect::Statement(key, statement, _) => self.statements.put(key, statement.clone()),
            Effect::Card(number, card) => self.cards.put(number, *card),
            Effect::Receipt(card, counter, digests) => {
                self.receipts.put(&(*card, *counter), digests.clone());
            }
        }
    }
}
