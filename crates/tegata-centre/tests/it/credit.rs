//! Card numbers that shops pass on, sealed: kept by the credit link, refused when they can't be
//! right, and nowhere to be found in clear.

use std::path::Path;

use minicbor::Encode;
use tegata_centre::credit;
use tegata_protocol::{
    Digest, OpeningKey, PartyNumber, Role, SignedBytes, Suite, Time, Unverified, Verified, cbor,
    envelope::{Envelope, Parcel},
    order::{
        Binding, CardKept, CartLine, CartToken, CreditCardForm, KeyKind, KeyScope, Maker, OrderId,
        Part, Scheme, cart_digest,
    },
    record::{CentreKey, Certificate, Purpose},
    refusal::Code,
};

use crate::{
    joining::contains,
    server::{Client, Server},
    town::{Folder, Letter, Party, Town, again, open, own, rng, run},
};

const NUMBER: &str = "4242424242424242";
const NAME: &str = "KIRISHIMA HANAKO";
const EXPIRY: &str = "12/39";

/// A card as the program in the browser encodes it.
#[derive(Encode)]
#[cbor(map)]
struct Typed<'a> {
    #[n(0)]
    number: &'a str,
    #[n(1)]
    expiry: &'a str,
    #[n(2)]
    name: &'a str,
}

fn typed(number: &str, name: &str) -> Vec<u8> {
    let expiry = EXPIRY;
    cbor::encode(&Typed {
        number,
        expiry,
        name,
    })
}

/// The certificate of the credit link, as a shop picks it from what the centre hands out.
fn certificate(folder: &Folder) -> Verified<Certificate> {
    let public = &folder.public;
    let certificates = public.certificates.0.iter().map(|signed| {
        let certificate = Unverified::<Certificate>::parse(signed.clone()).unwrap();
        certificate.verify(&public.root).unwrap()
    });
    let mut of_credit = certificates.filter(|c| c.purpose == Purpose::Credit);
    of_credit.next().unwrap()
}

fn cart() -> Digest {
    cart_digest(&[CartLine {
        product: "tea".into(),
        quantity: 2,
    }])
}

fn token_of(shop: PartyNumber, order: u8, at: Time) -> CartToken {
    CartToken {
        recipient: shop,
        order: OrderId::from_bytes([order; 16]),
        cart: cart(),
        total: None,
        scheme: Scheme::DEFAULT,
        maker: Maker::Recipient,
        compact: false,
        member: None,
        service: PartyNumber::new(Role::Sealing, 1).unwrap(),
        expires: at.after(1800),
    }
}

fn seal_to(key: &CentreKey, binding: &Binding, card: &[u8]) -> Vec<u8> {
    let CentreKey::Sealing(key) = key else {
        panic!("the credit link's key seals")
    };
    let scheme = Scheme::new(KeyScope::Order, KeyKind::Public, 0).unwrap();
    let part = Part::Public(key.clone());
    part.seal(scheme, binding, card, None, &mut rng()).unwrap()
}

/// What a customer's browser seals for this order.
fn seal(folder: &Folder, order: u8, card: &[u8]) -> Vec<u8> {
    let certificate = certificate(folder);
    let binding = Binding::of_card(&certificate, OrderId::from_bytes([order; 16]), cart());
    seal_to(&certificate.key, &binding, card)
}

fn form(shop: &Party, order: u8, sealed: Vec<u8>, at: Time) -> CreditCardForm {
    let token = shop.signing.sign(&token_of(shop.number, order, at));
    CreditCardForm { token, sealed }
}

fn ask(town: &Town, shop: &Party, form: CreditCardForm) -> Result<CardKept, Code> {
    town.ask(shop, form, None, town.now)
}

fn good(town: &Town, shop: &Party, order: u8) -> CreditCardForm {
    let sealed = seal(town, order, &typed(NUMBER, NAME));
    form(shop, order, sealed, town.now)
}

fn link(town: &Town) -> credit::CreditLink {
    let link = credit::CreditLink::open(&town.dir(), &town.public).unwrap();
    link.unwrap()
}

