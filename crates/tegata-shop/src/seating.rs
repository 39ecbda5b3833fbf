//! Which seats and rooms a buyer gets: pure, from the offer and what is taken.
//!
//! A place is taken over an interval: nights for rooms, legs for seats of a train, everything for
//! seats of a hall. So a seat may be sold again from the stop where somebody leaves it. Several
//! tickets of one order sit side by side where that's possible.

use std::collections::HashMap;

use tegata_protocol::ticket::{Contents, Ride, Seat, Stay};

use crate::catalogue::{AdmissionOffer, Kind, RideOffer, StayOffer};
use crate::store::Place;

/// What each ticket of an order is good for, and the places that they take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assigned {
    /// One for each ticket.
    pub contents: Vec<Contents>,
    /// None where nothing is assigned.
    pub places: Vec<Place>,
}

/// A place on offer, and what a ticket for it says. Places of one line stand side by side.
struct Candidate {
    place: Place,
    line: u32,
    contents: Contents,
}

/// Assigns `count` places; `None` when there aren't that many free.
pub fn assign(kind: &Kind, wish: &Contents, count: usize, taken: &[Place]) -> Option<Assigned> {
    let candidates = match (kind, wish) {
        (Kind::Stay(offer), Contents::Stay(stay)) if !offer.rooms.is_empty() => rooms(offer, stay),
        (Kind::Ride(offer), Contents::Ride(ride)) if !offer.coaches.is_empty() => {
            coach_seats(offer, ride)
        }
        (Kind::Admission(offer), Contents::Admission(seat)) if offer.rows > 0 => {
            hall_seats(offer, seat)
        }
        (Kind::Stay(_) | Kind::Ride(_) | Kind::Admission(_) | Kind::Wager(_), _) => {
            return Some(Assigned {
                contents: vec![wish.clone(); count],
                places: Vec::new(),
            });
        }
    };
    let mut intervals: HashMap<u32, Vec<&Place>> = HashMap::new();
    for place in taken {
        intervals.entry(place.place).or_default().push(place);
    }
    let is_free = |candidate: &Candidate| {
        let others = intervals.get(&candidate.place.place);
        others.is_none_or(|others| !others.iter().any(|o| o.overlaps(&candidate.place)))
    };
    let free: Vec<Candidate> = candidates.into_iter().filter(is_free).collect();
    let chosen = side_by_side(&free, count).or_else(|| free.get(..count))?;
    Some(Assigned {
        contents: chosen.iter().map(|c| c.contents.clone()).collect(),
        places: chosen.iter().map(|c| c.place).collect(),
    })
}

fn side_by_side(free: &[Candidate], count: usize) -> Option<&[Candidate]> {
    free.windows(count).find(|run| {
        run.windows(2).all(|pair| match pair {
            [a, b] => a.line == b.line && a.place.place + 1 == b.place.place,
            _ => true,
        })
    })
}

fn rooms(offer: &StayOffer, stay: &Stay) -> Vec<Candidate> {
    let wanted = |room: u16| stay.room == 0 || stay.room == room;
    let (first, last) = (stay.arrival_day, stay.arrival_day + u32::from(stay.nights));
    let rooms = offer.rooms.iter().copied().filter(|room| wanted(*room));
    let candidate = |room: u16| Candidate {
        place: Place {
            place: room.into(),
            first,
            last,
        },
        line: 0,
        contents: Contents::Stay(Stay { room, ..*stay }),
    };
    rooms.map(candidate).collect()
}

fn coach_seats(offer: &RideOffer, ride: &Ride) -> Vec<Candidate> {
    let (first, last) = (u32::from(ride.from), u32::from(ride.to));
    let mut candidates = Vec::new();
    for (coach, class) in (1_u8..).zip(&offer.coaches) {
        if *class != ride.class || (ride.coach != 0 && ride.coach != coach) {
            continue;
        }
        for seat in 1..=offer.seats {
            if ride.seat == 0 || ride.seat == seat {
                let place = u32::from(coach) << 16 | u32::from(seat);
                candidates.push(Candidate {
                    place: Place { place, first, last },
                    line: coach.into(),
                    contents: Contents::Ride(Ride {
                        coach,
                        seat,
                        ..*ride
                    }),
                });
            }
        }
    }
    candidates
}

