//! Paying what was ordered on a shop's page (M8, M9). The shop doesn't know who will pay, so its
//! bill answers no request; it waits at an address, `{shop}/v1/bills/{digest}`, that the page links
//! to and shows as a QR code.
//!
//! ```text
//! address given ──▶ the record there: the register's? a shop in force? with this very address?
//!               ──▶ the bill at the recorded address: the digest asked for? the shop's? sound?
//!               ──▶ shown ──▶ consent, kept, paid by a hold like any other
//! ```
//! Whoever gives the address (a page, a code on a wall) is believed in nothing: a stranger who passes
//! another shop's record on is found out by the address in it, and is never remembered.

use tegata_party::client::{CallError, check_address};
use tegata_protocol::{
    Digest, SignedBytes, Time, Verified,
    purchase::{Bill, DeliveryKind},
};

use crate::{
    buying::known_shop,
    entry::Entry,
    error::{Unfit, Unpayable, WalletError},
    kept::{BillStatus, KeptBill, KnownBalance, KnownShop, verified},
    wallet::Wallet,
};

/// The longest addresses that are looked at, in bytes.
const LONGEST_ADDRESS: usize = 300;
const LONGEST_BACK: usize = 1000;

/// Between a shop's address and a bill's digest.
const PATH: &str = "/v1/bills/";

/// Which bill of which shop, as somebody else says it; nothing in it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillLink {
    shop: String,
    bill: Digest,
    back: Option<String>,
}

impl BillLink {
    /// From the parts of a link: the shop's address, the bill's digest in hexadecimal, and where to
    /// go back to.
    ///
    /// # Errors
    /// [`Unfit::Address`].
    pub fn new(shop: &str, bill: &str, back: Option<&str>) -> Result<Self, Unfit> {
        let bad = || Unfit::Address(format!("{shop}{PATH}{bill}"));
        let bill = Digest::from_hex(bill.trim()).ok_or_else(bad)?;
        let shop = shop.trim().trim_end_matches('/');
        if !is_plain(shop, LONGEST_ADDRESS) || shop.contains(['?', '#', '@']) {
            return Err(bad());
        }
        check_address(shop).map_err(|_e| bad())?;
        Ok(Self {
            shop: shop.to_owned(),
            bill,
            back: back.map(str::to_owned),
        })
    }

    /// From the bill's whole address, as the QR code on the shop's page holds it.
    ///
    /// # Errors
    /// [`Unfit::Address`].
    pub fn from_address(address: &str) -> Result<Self, Unfit> {
        let parts = address.trim().rsplit_once(PATH);
        let (shop, bill) = parts.ok_or_else(|| Unfit::Address(address.to_owned()))?;
        Self::new(shop, bill, None)
    }

    /// The shop's address as it was given.
    pub fn shop(&self) -> &str {
        &self.shop
    }

    /// The digest of the bill that is asked for.
    pub const fn bill(&self) -> Digest {
        self.bill
    }

    /// Where somebody wants the member to go back to. See [`BillLink::back_to`].
    pub fn back(&self) -> Option<&str> {
        self.back.as_deref()
    }

    /// Where to go back to, if it's on the shop's own recorded origin.
    pub fn back_to(&self, shop: &KnownShop) -> Option<&str> {
        let back = self.back.as_deref()?;
        let origin = origin_of(&shop.recorded_address()?)?;
        let (start, rest) = back.split_at_checked(origin.len())?;
        // After scheme, host and port a slash: whatever follows can't change the host any more.
        let there = start.eq_ignore_ascii_case(&origin) && rest.starts_with('/');
        (there && is_plain(back, LONGEST_BACK)).then_some(back)
    }
}

/// Printable ASCII that every reader of addresses splits alike.
fn is_plain(address: &str, most: usize) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'\\';
    address.len() <= most && address.bytes().all(plain)
}

