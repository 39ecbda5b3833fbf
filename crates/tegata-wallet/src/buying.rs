//! Buying (T1, T4, T5): a sealed request to a shop; its bill is believed only after everything that
//! can be checked was.

use hkdf::Hkdf;
use sha2::Sha256;
use tegata_party::client::{CallError, Callee};
use tegata_protocol::{
    Digest, Malformed, MessageId, Role, SeriesId, SigningKey, Time, Verified,
    envelope::Body,
    purchase::{Bill, DeliveryKind, Keyword, Offer, PurchaseRequest, Reservation, Wish},
    record::PartyRecord,
    ticket::{Contents, Holder, HolderKey, SeriesRecord},
};
use zeroize::Zeroizing;

use crate::{
    entry::Entry,
    error::WalletError,
    kept::{BillStatus, Holding, Instruction, KeptBill, KnownShop, Order, Pending, verified},
    sending::Settled,
    vault::Password,
    wallet::{Wallet, rng},
};

/// What a member wants from a shop.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The series.
    pub series: SeriesId,
    /// What the tickets shall be good for.
    pub contents: Contents,
    /// How many.
    pub quantity: u8,
    /// Where their holder keys shall stand.
    pub holding: Holding,
    /// A keyword of the member's own.
    pub keyword: Option<Keyword>,
}

impl Wallet {
    /// Fetches a shop's record from its address, verifies it with the register's key, remembers it.
    ///
    /// # Errors
    /// [`WalletError::Call`]; [`WalletError::Unsound`] when it isn't a shop in force.
    pub fn meet_shop(&mut self, address: &str, now: Time) -> Result<KnownShop, WalletError> {
        let centre = self.centre(now)?;
        let record = self
            .client()
            .party_record(address, &centre.keys.register)
            .map_err(|e| {
                if let CallError::BadReply { why, .. } = e {
                    return WalletError::unsound("the shop's record", why);
                }
                e.into()
            })?;
        let shop = known_shop(&record, address, now)
            .map_err(|why| WalletError::unsound("the shop's record", why))?;
        if self.state.shop(shop.number) != Some(&shop) {
            self.state.know_shop(shop.clone());
            self.commit(now, vec![Entry::Met(shop.clone())])?;
        }
        Ok(shop)
    }

    /// The shop's catalogue, as it gives it to everybody.
    ///
    /// # Errors
    /// [`WalletError::Call`]; [`WalletError::Unsound`] when it isn't JSON.
    pub fn catalogue(&self, address: &str) -> Result<serde_json::Value, WalletError> {
        catalogue(self.client(), address)
    }

    /// Orders. Gives the digest of the bill, which is verified and kept.
    ///
    /// `b` is needed for holder keys under B only.
    ///
    /// # Errors
    /// [`WalletError::Refused`] with the shop's reason; [`WalletError::Unsound`] for a bill that
    /// can't be relied upon; [`WalletError::InDoubt`].
    pub fn order(
        &mut self,
        address: &str,
        wanted: Wanted,
        b: Option<&Password>,
        now: Time,
    ) -> Result<Digest, WalletError> {
        let shop = self.meet_shop(address, now)?;
        let id = MessageId::random(&mut rng());
        let holders = self.holders(id, wanted.holding, wanted.quantity, b)?;
        let keyword = wanted.keyword.is_some();
        let wish = Wish::Reservation(Reservation {
            series: wanted.series,
            contents: wanted.contents.clone(),
            holders: holders.clone(),
            keyword: wanted.keyword,
        });
        let order = |request| {
            Instruction::Order(Order {
                shop: shop.number,
                id,
                request,
                series: wanted.series,
                contents: wanted.contents,
                holders,
                holding: wanted.holding,
                keyword,
            })
        };
        let Settled::Bill(bill) = self.request(&shop, id, wish, order, now)? else {
            return Err(WalletError::unsound("the answer", "it's of another kind"));
        };
        Ok(bill)
    }

    /// Asks a shop something in words. Shops answer with a refusal (T1, step 212).
    ///
    /// # Errors
    /// [`WalletError::Refused`] is the usual answer; [`WalletError::InDoubt`].
    pub fn inquire(&mut self, address: &str, text: &str, now: Time) -> Result<(), WalletError> {
        let shop = self.meet_shop(address, now)?;
        let id = MessageId::random(&mut rng());
        let wish = Wish::Inquiry(text.to_owned());
        self.request(&shop, id, wish, |_| Instruction::Inquire, now)?;
        Ok(())
    }

    fn request(
        &mut self,
        shop: &KnownShop,
        id: MessageId,
        wish: Wish,
        what: impl FnOnce(Digest) -> Instruction,
        now: Time,
    ) -> Result<Settled, WalletError> {
        let record = self.state.record.clone();
        let record = record.ok_or(WalletError::NotRegistered)?;
        let body = PurchaseRequest { record, wish };
        body.check()?;
        let callee: Callee = shop.callee();
        let prepared = self.prepare(&callee, id, now, body)?;
        let what = what(prepared.digest());
        let digest = self.keep_pending(&prepared, shop.number, what, now)?;
        self.settle(digest, Some(prepared), now)
    }

