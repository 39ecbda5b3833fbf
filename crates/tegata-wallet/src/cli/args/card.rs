//! The arguments of `tegata-wallet card`, and of the page's card reader.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use tegata_cli::password::{PasswordA, PasswordB};

#[derive(Debug, Args)]
#[command(after_help = "\
The card is reached through the program tegata-card, which runs beside this one and holds no keys.
With --image FILE it's a card made of software (`tegata-card make`), for trying.

A payment asks twice: whether to pay the bill, and, once the centre has ordered it, whether to take
it off the card. What you see at the second question is what the card compares; if this machine or
anybody on the way altered the amount, the card takes nothing off.")]
pub(in crate::cli) struct CardArgs {
    #[command(subcommand)]
    pub(in crate::cli) command: CardCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CardCommand {
    /// Read the card; write on it what is owed to it; put a new card into use
    Show(ReadArgs),
    /// Pay a bill with the card
    Pay(PayArgs),
    /// Move prepaid money to the card (B)
    Load(LoadArgs),
    /// Write a ticket on the card that it was bought for
    Ticket(TicketArgs),
    /// Read the tickets on the card
    Tickets(ReadArgs),
    /// Stop the card for now
    Block(ChangeArgs),
    /// Let it pay again
    Unblock(ChangeArgs),
    /// Report it lost: it's over for ever, its money stays yours
    Lost(LostArgs),
    /// Have the money of a card that is over paid back to your prepaid account
    PayOut(ChangeArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReaderArgs {
    /// Which reader, by its name or a part of it [default: the one with a card]
    #[arg(long, value_name = "NAME-PART", conflicts_with = "image")]
    pub(in crate::cli) reader: Option<String>,
    /// Instead of a reader: the image of a card made of software
    #[arg(long, value_name = "FILE", env = "TEGATA_CARD_IMAGE")]
    pub(in crate::cli) image: Option<PathBuf>,
    /// How many seconds to wait for a card
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub(in crate::cli) wait: u16,
    /// The program that has the readers [default: tegata-card beside this one]
    #[arg(long, value_name = "FILE", env = "TEGATA_CARD_PROGRAM")]
    pub(in crate::cli) card_program: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReadArgs {
    #[command(flatten)]
    pub(in crate::cli) reader: ReaderArgs,
    #[command(flatten)]
    pub(in crate::cli) a: PasswordA,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PayArgs {
    /// The bill's id (its beginning will do) or transaction number; or the address of a shop's bill
    #[arg(required_unless_present = "last")]
    pub(in crate::cli) bill: Option<String>,
    /// The newest bill
    #[arg(long, conflicts_with = "bill")]
    pub(in crate::cli) last: bool,
    /// Don't have the card's balance read
    #[arg(long)]
    pub(in crate::cli) no_balance: bool,
    /// Agree to both questions without being asked
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// Read the amounts aloud
    #[arg(long)]
    pub(in crate::cli) speak: bool,
    #[command(flatten)]
    pub(in crate::cli) reader: ReaderArgs,
    #[command(flatten)]
    pub(in crate::cli) a: PasswordA,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LoadArgs {
    /// How much, in whole units: 5000 or 12.50
    pub(in crate::cli) amount: String,
    /// Which card, by the beginning of its number [default: the only one]
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) card: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) a: PasswordA,
    #[command(flatten)]
    pub(in crate::cli) b: PasswordB,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TicketArgs {
    /// The ticket's id; its beginning will do
    pub(in crate::cli) ticket: String,
    /// The slot, 0 to 15
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..16))]
    pub(in crate::cli) slot: u8,
    #[command(flatten)]
    pub(in crate::cli) reader: ReaderArgs,
    #[command(flatten)]
    pub(in crate::cli) a: PasswordA,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ChangeArgs {
    /// Which card, by the beginning of its number [default: the only one]
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) card: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) a: PasswordA,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LostArgs {
    #[command(flatten)]
    pub(in crate::cli) change: ChangeArgs,
    /// Don't ask
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}

/// The reader of the wallet's page.
#[derive(Debug, Args)]
pub(in crate::cli) struct PageReaderArgs {
    /// Which card reader, by its name or a part of it [default: the one with a card]
    #[arg(long, value_name = "NAME-PART", conflicts_with = "card_image")]
    pub(in crate::cli) reader: Option<String>,
    /// Instead of a reader: the image of a card made of software
    #[arg(long, value_name = "FILE", env = "TEGATA_CARD_IMAGE")]
    pub(in crate::cli) card_image: Option<PathBuf>,
    /// The program that has the readers [default: tegata-card beside this one]
    #[arg(long, value_name = "FILE", env = "TEGATA_CARD_PROGRAM")]
    pub(in crate::cli) card_program: Option<PathBuf>,
}
