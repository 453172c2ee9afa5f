//! What RunTask refuses, and what it makes of the same question asked twice.

mod asking;

use asking::{CLUSTER, run_task_body, start};
use bastion_sim::Status;
use serde_json::{Value, json};

/// Asks with one thing altered and says how it was refused.
async fn refusal(with: Value) -> (String, String) {
    let (sim, asker) = start().await;
    let reply = asker.run_task(with).await;
    assert_ne!(reply.status, 200, "{reply:?}");
    assert_eq!(sim.running(), 0, "a refused RunTask starts nothing");
    (reply.code(), reply.text())
}

async fn invalid(with: Value, text: &str) {
    let (code, said) = refusal(with).await;
    assert_eq!(code, "InvalidParameterException");
    assert!(said.contains(text), "{said}");
}

fn network(subnets: &[&str], groups: &[&str]) -> Value {
    json!({ "networkConfiguration": { "awsvpcConfiguration": { "subnets": subnets, "securityGroups": groups } } })
}

#[tokio::test]
async fn the_same_token_with_the_same_request_is_the_same_task() {
    let (sim, asker) = start().await;
    let first = asker.run_task(json!({ "clientToken": "t-1" })).await.json();
    let again = asker.run_task(json!({ "clientToken": "t-1" })).await.json();
    assert_eq!(first["tasks"][0]["taskArn"], again["tasks"][0]["taskArn"]);
    assert_eq!(sim.running(), 1);
    asker.run_task(json!({ "clientToken": "t-2" })).await;
    assert_eq!(sim.running(), 2, "another token is another task");
}

#[tokio::test]
async fn fifty_calls_at_once_with_one_token_start_one_task() {
    let (sim, asker) = start().await;
    let calls = (0..50).map(|_| asker.run_task(json!({ "clientToken": "t-1" })));
    for reply in futures_util::future::join_all(calls).await {
        assert_eq!(reply.status, 200);
    }
    assert_eq!((sim.count("RunTask"), sim.running()), (50, 1));
}

#[tokio::test]
async fn the_same_token_with_another_request_is_a_conflict_that_names_the_task() {
    let (_sim, asker) = start().await;
    let first = asker.run_task(json!({ "clientToken": "t-1" })).await.json();
    let other = asker.run_task(json!({ "clientToken": "t-1", "startedBy": "else" })).await;
    assert_eq!(other.code(), "ConflictException");
    assert_eq!(other.json()["resourceIds"], json!([first["tasks"][0]["taskArn"]]));
}

#[tokio::test]
async fn a_token_is_64_printable_characters_at_most() {
    invalid(json!({ "clientToken": "x".repeat(65) }), "token").await;
    invalid(json!({ "clientToken": "a b" }), "token").await;
}

#[tokio::test]
async fn started_by_takes_128_letters_digits_hyphens_slashes_underscores() {
    invalid(json!({ "startedBy": "x".repeat(129) }), "128").await;
    invalid(json!({ "startedBy": "me@host" }), "startedBy").await;
    let (_sim, asker) = start().await;
    let longest = format!("bastiond/a-b_9{}", "x".repeat(114));
    let reply = asker.run_task(json!({ "startedBy": longest })).await;
    assert_eq!(reply.json()["tasks"][0]["startedBy"], json!(longest));
}

#[tokio::test]
async fn overrides_end_at_8192_characters_and_name_containers_that_exist() {
    let over = |name: &str, length: usize| json!({ "overrides": { "containerOverrides": [{ "name": name, "command": ["x".repeat(length)] }] } });
    invalid(over("proxy", 8192), "8192").await;
    invalid(over("no-such", 1), "no-such").await;
    let (_sim, asker) = start().await;
    assert_eq!(asker.run_task(over("proxy", 8000)).await.status, 200);
}

#[tokio::test]
async fn exec_needs_a_task_role() {
    let (sim, asker) = start().await;
    sim.world(|world| {
        world.task_definitions.values_mut().for_each(|definition| definition.task_role = None);
    });
    let reply = asker.run_task(json!({})).await;
    assert_eq!(reply.code(), "InvalidParameterException");
    let reply = asker.run_task(json!({ "enableExecuteCommand": false })).await;
    assert_eq!(reply.json()["tasks"][0]["enableExecuteCommand"], false);
}

