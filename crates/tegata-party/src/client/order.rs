//! Sealing an order without a browser: what the page, its frames and the program do, in Rust.
//!
//! ```text
//! shop ── token ──▶ us ── token ──▶ sealing service ── key ──▶ us ── sealed order ──▶ shop ── receipt ──▶ us
//! ```
//! Nothing is believed because of where it came from: the token must be signed by the shop and name
//! the cart that we order; the key by the shop too, or by a sealing service that was pinned, and only
//! if the token allows that; neither may have expired; the key must be of the standard suite, for
//! this shop, this scheme and this member; the program beside it must be the one that it names (it
//! isn't run). The receipt must name the very bytes that were sent.
//!
//! [`Client::place_order`] does it all. Whoever wants to show the price first, or to keep the sealed
//! bytes before they leave, takes the steps one by one.

use rand_core::CryptoRng;
use tegata_protocol::order::{
    Binding, CartLine, CartToken, HandOut, KeyKind, Maker, ORDER_LIMIT, OrderForm, OrderId,
    OrderKey, OrderReceipt, SealedOrder, Typed, cart_digest,
};
use tegata_protocol::record::{CentreKeys, PartyRecord};
use tegata_protocol::refusal::{Code, Refusal, Retry};
use tegata_protocol::{
    Digest, Document, Malformed, PartyNumber, SignedBytes, Suite, Time, Unverified, Verified,
    VerifyingKey, cbor,
};

use crate::client::{CBOR, CallError, Client, body_of, check_address, trimmed};

/// The most bytes of a hand-out: a key, and a program of a few kilobytes.
const HAND_OUT_LIMIT: usize = 64 * 1024;
/// The most bytes of a refusal.
const REFUSAL_LIMIT: u64 = 4 * 1024;

/// Who opens what is ordered: a shop, or the centre.
#[derive(Clone, Debug)]
pub struct Storefront {
    address: String,
    number: PartyNumber,
    key: VerifyingKey,
}

impl Storefront {
    /// A shop, by its verified record. `address` overrides the record's.
    pub fn shop(record: &Verified<PartyRecord>, address: Option<&str>) -> Self {
        let callee = crate::client::Callee::party(record, address);
        Self {
            address: callee.address,
            number: callee.number,
            key: callee.replies,
        }
    }

    /// The centre, by its verified keys.
    pub fn centre(address: &str, keys: &CentreKeys) -> Self {
        Self {
            address: trimmed(address),
            number: PartyNumber::CENTRE,
            key: keys.receipts,
        }
    }

    /// Its number.
    pub const fn number(&self) -> PartyNumber {
        self.number
    }

    /// The whole address of one of its pages.
    fn page(&self, place: &str) -> String {
        match place.starts_with('/') {
            true => format!("{}{place}", self.address),
            false => place.to_owned(),
        }
    }
}

/// Where the keys come from.
#[derive(Clone, Copy, Debug)]
pub struct SealingService<'a> {
    /// The sealing service's web address, as the shop's page has it.
    pub address: &'a str,
    /// The sealing service's record, if keys that it made itself are to be trusted: it could read
    /// what they seal. Without it only the recipient's own keys are used.
    pub danger_trusted: Option<&'a Verified<PartyRecord>>,
}

/// What is ordered.
#[derive(Clone, Copy, Debug)]
pub struct NewOrder<'a> {
    /// The filled-in form, with its lines.
    pub form: &'a OrderForm,
    /// Who orders, where keys belong to members.
    pub member: Option<PartyNumber>,
    /// A communication key that was typed in.
    pub typed: Option<&'a Typed>,
}

impl<'a> NewOrder<'a> {
    /// A form, from nobody in particular, without a typed key.
    #[must_use]
    pub const fn of(form: &'a OrderForm) -> Self {
        Self {
            form,
            member: None,
            typed: None,
        }
    }
}

