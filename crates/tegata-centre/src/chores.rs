//! What the clock asks for: holds end, old card numbers are deleted, cards that are over are denied.

use std::sync::mpsc;

use tegata_ledger::Fault;
use tegata_protocol::{Time, book::Rule};

use crate::{centre::Centre, operator_api::not_booked};

impl Centre {
    /// Releases holds whose time is over, as many as were due. All are handed in before the first
    /// answer is awaited, so that the book commits them together. Says how many there were; those
    /// that weren't released are due again the next time.
    pub fn expire_holds(&self, now: Time) -> usize {
        let due = self.ledger.read(|book| book.holds_expired(now, 500));
        let due = due.inspect_err(|e| tracing::error!(error = %e, "expired holds can't be read"));
        let due = due.unwrap_or_default();
        let drafts = due.iter().map(|hold| {
            let draft = self.rule_draft(Rule::ExpireHold(hold.payment), now);
            (hold.payment, draft)
        });
        // Signed before the first is handed in: the committer doesn't wait for the next one.
        let drafts: Vec<_> = drafts.collect();
        let awaited = drafts.into_iter().map(|(payment, draft)| {
            let (tell, told) = mpsc::sync_channel(1);
            match draft {
                // Nobody has dropped the other end: it's waiting below.
                Ok(draft) => self.ledger.submit(draft, move |result| {
                    tell.send(result.map_err(not_booked)).unwrap_or_default();
                }),
                Err(e) => tell.send(Err(e)).unwrap_or_default(),
            }
            (payment, told)
        });
        let awaited: Vec<_> = awaited.collect();
        for (payment, told) in awaited {
            let committed = told.recv().unwrap_or(Err(not_booked(Fault::Stopped)));
            if let Err(e) = committed.and_then(|c| self.signed_reply(&c)) {
                tracing::warn!(%payment, error = %e, "a hold wasn't released");
            }
        }
        due.len()
    }

    /// Deletes cards that were kept for as long as cards are kept.
    pub fn delete_old_cards(&self, now: Time) {
        let Some(link) = &self.credit else { return };
        match link.delete_before(now.before(self.settings.credit_keep_seconds)) {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "old cards are deleted"),
            Err(e) => tracing::error!(
                error = &e as &dyn std::error::Error,
                "old cards can't be deleted"
            ),
        }
    }

    /// Tells the card-key server again of every card that is over: it may have been away when it was told.
    pub fn deny_cards(&self) {
        let Some(cards) = &self.cards else { return };
        if let Err(error) = cards.deny_all() {
            tracing::warn!(%error, "cards that are over can't be denied now; tried again in an hour");
        }
    }

    /// Tells the card-key server of those cards that it couldn't be told of.
    pub fn deny_waiting(&self) {
        let Some(cards) = &self.cards else { return };
        if let Err(error) = cards.deny_again() {
            tracing::warn!(%error, "cards that are over still can't be denied");
        }
    }
}
