//! Where the workspace stands, and how programs are started in it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

/// Why a command ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The caller asked for something that doesn't exist.
    Usage(String),
    /// Something failed; the text says what, and what to do next.
    Failed(String),
    /// A program that was to be the last word ended with this code and has said why itself.
    #[cfg(not(unix))]
    Ended(u8),
}

impl Stop {
    /// Wrong usage, with the reason.
    pub(crate) fn usage(reason: &str) -> Self {
        Self::Usage(reason.to_owned())
    }

    /// Tells the caller and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Usage(reason) => {
                eprintln!("error: {reason}\n`cargo xtask --help` lists the commands.");
                ExitCode::from(2)
            }
            Self::Failed(reason) => {
                eprintln!("error: {reason}");
                ExitCode::FAILURE
            }
            #[cfg(not(unix))]
            Self::Ended(code) => ExitCode::from(code),
        }
    }
}

/// The project's root, its target folder and the cargo that builds it.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    cargo: OsString,
}

impl Workspace {
    /// Finds the workspace that this program was started from by cargo, or else was built in.
    pub(crate) fn find() -> Self {
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&package)
            .parent()
            .unwrap_or(Path::new("."))
            .to_path_buf();
        let target = match std::env::var_os("CARGO_TARGET_DIR").filter(|d| !d.is_empty()) {
            Some(chosen) => std::path::absolute(&chosen).unwrap_or_else(|_| chosen.into()),
            None => root.join("target"),
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self {
            root,
            target,
            cargo,
        }
    }

    /// A path below the root.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The folder that builds may fill and anybody may delete.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// `cargo SUBCOMMAND` for this workspace, wherever the caller stands.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        self.cargo_in("Cargo.toml", subcommand)
    }

    /// `cargo SUBCOMMAND` for a manifest below the root.
    pub(crate) fn cargo_in(&self, manifest: &str, subcommand: &str) -> Command {
        let mut command = Command::new(&self.cargo);
        command
            .arg(subcommand)
            .arg("--manifest-path")
            .arg(self.path(manifest));
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours_alone(name)) {
            command.env_remove(name);
        }
        command
    }
}

/// Whether cargo set this variable to describe xtask. Build scripts that watch such a variable
/// (ring's does) would run again, and all that depends on them, whenever xtask calls cargo.
fn is_ours_alone(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let single = [
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
    ];
    name.starts_with("CARGO_PKG_") || single.contains(&name.as_ref())
}

/// Says what is run, runs it and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), Stop> {
    let spoken = spoken(command);
    eprintln!("$ {spoken}");
    let status = command
        .status()
        .map_err(|error| cannot_start(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Stop::Failed(format!("`{spoken}` {}", how_it_ended(status))))
}

/// Hands this process over to the program: it gets the terminal, every signal and the exit code,
/// so Ctrl-C reaches exactly the one that has to clean up.
#[cfg(unix)]
pub(crate) fn become_program(mut program: Command) -> Result<(), Stop> {
    use std::os::unix::process::CommandExt;
    let error = program.exec();
    Err(cannot_start(&program, &error))
}

/// Runs the program and ends with its exit code.
#[cfg(not(unix))]
pub(crate) fn become_program(mut program: Command) -> Result<(), Stop> {
    let status = program
        .status()
        .map_err(|error| cannot_start(&program, &error))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Stop::Ended(code.unwrap_or(1)))
}

/// The failure to start a program at all.
pub(crate) fn cannot_start(command: &Command, error: &std::io::Error) -> Stop {
    let program = command.get_program().to_string_lossy();
    Stop::Failed(format!("{program} couldn't be started: {error}"))
}

/// The command as a person would type it.
fn spoken(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![
        program
            .file_name()
            .unwrap_or(program.as_os_str())
            .to_string_lossy(),
    ];
    let mut arguments = command.get_args();
    while let Some(argument) = arguments.next() {
        if argument == "--manifest-path" || argument == "--config" {
            arguments.next();
        } else {
            words.push(argument.to_string_lossy());
        }
    }
    words.join(" ")
}

fn how_it_ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("failed with exit code {code}"),
        None => format!("was ended: {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        let text = std::fs::read_to_string(Workspace::find().path("Cargo.toml")).unwrap();
        assert!(text.contains("[workspace]"));
    }

    #[test]
    fn variables_about_xtask_stay_here_and_others_go_on() {
        assert!(is_ours_alone(OsStr::new("CARGO_PKG_NAME")));
        assert!(is_ours_alone(OsStr::new("CARGO_MANIFEST_DIR")));
        for kept in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_INCREMENTAL",
            "RUSTFLAGS",
            "PATH",
        ] {
            assert!(!is_ours_alone(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn a_spoken_command_leaves_folders_out() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["test", "--manifest-path", "/a/b/Cargo.toml", "--workspace"]);
        assert_eq!(spoken(&command), "cargo test --workspace");
    }

    #[cfg(unix)]
    #[test]
    fn a_failure_names_the_command_and_its_code() {
        let mut command = Command::new("sh");
        let Err(Stop::Failed(text)) = run(command.args(["-c", "exit 3"])) else {
            panic!("it should have failed")
        };
        assert_eq!(text, "`sh -c exit 3` failed with exit code 3");
    }
}
