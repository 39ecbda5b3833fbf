//! The real program as a process: its socket, its end, and a crash in the middle of a debit.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sha2::{Digest as _, Sha256};
use tegata_card::applet::Applet;
use tegata_card::chip::Chip as _;
use tegata_card::session::select;
use tegata_card_service::client::{
    CardKeysClient, CertificatePin, ConnectError, Remote, Server, Trust,
};
use tegata_card_service::{
    CardKeysRefusal, CardNumber, FRAME_LIMIT, JobId, OrderId, Request, Resolved, Response, Task,
};
use tempfile::TempDir;

use crate::world::{CSN, Pages, TRANSPORT, limits, money};

const PATIENCE: Duration = Duration::from_secs(20);

struct Program {
    folder: TempDir,
    child: Option<Child>,
    address: Option<String>,
}

impl Program {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tegata-card-keys"));
        command.args(arguments).arg("--data").arg(self.data());
        command.env("TEGATA_PASSWORD_FILE", self.folder.path().join("password"));
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        fs::write(&password, "a long password\n").unwrap();
        fs::set_permissions(&password, Permissions::from_mode(0o600)).unwrap();
        let program = Self {
            folder,
            child: None,
            address: None,
        };
        let made = program.run(&["init"]);
        assert!(made.status.success(), "{made:?}");
        program
    }

    fn start(&mut self, arguments: &[&str]) {
        let mut command = self.command(&[&["serve", "--json"], arguments].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        self.address = said["address"].as_str().map(str::to_owned);
        self.child = Some(child);
    }

    fn socket(&self) -> PathBuf {
        self.data().join("card-keys.sock")
    }

    fn client(&self) -> CardKeysClient<std::os::unix::net::UnixStream> {
        CardKeysClient::connect(&self.socket(), PATIENCE).unwrap()
    }

    /// At once, as a crash does it: SIGKILL.
    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Carries bytes until something else than `Send` is said.
fn carry(
    client: &mut CardKeysClient<impl std::io::Read + std::io::Write>,
    card: &mut Applet<Pages>,
    begin: Request,
    id: JobId,
) -> Response {
    card.power_on();
    card.transmit(&select()).unwrap();
    let mut response = client.call(&begin).unwrap();
    while let Response::Send(bytes) = response {
        let answer = card.transmit(&bytes).unwrap();
        response = client.call(&Request::Answer(id, answer)).unwrap();
    }
    response
}

fn begin(id: JobId, task: Task) -> Request {
    Request::Begin(id, CardNumber(CSN), task)
}

#[test]
fn a_crash_between_the_order_and_its_answer_is_found_out_after_the_restart() {
    for executed in [true, false] {
        let mut program = Program::new();
        program.start(&[]);
        let mut client = program.client();
        let mut card = Applet::new(Pages::blank(CSN));
        let id = JobId([1; 16]);
        let personalise = Task::Personalise {
            transport_key: TRANSPORT.to_vec(),
            limits: limits(),
        };
        let done = carry(&mut client, &mut card, begin(id, personalise), id);
        assert!(matches!(done, Response::Done(_)), "{done:?}");
        let opened = carry(&mut client, &mut card, begin(id, Task::Load), id);
        assert!(matches!(opened, Response::Opened { .. }), "{opened:?}");
        let order = Request::Order(id, money(40, 900));
        let Response::Ordered { send, counter } = client.call(&order).unwrap() else {
            panic!("not ordered");
        };
        assert_eq!(counter, 1);
        if executed {
            card.transmit(&send).unwrap();
        }
        program.kill();
        assert!(client.call(&Request::Abandon(id)).is_err());
        program.start(&[]);
        let mut client = program.client();
        let Response::Done(done) = carry(&mut client, &mut card, begin(id, Task::Read), id) else {
            panic!("not done");
        };
        let (resolved, balance) = (done.resolved.unwrap(), done.purse.unwrap().balance);
        let carried_out =
            matches!(resolved, Resolved::CarriedOut(id, _) if id == OrderId([40; 16]));
        assert_eq!(
            (carried_out, balance),
            (executed, Some(u32::from(executed) * 900))
        );
        assert_eq!(program.terminate(), Some(0));
        assert!(!program.socket().exists());
        shown(&program, executed);
    }
}

/// What the operator sees of it.
fn shown(program: &Program, executed: bool) {
    let number = "07010203040506070809";
    let out = program.run(&["cards", "show", "--json", number]);
    let text = String::from_utf8(out.stdout).unwrap();
    let state = if executed { "done" } else { "void" };
    assert!(text.contains(&format!("\"state\":\"{state}\"")), "{text}");
    let out = program.run(&["deny", number]);
    assert!(out.status.success());
    let out = program.run(&["cards", "list"]);
    assert!(String::from_utf8(out.stdout).unwrap().contains("denied"));
    let out = program.run(&["evidence"]);
    assert!(out.status.success() && out.stdout.is_empty());
    let out = program.run(&["deny", "07010203040506070800"]);
    assert_eq!(out.status.code(), Some(1));
}

#[test]
fn the_socket_is_its_owners_and_garbage_ends_only_its_own_connection() {
    let mut program = Program::new();
    // As many as are open at once here: one that was just closed may still count.
    program.start(&["--connections", "4"]);
    let mode = fs::metadata(program.socket()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let second = program.run(&["serve"]);
    assert!(!second.status.success(), "one process per folder");
    let mut client = program.client();
    let card = Request::Card(CardNumber(CSN));
    assert_eq!(client.call(&card).unwrap(), Response::Card(None));
    for garbage in [
        (FRAME_LIMIT + 1).to_be_bytes().to_vec(),
        vec![0, 0, 0, 2, 0xff, 0xff],
        vec![0, 0, 0, 0],
    ] {
        let mut stream = std::os::unix::net::UnixStream::connect(program.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&garbage).unwrap();
        let mut byte = [0];
        // Closed, or reset if something was left unread.
        assert!(!matches!(
            std::io::Read::read(&mut stream, &mut byte),
            Ok(1..)
        ));
    }
    assert_eq!(client.call(&card).unwrap(), Response::Card(None));
}

#[test]
fn another_user_may_knock_only_if_one_is_allowed() {
    let mut program = Program::new();
    let socket = program.folder.path().join("elsewhere.sock");
    program.start(&["--socket", socket.to_str().unwrap(), "--allow-uid", "1"]);
    let mode = fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o666);
    let mut client = CardKeysClient::connect(&socket, PATIENCE).unwrap();
    let card = Request::Card(CardNumber(CSN));
    assert_eq!(client.call(&card).unwrap(), Response::Card(None));
}

#[test]
fn init_and_serve_say_what_is_wrong() {
    let program = Program::new();
    let again = program.run(&["init"]);
    assert_eq!(again.status.code(), Some(2));
    let text = String::from_utf8(again.stderr).unwrap();
    assert!(text.contains("exists already"), "{text}");
    let wrong = program.folder.path().join("password");
    fs::write(&wrong, "another password\n").unwrap();
    let served = program.run(&["serve"]);
    assert_eq!(served.status.code(), Some(1));
    let text = String::from_utf8(served.stderr).unwrap();
    assert!(text.contains("doesn't open the key file"), "{text}");
    fs::write(program.data().join("master-keys.sealed"), "short").unwrap();
    assert_eq!(program.run(&["serve"]).status.code(), Some(4));
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/tls")
        .join(name)
}

/// The card-key server's address, and us with the certificate of that name.
fn remote(address: &str, name: &str, trust: Trust) -> Server {
    Server::Remote(Remote {
        address: address.to_owned(),
        trust,
        cert: file(&format!("{name}.pem")),
        key: file(&format!("{name}.key")),
    })
}

fn by_authority() -> Trust {
    Trust::CertifiedBy {
        authority: file("server.pem"),
        name: Some("card-keys.example".to_owned()),
    }
}

fn pin(name: &str) -> CertificatePin {
    let cert = CertificateDer::from_pem_file(file(&format!("{name}.pem"))).unwrap();
    CertificatePin::new(Sha256::digest(cert.as_ref()).into())
}

fn tls_arguments() -> Vec<String> {
    let path = |name| file(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("server.pem"), path("server.key"));
    let words = ["--listen", "127.0.0.1:0", "--tls-cert", &cert, "--tls-key"];
    let mut words = words.map(str::to_owned).to_vec();
    words.push(key);
    words
}

impl Program {
    /// Listens on an address too; where, is returned.
    fn start_tls(&mut self, clients: &[&str]) -> String {
        let tls = tls_arguments();
        let words: Vec<&str> = tls.iter().map(String::as_str).collect();
        self.start(&[&words, clients].concat());
        self.address.clone().unwrap()
    }
}

fn ask(server: &Server) -> Result<Response, ConnectError> {
    let mut client = server.connect(PATIENCE)?;
    Ok(client.call(&Request::Card(CardNumber(CSN))).unwrap())
}

fn why_not(server: &Server) -> (ConnectError, String) {
    let error = ask(server).unwrap_err();
    let text = error.to_string();
    (error, text)
}

#[test]
fn another_machine_comes_in_with_its_own_certificate_only() {
    let ca = file("ca.pem").to_str().unwrap().to_owned();
    let pinned = ["--client-pin".to_owned(), pin("client").to_string()];
    let certified = ["--client-ca".to_owned(), ca];
    for (clients, good, bad) in [
        (pinned, "client", ["stranger", "member"]),
        (certified, "member", ["stranger", "client"]),
    ] {
        let mut program = Program::new();
        let clients = clients.each_ref().map(String::as_str);
        let address = program.start_tls(&clients);
        for trust in [by_authority(), Trust::Pinned(pin("server"))] {
            let said = ask(&remote(&address, good, trust)).unwrap();
            assert_eq!(said, Response::Card(None), "{good}");
        }
        for stranger in bad {
            let (error, text) = why_not(&remote(&address, stranger, by_authority()));
            assert!(matches!(error, ConnectError::NotLetIn { .. }), "{error:?}");
            assert!(text.contains(&format!("{stranger}.pem")), "{text}");
            assert!(text.contains("`client_pin`"), "{text}");
        }
        // Somebody without a certificate at all gets no word.
        assert!(
            bare(&address)
                .call(&Request::Abandon(JobId([0; 16])))
                .is_err()
        );
    }
}

/// TLS without a certificate of ours.
fn bare(address: &str) -> CardKeysClient<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    let server = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    roots.add(server).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("card-keys.example").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    CardKeysClient::over(StreamOwned::new(connection, stream))
}

