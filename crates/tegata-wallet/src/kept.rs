//! The things that the wallet keeps: shops, bills, orders, tickets, cards, and messages that wait for their
//! answer. Their forms in CBOR stand here, beside what can be asked of them.

use minicbor::{Decode, Encode};
use tegata_party::client::Callee;
use tegata_protocol::{
    Amount, CardNumber, Digest, Malformed, MessageId, PartyNumber, PaymentId, SealingKey, SeriesId,
    SignedBytes, Time, Verified, VerifyingKey,
    envelope::Parcel,
    order::OrderReceipt,
    payment::Mode,
    prepaid::PrepaidCard,
    purchase::Bill,
    record::PartyRecord,
    ticket::{Contents, Holder, SeriesRecord, Ticket},
};

/// A shop whose record was verified with the register's key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KnownShop {
    /// Its number.
    #[n(0)]
    pub number: PartyNumber,
    /// Its name.
    #[n(1)]
    pub name: String,
    /// Where it was reached.
    #[n(2)]
    pub address: String,
    /// Its key for bills, series and deliveries, from the record.
    #[n(3)]
    pub signing: VerifyingKey,
    /// Messages to it are sealed to this key, from the record.
    #[n(4)]
    pub opening: SealingKey,
    /// The signed record.
    #[n(5)]
    pub record: SignedBytes,
}

impl KnownShop {
    /// Where the register says that it is.
    pub fn recorded_address(&self) -> Option<String> {
        let record = tegata_protocol::Unverified::<PartyRecord>::parse(self.record.clone());
        let record = record.ok()?;
        let profile = record.claimed().profile.as_ref()?;
        Some(profile.address.trim_end_matches('/').to_owned())
    }

    /// How to call it.
    pub fn callee(&self) -> Callee {
        Callee {
            address: self.address.clone(),
            number: self.number,
            opening: self.opening.clone(),
            replies: self.signing,
        }
    }
}

/// Under which password a ticket's holder key stands, or where else its holder is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holding {
    /// Shown with A alone.
    Everyday,
    /// Shown with A and B.
    Spending,
    /// Whoever has it and knows the keyword.
    Bearer,
    /// An IC card, which is shown itself (T6).
    Card(CardNumber),
}

/// A number, as it always was, or a card's ten bytes.
impl<C> Encode<C> for Holding {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::Everyday => e.u8(0)?.ok(),
            Self::Spending => e.u8(1)?.ok(),
            Self::Bearer => e.u8(2)?.ok(),
            Self::Card(card) => e.bytes(card.as_bytes())?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for Holding {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        if d.datatype()? == minicbor::data::Type::Bytes {
            let card = <[u8; 10]>::try_from(d.bytes()?);
            let card =
                card.map_err(|_e| minicbor::decode::Error::message("not a card's number"))?;
            return Ok(Self::Card(CardNumber::from_bytes(card)));
        }
        match d.u8()? {
            0 => Ok(Self::Everyday),
            1 => Ok(Self::Spending),
            2 => Ok(Self::Bearer),
            _ => Err(minicbor::decode::Error::message("no such holding")),
        }
    }
}

/// What was asked of a shop: all that a delivery is compared with.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Order {
    /// The shop.
    #[n(0)]
    pub shop: PartyNumber,
    /// The request's message number: holder keys grow from it.
    #[n(1)]
    pub id: MessageId,
    /// The digest of the signed request: every ticket names it.
    #[n(2)]
    pub request: Digest,
    /// The series.
    #[n(3)]
    pub series: SeriesId,
    /// The contents asked for.
    #[n(4)]
    pub contents: Contents,
    /// The holders, one for each ticket; their place is the index that the key grew from.
    #[n(5)]
    pub holders: Vec<Holder>,
    /// Where the holder keys stand.
    #[n(6)]
    pub holding: Holding,
    /// Was a keyword given? The keyword itself isn't kept.
    #[n(7)]
    pub keyword: bool,
}

/// Where a bill stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum BillStatus {
    /// Not paid.
    #[n(0)]
    Open,
    /// An instruction was signed; its answer isn't here yet.
    #[n(1)]
    InDoubt,
    /// The money is held; the shop is to deliver.
    #[n(2)]
    Held,
    /// Paid at once.
    #[n(3)]
    Paid,
    /// The delivery is here, and the shop has its money.
    #[n(4)]
    Delivered,
    /// It will never be paid, or the hold was closed.
    #[n(5)]
    Closed,
    /// The shop confirmed the order and has its money; the goods come by post.
    #[n(6)]
    Confirmed,
    /// The money is set aside, and the card has still to pay.
    #[n(7)]
    AtCard,
}

