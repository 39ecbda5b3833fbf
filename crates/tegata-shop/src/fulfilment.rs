//! Fulfilment: from "the money is held" to "the tickets are delivered", across any crash.
//!
//! ```text
//!            notice, or answer                 tickets made,                 captured
//!            to an inquiry                     capture signed                (or captured before)
//!   Open ─────────────────────▶ Paid ──────────────────────────▶ Ready ─────────────────▶ Released
//!    │                           │ hold closed                    │ hold closed, or
//!    │ closed unpaid             └──────────▶ Void ◀──────────────┤ capture refused so
//!    └──────────▶ Lapsed                       ▲ hold closed      │ refused otherwise
//!                                              └─────── Stuck ◀───┘
//! ```
//! Void and Lapsed become Stuck, too, if the centre ever says that they are paid by another payment:
//! it contradicts itself, and somebody must look.
//!
//! Each arrow is one durable transaction, and what is sent was stored before:
//! - **Open → Paid** stores the payment together with the mailbox's cursor. Lost before: the mailbox
//!   still has the notice.
//! - **Paid → Ready** takes serials, enters the tickets, stores the sealed delivery and the *signed*
//!   capture, and forgets the keyword. Lost before: done anew, with new serials; nothing left the
//!   shop.
//! - **Ready → Released** follows the centre's answer to that capture. Lost before: the same signed
//!   bytes are sent again, under a fresh seal, and get the same answer.
//! - Only the centre hands the delivery out, and only once the capture is committed. So tickets of a
//!   void sale never left, and their serials are cancelled all the same.
//! - **Open → Lapsed** needs the centre's word that the bill will never be paid. While the centre is
//!   away the quota stays held: better unsold than sold twice.
//!
//! A capture that waited so long that the centre wouldn't look at it (`untimely`) is signed anew: the
//! first is refused for good, so that both can't count.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tegata_cli::clock;
use tegata_cli::logs::cause;
use tegata_party::client::{Answer, CallError, Client, Prepared, Stamp};
use tegata_protocol::envelope::{Body, Message, Parcel};
use tegata_protocol::payment::{
    BillAnswer, BillInquiry, BillState, Captured, Collect, HoldClosed, Item, Mailbox, Mode,
    PaidNotice,
};
use tegata_protocol::purchase::Bill;
use tegata_protocol::refusal::{Code, Refusal};
use tegata_protocol::{
    Amount, Digest, Malformed, PartyNumber, SignedBytes, Time, TransactionNumber, Unverified,
    Verified,
};

use crate::orders::deeds;
use crate::shop::{Shop, Signal};
use crate::store::{Sale, SaleState, StepError, StoreError, Tables};
use tegata_keystore::rng;
use tegata_party::joining::JoinError;
use tegata_party::keys::KeysError;

mod goods;
mod history;
mod tickets;

/// How many sales one round looks at in each state.
const AT_ONCE: u32 = 64;
/// How long to wait after a bill's expiry before asking, for clocks that differ a little.
const SLACK: u64 = 2;
/// How long to leave a sale alone after the centre refused to deal with it now.
const AGAIN: u64 = 10;
/// How often to look while something is awaited.
const SOON: Duration = Duration::from_millis(300);
/// How often to look otherwise, and at most when the centre is away.
const LATER: Duration = Duration::from_secs(4);
const LATEST: Duration = Duration::from_secs(30);

