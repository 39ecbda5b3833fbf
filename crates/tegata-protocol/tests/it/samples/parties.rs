//! Identities, joining, prepaid money.

use super::*;

pub(crate) fn member_keys() -> PartyKeys {
    PartyKeys {
        spending: Some(verifying(SPENDING)),
        signing: verifying(EVERYDAY),
        opening: sealing(MEMBER_OPENING),
    }
}

pub(crate) fn other_keys(signing: u8, opening: u8) -> PartyKeys {
    PartyKeys {
        spending: None,
        signing: verifying(signing),
        opening: sealing(opening),
    }
}

pub(super) fn profile(name: &str) -> Option<Profile> {
    Some(Profile {
        name: name.into(),
        address: "http://shop.localhost:7402".into(),
    })
}

pub(crate) fn record(
    number: PartyNumber,
    keys: PartyKeys,
    profile: Option<Profile>,
) -> PartyRecord {
    PartyRecord {
        number,
        keys,
        profile,
        valid: year(),
        status: Status::Active,
    }
}

#[expect(clippy::too_many_lines, reason = "a list, one entry after the other")]
pub(super) fn identities() -> Vec<Sample> {
    let certificate = |note, purpose, key| {
        let valid = year();
        let centre = "Town of Seki".into();
        document(
            "certificate",
            note,
            ROOT,
            &Certificate {
                centre,
                purpose,
                key,
                valid,
            },
        )
    };
    let records = [
        ("a member", record(town::member(), member_keys(), None)),
        (
            "a shop",
            record(
                town::shop(),
                other_keys(SHOP, SHOP_OPENING),
                profile("Town hall"),
            ),
        ),
        (
            "a gate",
            record(gate(), other_keys(GATE, GATE_OPENING), profile("West gate")),
        ),
        (
            "a sealing service",
            record(
                service(),
                other_keys(SERVICE, SERVICE_OPENING),
                profile("Sealing service"),
            ),
        ),
        (
            "an operator",
            record(operator(), other_keys(OPERATOR, OPERATOR_OPENING), None),
        ),
    ];
    let mut samples = vec![
        certificate(
            "the register's key",
            Purpose::Register,
            CentreKey::Verifying(verifying(REGISTER)),
        ),
        certificate(
            "the receipts' key",
            Purpose::Receipts,
            CentreKey::Verifying(verifying(RECEIPTS)),
        ),
        certificate(
            "the opening key",
            Purpose::Opening,
            CentreKey::Sealing(sealing(CENTRE_OPENING)),
        ),
        certificate(
            "the credit link's key",
            Purpose::Credit,
            CentreKey::Sealing(sealing(CREDIT)),
        ),
    ];
    samples.extend(
        records
            .iter()
            .map(|(note, r)| document("party-record", note, REGISTER, r)),
    );
    let (hash, time) = (Digest::of(b"record"), town::NOW);
    samples.push(document(
        "chain-head",
        "",
        RECEIPTS,
        &ChainHead {
            committer: 0,
            sequence: 1234,
            hash,
            time,
        },
    ));
    samples.push(document(
        "program-digest",
        "",
        LISTS,
        &ProgramDigest {
            name: "tegata-wallet".into(),
            edition: "0.1.0".into(),
            length: 7_340_032,
            digest: Digest::of(b"program"),
            published: time,
        },
    ));
    samples
}

/// Details of a made-up person, under a made-up salt.
pub(crate) fn details() -> SaltedDetails {
    let details = Details {
        name: "関 花子".into(),
        postal: vec!["1-2-3 Honmachi".into(), "Seki".into()],
        mail: Some("hanako@example.org".into()),
        account: Some("DE89370400440532013000".into()),
    };
    SaltedDetails::new(details, &mut town::fixed(40)).unwrap()
}

pub(crate) fn claim() -> Claim {
    Claim {
        details: details().digest(),
        terms: Digest::of(b"The terms.\n"),
        keys: member_keys(),
        profile: None,
    }
}

#[expect(clippy::too_many_lines, reason = "a list, one entry after the other")]
pub(super) fn joining() -> Vec<Sample> {
    let code: ActivationCode = CODE.parse().unwrap();
    let message = plain(town::member(), PartyNumber::CENTRE, 10, ());
    let spending = town::signing(SPENDING);
    let body = Registration::new(town::member(), message.id, claim(), Some(&spending), &code);
    let registration = Message {
        not_after: Some(town::NOW.after(30 * 86_400)),
        ..plain(town::member(), PartyNumber::CENTRE, 10, body.clone())
    };
    let possession = body.possession.clone().unwrap();
    let shop = Claim {
        keys: other_keys(SHOP, SHOP_OPENING),
        profile: profile("Town hall"),
        ..claim()
    };
    let shop = Registration::new(town::shop(), message.id, shop, None, &code);
    let record = record(town::member(), member_keys(), None);
    let record = town::signing(REGISTER).sign(&record);
    vec![
        noted(
            request(
                "registration",
                EVERYDAY,
                town::member(),
                PartyNumber::CENTRE,
                body,
            ),
            "a member, at once",
        ),
        document(
            "registration",
            "a member, signed offline",
            EVERYDAY,
            &registration,
        ),
        noted(
            request(
                "registration",
                SHOP,
                town::shop(),
                PartyNumber::CENTRE,
                shop,
            ),
            "a shop",
        ),
        Sample {
            kind: "possession",
            note: "",
            seed: SPENDING,
            signed: possession,
        },
        reply(
            "registered",
            RECEIPTS,
            PartyNumber::CENTRE,
            town::member(),
            Registered { record },
        ),
        request(
            "record-inquiry",
            EVERYDAY,
            PartyNumber::NOBODY,
            PartyNumber::CENTRE,
            RecordInquiry {
                key: verifying(EVERYDAY),
            },
        ),
        reply(
            "refusal",
            RECEIPTS,
            PartyNumber::CENTRE,
            town::member(),
            Refusal::because(Code::ActivationExpired, "handed out on 2026-01-05"),
        ),
        noted(
            reply(
                "refusal",
                SHOP,
                town::shop(),
                town::member(),
                Refusal::new(Code::SoldOut),
            ),
            "a shop's, without more words",
        ),
    ]
}

pub(super) const REFERENCE: &str = "RF18539007547034";

pub(super) fn prepaid() -> Vec<Sample> {
    let (member, centre) = (town::member(), PartyNumber::CENTRE);
    let (amount, funding, expires) = (yen(10_000), Funding::Transfer, town::NOW.after(30 * 86_400));
    let reference = PaymentReference {
        reference: REFERENCE.into(),
        amount,
        funding,
        account: "DE89370400440532013000".into(),
        owner: "Town of Seki".into(),
        expires,
    };
    let card = PrepaidCard {
        number: 17,
        value: amount,
        funding,
        reference: REFERENCE.into(),
        statement: "STM-2026-11-20".into(),
        entry: 2,
        expires: town::NOW.after(5 * 365 * 86_400),
        balance: yen(10_300),
    };
    let balance = Balance {
        balance: yen(10_300),
        held: yen(2_200),
    };
    vec![
        request(
            "prepaid-request",
            EVERYDAY,
            member,
            centre,
            PrepaidRequest { amount, funding },
        ),
        reply("payment-reference", RECEIPTS, centre, member, reference),
        notice("prepaid-card", member, card),
        request(
            "balance-inquiry",
            EVERYDAY,
            member,
            centre,
            BalanceInquiry {},
        ),
        reply("balance", RECEIPTS, centre, member, balance),
    ]
}
