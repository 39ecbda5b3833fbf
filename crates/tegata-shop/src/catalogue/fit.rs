//! Does a wish fit an offer? Pure, and in order of the refusals' codes.

use tegata_protocol::Time;
use tegata_protocol::purchase::Reservation;
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::ticket::{Contents, Holder, Ride, Seat, Stay, Wager};

use super::{AdmissionOffer, Catalogue, Kind, Offer, RideOffer, StayOffer, WagerOffer};

impl Offer {
    /// Holds a wish against this offer, before anybody asks whether any are left.
    ///
    /// # Errors
    /// The first [`Refusal`] of sales closed, wish invalid, quantity refused, holder refused.
    pub fn fits(
        &self,
        catalogue: &Catalogue,
        wish: &Reservation,
        now: Time,
    ) -> Result<(), Refusal> {
        if !self.on_sale(now) {
            return Err(self.closed(now));
        }
        self.fits_contents(catalogue, wish)
            .map_err(|why| Refusal::because(Code::WishInvalid, why))?;
        if wish.holders.len() > usize::try_from(self.most_per_order).unwrap_or(usize::MAX) {
            let why = format!("at most {} for each order", self.most_per_order);
            return Err(Refusal::because(Code::QuantityRefused, why));
        }
        self.fits_holders(wish)
            .map_err(|why| Refusal::because(Code::HolderRefused, why))
    }

    fn closed(&self, now: Time) -> Refusal {
        let why = match self.sales_from {
            Some(from) if now < from => format!("sales begin at {from}"),
            Some(_) | None => format!("sales ended at {}", self.sales_until),
        };
        Refusal::because(Code::SalesClosed, why)
    }

    fn fits_contents(&self, catalogue: &Catalogue, wish: &Reservation) -> Result<(), String> {
        let chosen = match (&self.kind, &wish.contents) {
            (Kind::Stay(offer), Contents::Stay(stay)) => {
                offer.fits(stay)?;
                self.fits_nights(catalogue, stay)?;
                stay.room != 0
            }
            (Kind::Ride(offer), Contents::Ride(ride)) => offer.fits(ride)?,
            (Kind::Admission(offer), Contents::Admission(seat)) => offer.fits(seat)?,
            (Kind::Wager(offer), Contents::Wager(wager)) => {
                offer.fits(wager)?;
                false
            }
            (kind, contents) => {
                let (kind, asked) = (kind.word(), contents.kind());
                return Err(format!(
                    "the offer's kind is {kind}, and {asked} was asked for"
                ));
            }
        };
        if chosen && wish.holders.len() > 1 {
            return Err("one seat or room of choice can't go to several tickets".into());
        }
        if wish.keyword.is_some() && !self.keyword {
            return Err("tickets of this offer have no keyword".into());
        }
        Ok(())
    }

    fn fits_nights(&self, catalogue: &Catalogue, stay: &Stay) -> Result<(), String> {
        let first = catalogue.day_of(self.valid.from());
        let last = catalogue.day_of(self.valid.until());
        let departure = stay.arrival_day.saturating_add(stay.nights.into());
        if stay.arrival_day < first || departure > last {
            let (from, until) = (self.valid.from(), self.valid.until());
            return Err(format!("all nights must lie between {from} and {until}"));
        }
        Ok(())
    }

    fn fits_holders(&self, wish: &Reservation) -> Result<(), String> {
        for holder in &wish.holders {
            match holder {
                Holder::Key(_) => {}
                Holder::Bearer if self.bearer => {}
                Holder::Bearer => return Err("bearer tickets aren't sold".into()),
                // The gate would refuse it, since a card can't give a keyword. Its length needs no look:
                // the longest ticket without one fits a card's slot.
                Holder::Card(_) if self.card && wish.keyword.is_some() => {
                    return Err("a ticket on a card can't have a keyword".into());
                }
                Holder::Card(_) if self.card => {}
                Holder::Card(_) => return Err("tickets on cards aren't sold here".into()),
            }
        }
        Ok(())
    }
}

impl StayOffer {
    fn fits(&self, stay: &Stay) -> Result<(), String> {
        if stay.nights > self.most_nights {
            return Err(format!("at most {} nights", self.most_nights));
        }
        if stay.guests > self.most_guests {
            return Err(format!("at most {} guests in a room", self.most_guests));
        }
        if stay.room != 0 && !self.rooms.contains(&stay.room) {
            return Err(format!("there's no room {}", stay.room));
        }
        Ok(())
    }
}

impl RideOffer {
    /// Was a seat chosen?
    fn fits(&self, ride: &Ride) -> Result<bool, String> {
        if usize::from(ride.from.max(ride.to)) > self.stops.len() {
            return Err(format!("stops are numbered 1 to {}", self.stops.len()));
        }
        if ride.from > ride.to {
            return Err("it goes the other way".into());
        }
        if !self.classes.contains(&ride.class) {
            return Err(format!("there's no class {}", ride.class));
        }
        match (ride.coach, ride.seat) {
            (0, 0) => return Ok(false),
            _ if self.coaches.is_empty() => return Err("seats are free, none is assigned".into()),
            (0, _) | (_, 0) => return Err("coach and seat go together".into()),
            _ => {}
        }
        let class = self.coaches.get(usize::from(ride.coach) - 1);
        if class != Some(&ride.class) || ride.seat > self.seats {
            return Err(format!(
                "coach {} has no such seat of this class",
                ride.coach
            ));
        }
        Ok(true)
    }
}

impl AdmissionOffer {
    /// Was a seat chosen?
    fn fits(&self, seat: &Seat) -> Result<bool, String> {
        if usize::from(seat.section) > self.sections.len() {
            return Err(format!(
                "sections are numbered 1 to {}",
                self.sections.len()
            ));
        }
        match (seat.row, seat.seat) {
            (0, 0) => Ok(false),
            _ if self.rows == 0 => Err("seats are free, none is assigned".into()),
            (0, _) | (_, 0) => Err("row and seat go together".into()),
            (row, number) if row > self.rows || number > self.seats => {
                Err(format!("{} rows of {} seats", self.rows, self.seats))
            }
            _ => Ok(true),
        }
    }
}

impl WagerOffer {
    fn fits(&self, wager: &Wager) -> Result<(), String> {
        if wager.race > self.races {
            return Err(format!("races are numbered 1 to {}", self.races));
        }
        if !self.bets.contains(&wager.bet) {
            return Err("this bet isn't taken".into());
        }
        if wager.runners.iter().any(|runner| *runner > self.runners) {
            return Err(format!("runners are numbered 1 to {}", self.runners));
        }
        if wager.units > self.most_units {
            return Err(format!("at most {} units", self.most_units));
        }
        Ok(())
    }
}
