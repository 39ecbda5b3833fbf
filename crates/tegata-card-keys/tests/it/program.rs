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
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sha2::{Digest as _, Sha256};
use tegata_card::applet::Applet;
use tegata_card::chip::Chip as _;
use tegata_card::house::client::HouseClient;
use tegata_card::house::{
    CardNumber, FRAME_LIMIT, JobId, OrderId, Request, Resolved, Response, Task,
};
use tegata_card::session::select;
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

    fn client(&self) -> HouseClient<std::os::unix::net::UnixStream> {
        HouseClient::connect(&self.socket(), PATIENCE).unwrap()
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
    client: &mut HouseClient<impl std::io::Read + std::io::Write>,
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
    let mut client = HouseClient::connect(&socket, PATIENCE).unwrap();
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

fn connect(address: &str, name: &str) -> HouseClient<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file("server.pem")).unwrap())
        .unwrap();
    let cert = CertificateDer::from_pem_file(file(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![cert], key)
        .unwrap();
    let server = ServerName::try_from("card-keys.example").unwrap();
    let connection = ClientConnection::new(Arc::new(config), server).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    HouseClient::over(StreamOwned::new(connection, stream))
}

#[test]
fn another_machine_comes_in_with_its_own_certificate_only() {
    let client = CertificateDer::from_pem_file(file("client.pem")).unwrap();
    let pin: String = Sha256::digest(client.as_ref())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let (cert, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let tls = [
        "--listen".to_owned(),
        "127.0.0.1:0".to_owned(),
        "--tls-cert".to_owned(),
        path(&cert),
        "--tls-key".to_owned(),
        path(&key),
    ];
    let pinned = ["--client-pin".to_owned(), pin];
    let certified = ["--client-ca".to_owned(), path(&ca)];
    for (clients, good, bad) in [
        (pinned, "client", ["stranger", "member"]),
        (certified, "member", ["stranger", "client"]),
    ] {
        let mut program = Program::new();
        let arguments: Vec<&str> = tls.iter().chain(&clients).map(String::as_str).collect();
        program.start(&arguments);
        let address = program.address.clone().unwrap();
        let card = Request::Card(CardNumber(CSN));
        let said = connect(&address, good).call(&card);
        assert_eq!(said.unwrap(), Response::Card(None), "{good}");
        for stranger in bad {
            assert!(
                connect(&address, stranger).call(&card).is_err(),
                "{stranger}"
            );
        }
    }
}
