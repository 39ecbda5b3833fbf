//! A card in careless hands: orders at random, power cuts at random writes, answers lost, everything
//! said again. Whoever follows the rules of ratification always ends up agreeing with the card.

use tegata_card::chip::Chip as _;
use tegata_card::command::Purse;
use tegata_card::keys::Role;
use tegata_card::receipt::{Kind, Receipt, Transaction};
use tegata_card::session::{Order, Reply, Said, Session};

use crate::desk::{self, Card, Lost, active, key, look, open, receipt_key};
use crate::memory::{Cut, Memory, Torn};

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 32).unwrap() % sides
    }
}

/// The server's books of one card: what is certain, and the one order that isn't.
#[derive(Default)]
struct Books {
    balance: u32,
    counter: u32,
    pending: Option<(Kind, Transaction)>,
    orders: u32,
    carried_out: u32,
    void: u32,
    cuts: u32,
}

struct Town {
    card: Card,
    books: Books,
    dice: Dice,
}

impl Town {
    /// Says an order to the card. The power may fail on the way there, in it, or on the way back.
    fn say(&mut self, session: Session, order: &Order) -> Result<(Session, Said), Lost> {
        if self.dice.roll(4) == 0 {
            let write = usize::try_from(self.dice.roll(3)).unwrap();
            let torn = Torn::ALL[usize::try_from(self.dice.roll(5)).unwrap()];
            self.card.hardware().cut_at(Cut { write, torn });
        }
        let said = desk::order(&mut self.card, session, order)?;
        if self.dice.roll(8) == 0 {
            return Err(Lost::Power);
        }
        Ok(said)
    }

    fn purse(&mut self, session: Session) -> Result<(Session, Purse), Lost> {
        match self.say(session, &Order::ReadPurse)? {
            (session, Said::Done(Reply::Purse(purse))) => Ok((session, purse)),
            (_, said) => panic!("{said:?}"),
        }
    }

    /// A receipt came: it's what was ordered, by this card, and only now is it certain.
    fn take(&mut self, receipt: Receipt) {
        receipt_key(1).verify(receipt).unwrap();
        let (kind, order) = self.books.pending.take().expect("nothing was ordered");
        assert_eq!(receipt.transaction.id, order.id);
        self.books.counter += 1;
        assert_eq!(receipt.transaction.counter, self.books.counter);
        match receipt.kind {
            Kind::Void => self.books.void += 1,
            done => {
                assert_eq!((done, receipt.transaction), (kind, order));
                self.books.carried_out += 1;
                self.books.balance = match kind {
                    Kind::Debit => self.books.balance - order.amount,
                    Kind::Load | Kind::Refund | Kind::Void => self.books.balance + order.amount,
                };
            }
        }
        assert_eq!(receipt.balance, self.books.balance);
    }

    /// One contact with the card, which may end anywhere.
    fn contact(&mut self) -> Result<(), Lost> {
        let role = match self.dice.roll(2) {
            0 => Role::Debit,
            _ => Role::Admin,
        };
        let session = open(&mut self.card, &key(role, 1))?;
        let (mut session, purse) = self.purse(session)?;
        if let Some((_, order)) = self.books.pending {
            session = self.find_out(session, &purse, order)?;
        } else {
            assert_eq!(
                (purse.balance, purse.counter),
                (self.books.balance, self.books.counter)
            );
        }
        if let Some(last) = purse.last.filter(|_| !purse.ratified) {
            let said;
            (session, said) = self.say(session, &Order::Confirm(last.transaction.id))?;
            assert!(matches!(said, Said::Done(_)), "{said:?}");
        }
        self.order(session, role)
    }

    /// What became of the order in doubt?
    fn find_out(
        &mut self,
        session: Session,
        purse: &Purse,
        order: Transaction,
    ) -> Result<Session, Lost> {
        match purse.last.filter(|last| last.transaction.id == order.id) {
            Some(receipt) => {
                self.take(receipt);
                Ok(session)
            }
            None => {
                assert_eq!(purse.counter, self.books.counter, "nobody else orders");
                let (id, counter) = (order.id, order.counter);
                let (session, said) = self.say(session, &Order::Void { id, counter })?;
                let Said::Done(Reply::Receipt(receipt)) = said else {
                    panic!("{said:?}");
                };
                assert_eq!(receipt.kind, Kind::Void);
                self.take(receipt);
                Ok(session)
            }
        }
    }

    /// A new order: kept before it's sent.
    fn order(&mut self, session: Session, role: Role) -> Result<(), Lost> {
        self.books.orders += 1;
        let amount = 1 + self.dice.roll(1_500);
        let mut id = [0; 16];
        id[..4].copy_from_slice(&self.books.orders.to_be_bytes());
        let transaction = Transaction {
            id,
            ..desk::transaction(1, self.books.counter + 1, amount)
        };
        let (kind, order) = match (role, self.dice.roll(2)) {
            (Role::Debit, _) => (Kind::Debit, Order::Debit(transaction)),
            (_, 0) => (Kind::Refund, Order::Refund(transaction)),
            _ => (Kind::Load, Order::Load(transaction)),
        };
        self.books.pending = Some((kind, transaction));
        let (session, said) = self.say(session, &order)?;
        match said {
            // Authentic: it wasn't carried out, and this session's MAC chain has moved on.
            Said::Refused(_) => self.books.pending = None,
            Said::Done(Reply::Receipt(receipt)) => {
                self.take(receipt);
                self.say(session, &Order::Confirm(id))?;
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    fn live(seed: u64) -> Books {
        let mut town = Self {
            card: active(Memory::new()),
            books: Books::default(),
            dice: Dice(seed),
        };
        for _contact in 0..400 {
            match town.contact() {
                Ok(()) => {}
                Err(Lost::Power) => town.books.cuts += 1,
                Err(other) => panic!("{other:?}"),
            }
            town.card.hardware().power();
            town.card.power_on();
        }
        // At last the card is seen once in peace.
        let seen = look(&mut town.card).unwrap().purse.unwrap();
        if town.books.pending.is_none() {
            assert_eq!(
                (seen.balance, seen.counter),
                (town.books.balance, town.books.counter)
            );
        }
        town.books
    }
}

#[test]
fn careless_hands_never_make_or_lose_money() {
    let (mut orders, mut carried_out, mut void, mut cuts) = (0, 0, 0, 0);
    for seed in 1..=12_u64 {
        let books = Town::live(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        orders += books.orders;
        carried_out += books.carried_out;
        void += books.void;
        cuts += books.cuts;
    }
    println!("{orders} orders, {cuts} losses: {carried_out} carried out, {void} void");
    assert!(carried_out > 500 && void > 100 && cuts > 500);
}
