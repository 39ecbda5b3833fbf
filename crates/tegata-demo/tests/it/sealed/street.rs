//! A street with shops and a sealing service, each a process behind a wire of its own, and the
//! people who order: a browser, or the Rust client.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tegata_cli::data::DataDir;
use tegata_demo::{
    browser::{self, Chromium},
    processes::{Programs, Server},
    town::{Limits, Town},
};
use tegata_keystore::vault::Password;
use tegata_party::client::{
    Client,
    order::{NewOrder, OrderError, Placed, ReadyOrder, SealingService, Storefront},
};
use tegata_party::keys::Keys;
use tegata_protocol::{
    PartyNumber, SignedBytes, Time, Verified, VerifyingKey,
    order::{Binding, CartLine, CartToken, Field, FieldValue, OrderForm, OrderKey, SealedOrder},
    record::PartyRecord,
};
use tegata_shop::vault::Vault;

use super::wire::{Wire, messages};

/// What is ordered.
pub(super) const PRODUCT: &str = "notebook-indigo";
/// Its name, as the shop's pages have it.
pub(super) const TITLE: &str = "Indigo notebook";

/// How many there are at first.
pub(super) const STOCK: u32 = 40;

/// What the shops sell, and what they ask for.
const CATALOGUE: &str = r#"
currency = "JPY"
zone = "Asia/Tokyo"
tax_number = "T1234567890123"
rounding = "down"

[form]
name = "required"
postal_code = "required"
address = "required"
phone = "no"
mail = "no"
note = "optional"

[payment]
prepaid = true
card = false

[[goods]]
id = "notebook-indigo"
title = { en = "Indigo notebook", ja = "藍染めのノート" }
text = { en = "Sixty-four leaves.", ja = "64枚。" }
category = { en = "Paper", ja = "紙" }
price = 1980
tax = 10
stock = 40
most_per_order = 41
"#;

/// What a customer types in.
pub(super) const FIELDS: [(&str, &str); 4] = [
    ("name", "Yamada Hanako"),
    ("postal_code", "920-0962"),
    ("address", "1-2-3 Hirosaka, Kanazawa"),
    ("note", "二度鳴らしてください"),
];
/// What of it must never be seen: each by itself, however the whole is written.
pub(super) const SECRETS: [&str; 8] = [
    "Yamada",
    "Hanako",
    "920-0962",
    "9200962",
    "1-2-3 Hirosaka",
    "Hirosaka",
    "Kanazawa",
    "二度鳴らして",
];

/// A town with one sealing service; shops are opened on it.
pub(super) struct Street {
    pub(super) town: Town,
    pub(super) service: Party,
    pub(super) register: VerifyingKey,
    _folder: tempfile::TempDir,
}

/// A shop or a sealing service.
pub(super) struct Party {
    pub(super) number: PartyNumber,
    /// Where others reach it: at its wire.
    pub(super) address: String,
    pub(super) folder: PathBuf,
    pub(super) wire: Wire,
    programs: Programs,
    program: &'static str,
    passwords: (String, String),
    logs: PathBuf,
    starts: u32,
    server: Option<Server>,
}

/// Waits a moment for a real process.
pub(super) fn moment() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests wait for real processes"
    )]
    std::thread::sleep(Duration::from_millis(50));
}

/// Waits until something is so, half a minute at most.
pub(super) fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = ready() {
            return found;
        }
        moment();
    }
    panic!("waited in vain for {what}")
}

pub(super) fn now() -> Time {
    Time::from_secs(tegata_cli::clock::now())
}

