//! Why the wallet didn't do what was asked.

use tegata_cli::{data, exit::Exit};
use tegata_party::client::CallError;
use tegata_protocol::{Malformed, record::CertificateError, refusal::Refusal};

use crate::vault::{StrokesError, VaultError, WordsError};
use tegata_protocol::CardNumber;

/// How much of an id must be given.
pub(crate) const SHORTEST_ID: usize = 4;

/// Why the wallet didn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The folder.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// Somebody couldn't be asked; nothing was signed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Something was signed and sent, and no answer that counts has come.
    #[error("the {what} is in doubt, and kept")]
    InDoubt {
        /// What was sent.
        what: &'static str,
        /// What went wrong.
        source: Box<CallError>,
    },
    /// The centre couldn't be asked whose wallet it is.
    #[error("nothing was restored, the centre couldn't be asked for your record: {source}")]
    NotRestored {
        /// What went wrong.
        source: Box<CallError>,
    },
    /// Nobody at the centre has these keys.
    #[error("nothing was restored: {centre} has no member with the keys of these words")]
    Nobody {
        /// The centre's address.
        centre: String,
    },
    /// A signed no.
    #[error("{by} refused the {what}: {refusal}")]
    Refused {
        /// Who.
        by: String,
        /// What was asked.
        what: &'static str,
        /// Why.
        refusal: Refusal,
    },
    /// What the other side sent can't be relied upon.
    #[error("{what}: {why}. It isn't used")]
    Unsound {
        /// What came.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The centre's certificates begin later than this machine's clock.
    #[error("the centre's certificates don't hold yet: {0}")]
    ClockBehind(CertificateError),
    /// A bill that a shop's page named isn't one to pay.
    #[error("this bill isn't paid: {0}")]
    Unfit(#[from] Unfit),
    /// An IC card, or what reads it.
    #[error(transparent)]
    Card(#[from] crate::card_trouble::CardTrouble),
    /// It was to be found out whether a card has paid, and that failed too.
    #[error("nobody can say yet whether your card has paid: {source}")]
    CardInDoubt {
        /// What went wrong.
        source: Box<Self>,
    },
    /// What was typed isn't what it should be.
    #[error(transparent)]
    Input(#[from] Malformed),
    /// What the vault holds isn't what this program wrote.
    #[error("what the wallet remembers can't be read: {0}")]
    State(Malformed),
    /// The words are wrong.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The strokes are wrong.
    #[error(transparent)]
    Strokes(#[from] StrokesError),
    /// Not registered yet.
    #[error("this wallet isn't registered at the centre yet")]
    NotRegistered,
    /// A wallet that is registered can't be registered again.
    #[error("this wallet is registered already, as {0}")]
    Registered(tegata_protocol::PartyNumber),
    /// Nothing of that name.
    #[error("there is no {what} {wanted:?} here")]
    NoSuch {
        /// What was looked for.
        what: &'static str,
        /// The name.
        wanted: String,
    },
    /// Too little of an id.
    #[error(
        "{wanted:?} is too short for a {what}'s id: give at least {} of its digits",
        SHORTEST_ID
    )]
    ShortId {
        /// What was looked for.
        what: &'static str,
        /// What was given.
        wanted: String,
    },
    /// Several of that name.
    #[error("more than one {what} begins with {wanted:?}; give more of its id")]
    Ambiguous {
        /// What was looked for.
        what: &'static str,
        /// The name.
        wanted: String,
    },
    /// A bill that can't be paid, or not so.
    #[error("bill {transaction} can't be paid: {why}")]
    NotPayable {
        /// Its number.
        transaction: String,
        /// Why not.
        why: Unpayable,
    },
    /// A payment, or a card's load, in doubt that the centre may have.
    #[error("this may have counted; only a payment can be given up, a day after its bill's end")]
    MayCount,
    /// B is needed and wasn't given.
    #[error("password B is needed: {0}")]
    NeedsB(&'static str),
    /// A file of the person's own.
    #[error("can't {doing} {file}")]
    File {
        /// The step.
        doing: &'static str,
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The ticket's holder is a card: a gate wouldn't take a code for it.
    #[error("this ticket is on card {0}: the gate reads the card, and no code is shown for it")]
    OnCard(CardNumber),
    /// The ticket needs its keyword.
    #[error("this ticket has a keyword, and none was given")]
    NeedsKeyword,
    /// The QR code.
    #[error(transparent)]
    Picture(#[from] tegata_pages::qr::Error),
}

/// Why a bill that somebody named by its address isn't to be paid. Nothing was signed for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The link or address doesn't name a shop and a bill.
    #[error("{0:?} isn't the address of a shop's bill")]
    Address(String),
    /// Nobody there whom the register calls an active shop.
    #[error("at {address} is no shop that the centre's register knows as active: {why}")]
    UnknownShop {
        /// Where it was looked for.
        address: String,
        /// What the register's record lacks.
        why: String,
    },
    /// The shop's record has another address.
    #[error("{given} isn't the address of {shop}: the register has {recorded}")]
    OtherAddress {
        /// The shop.
        shop: String,
        /// What was given.
        given: String,
        /// What the record says.
        recorded: String,
    },
    /// The shop has no such bill, or gives it no more.
    #[error("{shop} has no such bill")]
    NoBill {
        /// The shop.
        shop: String,
    },
    /// Other bytes came than were asked for.
    #[error("{shop} sent another bill than the one that was asked for")]
    OtherBill {
        /// The shop.
        shop: String,
    },
    /// It isn't a bill, not the shop's, or doesn't add up.
    #[error("it isn't a sound bill of {shop}: {why}")]
    Unsound {
        /// The shop.
        shop: String,
        /// What is wrong with it.
        why: String,
    },
    /// It answers somebody's request, or isn't for goods by post.
    #[error("it isn't for an order that was made on a page")]
    OtherKind,
    /// In money that the account doesn't hold.
    #[error("it is in {bill}, and the account in {account}")]
    Currency {
        /// The bill's.
        bill: String,
        /// The account's.
        account: String,
    },
}

impl Unfit {
    /// A stable word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Address(_) => "bill_address",
            Self::UnknownShop { .. } => "unknown_shop",
            Self::OtherAddress { .. } => "address_differs",
            Self::NoBill { .. } => "no_such_bill",
            Self::OtherBill { .. } => "digest_differs",
            Self::Unsound { .. } => "bill_unsound",
            Self::OtherKind => "not_an_order",
            Self::Currency { .. } => "wrong_currency",
        }
    }

    const fn next(&self) -> &'static str {
        match self {
            Self::Address(_) => "scan the code on the shop's page again",
            Self::UnknownShop { .. } | Self::OtherAddress { .. } => {
                "don't pay: somebody may be posing as the shop; tell the centre"
            }
            Self::NoBill { .. }
            | Self::OtherBill { .. }
            | Self::Unsound { .. }
            | Self::OtherKind
            | Self::Currency { .. } => "go back to the order's page, and ask the shop",
        }
    }
}

/// Why a bill can't be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpayable {
    /// Tickets come with the capture of a hold.
    #[error("it is for tickets, which come only against a hold")]
    TicketsByHold,
    /// The shop confirms the order with the capture of a hold.
    #[error("it is for goods by post, which shops confirm only against a hold")]
    PostByHold,
    /// Too late.
    #[error("it has expired")]
    Expired,
    /// The money is held already.
    #[error("its money is held already, until the shop has delivered")]
    Held,
    /// It's paid.
    #[error("it is paid already")]
    Paid,
    /// It's paid, and what was bought has come.
    #[error("it is paid already, and what was bought is here")]
    Delivered,
    /// The account hasn't so much.
    #[error("the account has less than that available")]
    Funds,
    /// It's paid, and the shop has confirmed the order.
    #[error("it is paid already, and the shop has confirmed the order")]
    Confirmed,
    /// Its hold was closed, or the centre refused it for good.
    #[error("it is closed")]
    Closed,
    /// Its money waits for an IC card.
    #[error("its money is set aside, and waits for your card")]
    AtCard,
}

