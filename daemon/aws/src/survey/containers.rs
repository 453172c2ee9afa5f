use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, PidMode, Service, TaskDefinition,
    TaskDefinitionFamilyStatus,
};
use bastion_cloud::{CloudError, ContainerFound, DefinitionFound, Kind, ServiceFound};

use super::together::together;
use crate::access::Access;
use crate::clients::Clients;
use crate::container::{Candidate, family};

/// The clusters that are active.
pub(super) async fn clusters(access: &Access) -> Result<Vec<String>, CloudError> {
    let clients = access.clients().await?;
    let arns = clients.ecs.list_clusters().into_paginator().items().send();
    let arns = arns.collect::<Result<Vec<String>, _>>().await;
    let arns = arns.map_err(|err| clients.refusal(CLUSTERS, &err).error)?;
    let batches = arns.chunks(CLUSTERS_OF_ONE_CALL).map(|batch| async {
        let told = clients.ecs.describe_clusters().set_clusters(Some(batch.to_vec())).send().await;
        match told {
            Ok(told) => Ok(told.clusters.unwrap_or_default()),
            Err(err) => Err(clients.refusal("ecs:DescribeClusters", &err).error),
        }
    });
    let told = match together(batches, AT_ONCE).await {
        Ok(told) => told.into_iter().flatten(),
        // A list without their states is worth more than none.
        Err(CloudError { kind: Kind::Denied { .. }, .. }) => {
            return Ok(arns.iter().map(|arn| last(arn)).collect());
        }
        Err(error) => return Err(error),
    };
    let active = told.filter(|cluster| cluster.status() == Some("ACTIVE"));
    let mut names: Vec<String> = active.filter_map(|cluster| cluster.cluster_name).collect();
    names.sort();
    Ok(names)
}

/// The services of these clusters; the containers only of those with ECS Exec, for the others are no bastions.
pub(super) async fn services(
    access: &Access,
    clusters: &[String],
) -> Result<Vec<ServiceFound>, CloudError> {
    let clients = &*access.clients().await?;
    let lists = clusters.iter().map(|cluster| async move {
        let arns = clients.ecs.list_services().cluster(cluster).max_results(100);
        let arns = arns.into_paginator().items().send().collect::<Result<Vec<String>, _>>().await;
        let arns = arns.map_err(|err| clients.refusal(SERVICES, &err).error)?;
        let batches = arns.chunks(SERVICES_OF_ONE_CALL).map(<[String]>::to_vec);
        Ok::<_, CloudError>(batches.map(|batch| (cluster, batch)).collect::<Vec<_>>())
    });
    let lists = together(lists, AT_ONCE).await?;
    let batches = lists.into_iter().flatten().map(|(cluster, batch)| async move {
        let asked = clients.ecs.describe_services().cluster(cluster).set_services(Some(batch));
        let told = asked.send().await;
        let told = told.map_err(|err| clients.refusal("ecs:DescribeServices", &err).error)?;
        Ok::<_, CloudError>((cluster, told.services.unwrap_or_default()))
    });
    let told = together(batches, AT_ONCE).await?;
    let mut found = Vec::new();
    let mut definitions = BTreeSet::new();
    for (cluster, services) in told {
        for service in services.iter().filter(|one| one.status() == Some("ACTIVE")) {
            let one = service_found(cluster, service);
            if one.exec && definitions.len() < MOST_DEFINITIONS {
                let definition = service.task_definition().unwrap_or_default();
                definitions.insert(definition.to_owned());
            }
            found.push((service.task_definition().unwrap_or_default().to_owned(), one));
        }
    }
    let asked = definitions.iter().map(|name| async move {
        // The containers are worth a question, and not worth the list.
        let described = describe(clients, name).await.ok().flatten();
        Ok::<_, CloudError>((name.clone(), described))
    });
    let known: BTreeMap<String, Option<TaskDefinition>> =
        together(asked, AT_ONCE).await?.into_iter().collect();
    let with_containers = |(definition, mut one): (String, ServiceFound)| {
        one.containers = match known.get(&definition) {
            Some(Some(definition)) => containers(definition),
            Some(None) | None => Vec::new(),
        };
        one
    };
    Ok(found.into_iter().map(with_containers).collect())
}

/// The newest active revision of each family, the likely ones where there are very many; `wanted` is always among them.
pub(super) async fn definitions(
    access: &Access,
    wanted: Option<&str>,
) -> Result<Vec<DefinitionFound>, CloudError> {
    let clients = &*access.clients().await?;
    let listed = clients.ecs.list_task_definition_families();
    let listed = listed.status(TaskDefinitionFamilyStatus::Active);
    let families = listed.into_paginator().items().send().collect::<Result<Vec<String>, _>>().await;
    let families = match families {
        Ok(families) => families,
        Err(err) => {
            let refusal = clients.refusal(FAMILIES, &err).error;
            // Who names one need not list them all.
            let Some(wanted) = wanted else { return Err(refusal) };
            vec![wanted.to_owned()]
        }
    };
    let likely = likely(families, wanted);
    let asked = likely.iter().map(|family| describe(clients, family));
    let described = together(asked, AT_ONCE).await?;
    Ok(described.iter().flatten().map(definition_found).collect())
}