#[test]
fn another_server_than_the_one_named_is_told_nothing() {
    let mut program = Program::new();
    let address = program.start_tls(&["--client-pin", &pin("client").to_string()]);
    let certified = |authority: &str, name: Option<&str>| Trust::CertifiedBy {
        authority: file(authority),
        name: name.map(str::to_owned),
    };
    for trust in [
        Trust::Pinned(pin("stranger")),
        certified("stranger.pem", Some("card-keys.example")),
        certified("server.pem", Some("other.example")),
        // Its certificate doesn't bear the address.
        certified("server.pem", None),
    ] {
        let (error, text) = why_not(&remote(&address, "client", trust));
        assert!(
            matches!(error, ConnectError::AnotherServer { .. }),
            "{error:?}"
        );
        assert!(text.contains(&address), "{text}");
        assert!(text.contains("somebody is in between"), "{text}");
    }
    let (error, text) = why_not(&remote(&address, "none", by_authority()));
    assert!(matches!(error, ConnectError::File { .. }), "{error:?}");
    assert!(text.contains("none.pem"), "{text}");
}

#[test]
fn who_is_silent_is_not_waited_for() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let server = remote(&address, "client", Trust::Pinned(pin("server")));
    let error = server.connect(Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, ConnectError::Silent { .. }), "{error:?}");
    // Nor one that says a byte now and then.
    let dribbling = std::thread::spawn(move || {
        let (mut stream, _) = silent.accept().unwrap();
        // The first one is the connection that was given up above.
        let (mut second, _) = silent.accept().unwrap();
        drop(stream.write_all(b"\x16"));
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let mut byte = 0x16_u8;
        while second.write_all(&[byte]).is_ok() {
            // A record of 16 KiB, one byte at a time.
            byte = if byte == 0x16 { 3 } else { 0x3f };
            receiver.recv_timeout(Duration::from_millis(10)).ok();
        }
        drop(sender);
    });
    let error = server.connect(Duration::from_millis(200)).unwrap_err();
    assert!(matches!(error, ConnectError::Silent { .. }), "{error:?}");
    dribbling.join().unwrap();
    // And nobody at all.
    let (error, text) = why_not(&server);
    assert!(matches!(error, ConnectError::Address { .. }), "{error:?}");
    assert!(text.contains("see that it runs"), "{text}");
}