impl BillStatus {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InDoubt => "in_doubt",
            Self::Held => "held",
            Self::Paid => "paid",
            Self::Delivered => "delivered",
            Self::Closed => "closed",
            Self::Confirmed => "confirmed",
            Self::AtCard => "at_card",
        }
    }

    /// Has the shop done all that this wallet will hear of?
    pub(crate) const fn is_done(self) -> bool {
        matches!(self, Self::Delivered | Self::Confirmed)
    }
}

/// A bill that was verified, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KeptBill {
    /// The signed bill.
    #[n(0)]
    pub signed: SignedBytes,
    /// The signed series record that came with it; none for goods.
    #[n(1)]
    pub series: Option<SignedBytes>,
    /// What was asked of the shop; nothing if it was ordered on the shop's page.
    #[n(2)]
    pub order: Option<Order>,
    /// Where it stands.
    #[n(3)]
    pub status: BillStatus,
    /// The last instruction that was signed for it.
    #[n(4)]
    pub payment: Option<PaymentId>,
    /// The centre's signed receipt.
    #[n(5)]
    pub receipt: Option<SignedBytes>,
    /// When it came.
    #[n(6)]
    pub received: Time,
    /// The IC card that is to pay it, or has; none if prepaid money does.
    #[n(7)]
    pub card: Option<CardNumber>,
}

impl KeptBill {
    /// Was it agreed to pay with a card, and isn't it known whether that card did?
    pub(crate) const fn waits_for_card(&self) -> bool {
        self.card.is_some() && matches!(self.status, BillStatus::AtCard | BillStatus::InDoubt)
    }

    /// The digest of the signed bill: its name here.
    pub fn digest(&self) -> Digest {
        self.signed.digest()
    }

    /// The shop that asks for the money. Its signature is verified before a bill is kept.
    ///
    /// # Errors
    /// [`Malformed`] when it isn't a bill.
    pub fn shop(&self) -> Result<PartyNumber, Malformed> {
        let bill = tegata_protocol::Unverified::<Bill>::parse(self.signed.clone())?;
        Ok(bill.claimed().shop)
    }

    /// The bill, verified again with the key of the shop that it was ordered from.
    ///
    /// # Errors
    /// [`Malformed`] when it isn't the shop's.
    pub fn bill(&self, shop: &KnownShop) -> Result<Verified<Bill>, Malformed> {
        verified(&self.signed, &shop.signing, "bill")
    }

    /// The series record, verified again.
    ///
    /// # Errors
    /// [`Malformed`] when there's none, or it isn't the shop's.
    pub fn series(&self, shop: &KnownShop) -> Result<Verified<SeriesRecord>, Malformed> {
        let series = self.series.as_ref();
        let series = series.ok_or_else(|| Malformed::field("series", "the bill is for goods"))?;
        verified(series, &shop.signing, "series")
    }
}

/// An order that was made on a shop's page and paid from here: the shop's signed receipt of it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KeptOrder {
    /// The signed order receipt.
    #[n(0)]
    pub signed: SignedBytes,
    /// The shop.
    #[n(1)]
    pub shop: PartyNumber,
    /// The digest of the bill that it was paid by.
    #[n(2)]
    pub bill: Digest,
    /// The payment.
    #[n(3)]
    pub payment: PaymentId,
    /// When it came.
    #[n(4)]
    pub received: Time,
}

impl KeptOrder {
    /// The receipt, verified again.
    ///
    /// # Errors
    /// [`Malformed`] when it isn't the shop's.
    pub fn receipt(&self, shop: &KnownShop) -> Result<Verified<OrderReceipt>, Malformed> {
        verified(&self.signed, &shop.signing, "order receipt")
    }
}

/// A ticket that was verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KeptTicket {
    /// The signed ticket.
    #[n(0)]
    pub signed: SignedBytes,
    /// The signed series record.
    #[n(1)]
    pub series: SignedBytes,
    /// The shop.
    #[n(2)]
    pub shop: PartyNumber,
    /// The request that it grew from, for its holder key.
    #[n(3)]
    pub request: MessageId,
    /// Which of the request's tickets.
    #[n(4)]
    pub index: u8,
    /// Where its holder key stands.
    #[n(5)]
    pub holding: Holding,
    /// When it came.
    #[n(6)]
    pub received: Time,
}

impl KeptTicket {
    /// The digest of the signed ticket: its name here.
    pub fn digest(&self) -> Digest {
        self.signed.digest()
    }

    /// Series record and ticket, verified again with the shop's and the batch's key.
    ///
    /// # Errors
    /// [`Malformed`] when one of them isn't what it was.
    pub fn open(
        &self,
        shop: &KnownShop,
    ) -> Result<(Verified<SeriesRecord>, Verified<Ticket>), Malformed> {
        let series: Verified<SeriesRecord> = verified(&self.series, &shop.signing, "series")?;
        let ticket = verify_ticket(&self.signed, &series)?;
        Ok((series, ticket))
    }
}

