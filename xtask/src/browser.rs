//! The browser below the tests: Chromium, Node to drive it, and Node's packages in a throw-away
//! folder below the target folder. Tests find them by the variables [`CHROMIUM`] and [`MODULES`].

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{self, Stop, Workspace};
use crate::needs::{Need, find_program};

/// Tests read from this variable where Chromium is.
pub(crate) const CHROMIUM: &str = "TEGATA_CHROMIUM";
/// Tests read from this variable where Node's packages are.
pub(crate) const MODULES: &str = "TEGATA_NODE_MODULES";

const BROWSER: Need = Need {
    what: "Chromium, in which the sealed forms are tested",
    debian: &["chromium"],
    elsewhere: "Fedora: dnf install chromium; Alpine: apk add chromium; macOS: brew install chromium",
};

const NODE: Need = Need {
    what: "Node 18 or newer with npm, which drives Chromium",
    debian: &["nodejs", "npm"],
    elsewhere: "Fedora: dnf install nodejs; Alpine: apk add nodejs npm; macOS: brew install node",
};

/// Where the browser and Node's packages are.
#[derive(Debug)]
pub(crate) struct Browser {
    chromium: PathBuf,
    modules: PathBuf,
}

impl Browser {
    /// Installs what is missing.
    pub(crate) fn ready(workspace: &Workspace) -> Result<Self, Stop> {
        let chromium =
            found_or_brought(&["chromium", "chromium-browser", "google-chrome"], &BROWSER)?;
        found_or_brought(&["node"], &NODE)?;
        let npm = found_or_brought(&["npm"], &NODE)?;
        let modules = packages(workspace, &npm)?;
        Ok(Self { chromium, modules })
    }

    /// Tells a command where they are.
    pub(crate) fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env(CHROMIUM, &self.chromium)
            .env(MODULES, &self.modules)
    }
}

fn found_or_brought(names: &[&str], need: &Need) -> Result<PathBuf, Stop> {
    let find = || names.iter().find_map(|name| find_program(name));
    if let Some(program) = find() {
        return Ok(program);
    }
    need.bring()?;
    let still = || {
        Stop::Failed(format!(
            "the tests need {}, and it still isn't there",
            need.what
        ))
    };
    find().ok_or_else(still)
}

/// Installs Node's packages as they are locked, unless they stand already.
fn packages(workspace: &Workspace, npm: &Path) -> Result<PathBuf, Stop> {
    let source = workspace.path("xtask/node");
    let folder = workspace.target().join("tegata-node");
    let (modules, stamp) = (folder.join("node_modules"), folder.join("installed.json"));
    let wanted = read(&source.join("package-lock.json"))?;
    if read(&stamp).is_ok_and(|installed| installed == wanted) && modules.is_dir() {
        return Ok(modules);
    }
    eprintln!(
        "Installing Node's packages in {} for the browser tests",
        folder.display()
    );
    make(&folder)?;
    for file in ["package.json", "package-lock.json"] {
        write(&folder.join(file), &read(&source.join(file))?)?;
    }
    let mut install = Command::new(npm);
    install
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(&folder)
        .stdin(Stdio::null());
    cargo::run(&mut install)?;
    write(&stamp, &wanted)?;
    Ok(modules)
}

fn make(folder: &Path) -> Result<(), Stop> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Stop::Failed(format!("{} can't be made: {error}", folder.display())))
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
    fn every_package_is_pinned_and_names_no_host() {
        let folder = Workspace::find().path("xtask/node");
        let wanted = read(&folder.join("package.json")).unwrap();
        let pinned = wanted.split("\"dependencies\"").nth(1).unwrap();
        assert!(!pinned.contains(['^', '~', '*']), "{pinned}");
        let lock = read(&folder.join("package-lock.json")).unwrap();
        assert!(lock.contains("\"integrity\"") && !lock.contains("\"resolved\""));
    }
}
