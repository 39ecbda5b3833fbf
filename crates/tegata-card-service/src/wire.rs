//! Requests and responses as bytes, and as frames on a stream.

use std::io::{self, Read, Write};

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::FRAME_LIMIT;

/// Why nothing came, or nothing that can be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection failed, or nothing came in time.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The other side closed the connection between two frames.
    #[error("the other side closed the connection")]
    Closed,
    /// A frame is longer than any may be.
    #[error("a frame of {0} bytes: at most {FRAME_LIMIT} are allowed")]
    TooLong(u64),
    /// The bytes aren't what they must be, in deterministic CBOR.
    #[error("the bytes aren't a message of this protocol")]
    Malformed,
}

/// The bytes of a request or response; erased when dropped, since a card's transport key may be
/// among them.
///
/// # Errors
/// [`WireError::TooLong`].
pub fn encode<T: Encode<()>>(message: &T) -> Result<Zeroizing<Vec<u8>>, WireError> {
    // Never grows, so that no copy is left behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity()));
    minicbor::encode(message, &mut *bytes).map_err(|_e| WireError::Malformed)?;
    match u32::try_from(bytes.len()) {
        Ok(length) if length <= FRAME_LIMIT => Ok(bytes),
        _ => Err(WireError::TooLong(
            u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        )),
    }
}

/// Reads a request or response; only the one right form is taken.
///
/// # Errors
/// [`WireError::Malformed`].
pub fn decode<T: Encode<()> + for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, WireError> {
    let message: T = minicbor::decode(bytes).map_err(|_e| WireError::Malformed)?;
    let again = encode(&message)?;
    if again.as_slice() == bytes {
        Ok(message)
    } else {
        Err(WireError::Malformed)
    }
}

/// Writes a frame.
///
/// # Errors
/// [`WireError`].
pub fn send<T: Encode<()>>(stream: &mut impl Write, message: &T) -> Result<(), WireError> {
    let bytes = encode(message)?;
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut frame = Zeroizing::new(Vec::with_capacity(capacity()));
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&bytes);
    // One write: a length that travels by itself waits for an acknowledgement.
    stream.write_all(&frame)?;
    Ok(stream.flush()?)
}

/// Reads a frame.
///
/// # Errors
/// [`WireError`]; [`WireError::Closed`] if the stream ends where a frame would begin.
pub fn receive<T>(stream: &mut impl Read) -> Result<T, WireError>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let mut length = [0; 4];
    let (first, rest) = length.split_at_mut(1);
    match stream.read_exact(first) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(WireError::Closed);
        }
        Err(error) => return Err(error.into()),
    }
    stream.read_exact(rest)?;
    let length = u32::from_be_bytes(length);
    if length > FRAME_LIMIT {
        return Err(WireError::TooLong(u64::from(length)));
    }
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(length).unwrap_or(0)]);
    stream.read_exact(&mut bytes)?;
    decode(&bytes)
}

/// Room for the longest frame with its length.
fn capacity() -> usize {
    usize::try_from(FRAME_LIMIT.saturating_add(64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        CardNumber, Fate, JobId, OrderId, RECEIPTS_LIMIT, ReceiptBytes, Request, Response, Task,
    };

    #[test]
    fn frames_come_back_and_end_cleanly() {
        let begin = Request::Begin(JobId([1; 16]), CardNumber([2; 10]), Task::Load);
        let mut bytes = Vec::new();
        send(&mut bytes, &begin).unwrap();
        send(&mut bytes, &Request::Abandon(JobId([3; 16]))).unwrap();
        let mut stream = bytes.as_slice();
        assert_eq!(receive::<Request>(&mut stream).unwrap(), begin);
        assert!(receive::<Request>(&mut stream).is_ok());
        let end = receive::<Request>(&mut stream);
        assert!(matches!(end, Err(WireError::Closed)));
        let torn = receive::<Request>(&mut &bytes[..9]);
        assert!(matches!(torn, Err(WireError::Io(_))));
    }

    #[test]
    fn too_long_and_other_forms_are_refused() {
        let long = receive::<Request>(&mut [0xff; 8].as_slice());
        assert!(matches!(long, Err(WireError::TooLong(_))));
        let response = Response::Send(vec![0; 5000]);
        assert!(matches!(encode(&response), Err(WireError::TooLong(_))));
        let good = encode(&Response::Checked(true)).unwrap();
        assert!(decode::<Response>(&good).is_ok());
        let mut longer = good.to_vec();
        longer.push(0);
        assert!(decode::<Response>(&longer).is_err());
        // The number 8 in two bytes.
        let other = [&[0x82, 0x18, 0x08][..], &good[2..]].concat();
        assert!(decode::<Response>(&other).is_err());
    }
    #[test]
    fn as_many_receipts_as_may_come_fit_a_frame_and_come_back() {
        let receipts = vec![ReceiptBytes(vec![0xa5; 100]); RECEIPTS_LIMIT];
        let responses = [
            Response::Receipts(receipts),
            Response::Found(Fate::Unknown),
            Response::Found(Fate::InDoubt),
            Response::Found(Fate::CarriedOut(vec![1; 100])),
            Response::Found(Fate::NotCarriedOut),
        ];
        for response in responses {
            let bytes = encode(&response).unwrap();
            assert_eq!(decode::<Response>(&bytes).unwrap(), response);
        }
        let requests = [
            Request::Receipts(CardNumber([2; 10]), u32::MAX),
            Request::Find(OrderId([3; 16])),
        ];
        for request in requests {
            let bytes = encode(&request).unwrap();
            assert_eq!(decode::<Request>(&bytes).unwrap(), request);
        }
    }
}
