//! An order for tasks, checked: what RunTask and a service's scheduler both hand on to be launched.

use serde_json::Value;

use super::run_task::Network;
use crate::faults::What;
use crate::realm::Realm;
use crate::tasks::{ContainerView, Launch, Plan, Status, TaskView, Times, launch};
use crate::world::{Tags, TaskDefinition};

/// What is to be launched.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) cluster: String,
    /// `family:revision`
    pub(super) definition: String,
    pub(super) group: Option<String>,
    pub(super) started_by: Option<String>,
    pub(super) launch: Launch,
    pub(super) network: Network,
    pub(super) overrides: Value,
    pub(super) exec: bool,
    pub(super) tags: Tags,
    pub(super) count: usize,
}

impl Order {
    /// Launches it and says the ARNs.
    pub(super) fn place(
        &self,
        realm: &Realm,
        definition: &TaskDefinition,
        fate: &[What],
    ) -> Vec<String> {
        let exec = self.exec && !fate.iter().any(|what| matches!(what, What::ExecOff));
        (0..self.count)
            .map(|index| {
                let task = self.task(realm, definition, exec, index);
                let arn = task.arn.clone();
                launch(
                    realm,
                    Plan { task, containers: definition.containers.clone(), fate: fate.to_vec() },
                );
                arn
            })
            .collect()
    }

    fn task(
        &self,
        realm: &Realm,
        definition: &TaskDefinition,
        exec: bool,
        index: usize,
    ) -> TaskView {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let subnets = &self.network.subnets;
        let subnet = subnets.get(index % subnets.len().max(1)).cloned().unwrap_or_default();
        let zone = realm
            .world(|world| world.subnets.get(&subnet).map(|subnet| subnet.zone.clone()))
            .unwrap_or_default();
        let family =
            self.definition.rsplit_once(':').map_or(&*self.definition, |(family, _)| family);
        let byte = |at: usize| u8::from_str_radix(&id[at..at + 2], 16).unwrap_or(0) % 240 + 5;
        TaskView {
            arn: realm.arn("ecs", &format!("task/{}/{id}", self.cluster)),
            cluster: self.cluster.clone(),
            definition: self.definition.clone(),
            group: self.group.clone().unwrap_or_else(|| format!("family:{family}")),
            started_by: self.started_by.clone(),
            launch: self.launch.clone(),
            tags: self.tags.clone(),
            overrides: self.overrides.clone(),
            cpu: self.overrides["cpu"].as_str().unwrap_or(&definition.cpu).to_owned(),
            memory: self.overrides["memory"].as_str().unwrap_or(&definition.memory).to_owned(),
            exec,
            subnet,
            zone,
            address: format!("10.0.{}.{}", byte(0), byte(2)),
            eni: format!("eni-0{}", &id[..16]),
            public_address: self.network.public_address,
            last_status: Status::Provisioning,
            desired_status: Status::Running,
            version: 1,
            containers: containers(realm, definition, &id, exec),
            connected: false,
            times: Times { created: realm.clock().unix_ms(), ..Times::default() },
            stop_code: None,
            stopped_reason: None,
            id,
        }
    }
}

/// Those that AWS injects come first in the list, so that nobody may rely on `containers[0]`.
fn containers(
    realm: &Realm,
    definition: &TaskDefinition,
    task: &str,
    exec: bool,
) -> Vec<ContainerView> {
    let view = |name: &str, image: &str, injected: bool, essential: bool| {
        let random = uuid::Uuid::new_v4();
        ContainerView {
            name: name.to_owned(),
            image: image.to_owned(),
            runtime_id: format!("{task}-{:010}", random.as_u128() % 10_000_000_000),
            id: random.to_string(),
            injected,
            essential,
            last_status: Status::Pending,
            exit_code: None,
            reason: None,
            agent: (exec && !injected).then(|| "PENDING".to_owned()),
            agent_reason: None,
            agent_started_ms: None,
        }
    };
    let injected = realm.world(|world| world.injected.clone());
    let injected = injected.iter().map(|(name, image)| view(name, image, true, false));
    let own =
        definition.containers.iter().map(|own| view(&own.name, &own.image, false, own.essential));
    injected.chain(own).collect()
}
