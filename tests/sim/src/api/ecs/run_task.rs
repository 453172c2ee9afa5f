//! RunTask: what is refused, in which words, and what is launched.

use serde_json::{Value, json};

use super::order::Order;
use super::{Answer, Ask, AwsError, cluster, shape};
use crate::faults::What;
use crate::interfere;
use crate::realm::Realm;
use crate::tasks::Launch;
use crate::world::{Cluster, Tags, TaskDefinition, World};

pub(super) fn run_task(realm: &Realm, ask: &Ask, fate: &[What]) -> Result<Answer, AwsError> {
    let cluster = cluster(realm, ask)?;
    let token = client_token(ask)?;
    let (definition_name, definition) = definition(realm, ask)?;
    let order = Order {
        launch: launch(realm, ask, &cluster)?,
        network: Network::of(realm, ask, &definition)?,
        overrides: overrides(ask, &definition)?,
        exec: exec(ask, &definition)?,
        tags: tags(ask)?,
        count: count(ask)?,
        started_by: started_by(ask)?,
        group: ask.text("group").map(str::to_owned),
        definition: definition_name,
        cluster: cluster.clone(),
    };
    if let Some(failure) = scripted_failure(realm, &cluster, fate) {
        return Ok(Answer::Failures(json!({ "tasks": [], "failures": [failure] })));
    }
    let token = match token {
        // What was started under this token stands, however full it has become meanwhile.
        Some(token) if realm.tokens().knows(&cluster, &token) => Some(token),
        token => {
            capacity(realm, &order)?;
            token
        }
    };
    let place = || order.place(realm, &definition, fate);
    let arns = match token {
        Some(token) => realm.tokens().once(
            &cluster,
            &token,
            &ask.parameters,
            realm.clock().unix_ms(),
            place,
        )?,
        None => place(),
    };
    let tasks: Vec<Value> = arns
        .iter()
        .filter_map(|arn| realm.tasks().get(arn))
        .map(|task| shape::task(realm, &task, true))
        .collect();
    Ok(Answer::Json(json!({ "tasks": tasks, "failures": [] })))
}

/// Whether Fargate has room where the order goes: ECS takes a subnet of the list and looks no further.
fn capacity(realm: &Realm, order: &Order) -> Result<(), AwsError> {
    let provider = match &order.launch {
        Launch::Fargate => "FARGATE",
        Launch::Provider(name) => name,
    };
    let subnets = &order.network.subnets;
    let room = realm.world(|world| {
        let has = |cluster: &Cluster| !cluster.exhausted.iter().any(|name| name == provider);
        let full = |id: &String| world.subnets.get(id).is_some_and(|subnet| subnet.full);
        world.clusters.get(&order.cluster).is_none_or(has)
            && !subnets.iter().take(order.count).any(full)
    });
    if room { Ok(()) } else { Err(AwsError::client(interfere::NO_CAPACITY)) }
}

/// Where tasks stand.
#[derive(Clone)]
pub(super) struct Network {
    pub(super) subnets: Vec<String>,
    pub(super) public_address: bool,
}

impl Network {
    fn of(realm: &Realm, ask: &Ask, definition: &TaskDefinition) -> Result<Self, AwsError> {
        let network = &ask.parameters["networkConfiguration"]["awsvpcConfiguration"];
        if network.is_null() {
            return match definition.network_mode.as_str() {
                "awsvpc" => Err(AwsError::invalid(
                    "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
                )),
                _ => Ok(Self { subnets: Vec::new(), public_address: false }),
            };
        }
        let subnets = texts(&network["subnets"]);
        let groups = texts(&network["securityGroups"]);
        if subnets.is_empty() {
            return Err(AwsError::invalid("subnets can not be empty."));
        }
        if subnets.len() > SUBNETS || groups.len() > GROUPS {
            let text =
                format!("At most {SUBNETS} subnets and {GROUPS} security groups may be given.");
            return Err(AwsError::invalid(text));
        }
        realm.world(|world| in_one_vpc(world, &subnets, &groups))?;
        Ok(Self { subnets, public_address: network["assignPublicIp"] == "ENABLED" })
    }
}

fn in_one_vpc(world: &World, subnets: &[String], groups: &[String]) -> Result<(), AwsError> {
    let mut vpcs = Vec::new();
    for id in subnets {
        let Some(subnet) = world.subnets.get(id) else {
            let text = format!(
                "Error retrieving subnet information for [{id}]: The subnet ID '{id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
            );
            return Err(AwsError::invalid(text));
        };
        vpcs.push(&subnet.vpc);
    }
    if vpcs.iter().any(|vpc| *vpc != vpcs[0]) {
        return Err(AwsError::invalid("subnets must all belong to the same VPC."));
    }
    for id in groups {
        let Some(group) = world.security_groups.get(id) else {
            let text = format!(
                "Error retrieving security group information for [{id}]: The security group '{id}' does not exist (ErrorCode: InvalidGroup.NotFound)"
            );
            return Err(AwsError::invalid(text));
        };
        if group.vpc != *vpcs[0] {
            let text = format!(
                "Security group {id} and subnet {} belong to different networks.",
                subnets[0]
            );
            return Err(AwsError::invalid(text));
        }
    }
    Ok(())
}

fn definition(realm: &Realm, ask: &Ask) -> Result<(String, TaskDefinition), AwsError> {
    let name = ask
        .text("taskDefinition")
        .ok_or_else(|| AwsError::invalid("TaskDefinition can not be blank."))?;
    let found =
        realm.world(|world| world.task_definition(name).map(|(key, found)| (key, found.clone())));
    match found {
        None => Err(AwsError::client("TaskDefinition not found.")),
        Some((_, definition)) if !definition.active => {
            Err(AwsError::client("TaskDefinition is inactive"))
        }
        Some(found) => Ok(found),
    }
}

