//! Checks a certificate as rustls does, and remembers of one that is not trusted who issued it: often a proxy's own
//! authority, which is what a person has to be told.
//!
//! ```text
//!   Certificate { tbs { [0] version?, serial, algorithm, issuer { set { pair { oid, text } } … }, … }, … }
//! ```

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, OtherError, SignatureScheme,
};

/// A verifier that names the issuer of what it refuses.
#[derive(Debug)]
pub(crate) struct Witness(pub(crate) Arc<WebPkiServerVerifier>);

/// A certificate that is not trusted.
#[derive(Debug)]
struct Untrusted {
    issuer: Option<String>,
    why: TlsError,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl std::error::Error for Untrusted {}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        self.0.verify_server_cert(certificate, chain, name, ocsp, now).map_err(|why| {
            let untrusted = Untrusted { issuer: issuer(certificate), why };
            CertificateError::Other(OtherError(Arc::new(untrusted))).into()
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Who issued the certificate for which a handshake failed, where that was the reason.
pub(crate) fn issuer_seen(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<TlsError>()?;
    let TlsError::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error else {
        return None;
    };
    cause.downcast_ref::<Untrusted>()?.issuer.clone()
}

/// The issuer's common name and organisation, read without trust in any byte.
fn issuer(certificate: &[u8]) -> Option<String> {
    let (certificate, _) = value(certificate, SEQUENCE)?;
    let (tbs, _) = value(certificate, SEQUENCE)?;
    let rest = value(tbs, VERSION).map_or(tbs, |(_, rest)| rest);
    let (_, rest) = value(rest, INTEGER)?;
    let (_, rest) = value(rest, SEQUENCE)?;
    let (mut name, _) = value(rest, SEQUENCE)?;
    let (mut common, mut organisation) = (None, None);
    while let Some((set, rest)) = value(name, SET) {
        name = rest;
        let Some((pair, _)) = value(set, SEQUENCE) else { continue };
        let Some((oid, text)) = value(pair, OID) else { continue };
        let text = any(text).map(|(text, _)| tidy(text));
        match oid {
            COMMON_NAME => common = text,
            ORGANISATION => organisation = text,
            _ => {}
        }
    }
    match (common, organisation) {
        (Some(common), Some(organisation)) => Some(format!("{common} ({organisation})")),
        (common, organisation) => common.or(organisation),
    }
}

/// A value of this kind at the beginning, and what follows it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    (der.first() == Some(&tag)).then(|| any(der)).flatten()
}

/// A value of any kind at the beginning, and what follows it.
fn any(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = *der.get(1)?;
    let (length, head) = if first < 0x80 {
        (usize::from(first), 2)
    } else {
        let count = usize::from(first & 0x7f);
        // Certificates are far below 16 MB.
        let bytes = der.get(2..2 + count).filter(|bytes| bytes.len() <= 3)?;
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + count)
    };
    Some((der.get(head..head + length)?, der.get(head + length..)?))
}

/// Text that a terminal can show.
fn tidy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(NAME).collect()
}

const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.4.10
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];

/// The standard's own bound for a name is 64 characters.
const NAME: usize = 64;

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn no_byte_of_a_certificate_that_is_cut_or_broken_makes_us_fall() {
        let pem = include_bytes!("../tests/tls/cert.pem");
        let whole = CertificateDer::from_pem_slice(pem).unwrap().to_vec();
        assert!(issuer(&whole).is_some());
        for at in 0..whole.len() {
            issuer(&whole[..at]);
            for broken in [0x00, 0x30, 0x7f, 0x84, 0xff] {
                let mut certificate = whole.clone();
                certificate[at] = broken;
                issuer(&certificate);
            }
        }
    }
}
