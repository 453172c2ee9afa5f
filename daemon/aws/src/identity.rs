//! Whose credentials these are.
//!
//! needs: nothing (sts:GetCallerIdentity is allowed to everybody)

use bastion_cloud::{CloudError, Identity};

use crate::access::Access;
use crate::clients::Clients;

pub(crate) async fn identity(access: &Access) -> Result<Identity, CloudError> {
    ask(&*access.clients().await?).await
}

/// Asks, and lets the clients keep the account for their messages.
pub(crate) async fn ask(clients: &Clients) -> Result<Identity, CloudError> {
    let answer = clients
        .sts
        .get_caller_identity()
        .send()
        .await
        .map_err(|err| clients.refusal("sts:GetCallerIdentity", &err).error)?;
    let account = answer.account().unwrap_or_default().to_owned();
    if !account.is_empty() {
        clients.account.get_or_init(|| account.clone());
    }
    Ok(Identity { account, arn: answer.arn().unwrap_or_default().to_owned() })
}
