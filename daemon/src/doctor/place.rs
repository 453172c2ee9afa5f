//! Where bastions run: cluster, service, task definition, subnets.

use bastion_cloud::{ClusterFacts, Kind, Runs};

use super::asked::{Asked, asked};
use super::{SiteFacts, Verdict};
use crate::explain;

/// The cluster is there (D02).
pub(super) fn cluster(site: &SiteFacts) -> Verdict {
    match asked(&site.cluster) {
        Asked::Told(ClusterFacts { arn, status, .. }) if status == ACTIVE => {
            Verdict::ok(format!("{} is there", last(arn)))
        }
        Asked::Told(cluster) => {
            Verdict::fail(explain::doctor::cluster_inactive(site.whose(), cluster))
        }
        Asked::Wrong(err) => Verdict::fail(explain::doctor::no_cluster(site.whose(), err)),
        Asked::Nothing(verdict) => verdict,
    }
}

/// The service is there, its tasks have ECS Exec, and it is meant to have some (D07, D04).
pub(super) fn service(site: &SiteFacts) -> Option<Verdict> {
    let Runs::Service(name) = &site.site.runs else { return None };
    let whose = site.whose();
    let service = match asked(&site.service) {
        Asked::Told(Some(service)) => service,
        Asked::Told(None) => return Some(Verdict::unknown(explain::doctor::not_asked())),
        Asked::Wrong(err) => return Some(Verdict::fail(explain::doctor::no_service(whose, err))),
        Asked::Nothing(verdict) => return Some(verdict),
    };
    Some(if service.status != ACTIVE {
        Verdict::fail(explain::doctor::service_inactive(whose, name, &service.status))
    } else if !service.exec {
        Verdict::fail(explain::doctor::exec_off(whose))
    } else if service.desired == 0 && !whose.rules.scale_from_zero {
        Verdict::fail(explain::doctor::scaled_to_zero(whose))
    } else if service.running == 0 && service.events.first().is_some_and(|told| is_stuck(told)) {
        Verdict::fail(explain::doctor::service_stuck(whose, service))
    } else {
        Verdict::ok(format!(
            "{} runs {} of {}, exec ready",
            last(&service.arn),
            service.running,
            service.desired
        ))
    })
}

/// Whether a service says that it does not get its tasks, as ECS writes it.
fn is_stuck(event: &str) -> bool {
    ["unable to", "failed", "is not able"].iter().any(|words| event.contains(words))
}

/// The task definition is there, and fit for Fargate (D03).
pub(super) fn definition(site: &SiteFacts) -> Verdict {
    let whose = site.whose();
    let definition = match asked(&site.definition) {
        Asked::Told(definition) => definition,
        Asked::Wrong(err) => return Verdict::fail(explain::doctor::no_definition(whose, err)),
        Asked::Nothing(verdict) => return verdict,
    };
    // A service goes on with what was deregistered.
    let own = matches!(site.site.runs, Runs::TaskDefinition(_));
    if own && definition.retired {
        Verdict::fail(explain::doctor::definition_retired(whose, definition))
    } else if own && !(definition.fargate && definition.network_mode == "awsvpc") {
        Verdict::fail(explain::doctor::definition_unfit(whose, definition))
    } else {
        Verdict::ok(definition.name.clone())
    }
}

/// Subnets and security groups are there, all of one VPC (D12), with room for a task (D04).
pub(super) fn subnets(site: &SiteFacts) -> Verdict {
    let whose = site.whose();
    let (subnets, groups) = match &site.site.runs {
        Runs::Service(_) => match asked(&site.service) {
            Asked::Told(Some(service)) => (service.subnets.clone(), service.security_groups.len()),
            Asked::Told(None) => return Verdict::unknown(explain::doctor::not_asked()),
            // That is told of the service.
            Asked::Wrong(_) => return Verdict::Skip(super::Check::Service),
            Asked::Nothing(verdict) => return verdict,
        },
        Runs::TaskDefinition(_) => match asked(&site.place) {
            Asked::Told(place) => (place.subnet_ids(), place.security_groups.len()),
            Asked::Wrong(err) => return Verdict::fail(explain::doctor::no_place(whose, err)),
            Asked::Nothing(verdict) => return verdict,
        },
    };
    if let Some(other) = another_vpc(site) {
        return Verdict::fail(explain::doctor::groups_elsewhere(whose, &other.0, &other.1));
    }
    if let Some(Err(err)) = &site.network
        && matches!(err.kind, Kind::NotFound { .. })
    {
        return Verdict::fail(explain::doctor::no_place(whose, err));
    }
    if let Some(Ok(network)) = &site.network
        && !network.subnets.is_empty()
        // One with IPv6 alone counts none.
        && network.subnets.iter().all(|one| one.free_addresses == 0 && one.cidr.is_some())
    {
        return Verdict::fail(explain::doctor::subnets_full(whose, network));
    }
    let count = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        many => format!("{many} {noun}s"),
    };
    let vpc = site.vpc().map_or_else(String::new, |vpc| format!(" in {vpc}"));
    Verdict::ok(format!(
        "{}, {}{vpc}",
        count(subnets.len(), "subnet"),
        count(groups, "security group")
    ))
}

/// A security group of another VPC than the subnets', and that VPC.
fn another_vpc(site: &SiteFacts) -> Option<(String, String)> {
    let Some(Ok(network)) = &site.network else { return None };
    let Some(Ok(groups)) = &site.groups else { return None };
    let other = groups.iter().find(|group| !group.vpc.is_empty() && group.vpc != network.vpc)?;
    Some((format!("{} is of {}", other.id, other.vpc), network.vpc.clone()))
}

/// The name without what stands before the last slash.
pub(super) fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// What ECS calls what can be used.
const ACTIVE: &str = "ACTIVE";