impl Unpayable {
    /// A stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TicketsByHold | Self::PostByHold => "by_hold",
            Self::Expired => "bill_expired",
            Self::Held => "bill_held",
            Self::Paid | Self::Delivered | Self::Confirmed => "bill_paid",
            Self::Funds => "insufficient_funds",
            Self::Closed => "bill_closed",
            Self::AtCard => "bill_at_card",
        }
    }

    const fn next(self) -> &'static str {
        match self {
            Self::TicketsByHold | Self::PostByHold => "pay without --now",
            Self::Expired | Self::Closed => "order again: the shop makes a new bill",
            Self::Held => "nothing more to pay: run `tegata-wallet collect` for what was bought",
            Self::Funds => "load money first: see `tegata-wallet load --help`",
            Self::Confirmed => "nothing more to pay: the shop's page says when it sends the goods",
            Self::Paid => "nothing more to pay; `tegata-wallet bills` shows it",
            Self::Delivered => "nothing more to pay: see `tegata-wallet tickets`",
            Self::AtCard => "put the card on the reader: `tegata-wallet card pay BILL`",
        }
    }
}

impl WalletError {
    /// What the other side sent isn't sound.
    pub(crate) fn unsound(what: &'static str, why: impl ToString) -> Self {
        let why = why.to_string();
        Self::Unsound { what, why }
    }

