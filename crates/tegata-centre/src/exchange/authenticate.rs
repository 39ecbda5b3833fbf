//! Who sends a message: its sender's record is found, and the signature verified by it. Until then nothing
//! that the message says is believed.

use std::sync::Arc;

use tegata_ledger::MessageKey;
use tegata_protocol::{
    PartyNumber, Role, Time, Unverified, Verified, VerifyingKey,
    envelope::{Body, Message, Parcel},
    record::PartyRecord,
    refusal::Code,
};

use super::View;
use crate::{centre::Centre, rate_limits::Cost};

/// Why a message isn't taken. For the log only: whoever sent it gets one answer, whatever was wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    /// The sender's doing: it can't be opened, read or verified.
    #[error("{0}")]
    Unreadable(String),
    /// Ours: what is needed to judge it couldn't be read. Nothing is decided, it may come again.
    #[error("a message can't be judged")]
    Fault(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The sender's doing, but no harm: it comes too fast. Nothing is decided.
    #[error("{0} sends too fast")]
    TooFast(PartyNumber, u64),
}

impl Rejected {
    pub(crate) fn because(why: impl std::fmt::Display) -> Self {
        Self::Unreadable(why.to_string())
    }

    pub(crate) fn fault(why: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Fault(Box::new(why))
    }
}

/// A message whose sender is known and whose signature held.
pub(crate) struct Authenticated<B> {
    pub(crate) message: Verified<Message<B>>,
    pub(crate) record: Arc<PartyRecord>,
    pub(crate) attachment: Vec<u8>,
    pub(crate) cost: Cost,
}

impl<B: Body> Authenticated<B> {
    /// May this party act now, by a message of this time, and has it this role?
    pub(super) fn may_send(&self, role: Option<Role>, now: Time) -> Result<(), Code> {
        check_time(&self.message, now)?;
        if !self.record.is_active(now) {
            return Err(Code::NotActive);
        }
        match role {
            Some(role) if role != self.message.from.role() => Err(Code::WrongRole),
            Some(_) | None => Ok(()),
        }
    }
}

/// Was it signed within minutes of now?
pub(super) fn check_time<B: Body>(message: &Message<B>, now: Time) -> Result<(), Code> {
    message.check_time(now).map_err(|_e| Code::Untimely)
}

/// What was signed for somebody else isn't ours, whoever brings it.
pub(super) fn check_recipient<B>(message: &Message<B>) -> Result<(), Rejected> {
    if message.to == PartyNumber::CENTRE {
        return Ok(());
    }
    Err(Rejected::because("it was signed for somebody else"))
}

impl Centre {
    pub(super) const fn view(&self, time: Time) -> View<'_> {
        View {
            register: &self.register,
            currency: self.settings.currency,
            time,
        }
    }

    /// Verifies a message by its sender's record, and counts it.
    pub(super) fn authenticate<B: Body>(
        &self,
        parcel: Parcel,
        key: fn(&PartyRecord) -> Option<VerifyingKey>,
        now: Time,
    ) -> Result<Authenticated<B>, Rejected> {
        let attachment = parcel.attached().unwrap_or_default().to_vec();
        let message = Unverified::<Message<B>>::parse(parcel.signed).map_err(Rejected::because)?;
        let from = message.claimed().from;
        let unknown = || Rejected::because(format!("{from} isn't registered"));
        let record = self.register.recall(from).map_err(Rejected::fault)?;
        let record = record.ok_or_else(unknown)?;
        let key = key(&record);
        let key = key.ok_or_else(|| Rejected::because(format!("{from} has no such key")))?;
        let message = message.verify(&key).map_err(Rejected::because)?;
        check_recipient(&message)?;
        let cost = self.count(&message, now)?;
        Ok(Authenticated {
            message,
            record,
            attachment,
            cost,
        })
    }

    /// Counts a verified message. Who sends too fast may still ask again for what was answered.
    pub(super) fn count<B: Body>(
        &self,
        message: &Verified<Message<B>>,
        now: Time,
    ) -> Result<Cost, Rejected> {
        let party = message.from;
        let seconds = match self.rate_limits.count(party, now) {
            Ok(cost) => return Ok(cost),
            Err(seconds) => seconds,
        };
        let key = MessageKey {
            party,
            id: message.id,
        };
        let known = self.ledger.read(|book| book.reply_of(&key));
        match known.map_err(Rejected::fault)? {
            Some(known) if known.message.digest == message.digest() => Ok(Cost::Free),
            _ => Err(Rejected::TooFast(party, seconds)),
        }
    }
}
