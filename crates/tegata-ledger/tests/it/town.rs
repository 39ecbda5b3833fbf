//! A small town: numbered members and shops, and orders written as words.
//!
//! A piece of evidence is here a line of text, `7 hold 1 2 500 77 9000`: the message's number, what
//! is wanted, and its arguments. [`action_of`] reads it, as the centre would read a signed message.

use std::path::{Path, PathBuf};

use tegata_ledger::{
    AccountId, AccountKind, Action, BillKey, Capture, Captured, CardDeed, CardHold, CardReceipt,
    CardState, ChangeCard, CloseBill, Committed, Decision, Deposit, DepositEntry, Draft, EmptyCard,
    Evidence, EvidenceKind, ExpectFunding, Fault, Head, HeadSigner, Held, HoldOrder, IssueCard,
    Ledger, LoadCard, MessageKey, Note, OpenError, OutboxItem, Outcome, PayOrder, Refuse, Register,
    Release, ReleaseReason, Replace, Response, StatementKey,
    audit::{self, Heads, Report},
    store::{SqliteStore, Store},
};
use tegata_protocol::{
    Amount, CardNumber, Currency, Digest, MessageId, PartyNumber, PaymentId, Role, Time,
    TransactionNumber,
};

pub(crate) fn member(n: u32) -> PartyNumber {
    PartyNumber::new(Role::Member, n).unwrap()
}

pub(crate) fn shop(n: u32) -> PartyNumber {
    PartyNumber::new(Role::Shop, n).unwrap()
}

pub(crate) fn purse(n: u32) -> AccountId {
    AccountId::prepaid(member(n), Currency::JPY)
}

pub(crate) fn till(n: u32) -> AccountId {
    AccountId::shop(shop(n), Currency::JPY)
}

pub(crate) fn card(n: u32) -> CardNumber {
    let mut bytes = [0; 10];
    bytes[6..].copy_from_slice(&n.to_be_bytes());
    CardNumber::from_bytes(bytes)
}

/// The account of that card of the member's.
pub(crate) fn shadow(n: u32, index: u16) -> AccountId {
    AccountId {
        kind: AccountKind::CardShadow,
        part: index,
        ..purse(n)
    }
}

pub(crate) fn bank() -> AccountId {
    AccountId::bank(1, Currency::JPY)
}

pub(crate) fn yen(minor: u64) -> Amount {
    Amount::new(minor, Currency::JPY).unwrap()
}

pub(crate) fn bill(n: u32, transaction: u64) -> BillKey {
    BillKey {
        shop: shop(n),
        transaction: TransactionNumber::new(transaction).unwrap(),
    }
}

/// The line of message `id`, as it is kept as evidence.
pub(crate) fn line(id: u64, words: &str) -> String {
    format!("{id} {words}")
}

/// The payment that message `id` instructs by `words`.
pub(crate) fn payment(id: u64, words: &str) -> PaymentId {
    PaymentId::new(Digest::of(line(id, words).as_bytes()))
}

pub(crate) fn key(id: u64) -> MessageKey {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&id.to_be_bytes());
    MessageKey {
        party: member(u32::try_from(id % 3).unwrap()),
        id: MessageId::from_bytes(bytes),
    }
}

