//! StartSession, ResumeSession, TerminateSession.

use std::time::Duration;

use bastion_aws::Aws;
use bastion_cloud::{Bastion, Cloud, Kind, Remote, SessionId};
use bastion_sim::{Fault, SimConfig, Timings, What};

use crate::house::{House, PATIENCE, denied, quiet, simple, spec};

fn remote() -> Remote {
    Remote {
        host: "neuraknot-prod-db.cx1simulated.ap-northeast-1.rds.amazonaws.com".to_owned(),
        port: 5432,
    }
}

async fn ready(aws: &Aws) -> Bastion {
    let task = aws.run_task(&spec("token-1")).await.unwrap();
    aws.agent_ready(&task, &quiet, PATIENCE).await.unwrap()
}

#[tokio::test]
async fn a_session_is_asked_for_by_a_target_of_three_parts_and_granted_with_keys() {
    let house = House::new().await;
    let aws = house.aws();
    let bastion = ready(&aws).await;
    let grant = aws.start_session(&bastion, &remote(), PATIENCE).await.unwrap();
    let asked = house.asked("StartSession").pop().unwrap();
    let target =
        format!("ecs:neuraKnot-prod-cluster_{}_{}", bastion.task.short(), bastion.runtime_id);
    assert_eq!(asked["Target"], target.as_str());
    assert_eq!(asked["DocumentName"], "AWS-StartPortForwardingSessionToRemoteHost");
    assert_eq!(asked["Parameters"]["host"][0], remote().host.as_str());
    assert_eq!(asked["Parameters"]["portNumber"][0], "5432");
    assert!(grant.url.starts_with("ws"), "{grant:?}");
    assert_eq!(grant.region, "ap-northeast-1");
    assert_eq!(grant.keys.access_key_id, "AKIASIMULATEDKEY0001");
    assert!(!format!("{grant:?}").contains("simulated/secret"), "{grant:?}");
}

#[tokio::test]
async fn an_agent_that_is_not_connected_yet_is_asked_again_until_it_is() {
    let timings = Timings { connecting_ms: 1_500, ..Timings::default() };
    let house = House::with(SimConfig { timings, ..SimConfig::default() }).await;
    let aws = house.aws();
    let bastion = ready(&aws).await;
    aws.start_session(&bastion, &remote(), PATIENCE).await.unwrap();
    let tries = house.asked("StartSession").len();
    assert!((2..20).contains(&tries), "{tries} tries");
    assert_eq!(house.sim.count("StartSession"), 1);
}

#[tokio::test]
async fn an_agent_that_never_connects_is_told_when_patience_is_over() {
    let house = House::new().await;
    house.fault(Fault::once("RunTask", What::AgentSilent));
    let aws = house.aws();
    let bastion = ready(&aws).await;
    let error = aws.start_session(&bastion, &remote(), Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(error.kind, Kind::NotConnected);
    assert!(house.asked("StartSession").len() > 2);
}

#[tokio::test]
async fn only_not_connected_and_throttled_are_tried_again() {
    let house = House::new().await;
    let aws = house.aws();
    let bastion = ready(&aws).await;
    for (what, kind) in [
        (What::AccessDenied { explicit: true, resource: None }, denied(true)),
        (What::Broken, Kind::Service),
        (What::Reset { after: true }, Kind::Unreachable),
    ] {
        let before = house.asked("StartSession").len();
        house.fault(Fault::on("StartSession", what));
        let error = aws.start_session(&bastion, &remote(), PATIENCE).await.unwrap_err();
        assert_eq!(simple(error.kind), kind);
        assert_eq!(house.asked("StartSession").len() - before, 1, "{kind:?}");
        house.sim.faults().clear();
    }
    house.fault(Fault::on("StartSession", What::Throttled).times(2));
    let started = aws.start_session(&bastion, &remote(), PATIENCE).await;
    // The session whose answer was lost still stands: the agent takes two.
    started.unwrap();
}

#[tokio::test]
async fn a_session_is_resumed_with_a_new_token_and_over_once_it_is_ended() {
    let house = House::new().await;
    let aws = house.aws();
    let bastion = ready(&aws).await;
    let first = aws.start_session(&bastion, &remote(), PATIENCE).await.unwrap();
    let again = aws.resume_session(&first.session).await.unwrap();
    assert_eq!(again.session, first.session);
    assert_ne!(again.token, first.token);
    aws.end_session(&first.session).await.unwrap();
    aws.end_session(&first.session).await.unwrap();
    let error = aws.resume_session(&first.session).await.unwrap_err();
    assert_eq!(error.kind, Kind::SessionOver);
}

#[tokio::test]
async fn a_session_that_nobody_knows_is_over_and_ending_it_is_done() {
    let house = House::new().await;
    let aws = house.aws();
    let unknown = SessionId::new("dev-00000000000000000");
    assert_eq!(aws.resume_session(&unknown).await.unwrap_err().kind, Kind::SessionOver);
    aws.end_session(&unknown).await.unwrap();
}
