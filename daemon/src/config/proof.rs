//! How a target's user proves who he is, as written and as meant.

use std::net::IpAddr;

use bastion_cloud::{DatabaseRef, SecretRef};

use super::check::Check;
use super::file::{At, Password};
use super::{Proof, Target, words};

impl Target {
    /// The secret that holds its password, where one does.
    pub fn secret(&self) -> Option<&SecretRef> {
        match &self.password {
            Some(Proof::Secret(secret)) => Some(secret),
            Some(Proof::Iam) | None => None,
        }
    }
}

impl Check<'_> {
    /// Never says the value: somebody may have written the password itself.
    pub(super) fn password(
        &mut self,
        at: At<Password>,
        database: Option<&DatabaseRef>,
    ) -> Option<Proof> {
        match at.value {
            Password::Secret(name) => {
                if words::made_of(&name.value, "/_+=.@-:!") && name.value.len() <= LONGEST_SECRET {
                    return Some(Proof::Secret(SecretRef::Named(name.value)));
                }
                let hint = "write the secret's name or ARN, as Secrets Manager shows it";
                self.fault(name.line, "password.secret", "is no name of a secret", hint);
                None
            }
            Password::RdsManaged(flag) if !flag.value => {
                let hint = "remove it, or write password = { secret = \"…\" }";
                self.fault(flag.line, "password.rds_managed", "says nothing when false", hint);
                None
            }
            Password::RdsManaged(flag) => match database? {
                managed @ (DatabaseRef::Rds(_) | DatabaseRef::Aurora(..)) => {
                    Some(Proof::Secret(SecretRef::Managed(managed.clone())))
                }
                DatabaseRef::Proxy(_) | DatabaseRef::Host(..) => {
                    let hint = "name the secret: password = { secret = \"…\" }";
                    let reason = "goes with rds and aurora only";
                    self.fault(flag.line, "password.rds_managed", reason, hint);
                    None
                }
            },
            Password::Iam(flag) if !flag.value => {
                let hint = "remove it, or write password = { secret = \"…\" }";
                self.fault(flag.line, "password.iam", "says nothing when false", hint);
                None
            }
            Password::Iam(flag) => {
                if let DatabaseRef::Host(host, _) = database?
                    && host.parse::<IpAddr>().is_ok()
                {
                    let hint =
                        "name it as AWS does: rds = \"…\", or host = \"….rds.amazonaws.com\"";
                    let reason = "needs the database's own name: a token is signed for it";
                    self.fault(flag.line, "password.iam", reason, hint);
                    return None;
                }
                Some(Proof::Iam)
            }
        }
    }
}

const LONGEST_SECRET: usize = 2048; // characters, as SecretId in Secrets Manager's API
