//! A verdict in words, in English and Japanese: a headline, what happened, what to do; and as JSON.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use tegata_pages::{Language, Messages, Texts, Tone};
use tegata_protocol::{
    Time,
    refusal::Code,
    ticket::{Bet, Contents, SeriesRecord},
};

use crate::verdict::{Admitted, Circumstance, Closed, FirstUse, KeywordFailure, Refused, Verdict};

const EN: &str = include_str!("../messages/en.toml");
const JA: &str = include_str!("../messages/ja.toml");
static MESSAGES: LazyLock<Messages> = LazyLock::new(|| Messages::embedded(EN, JA));

/// This program's texts.
#[must_use]
pub fn texts(language: Language) -> Texts<'static> {
    MESSAGES.of(language)
}

/// A verdict for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Which sign and colour.
    pub tone: Tone,
    /// A word or two, readable from two metres.
    pub headline: String,
    /// What happened, or what the ticket is good for.
    pub what: String,
    /// What to do next; empty after an admission.
    pub next: String,
}

/// Puts a verdict into words.
#[must_use]
pub fn said(verdict: &Verdict, language: Language) -> Said {
    let t = texts(language);
    match verdict {
        Verdict::Admitted(admitted) => Said {
            tone: Tone::Good,
            headline: t.text("verdict.admitted").to_owned(),
            what: good_for(admitted, language),
            next: String::new(),
        },
        Verdict::JustAdmitted(admitted) => Said {
            tone: Tone::Plain,
            headline: t.text("verdict.just_admitted").to_owned(),
            what: good_for(admitted, language),
            next: t.text("verdict.just_admitted_next").to_owned(),
        },
        Verdict::Refused(refused) => refusal(refused, t),
        Verdict::Closed(closed) => gate_closed(closed, t),
    }
}

fn good_for(admitted: &Admitted, language: Language) -> String {
    let described = describe(&admitted.series, &admitted.contents, language);
    format!("{}: {described}", admitted.series.title)
}

fn refusal(refused: &Refused, t: Texts<'static>) -> Said {
    let (what, next) = refusal_keys(refused.code);
    let mut what = t.text(what).to_owned();
    let mut next = t.text(next).to_owned();
    match &refused.circumstance {
        Circumstance::None => {}
        Circumstance::Used(first) => {
            what = used(first, t);
            if first.another_presentation {
                next = t.text("refused.already_used_twice_next").to_owned();
            }
        }
        Circumstance::Keyword(failure) => (what, next) = keyword(*failure, t),
        Circumstance::PunchedElsewhere => {
            what = t.text("card.punched_elsewhere").to_owned();
            next = t.text("card.punched_elsewhere_next").to_owned();
        }
        Circumstance::OnCardForOthers => {
            what = match &refused.series {
                Some(series) => t.fill("card.for_another", &[("event", &series.title)]),
                None => t.text("card.for_others").to_owned(),
            };
        }
    }
    if refused.code == Code::WrongEvent
        && refused.circumstance == Circumstance::None
        && let Some(series) = &refused.series
    {
        what = t.fill("refused.wrong_event_named", &[("event", &series.title)]);
    }
    Said {
        tone: Tone::Bad,
        headline: t.text("verdict.refused").to_owned(),
        what,
        next,
    }
}

fn used(first: &FirstUse, t: Texts<'static>) -> String {
    let (at, row) = (first.at.to_string(), first.row.to_string());
    let values = [("gate", first.gate.as_str()), ("at", &at), ("row", &row)];
    t.fill("refused.already_used", &values)
}

fn keyword(failure: KeywordFailure, t: Texts<'static>) -> (String, String) {
    let of = |what, next| (t.text(what).to_owned(), t.text(next).to_owned());
    match failure {
        KeywordFailure::Missing => of("keyword.missing", "keyword.missing_next"),
        KeywordFailure::Wrong { left } => {
            let left = left.to_string();
            let next = t.fill("keyword.wrong_next", &[("left", &left)]);
            (t.text("keyword.wrong").to_owned(), next)
        }
        KeywordFailure::Exhausted => of("keyword.exhausted", "keyword.exhausted_next"),
    }
}