#[test]
fn a_card_is_kept_under_a_reference_and_the_audit_agrees() {
    let town = Town::new();
    let shop = town.shop();
    let kept = ask(&town, &shop, good(&town, &shop, 1)).unwrap();
    assert_eq!(kept.last_four, "4242");
    assert!(kept.reference.starts_with("card-") && kept.reference.len() == 37);
    let card = link(&town).card(&kept.reference).unwrap();
    assert_eq!(
        (card.number(), card.expiry(), card.name()),
        (NUMBER, EXPIRY, NAME)
    );
    let other = ask(&town, &shop, good(&town, &shop, 2)).unwrap();
    assert_ne!(kept.reference, other.reference);
    let listed = credit::list(&town.data()).unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].shop, shop.number);
    town.assert_clean();
}

#[test]
fn the_same_message_and_the_same_card_get_the_same_reference() {
    let town = Town::new();
    let shop = town.shop();
    let body = good(&town, &shop, 1);
    let letter = own(&town, &shop, body.clone(), None, town.now);
    let first: CardKept = town.send(&shop, &letter, town.now).unwrap().0;
    let resealed = again(&town, &letter.parcel);
    let later = town.now.after(90_000);
    let replayed: CardKept = town.send(&shop, &resealed, later).unwrap().0;
    assert_eq!(first, replayed, "the stored reply");
    // A new message with the same card is a new record, and no new card.
    let records = town.records();
    assert_eq!(ask(&town, &shop, body).unwrap(), first);
    assert_eq!(town.records(), records + 1);
    assert_eq!(credit::list(&town.data()).unwrap().len(), 1);
    // Another card for an order that has one.
    let other = form(
        &shop,
        1,
        seal(&town, 1, &typed("378282246310005", NAME)),
        town.now,
    );
    assert_eq!(ask(&town, &shop, other), Err(Code::CardRefused));
    town.assert_clean();
}

/// Another message under the same number is refused, and leaves no card behind.
#[test]
fn a_message_number_counts_once() {
    let town = Town::new();
    let shop = town.shop();
    let first = own(&town, &shop, good(&town, &shop, 1), None, town.now);
    town.send::<CardKept>(&shop, &first, town.now).unwrap();
    let opening = &town.public.keys.opening;
    let envelope = Envelope::to(PartyNumber::CENTRE, opening, &mut rng()).unwrap();
    let body = good(&town, &shop, 2);
    let signed = envelope.sign(&shop.signing, shop.number, first.id, town.now, body);
    let (sealed, reply_key) = envelope.seal(&Parcel::new(signed.clone()));
    let second = Letter {
        parcel: Parcel::new(signed),
        bytes: sealed.to_bytes(),
        reply_key,
        id: first.id,
    };
    let refused = town.send::<CardKept>(&shop, &second, town.now);
    assert_eq!(refused.err(), Some(Code::IdReused));
    assert_eq!(credit::list(&town.data()).unwrap().len(), 1);
}

#[test]
fn two_messages_at_once_have_one_card() {
    let town = Town::new();
    let shop = town.shop();
    let body = good(&town, &shop, 1);
    let letters = [1, 2].map(|_| own(&town, &shop, body.clone(), None, town.now));
    let replies: Vec<CardKept> = std::thread::scope(|scope| {
        let send = |letter| {
            let (town, shop) = (&town, &shop);
            scope.spawn(move || town.send(shop, letter, town.now).unwrap().0)
        };
        let sent = letters.each_ref().map(send);
        sent.into_iter().map(|s| s.join().unwrap()).collect()
    });
    assert_eq!(replies[0], replies[1]);
}

/// Each is refused, and none kept.
fn all_refused(town: &Town, shop: &Party, cases: Vec<(&str, CreditCardForm)>) {
    for (what, form) in cases {
        assert_eq!(ask(town, shop, form), Err(Code::CardRefused), "{what}");
    }
    assert_eq!(credit::list(&town.data()).unwrap(), []);
    // The order isn't lost for the right card.
    assert!(ask(town, shop, good(town, shop, 1)).is_ok());
    town.assert_clean();
}