/// A ticket by one of the series' batch keys.
pub(crate) fn verify_ticket(
    signed: &SignedBytes,
    series: &SeriesRecord,
) -> Result<Verified<Ticket>, Malformed> {
    let forged = || Malformed::field("ticket", "not signed with a key of its series");
    let ticket = tegata_protocol::Unverified::<Ticket>::parse(signed.clone())?;
    let key = ticket.key().and_then(|id| series.batch(id));
    let key = *key.ok_or_else(forged)?;
    ticket.verify(&key).map_err(|_e| forged())
}

/// A document signed by `key`.
pub(crate) fn verified<T: tegata_protocol::Document>(
    signed: &SignedBytes,
    key: &VerifyingKey,
    what: &'static str,
) -> Result<Verified<T>, Malformed> {
    let unverified = tegata_protocol::Unverified::<T>::parse(signed.clone())?;
    let forged = |_e| Malformed::field(what, "not signed with the key that should have signed it");
    unverified.verify(key).map_err(forged)
}

/// A virtual prepaid card.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KeptCard {
    /// The signed message that issued it.
    #[n(0)]
    pub signed: SignedBytes,
    /// What it says.
    #[n(1)]
    pub card: PrepaidCard,
    /// When it came.
    #[n(2)]
    pub received: Time,
}

/// Something that came and didn't verify. It's kept, and never shown as what it claims to be.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct SetAside {
    /// Its number in the mailbox.
    #[n(0)]
    pub item: u64,
    /// What is wrong with it.
    #[n(1)]
    pub why: String,
    /// When it came.
    #[n(2)]
    pub received: Time,
    /// What the centre said, as received.
    #[n(3)]
    pub signed: SignedBytes,
    /// What came with it.
    #[n(4)]
    pub sealed: Option<tegata_protocol::envelope::Attachment>,
}

/// What the centre last said of the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KnownBalance {
    /// In the account.
    #[n(0)]
    pub balance: Amount,
    /// Held for payments under way.
    #[n(1)]
    pub held: Amount,
    /// When it was so.
    #[n(2)]
    pub as_of: Time,
}

/// A signed message that has no answer yet. It is written down before it's sent; in doubt, the same
/// bytes are sent again under a fresh seal.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Pending {
    /// The signed message and what travels with it.
    #[n(0)]
    pub parcel: Parcel,
    /// To whom.
    #[n(1)]
    pub to: PartyNumber,
    /// When it was signed.
    #[n(2)]
    pub made: Time,
    /// What it asks for.
    #[n(3)]
    pub what: Instruction,
}

impl Pending {
    /// The digest of the signed message: its name here.
    pub fn digest(&self) -> Digest {
        self.parcel.signed.digest()
    }
}

/// What a pending message asks for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Instruction {
    /// Registration at the centre, perhaps signed offline (M3).
    #[n(0)]
    Register,
    /// A payment reference (M7).
    #[n(1)]
    Load,
    /// Tickets (T1).
    #[n(2)]
    Order(#[n(0)] Order),
    /// Payment of a bill (M8).
    #[n(3)]
    Pay(#[n(0)] PaymentOrder),
    /// A question in words (T1, step 212).
    #[n(4)]
    Inquire,
    /// Payment of a bill with an IC card (K3).
    #[n(5)]
    PayByCard(#[n(0)] CardOrder),
    /// Prepaid money for an IC card.
    #[n(6)]
    LoadCard(#[n(0)] CardNumber),
}

impl Instruction {
    /// The word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Register => "registration",
            Self::Load => "load",
            Self::Order(_) => "order",
            Self::Pay(_) => "payment",
            Self::Inquire => "inquiry",
            Self::PayByCard(_) => "card payment",
            Self::LoadCard(_) => "card load",
        }
    }
}

/// What a payment instruction says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PaymentOrder {
    /// The digest of the signed bill.
    #[n(0)]
    pub bill: Digest,
    /// How much.
    #[n(1)]
    pub amount: Amount,
    /// Held or paid.
    #[n(2)]
    pub mode: Mode,
}

/// What an agreement to pay with a card says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct CardOrder {
    /// The digest of the signed bill.
    #[n(0)]
    pub bill: Digest,
    /// How much.
    #[n(1)]
    pub amount: Amount,
    /// With which card.
    #[n(2)]
    pub card: CardNumber,
}

/// An IC card, as the centre last told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KnownIcCard {
    /// Its number.
    #[n(0)]
    pub card: CardNumber,
    /// What was on it.
    #[n(1)]
    pub balance: Amount,
    /// What was still to be written on it.
    #[n(2)]
    pub owed: Amount,
    /// Was it blocked?
    #[n(3)]
    pub blocked: bool,
    /// When it was so.
    #[n(4)]
    pub as_of: Time,
    /// When it was found to be out of use for ever.
    #[n(5)]
    pub over: Option<Time>,
}