impl Street {
    /// A town with a sealing service that has these settings, running.
    pub(super) fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = Path::new(env!("CARGO_BIN_EXE_tegata-demo"));
        let programs = Programs::within(programs.parent().unwrap().to_owned());
        let town = Town::found(programs, folder.path().join("town"), Limits::Off).unwrap();
        let root = fs::read_to_string(town.path("centre/root.pub")).unwrap();
        let root = VerifyingKey::from_bytes(&bytes_of(root.trim()).try_into().unwrap()).unwrap();
        let centre = format!("http://{}", town.guard);
        let keys = Client::default()
            .centre_keys(&centre, &root, now())
            .unwrap();
        let mut service = Party::join(&town, "tegata-sealing", "sealing", "Key Handler");
        fs::write(service.folder.join("sealing.toml"), settings).unwrap();
        service.start();
        Self {
            town,
            service,
            register: keys.register,
            _folder: folder,
        }
    }

    /// A shop with its goods, not open yet.
    pub(super) fn shop(&self, name: &str) -> Party {
        let shop = Party::join(&self.town, "tegata-shop", "shop", name);
        fs::write(shop.folder.join("catalogue.toml"), CATALOGUE).unwrap();
        shop
    }

    /// A shop that is open, with keys in stock.
    pub(super) fn open_shop(&self, name: &str, orders: &str) -> Party {
        let mut shop = self.shop(name);
        self.open(&mut shop, orders);
        shop
    }

    /// Opens a shop (anew) with these settings, and waits until it has keys in stock.
    pub(super) fn open(&self, shop: &mut Party, orders: &str) {
        shop.stop();
        self.set(shop, orders);
        shop.start();
        let scheme = orders.split('"').nth(1).unwrap_or("order-public-1");
        let brought = (0..400).any(|_| {
            moment();
            self.stock(shop, scheme) > 0
        });
        assert!(brought, "no keys for {scheme}: {}", shop.last_log());
    }

    /// Writes a shop's settings.
    pub(super) fn set(&self, shop: &Party, orders: &str) {
        let (number, address) = (self.service.number, &self.service.address);
        let stock = if orders.contains("stock") {
            ""
        } else {
            "stock = 3\n"
        };
        let text = format!(
            "[orders]\nservice = \"{number}\"\nservice_address = \"{address}\"\n\
             keys_per_hour = 1000\n{stock}{orders}\n"
        );
        fs::write(shop.folder.join("shop.toml"), text).unwrap();
    }

    /// How many keys for a scheme the service has in stock for a shop.
    pub(super) fn stock(&self, shop: &Party, scheme: &str) -> u64 {
        let said = self.service.run(&["stock"]);
        let shops = said["shops"].as_array().unwrap();
        let number = shop.number.to_string();
        let of = shops.iter().find(|known| known["shop"] == number.as_str());
        let piles = of.map_or(&[][..], |shop| shop["piles"].as_array().unwrap());
        let piles = piles.iter().filter(|pile| pile["scheme"] == scheme);
        piles.map(|pile| pile["left"].as_u64().unwrap()).sum()
    }

    /// A page of a shop's, or why there's none.
    pub(super) fn get(&self, shop: &Party, path: &str) -> String {
        match Client::default().get(&shop.address, path) {
            Ok(page) => String::from_utf8(page).unwrap(),
            Err(error) => format!("{error} {error:?}"),
        }
    }

    /// The shop as the Rust client knows it.
    pub(super) fn front(&self, shop: &Party) -> Storefront {
        Storefront::shop(&self.record(shop), None)
    }

    pub(super) fn record(&self, party: &Party) -> Verified<PartyRecord> {
        let record = Client::default().get(&party.address, "/v1/record").unwrap();
        PartyRecord::verify(SignedBytes::new(record), &self.register).unwrap()
    }

    /// Orders with the Rust client.
    pub(super) fn order(
        &self,
        shop: &Party,
        member: Option<PartyNumber>,
    ) -> Result<(ReadyOrder, Placed), OrderError> {
        let (front, form) = (self.front(shop), filled(&[(PRODUCT, 1)]));
        let desk = SealingService {
            address: &self.service.address,
            danger_trusted: None,
        };
        let new = NewOrder {
            member,
            ..NewOrder::of(&form)
        };
        let rng = &mut UnwrapErr(SysRng);
        Client::default().place_order(&front, desk, new, now(), rng)
    }

    /// A token for one piece, and the key for it.
    pub(super) fn fetched(&self, shop: &Party) -> (Verified<CartToken>, Verified<OrderKey>) {
        let token = self.token(shop, &[(PRODUCT, 1)]).unwrap();
        let key = self.key(shop, &token).unwrap();
        (token, key)
    }

    pub(super) fn token(
        &self,
        shop: &Party,
        lines: &[(&str, u32)],
    ) -> Result<Verified<CartToken>, OrderError> {
        Client::default().order_token(&self.front(shop), &cart(lines), None, now())
    }

    pub(super) fn key(
        &self,
        shop: &Party,
        token: &Verified<CartToken>,
    ) -> Result<Verified<OrderKey>, OrderError> {
        let desk = SealingService {
            address: &self.service.address,
            danger_trusted: None,
        };
        Client::default().order_key(&self.front(shop), desk, token, now())
    }
}

