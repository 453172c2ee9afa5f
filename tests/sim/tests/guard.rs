//! What a caller's policies do not allow is refused, in AWS's words, and before anything is done.

mod asking;

use asking::{Asker, CLUSTER, start, start_with, target, until_connected};
use bastion_sim::iam::Policies;
use bastion_sim::world::User;
use bastion_sim::{Key, Sim, SimConfig};
use serde_json::{Value, json};

/// The user may do this and nothing else.
fn allow(sim: &Sim, statements: Value) {
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    let policies = Policies { own: [("own".to_owned(), document)].into(), boundary: None };
    sim.world(|world| world.users.insert("dev".to_owned(), User { policies }));
}

fn on(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource })
}

fn document() -> Value {
    json!({ "DocumentName": "AWS-StartPortForwardingSessionToRemoteHost",
        "Parameters": { "host": ["db.internal"], "portNumber": ["5432"] } })
}

async fn session(asker: &Asker, target: &str) -> asking::Reply {
    let mut body = document();
    body["Target"] = json!(target);
    asker.ssm("StartSession", body).await
}

#[tokio::test]
async fn a_refusal_names_who_what_and_on_which_resource_in_each_services_form() {
    let (sim, asker) = start().await;
    allow(&sim, json!([]));
    let ecs = asker.ecs("ListTasks", json!({ "cluster": CLUSTER })).await;
    let text = "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: ecs:ListTasks on resource: * \
                because no identity-based policy allows the ecs:ListTasks action";
    assert_eq!(
        (ecs.status, ecs.code().as_str(), ecs.text().as_str()),
        (400, "AccessDeniedException", text)
    );
    let rds = asker.rds("DescribeDBInstances", &[("DBInstanceIdentifier", "Prod-DB")]).await;
    assert_eq!((rds.status, rds.code().as_str()), (403, "AccessDenied"));
    assert!(rds.text().contains("arn:aws:rds:ap-northeast-1:123456789012:db:prod-db"), "{rds:?}");
    let ec2 = asker.ec2("DescribeSubnets", &[]).await;
    assert_eq!((ec2.status, ec2.code().as_str()), (403, "UnauthorizedOperation"));
    assert_eq!(asker.sts("GetCallerIdentity", &[]).await.status, 200, "everybody may know himself");
}

#[tokio::test]
async fn a_task_needs_its_tags_and_both_of_its_roles_to_be_allowed() {
    let (sim, asker) = start().await;
    let mut may = vec![on("ecs:RunTask", "*")];
    for (action, resource) in [
        ("ecs:TagResource", "task/neuraKnot-prod-cluster/*"),
        ("iam:PassRole", "role/neuraKnot-prod-ssm-proxy-task"),
        ("iam:PassRole", "role/neuraKnot-prod-ssm-proxy-execution"),
    ] {
        allow(&sim, json!(may));
        let refused = run_task(&asker).await;
        assert!(
            refused.text().contains(&format!("not authorized to perform: {action}")),
            "{refused:?}"
        );
        assert!(refused.text().contains(resource), "{refused:?}");
        may.push(on(action, &format!("*{resource}")));
    }
    assert!(sim.tasks().iter().all(|task| task.of_service()), "nothing was started");
    allow(&sim, json!(may));
    assert_eq!(run_task(&asker).await.status, 200);
}

#[tokio::test]
async fn a_session_needs_the_task_and_the_document_and_without_one_it_is_a_shell() {
    let (sim, asker) = start().await;
    let arn = asker.task().await;
    until_connected(&sim, &arn).await;
    let target = target(&sim, &arn);
    let forwarding =
        "arn:aws:ssm:ap-northeast-1::document/AWS-StartPortForwardingSessionToRemoteHost";
    allow(&sim, json!([on("ssm:StartSession", &arn)]));
    assert!(session(&asker, &target).await.text().contains(forwarding));
    allow(&sim, json!([on("ssm:StartSession", forwarding)]));
    assert!(session(&asker, &target).await.text().contains(&arn));
    let mut checked = on("ssm:StartSession", "*");
    checked["Condition"] = json!({ "BoolIfExists": { "ssm:SessionDocumentAccessCheck": "true" } });
    allow(&sim, json!([checked]));
    assert_eq!(session(&asker, &target).await.status, 200);
    let shell = asker.ssm("StartSession", json!({ "Target": target })).await;
    assert_eq!(shell.code(), "AccessDeniedException", "{shell:?}");
}

#[tokio::test]
async fn a_role_keeps_its_sessions_by_their_tag_and_a_user_by_their_name() {
    for (user, own, other) in [
        ("dev", on("ssm:ResumeSession", "*:session/${aws:username}-*"), by_tag()),
        (
            "AWSReservedSSO_Dev/amy",
            by_tag(),
            on("ssm:ResumeSession", "*:session/${aws:username}-*"),
        ),
    ] {
        let key = Key { user: user.to_owned(), ..Key::default() };
        let (sim, asker) = start_with(SimConfig { keys: vec![key], ..SimConfig::default() }).await;
        let arn = asker.task().await;
        until_connected(&sim, &arn).await;
        let started = session(&asker, &target(&sim, &arn)).await.json();
        for (statement, status) in [(own, 200), (other, 400)] {
            allow(&sim, json!([statement]));
            let policies = sim.world(|world| world.users["dev"].policies.clone());
            sim.world(|world| {
                world.roles.get_mut("AWSReservedSSO_Dev").unwrap().policies = policies
            });
            let id = json!({ "SessionId": started["SessionId"] });
            let resumed = asker.ssm("ResumeSession", id).await;
            assert_eq!(resumed.status, status, "{user} by {statement}: {resumed:?}");
        }
    }
}

#[tokio::test]
async fn whoever_is_no_user_and_no_role_of_the_account_may_do_everything() {
    let key = Key { user: "nobody".to_owned(), ..Key::default() };
    let (_sim, asker) = start_with(SimConfig { keys: vec![key], ..SimConfig::default() }).await;
    assert_eq!(run_task(&asker).await.status, 200);
}

fn by_tag() -> Value {
    let mut statement = on("ssm:ResumeSession", "*:session/*");
    statement["Condition"] =
        json!({ "StringLike": { "ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}" } });
    statement
}

async fn run_task(asker: &Asker) -> asking::Reply {
    let tags = json!([{ "key": "bastiond:target", "value": "prod-db" }]);
    asker.run_task(json!({ "tags": tags })).await
}
