//! The least policy for real: with it a whole life is lived, from the first visit to the stop, over a crash and an hourly
//! "Bye"; without any one of its statements somebody is told which action is missing, and what to add.
//!
//! The simulated AWS judges every call by its caller's policies, and says no in AWS's words.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "policy/ministack.rs"]
mod ministack;

use std::time::Duration;

use bastion_api::State;
use bastion_e2e::{Finished, House, Plan, Running, configs, until};
use bastion_sim::world::User;
use bastion_sim::{Key, Outcome};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_needs_no_more_than_the_policy_allows() {
    let mut house = tasks().build().await;
    let document = policy(&house).await["document"].clone();
    allow(&house, &document);

    let told = life(&mut house, |_| false).await;

    assert_eq!(refused(&house), [""; 0], "{told:#?}");
    assert_eq!(house.sim().count("RunTask"), 1, "the second daemon went on with the first's task");
    for action in ["ResumeSession", "ListTasks", "StopTask", "TerminateSession", "GetSecretValue"] {
        assert!(house.sim().count(action) > 0, "the life had no {action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_statements_somebody_is_told_what_is_missing() {
    let house = tasks().build().await;
    let policy = policy(&house).await;
    drop(house);
    every_one_is_missed(&policy, tasks, Caller::User, &["KeepOwnSessionsOfRoles"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_taken_a_role_keeps_his_sessions_by_their_tag() {
    let mut house = tasks().sim(|sim| sim.keys = vec![Caller::Role.key()]).build().await;
    let policy = policy(&house).await;
    allow_role(&house, &policy["document"]);
    let told = life(&mut house, |_| false).await;
    assert_eq!(refused(&house), [""; 0], "{told:#?}");
    drop(house);

    missed(&policy, "KeepOwnSessionsOfRoles", tasks, Caller::Role).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_services_task_is_used_and_the_service_raised_and_lowered_by_the_policy_alone() {
    let mut house = service().build().await;
    let policy = policy(&house).await;
    allow(&house, &policy["document"]);
    let told = life(&mut house, |_| false).await;
    assert_eq!(refused(&house), [""; 0], "{told:#?}");
    assert!(house.sim().count("UpdateService") >= 2, "raised and lowered");
    drop(house);

    // The task of a service is known by its service: nothing is lost that a list would find.
    every_one_is_missed(&policy, service, Caller::User, &["KeepOwnSessionsOfRoles"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_the_task_without_the_document_is_not_enough() {
    let house = tasks().build().await;
    let mut document = policy(&house).await["document"].clone();
    let open = statement(&mut document, "OpenSessions");
    let resources = open["Resource"].as_array_mut().unwrap();
    resources.retain(|resource| !resource.as_str().unwrap().contains(":document/"));
    allow(&house, &document);

    let psql = house.psql("prod-db", "SELECT 1").finish().await;

    assert!(psql.err.contains("AWS does not permit ssm:StartSession"), "{psql}");
    assert!(psql.err.contains("document/AWS-StartPortForwardingSessionToRemoteHost"), "{psql}");
    allow(&house, &json!({ "Version": "2012-10-17", "Statement": everything() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_opens_no_shell_and_no_session_of_anybody_else() {
    let house = tasks().build().await;
    let document = policy(&house).await["document"].clone();
    let question = |action: &'static str, resource: &'static str, context: &[(&str, &str)]| {
        let mut all = bastion_sim::iam::Context::from([
            ("aws:userid", "AIDASIMULATEDUSER0001"),
            ("aws:username", "dev"),
        ]);
        context.iter().for_each(|(key, value)| all.add(key, value));
        let question = bastion_sim::iam::Question { action, resource, context: all };
        let policies = policies(&document);
        bastion_sim::iam::judge(&policies, None, &question).decision
    };
    let task = "arn:aws:ecs:ap-northeast-1:123456789012:task/neuraKnot-prod-cluster/0a1b";
    let check = "ssm:SessionDocumentAccessCheck";
    use bastion_sim::iam::Decision::{Allowed, NotAllowed};
    assert_eq!(question("ssm:StartSession", task, &[(check, "true")]), Allowed);
    assert_eq!(question("ssm:StartSession", task, &[(check, "false")]), NotAllowed);
    let shell = "arn:aws:ssm:ap-northeast-1:123456789012:document/SSM-SessionManagerRunShell";
    assert_eq!(question("ssm:StartSession", shell, &[(check, "true")]), NotAllowed);
    let own = "arn:aws:ssm:ap-northeast-1:123456789012:session/dev-0abc";
    assert_eq!(question("ssm:ResumeSession", own, &[]), Allowed);
    let other = "arn:aws:ssm:ap-northeast-1:123456789012:session/bob-0abc";
    assert_eq!(question("ssm:ResumeSession", other, &[]), NotAllowed);
    let role = "arn:aws:iam::123456789012:role/admin";
    let to_tasks = [("iam:PassedToService", "ecs-tasks.amazonaws.com")];
    assert_eq!(question("iam:PassRole", role, &to_tasks), NotAllowed);
    let elsewhere = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/another";
    let definition =
        "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/neuraKnot-prod-ssm-proxy:7";
    assert_eq!(question("ecs:RunTask", definition, &[("ecs:cluster", elsewhere)]), NotAllowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_and_without_a_login_there_is_a_policy_all_the_same() {
    let house = tasks().lay().await;
    let mut known =
        Running::start(&mut house.ctl_alone(&["policy", "--json"])).finish().await.json();
    assert_eq!(known["notes"], json!([]), "{known:#}");
    let roles = &statement(&mut known["document"], "PassTaskRoles")["Resource"];
    let role = "arn:aws:iam::123456789012:role/neuraKnot-prod-ssm-proxy-execution";
    assert_eq!(roles[0], role);

    // Nobody knows this key: what its login would tell, patterns stand for.
    let mut stranger = house.ctl_alone(&["policy", "--json"]);
    stranger.env("AWS_ACCESS_KEY_ID", "AKIANOBODY");
    let mut unknown = Running::start(&mut stranger).finish().await.json();
    let note = "the account could not be asked for, so * stands for its number: prod";
    assert_eq!(unknown["notes"][0], note);
    let roles = &statement(&mut unknown["document"], "PassTaskRoles")["Resource"];
    assert_eq!(roles[0], "arn:aws:iam::*:role/*");

    let misspelt =
        Running::start(&mut house.ctl_alone(&["policy", "--site", "prd"])).finish().await;
    assert_eq!(misspelt.code(), Some(6), "{misspelt}");
    assert!(misspelt.err.contains("did you mean \"prod\"?"), "{misspelt}");
}

/// Tasks of our own, whose container the config does not name.
fn tasks() -> Plan {
    let config = configs::SCRIPT_WAY.replace("container = \"proxy\"\n", "");
    lively(Plan::new(&config).postgres())
}

/// A service that is scaled to nothing until somebody comes.
fn service() -> Plan {
    let config = configs::CDK_WAY
        .replace("[site.dev]\n", "[site.dev]\nscale_from_zero = true\n")
        .replace(
            "rds = \"dev-mysql\"\nengine = \"mysql\"",
            "rds = \"neuraKnot-prod-db\"\nengine = \"postgres\"",
        )
        .replace("dev/mysql", "prod/neuraKnot")
        .replace("database = \"app\"", "database = \"neuraKnot\"")
        .replace("user = \"admin\"", "user = \"postgres\"")
        .replace("dev-mysql", "prod-db");
    let asleep = json!({ "services": { "dev-cluster/bastion-service": { "desired": 0 } } });
    lively(Plan::new(&config).postgres()).sim(move |sim| sim.world = asleep)
}

/// An hour takes two seconds, and what is wrong shows soon.
fn lively(plan: Plan) -> Plan {
    plan.errors_expected().start_timeout("15s").sim(|sim| sim.session.bye_every_ms = 2_000)
}

/// Who calls.
#[derive(Clone, Copy)]
enum Caller {
    User,
    Role,
}

impl Caller {
    fn key(self) -> Key {
        match self {
            Self::User => Key::default(),
            Self::Role => Key { user: "AWSReservedSSO_Dev/amy".to_owned(), ..Key::default() },
        }
    }
}

async fn policy(house: &House) -> Value {
    house.ctl(&["policy", "--json"]).await.json()
}

fn policies(document: &Value) -> bastion_sim::iam::Policies {
    let own = [("least".to_owned(), document.clone())].into();
    bastion_sim::iam::Policies { own, boundary: None }
}

/// From here on the user may do this and nothing else.
fn allow(house: &House, document: &Value) {
    let user = User { policies: policies(document) };
    house.sim().world(|world| world.users.insert("dev".to_owned(), user));
}

fn allow_role(house: &House, document: &Value) {
    let policies = policies(document);
    house.sim().world(|world| {
        world.roles.get_mut("AWSReservedSSO_Dev").unwrap().policies = policies;
    });
}

fn everything() -> Value {
    json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }])
}

fn statement<'a>(document: &'a mut Value, sid: &str) -> &'a mut Value {
    let all = document["Statement"].as_array_mut().unwrap();
    all.iter_mut().find(|one| one["Sid"] == sid).unwrap()
}

/// Every call that was refused for want of a right.
fn refused(house: &House) -> Vec<String> {
    let denied = |outcome: &Outcome| match outcome {
        Outcome::Refused { code, .. } => {
            ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"].contains(&&**code)
        }
        Outcome::Pending | Outcome::Done | Outcome::Failures => false,
    };
    let calls = house.sim().calls().into_iter();
    calls.filter(|call| denied(&call.outcome)).map(|call| call.action).collect()
}

/// Everything from the first visit to the end: a password, a visit that outlives an hour, a crash, another visit, the
/// stop. Gives all that anybody was told; it ends early where that is `enough`.
async fn life(house: &mut House, enough: impl Fn(&str) -> bool) -> Vec<String> {
    let mut told = Vec::new();
    let mut hear = |said: &Finished| {
        told.push(format!("{}{}", said.out, said.err));
        enough(told.last().unwrap())
    };
    if hear(&house.ctl(&["password", "prod-db"]).await) {
        return told;
    }
    if hear(&house.psql("prod-db", "SELECT pg_sleep(5)").finish().await) {
        return told;
    }
    if hear(&house.ctl(&["events"]).await) {
        return told;
    }
    house.kill().await;
    house.start().await;
    if hear(&house.psql("prod-db", "SELECT 6 * 7").finish().await) {
        return told;
    }
    if hear(&house.ctl(&["close", "prod-db", "--yes"]).await) {
        return told;
    }
    until("the end of it, or the reason why not", END, async || {
        let target = house.target("prod-db").await;
        (target.state == State::Cold || !target.problems.is_empty()).then_some(())
    })
    .await;
    hear(&house.ctl(&["events"]).await);
    told
}

/// Drops each statement in turn, but for these.
async fn every_one_is_missed(policy: &Value, plan: fn() -> Plan, caller: Caller, but_for: &[&str]) {
    let reasons = policy["statements"].as_array().unwrap().clone();
    let sids = reasons.iter().map(|reason| reason["sid"].as_str().unwrap().to_owned());
    let sids: Vec<String> = sids.filter(|sid| !but_for.contains(&&**sid)).collect();
    assert!(sids.len() > 6, "{sids:?}");
    // A few at a time: each is a daemon, a cloud and a client.
    let lives = sids.iter().map(|sid| missed(policy, sid, plan, caller));
    stream::iter(lives).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// Lives with a policy without one of its statements. Where that is needed, somebody is told which action is missing, and
/// the statement to add; where it can be left out, nobody is, and the life goes on.
async fn missed(policy: &Value, sid: &str, plan: fn() -> Plan, caller: Caller) {
    let mut house = plan().sim(|sim| sim.keys = vec![caller.key()]).build().await;
    let mut document = policy["document"].clone();
    let actions = statement(&mut document, sid)["Action"].clone();
    let all = document["Statement"].as_array_mut().unwrap();
    all.retain(|one| one["Sid"] != sid);
    let may = |house: &House, document: &Value| match caller {
        Caller::User => allow(house, document),
        Caller::Role => allow_role(house, document),
    };
    may(&house, &document);
    let actions: Vec<&str> = actions.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let names = |said: &str| {
        actions.iter().any(|action| {
            said.contains(&format!("AWS does not permit {action}"))
                && said.contains(&format!("\"Action\": \"{action}\""))
        })
    };
    let reasons = policy["statements"].as_array().unwrap();
    let optional = reasons.iter().any(|one| one["sid"] == sid && one["optional"] == true);

    let told = life(&mut house, names).await;

    // What is stopped at the end is stopped with all rights.
    may(&house, &json!({ "Version": "2012-10-17", "Statement": everything() }));
    let said = told.iter().any(|said| names(said));
    assert_eq!(said, !optional, "without {sid}: {told:#?}\n{}", house.log());
    if optional {
        assert!(told.iter().any(|said| said.contains("42")), "without {sid}: {told:#?}");
    }
}

/// How many lives are lived at once.
const AT_ONCE: usize = 3;
/// A stop takes a second here.
const END: Duration = Duration::from_secs(30);
