//! A token that stands for a database user's password.
//!
//! needs: rds-db:connect on the database user (`arn:aws:rds-db:<region>:<account>:dbuser:<resource id>/<user>`) — enter with a token

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use bastion_cloud::{CloudError, Keys, Kind, Remote, Secret, TOKEN_LIFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::access::Access;

/// What this user shows at this database: signed with keys that are good at this very moment.
pub(crate) async fn token(
    access: &Access,
    remote: &Remote,
    user: &str,
) -> Result<Secret, CloudError> {
    let clients = access.clients().await?;
    let keys = clients.keys(CONNECT).await?;
    signed(&keys, &clients.region, remote, user, clients.now())
}

/// The address of a request that nobody makes, signed in its query as for one who gives it to somebody else, and without
/// its scheme: that is all that a token is. It is good for the database's own name and port alone (F17).
fn signed(
    keys: &Keys,
    region: &str,
    remote: &Remote,
    user: &str,
    at: SystemTime,
) -> Result<Secret, CloudError> {
    let identity = Credentials::new(
        &keys.access_key_id,
        keys.secret_access_key.reveal(),
        keys.session_token.as_ref().map(|token| token.reveal().to_owned()),
        None,
        "token",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(TOKEN_LIFE);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(at)
        .settings(settings)
        .build()
        .expect("every parameter is given")
        .into();
    let mut token = format!("{remote}/?Action=connect&DBUser={}", escaped(user));
    let address = format!("https://{token}");
    let request = SignableRequest::new("GET", &*address, std::iter::empty(), SignableBody::empty())
        .map_err(|err| unsigned(remote, &err))?;
    let signed = sign(request, &params).map_err(|err| unsigned(remote, &err))?;
    let (instructions, _signature) = signed.into_parts();
    for (name, value) in instructions.params() {
        token.push_str(&format!("&{name}={}", escaped(value)));
    }
    Ok(Secret::new(token))
}

fn unsigned(remote: &Remote, err: &dyn std::error::Error) -> CloudError {
    CloudError {
        call: CONNECT,
        kind: Kind::Invalid,
        message: format!("no token can be signed for {remote}: {err}"),
        request_id: None,
    }
}

/// A value of a query as a signature counts it, or of a form (RFC 3986: all but the unreserved is escaped).
pub(crate) fn escaped(value: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(value, RESERVED)
}

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const CONNECT: &str = "rds-db:connect";

/// The service that the signature is for.
const SERVICE: &str = "rds-db";

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    /// 2015-08-30T12:36:00Z, the day of AWS's own examples.
    const AT: u64 = 1_440_938_160;

    fn made(user: &str, session: Option<&str>, port: u16) -> String {
        let keys = Keys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: session.map(Secret::new),
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(AT);
        let remote = Remote { host: HOST.to_owned(), port };
        signed(&keys, "ap-northeast-1", &remote, user, at).unwrap().reveal().to_owned()
    }

    #[test]
    fn a_token_is_signed_for_the_databases_own_name_and_ends_after_a_quarter_of_an_hour() {
        let token = made("postgres", None, 5432);
        let head = format!("{HOST}:5432/?Action=connect&DBUser=postgres&X-Amz-Algorithm=");
        assert!(token.starts_with(&head), "{token}");
        for part in [
            "&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fap-northeast-1%2Frds-db%2Faws4_request",
            "&X-Amz-Date=20150830T123600Z",
            "&X-Amz-Expires=900",
            "&X-Amz-SignedHeaders=host",
            "&X-Amz-Signature=",
        ] {
            assert!(token.contains(part), "{part}: {token}");
        }
        assert!(!token.contains("Security-Token") && !token.contains("wJalr"), "{token}");
    }

    #[test]
    fn a_token_for_another_port_or_user_has_another_signature() {
        let signature = |token: String| token.split("X-Amz-Signature=").nth(1).unwrap().to_owned();
        let one = signature(made("postgres", None, 5432));
        assert_ne!(one, signature(made("postgres", None, 15432)));
        assert_ne!(one, signature(made("postgre", None, 5432)));
    }

    #[test]
    #[ignore = "needs boto3; cargo xtask test runs it"]
    fn amazons_own_generator_makes_the_same_tokens() {
        let python = std::env::var_os("BASTION_TEST_PYTHON").expect("cargo xtask test says where");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/peers/python/rds_token.py");
        for user in ["postgres", "o'hara & söhne+@%/ x"] {
            for session in [None, Some("FwoGZXIvYXdzE==/+a b")] {
                let mut generator = Command::new(&python);
                generator.arg(script).args([HOST, "5432", user, "ap-northeast-1"]);
                generator.arg(AT.to_string()).args(session);
                generator.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
                generator.env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
                let said = generator.output().unwrap();
                assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
                let theirs = String::from_utf8(said.stdout).unwrap();
                assert_eq!(parts(&made(user, session, 5432)), parts(theirs.trim_end()), "{user}");
            }
        }
    }

    /// The parts of a token's query in the order of their names, in which a signature counts them.
    fn parts(token: &str) -> Vec<&str> {
        let (place, query) = token.split_once('?').unwrap();
        let mut parts: Vec<&str> = query.split('&').collect();
        parts.sort_unstable();
        parts.insert(0, place);
        parts
    }

    const HOST: &str = "prod-db.cx1example.ap-northeast-1.rds.amazonaws.com";
}
