//! TLS 1.3 for a centre on another machine. Both sides show a certificate; ours takes clients whose
//! certificate is pinned, or was issued by an authority of the operator's own. Gates have pins of their
//! own, by which they're told from the centre.

use std::fmt;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme, StreamOwned,
};
use sha2::{Digest as _, Sha256};
use tegata_card_service::WireError;
use tegata_card_service::client::{CertificatePin, NotAPin};
use tegata_card_service::timely::{Deadline, Timely};
use tegata_cli::exit::{Failure, OrExit as _};

use crate::handler::Client;

/// Which clients are taken, and as what.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Application servers.
    pub application: Application,
    /// Gates: those with one of these certificates. Whoever is pinned here is a gate, whatever
    /// authority has certified it.
    pub gates: Vec<CertificatePin>,
}

/// Which application servers are taken.
#[derive(Clone, Debug)]
pub enum Application {
    /// Those with one of these certificates; with none of them nobody.
    Pinned(Vec<CertificatePin>),
    /// Those whom an authority in this file certified.
    CertifiedBy(PathBuf),
}

/// Reads pins of 64 hexadecimal digits; colons between them are allowed.
///
/// # Errors
/// [`Failure`] naming the setting and the one that isn't a pin.
pub fn pins(setting: &str, pins: &[String]) -> Result<Vec<CertificatePin>, Failure> {
    let pins = pins.iter().map(|text| {
        let pin = text.parse();
        pin.map_err(|error: NotAPin| Failure::usage(format!("{setting} {text}: {error}")))
    });
    pins.collect()
}

/// Our certificate and its key.
#[derive(Clone, Copy, Debug)]
pub struct Files<'f> {
    /// The certificate with its chain, PEM.
    pub cert: &'f Path,
    /// Its private key, PEM.
    pub key: &'f Path,
}

/// Ready to take connections.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    gates: Arc<[CertificatePin]>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}

impl Tls {
    /// From files.
    ///
    /// # Errors
    /// [`Failure`] naming the file that can't be used.
    pub fn new(files: Files<'_>, clients: &Clients) -> Result<Self, Failure> {
        let chain = certificates(files.cert)?;
        let key = PrivateKeyDer::from_pem_file(files.key);
        let key = key.or_doing(format!("reading {}", files.key.display()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (known, authority) = match &clients.application {
            Application::Pinned(pins) => (pins.as_slice(), None),
            Application::CertifiedBy(file) => (&[][..], Some(authority(file, &provider)?)),
        };
        let verifier = Verifier {
            known: [known, &clients.gates].concat(),
            authority,
            algorithms: provider.signature_verification_algorithms,
        };
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .or_doing("setting up TLS")?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(chain, key)
            .or_doing(format!("using {}", files.cert.display()))?;
        Ok(Self {
            config: Arc::new(config),
            gates: clients.gates.as_slice().into(),
        })
    }

    /// Shakes hands, all within `patience`, and tells as what the client is taken.
    ///
    /// # Errors
    /// [`WireError::Io`], also for a client that isn't taken.
    pub fn accept(
        &self,
        stream: TcpStream,
        patience: Duration,
    ) -> Result<(Client, StreamOwned<ServerConnection, TcpStream>), WireError> {
        let connection = ServerConnection::new(Arc::clone(&self.config));
        let mut connection = connection.map_err(std::io::Error::other)?;
        let mut timely = Timely::new(&stream, Deadline::within(patience));
        while connection.is_handshaking() {
            connection.complete_io(&mut timely)?;
        }
        let shown = connection.peer_certificates().and_then(<[_]>::first);
        // The verifier wants one; without it nobody would be taken for the one who may do all.
        let shown = shown.ok_or_else(|| std::io::Error::other("no certificate was shown"))?;
        let client = if self.gates.contains(&pin_of(shown)) {
            Client::Gate
        } else {
            Client::Application
        };
        Ok((client, StreamOwned::new(connection, stream)))
    }
}

fn pin_of(certificate: &CertificateDer<'_>) -> CertificatePin {
    CertificatePin::new(Sha256::digest(certificate.as_ref()).into())
}

fn authority(
    file: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Failure> {
    let reading = || format!("reading {}", file.display());
    let mut roots = RootCertStore::empty();
    for root in certificates(file)? {
        roots.add(root).or_doing(reading())?;
    }
    WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
        .build()
        .or_doing(reading())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let chain = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .or_doing(format!("reading {}", file.display()))?;
    if chain.is_empty() {
        let what = format!("{} holds no certificate", file.display());
        return Err(Failure::usage(what));
    }
    Ok(chain)
}

/// Takes the certificates that it knows, and those of an authority, if there is one. What else a
/// known one says is nobody's business: whoever has its key is the centre, or that gate.
#[derive(Debug)]
struct Verifier {
    known: Vec<CertificatePin>,
    authority: Option<Arc<dyn ClientCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Verifier {
    // Named to nobody: a client with a known certificate would think that it's not asked for.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.known.contains(&pin_of(end_entity)) {
            return Ok(ClientCertVerified::assertion());
        }
        match &self.authority {
            Some(authority) => authority.verify_client_cert(end_entity, intermediates, now),
            None => {
                let unknown = CertificateError::ApplicationVerificationFailure;
                Err(Error::InvalidCertificate(unknown))
            }
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
