//! TLS 1.3 for a centre on another machine. Both sides show a certificate; ours takes clients whose
//! certificate is pinned, or was issued by an authority of the operator's own.

use std::fmt;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme, StreamOwned,
};
use sha2::{Digest as _, Sha256};
use tegata_card::house::WireError;
use tegata_card::house::client::{CertificatePin, NotAPin};
use tegata_program::exit::{Failure, OrExit as _};

/// Which clients are taken.
#[derive(Clone, Debug)]
pub enum Clients {
    /// Those with one of these certificates, by SHA-256.
    Pinned(Vec<CertificatePin>),
    /// Those whom an authority in this file certified.
    CertifiedBy(PathBuf),
}

impl Clients {
    /// Reads pins of 64 hexadecimal digits; colons between them are allowed.
    ///
    /// # Errors
    /// [`Failure`] naming the one that isn't a pin.
    pub fn pinned(pins: &[String]) -> Result<Self, Failure> {
        let pins = pins.iter().map(|text| {
            let pin = text.parse();
            pin.map_err(|error: NotAPin| Failure::usage(format!("client_pin {text}: {error}")))
        });
        Ok(Self::Pinned(pins.collect::<Result<_, _>>()?))
    }
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
pub struct Tls(Arc<ServerConfig>);

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
        let verifier: Arc<dyn ClientCertVerifier> = match clients {
            Clients::Pinned(pins) => Arc::new(Pinned {
                pins: pins.clone(),
                algorithms: provider.signature_verification_algorithms,
            }),
            Clients::CertifiedBy(file) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(file)? {
                    roots
                        .add(root)
                        .or_doing(format!("reading {}", file.display()))?;
                }
                WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
                    .build()
                    .or_doing(format!("reading {}", file.display()))?
            }
        };
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .or_doing("setting up TLS")?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .or_doing(format!("using {}", files.cert.display()))?;
        Ok(Self(Arc::new(config)))
    }

    /// Shakes hands; the stream's timeouts must be set.
    ///
    /// # Errors
    /// [`WireError::Io`], also for a client that isn't taken.
    pub fn accept(
        &self,
        mut stream: TcpStream,
    ) -> Result<StreamOwned<ServerConnection, TcpStream>, WireError> {
        let connection = ServerConnection::new(Arc::clone(&self.0));
        let mut connection = connection.map_err(std::io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }
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

/// Takes the certificates that it knows. What else they say is nobody's business: whoever has the
/// key of a pinned certificate is the centre.
#[derive(Debug)]
struct Pinned {
    pins: Vec<CertificatePin>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let digest: [u8; 32] = Sha256::digest(end_entity.as_ref()).into();
        if self.pins.contains(&CertificatePin::new(digest)) {
            Ok(ClientCertVerified::assertion())
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
