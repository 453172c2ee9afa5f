//! What the SDK says went wrong → [`CloudError`]: AWS's own words, its request id, and a kind.
//!
//! Only words meant for people get through: the SDK's `Display` says "service error" and its `Debug` prints the whole
//! answer, so the words are taken from the service's message, or from the chain of causes.

use std::error::Error;
use std::time::SystemTime;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sso::operation::get_role_credentials::GetRoleCredentialsError;
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bastion_cloud::{CloudError, Kind, LoginWay};

use crate::helper::Silent;

/// A failed call, before the room that made it has had its say: it may know the code better.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: Option<String>,
    pub(crate) error: CloudError,
}

impl Refusal {
    pub(crate) fn new<E>(
        call: &'static str,
        err: &SdkError<E, HttpResponse>,
        profile: Option<&str>,
        now: Option<SystemTime>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let code = err.code().map(str::to_owned);
        let request_id = err.request_id().or_else(|| err.meta().request_id()).map(str::to_owned);
        let (kind, message) = match err {
            SdkError::ServiceError(refused) => {
                let answer = Answer {
                    code: err.code().unwrap_or_default(),
                    message: err.message().unwrap_or_default(),
                    status: refused.raw().status().as_u16(),
                    ahead: now.and_then(|now| ahead_of(refused.raw(), now)),
                };
                (answer.kind(profile), answer.words())
            }
            SdkError::ResponseError(broken) => {
                let status = broken.raw().status().as_u16();
                (Kind::Service, format!("an answer that cannot be read (HTTP {status})"))
            }
            SdkError::TimeoutError(_) => (Kind::TimedOut, "no answer in time".to_owned()),
            SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) => unsent(err, profile),
            // The SDK may grow variants; each has a chain of causes.
            other => unsent(other, profile),
        };
        Self { code, error: CloudError { call, kind, message, request_id } }
    }

    /// Whether AWS's code for it is this one, whatever suffix the protocol gives it.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code.as_deref().is_some_and(|own| {
            own == code || own.strip_suffix("Exception").or(own.strip_suffix("Fault")) == Some(code)
        })
    }

    /// Whether AWS's message has these words, in whatever case.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.error.message.to_lowercase().contains(&words.to_lowercase())
    }

    /// The same failure as another kind.
    pub(crate) fn into_kind(mut self, kind: Kind) -> CloudError {
        self.error.kind = kind;
        self.error
    }
}

impl From<CloudError> for Refusal {
    fn from(error: CloudError) -> Self {
        Self { code: None, error }
    }
}

impl From<Refusal> for CloudError {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

/// What a service answered in place of a result.
struct Answer<'a> {
    code: &'a str,
    message: &'a str,
    status: u16,
    /// By how many seconds this machine is ahead of the service, by the answer's Date header.
    ahead: Option<i64>,
}