/// Why an order wasn't placed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No answer. If the order was sent already it may have been taken: send the same bytes again.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Shop or service understood, and won't. Not signed: it says nothing to hold anybody to.
    #[error("{address} refuses")]
    Refused {
        /// Who.
        address: String,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// Something isn't signed by whom it should be, or isn't what was asked for. Nothing was sealed
    /// with it.
    #[error("the {what} from {address} isn't to be trusted: {why}")]
    Untrusted {
        /// What came.
        what: &'static str,
        /// From where.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The form can't be sealed.
    #[error("the form can't be sent")]
    Form(#[from] Malformed),
}

/// A sealed order, ready to be sent, as often as it takes.
#[derive(Clone, Debug)]
pub struct ReadyOrder {
    token: Verified<CartToken>,
    bytes: Vec<u8>,
}

impl ReadyOrder {
    /// Seals a filled-in form. Its lines must be those of the token.
    ///
    /// # Errors
    /// [`OrderError::Form`], also when it's too large.
    pub fn seal(
        token: Verified<CartToken>,
        key: &Verified<OrderKey>,
        form: &OrderForm,
        typed: Option<&Typed>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, OrderError> {
        if cart_digest(&form.lines) != token.cart {
            return Err(Malformed::field("lines", "not those of the token").into());
        }
        let plain = form.to_bytes();
        // What the shop couldn't read shouldn't be sent.
        OrderForm::parse(&plain)?;
        let binding = Binding::new(key, token.order, token.cart);
        let sealed = key.part.seal(token.scheme, &binding, &plain, typed, rng)?;
        let order = SealedOrder {
            token: token.signed().clone(),
            key: key.id,
            sealed,
            card: None,
        };
        let bytes = order.to_bytes();
        if bytes.len() > ORDER_LIMIT {
            let (length, limit) = (bytes.len(), ORDER_LIMIT);
            return Err(Malformed::TooLong { length, limit }.into());
        }
        Ok(Self { token, bytes })
    }

    /// One that was kept, to send it again.
    ///
    /// # Errors
    /// [`OrderError::Form`] if it isn't an order for this recipient.
    pub fn resume(front: &Storefront, bytes: Vec<u8>) -> Result<Self, OrderError> {
        let order = SealedOrder::parse(&bytes)?;
        let token = Unverified::<CartToken>::parse(order.token)?;
        let forged = |_e| Malformed::field("token", "not signed by the recipient");
        let token = token.verify(&front.key).map_err(forged)?;
        Ok(Self { token, bytes })
    }

    /// The order's number.
    pub fn order(&self) -> OrderId {
        self.token.order
    }

    /// What it was sealed for.
    pub const fn token(&self) -> &Verified<CartToken> {
        &self.token
    }

    /// The bytes to send: keep them until the receipt has come.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// An order that was taken.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The recipient's signed receipt.
    pub receipt: Verified<OrderReceipt>,
    /// Where the order's state can be seen; whoever knows the address sees it.
    pub status: Option<String>,
}

impl Client {
    /// Places an order: token, key, sealing, receipt. If token or key were used up in the meantime,
    /// it's done once more with fresh ones.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn place_order(
        &self,
        front: &Storefront,
        service: SealingService<'_>,
        new: NewOrder<'_>,
        now: Time,
        rng: &mut impl CryptoRng,
    ) -> Result<(ReadyOrder, Placed), OrderError> {
        let mut fresh = true;
        loop {
            let token = self.order_token(front, &new.form.lines, new.member, now);
            let placed = token.and_then(|token| {
                let key = self.order_key(front, service, &token, now)?;
                let ready = ReadyOrder::seal(token, &key, new.form, new.typed, rng)?;
                let placed = self.send_order(front, &ready)?;
                Ok((ready, placed))
            });
            match placed {
                Err(OrderError::Refused { refusal, .. })
                    if fresh && refusal.code.retry() == Retry::Later =>
                {
                    fresh = false;
                }
                other => return other,
            }
        }
    }

    /// Asks for the recipient's token for an order of these lines.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn order_token(
        &self,
        front: &Storefront,
        lines: &[CartLine],
        member: Option<PartyNumber>,
        now: Time,
    ) -> Result<Verified<CartToken>, OrderError> {
        let path = "/v1/orders/token";
        let (json, body) = ("application/json", wish(lines, member));
        let answer = self.ask(
            &front.address,
            path,
            json,
            body.as_bytes(),
            CartToken::LIMIT,
        )?;
        let untrusted = |why: String| OrderError::Untrusted {
            what: "token",
            address: front.address.clone(),
            why,
        };
        let token = believe::<CartToken>(answer.body, &front.key).map_err(untrusted)?;
        check_token(&token, front, lines, member, now).map_err(|why| untrusted(why.to_owned()))?;
        Ok(token)
    }

    /// Fetches the key for this token's order.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn order_key(
        &self,
        front: &Storefront,
        service: SealingService<'_>,
        token: &Verified<CartToken>,
        now: Time,
    ) -> Result<Verified<OrderKey>, OrderError> {
        let path = "/v1/keys?suite=standard";
        let body = token.signed().as_bytes();
        let answer = self.ask(service.address, path, CBOR, body, HAND_OUT_LIMIT)?;
        let untrusted = |why: String| OrderError::Untrusted {
            what: "key",
            address: service.address.to_owned(),
            why,
        };
        let hand_out: HandOut =
            cbor::decode(&answer.body, HAND_OUT_LIMIT).map_err(|e| untrusted(e.to_string()))?;
        let program = Digest::of(hand_out.program.as_bytes());
        let key = Unverified::<OrderKey>::parse(hand_out.key);
        let key = key.map_err(|e| untrusted(e.to_string()))?;
        let signer =
            signer(&key, front, service, token).map_err(|why| untrusted(why.to_owned()))?;
        let key = key.verify(&signer).map_err(|e| untrusted(e.to_string()))?;
        check_key(&key, token, program, now).map_err(|why| untrusted(why.to_owned()))?;
        Ok(key)
    }

    /// Sends a sealed order and gives the verified receipt. Sent again, the same bytes get the same
    /// receipt.
    ///
    /// # Errors
    /// [`OrderError`]. After [`OrderError::Call`] and [`OrderError::Untrusted`] the order may have
    /// been taken.
    pub fn send_order(&self, front: &Storefront, ready: &ReadyOrder) -> Result<Placed, OrderError> {
        let (path, limit) = ("/v1/orders", OrderReceipt::LIMIT);
        let answer = self.ask(&front.address, path, CBOR, &ready.bytes, limit)?;
        let untrusted = |why: String| OrderError::Untrusted {
            what: "receipt",
            address: front.address.clone(),
            why,
        };
        let receipt = believe::<OrderReceipt>(answer.body, &front.key).map_err(untrusted)?;
        let said = (receipt.recipient, receipt.order, receipt.sealed);
        let token = &ready.token;
        if said != (front.number, token.order, Digest::of(&ready.bytes)) {
            return Err(untrusted("it's for another order".to_owned()));
        }
        if (receipt.cart, receipt.total) != (token.cart, token.total) {
            return Err(untrusted("it names another cart or price".to_owned()));
        }
        let status = answer.place.map(|place| front.page(&place));
        Ok(Placed { receipt, status })
    }

    /// Fetches the bill that a receipt names; `None` where there's nothing to pay.
    ///
    /// # Errors
    /// [`OrderError`].
    pub fn order_bill(
        &self,
        front: &Storefront,
        receipt: &OrderReceipt,
    ) -> Result<Option<SignedBytes>, OrderError> {
        let Some(digest) = receipt.bill else {
            return Ok(None);
        };
        let bill = self.get(&front.address, &format!("/v1/bills/{digest}"))?;
        let bill = SignedBytes::new(bill);
        if bill.digest() == digest {
            return Ok(Some(bill));
        }
        Err(OrderError::Untrusted {
            what: "bill",
            address: front.address.clone(),
            why: "it isn't the one that the receipt names".to_owned(),
        })
    }

    /// Posts, and reads the answer or the refusal.
    fn ask(
        &self,
        address: &str,
        path: &str,
        kind: &str,
        body: &[u8],
        limit: usize,
    ) -> Result<Answered, OrderError> {
        check_address(address)?;
        let url = format!("{}{path}", trimmed(address));
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let answer = self.patience.insist(|| {
            let response = self.agent.post(&url).content_type(kind).send(body);
            match response {
                Ok(response) if is_refusal(response.status().as_u16()) => {
                    read_refusal(address, response).map(Err)
                }
                other => {
                    let place = other.as_ref().ok().and_then(place_of);
                    let body = body_of(address, other, limit)?;
                    Ok(Ok(Answered { body, place }))
                }
            }
        })?;
        answer.map_err(|refusal| OrderError::Refused {
            address: address.to_owned(),
            refusal,
        })
    }
}

