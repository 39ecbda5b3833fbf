//! What holds for every value, not only for the samples.

use proptest::{collection::vec, option, prelude::*, sample::select};
use tegata_protocol::{
    Amount, Currency, Digest, MAX_MINOR, PartyNumber, Role, SealingKey, SeriesId, SignedBytes,
    Suite, Time, Validity,
    envelope::{Reply, Sealed},
    joining::{ActivationCode, Details, SaltedDetails, Slip},
    purchase::{Keyword, Line, Rounding, TaxMode, TaxRate, compute_totals},
    record::Certificates,
    refusal::{Code, Refusal},
    ticket::{
        Bet, Contents, EncryptedSerial, Holder, Ride, SealedPresentation, Seat, Serial, Stay,
        Ticket, Wager,
    },
};

use crate::{
    cbor_tree::Node,
    kinds::{KINDS, Kind},
    pages, samples, town,
};

fn any_node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Node::Uint),
        (0..1_u64 << 63).prop_map(Node::Negative),
        vec(any::<u8>(), 0..40).prop_map(Node::Bytes),
        ".{0,20}".prop_map(Node::Text),
        any::<bool>().prop_map(Node::Bool),
        Just(Node::Null),
        vec(any::<u8>(), 0..9).prop_map(Node::Raw),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Node::Array),
            vec(
                (
                    any::<u8>().prop_map(|k| Node::Uint(u64::from(k % 9))),
                    inner.clone()
                ),
                0..6
            )
            .prop_map(Node::Map),
            (0..40_u64, inner).prop_map(|(tag, node)| Node::Tag(tag, Box::new(node))),
        ]
    })
}

/// Every place in a tree, as a path of positions.
fn places(node: &Node, here: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
    found.push(here.clone());
    let children: Vec<&Node> = match node {
        Node::Array(items) => items.iter().collect(),
        Node::Map(pairs) => pairs.iter().flat_map(|(k, v)| [k, v]).collect(),
        _ => Vec::new(),
    };
    for (i, child) in children.into_iter().enumerate() {
        here.push(i);
        places(child, here, found);
        here.pop();
    }
}

fn replace(node: &mut Node, path: &[usize], with: Node) {
    let Some((first, rest)) = path.split_first() else {
        *node = with;
        return;
    };
    let child = match node {
        Node::Array(items) => &mut items[*first],
        Node::Map(pairs) => {
            let (key, value) = &mut pairs[first / 2];
            if first % 2 == 0 { key } else { value }
        }
        other => panic!("{other:?} has no children"),
    };
    replace(child, rest, with);
}