fn launch(realm: &Realm, ask: &Ask, cluster: &str) -> Result<Launch, AwsError> {
    let strategy =
        ask.parameters["capacityProviderStrategy"].as_array().filter(|list| !list.is_empty());
    match (ask.text("launchType"), strategy) {
        (Some(_), Some(_)) => Err(AwsError::invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        )),
        (None, Some(strategy)) => {
            let known = realm.world(|world| {
                world.clusters.get(cluster).map(|cluster| cluster.capacity_providers.clone())
            });
            let known = known.unwrap_or_default();
            let names: Vec<&str> =
                strategy.iter().filter_map(|item| item["capacityProvider"].as_str()).collect();
            if names.is_empty() || names.iter().any(|name| !known.iter().any(|known| known == name))
            {
                return Err(AwsError::invalid(
                    "The specified capacity provider strategy cannot contain a capacity provider that is not associated with \
                     the cluster. Associate the capacity provider with the cluster and try again.",
                ));
            }
            Ok(Launch::Provider(names[0].to_owned()))
        }
        (Some("FARGATE"), None) => Ok(Launch::Fargate),
        // EC2 is what ECS takes when nothing is said, and this account has no instances.
        (None | Some("EC2"), None) => {
            Err(AwsError::invalid("No Container Instances were found in your cluster."))
        }
        (Some(other), None) => Err(AwsError::invalid(format!("Unknown launch type {other}."))),
    }
}

fn overrides(ask: &Ask, definition: &TaskDefinition) -> Result<Value, AwsError> {
    let overrides = &ask.parameters["overrides"];
    if overrides.is_null() {
        return Ok(json!({}));
    }
    if overrides.to_string().chars().count() > OVERRIDES {
        return Err(AwsError::invalid(format!(
            "Container Overrides length must be at most {OVERRIDES}"
        )));
    }
    for container in overrides["containerOverrides"].as_array().into_iter().flatten() {
        let name = container["name"].as_str().unwrap_or_default();
        if !definition.containers.iter().any(|own| own.name == name) {
            let text = format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            );
            return Err(AwsError::invalid(text));
        }
    }
    Ok(overrides.clone())
}

fn exec(ask: &Ask, definition: &TaskDefinition) -> Result<bool, AwsError> {
    let exec = ask.flag("enableExecuteCommand");
    if exec && definition.task_role.is_none() {
        return Err(AwsError::invalid(
            "The task definition has no task role: a task role is required when enableExecuteCommand is true.",
        ));
    }
    Ok(exec)
}

fn tags(ask: &Ask) -> Result<Tags, AwsError> {
    let list = ask.parameters["tags"].as_array().cloned().unwrap_or_default();
    if list.len() > TAGS {
        return Err(AwsError::invalid(format!("The maximum number of tags is {TAGS}.")));
    }
    let mut tags = Tags::new();
    for tag in &list {
        let key = tag["key"].as_str().unwrap_or_default();
        let value = tag["value"].as_str().unwrap_or_default();
        let fits = |text: &str| {
            text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c))
        };
        if key.is_empty() || key.chars().count() > TAG_KEY || !fits(key) || key.starts_with("aws:")
        {
            return Err(AwsError::invalid(format!("Invalid tag key: '{key}'.")));
        }
        if value.chars().count() > TAG_VALUE || !fits(value) {
            return Err(AwsError::invalid(format!("Invalid tag value: '{value}'.")));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(AwsError::invalid(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
    }
    Ok(tags)
}

fn count(ask: &Ask) -> Result<usize, AwsError> {
    match ask.number("count").unwrap_or(1) {
        count @ 1..=10 => Ok(usize::try_from(count).unwrap_or(1)),
        _ => Err(AwsError::invalid("Count must be between 1 and 10.")),
    }
}

fn started_by(ask: &Ask) -> Result<Option<String>, AwsError> {
    let Some(text) = ask.text("startedBy") else {
        return Ok(None);
    };
    if text.chars().count() > STARTED_BY {
        return Err(AwsError::invalid(format!(
            "startedBy can not be longer than {STARTED_BY} characters."
        )));
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || "-/_".contains(c)) {
        return Err(AwsError::invalid(
            "startedBy may contain letters, numbers, hyphens, forward slashes and underscores only.",
        ));
    }
    Ok(Some(text.to_owned()))
}

fn client_token(ask: &Ask) -> Result<Option<String>, AwsError> {
    let Some(token) = ask.text("clientToken") else {
        return Ok(None);
    };
    if token.len() > CLIENT_TOKEN || !token.bytes().all(|byte| (33..=126).contains(&byte)) {
        return Err(AwsError::invalid(
            "Invalid client token: at most 64 ASCII characters from 33 to 126.",
        ));
    }
    Ok(Some(token.to_owned()))
}

fn scripted_failure(realm: &Realm, cluster: &str, fate: &[What]) -> Option<Value> {
    fate.iter().find_map(|what| {
        let What::Failure { reason, detail } = what else {
            return None;
        };
        let mut failure = json!({ "arn": super::cluster_arn(realm, cluster), "reason": reason });
        if let Some(detail) = detail {
            failure["detail"] = json!(detail);
        }
        Some(failure)
    })
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

// Limits of the ECS API reference, RunTask.
const SUBNETS: usize = 16;
const GROUPS: usize = 5;
const OVERRIDES: usize = 8192;
const STARTED_BY: usize = 128;
const CLIENT_TOKEN: usize = 64;
const TAGS: usize = 50;
const TAG_KEY: usize = 128;
const TAG_VALUE: usize = 256;
