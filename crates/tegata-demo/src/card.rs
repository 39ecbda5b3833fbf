//! The town's IC cards: a card-key server, and a card of software in a real card service's virtual
//! reader; where there's no card service, in the process that reads it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    card_service::Service,
    processes::{Ended, pause},
    town::{Given, Member, Town},
};

/// A card of software, and the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    /// Its number.
    pub(crate) number: String,
    image: String,
    /// In the card service's reader?
    in_reader: bool,
}

impl Card {
    /// How a program is told where the card is.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        match self.in_reader {
            true => vec!["--wait", "20"],
            false => vec!["--image", &self.image],
        }
    }
}

/// Can the gate reach the card-key server?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Over its socket.
    AtHand,
    /// It isn't told where that is.
    OutOfReach,
}

impl Town {
    /// A new card from the manufacturer becomes this member's, and lies on the reader from now on.
    pub(crate) fn issue_card(&mut self, member: &str) -> anyhow::Result<Card> {
        let image = self.path("aiko.card");
        let make = ["make", "--image", &image];
        self.programs.run("tegata-card", &make)?.done()?;
        let key = format!("{image}.key");
        let list = fs::read_to_string(&key)?;
        let number = list.split_whitespace().next().context("no card number")?;
        let (centre, password) = (self.path("centre"), self.password("operator")?);
        self.centre(&["cards", "add", &key, "--data", &centre])?
            .done()?;
        let issue = ["cards", "issue", number, member, "--data", &centre];
        self.centre(&[&issue[..], &["--password-file", &password]].concat())?
            .done()?;
        let number = number.to_ascii_lowercase();
        let in_reader = self.put_in_reader(&image)?;
        Ok(Card {
            number,
            image,
            in_reader,
        })
    }

    /// Puts the card into the card service's virtual reader, if there are such things here and the
    /// program was built with them.
    fn put_in_reader(&mut self, image: &str) -> anyhow::Result<bool> {
        let folder = self.folder.clone();
        let Some((service, socket)) = Service::start(&folder)? else {
            return Ok(false);
        };
        self.programs
            .environment
            .push(("PCSCLITE_CSOCK_NAME".to_owned(), socket));
        let vpcd = format!("127.0.0.1:{}", service.port);
        let log = folder.join("logs/card.log");
        let insert = ["virtual", "--image", image, "--vpcd", &vpcd];
        for _ in 0..50 {
            let mut card = self.programs.start("tegata-card", &insert, &log)?;
            pause(Duration::from_millis(200));
            let readers = self.programs.run("tegata-card", &["readers"])?;
            if readers.code == Some(0) && readers.stdout.contains("Tegata card") {
                self.servers.push(card);
                self.card_service = Some(service);
                return Ok(true);
            }
            card.stop();
            if readers.stderr.contains("without card readers") {
                break;
            }
        }
        self.programs.environment.clear();
        Ok(false)
    }

    /// Runs a wallet's command with the card on its reader.
    pub(crate) fn with_card(
        &self,
        member: &Member,
        card: &Card,
        arguments: &[&str],
    ) -> anyhow::Result<Ended> {
        let mut all = vec!["card"];
        all.extend(arguments);
        all.extend(card.arguments());
        self.wallet(member, Given::A, &all)
    }

    /// Lays the card on the gate's reader; gives the gate's verdict.
    pub(crate) fn tap(&mut self, event: u32, card: &Card, keys: Keys) -> anyhow::Result<Value> {
        let (data, event) = (self.path("gate-hall"), event.to_string());
        let socket = self.path("card-keys/gates.sock");
        let mut serve = vec!["serve", "--data", &data, "--listen", "127.0.0.1:0"];
        serve.extend(["--event", &event]);
        match card.in_reader {
            true => serve.extend(["--reader", ""]),
            false => serve.extend(["--card-image", &card.image]),
        }
        if keys == Keys::AtHand {
            serve.extend(["--card-keys", &socket]);
        }
        let gate = self.serve("tegata-gate", &serve, "gate-hall")?;
        let verdict = post_json(gate, "/v1/card", "{}");
        let server = self.servers.pop();
        server.context("no gate serves")?.stop();
        verdict
    }

    /// A member's number, as the wallet knows it.
    pub(crate) fn number_of(&self, member: &Member) -> anyhow::Result<String> {
        let status = self.wallet(member, Given::A, &["status"])?.json()?;
        let number = status["number"].as_str().context("no number");
        number.map(str::to_owned)
    }
}

/// Posts JSON to a server of the town's and reads the JSON that it answers.
fn post_json(server: SocketAddr, path: &str, body: &str) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: gate.localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let start = answer
        .find('{')
        .with_context(|| format!("no JSON: {answer}"))?;
    let end = answer
        .rfind('}')
        .with_context(|| format!("no JSON: {answer}"))?;
    let json = answer.get(start..=end).unwrap_or_default();
    serde_json::from_str(json).with_context(|| format!("no JSON: {answer}"))
}
