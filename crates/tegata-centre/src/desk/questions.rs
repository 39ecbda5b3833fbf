//! What parties ask without a change to the book: a balance, a mailbox, their own record.

use tegata_ledger::AccountId;
use tegata_protocol::{
    Amount, PartyNumber, ReplyKey, Role, SignedBytes, Time, Unverified, cbor,
    envelope::{Message, Parcel},
    joining::{RecordInquiry, Registered},
    payment::{Collect, Item, Mailbox},
    prepaid::{Balance, BalanceInquiry},
    refusal::{Code, Refusal},
};

use super::{
    Back, Damaged, Desk, PAGE_BYTES, PAGE_ITEMS, SAID, Step, Unheard, may_act, may_send, signing,
    timely,
};
use crate::replies::Post;

impl Desk {
    /// Inquiries change nothing and leave no trace: a replay within five minutes shows its sender,
    /// and nobody else, what it saw before.
    pub(super) fn balance(
        &self,
        parcel: Parcel,
        reply: ReplyKey,
        now: Time,
    ) -> Result<Step, Unheard> {
        let heard = self.known::<BalanceInquiry>(parcel, signing, now)?;
        let back = heard.back(reply);
        if let Err(code) = may_send(&heard, Role::Member, now) {
            return Ok(Step::Answer(back.to.refusal(now, Refusal::new(code)), back));
        }
        let id = AccountId::prepaid(heard.message.from, self.house.currency);
        let account = self
            .ledger
            .read(|book| book.account(&id))
            .map_err(Unheard::fault)?;
        let (balance, held) = account.map_or((0, 0), |a| (a.balance, a.held));
        let amount = |minor| {
            let minor = u64::try_from(minor).unwrap_or_default();
            Amount::new(minor, self.house.currency).map_err(Unheard::fault)
        };
        let body = Balance {
            balance: amount(balance)?,
            held: amount(held)?,
        };
        Ok(Step::Answer(back.to.payload(now, body), back))
    }

    /// Gives a party its record by its signing key: it may have lost everything else, its number
    /// included. Verified under the key that it names before that key is looked for, so nobody
    /// learns about a key that isn't theirs.
    pub(super) fn own_record(
        &self,
        parcel: Parcel,
        reply: ReplyKey,
        now: Time,
    ) -> Result<Step, Unheard> {
        let message = Unverified::<Message<RecordInquiry>>::parse(parcel.signed);
        let message = message.map_err(Unheard::because)?;
        let key = message.claimed().body.key;
        let message = message.verify(&key).map_err(Unheard::because)?;
        if (message.from, message.to) != (PartyNumber::NOBODY, PartyNumber::CENTRE) {
            return Err(Unheard::because(
                "an inquiry about a record is from nobody to us",
            ));
        }
        let record = self.register.owner_of(&key).map_err(Unheard::fault)?;
        let record = record.ok_or_else(|| Unheard::because("no record has the named key"))?;
        let (party, paced) = (record.number, self.paces.count(record.number, now));
        paced.map_err(|seconds| Unheard::TooFast(party, seconds))?;
        let back = Back::new(&message, reply, &record.keys.opening);
        let refused = match timely(&message, now) {
            Ok(()) if !record.is_active(now) => Some(Code::NotActive),
            other => other.err(),
        };
        let payload = match refused {
            Some(code) => back.to.refusal(now, Refusal::new(code)),
            None => {
                let record = record.signed().clone();
                back.to.payload(now, Registered { record })
            }
        };
        Ok(Step::Answer(payload, back))
    }

    pub(super) fn collect(
        &self,
        parcel: Parcel,
        reply: ReplyKey,
        now: Time,
    ) -> Result<Step, Unheard> {
        let heard = self.known::<Collect>(parcel, signing, now)?;
        let back = heard.back(reply);
        if let Err(code) = may_act(&heard, now) {
            return Ok(Step::Answer(back.to.refusal(now, Refusal::new(code)), back));
        }
        let (from, after) = (heard.message.from, heard.message.body.after);
        let stored = self
            .ledger
            .read(|book| book.outbox_after(from, after, PAGE_ITEMS + 1));
        let stored = stored.map_err(Unheard::fault)?;
        let (mut items, mut bytes) = (Vec::new(), 0_usize);
        for waiting in &stored {
            bytes = bytes
                .saturating_add(waiting.item.bytes.len())
                .saturating_add(100);
            if items.len() >= PAGE_ITEMS as usize || (bytes > PAGE_BYTES && !items.is_empty()) {
                break;
            }
            items.push(self.item(waiting.number, &waiting.item.bytes)?);
        }
        let more = items.len() < stored.len();
        Ok(Step::Answer(
            back.to.payload(now, Mailbox { items, more }),
            back,
        ))
    }

    /// Signs what the book kept, if it's of a kind that the centre says to others: whoever can write
    /// the database, but has no key, shall not have heads or rules signed.
    pub(crate) fn sign_kept(&self, payload: Vec<u8>) -> Option<SignedBytes> {
        let signed = self.keys.receipts.sign_kept_payload(payload);
        let (label, _) = signed.label().ok()?;
        SAID.contains(&label).then_some(signed)
    }

    fn item(&self, number: u64, bytes: &[u8]) -> Result<Item, Unheard> {
        let post: Post = cbor::decode(bytes, 64 * 1024).map_err(Unheard::fault)?;
        let signed = self.sign_kept(post.payload);
        let signed = signed.ok_or_else(|| Unheard::fault(Damaged))?;
        Ok(Item {
            number,
            signed,
            sealed: post.sealed,
        })
    }
}
