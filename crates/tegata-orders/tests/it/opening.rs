//! Opening once: every refusal, replays, splices, races.

use std::sync::{Arc, Barrier};

use tegata_orders::keys::{self, KeyState};
use tegata_orders::open::{self, Arrival, Taken};
use tegata_orders::{FormsError, OpenError, Own, token};
use tegata_party::client::order::ReadyOrder;
use tegata_protocol::order::{
    CartLine, CartToken, KeySource, MAX_CART_LINES, MadeKey, Maker, OpeningHalf, OrderForm,
    OrderKey, OrderKeyId, OrderReceipt, SealedOrder, SharedKey, cart_digest,
};
use tegata_protocol::refusal::Code;
use tegata_protocol::{
    Digest, PartyNumber, Role, SignedBytes, SigningKey, Suite, Time, Unverified,
};
use tegata_store::Connection;

use crate::recipient::{
    NOW, Recipient, change, code, form, lines, seal, seal_bytes, service_number, shop_number,
};

#[test]
fn an_order_is_opened_and_its_receipt_says_so() {
    for scheme in [
        "order-public-1",
        "order-shared-0",
        "order-public-3",
        "shop-shared-1",
    ] {
        let recipient = Recipient::new(scheme);
        let key = recipient.key();
        let (order, bytes) = recipient.order(&key);
        let opened = recipient.open_new(&bytes);
        assert_eq!(opened.form(), &form(), "{scheme}");
        let bill = Digest::of(b"bill");
        let taken = recipient.change(|connection| {
            opened.consume(connection, recipient.own(), NOW, || {
                Ok::<_, OpenError>(Some(bill))
            })
        });
        let receipt = taken.unwrap().receipt().clone();
        let receipt = Unverified::<OrderReceipt>::parse(receipt).unwrap();
        let receipt = receipt.verify(&recipient.signing.verifying_key()).unwrap();
        assert_eq!(receipt.recipient, shop_number());
        assert_eq!((receipt.order, receipt.sealed), (order, Digest::of(&bytes)));
        assert_eq!(
            (receipt.cart, receipt.bill),
            (cart_digest(&lines()), Some(bill))
        );
        let state = keys::state(&recipient.connect(), key.id).unwrap().unwrap();
        let one_time = scheme.starts_with("order");
        let expected = if one_time {
            KeyState::Consumed
        } else {
            KeyState::Stocked
        };
        assert_eq!(state, expected, "{scheme}");
    }
}

#[test]
fn what_the_rust_client_seals_is_opened() {
    let recipient = Recipient::new("order-public-1");
    let key = recipient.make(&recipient.wanted(Suite::Standard, KeySource::Regular), 1);
    let token = recipient.token(token::new_order(), &lines());
    let token = token::verify(recipient.own(), token).unwrap();
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let ready = ReadyOrder::seal(token, &key[0], &form(), None, &mut rng).unwrap();
    assert_eq!(recipient.open_new(ready.bytes()).form(), &form());
}

#[test]
fn the_same_bytes_get_the_same_receipt_for_ever() {
    let recipient = Recipient::new("order-public-1");
    let (_, bytes) = recipient.order(&recipient.key());
    let receipt = recipient.take(&bytes);
    for later in [NOW, NOW.after(100_000_000)] {
        match recipient.open(&bytes, later).unwrap() {
            Arrival::Known(again) => assert_eq!(again, receipt),
            Arrival::New(_) => panic!("opened twice"),
        }
    }
}

#[test]
fn other_bytes_under_a_known_order_are_refused() {
    let recipient = Recipient::new("order-public-1");
    let order = token::new_order();
    let token = recipient.token(order, &lines());
    let (one, two) = (recipient.key(), recipient.key());
    let first = seal(&one, order, token.clone(), &form());
    let second = seal(&two, order, token, &form());
    // Both are open when the first is taken: the second comes too late all the same.
    let late = recipient.open_new(&second);
    recipient.take(&first);
    assert_eq!(code(recipient.consume(&late, NOW)), Code::OrderDiffers);
    assert_eq!(recipient.refusal(&second, NOW), Code::OrderDiffers);
    let state = keys::state(&recipient.connect(), two.id).unwrap();
    assert_eq!(state, Some(KeyState::Stocked), "rolled back");
}

