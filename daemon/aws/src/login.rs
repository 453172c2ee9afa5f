//! How a profile comes by its credentials, and what files on this machine tell of that, without anybody being asked.
//!
//! ```text
//!   profile ──role_arn──► source_profile ──role_arn──► … ──► its base: keys · SSO · a helper · `aws login` · another
//! ```
//!
//! The rules are the SDK's own (aws-config, profile/credentials/repr.rs): it finds the same base by them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_config::profile::{Profile, ProfileSet};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bastion_cloud::LoginWay;
use serde_json::Value;
use sha1::{Digest, Sha1};

/// A profile's way to credentials: a base, and the roles that are assumed from there on, the base's first.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) base: Base,
    pub(crate) roles: Vec<Role>,
}

/// What a chain begins with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Base {
    /// `aws login`.
    Console,
    /// A program that prints credentials.
    Helper(String),
    /// Keys in a file.
    Keys,
    /// `aws sso login`.
    Sso {
        /// Where it keeps its token.
        cache: PathBuf,
        /// Whether the SDK renews the token: it does for `sso_session`, and not for the older form.
        renews: bool,
    },
    /// The environment, the machine's own role, a web identity, or nothing that we know.
    Other,
}

/// A role that is assumed on the way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) external_id: Option<String>,
    pub(crate) session: Option<String>,
    mfa: Option<String>,
}

impl Chain {
    /// The chain of a profile. `home` is where `.aws/sso/cache` lies.
    pub(crate) fn of(profiles: &ProfileSet, name: &str, home: Option<&Path>) -> Self {
        let mut chain = Self { base: Base::Other, roles: Vec::new() };
        let mut passed = BTreeSet::new();
        let mut next = profiles.get_profile(name);
        while let Some(profile) = next {
            if !passed.insert(profile.name().to_owned()) {
                break; // the SDK says that the profiles lead in a circle
            }
            if passed.len() > 1 && has_keys(profile) {
                chain.base = Base::Keys;
                break;
            }
            let source = match role(profile) {
                Some(role) => {
                    chain.roles.push(role);
                    profile.get("source_profile").filter(|source| *source != profile.name())
                }
                None => None,
            };
            let Some(source) = source else {
                chain.base = base(profiles, profile, home);
                break;
            };
            next = profiles.get_profile(source);
        }
        chain.roles.reverse();
        chain
    }

    /// What brings new credentials, as far as files tell.
    pub(crate) fn way(&self) -> LoginWay {
        if let Some(serial) = self.mfa() {
            return LoginWay::Mfa { serial: serial.into() };
        }
        match &self.base {
            Base::Console => LoginWay::Console,
            Base::Helper(command) => LoginWay::Helper { program: program(command), silent: false },
            Base::Keys => LoginWay::Keys,
            Base::Sso { cache, .. } => {
                LoginWay::Sso { ended: Token::read(cache).ok().and_then(|token| token.expires) }
            }
            Base::Other => LoginWay::Unknown,
        }
    }

    /// The device whose code a role of the chain wants: the SDK does not know that setting and is refused.
    fn mfa(&self) -> Option<&str> {
        self.roles.iter().find_map(|role| role.mfa.as_deref())
    }

    /// Why no call can succeed at this moment, where files tell. Where they leave it open it is worth a try: the SDK
    /// renews what it can.
    pub(crate) fn hopeless(&self, now: SystemTime) -> Option<(LoginWay, String)> {
        if let Some(serial) = self.mfa() {
            let words =
                format!("a role wants the MFA code of {serial}, and nobody here can be asked");
            return Some((self.way(), words));
        }
        match &self.base {
            Base::Console => Some((
                LoginWay::Console,
                "the profile uses `aws login`, whose credentials only the AWS CLI can read"
                    .to_owned(),
            )),
            Base::Sso { cache, renews } => match Token::read(cache) {
                Ok(token) => {
                    let ended = token.expires.filter(|end| *end <= now)?;
                    let renewable = *renews && token.renewable && token.registered(now);
                    let words = "the login has ended, and its token cannot be renewed".to_owned();
                    (!renewable).then_some((LoginWay::Sso { ended: Some(ended) }, words))
                }
                Err(None) => {
                    let words = "nobody has logged in yet: there is no SSO token".to_owned();
                    Some((LoginWay::Sso { ended: None }, words))
                }
                Err(Some(words)) => Some((LoginWay::Sso { ended: None }, words)),
            },
            Base::Helper(_) | Base::Keys | Base::Other => None,
        }
    }

