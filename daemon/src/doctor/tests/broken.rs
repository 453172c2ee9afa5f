//! A house with one thing broken.

use std::time::{Duration, SystemTime};

use bastion_api::{ConfigFault, Problem, ProblemKind};
use bastion_cloud::{
    ClusterFacts, DatabaseFacts, EndClass, EndpointFacts, Kind, LoginWay, NetworkFacts, PeerFacts,
    Says, Skew, TaskFact,
};

use super::facts::{denied, error, group, permission, rule, well};
use crate::doctor::{Facts, SiteFacts, TargetFacts};

/// What is broken, how, and which codes have to be found.
pub(super) type Fault = (&'static str, fn(&mut Facts), &'static [&'static str]);

/// Each fault in a house of its own.
pub(super) fn all() -> Vec<(&'static str, Facts, Vec<&'static str>)> {
    let broken = |(name, breaks, codes): Fault| {
        let mut facts = well();
        breaks(&mut facts);
        (name, facts, codes.to_vec())
    };
    faults().into_iter().map(broken).collect()
}

pub(super) fn faults() -> Vec<Fault> {
    let mut all: Vec<Fault> = machine();
    all.extend(aws());
    all.extend(network());
    all.extend(database());
    all.extend(lately());
    all
}

fn machine() -> Vec<Fault> {
    vec![
        (
            "a faulty config",
            |facts| {
                facts.config.faults = vec![ConfigFault {
                    file: "c.toml".to_owned(),
                    line: Some(3),
                    key: "lisen".to_owned(),
                    reason: "unknown key".to_owned(),
                    hint: None,
                }];
            },
            &["D32"],
        ),
        (
            "a port in other hands",
            |facts| {
                let problem = Problem::new("D13", ProblemKind::PortConflict, "cannot listen");
                target(facts).host.problem = Some(problem.because("127.0.0.1:15432 is in use"));
            },
            &["D13"],
        ),
        (
            "an expired token",
            |facts| {
                let way = LoginWay::Sso { ended: None };
                let kind = Kind::Login { profile: Some("prod".to_owned()), way };
                site(facts).identity = Some(Err(error("sts:GetCallerIdentity", kind)));
            },
            &["D18"],
        ),
        (
            "a token that expires in the middle",
            |facts| {
                let kind = Kind::Login { profile: None, way: LoginWay::Unknown };
                site(facts).cluster = Some(Err(error("ecs:DescribeClusters", kind)));
            },
            &["D18"],
        ),
        (
            "an MFA code that is wanted",
            |facts| {
                let way = LoginWay::Mfa { serial: "arn:aws:iam::1:mfa/dev".into() };
                let kind = Kind::Login { profile: Some("prod".to_owned()), way };
                site(facts).identity = Some(Err(error("sts:GetCallerIdentity", kind)));
            },
            &["D28"],
        ),
        (
            "a helper that gives no answer",
            |facts| {
                let way = LoginWay::Helper { program: "pass".into(), silent: true };
                let kind = Kind::Login { profile: Some("prod".to_owned()), way };
                site(facts).identity = Some(Err(error("sts:GetCallerIdentity", kind)));
            },
            &["D29"],
        ),
        (
            "somebody in between",
            |facts| {
                let Some(Ok(gateway)) = &mut site(facts).gateway else { return };
                gateway.distrusted_issuer = Some("Corp".to_owned());
            },
            &["D30"],
        ),
        (
            "no websocket",
            |facts| {
                let Some(Ok(gateway)) = &mut site(facts).gateway else { return };
                gateway.upgrade = Some("403 Forbidden".to_owned());
            },
            &["D30"],
        ),
        (
            "a clock that is off",
            |facts| {
                let within = Duration::from_secs(1);
                site(facts).clock = Some(Ok(Skew { seconds: -600, within }));
            },
            &["D21"],
        ),
    ]
}

fn aws() -> Vec<Fault> {
    vec![
        (
            "a call that is throttled",
            |facts| site(facts).cluster = Some(Err(error("ecs:DescribeClusters", Kind::Throttled))),
            &["D26"],
        ),
        (
            "an action that no policy allows",
            |facts| {
                let refused = permission("ecs:RunTask", Says::NotAllowed);
                site(facts).permissions = Some(Ok(vec![refused]));
            },
            &["D19"],
        ),
        (
            "a call of the daemon's that is not permitted",
            |facts| {
                site(facts).permissions = Some(Err(denied("iam:SimulatePrincipalPolicy")));
                target(facts).found = Some(Err(denied("rds:DescribeDBInstances")));
            },
            &["D19"],
        ),
        (
            "a cluster that was deleted",
            |facts| {
                let status = "INACTIVE".to_owned();
                site(facts).cluster = Some(Ok(ClusterFacts { status, ..ClusterFacts::default() }));
            },
            &["D02"],
        ),
        (
            "a task definition that was deregistered",
            |facts| definition(facts).retired = true,
            &["D03"],
        ),
        (
            "a read-only container",
            |facts| definition(facts).containers[0].read_only = true,
            &["D22"],
        ),
        (
            "keys in the container",
            |facts| {
                let variables = ["TZ", "AWS_REGION", "AWS_SECRET_ACCESS_KEY"].map(str::to_owned);
                definition(facts).containers[0].variables = variables.to_vec();
            },
            &["D22"],
        ),
        (
            "a container that is not there",
            |facts| site(facts).site.container = Some("agent".to_owned()),
            &["D32"],
        ),
        ("no task role", |facts| definition(facts).task_role = None, &["D08"]),
        (
            "a task role that may nothing",
            |facts| {
                let lacking = permission("ssmmessages:OpenDataChannel", Says::NotAllowed);
                site(facts).role = Some(Ok(vec![lacking]));
            },
            &["D08"],
        ),
        (
            "a task that died and has said why",
            |facts| {
                site(facts).log = vec!["no such file".to_owned()];
                site(facts).tasks = Some(Ok(vec![dead(EndClass::Exited, Some(3))]));
            },
            &["D05"],
        ),
        (
            "a task that died without a word",
            |facts| site(facts).tasks = Some(Ok(vec![dead(EndClass::Image, None)])),
            &["D04"],
        ),
        (
            "no room for a task",
            |facts| site(facts).tasks = Some(Ok(vec![dead(EndClass::Capacity, None)])),
            &["D27"],
        ),
        (
            "a task without ECS Exec",
            |facts| {
                let task = task(facts);
                (task.exec, task.started_by) = (false, Some("bastiond/amy".to_owned()));
            },
            &["D07"],
        ),
        (
            "an agent that has stopped",
            |facts| task(facts).agent = Some("STOPPED".to_owned()),
            &["D08"],
        ),
        (
            "an agent that does not come",
            |facts| {
                let now = u64::try_from(facts.now.as_second()).unwrap();
                let created = SystemTime::UNIX_EPOCH + Duration::from_secs(now - 600);
                let task = task(facts);
                (task.agent, task.created) = (Some("PENDING".to_owned()), Some(created));
            },
            &["D06"],
        ),
    ]
}

fn network() -> Vec<Fault> {
    vec![
        (
            "groups of another VPC",
            |facts| {
                let Some(Ok(groups)) = &mut site(facts).groups else { return };
                groups[0].vpc = "vpc-2".to_owned();
            },
            &["D12"],
        ),
        ("no route out", |facts| network_of(facts).subnets[0].default_route = None, &["D09"]),
        (
            "a NAT gateway that is gone",
            |facts| {
                let Some(route) = &mut network_of(facts).subnets[0].default_route else { return };
                (route.works, route.state) = (false, Some("blackhole".to_owned()));
            },
            &["D09"],
        ),
        (
            "an internet gateway without public addresses",
            |facts| {
                let Some(route) = &mut network_of(facts).subnets[0].default_route else { return };
                route.gateway = "igw-1".to_owned();
            },
            &["D09"],
        ),
        (
            "an endpoint that lets nobody in, though there is a NAT gateway",
            |facts| {
                endpoint(facts);
                site(facts).endpoint_groups = Some(Ok(vec![group("sg-endpoint")]));
            },
            &["D09"],
        ),
        (
            "an endpoint without a name and no route",
            |facts| {
                endpoint(facts);
                network_of(facts).endpoints[0].private_dns = false;
                network_of(facts).subnets[0].default_route = None;
                target(facts).live.as_mut().unwrap().tunnels = 0;
                task(facts).agent = Some("STOPPED".to_owned());
            },
            &["D09"],
        ),
        (
            "a group that lets no HTTPS out",
            |facts| {
                let Some(Ok(groups)) = &mut site(facts).groups else { return };
                groups[0].egress[0].ports = Some((5432, 5432));
            },
            &["D09"],
        ),
    ]
}

fn database() -> Vec<Fault> {
    vec![
        (
            "a database that is stopped",
            |facts| database_of(facts).status = "stopped".to_owned(),
            &["D11"],
        ),
        (
            "a database in another VPC",
            |facts| {
                database_of(facts).vpc = Some("vpc-2".to_owned());
                let Some(Ok(groups)) = &mut target(facts).groups else { panic!() };
                let everybody = PeerFacts::Cidr("0.0.0.0/0".to_owned());
                (groups[0].vpc, groups[0].ingress) =
                    ("vpc-2".to_owned(), vec![rule(None, everybody)]);
            },
            &["D12"],
        ),
        (
            "rules for another group",
            |facts| ingress(facts, Some((5432, 5432)), PeerFacts::Group("sg-app".to_owned())),
            &["D10"],
        ),
        (
            "rules for another port",
            |facts| ingress(facts, Some((3306, 3306)), PeerFacts::Group("sg-own".to_owned())),
            &["D10"],
        ),
        (
            "rules for other addresses",
            |facts| ingress(facts, None, PeerFacts::Cidr("10.0.20.0/24".to_owned())),
            &["D10"],
        ),
        (
            "an address that AWS keeps",
            |facts| {
                let Some(Ok(found)) = &mut target(facts).found else { return };
                found.remote.host = "10.0.10.3".to_owned();
            },
            &["D25"],
        ),
        (
            "a VPC without names",
            |facts| {
                network_of(facts).dns = Some(false);
                target(facts).live.as_mut().unwrap().tunnels = 0;
            },
            &["D25"],
        ),
        (
            "no secret",
            |facts| {
                let missing = || Kind::NotFound { what: "secret", candidates: Vec::new() };
                target(facts).secret = Some(Err(error("secretsmanager:DescribeSecret", missing())));
                target(facts).password =
                    Some(Err(error("secretsmanager:GetSecretValue", missing())));
            },
            &["D16"],
        ),
        (
            "a secret without a password",
            |facts| {
                let get = "secretsmanager:GetSecretValue";
                target(facts).password = Some(Err(error(get, Kind::Invalid)));
            },
            &["D16"],
        ),
        (
            "a secret of another user",
            |facts| {
                let Some(Ok(found)) = &mut target(facts).password else { return };
                found.user = Some("reporting".to_owned());
            },
            &["D16"],
        ),
    ]
}

fn lately() -> Vec<Fault> {
    vec![
        ("a bastion that went", |facts| told(facts, "D14"), &["D14"]),
        ("an agent that takes no session", |facts| told(facts, "D20"), &["D20"]),
        ("a session that was ended", |facts| told(facts, "D23"), &["D23"]),
        ("a database that does not answer", |facts| told(facts, "D24"), &["D24"]),
        ("a visit that was silent", |facts| told(facts, "D31"), &["D31"]),
    ]
}

/// The running daemon has had this problem of late.
fn told(facts: &mut Facts, code: &str) {
    let problem = Problem::new(code, ProblemKind::Failed, "it was so");
    target(facts).live.as_mut().unwrap().problems.push(problem.hint("bastionctl open prod-db"));
}

fn site(facts: &mut Facts) -> &mut SiteFacts {
    &mut facts.sites[0]
}

fn target(facts: &mut Facts) -> &mut TargetFacts {
    &mut facts.sites[0].targets[0]
}

fn definition(facts: &mut Facts) -> &mut bastion_cloud::DefinitionFacts {
    let Some(Ok(definition)) = &mut site(facts).definition else { panic!() };
    definition
}

fn network_of(facts: &mut Facts) -> &mut NetworkFacts {
    let Some(Ok(network)) = &mut site(facts).network else { panic!() };
    network
}

fn database_of(facts: &mut Facts) -> &mut DatabaseFacts {
    let Some(Ok(database)) = &mut target(facts).database else { panic!() };
    database
}

fn task(facts: &mut Facts) -> &mut TaskFact {
    let Some(Ok(tasks)) = &mut site(facts).tasks else { panic!() };
    &mut tasks[0]
}

fn dead(class: EndClass, exit: Option<i32>) -> TaskFact {
    TaskFact {
        arn: "arn:aws:ecs:eu-west-1:1:task/main/0a1b".to_owned(),
        status: "STOPPED".to_owned(),
        exec: true,
        end: Some(class),
        exit_code: exit,
        ..TaskFact::default()
    }
}

fn ingress(facts: &mut Facts, ports: Option<(u16, u16)>, peer: PeerFacts) {
    let Some(Ok(groups)) = &mut target(facts).groups else { panic!() };
    groups[0].ingress = vec![rule(ports, peer)];
}

fn endpoint(facts: &mut Facts) {
    network_of(facts).endpoints = vec![EndpointFacts {
        id: "vpce-1".to_owned(),
        service: "com.amazonaws.eu-west-1.ssmmessages".to_owned(),
        available: true,
        private_dns: true,
        security_groups: vec!["sg-endpoint".to_owned()],
        ..EndpointFacts::default()
    }];
}
