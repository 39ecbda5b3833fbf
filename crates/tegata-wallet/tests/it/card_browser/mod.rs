//! Card payments in a real Chromium: a shop's guide leads through one, and guides that want more get
//! nothing. The card is a real applet in an image; where `tegata-card` lies beside the wallet's program,
//! it's reached through that process.

mod guests;

use std::{
    net::UdpSocket,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use serde_json::{Value, json};
use tegata_http::serve::{self, Bound, Stop};
use tegata_protocol::{Digest, SignedBytes};
use tegata_wallet::{
    card_reader::{CardReader, Readers},
    page::{Desk, HOST, router},
};

use crate::{
    browser::driven, page::encoded, page_card::OnImage, story::joined, town::Town, vault::A,
    web_shop::WebShop,
};

const GUIDE: &str = include_str!("../../../../tegata-shop/src/card_interface.js");
const PICTURES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/screenshots");

/// A wallet's page that a browser can visit, its card loaded with 5,000, and a shop.
struct Fair {
    town: Town,
    shop: WebShop,
    /// Somebody else's server, who should hear nothing.
    stranger: WebShop,
    packets: Arc<AtomicUsize>,
    udp: u16,
    own: String,
    link: String,
    folder: tempfile::TempDir,
    stopper: Option<serve::Stopper>,
    serving: Option<JoinHandle<()>>,
}

impl Drop for Fair {
    fn drop(&mut self) {
        if let Some(stopper) = self.stopper.take() {
            stopper.stop();
        }
        if let Some(serving) = self.serving.take() {
            drop(serving.join());
        }
    }
}

fn reader(image: &Path) -> Arc<dyn Readers> {
    let program = Path::new(env!("CARGO_BIN_EXE_tegata-wallet")).with_file_name("tegata-card");
    if !program.exists() {
        return Arc::new(OnImage::of(image));
    }
    Arc::new(CardReader {
        reader: None,
        image: Some(image.to_owned()),
        program: Some(program),
        wait: 5,
    })
}

impl Fair {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (town, shop, stranger) = (Town::start(), WebShop::start(), WebShop::start());
        drop(joined(&town, folder.path()));
        town.book().balance = 10_000;
        let image: PathBuf = folder.path().join("card.image");
        town.issue_card(&image);
        town.book().ic().owed = 5_000;
        let (udp, packets) = listening();
        let (send, receive) = std::sync::mpsc::channel();
        let (data, readers) = (folder.path().to_owned(), reader(&image));
        let serving = std::thread::spawn(move || {
            serve::runtime().unwrap().block_on(async {
                let (stop, stopper) = Stop::by_hand();
                let bound = Bound::unannounced().await.unwrap();
                let port = bound.address().unwrap().port();
                let desk = Arc::new(Desk::new(data, port).with_readers(readers));
                send.send((port, desk.link(HOST), stopper)).unwrap();
                bound.run(router(desk), stop).await;
            });
        });
        let (port, link, stopper) = receive.recv().unwrap();
        Self {
            town,
            shop,
            stranger,
            packets,
            udp,
            own: format!("http://{HOST}:{port}"),
            link,
            folder,
            stopper: Some(stopper),
            serving: Some(serving),
        }
    }

    /// A bill that names this guide, which the shop offers.
    fn bill(&self, guide: &str) -> SignedBytes {
        self.shop
            .put("/v1/card-interface", guide.as_bytes().to_vec());
        self.shop
            .bill(|bill| bill.interface = Some(Digest::of(guide.as_bytes())))
    }

    fn pay(&self, bill: &SignedBytes) -> String {
        let shop = encoded(&self.shop.address);
        let back = encoded(&format!("{}/orders/0d0d", self.shop.address));
        let digest = bill.digest();
        format!(
            "{}/pay?shop={shop}&bill={digest}&back={back}&on=1",
            self.own
        )
    }

    /// Opens the wallet, lays the card on once, goes to the bill, and on as the steps say.
    fn visit(&self, bill: &SignedBytes, mut plan: Value) -> Value {
        let mut steps = vec![
            json!(["goto", self.link]),
            json!(["fill", "input[name=a]", A]),
            json!(["click", "form button"]),
            json!(["goto", format!("{}/card", self.own)]),
            json!(["click", "form[action='/card/show'] button"]),
            json!(["look", "card"]),
            json!(["goto", self.pay(bill)]),
        ];
        steps.extend(plan["steps"].as_array().unwrap().iter().cloned());
        plan["steps"] = json!(steps);
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/card_browser/drive.mjs"
        );
        let told = driven(script, &plan);
        assert_eq!(told["axe"], json!([]));
        told
    }

    fn on_card(&self) -> u32 {
        self.town.book().ic().on_card
    }
}

