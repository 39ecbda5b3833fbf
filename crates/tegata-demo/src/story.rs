//! The story of a purchase, from the offline root to the audit, as its parties' programs play it.
//!
//! Each step says what was sent by whom to whom and what was verified; a step that doesn't hold
//! ends the story with its name.

use std::{fs, time::Duration};

use anyhow::{Context as _, bail, ensure};
use rand_core::UnwrapErr;
use serde_json::Value;
use tegata_party::client::{CallError, Callee, Caller, Client, Prepared, Stamp};
use tegata_protocol::{
    Digest, OpeningKey, SignedBytes, SigningKey, Suite, Unverified, Verified, VerifyingKey, cbor,
    purchase::{Offer, PurchaseRequest, Wish},
    record::{CentreKey, CentreKeys, Certificate, Certificates, ProgramDigest},
    ticket::{Presentation, SeriesRecord},
};

use crate::{
    card::{Card, Keys},
    processes::pause,
    sealed,
    town::{Given, Letter, Member, Town, now},
};

const CONCERT: u32 = 101;
const TEA: u32 = 102;

/// What the story carries from step to step.
#[derive(Debug)]
pub struct Story<'a> {
    town: &'a mut Town,
    step: u32,
    shop_number: String,
    ticket: String,
    with_keyword: String,
    shown: String,
    card: Option<Card>,
    /// Aiko, who buys.
    pub aiko: Option<Member>,
    /// Botan, who looks on.
    pub botan: Option<Member>,
}

impl<'a> Story<'a> {
    /// A story in a town that was just founded.
    pub fn new(town: &'a mut Town) -> Self {
        Self {
            town,
            step: 0,
            shop_number: String::new(),
            ticket: String::new(),
            with_keyword: String::new(),
            shown: String::new(),
            card: None,
            aiko: None,
            botan: None,
        }
    }

    /// Plays it to its end.
    ///
    /// # Errors
    /// The first step that doesn't hold.
    pub async fn play(&mut self) -> anyhow::Result<()> {
        self.root().context("the root certifies the centre")?;
        self.shop_and_gate()
            .await
            .context("shop and gate register")?;
        self.members().await.context("two members register")?;
        self.load().context("prepaid money comes in")?;
        self.order().context("an order becomes a bill")?;
        self.pay()
            .context("the bill is paid and the ticket comes")?;
        self.keyword().context("a ticket with a keyword")?;
        self.sealed_order().context("a sealed web order")?;
        self.card_payment().context("a card pays")?;
        self.card_ticket().context("a ticket on a card")?;
        self.three_answers()
            .context("three requests get three answers")?;
        self.show().context("the ticket is shown as a QR code")?;
        self.gate().context("the gate admits once, offline")?;
        self.refused_at_the_gate()
            .context("the gate refuses copies")?;
        self.card_at_the_gate().context("a card at the gate")?;
        self.history()
            .context("the history, offline, with password A alone")?;
        self.audit().context("the audit")?;
        Ok(())
    }

    fn say(&mut self, text: &str) {
        self.step += 1;
        println!("{:>2}. {text}", self.step);
    }

    fn aiko(&self) -> anyhow::Result<Member> {
        self.aiko.clone().context("Aiko isn't there yet")
    }

    fn botan(&self) -> anyhow::Result<Member> {
        self.botan.clone().context("Botan isn't there yet")
    }

    fn certificates(&self) -> anyhow::Result<Certificates> {
        let guard = format!("http://{}", self.town.guard);
        let certificates = Client::default().get(&guard, "/v1/certificates")?;
        Ok(cbor::decode(&certificates, 16 * 1024)?)
    }

    fn root(&mut self) -> anyhow::Result<()> {
        let (root, certificates) = (self.root_key()?, self.certificates()?);
        CentreKeys::verify(&root, &certificates, now())?;
        for signed in &certificates.0 {
            let certificate = Unverified::<Certificate>::parse(signed.clone())?.verify(&root)?;
            let purpose = format!("{:?}", certificate.purpose).to_lowercase();
            self.town
                .recorder
                .signed("root", "centre", &purpose, signed.as_bytes())?;
            if let CentreKey::Verifying(key) = &certificate.key {
                self.town
                    .recorder
                    .key("centre", &purpose, &key.to_cose_key())?;
            }
        }
        self.town
            .recorder
            .key("root", "certificates", &root.to_cose_key())?;
        self.say(&format!(
            "The offline root certified {} keys of the centre's, each for one purpose and a year.",
            certificates.0.len()
        ));
        Ok(())
    }

