//! A `pcscd` of one's own, with two empty virtual readers.
//!
//! It insists on a folder `/run/pcscd`, in which only root's notes its process id. Root's also
//! makes that folder; anybody else's ends at once where it's missing. It can't be kept from USB
//! readers, so as root unplug real ones while the tests run.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tegata_card::reader::Readers;

/// Tells the child process the first reader's port, and that it is the child.
const PORT: &str = "TEGATA_TEST_VPCD_PORT";

/// Starts `pcscd` as if systemd did: it takes its listening socket as descriptor 3. That lets it
/// run beside others, and as any user.
const START: &str = r#"exec 3<&0 </dev/null
LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --foreground --config "$@""#;

/// Runs `body` in a child process with a `pcscd` of its own. `name` is the calling test's.
pub(crate) fn under_pcscd(name: &str, body: impl FnOnce(&Readers)) {
    if std::env::var_os(PORT).is_some() {
        // The service answers only when its readers are there to take cards.
        return body(&Readers::open().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_ports();
    let service = Service::start(folder.path(), port);
    let mut again = Command::new(std::env::current_exe().unwrap());
    let status = again
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env("PCSCLITE_CSOCK_NAME", folder.path().join("socket"))
        .env(PORT, port.to_string())
        .status();
    drop(service);
    assert!(status.unwrap().success(), "the child failed, as told above");
}

/// The ports on which the two readers wait for their cards.
pub(crate) fn ports() -> (u16, u16) {
    let first: u16 = std::env::var(PORT).unwrap().parse().unwrap();
    (first, first + 1)
}

/// A running `pcscd`; it ends when this is dropped.
struct Service(Child);

impl Service {
    fn start(folder: &Path, port: u16) -> Self {
        let configuration = folder.join("readers");
        fs::create_dir(&configuration).unwrap();
        let text = format!(
            "FRIENDLYNAME \"Tegata test\"\nDEVICENAME /dev/null:{port}\n\
             LIBPATH /usr/lib/pcsc/drivers/serial/libifdvpcd.so\nCHANNELID {port}\n"
        );
        fs::write(configuration.join("vpcd"), text).unwrap();
        // Bound before the service runs, so that a client needs no second try.
        let socket = UnixListener::bind(folder.join("socket")).unwrap();
        let mut start = Command::new("/bin/sh");
        start
            .args(["-c", START, "/usr/sbin/pcscd"])
            .arg(configuration);
        // From version 2.0.1 on it may ask polkit who we are, where none may run.
        if knows("--disable-polkit") {
            start.arg("--disable-polkit");
        }
        start.stdin(OwnedFd::from(socket)).stdout(Stdio::null());
        Self(start.spawn().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn knows(option: &str) -> bool {
    let help = Command::new("/usr/sbin/pcscd").arg("--help").output();
    let help = help
        .expect("pcscd is installed: `cargo xtask test` sees to it")
        .stdout;
    String::from_utf8_lossy(&help).contains(option)
}

/// A port that is free, and whose neighbour is too: the driver takes both, on every address.
fn free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("0.0.0.0", port + 1)).is_ok() {
            return port;
        }
    }
}