#[test]
fn what_is_too_large_or_not_an_order_is_refused() {
    let recipient = Recipient::new("order-public-1");
    let (_, bytes) = recipient.order(&recipient.key());
    let long = [bytes.clone(), vec![0; 64 * 1024]].concat();
    assert_eq!(recipient.refusal(&long, NOW), Code::OrderTooLarge);
    for cut in [0, 1, 40, bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(
            recipient.refusal(&bytes[..cut], NOW),
            Code::FormUnreadable,
            "{cut}"
        );
    }
    // A bomb of nested lists and one of a promised length.
    for bomb in [
        vec![0x81; 60_000],
        vec![0xA4, 0x00, 0x5B, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0],
    ] {
        assert_eq!(recipient.refusal(&bomb, NOW), Code::FormUnreadable);
    }
}

#[test]
fn a_token_that_is_not_ours_is_refused() {
    let recipient = Recipient::new("order-public-1");
    let key = recipient.key();
    let (order, bytes) = recipient.order(&key);
    let sealed = SealedOrder::parse(&bytes).unwrap();
    let ours = Unverified::<CartToken>::parse(sealed.token.clone())
        .unwrap()
        .claimed()
        .clone();
    let stranger = SigningKey::from_seed(&[66; 32]);
    let elsewhere = CartToken {
        recipient: PartyNumber::new(Role::Shop, 99).unwrap(),
        ..ours.clone()
    };
    let forged = [
        stranger.sign(&ours),
        recipient.signing.sign(&elsewhere),
        SignedBytes::new(b"no token".to_vec()),
    ];
    for token in forged {
        let bytes = seal(&key, order, token, &form());
        assert_eq!(recipient.refusal(&bytes, NOW), Code::TokenInvalid);
    }
}

#[test]
fn times_are_kept_for_token_and_key() {
    let recipient = Recipient::new("order-public-1");
    let key = recipient.key();
    let (_, bytes) = recipient.order(&key);
    let (token_end, key_end) = (NOW.after(3_600), NOW.after(7_200));
    assert!(recipient.open(&bytes, token_end.before(1)).is_ok());
    assert_eq!(recipient.refusal(&bytes, token_end), Code::TokenExpired);
    // A token that holds for longer than the key.
    let mut recipient = recipient;
    recipient.rules.token_seconds = 100_000;
    let (_, bytes) = recipient.order(&key);
    let opened = recipient.open_new(&bytes);
    assert!(recipient.open(&bytes, key_end.before(1)).is_ok());
    assert_eq!(recipient.refusal(&bytes, key_end), Code::OrderKeyExpired);
    assert_eq!(
        code(recipient.consume(&opened, key_end)),
        Code::OrderKeyExpired
    );
    recipient
        .change(|connection| keys::tidy(connection, key_end))
        .unwrap();
    assert_eq!(
        recipient.refusal(&bytes, NOW),
        Code::OrderKeyExpired,
        "its secret is erased"
    );
}

#[test]
fn a_key_that_is_unknown_or_used_is_refused() {
    let recipient = Recipient::new("order-public-1");
    let key = recipient.key();
    let (_, bytes) = recipient.order(&key);
    let mut unknown = SealedOrder::parse(&bytes).unwrap();
    unknown.key = OrderKeyId::from_bytes([0; 16]);
    assert_eq!(
        recipient.refusal(&unknown.to_bytes(), NOW),
        Code::OrderKeyUnknown
    );
    recipient.take(&bytes);
    let (_, next) = recipient.order(&key);
    assert_eq!(recipient.refusal(&next, NOW), Code::OrderKeyUsed);
}

#[test]
fn a_sealing_taken_to_another_order_or_shop_does_not_open() {
    let recipient = Recipient::new("order-public-1");
    let key = recipient.key();
    let (_, mine) = recipient.order(&key);
    let (_, other) = recipient.order(&key);
    // The sealed part of one under the token of the other.
    let mut spliced = SealedOrder::parse(&mine).unwrap();
    spliced.token = SealedOrder::parse(&other).unwrap().token;
    assert_eq!(
        recipient.refusal(&spliced.to_bytes(), NOW),
        Code::OrderUnopenable
    );
    // Another shop, which has the same key pair under its own name.
    let elsewhere = Recipient::new("order-public-1");
    assert_eq!(elsewhere.refusal(&mine, NOW), Code::OrderKeyUnknown);
    // Changed on the way.
    let mut changed = SealedOrder::parse(&mine).unwrap();
    let last = changed.sealed.len() - 1;
    changed.sealed[last] ^= 1;
    assert_eq!(
        recipient.refusal(&changed.to_bytes(), NOW),
        Code::OrderUnopenable
    );
    assert!(
        recipient.open(&mine, NOW).is_ok(),
        "nothing of it used the key up"
    );
}

