//! The same policy before somebody else's IAM: ministack knows users, verifies their signatures and judges ECS, EC2, RDS
//! and Secrets Manager by their policies. What it has no calls for, sessions, our simulator judges, by the same policy of
//! the same key.
//!
//! ministack starts tasks without agents and without AWS's runtime ids, so that no daemon can live on it: the calls of a
//! life are made one by one, by what the daemon makes them with.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bastion_aws::{Aws, Settings};
use bastion_cloud::{Bastion, Cloud, CloudError, Kind, Remote, Seen, TaskSpec};
use bastion_e2e::ministack::{Ministack, REGION};
use bastion_e2e::{House, Plan, Running};
use bastion_sim::Key;
use bastion_sim::world::Cluster;
use bastiond::config::{Proof, Target};
use bastiond::explain;
use serde_json::{Value, json};

use super::{allow, statement};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn every_call_of_a_life_is_permitted_by_the_policy_and_missed_without_its_statement() {
    let there = There::build().await;
    let document = there.policy().await;

    there.may(&document);
    let refused = there.life().await;
    assert!(refused.is_empty(), "by the whole policy: {refused:#?}");

    let sids: Vec<String> = document["Statement"].as_array().unwrap().iter().map(sid).collect();
    let judged = [JUDGED, PASSED_OVER].concat();
    assert!(sids.iter().all(|sid| judged.contains(&&**sid)), "{sids:?}");
    for sid in &sids {
        let mut without = document.clone();
        let actions = statement(&mut without, sid)["Action"].clone();
        without["Statement"].as_array_mut().unwrap().retain(|one| one["Sid"] != **sid);
        there.may(&without);

        let refused = there.life().await;

        if PASSED_OVER.contains(&&**sid) {
            assert!(refused.is_empty(), "{sid} is judged now, drop it from the list: {refused:#?}");
            continue;
        }
        assert!(!refused.is_empty(), "nobody misses {sid}");
        for error in refused {
            let problem = explain::cloud(&there.target, &error);
            assert_eq!(problem.code, "D19", "without {sid}: {error:?}");
            let named = actions.as_array().unwrap().iter().any(|action| {
                let action = action.as_str().unwrap();
                problem.message.contains(action) && problem.hints[0].contains(action)
            });
            assert!(named, "without {sid}: {problem:#?}");
        }
    }
}

fn sid(statement: &Value) -> String {
    statement["Sid"].as_str().unwrap().to_owned()
}

/// A person at two stand-ins that pass for one AWS.
struct There {
    owner: Owner,
    house: House,
    target: Target,
    person: Aws,
    /// A bastion at the simulator, for sessions.
    bastion: Bastion,
}

impl There {
    async fn build() -> Self {
        let owner = Owner::start();
        let house = Plan::without_config().lay().await;
        let made: Value = serde_json::from_str(&owner.account(&house, "setup", "")).unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let key =
            Key { access_key_id: text("id"), secret_access_key: text("secret"), ..Key::default() };
        house.sim().keys(|keys| keys.push(key.clone()));
        house.sim().world(|world| {
            let definition = world.task_definitions["neuraKnot-prod-ssm-proxy:7"].clone();
            world.task_definitions.insert("proxy:1".to_owned(), definition);
            world.clusters.insert("main".to_owned(), Cluster::default());
        });
        let admin = Key {
            user: "admin".to_owned(),
            access_key_id: "AKIAADMIN".to_owned(),
            ..Key::default()
        };
        house.sim().keys(|keys| keys.push(admin.clone()));
        let (everywhere, sessions) = (owner.ministack.endpoint(), house.sim().endpoint());
        let profiles = format!(
            "{}services = mixed\nendpoint_url = {everywhere}\n[services mixed]\nssm =\n  endpoint_url = {sessions}\n\
             {}endpoint_url = {sessions}\n",
            profile("person", &key),
            profile("admin", &admin),
        );
        fs::write(house.path("profiles"), profiles).unwrap();
        fs::write(house.path("config.toml"), CONFIG).unwrap();
        let config = bastiond::config::parse(Path::new("config.toml"), CONFIG).unwrap();
        let target = config.targets.into_iter().next().unwrap();
        let aws = |profile: &str| {
            let site =
                bastion_cloud::Site { profile: Some(profile.to_owned()), ..target.site.clone() };
            let config_file = Some(house.path("profiles"));
            let credentials_file = Some(house.path("no-credentials"));
            Aws::with(site, Settings { config_file, credentials_file, ..Settings::default() })
        };
        let (person, admin) = (aws("person"), aws("admin"));
        let subnets = vec!["subnet-0a11ce0000000001a".to_owned()];
        let task = admin.run_task(&TaskSpec { subnets, ..spec() }).await.unwrap();
        let bastion = admin.agent_ready(&task, &|_| {}, PATIENCE).await.unwrap();
        Self { owner, house, target, person, bastion }
    }

    /// The policy for the account, as its owner has it printed.
    async fn policy(&self) -> Value {
        let mut ctl = self.house.program("bastionctl");
        ctl.arg("policy")
            .envs(self.owner.root())
            .env("BASTION_CONFIG", self.house.path("config.toml"));
        Running::start(&mut ctl).finish().await.json()
    }

    /// From here on the person may do this and nothing else, at both stand-ins.
    fn may(&self, document: &Value) {
        allow(&self.house, document);
        self.owner.account(&self.house, "allow", &as_ministack_judges(document).to_string());
    }

