//! Who is known to IAM, and what may be done.

use serde::{Deserialize, Serialize};

use super::World;
use crate::iam::{self, Policies, Question, Verdict};

/// An IAM role.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    /// What stands before its name in its ARN: empty, or `aws-reserved/sso.amazonaws.com/`.
    pub path: String,
    /// The MFA device that its trust policy demands, with the code that it shows.
    pub mfa: Option<(String, String)>,
    /// The external id that its trust policy demands.
    pub external_id: Option<String>,
    /// What it may do.
    pub policies: Policies,
}

/// An IAM user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    /// What it may do.
    pub policies: Policies,
}

impl World {
    /// The policies of a user, a role or a role's session, by its ARN; a role's must have its path in it.
    pub fn policies(&self, arn: &str) -> Option<&Policies> {
        let (kind, who) = arn.splitn(6, ':').nth(5)?.split_once('/')?;
        let role = |name: &str| self.roles.get(name);
        match kind {
            "user" => self.users.get(who).map(|user| &user.policies),
            "assumed-role" => role(who.split('/').next()?).map(|role| &role.policies),
            "role" => {
                let name = who.rsplit('/').next()?;
                let found = role(name).filter(|role| format!("{}{name}", role.path) == who);
                found.map(|role| &role.policies)
            }
            _ => None,
        }
    }

    /// Whether somebody may do something; none where nobody has such an ARN.
    pub fn judge(&self, arn: &str, question: &Question<'_>) -> Option<Verdict> {
        let policies = self.policies(arn)?;
        Some(iam::judge(policies, self.organisation_policy.as_ref(), question))
    }
}
