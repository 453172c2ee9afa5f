//! AWS Signature Version 4, from the service's side: who signed this, and is it true?
//!
//! Written after AWS's description, not with the signer that our clients use, so that each checks the other.

use std::collections::BTreeMap;

use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::api::AwsError;
use crate::clock;
use crate::config::Key;
use crate::realm::Realm;

/// Who a request's signature says is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The access key's id.
    pub access_key_id: String,
    /// `arn:aws:iam::…:user/…` or `arn:aws:sts::…:assumed-role/…/…`.
    pub arn: String,
    /// What `${aws:userid}` is.
    pub user_id: String,
    /// What a session's id begins with: the user's name, or the role session's.
    pub name: String,
}

/// Judges requests to one simulated AWS; cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    realm: Realm,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    pub(crate) fn new(realm: Realm) -> Self {
        Self { realm }
    }

    /// Whose signature this is, or AWS's refusal in that service's words.
    pub fn verify(&self, parts: &Parts, body: &[u8], service: &str) -> Result<Caller, AwsError> {
        self.verify_at(parts, body, service, self.realm.clock().unix_ms())
    }

    pub(crate) fn verify_at(
        &self,
        parts: &Parts,
        body: &[u8],
        service: &str,
        now_ms: i64,
    ) -> Result<Caller, AwsError> {
        self.judge(parts, body, service, now_ms).map_err(|refusal| refusal.in_words_of(service))
    }

    fn judge(
        &self,
        parts: &Parts,
        body: &[u8],
        service: &str,
        now_ms: i64,
    ) -> Result<Caller, Refusal> {
        let authorization = header(parts, "authorization").ok_or(Refusal::Missing)?;
        let signed = Signed::parse(&authorization)?;
        let key = self.realm.keys(|keys| {
            keys.iter().find(|key| key.access_key_id == signed.access_key_id).cloned()
        });
        let key = key.ok_or(Refusal::UnknownKey)?;
        if key.session_token != header(parts, "x-amz-security-token") {
            return Err(Refusal::UnknownKey);
        }
        if key.expires_ms.is_some_and(|end| end <= now_ms) {
            return Err(Refusal::Expired);
        }
        let date = header(parts, "x-amz-date").ok_or_else(|| {
            Refusal::Incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".to_owned())
        })?;
        signed.check_scope(&self.realm.config().region, service, &date)?;
        check_time(&date, now_ms, window_minutes(service))?;
        let expected =
            signature(&key.secret_access_key, &signed, &date, &canonical(parts, body, &signed)?);
        // A simulator needs no comparison in constant time.
        if expected != signed.signature {
            return Err(Refusal::WrongSignature);
        }
        Ok(self.caller(&key))
    }

    fn caller(&self, key: &Key) -> Caller {
        let account = &self.realm.config().account;
        let (arn, user_id, name) = match key.user.split_once('/') {
            Some((role, session)) => (
                format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
                format!("AROASIMULATEDROLE0001:{session}"),
                session.to_owned(),
            ),
            None => (
                format!("arn:aws:iam::{account}:user/{}", key.user),
                "AIDASIMULATEDUSER0001".to_owned(),
                key.user.clone(),
            ),
        };
        Caller { access_key_id: key.access_key_id.clone(), arn, user_id, name }
    }
}

/// The access key id that a request names, true or not, for the record.
pub(crate) fn claimed_key(parts: &Parts) -> String {
    let authorization = header(parts, "authorization").unwrap_or_default();
    Signed::parse(&authorization).map(|signed| signed.access_key_id).unwrap_or_default()
}

/// Why a signature is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    Missing,
    Incomplete(String),
    UnknownKey,
    Expired,
    /// Signed too long ago or ahead of time, in AWS's words; `stale` tells the two apart.
    Skewed {
        text: String,
        stale: bool,
    },
    WrongScope(String),
    WrongSignature,
}

impl Refusal {
    /// Each protocol has its own codes; EC2 has its own for everything.
    fn in_words_of(self, service: &str) -> AwsError {
        match service {
            "ec2" => self.of_ec2(),
            "rds" | "sts" => self.of_query(),
            _ => self.of_json(),
        }
    }

    fn of_query(self) -> AwsError {
        match self {
            Self::Missing => AwsError::status(
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            ),
            Self::Incomplete(text) => AwsError::status(400, "IncompleteSignature", text),
            Self::UnknownKey => AwsError::status(403, "InvalidClientTokenId", INVALID_TOKEN),
            Self::Expired => AwsError::status(403, "ExpiredToken", EXPIRED_TOKEN),
            Self::Skewed { text, .. } | Self::WrongScope(text) => {
                AwsError::status(403, "SignatureDoesNotMatch", text)
            }
            Self::WrongSignature => AwsError::status(403, "SignatureDoesNotMatch", MISMATCH),
        }
    }

