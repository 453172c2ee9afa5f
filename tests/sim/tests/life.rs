//! A task's life as readers see it, its end in every way, its cost; services and their tasks.

mod asking;

use std::time::Duration;

use asking::{CLUSTER, LIMIT, start, start_with, task, until_connected, until_status};
use bastion_sim::{SimConfig, Status, Timings};
use serde_json::{Value, json};

fn with_timings(change: impl FnOnce(&mut Timings)) -> SimConfig {
    let mut config = SimConfig::default();
    change(&mut config.timings);
    config
}

#[tokio::test]
async fn a_task_passes_every_stage_and_counts_them() {
    let (sim, asker) = start_with(with_timings(|timings| timings.list_lag_ms = 0)).await;
    let arn = asker.task().await;
    let mut seen = Vec::new();
    for status in [Status::Provisioning, Status::Pending, Status::Running] {
        until_status(&sim, &arn, status).await;
        seen.push((status, task(&sim, &arn).version));
    }
    assert_eq!(seen, [(Status::Provisioning, 1), (Status::Pending, 2), (Status::Running, 3)]);
    let running = asker.describe(&arn).await;
    assert_eq!(
        running["containers"][1]["managedAgents"][0]["lastStatus"], "PENDING",
        "the agent comes later"
    );
    until_connected(&sim, &arn).await;
    let own = &asker.describe(&arn).await["containers"][1];
    assert_eq!(own["managedAgents"][0]["lastStatus"], "RUNNING");
    let runtime = own["runtimeId"].as_str().unwrap();
    let (id, digits) = runtime.split_once('-').unwrap();
    assert!(
        arn.ends_with(id) && digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit()),
        "{runtime}"
    );
    let times = task(&sim, &arn).times;
    assert!(times.created <= times.pull_started.unwrap() && times.pull_started <= times.started);
    assert!(times.started < times.connected);
}

#[tokio::test]
async fn readers_lag_behind_writers() {
    let (sim, asker) = start_with(with_timings(|timings| timings.list_lag_ms = 600_000)).await;
    let arn = asker.task().await;
    let body = json!({ "cluster": CLUSTER, "tasks": [arn] });
    let described = asker.ecs("DescribeTasks", body).await.json();
    assert_eq!(described["tasks"], json!([]));
    assert_eq!(described["failures"], json!([{ "arn": arn, "reason": "MISSING" }]));
    assert_eq!(
        asker.ecs("ListTasks", json!({ "cluster": CLUSTER })).await.json()["taskArns"],
        json!([])
    );
    until_status(&sim, &arn, Status::Running).await;
    assert_eq!(asker.describe(&arn).await, Value::Null, "ten minutes have not passed");
}

