//! The task: started, or found; until its agent answers.

use bastion_api::ByHandStep;

use super::shell::{Aws, kept, option, option_of, quoted};
use super::{Facts, Found};

/// A task of our own.
pub(super) fn run(facts: &Facts, aws: &Aws, definition: &str) -> ByHandStep {
    let definition = facts.definition.known().map_or(definition, String::as_str);
    let launch = if facts.site.spot {
        option("--capacity-provider-strategy", "capacityProvider=FARGATE_SPOT,weight=1")
    } else {
        "--launch-type FARGATE".to_owned()
    };
    let command = aws.value(
        "ecs run-task",
        [
            option("--cluster", &facts.site.cluster),
            option("--task-definition", definition),
            launch,
            "--enable-execute-command".to_owned(),
            option_of("--network-configuration", &network(facts)),
            option("--started-by", STARTED_BY),
            option("--tags", &format!("key=bastiond:target,value={}", facts.target)),
        ],
        "tasks[0].taskArn",
    );
    let mut comments = vec!["it runs, and is paid for, until it is stopped".to_owned()];
    if let Some(life) = facts.watchdog {
        comments.push(format!(
            "bastiond gives its tasks a watchdog in the place of their command: it ends them when nobody has used them \
             for a while, and after {} h in any case; this one runs what its task definition says",
            life.as_secs() / 3600
        ));
    }
    ByHandStep {
        title: "Start a task".to_owned(),
        comments,
        commands: vec![kept("TASK", &command), "echo \"$TASK\"".to_owned()],
        unknown: None,
    }
}

/// The task that a service runs anyway.
pub(super) fn of_service(facts: &Facts, aws: &Aws, service: &str) -> ByHandStep {
    let mut step = facts.service_task.step("Find the service's task");
    if let Found::Known(task) = &facts.service_task {
        step.comments.push(format!("at this moment: {task}"));
    }
    if facts.scale {
        let of = || [option("--cluster", &facts.site.cluster), option("--services", service)];
        step.commands.push(scale(facts, aws, service, 1));
        step.commands.push(aws.call("ecs wait services-stable", of()));
    }
    let of = [
        option("--cluster", &facts.site.cluster),
        option("--service-name", service),
        "--desired-status RUNNING".to_owned(),
    ];
    let command = aws.value("ecs list-tasks", of, "taskArns[0]");
    step.commands.extend([kept("TASK", &command), "echo \"$TASK\"".to_owned()]);
    if facts.container.known().is_none() {
        step.comments.push("of several containers, set CONTAINER to the one to use".to_owned());
        let command = describe(facts, aws, "tasks[0].containers[0].name");
        step.commands.push(kept("CONTAINER", &command));
    }
    step
}

/// So many tasks of the service.
pub(super) fn scale(facts: &Facts, aws: &Aws, service: &str, count: u32) -> String {
    let of = [
        option("--cluster", &facts.site.cluster),
        option("--service", service),
        option("--desired-count", &count.to_string()),
    ];
    aws.value("ecs update-service", of, "service.desiredCount")
}

/// Until the task's agent is started.
pub(super) fn wait(facts: &Facts, aws: &Aws) -> ByHandStep {
    let of = [option("--cluster", &facts.site.cluster), option_of("--tasks", "\"$TASK\"")];
    let agent = in_container(facts, "managedAgents[?name=='ExecuteCommandAgent'] | [0].lastStatus");
    let agent = describe(facts, aws, &agent).replace("\n", "\n  ");
    let until = format!(
        "for try in {{1..60}}; do\n  AGENT=$({agent})\n  [ \"$AGENT\" = RUNNING ] && break\n  sleep 2\ndone"
    );
    ByHandStep {
        title: "Wait until it runs and its agent is started".to_owned(),
        comments: Vec::new(),
        commands: vec![aws.call("ecs wait tasks-running", of), until],
        unknown: None,
    }
}

/// What the container is called at its agent.
pub(super) fn runtime(facts: &Facts, aws: &Aws) -> ByHandStep {
    let command = describe(facts, aws, &in_container(facts, "runtimeId"));
    ByHandStep {
        title: "Ask for the container's runtime id".to_owned(),
        comments: vec!["of that container by its name: others may stand beside it".to_owned()],
        commands: vec![kept("RUNTIME", &command)],
        unknown: None,
    }
}

/// What is told of the task, picked by a query that is written for the shell.
fn describe(facts: &Facts, aws: &Aws, query: &str) -> String {
    let of = [
        option("--cluster", &facts.site.cluster),
        option_of("--tasks", "\"$TASK\""),
        option_of("--query", &format!("\"{query}\"")),
        "--output text".to_owned(),
    ];
    aws.call("ecs describe-tasks", of)
}

/// A query about the one container, to stand between double quotes.
fn in_container(facts: &Facts, what: &str) -> String {
    // Names of containers are letters, digits, `-` and `_`; of anything else a comparison is only false.
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let name = match &facts.container {
        Found::Known(name) => name.chars().filter(|letter| plain(*letter)).collect(),
        Found::Unknown { .. } => "$CONTAINER".to_owned(),
    };
    format!("tasks[0].containers[?name=='{name}'] | [0].{what}")
}

/// Where the task runs, as one word for the shell.
fn network(facts: &Facts) -> String {
    let public = if facts.site.assign_public_ip { "ENABLED" } else { "DISABLED" };
    let of = |subnets: &str, groups: &str| {
        format!(
            "awsvpcConfiguration={{subnets=[{subnets}],securityGroups=[{groups}],assignPublicIp={public}}}"
        )
    };
    match &facts.place {
        Found::Known(place) => {
            quoted(&of(&place.subnet_ids().join(","), &place.security_groups.join(",")))
        }
        Found::Unknown { .. } => format!("\"{}\"", of("$SUBNETS", "$SECURITY_GROUPS")),
    }
}

/// What marks a task as a person's own: never what marks the daemon's, which would take it for a leaked one of its own.
const STARTED_BY: &str = "by-hand";