    fn of_json(self) -> AwsError {
        match self {
            Self::Missing => {
                AwsError::new("MissingAuthenticationTokenException", "Missing Authentication Token")
            }
            Self::Incomplete(text) => AwsError::new("IncompleteSignatureException", text),
            Self::UnknownKey => AwsError::new("UnrecognizedClientException", INVALID_TOKEN),
            Self::Expired => AwsError::new("ExpiredTokenException", EXPIRED_TOKEN),
            Self::Skewed { text, .. } | Self::WrongScope(text) => {
                AwsError::new("InvalidSignatureException", text)
            }
            Self::WrongSignature => AwsError::new("InvalidSignatureException", MISMATCH),
        }
    }

    fn of_ec2(self) -> AwsError {
        match self {
            Self::Missing => AwsError::new(
                "MissingParameter",
                "The request must contain the parameter AWSAccessKeyId",
            ),
            Self::Incomplete(text) => AwsError::new("IncompleteSignature", text),
            Self::Expired | Self::Skewed { stale: true, .. } => {
                AwsError::new("RequestExpired", "Request has expired.")
            }
            Self::UnknownKey
            | Self::Skewed { stale: false, .. }
            | Self::WrongScope(_)
            | Self::WrongSignature => AwsError::status(
                401,
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
            ),
        }
    }
}

/// What an Authorization header says.
#[derive(Clone, Debug)]
struct Signed {
    access_key_id: String,
    /// `20260102`
    day: String,
    region: String,
    service: String,
    headers: Vec<String>,
    signature: String,
}

impl Signed {
    fn parse(authorization: &str) -> Result<Self, Refusal> {
        let Some(rest) = authorization.strip_prefix("AWS4-HMAC-SHA256") else {
            return Err(Refusal::Incomplete("Unsupported AWS 'algorithm'.".to_owned()));
        };
        let fields: BTreeMap<&str, &str> =
            rest.split(',').filter_map(|field| field.trim().split_once('=')).collect();
        let field = |name: &str| {
            fields.get(name).copied().ok_or_else(|| {
                Refusal::Incomplete(format!("Authorization header requires '{name}' parameter. Authorization={authorization}"))
            })
        };
        let scope: Vec<&str> = field("Credential")?.split('/').collect();
        let [access_key_id, day, region, service, "aws4_request"] = scope[..] else {
            return Err(Refusal::Incomplete(
                "Credential must have exactly 5 slash-delimited elements.".to_owned(),
            ));
        };
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            day: day.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            headers: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: field("Signature")?.to_owned(),
        })
    }

    fn check_scope(&self, region: &str, service: &str, date: &str) -> Result<(), Refusal> {
        if self.region != region {
            return Err(Refusal::WrongScope(
                "Credential should be scoped to a valid region. ".to_owned(),
            ));
        }
        if self.service != service {
            return Err(Refusal::WrongScope(format!(
                "Credential should be scoped to correct service: '{service}'. "
            )));
        }
        if !date.starts_with(&self.day) {
            let day = date.get(..8).unwrap_or(date);
            return Err(Refusal::WrongScope(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{day}', from '{date}'.",
                self.day
            )));
        }
        Ok(())
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }
}

/// The JSON services take a signature for 5 minutes, the older ones for 15.
fn window_minutes(service: &str) -> i64 {
    match service {
        "ec2" | "rds" | "sts" => 15,
        _ => 5,
    }
}

fn check_time(date: &str, now_ms: i64, minutes: i64) -> Result<(), Refusal> {
    let Some(signed_ms) = clock::parse_amz_date(date) else {
        let text = format!(
            "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
        );
        return Err(Refusal::Incomplete(text));
    };
    let window_ms = minutes * 60_000;
    let now = clock::amz_date(now_ms);
    if signed_ms < now_ms - window_ms {
        let bound = clock::amz_date(now_ms - window_ms);
        let text = format!(
            "Signature expired: {date} is now earlier than {bound} ({now} - {minutes} min.)"
        );
        return Err(Refusal::Skewed { text, stale: true });
    }
    if signed_ms > now_ms + window_ms {
        let bound = clock::amz_date(now_ms + window_ms);
        let text = format!(
            "Signature not yet current: {date} is still later than {bound} ({now} + {minutes} min.)"
        );
        return Err(Refusal::Skewed { text, stale: false });
    }
    Ok(())
}

fn canonical(parts: &Parts, body: &[u8], signed: &Signed) -> Result<String, Refusal> {
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

fn signature(secret: &str, signed: &Signed, date: &str, canonical: &str) -> String {
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
fn header(parts: &Parts, name: &str) -> Option<String> {
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
const INVALID_TOKEN: &str = "The security token included in the request is invalid.";
const EXPIRED_TOKEN: &str = "The security token included in the request is expired";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
                        and signing method. Consult the service documentation for details.";

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
