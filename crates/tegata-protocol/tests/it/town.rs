//! Keys and records for tests, from fixed seeds.

use getrandom::SysRng;
use rand_core::UnwrapErr;
use tegata_protocol::{
    Digest, KeyId, OpeningKey, PartyNumber, Role, SealingKey, SeriesId, SigningKey, Suite, Time,
    Unverified, Validity, Verified,
    purchase::Keyword,
    ticket::{Contents, Holder, HolderKey, Seat, Serial, SeriesRecord, SeriesSecret, Ticket},
};

pub(crate) const NOW: Time = Time::from_secs(1_795_253_400);

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(crate) fn signing(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn opening(seed: u8) -> OpeningKey {
    OpeningKey::from_seed(Suite::Standard, &[seed; 32])
}

pub(crate) fn member() -> PartyNumber {
    PartyNumber::new(Role::Member, 483_122_075).unwrap()
}

pub(crate) fn shop() -> PartyNumber {
    PartyNumber::new(Role::Shop, 7).unwrap()
}

pub(crate) fn secret() -> SeriesSecret {
    SeriesSecret::from_bytes([7; 32])
}

pub(crate) fn series(
    number: u32,
    batch: &SigningKey,
    event_key: SealingKey,
) -> Verified<SeriesRecord> {
    let record = SeriesRecord {
        issuer: shop(),
        series: SeriesId::new(number),
        kind: "admission".into(),
        title: "Evening concert".into(),
        place: "Town hall".into(),
        valid: Validity::new(NOW.before(3600), NOW.after(86_400)).unwrap(),
        names: vec!["Stalls".into()],
        rules: None,
        batches: vec![batch.verifying_key()],
        event_key,
    };
    let shop_key = signing(2);
    let unverified = Unverified::parse(shop_key.sign(&record)).unwrap();
    unverified.verify(&shop_key.verifying_key()).unwrap()
}

pub(crate) fn ticket(
    series: u32,
    batch: &SigningKey,
    holder: Holder,
    keyword: Option<&Keyword>,
) -> Ticket {
    let (series, serial) = (SeriesId::new(series), Serial::new(41));
    let batch_id: KeyId = batch.verifying_key().id();
    Ticket {
        issuer: shop(),
        series,
        contents: Contents::Admission(Seat {
            section: 1,
            row: 12,
            seat: 3000,
        }),
        serial: secret()
            .serial_key()
            .encrypt(shop(), series, batch_id, serial),
        request: Digest::of(b"request"),
        holder,
        keyword: keyword.map(|k| secret().keyword_tag(serial, k)),
        valid: Validity::new(NOW.before(60), NOW.after(3600)).unwrap(),
    }
}

pub(crate) fn holder(key: &SigningKey) -> Holder {
    Holder::Key(HolderKey(key.verifying_key()))
}

pub(crate) fn opening_compact(seed: u8) -> SealingKey {
    OpeningKey::from_seed(Suite::Compact, &[seed; 32])
        .sealing_key()
        .clone()
}

/// Randomness that is always the same: SHA-256 of a seed and a counter. For vectors only.
pub(crate) struct Fixed {
    seed: u8,
    used: u64,
}

pub(crate) const fn fixed(seed: u8) -> Fixed {
    Fixed { seed, used: 0 }
}

impl rand_core::TryRng for Fixed {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        for byte in out {
            let block = [&[self.seed][..], &self.used.to_be_bytes()].concat();
            *byte = Digest::of(&block).as_bytes()[0];
            self.used += 1;
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Fixed {}
