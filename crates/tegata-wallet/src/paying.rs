//! Paying (M8, T11). The one place where password B opens the spending key.
//!
//! ```text
//! sign (inside the vault's closure) → write down → send → receipt, verified → write down
//! ```
//! One bill has one instruction at a time. While it's in doubt, paying again sends the same signed
//! bytes; only after a signed refusal is another one signed.

use tegata_party::client::{Caller, Prepared, Stamp};
use tegata_protocol::{
    Digest, PartyNumber, PaymentId, SignedBytes, SigningKey, Time, Unverified, Verified, cbor,
    payment::{Mode, Payment, Receipt},
    purchase::{Bill, DeliveryKind},
    record::ChainHead,
};

use crate::{
    entry::{Entry, Paid},
    error::{Unpayable, WalletError},
    kept::{BillStatus, Instruction, KeptBill, KnownBalance, PaymentOrder, Pending, verified},
    sending::{Replied, Settled, bad_reply, in_doubt, payment_of},
    vault::Password,
    wallet::{Centre, Wallet, rng},
};

/// Signed chain heads, one behind the other as CBOR byte strings.
pub const HEADS_FILE: &str = "heads.cbor";

impl Wallet {
    /// The bill whose id begins so, or whose transaction number it is.
    ///
    /// # Errors
    /// [`WalletError::NoSuch`], [`WalletError::Ambiguous`].
    pub fn find_bill(&self, wanted: &str) -> Result<Digest, WalletError> {
        for kept in &self.state.bills {
            if self.bill(kept)?.transaction.to_string() == wanted.trim() {
                return Ok(kept.digest());
            }
        }
        let ids = self.state.bills.iter().map(KeptBill::digest);
        crate::wallet::find_by_id("bill", wanted, ids)
    }

    /// The newest bill.
    ///
    /// # Errors
    /// [`WalletError::NoSuch`] when there is none.
    pub fn last_bill(&self) -> Result<Digest, WalletError> {
        let last = self.state.bills.last().map(KeptBill::digest);
        last.ok_or(WalletError::NoSuch {
            what: "bill",
            wanted: "--last".to_owned(),
        })
    }

    /// A kept bill, verified again.
    pub(crate) fn bill(&self, kept: &KeptBill) -> Result<Verified<Bill>, WalletError> {
        let number = kept.shop().map_err(WalletError::State)?;
        let shop = self.state.shop(number).ok_or(WalletError::NoSuch {
            what: "shop",
            wanted: number.to_string(),
        })?;
        kept.bill(shop).map_err(WalletError::State)
    }

    /// Is an instruction for this bill in doubt? Then paying needs no password B: the same signed
    /// bytes are sent again.
    pub fn is_in_doubt(&self, bill: Digest) -> bool {
        self.pending_payment(bill).is_some()
    }

    fn pending_payment(&self, bill: Digest) -> Option<Digest> {
        let pays = |p: &&Pending| match &p.what {
            Instruction::Pay(order) => order.bill == bill,
            Instruction::PayByCard(order) => order.bill == bill,
            Instruction::Register
            | Instruction::Load
            | Instruction::Order(_)
            | Instruction::Inquire
            | Instruction::LoadCard(_) => false,
        };
        self.state.pending.iter().find(pays).map(Pending::digest)
    }

    /// Sends the instruction again that is in doubt.
    ///
    /// # Errors
    /// As [`Wallet::pay`].
    pub fn pay_again(&mut self, bill: Digest, now: Time) -> Result<Settled, WalletError> {
        let pending = self.pending_payment(bill).ok_or(WalletError::NoSuch {
            what: "instruction in doubt for bill",
            wanted: bill.to_string(),
        })?;
        self.settle(pending, None, now)
    }

    /// Pays a bill: the member has seen it and agreed.
    ///
    /// # Errors
    /// [`WalletError::NotPayable`]; [`WalletError::Vault`] with layer B for the wrong password;
    /// [`WalletError::Refused`]; [`WalletError::InDoubt`], after which nothing else is signed for
    /// this bill until an answer has come.
    pub fn pay(
        &mut self,
        bill: Digest,
        mode: Mode,
        b: &Password,
        now: Time,
    ) -> Result<Settled, WalletError> {
        if self.is_in_doubt(bill) {
            return self.pay_again(bill, now);
        }
        let order = self.payable(bill, mode, now)?;
        let centre = self.centre(now)?;
        let prepared = self.instruct(order, &centre, b, now)?;
        if let Some(kept) = self.state.bill_mut(bill) {
            kept.status = BillStatus::InDoubt;
            kept.payment = Some(PaymentId::new(prepared.digest()));
            kept.card = None;
        }
        let what = Instruction::Pay(order);
        let digest = self.keep_pending(&prepared, PartyNumber::CENTRE, what, now)?;
        self.settle(digest, Some(prepared), now)
    }

