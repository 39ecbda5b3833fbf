//! A task as it's worked on: checked, and its secret taken out of the request.

use tegata_card::command::{AMOUNT_LIMIT, Limits, Operation, TICKET_LIMIT, TICKET_SLOTS};
use tegata_card::keys::{CardKey, Role};
use tegata_card::receipt::{Kind, Punch};
use tegata_card_service::{CardLimits, Task};
use zeroize::Zeroizing;

/// What a job is for.
#[derive(Debug)]
pub(super) enum Plan {
    Personalise {
        transport: CardKey,
        limits: Limits,
    },
    Read,
    Money {
        kind: Kind,
        read: bool,
    },
    State(Operation),
    Limit(Limits),
    ChangeKeys,
    PutTicket {
        slot: u8,
        ticket: Vec<u8>,
    },
    ReadTicket {
        slot: u8,
    },
    Punch {
        slot: u8,
        punch: Punch,
        ticket: Vec<u8>,
    },
}

impl Plan {
    /// `None` for what can't be asked of a card.
    pub(super) fn new(task: Task) -> Option<Self> {
        Some(match task {
            Task::Personalise {
                transport_key,
                limits,
            } => {
                let key = Zeroizing::new(transport_key);
                let key = Zeroizing::new(<[u8; 32]>::try_from(key.as_slice()).ok()?);
                Self::Personalise {
                    transport: CardKey::transport(*key),
                    limits: checked(&limits)?,
                }
            }
            Task::Read => Self::Read,
            Task::Debit { read } => {
                let kind = Kind::Debit;
                Self::Money { kind, read }
            }
            Task::Load => Self::paying_in(Kind::Load),
            Task::Refund => Self::paying_in(Kind::Refund),
            Task::Block => Self::State(Operation::Block),
            Task::Unblock => Self::State(Operation::Unblock),
            Task::Terminate => Self::State(Operation::Terminate),
            Task::Limit(limits) => Self::Limit(checked(&limits)?),
            Task::ChangeKeys => Self::ChangeKeys,
            Task::PutTicket { slot, ticket } => {
                let fits = slot < TICKET_SLOTS && ticket.len() <= TICKET_LIMIT;
                fits.then_some(Self::PutTicket { slot, ticket })?
            }
            Task::ReadTicket { slot } => {
                (slot < TICKET_SLOTS).then_some(Self::ReadTicket { slot })?
            }
            Task::Punch {
                slot,
                id,
                terminal,
                time,
                ticket,
            } => {
                let id = id.0;
                let punch = Punch { id, terminal, time };
                (slot < TICKET_SLOTS).then_some(Self::Punch {
                    slot,
                    punch,
                    ticket,
                })?
            }
        })
    }

    const fn paying_in(kind: Kind) -> Self {
        Self::Money { kind, read: true }
    }

    /// Whose key opens the session. The debit key does as much as it can, so that the admin key's
    /// sessions stay rare.
    pub(super) const fn role(&self) -> Role {
        match self {
            Self::Personalise { .. } => Role::Transport,
            Self::Read
            | Self::Money {
                kind: Kind::Debit, ..
            }
            | Self::ReadTicket { .. }
            | Self::Punch { .. } => Role::Debit,
            Self::Money { .. }
            | Self::State(_)
            | Self::Limit(_)
            | Self::ChangeKeys
            | Self::PutTicket { .. } => Role::Admin,
        }
    }

    /// Is the purse read even if nothing is in doubt?
    pub(super) const fn reads(&self) -> bool {
        matches!(
            self,
            Self::Read | Self::Personalise { .. } | Self::Money { read: true, .. }
        )
    }
}

fn checked(limits: &CardLimits) -> Option<Limits> {
    let currency = <[u8; 3]>::try_from(limits.currency.as_bytes()).ok()?;
    let sound = currency.iter().all(u8::is_ascii_uppercase)
        && [limits.balance, limits.debit, limits.offline]
            .iter()
            .all(|amount| *amount <= AMOUNT_LIMIT);
    sound.then_some(Limits {
        currency,
        balance: limits.balance,
        debit: limits.debit,
        offline: limits.offline,
    })
}
