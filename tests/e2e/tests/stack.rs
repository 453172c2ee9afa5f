//! `init --stack`: every template is read by Amazon's own linter, deployed into a stand-in for CloudFormation by the
//! commands that were printed, used, and deleted again.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output, Stdio};

use bastion_e2e::clients::{path_after, venv};
use bastion_e2e::ministack::{Ministack, REGION};
use serde_json::Value;
use xtask::place::program;
use xtask::postgres::bare;

const ALL: [&[&str]; 4] = [&[], &["--endpoints"], &["--sample"], &["--sample", "--endpoints"]];

#[test]
#[ignore = "needs the linter; cargo xtask test runs it"]
fn the_linter_has_nothing_to_say_about_any_template() {
    let dir = tempfile::tempdir().unwrap();
    for (number, options) in ALL.iter().enumerate() {
        let file = dir.path().join(format!("{number}.yaml"));
        let mut ctl = bare(&program("bastionctl").unwrap(), None);
        let ctl = ctl.args(["init", "--quiet", "--stack"]).arg(&file).args(*options);
        assert!(ctl.status().unwrap().success(), "{options:?}");
        // Information too, and in regions that differ in what they have.
        let mut lint = bare(&venv().join("bin/cfn-lint"), None);
        lint.args([
            "--include-checks",
            "I",
            "--regions",
            "ap-northeast-1",
            "us-east-1",
            "eu-central-1",
        ]);
        let lint = lint.arg("--").arg(&file).output().unwrap();
        assert!(lint.status.success() && lint.stdout.is_empty(), "{options:?}: {}", said(&lint));
    }
}

#[test]
#[ignore = "needs the stand-in; cargo xtask test runs it"]
fn a_stack_beside_a_database_gives_what_bastions_need_and_is_deleted_whole() {
    let there = StandIn::start();
    there.deploy("one", &[], &[]);
    let told = there.by_hand("one", "host = \"db.internal\"\nport = 3306\n");
    assert_eq!(told["account"], "123456789012");
    there.delete("one");
}

#[test]
#[ignore = "needs the stand-in; cargo xtask test runs it"]
fn a_stack_for_a_vpc_without_a_way_out_has_endpoints_for_all_that_bastions_ask() {
    let there = StandIn::start();
    there.deploy("two", &["--endpoints"], &[]);
    let services =
        there.aws("ec2 describe-vpc-endpoints --query VpcEndpoints[].ServiceName --output text");
    for service in ["ssmmessages", "ecr.api", "ecr.dkr", "logs", "s3"] {
        let whole = format!("com.amazonaws.{REGION}.{service}");
        assert!(services.split_whitespace().any(|one| one == whole), "{whole}: {services}");
    }
    there.by_hand("two", "host = \"db.internal\"\nport = 3306\n");
    there.delete("two");
}

#[test]
#[ignore = "needs the stand-in; cargo xtask test runs it"]
fn a_sample_has_a_database_that_its_bastions_reach_and_nobody_else() {
    for (name, options) in [("three", ALL[2]), ("four", ALL[3])] {
        let there = StandIn::start();
        // The stand-in knows no NAT gateways; the linter has read them.
        there.deploy(name, options, &["NatAddress", "Nat", "PrivateWayOut"]);
        let outputs = there.outputs(name);
        let (database, secret) = (&outputs["Database"], &outputs["DatabaseSecret"]);
        let told = there.by_hand(
            name,
            &format!("rds = \"{database}\"\npassword = {{ secret = \"{secret}\" }}\n"),
        );
        let found = step(&told, "Find the database");
        let host = found["comments"][0].as_str().unwrap();
        assert!(host.starts_with(&format!("{name}-db.")) && host.ends_with(":3306"), "{host}");

        let of_database = there.aws("rds describe-db-instances --query DBInstances[0].VpcSecurityGroups[0].VpcSecurityGroupId --output text");
        let let_in = there.aws(&format!("ec2 describe-security-groups --group-ids {of_database} --query SecurityGroups[0].IpPermissions"));
        let let_in: Value = serde_json::from_str(&let_in).unwrap();
        assert_eq!(let_in.as_array().unwrap().len(), 1, "{let_in:#}");
        assert_eq!(let_in[0]["FromPort"], 3306);
        assert_eq!(let_in[0]["UserIdGroupPairs"][0]["GroupId"], outputs["SecurityGroups"]);
        let kept = there.aws(&format!("secretsmanager get-secret-value --secret-id {secret} --query SecretString --output text"));
        let kept: Value = serde_json::from_str(&kept).unwrap();
        for key in ["username", "password", "host", "port"] {
            assert!(!kept[key].is_null(), "{key} is not in the secret");
        }
        there.delete(name);
    }
}

/// CloudFormation and all that a stack is made of, and a person who has an account there.
struct StandIn {
    ministack: Ministack,
}

impl StandIn {
    fn start() -> Self {
        Self { ministack: Ministack::start(&[]) }
    }

    /// Writes a template and deploys it as was said, but for resources that the stand-in does not know.
    fn deploy(&self, name: &str, options: &[&str], unknown: &[&str]) {
        let words = ["init", "--json", "--stack", "stack.yaml", "--name", name];
        let told: Value = serde_json::from_str(&self.ctl(&[&words[..], options].concat())).unwrap();
        let file = self.ministack.dir().join("stack.yaml");
        let template = fs::read_to_string(&file).unwrap();
        fs::write(&file, without(&template, unknown)).unwrap();
        let commands = told["deploy"].as_array().unwrap().iter().filter_map(Value::as_str);
        // All that lists what there is to choose from, and the one that deploys; no image is pushed here.
        for command in commands.filter(|command| !command.contains("docker")) {
            self.bash(&self.filled(command));
        }
        let status = format!(
            "cloudformation describe-stacks --stack-name {name} --query Stacks[0].StackStatus --output text"
        );
        assert_eq!(self.aws(&status), "CREATE_COMPLETE");
    }

