use std::path::Path;
use std::process::Command;

use bastion_cloud::{AuroraEndpoint, SecretRef, Select, Subnet};

use super::*;
use crate::config::parse;

/// All that can be known of a target of the script way.
fn known() -> Facts {
    let subnet = |id: &str, zone: &str| Subnet { id: id.into(), zone: Some(zone.into()) };
    Facts {
        target: "prod-db".into(),
        site: site(
            "task_definition = \"proxy\"\ncontainer = \"proxy\"\nsubnets = { name = \"private-*\" }\nsecurity_groups = { name = \"proxy-sg\" }\n",
        ),
        region: Some("ap-northeast-1".into()),
        ca_bundle: None,
        identity: Found::Known(Identity {
            account: "123456789012".into(),
            arn: "arn:aws:iam::123456789012:user/amy".into(),
        }),
        place: Found::Known(Place {
            subnets: vec![
                subnet("subnet-a", "ap-northeast-1a"),
                subnet("subnet-c", "ap-northeast-1c"),
            ],
            security_groups: vec!["sg-1".into()],
            vpc: Some("vpc-1".into()),
        }),
        definition: Found::Known("proxy:7".into()),
        container: Found::Known("proxy".into()),
        service_task: unknown(""),
        scale: false,
        database: DatabaseRef::Rds("Prod-DB".into()),
        remote: Found::Known(Remote { host: "prod-db.x.rds.amazonaws.com".into(), port: 5432 }),
        managed_secret: None,
        engine: Engine::Postgres,
        user: Some("postgres".into()),
        db_name: Some("shop".into()),
        proof: Some(Proof::Secret(SecretRef::Named("prod/shop".into()))),
        port: 15432,
        held: None,
        watchdog: Some(Duration::from_secs(12 * 3600)),
    }
}

/// A task of a service, in front of a MySQL.
fn of_service() -> Facts {
    Facts {
        site: site("service = \"bastion-service\"\ncontainer = \"bastion\"\n"),
        container: Found::Known("bastion".into()),
        service_task: Found::Known(
            "arn:aws:ecs:ap-northeast-1:123456789012:task/cluster/0123".into(),
        ),
        engine: Engine::Mysql,
        watchdog: None,
        ..known()
    }
}

fn site(rest: &str) -> Site {
    let text = format!(
        "[site.prod]\nprofile = \"my prod\"\nregion = \"ap-northeast-1\"\ncluster = \"cluster\"\n{rest}\
         [target.t]\nsite = \"prod\"\nhost = \"h\"\nport = 1\nlisten = 15432\n"
    );
    parse(Path::new("c.toml"), &text).unwrap().targets.remove(0).site
}

fn unknown<T>(why: &str) -> Found<T> {
    Found::Unknown { why: why.into(), help: None }
}

/// All commands of a step, one below the other.
fn commands(facts: &Facts, title: &str) -> String {
    step(facts, title).commands.join("\n")
}

fn step(facts: &Facts, title: &str) -> ByHandStep {
    let all = steps(facts);
    let titles: Vec<String> = all.iter().map(|step| step.title.clone()).collect();
    let found = all.into_iter().find(|step| step.title == title);
    found.unwrap_or_else(|| panic!("no step \"{title}\" among {titles:?}"))
}

