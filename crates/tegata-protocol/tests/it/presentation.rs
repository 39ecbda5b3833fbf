use qrcode::{EcLevel, QrCode, Version};
use tegata_protocol::{
    SealingKey, SeriesId,
    purchase::Keyword,
    refusal::Code,
    ticket::{
        CheckList, Checker, Holder, PRESENTATION_LIMIT, Presentation, Rejection, Serial,
        SeriesRecord,
    },
};

use crate::town;

struct List {
    cancelled: bool,
    issued: bool,
    wrong: u8,
}

const GOOD: List = List {
    cancelled: false,
    issued: true,
    wrong: 0,
};

impl CheckList for List {
    fn is_cancelled(&self, _: Serial) -> bool {
        self.cancelled
    }
    fn is_issued(&self, _: Serial) -> bool {
        self.issued
    }
    fn wrong_keywords(&self, _: Serial) -> u8 {
        self.wrong
    }
}

fn event_key() -> SealingKey {
    town::secret().event_key().sealing_key().clone()
}

fn show(series: u32, keyword: Option<&str>, given: Option<&str>) -> Vec<u8> {
    let (batch, key) = (town::signing(20), town::signing(30));
    let keyword = keyword.map(|k| Keyword::new(k).unwrap());
    let ticket = town::ticket(series, &batch, town::holder(&key), keyword.as_ref());
    let presentation = Presentation {
        ticket: batch.sign(&ticket),
        event: SeriesId::new(series),
        time: town::NOW,
        nonce: None,
        keyword: given.map(|k| Keyword::new(k).unwrap()),
    };
    presentation
        .seal(
            &key,
            &town::series(1, &batch, event_key()),
            &mut town::rng(),
        )
        .unwrap()
}

fn check(shown: &[u8], list: &List) -> Result<Serial, Rejection> {
    let checker = Checker::new(
        town::series(1, &town::signing(20), event_key()),
        town::secret(),
    );
    checker
        .check(shown, &[], list, town::NOW, None)
        .map(|a| a.serial)
}

fn refused(shown: &[u8], list: &List) -> Code {
    check(shown, list).unwrap_err().code
}

/// T7 in a QR code: version 16 at level M holds a presentation with a keyword of eight letters.
#[test]
fn a_presentation_fits_the_qr_code() {
    let shown = show(1, Some("sakura99"), Some("sakura99"));
    println!("{} of {PRESENTATION_LIMIT} bytes", shown.len());
    assert!(shown.len() <= PRESENTATION_LIMIT);
    let text = base45::encode([0xA5; PRESENTATION_LIMIT]);
    assert!(QrCode::with_version(text, Version::Normal(16), EcLevel::M).is_ok());
    let longer = base45::encode([0xA5; PRESENTATION_LIMIT + 4]);
    assert!(QrCode::with_version(longer, Version::Normal(16), EcLevel::M).is_err());
}

#[test]
fn reasons_come_in_their_order() {
    let good = show(1, Some("sakura99"), Some("sakura99"));
    assert_eq!(check(&good, &GOOD).unwrap(), Serial::new(41));
    assert_eq!(
        refused(&good[..good.len() - 1], &GOOD),
        Code::TicketMalformed
    );
    assert_eq!(refused(&show(2, None, None), &GOOD), Code::WrongEvent);
    assert_eq!(
        refused(
            &good,
            &List {
                cancelled: true,
                issued: false,
                wrong: 9
            }
        ),
        Code::Cancelled
    );
    assert_eq!(
        refused(
            &good,
            &List {
                issued: false,
                ..GOOD
            }
        ),
        Code::NotActivated
    );
    assert_eq!(
        refused(&show(1, Some("sakura99"), None), &GOOD),
        Code::WrongKeyword
    );
    assert_eq!(
        refused(&show(1, Some("sakura99"), Some("sakura98")), &GOOD),
        Code::WrongKeyword
    );
    assert_eq!(
        refused(&good, &List { wrong: 5, ..GOOD }),
        Code::WrongKeyword
    );
}

#[test]
fn a_copy_signed_by_another_is_refused() {
    let (batch, key, thief) = (town::signing(20), town::signing(30), town::signing(31));
    let ticket = town::ticket(1, &batch, town::holder(&key), None);
    let series = town::series(1, &batch, event_key());
    let (ticket, event) = (batch.sign(&ticket), SeriesId::new(1));
    let shown = Presentation {
        ticket,
        event,
        time: town::NOW,
        nonce: None,
        keyword: None,
    };
    let stolen = shown.seal(&thief, &series, &mut town::rng()).unwrap();
    assert_eq!(refused(&stolen, &GOOD), Code::WrongHolder);
    let old = Presentation {
        time: town::NOW.before(61),
        ..shown
    };
    let old = old.seal(&key, &series, &mut town::rng()).unwrap();
    assert_eq!(refused(&old, &GOOD), Code::StalePresentation);
}