    async fn shop_and_gate(&mut self) -> anyhow::Result<()> {
        let sealing = self.town.apply("sealing", "Key Handler")?;
        self.town.open_sealing(&sealing)?;
        let shop = self.town.apply("shop", "Hanamizuki Books")?;
        let gate = self.town.apply("gate", "Hall, north door")?;
        self.town.open_shop(&shop).await?;
        self.town.set_up_gate(&gate)?;
        self.shop_number.clone_from(&shop.number);
        let client = Client::default();
        let url = format!("http://{}", self.town.shop.context("no shop")?);
        let record = client.get(&url, "/v1/record")?;
        self.town
            .recorder
            .signed("centre", "shop", "record", &record)?;
        let own = fs::read(self.town.path("gate-hall/record.cose"))?;
        self.town
            .recorder
            .signed("centre", "gate", "record", &own)?;
        self.say(&format!(
            "A shop applied on the guide page, got number {}, terms and activation code in a letter \
             ({}), made its keys and registered; so did a gate.",
            shop.number,
            shop.slip.replace(".slip", ".html")
        ));
        Ok(())
    }

    async fn members(&mut self) -> anyhow::Result<()> {
        let (aiko, botan) = (
            self.town.member("aiko").await?,
            self.town.member("botan").await?,
        );
        let letter = self.town.apply("member", "Aiko Sato")?;
        self.town.recorder.about("registration");
        self.join(&aiko, &letter, "Aiko Sato", &[])?;
        self.check_wallet(&aiko, &letter)?;
        self.say(&format!(
            "Aiko got {} by letter. She checked the wallet program by its signed digest; it made three keys under two passwords, signed and \
             sealed her registration, and the centre verified and entered it.",
            letter.number
        ));
        let letter = self.town.apply("member", "Botan Mori")?;
        self.join(&botan, &letter, "Botan Mori", &["--later"])?;
        self.town.wallet(&botan, Given::A, &["send"])?.json()?;
        self.say(&format!(
            "Botan got {}, signed offline, kept it under password A, and sent it later.",
            letter.number
        ));
        (self.aiko, self.botan) = (Some(aiko), Some(botan));
        Ok(())
    }

    /// The wallet that the centre's page offers is the one that runs here, by its signed digest.
    fn check_wallet(&self, aiko: &Member, letter: &Letter) -> anyhow::Result<()> {
        self.town.publish("tegata-wallet")?;
        let (client, address) = (Client::default(), format!("http://{}", self.town.guard));
        let keys = client.centre_keys(&address, &self.root_key()?, now())?;
        let lists = keys.lists.context("no key for lists")?;
        let signed = SignedBytes::new(client.get(&address, "/programs/tegata-wallet.sign1.cbor")?);
        self.town
            .recorder
            .signed("centre", "aiko", "program", signed.as_bytes())?;
        let program = Unverified::<ProgramDigest>::parse(signed)?.verify(&lists)?;
        let wallet = fs::read(self.town.programs.path("tegata-wallet"))?;
        ensure!(
            program.digest == Digest::of(&wallet),
            "the wallet isn't the one published"
        );
        // Her own program says the same, and that a copy with one byte more is another.
        let file = self
            .town
            .programs
            .path("tegata-wallet")
            .display()
            .to_string();
        let check = ["verify-program", &file];
        self.town.wallet(aiko, Given::A, &check)?.json()?;
        let altered = self.town.path("tegata-wallet");
        fs::write(&altered, [wallet, vec![0]].concat())?;
        let check = ["verify-program", &altered, "--letter", &letter.slip];
        let refused = self.town.wallet(aiko, Given::Nothing, &check)?;
        fs::remove_file(&altered)?;
        ensure!(
            refused.code == Some(1),
            "an altered program was taken for the centre's"
        );
        Ok(())
    }

