//! Sessions as SSM tells of them: which targets take one, and what becomes of it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod asking;

use asking::{
    Asker, CLUSTER, LIMIT, start, start_with, target, task, until_connected, until_status,
};
use bastion_sim::{Fault, Sim, SimConfig, Status, What};
use serde_json::{Value, json};

const DOCUMENT: &str = "AWS-StartPortForwardingSessionToRemoteHost";

fn start_body(target: &str) -> Value {
    json!({
        "Target": target,
        "DocumentName": DOCUMENT,
        "Parameters": { "host": ["db.internal"], "portNumber": ["5432"], "localPortNumber": ["15432"] },
    })
}

async fn ready() -> (Sim, Asker, String) {
    let (sim, asker) = start().await;
    let arn = asker.task().await;
    until_connected(&sim, &arn).await;
    (sim, asker, arn)
}

async fn session(sim: &Sim, asker: &Asker, arn: &str) -> String {
    let reply = asker.ssm("StartSession", start_body(&target(sim, arn))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["SessionId"].as_str().unwrap().to_owned()
}

async fn ended(sim: &Sim, id: &str) -> bool {
    sim.gateway().until(LIMIT, id, |session| session.ended.is_some()).await
}

#[tokio::test]
async fn a_session_gets_an_id_a_token_and_a_stream_on_this_port() {
    let (sim, asker, arn) = ready().await;
    let reply = asker.ssm("StartSession", start_body(&target(&sim, &arn))).await.json();
    let id = reply["SessionId"].as_str().unwrap();
    assert!(id.starts_with("dev-0") && id.len() == "dev-".len() + 17, "{id}");
    let host = sim.endpoint().replace("http://", "ws://");
    let url = format!("{host}/v1/data-channel/{id}?role=publish_subscribe");
    assert_eq!(reply["StreamUrl"], json!(url));
    let token = reply["TokenValue"].as_str().unwrap();
    assert!(!token.is_empty() && token.len() <= 300, "{token}");
    assert!(
        sim.gateway().until(LIMIT, id, |session| session.agent).await,
        "a real worker opens the agent's side"
    );
}

#[tokio::test]
async fn a_target_must_match_whole() {
    let (sim, asker, arn) = ready().await;
    let whole = target(&sim, &arn);
    let id = task(&sim, &arn).id;
    let injected = task(&sim, &arn).containers[0].runtime_id.clone();
    for wrong in [
        format!("ecs:{CLUSTER}_{id}"),
        format!("{whole}0"),
        whole.replace("ecs:", ""),
        format!("ecs:dev-cluster_{}", whole.split_once('_').unwrap().1),
        format!("ecs:{CLUSTER}_{id}_{injected}"),
    ] {
        let reply = asker.ssm("StartSession", start_body(&wrong)).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "TargetNotConnected"), "{wrong}");
        assert_eq!(reply.text(), format!("{wrong} is not connected."));
        let status = asker.ssm("GetConnectionStatus", json!({ "Target": wrong })).await.json();
        assert_eq!(status["Status"], "notconnected");
    }
    let status = asker.ssm("GetConnectionStatus", json!({ "Target": whole })).await.json();
    assert_eq!(status, json!({ "Target": whole, "Status": "connected" }));
}

#[tokio::test]
async fn a_running_agent_is_not_yet_a_connected_one() {
    let mut config = SimConfig::default();
    config.timings.connecting_ms = 600_000;
    let (sim, asker) = start_with(config).await;
    let arn = asker.task().await;
    let running =
        |sim: &Sim| task(sim, &arn).container("proxy").unwrap().agent.as_deref() == Some("RUNNING");
    assert!(sim.until(LIMIT, running).await);
    let reply = asker.ssm("StartSession", start_body(&target(&sim, &arn))).await;
    assert_eq!(reply.code(), "TargetNotConnected");
}

#[tokio::test]
async fn documents_and_parameters_are_checked() {
    let (sim, asker, arn) = ready().await;
    let refused = async |change: &dyn Fn(&mut Value)| {
        let mut body = start_body(&target(&sim, &arn));
        change(&mut body);
        asker.ssm("StartSession", body).await.code()
    };
    assert_eq!(
        refused(&|body| body["DocumentName"] = json!("no-such-document")).await,
        "InvalidDocument"
    );
    assert_eq!(
        refused(&|body| body["Parameters"]["prot"] = json!(["1"])).await,
        "InvalidParameters"
    );
    assert_eq!(
        refused(&|body| body["Parameters"]["host"] = json!([""])).await,
        "InvalidParameters"
    );
    assert_eq!(
        refused(&|body| body["Parameters"]["portNumber"] = json!(["0"])).await,
        "InvalidParameters"
    );
    assert_eq!(
        refused(&|body| body["Parameters"]["portNumber"] = json!(["65536"])).await,
        "InvalidParameters"
    );
    assert_eq!(
        refused(&|body| body["Target"] = json!("x".repeat(401))).await,
        "ValidationException"
    );
    let by_arn = "arn:aws:ssm:ap-northeast-1::document/AWS-StartPortForwardingSessionToRemoteHost";
    assert_eq!(refused(&|body| body["DocumentName"] = json!(by_arn)).await, "");
}

