//! Everything that the script can make go wrong, as the caller sees it.

mod asking;

use std::time::{Duration, Instant};

use asking::{CLUSTER, LIMIT, start, start_with, target, task, until_connected, until_status};
use bastion_sim::{Fault, Outcome, SimConfig, Stage, Status, What};
use serde_json::{Value, json};

#[tokio::test]
async fn throttling_denial_and_breakage_come_in_each_services_words() {
    let (sim, asker) = start().await;
    let ask = async |what: What| {
        sim.faults().clear();
        sim.faults().add(Fault::always(what));
        let json = asker.ecs("DescribeClusters", json!({})).await;
        let query = asker.rds("DescribeDBInstances", &[]).await;
        let ec2 = asker.ec2("DescribeVpcs", &[]).await;
        [json, query, ec2]
    };
    let codes = |replies: &[asking::Reply; 3]| -> Vec<(u16, String)> {
        replies.iter().map(|reply| (reply.status, reply.code())).collect()
    };
    let of =
        |wanted: [(u16, &str); 3]| wanted.map(|(status, code)| (status, code.to_owned())).to_vec();
    let throttled = ask(What::Throttled).await;
    assert_eq!(
        codes(&throttled),
        of([(400, "ThrottlingException"), (400, "Throttling"), (503, "RequestLimitExceeded")])
    );
    let denied =
        ask(What::AccessDenied { explicit: false, resource: Some("arn:x".to_owned()) }).await;
    assert_eq!(
        codes(&denied),
        of([(400, "AccessDeniedException"), (403, "AccessDenied"), (403, "UnauthorizedOperation")])
    );
    assert_eq!(
        denied[0].text(),
        "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: ecs:DescribeClusters on resource: \
         arn:x because no identity-based policy allows the ecs:DescribeClusters action"
    );
    let explicit = ask(What::AccessDenied { explicit: true, resource: None }).await;
    assert!(
        explicit[1].text().ends_with("with an explicit deny in an identity-based policy"),
        "{explicit:?}"
    );
    let expired = ask(What::Expired).await;
    assert_eq!(
        codes(&expired),
        of([(400, "ExpiredTokenException"), (403, "ExpiredToken"), (400, "RequestExpired")])
    );
    let broken = ask(What::Broken).await;
    assert_eq!(
        codes(&broken),
        of([(500, "ServerException"), (500, "InternalFailure"), (500, "InternalError")])
    );
    let refused = What::Refused {
        status: 400,
        code: "BlockedException".to_owned(),
        message: "no".to_owned(),
    };
    assert_eq!(ask(refused).await[0].code(), "BlockedException");
    let garbled = ask(What::Garbled).await;
    assert!(garbled.iter().all(|reply| reply.status == 503 && reply.body.starts_with("<html>")));
}

#[tokio::test]
async fn a_fault_meets_the_calls_it_is_meant_for() {
    let (sim, asker) = start().await;
    sim.faults().add(Fault::on("ListTasks", What::Throttled).of("ecs").after(1).times(2));
    let ask = || asker.ecs("ListTasks", json!({ "cluster": CLUSTER }));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask().await.status);
    }
    assert_eq!(statuses, [200, 400, 400, 200]);
    assert!(sim.faults().standing().is_empty());
    assert_eq!(asker.ecs("DescribeClusters", json!({})).await.status, 200);
    let met: Vec<Option<String>> = sim.calls().into_iter().map(|call| call.fault).collect();
    assert_eq!(met, [None, Some("throttled".to_owned()), Some("throttled".to_owned()), None, None]);
}

#[tokio::test]
async fn no_capacity_is_an_error_or_a_failure_in_a_200() {
    let (sim, asker) = start().await;
    sim.faults().add(Fault::once("RunTask", What::NoCapacity));
    let refused = asker.run_task(json!({})).await;
    assert_eq!(refused.code(), "ClientException");
    assert!(refused.text().starts_with("Capacity is unavailable at this time."));
    sim.faults().add(Fault::once(
        "RunTask",
        What::Failure { reason: "RESOURCE:ENI".to_owned(), detail: None },
    ));
    let failed = asker.run_task(json!({ "clientToken": "t" })).await;
    assert_eq!((failed.status, &failed.json()["tasks"]), (200, &json!([])));
    assert_eq!(failed.json()["failures"][0]["reason"], "RESOURCE:ENI");
    assert_eq!((sim.count("RunTask"), sim.running()), (0, 0));
    assert_eq!(sim.calls().last().unwrap().outcome, Outcome::Failures);
    asker.run_task(json!({ "clientToken": "t" })).await;
    assert_eq!(sim.running(), 1, "a failure uses no token up");
}

