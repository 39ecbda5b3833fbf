//! A card made of software in a reader made of software.
//!
//! pcsc-lite's driver `vpcd` listens on a TCP port. Whoever connects to it is a card that was put
//! into its reader, and whoever disconnects was pulled out. So any program that talks to card
//! readers can talk to any [`Chip`]: [`insert`](Card::insert) it, then [`serve`](Card::serve) it.
//!
//! Each message is a length (two bytes, most significant first) and that many bytes. From the
//! driver comes either one control byte (power off, power on, reset: never answered; ATR:
//! answered with the [`ATR`]) or else a command APDU, answered with the response APDU.
//!
//! When the chip loses its power there is nothing to answer. A real reader then sees that the
//! card is gone, so the connection is dropped without an answer, and [`serve`](Card::serve) ends
//! with [`Ended::PowerCut`]. To put the card back in, insert it again.
//!
//! The driver listens on every address and asks for no password: it's for trying and tests only.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::chip::{Chip, PowerCut};

/// Where `vpcd` listens unless its configuration says otherwise.
pub const ADDRESS: &str = "127.0.0.1:35963";

/// The answer to reset (ISO 7816-3): T=0 or T=1, no interface bytes, the historical bytes
/// `TEGATA`, a check byte.
pub const ATR: [u8; 11] = *b"\x3b\x86\x80\x01TEGATA\x05";

/// Why a card can't be served.
#[derive(Debug, thiserror::Error)]
pub enum VpcdError {
    /// Nothing listens there.
    #[error("no virtual card reader can be reached at {address}: is pcscd running, with vpcd?")]
    Unreachable {
        /// The address that was tried.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The reader went away while the card was in it.
    #[error("the virtual card reader at {address} has closed the connection: pcscd has ended")]
    ReaderGone {
        /// The reader's address.
        address: String,
    },
    /// The connection broke.
    #[error("the connection to the virtual card reader at {address} broke")]
    Broken {
        /// The reader's address.
        address: String,
        /// How.
        source: io::Error,
    },
    /// The chip gave an answer that no message can carry.
    #[error("the card's answer has {length} bytes; a message to vpcd can carry 65535")]
    AnswerTooLong {
        /// The answer's length.
        length: usize,
    },
}

/// How serving came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// [`Puller::pull`] was called.
    Pulled,
    /// The chip lost its power: the reader saw the card disappear.
    PowerCut,
}

/// A card in the reader.
#[derive(Debug)]
pub struct Card {
    stream: TcpStream,
    address: String,
    pulled: Arc<AtomicBool>,
}

/// Pulls the card out of the reader, from any thread.
#[derive(Debug)]
pub struct Puller {
    stream: TcpStream,
    pulled: Arc<AtomicBool>,
}

impl Puller {
    /// Pulls it out. [`Card::serve`] ends; pulling twice does nothing.
    pub fn pull(&self) {
        self.pulled.store(true, Ordering::SeqCst);
        // It fails only where the connection has ended anyway.
        self.stream.shutdown(Shutdown::Both).ok();
    }
}

impl Card {
    /// Puts a card into the reader at `address` (`HOST:PORT`, see [`ADDRESS`]).
    ///
    /// # Errors
    /// [`VpcdError::Unreachable`].
    pub fn insert(address: &str) -> Result<Self, VpcdError> {
        let stream = connect(address).map_err(|source| VpcdError::Unreachable {
            address: address.to_owned(),
            source,
        })?;
        Ok(Self {
            stream,
            address: address.to_owned(),
            pulled: Arc::default(),
        })
    }

    /// What pulls this card out.
    ///
    /// # Errors
    /// [`VpcdError::Broken`] if the system has no more descriptors.
    pub fn puller(&self) -> Result<Puller, VpcdError> {
        let clone = self.stream.try_clone();
        Ok(Puller {
            stream: clone.map_err(|source| self.broken(source))?,
            pulled: Arc::clone(&self.pulled),
        })
    }

