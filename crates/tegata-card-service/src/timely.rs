//! Streams that end by a deadline, whatever the other side does. Both ends shake hands over one.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Until when.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant, Duration);

#[expect(
    clippy::disallowed_methods,
    reason = "how long a handshake may take is the edge's business"
)]
impl Deadline {
    /// From now on.
    #[must_use]
    pub fn within(patience: Duration) -> Self {
        Self(Instant::now(), patience)
    }

    /// How long it's still.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`](io::ErrorKind::TimedOut), when it's over.
    pub fn left(&self) -> io::Result<Duration> {
        let left = self.1.saturating_sub(self.0.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

/// A stream whose reads and writes end by a deadline, all together: who sends a byte now and then
/// can't keep us.
#[derive(Debug)]
pub struct Timely<'s> {
    stream: &'s TcpStream,
    deadline: Deadline,
}

impl<'s> Timely<'s> {
    /// That stream, until then. Its timeouts are changed.
    #[must_use]
    pub const fn new(stream: &'s TcpStream, deadline: Deadline) -> Self {
        Self { stream, deadline }
    }
}

impl Read for Timely<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.deadline.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timely<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.deadline.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
