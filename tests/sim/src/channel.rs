//! The gateway as this account has it: its settings from the config, its upgrades judged, recorded and scripted like calls.

use std::time::Duration;

use http::StatusCode;
use http::request::Parts;

use crate::agent::AgentSettings;
use crate::api::AwsError;
use crate::clock::Clock;
use crate::config::SimConfig;
use crate::faults::What;
use crate::gateway::{Gateway, GatewaySettings, Refused, WireSettings};
use crate::realm::{Owner, Realm};
use crate::record::{Call, Outcome};
use crate::sigv4::{Verifier, claimed_key};
use crate::{guard, interfere};

/// The gateway of an account.
pub(crate) fn gateway(config: &SimConfig, endpoint: &str, owner: Owner) -> Gateway {
    let verify = Box::new(move |parts: &Parts| match owner.realm() {
        Some(realm) => open_data_channel(&realm, parts),
        // The account has ended, and everything in it.
        None => Err(Refused { status: StatusCode::SERVICE_UNAVAILABLE, body: String::new() }),
    });
    Gateway::new(endpoint, settings(config), verify)
}

/// Judges one upgrade, as the call `OpenDataChannel` of the service `ssmmessages`.
fn open_data_channel(realm: &Realm, parts: &Parts) -> Result<(), Refused> {
    let met = realm.faults().meet(SERVICE, ACTION);
    let number = realm.record().begin(Call {
        number: 0,
        at_ms: realm.clock().unix_ms(),
        service: SERVICE.to_owned(),
        action: ACTION.to_owned(),
        parameters: serde_json::json!({ "path": parts.uri.path() }),
        access_key: claimed_key(parts),
        request_id: uuid::Uuid::new_v4().to_string(),
        fault: met.first().map(|what| what.kind().to_owned()),
        outcome: Outcome::Pending,
        answered: true,
    });
    let judged = judge(realm, parts, &met);
    let outcome = match &judged {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Refused { status: error.status, code: error.code.clone() },
    };
    realm.record().amend(number, |call| call.outcome = outcome);
    realm.touch();
    judged.map_err(|error| Refused {
        status: StatusCode::from_u16(error.status).unwrap_or(StatusCode::FORBIDDEN),
        body: serde_json::json!({ "__type": error.code, "message": error.message }).to_string(),
    })
}

fn judge(realm: &Realm, parts: &Parts, met: &[What]) -> Result<(), AwsError> {
    let now_ms = realm.clock().unix_ms() + interfere::skew_ms(met);
    // An API gateway refuses who is not known, whatever the reason, with 403.
    let forbidden = |error: AwsError| AwsError { status: 403, ..error };
    let caller =
        Verifier::new(realm.clone()).verify_at(parts, b"", SERVICE, now_ms).map_err(forbidden)?;
    for what in met {
        match what {
            What::AccessDenied { explicit, .. } => {
                return Err(interfere::denied_channel(&caller, *explicit, None));
            }
            What::Expired => {
                return Err(AwsError::status(
                    403,
                    "ExpiredTokenException",
                    "The security token included in the request is expired",
                ));
            }
            What::Throttled => {
                return Err(AwsError::status(429, "ThrottlingException", "Rate exceeded"));
            }
            What::Refused { status, code, message } => {
                return Err(AwsError::status(*status, code, message));
            }
            What::Broken | What::Garbled => {
                return Err(AwsError::status(500, "InternalServerError", ""));
            }
            What::NoCapacity
            | What::Failure { .. }
            | What::TaskDies { .. }
            | What::ImagePull
            | What::AgentNever
            | What::AgentSilent
            | What::AgentStopped { .. }
            | What::ExecOff
            | What::Held { .. }
            | What::Slow { .. }
            | What::Reset { .. }
            | What::Skewed { .. } => {}
        }
    }
    let session = parts.uri.path().rsplit('/').next().unwrap_or_default();
    guard::channel_refusal(realm, &caller, session).map_or(Ok(()), Err)
}

fn settings(config: &SimConfig) -> GatewaySettings {
    let session = &config.session;
    let clock = Clock::new(0, config.speed);
    let real = |ms: u64| clock.real(Duration::from_millis(ms));
    let wire = WireSettings {
        delay: Duration::from_millis(session.delay_ms),
        loss: session.loss,
        rate: (session.rate_bytes_per_second > 0).then_some(session.rate_bytes_per_second),
        ..WireSettings::default()
    };
    let mut agent =
        AgentSettings { version: session.agent_version.clone(), ..AgentSettings::default() };
    if !session.pacing {
        agent.pause = Duration::ZERO;
    }
    GatewaySettings {
        session_idle: real(session.idle_ms),
        bye_every: (session.bye_every_ms > 0).then(|| real(session.bye_every_ms)),
        sessions_per_container: session.workers_limit,
        up: wire,
        down: wire,
        agent,
        hosts: config.hosts.clone(),
        ..GatewaySettings::default()
    }
}

const SERVICE: &str = "ssmmessages";
const ACTION: &str = "OpenDataChannel";
