//! What keeps a bastion from the database, or a user from its password.

use std::net::IpAddr;

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::{CloudError, DatabaseFacts, DatabaseRef};

use super::{aws, one, refused};
use crate::config::Target;

/// Which security group does not let through.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shut {
    /// The database's lets nobody in from the bastion's.
    In {
        /// The database's group.
        group: String,
        /// The database's port.
        port: u16,
        /// Whom it lets in.
        allowed: Vec<String>,
        /// The bastion's group.
        from: String,
    },
    /// The bastion's lets nothing out.
    Out {
        /// The bastion's group.
        group: String,
        /// The database's port.
        port: u16,
        /// The database's group, where one is known.
        to: Option<String>,
    },
}

/// The agent refuses the database's address.
pub fn address_forbidden(target: &Target, address: IpAddr, why: &str) -> Problem {
    let message = format!("the agent forwards nothing to {address}: {why}");
    Problem::new("D25", Sort::DatabaseUnreachable, message).hint(format!(
        "host = \"…\", the database's own name, under [target.{}], then: bastionctl reload",
        target.name
    ))
}

/// The database is in another VPC than the bastion.
pub fn another_vpc(target: &Target, ours: &str, theirs: &str) -> Problem {
    let message = format!("the bastion runs in {ours}, and the database is in {theirs}");
    Problem::new("D12", Sort::DatabaseUnreachable, message)
        .because(format!(
            "subnets and security groups of {theirs} belong under [site.{}]",
            target.site.name
        ))
        .because("where the two are joined: host = \"…\" in place of its identifier")
        .hint(aws(target, &format!("ec2 describe-subnets --filters Name=vpc-id,Values={theirs}")))
}

/// The database takes no connections.
pub fn database_down(target: &Target, database: &DatabaseFacts) -> Problem {
    let status = database.status.as_str();
    let message = format!("the database is {status}");
    let fix = match (&target.database, status) {
        // What is a member of a cluster starts with it, and not alone.
        (DatabaseRef::Rds(_), "stopped") if database.cluster.is_some() => {
            let cluster = database.cluster.as_deref().unwrap_or_default();
            format!("rds start-db-cluster --db-cluster-identifier {cluster}")
        }
        (DatabaseRef::Aurora(id, _), "stopped") => {
            format!("rds start-db-cluster --db-cluster-identifier {}", id.to_lowercase())
        }
        (DatabaseRef::Aurora(id, _), _) => {
            format!("rds wait db-cluster-available --db-cluster-identifier {}", id.to_lowercase())
        }
        (DatabaseRef::Rds(id), "stopped") => {
            format!("rds start-db-instance --db-instance-identifier {}", id.to_lowercase())
        }
        (DatabaseRef::Rds(id), _) => {
            format!("rds wait db-instance-available --db-instance-identifier {}", id.to_lowercase())
        }
        (DatabaseRef::Proxy(name), _) => format!("rds describe-db-proxies --db-proxy-name {name}"),
        (DatabaseRef::Host(..), _) => "rds describe-db-instances".to_owned(),
    };
    Problem::new("D11", Sort::DatabaseUnreachable, message).hint(aws(target, &fix))
}

/// A security group does not let through.
pub fn database_shut(target: &Target, shut: &Shut) -> Problem {
    let (message, fix) = match shut {
        Shut::In { group, port, allowed, from } => {
            let message = if allowed.is_empty() {
                format!("{group} allows {port} from nobody; the bastion uses {from}")
            } else {
                let allowed = allowed.join(", ");
                format!("{group} allows {port} only from {allowed}; the bastion uses {from}")
            };
            let fix = format!(
                "ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port {port} \
                 --source-group {from}"
            );
            (message, fix)
        }
        Shut::Out { group, port, to } => {
            let message = format!("{group}, which the bastion uses, lets {port} out to nobody");
            let to = to
                .as_ref()
                .map_or_else(|| "--cidr 0.0.0.0/0".to_owned(), |to| format!("--source-group {to}"));
            let fix = format!(
                "ec2 authorize-security-group-egress --group-id {group} --protocol tcp --port {port} {to}"
            );
            (message, fix)
        }
    };
    Problem::new("D10", Sort::DatabaseUnreachable, message).hint(aws(target, &fix))
}

