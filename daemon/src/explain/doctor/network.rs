//! What is in the way: here, or in the VPC.

use std::collections::HashSet;

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::{CloudError, EndpointFacts, NetworkFacts, Runs, SubnetFacts};

use super::super::cloud::{clock_skew, intercepted};
use super::{aws, one, refused};
use crate::config::Target;

/// Why there is no way from the subnets to the session service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoWay {
    /// The bastion's security group lets no HTTPS out.
    Egress(String),
    /// The endpoint is not there for use.
    EndpointDown(EndpointFacts),
    /// The endpoint's security group lets nobody in from the bastion's.
    EndpointGroup {
        /// The endpoint.
        endpoint: EndpointFacts,
        /// Its group.
        group: String,
        /// The bastion's group.
        from: String,
    },
    /// The service's usual name does not lead to the endpoint.
    PrivateDns(EndpointFacts),
    /// These subnets have no default route that leads out.
    Routes {
        /// The subnets.
        subnets: Vec<SubnetFacts>,
        /// The bastion's security group.
        from: Option<String>,
        /// Whether tasks have public addresses.
        public: bool,
    },
    /// The VPC gives endpoints no names.
    VpcNames(EndpointFacts),
}

/// This machine's clock is off.
pub fn clock_off(seconds: Option<i64>) -> Problem {
    one(clock_skew(seconds))
}

/// Nobody whom we trust vouches for whoever answers in AWS's place.
pub fn distrusted(target: &Target, host: &str, issuer: &str) -> Problem {
    let mut problem = one(intercepted(&target.site.name, Some(issuer)));
    problem.message = format!("{host} shows a certificate of {issuer}, whom nobody here trusts");
    problem
}

/// There is no way from the subnets to the session service.
pub fn no_way_out(target: &Target, network: &NetworkFacts, why: &NoWay) -> Problem {
    let (message, fix) = match why {
        NoWay::Egress(group) => (
            format!("{group}, which the bastion uses, lets no HTTPS out"),
            format!(
                "ec2 authorize-security-group-egress --group-id {group} --protocol tcp --port 443 --cidr 0.0.0.0/0"
            ),
        ),
        NoWay::EndpointDown(endpoint) => (
            format!("{}, the endpoint for ssmmessages, is not available", endpoint.id),
            format!("ec2 describe-vpc-endpoints --vpc-endpoint-ids {}", endpoint.id),
        ),
        NoWay::EndpointGroup { endpoint, group, from } => (
            format!(
                "{group} lets no HTTPS from {from} into {}, the endpoint for ssmmessages",
                endpoint.id
            ),
            format!(
                "ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port 443 --source-group {from}"
            ),
        ),
        NoWay::PrivateDns(endpoint) => (
            format!("{}, the endpoint for ssmmessages, has no private name", endpoint.id),
            format!(
                "ec2 modify-vpc-endpoint --vpc-endpoint-id {} --private-dns-enabled",
                endpoint.id
            ),
        ),
        NoWay::Routes { subnets, from, public } => {
            return without_route(target, network, subnets, from.as_deref(), *public);
        }
        NoWay::VpcNames(endpoint) => (
            format!("{} gives {} no name: its DNS is off", network.vpc, endpoint.id),
            // Both are needed; where this one is on already, the other is not.
            if network.dns == Some(false) {
                format!("ec2 modify-vpc-attribute --vpc-id {} --enable-dns-support", network.vpc)
            } else {
                format!("ec2 modify-vpc-attribute --vpc-id {} --enable-dns-hostnames", network.vpc)
            },
        ),
    };
    Problem::new("D09", Sort::BastionFailed, message).hint(aws(target, &fix))
}

/// The session service answers, and its websocket cannot be had.
pub fn no_websocket(target: &Target, host: &str, why: &str, proxy: Option<&str>) -> Problem {
    let message = format!("no websocket to {host}: {why}");
    let problem = Problem::new("D30", Sort::Failed, message);
    match proxy {
        Some(proxy) => problem
            .because(format!("the proxy {proxy} is on the way"))
            .hint(format!("NO_PROXY={host} in the environment of bastiond, or let {proxy} pass websockets")),
        None => problem.hint(format!(
            "have {host}:443 let through as it is, by whoever filters between here and AWS (site {})",
            target.site.name
        )),
    }
}