/// A good answer.
struct Answered {
    body: Vec<u8>,
    place: Option<String>,
}

type Response = ureq::http::Response<ureq::Body>;

fn place_of(response: &Response) -> Option<String> {
    let place = response.headers().get("content-location")?;
    place.to_str().ok().map(str::to_owned)
}

/// Why it was refused; a 4xx that says nothing known is an error.
fn read_refusal(address: &str, mut response: Response) -> Result<Refusal, CallError> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(REFUSAL_LIMIT);
    let text = body.read_to_vec().unwrap_or_default();
    refusal_of(&text).ok_or_else(|| match status {
        400 => CallError::Unreadable(address.to_owned()),
        status => CallError::Fault {
            address: address.to_owned(),
            status,
        },
    })
}

/// 4xx, but for "too fast", which is waited out.
const fn is_refusal(status: u16) -> bool {
    matches!(status, 400..=499) && status != 429
}

/// `{"error":"stock_empty","number":721,"text":"…","detail":"…"}`. Of the other side's words only
/// the detail is taken, without what could disturb a terminal. `None` for what names no code of ours.
#[must_use]
pub fn refusal_of(text: &[u8]) -> Option<Refusal> {
    let object: serde_json::Value = serde_json::from_slice(text).ok()?;
    let word = object.get("error")?.as_str()?;
    let code: Code = *Code::ALL.iter().find(|code| code.word() == word)?;
    let detail = object.get("detail").and_then(|detail| detail.as_str());
    let detail = detail.map(|text| {
        let plain = text.chars().filter(|c| !c.is_control());
        plain.take(200).collect()
    });
    Some(Refusal { code, detail })
}

