//! The series record: what a ticket's codes mean, and by which keys it's checked.

use minicbor::{Decode, Encode};

use super::Contents;
use crate::{
    Document, KeyId, Malformed, PartyNumber, Role, SealingKey, SeriesId, Suite, Validity,
    VerifyingKey, malformed::check_text,
};

/// The most batch keys of a series.
const MAX_BATCHES: usize = 8;

/// One performance, night, train or race meeting, as its shop describes it. Signed with the shop's
/// bill key. Holders and gates have it; tickets carry only codes.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct SeriesRecord {
    /// The shop.
    #[n(0)]
    pub issuer: PartyNumber,
    /// The series' number.
    #[n(1)]
    pub series: SeriesId,
    /// What kind of ticket: `stay`, `ride`, `admission` or `wager`.
    #[n(2)]
    pub kind: String,
    /// The event's name, 1 to 120 bytes.
    #[n(3)]
    pub title: String,
    /// Where, 1 to 120 bytes.
    #[n(4)]
    pub place: String,
    /// When its tickets may be used.
    #[n(5)]
    pub valid: Validity,
    /// The names behind codes, counted from 1: sections, stops. At most 40 of 40 bytes.
    #[n(6)]
    pub names: Vec<String>,
    /// Rules for the holder, at most 300 bytes.
    #[n(7)]
    pub rules: Option<String>,
    /// The keys that sign its tickets. A stolen batch key spoils its batch only.
    #[n(8)]
    pub batches: Vec<VerifyingKey>,
    /// Presentations are sealed to it (suite compact).
    #[n(9)]
    pub event_key: SealingKey,
}

impl SeriesRecord {
    /// The batch key of this id, if it's one of the series'.
    pub fn batch(&self, id: KeyId) -> Option<&VerifyingKey> {
        self.batches.iter().find(|key| key.id() == id)
    }

    /// The name behind a code, or the code itself where there is none.
    pub fn name(&self, code: u16) -> String {
        let index = usize::from(code).checked_sub(1);
        let name = index.and_then(|i| self.names.get(i)).cloned();
        name.unwrap_or_else(|| code.to_string())
    }

    /// What a ticket's contents say, in English words.
    pub fn describe(&self, contents: &Contents) -> String {
        let free = |n: u16| {
            if n == 0 {
                "free".to_owned()
            } else {
                n.to_string()
            }
        };
        match contents {
            Contents::Stay(s) => {
                let day = crate::Time::from_secs(u64::from(s.arrival_day).saturating_mul(86_400));
                let date = day.to_string().chars().take(10).collect::<String>();
                format!(
                    "{} night(s) from {date}, {} guest(s), room {}",
                    s.nights,
                    s.guests,
                    free(s.room)
                )
            }
            Contents::Ride(r) => format!(
                "{} → {}, class {}, coach {}, seat {}",
                self.name(r.from),
                self.name(r.to),
                r.class,
                free(r.coach.into()),
                free(r.seat)
            ),
            Contents::Admission(s) => {
                let (row, seat) = (free(s.row.into()), free(s.seat));
                format!("{}, row {row}, seat {seat}", self.name(s.section))
            }
            Contents::Wager(w) => {
                let runners: Vec<_> = w.runners.iter().map(u8::to_string).collect();
                format!(
                    "race {}, {:?} {}, {} unit(s)",
                    w.race,
                    w.bet,
                    runners.join("-"),
                    w.units
                )
            }
        }
    }
}

impl Document for SeriesRecord {
    const LABEL: u16 = 61;
    /// Four of the longest tickets and such a record fit the delivery of a capture.
    const LIMIT: usize = 1700;

    fn check(&self) -> Result<(), Malformed> {
        if self.issuer.role() != Role::Shop {
            return Err(Malformed::field("issuer", "not a shop's number"));
        }
        if !["stay", "ride", "admission", "wager"].contains(&self.kind.as_str()) {
            return Err(Malformed::field(
                "kind",
                "expected stay, ride, admission or wager",
            ));
        }
        check_text("title", &self.title, 120)?;
        check_text("place", &self.place, 120)?;
        if self.names.len() > 40 {
            return Err(Malformed::field("names", "more than 40"));
        }
        self.names
            .iter()
            .try_for_each(|name| check_text("name", name, 40))?;
        if let Some(rules) = &self.rules {
            check_text("rules", rules, 300)?;
        }
        if self.batches.is_empty() || self.batches.len() > MAX_BATCHES {
            return Err(Malformed::field(
                "batches",
                format!("expected 1 to {MAX_BATCHES}"),
            ));
        }
        if self.event_key.suite() != Suite::Compact {
            return Err(Malformed::field("event key", "not of suite compact"));
        }
        Ok(())
    }
}
