//! The centre's cards: the real card-key server's core and the real applet, with a centre between them
//! that only passes bytes and keeps a purse's account in its head.

use std::{collections::HashMap, path::Path};

use tegata_card::{
    applet::{Applet, manufacture},
    chip::Chip as _,
    image::FileMemory,
    session::select,
};
use tegata_card_keys::{
    handler::{Bounds, Client, Handler},
    keys::MasterKeys,
    store::{FILE, Store},
};
use tegata_card_service::{
    CardLimits, CardNumber as Csn, JobId, Money, OrderId, Request, Response, Task,
};
use tegata_protocol::{
    CardNumber, book,
    card::{
        Answered, CardAnswer, CardBytes, CardContact, CardLoad, CardLoaded, CardPayment,
        CardReport, CardRequest, CardStep, Change, DebitOrder, Errand, Next,
    },
};

use super::*;

const CSN: [u8; 10] = [7, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const TRANSPORT: [u8; 32] = [0x51; 32];

pub(crate) fn card_number() -> CardNumber {
    CardNumber::from_bytes(CSN)
}

/// Signs debit orders.
pub(super) fn debit_orders() -> SigningKey {
    signing(9)
}

/// What a session with the card is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Doing {
    Load,
    Read,
    Pay(PaymentId, bool),
}

/// A contact.
struct Contact {
    id: Digest,
    step: u32,
    job: JobId,
    plan: Vec<Doing>,
    doing: Doing,
    selecting: bool,
    loaded: u32,
    paid: Option<PaymentId>,
}

pub(crate) struct Cards {
    handler: Handler,
    _folder: tempfile::TempDir,
    jobs: u8,
    /// What the centre takes a card to hold, and what it has still to write on it.
    pub(crate) on_card: u32,
    pub(crate) owed: u32,
    pub(crate) blocked: bool,
    pub(crate) ended: bool,
    /// The orders that wait for the card.
    waiting: HashMap<PaymentId, (Digest, Amount)>,
    /// Every contact is refused so.
    pub(crate) refuse: Option<Code>,
    /// Debit orders are of this much, whatever was agreed to.
    pub(crate) order_instead: Option<Amount>,
    /// What is done to debit orders before they're signed, and who signs them.
    pub(crate) spoil: Option<fn(&mut DebitOrder)>,
    pub(crate) orders_by: SigningKey,
    /// The centre has the card told this in the place of what it should.
    pub(crate) send_instead: Option<Vec<u8>>,
    contact: Option<Contact>,
    /// Payments that the card made.
    pub(crate) made: Vec<PaymentId>,
    /// Payments that it was to make.
    pub(crate) agreed: Vec<PaymentId>,
}

impl Cards {
    /// A card that is in use and empty, in an image; its keys are known here.
    fn issue(image: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = MasterKeys::new([0xd0; 32], [0xa5; 32], [0x51; 32]);
        let store = Store::open(&folder.path().join(FILE)).unwrap();
        let mut cards = Self {
            handler: Handler::new(keys, store, Bounds::default()),
            _folder: folder,
            jobs: 0,
            on_card: 0,
            owed: 0,
            blocked: false,
            ended: false,
            waiting: HashMap::new(),
            refuse: None,
            order_instead: None,
            spoil: None,
            orders_by: debit_orders(),
            send_instead: None,
            contact: None,
            made: Vec::new(),
            agreed: Vec::new(),
        };
        let memory = FileMemory::create(image, |memory| manufacture(memory, CSN, TRANSPORT));
        let mut applet = Applet::new(memory.unwrap());
        applet.power_on();
        applet.transmit(&select()).unwrap();
        let limits = CardLimits {
            currency: "JPY".into(),
            balance: 20_000,
            debit: 8_000,
            offline: 0,
        };
        let job = cards.job();
        let transport_key = TRANSPORT.to_vec();
        let task = Task::Personalise {
            transport_key,
            limits,
        };
        let mut response = cards.ask(Request::Begin(job, Csn(CSN), task));
        while let Response::Send(bytes) = response {
            let answer = applet.transmit(&bytes).unwrap();
            response = cards.ask(Request::Answer(job, answer));
        }
        assert!(matches!(response, Response::Done(_)), "{response:?}");
        cards
    }

    fn job(&mut self) -> JobId {
        self.jobs += 1;
        JobId([self.jobs; 16])
    }

