use bastion_cloud::{Cloud, Kind, Permission, Says, Wish};
use bastion_sim::iam::Policies;
use bastion_sim::{Fault, Key, SimConfig, What};
use serde_json::{Value, json};

use super::{ask, forbid, lacks};
use crate::house::{House, key_lines};

const USER: &str = "arn:aws:iam::123456789012:user/dev";
const TASK: &str = "arn:aws:ecs:ap-northeast-1:123456789012:task/neuraKnot-prod-cluster/*";

/// Gives the user these policies and no others, but that to try them out.
fn grant<const N: usize>(house: &House, own: [(&str, Value); N]) {
    let look =
        json!({ "Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy", "Resource": "*" });
    let own = own.into_iter().chain([("look", look)]);
    let own = own.map(|(name, statements)| (name.to_owned(), json!({ "Statement": statements })));
    house.sim.world(|world| {
        world.users.get_mut("dev").unwrap().policies =
            Policies { own: own.collect(), boundary: None };
    });
}

async fn simulate(house: &House, principal: &str, wishes: &[Wish]) -> Vec<Permission> {
    ask(&house.aws()).simulate(principal, wishes).await.unwrap()
}

#[tokio::test]
async fn each_wish_is_answered_in_its_place_with_the_policies_that_decide() {
    let house = House::new().await;
    grant(
        &house,
        [
            (
                "operator",
                json!({ "Effect": "Allow", "Action": ["ecs:*", "ssm:*"], "Resource": "*" }),
            ),
            ("guard", json!({ "Effect": "Deny", "Action": "ssm:StartSession", "Resource": TASK })),
        ],
    );
    let document =
        "arn:aws:ssm:ap-northeast-1::document/AWS-StartPortForwardingSessionToRemoteHost";
    let wishes = [
        Wish::new("ssm:StartSession", TASK),
        Wish::new("ecs:RunTask", "*"),
        Wish::new("ssm:StartSession", document),
        Wish::new("rds:DescribeDBInstances", "*"),
        Wish::new("ecs:RunTask", "*"),
    ];
    let told = simulate(&house, USER, &wishes).await;
    let says: Vec<Says> = told.iter().map(|one| one.says).collect();
    assert_eq!(says, [Says::Denied, Says::Allowed, Says::Allowed, Says::NotAllowed, Says::Allowed]);
    assert!(told.iter().map(|one| &one.wish).eq(&wishes));
    assert_eq!(
        (&told[0].by[..], &told[1].by[..], told[3].by.len()),
        (&["guard".to_owned()][..], &["operator".to_owned()][..], 0)
    );
    // One call a resource, whatever is done on it.
    assert_eq!(house.sim.count("SimulatePrincipalPolicy"), 3);
}

#[tokio::test]
async fn conditions_are_met_by_what_a_wish_brings_along_and_told_where_it_does_not() {
    let house = House::new().await;
    grant(
        &house,
        [(
            "pass",
            json!({
                "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
                "Condition": { "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
            }),
        )],
    );
    let bare = Wish::new("iam:PassRole", "arn:aws:iam::123456789012:role/x y+z");
    let wishes =
        [bare.clone(), bare.clone().with("iam:PassedToService", "ecs-tasks.amazonaws.com")];
    let told = simulate(&house, USER, &wishes).await;
    assert_eq!((told[0].says, told[1].says), (Says::NotAllowed, Says::Allowed));
    assert_eq!(told[0].missing, ["iam:PassedToService"]);
    assert_eq!(told[1].missing, Vec::<String>::new());
    let other = [bare.with("iam:PassedToService", "ec2.amazonaws.com")];
    assert_eq!(simulate(&house, USER, &other).await[0].says, Says::NotAllowed);
}

#[tokio::test]
async fn a_session_is_asked_about_as_its_role_wherever_that_stands() {
    let house = House::new().await;
    let wishes = [Wish::new("ssm:StartSession", TASK)];
    let session = |role: &str| format!("arn:aws:sts::123456789012:assumed-role/{role}/me");
    for role in ["bastion-operator", "AWSReservedSSO_Dev"] {
        assert_eq!(
            simulate(&house, &session(role), &wishes).await[0].says,
            Says::Allowed,
            "{role}"
        );
    }
    assert_eq!(house.sim.count("GetRole"), 0, "the name says where it stands");
    house.sim.world(|world| {
        let role = world.roles.get_mut("bastion-operator").unwrap();
        role.path = "teams/data/".to_owned();
        let role = world.roles.get_mut("AWSReservedSSO_Dev").unwrap();
        role.path = "aws-reserved/sso.amazonaws.com/eu-central-1/".to_owned();
    });
    for role in ["bastion-operator", "AWSReservedSSO_Dev"] {
        assert_eq!(
            simulate(&house, &session(role), &wishes).await[0].says,
            Says::Allowed,
            "{role}"
        );
    }
    forbid(&house, "GetRole");
    let aws = house.aws();
    let error = ask(&aws).simulate(&session("bastion-operator"), &wishes).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "role", .. }), "{error:?}");
}