    /// Start, visit, adopt, stop: every call of it, as far as it comes. Gives what was not permitted.
    async fn life(&self) -> Vec<CloudError> {
        // The clients remember what they have found: each life begins with new ones.
        self.person.forget_login();
        let mut refused = Vec::new();
        let mut note = |error: CloudError| {
            assert!(matches!(error.kind, Kind::Denied { .. }), "{error:?}");
            refused.push(error);
        };
        let place = self.person.find_place().await;
        self.person
            .refresh_database(&self.target.database)
            .await
            .map(drop)
            .unwrap_or_else(&mut note);
        let Some(Proof::Secret(secret)) = &self.target.password else { panic!("it has a secret") };
        self.person.secret(secret).await.map(drop).unwrap_or_else(&mut note);
        match place {
            Ok(place) => {
                let security_groups = place.security_groups.clone();
                let spec = TaskSpec { subnets: place.subnet_ids(), security_groups, ..spec() };
                self.task(&spec, &mut note).await;
            }
            Err(error) => note(error),
        }
        self.session(&mut note).await;
        refused
    }

    /// A task from its start to its end, over a daemon that comes back and looks for it.
    async fn task(&self, spec: &TaskSpec, note: &mut impl FnMut(CloudError)) {
        let task = match self.person.run_task(spec).await {
            Ok(task) => task,
            Err(error) => return note(error),
        };
        match self.person.list_tasks(&spec.started_by).await {
            Ok(tasks) => assert!(tasks.contains(&task), "{tasks:?}"),
            Err(error) => note(error),
        }
        match self.person.see_tasks(std::slice::from_ref(&task)).await {
            Ok(seen) => assert!(matches!(seen[0], Seen::Running { .. }), "{seen:?}"),
            Err(error) => note(error),
        }
        self.person.stop_task(&task, "a test").await.unwrap_or_else(note);
    }

    async fn session(&self, note: &mut impl FnMut(CloudError)) {
        let remote = Remote { host: "db.internal".to_owned(), port: 5432 };
        match self.person.start_session(&self.bastion, &remote, PATIENCE).await {
            Ok(grant) => {
                let session = grant.session;
                self.person.resume_session(&session).await.map(drop).unwrap_or_else(&mut *note);
                self.person.end_session(&session).await.unwrap_or_else(note);
            }
            Err(error) => note(error),
        }
    }
}

/// The statements that one of the two stand-ins judges.
const JUDGED: &[&str] = &[
    "FindInstances",
    "FindPlaces",
    "KeepOwnSessions",
    "ListTasks",
    "OpenSessions",
    "ReadSecrets",
    "ReadTaskDefinitions",
    "RunBastions",
    "SeeTasks",
    "StopBastions",
];

/// Those that none of them judges here: ministack asks for neither roles nor tags at RunTask, nobody has taken a role, and
/// no data channel is opened. The stories beside this one live with all of them.
const PASSED_OVER: &[&str] =
    &["KeepOwnSessionsOfRoles", "OpenDataChannels", "PassTaskRoles", "TagBastions"];

/// ministack judges every ECS call that names a cluster on that cluster, whatever AWS judges it on, and knows no
/// `ecs:cluster`: its dialect of the same statements. All others are given to it as they are.
fn as_ministack_judges(document: &Value) -> Value {
    let mut document = document.clone();
    for statement in document["Statement"].as_array_mut().unwrap() {
        let action = statement["Action"][0].as_str().unwrap();
        if action.starts_with("ecs:") && statement["Resource"] != json!(["*"]) {
            statement["Resource"].as_array_mut().unwrap().push(json!(CLUSTER));
        }
        if statement["Condition"]["ArnEquals"]["ecs:cluster"] == CLUSTER {
            statement.as_object_mut().unwrap().remove("Condition");
        }
    }
    document
}

/// Whoever owns the account at a ministack with IAM.
struct Owner {
    ministack: Ministack,
}

impl Owner {
    fn start() -> Self {
        Self { ministack: Ministack::start(&[&[("AUTH", "true")], &ROOT[..]].concat()) }
    }

    /// What its owner's programs find it by.
    fn root(&self) -> Vec<(String, String)> {
        let mut env: Vec<(String, String)> =
            ROOT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        env.extend([
            ("AWS_ENDPOINT_URL".to_owned(), self.ministack.endpoint().to_owned()),
            ("AWS_REGION".to_owned(), REGION.to_owned()),
            ("AWS_DEFAULT_REGION".to_owned(), REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
        ]);
        env
    }

    /// Does something with the account, as its owner.
    fn account(&self, house: &House, deed: &str, input: &str) -> String {
        let mut command = house.script("ministack_account.py");
        command.arg(deed).envs(self.root()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{deed}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn profile(name: &str, key: &Key) -> String {
    format!(
        "[profile {name}]\nregion = {REGION}\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        key.access_key_id, key.secret_access_key
    )
}

/// A wish for a task, whose place the caller fills in.
fn spec() -> TaskSpec {
    TaskSpec {
        token: uuid(),
        started_by: "bastiond/house".to_owned(),
        tags: vec![("bastiond:target".to_owned(), "prod-db".to_owned())],
        environment: vec![("BASTION_TARGET".to_owned(), "prod-db".to_owned())],
        command: None,
        subnets: Vec::new(),
        security_groups: Vec::new(),
        spot: false,
    }
}

/// A token that no other wish has.
fn uuid() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("wish-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

const CONFIG: &str = r#"
[site.prod]
region = "ap-northeast-1"
cluster = "main"
task_definition = "proxy"
subnets = { name = "private-*" }
security_groups = { name = "proxy" }

[target.prod-db]
site = "prod"
rds = "prod-db"
listen = "unix"
user = "postgres"
password = { secret = "prod/db" }
"#;

const CLUSTER: &str = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/main";
/// ministack takes the root's key by any secret.
const ROOT: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "rootkey"), ("AWS_SECRET_ACCESS_KEY", "rootsecret")];
/// An agent of the simulator connects within a second.
const PATIENCE: Duration = Duration::from_secs(30);
