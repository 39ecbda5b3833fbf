//! How the application server and gates ask: one connection, one request at a time, never for ever.
//!
//! [`Server`] says where the card-key server is and leads there; to another machine
//! over TLS.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Request, Response, WireError, receive, send};

mod place;
mod server;
mod tls;

pub use place::{
    CertificatePin, ConnectError, Named, NotAPin, NotNamed, ReadWrite, Remote, Server, Trust,
};

/// A connection to the card-key server over any stream: a Unix socket, or TLS to another machine.
///
/// After an error the connection is spent: an answer to the request before could be taken for one
/// to the next. Connect anew; an open job goes on over any connection.
pub struct CardKeysClient<S> {
    stream: Option<S>,
}

impl<S> fmt::Debug for CardKeysClient<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardKeysClient(…)")
    }
}

impl CardKeysClient<UnixStream> {
    /// Connects to the socket on this machine. Nothing is waited for longer than `patience`.
    ///
    /// # Errors
    /// [`WireError::Io`].
    pub fn connect(socket: &Path, patience: Duration) -> Result<Self, WireError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self::over(stream))
    }
}

impl<S: Read + Write> CardKeysClient<S> {
    /// Over a stream that is connected, and whose timeouts are set.
    pub const fn over(stream: S) -> Self {
        Self {
            stream: Some(stream),
        }
    }

    /// Asks, and waits for the answer. After an error it isn't known whether the request arrived:
    /// if it was an order, the next job of that card finds out.
    ///
    /// # Errors
    /// [`WireError`]; from then on always [`WireError::Closed`].
    pub fn call(&mut self, request: &Request) -> Result<Response, WireError> {
        let mut stream = self.stream.take().ok_or(WireError::Closed)?;
        send(&mut stream, request)?;
        let response = receive(&mut stream)?;
        self.stream = Some(stream);
        Ok(response)
    }
}
