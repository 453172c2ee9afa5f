//! Who signed a certificate: the issuer's name, read from its DER without trust in any byte.
//!
//! ```text
//!   Certificate { tbs { [0] version?, serial, algorithm, issuer { set { pair { oid, text } } … }, … }, … }
//! ```

/// The issuer's common name and organisation, as people know them.
pub(super) fn issuer(certificate: &[u8]) -> Option<String> {
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
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::issuer;

    fn certificate() -> Vec<u8> {
        let pem = include_bytes!("../../tests/tls/server.pem");
        CertificateDer::from_pem_slice(pem).unwrap().to_vec()
    }

    #[test]
    fn the_issuer_is_told_by_name_and_organisation() {
        let told = issuer(&certificate()).unwrap();
        assert_eq!(told, "Example Inspection CA (Example Corp)");
    }

    #[test]
    fn no_byte_of_a_certificate_that_is_cut_or_broken_makes_us_fall() {
        let whole = certificate();
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