/// What is asked of the shop, in JSON.
fn wish(lines: &[CartLine], member: Option<PartyNumber>) -> String {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| serde_json::json!([line.product, line.quantity]))
        .collect();
    let mut wish = serde_json::json!({ "lines": lines });
    if let (Some(member), Some(object)) = (member, wish.as_object_mut()) {
        object.insert("member".to_owned(), member.to_string().into());
    }
    wish.to_string()
}

/// The document, if this key signed it.
fn believe<T: Document>(bytes: Vec<u8>, key: &VerifyingKey) -> Result<Verified<T>, String> {
    let document = Unverified::<T>::parse(SignedBytes::new(bytes)).map_err(|e| e.to_string())?;
    document.verify(key).map_err(|e| e.to_string())
}

fn check_token(
    token: &CartToken,
    front: &Storefront,
    lines: &[CartLine],
    member: Option<PartyNumber>,
    now: Time,
) -> Result<(), &'static str> {
    if token.recipient != front.number {
        return Err("it's another recipient's");
    }
    if token.cart != cart_digest(lines) {
        return Err("it's for another cart");
    }
    if token.member.is_some() && token.member != member {
        return Err("it's another member's");
    }
    if token.expires <= now {
        return Err("it has expired; is the clock right?");
    }
    Ok(())
}

/// Whose signature a key must bear: the recipient's, or that of a service which both the recipient
/// and the caller trust to make keys.
fn signer(
    key: &Unverified<OrderKey>,
    front: &Storefront,
    service: SealingService<'_>,
    token: &CartToken,
) -> Result<VerifyingKey, &'static str> {
    match (key.claimed().maker, token.maker, service.danger_trusted) {
        (Maker::Recipient, ..) => Ok(front.key),
        (Maker::Service, Maker::Recipient, _) => {
            Err("the sealing service made it, and the recipient didn't allow that")
        }
        (Maker::Service, Maker::Service, None) => {
            Err("the sealing service made it and could read the order")
        }
        (Maker::Service, Maker::Service, Some(service)) if service.number == token.service => {
            Ok(service.keys.signing)
        }
        (Maker::Service, Maker::Service, Some(_)) => Err("another sealing service made it"),
    }
}

fn check_key(
    key: &OrderKey,
    token: &CartToken,
    program: Digest,
    now: Time,
) -> Result<(), &'static str> {
    if key.recipient != token.recipient {
        return Err("it's another recipient's");
    }
    if key.scheme != token.scheme || key.part.kind() != token.scheme.kind() {
        return Err("it's for another way of sealing");
    }
    if key.member != token.member {
        return Err("it's another member's");
    }
    if key.scheme.kind() == KeyKind::Public && key.part.suite() != Some(Suite::Standard) {
        return Err("it's of a weaker suite than was asked for");
    }
    if key.expires <= now {
        return Err("it has expired; is the clock right?");
    }
    if key.program != program {
        return Err("the program beside it isn't the one that it names");
    }
    Ok(())
}
