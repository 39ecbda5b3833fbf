//! Orders for goods: from a cart to a parcel.
//!
//! ```text
//!  cart ──▶ CartToken ──▶ SealedOrder ──[ one transaction ]──▶ bill and receipt
//!
//!                   hold            captured           packed          with the post
//!        Billed ──────────▶ Held ──────────▶ Paid ──────────▶ Packed ──────────▶ Sent
//!          │ closed unpaid    │ hold closed   ▲ charged, or paid at once
//!          └──────▶ Lapsed ◀──┘               │
//!                             Taken (by card: no bill), Billed
//!        Lapsed ◀── Taken: no credit link took the card number in time
//!        Cancelled ◀── by the owner, from any state that isn't over and in which no money is moving;
//!                      from Taken, too, when the card number is refused
//!        Stuck ◀── Billed, Held: what the centre said wasn't to be expected; the owner looks
//! ```
//! - **One transaction** uses up the key that sealed the form, reserves the goods, makes and signs
//!   bill and receipt, and stores all of it ([`intake`]). Whatever is refused changes nothing.
//! - The same bytes get the same receipt; other bytes under an order's number are refused.
//! - **Billed → Held → Paid** is fulfilment's ([`crate::fulfilment`]). The delivery that a capture names
//!   is the shop's own receipt: the shop doesn't know who pays, and the receipt names nobody.
//! - **Lapsed** and **Cancelled** give the goods back.
//! - The form stays encrypted; only the owner's page and command open it, and each opening is noted.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tegata_cli::data::DataDir;
use tegata_orders::kept::OrderKeys;
use tegata_orders::{Cover, Epochs, Rules};
use tegata_protocol::order::Maker;
use tegata_protocol::{Time, VerifyingKey};

pub mod bill;
pub mod cart;
pub mod csv;
pub mod deeds;
pub mod host;
pub mod intake;
pub mod status;
pub mod token;
pub mod wish;

/// How long the bill for goods may be paid, unless set otherwise: an hour.
pub const BILL_SECONDS: u64 = 3_600;

/// Where a wallet shows its page, unless set otherwise.
pub const WALLET: &str = "http://wallet.localhost:7405";

/// What a shop needs to take sealed orders.
pub struct Sealing {
    /// What its owner set.
    pub rules: Rules,
    /// The keys over the order keys' secret halves.
    pub epochs: Arc<Epochs>,
    /// The key over the forms that were opened.
    pub order_keys: Arc<OrderKeys>,
    /// The origin of the form's frames: `https://forms.shop.example`.
    pub frames: String,
    /// How long the bill for goods may be paid.
    pub bill_seconds: u64,
    /// Where a customer's wallet shows its page, on the customer's own machine.
    pub wallet: String,
    /// The service's own key, once it's known: browsers are sent it only where the service may make
    /// keys.
    pub service: OnceLock<VerifyingKey>,
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Sealing(by {}, frames at {})",
            self.rules.service.number, self.frames
        )
    }
}

impl Sealing {
    /// Opens what lies in the data folder for it. The frames stand at the address `frames`.
    ///
    /// # Errors
    /// [`tegata_orders::FormsError`].
    pub fn open(
        dir: &DataDir,
        cover: Arc<dyn Cover>,
        rules: Rules,
        frames: &str,
        now: Time,
    ) -> Result<Self, tegata_orders::FormsError> {
        Ok(Self {
            rules,
            epochs: Arc::new(Epochs::open(dir, Arc::clone(&cover), now)?),
            order_keys: Arc::new(OrderKeys::open(dir, cover, now)?),
            frames: frames.trim_end_matches('/').to_owned(),
            bill_seconds: BILL_SECONDS,
            wallet: WALLET.to_owned(),
            service: OnceLock::new(),
        })
    }

    /// The service's key, where keys that it made are allowed (`danger_service_made_keys`).
    pub fn service_key(&self) -> Option<[u8; 32]> {
        match self.rules.maker {
            Maker::Recipient => None,
            Maker::Service => self.service.get().map(|key| *key.as_bytes()),
        }
    }
}
