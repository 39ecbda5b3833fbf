//! A card with pages whose power can be cut at any write, a handler, and an application server
//! between them that loses, doubles and garbles what it carries.

use std::path::Path;

use tegata_card::applet::{Applet, PAGES, manufacture};
use tegata_card::chip::{Chip as _, Hardware, PAGE, Page, PowerCut};
use tegata_card::command::{Selected, View};
use tegata_card::keys::Csn;
use tegata_card::receipt::Receipt;
use tegata_card::session::{select, selected};
use tegata_card_keys::handler::{Bounds, Client, Handler};
use tegata_card_keys::keys::MasterKeys;
use tegata_card_keys::store::{FILE, Store};
use tegata_card_service::{
    CardLimits, CardNumber, Done, Fate, JobId, Money, OrderId, ReceiptBytes, Request, Response,
    Task,
};
use tempfile::TempDir;

pub(crate) const CSN: [u8; 10] = [7, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/// Debit, admin, receipt: bytes that don't stand anywhere by chance.
pub(crate) const MASTERS: [[u8; 32]; 3] = [
    *b"d0+Wq7~xKv#2mR9!Lp4^Zt6&Bn1*Yc8%",
    *b"a5=Hs3@eUf)7jG0(Xi2_Ok9$Td4?Pw6/",
    *b"r1:Vy8;gMb]3nC5[Qa7{Jz0}El2<Su4>",
];
pub(crate) const TRANSPORT: [u8; 32] = [0x51; 32];

/// What a page is left as when the power fails during its write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    Old,
    New,
    Half,
    Garbage,
}

pub(crate) const LEFT: [Left; 4] = [Left::Old, Left::New, Left::Half, Left::Garbage];

/// A memory of pages.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    pub(crate) pages: Vec<Page>,
    /// The power fails at the write after so many.
    pub(crate) cut: Option<(usize, Left)>,
    pub(crate) was_cut: bool,
}

impl Pages {
    pub(crate) fn blank(csn: [u8; 10]) -> Self {
        let mut pages = Self {
            pages: vec![[0; PAGE]; PAGES],
            cut: None,
            was_cut: false,
        };
        manufacture(&mut pages, csn, TRANSPORT).unwrap();
        pages
    }
}

impl Hardware for Pages {
    fn read(&mut self, page: usize) -> Result<Page, PowerCut> {
        Ok(self.pages[page])
    }

    fn write(&mut self, page: usize, contents: &Page) -> Result<(), PowerCut> {
        if let Some((before, left)) = self.cut {
            if before == 0 {
                self.cut = None;
                self.was_cut = true;
                match left {
                    Left::Old => {}
                    Left::New => self.pages[page] = *contents,
                    Left::Half => {
                        self.pages[page][..PAGE / 16].copy_from_slice(&contents[..PAGE / 16]);
                    }
                    Left::Garbage => self.pages[page] = [0xa5; PAGE],
                }
                return Err(PowerCut);
            }
            self.cut = Some((before - 1, left));
        }
        self.pages[page] = *contents;
        Ok(())
    }

    fn pause(&mut self, _milliseconds: u16) {}
}

/// What befalls an APDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mishap {
    /// It never reaches the card.
    CommandLost,
    /// The card did as told, nobody hears of it.
    AnswerLost,
    /// One bit of the answer is wrong.
    AnswerAltered,
    /// A bare error in the answer's place, made on the way; the card did as told.
    BareError,
    /// The power fails at the card's n-th write of it.
    PowerCut(usize, Left),
    /// The card-key server ends after the answer was on its way, before it heard it.
    ServerGone,
    /// The same, and the card never got it either.
    ServerGoneBefore,
    /// The card is sent it twice, and the first answer counts.
    SentTwice,
    /// The card-key server hears the answer before again, in this one's place.
    AnswerOfBefore,
}

/// How a job went.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// How many APDUs went to the card after SELECT.
    pub(crate) apdus: usize,
    pub(crate) ordered: bool,
    pub(crate) receipt: Option<Vec<u8>>,
    pub(crate) opened: Option<Response>,
    /// The last response.
    pub(crate) end: Option<Response>,
    /// Did the mishap take place?
    pub(crate) met: bool,
}

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) handler: Option<Handler>,
    pub(crate) card: Applet<Pages>,
    /// Who asks.
    pub(crate) client: Client,
    pub(crate) now: u64,
    /// Everything that passed between handler and application server.
    pub(crate) traffic: Vec<u8>,
    /// What the debit's VIEW shows, if not the order.
    pub(crate) shown: Option<View>,
    chance: u64,
}