/// Scheme, host and port.
fn origin_of(address: &str) -> Option<String> {
    let uri: axum::http::Uri = address.parse().ok()?;
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

/// A bill that was looked at: sound, and the shop's whose record has the address.
#[derive(Clone, Debug)]
pub struct WebBill {
    /// The shop.
    pub shop: KnownShop,
    /// The bill.
    pub bill: Verified<Bill>,
    /// Where it stands, if this wallet has kept it before.
    pub status: Option<BillStatus>,
    /// What the account holds now; of a bill that was kept before, when it was last asked.
    pub balance: Option<KnownBalance>,
}

impl WebBill {
    /// What the account has available, and what it would have after paying. `None` if it isn't
    /// enough, or isn't known.
    pub fn after(&self) -> Option<tegata_protocol::Amount> {
        let available = self.balance?.available();
        available.minus(self.bill.totals.total).ok()
    }

    /// Can it be paid, as far as is known here?
    ///
    /// # Errors
    /// [`WalletError::NotPayable`].
    pub fn check_payable(&self, now: Time) -> Result<(), WalletError> {
        let fresh = matches!(self.status, None | Some(BillStatus::Open));
        let why = if fresh && self.bill.expires <= now {
            Unpayable::Expired
        } else if fresh && self.balance.is_some() && self.after().is_none() {
            Unpayable::Funds
        } else {
            return Ok(());
        };
        Err(WalletError::NotPayable {
            transaction: self.bill.transaction.to_string(),
            why,
        })
    }
}

impl Wallet {
    /// Fetches what the link names and checks it. Nothing is kept yet, and nothing is paid. A bill
    /// that was kept before isn't fetched again.
    ///
    /// # Errors
    /// [`WalletError::Unfit`], [`WalletError::NotPayable`] for an expired bill;
    /// [`WalletError::Call`].
    pub fn look_at_bill(&mut self, link: &BillLink, now: Time) -> Result<WebBill, WalletError> {
        self.registered()?;
        if let Some(kept) = self.state.bill(link.bill) {
            return self.kept_web_bill(link, kept);
        }
        let shop = self.shop_of_link(link, now)?;
        let bill = self.fetch_bill(link, &shop)?;
        let mut seen = WebBill {
            shop,
            bill,
            status: None,
            balance: None,
        };
        if seen.bill.expires > now {
            let balance = self.ask_balance(now)?;
            check_currency(&seen.bill, &balance)?;
            seen.balance = Some(balance);
        }
        Ok(seen)
    }

    /// Keeps a bill that was looked at; the member wants to pay it.
    ///
    /// # Errors
    /// [`WalletError::Vault`].
    pub fn keep_web_bill(&mut self, seen: WebBill, now: Time) -> Result<Digest, WalletError> {
        let digest = seen.bill.digest();
        if self.state.bill(digest).is_some() {
            return Ok(digest);
        }
        let mut entries = Vec::new();
        if self.state.shop(seen.shop.number) != Some(&seen.shop) {
            self.state.know_shop(seen.shop.clone());
            entries.push(Entry::Met(seen.shop));
        }
        let kept = KeptBill {
            signed: seen.bill.signed().clone(),
            series: None,
            order: None,
            status: BillStatus::Open,
            payment: None,
            receipt: None,
            received: now,
            card: None,
        };
        self.state.bills.push(kept.clone());
        entries.push(Entry::Ordered(kept));
        self.commit(now, entries)?;
        Ok(digest)
    }

    fn kept_web_bill(&self, link: &BillLink, kept: &KeptBill) -> Result<WebBill, WalletError> {
        if kept.order.is_some() {
            return Err(Unfit::OtherKind.into());
        }
        let bill = self.bill(kept)?;
        let shop = self.state.shop(bill.shop).ok_or(WalletError::NoSuch {
            what: "shop",
            wanted: bill.shop.to_string(),
        })?;
        check_recorded(link, shop)?;
        Ok(WebBill {
            shop: shop.clone(),
            bill,
            status: Some(kept.status),
            balance: self.state.balance,
        })
    }

    /// The shop at the link's address, if its record has that very address.
    fn shop_of_link(&mut self, link: &BillLink, now: Time) -> Result<KnownShop, WalletError> {
        let centre = self.centre(now)?;
        let unknown = |why: String| Unfit::UnknownShop {
            address: link.shop.clone(),
            why,
        };
        let record = self
            .client()
            .party_record(&link.shop, &centre.keys.register);
        let record = record.map_err(|error| match missing(&error) {
            Some(why) => WalletError::Unfit(unknown(why)),
            None => error.into(),
        })?;
        let shop = known_shop(&record, &link.shop, now).map_err(|why| unknown(why.to_owned()))?;
        check_recorded(link, &shop)?;
        Ok(shop)
    }

    /// The bill at the shop's recorded address.
    fn fetch_bill(&self, link: &BillLink, shop: &KnownShop) -> Result<Verified<Bill>, WalletError> {
        let name = || shop.name.clone();
        let path = format!("{PATH}{}", link.bill);
        let bytes = self.client().get(&shop.address, &path);
        let bytes = bytes.map_err(|error| match missing(&error) {
            Some(_) => WalletError::Unfit(Unfit::NoBill { shop: name() }),
            None => error.into(),
        })?;
        let signed = SignedBytes::new(bytes);
        if signed.digest() != link.bill {
            return Err(Unfit::OtherBill { shop: name() }.into());
        }
        let unsound = |why: String| Unfit::Unsound { shop: name(), why };
        // Parsing recomputes the totals from the lines.
        let bill: Verified<Bill> =
            verified(&signed, &shop.signing, "bill").map_err(|why| unsound(why.to_string()))?;
        if bill.shop != shop.number {
            return Err(unsound("it's another shop's".to_owned()).into());
        }
        if bill.request.is_some() || bill.delivery != DeliveryKind::Post {
            return Err(Unfit::OtherKind.into());
        }
        Ok(bill)
    }
}

/// Is the address that was given the one in the shop's record?
fn check_recorded(link: &BillLink, shop: &KnownShop) -> Result<(), Unfit> {
    let recorded = shop.recorded_address().unwrap_or_default();
    if recorded == link.shop {
        return Ok(());
    }
    Err(Unfit::OtherAddress {
        shop: shop.name.clone(),
        given: link.shop.clone(),
        recorded,
    })
}

fn check_currency(bill: &Bill, balance: &KnownBalance) -> Result<(), Unfit> {
    let (bill, account) = (bill.totals.total.currency(), balance.balance.currency());
    if bill == account {
        return Ok(());
    }
    Err(Unfit::Currency {
        bill: bill.to_string(),
        account: account.to_string(),
    })
}

/// Why what was asked for isn't there, if somebody answered and it isn't.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all others are troubles of the network"
)]
fn missing(error: &CallError) -> Option<String> {
    match error {
        CallError::BadReply { why, .. } => Some(why.clone()),
        CallError::Fault { status, .. } if (300..500).contains(status) => {
            Some(format!("HTTP {status}"))
        }
        CallError::Unreadable(_) => Some("HTTP 400".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILL: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn a_bills_address_is_the_shops_and_a_digest() {
        let link = BillLink::from_address(&format!("https://shop.example/v1/bills/{BILL}"));
        let link = link.unwrap();
        assert_eq!(link.shop(), "https://shop.example");
        assert_eq!(link.bill().to_string(), BILL);
        let below = BillLink::new("https://shop.example/tea/", BILL, None).unwrap();
        assert_eq!(below.shop(), "https://shop.example/tea");
    }

    #[test]
    fn what_isnt_the_address_of_a_bill_is_refused() {
        let whole = |shop: &str| format!("{shop}/v1/bills/{BILL}");
        for bad in [
            "https://shop.example/v1/bills/0011".to_owned(),
            "https://shop.example/".to_owned(),
            format!("/v1/bills/{BILL}"),
            whole("ftp://shop.example"),
            whole("shop.example"),
            whole("https://shop.example?a=b"),
            whole("https://shop.example#a"),
            whole("https://shop.example@evil.example"),
            whole("https://shop.example\\evil"),
            whole("https://shop.example /"),
            whole(&format!("https://{}.example", "a".repeat(300))),
        ] {
            let link = BillLink::from_address(&bad);
            assert!(matches!(link, Err(Unfit::Address(_))), "{bad}");
        }
    }
}