    fn ask(&mut self, request: Request) -> Response {
        let mut challenge = || {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).unwrap();
            bytes
        };
        let now = now().secs();
        self.handler
            .answer(Client::Application, request, now, &mut challenge)
    }

    fn begin(&mut self, id: Digest, errand: &Errand) -> Next {
        if let Some(code) = self.refuse {
            return Next::Refused(Refusal::new(code));
        }
        if self.ended {
            return Next::Refused(Refusal::new(Code::IcCardEnded));
        }
        let mut plan = match errand {
            Errand::Look => vec![Doing::Read],
            Errand::Pay(payment, _) if self.made.contains(payment) => {
                return Next::Done(self.report(0, Some(*payment)));
            }
            Errand::Pay(payment, _) if !self.waiting.contains_key(payment) => {
                return Next::Refused(Refusal::new(Code::IcCardNotDue));
            }
            Errand::Pay(..) if self.blocked => {
                return Next::Refused(Refusal::new(Code::IcCardBlocked));
            }
            Errand::Pay(payment, read) => vec![Doing::Pay(*payment, *read)],
            other => panic!("{other:?}"),
        };
        if self.owed > 0 {
            plan.push(Doing::Load);
        }
        self.contact = Some(Contact {
            id,
            step: 0,
            job: JobId([0; 16]),
            plan,
            doing: Doing::Read,
            selecting: false,
            loaded: 0,
            paid: None,
        });
        self.next_session()
    }

    fn contact(&mut self) -> &mut Contact {
        self.contact.as_mut().unwrap()
    }

    fn next_session(&mut self) -> Next {
        let job = self.job();
        let contact = self.contact();
        let Some(doing) = contact.plan.pop() else {
            let (loaded, paid) = (contact.loaded, contact.paid);
            return Next::Done(self.report(loaded, paid));
        };
        (contact.job, contact.doing, contact.selecting) = (job, doing, true);
        Next::Send(CardBytes(select()))
    }

    fn report(&self, loaded: u32, paid: Option<PaymentId>) -> CardReport {
        CardReport {
            balance: yen(self.on_card.into()),
            owed: yen(self.owed.into()),
            counter: 1,
            loaded: yen(loaded.into()),
            paid,
            ticket: None,
            blocked: self.blocked,
        }
    }

    fn go_on(&mut self, answered: &Answered) -> Next {
        let (job, doing) = (self.contact().job, self.contact().doing);
        let bytes = match answered {
            Answered::By(bytes) => bytes.0.clone(),
            Answered::Nothing => Vec::new(),
            Answered::Declined => {
                self.ask(Request::Abandon(job));
                if let Doing::Pay(payment, _) = doing {
                    self.waiting.remove(&payment);
                }
                return Next::Refused(Refusal::new(Code::IcCardDeclined));
            }
        };
        let response = if std::mem::take(&mut self.contact().selecting) {
            let task = match doing {
                Doing::Load => Task::Load,
                Doing::Read => Task::Read,
                Doing::Pay(_, read) => Task::Debit { read },
            };
            self.ask(Request::Begin(job, Csn(CSN), task))
        } else {
            self.ask(Request::Answer(job, bytes))
        };
        self.respond(response)
    }

    fn respond(&mut self, response: Response) -> Next {
        let (job, doing) = (self.contact().job, self.contact().doing);
        match response {
            Response::Send(bytes) => {
                let bytes = self.send_instead.take().unwrap_or(bytes);
                Next::Send(CardBytes(bytes))
            }
            Response::Opened { resolved, purse } => {
                if let Some(resolved) = resolved {
                    return self.resolved(&resolved, job);
                }
                let money = self.money(doing);
                let ordered = self.ask(Request::Order(job, money.clone()));
                match (ordered, doing) {
                    (Response::Ordered { counter, send }, Doing::Pay(payment, _)) => {
                        let bill = self.waiting[&payment].0;
                        let amount = self.order_instead.unwrap_or(yen(money.amount.into()));
                        let mut order = DebitOrder {
                            card: card_number(),
                            payment,
                            bill,
                            shop: shop(),
                            amount,
                            counter,
                            balance: purse.balance.map(|b| yen(b.into())),
                            issued: now(),
                            command: CardBytes(send),
                        };
                        if let Some(spoil) = self.spoil {
                            spoil(&mut order);
                        }
                        Next::Agree(self.orders_by.sign(&order))
                    }
                    (Response::Ordered { send, .. }, _) => Next::Send(CardBytes(send)),
                    (other, _) => self.respond(other),
                }
            }
            Response::Settled { send, .. } => {
                self.settled(doing);
                Next::Send(CardBytes(send))
            }
            Response::Done(done) => {
                if let Some(tegata_card_service::Resolved::Void(id)) = done.resolved {
                    self.waiting.retain(|payment, _| order_id(*payment) != id);
                }
                self.next_session()
            }
            Response::Refused(refusal) => {
                use tegata_card_service::CardKeysRefusal::{Insufficient, NotAsViewed};
                let code = match refusal {
                    Insufficient => Code::IcCardInsufficient,
                    NotAsViewed => Code::IcCardNotAsShown,
                    other => panic!("{other:?}"),
                };
                if let Doing::Pay(payment, _) = doing {
                    self.waiting.remove(&payment);
                }
                Next::Refused(Refusal::new(code))
            }
            Response::InDoubt => Next::InDoubt,
            other => panic!("{other:?}"),
        }
    }

    /// What was in doubt has been found out while the purse was opened.
    fn resolved(&mut self, resolved: &tegata_card_service::Resolved, job: JobId) -> Next {
        use tegata_card_service::Resolved;
        self.ask(Request::Abandon(job));
        let doing = self.contact().doing;
        match (resolved, doing) {
            (Resolved::CarriedOut(..), doing) => self.settled(doing),
            // The order of before is void, and with it the payment: it's agreed to anew.
            (Resolved::Void(_), Doing::Pay(payment, _)) => {
                self.waiting.remove(&payment);
                return Next::Refused(Refusal::new(Code::IcCardNotDue));
            }
            (Resolved::Void(_), doing) => self.contact().plan.push(doing),
        }
        self.next_session()
    }

    fn settled(&mut self, doing: Doing) {
        match doing {
            Doing::Load => {
                self.contact().loaded = self.owed;
                self.on_card += std::mem::take(&mut self.owed);
            }
            Doing::Pay(payment, _) => {
                self.contact().paid = Some(payment);
                let (_, amount) = self.waiting.remove(&payment).unwrap();
                self.on_card -= u32::try_from(amount.minor()).unwrap();
                self.made.push(payment);
            }
            Doing::Read => {}
        }
    }

    fn money(&mut self, doing: Doing) -> Money {
        let (id, amount, bill) = match doing {
            Doing::Load => (OrderId([self.jobs; 16]), self.owed, Digest::of(b"load")),
            Doing::Pay(payment, _) => {
                let (bill, amount) = self.waiting[&payment];
                let minor = u32::try_from(amount.minor()).unwrap();
                (order_id(payment), minor, bill)
            }
            Doing::Read => panic!("a read opened a purse"),
        };
        Money {
            id,
            amount,
            currency: "JPY".into(),
            bill: *bill.as_bytes(),
            terminal: [0; 8],
            time: 1_700_000_000,
        }
    }
}

