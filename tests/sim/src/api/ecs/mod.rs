//! Elastic Container Service: clusters, task definitions, tasks, services.

mod definitions;
mod foreign;
mod idempotency;
mod lists;
mod order;
mod run_task;
mod services;
mod shape;
mod tasks;

pub use foreign::ForeignTask;
pub(crate) use foreign::start_foreign_task;
pub(crate) use idempotency::Tokens;
pub(crate) use services::{replace_service_task, schedule};

use super::{Answer, Ask, AwsError};
use crate::faults::What;
use crate::realm::Realm;

pub(super) fn act(realm: &Realm, ask: &Ask, fate: &[What]) -> Result<Answer, AwsError> {
    match ask.action.as_str() {
        "RunTask" => run_task::run_task(realm, ask, fate),
        "DescribeTasks" => tasks::describe_tasks(realm, ask),
        "ListTasks" => tasks::list_tasks(realm, ask),
        "StopTask" => tasks::stop_task(realm, ask),
        "DescribeTaskDefinition" => definitions::describe_task_definition(realm, ask),
        "DescribeClusters" => definitions::describe_clusters(realm, ask),
        "DescribeServices" => services::describe_services(realm, ask),
        "ListServices" => services::list_services(realm, ask),
        "ListClusters" => lists::list_clusters(realm, ask),
        "ListTaskDefinitionFamilies" => lists::list_task_definition_families(realm, ask),
        "ListTaskDefinitions" => lists::list_task_definitions(realm, ask),
        "UpdateService" => services::update_service(realm, ask),
        _ => Err(AwsError::new("UnknownOperationException", "")),
    }
}

/// The name of the cluster that a call is about; it must exist and be active.
fn cluster(realm: &Realm, ask: &Ask) -> Result<String, AwsError> {
    let name = last(ask.text("cluster").unwrap_or("default")).to_owned();
    match realm.world(|world| world.clusters.get(&name).map(|cluster| cluster.status.clone())) {
        Some(status) if status == "ACTIVE" => Ok(name),
        Some(_) => {
            Err(AwsError::new("ClusterNotFoundException", "The referenced cluster was inactive."))
        }
        None => Err(AwsError::new("ClusterNotFoundException", "Cluster not found.")),
    }
}

/// What stands behind the last slash: the name or id in an ARN, or the text itself.
fn last(arn_or_name: &str) -> &str {
    arn_or_name.rsplit('/').next().unwrap_or(arn_or_name)
}

fn cluster_arn(realm: &Realm, name: &str) -> String {
    realm.arn("ecs", &format!("cluster/{name}"))
}

fn bad_token() -> AwsError {
    AwsError::invalid("Invalid token")
}
