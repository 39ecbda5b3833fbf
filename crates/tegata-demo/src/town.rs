//! The parties of the town, each set up by its own program in its own folder.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use serde_json::Value;
use tegata_shop::catalogue::sample;

use crate::{
    processes::{Ended, Programs, Server},
    recorder::{Keep, Recorder, between},
};

/// Our account at the bank, as the sample statements have it.
pub const ACCOUNT: &str = "0033-001-1234567";
/// The town's name.
pub const TOWN: &str = "Hanamizuki Town";

/// The catalogue that the demonstration's shop edits: one event is nearly sold out.
const CATALOGUE: &str = include_str!("../catalogue.toml");

/// Everything that the story needs.
#[derive(Debug)]
pub struct Town {
    /// The programs.
    pub programs: Programs,
    /// Where everything lies.
    pub folder: PathBuf,
    /// What travelled.
    pub recorder: Arc<Recorder>,
    /// Running servers, ended in this order.
    pub servers: Vec<Server>,
    /// Wallets whose pages are served, by their folders.
    wallets: BTreeMap<String, Server>,
    /// The guard's own address.
    pub guard: SocketAddr,
    /// The shop's own address.
    pub shop: Option<SocketAddr>,
    /// The gate's page.
    pub gate: Option<SocketAddr>,
    /// The sealing service's own address.
    pub sealing: Option<SocketAddr>,
    /// Where Aiko's wallet shows its page.
    pub wallet_port: Option<u16>,
    /// What the shop's owner wrote into its settings.
    pub shop_settings: String,
    /// The card service, if this machine has one: it ends with the town.
    pub(crate) card_service: Option<crate::card_service::Service>,
}

/// A member: a wallet's folder and passwords, and the addresses that it uses.
#[derive(Clone, Debug)]
pub struct Member {
    /// A name for artefacts and folders.
    pub name: &'static str,
    data: String,
    a: String,
    b: String,
    /// The centre, as this member reaches it.
    pub centre: SocketAddr,
    /// The shop, as this member reaches it.
    pub shop: Option<SocketAddr>,
}

/// Which passwords a wallet's command gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// None.
    Nothing,
    /// A alone.
    A,
    /// A and B.
    Both,
}

/// How many messages the centre takes from each party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// As many as `tegata-centre init` sets.
    Usual,
    /// Any number: a few parties of a bench stand for many.
    Off,
}

impl Town {
    /// Founds a town in `folder`: root, centre, guard.
    ///
    /// # Errors
    /// When a program doesn't do its part.
    pub fn found(programs: Programs, folder: PathBuf, limits: Limits) -> anyhow::Result<Self> {
        let recorder = Recorder::new(folder.join("artifacts"))?;
        fs::create_dir_all(folder.join("logs"))?;
        let guard = SocketAddr::from(([127, 0, 0, 1], 0));
        let (servers, shop, gate) = (Vec::new(), None, None);
        let mut town = Self {
            programs,
            folder,
            recorder,
            servers,
            wallets: BTreeMap::new(),
            guard,
            shop,
            gate,
            sealing: None,
            wallet_port: None,
            shop_settings: String::new(),
            card_service: None,
        };
        town.found_centre(limits)?;
        Ok(town)
    }

