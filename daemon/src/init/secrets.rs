//! Whose password is where: only what is beyond doubt, for a wrong one is worse than none.

use bastion_api::PasswordPlace;
use bastion_cloud::{DatabaseFound, SecretFound};

use super::alike::own_words;

/// Where a database's password is.
pub(super) fn place(database: &DatabaseFound, secrets: &[SecretFound]) -> Option<PasswordPlace> {
    if database.managed {
        return Some(PasswordPlace::RdsManaged(true));
    }
    if let [arn] = database.secrets.as_slice() {
        // A proxy logs in with it, and so may whoever comes through the proxy.
        let named = secrets.iter().find(|secret| secret.arn == *arn);
        return Some(PasswordPlace::Secret(named.map_or(arn, |secret| &secret.name).clone()));
    }
    let free: Vec<&SecretFound> =
        secrets.iter().filter(|one| one.owner.as_deref() != Some("rds")).collect();
    let only = |fits: &dyn Fn(&SecretFound) -> bool| {
        let mut all = free.iter().filter(|secret| fits(secret));
        match (all.next(), all.next()) {
            (Some(one), None) => Some(PasswordPlace::Secret(one.name.clone())),
            (Some(_), Some(_)) | (None, _) => None,
        }
    };
    let id = database.id.to_lowercase();
    let arn = database.arn.as_deref();
    only(&|secret| arn.is_some_and(|arn| secret.tags.values().any(|value| value == arn)))
        .or_else(|| only(&|secret| last(&secret.name) == id || secret.name.to_lowercase() == id))
        .or_else(|| only(&|secret| of_one_stack(secret, database)))
        .or_else(|| {
            let whose = own_words(&database.id);
            only(&|secret| !whose.is_empty() && own_words(&secret.name) == whose)
        })
}

fn of_one_stack(secret: &SecretFound, database: &DatabaseFound) -> bool {
    let stack = secret.tags.get(STACK);
    stack.is_some() && stack == database.tags.get(STACK)
}

fn last(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_lowercase()
}

/// The tag that CloudFormation puts on all that it makes.
const STACK: &str = "aws:cloudformation:stack-name";
