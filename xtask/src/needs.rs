//! What tests need besides Rust, and how it comes onto the machine: root on Debian or a relative
//! gets it by apt-get, anybody else is told what to install.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{self, Stop};

/// Something that may be missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// What it is, and what for.
    pub(crate) what: &'static str,
    /// The packages that hold it on Debian and its relatives.
    pub(crate) debian: &'static [&'static str],
    /// What to do elsewhere.
    pub(crate) elsewhere: &'static str,
}

/// A C compiler: SQLite and ring are built from source.
pub(crate) const C_COMPILER: Need = Need {
    what: "a C compiler (cc), which builds SQLite",
    debian: &["gcc", "libc6-dev"],
    elsewhere: "Fedora: dnf install gcc; Alpine: apk add build-base; macOS: xcode-select --install",
};

/// Python that can make environments of its own.
pub(crate) const PYTHON: Need = Need {
    what: "python3, 3.10 or newer, with its venv module",
    debian: &["python3", "python3-venv"],
    elsewhere: "Fedora: dnf install python3; Alpine: apk add python3; macOS: brew install python",
};

/// What can be done about a missing thing.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    AptGet(&'static [&'static str]),
    Tell(String),
}

impl Need {
    /// Installs it, or fails and says what to install.
    pub(crate) fn bring(&self) -> Result<(), Stop> {
        match self.remedy(is_root(), find_program("apt-get").is_some()) {
            Remedy::AptGet(packages) => apt_get(packages),
            Remedy::Tell(text) => Err(Stop::Failed(text)),
        }
    }

    fn remedy(&self, is_root: bool, has_apt_get: bool) -> Remedy {
        let packages = self.debian.join(" ");
        match (is_root, has_apt_get) {
            (true, true) => Remedy::AptGet(self.debian),
            (false, true) => Remedy::Tell(format!(
                "the tests need {}. Install it with `sudo apt-get install {packages}`, \
                 then start again.",
                self.what
            )),
            (_, false) => Remedy::Tell(format!(
                "the tests need {}. Install it ({}), then start again.",
                self.what, self.elsewhere
            )),
        }
    }
}

/// Sees to a C compiler.
pub(crate) fn c_compiler() -> Result<(), Stop> {
    let chosen = std::env::var_os("CC").map(PathBuf::from);
    let found = chosen.or_else(|| ["cc", "gcc", "clang"].into_iter().find_map(find_program));
    if found.is_some() {
        return Ok(());
    }
    C_COMPILER.bring()
}

/// The first program of that name on the search path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path)
        .map(|folder| folder.join(&file))
        .find(|p| is_program(p))
}

fn is_program(path: &Path) -> bool {
    path.is_file()
}

fn is_root() -> bool {
    let answer = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    answer.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn apt_get(packages: &[&str]) -> Result<(), Stop> {
    eprintln!("Installing what the tests need: {}", packages.join(" "));
    cargo::run(quiet_apt_get().args(["update", "-qq"]))?;
    cargo::run(
        quiet_apt_get()
            .args(["install", "-y", "-qq"])
            .args(packages),
    )
}

fn quiet_apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_with_apt_get_installs() {
        let packages: &[&str] = &["python3", "python3-venv"];
        assert_eq!(PYTHON.remedy(true, true), Remedy::AptGet(packages));
        for (is_root, has_apt_get) in [(false, true), (true, false), (false, false)] {
            let remedy = PYTHON.remedy(is_root, has_apt_get);
            assert!(matches!(remedy, Remedy::Tell(_)), "{remedy:?}");
        }
    }

    #[test]
    fn others_are_told_what_to_install_and_how() {
        let Remedy::Tell(text) = PYTHON.remedy(false, true) else {
            panic!("told nothing")
        };
        assert!(
            text.contains("sudo apt-get install python3 python3-venv"),
            "{text}"
        );
        let Remedy::Tell(text) = C_COMPILER.remedy(false, false) else {
            panic!("told nothing")
        };
        assert!(
            text.contains("a C compiler") && text.contains("xcode-select"),
            "{text}"
        );
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find_program("cargo").is_some());
        assert_eq!(find_program("no-such-program-anywhere"), None);
    }
}
