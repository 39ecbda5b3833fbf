//! Rules of the centre's own: what it says when nobody asked, signed by it and recorded like anybody's
//! message.

use tegata_ledger::{Draft, EvidenceKind, MessageKey};
use tegata_protocol::{
    Currency, MessageId, PartyNumber, SigningKey, Time,
    book::{Done, Rule},
    envelope::Message,
    payment::Closing,
    refusal::Code,
};

use crate::{
    desk::evidence,
    interpret,
    keys::rng,
    replies::{self, Return},
};

/// Signs a rule, for the book to decide about.
///
/// # Errors
/// As [`interpret::rule`].
pub(crate) fn draft(
    rule: Rule,
    key: &SigningKey,
    currency: Currency,
    now: Time,
) -> Result<Draft, Code> {
    let action = interpret::rule(&rule, currency)?;
    let (id, from) = (MessageId::random(&mut rng()), PartyNumber::CENTRE);
    let (not_after, enc_digest, answers) = (None, None, None);
    let said = rule.clone();
    let signed = key.sign(&Message {
        from,
        to: from,
        id,
        time: now,
        not_after,
        enc_digest,
        answers,
        body: rule,
    });
    let back = Return {
        to: from,
        answers: signed.digest(),
    };
    let evidence = evidence(EvidenceKind::Centre, &signed, None);
    let key = MessageKey { party: from, id };
    Ok(Draft::new(
        key,
        evidence,
        action,
        now,
        move |d| match &said {
            Rule::CardReceipt(..) => replies::card_receipt(back, d),
            Rule::CardVoid(_) => replies::card_void(back, d),
            Rule::ExpireHold(_) => replies::closed(back, Closing::Expired, d),
            Rule::CardCopied(_) | Rule::Appoint(_) => replies::fixed(back, Done {}, d),
        },
    ))
}
