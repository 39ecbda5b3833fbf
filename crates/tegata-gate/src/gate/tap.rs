//! A card on the gate's reader (T6): its session takes the place of a presentation.
//!
//! ```text
//! SELECT → which card?                               anybody may say that
//! card-key server: a session per slot → a ticket     only that very card can
//! check it, as any other; write down a punch         durable, before the card hears of it
//! card-key server: punch it                          the card refuses any other punch from now on
//! committer: admit the serial                        durable, before anybody is told
//! ```
//! What a crash, or a card that leaves, can cut apart: before the card is punched nothing has happened.
//! After it, nobody was told, and the next tap at this gate orders the very same punch again, gets the
//! same word for it, and goes on. Another gate finds the card punched by a stranger, and refuses.

use std::sync::{Arc, PoisonError};

use tegata_card::command::{State as CardState, TICKET_SLOTS};
use tegata_card::keys::Csn;
use tegata_card::link::{Link, LinkError};
use tegata_card::receipt::{Punch, Punched};
use tegata_card::session::{select, selected};
use tegata_card_service::client::CardKeysClient;
use tegata_card_service::{
    CardKeysRefusal, CardNumber, Done, JobId, OrderId, Request, Response, Task, TicketTold,
    WireError,
};
use tegata_protocol::{
    SignedBytes, Time, Unverified,
    refusal::Code,
    ticket::{AdmissibleCard, CardUse, SeriesRecord, Ticket},
};

use super::{Gate, closed};
use crate::{
    admission::{Before, RESCAN_MILLIS, ShownByCard, TicketId},
    event::{Event, EventId},
    verdict::{Admitted, Circumstance, Closed, KeywordFailure, Refused, Verdict},
};

/// The most turns of one session: a ticket in two parts takes six.
const TURNS: usize = 32;

/// Who has the cards' keys, as far as a gate may ask.
pub trait AskKeys {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`WireError`].
    fn ask(&mut self, request: &Request) -> Result<Response, WireError>;
}

impl<S: std::io::Read + std::io::Write> AskKeys for CardKeysClient<S> {
    fn ask(&mut self, request: &Request) -> Result<Response, WireError> {
        self.call(request)
    }
}

/// A card on the reader, and what is needed to talk to it.
pub struct Tapped<'t> {
    /// The way to the card.
    pub card: &'t mut dyn Link,
    /// The card-key server, if it can be reached.
    pub keys: Option<&'t mut dyn AskKeys>,
    /// Sixteen random bytes, new ones each time.
    pub random: &'t mut dyn FnMut() -> [u8; 16],
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
}

impl std::fmt::Debug for Tapped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tapped")
    }
}

/// The card that came in last.
#[derive(Debug)]
pub(super) struct LastCard {
    card: Csn,
    at_millis: u64,
    admitted: Admitted,
}

/// Why a tap doesn't come to its end.
enum Stop {
    /// Nobody can be admitted, or something must be mended first.
    Closed(Closed),
    /// Refused, for a reason that isn't the ticket's.
    Code(Code),
    /// The card-key server refuses.
    Handler(CardKeysRefusal),
}

impl From<Code> for Stop {
    fn from(code: Code) -> Self {
        Self::Code(code)
    }
}

impl From<LinkError> for Stop {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Gone => Self::Code(Code::CardGone),
            LinkError::Changed => Self::Code(Code::CardChanged),
            LinkError::Unusable(why) => Self::Closed(Closed::NoReader { why }),
        }
    }
}

/// A ticket that may be punched and admitted.
struct Found {
    slot: u8,
    event: Arc<Event>,
    ticket: TicketId,
    admissible: AdmissibleCard,
    punch: Punch,
}

/// What is said of a slot.
enum Considered {
    Go(Box<Found>),
    Refused(Refused),
}

impl Gate {
    /// Decides about the card on the reader, and admits with the first ticket on it that may be: an
    /// admission is on the disk, and the card punched, when this returns.
    #[must_use]
    pub fn tap(&self, mut tapped: Tapped<'_>) -> Verdict {
        match self.try_tap(&mut tapped) {
            Ok(verdict) => verdict,
            Err(Stop::Closed(closed)) => Verdict::Closed(closed),
            Err(Stop::Code(code)) => self.refuse(code.into()),
            Err(Stop::Handler(why)) => self.refuse(said_by_keys(why).into()),
        }
    }

    fn try_tap(&self, tapped: &mut Tapped<'_>) -> Result<Verdict, Stop> {
        if self.chosen().is_empty() {
            return Err(Stop::Closed(Closed::NoEvent));
        }
        let card = tapped.select()?;
        if let Some(admitted) = self.just_came_in(card, tapped.at_millis) {
            return Ok(Verdict::JustAdmitted(admitted));
        }
        // Of several reasons the first ticket's, and one of this event before one of another.
        let (mut of_this, mut of_others) = (None, None);
        for slot in 0..TICKET_SLOTS {
            let Some(told) = tapped.read(card, slot)? else {
                continue;
            };
            match self.consider(tapped, (card, slot), told)? {
                Considered::Go(found) => return self.punch(tapped, card, *found),
                Considered::Refused(refused) if refused.code == Code::WrongEvent => {
                    of_others.get_or_insert(refused);
                }
                Considered::Refused(refused) => drop(of_this.get_or_insert(refused)),
            }
        }
        let refused = of_this.or(of_others);
        Ok(self.refuse(refused.unwrap_or_else(|| Code::CardEmpty.into())))
    }

