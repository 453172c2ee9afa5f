//! Secrets, without what is in them.
//!
//! needs: secretsmanager:DescribeSecret (and rds:DescribeDBInstances or rds:DescribeDBClusters for one that RDS manages)

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bastion_cloud::{CloudError, Kind, SecretFacts, SecretRef};

use super::rds::managed_secret;
use crate::Aws;
use crate::secrets::unknown;

/// What is known of a secret.
pub(super) async fn secret_facts(aws: &Aws, secret: &SecretRef) -> Result<SecretFacts, CloudError> {
    let clients = aws.access.clients().await?;
    let name = match secret {
        SecretRef::Named(name) => name.clone(),
        SecretRef::Managed(database) => {
            managed_secret(&clients, database).await?.ok_or_else(|| CloudError {
                call: DESCRIBE,
                kind: Kind::NotFound { what: "managed secret", candidates: Vec::new() },
                message: "RDS manages no master secret for the database".to_owned(),
                request_id: None,
            })?
        }
    };
    let answer = clients.secrets.describe_secret().secret_id(&name).send().await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(err) => {
            let refusal = clients.refusal(DESCRIBE, &err);
            if refusal.is("ResourceNotFoundException") {
                return Err(unknown(&clients, DESCRIBE, &name, refusal.error.request_id).await);
            }
            return Err(refusal.into());
        }
    };
    let changed = later(answer.last_rotated_date(), answer.last_changed_date());
    let key = answer.kms_key_id().filter(|key| !key.ends_with(AWS_OWN_KEY));
    Ok(SecretFacts {
        name: answer.name().unwrap_or(&name).to_owned(),
        arn: answer.arn().unwrap_or_default().to_owned(),
        changed: changed.and_then(|at| at.fmt(Format::DateTime).ok()),
        rotates: answer.rotation_enabled().unwrap_or_default(),
        deleted: answer.deleted_date().is_some(),
        kms_key: key.map(str::to_owned),
    })
}

fn later<'a>(one: Option<&'a DateTime>, other: Option<&'a DateTime>) -> Option<&'a DateTime> {
    one.into_iter().chain(other).max_by_key(|at| at.as_nanos())
}

const DESCRIBE: &str = "secretsmanager:DescribeSecret";

/// The key that AWS keeps for everybody who names none.
const AWS_OWN_KEY: &str = "alias/aws/secretsmanager";
