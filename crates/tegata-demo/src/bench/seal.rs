//! Sealed orders: what a browser is sent and how long it seals, and how many orders a core opens.
//!
//! The shop's side is its own library on its own database: each order is found, its key unwrapped
//! and grown, the form opened and read; then taken, the key being used up. The limit is what nobody
//! who opens such orders can leave out: the token's signature, the key from its seed, HPKE.

use std::{cell::RefCell, process::Command, sync::Arc};

use anyhow::{Context as _, ensure};
use clap::Args;
use rustix::time::ClockId;
use serde_json::{Value, json};
use tegata_cli::data::{DataDir, Party};
use tegata_orders::{
    Bare, Epochs, OpenError, Own, SCHEMA,
    keys::{NewKeys, Wanted},
    open::{self, Arrival, Opened},
    token,
};
use tegata_protocol::{
    PartyNumber, Role, SignedBytes, SigningKey, Suite, Time, Unverified, Verified, cbor,
    order::{
        Binding, CartLine, CartToken, Field, FieldValue, HandOut, KeySource, Maker, OpeningHalf,
        OrderForm, OrderKey, Scheme, SealedOrder, cart_digest, program, program_digest,
    },
};
use tegata_store::{Connection, Database};

use super::{
    primitives::{Samples, nanos, rng},
    report::{Figure, Flow, Report},
};

/// Orders in a round.
const ORDERS: usize = 256;
/// The scripts of the frames, which browsers keep.
const FRAMES: [&str; 2] = tegata_pages::order::SCRIPTS;

/// How the seal bench is run.
#[derive(Args, Debug)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The shop's own tables aren't measured.
static DATABASE: Database = Database::new("the bench's database", &[&[SCHEMA]]).overwriting();

/// A shop with keys in stock.
struct Desk {
    signing: SigningKey,
    connection: RefCell<Connection>,
    epochs: Arc<Epochs>,
    now: Time,
    lines: Vec<CartLine>,
    _folder: tempfile::TempDir,
}

/// An order as it arrives, and what its limit is measured with.
struct Order {
    bytes: Vec<u8>,
    token: SignedBytes,
    binding: Binding,
    sealed: Vec<u8>,
}

/// Measures and prints.
///
/// # Errors
/// When something doesn't hold, or Chromium isn't there.
pub fn run(options: &Options, rounds: usize) -> anyhow::Result<()> {
    let (mut limit, mut flow) = (Samples::default(), Samples::default());
    for round in 1..=rounds {
        let desk = Desk::open()?;
        let keys = desk.keys(ORDERS)?;
        let orders = keys
            .iter()
            .map(|key| desk.order(key))
            .collect::<Result<Vec<_>, _>>()?;
        desk.measure_limit(&orders, &mut limit)?;
        desk.measure(&orders, &mut flow)?;
        eprintln!("round {round} of {rounds}");
    }
    let browser = in_browser()?;
    report(&limit, &flow, &browser)?.print(options.json);
    Ok(())
}

fn report(limit: &Samples, flow: &Samples, browser: &Value) -> anyhow::Result<Report> {
    let figure = |name: &str| browser[name].as_u64().context("Chromium told no figure");
    let flow_of = |name: &'static str| {
        let cpu = flow.median(name);
        let rate = 1_000_000_000_u64.checked_div(cpu).unwrap_or_default();
        Flow {
            name,
            cpu,
            figures: vec![("orders a core", Figure::PerSecond(rate))],
        }
    };
    Ok(Report {
        bench: "seal",
        limit: limit.medians(),
        flows: vec![flow_of("open an order"), flow_of("take it, durably")],
        facts: vec![
            (
                "delivered, gzipped: key record and program (bytes)",
                Figure::Count(figure("delivered")?),
            ),
            (
                "of these the program (bytes)",
                Figure::Count(figure("program")?),
            ),
            (
                "frames' scripts apart, gzipped (bytes)",
                Figure::Count(figure("apart")?),
            ),
            ("a seal in Chromium", Figure::Nanos(figure("warm")?)),
            (
                "the first, with its worker's start",
                Figure::Nanos(figure("cold")?),
            ),
        ],
    })
}

