//! The throw-away Python below the target folder. Its COSE library, which isn't ours, verifies what
//! our programs sign; tests find it by the variable [`VARIABLE`].

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{self, Stop, Workspace};
use crate::needs::{PYTHON, find_program};

/// Tests read from this variable which Python has the COSE library.
pub(crate) const VARIABLE: &str = "TEGATA_PYTHON";

/// Fails unless it is Python 3.10 or newer and can make environments (Debian ships `ensurepip`
/// apart from Python, so `venv` alone isn't proof).
const PROBE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";

/// Makes the environment unless it stands already, and gives the path of its Python.
pub(crate) fn ready(workspace: &Workspace) -> Result<PathBuf, Stop> {
    let requirements = workspace.path("xtask/requirements.txt");
    let wanted = read(&requirements)?;
    let folder = workspace.target().join("tegata-python");
    let python = python_in(&folder);
    let stamp = folder.join("installed.txt");
    if read(&stamp).is_ok_and(|installed| installed == wanted) && succeeds(&python, "import cwt") {
        return Ok(python);
    }
    let mut make = Command::new(system_python()?);
    eprintln!(
        "Making a Python environment in {} for the COSE tests",
        folder.display()
    );
    cargo::run(make.args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    cargo::run(
        install
            .arg("--requirement")
            .arg(&requirements)
            .stdin(Stdio::null()),
    )?;
    write(&stamp, &wanted)?;
    Ok(python)
}

/// A Python on this machine that can make environments, installed first if need be.
fn system_python() -> Result<PathBuf, Stop> {
    if let Some(python) = usable_python() {
        return Ok(python);
    }
    PYTHON.bring()?;
    usable_python().ok_or_else(|| {
        Stop::Failed(format!(
            "the tests need {}, and it still can't be used",
            PYTHON.what
        ))
    })
}

fn usable_python() -> Option<PathBuf> {
    let found = ["python3", "python"].into_iter().filter_map(find_program);
    found.into_iter().find(|python| succeeds(python, PROBE))
}

fn succeeds(python: &Path, code: &str) -> bool {
    let mut command = Command::new(python);
    command
        .args(["-c", code])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn python_in(folder: &Path) -> PathBuf {
    let below = if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    };
    folder.join(below)
}

fn read(path: &Path) -> Result<String, Stop> {
    std::fs::read_to_string(path)
        .map_err(|error| Stop::Failed(format!("{} can't be read: {error}", path.display())))
}

fn write(path: &Path, text: &str) -> Result<(), Stop> {
    std::fs::write(path, text)
        .map_err(|error| Stop::Failed(format!("{} can't be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_pinned() {
        let text = read(&Workspace::find().path("xtask/requirements.txt")).unwrap();
        let names: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .collect();
        assert!(
            names.iter().any(|line| line.starts_with("cwt==")),
            "{names:?}"
        );
        assert!(names.iter().all(|line| line.contains("==")), "{names:?}");
    }

    #[test]
    fn what_is_no_python_does_not_succeed() {
        assert!(!succeeds(Path::new("no-such-python"), ""));
    }

    #[test]
    fn a_missing_file_is_named() {
        let Err(Stop::Failed(text)) = read(Path::new("no/such/file")) else {
            panic!("was read")
        };
        assert!(text.starts_with("no/such/file can't be read"), "{text}");
    }
}
