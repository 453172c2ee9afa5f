//! Systems Manager: sessions to containers.

mod describe;
mod register;
mod start;

pub(crate) use register::Sessions;

use serde_json::json;

use super::{Answer, Ask, AwsError};
use crate::realm::Realm;

pub(super) fn act(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    match ask.action.as_str() {
        "StartSession" => start::start_session(realm, ask),
        "ResumeSession" => resume_session(realm, ask),
        "TerminateSession" => terminate_session(realm, ask),
        "DescribeSessions" => describe::describe_sessions(realm, ask),
        "GetConnectionStatus" => get_connection_status(realm, ask),
        _ => Err(AwsError::new("UnknownOperationException", "")),
    }
}

fn resume_session(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let id = session_id(ask)?;
    let Some(session) = realm.sessions().get(id) else {
        return Err(AwsError::new("DoesNotExistException", format!("Session {id} does not exist")));
    };
    own(ask, &session)?;
    let Some(token) = realm.gateway().resume(id) else {
        // Amazon's plugin, sessionhandler.go: no token means that the session is over.
        return Ok(Answer::Json(json!({ "SessionId": id })));
    };
    Ok(Answer::Json(
        json!({ "SessionId": id, "TokenValue": token, "StreamUrl": stream_url(realm, id) }),
    ))
}

fn terminate_session(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let id = session_id(ask)?;
    if let Some(session) = realm.sessions().get(id) {
        own(ask, &session)?;
        realm.gateway().terminate(id, "");
        realm.sessions().ended(id, realm.clock().unix_ms());
    }
    // The model declares no error for a session that is not there.
    Ok(Answer::Json(json!({ "SessionId": id })))
}

fn get_connection_status(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let target = ask.text("Target").ok_or_else(|| validation("target"))?;
    let status = if start::find(realm, target).is_some() { "connected" } else { "notconnected" };
    Ok(Answer::Json(json!({ "Target": target, "Status": status })))
}

fn session_id(ask: &Ask) -> Result<&str, AwsError> {
    ask.text("SessionId")
        .filter(|id| !id.is_empty() && id.len() <= SESSION_ID)
        .ok_or_else(|| validation("sessionId"))
}

/// Policies give everyone their own sessions only: `session/${aws:userid}-*`.
fn own(ask: &Ask, session: &register::Session) -> Result<(), AwsError> {
    if session.owner == ask.caller.arn {
        return Ok(());
    }
    let text = format!(
        "User: {} is not authorized to perform: ssm:{} on resource: {} because no identity-based policy allows the ssm:{} action",
        ask.caller.arn, ask.action, session.id, ask.action
    );
    Err(AwsError::new("AccessDeniedException", text))
}

fn stream_url(realm: &Realm, id: &str) -> String {
    let (scheme, host) = match realm.endpoint().split_once("://") {
        Some(("https", host)) => ("wss", host),
        Some((_, host)) => ("ws", host),
        None => ("ws", realm.endpoint()),
    };
    format!("{scheme}://{host}/v1/data-channel/{id}?role=publish_subscribe")
}

fn validation(member: &str) -> AwsError {
    let text = format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must not be null, and no longer than allowed"
    );
    AwsError::new("ValidationException", text)
}

/// The longest session id, as the model says.
const SESSION_ID: usize = 96;
