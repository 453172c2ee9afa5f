//! The opening: versions, session type, what we can and cannot do.
//!
//! ```text
//!   ┌─────────┐ request, all of it can be done  ┌──────────┐ complete ┌──────┐
//!   │ Waiting │ ──────────────────────────────▶ │ Answered │ ───────▶ │ Done │
//!   └─────────┘                                 └──────────┘          └──────┘
//!        │ request, some of it cannot be done
//!        ▼
//!   (answered with what cannot: the agent ends the session, and so do we)
//! ```
//!
//! | who decides | test | effect |
//! |---|---|---|
//! | agent | port session of kind `LocalPortForwarding`, client > 1.1.70 | smux |
//! | we | agent > 3.0.196.0 | smux; else refused |
//! | we | agent > 3.1.1511.0 | no keepalive; else one every 10 s |

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::error::{Misbehaved, Unsupported};
use crate::event::Closed;
use crate::payload::{
    ACTION_FAILED, ACTION_SUCCESS, ACTION_UNSUPPORTED, HandshakeComplete, HandshakeRequest,
    HandshakeResponse, ProcessedAction, RequestedAction,
};

/// How far the opening has come.
#[derive(Debug, Default)]
pub(crate) enum Handshake {
    /// The agent has not said anything.
    #[default]
    Waiting,
    /// The agent knows that we can do what it wants.
    Answered(Agent),
    /// The session carries data.
    Done,
}

/// Who is at the other end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Agent {
    /// Its version as it says it.
    pub(crate) version: String,
    /// Whether its smux ends a session from which it hears nothing for 30 s.
    pub(crate) wants_keepalive: bool,
}

/// What to answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The payload of the response.
    pub(crate) response: Bytes,
    /// Why the channel is over with it.
    pub(crate) refusal: Option<Unsupported>,
}

impl Handshake {
    /// Takes in the agent's request.
    pub(crate) fn request(
        &mut self,
        payload: &[u8],
        client_version: &str,
    ) -> Result<Answer, Misbehaved> {
        match mem::take(self) {
            Self::Waiting => {}
            Self::Answered(_) | Self::Done => return Err(Misbehaved::OutOfTurn { part: REQUEST }),
        }
        let request: HandshakeRequest =
            serde_json::from_slice(payload).map_err(|source| unreadable(REQUEST, source))?;
        let verdict = judge_version(&request.agent_version);
        let mut refusal = verdict.as_ref().err().cloned();
        let mut session_type_asked = false;
        let mut processed = Vec::new();
        for action in &request.requested_client_actions {
            session_type_asked |= action.action_type == SESSION_TYPE;
            let outcome = match &refusal {
                Some(
                    old @ (Unsupported::AgentTooOld { .. } | Unsupported::AgentVersion { .. }),
                ) => Err((ACTION_FAILED, old.clone())),
                Some(_) | None => judge_action(action).map_err(|no| (ACTION_UNSUPPORTED, no)),
            };
            let (action_status, error) = match outcome {
                Ok(()) => (ACTION_SUCCESS, String::new()),
                Err((status, unsupported)) => {
                    let error = unsupported.to_string();
                    refusal.get_or_insert(unsupported);
                    (status, error)
                }
            };
            let action_type = action.action_type.clone();
            let action_result = Value::Null;
            processed.push(ProcessedAction { action_type, action_status, action_result, error });
        }
        if !session_type_asked {
            refusal.get_or_insert(Unsupported::NoSessionType);
        }
        if let (None, Ok(wants_keepalive)) = (&refusal, verdict) {
            *self = Self::Answered(Agent { version: request.agent_version, wants_keepalive });
        }
        let response = HandshakeResponse {
            client_version: client_version.to_owned(),
            processed_client_actions: processed,
            errors: None,
        };
        let response = serde_json::to_vec(&response).expect("text and numbers can be written");
        Ok(Answer { response: response.into(), refusal })
    }

    /// Takes in that the agent thinks the handshake complete.
    pub(crate) fn complete(&mut self, payload: &[u8]) -> Result<Agent, Misbehaved> {
        let agent = match mem::take(self) {
            Self::Answered(agent) => agent,
            Self::Waiting | Self::Done => return Err(Misbehaved::OutOfTurn { part: COMPLETE }),
        };
        serde_json::from_slice::<HandshakeComplete>(payload)
            .map_err(|source| unreadable(COMPLETE, source))?;
        *self = Self::Done;
        Ok(agent)
    }

