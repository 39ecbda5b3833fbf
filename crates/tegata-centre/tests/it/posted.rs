//! Goods by post, ordered on a shop's page: what is captured is the shop's receipt of the order,
//! and the member's wallet keeps it.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use tegata_bank::sample::SampleEntry;
use tegata_centre::Answered;
use tegata_protocol::{
    Digest, MessageId, PartyNumber, Role, SignedBytes, SigningKey, Time, Unverified, cbor,
    envelope::{Envelope, Message, Parcel},
    joining::{Claim, Registered, Registration},
    order::{OrderId, OrderReceipt},
    payment::{DELIVERY_LIMIT, Delivered, Mode, PaidNotice},
    purchase::DeliveryKind,
    record::Profile,
    refusal::Code,
};
use tegata_wallet::{
    joining::{NewWallet, When, state_of},
    vault::{Cost, Master, Password, Passwords},
    web_bill::BillLink,
};

use crate::town::{Letter, Party, Town, bill_of, rng, salted, yen};

/// A bill for an order on the shop's page: by post, and nobody's request.
fn posted_bill(shop: &Party, number: u64, amount: u64, issued: Time) -> SignedBytes {
    let mut bill = bill_of(shop.number, number, amount, issued);
    bill.delivery = DeliveryKind::Post;
    shop.signing.sign(&bill)
}

fn order_receipt(
    (recipient, key): (PartyNumber, &SigningKey),
    bill: &SignedBytes,
    now: Time,
) -> SignedBytes {
    key.sign(&OrderReceipt {
        recipient,
        order: OrderId::from_bytes([0x0d; 16]),
        sealed: Digest::of(b"the sealed order"),
        cart: Digest::of(b"the cart"),
        total: None,
        bill: Some(bill.digest()),
        received: now,
    })
}

#[test]
fn an_order_receipt_is_captured_and_arrives_byte_for_byte() {
    let town = Town::new();
    let (member, shop) = (town.member(5000), town.shop());
    let bill = posted_bill(&shop, 1, 1800, town.now);
    let held = town.pay(&member, &bill, Mode::Hold, town.now).unwrap();
    let receipt = order_receipt((shop.number, &shop.signing), &bill, town.now);
    let (what, bytes) = ((held.payment, 1800), receipt.as_bytes());
    let captured = town.capture(&shop, what, bytes, town.now).unwrap();
    assert_eq!(captured.amount, yen(1800));
    let mail = town.collect(&member, 1, town.now);
    let message = Unverified::<Message<Delivered>>::parse(mail.items[0].signed.clone());
    let told = message.unwrap().verify(&town.public.keys.receipts).unwrap();
    assert_eq!(told.body.delivery, Digest::of(bytes));
    let arrived = mail.items[0].sealed.as_ref().unwrap();
    assert_eq!(arrived.as_bytes(), bytes);
    assert_eq!(town.balance(&shop).balance, 1800);
    town.assert_clean();
}

/// What isn't sealed must be the capturing shop's own receipt: the centre passes nothing else on.
#[test]
fn what_isnt_sealed_must_be_the_shops_own_order_receipt() {
    let town = Town::new();
    let (member, shop, other) = (town.member(5000), town.shop(), town.shop());
    let bill = posted_bill(&shop, 1, 1800, town.now);
    let held = town.pay(&member, &bill, Mode::Hold, town.now).unwrap();
    let stranger = SigningKey::generate(&mut rng()).0;
    let good = order_receipt((shop.number, &shop.signing), &bill, town.now);
    let mut long = good.as_bytes().to_vec();
    long.resize(DELIVERY_LIMIT + 1, 0);
    for bad in [
        order_receipt((other.number, &other.signing), &bill, town.now).into_bytes(),
        order_receipt((other.number, &shop.signing), &bill, town.now).into_bytes(),
        order_receipt((shop.number, &stranger), &bill, town.now).into_bytes(),
        bill.as_bytes().to_vec(),
        b"Thank you for your order".to_vec(),
        Vec::new(),
        long,
    ] {
        let refused = town.capture(&shop, (held.payment, 1800), &bad, town.now);
        assert_eq!(refused.unwrap_err(), Code::DeliveryInvalid);
    }
    assert_eq!(town.balance(&shop).balance, 0);
    let what = (held.payment, 1800);
    town.capture(&shop, what, good.as_bytes(), town.now)
        .unwrap();
    town.assert_clean();
}

