//! The centre is killed at random moments under load: what was acknowledged is there afterwards,
//! once, and nothing else moved (invariants 1 and 3).

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use rand_core::Rng as _;
use tegata_ledger::HoldState;
use tegata_protocol::{
    Amount, Digest, PaymentId, Time,
    payment::{Capture, Captured, Mode, Receipt},
};

use crate::{
    server::{Client, Server},
    town::{Folder, Letter, Party, Town, delivery, open, own, payment, rng, yen},
};

/// How often it's killed.
const ROUNDS: usize = 100;
/// Requests under way at once.
const IN_FLIGHT: usize = 16;
/// Letters that are ready when a round begins.
const READY: usize = 48;

/// What somebody has signed and wants done.
enum Job {
    Pay(usize, Letter, Mode),
    Capture(Letter, PaymentId),
}

impl Job {
    const fn letter(&self) -> &Letter {
        match self {
            Self::Pay(_, letter, _) | Self::Capture(letter, _) => letter,
        }
    }
}

/// What the centre said about a job: the reply's body as it was read.
#[derive(Clone, PartialEq, Debug)]
enum Said {
    Paid(Box<Receipt>),
    Captured(Captured),
}

/// Everybody outside the centre.
struct World {
    folder: Folder,
    members: Vec<Party>,
    shop: Party,
    waiting: Mutex<VecDeque<Arc<Job>>>,
    said: Mutex<BTreeMap<Digest, (Arc<Job>, Said)>>,
    repeated: AtomicUsize,
    broken: AtomicUsize,
}

fn now() -> Time {
    Time::from_secs(tegata_cli::clock::now())
}

impl World {
    fn new() -> Self {
        let town = Town::new();
        let members = [(); 4].map(|()| town.join(tegata_protocol::Role::Member));
        let funded: Vec<_> = members.iter().map(|m| (m, 1_000_000)).collect();
        town.fund(&funded, town.now);
        let shop = town.shop();
        let Town { folder, centre, .. } = town;
        drop(centre);
        Self {
            folder,
            members: members.into(),
            shop,
            waiting: Mutex::default(),
            said: Mutex::default(),
            repeated: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
        }
    }

    fn payment(&self, number: usize) -> Arc<Job> {
        let mode = if number.is_multiple_of(3) {
            Mode::Pay
        } else {
            Mode::Hold
        };
        let who = number % self.members.len();
        let bill = self
            .folder
            .bill(&self.shop, 1 + (number % 90) as u64, now());
        let body = payment(&bill, mode);
        let letter = own(&self.folder, &self.members[who], body, None, now());
        Arc::new(Job::Pay(who, letter, mode))
    }

    fn capture(&self, receipt: &Receipt) -> Arc<Job> {
        let sealed = delivery(&self.shop, &self.members[0], "a ticket");
        let body = Capture {
            payment: receipt.payment,
            amount: receipt.amount,
            delivery: Digest::of(&sealed),
        };
        let letter = own(&self.folder, &self.shop, body, Some(sealed), now());
        Arc::new(Job::Capture(letter, receipt.payment))
    }

    /// Fills the queue with fresh payments, and some that were answered before.
    fn prepare(&self, next: &mut usize) {
        let mut waiting = self.waiting.lock().unwrap();
        while waiting.len() < READY {
            waiting.push_back(self.payment(*next));
            *next += 1;
        }
        let said = self.said.lock().unwrap();
        for _ in 0..said.len().min(4) {
            let place = rng().next_u32() as usize % said.len();
            let (job, _) = said.values().nth(place).unwrap();
            waiting.push_front(Arc::clone(job));
        }
    }