    /// Lets the chip answer until the card is pulled out or its power is cut.
    ///
    /// # Errors
    /// [`VpcdError`], also when the reader itself goes away.
    pub fn serve(self, chip: &mut impl Chip) -> Result<Ended, VpcdError> {
        let stopped = answer(&mut Acknowledging(&self.stream), chip);
        let ended = self.interpret(stopped);
        // Its puller may live on, so dropping our half alone would leave the card in the reader.
        // It fails only where the other end was first.
        self.stream.shutdown(Shutdown::Both).ok();
        ended
    }

    /// Whether it was our own puller that ended the connection, the other end, or neither.
    fn interpret(&self, stopped: Stopped) -> Result<Ended, VpcdError> {
        let source = match stopped {
            Stopped::PowerCut => return Ok(Ended::PowerCut),
            Stopped::AnswerTooLong(length) => return Err(VpcdError::AnswerTooLong { length }),
            Stopped::Stream(source) => source,
        };
        if self.pulled.load(Ordering::SeqCst) {
            return Ok(Ended::Pulled);
        }
        if source.kind() == io::ErrorKind::UnexpectedEof {
            let address = self.address.clone();
            return Err(VpcdError::ReaderGone { address });
        }
        Err(self.broken(source))
    }

    fn broken(&self, source: io::Error) -> VpcdError {
        VpcdError::Broken {
            address: self.address.clone(),
            source,
        }
    }
}

/// Why a chip answers no more.
#[derive(Debug)]
pub enum Stopped {
    /// It lost its power; the command before has no answer.
    PowerCut,
    /// Its answer has so many bytes, and no message carries them.
    AnswerTooLong(usize),
    /// The stream ended or failed.
    Stream(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Stream(error)
    }
}

impl From<PowerCut> for Stopped {
    fn from(PowerCut: PowerCut) -> Self {
        Self::PowerCut
    }
}

/// Lets the chip answer what the driver says over a stream, until that can't go on.
pub fn answer(stream: &mut (impl Read + Write), chip: &mut impl Chip) -> Stopped {
    // The reader's field powers a card before the driver says a word.
    chip.power_on();
    loop {
        if let Err(stopped) = answer_next(stream, chip) {
            return stopped;
        }
    }
}

fn answer_next(stream: &mut (impl Read + Write), chip: &mut impl Chip) -> Result<(), Stopped> {
    let message = receive(stream)?;
    let answer = match Message::parse(&message) {
        Message::PowerOff => return Ok(()),
        Message::PowerOn | Message::Reset => {
            chip.power_on();
            return Ok(());
        }
        Message::Atr => ATR.to_vec(),
        Message::Command(command) => chip.transmit(command)?,
    };
    Ok(stream.write_all(&frame(&answer)?)?)
}

fn receive(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// Acknowledges after each read: the driver sends length and contents apart, and its second send
/// waits for the first one's acknowledgement, which the kernel likes to hold back for 40 ms. The
/// kernel forgets the wish soon, so it has to be said each time.
struct Acknowledging<'a>(&'a TcpStream);

impl Read for Acknowledging<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        if count > 0 {
            acknowledge_at_once(self.0)?;
        }
        Ok(count)
    }
}

impl Write for Acknowledging<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What the driver says.
#[derive(PartialEq, Eq, Debug)]
enum Message<'a> {
    PowerOff,
    PowerOn,
    Reset,
    Atr,
    Command(&'a [u8]),
}

impl<'a> Message<'a> {
    fn parse(message: &'a [u8]) -> Self {
        match message {
            [0x00] => Self::PowerOff,
            [0x01] => Self::PowerOn,
            [0x02] => Self::Reset,
            [0x04] => Self::Atr,
            command => Self::Command(command),
        }
    }
}

