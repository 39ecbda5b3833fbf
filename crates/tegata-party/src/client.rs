//! Typed calls from one party to another over HTTP.
//!
//! A call is prepared first ([`Prepared`]: signed, then sealed), so that the caller can write down
//! what it signed *before* anything leaves the machine; then it's sent, and the reply is opened,
//! verified and matched to the request. Whatever goes wrong on the way is *in doubt*: the other
//! side may have done it. The cure is always the same: [`Prepared::again`] seals the same signed
//! bytes anew, and the other side answers what it answered the first time.

mod address;
pub mod order;
mod patience;

pub use address::check_address;

use std::time::Duration;

use rand_core::CryptoRng;
use tegata_protocol::{
    Digest, Malformed, MessageId, OpeningKey, PartyNumber, ReplyKey, SealingKey, SignedBytes,
    SigningKey, Time, Unverified, Verified, VerifyingKey, cbor,
    envelope::{Body, Envelope, Message, Parcel, REPLY_LIMIT, Reply, Sealed},
    record::{CentreKeys, CertificateError, Certificates, PartyRecord},
    refusal::Refusal,
};
use ureq::unversioned::transport::DefaultConnector;

use crate::client::{address::Names, patience::Patience};

/// The media type of everything that is CBOR.
pub const CBOR: &str = "application/cbor";

/// The most bytes of a document fetched by GET.
const DOCUMENT_LIMIT: u64 = 1 << 20;

/// Who calls: a party's number and the keys that it signs and opens with.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Its number.
    pub number: PartyNumber,
    /// The key that signs this call.
    pub signing: &'a SigningKey,
    /// The key that opens replies that were sealed anew.
    pub opening: &'a OpeningKey,
}

/// Who is called: what the other party's verified record or the centre's certificates say.
#[derive(Debug, Clone)]
pub struct Callee {
    /// Its web address, without a slash at the end.
    pub address: String,
    /// Its number.
    pub number: PartyNumber,
    /// Messages are sealed to it.
    pub opening: SealingKey,
    /// Replies are signed with it.
    pub replies: VerifyingKey,
}

impl Callee {
    /// The centre, by its verified keys.
    pub fn centre(address: &str, keys: &CentreKeys) -> Self {
        Self {
            address: trimmed(address),
            number: PartyNumber::CENTRE,
            opening: keys.opening.clone(),
            replies: keys.receipts,
        }
    }

    /// A shop or gate, by its verified record. `address` overrides the record's (a demonstration
    /// that listens in between).
    pub fn party(record: &Verified<PartyRecord>, address: Option<&str>) -> Self {
        let own = record
            .profile
            .as_ref()
            .map(|p| p.address.as_str())
            .unwrap_or_default();
        Self {
            address: trimmed(address.unwrap_or(own)),
            number: record.number,
            opening: record.keys.opening.clone(),
            replies: record.keys.signing,
        }
    }
}

fn trimmed(address: &str) -> String {
    address.trim().trim_end_matches('/').to_owned()
}

/// A message's own number, and when it's signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Its number: the sender's choice, once and for ever.
    pub id: MessageId,
    /// When it's signed.
    pub time: Time,
}

impl Stamp {
    /// The stamp of a message that has no number yet.
    #[must_use]
    pub fn random(time: Time, rng: &mut impl CryptoRng) -> Self {
        let id = MessageId::random(rng);
        Self { id, time }
    }
}

/// A call that is signed and sealed, ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    parcel: Parcel,
    sealed: Sealed,
    reply_key: ReplyKey,
}