    pub(crate) fn payable(
        &self,
        digest: Digest,
        mode: Mode,
        now: Time,
    ) -> Result<PaymentOrder, WalletError> {
        let kept = self.state.bill(digest).ok_or(WalletError::NoSuch {
            what: "bill",
            wanted: digest.to_string(),
        })?;
        let bill = self.bill(kept)?;
        let why = match kept.status {
            BillStatus::Open if now >= bill.expires => Some(Unpayable::Expired),
            BillStatus::Open if mode == Mode::Pay => only_by_hold(bill.delivery),
            BillStatus::Open | BillStatus::InDoubt => None,
            BillStatus::Held => Some(Unpayable::Held),
            BillStatus::AtCard => Some(Unpayable::AtCard),
            BillStatus::Paid => Some(Unpayable::Paid),
            BillStatus::Delivered => Some(Unpayable::Delivered),
            BillStatus::Confirmed => Some(Unpayable::Confirmed),
            BillStatus::Closed => Some(Unpayable::Closed),
        };
        match why {
            Some(why) => Err(WalletError::NotPayable {
                transaction: bill.transaction.to_string(),
                why,
            }),
            None => Ok(PaymentOrder {
                bill: digest,
                amount: bill.totals.total,
                mode,
            }),
        }
    }

    /// Signs the instruction. The spending key exists inside the closure and nowhere else.
    fn instruct(
        &self,
        order: PaymentOrder,
        centre: &Centre,
        b: &Password,
        now: Time,
    ) -> Result<Prepared, WalletError> {
        let kept = self.state.bill(order.bill);
        let bill = kept.map(|k| k.signed.clone()).ok_or(WalletError::NoSuch {
            what: "bill",
            wanted: order.bill.to_string(),
        })?;
        let body = Payment {
            bill,
            amount: order.amount,
            mode: order.mode,
        };
        let opening = self.opening();
        let stamp = Stamp::random(now, &mut rng());
        let prepared = self.vault.with_spending(b, |secrets| {
            let spending = SigningKey::from_seed(secrets.seed());
            let caller = Caller {
                number: self.state.number,
                signing: &spending,
                opening: &opening,
            };
            Prepared::new(caller, &centre.callee, stamp, body, None, &mut rng())
        })?;
        Ok(prepared?)
    }

    /// The centre's receipt: is it of this payment? Then the head of the book's chain is kept too.
    pub(crate) fn take_receipt(
        &mut self,
        pending: &Pending,
        order: PaymentOrder,
        (reply, attachment): Replied<Receipt>,
        centre: &Centre,
        now: Time,
    ) -> Result<Settled, WalletError> {
        let payment = payment_of(pending);
        let receipt = reply.body.clone();
        let ours = receipt.payment == payment
            && receipt.bill == order.bill
            && receipt.amount == order.amount
            && receipt.mode == order.mode;
        if !ours {
            let why = "the receipt is of another payment".to_owned();
            return Err(in_doubt(pending, bad_reply(&self.state.centre, why)));
        }
        let head = attachment.map(SignedBytes::new);
        self.keep_head(head, &receipt, centre)?;
        self.drop_pending(pending);
        let told = KnownBalance {
            balance: receipt.balance,
            held: receipt.held,
            as_of: reply.time,
        };
        // A stored receipt, asked for again, may tell of times long gone.
        if self.state.balance.is_none_or(|b| b.as_of <= told.as_of) {
            self.state.balance = Some(told);
        }
        let mut shop = PartyNumber::CENTRE;
        if let Some(kept) = self.state.bill_mut(order.bill) {
            shop = kept.shop().map_err(WalletError::State)?;
            kept.receipt = Some(reply.signed().clone());
            // The delivery may have come first, when the receipt was long in doubt.
            if kept.status == BillStatus::InDoubt {
                kept.status = match receipt.mode {
                    Mode::Hold => BillStatus::Held,
                    Mode::Pay => BillStatus::Paid,
                };
            }
        }
        let paid = Paid {
            payment,
            bill: order.bill,
            shop,
            amount: receipt.amount,
            mode: receipt.mode,
            balance: receipt.balance,
            receipt: reply.signed().clone(),
        };
        self.commit(now, vec![Entry::Paid(paid)])?;
        Ok(Settled::Paid(order.bill))
    }

