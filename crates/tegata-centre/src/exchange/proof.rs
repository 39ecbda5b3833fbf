//! How the audit proves any exchange: the evidence's signature holds by the register as it stood, and what
//! it asks is read by the same code as when it came.

use tegata_ledger::{Action, Record, store::StoredRecord};
use tegata_protocol::{
    Currency, Digest, PartyNumber, SignedBytes, Unverified, Verified, VerifyingKey,
    envelope::{Body, Message},
    record::{CentreKeys, PartyRecord},
};

use super::{Exchange, Sender, View};
use crate::register::Register;

/// What is known of the time when a record was written: the register as it stood, and the keys that the
/// pinned root certifies.
pub(crate) struct Past<'p> {
    pub(crate) keys: &'p CentreKeys,
    pub(crate) register: &'p dyn Register,
    pub(crate) currency: Currency,
}

/// What a record's evidence asks.
pub(crate) struct Proven {
    pub(crate) action: Action,
    /// Who is in the register from now on.
    pub(crate) entered: Option<PartyRecord>,
}

/// Verifies a record's evidence, and says what it asks.
pub(crate) type Prove = fn(&Past<'_>, &StoredRecord, SignedBytes) -> Result<Proven, String>;

impl Past<'_> {
    fn verified<B: Body>(
        &self,
        record: &Record,
        signed: SignedBytes,
        sender: Sender,
    ) -> Result<Verified<Message<B>>, String> {
        let message = Unverified::<Message<B>>::parse(signed).map_err(|e| e.to_string())?;
        let from = message.claimed().from;
        let party = self.register.party(from);
        let party = party.ok_or_else(|| format!("{from} wasn't registered then"))?;
        let key = (sender.key)(&party).ok_or_else(|| format!("{from} has no such key"))?;
        let message = message.verify(&key).map_err(|e| e.to_string())?;
        check_cause(record, &message)?;
        if from.role() != sender.role {
            return Err(format!(
                "{from} may not send it: that's for {:?}",
                sender.role
            ));
        }
        Ok(message)
    }

    /// Verifies a party's record by the register's key.
    pub(super) fn read_record(&self, signed: SignedBytes) -> Result<PartyRecord, String> {
        let record = PartyRecord::verify(signed, &self.keys.register).map_err(|e| e.to_string())?;
        Ok(record.into_value())
    }

    pub(super) const fn view(&self, record: &Record) -> View<'_> {
        View {
            register: self.register,
            currency: self.currency,
            time: record.time,
        }
    }
}

/// Proves a record of an exchange.
pub(super) fn prove<X: Exchange>(
    past: &Past<'_>,
    stored: &StoredRecord,
    signed: SignedBytes,
) -> Result<Proven, String> {
    let record = &stored.record;
    let message = past.verified::<X::Body>(record, signed, X::SENDER)?;
    check_attached(record, X::attached(&message.body))?;
    let evidence = stored.evidence.as_ref();
    let attachment = evidence.and_then(|evidence| evidence.attachment.as_deref());
    X::check_attachment(&message.body, attachment)?;
    let read = X::read(&message, &past.view(record));
    let (operation, _) = read.map_err(|code| code.to_string())?;
    Ok(Proven {
        action: operation.into(),
        entered: None,
    })
}

/// Verifies a message by a key that isn't a party's.
pub(super) fn verified_by<B: Body>(
    record: &Record,
    signed: SignedBytes,
    key: impl FnOnce(&B) -> VerifyingKey,
) -> Result<Verified<Message<B>>, String> {
    let message = Unverified::<Message<B>>::parse(signed).map_err(|e| e.to_string())?;
    let key = key(&message.claimed().body);
    let message = message.verify(&key).map_err(|e| e.to_string())?;
    check_cause(record, &message)?;
    check_attached(record, None)?;
    Ok(message)
}

/// The record must name the message that was signed, and one that was signed for the centre.
fn check_cause<B: Body>(record: &Record, message: &Message<B>) -> Result<(), String> {
    if message.to != PartyNumber::CENTRE {
        return Err("it was signed for somebody else".to_owned());
    }
    if (record.cause.party, record.cause.id) != (message.from, message.id) {
        return Err("the record names another message as its cause".to_owned());
    }
    // Nobody keeps a genuine message back and books it when it suits.
    let timely = message.check_time(record.time);
    timely.map_err(|e| format!("booked at {}: {e}", record.time))
}

/// What is kept beside the evidence must be what the signed message names, if it names anything.
fn check_attached(record: &Record, named: Option<Digest>) -> Result<(), String> {
    if record.attachment == named {
        return Ok(());
    }
    Err("the attachment isn't the one that was signed for".to_owned())
}
