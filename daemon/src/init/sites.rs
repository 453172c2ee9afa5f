//! The places that could hold bastions: services with ECS Exec, and task definitions that a bastion could be made of.

use bastion_api::{Selection, SiteChoice, SiteFlaw};
use bastion_cloud::{ContainerFound, DefinitionFound, Findings, ServiceFound};

use super::alike::{alike, best, leads_elsewhere, own_words};
use super::databases;
use super::network::{Hint, Networks};

/// What a person has named already.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A cluster.
    pub cluster: Option<String>,
    /// A task definition: family, with or without revision.
    pub task_definition: Option<String>,
    /// A service.
    pub service: Option<String>,
}

/// The places that fit what is wanted, the likeliest first and those with flaws last.
pub fn sites(found: &Findings, wanted: &Wanted) -> Vec<SiteChoice> {
    let databases = databases::all(found);
    let (subnets, groups) = (Vec::new(), Vec::new());
    let networks = Networks {
        subnets: found.subnets.as_ref().unwrap_or(&subnets),
        groups: found.groups.as_ref().unwrap_or(&groups),
        databases: &databases,
    };
    let mut all = Vec::new();
    if wanted.task_definition.is_none() {
        all.extend(of_services(found, wanted, &networks));
    }
    if wanted.service.is_none() {
        all.extend(of_definitions(found, wanted, &networks));
    }
    all.sort_by_key(|site: &SiteChoice| {
        let name = site.service.as_deref().or(site.task_definition.as_deref()).unwrap_or_default();
        (!site.flaws.is_empty(), !leads_elsewhere(name), site.service.is_none(), name.to_owned())
    });
    all
}

fn of_services(found: &Findings, wanted: &Wanted, networks: &Networks<'_>) -> Vec<SiteChoice> {
    let Ok(services) = &found.services else {
        // Who may not list services may name one.
        let (Some(cluster), Some(service)) = (&wanted.cluster, &wanted.service) else {
            return Vec::new();
        };
        return vec![SiteChoice {
            cluster: cluster.clone(),
            service: Some(service.clone()),
            ..SiteChoice::default()
        }];
    };
    let fits = |one: &&ServiceFound| {
        wanted.cluster.as_ref().is_none_or(|name| *name == one.cluster)
            && wanted.service.as_ref().is_none_or(|name| *name == one.name)
    };
    services.iter().filter(fits).map(|one| of_service(one, networks)).collect()
}

fn of_service(service: &ServiceFound, networks: &Networks<'_>) -> SiteChoice {
    let (containers, read_only) = containers(&service.containers);
    let flaws = [
        (!service.exec, SiteFlaw::ExecOff),
        (service.desired == 0, SiteFlaw::ScaledToZero),
        (read_only, SiteFlaw::ReadOnly),
    ];
    SiteChoice {
        cluster: service.cluster.clone(),
        task_definition: None,
        service: Some(service.name.clone()),
        containers,
        vpc: service.subnets.first().and_then(|id| networks.vpc_of(id)).map(str::to_owned),
        subnets: Vec::new(),
        security_groups: Vec::new(),
        public_addresses: false,
        running: Some(service.running),
        desired: Some(service.desired),
        flaws: flaws.into_iter().filter_map(|(is, flaw)| is.then_some(flaw)).collect(),
    }
}

fn of_definitions(found: &Findings, wanted: &Wanted, networks: &Networks<'_>) -> Vec<SiteChoice> {
    let blind: Vec<DefinitionFound>;
    let family = wanted.task_definition.as_deref().map(family);
    let definitions = match (&found.definitions, family) {
        (Ok(definitions), _) => definitions,
        // Who may not look at definitions may name one.
        (Err(_), Some(family)) => {
            let family = family.to_owned();
            blind = vec![DefinitionFound {
                family,
                task_role: true,
                fargate: true,
                ..DefinitionFound::default()
            }];
            &blind
        }
        (Err(_), None) => return Vec::new(),
    };
    let services: Vec<&ServiceFound> = found.services.iter().flatten().collect();
    let fits = |one: &&DefinitionFound| match family {
        Some(family) => one.family == family,
        // What a service runs anyway is an application, or is reached as that service.
        None => !services.iter().any(|service| service.family == one.family),
    };
    let mut all = Vec::new();
    for definition in definitions.iter().filter(fits) {
        for cluster in clusters(found, wanted, &definition.family) {
            all.extend(of_definition(definition, &cluster, &services, networks));
        }
    }
    all
}