    /// A path in the town's folder, as an argument.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn found_centre(&mut self, limits: Limits) -> anyhow::Result<()> {
        let (root, centre) = (self.path("root"), self.path("centre"));
        let (root_password, operator) = (self.password("root")?, self.password("operator")?);
        self.centre(&[
            "root",
            "new",
            "--root",
            &root,
            "--password-file",
            &root_password,
        ])?
        .done()?;
        // The guard is first, so that its address can stand in letters.
        let guard = self.start_guard()?;
        let address = format!("http://{guard}");
        self.centre(&[
            "init",
            "--data",
            &centre,
            "--name",
            TOWN,
            "--address",
            &address,
            "--currency",
            "JPY",
            "--account",
            ACCOUNT,
            "--owner",
            "Hanamizuki Town Association",
            "--password-file",
            &operator,
        ])?
        .done()?;
        let certify = ["root", "certify", "--root", &root, "--data", &centre];
        let certify = [&certify[..], &["--password-file", &root_password]].concat();
        self.centre(&certify)?.done()?;
        if limits == Limits::Off {
            self.lift_limits()?;
        }
        self.open_card_keys()?;
        self.start_centre()
    }

    /// Sets up the card-key server; the centre's settings name it.
    fn open_card_keys(&mut self) -> anyhow::Result<()> {
        let (data, password) = (self.path("card-keys"), self.password("card keys")?);
        let init = ["init", "--data", &data, "--password-file", &password];
        self.programs.run("tegata-card-keys", &init)?.done()?;
        let socket = self.folder.join("card-keys/card-keys.sock");
        let log = self.folder.join("logs/card-keys.log");
        let gates = self.path("card-keys/gates.sock");
        let serve = ["serve", "--data", &data, "--password-file", &password];
        let serve = [&serve[..], &["--gate-socket", &gates]].concat();
        let mut server = self.programs.start("tegata-card-keys", &serve, &log)?;
        server.wait_for(|| socket.exists().then_some(()))?;
        self.servers.push(server);
        let file = self.folder.join("centre/centre.toml");
        let settings = fs::read_to_string(&file)?;
        let cards = format!(
            "{settings}\n[cards]\nsocket = {:?}\n",
            socket.display().to_string()
        );
        fs::write(&file, cards).with_context(|| format!("writing {}", file.display()))
    }

    fn lift_limits(&self) -> anyhow::Result<()> {
        let file = self.folder.join("centre/centre.toml");
        let settings = fs::read_to_string(&file)?;
        let others = settings.split_once("[pace]").map(|(others, _)| others);
        let others = others.context("centre.toml has no [pace]")?;
        let lifted = format!("{others}[pace]\nmembers = 0\nshops = 0\ngates = 0\n");
        fs::write(&file, lifted).with_context(|| format!("writing {}", file.display()))
    }

    /// Runs a command of the centre's.
    ///
    /// # Errors
    /// When it can't be run.
    pub fn centre(&self, arguments: &[&str]) -> anyhow::Result<Ended> {
        self.programs.run("tegata-centre", arguments)
    }

    /// The centre offers a program with its signed digest (M1).
    ///
    /// # Errors
    /// When it can't be published.
    pub fn publish(&self, program: &str) -> anyhow::Result<()> {
        let file = self.programs.path(program).display().to_string();
        let centre = self.path("centre");
        let publish = [
            "programs",
            "publish",
            &file,
            "--edition",
            "demo",
            "--data",
            &centre,
        ];
        self.centre(&publish)?.done()?;
        Ok(())
    }

    fn start_guard(&mut self) -> anyhow::Result<SocketAddr> {
        let (data, socket) = (self.path("guard"), self.path("centre/centre.sock"));
        let arguments = [
            "--data",
            &data,
            "--centre",
            &socket,
            "--listen",
            "127.0.0.1:0",
            "--host",
            "centre.localhost",
        ];
        self.guard = self.serve("tegata-guard", &arguments, "guard")?;
        Ok(self.guard)
    }

    fn start_centre(&mut self) -> anyhow::Result<()> {
        let data = self.path("centre");
        let log = self.folder.join("logs/centre.log");
        let mut server = self
            .programs
            .start("tegata-centre", &["serve", "--data", &data], &log)?;
        let socket = self.folder.join("centre/operator.sock");
        server.wait_for(|| socket.exists().then_some(()))?;
        self.servers.push(server);
        Ok(())
    }

    /// Starts a server that writes the address it took into its folder.
    ///
    /// # Errors
    /// When it doesn't start.
    pub fn serve(
        &mut self,
        program: &str,
        arguments: &[&str],
        folder: &str,
    ) -> anyhow::Result<SocketAddr> {
        let file = self.folder.join(folder).join("address");
        drop(fs::remove_file(&file));
        let log = self.folder.join(format!("logs/{folder}.log"));
        let mut server = self.programs.start(program, arguments, &log)?;
        let read = || fs::read_to_string(&file).ok()?.trim().parse().ok();
        let address = server
            .wait_for(read)
            .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        self.servers.push(server);
        Ok(address)
    }

    /// A file with a password, which only its owner may read.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn password(&self, whose: &str) -> anyhow::Result<String> {
        let folder = self.folder.join("passwords");
        fs::create_dir_all(&folder)?;
        let path = folder.join(whose);
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        std::io::Write::write_all(&mut file, format!("the {whose} password\n").as_bytes())?;
        Ok(path.display().to_string())
    }

    /// Somebody applies on the guide page; the operator grants it; the letter's slip is a file.
    ///
    /// # Errors
    /// When it isn't granted.
    pub fn apply(&self, role: &str, name: &str) -> anyhow::Result<Letter> {
        let form = [
            ("role", role),
            ("name", name),
            ("postal", "1-2-3 Sakura Street; Hanamizuki"),
        ];
        let answer = post_form(&format!("http://{}/apply", self.guard), &form)?;
        let application = answer["application"]
            .as_u64()
            .context("no application number")?;
        let centre = self.path("centre");
        let number = application.to_string();
        let grant = [
            "applications",
            "grant",
            &number,
            "--data",
            &centre,
            "--json",
        ];
        let granted = self.centre(&grant)?.json()?;
        let text = |key: &str| {
            granted[key]
                .as_str()
                .map(str::to_owned)
                .context("no letter")
        };
        Ok(Letter {
            number: text("number")?,
            slip: text("slip")?,
        })
    }

    /// A member's side: a folder, passwords, and recording proxies to the others.
    ///
    /// # Errors
    /// When a proxy can't listen.
    pub async fn member(&self, name: &'static str) -> anyhow::Result<Member> {
        let centre = between(&self.recorder, (name, "centre"), self.guard, Keep::All).await?;
        let shop = match self.shop {
            Some(shop) => Some(between(&self.recorder, (name, "shop"), shop, Keep::All).await?),
            None => None,
        };
        let (a, b) = (
            self.password(&format!("{name} A"))?,
            self.password(&format!("{name} B"))?,
        );
        let data = self.path(&format!("wallet-{name}"));
        Ok(Member {
            name,
            data,
            a,
            b,
            centre,
            shop,
        })
    }

    /// Runs a wallet's command; its output is JSON.
    ///
    /// # Errors
    /// When it can't be run.
    pub fn wallet(
        &self,
        member: &Member,
        given: Given,
        arguments: &[&str],
    ) -> anyhow::Result<Ended> {
        let mut all = vec!["--data", &member.data, "--json"];
        all.extend(arguments);
        if given != Given::Nothing {
            all.extend(["--password-a-file", &member.a]);
        }
        if given == Given::Both {
            all.extend(["--password-b-file", &member.b]);
        }
        self.programs.run("tegata-wallet", &all)
    }

    /// Opens the shop: it joins by its letter, edits its catalogue, and serves.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn open_shop(&mut self, letter: &Letter) -> anyhow::Result<Value> {
        let data = self.path("shop-books");
        // The address must be known before it's registered: a port that is free just now.
        let address = free_port()?;
        let url = format!("http://shop.localhost:{}", address.port());
        let keep = Keep::LargerThan(2600, "capture");
        let centre = between(&self.recorder, ("shop", "centre"), self.guard, keep).await?;
        let centre = format!("http://{centre}");
        let (a, b) = (self.password("books A")?, self.password("books B")?);
        let owner = ["--password-a-file", &a, "--password-b-file", &b];
        let join = [
            "join",
            "--data",
            &data,
            "--slip-file",
            &letter.slip,
            "--name",
            "Hanamizuki Books",
            "--address",
            &url,
            "--no-words",
            "--agree",
            "--json",
        ];
        let joined = self
            .programs
            .run("tegata-shop", &[&join[..], &owner].concat())?;
        let joined = joined.json()?;
        self.furnish(Path::new(&data))?;
        let listen = address.to_string();
        let serve = [
            "serve", "--data", &data, "--listen", &listen, "--centre", &centre,
        ];
        let serve = [&serve[..], &owner].concat();
        self.shop = Some(self.serve("tegata-shop", &serve, "shop-books")?);
        Ok(joined)
    }

    /// The shop's owner lays out goods and tickets: the sample shop, with this town's events.
    fn furnish(&self, data: &Path) -> anyhow::Result<()> {
        sample::write(data)?;
        let file = data.join("catalogue.toml");
        let goods = fs::read_to_string(&file)?;
        let goods = goods.split("[[offer]]").next().unwrap_or_default();
        let offers = CATALOGUE
            .find("[[offer]]")
            .and_then(|at| CATALOGUE.get(at..));
        fs::write(&file, [goods, offers.unwrap_or_default()].concat())?;
        fs::write(data.join("shop.toml"), &self.shop_settings)?;
        Ok(())
    }

    /// Sets up the gate: it joins by its letter; its record goes to the shop as a file.
    ///
    /// # Errors
    /// When a step fails.
    pub fn set_up_gate(&mut self, letter: &Letter) -> anyhow::Result<Value> {
        let data = self.path("gate-hall");
        let joined = self.programs.run(
            "tegata-gate",
            &[
                "join",
                "--data",
                &data,
                "--slip-file",
                &letter.slip,
                "--name",
                "Hall, north door",
                "--address",
                "http://gate.localhost:7404",
                "--agree",
                "--json",
            ],
        )?;
        joined.json()
    }

    /// The shop writes check data for the gate into a file, and the gate loads it (T8): carried by
    /// hand, no network between them.
    ///
    /// # Errors
    /// When a step fails.
    pub fn carry_check_data(&self, series: u32) -> anyhow::Result<String> {
        let (shop, gate) = (self.path("shop-books"), self.path("gate-hall"));
        let (record, file) = (
            self.path("gate-hall/record.cose"),
            self.path(&format!("check-{series}")),
        );
        let number = series.to_string();
        let (a, b) = (self.password("books A")?, self.password("books B")?);
        let export = [
            "check-data",
            "--data",
            &shop,
            "--series",
            &number,
            "--gate",
            &record,
            "--out",
            &file,
            "--password-a-file",
            &a,
            "--password-b-file",
            &b,
        ];
        self.programs.run("tegata-shop", &export)?.done()?;
        let shop_record = self.path("shop-books/record.cose");
        let load = [
            "load",
            "--data",
            &gate,
            &file,
            "--shop-record",
            &shop_record,
        ];
        self.programs.run("tegata-gate", &load)?.done()
    }

    /// The gate checks a scanned code.
    ///
    /// # Errors
    /// When it can't be run.
    pub fn check(&self, series: u32, scanned: &str) -> anyhow::Result<Ended> {
        let (data, event) = (self.path("gate-hall"), series.to_string());
        self.programs.run(
            "tegata-gate",
            &[
                "check", "--data", &data, "--event", &event, "--text", scanned, "--json",
            ],
        )
    }

    /// Opens a wallet's own page; gives its one-time link.
    ///
    /// # Errors
    /// When it doesn't start.
    pub fn wallet_page(&mut self, member: &Member) -> anyhow::Result<String> {
        let folder = format!("wallet-{}", member.name);
        // Where the shop sends whoever pays with a wallet on this machine.
        let port = self
            .wallet_port
            .filter(|_| member.name == "aiko")
            .unwrap_or(0);
        let listen = format!("127.0.0.1:{port}");
        let serve = ["serve", "--data", &member.data, "--listen", &listen];
        // One after the other: the link of the one before is worth nothing any more, and its session,
        // if it's open, holds the vault.
        drop(self.wallets.remove(&folder));
        self.serve("tegata-wallet", &serve, &folder)?;
        let log = self.folder.join(format!("logs/{folder}.log"));
        // It's printed a moment after the address stands in its file.
        let link = || {
            let text = fs::read_to_string(&log).ok()?;
            let mut words = text.split_whitespace();
            words.find(|w| w.starts_with("http://")).map(str::to_owned)
        };
        let mut server = self.servers.pop().context("no wallet serves")?;
        let link = server
            .wait_for(link)
            .with_context(|| format!("{folder} printed no link"))?;
        self.wallets.insert(folder, server);
        Ok(link)
    }

    /// Ends every server, the youngest first.
    pub fn close(&mut self) {
        self.wallets.clear();
        while let Some(mut server) = self.servers.pop() {
            server.stop();
        }
        self.card_service = None;
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a letter brings.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The number handed out.
    pub number: String,
    /// The file with the machine-readable line.
    pub slip: String,
}

pub(crate) fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// Posts a form as the guide page's form does, asking for JSON.
fn post_form(url: &str, fields: &[(&str, &str)]) -> anyhow::Result<Value> {
    let client = tegata_party::client::Client::default();
    let bytes = client
        .post_form(url, fields)
        .with_context(|| format!("posting to {url}"))?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// This moment.
pub(crate) fn now() -> tegata_protocol::Time {
    tegata_protocol::Time::from_secs(tegata_cli::clock::now())
}