/// The whole script, as bash reads it.
fn script(facts: &Facts) -> String {
    steps(facts).into_iter().flat_map(|step| step.commands).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_task_is_started_with_every_name_that_was_found() {
    assert_eq!(
        commands(&known(), "Start a task"),
        "TASK=$(aws ecs run-task \\\n    --cluster cluster \\\n    --task-definition proxy:7 \\\n    \
         --launch-type FARGATE \\\n    --enable-execute-command \\\n    \
         --network-configuration 'awsvpcConfiguration={subnets=[subnet-a,subnet-c],securityGroups=[sg-1],assignPublicIp=DISABLED}' \\\n    \
         --started-by by-hand \\\n    --tags key=bastiond:target,value=prod-db \\\n    \
         --query 'tasks[0].taskArn' \\\n    --output text \\\n    --profile 'my prod' \\\n    \
         --region ap-northeast-1)\necho \"$TASK\""
    );
}

#[test]
fn spare_capacity_and_a_public_address_are_asked_for_where_the_site_wants_them() {
    let mut facts = known();
    (facts.site.spot, facts.site.assign_public_ip) = (true, true);
    let run = commands(&facts, "Start a task");
    assert!(run.contains("capacityProvider=FARGATE_SPOT,weight=1"), "{run}");
    assert!(!run.contains("--launch-type") && run.contains("assignPublicIp=ENABLED"), "{run}");
}

#[test]
fn every_call_says_profile_region_and_certificates() {
    let facts = Facts { ca_bundle: Some("/etc/my ca.pem".into()), ..known() };
    let script = script(&facts).replace(" \\\n", " ");
    let calls: Vec<&str> = script.split("aws ").skip(1).collect();
    assert!(calls.len() >= 8, "{script}");
    for call in calls {
        let flags = "--profile 'my prod'";
        assert!(call.contains(flags) && call.contains("--region ap-northeast-1"), "{call}");
        assert!(call.contains("--ca-bundle '/etc/my ca.pem'"), "{call}");
    }
    let facts = Facts { site: Site { profile: None, ..known().site }, region: None, ..known() };
    let script = self::script(&facts);
    assert!(!script.contains("--profile") && !script.contains("--region"), "{script}");
}

#[test]
fn what_was_found_is_told_with_the_command_that_finds_it() {
    let subnets = step(&known(), "Find the subnets");
    assert!(subnets.commands.is_empty());
    assert_eq!(subnets.comments[0], "subnet-a (ap-northeast-1a), subnet-c (ap-northeast-1c)");
    let how = &subnets.comments[1];
    assert!(
        how.starts_with(
            "found by: aws ec2 describe-subnets --filters 'Name=tag:Name,Values=private-*'"
        ),
        "{how}"
    );
    let database = step(&known(), "Find the database");
    assert_eq!(database.comments[0], "prod-db.x.rds.amazonaws.com:5432");
    assert!(database.comments[1].contains("--db-instance-identifier prod-db "), "{database:?}");
    let container = step(&known(), "Find the task definition and its container");
    assert_eq!(container.comments[0], "proxy:7, container proxy");
}

#[test]
fn what_is_not_known_is_looked_up_when_the_script_runs() {
    let facts = Facts {
        place: unknown("AWS does not permit ec2:DescribeSubnets"),
        definition: unknown("x"),
        container: unknown("x"),
        remote: unknown("x"),
        ..known()
    };
    let subnets = step(&facts, "Find the subnets");
    assert_eq!(subnets.unknown.as_deref(), Some("AWS does not permit ec2:DescribeSubnets"));
    assert!(subnets.commands[0].starts_with("SUBNETS=$(aws ec2 describe-subnets"), "{subnets:?}");
    let run = commands(&facts, "Start a task");
    assert!(run.contains("--task-definition proxy \\"), "{run}");
    assert!(
        run.contains(
            "\"awsvpcConfiguration={subnets=[$SUBNETS],securityGroups=[$SECURITY_GROUPS],"
        ),
        "{run}"
    );
    let runtime = commands(&facts, "Ask for the container's runtime id");
    assert!(runtime.contains("containers[?name=='$CONTAINER']"), "{runtime}");
    let session = commands(&facts, "Open the session");
    assert!(
        session.contains("\"host=$DB_HOST,portNumber=$DB_PORT,localPortNumber=15432\""),
        "{session}"
    );
    let script = script(&facts);
    for name in ["SUBNETS", "SECURITY_GROUPS", "DB_HOST", "DB_PORT", "CONTAINER"] {
        let set = script.find(&format!("{name}=$(")).unwrap_or_else(|| panic!("{name} is not set"));
        assert!(set < script.find(&format!("${name}")).unwrap(), "{name} is used before it is set");
    }
}

#[test]
fn a_login_that_is_over_is_told_with_what_brings_a_new_one() {
    let help = Some("aws sso login --profile prod".to_owned());
    let facts = Facts { identity: Found::Unknown { why: "over".into(), help }, ..known() };
    let step = step(&facts, "Ask who you are");
    assert_eq!(step.comments, ["first: aws sso login --profile prod"]);
    assert_eq!(step.unknown.as_deref(), Some("over"));
}

#[test]
fn every_kind_of_database_is_asked_for_in_its_own_way() {
    let asked = |database| {
        let facts = Facts { database, remote: unknown("x"), ..known() };
        commands(&facts, "Find the database")
    };
    let aurora = |endpoint| asked(DatabaseRef::Aurora("Shop".into(), endpoint));
    assert!(aurora(AuroraEndpoint::Writer).contains("DBClusters[0].Endpoint"));
    assert!(aurora(AuroraEndpoint::Reader).contains("DBClusters[0].ReaderEndpoint"));
    let custom = aurora(AuroraEndpoint::Custom("Reports".into()));
    assert!(custom.contains("--db-cluster-endpoint-identifier reports"), "{custom}");
    let proxy = asked(DatabaseRef::Proxy("Pool".into()));
    assert!(proxy.contains("--db-proxy-name pool") && proxy.contains("DB_PORT=5432"), "{proxy}");
}

#[test]
fn a_session_leads_to_the_container_by_its_runtime_and_to_the_database_by_its_name() {
    let session = commands(&known(), "Open the session");
    let target = r#"--target ecs:cluster_"${TASK##*/}"_"$RUNTIME""#;
    assert!(session.contains(target), "{session}");
    let parameters = r#"--parameters '{"host":["prod-db.x.rds.amazonaws.com"],"localPortNumber":["15432"],"portNumber":["5432"]}'"#;
    assert!(session.contains(parameters), "{session}");
    let cluster = "arn:aws:ecs:ap-northeast-1:123456789012:cluster/far";
    let facts = Facts { site: Site { cluster: cluster.into(), ..known().site }, ..known() };
    assert!(commands(&facts, "Open the session").contains("--target ecs:far_"));
    assert!(commands(&facts, "Start a task").contains(&format!("--cluster {cluster}")));
}

#[test]
fn a_port_that_the_daemon_holds_is_left_to_it() {
    let step = step(&Facts { held: Some(15432), port: 25432, ..known() }, "Open the session");
    assert!(
        step.comments.iter().any(|line| line == "port 25432, for bastiond holds 15432"),
        "{step:?}"
    );
    assert!(
        !step.commands[1].contains("15432\"]") || step.commands[1].contains("25432"),
        "{step:?}"
    );
}

#[test]
fn the_password_is_in_the_clients_environment_and_never_among_its_arguments() {
    let connect = commands(&known(), "Connect");
    let expected = "PGPASSWORD=$(printf %s \"$SECRET\" | jq -Rrs '. as $text | (fromjson? | objects | .password) // $text') \
                    psql -h 127.0.0.1 -p 15432 -U postgres -d shop\nunset SECRET";
    assert!(connect.ends_with(expected), "{connect}");
    assert!(connect.starts_with("SECRET=$(aws secretsmanager get-secret-value"), "{connect}");
    let mysql = commands(&of_service(), "Connect");
    assert!(mysql.contains("MYSQL_PWD=$(printf"), "{mysql}");
    assert!(
        mysql.contains(") mysql --protocol=TCP -h 127.0.0.1 -P 15432 -u postgres shop\n"),
        "{mysql}"
    );
}

#[test]
fn a_user_whom_the_config_does_not_name_is_the_secrets() {
    let connect = commands(&Facts { user: None, ..known() }, "Connect");
    let asked =
        "DB_USER=$(printf %s \"$SECRET\" | jq -Rrs 'fromjson? | objects | .username // empty')\n";
    assert!(connect.contains(asked), "{connect}");
    let other = commands(&Facts { user: None, engine: Engine::Other, ..known() }, "Connect");
    assert!(!other.contains("DB_USER"), "{other}");
    assert!(connect.contains("-U \"$DB_USER\" -d shop"), "{connect}");
    let nobody = commands(&Facts { user: None, proof: None, ..known() }, "Connect");
    assert_eq!(nobody, "psql -h 127.0.0.1 -p 15432 -d shop");
}

#[test]
fn a_secret_that_rds_manages_is_found_through_the_database() {
    let database = DatabaseRef::Rds("Prod-DB".into());
    let proof = Some(Proof::Secret(SecretRef::Managed(database)));
    let facts = Facts { proof, ..known() };
    let connect = commands(&facts, "Connect");
    assert!(connect.starts_with("SECRET_ID=$(aws rds describe-db-instances"), "{connect}");
    assert!(connect.contains("--secret-id \"$SECRET_ID\""), "{connect}");
    let facts = Facts { managed_secret: Some("arn:aws:secretsmanager:x:rds!db-1".into()), ..facts };
    let connect = commands(&facts, "Connect");
    assert!(connect.contains("--secret-id 'arn:aws:secretsmanager:x:rds!db-1'"), "{connect}");
}

#[test]
fn a_token_is_made_for_the_databases_own_name() {
    let facts = Facts { proof: Some(Proof::Iam), ..known() };
    let connect = commands(&facts, "Connect").replace(" \\\n   ", "");
    assert!(connect.starts_with("PGPASSWORD=$(aws rds generate-db-auth-token --hostname prod-db.x.rds.amazonaws.com --port 5432 --username postgres "), "{connect}");
    assert!(
        connect.ends_with(") PGSSLMODE=require psql -h 127.0.0.1 -p 15432 -U postgres -d shop"),
        "{connect}"
    );
    let facts = Facts { engine: Engine::Mysql, remote: unknown("x"), ..facts };
    let connect = commands(&facts, "Connect").replace(" \\\n   ", "");
    assert!(connect.contains("--hostname \"$DB_HOST\" --port \"$DB_PORT\""), "{connect}");
    assert!(connect.contains(") LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN=1 mysql "), "{connect}");
}

#[test]
fn any_other_database_gets_a_port_and_its_password() {
    let step = step(&Facts { engine: Engine::Other, ..known() }, "Connect");
    assert_eq!(step.comments.last().unwrap(), "your client finds the database at 127.0.0.1:15432");
    assert!(step.commands[1].starts_with("printf %s \"$SECRET\" | jq "), "{step:?}");
}

#[test]
fn a_services_task_is_found_and_never_started_or_stopped() {
    let facts = of_service();
    let find = step(&facts, "Find the service's task");
    assert_eq!(
        find.comments,
        ["at this moment: arn:aws:ecs:ap-northeast-1:123456789012:task/cluster/0123"]
    );
    assert!(find.commands[0].contains("--service-name bastion-service"), "{find:?}");
    let script = script(&facts);
    for never in ["run-task", "stop-task", "update-service", "describe-subnets"] {
        assert!(!script.contains(never), "{never} is in: {script}");
    }
    let end = step(&facts, "End it");
    assert_eq!(end.comments, ["the task is the service's own, and runs on"]);
}

#[test]
fn a_service_that_may_be_scaled_is_scaled_there_and_back() {
    let facts = Facts { scale: true, service_task: unknown("x"), ..of_service() };
    let find = commands(&facts, "Find the service's task");
    assert!(find.contains("--desired-count 1") && find.contains("wait services-stable"), "{find}");
    assert!(commands(&facts, "End it").contains("--desired-count 0"));
    let nameless = Facts { container: unknown("x"), ..facts };
    let find = commands(&nameless, "Find the service's task");
    assert!(find.contains("CONTAINER=$(aws ecs describe-tasks"), "{find}");
}

#[test]
fn a_task_of_ones_own_is_stopped_at_the_end() {
    let end = commands(&known(), "End it").replace(" \\\n   ", "");
    let stop = "aws ecs stop-task --cluster cluster --task \"$TASK\" --reason 'ended by hand'";
    assert!(end.starts_with("pkill -P \"$SESSION\"") && end.contains(stop), "{end}");
}

#[test]
fn no_task_of_a_person_is_taken_for_the_daemons() {
    let run = commands(&known(), "Start a task");
    assert!(run.contains("--started-by by-hand") && !run.contains("bastiond/"), "{run}");
}

#[test]
fn bash_takes_every_script() {
    let odd = Site {
        cluster: "it's a $(reboot) `x`".into(),
        subnets: Select::Tags(vec![("a\"b".into(), "c'\n$d".into()), ("e f".into(), "*".into())]),
        security_groups: Select::Ids(vec!["sg-1".into(), "sg 2".into()]),
        ..known().site
    };
    let unknowns = Facts {
        site: odd,
        target: "o'hara $x".into(),
        place: unknown("x"),
        container: Found::Known("pro'xy\"$(reboot)".into()),
        remote: unknown("x"),
        user: Some("o'hara".into()),
        db_name: Some("my $db".into()),
        ..known()
    };
    let scaled = Facts { scale: true, ..of_service() };
    for facts in [known(), of_service(), unknowns, scaled] {
        let script = script(&facts);
        let output = Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
        assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
        assert!(
            !script.contains("\"$(reboot)") && !script.contains(" $(reboot) `x`\""),
            "{script}"
        );
    }
}
