//! Paying with a card on the wallet's page: a real applet in an image, the real card-key server's core
//! behind the town's centre, and forms as a browser without scripts sends them.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::http::StatusCode;
use tegata_card::{
    applet::Applet,
    chip::Chip as _,
    image::FileMemory,
    link::{InProcess, Link, LinkError},
};
use tegata_protocol::{SignedBytes, refusal::Code};
use tegata_wallet::{
    CardTrouble, Wallet, card_reader::Readers, kept::BillStatus, page::Desk, wallet::Access,
};

use crate::{
    page::{Browser, Seen, encoded},
    story::{joined, wanted},
    town::{Mischief, Town, cards::card_number, now, yen},
    vault::{A, B, pw},
    web_shop::{COST, WebShop},
};

/// What goes wrong at the reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mishap {
    #[default]
    None,
    NoCard,
    Broken,
    /// The answer to the order's bytes never arrives; the card has done as told.
    PulledOut,
}

/// A reader with the card of an image on it.
#[derive(Clone, Debug)]
pub(crate) struct OnImage {
    image: PathBuf,
    mishap: Arc<Mutex<Mishap>>,
    open: Arc<AtomicUsize>,
}

impl OnImage {
    pub(crate) fn of(image: &Path) -> Self {
        Self {
            image: image.to_owned(),
            mishap: Arc::default(),
            open: Arc::default(),
        }
    }
}

impl Readers for OnImage {
    fn open(&self) -> Result<Box<dyn Link + Send>, CardTrouble> {
        let mishap = *self.mishap.lock().unwrap();
        match mishap {
            Mishap::NoCard => return Err(CardTrouble::NoCard),
            Mishap::Broken => return Err(CardTrouble::Reader("the reader is on fire".into())),
            Mishap::None | Mishap::PulledOut => {}
        }
        // Locked: a card can't lie on two readers.
        let memory =
            FileMemory::open(&self.image).map_err(|e| CardTrouble::Reader(e.to_string()))?;
        let mut applet = Applet::new(memory);
        applet.power_on();
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(OnReader {
            card: InProcess(applet),
            mishap: Arc::clone(&self.mishap),
            open: Arc::clone(&self.open),
            viewed: false,
        }))
    }
}

struct OnReader {
    card: InProcess<Applet<FileMemory>>,
    mishap: Arc<Mutex<Mishap>>,
    open: Arc<AtomicUsize>,
    viewed: bool,
}

impl Link for OnReader {
    fn reset(&mut self) -> Result<(), LinkError> {
        self.card.reset()
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, LinkError> {
        let answer = self.card.transmit(command)?;
        if std::mem::replace(&mut self.viewed, command.starts_with(&[0x80, 0xd1]))
            && *self.mishap.lock().unwrap() == Mishap::PulledOut
        {
            return Err(LinkError::Gone);
        }
        Ok(answer)
    }
}

impl Drop for OnReader {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A member with a card, before the page.
struct Member {
    town: Town,
    shop: WebShop,
    folder: tempfile::TempDir,
    reader: OnImage,
    browser: Browser,
}

impl Member {
    async fn with_card() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (town, shop) = (Town::start(), WebShop::start());
        drop(joined(&town, folder.path()));
        town.book().balance = 10_000;
        let image = folder.path().join("card.image");
        town.issue_card(&image);
        let reader = OnImage::of(&image);
        let desk = Desk::new(folder.path().to_owned(), 7405);
        let desk = desk.with_readers(Arc::new(reader.clone()));
        let browser = Browser::inside_at(desk).await;
        Self {
            town,
            shop,
            folder,
            reader,
            browser,
        }
    }

    /// With 5,000 on the card.
    async fn loaded() -> Self {
        let mut member = Self::with_card().await;
        member.town.book().ic().owed = 5_000;
        let page = member.browser.get("/card").await;
        let shown = member.browser.post("/card/show", &page.csrf(), &[]).await;
        shown.shows("JPY 5,000 was written on the card");
        member
    }

    fn mishap(&self, mishap: Mishap) {
        *self.reader.mishap.lock().unwrap() = mishap;
    }

    fn readers_open(&self) -> usize {
        self.reader.open.load(Ordering::SeqCst)
    }

    fn link(&self, bill: &SignedBytes) -> String {
        let address = encoded(&self.shop.address);
        let back = encoded(&format!("{}/orders/0d0d", self.shop.address));
        format!("/pay?shop={address}&bill={}&back={back}", bill.digest())
    }

