//! What must fit: a presentation into a QR code, four tickets into a capture's delivery.

use tegata_protocol::{
    Digest, Document, KeyId, MessageId, PartyNumber, Role, SeriesId, Validity,
    envelope::{Envelope, Parcel},
    payment::DELIVERY_LIMIT,
    purchase::{Delivery, KEYWORD_LIMIT, Keyword, MAX_QUANTITY},
    ticket::{
        Bet, CARD_TICKET_LIMIT, Contents, Holder, PRESENTATION_LIMIT, Presentation, Serial,
        SeriesRecord, Ticket, Wager,
    },
};

use crate::town;

/// A number whose encoding is as long as any.
const LARGE: SeriesId = SeriesId::new(u32::MAX);

/// The kind of ticket whose contents are the longest, with everything that a ticket may have.
fn longest_ticket(keyword: &Keyword) -> Ticket {
    let contents = Contents::Wager(Wager {
        race: 255,
        bet: Bet::Trifecta,
        runners: vec![253, 254, 255],
        units: 10_000,
    });
    let batch: KeyId = town::signing(20).verifying_key().id();
    let serial = Serial::new(u32::MAX);
    Ticket {
        issuer: PartyNumber::new(Role::Shop, 999_999_999).unwrap(),
        series: LARGE,
        contents,
        serial: town::secret()
            .serial_key()
            .encrypt(town::shop(), LARGE, batch, serial),
        request: Digest::of(b"request"),
        holder: town::holder(&town::signing(30)),
        keyword: Some(town::secret().keyword_tag(serial, keyword)),
        valid: Validity::new(town::NOW, town::NOW.after(9)).unwrap(),
    }
}

#[test]
fn the_longest_keyword_fits_the_qr_code() {
    let keyword = Keyword::new(&"x".repeat(KEYWORD_LIMIT)).unwrap();
    let batch = town::signing(20);
    let shown = Presentation {
        ticket: batch.sign(&longest_ticket(&keyword)),
        event: LARGE,
        time: town::NOW,
        nonce: Some([0xFF; 8]),
        keyword: Some(keyword),
    };
    let series = town::series(1, &batch, town::opening_compact(9));
    let sealed = shown.seal(&town::signing(30), &series, &mut town::rng());
    assert!(sealed.unwrap().len() <= PRESENTATION_LIMIT);
}

/// T6: whatever a ticket is good for, it fits a card's slot, without the keyword that it can't have there.
#[test]
fn the_longest_ticket_fits_a_cards_slot() {
    let keyword = Keyword::new("sakura99").unwrap();
    let ticket = Ticket {
        holder: Holder::Card([0xFF; 10]),
        keyword: None,
        ..longest_ticket(&keyword)
    };
    let signed = town::signing(20).sign(&ticket);
    println!("{} of {CARD_TICKET_LIMIT} bytes", signed.as_bytes().len());
    assert!(signed.as_bytes().len() <= CARD_TICKET_LIMIT);
    let with_keyword = Ticket {
        keyword: longest_ticket(&keyword).keyword,
        ..ticket
    };
    let length = town::signing(20).sign(&with_keyword).as_bytes().len();
    println!("{length} with a keyword");
}

/// A series record whose signed form is as long as it may be.
fn longest_series() -> SeriesRecord {
    let batch = town::signing(20);
    let mut record = town::series(1, &batch, town::opening_compact(9)).into_value();
    record.names.clear();
    record.title = "t".repeat(30);
    let length = |record: &SeriesRecord| town::signing(2).sign(record).as_bytes().len();
    while length(&record) + 42 <= SeriesRecord::LIMIT {
        record.names.push("n".repeat(40));
    }
    let left = SeriesRecord::LIMIT - length(&record);
    record.title.push_str(&"t".repeat(left));
    assert_eq!(length(&record), SeriesRecord::LIMIT);
    record
}

/// A shop must never hold money for tickets that it can't deliver.
#[test]
fn the_longest_delivery_fits_the_capture() {
    let (batch, bill_key) = (town::signing(20), town::signing(2));
    let ticket = batch.sign(&longest_ticket(&Keyword::new("sakura99").unwrap()));
    let delivery = Delivery {
        bill: Digest::of(b"bill"),
        tickets: vec![ticket; MAX_QUANTITY],
        series: bill_key.sign(&longest_series()),
        request: Some(MessageId::random(&mut town::rng())),
    };
    let mut rng = town::rng();
    let to = town::opening(3);
    let envelope = Envelope::to(town::member(), to.sealing_key(), &mut rng).unwrap();
    let id = MessageId::random(&mut rng);
    let signed = envelope.sign(&bill_key, town::shop(), id, town::NOW, delivery);
    let (sealed, _) = envelope.seal(&Parcel::new(signed));
    let length = sealed.to_bytes().len();
    assert!(length <= DELIVERY_LIMIT, "{length} bytes");
}