impl Answer<'_> {
    fn kind(&self, profile: Option<&str>) -> Kind {
        let login = || login(profile);
        match self.code {
            "ExpiredToken"
            | "ExpiredTokenException"
            | "TokenRefreshRequired"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidAccessKeyId"
            | "InvalidToken"
            | "UnauthorizedException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignature"
            | "IncompleteSignatureException" => login(),
            // Wrong secret and wrong clock have one code; only the words or the Date header tell them apart.
            "SignatureDoesNotMatch"
            | "InvalidSignatureException"
            | "RequestExpired"
            | "AuthFailure" => self.skew().unwrap_or_else(login),
            "RequestTimeTooSkewed" | "RequestInTheFuture" => {
                self.skew().unwrap_or(Kind::ClockSkew { seconds: self.ahead })
            }
            "AccessDenied"
            | "AccessDeniedException"
            | "ForbiddenException"
            | "UnauthorizedOperation"
            | "UnauthorizedAccess"
            | "NotAuthorized"
            | "AuthorizationError"
            | "OptInRequired"
            | "BlockedException" => denied(self.message),
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "PriorRequestNotComplete"
            | "BandwidthLimitExceeded"
            | "SlowDown" => Kind::Throttled,
            _ => self.kind_by_status(),
        }
    }

    fn kind_by_status(&self) -> Kind {
        match self.status {
            429 => Kind::Throttled,
            500.. => Kind::Service,
            _ => Kind::Invalid,
        }
    }

    fn skew(&self) -> Option<Kind> {
        let told = signature_times(self.message);
        let ahead = self.ahead.filter(|seconds| seconds.abs() >= SKEWED);
        let says = self.has("signature expired") || self.has("signature not yet current");
        (says || ahead.is_some()).then(|| Kind::ClockSkew { seconds: told.or(ahead) })
    }

    fn has(&self, words: &str) -> bool {
        self.message.to_lowercase().contains(words)
    }

    fn words(&self) -> String {
        match (self.message.trim(), self.code) {
            ("", "") => format!("HTTP {} without a word", self.status),
            ("", code) => code.to_owned(),
            (message, "") => message.to_owned(),
            // Some services' messages are nothing without their code ("Rate exceeded" is fine, "null" is not).
            (message, code) if message.len() < 8 => format!("{code}: {message}"),
            (message, _) => message.to_owned(),
        }
    }
}

/// A login that failed; the way that it came by is filled in by who knows the profile.
fn login(profile: Option<&str>) -> Kind {
    Kind::Login { profile: profile.map(str::to_owned), way: LoginWay::Unknown }
}

/// What AWS says that it does not permit: "User: … is not authorized to perform: ACTION on resource: RESOURCE because …".
fn denied(message: &str) -> Kind {
    let after = |words: &str| {
        let (_, rest) = message.split_once(words)?;
        let word = rest.split_whitespace().next()?;
        Some(word.trim_end_matches(['.', ',']).to_owned()).filter(|word| !word.is_empty())
    };
    Kind::Denied {
        explicit: message.to_lowercase().contains("explicit deny"),
        action: after("not authorized to perform: "),
        resource: after("on resource: "),
    }
}

