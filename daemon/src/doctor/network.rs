//! A way from the bastion's subnets to the session service (D09).
//!
//! ```text
//!   an endpoint for ssmmessages with its private name ──▶ every subnet of the VPC goes there, NAT or not:
//!                                                         its security group must let 443 in
//!   none ──▶ the default route: a NAT gateway or the like, or an internet gateway and a public address
//! ```

use bastion_cloud::{EndpointFacts, GroupFacts, NetworkFacts, PeerFacts, RuleFacts, SubnetFacts};

use super::asked::{Asked, asked};
use super::cidr;
use super::{SiteFacts, Verdict};
use crate::explain;
use crate::explain::doctor::NoWay;

/// There is a way out, and it is open.
pub(super) fn way_out(site: &SiteFacts) -> Verdict {
    let network = match asked(&site.network) {
        Asked::Told(network) => network,
        // That is told of the subnets.
        Asked::Wrong(err) => return Verdict::unknown(explain::doctor::no_answer(err.call)),
        Asked::Nothing(verdict) => return verdict,
    };
    let whose = site.whose();
    let groups = site.groups.as_ref().and_then(|fact| fact.as_ref().ok());
    if let Some(group) = groups.and_then(|groups| shut_in(groups)) {
        return Verdict::fail(explain::doctor::no_way_out(whose, network, &NoWay::Egress(group)));
    }
    match through_endpoint(site, network) {
        Through::Open(endpoint) => return Verdict::ok(format!("ssmmessages through {endpoint}")),
        Through::Shut(why) => {
            return Verdict::fail(explain::doctor::no_way_out(whose, network, &why));
        }
        Through::Unknown(grant) => {
            let words = explain::doctor::cannot_know(&grant);
            return Verdict::Unknown { words, grant: Some(grant) };
        }
        Through::None => {}
    }
    let public = site.site.assign_public_ip;
    let without: Vec<&SubnetFacts> =
        network.subnets.iter().filter(|subnet| !leads_out(subnet, public)).collect();
    if without.is_empty() {
        let mut gateways: Vec<&str> = network
            .subnets
            .iter()
            .filter_map(|subnet| subnet.default_route.as_ref())
            .map(|route| route.gateway.as_str())
            .collect();
        gateways.sort_unstable();
        gateways.dedup();
        return Verdict::ok(format!("ssmmessages through {}", gateways.join(", ")));
    }
    let why = NoWay::Routes { subnets: without.into_iter().cloned().collect(), public };
    Verdict::fail(explain::doctor::no_way_out(whose, network, &why))
}

/// What there is to be said of an endpoint for the session service.
enum Through {
    /// It is there and open.
    Open(String),
    /// All go there, and it is shut.
    Shut(NoWay),
    /// All go there, and nobody may see whether it is open.
    Unknown(String),
    /// There is none that stands in the way of routes.
    None,
}

fn through_endpoint(site: &SiteFacts, network: &NetworkFacts) -> Through {
    let own = |endpoint: &&EndpointFacts| endpoint.service.ends_with(".ssmmessages");
    let Some(endpoint) = network.endpoints.iter().find(own) else { return Through::None };
    let routed = network.subnets.iter().all(|subnet| leads_out(subnet, site.site.assign_public_ip));
    let names = network.dns != Some(false) && network.hostnames != Some(false);
    if !(endpoint.available && endpoint.private_dns && names) {
        // Whoever has a route does not need it.
        return match (routed, endpoint.available, names) {
            (true, _, _) => Through::None,
            (false, false, _) => Through::Shut(NoWay::EndpointDown(endpoint.clone())),
            (false, true, false) => Through::Shut(NoWay::VpcNames(endpoint.clone())),
            (false, true, true) => Through::Shut(NoWay::PrivateDns(endpoint.clone())),
        };
    }
    let groups = match asked(&site.endpoint_groups) {
        Asked::Told(groups) => groups,
        Asked::Nothing(Verdict::Unknown { grant: Some(grant), .. }) => {
            return Through::Unknown(grant);
        }
        Asked::Wrong(_) | Asked::Nothing(_) => return Through::Open(endpoint.id.clone()),
    };
    let own = site.group_ids().unwrap_or_default();
    let lets_in = |group: &GroupFacts| {
        group.ingress.iter().any(|rule| rule.covers(HTTPS) && is_about(rule, own, network))
    };
    if groups.iter().any(lets_in) {
        Through::Open(endpoint.id.clone())
    } else {
        let group = endpoint.security_groups.first().cloned().unwrap_or_default();
        Through::Shut(NoWay::EndpointGroup {
            endpoint: endpoint.clone(),
            group,
            from: own.first().cloned().unwrap_or_default(),
        })
    }
}

/// Whether a rule is about tasks with these groups in these subnets; what cannot be told counts as such.
fn is_about(rule: &RuleFacts, own: &[String], network: &NetworkFacts) -> bool {
    match &rule.peer {
        PeerFacts::Group(group) => own.contains(group),
        PeerFacts::Cidr(block) => network
            .subnets
            .iter()
            .all(|subnet| subnet.cidr.as_deref().is_none_or(|own| cidr::holds(block, own))),
        PeerFacts::PrefixList(_) => true,
    }
}

/// Where no group of a task lets HTTPS out, the first of them.
fn shut_in(groups: &[GroupFacts]) -> Option<String> {
    let lets_out = |group: &GroupFacts| group.egress.iter().any(|rule| rule.covers(HTTPS));
    let first = groups.first()?;
    (!groups.iter().any(lets_out)).then(|| first.id.clone())
}

/// Whether a subnet's default route leads a task out; an internet gateway does so only for public addresses.
fn leads_out(subnet: &SubnetFacts, public: bool) -> bool {
    let Some(route) = &subnet.default_route else { return false };
    route.works && (public || !route.gateway.starts_with("igw-"))
}

/// The port of the session service.
const HTTPS: u16 = 443;
