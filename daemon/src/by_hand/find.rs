//! What is looked up before anything is started.

use bastion_api::ByHandStep;
use bastion_cloud::{AuroraEndpoint, DatabaseRef, Select};
use dbwire::Engine;

use super::shell::{Aws, kept, option};
use super::{Facts, Found};

/// Whose credentials these are.
pub(super) fn identity(facts: &Facts, aws: &Aws) -> ByHandStep {
    let mut step = facts.identity.step("Ask who you are");
    match &facts.identity {
        Found::Known(identity) => {
            step.comments.push(format!("account {} as {}", identity.account, identity.arn));
        }
        // What is missing here is missing everywhere; to say it once is enough.
        Found::Unknown { help, .. } => {
            step.comments.extend(help.iter().map(|help| format!("first: {help}")));
        }
    }
    step.commands.push(aws.call("sts get-caller-identity", []));
    step
}

/// The subnets of a task of our own.
pub(super) fn subnets(facts: &Facts, aws: &Aws) -> ByHandStep {
    let mut step = facts.place.step("Find the subnets");
    let query = "join(',', Subnets[].SubnetId)";
    let command = aws.value("ec2 describe-subnets", [filters(&facts.site.subnets, SUBNETS)], query);
    match &facts.place {
        Found::Known(place) => {
            let zone = |zone: &String| format!(" ({zone})");
            let found = place.subnets.iter().map(|subnet| {
                format!("{}{}", subnet.id, subnet.zone.as_ref().map(zone).unwrap_or_default())
            });
            step.comments.push(found.collect::<Vec<_>>().join(", "));
            step.comments.push(looked_up(&command));
        }
        Found::Unknown { .. } => step.commands.push(kept("SUBNETS", &command)),
    }
    step
}

/// The security groups of a task of our own.
pub(super) fn security_groups(facts: &Facts, aws: &Aws) -> ByHandStep {
    let mut step = facts.place.step("Find the security groups");
    let filters = filters(&facts.site.security_groups, GROUPS);
    let query = "join(',', SecurityGroups[].GroupId)";
    let command = aws.value("ec2 describe-security-groups", [filters], query);
    match &facts.place {
        Found::Known(place) => {
            let vpc = place.vpc.as_deref().map(|vpc| format!(" in {vpc}")).unwrap_or_default();
            step.comments.push(format!("{}{vpc}", place.security_groups.join(", ")));
            step.comments.push(looked_up(&command));
        }
        // `GROUPS` is a variable of bash's own, which takes no value.
        Found::Unknown { .. } => step.commands.push(kept("SECURITY_GROUPS", &command)),
    }
    step
}

/// Where the database listens.
pub(super) fn database(facts: &Facts, aws: &Aws) -> ByHandStep {
    let mut step = facts.remote.step("Find the database");
    let lookups = database_lookups(facts, aws);
    match &facts.remote {
        Found::Known(remote) => {
            step.comments.push(remote.to_string());
            step.comments.extend(lookups.iter().take(1).map(|(_, command)| looked_up(command)));
        }
        Found::Unknown { .. } => {
            step.commands.extend(lookups.iter().map(|(name, command)| kept(name, command)));
            if let DatabaseRef::Proxy(_) = facts.database {
                step.commands.push(format!("DB_PORT={}", usual_port(facts.engine)));
            }
        }
    }
    step
}

/// The container whose agent is used.
pub(super) fn container(facts: &Facts, aws: &Aws, definition: &str) -> ByHandStep {
    let mut step = facts.container.step("Find the task definition and its container");
    let options = [option("--task-definition", definition)];
    let query = "taskDefinition.[join(':', [family, to_string(revision)]), \
                 join(' ', containerDefinitions[].name)]";
    match (&facts.definition, &facts.container) {
        (Found::Known(name), Found::Known(container)) => {
            step.comments.push(format!("{name}, container {container}"));
            step.comments.push(looked_up(&aws.value(
                "ecs describe-task-definition",
                options,
                query,
            )));
        }
        (Found::Unknown { .. }, Found::Known(container)) => {
            step.comments.push(format!("{definition}, container {container}, as the config says"));
            step.comments.push(looked_up(&aws.value(
                "ecs describe-task-definition",
                options,
                query,
            )));
        }
        (_, Found::Unknown { .. }) => {
            step.comments.push("of several containers, set CONTAINER to the one to use".to_owned());
            let query = "taskDefinition.containerDefinitions[0].name";
            let command = aws.value("ecs describe-task-definition", options, query);
            step.commands.push(kept("CONTAINER", &command));
        }
    }
    step
}

