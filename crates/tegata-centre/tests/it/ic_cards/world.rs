//! A town with cards: a real card-key server's core behind a socket, the real applet on a memory whose
//! power can be cut, and a member's PC between that loses what it's told to lose.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes is a surprise, and a test stops at the first"
)]

use std::{
    os::unix::net::UnixListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
};

use tegata_card::{
    applet::{Applet, PAGES, manufacture},
    chip::{Chip as _, Hardware, PAGE, Page, PowerCut},
    command::View,
};
use tegata_card_keys::{
    handler::{Bounds, Client, Handler},
    keys::MasterKeys,
    store::{FILE, Store},
};
use tegata_card_service::Request;
use tegata_centre::{ic_card::stock, operator::sign_card_order};
use tegata_ledger::{AccountId, AccountKind, Hold};
use tegata_protocol::{
    CardNumber, Currency, Digest, PaymentId, Role, SignedBytes, Time, Unverified,
    card::{
        Answered, CardAnswer, CardBytes, CardContact, CardLoad, CardLoaded, CardOrder, CardPayment,
        CardStep, DebitOrder, Errand, Next,
    },
    cbor,
    payment::Receipt,
    purchase::Bill,
    refusal::Code,
};

use crate::town::{Folder, Party, Town, again, own, yen};

pub(crate) const CSN: [u8; 10] = [7, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/// Debit, admin, receipt: bytes that don't stand anywhere by chance.
pub(crate) const MASTERS: [[u8; 32]; 3] = [
    *b"d0+Wq7~xKv#2mR9!Lp4^Zt6&Bn1*Yc8%",
    *b"a5=Hs3@eUf)7jG0(Xi2_Ok9$Td4?Pw6/",
    *b"r1:Vy8;gMb]3nC5[Qa7{Jz0}El2<Su4>",
];
const TRANSPORT: [u8; 32] = [0x51; 32];

/// What a page is left as when the power fails during its write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    Old,
    New,
    Half,
}

/// A card's memory.
#[derive(Clone)]
pub(crate) struct Pages {
    pages: Vec<Page>,
    cut: Option<(usize, Left)>,
    pub(crate) was_cut: bool,
}

impl Pages {
    pub(crate) fn blank(csn: [u8; 10]) -> Self {
        let (pages, cut, was_cut) = (vec![[0; PAGE]; PAGES], None, false);
        let mut memory = Self {
            pages,
            cut,
            was_cut,
        };
        manufacture(&mut memory, csn, TRANSPORT).unwrap();
        memory
    }
}

impl Hardware for Pages {
    fn read(&mut self, page: usize) -> Result<Page, PowerCut> {
        Ok(self.pages[page])
    }

    fn write(&mut self, page: usize, contents: &Page) -> Result<(), PowerCut> {
        match self.cut {
            Some((0, left)) => {
                (self.cut, self.was_cut) = (None, true);
                match left {
                    Left::Old => {}
                    Left::New => self.pages[page] = *contents,
                    Left::Half => self.pages[page][..32].copy_from_slice(&contents[..32]),
                }
                return Err(PowerCut);
            }
            Some((n, left)) => self.cut = Some((n - 1, left)),
            None => {}
        }
        self.pages[page] = *contents;
        Ok(())
    }

    fn pause(&mut self, _milliseconds: u16) {}
}

/// A card-key server that ends and starts, and loses what it's told.
pub(crate) struct Keys {
    folder: tempfile::TempDir,
    handler: Mutex<Option<Handler>>,
    /// What happens to the next request: 0 nothing, 1 it's lost, 2 its answer is.
    pub(crate) mishap: AtomicU8,
    pub(crate) asked: Mutex<Vec<&'static str>>,
    pub(crate) heard: Mutex<Vec<u8>>,
}

