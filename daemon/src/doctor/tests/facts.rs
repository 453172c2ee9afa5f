//! A house in order, as facts.

use std::sync::Arc;

use bastion_cloud::{
    CloudError, ClusterFacts, ContainerFacts, Database, DatabaseFacts, DefinitionFacts,
    GatewayFacts, GroupFacts, Identity, Kind, LoginState, NetworkFacts, PeerFacts, Permission,
    Place, Remote, RouteFacts, RuleFacts, Says, SecretFacts, Skew, Subnet, SubnetFacts, TaskFact,
    Wish,
};

use crate::config;
use crate::doctor::{
    ConfigFacts, Facts, HostFacts, LiveFacts, SecretFound, SiteFacts, TargetFacts,
};

/// Everything as it should be: a task of our own in front of an RDS instance.
pub(super) fn well() -> Facts {
    let target = Arc::new(config::parse("c.toml".as_ref(), CONFIG).unwrap().targets.remove(0));
    let site = SiteFacts {
        identity: Some(Ok(Identity {
            account: "123456789012".to_owned(),
            arn: "arn:aws:sts::123456789012:assumed-role/Dev/amy".to_owned(),
        })),
        gateway: Some(Ok(GatewayFacts {
            host: "ssmmessages".to_owned(),
            ..GatewayFacts::default()
        })),
        clock: Some(Ok(Skew::default())),
        permissions: Some(Ok(vec![permission("ecs:RunTask", Says::Allowed)])),
        cluster: Some(Ok(ClusterFacts {
            arn: "arn:aws:ecs:eu-west-1:123456789012:cluster/main".to_owned(),
            status: "ACTIVE".to_owned(),
            ..ClusterFacts::default()
        })),
        service: Some(Ok(None)),
        definition: Some(Ok(DefinitionFacts {
            arn: "arn:aws:ecs:eu-west-1:123456789012:task-definition/proxy:7".to_owned(),
            name: "proxy:7".to_owned(),
            task_role: Some("arn:aws:iam::123456789012:role/proxy-task".to_owned()),
            network_mode: "awsvpc".to_owned(),
            fargate: true,
            containers: vec![ContainerFacts {
                name: "proxy".to_owned(),
                ..ContainerFacts::default()
            }],
            ..DefinitionFacts::default()
        })),
        role: Some(Ok(vec![permission("ssmmessages:OpenDataChannel", Says::Allowed)])),
        place: Some(Ok(Place {
            subnets: vec![Subnet { id: "subnet-1".to_owned(), zone: Some("1a".to_owned()) }],
            security_groups: vec!["sg-own".to_owned()],
            vpc: Some("vpc-1".to_owned()),
        })),
        network: Some(Ok(NetworkFacts {
            vpc: "vpc-1".to_owned(),
            dns: Some(true),
            hostnames: Some(true),
            subnets: vec![SubnetFacts {
                id: "subnet-1".to_owned(),
                cidr: Some("10.0.10.0/24".to_owned()),
                route_table: Some("rtb-1".to_owned()),
                default_route: Some(RouteFacts {
                    gateway: "nat-1".to_owned(),
                    works: true,
                    state: None,
                }),
                free_addresses: 200,
                ..SubnetFacts::default()
            }],
            ..NetworkFacts::default()
        })),
        groups: Some(Ok(vec![GroupFacts {
            egress: vec![rule(None, PeerFacts::Cidr("0.0.0.0/0".to_owned()))],
            ..group("sg-own")
        }])),
        tasks: Some(Ok(vec![TaskFact {
            arn: "arn:aws:ecs:eu-west-1:123456789012:task/main/0a1b".to_owned(),
            status: "RUNNING".to_owned(),
            exec: true,
            agent: Some("RUNNING".to_owned()),
            ..TaskFact::default()
        }])),
        targets: vec![TargetFacts {
            host: HostFacts { wanted: vec!["127.0.0.1:15432".to_owned()], ..HostFacts::default() },
            found: Some(Ok(Database {
                remote: Remote { host: "db.internal".to_owned(), port: 5432 },
                engine: None,
                managed_secret: None,
            })),
            database: Some(Ok(DatabaseFacts {
                id: "prod-db".to_owned(),
                status: "available".to_owned(),
                vpc: Some("vpc-1".to_owned()),
                security_groups: vec!["sg-db".to_owned()],
                port: Some(5432),
                ..DatabaseFacts::default()
            })),
            groups: Some(Ok(vec![GroupFacts {
                ingress: vec![rule(Some((5432, 5432)), PeerFacts::Group("sg-own".to_owned()))],
                ..group("sg-db")
            }])),
            secret: Some(Ok(SecretFacts {
                name: "prod/db".to_owned(),
                changed: Some("2026-01-01T00:00:00Z".to_owned()),
                ..SecretFacts::default()
            })),
            password: Some(Ok(SecretFound { user: Some("postgres".to_owned()), password: true })),
            live: Some(LiveFacts { ready: true, tunnels: 1, bastions: 1, ..LiveFacts::default() }),
            ..TargetFacts::of(Arc::clone(&target))
        }],
        ..SiteFacts::of(target.site.clone(), LoginState::Promising)
    };
    Facts {
        now: "2026-01-04T00:00:00Z".parse().unwrap(),
        config: ConfigFacts {
            path: Some("c.toml".to_owned()),
            targets: 1,
            ..ConfigFacts::default()
        },
        sites: vec![site],
    }
}

pub(super) fn group(id: &str) -> GroupFacts {
    GroupFacts { id: id.to_owned(), vpc: "vpc-1".to_owned(), ..GroupFacts::default() }
}

pub(super) fn rule(ports: Option<(u16, u16)>, peer: PeerFacts) -> RuleFacts {
    RuleFacts { ports, tcp: true, peer }
}

pub(super) fn permission(action: &str, says: Says) -> Permission {
    let wish = Wish::new(action, "*");
    Permission { wish, says, by: Vec::new(), missing: Vec::new(), from_above: false }
}

pub(super) fn error(call: &'static str, kind: Kind) -> CloudError {
    CloudError { call, kind, message: "AWS says no".to_owned(), request_id: None }
}

pub(super) fn denied(call: &'static str) -> CloudError {
    error(call, Kind::Denied { explicit: false, action: None, resource: None })
}

const CONFIG: &str = r#"
[site.prod]
profile = "prod"
region = "eu-west-1"
cluster = "main"
task_definition = "proxy"
subnets = { name = "private-*" }
security_groups = { name = "bastion" }

[target.prod-db]
site = "prod"
rds = "prod-db"
listen = 15432
user = "postgres"
password = { secret = "prod/db" }
"#;