/// Length and contents in one piece, so that they leave in one packet.
fn frame(answer: &[u8]) -> Result<Vec<u8>, Stopped> {
    let length = u16::try_from(answer.len());
    let length = length.map_err(|_too_long| Stopped::AnswerTooLong(answer.len()))?;
    Ok([&length.to_be_bytes(), answer].concat())
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    acknowledge_at_once(&stream)?;
    Ok(stream)
}

#[cfg(target_os = "linux")]
fn acknowledge_at_once(stream: &TcpStream) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_tcp_quickack(stream, true)?)
}

/// Elsewhere there's no such wish: everything works, at some twenty commands a second.
#[cfg(not(target_os = "linux"))]
fn acknowledge_at_once(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Answers with what it got and how often it had been powered; some commands cut its power.
    #[derive(Default)]
    struct Echo {
        powered: u8,
    }

    impl Chip for Echo {
        fn power_on(&mut self) {
            self.powered += 1;
        }

        fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PowerCut> {
            match command {
                b"cut!" => Err(PowerCut),
                b"long" => Ok(vec![0; 65_536]),
                other => Ok([other, &[self.powered]].concat()),
            }
        }
    }

    type Serving = thread::JoinHandle<Result<Ended, VpcdError>>;

    /// The driver's end of the connection, and the card that serves at the other.
    fn served() -> (TcpStream, Puller, Serving) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let card = Card::insert(&listener.local_addr().unwrap().to_string()).unwrap();
        let puller = card.puller().unwrap();
        let serving = thread::spawn(move || card.serve(&mut Echo::default()));
        (listener.accept().unwrap().0, puller, serving)
    }

    fn say(driver: &mut TcpStream, message: &[u8]) {
        driver.write_all(&frame(message).unwrap()).unwrap();
    }

    fn hear(driver: &mut TcpStream) -> Vec<u8> {
        let mut length = [0; 2];
        driver.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        driver.read_exact(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_check_byte_makes_the_atr_even() {
        let sum = ATR.iter().skip(1).fold(0, |sum, byte| sum ^ byte);
        assert_eq!(sum, 0);
    }

    #[test]
    fn power_is_never_answered_and_the_atr_is() {
        let (mut driver, _puller, _serving) = served();
        for control in [0, 1, 2, 1, 4] {
            say(&mut driver, &[control]);
        }
        assert_eq!(hear(&mut driver), ATR);
        say(&mut driver, b"abcd");
        assert_eq!(hear(&mut driver), b"abcd");
    }

    #[test]
    fn a_message_in_pieces_is_one_message() {
        let (mut driver, _puller, _serving) = served();
        for byte in frame(b"abcd").unwrap() {
            driver.write_all(&[byte]).unwrap();
        }
        assert_eq!(hear(&mut driver), b"abcd");
    }

    #[test]
    fn a_power_cut_is_a_card_that_disappears_without_an_answer() {
        let (mut driver, _puller, serving) = served();
        say(&mut driver, b"cut!");
        assert_eq!(driver.read(&mut [0]).unwrap(), 0);
        assert_eq!(serving.join().unwrap().unwrap(), Ended::PowerCut);
    }

    #[test]
    fn a_pulled_card_and_a_lost_reader_are_told_apart() {
        let (_driver, puller, serving) = served();
        puller.pull();
        puller.pull();
        assert_eq!(serving.join().unwrap().unwrap(), Ended::Pulled);

        let (driver, _puller, serving) = served();
        drop(driver);
        let error = serving.join().unwrap().unwrap_err();
        assert!(matches!(error, VpcdError::ReaderGone { .. }), "{error:?}");
    }

    #[test]
    fn an_answer_that_no_message_can_carry_is_an_error() {
        let (mut driver, _puller, serving) = served();
        say(&mut driver, b"long");
        let error = serving.join().unwrap().unwrap_err();
        assert!(
            matches!(error, VpcdError::AnswerTooLong { length: 65_536 }),
            "{error:?}"
        );
    }

    #[test]
    fn where_nothing_listens_the_address_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = Card::insert(&address).unwrap_err();
        assert!(error.to_string().contains(&address), "{error}");
    }
}
