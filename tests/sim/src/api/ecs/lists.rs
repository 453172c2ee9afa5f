//! What there is: ListClusters, ListTaskDefinitionFamilies, ListTaskDefinitions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Ask, AwsError, bad_token, cluster_arn};
use crate::api::ask::page;
use crate::realm::Realm;
use crate::world::revision;

/// Clusters of every status, as ECS lists them: one that was deleted stands there for a while.
pub(super) fn list_clusters(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let names: Vec<String> = realm.world(|world| world.clusters.keys().cloned().collect());
    let arns = names.iter().map(|name| cluster_arn(realm, name)).collect();
    paged(realm, ask, "clusterArns", arns)
}

pub(super) fn list_task_definition_families(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let status = ask.text("status").unwrap_or("ACTIVE");
    let prefix = ask.text("familyPrefix").unwrap_or_default();
    let mut families: BTreeMap<String, bool> = BTreeMap::new();
    realm.world(|world| {
        for (key, definition) in &world.task_definitions {
            // A family is active as long as one of its revisions is.
            *families.entry(family(key).to_owned()).or_default() |= definition.active;
        }
    });
    families.retain(|name, active| {
        name.starts_with(prefix) && (status == "ALL" || (status == "ACTIVE") == *active)
    });
    paged(realm, ask, "families", families.into_keys().collect())
}

pub(super) fn list_task_definitions(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let active = ask.text("status").unwrap_or("ACTIVE") == "ACTIVE";
    // Unlike the list of families, this one takes the whole name.
    let wanted = ask.text("familyPrefix");
    let mut keys: Vec<String> = realm.world(|world| {
        let fits = |key: &str| wanted.is_none_or(|wanted| family(key) == wanted);
        let all = world.task_definitions.iter();
        let fitting = all.filter(|(key, one)| one.active == active && fits(key));
        fitting.map(|(key, _)| key.clone()).collect()
    });
    keys.sort_by_key(|key| (family(key).to_owned(), revision(key)));
    if ask.text("sort") == Some("DESC") {
        keys.reverse();
    }
    let arns = keys.iter().map(|key| realm.arn("ecs", &format!("task-definition/{key}"))).collect();
    paged(realm, ask, "taskDefinitionArns", arns)
}

fn paged(realm: &Realm, ask: &Ask, name: &str, all: Vec<String>) -> Result<Answer, AwsError> {
    let size = match ask.number("maxResults") {
        None => MOST,
        Some(size @ 1..=100) => usize::try_from(size).unwrap_or(MOST),
        Some(_) => return Err(AwsError::invalid("maxResults must be between 1 and 100.")),
    };
    let (found, next) = page(all, ask.text("nextToken"), size.min(realm.config().page_size))
        .map_err(|_| bad_token())?;
    let mut body = json!({ name: found });
    if let Some(next) = next {
        body["nextToken"] = Value::String(next);
    }
    Ok(Answer::Json(body))
}

fn family(key: &str) -> &str {
    key.rsplit_once(':').map_or(key, |(family, _)| family)
}

/// The most entries of one page, and how many there are where nobody asks for fewer.
const MOST: usize = 100;