fn hall_seats(offer: &AdmissionOffer, wish: &Seat) -> Vec<Candidate> {
    let section = u32::from(wish.section);
    let mut candidates = Vec::new();
    for row in 1..=offer.rows {
        if wish.row != 0 && wish.row != row {
            continue;
        }
        for seat in 1..=offer.seats {
            if wish.seat == 0 || wish.seat == seat {
                // At most 40 sections: six bits, eight for the row, sixteen for the seat.
                let place = section << 24 | u32::from(row) << 16 | u32::from(seat);
                candidates.push(Candidate {
                    place: Place {
                        place,
                        first: 0,
                        last: 1,
                    },
                    line: row.into(),
                    contents: Contents::Admission(Seat { row, seat, ..*wish }),
                });
            }
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hall() -> Kind {
        Kind::Admission(AdmissionOffer {
            sections: vec!["A".into()],
            rows: 2,
            seats: 3,
        })
    }

    fn wish(row: u8, seat: u16) -> Contents {
        Contents::Admission(Seat {
            section: 1,
            row,
            seat,
        })
    }

    fn seats(assigned: &Assigned) -> Vec<(u8, u16)> {
        let seat = |c: &Contents| match c {
            Contents::Admission(s) => (s.row, s.seat),
            Contents::Stay(_) | Contents::Ride(_) | Contents::Wager(_) => panic!("{c:?}"),
        };
        assigned.contents.iter().map(seat).collect()
    }

    #[test]
    fn friends_sit_side_by_side_while_they_can() {
        let first = assign(&hall(), &wish(0, 0), 2, &[]).unwrap();
        assert_eq!(seats(&first), [(1, 1), (1, 2)]);
        let second = assign(&hall(), &wish(0, 0), 2, &first.places).unwrap();
        assert_eq!(seats(&second), [(2, 1), (2, 2)]);
        let taken = [first.places, second.places].concat();
        let apart = assign(&hall(), &wish(0, 0), 2, &taken).unwrap();
        assert_eq!(seats(&apart), [(1, 3), (2, 3)]);
        let full = [taken, apart.places].concat();
        assert_eq!(assign(&hall(), &wish(0, 0), 1, &full), None);
    }

    #[test]
    fn a_chosen_seat_is_given_or_gone() {
        let chosen = assign(&hall(), &wish(2, 3), 1, &[]).unwrap();
        assert_eq!(seats(&chosen), [(2, 3)]);
        assert_eq!(assign(&hall(), &wish(2, 3), 1, &chosen.places), None);
    }

    #[test]
    fn a_seat_is_sold_again_from_where_it_becomes_free() {
        let line = Kind::Ride(RideOffer {
            stops: ["A", "B", "C"].map(String::from).to_vec(),
            classes: vec![2],
            coaches: vec![1, 2],
            seats: 1,
        });
        let ride = |from, to| {
            Contents::Ride(Ride {
                from,
                to,
                class: 2,
                coach: 0,
                seat: 0,
            })
        };
        let first = assign(&line, &ride(1, 2), 1, &[]).unwrap();
        assert_eq!(first.places[0].place, 2 << 16 | 1);
        assert_eq!(assign(&line, &ride(1, 3), 1, &first.places), None);
        assert!(assign(&line, &ride(2, 3), 1, &first.places).is_some());
    }

    #[test]
    fn a_room_is_free_again_on_the_day_of_departure() {
        let house = Kind::Stay(StayOffer {
            rooms: vec![101],
            most_nights: 9,
            most_guests: 2,
        });
        let stay = |arrival_day| {
            Contents::Stay(Stay {
                arrival_day,
                nights: 2,
                guests: 1,
                room: 0,
            })
        };
        let first = assign(&house, &stay(10), 1, &[]).unwrap();
        assert_eq!(assign(&house, &stay(9), 1, &first.places), None);
        assert_eq!(assign(&house, &stay(11), 1, &first.places), None);
        assert!(assign(&house, &stay(12), 1, &first.places).is_some());
        assert!(assign(&house, &stay(8), 1, &first.places).is_some());
    }
}
