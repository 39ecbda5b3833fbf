//! `tegata-card virtual`.

use std::path::{Path, PathBuf};

use tegata_card::applet::Applet;
use tegata_card::vpcd::{ADDRESS, Card, Ended, VpcdError};
use tegata_cli::exit::{Exit, Failure};
use tegata_http::serve::{Stop, runtime};

use super::image::{as_failure, open_or_make};

/// Put a card made of software into a reader made of software
///
/// The reader is pcscd's driver vpcd, which must run already. From then on every program that
/// talks to card readers sees the card; try `opensc-tool --atr` or `pcsc_scan`. Ctrl-C pulls the
/// card out. What it remembers is in its image, which is made when missing.
///
/// vpcd listens on all of this machine's addresses and asks nobody who they are: for trying and
/// tests only, never with a card that holds money.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file that holds the card's memory, keys included (made when missing)
    #[arg(long, value_name = "FILE", default_value = "card.image")]
    image: PathBuf,
    /// Where vpcd listens
    #[arg(long, value_name = "HOST:PORT", default_value = ADDRESS)]
    vpcd: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // The reader first: where there's none, no card and no key file are left behind.
    let mut card = insert(&arguments.vpcd)?;
    let memory = open_or_make(&arguments.image)?;
    let runtime = runtime()?;
    let stop = {
        let _within = runtime.enter();
        Stop::on_signals()?
    };
    let mut chip = Applet::new(memory);
    explain(&arguments.image, &arguments.vpcd);
    loop {
        let puller = card.puller().map_err(vpcd_failure)?;
        let stop_while_in = stop.clone();
        let pulling = runtime.spawn(async move {
            stop_while_in.wait().await;
            puller.pull();
        });
        let ended = card.serve(&mut chip).map_err(vpcd_failure)?;
        pulling.abort();
        if ended == Ended::Pulled || stop.is_now() {
            println!("The card was pulled out.");
            return Ok(());
        }
        if let Some(fault) = chip.hardware().fault() {
            let image = arguments.image.display();
            let what = format!("the card's image {image} can't be used: {fault}");
            return Err(Failure::refused(what));
        }
        card = insert(&arguments.vpcd)?;
    }
}

fn insert(vpcd: &str) -> Result<Card, Failure> {
    Card::insert(vpcd).map_err(vpcd_failure)
}

fn vpcd_failure(error: VpcdError) -> Failure {
    let next = "start pcscd with vpcd installed (docs/card.md says how), then start this again";
    as_failure(error, Exit::Unreachable, next)
}

fn explain(image: &Path, vpcd: &str) {
    println!(
        "A card made of software is in the virtual reader at {vpcd}; its memory is {}.\n\
         See it:     pcsc_scan        or  opensc-tool --list-readers  and  opensc-tool --atr\n\
         Pull it out: Ctrl-C",
        image.display()
    );
}
