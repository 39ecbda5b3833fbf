//! A memory that loses its power when it's told to.

use tegata_card::applet::PAGES;
use tegata_card::chip::{Hardware, PAGE, Page, PowerCut};

/// What the page being written is left as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Torn {
    Old,
    New,
    /// The first half of what changes is new.
    FrontHalf,
    /// The second half of what changes is new.
    BackHalf,
    Garbage,
}

impl Torn {
    pub(crate) const ALL: [Self; 5] = [
        Self::Old,
        Self::New,
        Self::FrontHalf,
        Self::BackHalf,
        Self::Garbage,
    ];
}

/// At which write from now the power fails, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) write: usize,
    pub(crate) torn: Torn,
}

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pages: Vec<Page>,
    cut: Option<Cut>,
    dead: bool,
    /// Milliseconds that the card made its reader wait.
    pub(crate) paused: u32,
    /// The deliberately weakened variant: both pages of a pair are one.
    single: bool,
    noise: u64,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            pages: vec![[0; PAGE]; PAGES],
            cut: None,
            dead: false,
            paused: 0,
            single: false,
            noise: 0x9e37_79b9_7f4a_7c15,
        }
    }

    pub(crate) fn weakened() -> Self {
        Self {
            single: true,
            ..Self::new()
        }
    }

    pub(crate) fn cut_at(&mut self, cut: Cut) {
        self.cut = Some(cut);
    }

    /// The power is back. Was it gone?
    pub(crate) fn power(&mut self) -> bool {
        self.cut = None;
        std::mem::take(&mut self.dead)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.pages.concat()
    }

    fn place(&self, page: usize) -> usize {
        // Pages 0, 1 and the log's aren't pairs.
        let paired = (2..14).contains(&page) || page >= 46;
        if self.single && paired {
            page & !1
        } else {
            page
        }
    }

    fn noise(&mut self) -> u8 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        self.noise.to_be_bytes()[0]
    }

    fn tear(&mut self, page: usize, new: &Page, torn: Torn) {
        let old = self.pages[page];
        let differing = |at: &usize| old[*at] != new[*at];
        let first = (0..PAGE).find(differing).unwrap_or(0);
        let last = (0..PAGE).rfind(differing).unwrap_or(0);
        let middle = usize::midpoint(first, last) + 1;
        self.pages[page] = match torn {
            Torn::Old => old,
            Torn::New => *new,
            Torn::FrontHalf => {
                std::array::from_fn(|at| if at < middle { new[at] } else { old[at] })
            }
            Torn::BackHalf => std::array::from_fn(|at| if at < middle { old[at] } else { new[at] }),
            Torn::Garbage => std::array::from_fn(|_| self.noise()),
        };
    }
}

impl Hardware for Memory {
    fn read(&mut self, page: usize) -> Result<Page, PowerCut> {
        if self.dead {
            return Err(PowerCut);
        }
        Ok(self.pages[self.place(page)])
    }

    fn write(&mut self, page: usize, contents: &Page) -> Result<(), PowerCut> {
        if self.dead {
            return Err(PowerCut);
        }
        let place = self.place(page);
        if self.single && page > 1 && *contents == [0; PAGE] {
            // The page that a newer record has replaced: it's the same one here.
            return Ok(());
        }
        match &mut self.cut {
            Some(Cut { write: 0, torn }) => {
                let torn = *torn;
                self.tear(place, contents, torn);
                self.dead = true;
                return Err(PowerCut);
            }
            Some(cut) => cut.write -= 1,
            None => {}
        }
        self.pages[place] = *contents;
        Ok(())
    }

    fn pause(&mut self, milliseconds: u16) {
        self.paused += u32::from(milliseconds);
    }
}
