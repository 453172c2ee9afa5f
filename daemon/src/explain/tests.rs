use std::path::Path;
use std::sync::Arc;

use bastion_cloud::{CloudError, EndClass, Kind, LoginWay, TaskId};
use ssm_tunnel::{Closed, OpenError, StreamError};

use super::{cloud, refusal};
use crate::config::{self, Target};
use crate::keeper::Refusal;
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
fn every_failure_of_the_cloud_has_a_code_a_cause_and_something_to_type() {
    let names = || vec!["one".to_owned(), "two".to_owned()];
    let kinds = [
        Kind::Login { profile: Some("prod".to_owned()), way: LoginWay::Unknown },
        Kind::Denied { explicit: true, action: None, resource: None },
        Kind::Denied { explicit: false, action: None, resource: None },
        Kind::ClockSkew { seconds: Some(-400) },
        Kind::Throttled,
        Kind::NoCapacity,
        Kind::NotFound { what: "cluster", candidates: names() },
        Kind::Ambiguous { what: "subnets", candidates: names() },
        Kind::NotAvailable { status: "stopped".to_owned() },
        Kind::TaskStopped {
            class: EndClass::Image,
            code: Some("TaskFailedToStart".to_owned()),
            exit_code: None,
            log: Box::default(),
        },
        Kind::ExecDisabled,
        Kind::AgentStopped,
        Kind::NotConnected,
        Kind::SessionOver,
        Kind::Conflict { tasks: vec![TaskId::new("t")] },
        Kind::Unreachable,
        Kind::TimedOut,
        Kind::Invalid,
        Kind::Service,
    ];
    for kind in kinds {
        let err = CloudError {
            call: "ecs:RunTask",
            kind,
            message: "AWS's own words".to_owned(),
            request_id: Some("request-1".to_owned()),
        };
        let problem = cloud(&target(), &err);
        assert!(problem.code.starts_with('D'), "{problem:?}");
        assert!(!problem.hints.is_empty(), "{problem:?}");
        assert!(
            problem.causes.iter().any(|cause| cause.contains("AWS's own words")),
            "{problem:?}"
        );
        assert_eq!(problem.request_id.as_deref(), Some("request-1"));
    }
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
