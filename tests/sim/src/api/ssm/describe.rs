//! DescribeSessions.

use serde_json::{Value, json};

use super::register::Session;
use super::{Answer, Ask, AwsError, validation};
use crate::api::ask::page;
use crate::clock::{epoch_seconds, iso8601};
use crate::realm::Realm;

pub(super) fn describe_sessions(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let active = match ask.text("State") {
        Some("Active") => true,
        Some("History") => false,
        _ => return Err(validation("state")),
    };
    let filters = ask.parameters["Filters"].as_array().cloned().unwrap_or_default();
    if filters.len() > FILTERS {
        return Err(validation("filters"));
    }
    let mut fitting = Vec::new();
    for session in
        realm.sessions().all().into_iter().filter(|session| session.ended_ms.is_none() == active)
    {
        let mut fits = true;
        for filter in &filters {
            fits &= passes(realm, &session, filter)?;
        }
        if fits {
            fitting.push(session);
        }
    }
    let size = usize::try_from(ask.number("MaxResults").unwrap_or(200)).unwrap_or(PAGE);
    let size = size.clamp(1, PAGE).min(realm.config().page_size);
    let (sessions, next) = page(fitting, ask.text("NextToken"), size)
        .map_err(|_| AwsError::new("InvalidNextToken", "The specified token is not valid."))?;
    let sessions: Vec<Value> = sessions.iter().map(|session| shape(realm, session)).collect();
    let mut body = json!({ "Sessions": sessions });
    if let Some(next) = next {
        body["NextToken"] = json!(next);
    }
    Ok(Answer::Json(body))
}

fn passes(realm: &Realm, session: &Session, filter: &Value) -> Result<bool, AwsError> {
    let value = filter["value"].as_str().unwrap_or_default();
    Ok(match filter["key"].as_str() {
        Some("Target") => session.target == value,
        Some("Owner") => session.owner == value,
        Some("SessionId") => session.id == value,
        Some("Status") => status(realm, session) == value,
        Some("AccessType") => value == "Standard",
        // Both are RFC 3339 in UTC, which sorts as text.
        Some("InvokedAfter") => iso8601(session.started_ms).as_str() > value,
        Some("InvokedBefore") => iso8601(session.started_ms).as_str() < value,
        _ => {
            return Err(AwsError::new(
                "InvalidFilterKey",
                "The specified filter key is not valid.",
            ));
        }
    })
}

fn status(realm: &Realm, session: &Session) -> &'static str {
    if session.ended_ms.is_some() {
        return "Terminated";
    }
    let client = realm.gateway().session(&session.id).is_some_and(|view| view.client);
    if client { "Connected" } else { "Disconnected" }
}

fn shape(realm: &Realm, session: &Session) -> Value {
    let mut shape = json!({
        "SessionId": session.id,
        "Target": session.target,
        "Status": status(realm, session),
        "StartDate": epoch_seconds(session.started_ms),
        "DocumentName": session.document,
        "Owner": session.owner,
        "OutputUrl": {},
        "AccessType": "Standard",
    });
    if !session.reason.is_empty() {
        shape["Reason"] = json!(session.reason);
    }
    if let Some(ended) = session.ended_ms {
        shape["EndDate"] = epoch_seconds(ended);
    }
    shape
}

/// The most entries of one answer, and the most filters.
const PAGE: usize = 200;
const FILTERS: usize = 6;
