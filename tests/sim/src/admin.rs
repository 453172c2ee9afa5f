//! `/_sim/*`: the simulator's own doors, unsigned, for people and for other processes.
//!
//! ```text
//!   GET  health                              the endpoint, how many tasks and calls
//!   GET  calls[?action=StopTask]             what was asked, by whom, how it ended
//!   GET  tasks             POST tasks        every task; one of somebody else's
//!   POST tasks/stop                          {"arn", "code", "reason"}: as AWS itself stops one
//!   GET  bill                                each task's seconds
//!   GET  world             POST world        the account; a JSON merge patch over it
//!   GET  faults            POST, DELETE      the script of what goes wrong with calls
//!   POST held/NAME/release, held/NAME/drop   what becomes of answers that are held
//!   GET  sessions                            data channels, with their counters
//!   GET  sessions/ID/frames                  the latest frames of one
//!   POST sessions/ID                         what befalls it: {"kind": "cut_client"}, …; ID `*`: all that live
//!   GET  gateway           POST gateway      how the gateway and its agents behave; a JSON merge patch over it
//!   POST services/CLUSTER/SERVICE/replace    a new deployment
//! ```

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::ForeignTask;
use crate::faults::Fault;
use crate::gateway::{FrameRecord, GatewaySettings, Mishap};
use crate::realm::Realm;
use crate::record::Call;
use crate::tasks::StopWish;
use crate::{api, bill};

/// The routes below `/_sim`.
pub(crate) fn router(realm: Realm) -> Router<Realm> {
    Router::new()
        .route("/health", get(health))
        .route("/calls", get(calls))
        .route("/tasks", get(tasks).post(start_foreign))
        .route("/tasks/stop", post(stop_task))
        .route("/sessions", get(sessions))
        .route("/sessions/{id}", post(befall))
        .route("/sessions/{id}/frames", get(frames))
        .route("/gateway", get(gateway).post(patch_gateway))
        .route("/bill", get(charges))
        .route("/world", get(world).post(patch_world))
        .route("/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/held/{name}/release", post(release))
        .route("/held/{name}/drop", post(drop_held))
        .route("/services/{cluster}/{service}/replace", post(replace))
        .with_state(realm)
}

async fn health(State(realm): State<Realm>) -> Json<Value> {
    Json(
        json!({ "endpoint": realm.endpoint(), "tasks": realm.tasks().all().len(), "calls": realm.record().calls().len() }),
    )
}

#[derive(Debug, Deserialize)]
struct Which {
    action: Option<String>,
}

async fn calls(State(realm): State<Realm>, Query(which): Query<Which>) -> Json<Vec<Call>> {
    let fits = |call: &Call| which.action.as_ref().is_none_or(|action| *action == call.action);
    Json(realm.record().calls().into_iter().filter(fits).collect())
}

async fn tasks(State(realm): State<Realm>) -> Json<Vec<crate::TaskView>> {
    Json(realm.tasks().all())
}

async fn sessions(State(realm): State<Realm>) -> Json<Vec<crate::gateway::SessionView>> {
    Json(realm.gateway().sessions())
}

async fn start_foreign(
    State(realm): State<Realm>,
    Json(wanted): Json<ForeignTask>,
) -> Result<Json<Value>, StatusCode> {
    let arn = api::start_foreign_task(&realm, wanted).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(json!({ "arn": arn })))
}

#[derive(Debug, Deserialize)]
struct Stop {
    arn: String,
    code: String,
    reason: String,
}

async fn stop_task(State(realm): State<Realm>, Json(stop): Json<Stop>) -> StatusCode {
    let wish = StopWish { code: stop.code, reason: stop.reason };
    found(realm.tasks().wish(&stop.arn, wish))
}

async fn befall(
    State(realm): State<Realm>,
    Path(id): Path<String>,
    Json(mishap): Json<Mishap>,
) -> StatusCode {
    match &*id {
        "*" => found(realm.gateway().befall_all(&mishap) > 0),
        id => found(realm.gateway().befall(id, mishap)),
    }
}

async fn frames(State(realm): State<Realm>, Path(id): Path<String>) -> Json<Vec<FrameRecord>> {
    Json(realm.gateway().record(&id))
}

async fn gateway(State(realm): State<Realm>) -> Json<GatewaySettings> {
    Json(realm.gateway().settings())
}

async fn patch_gateway(
    State(realm): State<Realm>,
    Json(patch): Json<Value>,
) -> Result<StatusCode, (StatusCode, String)> {
    let patched = realm.gateway().settings().patched(patch);
    let patched = patched.map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    realm.gateway().alter(|settings| *settings = patched);
    Ok(StatusCode::NO_CONTENT)
}

fn found(it_was: bool) -> StatusCode {
    if it_was { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn charges(State(realm): State<Realm>) -> Json<Vec<crate::Charge>> {
    Json(bill::bill(&realm))
}

async fn world(State(realm): State<Realm>) -> Json<crate::world::World> {
    Json(realm.world(|world| world.clone()))
}

async fn patch_world(
    State(realm): State<Realm>,
    Json(patch): Json<Value>,
) -> Result<StatusCode, (StatusCode, String)> {
    let patched = realm.world(|world| {
        *world = world.patched(patch)?;
        Ok(())
    });
    patched.map_err(|error: serde_json::Error| {
        (StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    })?;
    realm.touch();
    Ok(StatusCode::NO_CONTENT)
}

async fn faults(State(realm): State<Realm>) -> Json<Vec<Fault>> {
    Json(realm.faults().standing())
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Fault>),
    One(Box<Fault>),
}

async fn add_faults(State(realm): State<Realm>, Json(new): Json<OneOrMany>) -> StatusCode {
    match new {
        OneOrMany::Many(many) => many.into_iter().for_each(|fault| realm.faults().add(fault)),
        OneOrMany::One(one) => realm.faults().add(*one),
    }
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(realm): State<Realm>) -> StatusCode {
    realm.faults().clear();
    StatusCode::NO_CONTENT
}

async fn release(State(realm): State<Realm>, Path(name): Path<String>) -> StatusCode {
    realm.faults().release(&name);
    StatusCode::NO_CONTENT
}

async fn drop_held(State(realm): State<Realm>, Path(name): Path<String>) -> StatusCode {
    realm.faults().drop_held(&name);
    StatusCode::NO_CONTENT
}

async fn replace(
    State(realm): State<Realm>,
    Path((cluster, service)): Path<(String, String)>,
) -> StatusCode {
    found(api::replace_service_task(&realm, &cluster, &service))
}
