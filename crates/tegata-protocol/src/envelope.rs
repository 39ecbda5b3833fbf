//! The envelope: every message is signed by its sender, then sealed to its recipient.
//!
//! ```text
//! Sealed { suite, to, key, enc, ciphertext( Parcel { signed( Message { from, to, id, time, … body } ), attachment? } ) }
//! ```
//! - `to` stands inside the signature: the recipient can't re-seal it to a third party.
//! - `enc_digest` stands inside the signature: who holds the signed bytes (evidence, a backup) can't
//!   send them again and have the reply.
//! - The attachment (personal data, a delivery) isn't signed; the body names its digest. So evidence
//!   can be kept for ever and a person still be erased.

use core::fmt;

use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

use crate::{
    CLOCK_WINDOW, Digest, Document, KeyId, Malformed, MessageId, OpeningKey, PartyNumber, ReplyKey,
    SealingKey, SignedBytes, SigningKey, Suite, Time, Unopenable, cbor, seal::Sealer,
};

/// HPKE's `info` for envelopes.
const INFO: &[u8] = b"tegata envelope v1";

/// The most bytes of a sealed message on the wire.
pub const SEALED_LIMIT: usize = 64 * 1024;

/// The body of a message, as opposed to a document that stands alone.
pub trait Body: Sized + Encode<()> + for<'b> Decode<'b, ()> {
    /// The message's type: the number in the specification's table, for ever.
    const LABEL: u16;
    /// The version of its form.
    const VERSION: u8 = 1;
    /// The most bytes of the signed message.
    const LIMIT: usize = 16 * 1024;
    /// May it be signed now and sent much later, until its own `not_after`? All others count only
    /// within minutes of their signing.
    const DEFERRABLE: bool = false;

    /// Checks what the types alone can't say.
    ///
    /// # Errors
    /// [`Malformed::Field`] that names the field.
    fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// What is signed of every message: who to whom, when, which, and the body.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Message<B> {
    /// The sender.
    #[n(0)]
    pub from: PartyNumber,
    /// The recipient.
    #[n(1)]
    pub to: PartyNumber,
    /// The message's own random number; with `from` it is unique for ever.
    #[n(2)]
    pub id: MessageId,
    /// When it was signed, by the sender's clock.
    #[n(3)]
    pub time: Time,
    /// For messages that are sent later than signed: the last moment at which they count.
    #[n(4)]
    pub not_after: Option<Time>,
    /// SHA-256 of the encapsulated key that it travels under, if it was signed for that sealing.
    #[n(5)]
    pub enc_digest: Option<Digest>,
    /// In a reply: SHA-256 of the signed request.
    #[n(6)]
    pub answers: Option<Digest>,
    /// What it says.
    #[n(7)]
    pub body: B,
}

impl<B: Body> Document for Message<B> {
    const LABEL: u16 = B::LABEL;
    const VERSION: u8 = B::VERSION;
    const LIMIT: usize = B::LIMIT;

    fn check(&self) -> Result<(), Malformed> {
        if self.not_after.is_some() && !B::DEFERRABLE {
            return Err(Malformed::field(
                "not_after",
                "a message of this type can't be deferred",
            ));
        }
        self.body.check()
    }
}

/// Why a message that nobody has seen before doesn't count at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untimely {
    /// Signed more than five minutes ago.
    #[error("the message was signed at {0}, more than five minutes ago")]
    Old(Time),
    /// Signed in the future.
    #[error("the message was signed at {0}, in the future; check the sender's clock")]
    Future(Time),
    /// Past its own limit.
    #[error("the message counted until {0}")]
    Expired(Time),
}

impl<B> Message<B> {
    /// Does a message never seen before count at `now`? A known one is answered before this is
    /// asked, so that a repetition after a month still gets its stored reply.
    ///
    /// # Errors
    /// [`Untimely`].
    pub fn check_time(&self, now: Time) -> Result<(), Untimely> {
        if self.time > now.after(CLOCK_WINDOW) {
            return Err(Untimely::Future(self.time));
        }
        match self.not_after {
            Some(limit) if now > limit => Err(Untimely::Expired(limit)),
            Some(_) => Ok(()),
            None if !self.time.within(CLOCK_WINDOW, now) => Err(Untimely::Old(self.time)),
            None => Ok(()),
        }
    }
}