#[test]
fn a_card_counts_for_its_own_order_and_shop_only() {
    let town = Town::new();
    let (shop, other) = (town.shop(), town.shop());
    let sealed = || seal(&town, 1, &typed(NUMBER, NAME));
    let token = |signer: &Party, of: &Party| {
        let token = signer.signing.sign(&token_of(of.number, 1, town.now));
        let sealed = sealed();
        CreditCardForm { token, sealed }
    };
    let certificate = certificate(&town);
    let elsewhere = Binding::of_card(&certificate, OrderId::from_bytes([1; 16]), Digest::of(b""));
    let card = typed(NUMBER, NAME);
    let other_cart = seal_to(&certificate.key, &elsewhere, &card);
    let nothing = CreditCardForm {
        token: SignedBytes::new(vec![0xd2]),
        sealed: sealed(),
    };
    let cases = vec![
        (
            "spliced onto another order",
            form(&shop, 2, sealed(), town.now),
        ),
        ("another shop's token", token(&other, &other)),
        ("another recipient", token(&shop, &other)),
        ("another shop's signature", token(&other, &shop)),
        ("another cart", form(&shop, 1, other_cart, town.now)),
        ("no token", nothing),
    ];
    let member = town.join(Role::Member);
    let form = good(&town, &shop, 1);
    assert_eq!(ask(&town, &member, form), Err(Code::WrongRole));
    all_refused(&town, &shop, cases);
}

#[test]
fn a_card_that_does_not_open_is_refused() {
    let town = Town::new();
    let shop = town.shop();
    let card = typed(NUMBER, NAME);
    let stranger = OpeningKey::generate(Suite::Standard, &mut rng()).0;
    let certificate = certificate(&town);
    let binding = Binding::of_card(&certificate, OrderId::from_bytes([1; 16]), cart());
    let to = |key: &tegata_protocol::SealingKey| {
        let sealed = seal_to(&CentreKey::Sealing(key.clone()), &binding, &card);
        form(&shop, 1, sealed, town.now)
    };
    let sealed = seal(&town, 1, &card);
    let mut changed = sealed.clone();
    changed[1150] ^= 1;
    let case = |sealed: &[u8]| form(&shop, 1, sealed.to_vec(), town.now);
    let cases = vec![
        ("another key", to(stranger.sealing_key())),
        ("the key for messages", to(&town.public.keys.opening)),
        ("truncated", case(&sealed[..sealed.len() - 1])),
        ("cut in its key", case(&sealed[..1000])),
        ("empty", case(b"")),
        ("changed", case(&changed)),
    ];
    all_refused(&town, &shop, cases);
}

#[test]
fn what_can_not_be_a_card_is_refused() {
    let town = Town::new();
    let shop = town.shop();
    let case = |card: &[u8]| form(&shop, 1, seal(&town, 1, card), town.now);
    let number = |number| case(&typed(number, NAME));
    let expired = cbor::encode(&Typed {
        number: NUMBER,
        expiry: "01/20",
        name: NAME,
    });
    let cases = vec![
        ("20 digits", number("42424242424242424242")),
        ("11 digits", number("42424242422")),
        ("a wrong digit", number("4242424242424241")),
        ("a control character", case(&typed(NUMBER, "A\u{7}B"))),
        ("expired", case(&expired)),
        ("nothing in it", case(b"\xa0")),
        ("too long", case(&[0x61; 600])),
    ];
    all_refused(&town, &shop, cases);
}

#[test]
fn cards_are_deleted_and_not_kept_again() {
    let town = Town::new();
    let shop = town.shop();
    let body = good(&town, &shop, 1);
    let kept = ask(&town, &shop, body.clone()).unwrap();
    let link = link(&town);
    town.centre.delete_old_cards(town.now.after(29 * 86_400));
    assert!(link.card(&kept.reference).is_ok());
    town.centre.delete_old_cards(town.now.after(31 * 86_400));
    assert!(matches!(
        link.card(&kept.reference),
        Err(credit::CreditError::Deleted)
    ));
    assert_eq!(credit::list(&town.data()).unwrap(), []);
    assert_eq!(ask(&town, &shop, body), Err(Code::CardRefused));
}

#[test]
fn kept_cards_open_under_their_own_reference_only() {
    let town = Town::new();
    let shop = town.shop();
    let (one, two) = (
        ask(&town, &shop, good(&town, &shop, 1)).unwrap(),
        ask(&town, &shop, good(&town, &shop, 2)).unwrap(),
    );
    let link = link(&town);
    let database = rusqlite::Connection::open(town.data().join("credit.sqlite")).unwrap();
    let copy = "UPDATE secret SET card = (SELECT card FROM secret WHERE reference = $1) \
                WHERE reference = $2";
    database
        .execute(copy, [&one.reference, &two.reference])
        .unwrap();
    assert!(link.card(&one.reference).is_ok());
    assert!(matches!(
        link.card(&two.reference),
        Err(credit::CreditError::Damaged(_))
    ));
}

