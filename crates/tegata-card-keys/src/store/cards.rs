//! Cards.

use tegata_card::command::Limits;
use tegata_card::keys::{Csn, Role};
use tegata_store::{Row, params};

use super::{StoreError, Tables, damaged};

/// What became of a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CardState {
    /// Its first key may have left; that it's in use isn't known yet.
    Personalising,
    /// In use.
    Active,
    /// Stopped.
    Blocked,
    /// It was told to end; that it did isn't known yet.
    Terminating,
    /// Over.
    Terminated,
}

impl CardState {
    const ALL: [Self; 5] = [
        Self::Personalising,
        Self::Active,
        Self::Blocked,
        Self::Terminating,
        Self::Terminated,
    ];

    /// The word for it, here and in what is shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Personalising => "personalising",
            Self::Active => "active",
            Self::Blocked => "blocked",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
        }
    }
}

/// The versions of a role's key on a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions {
    /// The one that it's known to have.
    pub current: u8,
    /// The one that was or will be put, and perhaps hasn't arrived.
    pub next: Option<u8>,
}

impl Versions {
    /// The first version, and none after it.
    pub const FIRST: Self = Self {
        current: 1,
        next: None,
    };
}

/// A card, as far as its receipts and jobs have told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardRecord {
    /// Its number.
    pub csn: Csn,
    /// What became of it.
    pub state: CardState,
    /// Lost or copied: it opens no session any more, except to be ended.
    pub denied: bool,
    /// Its purse must be read before anything else is ordered.
    pub look: bool,
    /// The number of the last transaction whose receipt came.
    pub counter: u32,
    /// The balance after it.
    pub balance: u32,
    /// Its limits.
    pub limits: Limits,
    /// Its debit key.
    pub debit: Versions,
    /// Its admin key.
    pub admin: Versions,
    /// Its receipt key.
    pub receipt: Versions,
    /// The lowest number that its next session may have: one above the highest that was proven.
    pub next_sequence: u32,
}

impl CardRecord {
    /// A card that is about to be given its first keys.
    #[must_use]
    pub const fn new(csn: Csn, limits: Limits) -> Self {
        Self {
            csn,
            state: CardState::Personalising,
            denied: false,
            look: false,
            counter: 0,
            balance: 0,
            limits,
            debit: Versions::FIRST,
            admin: Versions::FIRST,
            receipt: Versions::FIRST,
            next_sequence: 0,
        }
    }

    /// The key versions of a role; a transport key has none here.
    #[must_use]
    pub const fn versions(&self, role: Role) -> Versions {
        match role {
            Role::Transport => Versions::FIRST,
            Role::Debit => self.debit,
            Role::Admin => self.admin,
            Role::Receipt => self.receipt,
        }
    }

    /// The same, to be changed.
    pub const fn versions_mut(&mut self, role: Role) -> Option<&mut Versions> {
        match role {
            Role::Transport => None,
            Role::Debit => Some(&mut self.debit),
            Role::Admin => Some(&mut self.admin),
            Role::Receipt => Some(&mut self.receipt),
        }
    }

    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        let word: String = row.get(1)?;
        let state = CardState::ALL.into_iter().find(|s| s.word() == word);
        let versions = |at| -> Result<Versions, StoreError> {
            let next: u8 = row.get(at + 1)?;
            Ok(Versions {
                current: row.get(at)?,
                next: (next > 0).then_some(next),
            })
        };
        let currency: String = row.get(6)?;
        let currency = currency.into_bytes().try_into();
        Ok(Self {
            csn: Csn::new(row.get(0)?),
            state: state.ok_or_else(|| damaged("a card's state"))?,
            denied: row.get(2)?,
            look: row.get(3)?,
            counter: row.get(4)?,
            balance: row.get(5)?,
            limits: Limits {
                currency: currency.map_err(|_e| damaged("a currency"))?,
                balance: row.get(7)?,
                debit: row.get(8)?,
                offline: row.get(9)?,
            },
            debit: versions(10)?,
            admin: versions(12)?,
            receipt: versions(14)?,
            next_sequence: row.get(16)?,
        })
    }
}

const COLUMNS: &str = "csn, state, denied, look, counter, balance, currency, balance_limit, \
    debit_limit, offline_limit, debit, debit_next, admin, admin_next, receipt, receipt_next, \
    next_sequence";

impl Tables<'_> {
    /// The card of that number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn card(&self, csn: Csn) -> Result<Option<CardRecord>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM card WHERE csn = $1");
        self.connection
            .find(&sql, [csn.as_bytes()], CardRecord::read)
    }

    /// The card of that number, which a job has seen before.
    ///
    /// # Errors
    /// [`StoreError`], also when it's gone.
    pub fn known_card(&self, csn: Csn) -> Result<CardRecord, StoreError> {
        self.card(csn)?.ok_or_else(|| damaged("a card is gone"))
    }

    /// All cards by number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cards(&self) -> Result<Vec<CardRecord>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM card ORDER BY csn");
        self.connection.list(&sql, [], CardRecord::read)
    }

    /// Keeps a card in the place of what was known of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_card(&self, card: &CardRecord) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO card ({COLUMNS})
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
             ON CONFLICT (csn) DO UPDATE SET state = excluded.state, denied = excluded.denied,
               look = excluded.look, counter = excluded.counter, balance = excluded.balance,
               currency = excluded.currency, balance_limit = excluded.balance_limit,
               debit_limit = excluded.debit_limit, offline_limit = excluded.offline_limit,
               debit = excluded.debit, debit_next = excluded.debit_next,
               admin = excluded.admin, admin_next = excluded.admin_next,
               receipt = excluded.receipt, receipt_next = excluded.receipt_next,
               next_sequence = excluded.next_sequence"
        );
        let currency = std::str::from_utf8(&card.limits.currency);
        let currency = currency.map_err(|_e| damaged("a currency"))?;
        let values = params![
            card.csn.as_bytes(),
            card.state.word(),
            card.denied,
            card.look,
            card.counter,
            card.balance,
            currency,
            card.limits.balance,
            card.limits.debit,
            card.limits.offline,
            card.debit.current,
            card.debit.next.unwrap_or(0),
            card.admin.current,
            card.admin.next.unwrap_or(0),
            card.receipt.current,
            card.receipt.next.unwrap_or(0),
            card.next_sequence,
        ];
        self.connection.write_one(&sql, values)
    }

    /// Changes what is known of a card.
    ///
    /// # Errors
    /// [`StoreError`], also when the card isn't known.
    pub fn change_card(
        &self,
        csn: Csn,
        change: impl FnOnce(&mut CardRecord),
    ) -> Result<CardRecord, StoreError> {
        let mut card = self.known_card(csn)?;
        change(&mut card);
        self.keep_card(&card)?;
        Ok(card)
    }
}
