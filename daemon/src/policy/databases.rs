//! Databases: where they listen, and what opens them.

use bastion_cloud::{AuroraEndpoint, DatabaseRef, SecretRef};

use super::Seat;
use super::draft::Draft;
use super::names::Names;
use crate::config::{Proof, Target};

/// What the targets of a site need, each for itself.
pub(super) fn statements(seat: &Seat, names: &Names) -> Vec<Draft> {
    seat.targets.iter().flat_map(|target| of_target(seat, names, target)).collect()
}

fn of_target(seat: &Seat, names: &Names, target: &Target) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = found(seat, names, &target.database).into_iter().collect();
    match &target.password {
        Some(Proof::Secret(secret)) => drafts.extend(secrets(seat, names, secret)),
        Some(Proof::Iam) => drafts.push(token(seat, names, target)),
        None => {}
    }
    drafts
}

fn found(seat: &Seat, names: &Names, database: &DatabaseRef) -> Option<Draft> {
    let rds = |rest: String| names.arn("rds", &rest);
    let without = "the database's address is not found: give it by host and port instead";
    match database {
        // RDS keeps its identifiers in lower case.
        DatabaseRef::Rds(id) => {
            let resource = rds(format!("db:{}", id.to_lowercase()));
            let draft = Draft::new("FindInstances", &["rds:DescribeDBInstances"], [resource]);
            Some(draft.because("finds where an RDS instance listens", without))
        }
        DatabaseRef::Aurora(id, endpoint) => {
            let mut actions = vec!["rds:DescribeDBClusters"];
            let mut resources = vec![rds(format!("cluster:{}", id.to_lowercase()))];
            match endpoint {
                AuroraEndpoint::Writer | AuroraEndpoint::Reader => {}
                AuroraEndpoint::Custom(name) => {
                    actions.push("rds:DescribeDBClusterEndpoints");
                    resources.push(rds(format!("cluster-endpoint:{}", name.to_lowercase())));
                }
            }
            let draft = Draft::new("FindClusters", &actions, resources);
            Some(draft.because("finds where an Aurora cluster listens", without))
        }
        DatabaseRef::Proxy(_) => {
            let id = seat.facts.database(database).and_then(|known| known.resource_id.as_deref());
            let resource = rds(format!("db-proxy:{}", id.unwrap_or("*")));
            let draft = Draft::new("FindProxies", &["rds:DescribeDBProxies"], [resource])
                .because("finds where an RDS proxy listens", without)
                .note_if(
                    id.is_none(),
                    "the proxy's id is not known: put prx-… in place of db-proxy:*",
                );
            Some(draft)
        }
        DatabaseRef::Host(..) => None,
    }
}

fn secrets(seat: &Seat, names: &Names, secret: &SecretRef) -> Vec<Draft> {
    let known = seat.facts.secret(secret);
    let arn = known.map(|known| known.arn.as_str()).filter(|arn| !arn.is_empty());
    let (resource, whole) = match (arn, secret) {
        (Some(arn), _) => (arn.to_owned(), true),
        (None, SecretRef::Named(name)) => named(names, name),
        (None, SecretRef::Managed(database)) => {
            let told = seat.facts.database(database).and_then(|known| known.managed_secret.clone());
            let kind = match database {
                DatabaseRef::Aurora(..) => "cluster",
                DatabaseRef::Rds(_) | DatabaseRef::Proxy(_) | DatabaseRef::Host(..) => "db",
            };
            let whole = told.is_some();
            let pattern = || names.arn("secretsmanager", &format!("secret:rds!{kind}-*"));
            (told.unwrap_or_else(pattern), whole)
        }
    };
    let read = Draft::new("ReadSecrets", &["secretsmanager:GetSecretValue"], [resource])
        .because("reads the passwords of targets", "no password is had: people type it themselves")
        .note_if(
            !whole,
            "a secret could not be looked up: its ARN may stand in place of the pattern",
        )
        .note_if(
            known.is_none(),
            "where a secret has a key of one's own, kms:Decrypt on that key is needed, too",
        );
    let key = known.and_then(|known| known.kms_key.as_deref());
    [Some(read), key.map(|key| decrypt(names, key))].into_iter().flatten().collect()
}

/// A secret's ARN ends with six characters that nobody knows beforehand.
fn named(names: &Names, name: &str) -> (String, bool) {
    if !name.starts_with("arn:") {
        return (names.arn("secretsmanager", &format!("secret:{name}-??????")), false);
    }
    let suffix = name.rsplit_once('-').map_or("", |(_, suffix)| suffix);
    if suffix.len() == 6 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return (name.to_owned(), true);
    }
    (format!("{name}-??????"), false)
}

fn decrypt(names: &Names, key: &str) -> Draft {
    let alias = key.starts_with("alias/") || key.contains(":alias/");
    let resource = match key {
        _ if alias => names.arn("kms", "key/*"),
        arn if arn.starts_with("arn:") => arn.to_owned(),
        id => names.arn("kms", &format!("key/{id}")),
    };
    let operator = if names.known_region().is_some() { "StringEquals" } else { "StringLike" };
    Draft::new("DecryptSecrets", &["kms:Decrypt"], [resource])
        .only(operator, "kms:ViaService", names.host("secretsmanager"))
        .because(
            "decrypts secrets that have a key of one's own, through Secrets Manager alone",
            "such a secret cannot be read",
        )
        .note_if(alias, "a secret names its key by an alias: put the key's ARN in place of key/*")
}

fn token(seat: &Seat, names: &Names, target: &Target) -> Draft {
    let id = seat.facts.database(&target.database).and_then(|known| known.resource_id.as_deref());
    let user = target.user.as_deref();
    let rest = format!("dbuser:{}/{}", id.unwrap_or("*"), user.unwrap_or("*"));
    Draft::new("ConnectWithTokens", &["rds-db:connect"], [names.arn("rds-db", &rest)])
        .because(
            "lets a token stand for the password of a database user",
            "the database refuses the token as a wrong password",
        )
        .note_if(
            id.is_none(),
            "a database's resource id is not known: put db-…, cluster-… or prx-… in place of dbuser:*",
        )
        .note_if(user.is_none(), "a target names no user, so every one is meant")
}
