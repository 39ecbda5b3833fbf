//! Keys that seal orders: made and signed here, their secret halves kept under the epoch key; and
//! the members who have keys of their own (O12).
//!
//! A key of scope `order` from the regular stock seals one order and is used up by it. Keys of scope
//! `shop` and `member`, and fallback keys, stay until they expire. Of a shared key the signed record
//! itself is secret, so records lie in the database only under the epoch key too.

use minicbor::{Decode, Encode};
use tegata_protocol::order::{
    KeyKind, KeyScope, KeySource, MadeKey, Maker, OpeningHalf, OrderKey, OrderKeyId, Scheme,
    SharedKey,
};
use tegata_protocol::{
    Digest, Malformed, PartyNumber, Role, SignedBytes, Suite, Time, Unverified, Verified,
    VerifyingKey, cbor,
};
use tegata_store::Connection;
use zeroize::Zeroizing;

pub use crate::store::KeyState;
use crate::store::{self, KeyRow, Sent};
use crate::{Epochs, FormsError, Own};
use tegata_keystore::rng;

const SECRET_LIMIT: usize = 4096;

/// What keys are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// How they seal.
    pub scheme: Scheme,
    /// The suite of key pairs; shared keys have none.
    pub suite: Suite,
    /// Whose orders they seal, if the scope is a member.
    pub member: Option<PartyNumber>,
    /// For stock, or for want of stock.
    pub source: KeySource,
    /// The program that they name.
    pub program: Digest,
    /// Until when they may be used; a day at most for fallback keys.
    pub expires: Time,
}

/// What lies under the epoch key: the seed of the opening half, and the signed record.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(crate) struct Sealing {
    #[n(0)]
    seed: SharedKey,
    #[n(1)]
    signed: SignedBytes,
}

/// New keys that aren't stored yet.
#[derive(Debug)]
pub struct NewKeys(Vec<NewKey>);

struct NewKey {
    key: Verified<OrderKey>,
    seed: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewKey({})", self.key.id)
    }
}

/// Makes keys and stores them, inside the host's transaction. Gives their signed records.
///
/// # Errors
/// [`FormsError`]; [`FormsError::Made`] for keys that can't be as they are wanted.
pub fn make(
    connection: &Connection,
    own: Own<'_>,
    epochs: &Epochs,
    wanted: &Wanted,
    count: usize,
    now: Time,
) -> Result<Vec<SignedBytes>, FormsError> {
    NewKeys::grow(own, wanted, count, now)?.store(connection, epochs)
}