    fn root_key(&self) -> anyhow::Result<VerifyingKey> {
        let root = fs::read_to_string(self.town.path("centre/root.pub"))?;
        let root = Digest::from_hex(root.trim()).context("root.pub isn't a key")?;
        Ok(VerifyingKey::from_bytes(root.as_bytes())?)
    }

    fn join(
        &self,
        member: &Member,
        letter: &Letter,
        name: &str,
        more: &[&str],
    ) -> anyhow::Result<()> {
        // The letter names the guard; the recorder stands before it.
        let slip = fs::read_to_string(&letter.slip)?;
        let guard = self.town.guard.to_string();
        let slip = slip.replace(&guard, &member.centre.to_string());
        let file = self.town.path(&format!("{}.slip", member.name));
        fs::write(&file, slip)?;
        let mut arguments = vec!["join", "--slip-file", &file, "--name", name];
        arguments.extend(["--agree", "--no-words"]);
        arguments.extend(more);
        self.town.wallet(member, Given::Both, &arguments)?.json()?;
        Ok(())
    }

    fn load(&mut self) -> anyhow::Result<()> {
        let aiko = self.aiko()?;
        self.town.recorder.about("prepaid");
        let answer = self
            .town
            .wallet(&aiko, Given::A, &["load", "30000"])?
            .json()?;
        let reference = text(&answer, "reference")?;
        self.say(&format!(
            "Aiko asked for 30,000 yen of prepaid money, signed; the centre answered with payment \
             reference {reference}."
        ));
        let file = self.town.path("statement.xml");
        fs::write(&file, statement(&reference)?)?;
        let (centre, operator) = (self.town.path("centre"), self.town.password("operator")?);
        let import = [
            "bank",
            "import",
            &file,
            "--data",
            &centre,
            "--password-file",
            &operator,
        ];
        self.town.centre(&import)?.done()?;
        let waiting = self
            .town
            .centre(&["bank", "suspense", "--data", &centre, "--json"])?
            .json()?;
        ensure!(
            waiting.as_array().is_some_and(|all| !all.is_empty()),
            "suspense: {waiting}"
        );
        self.town
            .centre(&import)?
            .refused_with("statement_imported")?;
        self.town.recorder.about("collect");
        let collected = self.town.wallet(&aiko, Given::A, &["collect"])?.json()?;
        let card = collected["cards"][0].clone();
        ensure!(card["value"]["minor"] == 30_000, "no card: {collected}");
        self.say(&format!(
            "The bank's statement (camt.053) was imported by the operator, whose key signed it: \
             Aiko's virtual prepaid card {} came, signed and sealed; {} payment(s) of somebody \
             unknown wait in suspense; importing the file again was refused.",
            card["card"]
                .as_u64()
                .or(card["number"].as_u64())
                .unwrap_or_default(),
            waiting.as_array().map_or(0, Vec::len)
        ));
        Ok(())
    }

    fn order(&mut self) -> anyhow::Result<()> {
        let (aiko, shop) = (self.aiko()?, self.shop_url()?);
        let catalogue = self
            .town
            .wallet(&aiko, Given::Nothing, &["catalogue", &shop])?
            .json()?;
        let offers = catalogue
            .as_array()
            .or(catalogue["offers"].as_array())
            .map_or(0, Vec::len);
        self.town.recorder.about("order");
        let bill = self.order_concert(&aiko, &[])?;
        self.say(&format!(
            "Aiko looked at the shop's {offers} offers and sent a sealed request for the winter \
             concert; the shop held a place and signed bill {} over {}.",
            text(&bill, "transaction")?,
            bill["total"]["text"].as_str().unwrap_or("3,500 yen")
        ));
        Ok(())
    }

    fn order_concert(&self, member: &Member, more: &[&str]) -> anyhow::Result<Value> {
        let shop = self.shop_url()?;
        let series = CONCERT.to_string();
        let mut arguments = vec!["order", &shop, "--series", &series, "--section", "1"];
        arguments.extend(more);
        let bill = self.town.wallet(member, Given::A, &arguments)?.json()?;
        Ok(bill)
    }

    fn shop_url(&self) -> anyhow::Result<String> {
        let shop = self.aiko()?.shop.context("Aiko knows no shop")?;
        Ok(format!("http://{shop}"))
    }