/// The keys of a refusal's two texts. Codes of other exchanges can't come from a gate.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the codes of all exchanges, of which twenty are a gate's"
)]
const fn refusal_keys(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::TicketForged => ("refused.forged", "refused.forged_next"),
        Code::WrongEvent => ("refused.wrong_event", "refused.wrong_event_next"),
        Code::Cancelled => ("refused.cancelled", "refused.cancelled_next"),
        Code::NotYetValid => ("refused.not_yet_valid", "refused.not_yet_valid_next"),
        Code::Expired => ("refused.expired", "refused.expired_next"),
        Code::NotActivated => ("refused.not_activated", "refused.not_activated_next"),
        Code::StalePresentation => ("refused.stale", "refused.stale_next"),
        Code::WrongHolder => ("refused.wrong_holder", "refused.wrong_holder_next"),
        Code::WrongKeyword => ("keyword.wrong", "keyword.missing_next"),
        Code::AlreadyUsed => ("refused.already_used", "refused.already_used_next"),
        Code::CardUnprovable => ("card.unprovable", "card.unprovable_next"),
        Code::CardForeign => ("card.foreign", "card.foreign_next"),
        Code::CardUnproven => ("card.unproven", "card.unproven_next"),
        Code::CardDenied => ("card.denied", "card.denied_next"),
        Code::CardBlocked => ("card.blocked", "card.blocked_next"),
        Code::CardEnded => ("card.ended", "card.ended_next"),
        Code::CardEmpty => ("card.empty", "card.empty_next"),
        Code::CardGone => ("card.gone", "card.gone_next"),
        Code::CardChanged => ("card.changed", "card.changed_next"),
        _ => ("refused.malformed", "refused.malformed_next"),
    }
}

fn gate_closed(closed: &Closed, t: Texts<'static>) -> Said {
    let (what, next) = match closed {
        Closed::NoEvent => (t.text("closed.no_event").to_owned(), "closed.no_event_next"),
        Closed::CheckDataOld { series, until } => {
            let until = until.to_string();
            let values = [("event", series.title.as_str()), ("until", &until)];
            (t.fill("closed.old", &values), "closed.old_next")
        }
        Closed::ClockBehind { as_of, .. } => {
            let as_of = as_of.to_string();
            let what = t.fill("closed.clock", &[("as_of", &as_of)]);
            (what, "closed.clock_next")
        }
        Closed::LogFailed => (t.text("closed.log").to_owned(), "closed.log_next"),
        Closed::NoCard => (t.text("closed.no_card").to_owned(), "closed.no_card_next"),
        Closed::NoReader { why } => {
            let what = t.fill("closed.no_reader", &[("why", why)]);
            (what, "closed.no_reader_next")
        }
    };
    let headline = match closed {
        Closed::NoCard => "verdict.no_card",
        Closed::NoReader { .. } => "verdict.no_reader",
        Closed::NoEvent
        | Closed::CheckDataOld { .. }
        | Closed::ClockBehind { .. }
        | Closed::LogFailed => "verdict.closed",
    };
    Said {
        tone: Tone::Careful,
        headline: t.text(headline).to_owned(),
        what,
        next: t.text(next).to_owned(),
    }
}

/// What a ticket is good for.
#[must_use]
pub fn describe(series: &SeriesRecord, contents: &Contents, language: Language) -> String {
    match language {
        Language::En => series.describe(contents),
        Language::Ja => describe_in_japanese(series, contents),
    }
}

fn describe_in_japanese(series: &SeriesRecord, contents: &Contents) -> String {
    let or_free = |number: u16, unit: &str| match number {
        0 => "自由".to_owned(),
        number => format!("{number}{unit}"),
    };
    match contents {
        Contents::Stay(s) => {
            let day = Time::from_secs(u64::from(s.arrival_day).saturating_mul(86_400));
            let date: String = day.to_string().chars().take(10).collect();
            let room = match s.room {
                0 => "部屋は受付で".to_owned(),
                number => format!("{number}号室"),
            };
            format!("{date}から{}泊、{}名、{room}", s.nights, s.guests)
        }
        Contents::Ride(r) => format!(
            "{} → {}、{}等、{}、座席{}",
            series.name(r.from),
            series.name(r.to),
            r.class,
            or_free(r.coach.into(), "号車"),
            or_free(r.seat, "番")
        ),
        Contents::Admission(s) => format!(
            "{}、{}、座席{}",
            series.name(s.section),
            or_free(s.row.into(), "列"),
            or_free(s.seat, "番")
        ),
        Contents::Wager(w) => {
            let runners: Vec<_> = w.runners.iter().map(u8::to_string).collect();
            let bet = match w.bet {
                Bet::Win => "単勝",
                Bet::Place => "複勝",
                Bet::Quinella => "馬連",
                Bet::Exacta => "馬単",
                Bet::Trio => "三連複",
                Bet::Trifecta => "三連単",
            };
            format!(
                "第{}レース、{bet} {}、{}口",
                w.race,
                runners.join("-"),
                w.units
            )
        }
    }
}