#[tokio::test]
async fn stop_task_takes_the_tags_ends_the_process_and_is_idempotent() {
    let (sim, asker) = start_with(with_timings(|timings| timings.list_lag_ms = 0)).await;
    let reply = asker
        .run_task(json!({ "tags": [{ "key": "a", "value": "b" }], "startedBy": "me" }))
        .await
        .json();
    let arn = reply["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
    until_status(&sim, &arn, Status::Running).await;
    let stop = json!({ "cluster": CLUSTER, "task": arn, "reason": "nobody visits" });
    let answer = asker.ecs("StopTask", stop.clone()).await.json();
    let stopping = &answer["task"];
    assert_eq!(
        (stopping["desiredStatus"].as_str(), stopping["version"].as_u64()),
        (Some("STOPPED"), Some(4))
    );
    assert_eq!(stopping["tags"], json!([]));
    until_status(&sim, &arn, Status::Stopped).await;
    let stopped = asker.describe(&arn).await;
    assert_eq!(stopped["stopCode"], "UserInitiated");
    assert_eq!(stopped["stoppedReason"], "nobody visits");
    assert_eq!(stopped["startedBy"], "me", "startedBy survives");
    assert_eq!(stopped["version"], 6);
    assert_eq!(stopped["containers"][1]["exitCode"], 143, "the command took TERM");
    let again = asker.ecs("StopTask", stop).await;
    assert_eq!((again.status, again.json()["task"]["version"].as_u64()), (200, Some(6)));
    let unknown = json!({ "cluster": CLUSTER, "task": "0".repeat(32) });
    assert_eq!(asker.ecs("StopTask", unknown).await.text(), "The referenced task was not found.");
}

#[tokio::test]
async fn a_command_that_ignores_term_is_killed_when_its_time_is_up() {
    let (sim, asker) = start_with(with_timings(|timings| timings.stop_timeout_ms = 300)).await;
    let command = json!(["sh", "-c", "trap '' TERM; while :; do sleep 3600; done"]);
    let over =
        json!({ "overrides": { "containerOverrides": [{ "name": "proxy", "command": command }] } });
    let arn = asker.run_task(over).await.json()["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
    until_status(&sim, &arn, Status::Running).await;
    asker.ecs("StopTask", json!({ "cluster": CLUSTER, "task": arn })).await;
    until_status(&sim, &arn, Status::Stopped).await;
    assert_eq!(task(&sim, &arn).container("proxy").unwrap().exit_code, Some(137));
}

#[tokio::test]
async fn a_task_stopped_before_it_runs_never_runs() {
    let (sim, asker) = start_with(with_timings(|timings| timings.pulling_ms = 600_000)).await;
    let arn = asker.task().await;
    until_status(&sim, &arn, Status::Pending).await;
    asker.ecs("StopTask", json!({ "cluster": CLUSTER, "task": arn })).await;
    until_status(&sim, &arn, Status::Stopped).await;
    assert_eq!(task(&sim, &arn).times.started, None);
}

#[tokio::test]
async fn a_task_whose_command_ends_is_stopped_with_its_exit_code() {
    let (sim, asker) = start().await;
    let over = json!({ "overrides": { "containerOverrides": [{
        "name": "proxy", "command": ["sh", "-c", "read -r line < \"$GATE\"; exit \"$CODE\""],
        "environment": [{ "name": "CODE", "value": "7" }, { "name": "GATE", "value": "/dev/null" }],
    }] } });
    let arn = asker.run_task(over).await.json()["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
    until_status(&sim, &arn, Status::Stopped).await;
    let stopped = task(&sim, &arn);
    assert_eq!(stopped.stop_code.as_deref(), Some("EssentialContainerExited"));
    assert_eq!(stopped.stopped_reason.as_deref(), Some("Essential container in task exited"));
    assert_eq!(
        stopped.container("proxy").unwrap().exit_code,
        Some(7),
        "command and environment were overridden"
    );
}

#[tokio::test]
async fn list_tasks_filters_as_ecs_does() {
    let (sim, asker) = start_with(with_timings(|timings| timings.list_lag_ms = 0)).await;
    let count = |reply: asking::Reply| reply.json()["taskArns"].as_array().map_or(0, Vec::len);
    asker.run_task(json!({ "startedBy": "one" })).await;
    let two =
        asker.run_task(json!({ "startedBy": "two" })).await.json()["tasks"][0]["taskArn"].clone();
    let list = |body: Value| asker.ecs("ListTasks", body);
    assert_eq!(count(list(json!({ "cluster": CLUSTER, "startedBy": "one" })).await), 1);
    let both =
        list(json!({ "cluster": CLUSTER, "startedBy": "one", "desiredStatus": "RUNNING" })).await;
    assert_eq!(both.code(), "InvalidParameterException", "startedBy stands alone");
    assert_eq!(
        count(list(json!({ "cluster": CLUSTER, "family": "neuraKnot-prod-ssm-proxy" })).await),
        2
    );
    assert_eq!(count(list(json!({ "cluster": CLUSTER, "family": "neuraKnot" })).await), 0);
    assert_eq!(count(list(json!({ "cluster": CLUSTER, "desiredStatus": "PENDING" })).await), 0);
    asker.ecs("StopTask", json!({ "cluster": CLUSTER, "task": two })).await;
    until_status(&sim, two.as_str().unwrap(), Status::Stopped).await;
    assert_eq!(count(list(json!({ "cluster": CLUSTER })).await), 1);
    assert_eq!(count(list(json!({ "cluster": CLUSTER, "desiredStatus": "STOPPED" })).await), 1);
    assert_eq!(
        count(list(json!({ "cluster": "dev-cluster", "serviceName": "bastion-service" })).await),
        1
    );
    let no_service = list(json!({ "cluster": "dev-cluster", "serviceName": "no-such" })).await;
    assert_eq!(no_service.code(), "ServiceNotFoundException");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let config = SimConfig { page_size: 2, ..with_timings(|timings| timings.list_lag_ms = 0) };
    let (_sim, asker) = start_with(config).await;
    asker.run_task(json!({ "count": 5 })).await;
    let (mut arns, mut pages, mut token) = (Vec::new(), 0, Value::Null);
    loop {
        let mut body = json!({ "cluster": CLUSTER });
        if token.is_string() {
            body["nextToken"] = token;
        }
        let page = asker.ecs("ListTasks", body).await.json();
        arns.extend(page["taskArns"].as_array().unwrap().clone());
        pages += 1;
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    arns.sort_by_key(Value::to_string);
    arns.dedup();
    assert_eq!((arns.len(), pages), (5, 3));
    let bad = asker.ecs("ListTasks", json!({ "cluster": CLUSTER, "nextToken": "2" })).await;
    assert_eq!(bad.code(), "InvalidParameterException");
}

#[tokio::test]
async fn a_reader_may_ask_for_100_tasks_of_right_ids() {
    let (_sim, asker) = start().await;
    let ids: Vec<String> = (0..101).map(|n| format!("{n:032x}")).collect();
    let describe = |tasks: &[String]| {
        asker.ecs("DescribeTasks", json!({ "cluster": CLUSTER, "tasks": tasks }))
    };
    assert_eq!(describe(&ids).await.code(), "InvalidParameterException");
    assert_eq!(describe(&ids[..100]).await.json()["failures"].as_array().unwrap().len(), 100);
    assert_eq!(
        describe(&["short".to_owned()]).await.text(),
        "taskId length should be one of [32,36]"
    );
    assert_eq!(describe(&[]).await.code(), "InvalidParameterException");
}

#[tokio::test]
async fn the_bill_runs_from_the_pull_to_stopped_at_model_speed() {
    let mut config = with_timings(|timings| {
        timings.provisioning_ms = 1_000;
        timings.pulling_ms = 100_000;
    });
    config.speed = 1_000.0;
    let (sim, asker) = start_with(config).await;
    let arn = asker.task().await;
    until_status(&sim, &arn, Status::Running).await;
    let own =
        |sim: &bastion_sim::Sim| sim.bill().into_iter().find(|charge| charge.task == arn).unwrap();
    assert!(own(&sim).running);
    asker.ecs("StopTask", json!({ "cluster": CLUSTER, "task": arn })).await;
    until_status(&sim, &arn, Status::Stopped).await;
    let charge = own(&sim);
    assert!(charge.seconds >= 99.0 && !charge.running, "{charge:?}");
    assert_eq!((charge.vcpu, charge.gib), (0.25, 0.5));
    assert_eq!(charge.billed_seconds, charge.seconds.ceil().max(60.0));
    assert_eq!(own(&sim).seconds, charge.seconds, "a stopped task costs no more");
}

#[tokio::test]
async fn a_service_keeps_its_task_and_replaces_it() {
    let (sim, asker) = start().await;
    let of_service = |sim: &bastion_sim::Sim| {
        let mut tasks = sim.tasks();
        tasks.retain(|task| task.of_service() && task.desired_status == Status::Running);
        tasks
    };
    let connected =
        |sim: &bastion_sim::Sim| of_service(sim).iter().filter(|task| task.connected).count() == 1;
    assert!(sim.until(LIMIT, connected).await);
    let first = of_service(&sim)[0].clone();
    assert!(first.started_by.as_deref().is_some_and(|by| by.starts_with("ecs-svc/")));
    assert_eq!(first.group, "service:bastion-service");
    assert_eq!(sim.running(), 0, "nobody asked for that one by RunTask");
    assert!(sim.replace_service_task("dev-cluster", "bastion-service"));
    until_status(&sim, &first.arn, Status::Stopped).await;
    let old = task(&sim, &first.arn);
    assert_eq!(old.stop_code.as_deref(), Some("ServiceSchedulerInitiated"));
    assert!(sim.until(LIMIT, connected).await);
    let second = of_service(&sim)[0].clone();
    assert_ne!((&second.arn, &second.started_by), (&first.arn, &first.started_by));
    assert!(second.times.started < old.times.stopped, "the new one ran first");
    assert!(sim.stop_task(&second.arn, "SpotInterruption", "Your Spot Task was interrupted."));
    let third = |sim: &bastion_sim::Sim| {
        of_service(sim).iter().any(|task| task.arn != second.arn && task.connected)
    };
    assert!(sim.until(LIMIT, third).await, "a lost task is replaced");
    let update =
        json!({ "cluster": "dev-cluster", "service": "bastion-service", "desiredCount": 0 });
    assert_eq!(asker.ecs("UpdateService", update).await.json()["service"]["desiredCount"], 0);
    assert!(sim.until(LIMIT, |sim| of_service(sim).is_empty()).await);
}

#[tokio::test]
async fn dropping_the_simulator_kills_its_processes() {
    let (sim, asker) = start().await;
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("pid");
    let script = format!(
        "echo $PPID > {0}.new; mv {0}.new {0}; while :; do sleep 3600; done",
        mark.display()
    );
    let over = json!({ "overrides": { "containerOverrides": [{ "name": "proxy", "command": ["sh", "-c", script] }] } });
    let arn = asker.run_task(over).await.json()["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
    until_status(&sim, &arn, Status::Running).await;
    let alive = || {
        let listed = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout).contains(&*mark.to_string_lossy())
    };
    assert!(alive());
    sim.stop().await;
    let gone = async {
        while alive() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
}
