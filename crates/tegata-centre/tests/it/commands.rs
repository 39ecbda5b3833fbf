//! The program as people type it: its commands from the first day on, its refusals, its silence.

mod guide;
mod programs;

use std::path::Path;

use tegata_bank::sample::SampleEntry;
use tegata_protocol::{
    Role, Time,
    joining::{Registered, Slip},
    payment::{Mode, Receipt},
    prepaid::{Funding, PaymentReference, PrepaidRequest},
};

use crate::{
    joining::contains,
    server::{Client, Server},
    town::{
        Folder, PASSWORD, PROGRAM, Party, again, details, letter, open, own, password_file,
        payment, registration, run, statement, yen,
    },
};

/// What the program said, and its exit code.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn ran(arguments: &[&str]) -> Ran {
    let output = run(arguments);
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Expects an exit code, and words on standard error that say what happened.
pub(crate) fn fails(arguments: &[&str], code: i32, words: &[&str]) {
    let ran = ran(arguments);
    assert_eq!(
        ran.code,
        Some(code),
        "{arguments:?}: {}{}",
        ran.out,
        ran.err
    );
    for word in words {
        assert!(
            ran.err.contains(word),
            "{arguments:?} doesn't say {word:?}: {}",
            ran.err
        );
    }
}

pub(crate) fn succeeds(arguments: &[&str]) -> String {
    let ran = ran(arguments);
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
    ran.out
}

fn json(arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(succeeds(arguments).trim()).unwrap()
}

fn now() -> Time {
    Time::from_secs(tegata_cli::clock::now())
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn help_is_worth_reading() {
    for command in [
        "",
        "root new",
        "root certify",
        "init",
        "serve",
        "applications",
        "applications grant",
        "bank",
        "bank import",
        "cards",
        "cards issue",
        "audit",
        "accounts",
        "programs",
        "erase",
    ] {
        let arguments: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let name = format!("help {command}").trim().replace(' ', "-");
        insta::assert_snapshot!(name, succeeds(&arguments));
    }
}

#[test]
fn wrong_usage_is_told_from_other_failures() {
    let folder = Folder::new();
    let data = folder.data_text();
    for arguments in [
        &[][..],
        &["sell"],
        &["audit"],
        &["bank", "import", "--data", &data],
        &["serve", "--data", &data, "--password", "x"],
    ] {
        fails(arguments, 2, &["Usage"]);
    }
    fails(&["audit", "--data"], 2, &["--data"]);
    let word = ["applications", "grant", "one", "--data", &data];
    fails(&word, 2, &["'one'", "<APPLICATION>"]);
    fails(&["erase", "--data", &data, "M-00000-00000"], 2, &["number"]);
    let add = [
        "applications",
        "add",
        "--data",
        &data,
        "--name",
        "X",
        "--role",
    ];
    fails(
        &[&add[..], &["king"]].concat(),
        2,
        &["member, shop, gate or sealing"],
    );
    fails(
        &[&add[..], &["centre"]].concat(),
        2,
        &["member, shop, gate or sealing"],
    );
    let grant = ["applications", "grant", "77", "--data", &data];
    fails(&grant, 1, &["application 77 isn't waiting"]);
}

#[test]
fn a_folder_that_is_missing_or_another_partys_is_left_alone() {
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("photo.jpg"), b"x").unwrap();
    let missing = text(&other.path().join("missing"));
    for command in [
        &["serve"][..],
        &["audit"],
        &["accounts"],
        &["bank", "suspense"],
    ] {
        fails(
            &[command, &["--data", &missing]].concat(),
            2,
            &["there is no data folder"],
        );
        let foreign = text(other.path());
        fails(
            &[command, &["--data", &foreign]].concat(),
            2,
            &["isn't a data folder"],
        );
    }
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);
}

fn init<'a>(data: &'a str, password: &'a str) -> Vec<&'a str> {
    let account = crate::town::ACCOUNT;
    let mut arguments = vec!["init", "--data", data, "--password-file", password];
    arguments.extend(["--name", "Town", "--owner", "Town", "--account", account]);
    arguments.extend(["--address", "https://centre.example"]);
    arguments
}