impl Keys {
    fn start(socket: &std::path::Path) -> Arc<Self> {
        let keys = Arc::new(Self {
            folder: tempfile::tempdir().unwrap(),
            handler: Mutex::new(None),
            mishap: AtomicU8::new(0),
            asked: Mutex::default(),
            heard: Mutex::default(),
        });
        keys.restart();
        let listener = UnixListener::bind(socket).unwrap();
        let served = Arc::clone(&keys);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, keys) = (stream.unwrap(), Arc::clone(&served));
                std::thread::spawn(move || {
                    while let Ok(request) = tegata_card_service::receive::<Request>(&mut stream) {
                        let mishap = keys.mishap.swap(0, Ordering::SeqCst);
                        if mishap == 1 {
                            return;
                        }
                        let response = keys.answer(request);
                        if mishap == 2 {
                            return;
                        }
                        let bytes = tegata_card_service::encode(&response).unwrap();
                        keys.heard.lock().unwrap().extend_from_slice(&bytes);
                        tegata_card_service::send(&mut stream, &response).unwrap();
                    }
                });
            }
        });
        keys
    }

    fn answer(&self, request: Request) -> tegata_card_service::Response {
        let name = match &request {
            Request::Begin(_, _, task) => task.name(),
            Request::Order(..) => "order",
            Request::Answer(..)
            | Request::Abandon(_)
            | Request::Check(_)
            | Request::Card(_)
            | Request::Deny(_)
            | Request::Submit(_)
            | Request::Receipts(..)
            | Request::Find(_) => "",
        };
        if !name.is_empty() {
            self.asked.lock().unwrap().push(name);
        }
        let mut challenge = || {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).unwrap();
            bytes
        };
        let mut handler = self.handler.lock().unwrap();
        handler.as_mut().unwrap().answer(
            Client::Application,
            request,
            1_700_000_000,
            &mut challenge,
        )
    }

    pub(crate) fn ask(&self, request: Request) -> tegata_card_service::Response {
        self.answer(request)
    }

    pub(crate) fn restart(&self) {
        let mut handler = self.handler.lock().unwrap();
        *handler = None;
        let keys = MasterKeys::new(MASTERS[0], MASTERS[1], MASTERS[2]);
        let store = Store::open(&self.folder.path().join(FILE)).unwrap();
        *handler = Some(Handler::new(keys, store, Bounds::default()));
    }
}

/// What befalls a contact, and at which step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mishap {
    /// The command never reaches the card.
    CommandLost,
    /// The card did as told; nobody hears of it.
    AnswerLost,
    /// The answer is altered on its way.
    AnswerAltered,
    /// The PC doesn't get the centre's step, and says the same again.
    StepLost,
    /// The PC ends.
    PcEnds,
    /// The centre ends before it hears the answer.
    CentreEnds,
    /// The card-key server does.
    KeysEnd,
    /// Its next request is lost.
    RequestLost,
    /// Its next answer is lost.
    ResponseLost,
    /// The member says no, where it's asked.
    Declines,
    /// The power fails at the card's n-th write of the command.
    PowerCut(usize, Left),
    /// The card is sent it twice, and the first answer counts.
    SentTwice,
}

pub(crate) struct World {
    pub(crate) town: Option<Town>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) card: Applet<Pages>,
    pub(crate) member: Party,
    pub(crate) shop: Party,
    pub(crate) number: CardNumber,
    /// What the PC shows the card instead of the order.
    pub(crate) view: Option<View>,
    /// Debit orders that the PC verified.
    pub(crate) orders: Vec<DebitOrder>,
    /// May the balance be read?
    pub(crate) read: bool,
}

/// How a contact went on the PC.
#[derive(Debug)]
pub(crate) struct Course {
    /// The last step; none if the PC ended.
    pub(crate) end: Option<Next>,
    /// How many commands went to the card.
    pub(crate) commands: usize,
    /// Did the mishap take place?
    pub(crate) met: bool,
}

impl Course {
    pub(crate) fn paid(&self) -> Option<PaymentId> {
        match &self.end {
            Some(Next::Done(report)) => report.paid,
            _ => None,
        }
    }

    pub(crate) fn code(&self) -> Option<Code> {
        match &self.end {
            Some(Next::Refused(refusal)) => Some(refusal.code),
            _ => None,
        }
    }
}

