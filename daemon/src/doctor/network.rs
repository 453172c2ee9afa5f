//! A way from the bastion's subnets to the session service (D09).
//!
//! ```text
//!   an endpoint for ssmmessages with its private name ──▶ every subnet of the VPC goes there, NAT or not:
//!                                                         its security group must let 443 in
//!   none ──▶ the default route: a NAT gateway or the like, or an internet gateway and a public address
//!    └─▶ none, but a route to another network, or a subnet of another account: an endpoint may stand there that is not
//!        seen from here, under a name that a private zone gives it. A tunnel that stands proves it
//! ```

use bastion_cloud::{EndpointFacts, GroupFacts, NetworkFacts, RuleFacts, SubnetFacts};

use super::asked::{Asked, asked};
use super::facts::told;
use super::reach::{self, Answer};
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
    let groups = told(&site.groups);
    if let Some(group) = groups.and_then(|groups| shut_in(groups)) {
        return Verdict::fail(explain::doctor::no_way_out(whose, network, &NoWay::Egress(group)));
    }
    match through_endpoint(site, network) {
        Through::Open(endpoint) => return Verdict::ok(format!("ssmmessages through {endpoint}")),
        Through::Shut(why) => {
            return Verdict::fail(explain::doctor::no_way_out(whose, network, &why));
        }
        Through::Unclear(_) if site.stands() => return Verdict::ok(STANDS),
        Through::Unclear(words) => return Verdict::unknown(words),
        Through::Unknown(grant) => {
            let words = explain::doctor::cannot_know(&grant);
            return Verdict::Unknown { words, grant: Some(grant) };
        }
        Through::None => {}
    }
    let public = public(site);
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
    let unclear = |subnet: &&SubnetFacts| may_lead_on(site, subnet);
    let (unclear, without): (Vec<&SubnetFacts>, Vec<&SubnetFacts>) =
        without.into_iter().partition(unclear);
    if without.is_empty() {
        return if site.stands() {
            Verdict::ok(STANDS)
        } else {
            Verdict::unknown(explain::doctor::way_unclear(&unclear))
        };
    }
    let from = site.group_ids().and_then(<[String]>::first).cloned();
    let subnets = without.into_iter().cloned().collect();
    let why = NoWay::Routes { subnets, from, public };
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
    /// Whether anybody goes there is not seen from here.
    Unclear(String),
    /// There is none that stands in the way of routes.
    None,
}

fn through_endpoint(site: &SiteFacts, network: &NetworkFacts) -> Through {
    let Some(endpoint) = session_endpoint(network) else { return Through::None };
    let routed = network.subnets.iter().all(|subnet| leads_out(subnet, public(site)));
    let names = network.dns != Some(false) && network.hostnames != Some(false);
    if !(endpoint.available && endpoint.private_dns && names) {
        // Whoever has a route does not need it.
        return match (routed, endpoint.available, names) {
            (true, _, _) => Through::None,
            (false, false, _) => Through::Shut(NoWay::EndpointDown(endpoint.clone())),
            (false, true, false) => Through::Shut(NoWay::VpcNames(endpoint.clone())),
            // A private zone may give it the name, which is told by those who went astray, or did not.
            (false, true, true) if site.went_astray() => {
                Through::Shut(NoWay::PrivateDns(endpoint.clone()))
            }
            (false, true, true) => {
                Through::Unclear(explain::doctor::name_unclear(site.whose(), endpoint))
            }
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
    let rules: Vec<&RuleFacts> =
        groups.iter().flat_map(|group| &group.ingress).filter(|rule| rule.covers(HTTPS)).collect();
    if reach::lets_in(&rules, own, Some(network)) != Answer::No {
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

/// The endpoint for the session service: of several the one that its usual name leads to.
pub(super) fn session_endpoint(network: &NetworkFacts) -> Option<&EndpointFacts> {
    let own = network.endpoints.iter().filter(|one| one.service.ends_with(".ssmmessages"));
    own.max_by_key(|one| (one.available, one.private_dns))
}

/// Whether tasks have public addresses: of a service, as it says; else as the site does.
fn public(site: &SiteFacts) -> bool {
    match &site.service {
        Some(Ok(Some(service))) => service.public,
        Some(Ok(None) | Err(_)) | None => site.site.assign_public_ip,
    }
}

/// Whether tasks may get to other networks than theirs and the internet.
pub(super) fn may_lead_elsewhere(site: &SiteFacts) -> bool {
    let Some(Ok(network)) = &site.network else { return true };
    let onward = |subnet: &SubnetFacts| {
        let default = subnet.default_route.as_ref().map(|route| route.gateway.as_str());
        default.is_some_and(|to| !to.starts_with("nat-") && !to.starts_with("igw-"))
            || may_lead_on(site, subnet)
    };
    network.subnets.iter().any(onward)
}

/// Whether a subnet whose default route does not lead out may have another way, which is not seen from here.
fn may_lead_on(site: &SiteFacts, subnet: &SubnetFacts) -> bool {
    // One that leads nowhere any more was meant to be the way.
    let broken = subnet.default_route.as_ref().is_some_and(|route| !route.works);
    let shared =
        site.account().zip(subnet.owner.as_deref()).is_some_and(|(own, owner)| own != owner);
    let unseen = subnet.route_table.is_none();
    !broken && (unseen || shared || !subnet.other_routes.is_empty())
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

/// What shows that there is a way, whatever routes and names say.
const STANDS: &str = "a tunnel stands: ssmmessages is reached";

/// The port of the session service.
const HTTPS: u16 = 443;
