//! An event that this gate has check data for: who may come in, and how to read their tickets.

use std::{fmt, str::FromStr, sync::Arc};

use roaring::RoaringBitmap;
use tegata_protocol::{
    KeyId, Malformed, PartyNumber, Role, SeriesId, Time, Unverified, VerifyingKey,
    ticket::{CheckData, Checker, EncryptedSerial, Serial, SerialKey, SerialSet, SeriesRecord},
};

/// How far this gate's clock may stand behind the check data: five minutes.
const CLOCK_BEHIND: u64 = 300;

/// Names an event: series' numbers are each shop's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EventId {
    /// The shop.
    pub issuer: PartyNumber,
    /// Its series.
    pub series: SeriesId,
}

/// `S-00000-00075/1`.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.issuer, self.series)
    }
}

/// How a person names an event: `1`, or `S-00000-00075/1` where two shops have a series 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventName {
    issuer: Option<PartyNumber>,
    series: SeriesId,
}

impl EventName {
    /// Is it this event that is meant?
    #[must_use]
    pub fn fits(&self, id: EventId) -> bool {
        self.series == id.series && self.issuer.is_none_or(|issuer| issuer == id.issuer)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.issuer {
            Some(issuer) => write!(f, "{issuer}/{}", self.series),
            None => write!(f, "{}", self.series),
        }
    }
}

impl FromStr for EventName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (issuer, series) = match text.rsplit_once('/') {
            Some((shop, series)) => {
                let number: PartyNumber = shop.parse().map_err(|e: Malformed| e.to_string())?;
                if number.role() != Role::Shop {
                    return Err(format!("{number} isn't a shop"));
                }
                (Some(number), series)
            }
            None => (None, text),
        };
        let series: u32 = series
            .trim()
            .parse()
            .map_err(|_e| "expected a series' number, like 1 or S-00000-00075/1".to_owned())?;
        Ok(Self {
            issuer,
            series: SeriesId::new(series),
        })
    }
}