#[tokio::test]
async fn a_session_is_resumed_with_another_token_until_it_is_over() {
    let (sim, asker, arn) = ready().await;
    let id = session(&sim, &asker, &arn).await;
    let first = asker.ssm("ResumeSession", json!({ "SessionId": id })).await.json();
    let second = asker.ssm("ResumeSession", json!({ "SessionId": id })).await.json();
    assert!(first["TokenValue"].is_string() && first["TokenValue"] != second["TokenValue"]);
    assert_eq!(
        asker.ssm("TerminateSession", json!({ "SessionId": id })).await.json()["SessionId"],
        json!(id)
    );
    assert!(ended(&sim, &id).await);
    let over = asker.ssm("ResumeSession", json!({ "SessionId": id })).await;
    assert_eq!(
        (over.status, over.json()),
        (200, json!({ "SessionId": id })),
        "no token: it is over"
    );
    let again = asker.ssm("TerminateSession", json!({ "SessionId": id })).await;
    assert_eq!(again.status, 200, "ending twice is no fault");
    let unknown = asker.ssm("ResumeSession", json!({ "SessionId": "dev-0" })).await;
    assert_eq!(unknown.code(), "DoesNotExistException");
}

#[tokio::test]
async fn nobody_resumes_or_ends_the_session_of_another() {
    let (sim, asker, arn) = ready().await;
    let id = session(&sim, &asker, &arn).await;
    let mut other = asker.clone();
    other.key.access_key_id = "AKIASIMULATEDKEY0002".to_owned();
    other.key.user = "other".to_owned();
    sim.keys(|keys| keys.push(other.key.clone()));
    for action in ["ResumeSession", "TerminateSession"] {
        let reply = other.ssm(action, json!({ "SessionId": id })).await;
        assert_eq!(reply.code(), "AccessDeniedException", "{action}");
    }
    assert!(sim.gateway().session(&id).unwrap().ended.is_none());
}

#[tokio::test]
async fn sessions_are_described_while_active_and_after() {
    let (sim, asker, arn) = ready().await;
    let id = session(&sim, &asker, &arn).await;
    let other = session(&sim, &asker, &arn).await;
    let describe = async |state: &str, filters: Value| {
        let body = json!({ "State": state, "Filters": filters });
        let reply = asker.ssm("DescribeSessions", body).await.json();
        let ids = reply["Sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["SessionId"].as_str().unwrap().to_owned());
        ids.collect::<Vec<String>>()
    };
    assert_eq!(describe("Active", json!([])).await.len(), 2);
    let by_target = json!([{ "key": "Target", "value": target(&sim, &arn) }]);
    assert_eq!(describe("Active", by_target).await.len(), 2);
    assert_eq!(
        describe("Active", json!([{ "key": "SessionId", "value": id }])).await,
        std::slice::from_ref(&id)
    );
    assert!(describe("Active", json!([{ "key": "Owner", "value": "else" }])).await.is_empty());
    asker.ssm("TerminateSession", json!({ "SessionId": id })).await;
    assert_eq!(describe("Active", json!([])).await, [other]);
    assert_eq!(describe("History", json!([])).await, [id]);
    let unknown = json!({ "State": "Active", "Filters": [{ "key": "Colour", "value": "red" }] });
    assert_eq!(asker.ssm("DescribeSessions", unknown).await.code(), "InvalidFilterKey");
}

#[tokio::test]
async fn a_tasks_end_ends_its_sessions() {
    let (sim, asker, arn) = ready().await;
    let id = session(&sim, &asker, &arn).await;
    asker.ecs("StopTask", json!({ "cluster": CLUSTER, "task": arn })).await;
    assert!(ended(&sim, &id).await);
    until_status(&sim, &arn, Status::Stopped).await;
    let reply = asker.ssm("StartSession", start_body(&target(&sim, &arn))).await;
    assert_eq!(reply.code(), "TargetNotConnected");
}

#[tokio::test]
async fn an_upgrade_can_be_refused_by_script() {
    let (sim, asker, arn) = ready().await;
    let id = session(&sim, &asker, &arn).await;
    let denied = What::AccessDenied { explicit: true, resource: None };
    sim.faults().add(Fault::once("OpenDataChannel", denied));
    let path = format!("/v1/data-channel/{id}?role=publish_subscribe");
    let signed = asker.signature("GET", &path, "ssmmessages", &[], "");
    let reply = asker.send("GET", &path, &signed, "").await.unwrap();
    assert_eq!(reply.status, 403);
    assert!(reply.body.contains("ssmmessages:OpenDataChannel with an explicit deny"), "{reply:?}");
    let reply = asker.send("GET", &path, &signed, "").await.unwrap();
    assert_eq!(reply.status, 426, "let in, but it asks for no websocket");
}
