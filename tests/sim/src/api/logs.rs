//! CloudWatch Logs: what containers have said.

use serde_json::{Value, json};

use super::{Answer, Ask, AwsError};
use crate::realm::Realm;

pub(super) fn act(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    match ask.action.as_str() {
        "GetLogEvents" => get_log_events(realm, ask),
        _ => Err(AwsError::new("UnknownOperationException", "")),
    }
}

fn get_log_events(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let group = ask.text("logGroupName").ok_or_else(|| missing("logGroupName"))?;
    let stream = ask.text("logStreamName").ok_or_else(|| missing("logStreamName"))?;
    let found = realm.world(|world| world.log_groups.get(group).cloned());
    let group = found.ok_or_else(|| absent("The specified log group does not exist."))?;
    let said =
        group.said(stream).ok_or_else(|| absent("The specified log stream does not exist."))?;
    let limit = usize::try_from(ask.number("limit").unwrap_or(EVENTS)).unwrap_or_default();
    let some: Vec<&String> = if ask.flag("startFromHead") {
        said.iter().take(limit).collect()
    } else {
        said.iter().skip(said.len().saturating_sub(limit)).collect()
    };
    let now = realm.clock().unix_ms();
    let event =
        |message: &&String| json!({ "timestamp": now, "message": message, "ingestionTime": now });
    let events: Vec<Value> = some.iter().map(event).collect();
    Ok(Answer::Json(json!({
        "events": events,
        "nextForwardToken": "f/37291483719283749182374981723498172349817234981723498/s",
        "nextBackwardToken": "b/37291483719283749182374981723498172349817234981723498/s",
    })))
}

fn absent(text: &str) -> AwsError {
    AwsError::new("ResourceNotFoundException", text)
}

fn missing(name: &str) -> AwsError {
    let text = format!(
        "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
    );
    AwsError::new("InvalidParameterException", text)
}

/// GetLogEvents gives ten thousand at most, and as many where no limit is asked for.
const EVENTS: u64 = 10_000;
