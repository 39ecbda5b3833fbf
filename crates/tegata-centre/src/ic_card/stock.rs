//! Cards that came from the manufacturer: `DIR/card-stock.txt`, a line for each with number and
//! transport key, in hexadecimal. It's the file that comes with the cards; only the centre's user may
//! read it. A card's key is of no use any more once the card has keys of ours, and goes then.
//!
//! Beside it `DIR/card-renew.txt`: cards that are to get new keys at their next contact.

use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure},
};
use tegata_protocol::CardNumber;
use zeroize::Zeroizing;

const FILE: &str = "card-stock.txt";
const RENEW: &str = "card-renew.txt";

/// Locked while one of them is replaced: the running centre and `cards add` would else each write what it
/// had read, and a key would be lost.
const BUSY: &str = "card-stock.lock";

/// A card that nobody has yet.
#[derive(Clone)]
pub struct NewCard {
    /// Its number.
    pub card: CardNumber,
    key: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for NewCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewCard({}, …)", self.card)
    }
}

/// Reads a manufacturer's list.
///
/// # Errors
/// The line that isn't one.
pub fn parse(text: &str) -> Result<Vec<NewCard>, String> {
    let mut cards: Vec<NewCard> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        let wrong = || {
            format!(
                "line {line}: expected a card's number and its key, 20 and 64 hexadecimal digits"
            )
        };
        let (card, key) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let card = CardNumber::from_hex(card).ok_or_else(wrong)?;
        let key = tegata_protocol::Digest::from_hex(key.trim()).ok_or_else(wrong)?;
        if cards.iter().any(|c| c.card == card) {
            return Err(format!("line {line}: card {card} stands here twice"));
        }
        let key = Zeroizing::new(*key.as_bytes());
        cards.push(NewCard { card, key });
    }
    Ok(cards)
}

/// The stock of a centre.
pub(crate) struct Stock {
    dir: DataDir,
}

impl Stock {
    pub(crate) fn open(dir: &DataDir) -> Result<Self, Failure> {
        let stock = Self {
            dir: DataDir::open_existing(dir.path(), crate::settings::PARTY)?,
        };
        stock.read()?;
        Ok(stock)
    }

    fn read(&self) -> Result<Vec<NewCard>, Failure> {
        let bytes = Zeroizing::new(self.dir.read_optional(FILE)?.unwrap_or_default());
        let text = String::from_utf8_lossy(&bytes);
        parse(&text).map_err(|why| Failure::new(Exit::Damaged, format!("{FILE}: {why}")))
    }

    fn write(&self, cards: &[NewCard]) -> Result<(), Failure> {
        let mut text = Zeroizing::new(String::new());
        for new in cards {
            let key = tegata_protocol::Digest::from_bytes(*new.key);
            text.push_str(&format!("{} {key}\n", new.card));
        }
        Ok(self.dir.write_atomic(FILE, text.as_bytes())?)
    }

    /// Adds cards; those that are there already stay as they are. Says how many were new.
    pub(crate) fn add(&self, new: &[NewCard]) -> Result<usize, Failure> {
        let _alone = self.dir.wait_alone(BUSY)?;
        let mut cards = self.read()?;
        let before = cards.len();
        for one in new {
            if !cards.iter().any(|c| c.card == one.card) {
                cards.push(one.clone());
            }
        }
        self.write(&cards)?;
        Ok(cards.len().saturating_sub(before))
    }

    /// The key under which a new card was delivered.
    pub(crate) fn key(&self, card: CardNumber) -> Result<Option<Vec<u8>>, Failure> {
        let found = self.read()?.into_iter().find(|c| c.card == card);
        Ok(found.map(|c| c.key.to_vec()))
    }

    fn read_renewals(&self) -> Result<Vec<CardNumber>, Failure> {
        let bytes = self.dir.read_optional(RENEW)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let read = |line: &str| {
            let wrong = || Failure::new(Exit::Damaged, format!("{RENEW}: {line:?} is no card"));
            CardNumber::from_hex(line.trim()).ok_or_else(wrong)
        };
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(read).collect()
    }

    /// Is the card to get new keys?
    pub(crate) fn renews(&self, card: CardNumber) -> Result<bool, Failure> {
        Ok(self.read_renewals()?.contains(&card))
    }

    /// From now on the card is to get new keys, or is no more.
    pub(crate) fn set_renewal(&self, card: CardNumber, wanted: bool) -> Result<(), Failure> {
        let _alone = self.dir.wait_alone(BUSY)?;
        let mut cards = self.read_renewals()?;
        cards.retain(|c| *c != card);
        if wanted {
            cards.push(card);
        }
        let lines: Vec<String> = cards.iter().map(|card| format!("{card}\n")).collect();
        Ok(self.dir.write_atomic(RENEW, lines.concat().as_bytes())?)
    }

    /// Forgets a card's key.
    pub(crate) fn forget(&self, card: CardNumber) -> Result<(), Failure> {
        let _alone = self.dir.wait_alone(BUSY)?;
        let mut cards = self.read()?;
        let before = cards.len();
        cards.retain(|c| c.card != card);
        if cards.len() < before {
            self.write(&cards)?;
        }
        Ok(())
    }
}

/// Adds a manufacturer's list to the stock in this folder.
///
/// # Errors
/// [`Failure`].
pub fn add(dir: &DataDir, cards: &[NewCard]) -> Result<usize, Failure> {
    Stock::open(dir)?.add(cards)
}

/// Is the card in the stock in this folder?
///
/// # Errors
/// [`Failure`].
pub fn has(dir: &DataDir, card: CardNumber) -> Result<bool, Failure> {
    Ok(Stock::open(dir)?.key(card)?.is_some())
}

/// The card gets new keys at its next contact.
///
/// # Errors
/// [`Failure`].
pub fn renew(dir: &DataDir, card: CardNumber) -> Result<(), Failure> {
    Stock::open(dir)?.set_renewal(card, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_taken_whole_or_refused_with_its_line() {
        let key = "11".repeat(32);
        let good = format!("00000000000000000001 {key}\n\n00000000000000000002 {key}\n");
        assert_eq!(parse(&good).unwrap().len(), 2);
        for (bad, says) in [
            (format!("{good}0003 {key}"), "line 4: expected"),
            (format!("{good}00000000000000000001 {key}"), "line 4: card"),
            ("00000000000000000001".to_owned(), "line 1: expected"),
        ] {
            let why = parse(&bad).unwrap_err();
            assert!(why.contains(says), "{why}");
        }
    }

    /// `cards add` and the running centre are two processes; here they're two stocks, which share no more.
    #[test]
    fn two_that_write_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&folder.path().join("centre"), crate::settings::PARTY).unwrap();
        let card = |n: u8| CardNumber::from_bytes([n; 10]);
        let fill = |from: u8| {
            let stock = Stock::open(&dir).unwrap();
            for n in from..from + 30 {
                let key = Zeroizing::new([n; 32]);
                stock.add(&[NewCard { card: card(n), key }]).unwrap();
                stock.set_renewal(card(n), true).unwrap();
                if n % 3 == 0 {
                    stock.forget(card(n)).unwrap();
                }
            }
        };
        std::thread::scope(|s| {
            s.spawn(|| fill(0));
            s.spawn(|| fill(100));
        });
        let stock = Stock::open(&dir).unwrap();
        for n in (0..30).chain(100..130) {
            assert!(stock.renews(card(n)).unwrap(), "{n}");
            assert_eq!(stock.key(card(n)).unwrap().is_none(), n % 3 == 0, "{n}");
        }
    }
}