    /// Consent 1 for a bill that a page named.
    async fn begin(&mut self, bill: &SignedBytes, extra: &[(&str, &str)]) -> Seen {
        let page = self.browser.get(&self.link(bill)).await;
        let back = format!("{}/orders/0d0d", self.shop.address);
        let digest = bill.digest().to_string();
        let mut fields = vec![
            ("shop", self.shop.address.as_str()),
            ("bill", &digest),
            ("back", &back),
        ];
        fields.extend(extra);
        self.browser.post("/card/pay", &page.csrf(), &fields).await
    }

    /// Consent 2, from the form on that page.
    async fn answer(&mut self, asked: &Seen, agreed: &str) -> Seen {
        let field = |name: &str| value_of(&asked.html, name);
        let (bill, talk) = (field("bill"), field("talk"));
        let (shop, back) = (field("shop"), field("back"));
        let fields = [
            ("bill", &*bill),
            ("talk", &talk),
            ("shop", &shop),
            ("back", &back),
            ("agreed", agreed),
        ];
        let fields: Vec<(&str, &str)> = fields.into_iter().filter(|(_, v)| !v.is_empty()).collect();
        self.browser
            .post("/card/answer", &asked.csrf(), &fields)
            .await
    }

    fn status(&self, bill: &SignedBytes) -> Option<BillStatus> {
        let wallet = Wallet::open(self.folder.path(), Access::Reading, &pw(A)).unwrap();
        wallet.state().bill(bill.digest()).map(|kept| kept.status)
    }