    fn pay(&mut self) -> anyhow::Result<()> {
        let aiko = self.aiko()?;
        self.town.recorder.about("payment");
        let with_a = self
            .town
            .wallet(&aiko, Given::A, &["pay", "--last", "--yes"])?;
        ensure!(with_a.code != Some(0), "password A alone has spent");
        let paid = self
            .town
            .wallet(&aiko, Given::Both, &["pay", "--last", "--yes"])?
            .json()?;
        self.town.recorder.about("delivery");
        self.ticket = self.wait_for_ticket(&aiko)?;
        self.say(&format!(
            "Aiko consented with both passwords (A alone spends nothing): the centre verified bill \
             and instruction and held the money (payment {}…); the shop captured it with the \
             ticket sealed to her; her wallet fetched and verified ticket {}….",
            short(paid["payment"].as_str().unwrap_or_default()),
            short(&self.ticket)
        ));
        self.export_purchase(&aiko)
    }

    /// Keeps what Aiko can show of it: ticket, series, head, and the keys that verify them.
    fn export_purchase(&self, aiko: &Member) -> anyhow::Result<()> {
        let file = self.town.path("aiko.ticket");
        self.town
            .wallet(aiko, Given::A, &["export-ticket", &self.ticket, &file])?
            .done()?;
        self.town
            .recorder
            .signed("shop", "aiko", "ticket", &fs::read(&file)?)?;
        let head = self.town.path("aiko.head");
        self.town
            .wallet(aiko, Given::A, &["export-head", &head])?
            .done()?;
        let recorder = &self.town.recorder;
        recorder.signed("centre", "aiko", "head", &fs::read(&head)?)?;
        let series = self.series()?;
        recorder.signed("shop", "aiko", "series", series.signed().as_bytes())?;
        recorder.key("shop", "bills", &series.signer().to_cose_key())?;
        for (number, batch) in (1..).zip(&series.batches) {
            recorder.key("shop", &format!("batch{number}"), &batch.to_cose_key())?;
        }
        Ok(())
    }

    /// The concert's series record, verified with the shop's key, and that with the register's.
    fn series(&self) -> anyhow::Result<Verified<SeriesRecord>> {
        let (client, centre) = (Client::default(), format!("http://{}", self.town.guard));
        let keys = client.centre_keys(&centre, &self.root_key()?, now())?;
        let shop = format!("http://{}", self.town.shop.context("no shop")?);
        let record = client.party_record(&shop, &keys.register)?;
        let series = client.get(&shop, &format!("/v1/series/{CONCERT}"))?;
        let series = Unverified::<SeriesRecord>::parse(SignedBytes::new(series))?;
        Ok(series.verify(&record.keys.signing)?)
    }

    /// The delivery comes when the shop has heard of the payment: a second at the most, usually.
    fn wait_for_ticket(&self, member: &Member) -> anyhow::Result<String> {
        for _ in 0..100 {
            let collected = self.town.wallet(member, Given::A, &["collect"])?.json()?;
            if let Some(ticket) = collected["tickets"][0]["ticket"].as_str() {
                return Ok(ticket.to_owned());
            }
            pause(Duration::from_millis(200));
        }
        bail!("no ticket came within twenty seconds")
    }

    fn keyword(&mut self) -> anyhow::Result<()> {
        let aiko = self.aiko()?;
        let file = self.keyword_file()?;
        self.town.recorder.about("order");
        self.order_concert(&aiko, &["--keyword-file", &file])?;
        self.town.recorder.about("payment");
        self.town
            .wallet(&aiko, Given::Both, &["pay", "--last", "--yes"])?
            .json()?;
        self.town.recorder.about("delivery");
        self.with_keyword = self.wait_for_ticket(&aiko)?;
        self.say("Aiko bought a second ticket, bound to a keyword that only she and the sealed request know.");
        Ok(())
    }

    fn keyword_file(&self) -> anyhow::Result<String> {
        let file = self.town.path("keyword");
        fs::write(&file, "sakura99\n")?;
        Ok(file)
    }

