//! What is signed, and how: the canonical request, the key, the signature.

use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::Signed;
use super::refusal::Refusal;

pub(super) fn canonical(parts: &Parts, body: &[u8], signed: &Signed) -> Result<String, Refusal> {
    if !signed.headers.iter().any(|name| name == "host") {
        let text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
        return Err(Refusal::WrongScope(text.to_owned()));
    }
    let mut headers = String::new();
    for name in &signed.headers {
        let value = header(parts, name).ok_or(Refusal::WrongSignature)?;
        headers.push_str(&format!("{name}:{value}\n"));
    }
    Ok(format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        parts.method,
        // All services but S3 encode the path as sent once more.
        utf8_percent_encode(parts.uri.path(), PATH),
        canonical_query(parts.uri.query().unwrap_or_default()),
        signed.headers.join(";"),
        hex::encode(Sha256::digest(body)),
    ))
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (recode(name), recode(value))
        })
        .collect();
    pairs.sort();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn recode(text: &str) -> String {
    let plain: Vec<u8> = percent_decode_str(text).collect();
    percent_encoding::percent_encode(&plain, UNRESERVED).to_string()
}

pub(super) fn signature(secret: &str, signed: &Signed, date: &str, canonical: &str) -> String {
    let key = hmac(format!("AWS4{secret}").as_bytes(), signed.day.as_bytes());
    let key = hmac(&key, signed.region.as_bytes());
    let key = hmac(&key, signed.service.as_bytes());
    let key = hmac(&key, b"aws4_request");
    let digest = hex::encode(Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{digest}", signed.scope());
    hex::encode(hmac(&key, to_sign.as_bytes()))
}

/// RFC 2104 with SHA-256; keys here are never longer than its block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let shortened;
    let key = if key.len() > BLOCK {
        shortened = Sha256::digest(key);
        shortened.as_slice()
    } else {
        key
    };
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

/// All values of a header, trimmed, inner runs of spaces made one, joined as SigV4 joins them.
pub(super) fn header(parts: &Parts, name: &str) -> Option<String> {
    let values: Vec<String> = parts
        .headers
        .get_all(name)
        .iter()
        .map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// SHA-256's block in bytes.
const BLOCK: usize = 64;
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        let found = hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(
            hex::encode(found),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let found = hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(
            hex::encode(found),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_query_is_sorted_and_encoded_anew() {
        assert_eq!(canonical_query("b=2&a=x%2Fy&a=1&c"), "a=1&a=x%2Fy&b=2&c=");
    }
}
