//! The sealed web order: somebody without a wallet at hand orders at the shop's page; what they type
//! is sealed in their browser, by a program that a sealing service delivers with a key of the shop's.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tegata_party::client::{
    Client,
    order::{NewOrder, SealingService, Storefront},
};
use tegata_protocol::{
    SignedBytes, VerifyingKey,
    order::{CartLine, Field, FieldValue, OrderForm},
    record::PartyRecord,
};

use crate::{
    browser::{self, Chromium},
    processes::pause,
    town::{Letter, Town, free_port},
};

/// What is ordered.
const PRODUCT: &str = "notebook-indigo";
/// Who orders, and what nobody but the shop may read.
const FIELDS: [(&str, &str); 4] = [
    ("name", "Yamada Hanako"),
    ("postal_code", "920-0962"),
    ("address", "1-2-3 Hirosaka, Kanazawa"),
    ("note", "Please ring twice."),
];

/// An order that was placed.
#[derive(Debug)]
pub struct Ordered {
    /// Its status page.
    pub status: String,
    /// Where its bill can be fetched.
    pub bill: String,
    /// Who sealed it.
    pub by: &'static str,
}

impl Town {
    /// Sets up a sealing service and brings it and the shop together: the shop's settings name it.
    ///
    /// # Errors
    /// When a step fails.
    pub fn open_sealing(&mut self, letter: &Letter) -> anyhow::Result<()> {
        let data = self.path("sealing-key-house");
        let address = free_port()?;
        let url = format!("http://sealing.localhost:{}", address.port());
        let join = [
            "join",
            "--data",
            &data,
            "--slip-file",
            &letter.slip,
            "--agree",
        ];
        let named = ["--name", "Key Handler", "--address", &url];
        self.programs
            .run("tegata-sealing", &[&join[..], &named].concat())?
            .done()?;
        let listen = address.to_string();
        let serve = ["serve", "--data", &data, "--listen", &listen];
        self.sealing = Some(self.serve("tegata-sealing", &serve, "sealing-key-house")?);
        let (number, wallet) = (&letter.number, free_port()?.port());
        self.wallet_port = Some(wallet);
        self.shop_settings = format!(
            "wallet = \"http://wallet.localhost:{wallet}\"\n\n\
             [orders]\nservice = \"{number}\"\nservice_address = \"{url}\"\nstock = 40\n"
        );
        Ok(())
    }

    /// Where browsers reach the shop.
    ///
    /// # Errors
    /// Before it's open.
    pub fn shop_address(&self) -> anyhow::Result<String> {
        let shop = self.shop.context("no shop yet")?;
        Ok(format!("http://shop.localhost:{}", shop.port()))
    }

    /// Where browsers reach the sealing service.
    ///
    /// # Errors
    /// Before it's open.
    pub fn sealing_address(&self) -> anyhow::Result<String> {
        let sealing = self.sealing.context("no sealing service yet")?;
        Ok(format!("http://sealing.localhost:{}", sealing.port()))
    }
}

/// Places an order at the shop's page: by Chromium if it's installed, else by the Rust client.
///
/// # Errors
/// When it isn't taken.
pub fn place(town: &Town, register: &VerifyingKey) -> anyhow::Result<Ordered> {
    let shop = town.shop_address()?;
    wait_for_keys(town)?;
    let (status, by) = match browser::installed() {
        Some(program) => (by_browser(&program, &shop)?, "headless Chromium"),
        None => (
            by_client(town, register, &shop)?,
            "the Rust client (no Chromium here)",
        ),
    };
    let bill = bill_of(&status)?;
    Ok(Ordered { status, bill, by })
}

/// Waits until the shop has brought keys to the sealing service.
///
/// # Errors
/// When it brings none within half a minute.
pub fn wait_for_keys(town: &Town) -> anyhow::Result<()> {
    let data = town.path("sealing-key-house");
    for _ in 0..300 {
        let stock = town
            .programs
            .run("tegata-sealing", &["stock", "--data", &data, "--json"])?;
        let stock = stock.json()?;
        if stock["shops"][0]["piles"][0]["left"].as_u64() > Some(0) {
            return Ok(());
        }
        pause(Duration::from_millis(100));
    }
    anyhow::bail!("the shop brought no keys to the sealing service")
}

