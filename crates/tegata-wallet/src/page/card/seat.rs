//! What lies on the reader between two requests, for the pages that show it.

use std::fmt;

use tegata_card::link::Link;
use tegata_pages::Page;
use tegata_protocol::{Digest, Time, purchase::Bill};

use super::{
    super::{frame::Frame, token::Token},
    guide::{self, Guide},
    meant::Meant,
};
use crate::{ic_card::CardTalk, kept::KnownShop, wallet::Wallet};

/// How long a card that was read waits for the second answer: two minutes, in milliseconds.
const PATIENCE: u64 = 120_000;

/// The script of all pages on which cards are paid with.
pub(in crate::page) const SCRIPT: &str = "/card.js";

/// What lies on the reader between two requests, and the guide that may stand beside.
#[derive(Debug, Default)]
pub(in crate::page) struct Seat {
    pub(super) now: u64,
    pub(super) laid: Option<Laid>,
    pub(super) guide: Option<Guide>,
}

impl Seat {
    /// It's that late. A card that was left waiting is let go.
    pub(in crate::page) fn at(&mut self, now: u64) {
        self.now = now;
        let late = |laid: &Laid| now.saturating_sub(laid.since) > PATIENCE;
        if self.laid.as_ref().is_some_and(late) {
            self.laid = None;
        }
    }

    /// Whatever lies there is over.
    pub(in crate::page) fn clear(&mut self) {
        self.laid = None;
    }
}

impl Seat {
    /// A bill is shown: from now on its guide can be asked for, and no other.
    pub(in crate::page) fn offer(&mut self, bill: Digest, named: &Bill, shop: &KnownShop) -> bool {
        let new = Guide::of(bill, named, shop);
        let old = self.guide.take();
        let same = |guide: &Guide| Some(guide.digest) == named.interface;
        let text = old.filter(same).and_then(|guide| guide.text);
        self.guide = new.map(|guide| Guide { text, ..guide });
        self.guide.is_some()
    }
}

/// A card whose order waits for the member's word.
pub(super) struct Laid {
    pub(super) link: Box<dyn Link + Send>,
    pub(super) talk: CardTalk,
    /// Stands in the form that answers it.
    pub(super) token: Token,
    pub(super) since: u64,
    pub(super) meant: Meant,
    /// The bill waited for its card before it was laid on.
    pub(super) waited: bool,
}

impl fmt::Debug for Laid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Laid")
            .field("talk", &self.talk)
            .finish_non_exhaustive()
    }
}

/// A visit to a page about cards: the open wallet, and what lies on the reader.
pub(in crate::page) struct Visited<'a> {
    pub(in crate::page) wallet: &'a mut Wallet,
    pub(in crate::page) seat: &'a mut Seat,
    pub(in crate::page) frame: &'a Frame,
    /// The page's own origin.
    pub(in crate::page) own: &'a str,
    pub(in crate::page) csrf: &'a str,
    pub(in crate::page) now: Time,
}

/// A page on which cards are paid with. Of frames it may have the guide's alone.
pub(in crate::page) fn with_script(at: &Visited<'_>, page: Page) -> Page {
    let page = page.script(SCRIPT);
    if at.seat.guide.is_none() {
        return page;
    }
    page.embeds(&format!("{}{}", at.own, guide::FRAME), at.own)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tegata_card::link::LinkError;

    use super::*;

    /// A reader that says when it's let go.
    struct Noted(Arc<AtomicBool>);

    impl Drop for Noted {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    impl Link for Noted {
        fn reset(&mut self) -> Result<(), LinkError> {
            Err(LinkError::Gone)
        }

        fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, LinkError> {
            Err(LinkError::Gone)
        }
    }

    #[test]
    fn a_card_waits_two_minutes_and_no_longer() {
        let gone = Arc::new(AtomicBool::new(false));
        let mut seat = Seat::default();
        seat.at(5_000);
        seat.laid = Some(Laid {
            link: Box::new(Noted(Arc::clone(&gone))),
            talk: CardTalk::silent(),
            token: Token::random(),
            since: seat.now,
            waited: false,
            meant: Meant {
                bill: String::new(),
                shop: None,
                back: None,
            },
        });
        seat.at(125_000);
        assert!(!gone.load(Ordering::SeqCst));
        seat.at(125_001);
        assert!(
            gone.load(Ordering::SeqCst),
            "the reader's process has ended"
        );
        assert!(seat.laid.is_none());
    }
}