#[test]
fn a_centre_without_certificates_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let password = text(&password_file(folder.path(), "password", PASSWORD));
    let data = text(&folder.path().join("centre"));
    succeeds(&init(&data, &password));
    for command in [&["serve"][..], &["audit"], &["applications", "grant", "1"]] {
        let arguments = [command, &["--data", &data]].concat();
        fails(&arguments, 2, &["no certificates yet", "root certify"]);
    }
    fails(&["accounts", "--data", &data], 2, &["no book yet", "serve"]);
    fails(
        &init(&data, &password),
        2,
        &["holds a centre's keys already", "another folder"],
    );
}

#[test]
fn settings_that_make_no_sense_make_no_centre() {
    let folder = tempfile::tempdir().unwrap();
    let password = text(&password_file(folder.path(), "password", PASSWORD));
    let data = text(&folder.path().join("centre"));
    let long = "x".repeat(101);
    for (flag, value, word) in [
        ("--currency", "yen", "currency"),
        ("--account", "DE89370400440532013001", "account"),
        ("--address", "centre.example", "address"),
        ("--address", "https://centre.example/?a=b&c", "address"),
        ("--name", &long, "name"),
        ("--owner", "", "account_owner"),
    ] {
        let mut arguments = init(&data, &password);
        match arguments.iter().position(|a| *a == flag) {
            Some(place) => arguments[place + 1] = value,
            None => arguments.extend([flag, value]),
        }
        fails(&arguments, 2, &[word]);
        assert!(!Path::new(&data).join("keys.cbor").exists());
    }
}

#[test]
fn wrong_passwords_open_nothing() {
    let folder = Folder::new();
    let (data, holder) = (folder.data_text(), folder.holder.path());
    let wrong = text(&password_file(holder, "wrong", "incorrect horse"));
    let short = text(&password_file(holder, "short", "abc"));
    let empty = text(&password_file(holder, "empty", ""));
    let root = text(&holder.join("root"));
    let certify = [
        "root",
        "certify",
        "--root",
        &root,
        "--data",
        &data,
        "--password-file",
    ];
    let with = |password| [&certify[..], &[password]].concat();
    let before = std::fs::read(folder.data().join("certificates.cbor")).unwrap();
    fails(&with(&wrong), 1, &["doesn't open this key"]);
    fails(&with(&empty), 2, &["empty"]);
    fails(&with("/nonexistent"), 2, &["can't read the password"]);
    std::fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fails(&with(&wrong), 2, &["others can read", "chmod 600"]);
    fails(&certify[..6], 2, &["--password-file"]);
    let fresh = text(&holder.join("root2"));
    let new = ["root", "new", "--root", &fresh, "--password-file", &short];
    fails(&new, 2, &["at least 8"]);
    let password = folder.password();
    let new = [&new[..4], &["--password-file", &password]].concat();
    let said = succeeds(&new);
    let key = said.lines().filter(|l| l.trim().len() == 64).count();
    assert!(
        key == 1 && said.contains("public") && said.contains("next:"),
        "{said}"
    );
    assert_eq!(
        std::fs::read(folder.data().join("certificates.cbor")).unwrap(),
        before
    );
    fails(
        &[
            "root",
            "new",
            "--root",
            &root,
            "--password-file",
            &folder.password(),
        ],
        2,
        &["exists"],
    );
}

/// A centre that runs, and the outside world by its sockets.
struct Live {
    folder: Folder,
    server: Server,
}

impl Live {
    fn new() -> Self {
        let folder = Folder::new();
        let server = Server::start(&folder);
        Self { folder, server }
    }

    fn post(&self, bytes: &[u8]) -> crate::server::Answer {
        let mut client = Client::connect(self.server.socket()).unwrap();
        client.post("/v1/message", bytes).unwrap()
    }

    fn ask<B, R>(&self, party: &Party, body: B) -> (R, Option<Vec<u8>>)
    where
        B: tegata_protocol::envelope::Body,
        R: tegata_protocol::envelope::Body + std::fmt::Debug,
    {
        let letter = own(&self.folder, party, body, None, now());
        let answer = self.post(&letter.bytes);
        assert_eq!(answer.status, 200);
        open(&self.folder, party, &letter, &answer.body).unwrap()
    }

