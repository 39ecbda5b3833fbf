//! `tegata-demo`: a whole town on one machine. Run it as `cargo demo`.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Parser;
use tegata_demo::{
    map::{self, Door},
    processes::{Ending, Programs},
    story::Story,
    town::{Limits, Town},
};

/// A whole town on one machine: guard, centre, shop, gate and two wallets, each a process of its own.
///
/// Plays the story of a purchase in numbered lines, then stays up and prints the address of a town
/// map. Ctrl-C ends every program and leaves nothing behind.
///
/// Exit codes: 0 done; 1 a step didn't hold (it's named); 2 wrong usage; 130 interrupted.
#[derive(Parser, Debug)]
#[command(name = "cargo demo", version)]
struct Arguments {
    /// End after the story
    #[arg(long)]
    once: bool,
    /// Keep all data and artefacts in this folder, which must be empty or new
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("cargo demo: no runtime: {e}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(arguments));
    // A blocking step may still wait for a program that has been told to stop.
    runtime.shutdown_background();
    ended
}

async fn run(arguments: Arguments) -> ExitCode {
    let folder = match folder(arguments.keep.as_ref()) {
        Ok(folder) => folder,
        Err(e) => {
            eprintln!("cargo demo: {e:#}");
            return ExitCode::from(2);
        }
    };
    let path = folder.path();
    // On a thread of its own: the story waits for programs, and the recorder must go on meanwhile.
    let handle = tokio::runtime::Handle::current();
    let ending = Ending::default();
    let told = ending.clone();
    let mut town =
        tokio::task::spawn_blocking(move || handle.block_on(play(path, arguments.once, told)));
    let ended = tokio::select! {
        ended = &mut town => ended,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("\nending the town");
            // The step under way comes to its end, then the servers to theirs; the folder last.
            ending.tell();
            drop(town.await);
            return ExitCode::from(130);
        }
    };
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(e)) => {
            eprintln!("cargo demo: this step doesn't hold: {e:#}");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("cargo demo: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Where the town's data lie: kept, or thrown away at the end.
enum Folder {
    Kept(PathBuf),
    Thrown(tempfile::TempDir),
}

impl Folder {
    fn path(&self) -> PathBuf {
        match self {
            Self::Kept(path) => path.clone(),
            Self::Thrown(folder) => folder.path().to_owned(),
        }
    }
}

fn folder(keep: Option<&PathBuf>) -> anyhow::Result<Folder> {
    let Some(path) = keep else {
        let folder = tempfile::Builder::new().prefix("tegata-town-").tempdir();
        return Ok(Folder::Thrown(
            folder.context("making a folder for the town")?,
        ));
    };
    std::fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
    if std::fs::read_dir(path)?.next().is_some() {
        bail!("{} isn't empty; name a new folder", path.display());
    }
    Ok(Folder::Kept(std::path::absolute(path)?))
}

/// The doors of those whose pages are open already, and the gate's, which opens now.
fn doors(town: &mut Town) -> anyhow::Result<Vec<Door>> {
    let mut doors = vec![
        Door {
            name: "Centre".to_owned(),
            kind: "centre",
            address: format!("http://centre.localhost:{}/", town.guard.port()),
        },
        Door {
            name: "Hanamizuki Books".to_owned(),
            kind: "shop",
            address: format!(
                "http://shop.localhost:{}/",
                town.shop.map_or(0, |a| a.port())
            ),
        },
    ];
    doors.push(Door {
        name: "Key Handler".to_owned(),
        kind: "sealing",
        address: format!("{}/", town.sealing_address()?),
    });
    let gate = town.path("gate-hall");
    let serve = [
        "serve",
        "--data",
        &gate,
        "--listen",
        "127.0.0.1:0",
        "--event",
        "101",
    ];
    let gate = town.serve("tegata-gate", &serve, "gate-hall")?;
    doors.push(Door {
        name: "North door".to_owned(),
        kind: "gate",
        address: format!("http://gate.localhost:{}/", gate.port()),
    });
    Ok(doors)
}

async fn play(folder: PathBuf, once: bool, ending: Ending) -> anyhow::Result<()> {
    println!("A town is founded in {}.", folder.display());
    let programs = Programs::beside_this_one(ending.clone())?;
    let mut town = Town::found(programs, folder, Limits::Usual)?;
    let mut story = Story::new(&mut town);
    story.play().await?;
    let members = [story.aiko.take(), story.botan.take()];
    println!(
        "\n{} sealed and signed artefacts passed.",
        town.recorder.count()
    );
    if once {
        town.close();
        return Ok(());
    }
    let mut doors = doors(&mut town)?;
    let members: Vec<_> = members.into_iter().flatten().collect();
    for (number, member) in members.iter().enumerate() {
        doors.push(Door {
            name: format!("{}'s wallet", member.name),
            kind: "wallet",
            address: map::wallet_door(number),
        });
    }
    let town = Arc::new(Mutex::new(town));
    let lent = Arc::clone(&town);
    let open = move |number: usize| {
        let member = members.get(number).context("nobody lives there")?;
        let mut town = lent.lock().unwrap_or_else(PoisonError::into_inner);
        town.wallet_page(member)
    };
    let map = map::serve(doors, Arc::new(open)).await?;
    println!(
        "\nThe town is open: http://town.localhost:{}/   (Ctrl-C ends it)",
        map.port()
    );
    println!(
        "Passwords: \"the aiko A password\", \"the aiko B password\", and so for botan; the bank's \
         operator has \"the operator password\"."
    );
    while !ending.is_told() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The map, which has it lent, may outlive this.
    let mut town = town.lock().unwrap_or_else(PoisonError::into_inner);
    town.close();
    Ok(())
}