#[tokio::test]
async fn launch_type_and_capacity_provider_exclude_each_other() {
    let strategy = json!([{ "capacityProvider": "FARGATE_SPOT", "weight": 1 }]);
    invalid(json!({ "capacityProviderStrategy": strategy }), "Specifying both a launch type").await;
    let unknown = json!([{ "capacityProvider": "mine" }]);
    invalid(json!({ "launchType": null, "capacityProviderStrategy": unknown }), "not associated")
        .await;
    invalid(json!({ "launchType": null }), "No Container Instances").await;
    let (_sim, asker) = start().await;
    let reply = asker
        .run_task(json!({ "launchType": null, "capacityProviderStrategy": strategy }))
        .await
        .json();
    assert_eq!(reply["tasks"][0]["capacityProviderName"], "FARGATE_SPOT");
    assert_eq!(reply["tasks"][0]["launchType"], Value::Null);
}

#[tokio::test]
async fn a_cluster_without_spot_refuses_spot() {
    let (sim, asker) = start().await;
    sim.world(|world| {
        world
            .clusters
            .values_mut()
            .for_each(|cluster| cluster.capacity_providers = vec!["FARGATE".to_owned()]);
    });
    let strategy = json!([{ "capacityProvider": "FARGATE_SPOT" }]);
    let reply =
        asker.run_task(json!({ "launchType": null, "capacityProviderStrategy": strategy })).await;
    assert_eq!(reply.code(), "InvalidParameterException");
}

#[tokio::test]
async fn the_network_must_be_given_exist_and_be_one() {
    let (prod, dev) = ("subnet-0a11ce0000000001a", "subnet-0b0b00000000001a");
    invalid(json!({ "networkConfiguration": null }), "Network Configuration must be provided")
        .await;
    invalid(network(&[], &[]), "subnets").await;
    invalid(network(&["subnet-0"], &[]), "InvalidSubnetID.NotFound").await;
    invalid(network(&[prod], &["sg-0"]), "InvalidGroup.NotFound").await;
    invalid(network(&[prod, dev], &[]), "same VPC").await;
    invalid(network(&[prod], &["sg-0b0b0000000000ec"]), "different networks").await;
    invalid(network(&[prod; 17], &[]), "16 subnets").await;
    invalid(network(&[prod], &["sg-0a11ce000000000ec"; 6]), "5 security groups").await;
}

#[tokio::test]
async fn count_is_one_to_ten() {
    invalid(json!({ "count": 11 }), "10").await;
    invalid(json!({ "count": 0 }), "1").await;
    let (sim, asker) = start().await;
    assert_eq!(
        asker.run_task(json!({ "count": 3 })).await.json()["tasks"].as_array().unwrap().len(),
        3
    );
    assert_eq!(sim.running(), 3);
}

#[tokio::test]
async fn tags_have_limits() {
    let tag = |key: &str, value: &str| json!({ "tags": [{ "key": key, "value": value }] });
    invalid(tag("aws:mine", "x"), "tag key").await;
    invalid(tag("a#b", "x"), "tag key").await;
    invalid(tag(&"k".repeat(129), "x"), "tag key").await;
    invalid(tag("k", &"v".repeat(257)), "tag value").await;
    let many: Vec<Value> =
        (0..51).map(|n| json!({ "key": format!("k{n}"), "value": "" })).collect();
    invalid(json!({ "tags": many }), "50").await;
}

#[tokio::test]
async fn definition_and_cluster_must_exist_and_be_active() {
    assert_eq!(refusal(json!({ "taskDefinition": "no-such" })).await.0, "ClientException");
    assert_eq!(refusal(json!({ "cluster": "no-such" })).await.0, "ClusterNotFoundException");
    let (sim, asker) = start().await;
    sim.world(|world| {
        world.clusters.values_mut().for_each(|cluster| cluster.status = "INACTIVE".to_owned());
    });
    assert_eq!(asker.run_task(json!({})).await.text(), "The referenced cluster was inactive.");
}