/// Seals bytes as nobody's client would: whatever they are.
pub(super) fn seal(token: &Verified<CartToken>, key: &Verified<OrderKey>, plain: &[u8]) -> Vec<u8> {
    let binding = Binding::new(key, token.order, token.cart);
    let rng = &mut UnwrapErr(SysRng);
    let sealed = key
        .part
        .seal(token.scheme, &binding, plain, None, rng)
        .unwrap();
    envelope(token, key, sealed)
}

/// A sealed order out of these parts.
pub(super) fn envelope(
    token: &Verified<CartToken>,
    key: &Verified<OrderKey>,
    sealed: Vec<u8>,
) -> Vec<u8> {
    let (token, key) = (token.signed().clone(), key.id);
    SealedOrder {
        token,
        key,
        sealed,
        card: None,
    }
    .to_bytes()
}

pub(super) fn cart(lines: &[(&str, u32)]) -> Vec<CartLine> {
    let line = |(product, quantity): &(&str, u32)| CartLine {
        product: (*product).to_owned(),
        quantity: *quantity,
    };
    lines.iter().map(line).collect()
}

/// The form, filled in.
pub(super) fn filled(lines: &[(&str, u32)]) -> OrderForm {
    let field = |(name, value): (&str, &str)| Field {
        name: name.to_owned(),
        value: FieldValue::Text(value.to_owned()),
    };
    OrderForm {
        lines: cart(lines),
        fields: FIELDS.map(field).into(),
        language: "en".to_owned(),
    }
}

impl Party {
    fn join(town: &Town, program: &'static str, role: &str, name: &str) -> Self {
        let wire = Wire::new();
        let label = name.to_lowercase().replace(' ', "-");
        let address = format!("http://{label}.localhost:{}", wire.address.port());
        let letter = town.apply(role, name).unwrap();
        let (folder, logs) = (town.folder.join(&label), town.folder.join("logs"));
        let party = Self {
            number: letter.number.parse().unwrap(),
            address: address.clone(),
            folder,
            wire,
            programs: town.programs.clone(),
            program,
            passwords: (
                town.password(&format!("{label} A")).unwrap(),
                town.password(&format!("{label} B")).unwrap(),
            ),
            logs,
            starts: 0,
            server: None,
        };
        let named = ["--name", name, "--address", &address];
        let slip = ["join", "--agree", "--slip-file", &letter.slip];
        party.run(&[&slip[..], &named].concat());
        party
    }

    /// The owner's passwords, where the command takes them.
    fn passwords(&self, command: &[&str]) -> Vec<&str> {
        let (a, b) = (&self.passwords.0, &self.passwords.1);
        if self.program != "tegata-shop" {
            return Vec::new();
        }
        let a = ["--password-a-file", a];
        match command.first() {
            Some(&("join" | "serve" | "keys")) => [&a[..], &["--password-b-file", b]].concat(),
            Some(&"orders") if command.contains(&"--form") => a.to_vec(),
            _ => Vec::new(),
        }
    }

    /// The vault of a shop, as its owner opens it.
    pub(super) fn vault(&self) -> (Vault, Keys) {
        let dir = DataDir::open_existing(&self.folder, tegata_shop::cli::PARTY).unwrap();
        let typed = |file: &str| Password::typed(fs::read_to_string(file).unwrap().trim_end());
        let vault = Vault::reading(&dir, &typed(&self.passwords.0)).unwrap();
        let keys = vault.keys(&typed(&self.passwords.1)).unwrap();
        (vault, keys)
    }