#[test]
fn key_and_token_must_belong_together() {
    let mut recipient = Recipient::new("order-public-1");
    let key = recipient.key();
    let (_, bytes) = recipient.order(&key);
    assert!(recipient.open(&bytes, NOW).is_ok());
    // The shop has raised what it asks for: the page's token says so, and an old key doesn't do.
    recipient.rules.compact = false;
    let (_, compact) = recipient.order(&key);
    assert_eq!(recipient.refusal(&compact, NOW), Code::OrderKeyUnknown);
    recipient.rules.compact = true;
    recipient.rules.scheme = "order-public-2".parse().unwrap();
    let (_, scheme) = recipient.order(&key);
    assert_eq!(recipient.refusal(&scheme, NOW), Code::OrderKeyUnknown);
}

#[test]
fn what_is_inside_must_be_a_form_with_the_tokens_cart() {
    let recipient = Recipient::new("order-public-1");
    let inside = |text: &[u8]| {
        let (key, order) = (recipient.key(), token::new_order());
        let token = recipient.token(order, &lines());
        let bytes = seal_bytes(&key, key.scheme, order, cart_digest(&lines()), token, text);
        recipient.refusal(&bytes, NOW)
    };
    let with_lines = |lines: Vec<CartLine>| {
        let form = OrderForm { lines, ..form() };
        inside(&form.to_bytes())
    };
    assert_eq!(inside(b""), Code::FormUnreadable);
    assert_eq!(inside(b"<form>"), Code::FormUnreadable);
    let many = vec![lines().remove(0); MAX_CART_LINES + 1];
    assert_eq!(with_lines(many), Code::OrderTooLarge);
    let mut two = lines();
    two[0].quantity = 2;
    assert_eq!(with_lines(two), Code::CartChanged);
}

#[test]
fn only_admitted_members_order_under_member_keys() {
    let recipient = Recipient::new("member-public-1");
    let member = PartyNumber::new(Role::Member, 1).unwrap();
    let other = PartyNumber::new(Role::Member, 2).unwrap();
    let order = token::new_order();
    for nobody in [None, Some(member)] {
        assert_eq!(
            code(recipient.token_of(order, &lines(), nobody)),
            Code::NotAdmitted
        );
    }
    for admitted in [member, other] {
        recipient
            .change(|connection| keys::admit(connection, admitted, NOW))
            .unwrap();
    }
    let wanted = keys::Wanted {
        member: Some(member),
        ..recipient.wanted(Suite::Compact, KeySource::Regular)
    };
    let key = recipient.make(&wanted, 1).remove(0);
    let token = recipient.token_of(order, &lines(), Some(member)).unwrap();
    let bytes = seal(&key, order, token, &form());
    let opened = recipient.open_new(&bytes);
    // Another member's token doesn't go with this member's key.
    let token = recipient.token_of(order, &lines(), Some(other)).unwrap();
    let foreign = seal(&key, order, token, &form());
    assert_eq!(recipient.refusal(&foreign, NOW), Code::OrderKeyUnknown);
    // Its keys go with it; one that is made afterwards doesn't do either.
    recipient
        .change(|connection| keys::dismiss(connection, member))
        .unwrap();
    assert_eq!(code(recipient.consume(&opened, NOW)), Code::OrderKeyExpired);
    assert_eq!(recipient.refusal(&bytes, NOW), Code::OrderKeyExpired);
    let key = recipient.make(&wanted, 1).remove(0);
    let bytes = seal(
        &key,
        order,
        SealedOrder::parse(&bytes).unwrap().token,
        &form(),
    );
    assert_eq!(recipient.refusal(&bytes, NOW), Code::NotAdmitted);
}