    /// Somebody orders goods at the shop's page; Aiko pays (O1-O13, M9).
    fn sealed_order(&mut self) -> anyhow::Result<()> {
        let keys = CentreKeys::verify(&self.root_key()?, &self.certificates()?, now())?;
        let ordered = sealed::place(self.town, &keys.register)?;
        self.say(&format!(
            "At the shop's page {} ordered a notebook by post: the sealing service delivered a key \
             that the shop had signed and a program of {} bytes, which sealed name and address in \
             place; the shop alone opened them, once, and signed receipt and bill.",
            ordered.by,
            tegata_protocol::order::program().len()
        ));
        let aiko = self.aiko()?;
        let paid = self
            .town
            .wallet(&aiko, Given::Both, &["pay", &ordered.bill, "--yes"])?
            .json()?;
        sealed::wait_until(&ordered, "Paid, thank you")?;
        self.say(&format!(
            "Aiko's wallet fetched the order's bill from the shop's recorded address, verified it and \
             paid (payment {}…); the shop captured with its signed receipt. Nobody but the shop knows \
             who gets the parcel.",
            short(paid["payment"].as_str().unwrap_or_default())
        ));
        Ok(())
    }

    /// Aiko's IC card pays for a second order (K1-K11).
    fn card_payment(&mut self) -> anyhow::Result<()> {
        let aiko = self.aiko()?;
        let number = self.town.number_of(&aiko)?;
        let card = self.town.issue_card(&number)?;
        self.town.recorder.about("card");
        let load = ["card", "load", "3000", "--card", &card.number];
        self.town.wallet(&aiko, Given::Both, &load)?.json()?;
        let shown = self.town.with_card(&aiko, &card, &["show"])?.json()?;
        ensure!(
            shown["balance"]["minor"] == 3000,
            "the card wasn't loaded: {shown}"
        );
        let keys = CentreKeys::verify(&self.root_key()?, &self.certificates()?, now())?;
        let ordered = sealed::place(self.town, &keys.register)?;
        let pay = ["pay", &ordered.bill, "--yes"];
        let paid = self.town.with_card(&aiko, &card, &pay)?.json()?;
        sealed::wait_until(&ordered, "Paid, thank you")?;
        self.say(&format!(
            "The centre gave Aiko an IC card that holds no private key; she loaded it and paid the next \
             order with it, through {}: the card-key server opened the session, the centre signed the \
             debit order, her wallet compared and showed it, the card took off what was shown ({} left) \
             and its receipt is in the book.",
            text(&paid, "link")?,
            paid["balance"]["text"].as_str().unwrap_or_default(),
        ));
        self.card = Some(card);
        Ok(())
    }

    /// Aiko has a ticket on her card, which her own terminal writes (T6).
    fn card_ticket(&mut self) -> anyhow::Result<()> {
        let (aiko, card) = (self.aiko()?, self.card.clone().context("no card")?);
        self.town.recorder.about("order");
        self.order_concert(&aiko, &["--card", &card.number])?;
        self.town.recorder.about("payment");
        self.town
            .wallet(&aiko, Given::Both, &["pay", "--last", "--yes"])?
            .json()?;
        self.town.recorder.about("delivery");
        let ticket = self.wait_for_ticket(&aiko)?;
        let written = self
            .town
            .with_card(&aiko, &card, &["ticket", &ticket])?
            .json()?;
        self.say(&format!(
            "Aiko bought a ticket whose holder is her card; her own terminal wrote it into slot {}, \
             through {}.",
            written["slot"],
            text(&written, "link")?
        ));
        Ok(())
    }

    /// The card at the gate: nobody proves it offline, the card-key server does, and once.
    fn card_at_the_gate(&mut self) -> anyhow::Result<()> {
        let card = self.card.clone().context("no card")?;
        let offline = self.town.tap(CONCERT, &card, Keys::OutOfReach)?;
        ensure!(
            offline["reason"] == "card_unprovable",
            "a card was believed offline: {offline}"
        );
        let first = self.town.tap(CONCERT, &card, Keys::AtHand)?;
        ensure!(
            first["verdict"] == "admitted",
            "the card wasn't admitted: {first}"
        );
        pause(Duration::from_millis(2100));
        let second = self.town.tap(CONCERT, &card, Keys::AtHand)?;
        ensure!(
            second["reason"] == "already_used",
            "the card was admitted twice: {second}"
        );
        self.say(
            "Her card at the gate: offline it was refused as card_unprovable; with the card-key server, \
             which a gate may ask for nothing but that, it was proven, its ticket punched, and she came \
             in; laid on again, already_used.",
        );
        Ok(())
    }