    /// Applies at the desk, gets a letter, registers with what the letter says.
    fn join(&self, role: &str) -> (Party, Slip) {
        let data = self.folder.data_text();
        let person = details();
        let add = [
            "applications",
            "add",
            "--data",
            &data,
            "--json",
            "--role",
            role,
        ];
        let name = ["--name", &person.name, "--postal", &person.postal[0]];
        let application = json(&[&add[..], &name].concat())["application"].to_string();
        let granted = json(&[
            "applications",
            "grant",
            &application,
            "--data",
            &data,
            "--json",
        ]);
        let slip = std::fs::read_to_string(granted["slip"].as_str().unwrap()).unwrap();
        let slip: Slip = slip.parse().unwrap();
        let letter = std::fs::read_to_string(granted["letter"].as_str().unwrap()).unwrap();
        assert_eq!(Slip::in_letter(&letter).unwrap().reveal(), slip.reveal());
        assert_eq!(granted["number"], slip.number.to_string());
        let party = Party::new(slip.number);
        let letter = registration(&self.folder, &party, &slip, now());
        let answer = self.post(&letter.bytes);
        open::<Registered>(&self.folder, &party, &letter, &answer.body).unwrap();
        (party, slip)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.holder.path().join(name);
        std::fs::write(&path, content).unwrap();
        text(&path)
    }

    fn import(&self, file: &str, more: &[&str]) -> Vec<String> {
        let (data, password) = (self.folder.data_text(), self.folder.password());
        let import = [
            "bank",
            "import",
            file,
            "--data",
            &data,
            "--password-file",
            &password,
        ];
        [&import[..], more]
            .concat()
            .iter()
            .map(|s| (*s).to_owned())
            .collect()
    }
}

fn strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn request(live: &Live, member: &Party, amount: u64) -> String {
    let body = PrepaidRequest {
        amount: yen(amount),
        funding: Funding::Transfer,
    };
    live.ask::<_, PaymentReference>(member, body).0.reference
}

#[test]
fn a_town_lives_by_its_commands() {
    let live = Live::new();
    let data = live.folder.data_text();
    let ((member, _), (shop, _)) = (live.join("member"), live.join("shop"));
    let listed = json(&["applications", "list", "--data", &data, "--json"]);
    assert_eq!(listed[1]["number"], shop.number.to_string());
    let reference = request(&live, &member, 5000);
    let statement = statement(
        1,
        vec![
            SampleEntry::transfer(yen(5000), "KIRISHIMA HANAKO", &reference),
            SampleEntry::typed(yen(77), "NOBODY", "hello"),
        ],
    );
    let file = live.file("statement.xml", &statement);
    let shown = succeeds(&strs(&live.import(&file, &["--dry-run"])));
    assert!(
        shown.contains(&reference) && shown.contains("to suspense"),
        "{shown}"
    );
    let accounts = || json(&["accounts", "--data", &data, "--json"]);
    assert_eq!(
        accounts()["accounts"].as_array().unwrap().len(),
        0,
        "only shown"
    );
    succeeds(&strs(&live.import(&file, &[])));
    fails(
        &strs(&live.import(&file, &[])),
        1,
        &["statement_imported", "2026-00001"],
    );
    fails(
        &strs(&live.import(&file, &["--dry-run"])),
        1,
        &["statement_imported"],
    );
    let suspense = json(&["bank", "suspense", "--data", &data, "--json"]);
    assert_eq!(suspense.as_array().unwrap().len(), 1);
    assert_eq!(
        (&suspense[0]["amount"], &suspense[0]["why"]),
        (&77.into(), &"no_reference".into())
    );
    let audited = trade(&live, &member, &shop);
    let all = accounts();
    assert_eq!(all["sum"], 0);
    let of = |party: &Party| {
        let rows = all["accounts"].as_array().unwrap().iter();
        let mut rows = rows.filter(|a| a["account"] == party.account().to_string());
        rows.next().unwrap()["balance"].as_i64().unwrap()
    };
    assert_eq!((of(&member), of(&shop)), (3800, 1200));
    let listed = succeeds(&["accounts", "--data", &data]);
    let prepaid = format!("Prepaid {} JPY", member.number);
    assert!(listed.contains(&prepaid), "{listed}");
    audits(&live, &audited);
}