proptest! {
    #![proptest_config(config(400))]

    /// Any part of any message exchanged for anything, signed again: it is refused, or it is what
    /// the pages allow; nothing panics. (`Kind::read` checks that what is accepted is encoded
    /// again to the same payload.)
    #[test]
    fn whatever_is_accepted_is_on_the_pages(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        with in any_node(),
    ) {
        let samples = samples::all();
        let sample = which.get(&samples);
        let mut payload = Node::read(&sample.signed.payload().unwrap()).unwrap();
        let mut found = Vec::new();
        places(&payload, &mut Vec::new(), &mut found);
        replace(&mut payload, &found[place.index(found.len())], with);
        let payload = payload.bytes();
        let signed = sample.key().sign_kept_payload(payload.clone());
        let kind = Kind::named(sample.kind);
        if kind.read(signed.as_bytes(), &sample.key().verifying_key()).is_ok() {
            let said = pages::explain(&rules(), kind, &payload);
            prop_assert!(said.is_ok(), "{}: {said:?}", sample.kind);
        }
    }

    /// One changed, lost or added byte: nothing signed survives it.
    #[test]
    fn no_changed_byte_verifies(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in 0..3,
    ) {
        let samples = samples::all();
        let sample = which.get(&samples);
        let good = sample.signed.as_bytes();
        let mut changed = good.to_vec();
        let at = place.index(changed.len());
        match how {
            0 => changed[at] = byte,
            1 => drop(changed.remove(at)),
            _ => changed.insert(at, byte),
        }
        prop_assume!(changed != good);
        let key = sample.key().verifying_key();
        for kind in KINDS {
            prop_assert!(kind.read(&changed, &key).is_err(), "{} as {}", sample.kind, kind.name);
        }
    }

    /// A signature over one type is a signature over no other.
    #[test]
    fn no_type_is_taken_for_another(which in any::<prop::sample::Index>()) {
        let samples = samples::all();
        let sample = which.get(&samples);
        let key = sample.key().verifying_key();
        let taken: Vec<_> = KINDS.iter().filter(|k| k.read(sample.signed.as_bytes(), &key).is_ok()).collect();
        prop_assert_eq!(taken.len(), 1);
        prop_assert_eq!(taken[0].name, sample.kind);
    }

    /// Whatever arrives, every decoder answers.
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop_oneof![
        vec(any::<u8>(), 0..300),
        any_node().prop_map(|node| node.bytes()),
    ]) {
        let key = town::signing(1).verifying_key();
        for kind in KINDS {
            prop_assert!(kind.read(&bytes, &key).is_err());
            // Behind a good signature too.
            drop(kind.read(town::signing(1).sign_kept_payload(bytes.clone()).as_bytes(), &key));
        }
        drop(Sealed::parse(&bytes));
        drop(Reply::parse(&bytes));
        drop(SealedPresentation::parse(&bytes));
        drop(SaltedDetails::parse(&bytes));
        drop(SignedBytes::new(bytes.clone()).label());
        drop(tegata_protocol::cbor::decode::<Certificates>(&bytes, 300));
        drop(SealingKey::from_bytes(Suite::Compact, &bytes));
        drop(SealingKey::from_bytes(Suite::Standard, &bytes));
    }

    /// Whatever is typed, every reader answers.
    #[test]
    fn no_text_makes_a_reader_panic(text in ".{0,60}") {
        drop(text.parse::<PartyNumber>());
        drop(text.parse::<ActivationCode>());
        drop(text.parse::<Slip>());
        drop(format!("tegata:join?{text}").parse::<Slip>());
        drop(Amount::parse(&text, Currency::EUR));
        drop(Currency::new(&text));
        drop(Keyword::new(&text));
        let _digest = Digest::from_hex(&text);
    }
}

/// What is signed and stands inside is read when it's used, not when the outer thing is.
fn rules() -> crate::cddl::Rules {
    pages::rules().with_bytes_for("signed")
}

/// So many cases, and no files left behind.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

pub(crate) fn round<T>(value: &T)
where
    T: PartialEq + std::fmt::Debug + minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    let bytes = tegata_protocol::cbor::encode(value);
    assert_eq!(
        tegata_protocol::cbor::decode::<T>(&bytes, bytes.len()).as_ref(),
        Ok(value)
    );
    assert!(tegata_protocol::cbor::decode::<T>(&bytes, bytes.len() - 1).is_err());
    let longer = [&bytes[..], &[0]].concat();
    assert!(tegata_protocol::cbor::decode::<T>(&longer, longer.len()).is_err());
}

fn any_contents() -> impl Strategy<Value = Contents> {
    let stay = (any::<u32>(), 1..=60_u8, 1..=20_u8, any::<u16>()).prop_map(
        |(arrival_day, nights, guests, room)| {
            Contents::Stay(Stay {
                arrival_day,
                nights,
                guests,
                room,
            })
        },
    );
    let ride = (1..=u16::MAX - 1, 1..=9_u8, any::<u8>(), any::<u16>()).prop_map(
        |(from, class, coach, seat)| {
            Contents::Ride(Ride {
                from,
                to: from + 1,
                class,
                coach,
                seat,
            })
        },
    );
    let seat = (1..=u16::MAX, any::<u8>(), any::<u16>())
        .prop_map(|(section, row, seat)| Contents::Admission(Seat { section, row, seat }));
    let bets = vec![
        Bet::Win,
        Bet::Place,
        Bet::Quinella,
        Bet::Exacta,
        Bet::Trio,
        Bet::Trifecta,
    ];
    let wager = (1..=u8::MAX, select(bets), 1..=250_u8, 1..=10_000_u16).prop_map(
        |(race, bet, first, units)| {
            let runners = (first..).take(bet.runners()).collect();
            Contents::Wager(Wager {
                race,
                bet,
                runners,
                units,
            })
        },
    );
    prop_oneof![stay, ride, seat, wager]
}