#[test]
fn a_socket_is_found_and_its_server_speaks() {
    let mut program = Program::new();
    program.start(&[]);
    let server = Server::Socket(program.socket());
    assert_eq!(ask(&server).unwrap(), Response::Card(None));
    program.kill();
    let (error, text) = why_not(&server);
    assert!(matches!(error, ConnectError::Socket { .. }), "{error:?}");
    assert!(text.contains("Start it"), "{text}");
}

/// May it do what the application server may, or what a gate may?
fn rights(server: &Server) -> (bool, bool) {
    let mut client = server.connect(PATIENCE).unwrap();
    let not_permitted = Response::Refused(CardKeysRefusal::NotPermitted);
    let card = client.call(&Request::Card(CardNumber(CSN))).unwrap();
    let read = begin(JobId([2; 16]), Task::ReadTicket { slot: 1 });
    let read = client.call(&read).unwrap();
    (card != not_permitted, read != not_permitted)
}

#[test]
fn who_comes_by_the_gates_socket_or_pin_is_a_gate() {
    let both = (true, true);
    let gate = (false, true);
    let (ca, member) = (file("ca.pem"), pin("member").to_string());
    let ca = ca.to_str().unwrap();
    for known in [
        // Certified by the centre's authority too: a gate all the same.
        ["--client-ca", ca],
        ["--client-pin", &pin("client").to_string()],
    ] {
        let mut program = Program::new();
        let gates = program.folder.path().join("gates.sock");
        let clients = [
            &known[..],
            &[
                "--gate-pin",
                &member,
                "--gate-socket",
                gates.to_str().unwrap(),
            ],
        ];
        let address = program.start_tls(&clients.concat());
        assert_eq!(rights(&Server::Socket(program.socket())), both);
        assert_eq!(rights(&Server::Socket(gates.clone())), gate);
        let mode = fs::metadata(&gates).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let trust = || Trust::Pinned(pin("server"));
        assert_eq!(rights(&remote(&address, "member", trust())), gate);
        if known[0] == "--client-pin" {
            assert_eq!(rights(&remote(&address, "client", trust())), both);
        }
        let stranger = why_not(&remote(&address, "stranger", trust())).0;
        assert!(
            matches!(stranger, ConnectError::NotLetIn { .. }),
            "{stranger:?}"
        );
        assert_eq!(program.terminate(), Some(0));
        assert!(!gates.exists() && !program.socket().exists());
    }
}

