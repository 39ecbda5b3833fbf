//! What the card tests need: the card service `pcscd`, its virtual reader `vpcd`, the library that
//! programs reach it by, and two other programs that look at cards.
//!
//! The card bench takes a part of it, if it's there. The tests start a `pcscd` of their own. On a machine with systemd the package also sets up the
//! system's one, asleep until some program asks for it; no test does.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::cargo::Stop;
use crate::needs::{Need, find_program};

const SERVICE: &str = "/usr/sbin/pcscd";
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

const PCSC: Need = Need {
    what: "pcscd with its virtual reader vpcd, libpcsclite's headers, pcsc_scan and opensc-tool, \
           which test the cards",
    // What else the service's package recommends are programs for desktops.
    debian: &[
        "--no-install-recommends",
        "pcscd",
        "vsmartcard-vpcd",
        "libpcsclite-dev",
        "pcsc-tools",
        "opensc",
        "pkg-config",
    ],
    elsewhere: "Fedora: dnf install pcsc-lite pcsc-lite-devel pcsc-tools opensc; vpcd is a part \
                of the Virtual Smart Card Architecture and goes to /usr/lib/pcsc/drivers/serial",
};

/// Installs what is missing.
pub(crate) fn ready() -> Result<(), Stop> {
    if is_there() {
        return Ok(());
    }
    PCSC.bring()?;
    if is_there() {
        return Ok(());
    }
    Err(Stop::Failed(format!(
        "the tests need {}, and something of it still isn't there",
        PCSC.what
    )))
}

fn is_there() -> bool {
    can_pay()
        && ["pcsc_scan", "opensc-tool"]
            .into_iter()
            .all(|name| find_program(name).is_some())
}

/// Is there what it takes to build a program that reaches cards, and to give it a reader?
pub(crate) fn can_pay() -> bool {
    [SERVICE, DRIVER]
        .iter()
        .all(|file| Path::new(file).exists())
        && has_headers()
}

fn has_headers() -> bool {
    let mut ask = Command::new("pkg-config");
    ask.args(["--exists", "libpcsclite"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    ask.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::Workspace;

    #[test]
    fn what_is_installed_is_what_the_tests_use() {
        let service = "crates/tegata-card-reader/src/service.rs";
        let text = std::fs::read_to_string(Workspace::find().path(service)).unwrap();
        assert!(text.contains(SERVICE) && text.contains(DRIVER));
    }
}