impl<'de> serde::Deserialize<'de> for EventName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(
            untagged,
            expecting = "a series' number, like 1 or \"S-00000-00075/1\""
        )]
        enum Written {
            Number(u32),
            Text(String),
        }
        match serde::Deserialize::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self {
                issuer: None,
                series: SeriesId::new(number),
            }),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// Why check data, although the shop signed them, can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableCheckData {
    /// Bytes that don't say what they must.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The series record is somebody else's.
    #[error("the series record in it isn't signed by the shop that sends it")]
    ForeignSeries,
    /// The secret doesn't open what is sealed to the series.
    #[error("its secret doesn't belong to series {0}: no ticket could be read with it")]
    OtherSecret(SeriesId),
    /// A list of serials that can't be read.
    #[error("its list of {which} tickets can't be read: {why}")]
    BadList {
        /// `issued` or `cancelled`.
        which: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// One event with all that is needed to check its tickets.
#[derive(Debug)]
pub struct Event {
    id: EventId,
    record: Arc<SeriesRecord>,
    checker: Checker,
    serials: SerialKey,
    issued: RoaringBitmap,
    cancelled: RoaringBitmap,
    edition: u64,
    as_of: Time,
    until: Time,
}

impl Event {
    /// The event that check data describe. `shop` is the key from the shop's verified record.
    ///
    /// # Errors
    /// [`UnusableCheckData`].
    pub fn new(
        issuer: PartyNumber,
        data: &CheckData,
        shop: &VerifyingKey,
    ) -> Result<Self, UnusableCheckData> {
        let series = Unverified::<SeriesRecord>::parse(data.series.clone())?;
        let series = series
            .verify(shop)
            .map_err(|_e| UnusableCheckData::ForeignSeries)?;
        if series.issuer != issuer {
            return Err(UnusableCheckData::ForeignSeries);
        }
        let (number, event_key) = (series.series, series.event_key.id());
        let record = Arc::new(SeriesRecord::clone(&series));
        let checker = Checker::new(series, data.secret());
        if checker.event_key() != event_key {
            return Err(UnusableCheckData::OtherSecret(number));
        }
        Ok(Self {
            id: EventId {
                issuer,
                series: number,
            },
            record,
            checker,
            serials: data.secret().serial_key(),
            issued: bitmap("issued", &data.issued)?,
            cancelled: bitmap("cancelled", &data.cancelled)?,
            edition: data.edition,
            as_of: data.as_of,
            until: data.until,
        })
    }

    /// Its name among events.
    #[must_use]
    pub const fn id(&self) -> EventId {
        self.id
    }

    /// What the shop says of it.
    #[must_use]
    pub const fn record(&self) -> &Arc<SeriesRecord> {
        &self.record
    }

    /// Which edition of its check data this is.
    #[must_use]
    pub const fn edition(&self) -> u64 {
        self.edition
    }

    /// The moment that the check data describe.
    #[must_use]
    pub const fn as_of(&self) -> Time {
        self.as_of
    }

    /// The moment from which they may not be used.
    #[must_use]
    pub const fn until(&self) -> Time {
        self.until
    }

    /// How many tickets are issued and not cancelled.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.issued.len() - self.issued.intersection_len(&self.cancelled)
    }

    /// The serial of a ticket of this event.
    pub(crate) fn serial(&self, batch: KeyId, encrypted: &EncryptedSerial) -> Option<Serial> {
        let EventId { issuer, series } = self.id;
        let opened = self.serials.decrypt(issuer, series, batch, encrypted);
        opened.ok()
    }

    pub(crate) const fn checker(&self) -> &Checker {
        &self.checker
    }

    pub(crate) fn key(&self) -> KeyId {
        self.record.event_key.id()
    }

    pub(crate) fn is_issued(&self, serial: Serial) -> bool {
        self.issued.contains(serial.number())
    }

    pub(crate) fn is_cancelled(&self, serial: Serial) -> bool {
        self.cancelled.contains(serial.number())
    }

    /// Are the check data too old at `now`?
    #[must_use]
    pub fn is_old(&self, now: Time) -> bool {
        now >= self.until
    }

    /// Do they come from the future, so that this gate's clock must be wrong?
    #[must_use]
    pub fn is_ahead(&self, now: Time) -> bool {
        self.as_of > now.after(CLOCK_BEHIND)
    }
}

impl Event {
    /// Can tickets be checked with them at `now`?
    #[must_use]
    pub fn is_usable(&self, now: Time) -> bool {
        !self.is_old(now) && !self.is_ahead(now)
    }
}

/// The serials of a list, in roaring's portable format and nothing behind it.
fn bitmap(which: &'static str, set: &SerialSet) -> Result<RoaringBitmap, UnusableCheckData> {
    let bad = |why: String| UnusableCheckData::BadList { which, why };
    let mut rest = set.0.as_slice();
    let bitmap = RoaringBitmap::deserialize_from(&mut rest).map_err(|e| bad(e.to_string()))?;
    if rest.is_empty() {
        Ok(bitmap)
    } else {
        Err(bad(format!("{} bytes too many", rest.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_with_or_without_their_shop() {
        let shop = PartyNumber::new(Role::Shop, 7).unwrap();
        let id = EventId {
            issuer: shop,
            series: SeriesId::new(12),
        };
        for name in ["12", &id.to_string(), &format!("{shop}/12").to_lowercase()] {
            assert!(name.parse::<EventName>().unwrap().fits(id), "{name}");
        }
        assert!(!"13".parse::<EventName>().unwrap().fits(id));
        let other = PartyNumber::new(Role::Shop, 8).unwrap();
        assert!(!format!("{other}/12").parse::<EventName>().unwrap().fits(id));
        for bad in ["", "x", "/12", "-1", "M-48312-20756/1", "S-1/1"] {
            assert!(bad.parse::<EventName>().is_err(), "{bad}");
        }
    }
}
