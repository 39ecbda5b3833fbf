//! The way to the card-key server.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::CardKeysClient;
use super::place::{ConnectError, ReadWrite, Server, is_silence};
use super::tls;
use crate::{CardKeysRefusal, JobId, Request, Response, WireError};

impl Server {
    /// Connects, and has the card-key server say one word, so that who isn't let in learns it here.
    /// Nothing is waited for longer than `patience`, neither now nor later; only to look up a host's
    /// name takes as long as the system takes.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect(
        &self,
        patience: Duration,
    ) -> Result<CardKeysClient<Box<dyn ReadWrite + Send>>, ConnectError> {
        let mut client = CardKeysClient::over(match self {
            Self::Socket(path) => socket(path, patience)?,
            Self::Remote(remote) => tls::connect(remote, patience)?,
        });
        // No such job exists, so nothing changes; each kind of client may ask it.
        let said = client.call(&Request::Abandon(JobId([0; 16])));
        match said {
            Ok(Response::Refused(CardKeysRefusal::JobUnknown)) => Ok(client),
            Ok(_) | Err(WireError::Malformed | WireError::TooLong(_)) => {
                let place = self.to_string();
                Err(ConnectError::AnotherProtocol { place })
            }
            Err(WireError::Io(error)) if is_silence(&error) => {
                let place = self.to_string();
                Err(ConnectError::Silent { place })
            }
            Err(source @ (WireError::Io(_) | WireError::Closed)) => Err(ConnectError::NotLetIn {
                place: self.to_string(),
                advice: self.advice(),
                source,
            }),
        }
    }

    fn advice(&self) -> String {
        let more = "or as many connections as it takes are open; its log says which";
        match self {
            Self::Socket(_) => {
                format!(
                    "this user's number must stand in `allow_uid` of its card-keys.toml, {more}"
                )
            }
            Self::Remote(remote) => format!(
                "the certificate in {} must be known to it (`client_pin`, `gate_pin` or \
                 `client_ca` in its card-keys.toml), {more}",
                remote.cert.display()
            ),
        }
    }
}

fn socket(path: &Path, patience: Duration) -> Result<Box<dyn ReadWrite + Send>, ConnectError> {
    let connected = UnixStream::connect(path).and_then(|stream| {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(stream)
    });
    match connected {
        Ok(stream) => Ok(Box::new(stream)),
        Err(source) => Err(ConnectError::Socket {
            socket: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Long enough for any machine: whoever answers or hangs up is waited for.
    const PATIENCE: Duration = Duration::from_secs(300);
    /// For those who demonstrably never answer: how long they don't is all the same.
    const SHORT: Duration = Duration::from_millis(50);

    fn said(server: &Server, patience: Duration) -> String {
        server.connect(patience).unwrap_err().to_string()
    }

    #[test]
    fn a_socket_that_leads_nowhere_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.sock");
        let server = Server::Socket(path.clone());
        let text = said(&server, PATIENCE);
        assert!(text.contains("keys.sock"), "{text}");
        assert!(text.contains("no such socket. Start it"), "{text}");
        let listener = UnixListener::bind(&path).unwrap();
        let text = said(&server, SHORT);
        assert!(text.contains("gave no answer in time"), "{text}");
        let listening = std::thread::spawn(move || {
            let (first, _) = listener.accept().unwrap();
            drop(first);
            drop(listener.accept().unwrap());
            let (mut other, _) = listener.accept().unwrap();
            other.write_all(b"\0\0\0\x02OK").unwrap();
            // Until the client is gone.
            drop(io::copy(&mut other, &mut io::sink()));
        });
        // The one of before, whose bytes nobody had read.
        let text = said(&server, PATIENCE);
        assert!(text.contains("`allow_uid`"), "{text}");
        let text = said(&server, PATIENCE);
        assert!(text.contains("isn't a card-key server"), "{text}");
        listening.join().unwrap();
        let text = said(&server, PATIENCE);
        assert!(text.contains("nobody listens. Start it"), "{text}");
    }
}
