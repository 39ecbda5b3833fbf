//! The arguments of `tegata-wallet draw`, and of `join --draw`.

use std::path::PathBuf;

use clap::Args;

use crate::page::draw;

#[derive(Debug, Args)]
#[command(after_help = "\
The file is for `join --strokes FILE`, on this machine or another. Only you may read it; delete it
once you have joined. `join --draw` needs no file.")]
pub(in crate::cli) struct DrawArgs {
    /// Where to write the strokes: a new file
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: PathBuf,
    /// How long the page waits for you
    #[arg(long, value_name = "SECONDS", default_value_t = draw::WAIT_SECONDS)]
    pub(in crate::cli) wait: u64,
}

/// Strokes for new keys, from a page.
#[derive(Debug, Args)]
pub(in crate::cli) struct DrawnArgs {
    /// Draw strokes on a page, mixed into the system's randomness
    #[arg(long, conflicts_with = "strokes")]
    pub(in crate::cli) draw: bool,
    /// How long that page waits for you
    #[arg(long, value_name = "SECONDS", requires = "draw",
          default_value_t = draw::WAIT_SECONDS)]
    pub(in crate::cli) draw_wait: u64,
}