impl NewKeys {
    /// Makes keys: the slow part, which needs no transaction.
    ///
    /// # Errors
    /// [`FormsError::Made`].
    pub fn grow(
        own: Own<'_>,
        wanted: &Wanted,
        count: usize,
        now: Time,
    ) -> Result<Self, FormsError> {
        let keys = (0..count).map(|_| NewKey::grow(own, wanted, now));
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// Stores them, inside the host's transaction. Gives their signed records.
    ///
    /// # Errors
    /// [`FormsError`].
    pub fn store(
        self,
        connection: &Connection,
        epochs: &Epochs,
    ) -> Result<Vec<SignedBytes>, FormsError> {
        self.store_as(connection, epochs, Sent::Not)
    }

    /// Stores keys that somebody carries to the service.
    pub(crate) fn store_sent(
        self,
        connection: &Connection,
        epochs: &Epochs,
    ) -> Result<Vec<SignedBytes>, FormsError> {
        self.store_as(connection, epochs, Sent::Confirmed)
    }

    fn store_as(
        self,
        connection: &Connection,
        epochs: &Epochs,
        sent: Sent,
    ) -> Result<Vec<SignedBytes>, FormsError> {
        store::in_transaction(connection)?;
        let mut records = Vec::with_capacity(self.0.len());
        for new in self.0 {
            enter(connection, epochs, &new, sent)?;
            records.push(new.key.signed().clone());
        }
        Ok(records)
    }
}

impl NewKey {
    fn grow(own: Own<'_>, wanted: &Wanted, now: Time) -> Result<Self, FormsError> {
        let mut rng = rng::system();
        let (half, seed) = OpeningHalf::generate(wanted.scheme.kind(), wanted.suite, &mut rng);
        let key = OrderKey {
            recipient: own.number,
            id: OrderKeyId::random(&mut rng),
            scheme: wanted.scheme,
            member: wanted.member,
            part: half.sealing_part(),
            expires: wanted.expires,
            program: wanted.program,
            maker: Maker::Recipient,
            source: wanted.source,
            made: now,
        };
        let key = Unverified::<OrderKey>::parse(own.signing.sign(&key))?;
        let key = key.verify(&own.signing.verifying_key());
        let key = key.map_err(|_e| Malformed::field("order key", "our own signature fails"))?;
        Ok(Self { key, seed })
    }
}

fn enter(
    connection: &Connection,
    epochs: &Epochs,
    new: &NewKey,
    sent: Sent,
) -> Result<(), FormsError> {
    let key = &new.key;
    let sealing = Sealing {
        seed: SharedKey::from_bytes(*new.seed),
        signed: key.signed().clone(),
    };
    let secret = epochs.wrap_key(key.id, &Zeroizing::new(cbor::encode(&sealing)));
    let row = KeyRow {
        id: key.id,
        scheme: key.scheme,
        suite: key.part.suite(),
        member: key.member,
        source: key.source,
        maker: key.maker,
        signer: *key.signer(),
        made: key.made,
        expires: key.expires,
        state: KeyState::Stocked,
        secret,
    };
    store::enter_key(connection, &row, sent)
}

/// A key with its opening half.
#[derive(Debug)]
pub(crate) struct OpenKey {
    pub(crate) key: Verified<OrderKey>,
    pub(crate) half: OpeningHalf,
}

impl Sealing {
    /// The key with the half that opens; `signer` is the key that its record was verified with when
    /// it came here.
    pub(crate) fn open_key(self, signer: &VerifyingKey) -> Result<OpenKey, FormsError> {
        let damaged = |why| FormsError::damaged("an order key", why);
        let key = Unverified::<OrderKey>::parse(self.signed)?;
        let key = key.verify(signer);
        let key = key.map_err(|_e| damaged("its signature fails"))?;
        let half = OpeningHalf::of(&key, self.seed.expose());
        let half = half.ok_or_else(|| damaged("its seed is another key's"))?;
        Ok(OpenKey { key, half })
    }
}

/// The signed record of a stored key; `None` when its epoch is over.
pub(crate) fn record(epochs: &Epochs, row: &KeyRow) -> Result<Option<SignedBytes>, FormsError> {
    Ok(sealing(epochs, row)?.map(|sealing| sealing.signed))
}

/// Seed and record of a stored key; `None` when its epoch is over.
pub(crate) fn sealing(epochs: &Epochs, row: &KeyRow) -> Result<Option<Sealing>, FormsError> {
    let Some(plain) = epochs.reopen_key(row.id, &row.secret)? else {
        return Ok(None);
    };
    let sealing = cbor::decode(&plain, SECRET_LIMIT);
    sealing
        .map(Some)
        .map_err(|e| FormsError::damaged("the secret of an order key", e))
}

/// What keys that a service made must be, to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// Who opens.
    pub own: PartyNumber,
    /// The service's number and the key in its record.
    pub service: (PartyNumber, &'a VerifyingKey),
    /// The scheme in force: keys of others, made before it changed, are passed over.
    pub scheme: Scheme,
}

/// Takes keys that the service made, inside the host's transaction, and notes how far they go.
/// Those known already are passed over. Gives how many were new.
///
/// # Errors
/// [`FormsError::Made`] for a key that isn't the service's, isn't for us, or doesn't fit its seed;
/// then none is taken.
pub fn import(
    connection: &Connection,
    epochs: &Epochs,
    from: Import<'_>,
    made: &[MadeKey],
) -> Result<usize, FormsError> {
    store::in_transaction(connection)?;
    let mut taken = 0;
    for one in made {
        let new = check_made(from, one)?;
        let wanted = new.key.scheme == from.scheme;
        if wanted && store::key_state(connection, new.key.id)?.is_none() {
            enter(connection, epochs, &new, Sent::Confirmed)?;
            taken += 1;
        }
    }
    if let Some(last) = made.last() {
        store::advance_made(connection, from.service.0, last.number)?;
    }
    Ok(taken)
}

fn check_made(from: Import<'_>, made: &MadeKey) -> Result<NewKey, Malformed> {
    let wrong = |why| Malformed::field("made key", why);
    let key = Unverified::<OrderKey>::parse(made.key.clone())?;
    let key = key.verify(from.service.1);
    let key = key.map_err(|_e| wrong("not signed by the sealing service"))?;
    if key.recipient != from.own {
        return Err(wrong("for another recipient"));
    }
    if key.maker != Maker::Service {
        return Err(wrong("it says that the recipient made it"));
    }
    OpeningHalf::of(&key, made.seed.expose()).ok_or_else(|| wrong("not of the seed beside it"))?;
    let seed = Zeroizing::new(*made.seed.expose());
    Ok(NewKey { key, seed })
}

/// Where fetching the keys that a service made goes on.
///
/// # Errors
/// [`FormsError`].
pub fn made_cursor(connection: &Connection, service: PartyNumber) -> Result<u64, FormsError> {
    store::made_cursor(connection, service)
}

/// Does one order use the key up?
pub(crate) fn is_for_one_order(scheme: Scheme, source: KeySource) -> bool {
    scheme.scope() == KeyScope::Order && source == KeySource::Regular
}

/// What became of a key; `None` for a number that isn't known (any more).
///
/// # Errors
/// [`FormsError`].
pub fn state(connection: &Connection, id: OrderKeyId) -> Result<Option<KeyState>, FormsError> {
    store::key_state(connection, id)
}

/// Erases keys whose time is over, and forgets those that ended 90 days ago, inside the host's
/// transaction.
///
/// # Errors
/// [`FormsError`].
pub fn tidy(connection: &Connection, now: Time) -> Result<usize, FormsError> {
    const REMEMBERED: u64 = 90 * 86_400;
    store::in_transaction(connection)?;
    store::forget_keys(connection, now.before(REMEMBERED))?;
    store::expire_keys(connection, now)
}

/// May a fallback key of this scheme be made? A shared one would be every customer's.
pub(crate) fn may_fall_back(scheme: Scheme) -> bool {
    scheme.scope() == KeyScope::Order && scheme.kind() == KeyKind::Public
}

/// Takes orders under member keys from this member (O12).
///
/// # Errors
/// [`FormsError::Made`] if it isn't a member's number.
pub fn admit(connection: &Connection, member: PartyNumber, now: Time) -> Result<(), FormsError> {
    if member.role() != Role::Member {
        return Err(Malformed::field("member", format!("{member} isn't a member's number")).into());
    }
    store::admit_member(connection, member, now)
}

/// Takes none from this member any more, and erases its keys.
///
/// # Errors
/// [`FormsError`].
pub fn dismiss(connection: &Connection, member: PartyNumber) -> Result<(), FormsError> {
    store::in_transaction(connection)?;
    store::dismiss_member(connection, member)?;
    store::expire_keys_of(connection, member)?;
    Ok(())
}

/// Are orders under member keys taken from this member?
///
/// # Errors
/// [`FormsError`].
pub fn is_admitted(connection: &Connection, member: PartyNumber) -> Result<bool, FormsError> {
    store::is_member_admitted(connection, member)
}

/// Every member from whom such orders are taken.
///
/// # Errors
/// [`FormsError`].
pub fn admitted(connection: &Connection) -> Result<Vec<PartyNumber>, FormsError> {
    store::members(connection)
}
