//! Secrets Manager: values, and what is known about them.

use serde_json::{Value, json};

use super::ask::page;
use super::{Answer, Ask, AwsError};
use crate::clock::epoch_seconds;
use crate::realm::Realm;
use crate::world::Secret;

pub(super) fn act(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    match ask.action.as_str() {
        "GetSecretValue" => get_secret_value(realm, ask),
        "DescribeSecret" => describe_secret(realm, ask),
        "ListSecrets" => list_secrets(realm, ask),
        _ => Err(AwsError::new("UnknownOperationException", "")),
    }
}

fn get_secret_value(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let (name, secret) = find(realm, ask)?;
    if secret.deleted_ms.is_some() {
        let text =
            "You can't perform this operation on the secret because it was marked for deletion.";
        return Err(AwsError::new("InvalidRequestException", text));
    }
    let stage = ask.text("VersionStage").unwrap_or("AWSCURRENT");
    let version = ask.text("VersionId").unwrap_or(VERSION);
    if stage != "AWSCURRENT" || version != VERSION {
        let text = format!(
            "Secrets Manager can't find the specified secret value for staging label: {stage}"
        );
        return Err(AwsError::new("ResourceNotFoundException", text));
    }
    Ok(Answer::Json(json!({
        "ARN": arn(realm, &name, &secret),
        "Name": name,
        "VersionId": VERSION,
        "SecretString": secret.value,
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": epoch_seconds(CREATED_MS),
    })))
}

fn describe_secret(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let (name, secret) = find(realm, ask)?;
    let mut body = entry(realm, &name, &secret);
    body["VersionIdsToStages"] = json!({ VERSION: ["AWSCURRENT"] });
    Ok(Answer::Json(body))
}

fn list_secrets(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let filters = ask.parameters["Filters"].as_array().cloned().unwrap_or_default();
    let mut fitting = Vec::new();
    for (name, secret) in realm.world(|world| world.secrets.clone()) {
        let mut fits = true;
        for filter in &filters {
            fits &= passes(&name, &secret, filter)?;
        }
        if fits {
            fitting.push((name, secret));
        }
    }
    let size = usize::try_from(ask.number("MaxResults").unwrap_or(100)).unwrap_or(PAGE);
    let size = size.clamp(1, PAGE).min(realm.config().page_size);
    let (found, next) = page(fitting, ask.text("NextToken"), size)
        .map_err(|_| AwsError::new("InvalidNextTokenException", "Invalid NextToken"))?;
    let list: Vec<Value> = found
        .iter()
        .map(|(name, secret)| {
            let mut body = entry(realm, name, secret);
            body["SecretVersionsToStages"] = json!({ VERSION: ["AWSCURRENT"] });
            body
        })
        .collect();
    let mut body = json!({ "SecretList": list });
    if let Some(next) = next {
        body["NextToken"] = json!(next);
    }
    Ok(Answer::Json(body))
}

/// Values of one filter are alternatives; each is a prefix, and `!` in front of it negates.
fn passes(name: &str, secret: &Secret, filter: &Value) -> Result<bool, AwsError> {
    let values: Vec<&str> =
        filter["Values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let any = |texts: &[&str]| {
        values.iter().any(|value| match value.strip_prefix('!') {
            Some(unwanted) => !texts.iter().any(|text| text.starts_with(unwanted)),
            None => texts.iter().any(|text| text.starts_with(value)),
        })
    };
    let keys: Vec<&str> = secret.tags.keys().map(String::as_str).collect();
    let tag_values: Vec<&str> = secret.tags.values().map(String::as_str).collect();
    let owner = secret.owning_service.as_deref();
    Ok(match filter["Key"].as_str() {
        Some("name") => any(&[name]),
        Some("description") => any(&[&secret.description]),
        Some("tag-key") => any(&keys),
        Some("tag-value") => any(&tag_values),
        Some("owning-service") => any(&owner.into_iter().collect::<Vec<_>>()),
        Some("primary-region") => false,
        Some("all") => any(&[&[name, &secret.description][..], &keys, &tag_values].concat()),
        _ => return Err(AwsError::new("ValidationException", "Invalid filter key.")),
    })
}

fn find(realm: &Realm, ask: &Ask) -> Result<(String, Secret), AwsError> {
    let id = ask.text("SecretId").ok_or_else(|| {
        AwsError::new("ValidationException", "1 validation error detected: Value null at 'secretId' failed to satisfy constraint: Member must not be null")
    })?;
    let found =
        realm.world(|world| world.secret(id).map(|(name, secret)| (name.clone(), secret.clone())));
    found.ok_or_else(|| {
        AwsError::new(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret.",
        )
    })
}

fn entry(realm: &Realm, name: &str, secret: &Secret) -> Value {
    let tags: Vec<Value> =
        secret.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    let mut entry = json!({
        "ARN": arn(realm, name, secret),
        "Name": name,
        "CreatedDate": epoch_seconds(CREATED_MS),
        "LastChangedDate": epoch_seconds(secret.changed_ms.unwrap_or(CREATED_MS)),
        "Tags": tags,
    });
    if !secret.description.is_empty() {
        entry["Description"] = json!(secret.description);
    }
    if let Some(service) = &secret.owning_service {
        entry["OwningService"] = json!(service);
    }
    if let Some(key) = &secret.kms_key {
        entry["KmsKeyId"] = json!(key);
    }
    if secret.rotation {
        entry["RotationEnabled"] = json!(true);
        entry["RotationRules"] = json!({ "AutomaticallyAfterDays": 7 });
        entry["LastRotatedDate"] = epoch_seconds(secret.changed_ms.unwrap_or(CREATED_MS));
    }
    if let Some(at) = secret.deleted_ms {
        entry["DeletedDate"] = epoch_seconds(at);
    }
    entry
}

fn arn(realm: &Realm, name: &str, secret: &Secret) -> String {
    realm.arn("secretsmanager", &format!("secret:{name}-{}", secret.suffix))
}

/// The one version that each secret has.
const VERSION: &str = "a1b2c3d4-5678-4abc-8def-000000000001";
/// 2026-01-05T00:00:00Z
const CREATED_MS: i64 = 1_767_571_200_000;
const PAGE: usize = 100;