    /// When a person has to log in again; none where nothing tells, as of what renews itself.
    pub(crate) fn ends(&self) -> Option<SystemTime> {
        let Base::Sso { cache, renews } = &self.base else { return None };
        let token = Token::read(cache).ok()?;
        token.expires.filter(|_| !(*renews && token.renewable))
    }

    /// The file whose change tells of a new login, beside the profile files.
    pub(crate) fn cache(&self) -> Option<&Path> {
        match &self.base {
            Base::Sso { cache, .. } => Some(cache),
            Base::Console | Base::Helper(_) | Base::Keys | Base::Other => None,
        }
    }
}

/// The token that a login has left, as far as its end goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Token {
    /// When it ends; none where that is written as nobody reads it.
    expires: Option<SystemTime>,
    /// Whether it holds all that the SDK renews it with.
    renewable: bool,
    /// When the client's registration ends, without which nothing is renewed.
    registration: Option<SystemTime>,
}

impl Token {
    /// Reads it; where there is none, or where it is none, why.
    fn read(path: &Path) -> Result<Self, Option<String>> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Err(None),
            Err(err) => return Err(Some(format!("the SSO token cannot be read: {err}"))),
        };
        let Ok(Value::Object(fields)) = serde_json::from_slice(&text) else {
            return Err(Some("the SSO token cannot be read: it is no JSON".to_owned()));
        };
        let field = |name: &str| {
            let known = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            known.and_then(|(_, value)| value.as_str())
        };
        if field("accessToken").is_none() {
            return Err(Some("the SSO token cannot be read: it holds no accessToken".to_owned()));
        }
        let renews = ["clientId", "clientSecret", "refreshToken"];
        Ok(Self {
            expires: field("expiresAt").and_then(time),
            renewable: renews.iter().all(|name| field(name).is_some()),
            registration: field("registrationExpiresAt").and_then(time),
        })
    }

    fn registered(&self, now: SystemTime) -> bool {
        self.registration.is_some_and(|end| end > now)
    }
}

fn base(profiles: &ProfileSet, profile: &Profile, home: Option<&Path>) -> Base {
    if profile.get("credential_source").is_some()
        || profile.get("web_identity_token_file").is_some()
    {
        return Base::Other;
    }
    let session = profile.get("sso_session");
    let identifier = session.or_else(|| profile.get("sso_start_url"));
    if let (Some(identifier), Some(home)) = (identifier, home) {
        // A session that the files do not define is the SDK's to tell.
        if session.is_some_and(|name| profiles.sso_session(name).is_none()) {
            return Base::Other;
        }
        return Base::Sso { cache: cache_path(home, identifier), renews: session.is_some() };
    }
    if profile.get("login_session").is_some() {
        return Base::Console;
    }
    match profile.get("credential_process") {
        Some(command) => Base::Helper(command.to_owned()),
        None if has_keys(profile) => Base::Keys,
        None => Base::Other,
    }
}

fn role(profile: &Profile) -> Option<Role> {
    if profile.get("web_identity_token_file").is_some() {
        return None;
    }
    let text = |name: &str| profile.get(name).map(str::to_owned);
    Some(Role {
        arn: text("role_arn")?,
        external_id: text("external_id"),
        session: text("role_session_name"),
        mfa: text("mfa_serial"),
    })
}

fn has_keys(profile: &Profile) -> bool {
    profile.get("aws_access_key_id").is_some() && profile.get("aws_secret_access_key").is_some()
}

/// Where `aws sso login` keeps the token of a session, or of a start URL.
fn cache_path(home: &Path, identifier: &str) -> PathBuf {
    let digest = Sha1::digest(identifier.as_bytes());
    let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    home.join(".aws/sso/cache").join(name).with_extension("json")
}

/// A command's first word without its folders: the rest may hold what is nobody's business.
fn program(command: &str) -> Box<str> {
    let command = command.trim_start();
    let word = match command.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => command.split_whitespace().next(),
    };
    let word = word.unwrap_or_default();
    word.rsplit('/').next().unwrap_or(word).into()
}

fn time(text: &str) -> Option<SystemTime> {
    let at = DateTime::from_str(text, Format::DateTimeWithOffset).ok()?;
    SystemTime::try_from(at).ok()
}

#[cfg(test)]
mod tests;