/// A sealed message on the wire.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Sealed {
    /// How it is sealed: the suite of the recipient's key.
    #[n(0)]
    pub suite: Suite,
    /// The recipient.
    #[n(1)]
    pub to: PartyNumber,
    /// Which of the recipient's keys.
    #[n(2)]
    pub key: KeyId,
    #[cbor(n(3), with = "minicbor::bytes")]
    enc: Vec<u8>,
    #[cbor(n(4), with = "minicbor::bytes")]
    ciphertext: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Sealed({:?} to {}, {} bytes)",
            self.suite,
            self.to,
            self.ciphertext.len()
        )
    }
}

/// What stands inside a sealed message.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Parcel {
    /// The signed message.
    #[n(0)]
    pub signed: SignedBytes,
    /// What travels with it unsigned, named by a digest inside.
    #[n(1)]
    pub attachment: Option<Attachment>,
}

impl Parcel {
    /// A signed message alone.
    pub const fn new(signed: SignedBytes) -> Self {
        Self {
            signed,
            attachment: None,
        }
    }

    /// A signed message and something beside it.
    pub const fn with(signed: SignedBytes, attachment: Vec<u8>) -> Self {
        Self {
            signed,
            attachment: Some(Attachment(attachment)),
        }
    }

    /// The attachment's bytes, if there is one.
    pub fn attached(&self) -> Option<&[u8]> {
        self.attachment.as_ref().map(Attachment::as_bytes)
    }
}

/// Bytes beside a signed message. Printed by length only: they may be personal.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Attachment(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>);

impl Attachment {
    /// Bytes that travel beside something signed.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({} bytes)", self.0.len())
    }
}

/// Half a sealed message: the key is encapsulated, the message is still to be signed.
#[derive(Debug)]
pub struct Envelope {
    to: PartyNumber,
    key: KeyId,
    sealer: Sealer,
}

impl Envelope {
    /// Begins a sealed message to the owner of `key`.
    ///
    /// # Errors
    /// [`Malformed`] for a key that no honest owner has.
    pub fn to(
        to: PartyNumber,
        key: &SealingKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Malformed> {
        Ok(Self {
            to,
            key: key.id(),
            sealer: key.begin(INFO, rng)?,
        })
    }

    /// The digest that the message signs.
    pub fn enc_digest(&self) -> Digest {
        self.sealer.enc_digest()
    }

    /// Signs a body for this envelope.
    pub fn sign<B: Body>(
        &self,
        key: &SigningKey,
        from: PartyNumber,
        id: MessageId,
        time: Time,
        body: B,
    ) -> SignedBytes {
        let enc_digest = Some(self.enc_digest());
        let (to, not_after, answers) = (self.to, None, None);
        key.sign(&Message {
            from,
            to,
            id,
            time,
            not_after,
            enc_digest,
            answers,
            body,
        })
    }

    /// Seals. The key is for the reply.
    pub fn seal(self, parcel: &Parcel) -> (Sealed, ReplyKey) {
        let aad = associated_data(self.sealer.suite(), self.to, self.key, self.sealer.enc());
        let (suite, enc) = (self.sealer.suite(), self.sealer.enc().to_vec());
        let (ciphertext, reply) = self.sealer.finish(&aad, &cbor::encode(parcel));
        (
            Sealed {
                suite,
                to: self.to,
                key: self.key,
                enc,
                ciphertext,
            },
            reply,
        )
    }
}

/// Suite, recipient, key and encapsulated key: all that stands in clear is authenticated.
fn associated_data(suite: Suite, to: PartyNumber, key: KeyId, enc: &[u8]) -> Vec<u8> {
    #[derive(Encode)]
    #[cbor(array)]
    struct Clear<'a> {
        #[n(0)]
        suite: Suite,
        #[n(1)]
        to: PartyNumber,
        #[n(2)]
        key: KeyId,
        #[cbor(n(3), with = "minicbor::bytes")]
        enc: &'a [u8],
    }
    cbor::encode(&Clear {
        suite,
        to,
        key,
        enc,
    })
}

