//! A party fetches what waits in its mailbox: what the centre said to it when it wasn't asking, and what
//! others have sealed to it.

use tegata_protocol::{
    Role, Verified, cbor,
    envelope::Message,
    payment::{Collect, Item, Mailbox},
};

use super::{Inquiry, Stop};
use crate::{centre::Centre, reply::Post};

/// Items of one page of a mailbox, and its bytes.
const PAGE_ITEMS: u32 = 32;
const PAGE_BYTES: usize = 160 * 1024;

/// An item of the outbox that isn't anything the centre says.
#[derive(Debug, thiserror::Error)]
#[error("the outbox holds something that the centre never says; run the audit")]
struct Damaged;

/// The inquiry.
pub(super) struct Mailboxes;

impl Inquiry for Mailboxes {
    type Body = Collect;
    type Reply = Mailbox;

    const ROLE: Option<Role> = None;

    fn answer(centre: &Centre, message: &Verified<Message<Collect>>) -> Result<Mailbox, Stop> {
        let (from, after) = (message.from, message.body.after);
        let stored = centre
            .ledger
            .read(|book| book.outbox_after(from, after, PAGE_ITEMS + 1));
        let stored = stored.map_err(Stop::fault)?;
        let (mut items, mut bytes) = (Vec::new(), 0_usize);
        for waiting in &stored {
            bytes = bytes
                .saturating_add(waiting.item.bytes.len())
                .saturating_add(100);
            if items.len() >= PAGE_ITEMS as usize || (bytes > PAGE_BYTES && !items.is_empty()) {
                break;
            }
            items.push(item(centre, waiting.number, &waiting.item.bytes)?);
        }
        let more = items.len() < stored.len();
        Ok(Mailbox { items, more })
    }
}

fn item(centre: &Centre, number: u64, bytes: &[u8]) -> Result<Item, Stop> {
    let post: Post = cbor::decode(bytes, 64 * 1024).map_err(Stop::fault)?;
    let signed = centre.sign_kept(post.payload);
    let signed = signed.ok_or_else(|| Stop::fault(Damaged))?;
    Ok(Item {
        number,
        signed,
        sealed: post.sealed,
    })
}