    /// The centre's signed no about a card.
    pub(crate) fn card_refused(refusal: Refusal) -> Self {
        Self::Refused {
            by: "the centre".to_owned(),
            what: "card",
            refusal,
        }
    }

    /// The code that the program ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Vault(e) => vault_exit(e),
            Self::Data(e) => e.exit(),
            Self::Call(e) => call_exit(e),
            Self::InDoubt { source, .. } | Self::NotRestored { source } => call_exit(source),
            Self::State(_) => Exit::Damaged,
            Self::Input(_)
            | Self::Words(_)
            | Self::Strokes(_)
            | Self::NoSuch { .. }
            | Self::ShortId { .. }
            | Self::Ambiguous { .. }
            | Self::NeedsB(_)
            | Self::NeedsKeyword
            | Self::OnCard(_)
            | Self::Registered(_)
            | Self::Unfit(Unfit::Address(_))
            | Self::File { .. } => Exit::Usage,
            Self::Refused { .. }
            | Self::ClockBehind(_)
            | Self::Unsound { .. }
            | Self::NotRegistered
            | Self::Nobody { .. }
            | Self::NotPayable { .. }
            | Self::Unfit(_)
            | Self::MayCount
            | Self::Picture(_) => Exit::Refused,
            Self::Card(trouble) => trouble.exit(),
            Self::CardInDoubt { .. } => Exit::Unreachable,
        }
    }

    /// What to do next, where the message doesn't say it already.
    pub const fn next(&self) -> Option<&'static str> {
        match self {
            Self::Card(trouble) => trouble.next(),
            Self::CardInDoubt { .. } => Some(
                "put the card that was to pay on the reader, and run this again: it's found out then, and \
                 nothing is taken twice",
            ),
            Self::InDoubt { .. } => {
                Some("run `tegata-wallet send`: it sends the same signed message again")
            }
            Self::Call(CallError::Unreachable { .. } | CallError::Fault { .. }) => {
                // Only asked: whatever may count is in doubt instead, and kept.
                Some("check the address, and try again later")
            }
            Self::ClockBehind(_)
            | Self::Call(CallError::Certificates(CertificateError::ClockBehind { .. })) => {
                Some("run the same command again once the clock is right")
            }
            Self::NotRestored { .. } => {
                Some("restore again when it can be reached; check the address")
            }
            Self::Nobody { .. } => Some(
                "check that these are this member's words and this is the member's centre; who \
                 never registered joins with the letter",
            ),
            Self::MayCount => Some("run `tegata-wallet send` again: the centre tells how it ended"),
            Self::NotRegistered => Some("run `tegata-wallet send`, or `join` with your letter"),
            Self::Unsound { .. } => Some("ask the one who sent it; nothing was paid for it"),
            Self::NotPayable { why, .. } => Some(why.next()),
            Self::Unfit(why) => Some(why.next()),
            Self::NeedsKeyword => Some("give it with --keyword-file FILE or --keyword-prompt"),
            Self::OnCard(_) => Some("lay that card on the gate's reader"),
            Self::Vault(VaultError::NoVault) => {
                Some("make one with `tegata-wallet join`, or check --data")
            }
            Self::Vault(_)
            | Self::Data(_)
            | Self::Call(_)
            | Self::Refused { .. }
            | Self::Input(_)
            | Self::State(_)
            | Self::Words(_)
            | Self::Strokes(_)
            | Self::Registered(_)
            | Self::NoSuch { .. }
            | Self::ShortId { .. }
            | Self::Ambiguous { .. }
            | Self::NeedsB(_)
            | Self::File { .. }
            | Self::Picture(_) => None,
        }
    }
}

const fn vault_exit(e: &VaultError) -> Exit {
    let input = matches!(
        e,
        VaultError::NoVault
            | VaultError::AlreadyThere
            | VaultError::HistoryInTheWay
            | VaultError::WrongPassword { .. }
            | VaultError::Password(_)
            | VaultError::Form { .. }
            | VaultError::NewerVersion { .. }
    );
    if input {
        Exit::Usage
    } else if matches!(e, VaultError::Damaged { .. }) {
        Exit::Damaged
    } else {
        Exit::Refused
    }
}

const fn call_exit(e: &CallError) -> Exit {
    let away = matches!(
        e,
        CallError::Unreachable { .. } | CallError::Busy { .. } | CallError::Fault { .. }
    );
    if matches!(e, CallError::Address(_)) {
        Exit::Usage
    } else if away {
        Exit::Unreachable
    } else {
        Exit::Refused
    }
}