/// Waits until the order's page shows a stage as reached.
///
/// # Errors
/// When it doesn't within half a minute.
pub fn wait_until(ordered: &Ordered, said: &str) -> anyhow::Result<()> {
    let (shop, path) = split(&ordered.status)?;
    for _ in 0..300 {
        let page = Client::default().get(shop, &format!("{path}&lang=en"))?;
        if String::from_utf8_lossy(&page).contains(said) {
            return Ok(());
        }
        pause(Duration::from_millis(100));
    }
    anyhow::bail!("{} doesn't say {said:?}", ordered.status)
}

/// An address as origin and path.
fn split(address: &str) -> anyhow::Result<(&str, &str)> {
    let (_, rest) = address.split_once("://").context("no address")?;
    let slash = rest.find('/').context("no path")?;
    let origin = address.len() - rest.len() + slash;
    Ok(address.split_at(origin))
}

fn by_browser(program: &Path, shop: &str) -> anyhow::Result<String> {
    let mut browser = Chromium::start(program)?;
    browser.go(&format!("{shop}/goods/{PRODUCT}?lang=en"))?;
    let add = "document.querySelector('form[action=\"/cart/add\"]')";
    browser.wait("/goods/", &format!("{add} !== null"))?;
    browser.act("/goods/", &format!("{add}.requestSubmit()"))?;
    browser.wait(
        "/cart",
        "document.querySelector('a[href=\"/checkout\"]') !== null",
    )?;
    browser.go(&format!("{shop}/checkout?lang=en"))?;
    let ready =
        "document.querySelector('fieldset') && !document.querySelector('fieldset').disabled";
    browser.wait("/form/", ready)?;
    for (name, value) in FIELDS {
        let (name, value) = (serde_json::to_string(name)?, serde_json::to_string(value)?);
        let fill = format!(
            "(() => {{ const field = document.querySelector(`[data-field=${{{name}}}]`); \
             if (field) field.value = {value}; return true }})()"
        );
        browser.act("/form/", &fill)?;
    }
    browser.act("/form/", "document.querySelector('#order').click()")?;
    let settled = "['taken', 'sealing', undefined].includes(\
         document.querySelector('#status').dataset.code) ? null : \
         document.querySelector('#status').dataset.code";
    for _ in 0..300 {
        if let Ok(address) = browser.act("/orders/", "location.href") {
            return address.as_str().map(str::to_owned).context("no address");
        }
        if let Ok(code) = browser.act("/form/", settled) {
            ensure!(code.is_null(), "the order form says {code}");
        }
        pause(Duration::from_millis(100));
    }
    anyhow::bail!("the browser wasn't led to the order's page")
}

fn by_client(town: &Town, register: &VerifyingKey, shop: &str) -> anyhow::Result<String> {
    let (client, rng) = (Client::default(), &mut UnwrapErr(SysRng));
    let record = PartyRecord::verify(SignedBytes::new(client.get(shop, "/v1/record")?), register)?;
    let front = Storefront::shop(&record, None);
    let address = town.sealing_address()?;
    let desk = SealingService {
        address: &address,
        danger_trusted: None,
    };
    let field = |(name, value): (&str, &str)| Field {
        name: name.to_owned(),
        value: FieldValue::Text(value.to_owned()),
    };
    let form = OrderForm {
        lines: vec![CartLine {
            product: PRODUCT.to_owned(),
            quantity: 1,
        }],
        fields: FIELDS.map(field).into(),
        language: "en".to_owned(),
    };
    let now = crate::town::now();
    let (_, placed) = client.place_order(&front, desk, NewOrder::of(&form), now, rng)?;
    placed
        .status
        .context("the shop named no page for the order")
}

/// Where the bill is that an order's page asks to be paid.
fn bill_of(status: &str) -> anyhow::Result<String> {
    let (shop, path) = split(status)?;
    let page = String::from_utf8(Client::default().get(shop, path)?)?;
    let place = page
        .find("/v1/bills/")
        .context("the order's page names no bill")?;
    let bill = page.get(place..).unwrap_or_default();
    let bill: String = bill.chars().take("/v1/bills/".len() + 64).collect();
    Ok(format!("{shop}{bill}"))
}