    /// Why the channel is over with data that come before the handshake is complete.
    pub(crate) fn data_too_early(&self) -> Closed {
        match self {
            Self::Waiting => Closed::Unsupported(Unsupported::NoHandshake),
            Self::Answered(_) | Self::Done => {
                Closed::Misbehaved(Misbehaved::OutOfTurn { part: DATA })
            }
        }
    }
}

/// Whether an agent of this version wants a keepalive, or why it will not do at all.
fn judge_version(version: &str) -> Result<bool, Unsupported> {
    let parts = parse_version(version)
        .ok_or_else(|| Unsupported::AgentVersion { version: version.to_owned() })?;
    if parts <= LAST_WITHOUT_MUX {
        let after = LAST_WITHOUT_MUX_TEXT;
        return Err(Unsupported::AgentTooOld { version: version.to_owned(), after });
    }
    Ok(parts <= LAST_WITH_KEEPALIVE)
}

/// Four numbers; anything else is no version, here as in Amazon's plugin.
fn parse_version(version: &str) -> Option<[u64; 4]> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    let four = [parts.next()??, parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(four)
}

fn judge_action(action: &RequestedAction) -> Result<(), Unsupported> {
    match action.action_type.as_str() {
        SESSION_TYPE => judge_session(&action.action_parameters),
        KMS => Err(Unsupported::Encryption),
        other => Err(Unsupported::Action { action: other.to_owned() }),
    }
}

fn judge_session(parameters: &Value) -> Result<(), Unsupported> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let session_type = text(&parameters["SessionType"]);
    if session_type != "Port" {
        return Err(Unsupported::SessionType { session_type });
    }
    let kind = text(&parameters["Properties"]["type"]);
    if kind != "LocalPortForwarding" {
        return Err(Unsupported::PortKind { kind });
    }
    Ok(())
}

fn unreadable(part: &'static str, source: serde_json::Error) -> Misbehaved {
    Misbehaved::Handshake { part, source: Arc::new(source) }
}