/// A verdict as JSON: the same fields always, null where there is nothing to say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct VerdictJson {
    /// `admitted`, `just_admitted`, `refused` or `closed`.
    pub verdict: &'static str,
    /// A refusal's number, 600 to 619.
    pub code: Option<u16>,
    /// The word of a refusal's code, or of why the gate is closed.
    pub reason: Option<&'static str>,
    /// What happened, or what the ticket is good for.
    pub what: String,
    /// What to do next.
    pub next: Option<String>,
    /// The event.
    pub event: Option<EventJson>,
    /// The row of the gate's log, of an admission.
    pub row: Option<u64>,
    /// When the ticket was admitted (seconds since 1970), of an admission.
    pub at: Option<u64>,
    /// Of a used ticket: its first use.
    pub first_use: Option<FirstUseJson>,
    /// Of a wrong keyword: how many tries are left.
    pub tries_left: Option<u8>,
}

/// An event in JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventJson {
    /// The shop's number.
    pub shop: String,
    /// The series' number.
    pub series: u32,
    /// Its name.
    pub title: String,
    /// Where it is.
    pub place: String,
}

impl From<&SeriesRecord> for EventJson {
    fn from(series: &SeriesRecord) -> Self {
        Self {
            shop: series.issuer.to_string(),
            series: series.series.number(),
            title: series.title.clone(),
            place: series.place.clone(),
        }
    }
}

/// A first use in JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FirstUseJson {
    /// The gate's name.
    pub gate: String,
    /// The row of its log.
    pub row: u64,
    /// When (seconds since 1970).
    pub at: u64,
    /// Was another presentation shown now than then?
    pub another_presentation: bool,
}

impl VerdictJson {
    /// A verdict, its texts in English.
    #[must_use]
    pub fn new(verdict: &Verdict) -> Self {
        let said = said(verdict, Language::En);
        let mut json = Self {
            verdict: "refused",
            code: verdict.code().map(Code::number),
            reason: verdict.code().map(Code::word),
            what: said.what,
            next: Some(said.next).filter(|next| !next.is_empty()),
            event: None,
            row: None,
            at: None,
            first_use: None,
            tries_left: None,
        };
        match verdict {
            Verdict::Admitted(admitted) => json.admitted("admitted", admitted),
            Verdict::JustAdmitted(admitted) => json.admitted("just_admitted", admitted),
            Verdict::Refused(refused) => json.refused(refused),
            Verdict::Closed(closed) => {
                json.verdict = "closed";
                json.reason = Some(closed.word());
            }
        }
        json
    }

    fn admitted(&mut self, word: &'static str, admitted: &Admitted) {
        self.verdict = word;
        self.event = Some(EventJson::from(&*admitted.series));
        self.row = Some(admitted.row);
        self.at = Some(admitted.at.secs());
    }

    fn refused(&mut self, refused: &Refused) {
        self.event = refused.series.as_deref().map(EventJson::from);
        match &refused.circumstance {
            Circumstance::None | Circumstance::PunchedElsewhere | Circumstance::OnCardForOthers => {
            }
            Circumstance::Used(first) => {
                self.first_use = Some(FirstUseJson {
                    gate: first.gate.clone(),
                    row: first.row,
                    at: first.at.secs(),
                    another_presentation: first.another_presentation,
                });
            }
            Circumstance::Keyword(KeywordFailure::Missing) => {}
            Circumstance::Keyword(KeywordFailure::Wrong { left }) => self.tries_left = Some(*left),
            Circumstance::Keyword(KeywordFailure::Exhausted) => self.tries_left = Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_exists_in_both_languages() {
        assert_eq!(Messages::problems(EN, JA), [""; 0]);
    }

    #[test]
    fn every_refusal_of_a_gate_has_words_of_its_own() {
        let t = texts(Language::En);
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL
            .iter()
            .filter(|c| (600..700).contains(&c.number()))
        {
            let (what, next) = refusal_keys(*code);
            assert_ne!(t.text(what), what, "{what} has no text");
            assert_ne!(t.text(next), next, "{next} has no text");
            assert!(seen.insert(what), "{code} shares its words");
        }
        assert_eq!(seen.len(), 20);
    }
}
