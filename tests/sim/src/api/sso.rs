//! IAM Identity Center: a login's token gives a role's credentials (the portal), and its refresh token another token
//! (OIDC). Neither is signed: the token itself says who asks.

use serde_json::json;

use super::{Answer, Ask, AwsError, sts};
use crate::realm::Realm;
use crate::world::SsoLogin;

pub(super) fn act(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    match ask.action.as_str() {
        "GetRoleCredentials" => get_role_credentials(realm, ask),
        "CreateToken" => create_token(realm, ask),
        _ => Err(AwsError::status(404, "UnknownOperationException", "")),
    }
}

fn get_role_credentials(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let unauthorized =
        || AwsError::status(401, "UnauthorizedException", "Session token not found or invalid");
    let token = ask.text("access_token").ok_or_else(unauthorized)?;
    let login = realm.world(|world| world.sso_logins.get(token).cloned());
    let now_ms = realm.clock().unix_ms();
    let login = login.filter(|login| login.expires_ms > now_ms).ok_or_else(unauthorized)?;
    let role = ask.text("role_name").unwrap_or_default();
    let account = ask.text("account_id").unwrap_or_default();
    if account != realm.config().account || !login.roles.iter().any(|one| one == role) {
        return Err(AwsError::status(403, "ForbiddenException", "No access"));
    }
    let expires_ms = now_ms + login.role_seconds * 1000;
    let key = sts::new_key(&format!("AWSReservedSSO_{role}/dev"), expires_ms);
    let body = json!({
        "roleCredentials": {
            "accessKeyId": key.access_key_id,
            "secretAccessKey": key.secret_access_key,
            "sessionToken": key.session_token,
            "expiration": expires_ms,
        }
    });
    realm.keys(|keys| keys.push(key));
    Ok(Answer::Json(body))
}

fn create_token(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let invalid =
        || AwsError::status(400, "InvalidGrantException", "Invalid refresh token provided");
    if ask.text("grantType") != Some("refresh_token") {
        return Err(AwsError::status(
            400,
            "UnsupportedGrantTypeException",
            "Grant type not supported",
        ));
    }
    let refresh = ask.text("refreshToken").ok_or_else(invalid)?;
    let now_ms = realm.clock().unix_ms();
    let random = || uuid::Uuid::new_v4().simple().to_string();
    let (access, again) = (format!("aoa-{}", random()), format!("aor-{}", random()));
    realm.world(|world| {
        let known =
            world.sso_logins.iter().find(|(_, login)| login.refresh.as_deref() == Some(refresh));
        let old = known.map(|(token, _)| token.clone()).ok_or_else(invalid)?;
        let login = world.sso_logins.remove(&old).ok_or_else(invalid)?;
        let expires_ms = now_ms + TOKEN_SECONDS * 1000;
        let login = SsoLogin { expires_ms, refresh: Some(again.clone()), ..login };
        world.sso_logins.insert(access.clone(), login);
        Ok(())
    })?;
    Ok(Answer::Json(json!({
        "accessToken": access,
        "refreshToken": again,
        "tokenType": "Bearer",
        "expiresIn": TOKEN_SECONDS,
    })))
}

/// A token lives an hour; a login outlives it by its refresh token.
const TOKEN_SECONDS: i64 = 3600;