    /// Whose card was just admitted doesn't spend the next ticket on it by leaving it there.
    fn just_came_in(&self, card: Csn, at_millis: u64) -> Option<Admitted> {
        let last = self.last_card.lock();
        let last = last.unwrap_or_else(PoisonError::into_inner);
        let last = last.as_ref().filter(|last| last.card == card)?;
        let just = at_millis.abs_diff(last.at_millis) <= RESCAN_MILLIS;
        just.then(|| last.admitted.clone())
    }

    /// May the ticket in that slot be admitted?
    fn consider(
        &self,
        tapped: &mut Tapped<'_>,
        (card, slot): (Csn, u8),
        told: TicketTold,
    ) -> Result<Considered, Stop> {
        let now = Time::from_secs(tapped.at_millis / 1000);
        let signed = SignedBytes::new(told.ticket);
        let Ok(claimed) = Unverified::<Ticket>::parse(signed.clone()) else {
            return Ok(Considered::Refused(Code::TicketMalformed.into()));
        };
        let id = EventId {
            issuer: claimed.claimed().issuer,
            series: claimed.claimed().series,
        };
        let events = self.events();
        let event = events.iter().find(|event| event.id() == id);
        let Some(event) = event.filter(|_| self.chosen().contains(&id)) else {
            let series = event.map(|event| Arc::clone(event.record()));
            return Ok(refused(
                Code::WrongEvent,
                series,
                Circumstance::OnCardForOthers,
            ));
        };
        if let Some(closed) = closed(event, now) {
            return Err(Stop::Closed(closed));
        }
        let others = events.iter().filter(|other| other.id() != id);
        let others: Vec<&SeriesRecord> = others.map(|other| &**other.record()).collect();
        let list = self.tries.list(event);
        let checked = event
            .checker()
            .check_card(*card.as_bytes(), signed, &others, &list, now);
        let admissible = match checked {
            Ok(admissible) => admissible,
            Err(rejection) => {
                let series = rejection.serial.map(|_| Arc::clone(event.record()));
                // A card gives no keyword, so none is wrong and none is counted.
                let circumstance = if rejection.code == Code::WrongKeyword {
                    Circumstance::Keyword(KeywordFailure::Missing)
                } else {
                    Circumstance::None
                };
                return Ok(refused(rejection.code, series, circumstance));
            }
        };
        let ticket = TicketId {
            event: id,
            serial: admissible.serial,
        };
        // What is punched already was punched with the punch that is written down, or by another gate.
        let proposed = (!told.punched).then(|| self.new_punch(tapped));
        let before = self.committer.before_punch(ticket, proposed);
        let before = before.recv().ok().flatten();
        let series = Some(Arc::clone(event.record()));
        Ok(match before.ok_or(Stop::Closed(Closed::LogFailed))? {
            Before::Used(first) => refused(Code::AlreadyUsed, series, self.used(first, false)),
            Before::Nothing => refused(Code::AlreadyUsed, series, Circumstance::PunchedElsewhere),
            Before::Ordered(punch) => Considered::Go(Box::new(Found {
                slot,
                event: Arc::clone(event),
                ticket,
                admissible,
                punch,
            })),
        })
    }

    fn new_punch(&self, tapped: &mut Tapped<'_>) -> Punch {
        Punch {
            id: (tapped.random)(),
            terminal: self.number.wire().to_be_bytes(),
            time: u32::try_from(tapped.at_millis / 1000).unwrap_or(u32::MAX),
        }
    }

