//! The card's memory: what lies in which page, and how it survives a power cut.
//!
//! Whatever changes lies twice. A record goes into the older of its two pages, with a generation one
//! higher and a check sum; the write of that page is the moment at which it counts. If the power
//! fails during it, the check sum is wrong and the other page still holds what was before.
//!
//! ```text
//! page  0      the card's number, written once
//! page  1      the transport key, erased on activation
//! page  2  3   SEQ: sessions opened, failures since the last
//! page  4  5   life: state, currency, limits
//! page  6 …11  debit, admin and receipt key, two pages each
//! page 12 13   purse: balance, counter, ratified, last receipt
//! page 14 …45  log: the receipt of transaction n in page 14 + n mod 32
//! page 46 …77  16 ticket slots, two pages each
//! ```

use crate::apdu::Status;
use crate::applet::Stop;
use crate::bytes::{Reader, Writer};
use crate::chip::{Hardware, PAGE, Page, PowerCut};
use crate::command::{LOG_LENGTH, TICKET_SLOTS};

use zeroize::Zeroizing;

/// How many pages the applet uses.
pub const PAGES: usize = 78;

/// Two pages for one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pair(usize);

pub(super) const NUMBER: usize = 0;
pub(super) const TRANSPORT: usize = 1;
pub(super) const SEQUENCE: Pair = Pair(2);
pub(super) const LIFE: Pair = Pair(4);
pub(super) const DEBIT_KEY: Pair = Pair(6);
pub(super) const ADMIN_KEY: Pair = Pair(8);
pub(super) const RECEIPT_KEY: Pair = Pair(10);
pub(super) const PURSE: Pair = Pair(12);
const LOG: usize = 14;
const TICKETS: usize = 46;

/// The pages of a ticket slot, if there is such a slot.
pub(super) fn ticket(slot: u8) -> Option<Pair> {
    let offset = usize::from(slot).checked_mul(2)?;
    (slot < TICKET_SLOTS).then_some(Pair(TICKETS.checked_add(offset)?))
}

/// The page of a transaction's record in the log.
pub(super) fn log(counter: u32) -> usize {
    let place = counter.checked_rem(u32::from(LOG_LENGTH)).unwrap_or(0);
    LOG.saturating_add(usize::try_from(place).unwrap_or(0))
}

/// Bytes before a page's payload: generation and length.
const HEAD: usize = 6;

/// A record's bytes, erased when dropped: keys are among them.
pub(super) type Payload = Zeroizing<Vec<u8>>;

/// What a page holds.
struct Record {
    generation: u32,
    payload: Payload,
}

fn encode(page: usize, generation: u32, payload: &[u8]) -> Option<Page> {
    let length = u16::try_from(payload.len()).ok()?;
    let writer = Writer::new().u32(generation).put(&length.to_be_bytes());
    let writer = writer.put(payload);
    let sum = check_sum(page, writer.bytes());
    let writer = writer.u32(sum);
    let mut contents = [0; PAGE];
    let (head, _) = contents.split_at_mut_checked(writer.bytes().len())?;
    head.copy_from_slice(writer.bytes());
    Some(contents)
}

fn decode(page: usize, contents: &Page) -> Option<Record> {
    let mut reader = Reader::new(contents);
    let generation = reader.u32()?;
    let length = usize::from(reader.u16()?);
    let payload = Zeroizing::new(reader.slice(length)?.to_vec());
    let (covered, _) = contents.split_at_checked(length.checked_add(HEAD)?)?;
    let sound = generation > 0 && reader.u32()? == check_sum(page, covered);
    sound.then_some(Record {
        generation,
        payload,
    })
}

/// CRC-32 (ISO 3309) over the page's number and what it holds: a page that is copied to another
/// place isn't one of that place.
fn check_sum(page: usize, bytes: &[u8]) -> u32 {
    let number = u16::try_from(page).unwrap_or(u16::MAX).to_be_bytes();
    let all = number.iter().chain(bytes);
    !all.fold(u32::MAX, |sum, byte| {
        let [.., low] = sum.to_be_bytes();
        let step = CRC.get(usize::from(low ^ byte)).copied().unwrap_or(0);
        (sum >> 8) ^ step
    })
}

const CRC: [u32; 256] = crc_table();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "computed when compiled: an index out of range wouldn't build"
)]
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(value & 1));
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// The memory on some hardware.
#[derive(Debug)]
pub(super) struct Memory<H>(pub(super) H);

impl<H: Hardware> Memory<H> {
    /// The payload of a page by itself, with its generation.
    pub(super) fn read(&mut self, page: usize) -> Result<Option<(u32, Payload)>, PowerCut> {
        let record = decode(page, &self.0.read(page)?);
        Ok(record.map(|record| (record.generation, record.payload)))
    }

    /// Might the page hold `wanted` at this place of its payload? A quick look before it's read and
    /// checked.
    pub(super) fn may_hold(
        &mut self,
        page: usize,
        place: usize,
        wanted: &[u8],
    ) -> Result<bool, PowerCut> {
        let contents = self.0.read(page)?;
        let payload = contents
            .get(HEAD..)
            .and_then(|payload| payload.get(place..));
        Ok(payload.is_some_and(|payload| payload.starts_with(wanted)))
    }

    /// Writes a page by itself.
    pub(super) fn write(
        &mut self,
        page: usize,
        generation: u32,
        payload: &[u8],
    ) -> Result<(), Stop> {
        let contents = encode(page, generation, payload).ok_or(Status::MEMORY_FAILURE)?;
        Ok(self.0.write(page, &contents)?)
    }

    /// The newest record of a pair.
    pub(super) fn load(&mut self, pair: Pair) -> Result<Option<Payload>, PowerCut> {
        let (record, _) = self.newest(pair)?;
        Ok(record.map(|record| record.payload))
    }

    /// Replaces a pair's record. When this returns, it counts.
    pub(super) fn store(&mut self, pair: Pair, payload: &[u8]) -> Result<(), Stop> {
        let (record, page) = self.newest(pair)?;
        let generation = record.map_or(0, |record| record.generation);
        let next = generation.checked_add(1).ok_or(Status::MEMORY_FAILURE)?;
        self.write(page, next, payload)
    }

    /// Makes a page all zeros, unless it is.
    pub(super) fn erase(&mut self, page: usize) -> Result<(), PowerCut> {
        if self.0.read(page)? == [0; PAGE] {
            return Ok(());
        }
        self.0.write(page, &[0; PAGE])
    }

    /// Makes both pages all zeros.
    pub(super) fn erase_pair(&mut self, pair: Pair) -> Result<(), PowerCut> {
        self.erase(pair.0)?;
        self.erase(pair.0.saturating_add(1))
    }

    /// Makes the page that a newer record has replaced all zeros.
    pub(super) fn erase_older(&mut self, pair: Pair) -> Result<(), PowerCut> {
        match self.newest(pair)? {
            (Some(_), older) => self.erase(older),
            (None, _) => Ok(()),
        }
    }

    /// The newest record, and the page that the next one goes into.
    fn newest(&mut self, Pair(first): Pair) -> Result<(Option<Record>, usize), PowerCut> {
        let second = first.saturating_add(1);
        let a = decode(first, &self.0.read(first)?);
        let b = decode(second, &self.0.read(second)?);
        Ok(match (a, b) {
            (Some(a), Some(b)) if a.generation > b.generation => (Some(a), second),
            (_, Some(b)) => (Some(b), first),
            (Some(a), None) => (Some(a), second),
            (None, None) => (None, first),
        })
    }
}
