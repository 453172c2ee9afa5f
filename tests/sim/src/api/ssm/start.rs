//! StartSession: from a target to a container whose agent is connected, or a refusal.

use serde_json::json;

use super::register::Session;
use super::{Answer, Ask, AwsError, stream_url, validation};
use crate::container::Container;
use crate::gateway::SessionSpec;
use crate::realm::Realm;

pub(super) fn start_session(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let target = ask
        .text("Target")
        .filter(|target| target.len() <= TARGET)
        .ok_or_else(|| validation("target"))?;
    let reason = ask.text("Reason").unwrap_or_default();
    if reason.len() > REASON {
        return Err(validation("reason"));
    }
    let forward = Forward::of(ask)?;
    let Some(found) = find(realm, target) else {
        return Err(AwsError::new("TargetNotConnected", format!("{target} is not connected.")));
    };
    let id = format!("{}-0{}", ask.caller.name, &uuid::Uuid::new_v4().simple().to_string()[..16]);
    let token = realm.gateway().open(SessionSpec {
        id: id.clone(),
        task: found.task,
        container: found.container,
        host: forward.host,
        port: forward.port,
        local_port: forward.local_port,
    });
    let started_ms = realm.clock().unix_ms();
    realm.sessions().insert(Session {
        id: id.clone(),
        target: target.to_owned(),
        owner: ask.caller.arn.clone(),
        document: forward.document,
        reason: reason.to_owned(),
        started_ms,
        ended_ms: None,
    });
    note_end(realm, id.clone());
    realm.touch();
    Ok(Answer::Json(
        json!({ "SessionId": id, "TokenValue": token, "StreamUrl": stream_url(realm, &id) }),
    ))
}

/// A container that takes sessions.
pub(super) struct Found {
    /// The task's ARN.
    task: String,
    container: Container,
}

/// The container of `ecs:<cluster>_<task id>_<runtime id>`, all three, if its agent is connected.
pub(super) fn find(realm: &Realm, target: &str) -> Option<Found> {
    // A cluster's name may hold the separator, the ids cannot.
    let mut parts = target.strip_prefix("ecs:")?.rsplitn(3, '_');
    let (runtime, task, cluster) = (parts.next()?, parts.next()?, parts.next()?);
    let task = realm.tasks().get(&realm.arn("ecs", &format!("task/{cluster}/{task}")))?;
    let one = task.containers.iter().find(|one| one.runtime_id == runtime)?;
    if !task.connected || one.agent.is_none() {
        return None;
    }
    let container = realm.tasks().container(&task.arn, &one.name)?;
    Some(Found { task: task.arn, container })
}

/// What a port forwarding document is asked for.
struct Forward {
    document: String,
    host: String,
    port: String,
    local_port: String,
}

impl Forward {
    fn of(ask: &Ask) -> Result<Self, AwsError> {
        let named = ask.text("DocumentName").unwrap_or("SSM-SessionManagerRunShell");
        let document = named.rsplit_once(":document/").map_or(named, |(_, name)| name);
        let known: &[&str] = match document {
            TO_REMOTE_HOST => &["host", "portNumber", "localPortNumber"],
            TO_CONTAINER => &["portNumber", "localPortNumber"],
            _ => {
                let text = format!("Document with name {named} does not exist.");
                return Err(AwsError::new("InvalidDocument", text));
            }
        };
        let parameters = ask.parameters["Parameters"].as_object().cloned().unwrap_or_default();
        if let Some(unknown) = parameters.keys().find(|name| !known.contains(&name.as_str())) {
            let text = format!("Parameter \"{unknown}\" is not defined in the document.");
            return Err(AwsError::new("InvalidParameters", text));
        }
        let given =
            |name: &str| parameters.get(name).and_then(|list| list[0].as_str()).map(str::to_owned);
        let port = |name: &str, default: &str, least: u16| {
            let text = given(name).unwrap_or_else(|| default.to_owned());
            match text.parse::<u16>() {
                Ok(port) if port >= least => Ok(text),
                _ => Err(AwsError::new(
                    "InvalidParameters",
                    format!(
                        "Parameter \"{name}\" has value \"{text}\" not matching the allowed pattern."
                    ),
                )),
            }
        };
        let host = match document {
            TO_CONTAINER => Some("localhost".to_owned()),
            _ => given("host").filter(|host| host.len() >= LEAST_HOST),
        };
        Ok(Self {
            host: host.ok_or_else(|| {
                AwsError::new(
                    "InvalidParameters",
                    "Parameter \"host\" is missing or does not match the allowed pattern.",
                )
            })?,
            port: port("portNumber", "80", 1)?,
            local_port: port("localPortNumber", "0", 0)?,
            document: document.to_owned(),
        })
    }
}

/// Notes when the session ends, whoever ends it.
fn note_end(realm: &Realm, id: String) {
    let watcher = realm.clone();
    realm.spawn(async move {
        let ever = std::time::Duration::MAX;
        if watcher.gateway().until(ever, &id, |session| session.ended.is_some()).await {
            watcher.sessions().ended(&id, watcher.clock().unix_ms());
            watcher.touch();
        }
    });
}

const TO_REMOTE_HOST: &str = "AWS-StartPortForwardingSessionToRemoteHost";
const TO_CONTAINER: &str = "AWS-StartPortForwardingSession";
/// The longest target and reason, as the model says.
const TARGET: usize = 400;
const REASON: usize = 256;
/// The document's pattern asks for three characters.
const LEAST_HOST: usize = 3;
