//! Runs a test in a child process with a `pcscd` of its own.

use std::process::Command;

use tegata_card_reader::reader::Readers;
use tegata_card_reader::service::Service;

/// Tells the child process the first reader's port, and that it is the child.
const PORT: &str = "TEGATA_TEST_VPCD_PORT";

/// Runs `body` in a child process with a `pcscd` of its own. `name` is the calling test's.
pub(crate) fn under_pcscd(name: &str, body: impl FnOnce(&Readers)) {
    if std::env::var_os(PORT).is_some() {
        // The service answers only when its readers are there to take cards.
        return body(&Readers::open().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path())
        .expect("pcscd and vpcd are installed: `cargo xtask test` sees to it");
    let mut again = Command::new(std::env::current_exe().unwrap());
    let status = service
        .tell(&mut again)
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(PORT, service.port().to_string())
        .status();
    drop(service);
    assert!(status.unwrap().success(), "the child failed, as told above");
}

/// The ports on which the two readers wait for their cards.
pub(crate) fn ports() -> (u16, u16) {
    let first: u16 = std::env::var(PORT).unwrap().parse().unwrap();
    (first, first + 1)
}
