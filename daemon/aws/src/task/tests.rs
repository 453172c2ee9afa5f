use std::time::{Duration, SystemTime};

use aws_sdk_ecs::types::builders::TaskBuilder;
use aws_sdk_ecs::types::{
    Attribute, Container, ContainerOverride, KeyValuePair, Task, TaskOverride, TaskStopCode,
};
use aws_smithy_types::DateTime;
use bastion_cloud::{Architecture, EndClass, Seen};

use super::{amount, end, facts, seen};

fn stopped(code: TaskStopCode, reason: &str) -> TaskBuilder {
    Task::builder().last_status("STOPPED").stop_code(code).stopped_reason(reason)
}

#[test]
fn a_running_task_has_no_end_and_one_that_ecs_wants_stopped_has() {
    let task = Task::builder().last_status("RUNNING").desired_status("RUNNING");
    assert_eq!(end(&task.clone().build()), None);
    assert!(end(&task.desired_status("STOPPED").build()).is_some());
    for status in ["PROVISIONING", "PENDING", "ACTIVATING"] {
        assert_eq!(end(&Task::builder().last_status(status).build()), None);
    }
}

#[test]
fn a_task_is_stopped_only_when_ecs_says_so_and_stopping_before() {
    let task = |last: &str| {
        let at = DateTime::from_secs(5);
        let desired = if last == "RUNNING" || last == "PENDING" { "RUNNING" } else { "STOPPED" };
        seen(&Task::builder().last_status(last).desired_status(desired).started_at(at).build())
    };
    let since = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(5));
    assert!(matches!(task("RUNNING"), Seen::Running { since: at, .. } if at == since));
    assert!(matches!(task("PENDING"), Seen::Starting(_)));
    for last in ["DEACTIVATING", "STOPPING", "DEPROVISIONING"] {
        assert!(matches!(task(last), Seen::Stopping(_)), "{last}");
    }
    assert!(matches!(task("STOPPED"), Seen::Stopped(_)));
}

#[test]
fn an_end_tells_code_exit_code_and_reasons() {
    let task =
        stopped(TaskStopCode::EssentialContainerExited, "Essential container in task exited")
            .containers(Container::builder().name("aws-guardduty-agent").exit_code(0).build())
            .containers(
                Container::builder()
                    .name("proxy")
                    .exit_code(137)
                    .reason("OutOfMemoryError: Container killed due to memory usage")
                    .build(),
            )
            .build();
    let end = end(&task).unwrap();
    assert_eq!(end.code.as_deref(), Some("EssentialContainerExited"));
    assert_eq!((end.exit, end.class), (Some(137), EndClass::Memory));
    assert!(end.container_reason.as_deref().unwrap().starts_with("OutOfMemoryError"));
    assert_eq!(
        end.to_string(),
        "Essential container in task exited; container aws-guardduty-agent: exit code 0; \
         container proxy: exit code 137, OutOfMemoryError: Container killed due to memory usage"
    );
}