/// Nobody may look at the database.
pub fn database_unknown(action: &str) -> String {
    format!("cannot know: no {action} permission (grant it, or set host = \"…\" in the config)")
}

/// The agent has refused the database's name, as a tunnel showed.
pub fn name_refused(target: &Target, problem: &Problem, vpc: Option<&str>) -> Problem {
    let mut problem = one(problem.clone());
    let (Some(vpc), Some(region)) = (vpc, target.site.region.as_deref()) else { return problem };
    // What was to be done is what to look for.
    problem.causes.append(&mut problem.hints);
    problem.because("private zones that the VPC knows are listed so").hint(aws(
        target,
        &format!("route53 list-hosted-zones-by-vpc --vpc-id {vpc} --vpc-region {region}"),
    ))
}

/// The user is to be proven by a token, and the database takes none.
pub fn no_iam_tokens(target: &Target, database: &DatabaseFacts) -> Problem {
    let id = &database.id;
    let message =
        format!("{id} takes no IAM tokens, and {} has password = {{ iam = true }}", target.name);
    let on = "--enable-iam-database-authentication --apply-immediately";
    let fix = match (&target.database, &database.cluster) {
        (DatabaseRef::Proxy(_), _) => {
            format!("rds modify-db-proxy --db-proxy-name {id} --default-auth-scheme IAM_AUTH")
        }
        (DatabaseRef::Rds(_), Some(cluster)) => {
            format!("rds modify-db-cluster --db-cluster-identifier {cluster} {on}")
        }
        (DatabaseRef::Aurora(..), _) => {
            format!("rds modify-db-cluster --db-cluster-identifier {id} {on}")
        }
        (DatabaseRef::Rds(_) | DatabaseRef::Host(..), _) => {
            format!("rds modify-db-instance --db-instance-identifier {id} {on}")
        }
    };
    Problem::new("D16", Sort::NotPermitted, message).hint(aws(target, &fix))
}

/// The password cannot be had.
pub fn no_secret(target: &Target, err: &CloudError) -> Problem {
    let mut problem = refused(target, err);
    problem.code = "D16".to_owned();
    problem.hints = vec![aws(target, "secretsmanager list-secrets --query 'SecretList[].Name'")];
    problem
}

/// Rules name lists that nobody here has read, or addresses of a network that is not known.
pub fn rules_unclear(port: u16) -> String {
    format!("cannot know: rules allow {port} from addresses that may be the bastion's or not")
}

/// The secret is about to be deleted.
pub fn secret_deleted(target: &Target, name: &str) -> Problem {
    let message = format!("the secret {name} is being deleted and cannot be read");
    Problem::new("D16", Sort::NotFound, message)
        .hint(aws(target, &format!("secretsmanager restore-secret --secret-id '{name}'")))
}

/// The secret holds no password, or none where one is looked for: what was found instead.
pub fn secret_empty(target: &Target, name: &str, found: Option<&str>) -> Problem {
    let message = format!("there is no password in {name}");
    let problem = Problem::new("D16", Sort::NotFound, message);
    let problem = match found {
        Some(found) => problem.because(found),
        None => problem,
    };
    problem
        .because("it is to be a JSON object with \"username\" and \"password\": type it, then Ctrl-D")
        .hint(aws(
            target,
            &format!(
                "secretsmanager put-secret-value --secret-id '{name}' --secret-string file:///dev/stdin"
            ),
        ))
}

/// The secret is another user's.
pub fn secret_of_another(target: &Target, name: &str, theirs: &str, ours: &str) -> Problem {
    let message =
        format!("{name} holds the password of {theirs}, and {} connects as {ours}", target.name);
    Problem::new("D16", Sort::NotPermitted, message).hint(format!(
        "user = \"{theirs}\" under [target.{}], then: bastionctl reload",
        target.name
    ))
}

/// The database is in another VPC, and may be reached all the same.
pub fn vpcs_unclear(ours: &str, theirs: &str) -> String {
    format!(
        "cannot know: the bastion runs in {ours}, and the database is in {theirs}; whether they are joined is not seen from here"
    )
}

/// The VPC's own DNS is off.
pub fn vpc_without_names(target: &Target, vpc: &str) -> Problem {
    let message = format!("{vpc} answers no names: its DNS is off");
    Problem::new("D25", Sort::DatabaseUnreachable, message)
        .hint(aws(target, &format!("ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-support")))
}
