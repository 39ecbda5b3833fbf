//! TLS 1.3 to a card-key server on another machine. Both sides show a certificate; the server's is
//! pinned, or was issued by an authority of the operator's own. Nobody else's authority counts.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
};
use sha2::{Digest as _, Sha256};

use super::place::{CertificatePin, ConnectError, ReadWrite, Remote, Trust, is_silence};
use crate::timely::{Deadline, Timely};

/// Connects and shakes hands, all within `patience`.
pub(super) fn connect(
    remote: &Remote,
    patience: Duration,
) -> Result<Box<dyn ReadWrite + Send>, ConnectError> {
    let config = Arc::new(configure(remote)?);
    let name = server_name(remote)?;
    let connection = ClientConnection::new(config, name);
    let mut connection = connection.map_err(|error| ConnectError::File {
        file: remote.cert.clone(),
        what: error.to_string(),
    })?;
    let deadline = Deadline::within(patience);
    let unreachable = |source| ConnectError::Address {
        address: remote.address.clone(),
        source,
    };
    let stream = dial(&remote.address, &deadline).map_err(unreachable)?;
    let mut timely = Timely::new(&stream, deadline);
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(&mut timely) {
            return Err(not_shaken(remote, error));
        }
    }
    stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(patience)))
        .and_then(|()| stream.set_write_timeout(Some(patience)))
        .map_err(unreachable)?;
    Ok(Box::new(StreamOwned::new(connection, stream)))
}

fn configure(remote: &Remote) -> Result<ClientConfig, ConnectError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates(&remote.cert)?;
    let key = PrivateKeyDer::from_pem_file(&remote.key);
    let key = key.map_err(|error| unusable(&remote.key, &error))?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| unusable(&remote.cert, &error))?;
    let builder = match &remote.trust {
        Trust::Pinned(pin) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned::new(*pin, &provider))),
        Trust::CertifiedBy { authority, .. } => {
            let mut roots = RootCertStore::empty();
            for root in certificates(authority)? {
                roots.add(root).map_err(|e| unusable(authority, &e))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| unusable(&remote.key, &error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let chain = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(file, &error))?;
    if chain.is_empty() {
        return Err(unusable(file, &"it holds no certificate"));
    }
    Ok(chain)
}

fn unusable(file: &Path, what: &dyn std::fmt::Display) -> ConnectError {
    ConnectError::File {
        file: file.to_owned(),
        what: what.to_string(),
    }
}

/// Under which name the server's certificate is looked at. A pinned one may say what it likes.
fn server_name(remote: &Remote) -> Result<ServerName<'static>, ConnectError> {
    let host = remote.address.rsplit_once(':').map(|(host, _)| host);
    let host = host.unwrap_or(&remote.address);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = match &remote.trust {
        Trust::CertifiedBy {
            name: Some(name), ..
        } => name,
        Trust::CertifiedBy { name: None, .. } | Trust::Pinned(_) => host,
    };
    ServerName::try_from(name.to_owned()).map_err(|_e| ConnectError::Address {
        address: remote.address.clone(),
        source: io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name} isn't a host's name or address"),
        ),
    })
}

/// Tries each address that the host has.
fn dial(address: &str, deadline: &Deadline) -> io::Result<TcpStream> {
    let nowhere = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let mut last = Err(nowhere);
    for address in address.to_socket_addrs()? {
        last = TcpStream::connect_timeout(&address, deadline.left()?);
        if last.is_ok() {
            break;
        }
    }
    last
}

fn not_shaken(remote: &Remote, error: io::Error) -> ConnectError {
    let address = remote.address.clone();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(Error::InvalidCertificate(why)) => ConnectError::AnotherServer {
            address,
            what: lacking(why),
        },
        Some(_) => ConnectError::AnotherProtocol { place: address },
        None if is_silence(&error) => ConnectError::Silent { place: address },
        None => ConnectError::Address {
            address,
            source: error,
        },
    }
}

fn lacking(why: &CertificateError) -> String {
    if *why == CertificateError::ApplicationVerificationFailure {
        "its pin is another one".to_owned()
    } else {
        why.to_string()
    }
}

/// Takes the one certificate that it knows. Whoever has its key is the card-key server.
#[derive(Debug)]
struct Pinned {
    pin: CertificatePin,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    const fn new(pin: CertificatePin, provider: &CryptoProvider) -> Self {
        Self {
            pin,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let digest: [u8; 32] = Sha256::digest(end_entity.as_ref()).into();
        if self.pin == CertificatePin::new(digest) {
            Ok(ServerCertVerified::assertion())
        } else {
            let unknown = CertificateError::ApplicationVerificationFailure;
            Err(Error::InvalidCertificate(unknown))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