    fn three_answers(&mut self) -> anyhow::Result<()> {
        let (aiko, botan, shop) = (self.aiko()?, self.botan()?, self.shop_url()?);
        self.town.recorder.about("inquiry");
        let inquire = ["inquire", &shop, "Is there a cloakroom?"];
        self.town
            .wallet(&aiko, Given::A, &inquire)?
            .refused_with("not_a_reservation")?;
        let series = TEA.to_string();
        let order = ["order", &shop, "--series", &series, "--section", "1"];
        self.town.recorder.about("order");
        self.town.wallet(&botan, Given::A, &order)?.json()?;
        self.town
            .wallet(&aiko, Given::A, &order)?
            .refused_with("sold_out")?;
        self.badly_signed()?;
        self.say(
            "Three requests got three answers: an inquiry was told not_a_reservation, one for the \
             last place that Botan holds sold_out, and a badly signed one nothing but \"unreadable\".",
        );
        Ok(())
    }

    /// A stranger seals a request under Aiko's record, signed with a key of the stranger's own.
    fn badly_signed(&self) -> anyhow::Result<()> {
        let (mut rng, client) = (UnwrapErr(getrandom::SysRng), Client::default());
        let address = format!("http://{}", self.town.guard);
        let root = self.root_key()?;
        let keys = client.centre_keys(&address, &root, now())?;
        let shop = format!("http://{}", self.town.shop.context("no shop")?);
        let record = client.party_record(&shop, &keys.register)?;
        let callee = Callee::party(&record, Some(&shop));
        let (signing, _) = SigningKey::generate(&mut rng);
        let (opening, _) = OpeningKey::generate(Suite::Standard, &mut rng);
        let number = self.shop_number.parse()?;
        let caller = Caller {
            number,
            signing: &signing,
            opening: &opening,
        };
        let wish = Wish::Inquiry("Open, please".to_owned());
        let body = PurchaseRequest {
            record: record.signed().clone(),
            wish,
        };
        let stamp = Stamp::random(now(), &mut rng);
        let prepared = Prepared::new(caller, &callee, stamp, body, None, &mut rng)?;
        match client.call::<Offer>(caller, &callee, &prepared) {
            Err(CallError::Unreadable(_)) => Ok(()),
            other => bail!("a badly signed request was answered: {other:?}"),
        }
    }

    fn show(&mut self) -> anyhow::Result<()> {
        let aiko = self.aiko()?;
        let (png, svg) = (self.town.path("ticket.png"), self.town.path("ticket.svg"));
        let ticket = self.ticket.clone();
        self.town
            .wallet(&aiko, Given::A, &["show", &ticket, "--png", &png])?
            .done()?;
        self.town
            .wallet(&aiko, Given::A, &["show", &ticket, "--svg", &svg])?
            .done()?;
        let terminal = self
            .town
            .wallet(&aiko, Given::A, &["show", &ticket, "--terminal"])?
            .done()?;
        ensure!(!terminal.is_empty(), "nothing was shown");
        self.shown = self.presentation(&aiko, &ticket, &[])?;
        self.say(&format!(
            "Aiko's wallet shows the ticket as a QR code, signed for this minute and sealed to the \
             event: {} letters; also as {png} and {svg}.",
            self.shown.len()
        ));
        Ok(())
    }

    fn presentation(&self, member: &Member, ticket: &str, more: &[&str]) -> anyhow::Result<String> {
        let mut arguments = vec!["show", ticket, "--text"];
        arguments.extend(more);
        let shown = self.town.wallet(member, Given::A, &arguments)?.done()?;
        // The wallet prints JSON to programs; the code's text is one of its fields.
        let json: Option<Value> = serde_json::from_str(shown.trim()).ok();
        let text = json.and_then(|v| v["text"].as_str().map(str::to_owned));
        Ok(text.unwrap_or_else(|| shown.trim().to_owned()))
    }

    fn gate(&mut self) -> anyhow::Result<()> {
        self.town.carry_check_data(CONCERT)?;
        let shown = self.shown.clone();
        self.town.check(CONCERT, &shown)?.json()?;
        self.say(
            "The gate has the shop's signed check data from a file, no network: it opened the code, \
             verified issuer, holder and serial, wrote the admission to its disk, and said: come in.",
        );
        Ok(())
    }

