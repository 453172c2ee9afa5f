use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener as StdListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::http::{Method, Request, StatusCode};
use bastion_api::{ErrorBody, Info, ProofKind, TlsKnown};
use bastion_aws::{Aws, AwsSurvey, Settings};
use bastion_cloud::Cloud;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::{CloudMaker, Desk, Pair, Running, Surveyor, peer, reload, router};
use crate::clock::Clock;
use crate::config::{self, Config, Target};
use crate::events::Events;
use crate::host;
use crate::keeper::{Keeper, Parts};
use crate::ledger::Ledger;
use crate::listen::peer::Finder;
use crate::listen::{Engines, House, Listeners, Opening, Roster};
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
        (Method::POST, "/v1/forward", "{}", StatusCode::BAD_REQUEST),
        (
            Method::POST,
            "/v1/forward",
            r#"{"site":"nowhere","host":"db","local_port":3306}"#,
            StatusCode::BAD_REQUEST,
        ),
        (Method::GET, "/v1/targets/%ff/password", "", StatusCode::BAD_REQUEST),
        (Method::GET, "/v1/targets/db/password", "", StatusCode::NOT_FOUND),
        (Method::GET, "/v1/targets/db/token", "", StatusCode::BAD_REQUEST),
        (Method::GET, "/v1/targets/nobody/token?user=amy", "", StatusCode::NOT_FOUND),
        (Method::GET, "/v1/info?targets=db,nobody", "", StatusCode::NOT_FOUND),
        (Method::GET, "/v1/info?accounts=maybe", "", StatusCode::BAD_REQUEST),
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

#[tokio::test]
async fn a_faulty_config_changes_nothing_and_all_of_its_faults_are_told() {
    let state = tempfile::tempdir().unwrap();
    let desk = desk(state.path(), &target("db", 0, ""));
    let file = desk.running.now().config.path.clone().unwrap();
    let faults: String = (1..=10).map(|n| format!("[target.t{n}]\nsite = \"nowhere\"\n")).collect();
    fs::write(&file, format!("{SITE}{faults}")).unwrap();
    let answer = reload::again(&desk).await;
    let at_fault: BTreeSet<_> =
        answer.faults.iter().filter_map(|fault| fault.key.split('.').nth(1)).collect();
    assert_eq!((answer.ok, at_fault.len()), (false, 10), "{answer:#?}");
    assert_eq!(answer.unchanged, ["db"]);
    assert!(desk.target("db").is_ok() && desk.target("t1").is_err());
    let (events, _) = desk.house.events.since(0);
    let problem = events.last().unwrap().problem.clone().unwrap();
    assert!(problem.causes.len() >= 10, "{problem:#?}");
}

