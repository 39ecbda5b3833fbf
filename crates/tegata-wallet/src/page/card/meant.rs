//! Which bill a card is to pay, as a form names it.

use serde::Deserialize;
use tegata_protocol::{Digest, Time};

use crate::{
    error::WalletError,
    kept::{BillStatus, KeptBill},
    wallet::Wallet,
    web_bill::BillLink,
};

/// Which bill is meant, as all forms say it. A bill that a shop's page named is fetched by its link
/// until it's kept.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::page) struct Meant {
    pub(in crate::page) bill: String,
    pub(in crate::page) shop: Option<String>,
    pub(in crate::page) back: Option<String>,
}

impl Meant {
    /// A bill that is kept.
    pub(in crate::page) fn kept(bill: Digest) -> Self {
        Self {
            bill: bill.to_string(),
            shop: None,
            back: None,
        }
    }

    /// A bill that a page named.
    pub(in crate::page) fn linked(link: &BillLink) -> Self {
        Self {
            bill: link.bill().to_string(),
            shop: Some(link.shop().to_owned()),
            back: link.back().map(str::to_owned),
        }
    }

    pub(super) fn link(&self) -> Option<Result<BillLink, WalletError>> {
        let shop = self.shop.as_deref()?;
        let link = BillLink::new(shop, &self.bill, self.back.as_deref());
        Some(link.map_err(WalletError::from))
    }

    /// The bill, kept from now on.
    pub(super) fn keep(&self, wallet: &mut Wallet, now: Time) -> Result<Digest, WalletError> {
        let Some(link) = self.link() else {
            return wallet.find_bill(&self.bill);
        };
        let seen = wallet.look_at_bill(&link?, now)?;
        wallet.keep_web_bill(seen, now)
    }

    /// The bill, if it's kept.
    pub(super) fn bill_in<'w>(&self, wallet: &'w Wallet) -> Option<&'w KeptBill> {
        let digest = Digest::from_hex(&self.bill)?;
        wallet.state().bill(digest)
    }

    /// Where it stands, if it's kept.
    pub(super) fn status(&self, wallet: &Wallet) -> Option<BillStatus> {
        self.bill_in(wallet).map(|kept| kept.status)
    }

    /// Does it wait for its card?
    pub(super) fn waits(&self, wallet: &Wallet) -> bool {
        self.bill_in(wallet).is_some_and(KeptBill::waits_for_card)
    }

    /// An error, as [`Wallet::about_card`] has it.
    pub(super) fn about_card(
        &self,
        wallet: &Wallet,
        waited: bool,
        error: WalletError,
    ) -> WalletError {
        match self.bill_in(wallet) {
            Some(kept) => wallet.about_card(kept.digest(), waited, error),
            None => error,
        }
    }
}
