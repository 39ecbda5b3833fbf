//! Signing what isn't signed for one sealing, and sealing replies back to whoever asked.

use tegata_keystore::rng;
use tegata_protocol::envelope::{Body, Message, Parcel, Reply, Sealed};
use tegata_protocol::{
    Digest, Malformed, MessageId, PartyNumber, ReplyKey, SealingKey, SignedBytes, SigningKey, Time,
    Verified,
};

/// Signs a message that may be sealed, and sent, many times.
pub fn sign<B: Body>(
    signing: &SigningKey,
    from: PartyNumber,
    to: PartyNumber,
    time: Time,
    body: B,
) -> SignedBytes {
    signing.sign(&message(from, to, time, None, body))
}

/// Signs a reply to a request, for whoever sent it.
pub fn sign_reply<A: Body, B: Body>(
    signing: &SigningKey,
    from: PartyNumber,
    time: Time,
    request: &Verified<Message<A>>,
    body: B,
) -> SignedBytes {
    let answers = Some(request.digest());
    signing.sign(&message(from, request.from, time, answers, body))
}

fn message<B: Body>(
    from: PartyNumber,
    to: PartyNumber,
    time: Time,
    answers: Option<Digest>,
    body: B,
) -> Message<B> {
    Message {
        from,
        to,
        id: MessageId::random(&mut rng::system()),
        time,
        not_after: None,
        enc_digest: None,
        answers,
        body,
    }
}

/// Where a reply goes.
#[derive(Debug)]
pub struct ReplyTo {
    to: PartyNumber,
    opening: SealingKey,
    enc_digest: Option<Digest>,
}

impl ReplyTo {
    /// To the sender of this request, whose record has the key `opening`.
    #[must_use]
    pub fn sender<A: Body>(request: &Verified<Message<A>>, opening: SealingKey) -> Self {
        Self {
            to: request.from,
            opening,
            enc_digest: request.enc_digest,
        }
    }

    /// Seals a reply to whoever sealed this very message; if somebody sealed it again, to the sender's
    /// own key.
    ///
    /// # Errors
    /// [`Malformed`] when nothing can be sealed to that key.
    pub fn seal(&self, signed: SignedBytes, reply_key: &ReplyKey) -> Result<Vec<u8>, Malformed> {
        let (parcel, mut rng) = (Parcel::new(signed), rng::system());
        let reply = if self.enc_digest == Some(reply_key.enc_digest()) {
            Reply::exported(reply_key, &parcel, &mut rng)
        } else {
            Reply::Sealed(Sealed::seal(self.to, &self.opening, &parcel, &mut rng)?)
        };
        Ok(reply.to_bytes())
    }
}
