//! The operators' way in: a Unix socket that only the centre's user can open. Orders are signed with an
//! operator's own key, and what a rule of the centre's own asks goes the same way into the book.

use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure},
};
use tegata_ledger::{Committed, Draft, Fault, Verdict};
use tegata_protocol::{
    PartyNumber, SignedBytes, Suite, Time, Unverified, VerifyingKey,
    book::Rule,
    cbor,
    envelope::{Message, Parcel},
    record::{PartyKeys, PartyRecord, Status},
    refusal::{Code, Refusal},
};

use crate::{
    centre::Centre,
    exchange::{EXCHANGES, Live, Ordered, Stop, rule},
    keys::{lasting, rng, sign_record},
    operator::{FIRST_OPERATOR, OPERATOR_LIMIT, OrderError, operator_number},
};

/// An operator's record holds for ten years: it isn't renewed yet.
const OPERATOR_SECONDS: u64 = 10 * 365 * 86_400;

/// A fault, save that an id used twice is the sender's mistake.
pub(crate) fn not_booked(fault: Fault) -> OrderError {
    if matches!(fault, Fault::Conflict { .. }) {
        return OrderError::Refused(Refusal::new(Code::IdReused));
    }
    OrderError::Fault(Box::new(fault))
}

impl Centre {
    /// Takes an operator's order from the operators' socket and gives the signed reply.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn order(&self, bytes: &[u8], now: Time) -> Result<SignedBytes, OrderError> {
        let unreadable = |e: &dyn std::fmt::Display| OrderError::Unreadable(e.to_string());
        let parcel: Parcel = cbor::decode(bytes, OPERATOR_LIMIT).map_err(|e| unreadable(&e))?;
        let (label, _) = parcel.signed.label().map_err(|e| unreadable(&e))?;
        let of_operator = EXCHANGES.iter().find_map(|entry| match entry.live {
            Live::Operator(order) if entry.label == label => Some(order),
            Live::Operator(_) | Live::Party(_) | Live::Own => None,
        });
        let no_order = || unreadable(&format!("type {label} is no order"));
        let Ordered { draft, after } = of_operator.ok_or_else(no_order)?(self, parcel, now)?;
        let committed = self.ledger.submit_and_wait(draft).map_err(not_booked)?;
        let reply = self.signed_reply(&committed)?;
        (after.accepted)(self, &committed).map_err(|stop| match stop {
            Stop::Refused(refusal) => OrderError::Refused(refusal),
            Stop::Fault(why) => OrderError::Fault(why),
        })?;
        Ok(reply)
    }

    /// The reply that the book has, signed, if it accepted what was asked.
    ///
    /// # Errors
    /// The book's refusal, or [`OrderError::ReplyDamaged`].
    pub(crate) fn signed_reply(&self, committed: &Committed) -> Result<SignedBytes, OrderError> {
        let signed = self.sign_kept(committed.reply.to_vec());
        let signed = signed.ok_or(OrderError::ReplyDamaged)?;
        if let Verdict::Accepted = committed.verdict {
            return Ok(signed);
        }
        let refusal = Unverified::<Message<Refusal>>::parse(signed);
        let refusal = refusal.map_err(|_e| OrderError::ReplyDamaged)?;
        Err(OrderError::Refused(refusal.claimed().body.clone()))
    }

    /// Carries out a rule of the centre's own.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn carry_out(&self, rule: Rule, now: Time) -> Result<(), OrderError> {
        let draft = self.rule_draft(rule, now)?;
        let committed = self.ledger.submit_and_wait(draft).map_err(not_booked)?;
        self.signed_reply(&committed).map(|_| ())
    }

    pub(crate) fn rule_draft(&self, rule: Rule, now: Time) -> Result<Draft, OrderError> {
        let draft = rule::draft(rule, &self.keys, self.settings.currency, now);
        draft.map_err(|code| OrderError::Refused(Refusal::new(code)))
    }

    /// Enters an operator in the register: number `C-00000-…` by `serial`, and the operator's key.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn appoint(
        &self,
        serial: u32,
        key: &VerifyingKey,
        now: Time,
    ) -> Result<PartyNumber, OrderError> {
        let refused = |e: tegata_protocol::Malformed| OrderError::Unreadable(e.to_string());
        let number = operator_number(serial).map_err(refused)?;
        // Nothing is ever sealed to an operator; the record's form wants a key all the same.
        let (opening, _) = tegata_protocol::OpeningKey::generate(Suite::Standard, &mut rng());
        let keys = PartyKeys {
            spending: None,
            signing: *key,
            opening: opening.sealing_key().clone(),
        };
        let (valid, status) = (lasting(now, OPERATOR_SECONDS), Status::Active);
        let record = PartyRecord {
            number,
            keys,
            profile: None,
            valid,
            status,
        };
        self.carry_out(Rule::Appoint(sign_record(&self.keys, &record)), now)?;
        self.register.enter(record);
        Ok(number)
    }

    /// An operator's public key waits in a file until the centre has started once.
    pub(crate) fn appoint_pending(&self, dir: &DataDir, now: Time) -> Result<(), Failure> {
        if self
            .register
            .recall(operator_number(FIRST_OPERATOR)?)?
            .is_some()
        {
            return Ok(());
        }
        let Some(bytes) = dir.read_optional("operator.pub")? else {
            return Ok(());
        };
        let key = <[u8; 32]>::try_from(bytes.as_slice()).ok();
        let key = key.and_then(|b| VerifyingKey::from_bytes(&b).ok());
        let key =
            key.ok_or_else(|| Failure::new(Exit::Damaged, "operator.pub isn't a public key"))?;
        self.appoint(FIRST_OPERATOR, &key, now)?;
        Ok(())
    }
}
