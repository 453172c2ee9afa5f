//! Security Token Service: who am I, and may I be somebody else for a while.

use super::xml::Xml;
use super::{Answer, Ask, AwsError};
use crate::clock;
use crate::config::Key;
use crate::realm::Realm;

pub(super) fn act(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    match ask.action.as_str() {
        "GetCallerIdentity" => Ok(get_caller_identity(realm, ask)),
        "AssumeRole" => assume_role(realm, ask),
        other => Err(AwsError::new(
            "InvalidAction",
            format!("Could not find operation {other} for version 2011-06-15"),
        )),
    }
}

fn get_caller_identity(realm: &Realm, ask: &Ask) -> Answer {
    let xml = Xml::new()
        .leaf("Arn", &ask.caller.arn)
        .leaf("UserId", &ask.caller.user_id)
        .leaf("Account", &realm.config().account);
    Answer::Xml(xml.finish())
}

fn assume_role(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let arn = ask.text("RoleArn").ok_or_else(|| missing("roleArn"))?;
    let session = ask.text("RoleSessionName").ok_or_else(|| missing("roleSessionName"))?;
    let denied = || {
        let text = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            ask.caller.arn
        );
        AwsError::status(403, "AccessDenied", text)
    };
    let name = arn
        .rsplit_once(":role/")
        .map(|(_, name)| name.to_owned())
        .ok_or_else(|| AwsError::new("ValidationError", format!("{arn} is invalid")))?;
    let role = realm.world(|world| world.roles.get(&name).cloned()).ok_or_else(denied)?;
    if role.external_id.is_some() && role.external_id.as_deref() != ask.text("ExternalId") {
        return Err(denied());
    }
    if let Some((device, code)) = &role.mfa {
        if ask.text("SerialNumber") != Some(device) {
            return Err(denied());
        }
        if ask.text("TokenCode") != Some(code) {
            let text = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
            return Err(AwsError::status(403, "AccessDenied", text));
        }
    }
    let seconds = i64::try_from(ask.number("DurationSeconds").unwrap_or(3600)).unwrap_or(3600);
    let expires_ms = realm.clock().unix_ms() + seconds * 1000;
    let key = new_key(&format!("{name}/{session}"), expires_ms);
    let xml = Xml::new()
        .group(
            "Credentials",
            Xml::new()
                .leaf("AccessKeyId", &key.access_key_id)
                .leaf("SecretAccessKey", &key.secret_access_key)
                .some("SessionToken", key.session_token.as_ref())
                .leaf("Expiration", clock::iso8601(expires_ms)),
        )
        .group(
            "AssumedRoleUser",
            Xml::new().leaf("AssumedRoleId", format!("AROASIMULATEDROLE0001:{session}")).leaf(
                "Arn",
                format!("arn:aws:sts::{}:assumed-role/{name}/{session}", realm.config().account),
            ),
        );
    realm.keys(|keys| keys.push(key));
    Ok(Answer::Xml(xml.finish()))
}

pub(super) fn new_key(user: &str, expires_ms: i64) -> Key {
    let random = || uuid::Uuid::new_v4().simple().to_string();
    Key {
        access_key_id: format!("ASIA{}", random()[..16].to_uppercase()),
        secret_access_key: format!("{}{}", random(), &random()[..8]),
        session_token: Some(format!("IQoJb3JpZ2luX2Vj{}{}", random(), random())),
        user: user.to_owned(),
        expires_ms: Some(expires_ms),
    }
}

fn missing(name: &str) -> AwsError {
    let text = format!(
        "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
    );
    AwsError::new("ValidationError", text)
}
