//! What the agent writes into its messages and reads out of the client's, in its own words and not our client's.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use ssm_proto::message::MessageId;

/// What the session was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The session's id.
    pub session: String,
    /// The remote host, as the person wrote it.
    pub host: String,
    /// The remote port.
    pub port: String,
    /// The client's local port, which the agent only repeats.
    pub local_port: String,
}

pub(super) fn handshake_request(version: &str, wanted: &Wanted) -> Bytes {
    let request = json!({
        "AgentVersion": version,
        "RequestedClientActions": [{
            "ActionType": "SessionType",
            "ActionParameters": {
                "SessionType": "Port",
                "Properties": {
                    "host": wanted.host,
                    "localPortNumber": wanted.local_port,
                    "portNumber": wanted.port,
                    "type": "LocalPortForwarding",
                },
            },
        }],
    });
    Bytes::from(request.to_string())
}

pub(super) fn handshake_complete(took: Duration) -> Bytes {
    let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let complete = json!({ "HandshakeTimeToComplete": nanoseconds, "CustomerMessage": "" });
    Bytes::from(complete.to_string())
}

pub(super) fn session_state(session: &str, state: &str) -> Bytes {
    let state = json!({ "SchemaVersion": 1, "SessionState": state, "SessionId": session });
    Bytes::from(state.to_string())
}

/// The acknowledgement that a client gives of a message of the agent's.
pub(crate) fn acknowledgement_of(message: &ssm_proto::message::Message) -> Bytes {
    acknowledgement_to("output_stream_data", message.id, message.seq)
}

pub(super) fn acknowledgement(id: MessageId, seq: i64) -> Bytes {
    acknowledgement_to("input_stream_data", id, seq)
}

fn acknowledgement_to(kind: &str, id: MessageId, seq: i64) -> Bytes {
    Bytes::from(format!(
        "{{\"AcknowledgedMessageType\":\"{kind}\",\"AcknowledgedMessageId\":\"{id}\",\
         \"AcknowledgedMessageSequenceNumber\":{seq},\"IsSequentialMessage\":true}}"
    ))
}

/// The number that an acknowledgement is for: the agent looks at nothing else.
pub(super) fn acknowledged(payload: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Acknowledged {
        acknowledged_message_sequence_number: i64,
    }
    serde_json::from_slice(payload)
        .ok()
        .map(|read: Acknowledged| read.acknowledged_message_sequence_number)
}

/// The client's answer to the handshake request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Response {
    pub(super) client_version: String,
    #[serde(default)]
    processed_client_actions: Option<Vec<Processed>>,
    #[serde(default)]
    errors: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Processed {
    action_type: String,
    action_status: i64,
    #[serde(default)]
    error: Option<String>,
}

impl Response {
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }

    /// Why the session cannot go on, if so.
    pub(super) fn refusal(&self) -> Option<String> {
        let actions = self.processed_client_actions.as_deref().unwrap_or_default();
        for action in actions {
            if action.action_status != SUCCESS {
                let (kind, error) = (&action.action_type, action.error.as_deref().unwrap_or(""));
                return Some(format!(
                    "{kind} failed on client with status {}: {error}",
                    action.action_status
                ));
            }
        }
        if !actions.iter().any(|action| action.action_type == "SessionType") {
            return Some("the client did not answer the SessionType action".to_owned());
        }
        let errors = self.errors.as_deref().unwrap_or_default();
        (!errors.is_empty()).then(|| format!("{} errors on client", errors.len()))
    }
}

/// Whether a version is at least another, part by part; what is missing or no number counts as 0.
pub(super) fn at_least(version: &str, least: [u64; 4]) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 4].map(|()| parts.next().unwrap_or(0)) >= least
}

const SUCCESS: i64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers_and_not_as_text() {
        assert!(at_least("1.2.1000.0", [1, 2, 332, 0]));
        assert!(!at_least("1.2.99.0", [1, 2, 332, 0]));
        assert!(at_least("1.1.70", [1, 1, 70, 0]));
        assert!(!at_least("1.1.69.9", [1, 1, 70, 0]));
        assert!(!at_least("", [1, 1, 70, 0]));
    }
}