#[tokio::test]
async fn the_task_role_is_asked_about_by_its_own_name() {
    let house = House::new().await;
    let role = ask(&house.aws()).definition().await.unwrap().task_role.unwrap();
    let four =
        ["CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"];
    let wishes = four.map(|action| Wish::new(format!("ssmmessages:{action}"), "*"));
    assert!(simulate(&house, &role, &wishes).await.iter().all(|one| one.says == Says::Allowed));
    house.sim.world(|world| {
        world.roles.get_mut("neuraKnot-prod-ssm-proxy-task").unwrap().policies =
            Policies::default();
    });
    assert!(simulate(&house, &role, &wishes).await.iter().all(|one| one.says == Says::NotAllowed));
    house.sim.world(|world| world.roles.remove("neuraKnot-prod-ssm-proxy-task"));
    let error = ask(&house.aws()).simulate(&role, &wishes).await.unwrap_err();
    assert!(matches!(error.kind, Kind::NotFound { what: "role", .. }), "{error:?}");
    assert!(error.message.contains("neuraKnot-prod-ssm-proxy-task"), "{error}");
}

#[tokio::test]
async fn what_stands_above_is_told_apart_from_ones_own_policies() {
    let house = House::new().await;
    house.sim.world(|world| {
        world.organisation_policy = Some(json!({ "Statement": [
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Action": "ssm:*", "Resource": "*" },
        ] }));
    });
    let wishes = [Wish::new("ssm:StartSession", TASK), Wish::new("ecs:RunTask", "*")];
    let told = simulate(&house, USER, &wishes).await;
    assert_eq!((told[0].says, told[0].from_above), (Says::Denied, true));
    assert_eq!((told[1].says, told[1].from_above), (Says::Allowed, false));
}

#[tokio::test]
async fn many_wishes_are_answered_over_many_pages() {
    let house = House::with(SimConfig { page_size: 7, ..SimConfig::default() }).await;
    let wishes: Vec<Wish> = (0..130).map(|n| Wish::new(format!("ecs:Action{n}"), "*")).collect();
    let told = simulate(&house, USER, &wishes).await;
    assert_eq!(told.len(), 130);
    assert!(told.iter().all(|one| one.says == Says::Allowed));
    assert!(told.iter().map(|one| &one.wish).eq(&wishes));
}

#[tokio::test]
async fn a_simulation_that_is_throttled_is_made_again() {
    let house = House::new().await;
    house.fault(Fault::once("SimulatePrincipalPolicy", What::Throttled));
    let wishes = [Wish::new("ecs:RunTask", "*")];
    assert_eq!(simulate(&house, USER, &wishes).await[0].says, Says::Allowed);
    assert_eq!(house.asked("SimulatePrincipalPolicy").len(), 2);
}

#[tokio::test]
async fn actions_that_may_not_stand_in_one_call_are_asked_for_one_by_one() {
    let house = House::new().await;
    grant(
        &house,
        [("run", json!({ "Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*" }))],
    );
    let wishes = ["ecs:RunTask", "ecs:StopTask", "rds:DescribeDBInstances"];
    let wishes = wishes.map(|action| Wish::new(action, "*"));
    house.fault(Fault::once(
        "SimulatePrincipalPolicy",
        What::Refused {
            status: 400,
            code: "InvalidInput".to_owned(),
            message: "Invalid Input Actions: [ecs:RunTask] and [ecs:StopTask] require different authorization information. Please refer to the documentation".to_owned(),
        },
    ));
    let told = simulate(&house, USER, &wishes).await;
    let says: Vec<Says> = told.iter().map(|one| one.says).collect();
    assert_eq!(says, [Says::Allowed, Says::NotAllowed, Says::NotAllowed]);
    assert_eq!(house.asked("SimulatePrincipalPolicy").len(), 4);
}

#[tokio::test]
async fn another_refusal_is_the_answer() {
    let house = House::new().await;
    let wishes = [Wish::new("ecs:RunTask", "*"), Wish::new("no action", "*")];
    let error = ask(&house.aws()).simulate(USER, &wishes).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid, "{error:?}");
    assert!(error.message.contains("no action"), "{error}");
}

#[tokio::test]
async fn the_account_itself_may_do_all_and_nobody_is_asked() {
    let house = House::new().await;
    let root = "arn:aws:iam::123456789012:root";
    let told = simulate(&house, root, &[Wish::new("ssm:StartSession", TASK)]).await;
    assert_eq!(told[0].says, Says::Allowed);
    let federated = "arn:aws:sts::123456789012:federated-user/me";
    let error = ask(&house.aws()).simulate(federated, &[]).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    assert_eq!(house.sim.count("SimulatePrincipalPolicy"), 0);
}

#[tokio::test]
async fn whoever_may_not_simulate_learns_that_and_no_more() {
    let house = House::new().await;
    house.sim.world(|world| {
        let policies = &mut world.users.get_mut("dev").unwrap().policies;
        let ecs = json!({ "Statement": { "Effect": "Allow", "Action": "ecs:*", "Resource": "*" } });
        policies.own = [("little".to_owned(), ecs)].into();
    });
    let error =
        ask(&house.aws()).simulate(USER, &[Wish::new("ecs:RunTask", "*")]).await.unwrap_err();
    assert_eq!(lacks(&error), "iam:SimulatePrincipalPolicy");
    assert!(error.request_id.is_some());
}

#[tokio::test]
async fn who_one_is_can_be_asked_about_at_once() {
    let key = Key { user: "bastion-operator/me".to_owned(), ..Key::default() };
    let house = House::with(SimConfig { keys: vec![key.clone()], ..SimConfig::default() }).await;
    house.write_profile(&key_lines(&key.access_key_id, &key.secret_access_key));
    let aws = house.aws();
    let who = aws.identity().await.unwrap().arn;
    let told = ask(&aws).simulate(&who, &[Wish::new("ssm:StartSession", TASK)]).await.unwrap();
    assert_eq!(told[0].says, Says::Allowed);
}