fn order_id(payment: PaymentId) -> OrderId {
    let mut id = [0; 16];
    id.copy_from_slice(&payment.digest().as_bytes()[..16]);
    OrderId(id)
}

impl Town {
    /// A card for the member, its memory in this image.
    pub(crate) fn issue_card(&self, image: &Path) {
        self.book().ic = Some(Cards::issue(image));
    }
}

impl Book {
    pub(crate) fn ic(&mut self) -> &mut Cards {
        self.ic.as_mut().unwrap()
    }

    /// Was a card to make that payment, and never will?
    pub(super) fn is_given_up(&self, payment: &PaymentId) -> bool {
        let given_up = |ic: &Cards| {
            let done = ic.waiting.contains_key(payment) || ic.made.contains(payment);
            ic.agreed.contains(payment) && !done
        };
        self.ic.as_ref().is_some_and(given_up)
    }

    /// The index of the card whose payment it is.
    pub(super) fn card_of(&self, payment: &PaymentId) -> Option<u16> {
        let ic = self.ic.as_ref()?;
        ic.agreed.contains(payment).then_some(0)
    }
}

type Done<R> = Result<(R, Option<Vec<u8>>), Refusal>;

/// What the centre answers about cards; `None` if it isn't about them.
pub(super) fn card_message(book: &mut Book, label: u16, parcel: &Parcel) -> Option<Parcel> {
    let own = (PartyNumber::CENTRE, receipts());
    let keys = book.members.get(&member()).cloned()?;
    Some(match label {
        CardPayment::LABEL => once(book, parcel, &keys.signing, own, set_aside),
        CardContact::LABEL => once(book, parcel, &keys.signing, own, contact),
        CardAnswer::LABEL => once(book, parcel, &keys.signing, own, answer),
        CardLoad::LABEL => once(book, parcel, &keys.spending.unwrap(), own, load),
        CardRequest::LABEL if claimed::<CardRequest>(parcel).body.change == Change::PayOut => {
            once(book, parcel, &keys.signing, own, pay_out)
        }
        CardRequest::LABEL => once(book, parcel, &keys.signing, own, change),
        _ => return None,
    })
}