const REQUEST: &str = "handshake request";
const COMPLETE: &str = "end of the handshake";
const DATA: &str = "first data";
const SESSION_TYPE: &str = "SessionType";
const KMS: &str = "KMSEncryption";
/// The last agent that carries one stream at a time.
const LAST_WITHOUT_MUX: [u64; 4] = [3, 0, 196, 0];
const LAST_WITHOUT_MUX_TEXT: &str = "3.0.196.0";
/// The last agent whose smux wants to hear from us.
const LAST_WITH_KEEPALIVE: [u64; 4] = [3, 1, 1511, 0];

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: &str = r#"{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port",
        "Properties":{"host":"db","portNumber":"5432","type":"LocalPortForwarding"}}}"#;
    const KMS_ACTION: &str =
        r#"{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"key"}}"#;

    /// What becomes of a request by an agent of this version for these actions.
    fn asked(
        version: &str,
        actions: &[&str],
    ) -> (Handshake, HandshakeResponse, Option<Unsupported>) {
        let actions = actions.join(",");
        let request =
            format!(r#"{{"AgentVersion":"{version}","RequestedClientActions":[{actions}]}}"#);
        let mut handshake = Handshake::default();
        let answer = handshake.request(request.as_bytes(), "1.2.764.0").unwrap();
        (handshake, serde_json::from_slice(&answer.response).unwrap(), answer.refusal)
    }

    fn statuses(response: &HandshakeResponse) -> Vec<u8> {
        response.processed_client_actions.iter().map(|action| action.action_status).collect()
    }

    #[test]
    fn a_port_session_is_answered_in_the_words_of_amazons_plugin() {
        let request = format!(r#"{{"AgentVersion":"3.3.0.0","RequestedClientActions":[{PORT}]}}"#);
        let mut handshake = Handshake::default();
        let answer = handshake.request(request.as_bytes(), "1.2.677.0").unwrap();
        assert_eq!(
            str::from_utf8(&answer.response).unwrap(),
            r#"{"ClientVersion":"1.2.677.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}"#
        );
        assert_eq!(answer.refusal, None);
        let agent = handshake.complete(b"{}").unwrap();
        assert_eq!(agent, Agent { version: "3.3.0.0".to_owned(), wants_keepalive: false });
    }

    #[test]
    fn agents_are_told_apart_by_their_version_as_numbers() {
        for (version, wants_keepalive) in [
            ("3.0.196.1", true),
            ("3.0.1000.0", true),
            ("3.1.1511.0", true),
            ("3.1.1511.1", false),
            ("3.1.1575.0", false),
            ("3.10.0.0", false),
            ("10.0.0.0", false),
        ] {
            let (mut handshake, response, refusal) = asked(version, &[PORT]);
            assert_eq!((statuses(&response), refusal), (vec![ACTION_SUCCESS], None), "{version}");
            let agent = handshake.complete(b"{}").unwrap();
            assert_eq!(agent.wants_keepalive, wants_keepalive, "{version}");
        }
    }

    #[test]
    fn an_agent_without_mux_is_refused_by_its_version() {
        for version in ["3.0.196.0", "3.0.99.0", "2.3.1569.0", "0.0.0.0"] {
            let (_, response, refusal) = asked(version, &[PORT]);
            assert_eq!(statuses(&response), [ACTION_FAILED]);
            let error = &response.processed_client_actions[0].error;
            assert!(error.contains("too old"), "{error}");
            let expected =
                Unsupported::AgentTooOld { version: version.to_owned(), after: "3.0.196.0" };
            assert_eq!(refusal, Some(expected));
        }
    }

    #[test]
    fn a_version_that_is_not_four_numbers_is_no_version() {
        for version in ["", "3.3.0", "3.3.0.0.0", "3.3.0.x", "3.3..0", "-1.0.0.0"] {
            let (_, _, refusal) = asked(version, &[PORT]);
            let expected = Unsupported::AgentVersion { version: version.to_owned() };
            assert_eq!(refusal, Some(expected));
        }
    }

    #[test]
    fn encryption_and_unknown_actions_are_answered_with_unsupported_each_in_its_place() {
        let (_, response, refusal) = asked("3.3.0.0", &[KMS_ACTION, PORT]);
        assert_eq!(statuses(&response), [ACTION_UNSUPPORTED, ACTION_SUCCESS]);
        assert!(!response.processed_client_actions[0].error.is_empty());
        assert_eq!(refusal, Some(Unsupported::Encryption));

        let (_, response, refusal) = asked("3.3.0.0", &[PORT, r#"{"ActionType":"Dance"}"#]);
        assert_eq!(statuses(&response), [ACTION_SUCCESS, ACTION_UNSUPPORTED]);
        assert_eq!(refusal, Some(Unsupported::Action { action: "Dance".to_owned() }));
    }

    #[test]
    fn a_session_that_is_not_a_port_session_with_many_streams_is_refused() {
        let session = |parameters: &str| {
            format!(r#"{{"ActionType":"SessionType","ActionParameters":{parameters}}}"#)
        };
        let shell = session(r#"{"SessionType":"Standard_Stream","Properties":null}"#);
        let (_, response, refusal) = asked("3.3.0.0", &[&shell]);
        assert_eq!(statuses(&response), [ACTION_UNSUPPORTED]);
        let session_type = "Standard_Stream".to_owned();
        assert_eq!(refusal, Some(Unsupported::SessionType { session_type }));

        let single = session(r#"{"SessionType":"Port","Properties":{"portNumber":"22"}}"#);
        let (_, _, refusal) = asked("3.3.0.0", &[&single]);
        assert_eq!(refusal, Some(Unsupported::PortKind { kind: String::new() }));

        let (_, _, refusal) = asked("3.3.0.0", &[]);
        assert_eq!(refusal, Some(Unsupported::NoSessionType));
    }

    #[test]
    fn nonsense_and_steps_out_of_turn_are_the_agents_fault() {
        let nonsense = Handshake::default().request(b"{", "1.2.764.0").unwrap_err();
        assert_eq!(nonsense.to_string(), "the handshake request cannot be read");
        let early = Handshake::default().complete(b"{}").unwrap_err();
        assert_eq!(early.to_string(), "the end of the handshake came out of turn");
        let (mut handshake, ..) = asked("3.3.0.0", &[PORT]);
        let twice = handshake.request(b"{}", "1.2.764.0").unwrap_err();
        assert_eq!(twice.to_string(), "the handshake request came out of turn");
    }
}