impl Prepared {
    /// Signs `body` under this stamp and seals it.
    ///
    /// # Errors
    /// [`Malformed`] when nothing can be sealed to the other party's key.
    pub fn new<B: Body>(
        caller: Caller<'_>,
        callee: &Callee,
        stamp: Stamp,
        body: B,
        attachment: Option<Vec<u8>>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Malformed> {
        let envelope = Envelope::to(callee.number, &callee.opening, rng)?;
        let signed = envelope.sign(caller.signing, caller.number, stamp.id, stamp.time, body);
        let parcel = match attachment {
            Some(bytes) => Parcel::with(signed, bytes),
            None => Parcel::new(signed),
        };
        let (sealed, reply_key) = envelope.seal(&parcel);
        Ok(Self {
            parcel,
            sealed,
            reply_key,
        })
    }

    /// Seals a message that was signed before, to send it (again).
    ///
    /// # Errors
    /// [`Malformed`] when nothing can be sealed to the other party's key.
    pub fn again(
        callee: &Callee,
        parcel: Parcel,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Malformed> {
        let envelope = Envelope::to(callee.number, &callee.opening, rng)?;
        let (sealed, reply_key) = envelope.seal(&parcel);
        Ok(Self {
            parcel,
            sealed,
            reply_key,
        })
    }

    /// What was signed, and what travels with it: keep it until the reply has come.
    pub const fn parcel(&self) -> &Parcel {
        &self.parcel
    }

    /// The digest of the signed message.
    pub fn digest(&self) -> Digest {
        self.parcel.signed.digest()
    }

    /// The sealed bytes, as they'll be sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sealed.to_bytes()
    }
}

/// What the other party answered, verified.
#[derive(Debug)]
pub enum Answer<R> {
    /// It did what was asked.
    Accepted {
        /// The reply.
        reply: Verified<Message<R>>,
        /// What came beside it, unsigned by this reply: a receipt's chain head.
        attachment: Option<Vec<u8>>,
    },
    /// It understood, and won't.
    Refused(Verified<Message<Refusal>>),
}

impl<R> Answer<R> {
    /// The reply alone, a refusal as an error.
    ///
    /// # Errors
    /// The signed [`Refusal`].
    pub fn accepted(self) -> Result<Verified<Message<R>>, Refusal> {
        match self {
            Self::Accepted { reply, .. } => Ok(reply),
            Self::Refused(refusal) => Err(refusal.into_value().body),
        }
    }
}

/// Why there's no answer.
///
/// After a [`Client::call`] the other side may have acted, except with [`CallError::Address`] and
/// [`CallError::Unreadable`]: send the same signed message again. What a person should do about it
/// depends on what was asked, so the caller says it.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Not a whole web address; nothing was sent.
    #[error("{}", address::advice(.0))]
    Address(String),
    /// Nobody there, or the connection broke.
    #[error("{address} can't be reached")]
    Unreachable {
        /// Which address.
        address: String,
        /// What the network said.
        source: Box<ureq::Error>,
    },
    /// The other side couldn't open, read or verify the message; it says no more to strangers.
    #[error("{0} couldn't read the message: wrong address, old keys, or not registered there")]
    Unreadable(String),
    /// Too many calls.
    #[error("{address} asks to wait {seconds} seconds before the next message")]
    Busy {
        /// Which address.
        address: String,
        /// How long.
        seconds: u64,
    },
    /// The other side has a fault.
    #[error("{address} has a fault (HTTP {status})")]
    Fault {
        /// Which address.
        address: String,
        /// The HTTP status.
        status: u16,
    },
    /// An answer that can't be read, opened or verified.
    #[error("the answer of {address} isn't to be trusted: {why}")]
    BadReply {
        /// Which address.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The centre's certificates don't hold.
    #[error("the centre's certificates: {0}")]
    Certificates(#[from] CertificateError),
}

/// Calls other parties. Keeps connections alive; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    agent: ureq::Agent,
    patience: Patience,
}

impl Default for Client {
    fn default() -> Self {
        Self::new(Duration::from_secs(30))
    }
}

impl Client {
    /// A client that waits `timeout` for each whole exchange.
    pub fn new(timeout: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent("tegata");
        let (connector, names) = (DefaultConnector::default(), Names::default());
        Self {
            agent: ureq::Agent::with_parts(config.build(), connector, names),
            patience: Patience::of(Duration::ZERO),
        }
    }

    /// The same, but when another party asks to wait before the next message, it waits, at most so
    /// long for each call in all, and sends the same bytes again.
    #[must_use]
    pub const fn patient(mut self, most: Duration) -> Self {
        self.patience = Patience::of(most);
        self
    }

    /// Sends a prepared call and gives the verified answer.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call<R: Body>(
        &self,
        caller: Caller<'_>,
        callee: &Callee,
        prepared: &Prepared,
    ) -> Result<Answer<R>, CallError> {
        check_address(&callee.address)?;
        let url = format!("{}/v1/message", callee.address);
        let limit = u64::try_from(REPLY_LIMIT).unwrap_or(u64::MAX);
        let bytes = self.patience.insist(|| {
            let request = self.agent.post(&url).content_type(CBOR);
            body_of(&callee.address, request.send(prepared.to_bytes()), limit)
        })?;
        let bad = |why: String| CallError::BadReply {
            address: callee.address.clone(),
            why,
        };
        let reply = Reply::parse(&bytes).map_err(|e| bad(e.to_string()))?;
        let parcel = reply.open(&prepared.reply_key, caller.opening);
        let parcel = parcel.map_err(|e| bad(e.to_string()))?;
        let ends = Ends {
            from: callee.number,
            to: caller.number,
            answers: prepared.digest(),
        };
        read_answer(parcel, &callee.replies, ends).map_err(bad)
    }