fn any_holder() -> impl Strategy<Value = Holder> {
    prop_oneof![
        (1..=255_u8).prop_map(|seed| town::holder(&town::signing(seed))),
        any::<[u8; 10]>().prop_map(Holder::Card),
    ]
}

fn any_line() -> impl Strategy<Value = Line> {
    let mode = select(vec![TaxMode::Included, TaxMode::Added]);
    (
        1..1000_u32,
        0..1_000_000_u64,
        0..=10_000_u16,
        mode,
        0..=100_u64,
    )
        .prop_map(|(quantity, price, rate, tax_mode, share)| {
            let unit_price = samples::yen(price);
            let gross = unit_price.times(quantity).unwrap().minor();
            Line {
                text: "line".into(),
                quantity,
                unit_price,
                tax_rate: TaxRate::new(rate).unwrap(),
                tax_mode,
                discount: samples::yen(gross * share / 100),
            }
        })
}

fn any_rounding() -> impl Strategy<Value = Rounding> {
    select(vec![Rounding::Down, Rounding::HalfUp, Rounding::Up])
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn tickets_go_there_and_back(
        contents in any_contents(),
        holder in any_holder(),
        serial in any::<[u8; 20]>(),
        series in any::<u32>(),
        from in any::<u32>(),
        lasts in 1..=u32::MAX,
    ) {
        prop_assert!(contents.check().is_ok());
        let from = Time::from_secs(u64::from(from));
        let ticket = Ticket {
            issuer: town::shop(),
            series: SeriesId::new(series),
            contents,
            serial: EncryptedSerial::from_bytes(serial),
            request: Digest::of(&serial),
            holder,
            keyword: None,
            valid: Validity::new(from, from.after(u64::from(lasts))).unwrap(),
        };
        round(&ticket);
        let key = town::signing(20);
        let read = Kind::named("ticket").read(key.sign(&ticket).as_bytes(), &key.verifying_key());
        prop_assert_eq!(read, Ok(()));
    }

    #[test]
    fn bills_go_there_and_back_and_their_sums_hold(
        lines in vec(any_line(), 1..6),
        tip in 0..1_000_u64,
        rounding in any_rounding(),
    ) {
        let tip = samples::yen(tip);
        let totals = compute_totals(&lines, tip, rounding).unwrap();
        let sum = |amounts: Vec<Amount>| amounts.iter().map(Amount::minor).sum::<u64>();
        let net = sum(totals.rates.iter().map(|r| r.net).collect());
        let tax = sum(totals.rates.iter().map(|r| r.tax).collect());
        prop_assert_eq!(net + tax + tip.minor(), totals.total.minor());
        prop_assert!(totals.rates.is_sorted_by(|a, b| a.rate < b.rate));
        let plain = sum(lines.iter().map(|l| l.total().unwrap()).collect());
        prop_assert!(totals.total.minor() >= plain + tip.minor());
        let mut turned = lines.clone();
        turned.reverse();
        prop_assert_eq!(&compute_totals(&turned, tip, rounding).unwrap(), &totals);
        let bill = tegata_protocol::purchase::Bill { lines, tip, rounding, totals, ..samples::bill() };
        round(&bill);
        let guided = tegata_protocol::purchase::Bill {
            interface: Some(Digest::of(b"a guide")),
            ..bill.clone()
        };
        round(&guided);
        let key = town::signing(samples::SHOP);
        let read = Kind::named("bill").read(key.sign(&bill).as_bytes(), &key.verifying_key());
        prop_assert_eq!(read, Ok(()));
        let mut false_bill = bill;
        let total = false_bill.totals.total.minor();
        false_bill.totals.total = samples::yen(total + 1);
        let read = Kind::named("bill").read(key.sign(&false_bill).as_bytes(), &key.verifying_key());
        prop_assert!(read.is_err());
    }

    #[test]
    fn rounding_goes_up_in_its_order(lines in vec(any_line(), 1..6)) {
        let tax = |rounding| -> u64 {
            let totals = compute_totals(&lines, samples::yen(0), rounding).unwrap();
            totals.rates.iter().map(|r| r.tax.minor()).sum()
        };
        let [down, half, up] = [Rounding::Down, Rounding::HalfUp, Rounding::Up].map(tax);
        prop_assert!(down <= half && half <= up && up - down <= 2 * lines.len() as u64);
    }

    #[test]
    fn amounts_go_there_and_back(minor in 0..=MAX_MINOR, other in 0..=MAX_MINOR, code in select(vec!["JPY", "EUR", "KWD"])) {
        let currency = Currency::new(code).unwrap();
        let amount = Amount::new(minor, currency).unwrap();
        round(&amount);
        let printed = amount.to_string().replace([',', ' '], "");
        prop_assert_eq!(Amount::parse(&printed[3..], currency), Ok(amount));
        let other = Amount::new(other, currency).unwrap();
        match amount.plus(other) {
            Ok(sum) => prop_assert_eq!(sum.minus(other), Ok(amount)),
            Err(_) => prop_assert!(minor + other.minor() > MAX_MINOR),
        }
        prop_assert_eq!(amount.minus(other).is_ok(), minor >= other.minor());
        prop_assert_eq!(amount.credit().plus(amount.debit()).unwrap().minor(), 0);
    }

    #[test]
    fn numbers_go_there_and_back(serial in 0..1_000_000_000_u32, role in select(Role::ALL.to_vec())) {
        let number = PartyNumber::new(role, serial).unwrap();
        round(&number);
        prop_assert_eq!(number.role(), role);
        prop_assert_eq!(number.to_string().parse::<PartyNumber>(), Ok(number));
    }

    /// Two neighbouring digits exchanged are noticed, but for 09 and 90: that much Luhn can.
    #[test]
    fn exchanged_digits_are_noticed(serial in 0..1_000_000_000_u32, place in 0..9_u32) {
        let wire = PartyNumber::new(Role::Member, serial).unwrap().wire();
        let unit = 10_u64.pow(place);
        let (low, high) = (wire / unit % 10, wire / unit / 10 % 10);
        prop_assume!(low != high && low.min(high) + 9 != low.max(high));
        let other = wire - low * unit - high * unit * 10 + high * unit + low * unit * 10;
        prop_assert!(PartyNumber::from_wire(other).is_err());
    }

    /// A keyword is the same after any detour through Unicode's other forms, and only normal
    /// forms travel.
    #[test]
    fn keywords_are_normal(text in "[a-zA-Zäöü０-９ｱ-ﾝがぎパ \u{308}]{1,12}") {
        use unicode_normalization::UnicodeNormalization as _;
        let Ok(keyword) = Keyword::new(&text) else { return Ok(()) };
        round(&keyword);
        let apart: String = text.nfd().collect();
        let wide = format!("\u{3000}{} ", text.nfkd().collect::<String>());
        prop_assert_eq!(Keyword::new(&apart).ok(), Some(keyword.clone()));
        prop_assert_eq!(Keyword::new(&wide).ok(), Some(keyword.clone()));
        let wire: String = minicbor::decode(&tegata_protocol::cbor::encode(&keyword)).unwrap();
        prop_assert!((4..=24).contains(&wire.len()));
        prop_assert_eq!(Keyword::new(&wire).ok(), Some(keyword));
    }

    #[test]
    fn serials_go_there_and_back(number in any::<u32>(), series in any::<u32>()) {
        let (secret, batch) = (town::secret(), town::signing(20).verifying_key().id());
        let (series, serial) = (SeriesId::new(series), Serial::new(number));
        let encrypted = secret.serial_key().encrypt(town::shop(), series, batch, serial);
        prop_assert_eq!(secret.serial_key().decrypt(town::shop(), series, batch, &encrypted), Ok(serial));
        let mut changed = *encrypted.as_bytes();
        changed[usize::try_from(number % 20).unwrap()] ^= 1;
        let changed = EncryptedSerial::from_bytes(changed);
        prop_assert!(secret.serial_key().decrypt(town::shop(), series, batch, &changed).is_err());
    }

    #[test]
    fn small_things_go_there_and_back(
        name in "[a-z 関]{1,30}",
        postal in vec("[a-z0-9 ]{1,30}", 0..6),
        mail in option::of("[a-z]{1,9}@example\\.org"),
        code in select(Code::ALL.to_vec()),
        detail in option::of("[a-z ]{1,50}"),
    ) {
        let details = Details { name, postal, mail, account: None };
        let salted = SaltedDetails::new(details, &mut town::fixed(9)).unwrap();
        prop_assert_eq!(SaltedDetails::parse(&salted.to_bytes()), Ok(salted));
        round(&Refusal { code, detail });
    }
}
