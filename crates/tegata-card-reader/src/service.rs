//! A `pcscd` of one's own, with two empty virtual readers: for tests and benches. It listens on a
//! socket of its own and leaves the system's alone, so that several run side by side.
//!
//! The client library looks up once per process where `pcscd` listens, and a process can't change
//! its own environment safely. So whoever starts one of these starts a child process too, and tells
//! it by [`Service::tell`].
//!
//! It insists on a folder `/run/pcscd`, in which only root's notes its process id. Root's also
//! makes that folder; anybody else's ends at once where it's missing. It can't be kept from USB
//! readers, so as root unplug real ones meanwhile.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PCSCD: &str = "/usr/sbin/pcscd";
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// Starts `pcscd` as if systemd did: it takes its listening socket as descriptor 3. That lets it
/// run beside others, and as any user.
const START: &str = r#"exec 3<&0 </dev/null
LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --foreground --config "$@""#;

/// A running `pcscd`; it ends when this is dropped.
#[derive(Debug)]
pub struct Service {
    child: Child,
    socket: PathBuf,
    port: u16,
}

impl Service {
    /// Starts one that keeps its socket and configuration in that folder.
    ///
    /// # Errors
    /// If something can't be written or started; `pcscd` and `vpcd` must be installed.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let port = free_ports()?;
        let configuration = folder.join("readers");
        fs::create_dir(&configuration)?;
        let text = format!(
            "FRIENDLYNAME \"Tegata test\"\nDEVICENAME /dev/null:{port}\n\
             LIBPATH {DRIVER}\nCHANNELID {port}\n"
        );
        fs::write(configuration.join("vpcd"), text)?;
        // Bound before the service runs, so that a client needs no second try.
        let socket = folder.join("socket");
        let listener = UnixListener::bind(&socket)?;
        let mut start = Command::new("/bin/sh");
        start.args(["-c", START, PCSCD]).arg(configuration);
        // From version 2.0.1 on it may ask polkit who we are, where none may run.
        if knows("--disable-polkit")? {
            start.arg("--disable-polkit");
        }
        start.stdin(OwnedFd::from(listener)).stdout(Stdio::null());
        let child = start.spawn()?;
        Ok(Self {
            child,
            socket,
            port,
        })
    }

    /// Tells a program that is about to be started where this service listens.
    pub fn tell<'c>(&self, program: &'c mut Command) -> &'c mut Command {
        program.env("PCSCLITE_CSOCK_NAME", &self.socket)
    }

    /// The port on which the first reader waits for its card; the second waits on the next.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It fails only where it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn knows(option: &str) -> io::Result<bool> {
    let help = Command::new(PCSCD).arg("--help").output()?.stdout;
    Ok(String::from_utf8_lossy(&help).contains(option))
}

/// A port that is free, and whose neighbour is too: the driver takes both, on every address.
fn free_ports() -> io::Result<u16> {
    loop {
        let first = TcpListener::bind("0.0.0.0:0")?;
        let port = first.local_addr()?.port();
        if let Some(next) = port.checked_add(1)
            && TcpListener::bind(("0.0.0.0", next)).is_ok()
        {
            return Ok(port);
        }
    }
}