#[tokio::test]
async fn a_task_dies_at_each_stage_with_the_reason_given() {
    for stage in [Stage::Provisioning, Stage::Pending, Stage::Running, Stage::Connected] {
        let (sim, asker) = start().await;
        sim.faults().add(Fault::once(
            "RunTask",
            What::TaskDies {
                stage,
                stop_code: "TaskFailedToStart".to_owned(),
                reason: "Timeout waiting for network interface provisioning to complete."
                    .to_owned(),
                container_reason: Some(
                    "OutOfMemoryError: Container killed due to memory usage".to_owned(),
                ),
                exit_code: Some(137),
            },
        ));
        let arn = asker.task().await;
        until_status(&sim, &arn, Status::Stopped).await;
        let dead = task(&sim, &arn);
        assert_eq!(dead.stop_code.as_deref(), Some("TaskFailedToStart"));
        assert!(
            dead.stopped_reason
                .as_deref()
                .is_some_and(|reason| reason.starts_with("Timeout waiting"))
        );
        let own = dead.container("proxy").unwrap();
        assert_eq!(own.exit_code, Some(137));
        assert!(own.reason.as_deref().is_some_and(|reason| reason.starts_with("OutOfMemoryError")));
        let times = dead.times;
        let reached = [
            true,
            times.pull_started.is_some(),
            times.started.is_some(),
            times.connected.is_some(),
        ];
        assert_eq!(reached.iter().filter(|there| **there).count(), 1 + stage as usize, "{stage:?}");
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_ends_the_task() {
    let (sim, asker) = start().await;
    sim.faults().add(Fault::once("RunTask", What::ImagePull));
    let arn = asker.task().await;
    until_status(&sim, &arn, Status::Stopped).await;
    let dead = task(&sim, &arn);
    assert_eq!(dead.stop_code.as_deref(), Some("TaskFailedToStart"));
    assert!(
        dead.stopped_reason
            .as_deref()
            .is_some_and(|reason| reason.starts_with("CannotPullContainerError: "))
    );
    assert_eq!((dead.times.started, dead.container("proxy").unwrap().exit_code), (None, None));
}

#[tokio::test]
async fn agents_stay_away_stop_stay_silent_or_are_switched_off() {
    let mut config = SimConfig::default();
    config.timings.list_lag_ms = 0;
    let (sim, asker) = start_with(config).await;
    let with = async |what: What| {
        sim.faults().add(Fault::once("RunTask", what));
        asker.task().await
    };
    let never = with(What::AgentNever).await;
    let stopped = with(What::AgentStopped { reason: None }).await;
    let silent = with(What::AgentSilent).await;
    let off = with(What::ExecOff).await;
    let healthy = asker.task().await;
    // Started last, and connected: the others have had their time.
    until_connected(&sim, &healthy).await;
    let agent = |arn: &str| task(&sim, arn).container("proxy").unwrap().agent.clone();
    assert_eq!(agent(&never).as_deref(), Some("PENDING"));
    assert_eq!(agent(&stopped).as_deref(), Some("STOPPED"));
    assert_eq!(agent(&silent).as_deref(), Some("RUNNING"));
    assert_eq!(agent(&off), None);
    assert_eq!(asker.describe(&off).await["enableExecuteCommand"], false);
    let reason = &asker.describe(&stopped).await["containers"][1]["managedAgents"][0]["reason"];
    assert!(reason.as_str().is_some_and(|reason| !reason.is_empty()));
    for arn in [&never, &stopped, &silent, &off] {
        let status =
            asker.ssm("GetConnectionStatus", json!({ "Target": target(&sim, arn) })).await.json();
        assert_eq!(status["Status"], "notconnected");
    }
}

#[tokio::test]
async fn an_answer_is_held_until_released_though_the_deed_is_done() {
    let (sim, asker) = start().await;
    sim.faults().add(Fault::once("RunTask", What::Held { name: "h".to_owned(), before: false }));
    let (reply, ()) = tokio::join!(asker.run_task(json!({})), async {
        sim.faults().until_held("h", 1).await;
        assert_eq!((sim.count("RunTask"), sim.running()), (1, 1));
        assert!(!sim.calls()[0].answered);
        sim.faults().release("h");
    });
    assert_eq!(reply.status, 200);
    assert!(sim.calls()[0].answered);
    assert_eq!(sim.faults().held("h"), 0);
}

#[tokio::test]
async fn a_call_is_held_before_anything_is_done_and_dropped() {
    let (sim, asker) = start().await;
    sim.faults().add(Fault::once("RunTask", What::Held { name: "h".to_owned(), before: true }));
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "AmazonEC2ContainerServiceV20141113.RunTask"),
    ];
    let body = asking::run_task_body().to_string();
    let (reply, ()) = tokio::join!(asker.post("ecs", &headers, &body), async {
        sim.faults().until_held("h", 1).await;
        assert_eq!(sim.running(), 0);
        sim.faults().drop_held("h");
    });
    assert!(reply.is_none(), "{reply:?}");
    assert_eq!((sim.running(), &sim.calls()[0].outcome), (0, &Outcome::Pending));
}

