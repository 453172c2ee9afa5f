//! Tasks that somebody else started: what the account already holds that is not the daemon's.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::order::Order;
use super::run_task::Network;
use crate::realm::Realm;
use crate::tasks::Launch;
use crate::world::Tags;

/// A task of somebody else's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignTask {
    /// The cluster's name.
    pub cluster: String,
    /// `family`, or `family:revision`.
    pub definition: String,
    /// Who started it, as RunTask was told.
    #[serde(default)]
    pub started_by: Option<String>,
    /// What its containers run, where that is not what the definition says.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// Where it stands.
    #[serde(default)]
    pub subnets: Vec<String>,
}

/// Starts it and says its ARN; none where there is no such definition.
pub(crate) fn start_foreign_task(realm: &Realm, wanted: ForeignTask) -> Option<String> {
    let found = realm.world(|world| {
        world.task_definition(&wanted.definition).map(|(key, found)| (key, found.clone()))
    });
    let (name, definition) = found?;
    let overrides = match &wanted.command {
        None => json!({}),
        Some(command) => {
            let of = |container: &str| json!({ "name": container, "command": command });
            let all: Vec<_> = definition.containers.iter().map(|one| of(&one.name)).collect();
            json!({ "containerOverrides": all })
        }
    };
    let order = Order {
        cluster: wanted.cluster,
        definition: name,
        group: None,
        started_by: wanted.started_by,
        launch: Launch::Fargate,
        network: Network { subnets: wanted.subnets, public_address: false },
        overrides,
        exec: false,
        tags: Tags::new(),
        count: 1,
    };
    order.place(realm, &definition, &[]).pop()
}
