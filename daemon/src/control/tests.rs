use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::http::{Method, Request, StatusCode};
use bastion_api::ErrorBody;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Desk, peer, router};
use crate::clock::Clock;
use crate::config;
use crate::events::Events;
use crate::host;
use crate::keeper::{Keeper, Parts};
use crate::ledger::Ledger;
use crate::listen::peer::Finder;
use crate::listen::{Engines, House, Listeners, Roster};
use crate::tasks::Tasks;
use crate::tunnels::{self, Tunnels};

#[tokio::test]
async fn whatever_is_wrong_with_a_call_is_told_as_a_problem() {
    let wrong = [
        (Method::GET, "/v1/nothing", "", StatusCode::NOT_FOUND),
        (Method::GET, "/v1/targets/db/close", "", StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, "/v1/status", "", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/v1/events?since=yesterday", "", StatusCode::BAD_REQUEST),
        (Method::GET, "/v1/events?target=nobody", "", StatusCode::NOT_FOUND),
        (Method::POST, "/v1/targets/db/open", "{", StatusCode::BAD_REQUEST),
        (
            Method::POST,
            "/v1/targets/db/open",
            r#"{"hold_seconds":18446744073709551615}"#,
            StatusCode::BAD_REQUEST,
        ),
        (Method::POST, "/v1/targets/nobody/open", "", StatusCode::NOT_FOUND),
        (Method::GET, "/v1/targets/%ff/password", "", StatusCode::BAD_REQUEST),
    ];
    let state = tempfile::tempdir().unwrap();
    for (method, path, body, expected) in wrong {
        let (status, text) = call(calls(state.path()), method.clone(), path, body.to_owned()).await;
        assert_eq!(status, expected, "{method} {path}: {text}");
        let told: Result<ErrorBody, _> = serde_json::from_str(&text);
        assert!(told.is_ok_and(|told| told.problem.code == "D32"), "{method} {path}: {text}");
        assert!(text.ends_with("}\n"), "curl shows it as it is: {text}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let body = " ".repeat(super::BODY_MOST + 1);
    let (status, text) =
        call(calls(state.path()), Method::POST, "/v1/targets/db/close", body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
}

/// The calls of a daemon of one target.
fn calls(state: &Path) -> Router {
    let text = "[site.s]\nregion = \"eu-west-1\"\ncluster = \"c\"\ntask_definition = \"t\"\n\
                subnets = [\"subnet-0123456789abcdef0\"]\nsecurity_groups = [\"sg-0123456789abcdef0\"]\n\
                [target.db]\nsite = \"s\"\nhost = \"db.internal\"\nport = 5432\nlisten = 15432\n";
    let config = config::parse(Path::new("config.toml"), text).unwrap();
    let (clock, tasks) = (Clock::machine(), Tasks::new());
    let events = Events::new(clock.clone());
    let tunnels = Tunnels::new(tunnels::Parts::new(tasks.clone(), clock.clone(), events.clone()));
    // Nobody runs it: no call here gets so far.
    let (keeper, _) = Keeper::new(Parts::example(state));
    let started_at = clock.calendar();
    let house = House {
        keeper,
        tunnels,
        roster: Roster::default(),
        engines: Engines::remembered(state),
        ledger: Ledger::open(state, clock.clone()).unwrap(),
        finder: Finder::new().0,
        events,
        clock,
        uid: host::uid(),
        curfew: CancellationToken::new(),
    };
    let desk = Desk {
        config: Arc::new(config),
        clouds: Arc::new(BTreeMap::new()),
        house,
        listeners: Listeners::default(),
        tasks,
        started_at,
    };
    let us = peer::Peer { uid: Some(host::uid()) };
    router(desk).layer(MockConnectInfo(us))
}

async fn call(router: Router, method: Method, path: &str, body: String) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