    fn on_card(&self) -> u32 {
        self.town.book().ic().on_card
    }
}

fn value_of(html: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = html.split_once(&start).map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_paid_with_the_card_after_two_questions() {
    let mut member = Member::loaded().await;
    let bill = member.shop.bill(|_| {});
    let link = member.link(&bill);
    let quote = member.browser.get(&link).await;
    quote
        .shows("Pay with your card")
        .shows("You pay JPY 4,350 with your IC card")
        .shows("data-say=\"Kissa Momiji asks you to pay 4350 yen. 3 of Maple tea, 100 g: 3600 yen.")
        .shows("Password B");
    let asked = member.begin(&bill, &[]).await;
    for part in [
        "Take this off your card?",
        "the centre's order is for this shop and this bill",
        "Kissa Momiji",
        "Take JPY 4,350 off the card",
        "JPY 5,000",
        "JPY 650",
        &card_number().to_string(),
        "data-say=\"You pay 4350 yen to Kissa Momiji. On the card are 5000 yen; 650 yen will be left.\"",
    ] {
        asked.shows(part);
    }
    assert_eq!(member.readers_open(), 1, "the card waits");
    assert_eq!(member.on_card(), 5_000, "nothing was taken off yet");
    assert_eq!(member.status(&bill), Some(BillStatus::AtCard));
    // In the other language it's the same question.
    let again = member.browser.get("/card/pay?lang=ja").await;
    again
        .shows("カードから JPY 4,350 を引く")
        .shows("残りは650円になります")
        .hides("Take");
    let paid = member.answer(&again, "yes").await;
    paid.shows("Your card has paid")
        .shows("data-say=\"Paid. 650 yen are left on the card.\"")
        .shows(&format!("href=\"{}/orders/0d0d\"", member.shop.address));
    assert_eq!((member.on_card(), member.readers_open()), (650, 0));
    assert_eq!(member.status(&bill), Some(BillStatus::Held));
    // The same form again takes nothing: its talk is over.
    let twice = member.answer(&again, "yes").await;
    twice
        .shows("your card has paid it")
        .hides("Try again")
        .hides("Lay the same card");
    assert_eq!(member.on_card(), 650);
    assert_eq!(member.town.came(80), (1, 1), "one agreement");
    member.browser.get("/card?lang=en").await.shows("JPY 650");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_for_tickets_is_paid_with_the_card_and_the_balance_may_stay_unread() {
    let mut member = Member::loaded().await;
    let csrf = member.browser.get("/").await.csrf();
    member.browser.post("/close", &csrf, &[]).await;
    let mut wallet = Wallet::open(member.folder.path(), Access::Writing, &pw(A)).unwrap();
    let bill = wallet
        .order(&member.town.shop, wanted(), None, now())
        .unwrap();
    drop(wallet);
    let door = member.browser.get("/").await;
    member
        .browser
        .post("/open", &door.csrf(), &[("a", A)])
        .await;
    let page = member.browser.get(&format!("/pay/{bill}")).await;
    page.shows("Pay with your card")
        .shows("Don't read the balance");
    let digest = bill.to_string();
    let fields = [("bill", digest.as_str()), ("unread", "yes")];
    let asked = member
        .browser
        .post("/card/pay", &page.csrf(), &fields)
        .await;
    asked
        .shows("not read")
        .shows("You pay 3000 yen to Hanamizuki Hall.\"")
        .hides("JPY 5,000")
        .hides("Left on the card");
    let paid = member.answer(&asked, "yes").await;
    paid.shows("Your card has paid").shows("href=\"/tickets\"");
    assert_eq!(member.on_card(), 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_no_pays_nothing_and_can_pay_another_way() {
    let mut member = Member::loaded().await;
    let bill = member.shop.bill(|_| {});
    let asked = member.begin(&bill, &[]).await;
    let declined = member.answer(&asked, "no").await;
    declined
        .shows("ic_card_declined")
        .shows("You declined. Nothing was paid.")
        .shows("Try again with the card");
    assert_eq!((member.on_card(), member.readers_open()), (5_000, 0));
    assert_eq!(member.status(&bill), Some(BillStatus::Open));
    member
        .browser
        .get(&member.link(&bill))
        .await
        .shows("Password B")
        .shows("Pay with your card");
    let asked = member.begin(&bill, &[]).await;
    member.answer(&asked, "yes").await.shows("JPY 650");
    assert_eq!(member.on_card(), 650);
}

/// Somebody goes back to the question after having paid another way.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_over_says_what_became_of_the_bill() {
    let mut member = Member::loaded().await;
    member.town.book().balance = 10_000;
    let bill = member.shop.bill(|_| {});
    let asked = member.begin(&bill, &[]).await;
    member.answer(&asked, "no").await;
    let over = member.answer(&asked, "yes").await;
    over.shows("waits for no card now")
        .shows("Try again with the card");
    let page = member.browser.get(&member.link(&bill)).await;
    let digest = bill.digest().to_string();
    let fields = [("b", B), ("shop", &*member.shop.address), ("bill", &digest)];
    let paid = member.browser.post("/pay", &page.csrf(), &fields).await;
    paid.shows("Held");
    assert_eq!(member.status(&bill), Some(BillStatus::Held));
    let over = member.answer(&asked, "yes").await;
    over.shows("paid with prepaid money")
        .hides("your card has paid")
        .hides("Not done");
    assert_eq!(member.on_card(), 5_000);
}

/// An order may be out there: whatever goes wrong while that is to be found out, nobody may read that
/// nothing was paid.
#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_found_out_stays_in_doubt() {
    let mut member = Member::loaded().await;
    let bill = member.shop.bill(|_| {});
    let asked = member.begin(&bill, &[]).await;
    member.mishap(Mishap::PulledOut);
    member
        .answer(&asked, "yes")
        .await
        .shows("Nobody can say yet what the card did");
    member.mishap(Mishap::NoCard);
    let seen = member.begin(&bill, &[]).await;
    seen.shows("Nobody can say yet what the card did")
        .shows("It couldn't be found out this time: No card lies on the reader")
        .shows("Lay the same card on again");
    seen.hides("Not done").hides("Nothing was paid");
    member.mishap(Mishap::None);
    member.town.book().ic().refuse = Some(Code::IcCardService);
    let seen = member.begin(&bill, &[]).await;
    seen.shows("It couldn't be found out this time")
        .hides("Not done");
    // This is said only when it's known that no order is out.
    member.town.book().ic().refuse = Some(Code::IcCardTooLate);
    let seen = member.begin(&bill, &[]).await;
    seen.shows("Too little time is left")
        .hides("Nobody can say yet");
    member.town.book().ic().refuse = None;
    let paid = member.begin(&bill, &[]).await;
    paid.shows("Your card has paid");
    assert_eq!(member.on_card(), 650);
}

/// The card has paid, and the centre's book was set back: nobody may pay that bill again.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_the_book_forgot_isnt_offered_again() {
    let mut member = Member::loaded().await;
    let bill = member.shop.bill(|_| {});
    let asked = member.begin(&bill, &[]).await;
    member.mishap(Mishap::PulledOut);
    member.answer(&asked, "yes").await;
    member.mishap(Mishap::None);
    member.town.book().ic().refuse = Some(Code::IcCardUnbooked);
    let seen = member.begin(&bill, &[]).await;
    seen.shows("Paid, and not in the book")
        .shows("ask the centre")
        .hides("Try again")
        .hides("Lay the same card on")
        .hides("Not done");
    assert_eq!(member.status(&bill), Some(BillStatus::Held));
    let page = member.browser.get(&member.link(&bill)).await;
    page.hides("Password B").hides("Pay with my card");
}

/// Only the form of the page that shows the very talk counts, and only in time.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_question_agrees_to_nothing() {
    let mut member = Member::loaded().await;
    let (one, other) = (
        member.shop.bill(|_| {}),
        member.shop.bill(|b| b.issued = now().before(1)),
    );
    let first = member.begin(&one, &[]).await;
    let second = member.begin(&other, &[]).await;
    assert_eq!(member.readers_open(), 1, "the first was let go");
    let over = member.answer(&first, "yes").await;
    over.shows("This question is over");
    assert_eq!((member.on_card(), member.readers_open()), (5_000, 0));
    let over = member.answer(&second, "yes").await;
    over.shows("This question is over");
    let asked = member.begin(&other, &[]).await;
    let csrf = asked.csrf();
    // Every other action with the card, and locking, let it go.
    member.browser.post("/card/show", &csrf, &[]).await;
    assert_eq!(member.readers_open(), 0);
    member
        .answer(&asked, "yes")
        .await
        .shows("This question is over");
    let asked = member.begin(&other, &[]).await;
    assert_eq!(member.readers_open(), 1);
    member.browser.post("/close", &csrf, &[]).await;
    assert_eq!(member.readers_open(), 0);
    member.answer(&asked, "yes").await.shows("Password A");
    assert_eq!(member.on_card(), 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_is_set_aside_waits_until_a_card_is_there() {
    let mut member = Member::loaded().await;
    let bill = member.shop.bill(|_| {});
    for (mishap, code, english, japanese) in [
        (
            Mishap::NoCard,
            "no_card",
            "No card lies on the reader",
            "リーダーにカードがないか",
        ),
        (
            Mishap::Broken,
            "card_reader",
            "on fire",
            "カードを使えません",
        ),
    ] {
        member.mishap(mishap);
        let seen = member.begin(&bill, &[]).await;
        assert_eq!(seen.status, StatusCode::OK);
        seen.shows(code)
            .shows(english)
            .shows("Try again with the card");
        assert_eq!(member.status(&bill), None, "nothing was agreed to");
        let page = member.browser.get("/card").await;
        let seen = member
            .browser
            .post("/card/show?lang=ja", &page.csrf(), &[])
            .await;
        assert_eq!(seen.status, StatusCode::OK);
        seen.shows(code).shows(japanese);
    }
    member.mishap(Mishap::None);
    member.browser.get("/card?lang=en").await;
    // Somebody agreed, and went away.
    member.begin(&bill, &[]).await;
    let page = member.browser.get(&member.link(&bill)).await;
    page.shows("The money is set aside. Lay your card on")
        .shows("Lay the card on and pay")
        .hides("Password B");
    let digest = bill.digest().to_string();
    let page = member.browser.get(&format!("/pay/{digest}")).await;
    page.shows("The money is set aside. Lay your card on")
        .hides("Password B");
    let fields = [("bill", digest.as_str())];
    let asked = member
        .browser
        .post("/card/pay", &page.csrf(), &fields)
        .await;
    let paid = member.answer(&asked, "yes").await;
    paid.shows("Your card has paid");
    assert_eq!(
        member.town.came(80),
        (2, 2),
        "the first order was given up, unseen by the card"
    );
    assert_eq!(member.on_card(), 650);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_was_pulled_out_is_in_doubt_and_pays_once() {
    let mut member = Member::loaded().await;
    let bill = member.shop.bill(|_| {});
    let asked = member.begin(&bill, &[]).await;
    member.mishap(Mishap::PulledOut);
    let doubt = member.answer(&asked, "yes").await;
    doubt
        .shows("Nobody can say yet what the card did")
        .shows("Lay the same card on again");
    assert_eq!(member.status(&bill), Some(BillStatus::AtCard));
    member.mishap(Mishap::None);
    let found = member.begin(&bill, &[]).await;
    found.shows("Your card has paid").shows("JPY 650");
    assert_eq!(member.status(&bill), Some(BillStatus::Held));
    assert_eq!(member.town.book().ic().made.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_for_more_than_the_bill_never_reaches_the_card() {
    let mut member = Member::loaded().await;
    let bill = member.shop.bill(|_| {});
    member.town.book().ic().order_instead = Some(yen(4_351));
    let seen = member.begin(&bill, &[]).await;
    seen.shows("card_order_differs")
        .shows("differs from the bill")
        .shows("Tell the centre")
        .hides("off the card</button>");
    assert_eq!((member.on_card(), member.readers_open()), (5_000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_about_cards_is_told_in_both_languages() {
    let mut member = Member::loaded().await;
    let bill = member.shop.bill(|_| {});
    let codes = Code::ALL
        .iter()
        .filter(|code| (800..900).contains(&code.number()));
    let mut told = 0;
    for code in codes {
        member.town.book().ic().refuse = Some(*code);
        member.browser.get("/card?lang=en").await;
        let english = member.begin(&bill, &[]).await;
        let text = code.text().replace('\'', "&#39;");
        let shown = english.html.contains(code.text()) || english.html.contains(&text);
        assert!(shown, "{code}: {}", english.html);
        member.browser.get("/card?lang=ja").await;
        let page = member.browser.get("/card?lang=ja").await;
        let japanese = member
            .browser
            .post("/card/show?lang=ja", &page.csrf(), &[])
            .await;
        japanese.shows(code.word()).hides(code.text()).hides(&text);
        told += 1;
    }
    assert_eq!(told, 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_loaded_blocked_reported_lost_and_paid_out() {
    let mut member = Member::with_card().await;
    let page = member.browser.get("/card").await;
    page.shows("No card has been on this wallet")
        .hides("Password B");
    let csrf = page.csrf();
    let forged = member.browser.post("/card/show", "00", &[]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let card = card_number().to_string();
    let shown = member.browser.post("/card/show", &csrf, &[]).await;
    shown.shows(&card).shows("The card was read").shows("JPY 0");
    let load = |amount, b| [("card", card.clone()), ("amount", amount), ("b", b)];
    let post = |fields: [(&'static str, String); 3]| fields;
    for (amount, b, says) in [
        ("3000", A, "This isn't password B"),
        ("-1", B, "What was typed can't be right"),
        ("3000", B, "JPY 3,000 is set aside for the card"),
    ] {
        let fields = post(load(amount.to_owned(), b.to_owned()));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let seen = member.browser.post("/card/load", &csrf, &fields).await;
        seen.shows(says);
    }
    member
        .browser
        .post("/card/show", &csrf, &[])
        .await
        .shows("JPY 3,000 was written");
    let change = |change| [("card", card_number().to_string()), ("change", change)];
    for (what, says) in [
        ("block", "The card is blocked"),
        ("unblock", "The card pays again"),
        ("pay_out", "ic_card_refuses"),
        ("lost", "is over for ever, even if you find it again"),
    ] {
        let fields = change(what.to_owned());
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        member
            .browser
            .post("/card/change", &csrf, &fields)
            .await
            .shows(says);
    }
    assert!(!member.town.book().ic().ended, "it's asked once more");
    let sure = [("card", &*card), ("change", "lost"), ("sure", "yes")];
    member
        .browser
        .post("/card/change", &csrf, &sure)
        .await
        .shows("its money is yours")
        .shows("Out of use for ever");
    let out = [("card", &*card), ("change", "pay_out")];
    let paid = member.browser.post("/card/change", &csrf, &out).await;
    paid.shows("JPY 3,000 of the card are in your prepaid account: JPY 10,000 in all")
        .shows("Out of use for ever")
        .hides("Load the card")
        .hides("Unblock");
    assert_eq!(member.town.book().balance, 10_000);
    assert_eq!(member.town.came(86), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_that_cant_be_reached_is_a_page_and_the_same_form_goes_on() {
    let mut member = Member::loaded().await;
    let bill = member.shop.bill(|_| {});
    member.town.misbehave(Mischief::DropAfterActing);
    let seen = member.begin(&bill, &[]).await;
    assert_eq!(seen.status, StatusCode::OK);
    seen.shows("in_doubt").shows("Try again with the card");
    member.town.misbehave(Mischief::None);
    let asked = member.begin(&bill, &[]).await;
    asked.shows("Take JPY 4,350 off the card");
    assert_eq!(member.town.came(80), (2, 1), "twice the same bytes");
    member
        .answer(&asked, "yes")
        .await
        .shows("Your card has paid");
    assert_eq!(member.on_card(), u32::try_from(5_000 - COST).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_about_cards_is_shown_before_a() {
    let member = Member::loaded().await;
    let mut stranger = Browser {
        router: member.browser.router.clone(),
        cookie: String::new(),
        link: String::new(),
    };
    for path in ["/card", "/card/pay"] {
        let seen = stranger.get(path).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{path}");
        seen.hides(&card_number().to_string());
    }
    let seen = stranger.get("/card/guide?bill=00").await;
    assert_eq!(seen.status, StatusCode::CONFLICT);
    for path in [
        "/card/show",
        "/card/pay",
        "/card/answer",
        "/card/change",
        "/card/load",
    ] {
        let fields = [
            ("bill", "0"),
            ("talk", "0"),
            ("agreed", "yes"),
            ("card", "0"),
            ("change", "lost"),
            ("amount", "1"),
            ("b", ""),
        ];
        let seen = stranger.post(path, "00", &fields).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{path}");
    }
}
