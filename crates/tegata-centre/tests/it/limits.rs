//! How many messages a party may send: what is too much waits, and leaves no trace.

use tegata_centre::{Answered, Centre};
use tegata_protocol::{
    Role, Time,
    joining::Slip,
    prepaid::{BalanceInquiry, Funding, PaymentReference, PrepaidRequest},
};

use crate::{
    server::{Client, Server},
    town::{Letter, Party, Town, again, letter, own, pace, yen},
};

/// Members may send three messages at once, and one every twenty seconds.
fn town() -> Town {
    let Town {
        folder,
        centre,
        now,
    } = Town::new();
    drop(centre);
    pace(&folder.data(), 3);
    let centre = Centre::open(&folder.dir(), now).unwrap();
    Town {
        folder,
        centre,
        now,
    }
}

fn request() -> PrepaidRequest {
    PrepaidRequest {
        amount: yen(1000),
        funding: Funding::Transfer,
    }
}

fn fresh(town: &Town, member: &Party, at: Time) -> Letter {
    own(town, member, request(), None, at)
}

fn passes(town: &Town, member: &Party, letter: &Letter, at: Time) -> PaymentReference {
    let (reply, _) = town.send(member, letter, at).unwrap();
    reply
}

/// The seconds that the sender is to wait.
fn waits(town: &Town, letter: &Letter, at: Time) -> u64 {
    match town.accept(&letter.bytes, at) {
        Answered::TooFast(seconds) => seconds,
        other @ (Answered::Reply(_) | Answered::Unreadable | Answered::Busy | Answered::Fault) => {
            panic!("{other:?}")
        }
    }
}

#[test]
fn who_sends_too_much_waits_and_nothing_is_kept_of_it() {
    let town = town();
    let (hanako, taro, shop) = (town.member(0), town.member(0), town.shop());
    for _ in 0..3 {
        passes(&town, &hanako, &fresh(&town, &hanako, town.now), town.now);
    }
    let (records, book) = (town.records(), town.book());
    let late = fresh(&town, &hanako, town.now);
    assert_eq!(waits(&town, &late, town.now), 20);
    let balance = own(&town, &hanako, BalanceInquiry {}, None, town.now);
    assert_eq!(
        waits(&town, &balance, town.now),
        20,
        "what isn't kept counts too"
    );
    assert_eq!((town.records(), town.book()), (records, book));

    passes(&town, &taro, &fresh(&town, &taro, town.now), town.now);
    for _ in 0..9 {
        town.collect(&shop, 0, town.now);
    }
    assert_eq!(waits(&town, &late, town.now.after(12)), 8);
    let then = town.now.after(20);
    passes(&town, &hanako, &late, then);
    assert_eq!(waits(&town, &fresh(&town, &hanako, then), then), 20);
    town.assert_clean();
}

#[test]
fn what_was_answered_before_is_answered_again_whatever_the_pace() {
    let town = town();
    let member = town.member(0);
    let letters = [(); 4].map(|()| fresh(&town, &member, town.now));
    let first = passes(&town, &member, &letters[0], town.now);
    for _ in 0..9 {
        let repeated = again(&town, &letters[0].parcel);
        assert_eq!(passes(&town, &member, &repeated, town.now), first);
    }
    for letter in &letters[1..3] {
        passes(&town, &member, letter, town.now);
    }
    for _ in 0..9 {
        assert_eq!(
            passes(&town, &member, &letters[0], town.now),
            first,
            "though the limit is reached"
        );
        assert_eq!(
            waits(&town, &letters[3], town.now),
            20,
            "repetitions buy nothing"
        );
    }
}

#[test]
fn nobody_uses_up_anothers_share() {
    let town = town();
    let (hanako, taro) = (town.member(0), town.member(0));
    let elsewhere = Slip {
        number: hanako.number,
        ..town.invite(Role::Member, town.now)
    };
    let stranger = Party::new(hanako.number);
    for _ in 0..9 {
        let sender = (hanako.number, &taro.signing);
        let forged = letter(&town, sender, request(), None, town.now);
        let answer = town.accept(&forged.bytes, town.now);
        assert!(matches!(answer, Answered::Unreadable), "{answer:?}");
        let claim = town.registration(&stranger, &elsewhere, town.now);
        let answer = town.accept(&claim.bytes, town.now);
        assert!(matches!(answer, Answered::Reply(_)), "{answer:?}");
    }
    for _ in 0..3 {
        passes(&town, &hanako, &fresh(&town, &hanako, town.now), town.now);
    }
}

#[test]
fn over_http_it_is_429_with_the_seconds_to_wait() {
    let town = town();
    let member = town.member(0);
    let Town { folder, centre, .. } = town;
    drop(centre);
    let server = Server::start(&folder);
    let mut client = Client::connect(server.socket()).unwrap();
    let now = Time::from_secs(tegata_cli::clock::now());
    let mut send = || {
        let letter = own(&folder, &member, BalanceInquiry {}, None, now);
        client.post("/v1/message", &letter.bytes).unwrap()
    };
    for _ in 0..3 {
        assert_eq!(send().status, 200);
    }
    // A second or two may have passed meanwhile, never twenty.
    let answer = (0..3).map(|_| send()).find(|a| a.status != 200).unwrap();
    assert_eq!(answer.status, 429);
    assert_eq!(answer.body, b"{\"error\":\"too_many\"}");
    let wait = answer.head.iter().find_map(|l| {
        let (name, value) = l.split_once(':')?;
        let named = name.eq_ignore_ascii_case("retry-after");
        named.then(|| value.trim().parse::<u64>().unwrap())
    });
    assert!((1..=20).contains(&wait.unwrap()), "{wait:?}");
}