pub(crate) fn masters() -> MasterKeys {
    MasterKeys::new(MASTERS[0], MASTERS[1], MASTERS[2])
}

pub(crate) fn limits() -> CardLimits {
    CardLimits {
        currency: "JPY".to_owned(),
        balance: 50_000,
        debit: 8_000,
        offline: 0,
    }
}

pub(crate) fn money(id: u8, amount: u32) -> Money {
    Money {
        id: OrderId([id; 16]),
        amount,
        currency: "JPY".to_owned(),
        bill: [id; 32],
        terminal: *b"TERMINAL",
        time: 1_700_000_000,
    }
}

impl World {
    /// A blank card and a handler that doesn't know it.
    pub(crate) fn blank() -> Self {
        let folder = folder();
        let mut world = Self {
            folder,
            handler: None,
            card: Applet::new(Pages::blank(CSN)),
            client: Client::Application,
            now: 1_700_000_000,
            traffic: Vec::new(),
            shown: None,
            chance: 0,
        };
        world.restart_house();
        world
    }

    /// A card in use with 10,000 on it.
    pub(crate) fn loaded() -> Self {
        let mut world = Self::blank();
        let task = world.personalise();
        world.done(task);
        let course = world.run(Task::Load, Some(money(1, 10_000)), None);
        assert!(matches!(course.end, Some(Response::Done(_))), "{course:?}");
        world
    }

    /// Another world in the same state, with a handler that has just started.
    pub(crate) fn fork(&mut self) -> Self {
        let folder = folder();
        let to = folder.path().join(FILE);
        let sql = format!("VACUUM INTO '{}'", to.display());
        let from = rusqlite::Connection::open(self.folder.path().join(FILE)).unwrap();
        from.execute_batch(&sql).unwrap();
        let mut world = Self {
            folder,
            handler: None,
            card: Applet::new(self.pages()),
            client: self.client,
            now: self.now,
            traffic: Vec::new(),
            shown: None,
            chance: self.chance,
        };
        world.restart_house();
        world
    }

    pub(crate) fn pages(&mut self) -> Pages {
        self.card.hardware().clone()
    }

    pub(crate) fn personalise(&self) -> Task {
        Task::Personalise {
            transport_key: TRANSPORT.to_vec(),
            limits: limits(),
        }
    }

    pub(crate) fn restart_house(&mut self) {
        self.restart_house_with(masters());
    }

    pub(crate) fn restart_house_with(&mut self, keys: MasterKeys) {
        self.handler = None;
        let store = open(self.folder.path());
        self.handler = Some(Handler::new(keys, store, Bounds::default()));
    }

    pub(crate) fn restart_house_within(&mut self, bounds: Bounds) {
        self.handler = None;
        let store = open(self.folder.path());
        self.handler = Some(Handler::new(masters(), store, bounds));
    }

    pub(crate) fn handler(&mut self) -> &mut Handler {
        self.handler.as_mut().unwrap()
    }

    pub(crate) fn say(&mut self, request: Request) -> Response {
        let chance = &mut self.chance;
        let mut challenge = || {
            *chance += 1;
            let mut bytes = [0x77; 16];
            bytes[..8].copy_from_slice(&chance.to_be_bytes());
            bytes
        };
        self.now += 1;
        let now = self.now;
        let handler = self.handler.as_mut().unwrap();
        let response = handler.answer(self.client, request, now, &mut challenge);
        let bytes = tegata_card_service::encode(&response).unwrap();
        self.traffic.extend_from_slice(&bytes);
        response
    }

    pub(crate) fn select(&mut self) -> Option<Selected> {
        self.card.power_on();
        let answer = self.card.transmit(&select()).ok()?;
        selected(&answer)
    }

    pub(crate) fn job() -> JobId {
        JobId([9; 16])
    }

    /// A job from its beginning to its end, and what befalls its n-th APDU.
    pub(crate) fn run(
        &mut self,
        task: Task,
        order: Option<Money>,
        mishap: Option<(usize, Mishap)>,
    ) -> Course {
        self.run_as(Self::job(), task, order, mishap)
    }