#[test]
fn a_false_batch_key_is_forged_and_a_neighbours_is_the_wrong_event() {
    let (batch, key) = (town::signing(21), town::signing(30));
    let ticket = town::ticket(2, &batch, town::holder(&key), None);
    let (ticket, event) = (batch.sign(&ticket), SeriesId::new(1));
    let shown = Presentation {
        ticket,
        event,
        time: town::NOW,
        nonce: None,
        keyword: None,
    };
    let own = town::series(1, &town::signing(20), event_key());
    let shown = shown.seal(&key, &own, &mut town::rng()).unwrap();
    assert_eq!(refused(&shown, &GOOD), Code::TicketForged);
    let other = town::series(2, &batch, town::opening_compact(9));
    let others: [&SeriesRecord; 1] = [&other];
    let checker = Checker::new(own, town::secret());
    let code = checker
        .check(&shown, &others, &GOOD, town::NOW, None)
        .unwrap_err()
        .code;
    assert_eq!(code, Code::WrongEvent);
}

/// T5: paper can't sign; the keyword is all that a bearer ticket rests on.
#[test]
fn a_bearer_ticket_needs_its_keyword() {
    let (batch, anyone) = (town::signing(20), town::signing(99));
    let keyword = Keyword::new("open sesame").unwrap();
    let ticket = batch.sign(&town::ticket(1, &batch, Holder::Bearer, Some(&keyword)));
    let series = town::series(1, &batch, event_key());
    let show = |keyword| {
        let (ticket, event) = (ticket.clone(), SeriesId::new(1));
        let shown = Presentation {
            ticket,
            event,
            time: town::NOW,
            nonce: None,
            keyword,
        };
        shown.seal(&anyone, &series, &mut town::rng()).unwrap()
    };
    assert!(check(&show(Some(keyword.clone())), &GOOD).is_ok());
    assert_eq!(refused(&show(None), &GOOD), Code::WrongKeyword);
}

const CARD: [u8; 10] = [0x5A; 10];

fn check_card(card: [u8; 10], series: u32, holder: Holder, list: &List) -> Result<Serial, Code> {
    check_card_with(card, series, holder, None, list)
}

fn check_card_with(
    card: [u8; 10],
    series: u32,
    holder: Holder,
    keyword: Option<&str>,
    list: &List,
) -> Result<Serial, Code> {
    let batch = town::signing(20);
    let keyword = keyword.map(|k| Keyword::new(k).unwrap());
    let ticket = batch.sign(&town::ticket(series, &batch, holder, keyword.as_ref()));
    let checker = Checker::new(town::series(1, &batch, event_key()), town::secret());
    let checked = checker.check_card(card, ticket, &[], list, town::NOW);
    checked
        .map(|a| a.serial)
        .map_err(|rejection| rejection.code)
}

/// T6: the session proved a card; the ticket must be that very card's.
#[test]
fn a_card_admits_its_own_tickets_and_no_others() {
    let own = || Holder::Card(CARD);
    assert_eq!(check_card(CARD, 1, own(), &GOOD), Ok(Serial::new(41)));
    let other = check_card([0x5B; 10], 1, own(), &GOOD);
    assert_eq!(other, Err(Code::WrongHolder));
    let keys = town::holder(&town::signing(30));
    assert_eq!(check_card(CARD, 1, keys, &GOOD), Err(Code::WrongHolder));
    let bearer = check_card_with(CARD, 1, Holder::Bearer, Some("sakura99"), &GOOD);
    assert_eq!(bearer, Err(Code::WrongHolder));
    assert_eq!(check_card(CARD, 2, own(), &GOOD), Err(Code::WrongEvent));
    let cancelled = List {
        cancelled: true,
        ..GOOD
    };
    let refused = check_card([0x5B; 10], 1, own(), &cancelled);
    assert_eq!(refused, Err(Code::Cancelled), "in the order of the page");
    let unissued = List {
        issued: false,
        ..GOOD
    };
    assert_eq!(
        check_card(CARD, 1, own(), &unissued),
        Err(Code::NotActivated)
    );
    // A keyword that nobody can give isn't passed over.
    let with_keyword = check_card_with(CARD, 1, own(), Some("sakura99"), &GOOD);
    assert_eq!(with_keyword, Err(Code::WrongKeyword));
}

#[test]
fn a_card_with_an_altered_or_foreign_ticket_is_told_so() {
    let batch = town::signing(20);
    let checker = Checker::new(town::series(1, &batch, event_key()), town::secret());
    let check = |bytes: Vec<u8>| {
        let ticket = tegata_protocol::SignedBytes::new(bytes);
        let checked = checker.check_card(CARD, ticket, &[], &GOOD, town::NOW);
        checked
            .map(|a| a.serial)
            .map_err(|rejection| rejection.code)
    };
    let ticket = town::ticket(1, &batch, Holder::Card(CARD), None);
    let mut bytes = batch.sign(&ticket).into_bytes();
    assert!(check(bytes.clone()).is_ok());
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(check(bytes), Err(Code::TicketForged));
    let foreign = town::signing(21).sign(&ticket).into_bytes();
    assert_eq!(check(foreign), Err(Code::TicketForged));
    assert_eq!(check(b"Dear diary,".to_vec()), Err(Code::TicketMalformed));
}
