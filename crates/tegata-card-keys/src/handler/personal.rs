//! A blank card gets its first keys and goes into use.
//!
//! The card is kept before its first key leaves. After a cut anywhere the same task begins again: a
//! card that is still blank takes its keys anew, one that is in use already (the answer to the
//! activation was lost) opens a session under our own admin key, which proves that it has them.

use tegata_card::command::{Limits, Operation};
use tegata_card::keys::Role;
use tegata_card::session::{Order, Session};
use tegata_card_service::{CardKeysRefusal, Response};

use super::plan::Plan;
use super::tasks::KEYED;
use super::{Asked, Desk, Flow, Job, Turn, ask, purse_told, refused};
use crate::store::{CardRecord, CardState};

impl Desk<'_> {
    /// The transport key opened the session.
    pub(super) fn first_keys(&mut self, job: &Job, session: Session) -> Turn {
        let Plan::Personalise { limits, .. } = job.plan else {
            return refused(CardKeysRefusal::StaleKey);
        };
        let before = self.store.read().card(job.csn)?;
        let card = CardRecord {
            // It counts on, whatever became of the job before.
            next_sequence: before.map_or(0, |card| card.next_sequence),
            ..CardRecord::new(job.csn, limits)
        };
        self.store.write(|tables| tables.keep_card(&card))?;
        self.first_key(job, session, KEYED.first().copied())
    }

    fn first_key(&self, job: &Job, session: Session, role: Option<Role>) -> Turn {
        let key = role.and_then(|role| {
            let key = self.keys.of(role)?.card_key(job.csn, 1)?;
            Some((role, key))
        });
        match (key, &job.plan) {
            (Some((role, key)), _) => ask(session, &Order::PutKey(key), Asked::FirstKey(role)),
            (None, Plan::Personalise { limits, .. }) => {
                let order = Order::Limits(Operation::Activate, *limits);
                ask(session, &order, Asked::Activate)
            }
            (None, _) => refused(CardKeysRefusal::WrongRequest),
        }
    }

    pub(super) fn first_key_put(&self, job: &Job, session: Session, role: Role) -> Turn {
        let place = KEYED.iter().position(|keyed| *keyed == role);
        let next = place.and_then(|place| KEYED.get(place.saturating_add(1)));
        self.first_key(job, session, next.copied())
    }

    pub(super) fn activated(&mut self, job: &mut Job) -> Turn {
        let card = self
            .store
            .write(|tables| tables.change_card(job.csn, |card| card.state = CardState::Active))?;
        job.purse = Some(purse_told(&card, Some(card.balance)));
        Ok(Flow::End(Response::Done(job.done())))
    }

    /// The card was in use already; its purse was read, and so its state and limits are known.
    pub(super) fn finish_personalising(
        &mut self,
        job: &Job,
        session: Session,
        limits: Limits,
    ) -> Turn {
        let has = self.card(job.csn)?.limits;
        if has == limits {
            return Ok(Flow::End(Response::Done(job.done())));
        }
        if has.currency != limits.currency {
            return refused(CardKeysRefusal::WrongCurrency);
        }
        let order = Order::Limits(Operation::Limits, limits);
        ask(session, &order, Asked::Limits)
    }
}
