//! What a session does beside money: state, limits, keys, tickets.

use tegata_card::command::{Operation, TICKET_PART};
use tegata_card::keys::Role;
use tegata_card::receipt::{Punched, ReceiptKey};
use tegata_card::session::{Order, Session};
use tegata_card_service::{CardKeysRefusal, Done, Response, TicketTold};

use super::plan::Plan;
use super::{Asked, Desk, Flow, Job, Turn, ask, purse_told, refused};
use crate::store::{CardRecord, CardState};

/// The roles whose keys are put, in this order.
pub(super) const KEYED: [Role; 3] = [Role::Debit, Role::Admin, Role::Receipt];

/// A ticket whose first part was read.
#[derive(Debug)]
pub(super) struct Head {
    length: u8,
    punched: bool,
    bytes: Vec<u8>,
}

impl Desk<'_> {
    /// Nothing is in doubt any more: now the job itself.
    pub(super) fn go_on(&mut self, job: &mut Job, session: Session) -> Turn {
        match &job.plan {
            Plan::Money { .. } => self.money_opened(job, session),
            Plan::Read => Ok(Flow::End(Response::Done(job.done()))),
            Plan::Personalise { limits, .. } => {
                let limits = *limits;
                self.finish_personalising(job, session, limits)
            }
            Plan::State(operation) => {
                let operation = *operation;
                if operation == Operation::Terminate {
                    self.store.write(|tables| {
                        tables.change_card(job.csn, |card| card.state = CardState::Terminating)
                    })?;
                }
                ask(session, &Order::State(operation), Asked::State)
            }
            Plan::Limit(limits) => {
                if limits.currency != self.card(job.csn)?.limits.currency {
                    return refused(CardKeysRefusal::WrongCurrency);
                }
                let order = Order::Limits(Operation::Limits, *limits);
                ask(session, &order, Asked::Limits)
            }
            Plan::ChangeKeys => self.change_keys(job, session),
            Plan::PutTicket { .. } => put_part(job, session, 0),
            Plan::ReadTicket { slot } | Plan::Punch { slot, .. } => {
                let order = Order::ReadTicket {
                    slot: *slot,
                    part: 0,
                };
                ask(session, &order, Asked::ReadTicket(None))
            }
        }
    }

    pub(super) fn state_set(&mut self, job: &mut Job) -> Turn {
        let Plan::State(operation) = job.plan else {
            return Ok(Flow::End(Response::InDoubt));
        };
        let state = match operation {
            Operation::Block => CardState::Blocked,
            Operation::Terminate => CardState::Terminated,
            Operation::Unblock | Operation::Activate | Operation::Limits => CardState::Active,
        };
        self.changed(job, |card| card.state = state)
    }

    pub(super) fn limits_set(&mut self, job: &mut Job) -> Turn {
        let (Plan::Limit(limits) | Plan::Personalise { limits, .. }) = job.plan else {
            return Ok(Flow::End(Response::InDoubt));
        };
        self.changed(job, |card| card.limits = limits)
    }

    fn changed(&mut self, job: &mut Job, change: impl FnOnce(&mut CardRecord)) -> Turn {
        let card = self
            .store
            .write(|tables| tables.change_card(job.csn, change))?;
        if let Some(purse) = &job.purse {
            job.purse = Some(purse_told(&card, purse.balance));
        }
        Ok(Flow::End(Response::Done(job.done())))
    }

    /// Which versions are put is kept before the first leaves. If an earlier job didn't come to its
    /// end, this one puts what that one left.
    fn change_keys(&mut self, job: &mut Job, session: Session) -> Turn {
        let card = self.card(job.csn)?;
        let begun = KEYED.iter().any(|role| card.versions(*role).next.is_some());
        if !begun {
            let nexts = KEYED.map(|role| card.versions(role).current.checked_add(1));
            if nexts.iter().any(|next| next.is_none_or(|next| next > 15)) {
                return refused(CardKeysRefusal::NoMoreKeys);
            }
            self.store.write(|tables| {
                tables.change_card(job.csn, |card| {
                    for (role, next) in KEYED.into_iter().zip(nexts) {
                        if let Some(versions) = card.versions_mut(role) {
                            versions.next = next;
                        }
                    }
                })
            })?;
        }
        self.next_key(job, session)
    }

    fn next_key(&mut self, job: &Job, session: Session) -> Turn {
        let card = self.card(job.csn)?;
        let wanted = KEYED.into_iter().find_map(|role| {
            let number = card.versions(role).next?;
            let key = self.keys.of(role)?.card_key(job.csn, number)?;
            Some((role, key))
        });
        match wanted {
            Some((role, key)) => ask(session, &Order::PutKey(key), Asked::Key(role)),
            None => Ok(Flow::End(Response::Done(job.done()))),
        }
    }

    pub(super) fn key_put(&mut self, job: &Job, session: Session, role: Role) -> Turn {
        self.store.write(|tables| {
            tables.change_card(job.csn, |card| {
                if let Some(versions) = card.versions_mut(role) {
                    versions.current = versions.next.unwrap_or(versions.current);
                    versions.next = None;
                }
            })
        })?;
        self.next_key(job, session)
    }

    /// The card says that the ticket is punched: in words that only it can make?
    pub(super) fn punched(&self, job: &Job, punched: &Punched, ticket: Vec<u8>) -> Turn {
        let Plan::Punch { punch, .. } = &job.plan else {
            return Ok(Flow::End(Response::InDoubt));
        };
        let master = self.keys.of(Role::Receipt);
        let key = master.and_then(|m| m.card_key(job.csn, punched.version.number()));
        let key = key.and_then(|key| ReceiptKey::new(&key));
        let verified = key.map(|key| key.verify_punch(job.csn, punched, &ticket));
        if punched.punch != *punch || !matches!(verified, Some(Ok(()))) {
            return Ok(Flow::End(Response::InDoubt));
        }
        let told = TicketTold {
            ticket,
            punched: true,
        };
        Ok(Flow::End(Response::Done(Done {
            ticket: Some(told),
            punched: Some(punched.to_bytes()),
            ..job.done()
        })))
    }
}

