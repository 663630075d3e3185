//! TLS to the servers: what is read once, when a client is made, and what a failed handshake means.
//!
//! Files are read and tried before anything is connected, so that a wrong one is an error that names
//! it, at once. A handshake that fails later is as good as a connection that is refused: it is tried
//! again, and its error says what to change. The key is in no `Debug` and in no error.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, InconsistentKeys, RootCertStore};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::error::Error;

/// A handshake that takes longer is given up: a server that accepts and is silent.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(5);

/// How servers are told from impostors. The default trusts the system's roots, checks the host of
/// each address, and shows no certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// A file of PEM certificates, the only ones that are trusted then. Absent: the system's roots.
    pub ca_file: Option<PathBuf>,
    /// The name that the servers' certificates must be for. Absent: the host of each address.
    pub server_name: Option<String>,
    /// What this client shows of itself. Absent: nothing.
    pub identity: Option<TlsIdentity>,
}

/// A client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// A file with the certificate and those between it and its CA, PEM.
    pub certificate_file: PathBuf,
    /// A file with its private key, PEM.
    pub key_file: PathBuf,
}

/// A [`TlsConfig`] whose files were read and tried.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: ClientTlsConfig,
    trusted: String,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // tonic's own shows the key.
        f.debug_struct("Tls")
            .field("trusted", &self.trusted)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    pub(crate) fn read(config: &TlsConfig) -> Result<Self, Error> {
        let mut connector = ClientTlsConfig::new();
        let trusted = match &config.ca_file {
            Some(path) => {
                let pem =
                    trusted_certificates(path).map_err(|e| refused("tls.ca_file", path, e))?;
                connector = connector.ca_certificate(Certificate::from_pem(pem));
                path.display().to_string()
            }
            None => {
                connector = connector.with_native_roots();
                "the system's roots".to_owned()
            }
        };
        if let Some(name) = &config.server_name {
            connector = connector.domain_name(name);
        }
        if let Some(identity) = &config.identity {
            connector = connector.identity(read_identity(identity)?);
        }
        let tls = Self { connector, trusted };
        // What is left to go wrong: no roots on this system, or a name that is none.
        tls.over(Endpoint::from_static("https://localhost"))
            .map_err(|reason| {
                let field = match &config.server_name {
                    Some(_) => "tls.server_name",
                    None => "tls",
                };
                Error::invalid("client", field, reason)
            })?;
        Ok(tls)
    }

    /// The endpoint, spoken to over TLS.
    pub(crate) fn over(&self, endpoint: Endpoint) -> Result<Endpoint, String> {
        endpoint
            .tls_config(self.connector.clone().timeout(LONGEST_HANDSHAKE))
            .map_err(|error| innermost(&error))
    }

    /// What a handshake's failure means for whoever runs this; `None` for any other failure.
    pub(crate) fn explain(&self, cause: &(dyn std::error::Error + 'static)) -> Option<String> {
        let Some(error) = rustls_error(cause) else {
            // An alert that comes after the handshake, as TLS 1.3 asks for certificates, went
            // through HTTP/2 and is a text.
            let said = cause.to_string();
            let is_alert = said.starts_with("received fatal alert");
            return is_alert.then(|| format!("TLS: {}", refused_by_server(said)));
        };
        let advice = match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
                "the server's certificate is signed by nobody in {}; name the file of its CA \
                 (ca_file)",
                self.trusted
            ),
            rustls::Error::InvalidCertificate(
                name @ (CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. }),
            ) => format!(
                "{name}; give the name that the certificate is for (server_name), or reach the \
                 server by it"
            ),
            rustls::Error::InvalidCertificate(other) => {
                format!("the server's certificate is not accepted: {other}")
            }
            rustls::Error::InvalidMessage(_) => {
                "the server does not speak TLS on this port; leave \
                 TLS out, or name its TLS port"
                    .to_owned()
            }
            alert @ rustls::Error::AlertReceived(_) => refused_by_server(alert),
            other => other.to_string(),
        };
        Some(format!("TLS: {advice}"))
    }
}

fn refused_by_server(alert: impl fmt::Display) -> String {
    format!("the server refused this client ({alert}); it may want a client certificate")
}

/// A rustls error: the cause itself, or what an I/O error was made of.
fn rustls_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(error);
    }
    let inner = cause.downcast_ref::<std::io::Error>()?.get_ref()?;
    inner.downcast_ref::<rustls::Error>()
}

fn refused(field: &'static str, path: &Path, reason: impl fmt::Display) -> Error {
    Error::invalid("client", field, format!("{}: {reason}", path.display()))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The file's bytes, in which there is at least one certificate and none that can't be trusted.
fn trusted_certificates(path: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for (number, certificate) in certificates(&pem)?.into_iter().enumerate() {
        roots
            .add(certificate)
            .map_err(|error| format!("certificate {}: {error}", number + 1))?;
    }
    Ok(pem)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("holds no certificate (PEM)".to_owned()),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("is not PEM: {error}")),
    }
}

fn read_identity(identity: &TlsIdentity) -> Result<Identity, Error> {
    const CERTIFICATE: &str = "tls.client_certificate_file";
    const KEY: &str = "tls.client_key_file";
    let (certificate_file, key_file) = (&identity.certificate_file, &identity.key_file);
    let certificate_pem =
        std::fs::read(certificate_file).map_err(|e| refused(CERTIFICATE, certificate_file, e))?;
    let chain =
        certificates(&certificate_pem).map_err(|e| refused(CERTIFICATE, certificate_file, e))?;
    let key_pem = std::fs::read(key_file).map_err(|e| refused(KEY, key_file, e))?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| match error {
        pem::Error::NoItemsFound => refused(KEY, key_file, "holds no private key (PEM)"),
        _ => refused(KEY, key_file, "is not a private key in PEM"),
    })?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider()).map_err(
        |error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => refused(
                KEY,
                key_file,
                format!(
                    "is not the key of the certificate in {}",
                    certificate_file.display()
                ),
            ),
            rustls::Error::General(_) => refused(KEY, key_file, "holds a key of an unknown kind"),
            error => refused(CERTIFICATE, certificate_file, error),
        },
    )?;
    Ok(Identity::from_pem(certificate_pem, key_pem))
}