    /// The shop's bill: is it the shop's, for our request, in force, and does it add up?
    pub(crate) fn take_offer(
        &mut self,
        pending: &Pending,
        order: &Order,
        offer: &Offer,
        now: Time,
    ) -> Result<Settled, WalletError> {
        // The offer itself is signed: it's the shop's last word, sound or not.
        self.drop_pending(pending);
        let kept = match self.check_offer(order, offer, now) {
            Ok(kept) => kept,
            Err(unsound) => {
                self.commit(now, Vec::new())?;
                return Err(unsound);
            }
        };
        let digest = kept.digest();
        if self.state.bill(digest).is_none() {
            self.state.bills.push(kept.clone());
            self.commit(now, vec![Entry::Ordered(kept)])?;
        } else {
            self.commit(now, Vec::new())?;
        }
        Ok(Settled::Bill(digest))
    }

    fn check_offer(
        &self,
        order: &Order,
        offer: &Offer,
        now: Time,
    ) -> Result<KeptBill, WalletError> {
        let shop = self.state.shop(order.shop).ok_or(WalletError::NoSuch {
            what: "shop",
            wanted: order.shop.to_string(),
        })?;
        let unsound = |why: Malformed| WalletError::unsound("the shop's bill", why);
        // Parsing recomputes the totals from the lines.
        let bill: Verified<Bill> = verified(&offer.bill, &shop.signing, "bill").map_err(unsound)?;
        check_bill(&bill, order, now)
            .map_err(|why| WalletError::unsound("the shop's bill", why))?;
        let series: Verified<SeriesRecord> =
            verified(&offer.series, &shop.signing, "series").map_err(unsound)?;
        check_series(&series, order).map_err(|why| WalletError::unsound("the series", why))?;
        Ok(KeptBill {
            signed: offer.bill.clone(),
            series: Some(offer.series.clone()),
            order: Some(order.clone()),
            status: BillStatus::Open,
            payment: None,
            receipt: None,
            received: now,
            card: None,
        })
    }
}

/// Fetches a catalogue; anybody may.
///
/// # Errors
/// As [`Wallet::catalogue`].
pub fn catalogue(
    client: &tegata_party::client::Client,
    address: &str,
) -> Result<serde_json::Value, WalletError> {
    let bytes = client.get(address, "/v1/catalogue")?;
    serde_json::from_slice(&bytes).map_err(|e| WalletError::unsound("the catalogue", e))
}

/// A shop by its record, which was fetched from this address.
pub(crate) fn known_shop(
    record: &Verified<PartyRecord>,
    address: &str,
    now: Time,
) -> Result<KnownShop, &'static str> {
    let profile = record.profile.as_ref();
    let (Role::Shop, Some(profile)) = (record.number.role(), profile) else {
        return Err("it isn't a shop's");
    };
    if !record.is_active(now) {
        return Err("the register says that it may not act at present");
    }
    Ok(KnownShop {
        number: record.number,
        name: profile.name.clone(),
        address: address.trim_end_matches('/').to_owned(),
        signing: record.keys.signing,
        opening: record.keys.opening.clone(),
        record: record.signed().clone(),
    })
}

fn check_bill(bill: &Bill, order: &Order, now: Time) -> Result<(), &'static str> {
    if bill.shop != order.shop {
        return Err("it's another shop's");
    }
    if bill.request != Some(order.request) {
        return Err("it answers another request");
    }
    if bill.delivery != DeliveryKind::Tickets {
        return Err("it isn't for tickets");
    }
    if bill.expires <= now {
        return Err("it has expired already");
    }
    Ok(())
}

/// Is it the series that was ordered?
pub(crate) fn check_series(series: &SeriesRecord, order: &Order) -> Result<(), &'static str> {
    if series.issuer != order.shop || series.series != order.series {
        return Err("its record is of another series");
    }
    if series.kind != order.contents.kind() {
        return Err("its tickets are of another kind");
    }
    Ok(())
}

/// Holder keys.
impl Wallet {
    /// One holder for each ticket; keys are fresh for each.
    fn holders(
        &self,
        request: MessageId,
        holding: Holding,
        quantity: u8,
        b: Option<&Password>,
    ) -> Result<Vec<Holder>, WalletError> {
        let held = |seed: &[u8; 32]| -> Vec<Holder> {
            let keys = (0..quantity).map(|index| holder_key(seed, request, index));
            keys.map(|k| Holder::Key(HolderKey(k.verifying_key())))
                .collect()
        };
        match holding {
            Holding::Bearer => Ok(vec![Holder::Bearer; quantity.into()]),
            Holding::Card(card) => Ok(vec![Holder::Card(*card.as_bytes()); quantity.into()]),
            Holding::Everyday => Ok(held(self.vault.holder_seed())),
            Holding::Spending => {
                let b = b.ok_or(WalletError::NeedsB(
                    "the tickets' keys shall stand under it",
                ))?;
                let lend = |s: &crate::vault::SpendingSecrets| s.with_holder_seed(held);
                Ok(self.vault.with_spending(b, lend)?)
            }
        }
    }
}

/// The holder key of a request's ticket: HKDF over the holder seed, from the request's message
/// number and the ticket's place. The 24 words and the history restore it.
pub(crate) fn holder_key(seed: &[u8; 32], request: MessageId, index: u8) -> SigningKey {
    let mut grown = Zeroizing::new([0; 32]);
    let info = [
        b"tegata ticket holder v1".as_slice(),
        request.as_bytes(),
        &[index],
    ];
    #[expect(clippy::expect_used, reason = "32 bytes are fewer than 255 × 32")]
    Hkdf::<Sha256>::new(None, seed)
        .expand_multi_info(&info, grown.as_mut())
        .expect("32 bytes of output");
    SigningKey::from_seed(&grown)
}
