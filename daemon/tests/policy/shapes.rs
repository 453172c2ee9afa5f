//! Configs of every kind that a policy tells apart, and what the cloud may have told of them.

use std::path::Path;

use bastion_api::{Policy, PolicyStatement};
use bastion_cloud::{
    ContainerFacts, DatabaseRef, DefinitionFacts, Identity, SecretFacts, SecretRef,
};
use bastiond::policy::{self, Facts, KnownDatabase, Seat};

/// A site with tasks of its own, found by name, in front of an instance with a secret.
pub(crate) const TASKS: &str = r#"
[site.prod]
region = "ap-northeast-1"
cluster = "main"
task_definition = "proxy"
subnets = { name = "private-*" }
security_groups = { name = "proxy" }

[target.prod-db]
site = "prod"
rds = "Prod-DB"
listen = 15432
user = "app"
password = { secret = "prod/db" }
"#;

/// The same with everything named that can be.
pub(crate) const TASKS_BY_ID: &str = r#"
[site.prod]
region = "ap-northeast-1"
cluster = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/main"
task_definition = "proxy:7"
container = "proxy"
command = "keep"
subnets = ["subnet-1"]
security_groups = ["sg-1"]

[target.prod-db]
site = "prod"
host = "db.internal"
port = 5432
listen = 15432
"#;

/// A service's task, which is there anyway.
pub(crate) const SERVICE: &str = r#"
[site.dev]
region = "eu-west-1"
cluster = "dev"
service = "bastion"
container = "bastion"

[target.dev-db]
site = "dev"
aurora = "Dev-Aurora"
endpoint = "reader"
listen = 13306
password = { rds_managed = true }
"#;

/// A service that is raised from nothing, and a custom endpoint of a cluster.
pub(crate) const FROM_ZERO: &str = r#"
[site.dev]
region = "eu-west-1"
cluster = "dev"
service = "bastion"
scale_from_zero = true

[target.dev-db]
site = "dev"
aurora = "dev-aurora"
endpoint = "analytics"
listen = 13306
"#;

/// Tokens in place of passwords, for an instance and for a proxy.
pub(crate) const TOKENS: &str = r#"
[site.prod]
region = "ap-northeast-1"
cluster = "main"
task_definition = "proxy"
subnets = { tags = { Tier = "private" } }
security_groups = ["sg-1"]

[target.prod-db]
site = "prod"
rds = "prod-db"
listen = 15432
user = "app"
password = { iam = true }

[target.pooled]
site = "prod"
proxy = "prod-proxy"
listen = 15433
user = "app"
password = { iam = true }
"#;

/// Every shape of a config, by name.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    let twin = TASKS.replace("prod", "test").replace("Prod", "Test").replace("15432", "15434");
    let several = format!("{TASKS}{SERVICE}{twin}");
    let without_region = TASKS.replace("region = \"ap-northeast-1\"\n", "");
    vec![
        ("tasks", TASKS.to_owned()),
        ("tasks by id", TASKS_BY_ID.to_owned()),
        ("service", SERVICE.to_owned()),
        ("service from zero", FROM_ZERO.to_owned()),
        ("tokens", TOKENS.to_owned()),
        ("several sites", several),
        ("a region that nobody names", without_region),
    ]
}

/// The seats of a config, of which nothing is known.
pub(crate) fn seats(config: &str) -> Vec<Seat> {
    let config = bastiond::config::parse(Path::new("config.toml"), config);
    policy::seats(&config.unwrap_or_else(|faults| panic!("{faults:?}")), &[]).unwrap()
}

/// The seats of a config, of which everything is known.
pub(crate) fn known(config: &str) -> Vec<Seat> {
    let mut seats = seats(config);
    for seat in &mut seats {
        seat.facts = facts(seat);
    }
    seats
}

fn facts(seat: &Seat) -> Facts {
    let region = seat.site.region.clone().unwrap_or_else(|| "ap-northeast-1".to_owned());
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:{region}:{ACCOUNT}:{rest}");
    let role = |name: &str| Some(format!("arn:aws:iam::{ACCOUNT}:role/{name}"));
    let container = ContainerFacts {
        name: "proxy".to_owned(),
        log_group: Some("/ecs/proxy".to_owned()),
        ..ContainerFacts::default()
    };
    let databases = seat.targets.iter().map(|target| {
        let id = match &target.database {
            DatabaseRef::Rds(_) => "db-ABCDEFGHIJKLMNOP",
            DatabaseRef::Aurora(..) => "cluster-ABCDEFGHIJKL",
            DatabaseRef::Proxy(_) => "prx-0123456789abcdef0",
            DatabaseRef::Host(..) => "db-NONE",
        };
        let known = KnownDatabase {
            managed_secret: Some(arn("secretsmanager", "secret:rds!db-1-AbCdEf")),
            resource_id: Some(id.to_owned()),
        };
        (target.database.clone(), known)
    });
    let secret = SecretFacts {
        name: "prod/db".to_owned(),
        arn: arn("secretsmanager", "secret:prod/db-AbCdEf"),
        kms_key: Some(arn("kms", "key/1111aaaa-22bb-33cc-44dd-5555eeee6666")),
        ..SecretFacts::default()
    };
    Facts {
        identity: Some(Identity {
            account: ACCOUNT.to_owned(),
            arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/Dev/amy@example.com"),
        }),
        cluster: Some(arn("ecs", "cluster/main")),
        definition: Some(DefinitionFacts {
            arn: arn("ecs", "task-definition/proxy:7"),
            name: "proxy:7".to_owned(),
            task_role: role("proxy-task"),
            execution_role: role("proxy-execution"),
            containers: vec![container],
            ..DefinitionFacts::default()
        }),
        databases: databases.collect(),
        secrets: vec![(SecretRef::Named("prod/db".to_owned()), secret)],
    }
}

/// A policy's statement by its name.
pub(crate) fn statement<'a>(policy: &'a Policy, sid: &str) -> Option<&'a PolicyStatement> {
    policy.document.statement.iter().find(|one| one.sid == sid)
}

/// The account of all facts.
pub(crate) const ACCOUNT: &str = "123456789012";
