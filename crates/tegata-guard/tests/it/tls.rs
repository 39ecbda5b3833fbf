//! TLS, with a certificate that only these tests trust.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::town::{Centre, Client, GuardProcess, Place};

const CERT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls.key");

fn connect(guard: &GuardProcess) -> Client<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(CERT).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("centre.localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    Client::over(StreamOwned::new(
        tls,
        TcpStream::connect(guard.address).unwrap(),
    ))
}

#[test]
fn with_a_certificate_it_speaks_tls_and_says_so_to_the_centre() {
    let place = Place::new();
    let centre = Centre::start(&place.socket());
    let more = [
        "--tls-cert",
        CERT,
        "--tls-key",
        KEY,
        "--listen",
        "0.0.0.0:0",
    ];
    let mut guard = place.guard(&more);
    guard.address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    let body = vec![9; 64 * 1024];
    let mut client = connect(&guard);
    assert_eq!(client.post("/v1/echo", &body).body, body);
    assert_eq!(client.get("/").status, 404);
    assert_eq!(
        centre.got()[0].headers["forwarded"],
        "for=127.0.0.1;proto=https"
    );

    let mut plain = guard.connect();
    plain.send(b"GET / HTTP/1.1\r\nHost: centre.localhost\r\n\r\n");
    assert!(
        !plain.rest().starts_with(b"HTTP"),
        "no plain HTTP on the same port"
    );
}

#[test]
fn a_certificate_or_key_that_cant_be_used_is_named() {
    let place = Place::new();
    let said = |arguments: &[&str]| {
        let output = place.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let text = said(&["--tls-cert", KEY, "--tls-key", KEY]);
    assert!(
        text.contains("tls.key for TLS: it holds no certificate"),
        "{text}"
    );
    let missing = Path::new(CERT).with_file_name("no.key");
    let text = said(&["--tls-cert", CERT, "--tls-key", missing.to_str().unwrap()]);
    assert!(text.contains("no.key for TLS"), "{text}");
    let text = said(&["--tls-cert", CERT]);
    assert!(text.contains("--tls-key"), "{text}");
}
