//! What a secret holds.
//!
//! needs: secretsmanager:GetSecretValue (and kms:Decrypt with a key of one's own) — read a secret

use bastion_cloud::{CloudError, Kind, Login, Secret, SecretRef};
use serde_json::Value;

use crate::access::Access;
use crate::clients::Clients;
use crate::near::near;
use crate::rds;

/// User and password of a secret, by its name or as RDS manages it.
pub(crate) async fn secret(access: &Access, secret: &SecretRef) -> Result<Login, CloudError> {
    match secret {
        SecretRef::Named(name) => get(&*access.clients().await?, name).await,
        SecretRef::Managed(database) => {
            let found = rds::find_database(&*access.clients().await?, database).await?;
            let Some(arn) = found.managed_secret else {
                return Err(error(
                    Kind::NotFound { what: "managed secret", candidates: Vec::new() },
                    format!("RDS manages no master secret for the database at {}", found.remote),
                ));
            };
            get(&*access.clients().await?, &arn).await
        }
    }
}

async fn get(clients: &Clients, name: &str) -> Result<Login, CloudError> {
    match clients.secrets.get_secret_value().secret_id(name).send().await {
        Ok(answer) => {
            let text = match (answer.secret_string(), answer.secret_binary()) {
                (Some(text), _) => Some(text),
                (None, Some(bytes)) => std::str::from_utf8(bytes.as_ref()).ok(),
                (None, None) => None,
            };
            let invalid =
                |what: String| error(Kind::Invalid, format!("the secret \"{name}\" {what}"));
            parse(text.ok_or_else(|| invalid("holds no text".to_owned()))?).map_err(invalid)
        }
        Err(err) => {
            let refusal = clients.refusal(GET, &err);
            if refusal.is("ResourceNotFoundException") {
                return Err(unknown(clients, GET, name, refusal.error.request_id).await);
            }
            Err(refusal.into())
        }
    }
}

/// JSON with a password, as RDS and most people write it, or else the password itself.
fn parse(text: &str) -> Result<Login, String> {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text) else {
        return Ok(Login { user: None, password: Secret::new(text) });
    };
    let user = USER.iter().find_map(|key| fields.get(*key)?.as_str());
    match fields.get("password").and_then(Value::as_str) {
        Some(password) => {
            Ok(Login { user: user.map(str::to_owned), password: Secret::new(password) })
        }
        None => {
            let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
            Err(format!("has no key \"password\"; its keys are {}", keys.join(", ")))
        }
    }
}

/// A secret that is not there: its name, where it was looked for, and names like it.
pub(crate) async fn unknown(
    clients: &Clients,
    call: &'static str,
    name: &str,
    request_id: Option<String>,
) -> CloudError {
    // Without permission for this the message has no candidates, no more.
    let pages = clients.secrets.list_secrets().into_paginator().send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await.unwrap_or_default();
    let all = pages.into_iter().flat_map(|page| page.secret_list.unwrap_or_default());
    let names = all.filter_map(|secret| secret.name);
    CloudError {
        call,
        kind: Kind::NotFound { what: "secret", candidates: near(name, names) },
        message: format!("no secret \"{name}\" in {}", clients.whereabouts().await),
        request_id,
    }
}

fn error(kind: Kind, message: String) -> CloudError {
    CloudError { call: GET, kind, message, request_id: None }
}

const GET: &str = "secretsmanager:GetSecretValue";

/// How secrets call the user.
const USER: [&str; 2] = ["username", "user"];

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn json_gives_user_and_password() {
        let login =
            parse(r#"{"username":"postgres","password":"a\"b","host":"x","port":5432}"#).unwrap();
        assert_eq!(login.user.as_deref(), Some("postgres"));
        assert_eq!(login.password.reveal(), "a\"b");
    }

    #[test]
    fn anything_else_is_the_password_itself() {
        for text in ["hunter2", "12345", "{not json", "\"quoted\"", "[1]", ""] {
            let login = parse(text).unwrap();
            assert_eq!((login.user, login.password.reveal()), (None, text));
        }
    }

    #[test]
    fn json_without_a_password_names_its_keys_and_shows_no_value() {
        let words = parse(r#"{"pass":"hunter2","username":"u"}"#).unwrap_err();
        assert_eq!(words, "has no key \"password\"; its keys are pass, username");
    }
}