    /// Keeps a head that verifies and covers the receipt.
    pub(crate) fn keep_head(
        &self,
        head: Option<SignedBytes>,
        receipt: &Receipt,
        centre: &Centre,
    ) -> Result<(), WalletError> {
        let Some(signed) = head else {
            tracing::warn!("the receipt came without a chain head");
            return Ok(());
        };
        let head: Verified<ChainHead> = match verified(&signed, &centre.keys.receipts, "head") {
            Ok(head) => head,
            Err(error) => {
                tracing::warn!(%error, "the chain head that came with the receipt isn't kept");
                return Ok(());
            }
        };
        let at = receipt.position;
        if head.committer != at.committer || head.sequence < at.sequence {
            tracing::warn!("the chain head doesn't cover the receipt, and isn't kept");
            return Ok(());
        }
        self.append_head(&signed)?;
        if self.heads_contradict()? {
            tracing::error!("the centre's signed heads contradict each other; see `status`");
        }
        Ok(())
    }

    /// Adds a head behind the last whole one. What a power cut left of an unfinished one goes
    /// first: behind it no later head would be found.
    fn append_head(&self, head: &SignedBytes) -> Result<(), WalletError> {
        let entry = cbor::encode(head);
        let kept = self.folder.read_optional(HEADS_FILE)?.unwrap_or_default();
        let (_, whole) = whole_heads(&kept);
        if whole == kept.len() {
            return Ok(self.folder.append(HEADS_FILE, &entry)?);
        }
        let kept = kept.get(..whole).unwrap_or_default();
        Ok(self
            .folder
            .write_atomic(HEADS_FILE, &[kept, &entry].concat())?)
    }

    /// Do two heads name different hashes for one record? Then the centre's book was changed, and
    /// the heads are the evidence.
    ///
    /// # Errors
    /// [`WalletError::Data`] when the file can't be read.
    pub fn heads_contradict(&self) -> Result<bool, WalletError> {
        let mut hashes = std::collections::BTreeMap::new();
        for signed in self.heads()? {
            let Ok(head) = Unverified::<ChainHead>::parse(signed) else {
                continue;
            };
            let head = head.claimed();
            let place = (head.committer, head.sequence);
            if *hashes.entry(place).or_insert(head.hash) != head.hash {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The signed heads that came with receipts, oldest first.
    ///
    /// # Errors
    /// [`WalletError::Data`] when the file can't be read.
    pub fn heads(&self) -> Result<Vec<SignedBytes>, WalletError> {
        let bytes = self.folder.read_optional(HEADS_FILE)?.unwrap_or_default();
        Ok(whole_heads(&bytes).0)
    }

    /// The head of the highest record, for an audit of the centre's book.
    ///
    /// # Errors
    /// [`WalletError::NoSuch`] before the first receipt.
    pub fn newest_head(&self) -> Result<SignedBytes, WalletError> {
        let sequence = |signed: &SignedBytes| {
            let head = Unverified::<ChainHead>::parse(signed.clone());
            head.map_or(0, |h| h.claimed().sequence)
        };
        let newest = self.heads()?.into_iter().max_by_key(sequence);
        newest.ok_or(WalletError::NoSuch {
            what: "chain head",
            wanted: HEADS_FILE.to_owned(),
        })
    }
}

/// What comes with the capture of a hold wouldn't come if it were paid at once.
const fn only_by_hold(delivery: DeliveryKind) -> Option<Unpayable> {
    match delivery {
        DeliveryKind::Tickets => Some(Unpayable::TicketsByHold),
        DeliveryKind::Post => Some(Unpayable::PostByHold),
        DeliveryKind::Data | DeliveryKind::Used => None,
    }
}

/// The whole heads in a file, and how many bytes they take. A crash may have torn the last one.
fn whole_heads(bytes: &[u8]) -> (Vec<SignedBytes>, usize) {
    let mut decoder = minicbor::Decoder::new(bytes);
    let (mut heads, mut whole) = (Vec::new(), 0);
    while let Ok(head) = decoder.bytes() {
        heads.push(SignedBytes::new(head.to_vec()));
        whole = decoder.position();
    }
    (heads, whole)
}