impl World {
    /// A member with 10,000 and a new card that was never used.
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let socket = folder.holder.path().join("card-keys.sock");
        let keys = Keys::start(&socket);
        let file = folder.data().join("centre.toml");
        let settings = std::fs::read_to_string(&file).unwrap();
        let cards = format!(
            "{settings}\n[cards]\nsocket = {:?}\nbalance_limit = \"20000\"\ndebit_limit = \"8000\"\n",
            socket.display().to_string()
        );
        std::fs::write(&file, cards).unwrap();
        let number = CardNumber::from_bytes(CSN);
        let list = format!("{number} {}\n", Digest::from_bytes(TRANSPORT));
        stock::add(&folder.dir(), &stock::parse(&list).unwrap()).unwrap();
        let town = Town::of(folder);
        let (member, shop) = (town.member(10_000), town.join(Role::Shop));
        let world = Self {
            town: Some(town),
            keys,
            card: Applet::new(Pages::blank(CSN)),
            member,
            shop,
            number,
            view: None,
            orders: Vec::new(),
            read: true,
        };
        let (card, member) = (number, world.member.number);
        world
            .operator(CardOrder::Issue {
                card,
                member,
                index: 0,
            })
            .unwrap();
        world
    }

    /// With 5,000 on the card.
    pub(crate) fn loaded() -> Self {
        let mut world = Self::new();
        world.load(5_000).unwrap();
        let looked = world.contact(Errand::Look, None);
        assert!(
            matches!(&looked.end, Some(Next::Done(r)) if r.balance == yen(5_000)),
            "{looked:?}"
        );
        world
    }

    pub(crate) fn town(&self) -> &Town {
        self.town.as_ref().unwrap()
    }

    pub(crate) fn now(&self) -> Time {
        self.town().now
    }

    pub(crate) fn restart_centre(&mut self) {
        let Town { folder, centre, .. } = self.town.take().unwrap();
        drop(centre);
        self.town = Some(Town::of(folder));
    }

    pub(crate) fn operator(&self, order: CardOrder) -> Result<SignedBytes, Code> {
        let town = self.town();
        let parcel = sign_card_order(town.operator(), order, town.now);
        town.centre
            .order(&cbor::encode(&parcel), town.now)
            .map_err(|e| match e {
                tegata_centre::operator::OrderError::Refused(refusal) => refusal.code,
                other => panic!("{other}"),
            })
    }

    pub(crate) fn load(&self, amount: u64) -> Result<CardLoaded, Code> {
        let (card, amount) = (self.number, yen(amount));
        self.town()
            .ask(&self.member, CardLoad { card, amount }, None, self.now())
    }

    pub(crate) fn bill(&self, amount: u64) -> SignedBytes {
        self.town().bill(&self.shop, amount, self.now())
    }

    /// Consent 1.
    pub(crate) fn agree(&self, bill: &SignedBytes) -> Result<PaymentId, Code> {
        let claimed = Unverified::<Bill>::parse(bill.clone()).unwrap();
        let body = CardPayment {
            bill: bill.clone(),
            amount: claimed.claimed().totals.total,
            card: self.number,
        };
        let receipt: Receipt = self.town().ask(&self.member, body, None, self.now())?;
        Ok(receipt.payment)
    }

    pub(crate) fn shadow(&self) -> AccountId {
        AccountId::new(
            AccountKind::CardShadow,
            self.member.number.wire(),
            Currency::JPY,
        )
    }

    pub(crate) fn hold(&self, payment: PaymentId) -> Hold {
        self.town().hold(payment).unwrap()
    }

    /// Plays a contact. The mishap happens at the command of that number, from 0.
    pub(crate) fn contact(&mut self, errand: Errand, mishap: Option<(usize, Mishap)>) -> Course {
        let mut course = Course {
            end: None,
            commands: 0,
            met: false,
        };
        self.card.power_on();
        let card = self.number;
        let body = CardContact { card, errand };
        let letter = own(&self.town().folder, &self.member, body, None, self.now());
        let contact = letter.digest();
        let (mut step, _) = self
            .town()
            .send::<CardStep>(&self.member, &letter, self.now())
            .unwrap();
        loop {
            assert_eq!(step.contact, contact);
            let now = mishap
                .filter(|(at, _)| *at == course.commands)
                .map(|(_, m)| m);
            let Some(answered) = self.perform(&step.next, now, &mut course) else {
                return course;
            };
            course.commands += 1;
            match now {
                Some(Mishap::PcEnds) => return course,
                Some(Mishap::CentreEnds) => self.restart_centre(),
                Some(Mishap::KeysEnd) => self.keys.restart(),
                Some(Mishap::RequestLost) => self.keys.mishap.store(1, Ordering::SeqCst),
                Some(Mishap::ResponseLost) => self.keys.mishap.store(2, Ordering::SeqCst),
                _ => {}
            }
            let body = CardAnswer {
                contact,
                step: step.step,
                answered,
            };
            let letter = own(&self.town().folder, &self.member, body, None, self.now());
            if now == Some(Mishap::StepLost) {
                let lost: (CardStep, _) =
                    self.town().send(&self.member, &letter, self.now()).unwrap();
                let same = again(&self.town().folder, &letter.parcel);
                let (told, _) = self
                    .town()
                    .send::<CardStep>(&self.member, &same, self.now())
                    .unwrap();
                assert_eq!(told, lost.0, "the same answer gets the same step");
                step = told;
                continue;
            }
            let (next, _) = self
                .town()
                .send::<CardStep>(&self.member, &letter, self.now())
                .unwrap();
            self.keys.mishap.store(0, Ordering::SeqCst);
            step = next;
        }
    }

    /// What the PC does about a step; nothing when the contact has ended.
    fn perform(
        &mut self,
        next: &Next,
        mishap: Option<Mishap>,
        course: &mut Course,
    ) -> Option<Answered> {
        Some(match next {
            Next::Send(bytes) => {
                course.met |= mishap.is_some() && mishap != Some(Mishap::Declines);
                self.command(&bytes.0, mishap)
            }
            Next::Agree(_) if mishap == Some(Mishap::Declines) => {
                course.met = true;
                Answered::Declined
            }
            Next::Agree(order) => {
                course.met |= mishap.is_some();
                let order = self.verify(order);
                self.show(&order);
                let bytes = order.command.0.clone();
                self.orders.push(order);
                self.command(&bytes, mishap)
            }
            end => {
                course.end = Some(end.clone());
                return None;
            }
        })
    }

    /// What somebody else hears who says that this card lies on their reader.
    pub(crate) fn contact_by(&self, party: &Party, errand: Errand) -> Option<Code> {
        let card = self.number;
        let body = CardContact { card, errand };
        let step: CardStep = self.town().ask(party, body, None, self.now()).unwrap();
        match step.next {
            Next::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    fn command(&mut self, bytes: &[u8], mishap: Option<Mishap>) -> Answered {
        let sent = match mishap {
            Some(Mishap::CommandLost) => return Answered::Nothing,
            Some(Mishap::PowerCut(n, left)) => {
                self.card.hardware().cut = Some((n, left));
                let answer = self.card.transmit(bytes);
                self.card.hardware().cut = None;
                if answer.is_err() {
                    self.card.power_on();
                }
                answer
            }
            Some(Mishap::SentTwice) => {
                let first = self.card.transmit(bytes);
                let _second = self.card.transmit(bytes);
                first
            }
            _ => self.card.transmit(bytes),
        };
        match (sent, mishap) {
            (Ok(_), Some(Mishap::AnswerLost)) | (Err(PowerCut), _) => Answered::Nothing,
            (Ok(mut answer), Some(Mishap::AnswerAltered)) => {
                answer[0] ^= 1;
                Answered::By(CardBytes(answer))
            }
            (Ok(answer), _) => Answered::By(CardBytes(answer)),
        }
    }

    /// What a PC believes before it shows a debit order.
    fn verify(&self, signed: &SignedBytes) -> DebitOrder {
        let order = Unverified::<DebitOrder>::parse(signed.clone()).unwrap();
        let key = self.town().public.keys.debit_orders.unwrap();
        order.verify(&key).unwrap().into_value()
    }

    fn show(&mut self, order: &DebitOrder) {
        let view = self.view.take().unwrap_or(View {
            amount: u32::try_from(order.amount.minor()).unwrap(),
            counter: order.counter,
            bill: *order.bill.as_bytes(),
        });
        let _answer = self.card.transmit(&view.command());
    }

    pub(crate) fn pay(&mut self, payment: PaymentId, mishap: Option<(usize, Mishap)>) -> Course {
        self.contact(Errand::Pay(payment, self.read), mishap)
    }

    /// What the card-key server knows of a payment's order.
    pub(crate) fn fate(&self, payment: PaymentId) -> tegata_card_service::Fate {
        let id = payment.digest().as_bytes()[..16].try_into().unwrap();
        match self
            .keys
            .ask(Request::Find(tegata_card_service::OrderId(id)))
        {
            tegata_card_service::Response::Found(fate) => fate,
            other => panic!("{other:?}"),
        }
    }

    /// After whatever happened: contacts until nothing is in doubt. Then card, book and card-key server
    /// must agree, and the payment was made once or not at all.
    pub(crate) fn settle(&mut self, payment: PaymentId) -> bool {
        for _ in 0..4 {
            let course = self.pay(payment, None);
            if course.paid() == Some(payment) || course.code() == Some(Code::IcCardNotDue) {
                break;
            }
        }
        self.check();
        matches!(self.hold(payment).state, tegata_ledger::HoldState::Open)
    }

    /// Looks at the card: what it holds is what its account says.
    pub(crate) fn check(&mut self) {
        let looked = self.contact(Errand::Look, None);
        let Some(Next::Done(report)) = &looked.end else {
            panic!("{looked:?}");
        };
        assert_eq!(report.owed, yen(0), "{report:?}");
        let account = self
            .town()
            .reader()
            .account(&self.shadow())
            .unwrap()
            .unwrap();
        let awaiting = self.town().reader().holds_of(&self.shadow()).unwrap();
        let awaiting = awaiting
            .iter()
            .filter(|h| h.state == tegata_ledger::HoldState::Awaiting);
        let waits: i64 = awaiting.map(|h| h.amount.credit().minor()).sum();
        let on_card = i64::try_from(report.balance.minor()).unwrap();
        assert_eq!(on_card, account.available() + waits, "card and account");
    }
}
