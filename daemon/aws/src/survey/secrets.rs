use bastion_cloud::{CloudError, SecretFound};

use crate::access::Access;

/// Every secret, without what is in it.
pub(super) async fn secrets(access: &Access) -> Result<Vec<SecretFound>, CloudError> {
    let clients = access.clients().await?;
    let mut pages = clients.secrets.list_secrets().into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|err| clients.refusal(LIST, &err).error)?;
        for secret in page.secret_list.unwrap_or_default() {
            let Some(name) = secret.name else { continue };
            // One that is to be deleted serves nobody.
            if secret.deleted_date.is_some() {
                continue;
            }
            let tags = secret.tags.unwrap_or_default().into_iter();
            found.push(SecretFound {
                name,
                arn: secret.arn.unwrap_or_default(),
                description: secret.description,
                owner: secret.owning_service,
                tags: tags
                    .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
                    .collect(),
            });
        }
    }
    Ok(found)
}

pub(super) const LIST: &str = "secretsmanager:ListSecrets";