    /// Deletes the stack as was said: then nothing is left of it.
    fn delete(&self, name: &str) {
        let words = ["init", "--json", "--stack", "-", "--name", name];
        let told: Value = serde_json::from_str(&self.ctl(&words)).unwrap();
        for command in told["delete"].as_array().unwrap() {
            self.bash(command.as_str().unwrap());
        }
        let left = [
            "ecs list-clusters --query clusterArns",
            "iam list-roles --query Roles[].RoleName",
            "rds describe-db-instances --query DBInstances[].DBInstanceIdentifier",
            "ec2 describe-security-groups --query SecurityGroups[].GroupName",
        ];
        for call in left {
            let left = self.aws(call);
            assert!(
                !left.contains(&format!("{name}-")) && !left.contains(&format!("/{name}\"")),
                "{call}: {left}"
            );
        }
    }

    /// What bastiond finds of the stack, given a config with what the stack says of itself.
    fn by_hand(&self, name: &str, database: &str) -> Value {
        let outputs = self.outputs(name);
        let of = |key: &str| outputs[key].clone();
        let list = |ids: String| format!("[\"{}\"]", ids.replace(',', "\", \""));
        let config = format!(
            "[site.s]\nregion = \"{}\"\ncluster = \"{}\"\ntask_definition = \"{}\"\nsubnets = {}\n\
             security_groups = {}\n[target.db]\nsite = \"s\"\nlisten = \"unix\"\n{database}",
            of("Region"),
            of("Cluster"),
            of("TaskDefinition"),
            list(of("Subnets")),
            list(of("SecurityGroups")),
        );
        fs::write(self.ministack.dir().join("config.toml"), config).unwrap();
        let told: Value = serde_json::from_str(&self.ctl(&["by-hand", "db", "--json"])).unwrap();
        for step in told["steps"].as_array().unwrap() {
            assert!(step["unknown"].is_null(), "{step:#}");
        }
        let definition = step(&told, "Find the task definition and its container");
        let expected = format!("{name}-bastion:1, container {}", of("Container"));
        assert_eq!(definition["comments"][0], expected);
        told
    }

    /// What the stack says of itself, by name.
    fn outputs(&self, name: &str) -> BTreeMap<String, String> {
        let call =
            format!("cloudformation describe-stacks --stack-name {name} --query Stacks[0].Outputs");
        let told: Value = serde_json::from_str(&self.aws(&call)).unwrap();
        let text = |of: &Value| of.as_str().unwrap().to_owned();
        let told = told.as_array().unwrap().iter();
        told.map(|one| (text(&one["OutputKey"]), text(&one["OutputValue"]))).collect()
    }

    /// A printed command with what a person has to fill in.
    fn filled(&self, command: &str) -> String {
        let asked = [
            ("subnet-...,subnet-...", "describe-subnets --query join(',',Subnets[].SubnetId)"),
            ("vpc-...", "describe-vpcs --query Vpcs[0].VpcId"),
            ("rtb-...", "describe-route-tables --query RouteTables[0].RouteTableId"),
        ];
        let asked = asked.into_iter().filter(|(dots, _)| command.contains(dots));
        asked.fold(command.to_owned(), |command, (dots, call)| {
            command.replace(dots, &self.aws(&format!("ec2 {call} --output text")))
        })
    }

    fn aws(&self, call: &str) -> String {
        let output = self.person(&venv().join("bin/aws")).args(call.split(' ')).output().unwrap();
        assert!(output.status.success(), "aws {call}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn bash(&self, commands: &str) {
        let output = self.person("bash".as_ref()).args(["-ec", commands]).output().unwrap();
        assert!(output.status.success(), "{commands}: {}", said(&output));
    }

    fn ctl(&self, words: &[&str]) -> String {
        let mut ctl = self.person(&program("bastionctl").unwrap());
        let output = ctl.env("BASTION_CONFIG", "config.toml").args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A program as a person runs it who has an account at the stand-in.
    fn person(&self, program: &std::path::Path) -> Command {
        let mut command = bare(program, None);
        command
            .current_dir(self.ministack.dir())
            .env("PATH", path_after(&[&venv().join("bin")]))
            .env("HOME", self.ministack.dir())
            .env("XDG_RUNTIME_DIR", self.ministack.dir())
            .env("AWS_ENDPOINT_URL", self.ministack.endpoint())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_PAGER", "")
            .stdin(Stdio::null());
        command
    }
}

/// A template without these resources.
fn without(template: &str, resources: &[&str]) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in template.lines() {
        let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with([' ', '#']));
        if let Some(name) = name.and_then(|name| name.strip_suffix(':')) {
            inside = resources.contains(&name);
        } else if line.is_empty() {
            inside = false;
        }
        if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// A step of what was told.
fn step<'a>(told: &'a Value, title: &str) -> &'a Value {
    let steps = told["steps"].as_array().unwrap();
    steps.iter().find(|step| step["title"] == title).unwrap_or_else(|| panic!("{title}: {told:#}"))
}

/// All that a program said.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}