#[tokio::test]
async fn listeners_open_and_close_as_the_config_says_and_the_others_stay() {
    let state = tempfile::tempdir().unwrap();
    let [stays, goes, comes] = free_ports();
    let both = target("stays", stays, "") + &target("goes", goes, "");
    let desk = desk(state.path(), &both);
    for (target, cloud) in &desk.running.now().targets {
        desk.listeners.open(target, cloud, &desk.opening);
    }
    let mut visit = TcpStream::connect(("127.0.0.1", stays)).await.unwrap();
    // The port of the one that goes is taken over by another name, and the one that stays gets a second one.
    let file = desk.running.now().config.path.clone().unwrap();
    let other = target("stays", stays, "allow = [\"any\"]\n")
        .replace(&format!("listen = {stays}"), &format!("listen = [{stays}, {comes}]"))
        + &target("another", goes, "");
    fs::write(&file, format!("{SITE}{other}")).unwrap();
    let answer = reload::again(&desk).await;
    assert!(answer.ok, "{answer:#?}");
    assert_eq!((&answer.added[..], answer.dropped.len()), (&["another".to_owned()][..], 1));
    assert_eq!(answer.altered[0].keys, ["listen", "allow"]);
    assert!(desk.listeners.addresses("goes").is_empty());
    for (name, port) in [("stays", stays), ("stays", comes), ("another", goes)] {
        let address = format!("127.0.0.1:{port}");
        assert!(desk.listeners.addresses(name).contains(&address), "{name}");
        TcpStream::connect(&address).await.unwrap();
    }
    assert_eq!(desk.listeners.problems("another"), []);
    // The visit that was there has not been closed.
    let read = tokio::time::timeout(Duration::from_millis(50), visit.read_u8()).await;
    assert!(read.is_err(), "{read:?}");
    desk.tasks.join(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_ledger_is_read_by_what_the_query_names() {
    let state = tempfile::tempdir().unwrap();
    let desk = desk(state.path(), &target("db", 0, ""));
    let router = routed(desk);
    for (path, status) in [
        ("/v1/cost", StatusCode::OK),
        ("/v1/audit?since=2026-01-01T00:00:00Z&by=day", StatusCode::OK),
        ("/v1/cost?since=yesterday", StatusCode::BAD_REQUEST),
        ("/v1/audit?by=moon", StatusCode::BAD_REQUEST),
    ] {
        let (told, text) = call(router.clone(), Method::GET, path, String::new()).await;
        assert_eq!(told, status, "{path}: {text}");
    }
}

#[tokio::test]
async fn what_a_client_has_to_know_of_a_plain_host_needs_no_aws() {
    let state = tempfile::tempdir().unwrap();
    let more = "user = \"amy\"\ndanger = true\npassword = { iam = true }\n";
    let both = target("db", 15432, more) + &target("other", 15433, "");
    let router = routed(desk(state.path(), &both));
    fs::write(state.path().join("rds-global-bundle.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
    let (status, text) =
        call(router, Method::GET, "/v1/info?targets=other,db", String::new()).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let info: Info = serde_json::from_str(&text).unwrap();
    let roots = state.path().join("authority/roots.pem").display().to_string();
    assert_eq!(info.roots.file, Some(roots));
    let [other, db] = &info.targets[..] else { panic!("{text}") };
    assert_eq!((other.target.name.as_str(), other.target.danger), ("other", false));
    assert_eq!((other.proof, other.tls), (ProofKind::Unsaid, TlsKnown::Unknown));
    assert!(db.target.danger);
    assert_eq!((db.proof, db.tls), (ProofKind::Iam, TlsKnown::Spoken));
    assert_eq!((db.remote_host.as_deref(), db.remote_port), (Some("db.internal"), Some(5432)));
    assert_eq!((&db.account, &db.problem), (&None, &None));
}

const SITE: &str = "[site.s]\nregion = \"eu-west-1\"\ncluster = \"c\"\ntask_definition = \"t\"\n\
    subnets = [\"subnet-0123456789abcdef0\"]\nsecurity_groups = [\"sg-0123456789abcdef0\"]\n";

/// A target on this port; on some other one where it is 0.
fn target(name: &str, port: u16, more: &str) -> String {
    let port = if port == 0 { 15432 } else { port };
    format!(
        "[target.{name}]\nsite = \"s\"\nhost = \"db.internal\"\nport = 5432\nlisten = {port}\n{more}"
    )
}

fn free_ports<const N: usize>() -> [u16; N] {
    let sockets = std::array::from_fn::<_, N, _>(|_| StdListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

/// The calls of a daemon of one target.
fn calls(state: &Path) -> Router {
    routed(desk(state, &target("db", 0, "")))
}

fn routed(desk: Desk) -> Router {
    let us = peer::Peer { uid: Some(host::uid()) };
    router(desk).layer(MockConnectInfo(us))
}

/// A daemon of these targets that listens nowhere yet, and has no AWS.
fn desk(state: &Path, targets: &str) -> Desk {
    let file = state.join("config.toml");
    fs::write(&file, format!("{SITE}{targets}")).unwrap();
    let config = config::load(Some(&file)).unwrap();
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
        authority: Arc::new(crate::listen::authority::Authority::new(state)),
        finder: Finder::new().0,
        events,
        clock,
        uid: host::uid(),
        curfew: tasks.stop_token(),
    };
    let opening = Opening {
        house: house.clone(),
        state_dir: state.to_owned(),
        tasks: tasks.clone(),
        closing: tasks.stop_token(),
    };
    let make = |config: &Config, _: &[Pair]| {
        let with_cloud = |target: &Target| {
            let cloud: Arc<dyn Cloud> = Arc::new(Aws::new(target.site.clone()));
            (Arc::new(target.clone()), cloud)
        };
        config.targets.iter().map(with_cloud).collect()
    };
    let targets = make(&config, &[]);
    Desk {
        running: Running::new(config, targets),
        clouds: CloudMaker::new(make),
        surveyor: Surveyor::new(|_, profile, region| {
            Arc::new(AwsSurvey::new(profile, region, Settings::default()))
        }),
        reloading: Arc::default(),
        house,
        listeners: Listeners::default(),
        opening,
        tasks,
        started_at,
    }
}

async fn call(router: Router, method: Method, path: &str, body: String) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
