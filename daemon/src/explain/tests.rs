use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::{CloudError, EndClass, Kind, LoginWay, TaskEnd, TaskId};
use ssm_tunnel::{Closed, OpenError, StreamError};

use super::{cloud, refusal, still_starting};
use crate::clock::Clock;
use crate::config::{self, Target};
use crate::keeper::{Refusal, Start};
use crate::tunnels::TunnelFailure;

#[test]
fn a_name_that_the_vpc_does_not_know_is_told_however_soon_the_tunnel_ends() {
    let output = "lookup db.internal on 10.0.0.2:53: no such host".to_owned();
    let why = Closed::ByService { output: output.clone() };
    let failures = [
        TunnelFailure::Open(Arc::new(OpenError::Closed(why.clone()))),
        TunnelFailure::Stream(Arc::new(StreamError::Closed(why))),
    ];
    for failure in failures {
        let problem = refusal(&target(), &Refusal::Tunnel(failure));
        assert_eq!(problem.code, "D25");
        assert!(problem.causes.iter().any(|cause| cause.contains(&output)), "{problem:?}");
    }
}

#[test]
fn every_failure_of_the_cloud_has_its_code_and_kind_a_cause_and_something_to_type() {
    for (code, sort, kind) in every_kind() {
        let problem = told("ecs:RunTask", kind.clone());
        assert_eq!((problem.code.as_str(), problem.kind), (code, sort), "{kind:?}");
        assert!(!problem.message.is_empty() && !problem.message.ends_with('.'), "{problem:?}");
        assert!(!problem.hints.is_empty(), "{problem:?}");
        assert!(problem.causes[0].contains("AWS's own words"), "{problem:?}");
        assert_eq!(problem.request_id.as_deref(), Some("request-1"));
        let spoken = [&problem.causes[..], &problem.hints[..]].concat().join("\n");
        assert!(!spoken.contains("Some(") && !spoken.contains("None"), "a debug print: {spoken}");
    }
}

#[test]
fn a_login_is_told_by_what_brings_a_new_one() {
    let hints = |way: LoginWay| {
        told("sts:GetCallerIdentity", Kind::Login { profile: Some("legacy".to_owned()), way })
            .hints
            .join("\n")
    };
    let ended = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600));
    assert_eq!(hints(LoginWay::Sso { ended }), "aws sso login --profile legacy");
    assert!(hints(LoginWay::Keys).ends_with("aws configure --profile legacy"));
    let mfa = hints(LoginWay::Mfa { serial: "arn:aws:iam::1:mfa/dev".into() });
    assert!(mfa.starts_with("aws sts get-caller-identity --profile legacy"), "{mfa}");
    assert!(mfa.contains(
        "credential_process = aws configure export-credentials --profile legacy --format process"
    ));
    let helper = LoginWay::Helper { program: "aws-vault".into(), silent: true };
    let silent = told("sts:GetCallerIdentity", Kind::Login { profile: None, way: helper });
    assert!(silent.causes.iter().any(|cause| cause.contains("runs aws-vault")), "{silent:?}");
    // The site's own profile is named where the error names none.
    assert!(silent.message.contains("\"prod\""), "{silent:?}");
}

#[test]
fn the_end_of_a_login_is_told_with_its_time() {
    let ended = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600));
    let way = LoginWay::Sso { ended };
    let problem = told("sts:GetCallerIdentity", Kind::Login { profile: None, way });
    // Whatever the zone: New Year's Eve or New Year's Day.
    assert!(problem.message.contains(" on 202"), "{}", problem.message);
}

#[test]
fn what_is_not_allowed_comes_with_the_statement_to_add() {
    let denied = |call, action: &str, explicit| {
        let resource = Some("arn:aws:iam::1:role/exec".to_owned());
        told(call, Kind::Denied { explicit, action: Some(action.to_owned()), resource })
    };
    let session = denied("ssm:StartSession", "ssm:StartSession", false);
    let statement = "{\"Effect\": \"Allow\", \"Action\": \"ssm:StartSession\", \"Resource\": \
        [\"arn:aws:ecs:*:*:task/c/*\", \
        \"arn:aws:ssm:*::document/AWS-StartPortForwardingSessionToRemoteHost\"], \
        \"Condition\": {\"BoolIfExists\": {\"ssm:SessionDocumentAccessCheck\": \"true\"}}}";
    assert!(session.hints[0].ends_with(statement), "{:?}", session.hints);
    assert_eq!(session.hints[1], "all that it needs: bastionctl policy --site prod");
    // What is not permitted need not be the call's own action.
    let role = denied("ecs:RunTask", "iam:PassRole", false);
    assert!(role.message.contains("iam:PassRole"));
    assert!(role.hints[0].contains("\"Resource\": [\"arn:aws:iam::1:role/exec\"]"));
    let forbidden = denied("ssm:StartSession", "ssm:StartSession", true);
    assert!(forbidden.hints[0].contains("\"NotResource\": [\"arn:aws:ecs:*:*:task/c/*\""));
    assert!(!forbidden.hints[0].contains("Allow"), "no allow helps against a deny");
    let unnamed =
        told("ecs:StopTask", Kind::Denied { explicit: false, action: None, resource: None });
    assert!(unnamed.hints[0].contains("\"Action\": \"ecs:StopTask\""));
}