    /// Fetches a document that needs no secrecy.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn get(&self, address: &str, path: &str) -> Result<Vec<u8>, CallError> {
        check_address(address)?;
        let url = format!("{}{path}", trimmed(address));
        body_of(address, self.agent.get(&url).call(), DOCUMENT_LIMIT)
    }

    /// Posts a page's form as a person would, asking for JSON in return: an application, say.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> Result<Vec<u8>, CallError> {
        check_address(url)?;
        let request = self.agent.post(url).header("accept", "application/json");
        body_of(
            url,
            request.send_form(fields.iter().copied()),
            DOCUMENT_LIMIT,
        )
    }

    /// Fetches the centre's certificates and verifies them with the pinned root.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn centre_keys(
        &self,
        address: &str,
        root: &VerifyingKey,
        now: Time,
    ) -> Result<CentreKeys, CallError> {
        let bytes = self.get(address, "/v1/certificates")?;
        let certificates: Certificates = cbor::decode(&bytes, 16 * 1024)
            .map_err(|e| CallError::Certificates(CertificateError::Malformed(e)))?;
        Ok(CentreKeys::verify(root, &certificates, now)?)
    }

    /// Fetches a shop's own record from its address and verifies it with the register's key.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn party_record(
        &self,
        address: &str,
        register: &VerifyingKey,
    ) -> Result<Verified<PartyRecord>, CallError> {
        let bytes = self.get(address, "/v1/record")?;
        let record = PartyRecord::verify(SignedBytes::new(bytes), register);
        record.map_err(|e| CallError::BadReply {
            address: address.to_owned(),
            why: e.to_string(),
        })
    }
}

/// Who must have answered whom, and what.
struct Ends {
    from: PartyNumber,
    to: PartyNumber,
    answers: Digest,
}

impl Ends {
    fn fit<B>(&self, message: &Message<B>) -> bool {
        message.from == self.from && message.to == self.to && message.answers == Some(self.answers)
    }
}

fn read_answer<R: Body>(
    parcel: Parcel,
    key: &VerifyingKey,
    ends: Ends,
) -> Result<Answer<R>, String> {
    let attachment = parcel.attached().map(<[u8]>::to_vec);
    let (label, _) = parcel.signed.label().map_err(|e| e.to_string())?;
    if label == Refusal::LABEL {
        return Ok(Answer::Refused(verified(parcel.signed, key, &ends)?));
    }
    Ok(Answer::Accepted {
        reply: verified(parcel.signed, key, &ends)?,
        attachment,
    })
}

fn verified<B: Body>(
    signed: SignedBytes,
    key: &VerifyingKey,
    ends: &Ends,
) -> Result<Verified<Message<B>>, String> {
    let message = Unverified::<Message<B>>::parse(signed).map_err(|e| e.to_string())?;
    let message = message.verify(key).map_err(|e| e.to_string())?;
    if ends.fit(&message) {
        Ok(message)
    } else {
        Err("it answers another message".to_owned())
    }
}

/// The body of a response of status 200, everything else as an error.
fn body_of(
    address: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    limit: u64,
) -> Result<Vec<u8>, CallError> {
    let address = address.to_owned();
    let broken = |source| CallError::Unreachable {
        address: address.clone(),
        source: Box::new(source),
    };
    let mut response = response.map_err(broken)?;
    match response.status().as_u16() {
        200 => response
            .body_mut()
            .with_config()
            .limit(limit)
            .read_to_vec()
            .map_err(broken),
        400 => Err(CallError::Unreadable(address)),
        429 => {
            let header = response
                .headers()
                .get("retry-after")
                .and_then(|v| v.to_str().ok());
            let seconds = header.and_then(|v| v.parse().ok()).unwrap_or(60);
            Err(CallError::Busy { address, seconds })
        }
        status => Err(CallError::Fault { address, status }),
    }
}