/// What stands in a comment about how something was found, on one line.
pub(super) fn looked_up(command: &str) -> String {
    format!("found by: {}", command.replace(" \\\n    ", " "))
}

/// The variables that hold where the database listens, and what gives them.
fn database_lookups(facts: &Facts, aws: &Aws) -> Vec<(&'static str, String)> {
    let call =
        |call: &str, flag: &str, id: &str, query: &str| aws.value(call, [option(flag, id)], query);
    match &facts.database {
        DatabaseRef::Host(..) => Vec::new(),
        DatabaseRef::Rds(id) => {
            let id = id.to_lowercase();
            let ask = |query| call("rds describe-db-instances", INSTANCE, &id, query);
            vec![
                ("DB_HOST", ask("DBInstances[0].Endpoint.Address")),
                ("DB_PORT", ask("DBInstances[0].Endpoint.Port")),
            ]
        }
        DatabaseRef::Aurora(id, endpoint) => {
            let id = id.to_lowercase();
            let ask = |query| call("rds describe-db-clusters", CLUSTER, &id, query);
            let host = match endpoint {
                AuroraEndpoint::Writer => ask("DBClusters[0].Endpoint"),
                AuroraEndpoint::Reader => ask("DBClusters[0].ReaderEndpoint"),
                AuroraEndpoint::Custom(name) => call(
                    "rds describe-db-cluster-endpoints",
                    "--db-cluster-endpoint-identifier",
                    &name.to_lowercase(),
                    "DBClusterEndpoints[0].Endpoint",
                ),
            };
            vec![("DB_HOST", host), ("DB_PORT", ask("DBClusters[0].Port"))]
        }
        DatabaseRef::Proxy(name) => {
            let name = name.to_lowercase();
            let host = "DBProxies[0].Endpoint";
            vec![("DB_HOST", call("rds describe-db-proxies", "--db-proxy-name", &name, host))]
        }
    }
}

/// The secret that RDS manages for the database, as its ARN is asked for; none where RDS manages none.
pub(super) fn managed_secret(database: &DatabaseRef, aws: &Aws) -> Option<String> {
    let (call, flag, id, query) = match database {
        DatabaseRef::Rds(id) => {
            ("rds describe-db-instances", INSTANCE, id, "DBInstances[0].MasterUserSecret.SecretArn")
        }
        DatabaseRef::Aurora(id, _) => {
            ("rds describe-db-clusters", CLUSTER, id, "DBClusters[0].MasterUserSecret.SecretArn")
        }
        DatabaseRef::Proxy(_) | DatabaseRef::Host(..) => return None,
    };
    Some(aws.value(call, [option(flag, &id.to_lowercase())], query))
}

/// A selection as the filters of a call; security groups are named by their own name, as most people do.
fn filters(select: &Select, [by_id, by_name]: [&str; 2]) -> String {
    let filter =
        |name: &str, values: &str| super::shell::quoted(&format!("Name={name},Values={values}"));
    let filters = match select {
        Select::Ids(ids) => filter(by_id, &ids.join(",")),
        Select::Name(name) => filter(by_name, name),
        Select::Tags(tags) => {
            let tags = tags.iter().map(|(key, value)| filter(&format!("tag:{key}"), value));
            tags.collect::<Vec<_>>().join(" ")
        }
    };
    format!("--filters {filters}")
}

/// Where a proxy of that engine listens.
fn usual_port(engine: Engine) -> u16 {
    match engine {
        Engine::Postgres | Engine::Other => 5432,
        Engine::Mysql => 3306,
    }
}

const SUBNETS: [&str; 2] = ["subnet-id", "tag:Name"];
const GROUPS: [&str; 2] = ["group-id", "group-name"];
const INSTANCE: &str = "--db-instance-identifier";
const CLUSTER: &str = "--db-cluster-identifier";
