//! A program that prints credentials (`credential_process`), run by us: the SDK would wait for one that asks on a terminal
//! that isn't there, and leave it running when nobody waits any more.

use std::process::Stdio;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::process::{Child, Command};
use tracing::debug;

/// A helper and how long it may take. Prints without its command.
pub(crate) struct Helper {
    command: String,
    patience: Duration,
}

impl Helper {
    pub(crate) fn new(command: String, patience: Duration) -> Self {
        Self { command, patience }
    }

    async fn run(&self) -> provider::Result {
        let child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own is in the background of any terminal: whoever asks there is stopped and not heard.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(CredentialsError::provider_error)?;
        let group = Group::of(&child);
        let output = match tokio::time::timeout(self.patience, child.wait_with_output()).await {
            Ok(output) => output.map_err(CredentialsError::provider_error)?,
            Err(_) => return Err(CredentialsError::provider_error(Silent(self.patience))),
        };
        group.let_go();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last: Vec<&str> = said.lines().rev().take(WORDS).collect();
            let words = last.into_iter().rev().collect::<Vec<_>>().join("; ");
            return Err(CredentialsError::provider_error(Failed(format!(
                "the helper ended with {}: {words}",
                output.status
            ))));
        }
        read(&output.stdout).map_err(|words| CredentialsError::provider_error(Failed(words)))
    }
}

impl std::fmt::Debug for Helper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Helper").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl ProvideCredentials for Helper {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.run())
    }
}

/// A helper that gave no answer.
#[derive(Debug)]
pub(crate) struct Silent(Duration);

impl std::fmt::Display for Silent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the helper gave no credentials within {} s", self.0.as_secs())
    }
}

impl std::error::Error for Silent {}

/// A helper that gave something else.
#[derive(Debug)]
struct Failed(String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// A helper with all that it has started: ended together, unless they have ended by themselves.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0
            && let Err(err) = kill_process_group(group, Signal::KILL)
        {
            debug!(%err, "ending a helper");
        }
    }
}

fn read(output: &[u8]) -> Result<Credentials, String> {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(output) else {
        return Err("the helper printed something else than JSON".to_owned());
    };
    let field = |name: &str| {
        let known = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        known.map(|(_, value)| value)
    };
    if field("Version").and_then(Value::as_u64) != Some(1) {
        return Err("the helper printed no credentials of version 1".to_owned());
    }
    let text = |name: &str| field(name).and_then(Value::as_str);
    let need = |name: &str| text(name).ok_or_else(|| format!("the helper printed no {name}"));
    let expiry = match text("Expiration") {
        Some(at) => Some(
            DateTime::from_str(at, Format::DateTimeWithOffset)
                .ok()
                .and_then(|at| at.try_into().ok())
                .ok_or("the helper printed an Expiration that is no time")?,
        ),
        None => None,
    };
    let mut credentials = Credentials::builder()
        .access_key_id(need("AccessKeyId")?)
        .secret_access_key(need("SecretAccessKey")?)
        .provider_name("Helper");
    credentials.set_session_token(text("SessionToken").map(str::to_owned));
    credentials.set_expiry(expiry);
    Ok(credentials.build())
}

/// How many of a failed helper's last lines are told.
const WORDS: usize = 3;

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::read;

    #[test]
    fn what_a_helper_prints_is_read_whatever_the_case_of_its_keys() {
        let text = br#"{"version":1,"AccessKeyId":"AKIA1","secretaccesskey":"s","SessionToken":"t",
            "Expiration":"2026-01-01T09:00:00+09:00"}"#;
        let credentials = read(text).unwrap();
        assert_eq!(credentials.access_key_id(), "AKIA1");
        assert_eq!(credentials.session_token(), Some("t"));
        let new_year = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        assert_eq!(credentials.expiry(), Some(new_year));
    }

    #[test]
    fn what_is_no_credentials_is_told_without_showing_it() {
        for (text, words) in [
            ("Enter MFA code:", "the helper printed something else than JSON"),
            (r#"{"AccessKeyId":"A"}"#, "the helper printed no credentials of version 1"),
            (r#"{"Version":1,"AccessKeyId":"A"}"#, "the helper printed no SecretAccessKey"),
            (
                r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"soon"}"#,
                "the helper printed an Expiration that is no time",
            ),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), words);
        }
    }
}