    pub(crate) fn run_as(
        &mut self,
        id: JobId,
        task: Task,
        order: Option<Money>,
        mishap: Option<(usize, Mishap)>,
    ) -> Course {
        let mut course = Course::default();
        self.select();
        let mut before = Vec::new();
        let mut response = self.say(Request::Begin(id, CardNumber(CSN), task));
        loop {
            let bytes = match &response {
                Response::Send(bytes) => bytes.clone(),
                Response::Ordered { counter, send } => {
                    course.ordered = true;
                    let order = order.as_ref().unwrap();
                    let view = self.shown.unwrap_or(View {
                        amount: order.amount,
                        counter: *counter,
                        bill: order.bill,
                    });
                    // Refused by a card whose session isn't open, and then it doesn't matter.
                    drop(self.card.transmit(&view.command()));
                    send.clone()
                }
                Response::Settled { receipt, send } => {
                    course.receipt = Some(receipt.clone());
                    send.clone()
                }
                Response::Opened { .. } => {
                    course.opened = Some(response.clone());
                    let order = order.clone().unwrap();
                    response = self.say(Request::Order(id, order));
                    continue;
                }
                Response::Done(_)
                | Response::Refused(_)
                | Response::InDoubt
                | Response::Card(_)
                | Response::Checked(_)
                | Response::Kept { .. }
                | Response::Receipts(_)
                | Response::Found(_)
                | Response::Fault => {
                    course.end = Some(response);
                    return course;
                }
            };
            let befalls = mishap.filter(|(at, _)| *at == course.apdus);
            course.apdus += 1;
            let answer = self.carry(&bytes, befalls.map(|(_, what)| what), &before, &mut course);
            before.clone_from(&answer);
            response = self.say(Request::Answer(id, answer));
        }
    }

    fn carry(
        &mut self,
        bytes: &[u8],
        mishap: Option<Mishap>,
        before: &[u8],
        course: &mut Course,
    ) -> Vec<u8> {
        course.met |= mishap.is_some();
        match mishap {
            Some(Mishap::CommandLost) => return Vec::new(),
            Some(Mishap::ServerGoneBefore) => {
                self.restart_house();
                return Vec::new();
            }
            Some(Mishap::PowerCut(writes, left)) => {
                self.card.hardware().cut = Some((writes, left));
                self.card.hardware().was_cut = false;
            }
            _ => {}
        }
        let answer = self.card.transmit(bytes).unwrap_or_default();
        match mishap {
            Some(Mishap::PowerCut(..)) => {
                self.card.hardware().cut = None;
                course.met = self.card.hardware().was_cut;
                answer
            }
            Some(Mishap::AnswerLost) => Vec::new(),
            Some(Mishap::AnswerAltered) => {
                let mut answer = answer;
                if let Some(byte) = answer.first_mut() {
                    *byte ^= 1;
                }
                answer
            }
            Some(Mishap::BareError) => vec![0x69, 0x85],
            Some(Mishap::ServerGone) => {
                self.restart_house();
                answer
            }
            Some(Mishap::SentTwice) => {
                drop(self.card.transmit(bytes));
                answer
            }
            Some(Mishap::AnswerOfBefore) => before.to_vec(),
            None | Some(Mishap::CommandLost | Mishap::ServerGoneBefore) => answer,
        }
    }

    pub(crate) fn done(&mut self, task: Task) -> Done {
        let course = self.run(task, None, None);
        match course.end {
            Some(Response::Done(done)) => done,
            other => panic!("not done: {other:?}"),
        }
    }

    /// The kept receipts above that counter.
    pub(crate) fn receipts(&mut self, above: u32) -> Vec<Receipt> {
        let said = self.say(Request::Receipts(CardNumber(CSN), above));
        let Response::Receipts(found) = said else {
            panic!("no receipts: {said:?}");
        };
        let parse = |bytes: &ReceiptBytes| Receipt::parse(&bytes.0).unwrap();
        found.iter().map(parse).collect()
    }

    /// What became of the order.
    pub(crate) fn fate(&mut self, id: u8) -> Fate {
        let said = self.say(Request::Find(OrderId([id; 16])));
        let Response::Found(fate) = said else {
            panic!("not found: {said:?}");
        };
        fate
    }

    /// The balance as the card says it.
    pub(crate) fn balance(&mut self) -> u32 {
        self.done(Task::Read).purse.unwrap().balance.unwrap()
    }

    pub(crate) fn csn() -> Csn {
        Csn::new(CSN)
    }
}

/// In memory where there is such a place: thousands of cases write durably.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

pub(crate) fn open(folder: &Path) -> Store {
    Store::open(&folder.join(FILE)).unwrap()
}