fn put_part(job: &Job, session: Session, part: u8) -> Turn {
    let Plan::PutTicket { slot, ticket } = &job.plan else {
        return Ok(Flow::End(Response::InDoubt));
    };
    let order = Order::PutTicket {
        slot: *slot,
        part,
        ticket: ticket.clone(),
    };
    ask(session, &order, Asked::PutTicket(part))
}

/// A part of the ticket is on the card.
pub(super) fn ticket_put(job: &Job, session: Session, part: u8) -> Turn {
    if let Plan::PutTicket { ticket, .. } = &job.plan
        && part == 0
        && ticket.len() > TICKET_PART
    {
        return put_part(job, session, 1);
    }
    Ok(Flow::End(Response::Done(job.done())))
}

/// A part of the ticket was read.
pub(super) fn ticket_read(
    job: &Job,
    session: Session,
    before: Option<Head>,
    (told, bytes): (Option<(u8, bool)>, Vec<u8>),
) -> Turn {
    let head = match (before, told) {
        (None, Some((length, punched))) => Head {
            length,
            punched,
            bytes,
        },
        (Some(mut head), None) => {
            head.bytes.extend_from_slice(&bytes);
            head
        }
        (None, None) | (Some(_), Some(_)) => return Ok(Flow::End(Response::InDoubt)),
    };
    let whole = usize::from(head.length);
    if head.bytes.len() < whole && head.bytes.len() == TICKET_PART {
        let (Plan::ReadTicket { slot } | Plan::Punch { slot, .. }) = &job.plan else {
            return Ok(Flow::End(Response::InDoubt));
        };
        let order = Order::ReadTicket {
            slot: *slot,
            part: 1,
        };
        return ask(session, &order, Asked::ReadTicket(Some(head)));
    }
    if head.bytes.len() != whole {
        return Ok(Flow::End(Response::InDoubt));
    }
    read_whole(job, session, head)
}

fn read_whole(job: &Job, session: Session, head: Head) -> Turn {
    let Plan::Punch {
        slot,
        punch,
        ticket,
    } = &job.plan
    else {
        let told = TicketTold {
            ticket: head.bytes,
            punched: head.punched,
        };
        return Ok(Flow::End(Response::Done(Done {
            ticket: Some(told),
            ..job.done()
        })));
    };
    if head.bytes != *ticket {
        return refused(CardKeysRefusal::SlotInUse);
    }
    let (slot, punch) = (*slot, *punch);
    let order = Order::PunchTicket { slot, punch };
    ask(session, &order, Asked::Punch(head.bytes))
}
