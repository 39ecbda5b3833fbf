//! What the card-key server and its clients say to each other.

use minicbor::{Decode, Encode};
use tegata_card_service::{FRAME_LIMIT, Request, Response, WireError, decode, encode, receive};

/// Requests and responses, as messages by themselves and as frames on a stream.
pub fn card_service(bytes: &[u8]) {
    messages::<Request>(bytes);
    messages::<Response>(bytes);
}

fn messages<T: Encode<()> + for<'b> Decode<'b, ()>>(bytes: &[u8]) {
    if let Ok(message) = decode::<T>(bytes) {
        assert_eq!(encode(&message).expect("it was decoded").as_slice(), bytes);
    }
    let mut stream = bytes;
    loop {
        let before = stream;
        match receive::<T>(&mut stream) {
            Ok(message) => {
                let read = before.len() - stream.len();
                let mut again = Vec::new();
                tegata_card_service::send(&mut again, &message).expect("it was received");
                assert_eq!(again, before[..read]);
            }
            Err(WireError::Malformed) => {}
            Err(WireError::TooLong(length)) => {
                assert!(length > u64::from(FRAME_LIMIT));
                return;
            }
            Err(WireError::Closed) => return assert!(stream.is_empty()),
            Err(WireError::Io(_)) => return,
        }
    }
}