/// The member buys; gives the signed head that came with the receipt.
fn trade(live: &Live, member: &Party, shop: &Party) -> Vec<u8> {
    let bill = live.folder.bill(shop, 1200, now());
    let (receipt, head) = live.ask::<_, Receipt>(member, payment(&bill, Mode::Pay));
    assert_eq!(receipt.balance, yen(3800));
    head.unwrap()
}

fn audits(live: &Live, head: &[u8]) {
    let data = live.folder.data_text();
    let head_file = live.folder.holder.path().join("head");
    std::fs::write(&head_file, head).unwrap();
    let audit = [
        "audit",
        "--data",
        &data,
        "--head",
        head_file.to_str().unwrap(),
        "--json",
    ];
    let report = json(&audit);
    assert_eq!(
        report["findings"].as_array().unwrap().len(),
        0,
        "while it's serving"
    );
    let root = live.folder.public.root;
    let root = tegata_protocol::Digest::from_bytes(*root.as_bytes()).to_string();
    succeeds(&["audit", "--data", &data, "--root", &root]);
    fails(
        &["audit", "--data", &data, "--root", &"0".repeat(64)],
        4,
        &["root isn't the one"],
    );
    fails(
        &["audit", "--data", &data, "--head", "/nonexistent"],
        2,
        &[],
    );
}

#[test]
fn a_bank_file_that_is_not_good_is_refused_with_line_and_reason() {
    let live = Live::new();
    let good = statement(1, vec![SampleEntry::typed(yen(77), "NOBODY", "hello")]);
    for (name, content, words) in [
        (
            "account.xml",
            good.replace("JP-0001", "JP-0002"),
            &["account"][..],
        ),
        (
            "sum.xml",
            good.replace("<Sum>77</Sum>", "<Sum>78</Sum>"),
            &["78", "line"],
        ),
        (
            "version.xml",
            good.replace("053.001.08", "053.001.13"),
            &["053.001.13"],
        ),
        ("empty.xml", String::new(), &["empty"]),
        ("photo.xml", "\u{1F4F7}".to_owned(), &[]),
    ] {
        let file = live.file(name, &content);
        let words = [words, &["refused as a whole", "nothing was credited"]].concat();
        fails(&strs(&live.import(&file, &[])), 2, &words);
    }
    fails(
        &strs(&live.import("/nonexistent.xml", &[])),
        2,
        &["can't be read"],
    );
    let wrong = password_file(live.folder.holder.path(), "wrong", "incorrect horse");
    let (file, data) = (live.file("good.xml", &good), live.folder.data_text());
    let import = ["bank", "import", &file, "--data", &data, "--password-file"];
    fails(
        &[&import[..], &[wrong.to_str().unwrap()]].concat(),
        1,
        &["doesn't open this key"],
    );
    let quiet = live.file("quiet.xml", &statement(2, Vec::new()));
    assert!(succeeds(&strs(&live.import(&quiet, &[]))).contains("nothing to import"));
    assert_eq!(json(&["accounts", "--data", &data, "--json"])["sum"], 0);
    let Live { folder, server } = live;
    server.stop();
    let password = folder.password();
    fails(
        &[&import[..], &[&password]].concat(),
        3,
        &["isn't running", "serve"],
    );
}

/// A fault of the centre's isn't the operator's mistake: it's called a fault, with the reason that the
/// centre gives, and with what to do.
#[test]
fn a_fault_of_the_centres_during_an_import_is_told_as_one() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let Live { folder, server } = Live::new();
    server.stop();
    let socket = folder.data().join("operator.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let centre = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", bytes)) => length = bytes.parse().unwrap(),
                Some(_) => {}
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        let mut order = vec![0; length];
        stream.read_exact(&mut order).unwrap();
        let why = "the book failed: the database failed at commit a batch: disk full";
        let answer = format!("HTTP/1.1 500 Internal Server Error\r\n\r\n{why}");
        stream.get_mut().write_all(answer.as_bytes()).unwrap();
        order.len()
    });
    let file = folder.holder.path().join("file.xml");
    let content = statement(1, vec![SampleEntry::typed(yen(77), "NOBODY", "hello")]);
    std::fs::write(&file, content).unwrap();
    let (file, data, password) = (
        file.to_str().unwrap(),
        folder.data_text(),
        folder.password(),
    );
    let import = ["bank", "import", file, "--data", &data, "--password-file"];
    fails(
        &[&import[..], &[&password]].concat(),
        1,
        &[
            "the centre has a fault: the book failed",
            "disk full",
            "give the same order again",
        ],
    );
    assert!(centre.join().unwrap() > 0);
}