/// The clusters that a family's name belongs to; all of them where it belongs to none.
fn clusters(found: &Findings, wanted: &Wanted, family: &str) -> Vec<String> {
    if let Some(cluster) = &wanted.cluster {
        return vec![cluster.clone()];
    }
    let words = own_words(family);
    let all = found.clusters.clone().unwrap_or_default();
    best(all, |cluster| alike(&words, &own_words(cluster)))
}

/// A place for each network that could be meant.
fn of_definition(
    definition: &DefinitionFound,
    cluster: &str,
    services: &[&ServiceFound],
    networks: &Networks<'_>,
) -> Vec<SiteChoice> {
    let mut hint = Hint::default();
    for service in services.iter().filter(|service| service.cluster == cluster) {
        hint.subnets.extend(service.subnets.iter().cloned());
        hint.groups.extend(service.security_groups.iter().cloned());
    }
    let (containers, read_only) = containers(&definition.containers);
    let flaws = [
        (!definition.fargate, SiteFlaw::NotFargate),
        (!definition.task_role, SiteFlaw::NoTaskRole),
        (read_only, SiteFlaw::ReadOnly),
        (definition.shared_processes, SiteFlaw::SharedProcesses),
    ];
    let site = SiteChoice {
        cluster: cluster.to_owned(),
        task_definition: Some(definition.family.clone()),
        containers,
        flaws: flaws.into_iter().filter_map(|(is, flaw)| is.then_some(flaw)).collect(),
        ..SiteChoice::default()
    };
    let name = format!("{cluster} {}", definition.family);
    let fitting = networks.fitting(&name, &hint);
    if fitting.is_empty() {
        return vec![SiteChoice {
            vpc: hint.subnets.first().and_then(|id| networks.vpc_of(id)).map(str::to_owned),
            subnets: ids(hint.subnets),
            security_groups: ids(hint.groups),
            ..site
        }];
    }
    let in_network = |network: super::network::Network| SiteChoice {
        vpc: Some(network.vpc),
        subnets: vec![network.subnets],
        public_addresses: network.public,
        security_groups: network.groups,
        ..site.clone()
    };
    fitting.into_iter().map(in_network).collect()
}

/// The containers that a bastion could be, and whether none of them bears the agent.
fn containers(all: &[ContainerFound]) -> (Vec<String>, bool) {
    let own: Vec<&ContainerFound> = all.iter().filter(|one| !one.sidecar).collect();
    // A definition of one container means that one, whatever it looks like.
    let own = if own.is_empty() { all.iter().collect() } else { own };
    let fit: Vec<&ContainerFound> = own.iter().copied().filter(|one| !one.read_only).collect();
    let names = |all: &[&ContainerFound]| all.iter().map(|one| one.name.clone()).collect();
    match (fit.is_empty(), own.is_empty()) {
        (false, _) => (names(&fit), false),
        (true, false) => (names(&own), true),
        (true, true) => (Vec::new(), false),
    }
}

/// By ids, where there are any.
fn ids(mut all: Vec<String>) -> Vec<Selection> {
    all.sort();
    all.dedup();
    if all.is_empty() { Vec::new() } else { vec![Selection::Ids(all)] }
}

/// The family of what may be a family, `family:revision` or an ARN.
pub(super) fn family(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(':').next().unwrap_or(name)
}
