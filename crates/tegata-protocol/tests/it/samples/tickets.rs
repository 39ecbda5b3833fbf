//! Tickets, and what the book rests on.

use tegata_protocol::ticket::SealedPresentation;

use super::*;

pub(crate) fn ticket(holder: Holder, contents: Contents) -> Ticket {
    let keyword = Keyword::new("sakura99").unwrap();
    let keyword = matches!(holder, Holder::Bearer).then_some(&keyword);
    Ticket {
        contents,
        ..town::ticket(1, &town::signing(BATCH), holder, keyword)
    }
}

pub(super) fn tickets() -> Vec<Sample> {
    let holder = || town::holder(&town::signing(HOLDER));
    let stay = Stay {
        arrival_day: 20_778,
        nights: 2,
        guests: 2,
        room: 0,
    };
    let ride = Ride {
        from: 1,
        to: 3,
        class: 2,
        coach: 7,
        seat: 14,
    };
    let wager = Wager {
        race: 11,
        bet: Bet::Trifecta,
        runners: vec![4, 1, 9],
        units: 10,
    };
    let tickets = [
        ("an admission, held by a key", holder(), seat()),
        ("a stay", holder(), Contents::Stay(stay)),
        ("a ride", holder(), Contents::Ride(ride)),
        ("a wager", holder(), Contents::Wager(wager)),
        ("held by a card", Holder::Card([0x5A; 10]), seat()),
        ("held by whoever gives the keyword", Holder::Bearer, seat()),
    ];
    tickets
        .into_iter()
        .map(|(note, holder, contents)| document("ticket", note, BATCH, &ticket(holder, contents)))
        .collect()
}

pub(super) fn shown() -> Vec<Sample> {
    let ticket = town::signing(BATCH).sign(&ticket(town::holder(&town::signing(HOLDER)), seat()));
    let show = |note, nonce, keyword: Option<&str>| {
        let presentation = Presentation {
            ticket: ticket.clone(),
            event: SeriesId::new(1),
            time: town::NOW,
            nonce,
            keyword: keyword.map(|k| Keyword::new(k).unwrap()),
        };
        // As it leaves the seal: a presentation names no key.
        let event = town::secret().event_key();
        let sealed = presentation.seal(
            &town::signing(HOLDER),
            &series_record(),
            &mut town::fixed(60),
        );
        let sealed = SealedPresentation::parse(&sealed.unwrap()).unwrap();
        let signed = sealed.open(&event).unwrap().into_signed();
        Sample {
            kind: "presentation",
            note,
            seed: HOLDER,
            signed,
        }
    };
    let series = town::signing(SHOP).sign(&series_record());
    let (issued, cancelled) = (
        SerialSet(vec![0x3A, 0x30, 0, 0, 0, 0, 0, 0]),
        SerialSet(vec![]),
    );
    let data = CheckData::new(
        series,
        &town::secret(),
        issued,
        cancelled,
        3,
        town::NOW,
        town::NOW.after(86_400),
    );
    let admission = Admission {
        gate: gate(),
        issuer: town::shop(),
        series: SeriesId::new(1),
        serial: Serial::new(41),
        presentation: Digest::of(b"the presentation"),
        time: town::NOW,
        previous: Digest::from_bytes([0; 32]),
    };
    let card_use = CardUse {
        ticket: town::signing(BATCH).sign(&self::ticket(Holder::Card([0x5A; 10]), seat())),
        card: [0x5A; 10],
        punch: [0x2E; 46],
    };
    vec![
        document("series-record", "", SHOP, &series_record()),
        show("", None, None),
        show("with keyword", None, Some("sakura99")),
        show("with the gate's challenge", Some([9; 8]), None),
        request("check-data", SHOP, town::shop(), gate(), data),
        document("admission", "", GATE, &admission),
        document("card-use", "", GATE, &card_use),
    ]
}

pub(super) fn book() -> Vec<Sample> {
    let (centre, operator_number) = (PartyNumber::CENTRE, operator());
    let entry = |index, minor, reference: Option<&str>, funding| ImportedEntry {
        index,
        amount: yen(minor),
        reference: reference.map(Into::into),
        funding,
    };
    let import = StatementImport {
        file: Digest::of(b"the bank's file"),
        account: "DE89370400440532013000".into(),
        statement: "STM-2026-11-20".into(),
        entries: vec![
            entry(0, 500, None, Funding::Transfer),
            entry(2, 10_000, Some(REFERENCE), Funding::Deposit),
        ],
    };
    let imported = Imported {
        matched: vec![false, true],
        position: POSITION,
    };
    let appointed = record(
        operator_number,
        other_keys(OPERATOR, OPERATOR_OPENING),
        None,
    );
    let appoint = Rule::Appoint(town::signing(REGISTER).sign(&appointed));
    let appoint = plain(centre, centre, Rule::LABEL, appoint);
    let rule = |note, rule| {
        let message = plain(centre, centre, Rule::LABEL, rule);
        document("rule", note, RECEIPTS, &message)
    };
    let import = plain(operator_number, centre, StatementImport::LABEL, import);
    vec![
        document("statement-import", "", OPERATOR, &import),
        rule("a hold expires", Rule::ExpireHold(payment_id())),
        document("rule", "an operator is appointed", REGISTER, &appoint),
        rule(
            "a card paid",
            Rule::CardReceipt(cards::receipt(), Some(payment_id())),
        ),
        rule(
            "a card was loaded",
            Rule::CardReceipt(cards::receipt(), None),
        ),
        rule("a card never paid", Rule::CardVoid(payment_id())),
        rule("a card was copied", Rule::CardCopied(cards::CARD)),
        reply("imported", RECEIPTS, centre, operator_number, imported),
        reply("done", RECEIPTS, centre, centre, Done {}),
    ]
}
