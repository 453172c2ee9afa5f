//! The AWS command line, as the script way uses it, against the simulated AWS: who knows AWS's answers better?
//!
//! `cargo xtask test` makes the Python environment that holds it, and says where in `BASTION_TEST_VENV`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use bastion_sim::{Sim, SimConfig};
use tempfile::TempDir;

/// What the plugin is called by the command line, and all that it needs of it.
const SHIM: &str = r#"#!/bin/sh
case "$1" in --version) echo 1.2.764.0; exit 0 ;; esac
{ printf '%s\n' "$@"; printf 'response %s\n' "$AWS_SSM_START_SESSION_RESPONSE"; } > "$SHIM_RECORD"
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the stand-ins; cargo xtask test runs it"]
async fn the_script_ways_commands_work_and_its_two_part_target_is_refused() {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let person = Person::at(&sim);

    let subnets = person.says("ec2 describe-subnets --filters Name=tag:Name,Values=neuraKnot-prod-private-* --query Subnets[].SubnetId");
    let subnets: Vec<&str> = subnets.split_whitespace().collect();
    assert_eq!(subnets, ["subnet-0a11ce0000000001a", "subnet-0a11ce0000000001c"]);
    let group = person.says("ec2 describe-security-groups --filters Name=group-name,Values=neuraKnot-prod-ecs-sg --query SecurityGroups[0].GroupId");
    assert_eq!(group, "sg-0a11ce000000000ec");
    let host = person.says("rds describe-db-instances --db-instance-identifier neuraKnot-prod-db --query DBInstances[0].Endpoint.Address");
    assert!(host.starts_with("neuraknot-prod-db."), "{host}");

    let network = format!(
        "awsvpcConfiguration={{subnets=[{}],securityGroups=[{group}],assignPublicIp=DISABLED}}",
        subnets.join(",")
    );
    let task = person.says(&format!("ecs run-task --cluster {CLUSTER} --task-definition neuraKnot-prod-ssm-proxy --launch-type FARGATE --enable-execute-command --network-configuration {network} --query tasks[0].taskArn"));
    assert!(
        task.starts_with("arn:aws:ecs:ap-northeast-1:123456789012:task/neuraKnot-prod-cluster/"),
        "{task}"
    );
    assert!(
        sim.until(PATIENCE, |sim| sim.tasks().iter().any(|one| one.arn == task && one.connected))
            .await
    );
    person.says(&format!("ecs wait tasks-running --cluster {CLUSTER} --tasks {task}"));
    let of = format!("ecs describe-tasks --cluster {CLUSTER} --tasks {task} --query");
    assert_eq!(person.says(&format!("{of} tasks[0].lastStatus")), "RUNNING");
    let agent = "tasks[0].containers[?name=='proxy']|[0].managedAgents[0].lastStatus";
    assert_eq!(person.says(&format!("{of} {agent}")), "RUNNING");
    let runtime = person.says(&format!("{of} tasks[0].containers[?name=='proxy']|[0].runtimeId"));

    let id = task.rsplit('/').next().unwrap();
    let parameters =
        format!(r#"{{"host":["{host}"],"portNumber":["5432"],"localPortNumber":["15432"]}}"#);
    let session = |target: &str| {
        format!(
            "ssm start-session --target {target} --document-name AWS-StartPortForwardingSessionToRemoteHost --parameters {parameters}"
        )
    };
    let refused = person.tries(&session(&format!("ecs:{CLUSTER}_{id}")));
    assert!(!refused.status.success());
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("TargetNotConnected"), "{words}");
    assert!(!person.record().exists());

    person.says(&session(&format!("ecs:{CLUSTER}_{id}_{runtime}")));
    let record = std::fs::read_to_string(person.record()).unwrap();
    for part in ["StartSession", "ap-northeast-1", "StreamUrl", "TokenValue", &runtime] {
        assert!(record.contains(part), "{part} is not in: {record}");
    }

    person.says(&format!(
        "ecs stop-task --cluster {CLUSTER} --task {task} --query task.desiredStatus"
    ));
    assert!(sim.until(PATIENCE, |sim| sim.running() == 0).await);
}

const CLUSTER: &str = "neuraKnot-prod-cluster";
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody with a terminal, the AWS command line, and the shim in place of Amazon's plugin.
struct Person {
    dir: TempDir,
    aws: PathBuf,
    env: Vec<(String, String)>,
}

impl Person {
    fn at(sim: &Sim) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shim = dir.path().join("session-manager-plugin");
        std::fs::write(&shim, SHIM).unwrap();
        std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { aws: venv().join("bin/aws"), env: sim.env(), dir }
    }

    /// What a command prints, which must succeed.
    fn says(&self, arguments: &str) -> String {
        let output = self.tries(arguments);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "aws {arguments}: {words}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn tries(&self, arguments: &str) -> Output {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places = vec![self.dir.path().to_owned()];
        places.extend(std::env::split_paths(&path));
        let mut command = Command::new(&self.aws);
        command
            .args(arguments.split(' '))
            .args(["--output", "text"])
            .env_clear()
            .envs(self.env.iter().cloned())
            .env("HOME", self.dir.path())
            .env("AWS_PAGER", "")
            .env("SHIM_RECORD", self.record())
            .env("PATH", std::env::join_paths(places).unwrap());
        tokio::task::block_in_place(|| command.output()).unwrap()
    }

    fn record(&self) -> PathBuf {
        self.dir.path().join("record")
    }
}

fn venv() -> PathBuf {
    let venv = std::env::var_os("BASTION_TEST_VENV");
    let venv =
        venv.expect("BASTION_TEST_VENV names no folder: run `cargo xtask test`, which makes one");
    Path::new(&venv).to_owned()
}