/// Reads a line of evidence.
#[expect(clippy::too_many_lines, reason = "a list: one order after the other")]
pub(crate) fn action_of(evidence: &[u8]) -> Result<Action, String> {
    let text = std::str::from_utf8(evidence).map_err(|e| e.to_string())?;
    let mut words = text.split(' ').skip(1);
    let mut word = || words.next().ok_or_else(|| format!("{text:?} is too short"));
    let number = |w: &str| w.parse::<u64>().map_err(|e| format!("{text:?}: {e}"));
    let small = |w: &str| w.parse::<u32>().map_err(|e| format!("{text:?}: {e}"));
    let id = |w: &str| {
        let digest = Digest::from_hex(w).ok_or_else(|| format!("{text:?}: no digest"))?;
        Ok::<_, String>(PaymentId::new(digest))
    };
    Ok(match word()? {
        "note" => Note.into(),
        "refuse" => Refuse(u16::try_from(number(word()?)?).unwrap()).into(),
        "join" => Action::Register(Register {
            party: member(small(word()?)?),
            record: evidence.to_vec(),
        }),
        "joinshop" => Action::Register(Register {
            party: shop(small(word()?)?),
            record: evidence.to_vec(),
        }),
        "renew" => Action::Replace(Replace {
            party: member(small(word()?)?),
            record: evidence.to_vec(),
        }),
        "expect" => Action::ExpectFunding(ExpectFunding {
            reference: word()?.to_owned(),
            party: member(small(word()?)?),
            expires: Time::from_secs(number(word()?)?),
            amount: match number(word()?)? {
                0 => None,
                minor => Some(yen(minor)),
            },
        }),
        "import" => Action::Deposit(Deposit {
            bank: bank(),
            statement: StatementKey {
                account: "JP1".to_owned(),
                id: word()?.to_owned(),
            },
            entries: entries_of(word()?).ok_or_else(|| format!("{text:?}: entries"))?,
        }),
        "hold" => {
            let pay = pay_of(evidence, [word()?, word()?, word()?, word()?])?;
            let expires = Time::from_secs(number(word()?)?);
            Action::Hold(HoldOrder { pay, expires })
        }
        "pay" => Action::Pay(pay_of(evidence, [word()?, word()?, word()?, word()?])?),
        "capture" => Action::Capture(Capture {
            payment: id(word()?)?,
            payee_party: shop(small(word()?)?),
            amount: yen(number(word()?)?),
        }),
        "void" => Action::Release(Release {
            payment: id(word()?)?,
            why: ReleaseReason::Voided {
                by: shop(small(word()?)?),
            },
        }),
        "expire" => Action::Release(Release {
            payment: id(word()?)?,
            why: ReleaseReason::Expired,
        }),
        "close" => {
            let (n, txn) = (small(word()?)?, word()?);
            Action::CloseBill(CloseBill {
                bill: bill(n, number(txn.trim_end_matches('\''))?),
                bill_digest: Digest::of(txn.as_bytes()),
            })
        }
        "issue" => Action::IssueCard(IssueCard {
            card: card(small(word()?)?),
            holder: member(small(word()?)?),
            index: u16::try_from(small(word()?)?).unwrap(),
            currency: Currency::JPY,
        }),
        "change" => Action::ChangeCard(ChangeCard {
            card: card(small(word()?)?),
            holder: Some(member(small(word()?)?)),
            state: CardState::from_number(u8::try_from(small(word()?)?).unwrap()).unwrap(),
        }),
        "load" => Action::LoadCard(LoadCard {
            card: card(small(word()?)?),
            holder: member(small(word()?)?),
            amount: yen(number(word()?)?),
        }),
        "empty" => Action::EmptyCard(EmptyCard {
            card: card(small(word()?)?),
            holder: Some(member(small(word()?)?)),
            into: Some(small(word()?)?).filter(|n| *n > 0).map(card),
        }),
        "tap" => {
            let (card, n) = (card(small(word()?)?), small(word()?)?);
            let pay = pay_of(evidence, [&n.to_string(), word()?, word()?, word()?])?;
            Action::HoldByCard(CardHold {
                card,
                holder: member(n),
                payment: pay.payment,
                payee: pay.payee,
                amount: pay.amount,
                bill: pay.bill,
                bill_digest: pay.bill_digest,
                expires: Time::from_secs(number(word()?)?),
            })
        }
        "receipt" => Action::PostReceipt(CardReceipt {
            card: card(small(word()?)?),
            counter: small(word()?)?,
            deed: CardDeed::from_number(u8::try_from(small(word()?)?).unwrap()).unwrap(),
            amount: yen(number(word()?)?),
            balance: small(word()?)?,
            payment: Some(word()?).filter(|w| *w != "0").map(id).transpose()?,
            terminal: Some(small(word()?)?).filter(|n| *n > 0).map(shop),
            // What comes last makes the bytes differ, and nothing else.
            digest: Digest::of(text.split_once(' ').unwrap_or_default().1.as_bytes()),
        }),
        other => return Err(format!("{other:?} isn't an order")),
    })
}

/// `MEMBER SHOP AMOUNT TRANSACTION`; another bill of the same number has a `'` behind it.
fn pay_of(evidence: &[u8], words: [&str; 4]) -> Result<PayOrder, String> {
    let [payer, payee, amount, txn] = words;
    let number = |w: &str| w.parse::<u64>().map_err(|e| format!("{w:?}: {e}"));
    let small = |w: &str| w.parse::<u32>().map_err(|e| format!("{w:?}: {e}"));
    Ok(PayOrder {
        payment: PaymentId::new(Digest::of(evidence)),
        payer: purse(small(payer)?),
        payee: till(small(payee)?),
        amount: yen(number(amount)?),
        bill: bill(small(payee)?, number(txn.trim_end_matches('\''))?),
        bill_digest: Digest::of(txn.as_bytes()),
    })
}

/// `INDEX:AMOUNT:REFERENCE,…`; `-` is no reference.
fn entries_of(text: &str) -> Option<Vec<DepositEntry>> {
    text.split(',')
        .map(|entry| {
            let mut parts = entry.split(':');
            Some(DepositEntry {
                index: parts.next()?.parse().ok()?,
                amount: yen(parts.next()?.parse().ok()?),
                reference: parts.next().filter(|r| *r != "-").map(str::to_owned),
            })
        })
        .collect()
}