#[test]
fn every_end_of_a_task_is_told_apart_and_its_last_words_come_last() {
    let classes = [
        EndClass::Asked,
        EndClass::Capacity,
        EndClass::Exited,
        EndClass::Image,
        EndClass::Memory,
        EndClass::Network,
        EndClass::Resource,
        EndClass::Role,
        EndClass::Route,
        EndClass::SpotTaken,
        EndClass::Start,
        EndClass::Unknown,
    ];
    let mut messages: Vec<String> = Vec::new();
    for class in classes {
        let log = vec!["first".to_owned(), "last".to_owned()].into();
        let code = Some("TaskFailedToStart".to_owned());
        let kind = Kind::TaskStopped { class, code, exit_code: Some(3), log };
        let problem = told("ecs:DescribeTasks", kind);
        assert!(problem.causes.iter().any(|cause| cause.contains("exited with 3")));
        assert_eq!(problem.causes[problem.causes.len() - 2..], ["its log: first", "its log: last"]);
        assert!(!messages.contains(&problem.message), "{}", problem.message);
        messages.push(problem.message);
    }
}

#[test]
fn a_bastion_that_is_gone_tells_the_clouds_words_and_its_own() {
    let end = TaskEnd {
        words: "Essential container in task exited".to_owned(),
        log: vec!["out of disk".to_owned()],
        ..TaskEnd::default()
    };
    let problem = refusal(&target(), &Refusal::TaskGone(end.to_string()));
    assert_eq!(problem.causes, ["Essential container in task exited", "its log: out of disk"]);
    let silent = refusal(&target(), &Refusal::TaskGone(String::new()));
    assert!(silent.causes.is_empty());
}

#[test]
fn whoever_answers_in_awss_place_is_named_where_it_showed_itself() {
    let named = told("ecs:RunTask", Kind::Intercepted { issuer: Some("Corp CA".to_owned()) });
    assert!(named.causes.iter().any(|cause| cause.contains("signed by Corp CA")), "{named:?}");
    assert!(named.hints[0].contains("ca_bundle"), "{named:?}");
    let unnamed = told("ecs:RunTask", Kind::Intercepted { issuer: None });
    assert!(unnamed.hints.iter().any(|hint| hint.contains("HTTPS_PROXY")), "{unnamed:?}");
}

#[test]
fn functions_stand_in_the_order_of_their_names() {
    let rooms = [
        ("explain", include_str!("../explain.rs"), "away"),
        ("cloud", include_str!("cloud.rs"), "agent_stopped"),
        ("database", include_str!("database.rs"), "broke_off"),
        ("login", include_str!("login.rs"), "console"),
        ("policy", include_str!("policy.rs"), "forbidden"),
        ("tunnel", include_str!("tunnel.rs"), "address_refused"),
    ];
    for (room, text, first) in rooms {
        let names = text.lines().filter_map(|line| {
            let line = line.strip_prefix("pub(super) ").unwrap_or(line);
            let line = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("fn ")?;
            line.split(['(', '<']).next()
        });
        // What decides stands above them, what serves them below.
        let problems: Vec<&str> =
            names.skip_while(|name| *name != first).filter(|name| !SERVE.contains(name)).collect();
        assert!(problems.len() > 2, "{room}: {problems:?}");
        assert!(problems.is_sorted(), "{room}: {problems:?}");
    }
}

/// Functions that are no failures.
const SERVE: [&str; 7] =
    ["chain", "condition", "end", "local", "meant", "resources", "through_the_cli"];