    /// Has the card punched with what is written down, then admits.
    fn punch(&self, tapped: &mut Tapped<'_>, card: Csn, found: Found) -> Result<Verdict, Stop> {
        let Found {
            slot,
            event,
            ticket,
            admissible,
            punch,
        } = found;
        let task = Task::Punch {
            slot,
            id: OrderId(punch.id),
            terminal: punch.terminal,
            time: punch.time,
            ticket: admissible.ticket.as_bytes().to_vec(),
        };
        let series = Arc::clone(event.record());
        let done = match tapped.job(card, task) {
            Err(Stop::Handler(CardKeysRefusal::Punched)) => {
                return Ok(self.refuse(Refused {
                    code: Code::AlreadyUsed,
                    series: Some(series),
                    circumstance: Circumstance::PunchedElsewhere,
                }));
            }
            // It was read a moment ago, in another session.
            Err(Stop::Handler(CardKeysRefusal::SlotInUse | CardKeysRefusal::NoTicket)) => {
                return Err(Code::CardChanged.into());
            }
            done => done?,
        };
        let word = done.punched.unwrap_or_default();
        let told = Punched::parse(&word);
        let as_ordered = told.is_some_and(|told| told.punch == punch && told.slot == slot);
        let word = <[u8; 46]>::try_from(word.as_slice()).ok();
        let word = word.filter(|_| as_ordered).ok_or(Code::CardUnprovable)?;
        let answer = self.committer.admit_card(ShownByCard {
            ticket,
            used: CardUse {
                ticket: admissible.ticket,
                card: *card.as_bytes(),
                punch: word,
            },
            at_millis: tapped.at_millis,
        });
        let outcome = answer.recv().ok().flatten();
        let outcome = outcome.ok_or(Stop::Closed(Closed::LogFailed))?;
        let verdict = self.conclude(outcome, series, admissible.contents);
        if let Verdict::Admitted(admitted) = &verdict {
            let last = self.last_card.lock();
            *last.unwrap_or_else(PoisonError::into_inner) = Some(LastCard {
                card,
                at_millis: tapped.at_millis,
                admitted: admitted.clone(),
            });
        }
        Ok(verdict)
    }
}

fn refused(
    code: Code,
    series: Option<Arc<SeriesRecord>>,
    circumstance: Circumstance,
) -> Considered {
    Considered::Refused(Refused {
        code,
        series,
        circumstance,
    })
}

/// A refusal of the card-key server's in a gate's words.
const fn said_by_keys(why: CardKeysRefusal) -> Code {
    use CardKeysRefusal as H;
    match why {
        H::UnknownCard => Code::CardForeign,
        H::Denied => Code::CardDenied,
        H::Blocked => Code::CardBlocked,
        H::Terminated => Code::CardEnded,
        H::NotProven | H::StaleKey | H::RolledBack | H::Worn => Code::CardUnproven,
        H::OtherCard => Code::CardChanged,
        H::NoTicket => Code::CardEmpty,
        H::Punched => Code::AlreadyUsed,
        // The session is over, or such things can't be asked: nothing is known of the card.
        H::Insufficient
        | H::OverDebitLimit
        | H::OverBalanceLimit
        | H::WrongAmount
        | H::WrongCurrency
        | H::NotAsViewed
        | H::WrongCounter
        | H::OrderKnown
        | H::JobUnknown
        | H::OutOfTurn
        | H::SlotInUse
        | H::WrongRequest
        | H::Personalised
        | H::NotPermitted
        | H::NoMoreKeys => Code::CardUnprovable,
    }
}

impl Tapped<'_> {
    /// Which card lies there? It hasn't proven it yet.
    fn select(&mut self) -> Result<Csn, Stop> {
        self.card.reset()?;
        let answer = self.card.transmit(&select())?;
        match selected(&answer) {
            Some(told) if told.state != CardState::Blank => Ok(told.csn),
            Some(_) | None => Err(Code::CardForeign.into()),
        }
    }

    /// The ticket in that slot, in the words of that very card.
    fn read(&mut self, card: Csn, slot: u8) -> Result<Option<TicketTold>, Stop> {
        match self.job(card, Task::ReadTicket { slot }) {
            Ok(Done {
                ticket: Some(told), ..
            }) => Ok(Some(told)),
            Ok(_) => Err(Code::CardUnprovable.into()),
            Err(Stop::Handler(CardKeysRefusal::NoTicket)) => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    /// One session with the card, whose keys the card-key server has.
    fn job(&mut self, card: Csn, task: Task) -> Result<Done, Stop> {
        let job = JobId((self.random)());
        let begin = Request::Begin(job, CardNumber(*card.as_bytes()), task);
        let mut response = self.ask(&begin)?;
        for _ in 0..TURNS {
            let bytes = match response {
                Response::Send(bytes) => bytes,
                Response::Done(done) => return Ok(done),
                Response::Refused(why) => return Err(Stop::Handler(why)),
                // No authentic answer came: a card that is leaving, as a rule.
                Response::InDoubt => return Err(Code::CardGone.into()),
                Response::Fault
                | Response::Opened { .. }
                | Response::Ordered { .. }
                | Response::Settled { .. }
                | Response::Card(_)
                | Response::Checked(_)
                | Response::Kept { .. }
                | Response::Receipts(_)
                | Response::Found(_) => break,
            };
            response = match self.card.transmit(&bytes) {
                Ok(answer) => self.ask(&Request::Answer(job, answer))?,
                Err(error) => {
                    // It would find out by itself; whether it hears of it changes nothing here.
                    drop(self.ask(&Request::Abandon(job)));
                    return Err(error.into());
                }
            };
        }
        Err(Code::CardUnprovable.into())
    }

    fn ask(&mut self, request: &Request) -> Result<Response, Stop> {
        let keys = self.keys.as_mut().ok_or(Code::CardUnprovable)?;
        keys.ask(request).map_err(|error| {
            tracing::warn!(%error, "the card-key server can't be asked");
            Code::CardUnprovable.into()
        })
    }
}