#[test]
fn of_300_racing_orders_under_one_key_one_is_taken() {
    const THREADS: usize = 10;
    let recipient = Arc::new(Recipient::new("order-public-1"));
    let key = recipient.key();
    let orders: Vec<Vec<u8>> = (0..300).map(|_| recipient.order(&key).1).collect();
    let barrier = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = orders
        .chunks(300 / THREADS)
        .map(|orders| {
            let (recipient, orders) = (Arc::clone(&recipient), orders.to_vec());
            let barrier = Arc::clone(&barrier);
            std::thread::spawn(move || race(&recipient, &orders, &barrier))
        })
        .collect();
    let results = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap());
    let results: Vec<Result<Taken, OpenError>> = results.collect();
    let (taken, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((taken.len(), refused.len()), (1, 299));
    for one in refused {
        assert_eq!(code(one), Code::OrderKeyUsed);
    }
    let count = "SELECT count(*) FROM order_receipt";
    let receipts: i64 = recipient
        .stranger()
        .query_row(count, [], |row| row.get(0))
        .unwrap();
    assert_eq!(receipts, 1);
}

/// Opens all before anybody takes one, then takes them, on a connection of its own.
fn race(
    recipient: &Recipient,
    orders: &[Vec<u8>],
    barrier: &Barrier,
) -> Vec<Result<Taken, OpenError>> {
    let mut connection = recipient.connect();
    let opened: Vec<_> = orders
        .iter()
        .map(|bytes| recipient.open_new(bytes))
        .collect();
    barrier.wait();
    let taken = opened.iter().map(|opened| {
        change(&mut connection, |connection| {
            opened.consume(connection, recipient.own(), NOW, || Ok(None))
        })
    });
    taken.collect()
}

#[test]
fn of_many_with_the_same_bytes_one_takes_and_all_get_its_receipt() {
    const THREADS: usize = 10;
    let recipient = Arc::new(Recipient::new("order-public-1"));
    let (_, bytes) = recipient.order(&recipient.key());
    let barrier = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (recipient, bytes) = (Arc::clone(&recipient), bytes.clone());
            let barrier = Arc::clone(&barrier);
            std::thread::spawn(move || race(&recipient, &[bytes], &barrier))
        })
        .collect();
    let taken = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap());
    let taken: Vec<Taken> = taken.map(Result::unwrap).collect();
    let new = taken
        .iter()
        .filter(|one| matches!(one, Taken::New(_)))
        .count();
    assert_eq!(new, 1);
    assert!(taken.iter().all(|one| one.receipt() == taken[0].receipt()));
}

#[test]
fn what_the_host_refuses_uses_nothing_up() {
    let recipient = Recipient::new("order-public-1");
    let key = recipient.key();
    let (_, bytes) = recipient.order(&key);
    let opened = recipient.open_new(&bytes);
    let sold_out = tegata_protocol::refusal::Refusal::new(Code::OutOfStock);
    let refused: Result<Taken, OpenError> = recipient.change(|connection| {
        opened.consume(connection, recipient.own(), NOW, || Err(sold_out.into()))
    });
    assert_eq!(code(refused), Code::OutOfStock);
    assert_eq!(
        keys::state(&recipient.connect(), key.id).unwrap(),
        Some(KeyState::Stocked)
    );
    recipient.take(&bytes);
}

#[test]
fn nothing_is_changed_outside_a_transaction() {
    let recipient = Recipient::new("order-public-1");
    let (_, bytes) = recipient.order(&recipient.key());
    let opened = recipient.open_new(&bytes);
    let result: Result<Taken, OpenError> =
        opened.consume(&recipient.connect(), recipient.own(), NOW, || {
            panic!("too early")
        });
    assert!(matches!(
        result,
        Err(OpenError::Fault(FormsError::NoTransaction))
    ));
}

#[test]
fn fallback_keys_open_many_orders_and_last_a_day_at_most() {
    let recipient = Recipient::new("order-public-1");
    let wanted = recipient.wanted(Suite::Standard, KeySource::Fallback);
    let key = recipient.make(&wanted, 1).remove(0);
    for _ in 0..3 {
        let (_, bytes) = recipient.order(&key);
        recipient.take(&bytes);
    }
    let long = keys::Wanted {
        expires: NOW.after(86_401),
        ..wanted
    };
    let refused = recipient.change(|connection| {
        keys::make(
            connection,
            recipient.own(),
            &recipient.epochs,
            &long,
            1,
            NOW,
        )
    });
    assert!(matches!(refused, Err(FormsError::Made(_))), "{refused:?}");
}

