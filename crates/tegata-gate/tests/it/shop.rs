//! A shop for tests: its keys, series, tickets and check data; and holders who show tickets.

use getrandom::SysRng;
use rand_core::UnwrapErr;
use roaring::RoaringBitmap;
use tegata_gate::{Event, EventId};
use tegata_protocol::{
    Digest, MessageId, OpeningKey, PartyNumber, Role, SealingKey, SeriesId, SignedBytes,
    SigningKey, Suite, Time, Validity,
    envelope::{Message, Parcel, Sealed},
    purchase::Keyword,
    record::{PartyKeys, PartyRecord, Profile, Status},
    ticket::{
        CheckData, Contents, Holder, HolderKey, Presentation, Seat, Serial, SerialSet,
        SeriesRecord, SeriesSecret, Ticket,
    },
};

/// 2026-11-21 09:30:00 UTC.
pub(crate) const NOW: Time = Time::from_secs(1_795_253_400);
pub(crate) const NOW_MILLIS: u64 = NOW.secs() * 1000;

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn serials(numbers: impl IntoIterator<Item = u32>) -> SerialSet {
    let mut bitmap: RoaringBitmap = numbers.into_iter().collect();
    bitmap.optimize();
    let mut bytes = Vec::new();
    bitmap.serialize_into(&mut bytes).unwrap();
    SerialSet(bytes)
}

/// A shop with one series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shop {
    pub(crate) number: u32,
    pub(crate) series: u32,
    /// Everything is counted from here, so that a test can use the real clock.
    pub(crate) now: Time,
}

pub(crate) const SHOP: Shop = Shop {
    number: 7,
    series: 1,
    now: NOW,
};

impl Shop {
    fn seed(&self) -> u8 {
        u8::try_from(self.number * 16 + self.series).unwrap()
    }

    pub(crate) fn party(&self) -> PartyNumber {
        PartyNumber::new(Role::Shop, self.number).unwrap()
    }

    pub(crate) fn event(&self) -> EventId {
        EventId {
            issuer: self.party(),
            series: SeriesId::new(self.series),
        }
    }

    pub(crate) fn signing(&self) -> SigningKey {
        key(u8::try_from(self.number).unwrap())
    }

    pub(crate) fn batch(&self) -> SigningKey {
        SigningKey::from_seed(&[self.seed() ^ 0xFF; 32])
    }

    pub(crate) fn secret(&self) -> SeriesSecret {
        SeriesSecret::from_bytes([self.seed(); 32])
    }

    pub(crate) fn record(&self) -> PartyRecord {
        PartyRecord {
            number: self.party(),
            keys: PartyKeys {
                spending: None,
                signing: self.signing().verifying_key(),
                opening: OpeningKey::from_seed(Suite::Standard, &[3; 32])
                    .sealing_key()
                    .clone(),
            },
            profile: Some(Profile {
                name: "Hanamizuki".into(),
                address: "http://shop.localhost".into(),
            }),
            valid: Validity::new(self.now.before(86_400), self.now.after(86_400)).unwrap(),
            status: Status::Active,
        }
    }

    pub(crate) fn series_record(&self) -> SeriesRecord {
        SeriesRecord {
            issuer: self.party(),
            series: SeriesId::new(self.series),
            kind: "admission".into(),
            title: format!("Concert {}", self.series),
            place: "Town hall".into(),
            valid: Validity::new(self.now.before(3600), self.now.after(86_400)).unwrap(),
            names: vec!["Stalls".into()],
            rules: None,
            batches: vec![self.batch().verifying_key()],
            event_key: self.secret().event_key().sealing_key().clone(),
        }
    }

    /// Check data in which serials 1 to 99 are issued and 13 is cancelled.
    pub(crate) fn check_data(&self, edition: u64) -> CheckData {
        self.check_data_of(serials(1..100), edition)
    }

    pub(crate) fn check_data_of(&self, issued: SerialSet, edition: u64) -> CheckData {
        CheckData::new(
            self.signing().sign(&self.series_record()),
            &self.secret(),
            issued,
            serials([13]),
            edition,
            self.now.before(60),
            self.now.after(7200),
        )
    }

    pub(crate) fn loaded(&self, data: &CheckData) -> Event {
        Event::new(self.party(), data, &self.signing().verifying_key()).unwrap()
    }

    pub(crate) fn sealed(&self, data: CheckData, to: PartyNumber, gate: &SealingKey) -> Vec<u8> {
        self.sealed_by(&self.signing(), data, (to, to), gate)
    }

    /// Signed by any key, for `inner`, sealed for `outer`.
    pub(crate) fn sealed_by(
        &self,
        signing: &SigningKey,
        data: CheckData,
        (inner, outer): (PartyNumber, PartyNumber),
        gate: &SealingKey,
    ) -> Vec<u8> {
        let message = Message {
            from: self.party(),
            to: inner,
            id: MessageId::random(&mut rng()),
            time: self.now,
            not_after: None,
            enc_digest: None,
            answers: None,
            body: data,
        };
        let parcel = Parcel::new(signing.sign(&message));
        let sealed = Sealed::seal(outer, gate, &parcel, &mut rng());
        sealed.unwrap().to_bytes()
    }

    /// The ticket of a serial, held by key 100 unless told otherwise.
    pub(crate) fn ticket(&self, serial: u32) -> Ticket {
        let serial = Serial::new(serial);
        let (issuer, series) = (self.party(), SeriesId::new(self.series));
        let batch = self.batch().verifying_key().id();
        Ticket {
            issuer,
            series,
            contents: Contents::Admission(Seat {
                section: 1,
                row: 12,
                seat: 30,
            }),
            serial: self
                .secret()
                .serial_key()
                .encrypt(issuer, series, batch, serial),
            request: Digest::of(b"request"),
            holder: Holder::Key(HolderKey(holder().verifying_key())),
            keyword: None,
            valid: Validity::new(self.now.before(60), self.now.after(3600)).unwrap(),
        }
    }

    pub(crate) fn with_keyword(&self, serial: u32, keyword: &str) -> Ticket {
        let keyword = Keyword::new(keyword).unwrap();
        let tag = self.secret().keyword_tag(Serial::new(serial), &keyword);
        Ticket {
            keyword: Some(tag),
            ..self.ticket(serial)
        }
    }

    /// What the holder's wallet makes of a ticket at this moment.
    pub(crate) fn presentation(&self, ticket: SignedBytes, time: Time) -> Presentation {
        Presentation {
            ticket,
            event: SeriesId::new(self.series),
            time,
            nonce: None,
            keyword: None,
        }
    }

    pub(crate) fn seal(&self, presentation: &Presentation, holder: &SigningKey) -> Vec<u8> {
        let series = self.series_record();
        presentation.seal(holder, &series, &mut rng()).unwrap()
    }

    /// The ticket of this serial, shown by its holder now.
    pub(crate) fn show(&self, serial: u32) -> Vec<u8> {
        self.show_ticket(&self.ticket(serial), None)
    }

    pub(crate) fn show_ticket(&self, ticket: &Ticket, keyword: Option<&str>) -> Vec<u8> {
        let presentation = Presentation {
            keyword: keyword.map(|k| Keyword::new(k).unwrap()),
            ..self.presentation(self.batch().sign(ticket), self.now)
        };
        self.seal(&presentation, &holder())
    }
}

pub(crate) fn holder() -> SigningKey {
    key(100)
}
