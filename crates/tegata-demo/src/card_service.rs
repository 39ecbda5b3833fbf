//! The town's card service: the real one, with a virtual reader, started beside any other that this machine has.

use std::{
    ffi::OsString,
    fs,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::Path,
    process::{Child, Command},
};

use anyhow::Context as _;

/// The card service and its virtual reader's driver, where Debian's packages have them.
const SERVICE: &str = "/usr/sbin/pcscd";
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// Starts the service as if systemd did, with its socket as descriptor 3: beside others, as any user.
const START: &str = r#"exec 3<&0 </dev/null
LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --foreground --config "$@""#;

/// A card service of the town's own; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    pub(crate) port: u16,
}

impl Service {
    /// Starts it, if it's installed; gives the environment by which programs find it, too.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Option<(Self, OsString)>> {
        if ![SERVICE, DRIVER]
            .iter()
            .all(|file| Path::new(file).exists())
        {
            return Ok(None);
        }
        let configuration = folder.join("readers");
        fs::create_dir_all(&configuration)?;
        let port = two_free_ports()?;
        let reader = format!(
            "FRIENDLYNAME \"Town\"\nDEVICENAME /dev/null:{port}\nLIBPATH {DRIVER}\nCHANNELID {port}\n"
        );
        fs::write(configuration.join("vpcd"), reader)?;
        let path = folder.join("pcscd.sock");
        let socket = UnixListener::bind(&path)?;
        let mut start = Command::new("/bin/sh");
        start.args(["-c", START, SERVICE]).arg(&configuration);
        let log = fs::File::create(folder.join("logs/pcscd.log"))?;
        let child = start
            .stdin(OwnedFd::from(socket))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn();
        let child = child.context("starting pcscd")?;
        Ok(Some((Self { child, port }, path.into_os_string())))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The driver takes a port and the one after it.
fn two_free_ports() -> anyhow::Result<u16> {
    for _ in 0..100 {
        let first = TcpListener::bind(("0.0.0.0", 0))?;
        let port = first.local_addr()?.port();
        if port < u16::MAX && TcpListener::bind(("0.0.0.0", port + 1)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no two free ports beside each other")
}