/// A key that a service made for the shop.
fn service_made(recipient: &Recipient, seed: u8) -> OrderKey {
    let half = OpeningHalf::from_seed(recipient.rules.scheme.kind(), Suite::Compact, &[seed; 32]);
    OrderKey {
        recipient: shop_number(),
        id: OrderKeyId::from_bytes([seed; 16]),
        scheme: recipient.rules.scheme,
        member: None,
        part: half.sealing_part(),
        expires: NOW.after(600),
        program: Digest::of(b"program"),
        maker: Maker::Service,
        source: KeySource::Regular,
        made: NOW,
    }
}

/// What the service says of it, with the seed `seed`.
fn beside(key: &OrderKey, signing: &SigningKey, seed: u8) -> MadeKey {
    MadeKey {
        number: 4,
        key: signing.sign(key),
        seed: SharedKey::from_bytes([seed; 32]),
    }
}

fn import(recipient: &Recipient, service: &SigningKey, made: MadeKey) -> Result<usize, FormsError> {
    let verifying = service.verifying_key();
    recipient.change(|connection: &Connection| {
        let from = keys::Import {
            own: shop_number(),
            service: (service_number(), &verifying),
            scheme: recipient.rules.scheme,
        };
        keys::import(connection, &recipient.epochs, from, &[made])
    })
}

#[test]
fn keys_that_a_service_made_are_taken_if_they_are_for_us_and_fit_their_seed() {
    let recipient = Recipient::new("order-public-1");
    let service = SigningKey::from_seed(&[5; 32]);
    let good = service_made(&recipient, 9);
    let foreign = OrderKey {
        recipient: PartyNumber::new(Role::Shop, 8).unwrap(),
        ..good.clone()
    };
    let ours = OrderKey {
        maker: Maker::Recipient,
        ..good.clone()
    };
    let bad = [
        beside(&good, &recipient.signing, 9),
        beside(&good, &service, 8),
        beside(&foreign, &service, 9),
        beside(&ours, &service, 9),
    ];
    for bad in bad {
        let refused = import(&recipient, &service, bad);
        assert!(matches!(refused, Err(FormsError::Made(_))), "{refused:?}");
    }
    let weaker = OrderKey {
        scheme: "order-public-0".parse().unwrap(),
        ..good.clone()
    };
    let taken = |key: &OrderKey| import(&recipient, &service, beside(key, &service, 9)).unwrap();
    assert_eq!(taken(&weaker), 0, "of a scheme that isn't in force");
    assert_eq!(taken(&good), 1);
    assert_eq!(taken(&good), 0, "known already");
    let cursor = keys::made_cursor(&recipient.connect(), service_number());
    assert_eq!(cursor.unwrap(), 4);
}

#[test]
fn a_service_made_key_opens_only_what_a_token_allows() {
    let mut recipient = Recipient::new("order-public-1");
    let service = SigningKey::from_seed(&[5; 32]);
    let key = service_made(&recipient, 9);
    import(&recipient, &service, beside(&key, &service, 9)).unwrap();
    let key = Unverified::<OrderKey>::parse(service.sign(&key)).unwrap();
    let key = key.verify(&service.verifying_key()).unwrap();
    recipient.rules.maker = Maker::Recipient;
    let (_, own) = recipient.order(&key);
    assert_eq!(recipient.refusal(&own, NOW), Code::OrderKeyUnknown);
    // Where a service may make keys, the recipient's own are good too.
    recipient.rules.maker = Maker::Service;
    for key in [key, recipient.key()] {
        let (_, bytes) = recipient.order(&key);
        recipient.take(&bytes);
    }
}

#[test]
fn a_database_without_its_epochs_asks_for_a_fresh_program() {
    let recipient = Recipient::new("order-public-1");
    let (_, bytes) = recipient.order(&recipient.key());
    std::fs::remove_file(recipient.dir.path().join("epochs.cbor")).unwrap();
    let epochs = std::sync::Arc::new(
        tegata_orders::Epochs::open(&recipient.dir, Arc::new(tegata_orders::Bare), NOW).unwrap(),
    );
    let own = Own {
        number: shop_number(),
        signing: &recipient.signing,
    };
    let result = open::open(&recipient.connect(), own, &epochs, &bytes, NOW);
    assert_eq!(code(result), Code::OrderKeyUnknown);
    let moved = epochs
        .turn(&recipient, Time::from_secs(NOW.secs() + 1))
        .unwrap();
    assert_eq!((moved.carried, moved.lost), (0, 1));
}

