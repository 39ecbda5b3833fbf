//! What can go wrong with a card on the reader.

use tegata_cli::exit::Exit;

/// Something about a card that the centre has nothing to do with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardTrouble {
    /// No card lies there, or it was taken away.
    #[error("no card lies on the reader, or it was taken away")]
    NoCard,
    /// Another card came in between.
    #[error("another card lies on the reader now")]
    Changed,
    /// The reader, or the program that has it, can't be used.
    #[error("{0}")]
    Reader(String),
    /// Something else lies on the reader.
    #[error("what lies on the reader isn't a card of this kind")]
    NotOurs,
    /// The centre's order isn't what was agreed to.
    #[error(
        "the centre's order to the card differs from the bill: {0}. Nothing of it reached the card"
    )]
    OrderDiffers(&'static str),
    /// The member took too long.
    #[error("the question waited too long for its answer. Nothing of the order reached the card")]
    Late,
    /// The centre wanted to tell the card what only the member's computer may.
    #[error("the centre sent a command that isn't for it to send; the card didn't get it")]
    Command,
    /// No card is known here.
    #[error("no card that is in use has been on this wallet's readers yet")]
    NoneKnown,
    /// Which one?
    #[error("several cards are known here, and none was named")]
    Several,
    /// The ticket is another holder's.
    #[error("this ticket wasn't bought for this card: a gate would refuse it")]
    OtherHolder,
}

impl CardTrouble {
    /// A stable code.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NoCard => "no_card",
            Self::Changed => "card_changed",
            Self::Reader(_) => "card_reader",
            Self::NotOurs => "card_foreign",
            Self::OrderDiffers(_) => "card_order_differs",
            Self::Late => "card_late",
            Self::Command => "card_command",
            Self::NoneKnown => "no_card_known",
            Self::Several => "several_cards",
            Self::OtherHolder => "card_other_holder",
        }
    }

    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::NoCard | Self::Changed | Self::Reader(_) => Exit::Unreachable,
            Self::NotOurs | Self::OrderDiffers(_) | Self::Late | Self::Command => Exit::Refused,
            Self::NoneKnown | Self::Several | Self::OtherHolder => Exit::Usage,
        }
    }

    pub(crate) const fn next(&self) -> Option<&'static str> {
        match self {
            Self::NoCard | Self::Changed | Self::Reader(_) => Some(
                "put one card on the reader and try again; `tegata-card readers` lists readers and \
                 cards",
            ),
            Self::NotOurs => Some("put the card there that the centre gave you"),
            Self::OrderDiffers(_) | Self::Command => {
                Some("nothing was paid: tell the centre, and pay another way")
            }
            Self::Late => Some("pay again, and answer within a minute and a half"),
            Self::NoneKnown => Some(
                "run `tegata-wallet card show` once with the card on the reader, or name it in full: \
                 --card NUMBER",
            ),
            Self::Several => Some("name one: --card and the beginning of its number"),
            Self::OtherHolder => Some("order tickets for a card with `tegata-wallet order --card`"),
        }
    }
}