#[test]
fn of_a_file_with_two_statements_both_are_imported_or_none() {
    let live = Live::new();
    let one = statement(1, vec![SampleEntry::typed(yen(77), "NOBODY", "hello")]);
    let two = statement(2, vec![SampleEntry::typed(yen(23), "NOBODY", "again")]);
    let (from, to) = (
        two.find("<Stmt>").unwrap(),
        two.find("</Stmt>").unwrap() + "</Stmt>".len(),
    );
    let both = one.replace("</Stmt>", &format!("</Stmt>{}", &two[from..to]));
    let (first, both) = (live.file("one.xml", &one), live.file("both.xml", &both));
    succeeds(&strs(&live.import(&first, &[])));
    fails(
        &strs(&live.import(&both, &[])),
        1,
        &["statement_imported", "2026-00001"],
    );
    let suspense = json(&[
        "bank",
        "suspense",
        "--data",
        &live.folder.data_text(),
        "--json",
    ]);
    assert_eq!(
        suspense.as_array().unwrap().len(),
        1,
        "the other wasn't taken alone"
    );
}

#[test]
fn everything_unreadable_gets_one_answer_byte_for_byte() {
    let live = Live::new();
    let ((member, _), (shop, _)) = (live.join("member"), live.join("shop"));
    let folder = &live.folder;
    let bill = folder.bill(&shop, 100, now());
    let body = || payment(&bill, Mode::Hold);
    let good = own(folder, &member, body(), None, now());
    let wrong_key = letter(
        folder,
        (member.number, &member.signing),
        body(),
        None,
        now(),
    );
    let stranger = Party::new(tegata_protocol::PartyNumber::new(Role::Member, 77).unwrap());
    let unknown = own(folder, &stranger, body(), None, now());
    let mut flipped = good.bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut unsigned = good.parcel.signed.as_bytes().to_vec();
    *unsigned.last_mut().unwrap() ^= 1;
    let unsigned = tegata_protocol::SignedBytes::new(unsigned);
    let unsigned = again(folder, &tegata_protocol::envelope::Parcel::new(unsigned));
    let attempts: [(&str, &[u8]); 8] = [
        ("nothing", b""),
        ("noise", b"noise"),
        ("cut", &good.bytes[..good.bytes.len() / 2]),
        ("changed", &flipped),
        ("badly signed", &unsigned.bytes),
        ("signed by another key", &wrong_key.bytes),
        ("from nobody we know", &unknown.bytes),
        ("too long", &vec![7; 70_000]),
    ];
    let first = live.post(attempts[0].1);
    assert_eq!(first.status, 400);
    assert_eq!(first.body, b"{\"error\":\"unreadable\"}");
    for (what, bytes) in attempts {
        assert_eq!(live.post(bytes), first, "{what}");
    }
    assert_eq!(live.post(&good.bytes).status, 200);
    let mut client = Client::connect(live.server.socket()).unwrap();
    assert_eq!(client.get("/v1/message").unwrap().status, 405);
    assert_eq!(
        client.get("/order").unwrap().status,
        404,
        "operators have a socket of their own"
    );
}

#[test]
fn erasing_leaves_nothing_to_read_and_the_audit_content() {
    let live = Live::new();
    let (member, slip) = live.join("member");
    let data = live.folder.data_text();
    let letters = live.folder.data().join("letters");
    let kinds = ["html", "pdf", "slip"].map(|k| letters.join(format!("{}.{k}", member.number)));
    assert!(kinds.iter().all(|path| path.exists()));
    let number = member.number.to_string();
    let said = succeeds(&["erase", "--data", &data, &number]);
    assert!(said.contains(&number), "{said}");
    assert!(
        !kinds.iter().any(|path| path.exists()),
        "the letter names the person, too"
    );
    fails(&["erase", "--data", &data, &number], 1, &["no details"]);
    let people = tegata_centre::people::People::open(&live.folder.data()).unwrap();
    assert!(people.person(member.number).is_err());
    succeeds(&["audit", "--data", &data]);
    let letter = registration(&live.folder, &member, &slip, now());
    assert_eq!(
        live.post(&letter.bytes).status,
        200,
        "still registered, still answered"
    );
}