/// The member's own wallet against the real centre, over HTTP on both sides: joins, loads, looks at
/// the bill where the shop's page has it, pays; the shop captures with its receipt; the wallet keeps
/// that in its history.
#[test]
fn a_wallet_pays_for_an_order_and_keeps_the_shops_receipt() {
    let town = Arc::new(Town::new());
    let centre = serve_centre(&town);
    let (web, address) = serve_files();
    let (shop, record) = shop_at(&town, &address);
    let bill = posted_bill(&shop, 1, 1800, town.now);
    let path = format!("/v1/bills/{}", bill.digest());
    let files = [("/v1/record", &record), (path.as_str(), &bill)];
    for (path, signed) in files {
        let bytes = signed.as_bytes().to_vec();
        web.lock().unwrap().insert(path.to_owned(), bytes);
    }

    let (now, folder) = (town.now, tempfile::tempdir().unwrap());
    let b = || Password::typed("password for spending");
    let passwords = Passwords::two(Password::typed("password for every day"), b());
    let mut slip = town.invite(Role::Member, now);
    slip.centre = centre;
    let new = NewWallet {
        master: Master::generate(&mut rng(), None),
        passwords: &passwords.unwrap(),
        cost: Cost::new(8, 1, 1).unwrap(),
    };
    let mut wallet = new.make(folder.path(), &state_of(&slip)).unwrap();
    let joined = wallet.register(&slip, crate::town::details(), &b(), When::Now, now);
    joined.unwrap();
    let funding = tegata_protocol::prepaid::Funding::Transfer;
    let reference = wallet.load(yen(5000), funding, now).unwrap().reference;
    let transfer = SampleEntry::transfer(yen(5000), "KIRISHIMA HANAKO", &reference);
    town.import(&town.statement(vec![transfer]), now).unwrap();
    wallet.collect(now).unwrap();

    let link = BillLink::from_address(&format!("{address}{path}")).unwrap();
    let seen = wallet.look_at_bill(&link, now).unwrap();
    assert_eq!(seen.after(), Some(yen(3200)));
    let kept = wallet.keep_web_bill(seen, now).unwrap();
    wallet.pay(kept, Mode::Hold, &b(), now).unwrap();
    let notices = town.collect(&shop, 0, now);
    let notice = Unverified::<Message<PaidNotice>>::parse(notices.items[0].signed.clone());
    let notice = notice.unwrap().verify(&town.public.keys.receipts).unwrap();
    assert_eq!(notice.body.bill, bill.digest());
    let receipt = order_receipt((shop.number, &shop.signing), &bill, now);
    let what = (notice.body.payment, 1800);
    town.capture(&shop, what, receipt.as_bytes(), now).unwrap();

    let collected = wallet.collect(now).unwrap();
    assert_eq!(collected.aside, []);
    assert_eq!(collected.orders[0].signed, receipt);
    let history = wallet.view_history().unwrap();
    let last = history.last().unwrap().to_string();
    let number = "ordered, order number 0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d of Kissa Momiji, paid";
    assert!(last.contains(number), "{last}");
    assert_eq!(wallet.balance(now).unwrap().available(), yen(3200));
    town.assert_clean();
}

/// A shop that joins with its own web address, and its record.
fn shop_at(town: &Town, address: &str) -> (Party, SignedBytes) {
    let slip = town.invite(Role::Shop, town.joined());
    let shop = Party::new(slip.number);
    let (details, id) = (salted(), MessageId::random(&mut rng()));
    let claim = Claim {
        profile: Some(Profile {
            name: "Kissa Momiji".into(),
            address: address.to_owned(),
        }),
        ..shop.claim(&slip, &details)
    };
    let body = Registration::new(shop.number, id, claim, None, &slip.code);
    let opening = &town.public.keys.opening;
    let envelope = Envelope::to(PartyNumber::CENTRE, opening, &mut rng()).unwrap();
    let at = town.joined();
    let signed = envelope.sign(&shop.signing, shop.number, id, at, body);
    let parcel = Parcel::with(signed, details.to_bytes());
    let (sealed, reply_key) = envelope.seal(&parcel);
    let letter = Letter {
        parcel,
        bytes: sealed.to_bytes(),
        reply_key,
        id,
    };
    let (registered, _) = town.send::<Registered>(&shop, &letter, at).unwrap();
    (shop, registered.record)
}

/// The centre and its certificates, at an address of their own.
fn serve_centre(town: &Arc<Town>) -> String {
    let town = Arc::clone(town);
    serve(move |path, body| match path {
        "/v1/certificates" => Some(cbor::encode(&town.public.certificates)),
        "/v1/message" => match town.accept(body, town.now) {
            Answered::Reply(reply) => Some(reply),
            Answered::Unreadable | Answered::Busy | Answered::TooFast(_) | Answered::Fault => None,
        },
        _ => None,
    })
}

type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// Files that lie where they are put.
fn serve_files() -> (Files, String) {
    let files = Files::default();
    let shelf = Arc::clone(&files);
    let address = serve(move |path, _| shelf.lock().unwrap().get(path).cloned());
    (files, address)
}

/// A server on a free port that gives what `answer` gives, or 404.
fn serve(answer: impl Fn(&str, &[u8]) -> Option<Vec<u8>> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve_one(stream.unwrap(), &answer);
        }
    });
    address
}

fn serve_one(mut stream: TcpStream, answer: &impl Fn(&str, &[u8]) -> Option<Vec<u8>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line.split_whitespace().nth(1).unwrap().to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, body) = match answer(&path, &body) {
        Some(body) => (200, body),
        None => (404, Vec::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(&[head.as_bytes(), &body].concat())
        .unwrap();
}
