//! The arguments of `tegata-wallet verify-program`.

use std::path::PathBuf;

use tegata_cli::password::PasswordA;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ProgramArgs {
    /// The file that was downloaded
    pub(in crate::cli) file: PathBuf,
    /// The name under which the centre offers it (default: the file's)
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,
    /// Whose centre: a letter, as text, HTML or a picture (default: this wallet's, with A)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) letter: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) a: PasswordA,
}