impl Desk {
    fn open() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let dir = DataDir::open(folder.path(), Party::new("tegata-bench", 1))?;
        let now = super::parties::now();
        let connection = DATABASE.open(&folder.path().join("orders.sqlite"))?;
        let line = |product: &str| CartLine {
            product: product.to_owned(),
            quantity: 2,
        };
        Ok(Self {
            signing: SigningKey::from_seed(&[2; 32]),
            epochs: Arc::new(Epochs::open(&dir, Arc::new(Bare), now)?),
            connection: RefCell::new(connection),
            now,
            lines: vec![line("tea"), line("cup")],
            _folder: folder,
        })
    }

    fn own(&self) -> anyhow::Result<Own<'_>> {
        Ok(Own {
            number: PartyNumber::new(Role::Shop, 7)?,
            signing: &self.signing,
        })
    }

    fn keys(&self, count: usize) -> anyhow::Result<Vec<Verified<OrderKey>>> {
        let wanted = Wanted {
            scheme: Scheme::DEFAULT,
            suite: Suite::Standard,
            source: KeySource::Regular,
            member: None,
            program: program_digest(),
            expires: self.now.after(86_400),
        };
        let keys = NewKeys::grow(self.own()?, &wanted, count, self.now)?;
        let mut connection = self.connection.borrow_mut();
        let signed = connection.write(|c| keys.store(c, &self.epochs))?;
        let verify = |signed| {
            let unverified = Unverified::<OrderKey>::parse(signed)?;
            Ok(unverified.verify(&self.signing.verifying_key())?)
        };
        signed.into_iter().map(verify).collect()
    }

    fn order(&self, key: &Verified<OrderKey>) -> anyhow::Result<Order> {
        let token = CartToken {
            recipient: self.own()?.number,
            order: token::new_order(),
            cart: cart_digest(&self.lines),
            total: None,
            scheme: Scheme::DEFAULT,
            maker: Maker::Recipient,
            compact: false,
            member: None,
            service: PartyNumber::new(Role::Sealing, 1)?,
            expires: self.now.after(3600),
        };
        let binding = Binding::new(key, token.order, token.cart);
        let signed = self.signing.sign(&token);
        let form = form(&self.lines).to_bytes();
        let sealed = key
            .part
            .seal(Scheme::DEFAULT, &binding, &form, None, &mut rng())?;
        let order = SealedOrder {
            token: signed.clone(),
            key: key.id,
            sealed: sealed.clone(),
            card: None,
        };
        Ok(Order {
            bytes: order.to_bytes(),
            token: signed,
            binding,
            sealed,
        })
    }

    /// What can't be left out, each by itself over as many different inputs.
    fn measure_limit(&self, orders: &[Order], samples: &mut Samples) -> anyhow::Result<()> {
        let half =
            |seed: &[u8; 32]| OpeningHalf::from_seed(Scheme::DEFAULT.kind(), Suite::Standard, seed);
        let verified = timed(orders, |order| {
            let token = Unverified::<CartToken>::parse(order.token.clone())?;
            token.verify(&self.signing.verifying_key())?;
            Ok(())
        })?;
        samples.add("verify the token (Ed25519)", verified);
        let grown = timed(orders, |order| {
            let mut seed = [0; 32];
            seed.copy_from_slice(order.sealed.get(..32).context("short")?);
            std::hint::black_box(half(&seed));
            Ok(())
        })?;
        samples.add("the one-time key from its seed", grown);
        // Sealed to one key, so that growing it isn't counted twice.
        let seed = [7; 32];
        let key = half(&seed);
        let sealed = orders.iter().map(|order| {
            let form = form(&self.lines).to_bytes();
            let part = key.sealing_part();
            let sealed = part.seal(Scheme::DEFAULT, &order.binding, &form, None, &mut rng())?;
            Ok((sealed, &order.binding))
        });
        let sealed = sealed.collect::<anyhow::Result<Vec<_>>>()?;
        let opened = timed(&sealed, |(sealed, binding)| {
            key.open(Scheme::DEFAULT, binding, sealed)?;
            Ok(())
        })?;
        samples.add("open (HPKE, X-Wing) with its layer", opened);
        Ok(())
    }

    fn measure(&self, orders: &[Order], samples: &mut Samples) -> anyhow::Result<()> {
        let (own, mut opened) = (self.own()?, Vec::with_capacity(orders.len()));
        let cost = timed(orders, |order| {
            let connection = self.connection.borrow();
            match open::open(&connection, own, &self.epochs, &order.bytes, self.now)? {
                Arrival::New(order) => opened.push(*order),
                Arrival::Known(_) => anyhow::bail!("an order came twice"),
            }
            Ok(())
        })?;
        samples.add("open an order", cost);
        let taken = timed(&opened, |order: &Opened| {
            self.connection.borrow_mut().write(|c| {
                order.consume(c, own, self.now, || Ok::<_, OpenError>(None))?;
                Ok(())
            })
        })?;
        samples.add("take it, durably", cost.saturating_add(taken));
        Ok(())
    }
}

