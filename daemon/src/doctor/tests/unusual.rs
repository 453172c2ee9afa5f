//! Houses that are in order, and look odd: none of them may fail, and what is not seen from here cannot be known.

use bastion_cloud::{
    EndClass, EndpointFacts, Kind, NetworkFacts, PeerFacts, RouteFacts, Says, ServiceFacts,
    SubnetFacts, TaskFact,
};

use super::facts::{error, group, permission, rule, well};
use super::{codes, of};
use crate::doctor::{Check, Facts, SiteFacts, TargetFacts, Verdict, examine};

/// What is odd, how, and which check cannot know; none where all do.
type Odd = (&'static str, fn(&mut Facts), Option<Check>);

#[test]
fn a_house_that_is_odd_and_in_order_fails_in_nothing() {
    for (name, change, open) in odd() {
        let mut facts = well();
        change(&mut facts);
        let findings = examine(&facts);
        assert_eq!(codes(&facts), [""; 0], "{name}: {findings:#?}");
        for finding in &findings {
            let unknown = matches!(finding.verdict, Verdict::Unknown { .. });
            assert_eq!(unknown, open == Some(finding.check), "{name}: {finding:?}");
        }
    }
}

fn odd() -> Vec<Odd> {
    let mut all = policies();
    all.extend(ways());
    all.extend(databases());
    all.extend(tasks());
    all
}

fn policies() -> Vec<Odd> {
    vec![
        (
            "all is forbidden without MFA, which a simulation does not bring along",
            |facts| {
                let mut denied = permission("ecs:RunTask", Says::Denied);
                denied.missing = vec!["aws:MultiFactorAuthPresent".to_owned()];
                site(facts).permissions = Some(Ok(vec![denied]));
            },
            Some(Check::Permissions),
        ),
        (
            "the agent may connect from one network alone",
            |facts| {
                let mut denied = permission("ssmmessages:OpenDataChannel", Says::Denied);
                denied.missing = vec!["aws:SourceVpc".to_owned()];
                site(facts).role = Some(Ok(vec![denied]));
            },
            Some(Check::Roles),
        ),
        (
            "IAM takes no more questions",
            |facts| {
                let busy = error("iam:SimulatePrincipalPolicy", Kind::Throttled);
                site(facts).permissions = Some(Err(busy));
            },
            Some(Check::Permissions),
        ),
        (
            "IAM is out of reach in a network that reaches all else",
            |facts| {
                let away = error("iam:SimulatePrincipalPolicy", Kind::Unreachable);
                site(facts).role = Some(Err(away));
            },
            Some(Check::Roles),
        ),
        (
            "variables of the application's that begin as AWS's own",
            |facts| {
                let Some(Ok(definition)) = &mut site(facts).definition else { panic!() };
                definition.containers[0].variables = vec!["AWS_S3_BUCKET".to_owned()];
            },
            None,
        ),
        (
            "a read-only root with volumes where the agent writes",
            |facts| {
                let Some(Ok(definition)) = &mut site(facts).definition else { panic!() };
                let container = &mut definition.containers[0];
                container.read_only = true;
                container.writable = vec!["/var/lib/amazon".to_owned(), "/var/log".to_owned()];
            },
            None,
        ),
    ]
}

fn ways() -> Vec<Odd> {
    vec![
        (
            "a service in public subnets gives its tasks public addresses",
            |facts| {
                subnet(facts).default_route.as_mut().unwrap().gateway = "igw-1".to_owned();
                site(facts).service = Some(Ok(Some(ServiceFacts { public: true, ..service() })));
            },
            None,
        ),
        (
            "no default route, and a transit gateway to where endpoints are",
            |facts| {
                subnet(facts).default_route = None;
                subnet(facts).other_routes = vec!["tgw-1".to_owned()];
                nothing_stands(facts);
            },
            Some(Check::WayOut),
        ),
        (
            "the same, and a tunnel stands",
            |facts| {
                subnet(facts).default_route = None;
                subnet(facts).other_routes = vec!["tgw-1".to_owned()];
            },
            None,
        ),
        (
            "a subnet of another account, whose endpoints are its own",
            |facts| {
                subnet(facts).default_route = None;
                subnet(facts).owner = Some("210987654321".to_owned());
                nothing_stands(facts);
            },
            Some(Check::WayOut),
        ),
        (
            "an endpoint that a private zone gives its name",
            |facts| {
                subnet(facts).default_route = None;
                network(facts).endpoints = vec![endpoint("vpce-1", true, false)];
                nothing_stands(facts);
            },
            Some(Check::WayOut),
        ),
        (
            "an endpoint that failed beside the one that is used",
            |facts| {
                subnet(facts).default_route = None;
                network(facts).endpoints =
                    vec![endpoint("vpce-1", false, false), endpoint("vpce-2", true, true)];
                site(facts).endpoint_groups = None;
            },
            None,
        ),
        (
            "an endpoint whose group lets each subnet in by a rule of its own",
            |facts| {
                two_subnets(facts);
                network(facts).endpoints = vec![endpoint("vpce-1", true, true)];
                let mut own = group("sg-endpoint");
                own.ingress = each_subnet(443);
                site(facts).endpoint_groups = Some(Ok(vec![own]));
            },
            None,
        ),
        (
            "a subnet with IPv6 alone counts no addresses",
            |facts| {
                (subnet(facts).cidr, subnet(facts).free_addresses) = (None, 0);
            },
            None,
        ),
        (
            "a DNS of one's own in place of the VPC's",
            |facts| network(facts).dns = Some(false),
            None,
        ),
    ]
}

fn databases() -> Vec<Odd> {
    vec![
        (
            "each subnet is let in by a rule of its own",
            |facts| {
                two_subnets(facts);
                theirs(facts).ingress = each_subnet(5432);
            },
            None,
        ),
        (
            "parts of the subnet are let in",
            |facts| {
                let half = |block: &str| rule(None, PeerFacts::Cidr(block.to_owned()));
                theirs(facts).ingress = vec![half("10.0.10.0/25"), half("10.0.10.128/25")];
            },
            Some(Check::Reach),
        ),
        (
            "a database in a VPC that is peered, whose rules name our group",
            |facts| elsewhere(facts),
            None,
        ),
        (
            "a database in a VPC that a transit gateway may lead to",
            |facts| {
                elsewhere(facts);
                let everybody = PeerFacts::Cidr("0.0.0.0/0".to_owned());
                theirs(facts).ingress = vec![rule(None, everybody)];
                subnet(facts).other_routes = vec!["tgw-1".to_owned()];
            },
            Some(Check::Vpc),
        ),
        (
            "a database that takes connections while RDS is busy with something new",
            |facts| {
                let Some(Ok(database)) = &mut target(facts).database else { panic!() };
                database.status = "storage-initialization".to_owned();
            },
            None,
        ),
    ]
}

fn tasks() -> Vec<Odd> {
    vec![
        (
            "a newer task of the family that has nothing to do with bastions",
            |facts| {
                let other = TaskFact {
                    status: "RUNNING".to_owned(),
                    started_by: Some("ecs-svc/0123456789".to_owned()),
                    ..TaskFact::default()
                };
                of_tasks(facts).insert(0, other);
            },
            None,
        ),
        (
            "a task of Spot's that was taken back while another runs",
            |facts| {
                let taken = TaskFact {
                    status: "STOPPED".to_owned(),
                    exec: true,
                    end: Some(EndClass::SpotTaken),
                    ..TaskFact::default()
                };
                of_tasks(facts).insert(0, taken);
            },
            None,
        ),
    ]
}

#[test]
fn what_hangs_on_conditions_is_told_with_their_keys() {
    let mut facts = well();
    let mut denied = permission("ecs:RunTask", Says::Denied);
    denied.missing = vec!["aws:SourceIp".to_owned()];
    site(&mut facts).permissions = Some(Ok(vec![denied]));
    let findings = examine(&facts);
    let Verdict::Unknown { words, .. } = of(&findings, Check::Permissions) else { panic!() };
    assert!(words.contains("aws:SourceIp") && words.contains("ecs:RunTask"), "{words}");
}

#[test]
fn a_default_route_that_leads_nowhere_fails_whatever_else_there_is() {
    let mut facts = well();
    subnet(&mut facts).other_routes = vec!["tgw-1".to_owned()];
    let broken = RouteFacts {
        gateway: "nat-1".to_owned(),
        works: false,
        state: Some("blackhole".to_owned()),
    };
    subnet(&mut facts).default_route = Some(broken);
    assert_eq!(codes(&facts), ["D09"]);
}

#[test]
fn a_subnet_that_no_rule_lets_in_fails_though_the_other_is_let_in() {
    let mut facts = well();
    two_subnets(&mut facts);
    theirs(&mut facts).ingress = each_subnet(5432)[..1].to_vec();
    assert_eq!(codes(&facts), ["D10"]);
}

fn site(facts: &mut Facts) -> &mut SiteFacts {
    &mut facts.sites[0]
}

fn target(facts: &mut Facts) -> &mut TargetFacts {
    &mut facts.sites[0].targets[0]
}

fn network(facts: &mut Facts) -> &mut NetworkFacts {
    let Some(Ok(network)) = &mut site(facts).network else { panic!() };
    network
}

fn subnet(facts: &mut Facts) -> &mut SubnetFacts {
    &mut network(facts).subnets[0]
}

fn theirs(facts: &mut Facts) -> &mut bastion_cloud::GroupFacts {
    let Some(Ok(groups)) = &mut target(facts).groups else { panic!() };
    &mut groups[0]
}

fn of_tasks(facts: &mut Facts) -> &mut Vec<TaskFact> {
    let Some(Ok(tasks)) = &mut site(facts).tasks else { panic!() };
    tasks
}

fn nothing_stands(facts: &mut Facts) {
    target(facts).live.as_mut().unwrap().tunnels = 0;
}

fn elsewhere(facts: &mut Facts) {
    let Some(Ok(database)) = &mut target(facts).database else { panic!() };
    database.vpc = Some("vpc-2".to_owned());
    theirs(facts).vpc = "vpc-2".to_owned();
}

fn two_subnets(facts: &mut Facts) {
    let mut other = subnet(facts).clone();
    (other.id, other.cidr) = ("subnet-2".to_owned(), Some("10.0.11.0/24".to_owned()));
    network(facts).subnets.push(other);
}

/// A rule for each of the two.
fn each_subnet(port: u16) -> Vec<bastion_cloud::RuleFacts> {
    ["10.0.10.0/24", "10.0.11.0/24"]
        .map(|block| rule(Some((port, port)), PeerFacts::Cidr(block.to_owned())))
        .to_vec()
}

fn endpoint(id: &str, available: bool, private_dns: bool) -> EndpointFacts {
    EndpointFacts {
        id: id.to_owned(),
        service: "com.amazonaws.eu-west-1.ssmmessages".to_owned(),
        available,
        private_dns,
        security_groups: vec!["sg-endpoint".to_owned()],
        ..EndpointFacts::default()
    }
}

fn service() -> ServiceFacts {
    ServiceFacts {
        status: "ACTIVE".to_owned(),
        exec: true,
        subnets: vec!["subnet-1".to_owned()],
        security_groups: vec!["sg-own".to_owned()],
        ..ServiceFacts::default()
    }
}
