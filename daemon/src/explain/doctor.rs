//! What the doctor says of what is wrong: each problem with one hint, the one thing to do, and with causes that are worth
//! a line. What cannot be known is said here, too.

use bastion_api::{ConfigFault, Problem, ProblemKind as Sort};
use bastion_cloud::{CloudError, Permission, Says};

use super::cloud::cloud;
use super::policy;
use crate::config::Target;
use crate::listen::shadow::Owner;

mod container;
mod database;
mod network;
mod place;
mod tasks;

pub use container::{
    Unfit, container_unfit, no_container, no_task_role, task_role_gone, task_role_lacks,
};
pub use database::{
    Shut, address_forbidden, another_vpc, database_down, database_shut, database_unknown,
    name_refused, no_iam_tokens, no_secret, rules_unclear, secret_deleted, secret_empty,
    secret_of_another, vpc_without_names, vpcs_unclear,
};
pub use network::{
    NoWay, clock_off, distrusted, name_unclear, no_way_out, no_websocket, unreachable, way_unclear,
};
pub use place::{
    cluster_inactive, definition_retired, definition_unfit, exec_off, groups_elsewhere, no_cluster,
    no_definition, no_place, no_service, scaled_to_zero, service_inactive, service_stuck,
    subnets_full,
};
pub use tasks::{agent_away, agent_late, agent_stopped, session_limit, start_failed, task_died};

/// A permission is missing without which it cannot be known.
pub fn cannot_know(action: &str) -> String {
    format!("cannot know: no {action} permission (grant it)")
}

/// Policies have conditions that a simulation does not meet.
pub fn conditional(open: &[&Permission]) -> String {
    let mut keys: Vec<&str> =
        open.iter().flat_map(|one| &one.missing).map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    let actions: Vec<&str> = open.iter().map(|one| one.wish.action.as_str()).collect();
    let (some, more) = actions.split_at(actions.len().min(NAMED));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    format!(
        "cannot know: policies ask for {}, which only a real call brings, before they allow {}{more}",
        keys.join(", "),
        some.join(", "),
    )
}

/// The config file has faults as it is now.
pub fn config_faulty(faults: &[ConfigFault]) -> Problem {
    let place = |fault: &ConfigFault| {
        let line = fault.line.map(|line| format!(":{line}")).unwrap_or_default();
        let hint = fault.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}{line}: {} {}{hint}", fault.file, fault.key, fault.reason)
    };
    let mut places = faults.iter().map(place);
    let first = places.next().unwrap_or_else(|| "the config has faults".to_owned());
    let mut problem = Problem::new("D32", Sort::Usage, first).hint("bastionctl config check");
    problem.causes.extend(places);
    problem
}

/// Who holds a port.
pub fn held_by(owner: &Owner) -> String {
    format!("{} is held by {owner}", owner.address)
}

/// What went wrong while a daemon ran, as it was told then.
pub fn lately(target: &Target, problem: &Problem) -> Problem {
    let mut problem = placed(target, one(problem.clone()));
    let name = &target.name;
    let fix = match problem.code.as_str() {
        // What looked well when it was looked at is best tried.
        "D14" | "D23" | "D26" | "D31" => format!("bastionctl open {name}"),
        "D24" => format!("bastionctl test {name}"),
        _ => return problem,
    };
    problem.causes.append(&mut problem.hints);
    problem.hint(fix)
}

/// A call got no answer, and nothing else tells.
pub fn no_answer(call: &str) -> String {
    format!("cannot know: {call} gave no answer that tells; try again")
}

/// Nobody asked, because something else had failed.
pub fn not_asked() -> String {
    "cannot know: nobody was asked".to_owned()
}

/// Policies do not allow what the daemon does, as IAM's simulator says.
pub fn not_permitted(target: &Target, refused: &[&Permission]) -> Problem {
    let first = refused.iter().find(|one| one.says == Says::Denied).or(refused.first());
    let Some(first) = first else {
        return Problem::new("D19", Sort::NotPermitted, "policies do not allow what is needed")
            .hint("bastionctl policy --user");
    };
    let denied = first.says == Says::Denied;
    let (action, resource) = (first.wish.action.as_str(), first.wish.resource.as_str());
    let mut problem = placed(target, one(policy::denied(target, action, Some(resource), denied)));
    problem.message = format!("{} on {resource}", problem.message);
    if first.from_above {
        problem = problem.because("the organisation's policies or a permissions boundary say so");
    }
    if !first.by.is_empty() {
        problem = problem.because(format!("decided by {}", first.by.join(", ")));
    }
    let others = refused.iter().filter(|other| other.wish != first.wish);
    let others: Vec<String> = others
        .map(|other| format!("nor {} on {}", other.wish.action, other.wish.resource))
        .collect();
    if !others.is_empty() && !denied {
        // One statement would not do.
        problem.hints = vec!["bastionctl policy --user".to_owned()];
    }
    problem.causes.extend(others);
    problem
}

/// IAM's simulator tells nothing of this login.
pub fn not_simulated(err: &CloudError) -> String {
    format!("cannot know: {}", err.message)
}

/// The port is in other hands.
pub fn port_taken(target: &Target, why: &str, free: Option<u16>) -> Problem {
    let free = free.map_or_else(|| "…".to_owned(), |port| port.to_string());
    Problem::new("D13", Sort::PortConflict, why)
        .hint(format!("listen = {free} under [target.{}], then: bastionctl reload", target.name))
}

/// What AWS did not do, whatever it was.
pub fn refused(target: &Target, err: &CloudError) -> Problem {
    placed(target, one(cloud(target, err)))
}

/// A command of the AWS CLI, with the site's own region and profile.
fn aws(target: &Target, words: &str) -> String {
    let site = &target.site;
    let region = site.region.as_deref().map(|region| format!(" --region {region}"));
    let profile = site.profile.as_deref().map(|profile| format!(" --profile {profile}"));
    format!("aws {words}{}{}", region.unwrap_or_default(), profile.unwrap_or_default())
}

/// The same problem with its command for the site's own region and profile, where it names none.
fn placed(target: &Target, mut problem: Problem) -> Problem {
    for hint in &mut problem.hints {
        let plain = !hint.contains(" --profile") && !hint.contains(" --region");
        if let Some(words) = hint.strip_prefix("aws ").filter(|_| plain && !hint.contains(" | ")) {
            *hint = aws(target, words);
        }
    }
    problem
}

/// The same problem with one hint: a command where there is one, else the first. The others are worth a line.
fn one(mut problem: Problem) -> Problem {
    let is_command = |hint: &String| COMMANDS.iter().any(|command| hint.starts_with(command));
    let place = problem.hints.iter().position(is_command).unwrap_or(0);
    if problem.hints.is_empty() {
        return problem.hint("bastionctl events");
    }
    let fix = problem.hints.remove(place);
    let others: Vec<String> = problem.hints.drain(..).map(|hint| format!("or: {hint}")).collect();
    problem.causes.extend(others);
    problem.hint(fix)
}

/// The name without what stands before the last slash.
fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// How many things are named before they are counted: one line holds no more.
const NAMED: usize = 3;

/// What a hint begins with that can be copied as it is.
const COMMANDS: [&str; 4] = ["aws ", "bastionctl ", "sudo ", "systemctl "];