/// What a host does first with what came.
fn arrive(recipient: &Recipient, bytes: &[u8], now: Time) -> bool {
    let shortening = open::shortening(&recipient.connect(), recipient.own(), bytes).unwrap();
    shortening.is_some_and(|shortening| recipient.change(|c| shortening.apply(c, now)).unwrap())
}

fn long_lived(recipient: &Recipient) -> tegata_protocol::Verified<OrderKey> {
    let mut wanted = recipient.wanted(Suite::Compact, KeySource::Regular);
    wanted.expires = NOW.after(3 * 86_400);
    recipient.make(&wanted, 1).remove(0)
}

fn state(recipient: &Recipient, key: &OrderKey) -> KeyState {
    keys::state(&recipient.connect(), key.id).unwrap().unwrap()
}

#[test]
fn the_key_of_a_refused_order_ends_with_its_token() {
    let recipient = Recipient::new("order-public-1");
    let (key, waiting) = (long_lived(&recipient), long_lived(&recipient));
    let order = token::new_order();
    let mut other = form();
    other.lines[0].quantity = 2;
    // The cart inside isn't the token's: refused, and the wire has the bytes.
    let token = recipient.token(order, &lines());
    let bytes = seal_bytes(
        &key,
        key.scheme,
        order,
        cart_digest(&lines()),
        token,
        &other.to_bytes(),
    );
    assert!(arrive(&recipient, &bytes, NOW));
    assert!(!arrive(&recipient, &bytes, NOW), "once is enough");
    assert_eq!(recipient.refusal(&bytes, NOW), Code::CartChanged);
    let end = NOW.after(recipient.rules.token_seconds + 600);
    recipient.change(|c| keys::tidy(c, end.before(1))).unwrap();
    assert_eq!(state(&recipient, &key), KeyState::Stocked);
    recipient.change(|c| keys::tidy(c, end)).unwrap();
    assert_eq!(state(&recipient, &key), KeyState::Expired);
    assert_eq!(state(&recipient, &waiting), KeyState::Stocked);
    let sql = "SELECT length(secret) FROM order_key WHERE id = ?1";
    let connection = recipient.stranger();
    let length: i64 = connection
        .query_row(sql, [key.id.as_bytes()], |row| row.get(0))
        .unwrap();
    assert_eq!(length, 0);
}

#[test]
fn the_key_of_an_order_that_came_too_late_ends_at_once() {
    let recipient = Recipient::new("order-public-1");
    let key = long_lived(&recipient);
    let (_, bytes) = recipient.order(&key);
    let late = NOW.after(86_400);
    assert!(arrive(&recipient, &bytes, late));
    assert_eq!(recipient.refusal(&bytes, late), Code::TokenExpired);
    recipient.change(|c| keys::tidy(c, late)).unwrap();
    assert_eq!(state(&recipient, &key), KeyState::Expired);
}

#[test]
fn a_shortened_key_still_takes_its_order() {
    let recipient = Recipient::new("order-public-1");
    let key = long_lived(&recipient);
    let (_, bytes) = recipient.order(&key);
    assert!(arrive(&recipient, &bytes, NOW));
    recipient.take(&bytes);
    assert_eq!(state(&recipient, &key), KeyState::Consumed);
    assert!(!arrive(&recipient, &bytes, NOW));
}

#[test]
fn only_the_shops_own_tokens_shorten_and_only_keys_of_one_order() {
    let recipient = Recipient::new("order-public-1");
    let key = long_lived(&recipient);
    let (_, bytes) = recipient.order(&key);
    let stranger = Own {
        number: shop_number(),
        signing: &SigningKey::from_seed(&[99; 32]),
    };
    let none = open::shortening(&recipient.connect(), stranger, &bytes).unwrap();
    assert_eq!(none, None);
    assert!(!arrive(&recipient, &bytes[1..], NOW));
    let mut wanted = recipient.wanted(Suite::Compact, KeySource::Fallback);
    wanted.expires = NOW.after(86_400);
    let fallback = recipient.make(&wanted, 1).remove(0);
    let (_, bytes) = recipient.order(&fallback);
    assert!(!arrive(&recipient, &bytes, NOW), "others need it still");
    let shortening = open::shortening(
        &recipient.connect(),
        recipient.own(),
        &recipient.order(&key).1,
    );
    let outside = shortening
        .unwrap()
        .unwrap()
        .apply(&recipient.connect(), NOW);
    assert!(matches!(outside, Err(FormsError::NoTransaction)));
}