impl Sealed {
    /// Seals a parcel to a third party, who will not answer.
    ///
    /// # Errors
    /// [`Malformed`] for a key that no honest owner has.
    pub fn seal(
        to: PartyNumber,
        key: &SealingKey,
        parcel: &Parcel,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Malformed> {
        Ok(Envelope::to(to, key, rng)?.seal(parcel).0)
    }

    /// Reads a sealed message from the wire.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::parse_within(bytes, SEALED_LIMIT)
    }

    /// Reads a sealed message of at most `limit` bytes: from a file, where more than on the wire
    /// may stand (check data).
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse_within(bytes: &[u8], limit: usize) -> Result<Self, Malformed> {
        let sealed: Self = cbor::decode(bytes, limit)?;
        if sealed.enc.len() != sealed.suite.enc_length() {
            return Err(Malformed::field("enc", "not of the suite's length"));
        }
        Ok(sealed)
    }

    /// The bytes for the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Unopenable`] for the wrong key, changed bytes, or a parcel that isn't one.
    pub fn open(&self, key: &OpeningKey) -> Result<(Parcel, ReplyKey), Unopenable> {
        if self.suite != key.sealing_key().suite() || self.key != key.sealing_key().id() {
            return Err(Unopenable);
        }
        let aad = associated_data(self.suite, self.to, self.key, &self.enc);
        let (plaintext, reply) = key.open(INFO, &self.enc, &aad, &self.ciphertext)?;
        // What was received bounds what is inside: a sealed page of a mailbox is longer than a message.
        let parcel = cbor::decode(&plaintext, plaintext.len()).map_err(|_e| Unopenable)?;
        Ok((parcel, reply))
    }
}

/// A reply on the wire.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Reply {
    /// Under the key exported from the request: to whoever sealed the request that names this key.
    #[n(0)]
    Exported(#[n(0)] ExportedReply),
    /// Sealed anew, to the opening key in the sender's record: when the request was sealed again by
    /// somebody (the sender after a break, or a stranger who wants the reply).
    #[n(1)]
    Sealed(#[n(0)] Sealed),
}

/// Nonce and ciphertext of an exported reply.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct ExportedReply {
    #[cbor(n(0), with = "minicbor::bytes")]
    nonce: [u8; 32],
    #[cbor(n(1), with = "minicbor::bytes")]
    ciphertext: Vec<u8>,
}

impl Reply {
    /// Seals a reply to the request that `reply_key` came with.
    pub fn exported(reply_key: &ReplyKey, parcel: &Parcel, rng: &mut impl CryptoRng) -> Self {
        let (nonce, ciphertext) = reply_key.seal(&cbor::encode(parcel), rng);
        Self::Exported(ExportedReply { nonce, ciphertext })
    }

    /// Reads a reply from the wire.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        cbor::decode(bytes, REPLY_LIMIT)
    }

    /// The bytes for the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Opens it with the request's reply key, or with the own opening key.
    ///
    /// # Errors
    /// [`Unopenable`].
    pub fn open(&self, reply_key: &ReplyKey, own: &OpeningKey) -> Result<Parcel, Unopenable> {
        match self {
            Self::Exported(r) => {
                let plaintext = reply_key.open(&r.nonce, &r.ciphertext)?;
                cbor::decode(&plaintext, REPLY_LIMIT).map_err(|_e| Unopenable)
            }
            Self::Sealed(sealed) => sealed.open(own).map(|(parcel, _)| parcel),
        }
    }
}

/// The most bytes of a reply on the wire: a page of the mailbox is the largest.
pub const REPLY_LIMIT: usize = 256 * 1024;