fn every_kind() -> Vec<(&'static str, Sort, Kind)> {
    let names = || vec!["one".to_owned(), "two".to_owned()];
    let login = |way| Kind::Login { profile: Some("prod".to_owned()), way };
    let denied = |explicit| Kind::Denied { explicit, action: None, resource: None };
    let helper = |silent| login(LoginWay::Helper { program: "vault".into(), silent });
    let action = |action: &str| Kind::Denied {
        explicit: false,
        action: Some(action.to_owned()),
        resource: None,
    };
    let stopped = |class| Kind::TaskStopped {
        class,
        code: Some("TaskFailedToStart".to_owned()),
        exit_code: None,
        log: Box::default(),
    };
    vec![
        ("D08", Sort::BastionFailed, Kind::AgentStopped),
        ("D12", Sort::NotFound, Kind::Ambiguous { what: "VPC", candidates: names() }),
        ("D32", Sort::NotFound, Kind::Ambiguous { what: "subnets", candidates: names() }),
        ("D21", Sort::Failed, Kind::ClockSkew { seconds: Some(-400) }),
        ("D21", Sort::Failed, Kind::ClockSkew { seconds: None }),
        ("D04", Sort::BastionFailed, Kind::Conflict { tasks: vec![TaskId::new("t")] }),
        ("D19", Sort::NotPermitted, denied(true)),
        ("D19", Sort::NotPermitted, denied(false)),
        ("D19", Sort::NotPermitted, action("sso:GetRoleCredentials")),
        ("D19", Sort::NotPermitted, action("sts:AssumeRole")),
        ("D07", Sort::BastionFailed, Kind::ExecDisabled),
        ("D30", Sort::Failed, Kind::Intercepted { issuer: None }),
        ("D32", Sort::Failed, Kind::Invalid),
        ("D18", Sort::Login, login(LoginWay::Console)),
        ("D18", Sort::Login, helper(false)),
        ("D29", Sort::Login, helper(true)),
        ("D18", Sort::Login, login(LoginWay::Keys)),
        ("D28", Sort::Login, login(LoginWay::Mfa { serial: "arn:mfa".into() })),
        ("D18", Sort::Login, login(LoginWay::Sso { ended: None })),
        ("D18", Sort::Login, login(LoginWay::Unknown)),
        ("D27", Sort::BastionFailed, Kind::NoCapacity),
        ("D11", Sort::DatabaseUnreachable, Kind::NotAvailable { status: "stopped".to_owned() }),
        ("D06", Sort::BastionFailed, Kind::NotConnected),
        ("D02", Sort::NotFound, Kind::NotFound { what: "cluster", candidates: names() }),
        ("D03", Sort::NotFound, Kind::NotFound { what: "task definition", candidates: names() }),
        ("D32", Sort::NotFound, Kind::NotFound { what: "profile", candidates: Vec::new() }),
        ("D04", Sort::BastionFailed, Kind::ScaledToZero),
        ("D26", Sort::Failed, Kind::Service),
        ("D23", Sort::Failed, Kind::SessionOver),
        ("D04", Sort::BastionFailed, stopped(EndClass::Image)),
        ("D14", Sort::BastionFailed, stopped(EndClass::Asked)),
        ("D27", Sort::BastionFailed, stopped(EndClass::Capacity)),
        ("D26", Sort::Failed, Kind::Throttled),
        ("D04", Sort::TimedOut, Kind::TimedOut),
        ("D30", Sort::Failed, Kind::Unreachable),
    ]
}

fn told(call: &'static str, kind: Kind) -> Problem {
    let message = "AWS's own words".to_owned();
    cloud(&target(), &CloudError { call, kind, message, request_id: Some("request-1".to_owned()) })
}

#[test]
fn who_does_not_wait_is_told_how_long_it_takes_where_that_is_known() {
    let (clock, _) = Clock::by_hand();
    let now = clock.now();
    let unknown = Start { stage: None, since: None, estimate: None };
    let told = still_starting(&target(), &unknown, now);
    assert_eq!(told.message, "prod-db is starting, ready soon");
    assert_eq!(told.hints[0], "connect again in half a minute");
    let known = Start {
        stage: Some(bastion_api::Stage::Pulling),
        since: Some(now),
        estimate: Some(Duration::from_secs(30)),
    };
    let told = still_starting(&target(), &known, now + Duration::from_secs(6));
    let stage = bastion_api::Stage::Pulling.words();
    assert_eq!(told.message, format!("prod-db is starting ({stage}), ready in about 24 s"));
    assert_eq!(told.hints[0], "connect again in about 24 s");
    let late = still_starting(&target(), &known, now + Duration::from_secs(40));
    assert!(late.message.ends_with("ready soon"), "{}", late.message);
}

fn target() -> Target {
    let text = r#"
        [site.prod]
        profile = "prod"
        cluster = "c"
        task_definition = "t"
        subnets = ["subnet-1"]
        security_groups = ["sg-1"]

        [target.prod-db]
        site = "prod"
        host = "db.internal"
        port = 5432
        listen = 15432
    "#;
    let config = config::parse(Path::new("config.toml"), text);
    config.expect("it has no faults").targets.remove(0)
}