#[test]
fn each_of_awss_texts_has_its_class() {
    let failed = TaskStopCode::TaskFailedToStart;
    let table = [
        (
            EndClass::Image,
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref docker.io/library/busybx:latest: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
        ),
        (
            EndClass::Image,
            "CannotPullContainerError: toomanyrequests: You have reached your pull rate limit",
        ),
        (
            EndClass::Route,
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/library/busybox:1: failed to do request: Head \"https://registry-1.docker.io/v2/library/busybox/manifests/1\": dial tcp 52.1.1.1:443: i/o timeout",
        ),
        (
            EndClass::Route,
            "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR: There is a connection issue between the task and Amazon ECR. Check your task network configuration. RequestError: send request failed caused by: Post \"https://api.ecr.ap-northeast-1.amazonaws.com/\": dial tcp 1.2.3.4:443: i/o timeout",
        ),
        (
            EndClass::Role,
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn:aws:secretsmanager:…: AccessDeniedException: User: arn:aws:sts::1:assumed-role/exec/x is not authorized to perform: secretsmanager:GetSecretValue",
        ),
        (
            EndClass::Role,
            "ECS was unable to assume the role 'arn:aws:iam::1:role/exec' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions",
        ),
        (
            EndClass::Resource,
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. : exit status 1",
        ),
        (EndClass::Network, "Timeout waiting for network interface provisioning to complete."),
        (
            EndClass::Network,
            "Unexpected EC2 error while attempting to Create Network Interface in subnet 'subnet-1': InsufficientFreeAddressesInSubnet",
        ),
        (
            EndClass::Capacity,
            "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        ),
        (
            EndClass::Start,
            "CannotStartContainerError: Error response from daemon: failed to create shim: OCI runtime create failed: exec: \"shh\": executable file not found in $PATH",
        ),
        (
            EndClass::Start,
            "ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m: <nil>",
        ),
        (EndClass::Unknown, "something new"),
    ];
    for (class, reason) in table {
        let end = end(&stopped(failed.clone(), reason).build()).unwrap();
        assert_eq!(end.class, class, "{reason}");
    }
    for (class, code, reason) in [
        (EndClass::Asked, TaskStopCode::UserInitiated, "bastiond: no longer used"),
        (
            EndClass::Asked,
            TaskStopCode::ServiceSchedulerInitiated,
            "Scaling activity initiated by (deployment ecs-svc/1)",
        ),
        (EndClass::SpotTaken, TaskStopCode::SpotInterruption, "Your Spot Task was interrupted."),
        (
            EndClass::Exited,
            TaskStopCode::EssentialContainerExited,
            "Essential container in task exited",
        ),
    ] {
        assert_eq!(end(&stopped(code, reason).build()).unwrap().class, class, "{reason}");
    }
}

#[test]
fn a_containers_own_reason_tells_the_class_where_the_tasks_does_not() {
    let container =
        Container::builder().name("proxy").reason("CannotPullContainerError: no such manifest");
    let task = stopped(TaskStopCode::TaskFailedToStart, "Task failed to start");
    assert_eq!(end(&task.containers(container.build()).build()).unwrap().class, EndClass::Image);
}

#[test]
fn a_task_tells_what_its_price_hangs_on_and_whose_it_is() {
    let variable = KeyValuePair::builder().name("BASTIOND_TARGET").value("prod-db").build();
    let own = ContainerOverride::builder().name("proxy").environment(variable).build();
    let task = Task::builder()
        .task_arn("arn:aws:ecs:ap-northeast-1:123456789012:task/main/0a1b")
        .cpu("256")
        .memory("512")
        .capacity_provider_name("FARGATE_SPOT")
        .attributes(
            Attribute::builder().name("ecs.cpu-architecture").value("arm64").build().unwrap(),
        )
        .overrides(TaskOverride::builder().container_overrides(own).build())
        .started_by("bastiond/house")
        .pull_started_at(DateTime::from_secs(3))
        .build();
    let facts = facts(&task);
    assert_eq!((facts.size.cpu, facts.size.memory), (Some(256), Some(512)));
    assert_eq!(facts.size.architecture, Architecture::Arm);
    assert!(facts.size.spot);
    assert_eq!(facts.size.region, "ap-northeast-1");
    assert_eq!(facts.variable("BASTIOND_TARGET"), Some("prod-db"));
    assert_eq!(facts.started_by.as_deref(), Some("bastiond/house"));
    let third_second = SystemTime::UNIX_EPOCH + Duration::from_secs(3);
    assert_eq!(facts.times.pull_started, Some(third_second));
    assert_eq!(facts.times.stopped, None);
}

#[test]
fn sizes_are_read_in_both_of_their_forms() {
    assert_eq!(amount("256", "vcpu"), Some(256));
    assert_eq!(amount(".25 vCPU", "vcpu"), Some(256));
    assert_eq!(amount("0.5GB", "gb"), Some(512));
    assert_eq!(amount("much", "gb"), None);
}