#[test]
fn gates_alone_may_come_from_elsewhere() {
    let mut program = Program::new();
    let address = program.start_tls(&["--gate-pin", &pin("member").to_string()]);
    let trust = || Trust::Pinned(pin("server"));
    assert_eq!(rights(&remote(&address, "member", trust())), (false, true));
    let other = why_not(&remote(&address, "client", trust())).0;
    assert!(matches!(other, ConnectError::NotLetIn { .. }), "{other:?}");
}

/// A stolen gate, or whoever finds the address, holds open what it can get.
#[test]
fn connections_of_gates_and_strangers_keep_no_centre_out() {
    let mut program = Program::new();
    let gates = program.folder.path().join("gates.sock");
    let gate_pin = pin("member").to_string();
    let centre_pin = pin("client").to_string();
    let address = program.start_tls(&[
        "--connections",
        "3",
        "--client-pin",
        &centre_pin,
        "--gate-pin",
        &gate_pin,
        "--gate-socket",
        gates.to_str().unwrap(),
    ]);
    let connect = |server: &Server| server.connect(PATIENCE);
    let card = Request::Card(CardNumber(CSN));
    let held: Vec<_> = (0..3)
        .map(|_| connect(&Server::Socket(gates.clone())).unwrap())
        .collect();
    // There's no room for a fourth, whichever way it comes.
    let one_more = |server: &Server| {
        let client = connect(server);
        client.is_ok_and(|mut client| client.call(&card).is_ok())
    };
    assert!(!one_more(&Server::Socket(gates.clone())));
    let trust = || Trust::Pinned(pin("server"));
    assert!(!one_more(&remote(&address, "member", trust())));
    // More of them than there's room for, and none says a word.
    let strangers: Vec<_> = (0..5)
        .map(|_| std::net::TcpStream::connect(&address).unwrap())
        .collect();
    for server in [
        Server::Socket(program.socket()),
        remote(&address, "client", trust()),
    ] {
        let mut centre = connect(&server).unwrap();
        assert_eq!(centre.call(&card).unwrap(), Response::Card(None));
    }
    // The oldest had to go, long before its time to shake hands was over.
    let mut oldest = strangers.first().unwrap();
    let soon = Duration::from_secs(6);
    oldest.set_read_timeout(Some(soon)).unwrap();
    let read = std::io::Read::read(&mut oldest, &mut [0]);
    let timed_out = |e: &std::io::Error| e.kind() == std::io::ErrorKind::WouldBlock;
    assert!(!read.as_ref().is_err_and(timed_out), "{read:?}");
    drop((held, strangers));
}
