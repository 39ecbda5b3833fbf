//! TLS from a certificate file and a key file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use tegata_cli::exit::Failure;

use super::Error;

/// A certificate chain with its key, ready to accept connections (TLS 1.2 and 1.3).
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads a certificate chain and its private key, both PEM.
    ///
    /// # Errors
    /// [`Error::Tls`] naming the file that can't be used.
    pub fn from_files(cert: &Path, key: &Path) -> Result<Self, Error> {
        let bad = |path: &Path, what: String| Error::Tls {
            path: path.to_owned(),
            what,
        };
        let chain = CertificateDer::pem_file_iter(cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad(cert, error.to_string()))?;
        if chain.is_empty() {
            return Err(bad(cert, "it holds no certificate".into()));
        }
        let secret =
            PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error.to_string()))?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| bad(cert, error.to_string()))?
                .with_no_client_auth()
                .with_single_cert(chain, secret)
                .map_err(|error| bad(key, error.to_string()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// TLS with the certificate and the key that are set, if any; `next` says how both are set.
    ///
    /// # Errors
    /// [`Failure`] if only one of them is set, or one can't be used.
    pub fn as_set(
        cert: Option<&Path>,
        key: Option<&Path>,
        next: &str,
    ) -> Result<Option<Self>, Failure> {
        match (cert, key) {
            (Some(cert), Some(key)) => Ok(Some(Self::from_files(cert, key)?)),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => {
                Err(Failure::usage("TLS needs both a certificate and its key").next(next))
            }
        }
    }

    pub(super) const fn acceptor(&self) -> &TlsAcceptor {
        &self.0
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}