#[test]
fn the_log_of_a_busy_day_names_nobody_and_gives_nothing_away() {
    let live = Live::new();
    let ((member, one), (shop, two)) = (live.join("member"), live.join("shop"));
    let reference = request(&live, &member, 5000);
    let entry = SampleEntry::transfer(yen(5000), "KIRISHIMA HANAKO", &reference);
    let file = live.file("statement.xml", &statement(1, vec![entry]));
    succeeds(&strs(&live.import(&file, &[])));
    ran(&strs(&live.import(&file, &[])));
    let bill = live.folder.bill(&shop, 1200, now());
    live.ask::<_, Receipt>(&member, payment(&bill, Mode::Pay));
    let thief = Party::new(member.number);
    let wrong = registration(&live.folder, &thief, &one, now());
    live.post(&wrong.bytes);
    live.post(b"noise");
    let apply = "role=member&name=Hanako+Kirishima&postal=9-9-9+Kaede-machi&mail=hanako%40kirishima.example";
    let form = apply.as_bytes();
    apply_by_form(&live, form);
    apply_by_form(
        &live,
        b"role=king&name=Hanako+Kirishima&postal=9-9-9+Kaede-machi",
    );
    let wal = std::fs::read(live.folder.data().join("people.sqlite-wal")).unwrap_or_default();
    assert!(!contains(&wal, b"Kirishima"));
    let Live { server, .. } = live;
    let (_, log) = server.stop();
    assert!(
        log.contains("a message that can't be read"),
        "the log says something: {log}"
    );
    let codes = [one.code.reveal(), two.code.reveal()];
    let plain = codes.each_ref().map(|code| code.replace('-', ""));
    let secrets = [
        "Kirishima",
        "KIRISHIMA",
        "Kaede",
        "kirishima.example",
        "hanako",
        PASSWORD,
    ];
    let secrets = secrets
        .into_iter()
        .chain(codes.iter().chain(&plain).map(String::as_str));
    for secret in secrets {
        assert!(
            !log.contains(secret),
            "{secret:?} stands in the log:\n{log}"
        );
    }
    assert!(PROGRAM.ends_with("tegata-centre"));
}

/// Posts the form, with these more headers.
fn post_form(live: &Live, headers: &str, form: &[u8]) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::os::unix::net::UnixStream::connect(live.server.socket()).unwrap();
    let head = format!(
        "POST /apply HTTP/1.1\r\nHost: centre\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        form.len()
    );
    stream.write_all(&[head.as_bytes(), form].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A program that asks for JSON gets it, whatever comes of it; a browser gets a page.
#[test]
fn applications_are_answered_in_the_form_asked_for() {
    let live = Live::new();
    let json = "Accept: application/json\r\n";
    let browser = "Accept: text/html,application/xhtml+xml,application/json;q=0.8,*/*;q=0.7\r\n";
    let (good, bad) = (
        &b"role=member&name=H&postal=1-2-3"[..],
        &b"role=king&name=H"[..],
    );
    for (form, form_type) in [(good, FORM), (bad, FORM), (good, "")] {
        let to_program = post_form(&live, &format!("{json}{form_type}"), form);
        let (head, body) = to_program.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("application/json"), "{to_program}");
        serde_json::from_str::<serde_json::Value>(body).unwrap();
        for accept in [browser, ""] {
            let to_browser = post_form(&live, &format!("{accept}{form_type}"), form);
            assert!(to_browser.contains("<!DOCTYPE html>"), "{to_browser}");
        }
    }
}

/// Sends the page's form as a browser would.
fn apply_by_form(live: &Live, form: &[u8]) {
    let answer = post_form(live, FORM, form);
    assert!(
        answer.starts_with("HTTP/1.1 2") || answer.starts_with("HTTP/1.1 422"),
        "{answer}"
    );
}