    fn refused_at_the_gate(&mut self) -> anyhow::Result<()> {
        let (aiko, ticket) = (self.aiko()?, self.ticket.clone());
        // Within two seconds it would pass for a scanner that reads twice.
        pause(Duration::from_millis(2100));
        let anew = self.presentation(&aiko, &ticket, &[])?;
        let used = self
            .town
            .check(CONCERT, &anew)?
            .refused_with("already_used")?;
        ensure!(used.contains("north door"), "it doesn't say where: {used}");
        let copy = self.copied_ticket()?;
        self.town
            .check(CONCERT, &copy)?
            .refused_with("wrong_holder")?;
        let guarded = self.with_keyword.clone();
        let without = self.presentation(&aiko, &guarded, &["--without-keyword"])?;
        self.town
            .check(CONCERT, &without)?
            .refused_with("wrong_keyword")?;
        let file = self.keyword_file()?;
        let with = self.presentation(&aiko, &guarded, &["--keyword-file", &file])?;
        self.town.check(CONCERT, &with)?.json()?;
        self.say(
            "Shown again it was refused as already_used, with where and when; a copy that Botan \
             signed, wrong_holder; the other ticket without its keyword, wrong_keyword, and with it \
             admitted.",
        );
        Ok(())
    }

    /// Botan has got hold of Aiko's ticket and shows it with a program of his own.
    fn copied_ticket(&self) -> anyhow::Result<String> {
        let ticket = SignedBytes::new(fs::read(self.town.path("aiko.ticket"))?);
        let series = self.series()?;
        let mut rng = UnwrapErr(getrandom::SysRng);
        let (own, _) = SigningKey::generate(&mut rng);
        let event = series.series;
        let shown = Presentation {
            ticket,
            event,
            time: now(),
            nonce: None,
            keyword: None,
        };
        Ok(base45::encode(&shown.seal(&own, &series, &mut rng)?))
    }

    fn history(&mut self) -> anyhow::Result<()> {
        let aiko = self.aiko()?;
        let history = self.town.wallet(&aiko, Given::A, &["history"])?.json()?;
        let entries = history["entries"].as_array().context("no history")?;
        ensure!(entries.len() >= 8, "only {} entries", entries.len());
        self.say(&format!(
            "Aiko read her history with password A alone, offline: {} entries, from joining to the \
             tickets shown.",
            entries.len()
        ));
        Ok(())
    }

    fn audit(&mut self) -> anyhow::Result<()> {
        let (centre, head) = (self.town.path("centre"), self.town.path("aiko.head"));
        let report = self
            .town
            .centre(&["audit", "--data", &centre, "--head", &head, "--json"])?
            .json()?;
        let accounts = self
            .town
            .centre(&["accounts", "--data", &centre, "--json"])?
            .json()?;
        ensure!(
            accounts["sum"] == 0,
            "the accounts don't add up: {accounts}"
        );
        self.say(&format!(
            "The audit verified every signature again and recomputed every balance from the \
             evidence alone: {} records, {} accounts, {} signed heads and the one that Aiko brought; \
             all accounts together are zero.",
            report["records"], report["accounts"], report["heads"]
        ));
        Ok(())
    }
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    value[key]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no {key} in {value}"))
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The reference in the shipped sample statement.
const SAMPLE: &str = "RF18539007547034";

/// A bank's statement with Aiko's transfer and others of somebody unknown.
fn statement(reference: &str) -> anyhow::Result<String> {
    let template = include_str!("../../tegata-bank/samples/statement-good.xml");
    ensure!(
        template.contains(SAMPLE),
        "the sample statement has no place for a reference"
    );
    // More than the sample's transfer, so that something is left to spend when the story is over;
    // the statement's own sums rise with it.
    let more = [
        (">10000<", ">30000<"),
        (">1267320<", ">1287320<"),
        (">26580<", ">46580<"),
        (">25700<", ">45700<"),
    ];
    let statement = template.replace(SAMPLE, reference);
    let raise = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    Ok(more.iter().fold(statement, raise))
}