/// A request that got no answer at all: no credentials, no region, no route.
fn unsent(err: &(dyn Error + 'static), profile: Option<&str>) -> (Kind, String) {
    let told = words(err.source().unwrap_or(err));
    if let Some(credentials) = causes(err).find(|cause| cause.is::<CredentialsError>()) {
        return self::credentials(credentials, profile);
    }
    // The SDK's cache of credentials gives up with a type of its own that it keeps to itself.
    if told.contains("identity resolver timed out") {
        return (login(profile), told);
    }
    if INTERCEPTED.iter().any(|words| told.to_lowercase().contains(words)) {
        return (Kind::Intercepted { issuer: None }, told);
    }
    match causes(err).find_map(|cause| cause.downcast_ref::<ConnectorError>()) {
        Some(network) if network.is_timeout() => {
            (Kind::Unreachable, format!("no connection in time: {told}"))
        }
        Some(network) if network.is_user() => (Kind::Invalid, told),
        Some(_) => (Kind::Unreachable, told),
        None => (Kind::Invalid, told),
    }
}

/// Credentials that could not be had: most often a login has expired, but the way to the login service may be cut, or
/// a role refused.
pub(crate) fn credentials(err: &(dyn Error + 'static), profile: Option<&str>) -> (Kind, String) {
    let told = words(err);
    if let Some(refused) = causes(err).find_map(|cause| cause.downcast_ref::<AssumeRoleError>()) {
        let answer = Answer {
            code: refused.code().unwrap_or_default(),
            message: refused.message().unwrap_or_default(),
            status: 403,
            ahead: None,
        };
        return (answer.kind(profile), answer.words());
    }
    if let Some(refused) = causes(err).find_map(|cause| cause.downcast_ref::<PortalError>()) {
        let mut error = Refusal::new(PORTAL, refused, profile, None).error;
        // The portal says no more than "No access".
        if let Kind::Denied { action, .. } = &mut error.kind {
            action.get_or_insert_with(|| PORTAL.to_owned());
        }
        return (error.kind, error.message);
    }
    if causes(err).any(|cause| cause.is::<Silent>()) {
        let way = LoginWay::Helper { program: Box::default(), silent: true };
        return (Kind::Login { profile: profile.map(str::to_owned), way }, told);
    }
    if INTERCEPTED.iter().any(|words| told.to_lowercase().contains(words)) {
        return (Kind::Intercepted { issuer: None }, told);
    }
    let cut = causes(err)
        .find_map(|cause| cause.downcast_ref::<ConnectorError>())
        .is_some_and(|network| network.is_io() || network.is_timeout());
    let kind = if cut { Kind::Unreachable } else { login(profile) };
    (kind, told)
}

/// What the portal of IAM Identity Center answers in place of a role's credentials.
type PortalError = SdkError<GetRoleCredentialsError, HttpResponse>;

const PORTAL: &str = "sso:GetRoleCredentials";

/// All that a chain of causes says, from the outside in, without its fillers.
pub(crate) fn words(err: &(dyn Error + 'static)) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in causes(err) {
        let text = on_one_line(cause.to_string());
        let known = told.iter().any(|said| said.contains(&text));
        if !known && !FILLERS.contains(&text.as_str()) {
            told.retain(|said| !text.contains(said.as_str()));
            told.push(text);
        }
    }
    if told.is_empty() { on_one_line(err.to_string()) } else { told.join(": ") }
}

/// The SDK's list of ways to credentials that it has tried, by their names: why each did not do fills a screen.
fn on_one_line(text: String) -> String {
    let Some((first, rest)) = text.split_once('\n') else { return text };
    let names = rest.lines().map(|line| line.split_once(':').map_or(line, |(name, _)| name).trim());
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    format!("{} {}", first.trim(), names.join(", "))
}

fn causes<'a>(err: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(err), |cause: &&'a (dyn Error + 'static)| (*cause).source())
}

/// By how many seconds this machine is ahead of whoever answered.
fn ahead_of(answer: &HttpResponse, now: SystemTime) -> Option<i64> {
    let date = DateTime::from_str(answer.headers().get("date")?, Format::HttpDate).ok()?;
    Some(DateTime::from(now).secs() - date.secs())
}

/// The two clocks in "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z (20260101T001000Z - 5
/// min.)" and its twin "Signature not yet current: … is still later than … (… + 5 min.)": ours comes first, the
/// service's in brackets. The answer is by how many seconds ours is ahead.
fn signature_times(message: &str) -> Option<i64> {
    let mut times = message.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(basic_time);
    let ours = times.next()?;
    let service = times.nth(1)?;
    Some(ours - service)
}

/// The seconds of a time written `20260101T000000Z`.
fn basic_time(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8 || time.len() != 6 || !text.is_ascii() {
        return None;
    }
    let long = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4],
        &time[4..]
    );
    DateTime::from_str(&long, Format::DateTime).ok().map(|at| at.secs())
}

/// How it reads where somebody else answers in AWS's place: rustls of a certificate, hyper of a proxy's refusal.
const INTERCEPTED: [&str; 4] =
    ["invalid peer certificate", "received fatal alert", "tunnel error", "proxy authorization"];

/// What the SDK's errors say when they only point at the next one.
const FILLERS: [&str; 8] = [
    "dispatch failure",
    "failed to construct request",
    "other",
    "service error",
    "io error",
    "an error occurred while loading credentials",
    "unexpected credentials error",
    "unhandled error",
];

/// AWS takes signatures of five minutes around its own time; below four, a refusal has another reason.
const SKEWED: i64 = 240;

#[cfg(test)]
mod tests;
