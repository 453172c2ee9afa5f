//! Who signed the certificate that is shown in AWS's place (D30): a handshake of our own that looks and goes away.
//!
//! The SDK's client tells that nobody vouches for a certificate, and not whose it is. What is shown here is trusted no
//! more: the handshake ends with the look, and nothing is sent.

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

use proxy::Proxy;

/// Who signed what `host` shows, as far as it can be seen in a moment.
pub(crate) async fn issuer(host: &str, port: u16) -> Option<String> {
    let proxy = Proxy::for_host(host, |name| std::env::var(name).ok());
    tokio::time::timeout(LOOK, look(host, port, proxy)).await.ok().flatten()
}

async fn look(host: &str, port: u16, proxy: Option<Proxy>) -> Option<String> {
    let stream = match proxy {
        Some(proxy) => through(&proxy, host, port).await.ok()?,
        None => TcpStream::connect((host, port)).await.ok()?,
    };
    let shown = Arc::new(Shown::default());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks every version that rustls does")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&shown) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).ok()?;
    // It fails: the verifier says no whatever it sees.
    drop(TlsConnector::from(Arc::new(config)).connect(name, stream).await);
    let certificate = shown.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    subject::issuer(&certificate)
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

/// Keeps the certificate that is shown, and trusts nobody.
#[derive(Debug, Default)]
struct Shown(Mutex<Option<Vec<u8>>>);

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate.to_vec());
        Err(CertificateError::UnknownIssuer.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::BadSignature.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// How long a look may take: somebody waits for the error that it belongs to.
const LOOK: Duration = Duration::from_secs(3);

/// The longest head of a proxy's answer.
const HEAD: usize = 16 * 1024;