    /// Runs a command of its program on its folder; gives what it printed as JSON.
    pub(super) fn run(&self, arguments: &[&str]) -> Value {
        let folder = self.folder.display().to_string();
        let passwords = self.passwords(arguments);
        let all = [arguments, &["--data", &folder, "--json"], &passwords].concat();
        self.programs
            .run(self.program, &all)
            .unwrap()
            .json()
            .unwrap()
    }

    /// One of its files, as an argument.
    pub(super) fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Changes one of its files as its owner would.
    pub(super) fn edit(&self, name: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.folder.join(name)).unwrap();
        assert!(text.contains(old));
        fs::write(self.folder.join(name), text.replacen(old, new, 1)).unwrap();
    }

    /// Does a command of its program refuse?
    pub(super) fn fails(&self, arguments: &[&str]) -> bool {
        let folder = self.folder.display().to_string();
        let passwords = self.passwords(arguments);
        let all = [arguments, &["--data", &folder, "--json"], &passwords].concat();
        self.programs.run(self.program, &all).unwrap().code != Some(0)
    }

    pub(super) fn start(&mut self) {
        self.starts += 1;
        let ready = self.folder.join("address");
        drop(fs::remove_file(&ready));
        let folder = self.folder.display().to_string();
        let serve = ["serve", "--data", &folder, "--listen", "127.0.0.1:0"];
        let serve = [&serve[..], &self.passwords(&serve)].concat();
        let mut server = self
            .programs
            .start(self.program, &serve, &self.log())
            .unwrap();
        let taken = || fs::read_to_string(&ready).ok()?.trim().parse().ok();
        let started = server.wait_for(taken);
        let address = started.unwrap_or_else(|e| panic!("{e:#}: {}", self.last_log()));
        self.wire.lead(address);
        self.server = Some(server);
    }

    fn log(&self) -> PathBuf {
        let name = self.folder.file_name().unwrap().to_string_lossy();
        self.logs.join(format!("{name}-{}.log", self.starts))
    }

    fn last_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap()
    }

    /// What its runs so far have logged.
    pub(super) fn logged(&self) -> Vec<Vec<u8>> {
        let name = self
            .folder
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let logs = fs::read_dir(&self.logs)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let own = |path: &PathBuf| {
            let file = path.file_name().unwrap().to_string_lossy();
            file.strip_prefix(&name)
                .is_some_and(|rest| rest.starts_with('-'))
        };
        logs.filter(own).map(|log| fs::read(log).unwrap()).collect()
    }

    pub(super) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.stop();
        }
    }

    /// Ends it as a power cut would.
    pub(super) fn kill(&mut self) {
        let id = self.server.as_ref().unwrap().id().cast_signed();
        kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
        self.server = None;
    }

    /// All its files' contents, and its logs.
    pub(super) fn everything(&self) -> Vec<Vec<u8>> {
        let files = crate::files(&self.folder);
        let mut all: Vec<Vec<u8>> = files
            .iter()
            .filter_map(|file| fs::read(file).ok())
            .collect();
        all.extend(self.logged());
        all
    }

    /// How many orders were taken, and how many of the product are left, as its own books have it.
    pub(super) fn books(&self) -> (usize, u32) {
        let orders = self.run(&["orders", "list"]);
        // More than there are: the shop says how many are left.
        let wish = format!("{{\"lines\": [[\"{PRODUCT}\", {}]]}}", STOCK + 1);
        let (_, said) = self.post("/v1/orders/token", "application/json", wish.as_bytes());
        let said: Value = serde_json::from_slice(&said)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&said)));
        let left = said["detail"].as_str().unwrap_or_else(|| panic!("{said}"));
        let left = left.split(' ').nth(1).unwrap().parse().unwrap();
        (orders["orders"].as_array().unwrap().len(), left)
    }

    /// What the owner reads of an order.
    pub(super) fn read_form(&self, order: &str) -> Value {
        self.run(&["orders", "show", order, "--form"])["form"].clone()
    }

    /// Posts to it as anybody could; gives status and body.
    pub(super) fn post(&self, path: &str, kind: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let host = self.address.trim_start_matches("http://");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(self.wire.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        // Whoever refuses at the head may close before all has been sent.
        drop(stream.write_all(body));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = messages(&answer).pop().expect("an answer");
        let status = answer.head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.body)
    }

    /// Sends order bytes; gives the receipt's bytes or the refusal's status and code.
    pub(super) fn send(&self, order: &[u8]) -> Result<Vec<u8>, (u16, String)> {
        let (status, body) = self.post("/v1/orders", "application/cbor", order);
        if status == 200 {
            return Ok(body);
        }
        let said: Value = serde_json::from_slice(&body).unwrap();
        Err((status, said["error"].as_str().unwrap().to_owned()))
    }

    /// The orders that were sent to it, as somebody on the wire saw them.
    pub(super) fn orders_seen(&self) -> Vec<Vec<u8>> {
        let posted = self.wire.posted("/v1/orders").into_iter();
        posted
            .filter(|body| SealedOrder::parse(body).is_ok())
            .collect()
    }
}

