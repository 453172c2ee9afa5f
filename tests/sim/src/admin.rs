//! `/_sim/*`: the simulator's own doors, unsigned, for people and for other processes.

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::realm::Realm;
use crate::record::Call;
use crate::{api, bill};

/// The routes below `/_sim`.
pub(crate) fn router(realm: Realm) -> Router<Realm> {
    Router::new()
        .route("/health", get(health))
        .route("/calls", get(calls))
        .route("/tasks", get(tasks))
        .route("/sessions", get(sessions))
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
    if api::replace_service_task(&realm, &cluster, &service) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}