/// The digest of the sealing that a message about cards was signed for.
pub(super) fn enc_digest_of(label: u16, parcel: &Parcel) -> Option<Option<Digest>> {
    Some(match label {
        CardPayment::LABEL => claimed::<CardPayment>(parcel).enc_digest,
        CardContact::LABEL => claimed::<CardContact>(parcel).enc_digest,
        CardAnswer::LABEL => claimed::<CardAnswer>(parcel).enc_digest,
        CardLoad::LABEL => claimed::<CardLoad>(parcel).enc_digest,
        CardRequest::LABEL => claimed::<CardRequest>(parcel).enc_digest,
        _ => return None,
    })
}

fn set_aside(book: &mut Book, message: &Message<CardPayment>) -> Done<Receipt> {
    let bill = Unverified::<Bill>::parse(message.body.bill.clone()).unwrap();
    let bill = bill.verify(&shop_key().verifying_key()).unwrap();
    let (total, payment) = (bill.totals.total, PaymentId::new(book.current.unwrap()));
    assert_eq!(total, message.body.amount);
    assert_eq!(message.body.card, card_number());
    let ic = book.ic();
    if u64::from(ic.on_card + ic.owed) < total.minor() {
        return Err(Refusal::new(Code::IcCardInsufficient));
    }
    ic.waiting.insert(payment, (bill.digest(), total));
    ic.agreed.push(payment);
    book.payments.push((payment, bill.digest()));
    let receipt = Receipt {
        payment,
        bill: bill.digest(),
        mode: tegata_protocol::payment::Mode::Hold,
        amount: total,
        balance: yen(book.balance),
        held: yen(0),
        hold_expires: Some(now().after(1800)),
        position: position(7),
    };
    let head = receipts().sign(&ChainHead {
        committer: 1,
        sequence: 9,
        hash: Digest::of(b"chain"),
        time: now(),
    });
    Ok((receipt, Some(head.into_bytes())))
}

fn stepped(book: &mut Book, id: Digest, next: Next) -> Done<CardStep> {
    let contact = book.ic().contact.as_mut().filter(|c| c.id == id);
    let step = contact.map_or(1, |contact| {
        contact.step += 1;
        contact.step
    });
    let contact = id;
    Ok((
        CardStep {
            contact,
            step,
            next,
        },
        None,
    ))
}

fn contact(book: &mut Book, message: &Message<CardContact>) -> Done<CardStep> {
    let id = book.current.unwrap();
    let next = book.ic().begin(id, &message.body.errand);
    stepped(book, id, next)
}

fn answer(book: &mut Book, message: &Message<CardAnswer>) -> Done<CardStep> {
    let CardAnswer {
        contact,
        step,
        answered,
    } = &message.body;
    let open = book.ic().contact.as_ref();
    if !open.is_some_and(|open| open.id == *contact && open.step == *step) {
        let over = Next::Refused(Refusal::new(Code::IcCardContactOver));
        return stepped(book, *contact, over);
    }
    let next = book.ic().go_on(answered);
    stepped(book, *contact, next)
}

fn moved(book: &mut Book, amount: Amount) -> CardLoaded {
    CardLoaded {
        card: card_number(),
        amount,
        prepaid: yen(book.balance),
        account: yen(u64::from(book.ic().on_card + book.ic().owed)),
        position: position(8),
    }
}

fn load(book: &mut Book, message: &Message<CardLoad>) -> Done<CardLoaded> {
    let amount = message.body.amount;
    book.balance -= amount.minor();
    book.ic().owed += u32::try_from(amount.minor()).unwrap();
    Ok((moved(book, amount), None))
}

fn pay_out(book: &mut Book, _: &Message<CardRequest>) -> Done<CardLoaded> {
    if !book.ic().ended {
        return Err(Refusal::new(Code::IcCardRefuses));
    }
    let amount = yen(u64::from(std::mem::take(&mut book.ic().on_card)));
    book.balance += amount.minor();
    Ok((moved(book, amount), None))
}

fn change(book: &mut Book, message: &Message<CardRequest>) -> Done<book::Done> {
    let ic = book.ic();
    if ic.ended && message.body.change != Change::Lost {
        return Err(Refusal::new(Code::IcCardEnded));
    }
    match message.body.change {
        Change::Block => ic.blocked = true,
        Change::Unblock => ic.blocked = false,
        Change::Lost => (ic.ended, ic.blocked) = (true, true),
        Change::PayOut => {}
    }
    Ok((book::Done {}, None))
}
