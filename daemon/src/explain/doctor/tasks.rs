//! Why tasks die, and why agents stay away.

use std::time::Duration;

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::{EndClass, Runs, TaskFact};

use super::super::cloud::end;
use super::container::revised;
use super::{aws, last, lately, one};
use crate::config::Target;

/// The agent did not connect at the last start.
pub fn agent_away(target: &Target, problem: &Problem) -> Problem {
    let mut problem = one(problem.clone());
    problem.hints = vec![format!("bastionctl open {}", target.name)];
    problem.because("role, container and network are as they should be: it may have been slow, and is tried again")
}

/// The agent of a task that runs has not come yet.
pub fn agent_late(target: &Target, task: &TaskFact, waited: Duration) -> Problem {
    let seconds = waited.as_secs();
    let message = format!("the agent in {} has not started in {seconds} s", last(&task.arn));
    Problem::new("D06", Sort::BastionFailed, message)
        .because("its image may be large, or its processor busy; ECS goes on trying")
        .hint(aws(target, &describe(target, task)))
}

/// The agent of a task that runs has stopped.
pub fn agent_stopped(target: &Target, task: &TaskFact) -> Problem {
    let message = format!("the agent in {} has stopped", last(&task.arn));
    Problem::new("D08", Sort::BastionFailed, message)
        .because("mostly the task role lacks ssmmessages, or there is no way to them; ECS starts it again by itself")
        .hint(format!("bastionctl policy --task-role --site {}", target.site.name))
}

/// The agent takes no more sessions.
pub fn session_limit(target: &Target, problem: &Problem, standing: usize) -> Problem {
    let mut problem = one(problem.clone());
    problem.message = match standing {
        0 => format!("the agent takes no session for {}", target.name),
        1 => format!("the agent takes no more than the 1 tunnel to {} that stands", target.name),
        many => {
            format!("the agent takes no more than the {many} tunnels to {} that stand", target.name)
        }
    };
    let fits = standing.max(1);
    problem.hints = vec![if target.rules.tunnels_per_bastion > fits {
        format!(
            "tunnels_per_bastion = {fits} under [site.{}], then: bastionctl reload",
            target.site.name
        )
    } else {
        aws(target, "ssm describe-sessions --state Active")
    }];
    problem
}

/// A start failed that left no task to look at, or one that looks well.
pub fn start_failed(target: &Target, problem: &Problem, zones: Option<String>) -> Problem {
    let mut problem = lately(target, problem);
    if problem.code == "D27" {
        problem.causes.extend(zones.map(|zones| format!("tried in {zones}")));
        problem.hints = vec![no_room(target)];
    }
    problem
}

/// A task came to its end by itself.
pub fn task_died(target: &Target, task: &TaskFact, class: EndClass, log: &[String]) -> Problem {
    let (what, code, hint) = end(class);
    // What it has said itself tells more than its end does.
    let code = if code == "D04" && !log.is_empty() { "D05" } else { code };
    let words = [&task.stopped_reason, &task.container_reason];
    let mut words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    // ECS mostly says the same of the task and of its container.
    words.dedup();
    let exit = task.exit_code.map(|code| format!(" (exit code {code})")).unwrap_or_default();
    let message = format!("{} died: {what}{exit}", last(&task.arn));
    let mut problem = Problem::new(code, Sort::BastionFailed, message);
    problem.causes.extend(words.into_iter().map(str::to_owned));
    problem.causes.extend(log.iter().map(|line| format!("its log: {line}")));
    let problem = problem.because(hint);
    match (class, &target.site.runs) {
        (EndClass::Memory, Runs::TaskDefinition(name)) => {
            revised(problem, target, name, MORE_MEMORY)
        }
        (_, Runs::TaskDefinition(_) | Runs::Service(_)) => problem.hint(cure(target, task, class)),
    }
}

/// The one thing to begin with, by the kind of end.
fn cure(target: &Target, task: &TaskFact, class: EndClass) -> String {
    let definition = match &target.site.runs {
        Runs::TaskDefinition(name) => name.as_str(),
        Runs::Service(_) => return aws(target, &describe(target, task)),
    };
    let site = &target.site.name;
    match class {
        EndClass::Capacity | EndClass::SpotTaken => no_room(target),
        EndClass::Exited => {
            format!("command = \"keep\" under [site.{site}], then: bastionctl reload")
        }
        EndClass::Image => aws(
            target,
            &format!(
                "ecs describe-task-definition --task-definition {definition} --query 'taskDefinition.containerDefinitions[].image'"
            ),
        ),
        EndClass::Network => aws(
            target,
            "ec2 describe-subnets --query 'Subnets[].[SubnetId,AvailableIpAddressCount]'",
        ),
        EndClass::Role => aws(
            target,
            &format!(
                "ecs describe-task-definition --task-definition {definition} --query taskDefinition.executionRoleArn"
            ),
        ),
        EndClass::Route => aws(target, "ec2 describe-route-tables"),
        EndClass::Asked
        | EndClass::Memory
        | EndClass::Resource
        | EndClass::Start
        | EndClass::Unknown => aws(target, &describe(target, task)),
    }
}

/// What to do where Fargate has no room.
fn no_room(target: &Target) -> String {
    if target.site.spot {
        format!("launch = \"FARGATE\" under [site.{}], then: bastionctl reload", target.site.name)
    } else {
        aws(
            target,
            "service-quotas get-service-quota --service-code fargate --quota-code L-3032A538",
        )
    }
}

fn describe(target: &Target, task: &TaskFact) -> String {
    format!("ecs describe-tasks --cluster {} --tasks {}", target.site.cluster, last(&task.arn))
}

/// Twice what the smallest task has.
const MORE_MEMORY: &str = r#".memory="1024""#;
