//! AWS Signature Version 4, from the service's side: who signed this, and is it true?
//!
//! Written after AWS's description, not with the signer that our clients use, so that each checks the other.

mod refusal;
mod sign;

use std::collections::BTreeMap;

use http::request::Parts;

use self::refusal::Refusal;
use self::sign::{canonical, header, signature};
use crate::api::{self, AwsError};
use crate::clock;
use crate::config::Key;
use crate::realm::Realm;

/// Who a request's signature says is calling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
        let own = &self.realm.config().region;
        // IAM is one for all regions; whose credentials these are, and which regions there are, every region tells.
        let everywhere = service == "sts" || (service == "ec2" && asks(body, "DescribeRegions"));
        let region = match service {
            "iam" => "us-east-1",
            _ if everywhere && api::is_enabled(&self.realm, &signed.region) => &signed.region,
            _ => own,
        };
        signed.check_scope(region, service, &date)?;
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

/// Whether the body of a query asks for this action.
fn asks(body: &[u8], action: &str) -> bool {
    let wanted = format!("Action={action}");
    body.split(|byte| *byte == b'&').any(|pair| pair == wanted.as_bytes())
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
        "ec2" | "iam" | "rds" | "sts" => 15,
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