/// AWS cannot be reached, or somebody answers in its place.
pub fn unreachable(target: &Target, err: &CloudError) -> Problem {
    let mut problem = refused(target, err);
    problem.code = "D30".to_owned();
    problem
}

/// The endpoint has not the service's usual name of itself.
pub fn name_unclear(target: &Target, endpoint: &EndpointFacts) -> String {
    let id = &endpoint.id;
    let fix = aws(
        target,
        &format!("ec2 modify-vpc-endpoint --vpc-endpoint-id {id} --private-dns-enabled"),
    );
    format!(
        "cannot know: {id}, the endpoint for ssmmessages, has no private name; where no private zone gives it one: {fix}"
    )
}

/// Subnets have no default route that leads out, and may have another way.
pub fn way_unclear(subnets: &[&SubnetFacts]) -> String {
    let said = |subnet: &&SubnetFacts| {
        if subnet.other_routes.is_empty() {
            format!("the way out of {} is its owner's, and not seen from here", subnet.id)
        } else {
            let ways = subnet.other_routes.join(", ");
            format!(
                "{} has no default route of use, and routes to {ways}, behind which an endpoint for ssmmessages may stand",
                subnet.id
            )
        }
    };
    let all: Vec<String> = subnets.iter().map(said).collect();
    format!("cannot know: {}", all.join("; "))
}

fn without_route(
    target: &Target,
    network: &NetworkFacts,
    subnets: &[SubnetFacts],
    from: Option<&str>,
    public: bool,
) -> Problem {
    let said = |subnet: &SubnetFacts| match &subnet.default_route {
        None => format!("{} has no default route", subnet.id),
        Some(route) if !route.works => {
            let state = route.state.as_deref().unwrap_or("of no use");
            format!("{} leads to {}, which is {state}", subnet.id, route.gateway)
        }
        // An internet gateway is of use to public addresses only.
        Some(route) => {
            format!("{} leads to {}, and tasks have no public address", subnet.id, route.gateway)
        }
    };
    let message = format!(
        "no way to ssmmessages: {}",
        subnets.first().map_or_else(|| "no route".to_owned(), said)
    );
    let mut problem = Problem::new("D09", Sort::BastionFailed, message);
    problem.causes.extend(subnets.iter().skip(1).map(said));
    let by_gateway = subnets.iter().any(|subnet| {
        subnet.default_route.as_ref().is_some_and(|route| route.gateway.starts_with("igw-"))
    });
    // Of a service's tasks the service decides.
    if by_gateway && !public && matches!(target.site.runs, Runs::TaskDefinition(_)) {
        problem = problem.because(format!(
            "or: assign_public_ip = true under [site.{}], about $0.005 an hour for the address",
            target.site.name
        ));
    }
    let zone = network.subnets.first().map(|subnet| subnet.zone.as_str()).unwrap_or_default();
    let of_zone = zone.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    let region = target.site.region.as_deref().unwrap_or(of_zone);
    // An endpoint has one subnet a zone.
    let mut zones = HashSet::new();
    let one_a_zone =
        network.subnets.iter().filter(|one| one.zone.is_empty() || zones.insert(one.zone.as_str()));
    let ids: Vec<&str> = one_a_zone.map(|subnet| subnet.id.as_str()).collect();
    let group = from.map(|group| format!(" --security-group-ids {group}")).unwrap_or_default();
    problem
        .because(
            "one cure: an interface endpoint for ssmmessages, about $0.014 an hour and zone ($10 a month); images and \
             logs then need ecr.api, ecr.dkr, logs and s3, too",
        )
        .because(match from {
            Some(group) => format!("its group then needs 443 let in: {group} from {group} itself"),
            None => "its group then needs 443 let in from the bastion's".to_owned(),
        })
        .because("the other: a NAT gateway and a route to it, about $0.062 an hour ($45 a month) and as much a GB")
        .hint(aws(
            target,
            &format!(
                "ec2 create-vpc-endpoint --vpc-id {} --vpc-endpoint-type Interface --service-name \
                 com.amazonaws.{region}.ssmmessages --subnet-ids {}{group} --private-dns-enabled",
                network.vpc,
                ids.join(" ")
            ),
        ))
}
