//! What DescribeTasks tells of a task, in our terms: whether it lives, what it costs, and how it ended.

use std::time::SystemTime;

use aws_sdk_ecs::types::{Container, Task, TaskStopCode};
use aws_smithy_types::DateTime;
use bastion_cloud::{Architecture, EndClass, Seen, TaskEnd, TaskFacts, TaskSize, TaskTimes};

/// What has become of a task that AWS knows.
pub(crate) fn seen(task: &Task) -> Seen {
    let over = matches!(task.last_status(), Some("STOPPED" | "DELETED"));
    match end(task) {
        Some(end) if over => Seen::Stopped(Box::new(end)),
        Some(end) => Seen::Stopping(Box::new(end)),
        None if task.last_status() == Some("RUNNING") => {
            Seen::Running { since: task.started_at().and_then(time), facts: Box::new(facts(task)) }
        }
        None => Seen::Starting(Box::new(facts(task))),
    }
}

/// A task's end, where it has ended or is ending: a task that ECS wants stopped takes no more sessions.
pub(crate) fn end(task: &Task) -> Option<TaskEnd> {
    let ending = matches!(
        task.last_status().unwrap_or_default(),
        "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" | "STOPPED" | "DELETED"
    );
    if !ending && task.desired_status() != Some("STOPPED") {
        return None;
    }
    let reason = task.stopped_reason().unwrap_or("no reason given").to_owned();
    let mut words = vec![reason.clone()];
    for container in task.containers() {
        let name = container.name().unwrap_or_default();
        let exit = container.exit_code().map(|code| format!("exit code {code}"));
        let own = container.reason().filter(|own| !reason.contains(*own)).map(str::to_owned);
        let told: Vec<String> = exit.into_iter().chain(own).collect();
        if !told.is_empty() {
            words.push(format!("container {name}: {}", told.join(", ")));
        }
    }
    let broken = broken(task);
    Some(TaskEnd {
        code: task.stop_code().map(|code| code.as_str().to_owned()),
        class: class(task, &reason),
        exit: broken.and_then(Container::exit_code),
        container_reason: broken.and_then(Container::reason).map(str::to_owned),
        words: words.join("; "),
        reason,
        log: Vec::new(),
        facts: facts(task),
    })
}

/// The container that broke off: it tells more than its sidecars, which were then stopped.
pub(crate) fn broken(task: &Task) -> Option<&Container> {
    (task.containers().iter())
        .filter(|container| container.exit_code().is_some() || container.reason().is_some())
        .max_by_key(|container| {
            (container.exit_code().is_some_and(|code| code != 0), container.reason().is_some())
        })
}

/// What AWS's words for an end amount to (aws.md 3.5).
fn class(task: &Task, reason: &str) -> EndClass {
    let own = task.containers().iter().filter_map(Container::reason);
    let text = std::iter::once(reason).chain(own).collect::<Vec<_>>().join("\n").to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if task.stop_code() == Some(&TaskStopCode::SpotInterruption) || says(&SPOT) {
        return EndClass::SpotTaken;
    }
    if says(&CAPACITY) {
        return EndClass::Capacity;
    }
    if says(&["outofmemory"]) {
        return EndClass::Memory;
    }
    if says(&NETWORK) {
        return EndClass::Network;
    }
    let pulled = says(&["cannotpullcontainer", "cannotpullecrcontainer", "pull image"]);
    if pulled
        || says(&["resourceinitialization", "unable to assume the role", "cannotcreatevolume"])
    {
        return if says(&NOT_PERMITTED) {
            EndClass::Role
        } else if says(&NO_ANSWER) {
            EndClass::Route
        } else if pulled {
            EndClass::Image
        } else {
            EndClass::Resource
        };
    }
    if says(&START) {
        return EndClass::Start;
    }
    match task.stop_code() {
        Some(TaskStopCode::EssentialContainerExited) => EndClass::Exited,
        Some(
            TaskStopCode::UserInitiated
            | TaskStopCode::ServiceSchedulerInitiated
            | TaskStopCode::TerminationNotice,
        ) => EndClass::Asked,
        _ => EndClass::Unknown,
    }
}

/// What is known of a task, whether it lives or not.
pub(crate) fn facts(task: &Task) -> TaskFacts {
    let overrides = task.overrides().map(|all| all.container_overrides()).unwrap_or_default();
    let variables = overrides.iter().flat_map(|container| container.environment());
    TaskFacts {
        started_by: task.started_by().map(str::to_owned),
        environment: variables
            .filter_map(|pair| Some((pair.name()?.to_owned(), pair.value()?.to_owned())))
            .collect(),
        size: size(task),
        times: TaskTimes {
            created: task.created_at().and_then(time),
            pull_started: task.pull_started_at().and_then(time),
            started: task.started_at().and_then(time),
            stopping: task.stopping_at().and_then(time),
            stopped: task.stopped_at().and_then(time),
        },
    }
}

fn size(task: &Task) -> TaskSize {
    let processor = task.attributes().iter().find(|one| one.name() == "ecs.cpu-architecture");
    TaskSize {
        cpu: task.cpu().and_then(|text| amount(text, "vcpu")),
        memory: task.memory().and_then(|text| amount(text, "gb")),
        architecture: match processor.and_then(|one| one.value()) {
            Some("arm64") => Architecture::Arm,
            _ => Architecture::X86,
        },
        spot: task.capacity_provider_name() == Some("FARGATE_SPOT"),
        region: region(task.task_arn().unwrap_or_default()).to_owned(),
    }
}

/// `256`, or `.25 vCPU` as a task definition may have it; the same for MiB and GB: both units hold 1024 of the small.
fn amount(text: &str, unit: &str) -> Option<u32> {
    let text = text.trim().to_lowercase();
    match text.strip_suffix(unit) {
        None => text.parse().ok(),
        Some(number) => {
            let number: f64 = number.trim().parse().ok()?;
            // Sizes of tasks are far below what a u32 holds.
            (0.0..1e6).contains(&number).then(|| (number * 1024.0).round() as u32)
        }
    }
}

/// The fourth part of an ARN.
fn region(arn: &str) -> &str {
    arn.split(':').nth(3).unwrap_or_default()
}

fn time(at: &DateTime) -> Option<SystemTime> {
    SystemTime::try_from(*at).ok()
}

const SPOT: [&str; 2] = ["spot task was interrupted", "spot interruption"];

const CAPACITY: [&str; 3] =
    ["capacity is unavailable", "capacity unavailable", "insufficient capacity"];

/// No network interface: the subnet is full, the account's quota is used up, or EC2 did not answer.
const NETWORK: [&str; 4] = [
    "network interface provisioning",
    "unexpected ec2 error",
    "insufficient free addresses",
    "interface limit",
];

/// A role that does not permit it, as AWS's services say it.
const NOT_PERMITTED: [&str; 6] = [
    "accessdenied",
    "access denied exception",
    "is not authorized to perform",
    "unable to assume the role",
    "403 forbidden",
    "no identity-based policy",
];

/// Nobody answered: no NAT, no endpoint, a security group that lets nothing out.
const NO_ANSWER: [&str; 9] = [
    "i/o timeout",
    "timed out",
    "timeout exceeded",
    "context deadline exceeded",
    "request canceled while waiting for connection",
    "connection refused",
    "connection issue",
    "dial tcp",
    "send request failed",
];

const START: [&str; 6] = [
    "cannotstartcontainer",
    "cannotcreatecontainer",
    "cannotinspectcontainer",
    "containerruntimetimeout",
    "containerruntimeerror",
    "dockertimeouterror",
];

#[cfg(test)]
mod tests;