    /// Sends what waits, one after the other, until nothing waits or the connection breaks; tells
    /// of every answer.
    fn client(&self, socket: &Path, answered: &mpsc::Sender<()>) {
        let Ok(mut client) = Client::connect(socket) else {
            return;
        };
        loop {
            let Some(job) = self.waiting.lock().unwrap().pop_front() else {
                return;
            };
            match client.post("/v1/message", &job.letter().bytes) {
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "{answer:?}");
                    self.heard(&job, &answer.body);
                    // The one who kills may have stopped listening.
                    let _sent = answered.send(());
                }
                Err(_) => {
                    self.broken.fetch_add(1, Ordering::Relaxed);
                    // In doubt: the same letter goes out again, before any new one.
                    self.waiting.lock().unwrap().push_front(job);
                    return;
                }
            }
        }
    }

    fn heard(&self, job: &Arc<Job>, reply: &[u8]) {
        let said = match &**job {
            Job::Pay(who, letter, mode) => {
                let receipt = open::<Receipt>(&self.folder, &self.members[*who], letter, reply);
                let (receipt, head) = receipt.unwrap();
                assert_eq!((receipt.payment, receipt.mode), (letter.payment(), *mode));
                assert!(head.is_some());
                Said::Paid(Box::new(receipt))
            }
            Job::Capture(letter, payment) => {
                let captured = open::<Captured>(&self.folder, &self.shop, letter, reply);
                let (captured, _) = captured.unwrap();
                assert_eq!(captured.payment, *payment);
                Said::Captured(captured)
            }
        };
        let digest = job.letter().digest();
        let known = self.said.lock().unwrap().get(&digest).cloned();
        if let Some((_, before)) = known {
            assert_eq!(before, said, "the same letter, another answer");
            self.repeated.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Said::Paid(receipt) = &said
            && receipt.mode == Mode::Hold
            && receipt.amount.minor().is_multiple_of(2)
        {
            let capture = self.capture(receipt);
            self.waiting.lock().unwrap().push_back(capture);
        }
        let entry = (Arc::clone(job), said);
        self.said.lock().unwrap().insert(digest, entry);
    }

    /// Loads a server from all sides; `kill` ends it at some moment: after so many answers and so
    /// many microseconds more, sometimes before the first.
    fn round(&self, kill: bool) {
        let mut server = Server::start(&self.folder);
        let socket = server.socket().to_owned();
        let (answered, answers) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..IN_FLIGHT {
                let (answered, socket) = (answered.clone(), &socket);
                scope.spawn(move || self.client(socket, &answered));
            }
            drop(answered);
            if kill {
                let count = rng().next_u32() as usize % (READY / 2);
                let moment = u64::from(rng().next_u32() % 20_000);
                let _answers = answers.iter().take(count).count();
                wait(Duration::from_micros(moment));
                server.kill();
            }
        });
    }
}

/// Waits for an event that never comes.
fn wait(time: Duration) {
    let (keep, never) = mpsc::channel::<()>();
    let _time_out = never.recv_timeout(time);
    drop(keep);
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_however_often_the_centre_is_killed() {
    let world = World::new();
    let mut next = 0;
    for _ in 0..ROUNDS {
        world.prepare(&mut next);
        world.round(true);
    }
    // Everything once more, what is in doubt and what was answered: the same answers.
    let before = world.said.lock().unwrap().len();
    let all: Vec<_> = world
        .said
        .lock()
        .unwrap()
        .values()
        .map(|(job, _)| job.clone())
        .collect();
    world.waiting.lock().unwrap().extend(all);
    world.round(false);
    let (said, broken) = (
        world.said.lock().unwrap(),
        world.broken.load(Ordering::Relaxed),
    );
    let repeated = world.repeated.load(Ordering::Relaxed);
    assert!(world.waiting.lock().unwrap().is_empty());
    assert!(
        before > ROUNDS && broken > ROUNDS,
        "too little load: {before}, {broken}"
    );
    assert!(repeated >= before);
    check_book(&world, &said);
    let report = world.folder.audit(&[]);
    assert!(report.is_clean(), "{:#?}", report.findings);
}

/// The book holds what was said and nothing more.
fn check_book(world: &World, said: &BTreeMap<Digest, (Arc<Job>, Said)>) {
    let mut book = world.folder.reader();
    let holds = book.holds(None, 1_000_000).unwrap();
    let paid = said
        .values()
        .filter(|(_, s)| matches!(s, Said::Paid(_)))
        .count();
    assert_eq!(holds.len(), paid, "none lost, none doubled");
    let (mut spent, mut held) = (0, 0);
    for (_, said) in said.values() {
        match said {
            Said::Paid(receipt) => {
                let hold = book
                    .hold(&receipt.payment)
                    .unwrap()
                    .expect("an acknowledged payment");
                assert_eq!(hold.amount, receipt.amount);
                held += amount_if(hold.state == HoldState::Open, hold.amount);
                spent += amount_if(hold.state == HoldState::Captured(hold.amount), hold.amount);
            }
            Said::Captured(captured) => {
                let hold = book.hold(&captured.payment).unwrap().unwrap();
                assert_eq!(hold.state, HoldState::Captured(captured.amount));
            }
        }
    }
    let accounts = book.accounts(None, 1000).unwrap();
    let sum: i64 = accounts.iter().map(|(_, account)| account.balance).sum();
    assert_eq!(sum, 0, "money is neither made nor lost");
    let of = |party: &Party| {
        accounts
            .iter()
            .find(|(id, _)| *id == party.account())
            .unwrap()
            .1
    };
    assert_eq!(of(&world.shop).balance, spent);
    let left: i64 = world.members.iter().map(|m| of(m).balance).sum();
    let all_held: i64 = world.members.iter().map(|m| of(m).held).sum();
    assert_eq!((left, all_held), (4_000_000 - spent, held));
}

fn amount_if(counts: bool, amount: Amount) -> i64 {
    let minor = if counts { amount } else { yen(0) };
    i64::try_from(minor.minor()).unwrap()
}