#[tokio::test]
async fn a_connection_is_reset_before_or_after_the_deed() {
    let (sim, asker) = start().await;
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "AmazonEC2ContainerServiceV20141113.RunTask"),
    ];
    let body = asking::run_task_body().to_string();
    for (after, tasks) in [(false, 0), (true, 1)] {
        sim.faults().add(Fault::once("RunTask", What::Reset { after }));
        assert!(asker.post("ecs", &headers, &body).await.is_none());
        assert_eq!(sim.running(), tasks);
    }
    assert_eq!(
        asker.post("ecs", &headers, &body).await.unwrap().status,
        200,
        "the next goes through"
    );
}

#[tokio::test]
async fn an_answer_comes_late() {
    let (sim, asker) = start().await;
    sim.faults().add(Fault::once("DescribeClusters", What::Slow { ms: 300 }));
    #[expect(clippy::disallowed_methods, reason = "this is about the machine's time")]
    let began = Instant::now();
    assert_eq!(asker.ecs("DescribeClusters", json!({})).await.status, 200);
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_skewed_clock_refuses_and_shows_its_date() {
    let (sim, asker) = start().await;
    sim.faults().add(Fault::once("DescribeClusters", What::Skewed { seconds: 86_400 }));
    let refused = asker.ecs("DescribeClusters", json!({})).await;
    let truth = asker.ecs("DescribeClusters", json!({})).await;
    assert_eq!((refused.code().as_str(), truth.status), ("InvalidSignatureException", 200));
    assert_ne!(
        refused.header("date").unwrap()[..16],
        truth.header("date").unwrap()[..16],
        "another day"
    );
}

#[tokio::test]
async fn a_services_own_tasks_can_be_met_too() {
    let fault = Fault::once("ServiceTask", What::ImagePull);
    let (sim, _asker) = start_with(SimConfig { faults: vec![fault], ..SimConfig::default() }).await;
    let replaced = |sim: &bastion_sim::Sim| {
        let tasks = sim.tasks();
        tasks.iter().any(|task| task.times.started.is_none() && task.last_status == Status::Stopped)
            && tasks.iter().any(|task| task.connected)
    };
    assert!(sim.until(LIMIT, replaced).await, "the scheduler tries again");
}

#[tokio::test]
async fn every_fault_can_be_written_as_json() {
    let written = json!([
        { "action": "RunTask", "times": 1, "what": { "kind": "throttled" } },
        { "what": { "kind": "access_denied", "explicit": true } },
        { "what": { "kind": "expired" } },
        { "what": { "kind": "no_capacity" } },
        { "what": { "kind": "refused", "code": "BlockedException", "message": "no" } },
        { "what": { "kind": "failure", "reason": "RESOURCE:CPU" } },
        { "what": { "kind": "task_dies", "stage": "running", "stop_code": "SpotInterruption", "reason": "gone" } },
        { "what": { "kind": "image_pull" } },
        { "what": { "kind": "agent_never" } },
        { "what": { "kind": "agent_silent" } },
        { "what": { "kind": "agent_stopped" } },
        { "what": { "kind": "exec_off" } },
        { "what": { "kind": "held", "name": "h" } },
        { "what": { "kind": "broken" } },
        { "what": { "kind": "garbled" } },
        { "what": { "kind": "slow", "ms": 5 } },
        { "what": { "kind": "reset", "after": true } },
        { "service": "ecs", "skip": 2, "what": { "kind": "skewed", "seconds": -600 } },
    ]);
    let (sim, asker) = start().await;
    let reply = asker.admin("POST", "faults", &written.to_string()).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    let standing: Value = asker.admin("GET", "faults", "").await.json();
    let kinds = |list: &Value| -> Vec<Value> {
        list.as_array().unwrap().iter().map(|fault| fault["what"]["kind"].clone()).collect()
    };
    assert_eq!(kinds(&standing), kinds(&written));
    for (fault, kind) in sim.faults().standing().iter().zip(kinds(&written)) {
        assert_eq!(json!(fault.what.kind()), kind);
    }
    let wrong = asker.admin("POST", "faults", r#"{ "what": { "kind": "no_such" } }"#).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(asker.admin("DELETE", "faults", "").await.status, 204);
    assert!(sim.faults().standing().is_empty());
}