/// CPU time of one call on this thread.
fn timed<T>(inputs: &[T], mut call: impl FnMut(&T) -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let start = nanos(ClockId::ThreadCPUTime);
    inputs.iter().try_for_each(&mut call)?;
    let spent = nanos(ClockId::ThreadCPUTime).saturating_sub(start);
    let count = u64::try_from(inputs.len())?;
    Ok(spent.checked_div(count).unwrap_or_default())
}

/// An order as people place it.
fn form(lines: &[CartLine]) -> OrderForm {
    let field = |name: &str, value: &str| Field {
        name: name.to_owned(),
        value: FieldValue::Text(value.to_owned()),
    };
    OrderForm {
        lines: lines.to_vec(),
        fields: vec![
            field("name", "Yamada Hanako"),
            field("postal_code", "920-0962"),
            field("address", "1-2-3 Hirosaka, Kanazawa, Ishikawa"),
            field("telephone", "076-000-0000"),
            field("note", "Please wrap the cups one by one."),
        ],
        language: "ja".to_owned(),
    }
}

/// The same order, sealed by the program in Chromium.
fn in_browser() -> anyhow::Result<Value> {
    let desk = Desk::open()?;
    let keys = desk.keys(1)?;
    let key = keys.first().context("a key")?;
    let order = desk.order(key)?;
    let tegata_protocol::order::Part::Public(public) = &key.part else {
        anyhow::bail!("the default scheme has public keys");
    };
    let hand_out = HandOut {
        key: key.signed().clone(),
        program: program().to_owned(),
    };
    let delivered = tegata_sealing::packing::pack(&cbor::encode(&hand_out))?.len();
    let job = json!({
        "suite": 2, "layers": 1, "typed": "",
        "key": hex(public.as_bytes()), "info": hex(&order.binding.info()),
        "form": hex(&form(&desk.lines).to_bytes()),
    });
    let given = json!({
        "program": program(), "frames": FRAMES, "job": job,
    });
    let folder = tempfile::tempdir()?;
    let (script, input) = (
        folder.path().join("seal.mjs"),
        folder.path().join("given.json"),
    );
    std::fs::write(&script, include_str!("seal.mjs"))?;
    std::fs::write(&input, given.to_string())?;
    let output = Command::new("node").arg(script).arg(input).output();
    let output = output.context("node can't be started; `cargo xtask bench seal` brings it")?;
    ensure!(
        output.status.success(),
        "Chromium: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut told: Value = serde_json::from_slice(&output.stdout)?;
    told["delivered"] = json!(delivered);
    Ok(told)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