/// Answers in words, and tells the shop of holds and the member of captures.
pub(crate) fn respond(decision: &Decision) -> Response {
    let told = match &decision.result {
        Ok(Outcome::Held(Held { hold, .. })) => Some((hold.bill.shop, 1)),
        Ok(Outcome::Captured(Captured { hold, .. })) => PartyNumber::from_wire(hold.payer.owner)
            .ok()
            .map(|member| (member, 2)),
        _ => None,
    };
    Response {
        reply: format!("{}: {:?}", decision.position, decision.result).into_bytes(),
        outbox: told
            .map(|(to, kind)| OutboxItem {
                to,
                kind,
                bytes: format!("{:?}", decision.result).into_bytes(),
            })
            .into_iter()
            .collect(),
    }
}

pub(crate) fn evidence(id: u64, words: &str) -> Evidence {
    Evidence {
        kind: EvidenceKind::Party,
        bytes: line(id, words).into_bytes().into(),
        attachment: words
            .starts_with("capture")
            .then(|| format!("delivery {id}").into_bytes()),
    }
}

pub(crate) fn draft(id: u64, words: &str, now: u64) -> Draft {
    let evidence = evidence(id, words);
    let action = action_of(&evidence.bytes).unwrap();
    Draft::new(key(id), evidence, action, Time::from_secs(now), respond)
}

/// Signs by a secret; enough to see whether the book keeps and checks what it was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestSigner;

impl HeadSigner for TestSigner {
    fn sign(&self, head: &Head) -> Vec<u8> {
        let bytes = head.to_bytes();
        let seal = Digest::of_parts(&[b"secret", &bytes]);
        [&seal.as_bytes()[..], &bytes].concat()
    }

    fn read(&self, signed: &[u8]) -> Result<Head, String> {
        let (seal, bytes) = signed.split_at_checked(32).ok_or("too short")?;
        if seal != Digest::of_parts(&[b"secret", bytes]).as_bytes() {
            return Err("not signed by us".to_owned());
        }
        Head::from_bytes(bytes).map_err(|e| e.to_string())
    }
}

/// A book in a folder of its own.
pub(crate) struct Town {
    pub(crate) folder: tempfile::TempDir,
}

impl Town {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("ledger.sqlite")
    }

    pub(crate) fn heads(&self) -> PathBuf {
        self.folder.path().join("heads")
    }

    pub(crate) fn open(&self) -> Ledger {
        open(self.folder.path()).unwrap()
    }

    pub(crate) fn audit(&self) -> Report {
        self.audit_with(&[])
    }

    pub(crate) fn audit_with(&self, brought: &[Vec<u8>]) -> Report {
        audit_folder(self.folder.path(), brought)
    }
}

pub(crate) fn open(folder: &Path) -> Result<Ledger, OpenError> {
    let store = SqliteStore::open(&folder.join("ledger.sqlite"))?;
    Ledger::open(store, 0, Box::new(TestSigner), &folder.join("heads"))
}

pub(crate) fn audit_folder(folder: &Path, brought: &[Vec<u8>]) -> Report {
    let heads_folder = folder.join("heads");
    let heads = Heads {
        folder: Some(&heads_folder),
        brought,
    };
    audit_against(folder, heads)
}

pub(crate) fn audit_without_heads(folder: &Path) -> Report {
    audit_against(folder, Heads::default())
}

fn audit_against(folder: &Path, heads: Heads<'_>) -> Report {
    let store = SqliteStore::open_existing(&folder.join("ledger.sqlite")).unwrap();
    audit::replay(
        store.reader().unwrap().as_mut(),
        heads,
        |stored| action_of(&stored.evidence.as_ref().ok_or("no evidence")?.bytes),
        |signed| TestSigner.read(signed),
    )
    .unwrap()
}

/// Has an order written and waits for the answer.
pub(crate) fn order(ledger: &Ledger, id: u64, words: &str, now: u64) -> Result<Committed, Fault> {
    ledger.submit_and_wait(draft(id, words, now))
}

/// Members 1 to `members`, each with `money` in the purse; message numbers from 1,000,000 on.
pub(crate) fn found(ledger: &Ledger, members: u32, money: u64) {
    let mut entries = Vec::new();
    for n in 1..=members {
        let id = 1_000_000 + u64::from(n) * 10;
        order(ledger, id, &format!("join {n}"), 100).unwrap();
        order(ledger, id + 1, &format!("expect RF{n} {n} 5000 0"), 100).unwrap();
        entries.push(format!("{n}:{money}:RF{n}"));
    }
    let words = format!("import founding {}", entries.join(","));
    order(ledger, 1_000_000, &words, 100).unwrap();
}