#[tokio::test]
async fn the_newest_active_revision_is_run_unless_one_is_named() {
    let (sim, asker) = start().await;
    sim.world(|world| {
        let seventh = world.task_definitions["neuraKnot-prod-ssm-proxy:7"].clone();
        let mut eleventh = seventh.clone();
        eleventh.active = false;
        world.task_definitions.insert("neuraKnot-prod-ssm-proxy:10".to_owned(), seventh);
        world.task_definitions.insert("neuraKnot-prod-ssm-proxy:11".to_owned(), eleventh);
    });
    let newest = asker.run_task(json!({})).await.json();
    assert!(newest["tasks"][0]["taskDefinitionArn"].as_str().unwrap().ends_with("ssm-proxy:10"));
    let named =
        asker.run_task(json!({ "taskDefinition": "neuraKnot-prod-ssm-proxy:7" })).await.json();
    assert!(named["tasks"][0]["taskDefinitionArn"].as_str().unwrap().ends_with("ssm-proxy:7"));
    let inactive = asker.run_task(json!({ "taskDefinition": "neuraKnot-prod-ssm-proxy:11" })).await;
    assert_eq!(inactive.code(), "ClientException");
}

#[tokio::test]
async fn a_new_task_is_provisioning_with_its_containers_the_injected_one_first() {
    let (sim, asker) = start().await;
    let body = asker.run_task(json!({ "tags": [{ "key": "owner", "value": "me" }] })).await.json();
    let task = &body["tasks"][0];
    assert_eq!(
        (task["lastStatus"].as_str(), task["version"].as_u64()),
        (Some("PROVISIONING"), Some(1))
    );
    assert_eq!(task["tags"], json!([{ "key": "owner", "value": "me" }]));
    let names: Vec<&str> = task["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["aws-guardduty-agent-PfKHWDT", "proxy"]);
    assert_eq!(task["containers"][1]["managedAgents"][0]["lastStatus"], "PENDING");
    assert_eq!(sim.tasks().iter().filter(|task| task.last_status == Status::Stopped).count(), 0);
    assert_eq!(run_task_body()["cluster"], CLUSTER);
}

#[tokio::test]
async fn a_full_zone_is_refused_and_another_subnet_first_is_not() {
    let (sim, asker) = start().await;
    let (a, c) = ("subnet-0a11ce0000000001a", "subnet-0a11ce0000000001c");
    sim.world(|world| world.subnets.get_mut(a).unwrap().full = true);
    let groups = ["sg-0a11ce000000000ec"];
    let mut with = network(&[a, c], &groups);
    with["clientToken"] = json!("t-1");
    let reply = asker.run_task(with).await;
    assert!(reply.text().starts_with("Capacity is unavailable at this time."), "{reply:?}");
    let placed = asker.run_task(network(&[c, a], &groups)).await.json();
    assert_eq!(placed["tasks"][0]["availabilityZone"], "ap-northeast-1c");
    assert_eq!(sim.running(), 1);
}

#[tokio::test]
async fn a_task_that_stands_is_told_again_though_its_zone_has_become_full() {
    let (sim, asker) = start().await;
    let first = asker.run_task(json!({ "clientToken": "t-1" })).await.json();
    sim.world(|world| world.subnets.values_mut().for_each(|subnet| subnet.full = true));
    let again = asker.run_task(json!({ "clientToken": "t-1" })).await.json();
    assert_eq!(first["tasks"][0]["taskArn"], again["tasks"][0]["taskArn"]);
}

#[tokio::test]
async fn spot_without_capacity_is_refused_and_fargate_is_not() {
    let (sim, asker) = start().await;
    sim.world(|world| {
        world.clusters.get_mut(CLUSTER).unwrap().exhausted = vec!["FARGATE_SPOT".to_owned()];
    });
    let spot = json!({
        "launchType": null, "capacityProviderStrategy": [{ "capacityProvider": "FARGATE_SPOT" }],
    });
    let reply = asker.run_task(spot).await;
    assert!(reply.text().starts_with("Capacity is unavailable at this time."), "{reply:?}");
    assert_eq!(asker.run_task(json!({})).await.status, 200);
}

#[tokio::test]
async fn a_task_of_somebody_else_runs_and_who_stops_it_is_known() {
    let (sim, asker) = start().await;
    let arn = sim.start_foreign_task(bastion_sim::ForeignTask {
        cluster: CLUSTER.to_owned(),
        definition: "neuraKnot-prod-ssm-proxy".to_owned(),
        started_by: Some("somebody/else".to_owned()),
        command: Some(vec!["sleep".to_owned(), "100".to_owned()]),
        subnets: Vec::new(),
    });
    asking::until_status(&sim, &arn, Status::Running).await;
    assert_eq!(sim.asked_to_stop(), [""; 0]);
    asker.ecs("StopTask", json!({ "cluster": CLUSTER, "task": arn })).await;
    assert_eq!(sim.asked_to_stop(), [&*arn]);
}