/// A centre without the key works on; a new key counts once it's certified.
#[test]
fn a_centre_may_have_no_credit_link() {
    let mut folder = Folder::new();
    let (data, root) = (folder.data_text(), folder.holder.path().join("root"));
    let root = root.to_str().unwrap().to_owned();
    let password = folder.password();
    let certify = || {
        let certify = ["root", "certify", "--root", &root, "--data", &data];
        run(&[&certify[..], &["--password-file", &password]].concat())
    };
    let purposes = |folder: &Folder| folder.public.certificates.0.len();
    assert_eq!(purposes(&folder), 6);
    let new = |more: &[&str]| run(&[&["credit", "new", "--data", &data][..], more].concat());
    assert_eq!(new(&[]).status.code(), Some(2), "one is there");
    let sealed = seal(&folder, 1, &typed(NUMBER, NAME));
    // Certified again: a page that was shown with the old certificate still counts.
    assert!(certify().status.success());
    folder.reopen();
    let town = Town::of(folder);
    let shop = town.shop();
    assert!(ask(&town, &shop, form(&shop, 1, sealed.clone(), town.now)).is_ok());
    folder = town.folder;
    drop(town.centre);
    // Another key: nothing that was sealed to the old one opens.
    assert!(new(&["--replace"]).status.success());
    assert!(certify().status.success());
    folder.reopen();
    let town = Town::of(folder);
    assert_eq!(
        ask(&town, &shop, form(&shop, 2, seal(&town, 1, b""), town.now)),
        Err(Code::CardRefused)
    );
    assert_eq!(
        ask(&town, &shop, form(&shop, 3, sealed, town.now)),
        Err(Code::CardRefused)
    );
    assert!(ask(&town, &shop, good(&town, &shop, 4)).is_ok());
    folder = town.folder;
    drop(town.centre);
    // None.
    std::fs::remove_file(folder.data().join("credit.key")).unwrap();
    assert!(certify().status.success());
    folder.reopen();
    assert_eq!(purposes(&folder), 5);
    let town = Town::of(folder);
    let any = form(&shop, 5, vec![1; 40], town.now);
    assert_eq!(ask(&town, &shop, any), Err(Code::NotOffered));
    town.assert_clean();
}

/// Searches every file below a folder.
fn found_in(folder: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(found_in(&entry.path(), needle));
        } else if kind.is_file() && contains(&std::fs::read(entry.path()).unwrap(), needle) {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

/// The real program, with its debug log: neither number nor name is anywhere.
#[test]
fn no_file_and_no_log_shows_a_card() {
    let folder = Folder::new();
    let now = Time::from_secs(tegata_cli::clock::now());
    let slip = folder.invite(Role::Shop, now);
    let shop = Party::new(slip.number);
    let server = Server::start(&folder);
    let post = |letter: &Letter| {
        let mut client = Client::connect(server.socket()).unwrap();
        client.post("/v1/message", &letter.bytes).unwrap().body
    };
    post(&crate::town::registration(&folder, &shop, &slip, now));
    let send = |sealed: Vec<u8>, order: u8| {
        let letter = own(&folder, &shop, form(&shop, order, sealed, now), None, now);
        open::<CardKept>(&folder, &shop, &letter, &post(&letter)).map(|(kept, _)| kept)
    };
    let kept = send(seal(&folder, 1, &typed("4242 4242 4242 4242", NAME)), 1).unwrap();
    let bad = ["4242424242424241", "42424242424242424242"];
    for (order, number) in (2..).zip(bad) {
        let sealed = seal(&folder, order, &typed(number, NAME));
        assert_eq!(send(sealed, order), Err(Code::CardRefused));
    }
    let listed = run(&["credit", "list", "--data", &folder.data_text()]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&kept.reference), "{listed}");
    let needles = ["42424242", "4242 4242", NAME, "KIRISHIMA", EXPIRY].map(str::as_bytes);
    let files = |needle: &[u8]| found_in(folder.holder.path(), needle);
    assert_ne!(
        files(kept.reference.as_bytes()),
        Vec::<String>::new(),
        "the search finds"
    );
    for needle in needles {
        assert_eq!(files(needle), Vec::<String>::new());
    }
    let (_, log) = server.stop();
    assert!(log.contains(&kept.reference), "{log}");
    for needle in needles {
        let (log, listed) = (log.as_bytes(), listed.as_bytes());
        assert!(!contains(log, needle) && !contains(listed, needle));
        assert_eq!(files(needle), Vec::<String>::new());
    }
}