/// The likeliest families by name, as many as may be asked for.
fn likely(mut families: Vec<String>, wanted: Option<&str>) -> Vec<String> {
    let wanted = wanted.map(family);
    families.sort_by_key(|name| {
        let lower = name.to_lowercase();
        let named = wanted == Some(name.as_str());
        (!named, !LIKELY.iter().any(|part| lower.contains(part)), lower)
    });
    families.truncate(MOST_DEFINITIONS);
    families
}

/// One task definition; none where its family has no active revision any more.
async fn describe(clients: &Clients, name: &str) -> Result<Option<TaskDefinition>, CloudError> {
    match clients.ecs.describe_task_definition().task_definition(name).send().await {
        Ok(told) => Ok(told.task_definition),
        Err(err) => {
            let refusal = clients.refusal("ecs:DescribeTaskDefinition", &err);
            if refusal.is("ClientException") {
                return Ok(None);
            }
            Err(refusal.into())
        }
    }
}

fn service_found(cluster: &str, service: &Service) -> ServiceFound {
    let network = service.network_configuration().and_then(|all| all.awsvpc_configuration());
    let count = |number: i32| u32::try_from(number).unwrap_or_default();
    ServiceFound {
        cluster: cluster.to_owned(),
        name: service.service_name().unwrap_or_default().to_owned(),
        family: family(service.task_definition().unwrap_or_default()).to_owned(),
        containers: Vec::new(),
        exec: service.enable_execute_command(),
        desired: count(service.desired_count()),
        running: count(service.running_count()),
        subnets: network.map(|one| one.subnets().to_vec()).unwrap_or_default(),
        security_groups: network.map(|one| one.security_groups().to_vec()).unwrap_or_default(),
    }
}

fn definition_found(definition: &TaskDefinition) -> DefinitionFound {
    // What it was registered for; where that says nothing, what ECS has found that it would run on.
    let said = match definition.requires_compatibilities() {
        [] => definition.compatibilities(),
        said => said,
    };
    DefinitionFound {
        family: definition.family().unwrap_or_default().to_owned(),
        containers: containers(definition),
        task_role: definition.task_role_arn().is_some(),
        fargate: said.contains(&Compatibility::Fargate),
        shared_processes: definition.pid_mode() == Some(&PidMode::Task),
    }
}

fn containers(definition: &TaskDefinition) -> Vec<ContainerFound> {
    let found = |one: &ContainerDefinition| {
        let candidate = Candidate::from(one);
        ContainerFound {
            sidecar: candidate.is_sidecar(),
            name: candidate.name,
            read_only: one.readonly_root_filesystem().unwrap_or_default(),
        }
    };
    definition.container_definitions().iter().map(found).collect()
}

fn last(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

pub(super) const CLUSTERS: &str = "ecs:ListClusters";
pub(super) const SERVICES: &str = "ecs:ListServices";
pub(super) const FAMILIES: &str = "ecs:ListTaskDefinitionFamilies";

/// The most of one DescribeClusters and of one DescribeServices.
const CLUSTERS_OF_ONE_CALL: usize = 100;
const SERVICES_OF_ONE_CALL: usize = 10;

/// How many calls are on their way at once: ECS answers about 20 such calls a second and lends 50 (API reference, request
/// throttling).
const AT_ONCE: usize = 4;

/// How many task definitions are looked at: what the loan of 50 and three seconds give.
const MOST_DEFINITIONS: usize = 100;

/// Parts of names that people give to what a bastion is made of.
const LIKELY: [&str; 8] = ["bastion", "proxy", "ssm", "jump", "tunnel", "exec", "access", "shell"];

#[cfg(test)]
mod tests {
    use super::{MOST_DEFINITIONS, likely};

    #[test]
    fn of_very_many_families_the_likely_ones_are_looked_at_and_always_the_one_that_is_wanted() {
        let mut all: Vec<String> = (0..500).map(|n| format!("app-{n:03}")).collect();
        all.extend(["zz-Bastion", "zz-wanted"].map(str::to_owned));
        let found = likely(all, Some("arn:aws:ecs:x:1:task-definition/zz-wanted:7"));
        assert_eq!(found[..3], ["zz-wanted", "zz-Bastion", "app-000"]);
        assert_eq!(found.len(), MOST_DEFINITIONS);
    }
}