/// A hexadecimal key out of a file or setting, whatever stands before it.
fn bytes_of(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
    let pairs = digits[digits.len() - 64..].chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

/// A customer's browser.
pub(super) struct Customer(pub Chromium);

impl Customer {
    pub(super) fn new() -> Self {
        let program = browser::installed().expect("TEGATA_CHROMIUM: run cargo xtask test");
        Self(Chromium::start(&program).unwrap())
    }

    /// Puts the product into the cart and opens the order form.
    pub(super) fn opens_form(&mut self, shop: &Party, further: &str) {
        let (shop, add) = (
            &shop.address,
            "document.querySelector('form[action=\"/cart/add\"]')",
        );
        let page = &mut self.0;
        page.go(&format!("{shop}/goods/{PRODUCT}?lang=en")).unwrap();
        page.wait("/goods/", &format!("{add} !== null")).unwrap();
        page.act("/goods/", &format!("{add}.requestSubmit()"))
            .unwrap();
        let full = "document.querySelector('a[href=\"/checkout\"]') !== null";
        page.wait("/cart", full).unwrap();
        page.go(&format!("{shop}/checkout?lang=en{further}"))
            .unwrap();
        let ready =
            "document.querySelector('fieldset') && !document.querySelector('fieldset').disabled";
        page.wait("/form/", ready).unwrap();
    }

    /// Fills the form in.
    pub(super) fn fills(&mut self, selector: &str, value: &str) {
        let value = serde_json::to_string(value).unwrap();
        let fill = format!(
            "(() => {{ const field = document.querySelector('{selector}'); \
             field.value = {value}; return true }})()"
        );
        self.0.act("/form/", &fill).unwrap();
    }

    pub(super) fn fills_all(&mut self) {
        for (name, value) in FIELDS {
            self.fills(&format!("[data-field={name}]"), value);
        }
    }

    pub(super) fn presses(&mut self) {
        self.0
            .act("/form/", "document.querySelector('#order').click()")
            .unwrap();
    }

    /// What the form says once it has settled: a refusal's code, or the order's number.
    pub(super) fn settles(&mut self) -> Result<String, String> {
        let code = "document.querySelector('#status').dataset.code";
        until("the order to settle", || {
            if let Ok(address) = self.0.act("/orders/", "location.pathname") {
                return Some(Ok(address
                    .as_str()?
                    .trim_start_matches("/orders/")
                    .to_owned()));
            }
            let code = self.0.act("/form/", code).ok()?.as_str()?.to_owned();
            (!["", "sealing", "taken"].contains(&&*code)).then_some(Err(code))
        })
    }

    /// What the form says below its button.
    pub(super) fn says(&mut self) -> String {
        let said = "document.querySelector('#status').innerText";
        self.0
            .act("/form/", said)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// What stands in a field.
    pub(super) fn field(&mut self, name: &str) -> String {
        let value = format!("document.querySelector('[data-field={name}]').value");
        self.0
            .act("/form/", &value)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// All of it; gives the order's number.
    pub(super) fn orders(&mut self, shop: &Party, further: &str) -> Result<String, String> {
        self.opens_form(shop, further);
        self.fills_all();
        self.presses();
        self.settles()
    }
}