/// Counts packets to a port of its own.
fn listening() -> (u16, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (port, packets) = (
        socket.local_addr().unwrap().port(),
        Arc::new(AtomicUsize::new(0)),
    );
    let counted = Arc::clone(&packets);
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while socket.recv_from(&mut buffer).is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, packets)
}

/// What the console says beside Chromium's advice on password fields.
fn complaints(told: &Value) -> Vec<&str> {
    let messages = told["messages"].as_array().unwrap().iter();
    messages
        .map(|m| m.as_str().unwrap())
        .filter(|m| !m.starts_with("[DOM]"))
        .collect()
}

fn text<'a>(told: &'a Value, key: &str) -> &'a str {
    told[key].as_str().unwrap_or_default()
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_shops_guide_leads_through_a_payment_and_the_wallet_asks_twice() {
    let fair = Fair::open();
    let bill = fair.bill(GUIDE);
    let told = fair.visit(
        &bill,
        json!({"steps": [
            ["guideSays", "Look at the lines above."],
            ["text", "quote", "main"],
            ["click", "#card-stage form button"],
            ["guideSays", "Lay your card on the reader"],
            ["guide", "text=My card lies there"],
            ["state", "asking"],
            ["guideSays", "Your wallet shows the amount"],
            ["eval", "focus", "document.activeElement.id"],
            ["guide", "text=Read aloud"],
            ["text", "asked", "#card-stage"],
            ["eval", "token", "document.querySelector('#card-guide').outerHTML.includes(document.querySelector('[name=csrf]').value)"],
            ["click", "#card-stage button.danger"],
            ["state", "paid"],
            ["guideSays", "Paid. Thank you!"],
            ["click", "#card-stage .aloud button"],
            ["text", "paid", "#card-stage"],
            ["text", "title", "h1"],
            ["eval", "spoken", "globalThis.spoken"],
            ["eval", "heard", "globalThis.heard.map(h => h.ask)"],
        ]}),
    );
    for part in ["Maple tea, 100 g", "JPY 4,350", "Pay with my card"] {
        assert!(text(&told, "quote").contains(part), "{part}: {told:#}");
    }
    for part in [
        "JPY 5,000",
        "JPY 650",
        "Take JPY 4,350 off the card",
        "Don't pay",
    ] {
        assert!(text(&told, "asked").contains(part), "{part}: {told:#}");
    }
    assert_eq!(told["focus"], "card-stage", "the new question is gone to");
    assert_eq!(told["token"], false);
    assert!(
        text(&told, "paid").contains("Your card has paid"),
        "{told:#}"
    );
    assert_eq!(told["title"], "Paid");
    assert_eq!(
        told["spoken"],
        json!([
            [
                "en",
                "You pay 4350 yen to Kissa Momiji. On the card are 5000 yen; 650 yen will be left."
            ],
            ["en", "Paid. 650 yen are left on the card."],
        ])
    );
    assert_eq!(told["heard"], json!(["ready", "begin", "aloud"]));
    assert_eq!(complaints(&told), [""; 0], "the console is quiet");
    assert_eq!(fair.on_card(), 650);
    assert_eq!(fair.town.book().ic().made.len(), 1);
    assert_eq!(fair.shop.asked("/v1/card-interface"), 1);
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn a_guide_with_one_byte_changed_is_not_run() {
    let fair = Fair::open();
    let bill = fair.bill(GUIDE);
    let mut altered = GUIDE.as_bytes().to_vec();
    let last = altered.len() - 2;
    altered[last] ^= 1;
    fair.shop.put("/v1/card-interface", altered);
    let told = fair.visit(
        &bill,
        json!({"steps": [
            ["wait", "#card-said:not(:empty)"],
            ["text", "said", "#card-said"],
            ["count", "frames", "iframe"],
            ["look", "altered"],
            ["click", "#card-stage form button"],
            ["state", "asking"],
            ["count", "later", "iframe"],
            ["click", "#card-stage button.danger"],
            ["state", "paid"],
        ]}),
    );
    assert!(
        text(&told, "said").contains("isn't what its signed bill names"),
        "{told:#}"
    );
    assert_eq!((&told["frames"], &told["later"]), (&json!(0), &json!(0)));
    assert_eq!(fair.on_card(), 650, "its own pages went on");
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn without_javascript_the_forms_alone_pay() {
    let fair = Fair::open();
    let bill = fair.bill(GUIDE);
    let told = fair.visit(
        &bill,
        json!({"javascript": false, "steps": [
            ["count", "frames", "iframe"],
            ["text", "quote", "main"],
            ["click", "#card-stage form button"],
            ["state", "asking"],
            ["click", "#card-stage button.danger"],
            ["state", "paid"],
        ]}),
    );
    assert_eq!(told["frames"], 0);
    for hidden in ["Read aloud", "guides you"] {
        assert!(!text(&told, "quote").contains(hidden), "{told:#}");
    }
    assert_eq!(fair.on_card(), 650);
    assert_eq!(fair.shop.asked("/v1/card-interface"), 0);
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn keys_alone_pay() {
    let fair = Fair::open();
    let bill = fair.bill(GUIDE);
    fair.visit(
        &bill,
        json!({"steps": [
            ["guideSays", "Look at the lines above."],
            ["eval", "x", "document.querySelector('#card-stage form button').focus()"],
            ["press", "Enter"],
            ["press", "Enter"],
            ["state", "asking"],
            // From the stage: read aloud, take off.
            ["press", "Tab"],
            ["press", "Tab"],
            ["eval", "focus", "document.activeElement.value"],
            ["press", "Enter"],
            ["state", "paid"],
        ]}),
    );
    assert_eq!(fair.on_card(), 650);
}

#[test]
#[ignore = "needs TEGATA_CHROMIUM: run cargo xtask test"]
fn everybody_can_use_the_card_pages() {
    std::fs::create_dir_all(PICTURES).unwrap();
    for (language, take) in [("en", "Look at the lines"), ("ja", "上の明細を")] {
        for (device, width, height) in [("phone", 390, 844), ("desktop", 1100, 900)] {
            for dark in [false, true] {
                let light = if dark { "dark" } else { "light" };
                let fair = Fair::open();
                let bill = fair.bill(GUIDE);
                let told = fair.visit(
                    &bill,
                    json!({
                        "viewport": {"width": width, "height": height}, "dark": dark,
                        "locale": language, "axe": true,
                        "screenshot": format!("{PICTURES}/card-{language}-{device}-{light}"),
                        "steps": [
                            ["guideSays", take],
                            ["look", "quote"],
                            ["click", "#card-stage form button"],
                            ["look", "waiting"],
                            ["click", "#card-stage form button"],
                            ["state", "asking"],
                            ["click", "#card-stage .aloud button"],
                            ["look", "asking"],
                            ["click", "#card-stage button[value=no]"],
                            ["state", "refused"],
                            ["look", "refused"],
                            ["click", "#card-stage form button"],
                            ["state", "asking"],
                            ["click", "#card-stage button.danger"],
                            ["state", "paid"],
                            ["look", "paid"],
                            ["goto", format!("{}/card", fair.own)],
                            ["click", "form:has(input[value=lost]) button"],
                            ["look", "lost"],
                        ],
                    }),
                );
                assert_eq!(told["axe"], json!([]));
                assert_eq!(fair.on_card(), 650);
            }
        }
    }
}