/// Why a round stopped. The next one begins where it did.
#[derive(Debug, thiserror::Error)]
pub enum FulfilmentError {
    /// The centre doesn't answer, or not so that it's to be trusted.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The centre refuses to deal with this shop.
    #[error("the centre refused")]
    Refused(#[from] Refusal),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An order of goods has gone elsewhere meanwhile; the next round sees where.
    #[error(transparent)]
    Order(#[from] StepError),
    /// Wrapped secrets.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Something can't be sealed or read that should be.
    #[error("what the shop made or kept doesn't hold")]
    Made(#[from] Malformed),
    /// Renewing the centre's certificates.
    #[error(transparent)]
    Centre(#[from] JoinError),
}

/// Does what must be done between shop and centre.
#[derive(Debug)]
pub struct Fulfilment {
    shop: Arc<Shop>,
    client: Client,
    ask_after: Mutex<HashMap<TransactionNumber, Time>>,
}

impl Fulfilment {
    /// The fulfilment of this shop's sales.
    pub fn new(shop: Arc<Shop>, client: Client) -> Self {
        Self {
            shop,
            client,
            ask_after: Mutex::default(),
        }
    }

    /// Runs rounds until it's stopped, or nobody is left who could stop it.
    pub fn run(&self, signals: &Receiver<Signal>) {
        let mut pause = SOON;
        if let Err(error) = self.catch_up_history() {
            let error = cause(&error);
            tracing::error!(error, "the history lacks what was paid before this start");
        }
        loop {
            pause = match self.round() {
                Ok(()) if self.awaits_something() => SOON,
                Ok(()) => (pause * 2).min(LATER),
                Err(error) => {
                    tracing::warn!(
                        error = cause(&error),
                        "the round wasn't finished; it goes on later"
                    );
                    self.after(&error);
                    (pause * 2).min(if is_away(&error) { LATEST } else { LATER })
                }
            };
            if !wait(signals, pause) {
                return;
            }
        }
    }

    /// An answer that can't be trusted or a message that can't be read: perhaps the centre has new
    /// keys.
    fn after(&self, error: &FulfilmentError) {
        let stale = matches!(
            error,
            FulfilmentError::Call(CallError::Unreadable(_) | CallError::BadReply { .. })
        );
        if stale && let Err(error) = self.shop.renew_centre(&self.client) {
            tracing::warn!(
                error = cause(&error),
                "the centre's certificates couldn't be renewed"
            );
        }
    }

    fn awaits_something(&self) -> bool {
        let states = [SaleState::Open, SaleState::Paid, SaleState::Ready];
        let waits = |state| self.in_state(state, 1).is_ok_and(|sales| !sales.is_empty());
        states.into_iter().any(waits) || self.awaits_goods()
    }

    fn in_state(&self, state: SaleState, limit: u32) -> Result<Vec<Sale>, StoreError> {
        self.shop
            .store()
            .read(|tables| tables.sales_in(state, limit))
    }

    /// Everything that can be done now: a step that can't be done doesn't keep the others waiting.
    ///
    /// # Errors
    /// [`FulfilmentError`] of the first step that couldn't be done.
    pub fn round(&self) -> Result<(), FulfilmentError> {
        first_error([
            self.collect(),
            self.make_tickets(),
            self.capture(),
            self.goods(),
            self.inquire(),
        ])
    }

    /// Reads the centre's mailbox to its end.
    ///
    /// # Errors
    /// [`FulfilmentError`].
    pub fn collect(&self) -> Result<(), FulfilmentError> {
        loop {
            let after = self.shop.store().read(|tables| tables.mailbox_cursor())?;
            let mailbox: Mailbox = self.ask(Collect { after })?;
            let more = mailbox.more && !mailbox.items.is_empty();
            for item in mailbox.items {
                self.take(item)?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Deals with one item; its effect and the cursor are one transaction.
    fn take(&self, item: Item) -> Result<(), FulfilmentError> {
        let number = item.number;
        let (word, now) = (self.understand(item.signed), self.shop.now());
        let erased = self.shop.store().write(move |tables| {
            let mut erased = false;
            match word {
                Ok(Word::Paid(notice)) => paid(tables, &notice, now)?,
                Ok(Word::Closed(closed)) => erased = hold_closed(tables, &closed, now)?,
                // What it may have said is asked for after the bill's expiry.
                Err(error) => tracing::error!(
                    error = cause(&error),
                    number,
                    "a mailbox item can't be used"
                ),
            }
            tables.advance_mailbox(number)?;
            Ok::<_, FulfilmentError>(erased)
        })?;
        self.scrub_if(erased);
        Ok(())
    }

    /// What was erased goes out of the database's log as well.
    fn scrub_if(&self, erased: bool) {
        if erased {
            deeds::scrub(self.shop.store());
        }
    }

    /// Reads what the centre signed for this shop.
    fn understand(&self, signed: SignedBytes) -> Result<Word, Malformed> {
        match signed.label()? {
            (PaidNotice::LABEL, _) => Ok(Word::Paid(self.said_by_centre(signed)?)),
            (HoldClosed::LABEL, _) => Ok(Word::Closed(self.said_by_centre(signed)?)),
            (label, _) => {
                let why = format!("a shop has no use for label {label}");
                Err(Malformed::field("mailbox item", why))
            }
        }
    }

    fn said_by_centre<B: Body>(
        &self,
        signed: SignedBytes,
    ) -> Result<Verified<Message<B>>, Malformed> {
        let message = Unverified::<Message<B>>::parse(signed)?;
        let forged = |_e| Malformed::field("mailbox item", "not signed with the receipts key");
        let message = message
            .verify(&self.shop.centre().keys.receipts)
            .map_err(forged)?;
        let own = self.shop.registered().number();
        if message.from != PartyNumber::CENTRE || message.to != own {
            return Err(Malformed::field(
                "mailbox item",
                "not from the centre to this shop",
            ));
        }
        Ok(message)
    }

    /// Makes the tickets of every sale that is paid.
    ///
    /// # Errors
    /// [`FulfilmentError`].
    pub fn make_tickets(&self) -> Result<(), FulfilmentError> {
        let paid = self.in_state(SaleState::Paid, AT_ONCE)?;
        for_each(paid, |sale| tickets::make(&self.shop, &sale))
    }

    /// Sends every capture that isn't known to be committed.
    ///
    /// # Errors
    /// [`FulfilmentError`].
    pub fn capture(&self) -> Result<(), FulfilmentError> {
        let now = self.shop.now();
        let ready = self.askable(SaleState::Ready, now, |_| true)?;
        for_each(ready, |sale| self.capture_one(sale))
    }

    fn capture_one(&self, sale: Sale) -> Result<(), FulfilmentError> {
        let parcel = Parcel::with(sale.capture.clone(), sale.delivery.clone());
        let answer: Answer<Captured> = self.send(parcel)?;
        let refusal = match answer {
            Answer::Accepted { reply, .. } => {
                let own = sale.payment == Some(reply.body.payment);
                if !own {
                    return Err(Malformed::field("captured", "another payment's").into());
                }
                return self.settle(sale, Settled::Released);
            }
            Answer::Refused(refusal) => refusal.into_value().body,
        };
        self.capture_refused(sale, refusal.code)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "three codes mean something here; all others mean that somebody must look"
    )]
    fn capture_refused(&self, sale: Sale, code: Code) -> Result<(), FulfilmentError> {
        match code {
            // Our own capture, sent before and signed anew since.
            Code::HoldCaptured => self.settle(sale, Settled::Released),
            Code::HoldClosed => self.settle(sale, Settled::Void),
            Code::Untimely => self.sign_again(sale),
            _ => {
                tracing::error!(sale = %sale.number, code = code.word(), "a capture was refused");
                self.settle(sale, Settled::Stuck)
            }
        }
    }

    fn settle(&self, sale: Sale, settled: Settled) -> Result<(), FulfilmentError> {
        let paid = (settled == Settled::Released).then(|| sale.clone());
        self.step(sale, settled)?;
        paid.map_or(Ok(()), |sale| self.enter_sale(&sale))
    }

    fn step(&self, sale: Sale, settled: Settled) -> Result<(), FulfilmentError> {
        self.shop.store().write(move |tables| {
            match settled {
                Settled::Released => tables.release(&sale)?,
                Settled::Void => tables.void(&sale)?,
                Settled::Stuck => tables.give_up(&sale)?,
                Settled::Lapsed => tables.lapse(&sale)?,
            }
            tracing::info!(sale = %sale.number, "sale is now {}", settled.word());
            Ok(())
        })
    }

    /// Signs a capture anew, to be sent a little later: if it's our clock that is wrong, the centre
    /// isn't flooded.
    fn sign_again(&self, sale: Sale) -> Result<(), FulfilmentError> {
        self.ask_later(sale.number, self.shop.now());
        let capture = tickets::sign_capture(&self.shop, &sale, Digest::of(&sale.delivery))?;
        let store = self.shop.store();
        Ok(store.write(move |tables| tables.replace_capture(&sale, &capture))?)
    }

    /// Asks the centre about every bill whose time is over.
    ///
    /// # Errors
    /// [`FulfilmentError`].
    pub fn inquire(&self) -> Result<(), FulfilmentError> {
        let now = self.shop.now();
        let over = |sale: &Sale| sale.expires.after(SLACK) <= now;
        let open = self.askable(SaleState::Open, now, over)?;
        for_each(open, |sale| self.inquire_one(sale, now))
    }

    /// The sales in a state that the centre may be asked about now, at most [`AT_ONCE`]: those that
    /// are left alone for a while don't keep the others waiting. They come in the order of their
    /// expiry, and the first that isn't `due` ends it.
    fn askable(
        &self,
        state: SaleState,
        now: Time,
        due: impl Fn(&Sale) -> bool,
    ) -> Result<Vec<Sale>, StoreError> {
        let (mut page, mut found) = (self.in_state(state, AT_ONCE)?, Vec::new());
        let most = usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
        while let Some(last) = page.last().cloned() {
            let all_due = due(&last);
            let askable = |sale: &Sale| due(sale) && self.may_ask(sale.number, now);
            found.extend(page.into_iter().filter(askable));
            if !all_due || found.len() >= most {
                break;
            }
            let store = self.shop.store();
            page = store.read(|tables| tables.sales_after(state, &last, AT_ONCE))?;
        }
        found.truncate(most);
        Ok(found)
    }

    fn may_ask(&self, number: TransactionNumber, now: Time) -> bool {
        let waiting = self
            .ask_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.get(&number).is_none_or(|after| *after <= now)
    }

    /// Leaves a sale alone for a while.
    pub fn ask_later(&self, number: TransactionNumber, now: Time) {
        let mut waiting = self
            .ask_after
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, after| *after > now);
        waiting.insert(number, now.after(AGAIN));
    }

    fn inquire_one(&self, sale: Sale, now: Time) -> Result<(), FulfilmentError> {
        let bill = sale.bill.clone();
        let answer: BillAnswer = match self.ask(BillInquiry { bill }) {
            Err(FulfilmentError::Refused(refusal)) => {
                let code = refusal.code.word();
                tracing::warn!(sale = %sale.number, code, "an inquiry was refused; again later");
                self.ask_later(sale.number, now);
                return Ok(());
            }
            other => other?,
        };
        if answer.bill != sale.bill.digest() {
            return Err(Malformed::field("bill answer", "about another bill").into());
        }
        match answer.state {
            BillState::ClosedUnpaid => self.settle(sale, Settled::Lapsed),
            BillState::Held(payment) => {
                let store = self.shop.store();
                Ok(store.write(move |tables| tables.note_paid(&sale, payment))?)
            }
            BillState::Paid(payment) => Ok(self.shop.store().write(move |tables| {
                tables.note_paid(&sale, payment)?;
                paid_outright(tables, sale.number)
            })?),
        }
    }

    /// A call whose refusal is an error.
    fn ask<Q: Body, R: Body>(&self, body: Q) -> Result<R, FulfilmentError> {
        let mut rng = rng::system();
        let stamp = Stamp::random(self.shop.now(), &mut rng);
        let callee = self.shop.centre().callee();
        let caller = self.shop.registered().caller();
        let prepared = Prepared::new(caller, &callee, stamp, body, None, &mut rng)?;
        let answer: Answer<R> = self.client.call(caller, &callee, &prepared)?;
        Ok(answer.accepted()?.into_value().body)
    }

    /// Sends what was signed before.
    fn send<R: Body>(&self, parcel: Parcel) -> Result<Answer<R>, FulfilmentError> {
        let callee = self.shop.centre().callee();
        let prepared = Prepared::again(&callee, parcel, &mut rng::system())?;
        let caller = self.shop.registered().caller();
        Ok(self.client.call(caller, &callee, &prepared)?)
    }
}

/// Waits for `pause`, or after a word to look until [`SOON`] is over, so that many words don't make
/// many rounds. Gives `false` when it's time to stop.
fn wait(signals: &Receiver<Signal>, pause: Duration) -> bool {
    let start = clock::monotonic_millis();
    let after = |pause: Duration| {
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        start.saturating_add(pause)
    };
    let mut until = after(pause);
    loop {
        let left = until.saturating_sub(clock::monotonic_millis());
        match signals.recv_timeout(Duration::from_millis(left)) {
            Ok(Signal::Look) => until = until.min(after(SOON)),
            Err(RecvTimeoutError::Timeout) => return true,
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Does it for each sale: one that fails doesn't keep the others waiting, unless the centre is away.
/// Gives the first error.
fn for_each(
    sales: Vec<Sale>,
    mut work: impl FnMut(Sale) -> Result<(), FulfilmentError>,
) -> Result<(), FulfilmentError> {
    let mut first = Ok(());
    for sale in sales {
        match work(sale) {
            Ok(()) => {}
            Err(error) if is_away(&error) => return Err(error),
            Err(error) => first = first.and(Err(error)),
        }
    }
    first
}

/// The first error among what was done.
fn first_error(
    done: impl IntoIterator<Item = Result<(), FulfilmentError>>,
) -> Result<(), FulfilmentError> {
    done.into_iter().fold(Ok(()), Result::and)
}

/// Is it no use to try anything else now?
const fn is_away(error: &FulfilmentError) -> bool {
    matches!(
        error,
        FulfilmentError::Call(CallError::Unreachable { .. } | CallError::Busy { .. })
    )
}

/// What the mailbox can say.
enum Word {
    Paid(Verified<Message<PaidNotice>>),
    Closed(Verified<Message<HoldClosed>>),
}

/// Where a sale ends, or waits for its owner.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settled {
    Released,
    Void,
    Stuck,
    Lapsed,
}

impl Settled {
    const fn word(self) -> &'static str {
        match self {
            Self::Released => SaleState::Released.word(),
            Self::Void => SaleState::Void.word(),
            Self::Stuck => SaleState::Stuck.word(),
            Self::Lapsed => SaleState::Lapsed.word(),
        }
    }
}

fn paid(tables: &Tables<'_>, notice: &PaidNoticeMessage, now: Time) -> Result<(), FulfilmentError> {
    let notice = &notice.body;
    if let Some(order) = tables.order_of_bill(notice.bill)? {
        return goods::paid(tables, &order, notice, now);
    }
    let Some(sale) = tables.sale_of_bill(notice.bill)? else {
        tracing::error!(bill = %notice.bill, "paid, but no bill of this shop");
        return Ok(());
    };
    let freed = matches!(sale.state, SaleState::Void | SaleState::Lapsed);
    if freed && sale.payment != Some(notice.payment) {
        tracing::error!(
            sale = %sale.number,
            state = sale.state.word(),
            payment = %notice.payment,
            "paid although the centre had closed it: its owner must look, and refund it"
        );
        return Ok(tables.paid_too_late(&sale, notice.payment)?);
    }
    if sale.state != SaleState::Open {
        tracing::debug!(sale = %sale.number, state = sale.state.word(), "told again that it's paid");
        return Ok(());
    }
    if notice.amount != total_of(&sale)? || notice.transaction != sale.number {
        tracing::error!(sale = %sale.number, "the notice's amount or number isn't the bill's");
        return Ok(());
    }
    tables.note_paid(&sale, notice.payment)?;
    if notice.mode == Mode::Pay {
        paid_outright(tables, sale.number)?;
    }
    Ok(())
}

type PaidNoticeMessage = Verified<Message<PaidNotice>>;

/// Tickets travel with the capture of a hold; money paid at once leaves no way for them.
fn paid_outright(tables: &Tables<'_>, number: TransactionNumber) -> Result<(), StoreError> {
    tracing::error!(sale = %number, "paid at once instead of held: its owner must refund it");
    match tables.sale(number)? {
        Some(sale) => tables.give_up(&sale),
        None => Ok(()),
    }
}

/// A hold was closed; was a form erased for it?
fn hold_closed(
    tables: &Tables<'_>,
    closed: &Verified<Message<HoldClosed>>,
    now: Time,
) -> Result<bool, FulfilmentError> {
    if let Some(order) = tables.order_of_payment(closed.body.payment)? {
        return goods::closed(tables, &order, now);
    }
    let Some(sale) = tables.sale_of_payment(closed.body.payment)? else {
        tracing::warn!(payment = %closed.body.payment, "closed, but no payment known here");
        return Ok(false);
    };
    match sale.state {
        SaleState::Paid | SaleState::Ready | SaleState::Stuck => {
            tracing::info!(sale = %sale.number, "the hold was closed: void");
            tables.void(&sale)?;
        }
        SaleState::Open | SaleState::Released | SaleState::Void | SaleState::Lapsed => {
            let state = sale.state.word();
            tracing::warn!(sale = %sale.number, state, "a hold was closed that isn't awaited");
        }
    }
    Ok(false)
}

/// What a sale's bill amounts to.
fn total_of(sale: &Sale) -> Result<Amount, Malformed> {
    let bill = Unverified::<Bill>::parse(sale.bill.clone())?;
    // Our own signature, from our own database.
    Ok(bill.claimed().totals.total)
}
