//! Files that people hand over: letters, exports, check data, settings, and those that a program finds
//! again in its folder.

use std::path::Path;
use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use tegata_cli::config;
use tegata_gate::Event;
use tegata_gate::evidence;
use tegata_keystore::vault::Record;
use tegata_party::{letter as letters, picture};
use tegata_protocol::joining::Slip;
use tegata_protocol::ticket::{CheckData, SerialSet, SeriesRecord, SeriesSecret};
use tegata_protocol::{PartyNumber, Role, SeriesId, SignedBytes, Time, Validity};
use tegata_wallet::{entry::Dated, state::State};

use crate::protocol::KEY;

/// As many pixels as a fuzzer has time for.
const MOST_PIXELS: usize = 1 << 20;

/// A letter: as text, or as a picture of it, PNG or JPEG.
pub fn letter(bytes: &[u8]) {
    let text = match picture::is_picture(bytes) {
        true => picture::text_within(bytes, MOST_PIXELS).ok(),
        false => letters::text_of(bytes).ok(),
    };
    let Some(text) = text else {
        return;
    };
    if let Ok(slip) = Slip::in_letter(&text) {
        let again: Slip = slip.reveal().parse().expect("its own line");
        assert_eq!(again.reveal(), slip.reveal());
    }
}

/// A picture of a letter by its pixels, so that the fuzzer draws instead of compressing: the first byte
/// is its width.
pub fn letter_picture(bytes: &[u8]) {
    let Some((width, pixels)) = bytes.split_first() else {
        return;
    };
    let width = usize::from(*width).max(1);
    let rows = pixels.len() / width;
    if rows == 0 {
        return;
    }
    let file = png(width, &pixels[..rows * width]);
    assert!(picture::is_picture(&file));
    if let Err(error) = picture::text_within(&file, MOST_PIXELS) {
        assert!(matches!(error, picture::PictureError::NoCode), "{error}");
    }
}

pub(crate) fn png(width: usize, pixels: &[u8]) -> Vec<u8> {
    let side = |side: usize| u32::try_from(side).expect("a small picture");
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side(width), side(pixels.len() / width));
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::NoCompression);
    let mut writer = encoder.write_header().expect("writing to memory");
    writer.write_image_data(pixels).expect("writing to memory");
    writer.finish().expect("writing to memory");
    file
}

/// A gate's export of its log, taken from any gate.
pub fn evidence(bytes: &[u8]) {
    let keys = [KEY.verifying_key()];
    let imported = evidence::import(bytes, &[]);
    if let Ok(imported) = &imported {
        assert!(!imported.registered);
        for (admission, shown) in &imported.admissions {
            assert_eq!(admission.presentation, shown.digest());
            drop(evidence::contents(shown));
        }
    }
    if let Ok(registered) = evidence::import(bytes, &keys) {
        assert!(registered.registered);
        assert_eq!(
            registered.gate,
            imported.expect("without keys it's read too").gate
        );
    }
}

/// The two lists of serials in a shop's check data; the first two bytes say where the second begins.
pub fn check_data(bytes: &[u8]) {
    let Some((at, lists)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let at = usize::from(u16::from_be_bytes(*at)).min(lists.len());
    let (issued, cancelled) = lists.split_at(at);
    let set = |list: &[u8]| SerialSet(list.to_vec());
    let (series, secret) = &*SERIES;
    let moment = Time::from_secs;
    let data = CheckData::new(
        series.clone(),
        secret,
        set(issued),
        set(cancelled),
        1,
        moment(1),
        moment(9),
    );
    if let Ok(event) = Event::new(shop(), &data, &KEY.verifying_key()) {
        assert!(event.expected() <= u64::from(u32::MAX) + 1);
    }
}

fn shop() -> PartyNumber {
    PartyNumber::new(Role::Shop, 7).expect("a shop's number")
}

static SERIES: LazyLock<(SignedBytes, SeriesSecret)> = LazyLock::new(|| {
    let secret = SeriesSecret::from_bytes([7; 32]);
    let record = SeriesRecord {
        issuer: shop(),
        series: SeriesId::new(1),
        kind: "admission".into(),
        title: "A concert".into(),
        place: "The hall".into(),
        valid: Validity::new(Time::from_secs(1), Time::from_secs(9)).expect("a span"),
        names: vec!["Stalls".into()],
        rules: None,
        batches: vec![KEY.verifying_key()],
        event_key: secret.event_key().sealing_key().clone(),
    };
    (KEY.sign(&record), secret)
});

/// A program's settings, whichever program's: what can't be used is said of a line of the file.
pub fn config(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    if let Some(file) = settings::<tegata_centre::settings::SettingsFile>(text) {
        drop(file.check());
    }
    if let Some(file) = settings::<tegata_card_keys::settings::Settings>(text) {
        drop(file.admission());
    }
    if let Some(file) = settings::<tegata_gate::settings::Settings>(text) {
        drop(file.host_names());
    }
    if let Some(file) = settings::<tegata_guard::settings::Settings>(text) {
        drop((file.host_names(), file.rate(), file.rate_loopback()));
    }
    if let Some(file) = settings::<tegata_sealing::settings::Settings>(text) {
        drop((file.rules(), file.host_names("https://sealing.example")));
    }
    if let Some(file) = settings::<tegata_shop::settings::Settings>(text) {
        drop((file.rules(), file.host_names("https://shop.example")));
    }
}

fn settings<T: DeserializeOwned>(text: &str) -> Option<T> {
    match config::parse(Path::new("settings.toml"), text) {
        Ok(settings) => Some(settings),
        Err(config::Error::Mistake { mistake }) => {
            assert!((1..=text.matches('\n').count() + 1).contains(&mistake.line));
            None
        }
        Err(other) => panic!("no mistake in a text, but {other}"),
    }
}

/// A manufacturer's list of cards and their keys: each card stands in it once.
pub fn stock(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(cards) = tegata_centre::ic_card::stock::parse(text) {
        assert!(cards.len() <= text.lines().count());
        let mut numbers: Vec<_> = cards.iter().map(|card| card.card).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), cards.len());
    }
}

/// What a wallet finds again in its vault: its state, and an entry of its history.
pub fn wallet_files(bytes: &[u8]) {
    if let Ok(state) = State::parse(bytes) {
        assert_eq!(state.to_bytes(), bytes);
    }
    let record = Record {
        kind: 0,
        time: 1,
        body: bytes.to_vec(),
    };
    if let Ok(dated) = Dated::parse(&record) {
        assert_eq!(dated.to_record().body, bytes);
    }
}

/// The card-key server's file of master keys, as far as no password is needed; it ends in a digest, which
/// is put behind the input.
pub fn key_file(bytes: &[u8]) {
    use tegata_card_keys::keys::{KeyFileError, SealedKeys};

    let path = Path::new("keys");
    let digest = tegata_protocol::Digest::of(bytes);
    for file in [bytes, &[bytes, digest.as_bytes()].concat()] {
        match SealedKeys::parse(path, file) {
            Ok(sealed) => assert_eq!(sealed.to_bytes(), file),
            Err(KeyFileError::Damaged(_) | KeyFileError::Newer(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
}
