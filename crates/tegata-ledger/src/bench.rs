//! A measuring aid: holds written straight through the committer, without queue or signatures.
//!
//! A benchmark of the whole centre compares itself with the sum of its parts; what a posting costs
//! in the store is one of them. It prepares a [`Postings`], then measures [`Postings::run`] with
//! its own clock (this crate reads none).

use std::path::Path;

use tegata_protocol::{
    Amount, Currency, Digest, Malformed, MessageId, PartyNumber, PaymentId, Role, Time,
    TransactionNumber,
};

use crate::{
    AccountId, BillKey, Deposit, DepositEntry, Draft, Evidence, EvidenceKind, ExpectFunding, Fault,
    Head, HeadSigner, HeadsFile, HoldOrder, MessageKey, OpenError, Operation, OutboxItem, PayOrder,
    Register, Response, StatementKey,
    committer::{ChainEnd, Committer},
    store::{Store, Tip},
};

/// Bytes of a member's signed payment, of the receipt and of the notice to the shop.
const SIZES: (usize, usize, usize) = (900, 250, 300);
/// Nobody runs out of money here.
const PURSE: u64 = 1_000_000_000;

/// A book with some members who have money, ready to write holds.
#[derive(Debug)]
pub struct Postings {
    committer: Committer,
    members: u32,
    written: u64,
}

/// Why the measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The book couldn't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The book failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A number was too large.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Signs nothing: signatures are measured by themselves.
struct NoSigner;

impl HeadSigner for NoSigner {
    fn sign(&self, head: &Head) -> Vec<u8> {
        head.to_bytes()
    }

    fn read(&self, signed: &[u8]) -> Result<Head, String> {
        Head::from_bytes(signed).map_err(|e| e.to_string())
    }
}

impl Postings {
    /// Fills an empty store with members who have money. `heads` is a folder for the heads' file.
    ///
    /// # Errors
    /// [`BenchError`].
    pub fn prepare(store: &dyn Store, heads: &Path, members: u32) -> Result<Self, BenchError> {
        let mut writer = store.writer(0).map_err(OpenError::from)?;
        let tip: Option<Tip> = writer.tip().map_err(OpenError::from)?;
        let (heads, _) = HeadsFile::open(heads, 0).map_err(OpenError::from)?;
        let head = Head::of(0, tip).to_bytes();
        let end = ChainEnd {
            committer: 0,
            tip,
            head,
        };
        let mut postings = Self {
            committer: Committer::new(writer, Box::new(NoSigner), heads, end),
            members: members.max(1),
            written: 0,
        };
        let drafts = (0..postings.members)
            .flat_map(|n| [register(n), expect(n)])
            .chain([fill(postings.members)])
            .collect::<Result<Vec<_>, _>>()?;
        postings.committer.write_batch(&drafts)?;
        Ok(postings)
    }

    /// Writes `batches` durable batches of `batch` holds each.
    ///
    /// # Errors
    /// [`BenchError`].
    pub fn run(&mut self, batches: u32, batch: u32) -> Result<(), BenchError> {
        for _ in 0..batches {
            let drafts = (0..batch)
                .map(|_| self.next_hold())
                .collect::<Result<Vec<_>, _>>()?;
            self.committer.write_batch(&drafts)?;
        }
        Ok(())
    }

    /// A hold that one of the members, taken in turn, places with one of a hundred shops.
    fn next_hold(&mut self) -> Result<Draft, Malformed> {
        self.written = self.written.saturating_add(1);
        let n = self.written;
        let evidence = evidence(n, "hold");
        let turn = n.checked_rem(u64::from(self.members));
        let turn = turn.and_then(|t| u32::try_from(t).ok()).unwrap_or(0);
        let shop = PartyNumber::new(Role::Shop, u32::try_from(n % 100).unwrap_or(0))?;
        let payment = PaymentId::new(Digest::of(&evidence.bytes));
        let pay = PayOrder {
            payment,
            payer: AccountId::prepaid(member(turn)?, Currency::JPY),
            payee: AccountId::shop(shop, Currency::JPY),
            amount: Amount::new(1, Currency::JPY)?,
            bill: BillKey {
                shop,
                transaction: TransactionNumber::new(scattered(n) % TransactionNumber::SPAN)?,
            },
            bill_digest: payment.digest(),
        };
        let expires = Time::from_secs(10_000);
        let order = HoldOrder { pay, expires };
        Ok(draft(member(turn)?, evidence, order, move |_| Response {
            reply: vec![1; SIZES.1],
            outbox: vec![OutboxItem {
                to: shop,
                kind: 1,
                bytes: vec![2; SIZES.2],
            }],
        }))
    }
}

fn member(n: u32) -> Result<PartyNumber, Malformed> {
    PartyNumber::new(Role::Member, n)
}

fn register(n: u32) -> Result<Draft, Malformed> {
    let party = member(n)?;
    let record = vec![0; 300];
    let register = Register { party, record };
    Ok(draft(
        party,
        evidence(u64::from(n), "register"),
        register,
        |_| Response::default(),
    ))
}

fn expect(n: u32) -> Result<Draft, Malformed> {
    let party = member(n)?;
    let expect = ExpectFunding {
        reference: format!("RF{n}"),
        party,
        amount: None,
        expires: Time::from_secs(10_000),
    };
    Ok(draft(
        party,
        evidence(u64::from(n), "expect"),
        expect,
        |_| Response::default(),
    ))
}

fn fill(members: u32) -> Result<Draft, Malformed> {
    let entry = |index| {
        Ok(DepositEntry {
            index,
            amount: Amount::new(PURSE, Currency::JPY)?,
            reference: Some(format!("RF{index}")),
        })
    };
    let deposit = Deposit {
        bank: AccountId::bank(1, Currency::JPY),
        statement: StatementKey {
            account: "bench".to_owned(),
            id: "1".to_owned(),
        },
        entries: (0..members).map(entry).collect::<Result<_, Malformed>>()?,
    };
    let evidence = evidence(0, "fill");
    Ok(draft(PartyNumber::CENTRE, evidence, deposit, |_| {
        Response::default()
    }))
}

fn evidence(n: u64, what: &str) -> Evidence {
    let mut bytes = format!("{n} {what} ").into_bytes();
    bytes.resize(SIZES.0, b'.');
    Evidence {
        kind: EvidenceKind::Party,
        bytes: bytes.into(),
        attachment: None,
    }
}

fn draft<O: Operation>(
    party: PartyNumber,
    evidence: Evidence,
    operation: O,
    respond: impl Fn(&crate::Decision<O::Outcome>) -> Response + Send + 'static,
) -> Draft {
    let digest = Digest::of(&evidence.bytes);
    let id = digest.as_bytes().first_chunk::<16>().copied();
    let id = MessageId::from_bytes(id.unwrap_or_default());
    let key = MessageKey { party, id };
    Draft::new(key, evidence, operation, Time::from_secs(1000), respond)
}

/// Numbers that look random, as transaction numbers do: they decide where rows go in the trees.
fn scattered(n: u64) -> u64 {
    let digest = Digest::of(&n.to_be_bytes());
    let first = digest.as_bytes().first_chunk::<8>().copied();
    u64::from_be_bytes(first.unwrap_or_default())
}
