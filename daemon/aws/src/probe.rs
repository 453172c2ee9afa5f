//! Looks at who answers in AWS's place (D30), on connections of our own that carry no secret.
//!
//! The SDK's client tells that nobody vouches for a certificate, and not whose it is; and it asks for no WebSocket. What is
//! looked at here is trusted no more than before: a look at a certificate ends the handshake, and an upgrade is asked for
//! only where the SDK's client has believed whoever answers.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

mod proxy;
mod subject;
mod upgrade;

use proxy::Proxy;

/// A host and port, and whether it is spoken to over TLS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
    tls: bool,
}

impl Place {
    /// Of an endpoint's address: `https://host:port/…`.
    pub(crate) fn of(endpoint: &str) -> Option<Self> {
        let (scheme, rest) = endpoint.split_once("://")?;
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = rest.split('/').next().unwrap_or(rest);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() => (host, port.parse().ok()?),
            Some(_) | None => (authority, if tls { 443 } else { 80 }),
        };
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port, tls })
    }

    /// As a request names it.
    fn authority(&self) -> String {
        if self.port == if self.tls { 443 } else { 80 } {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// The proxy that is used for a place, without its password.
pub(crate) fn proxy(place: &Place) -> Option<String> {
    proxy::named(&place.host, |name| std::env::var(name).ok()).filter(|_| place.tls)
}

/// What goes wrong with an upgrade to a WebSocket, if anything does.
pub(crate) async fn upgrade(place: &Place) -> Option<String> {
    match tokio::time::timeout(LOOK, ask_for_upgrade(place)).await {
        Ok(fault) => fault,
        Err(_) => Some(format!("no answer to the upgrade within {} s", LOOK.as_secs())),
    }
}

async fn ask_for_upgrade(place: &Place) -> Option<String> {
    let cut = |error: io::Error| Some(format!("no connection for the upgrade: {error}"));
    if !place.tls {
        return match TcpStream::connect((place.host.as_str(), place.port)).await {
            Ok(stream) => upgrade::over(stream, place).await,
            Err(error) => cut(error),
        };
    }
    let stream = match connect(&place.host, place.port).await {
        Ok(stream) => stream,
        Err(error) => return cut(error),
    };
    let Ok(name) = ServerName::try_from(place.host.clone()) else {
        return Some("its name is none that TLS knows".to_owned());
    };
    match connector(Arc::new(Shown { shuts: false, ..Shown::default() }))
        .connect(name, stream)
        .await
    {
        Ok(stream) => upgrade::over(stream, place).await,
        Err(error) => cut(error),
    }
}

/// Who signed what `host` shows, as far as it can be seen in a moment.
pub(crate) async fn issuer(host: &str, port: u16) -> Option<String> {
    tokio::time::timeout(LOOK, look(host, port)).await.ok().flatten()
}

async fn look(host: &str, port: u16) -> Option<String> {
    let stream = connect(host, port).await.ok()?;
    let shown = Arc::new(Shown { shuts: true, ..Shown::default() });
    let name = ServerName::try_from(host.to_owned()).ok()?;
    // It fails: the verifier says no whatever it sees.
    drop(connector(Arc::clone(&shown)).connect(name, stream).await);
    let certificate = shown.certificate.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    subject::issuer(&certificate)
}

/// A connection to a host for TLS, through the proxy that the environment names for it.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    match Proxy::for_host(host, |name| std::env::var(name).ok()) {
        Some(proxy) => through(&proxy, host, port).await,
        None => TcpStream::connect((host, port)).await,
    }
}

fn connector(shown: Arc<Shown>) -> TlsConnector {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks every version that rustls does")
        .dangerous()
        .with_custom_certificate_verifier(shown)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// A way through a proxy.
async fn through(proxy: &Proxy, host: &str, port: u16) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect((proxy.host.as_str(), proxy.port)).await?;
    stream.write_all(proxy.request(host, port).as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    if head.get(8..10) == Some(b" 2") {
        Ok(stream)
    } else {
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

/// Keeps the certificate that is shown, and ends the handshake with that, or else believes anybody: nothing secret follows.
#[derive(Debug, Default)]
struct Shown {
    certificate: Mutex<Option<Vec<u8>>>,
    shuts: bool,
}

impl Shown {
    fn signature(&self) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.shuts {
            Err(CertificateError::BadSignature.into())
        } else {
            Ok(HandshakeSignatureValid::assertion())
        }
    }
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(certificate.to_vec());
        if self.shuts {
            Err(CertificateError::UnknownIssuer.into())
        } else {
            Ok(ServerCertVerified::assertion())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature()
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature()
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// How long a look may take: somebody waits for the error that it belongs to.
const LOOK: Duration = Duration::from_secs(3);

/// The longest head of a proxy's answer.
const HEAD: usize = 16 * 1024;
