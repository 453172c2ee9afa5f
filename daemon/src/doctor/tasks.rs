//! Tasks of late: how they came to their end, and whether the agent in those that run is there.

use std::time::Duration;

use bastion_cloud::{EndClass, TaskFact};
use jiff::Timestamp;

use super::asked::{Asked, asked};
use super::{SiteFacts, Verdict};
use crate::explain;

/// Tasks start, and end only when they are told to (D04, D05, D07, D14, D27).
pub(super) fn tasks(site: &SiteFacts) -> Verdict {
    let whose = site.whose();
    let lately = || site.lately(&["D04", "D05", "D07", "D14", "D27"]);
    let tasks: Vec<&TaskFact> = match asked(&site.tasks) {
        Asked::Told(_) => site.bastions().collect(),
        Asked::Wrong(err) => return Verdict::unknown(explain::doctor::no_answer(err.call)),
        Asked::Nothing(verdict) => {
            return match lately() {
                Some(problem) => Verdict::fail(explain::doctor::lately(whose, problem)),
                None => verdict,
            };
        }
    };
    let newest = tasks.first();
    if let Some(task) = newest
        && let Some(class) = died(task)
    {
        return Verdict::fail(explain::doctor::task_died(whose, task, class, &site.log));
    }
    if let Some(task) = newest
        && task.status == RUNNING
        && !task.exec
    {
        return Verdict::fail(explain::doctor::exec_off(whose));
    }
    if let Some(problem) = lately() {
        return Verdict::fail(explain::doctor::start_failed(whose, problem, site.zones()));
    }
    let running = tasks.iter().filter(|task| task.status == RUNNING).count();
    match (running, tasks.len()) {
        (0, 0) => Verdict::ok("none of late"),
        (0, _) if newest.is_some_and(|task| task.end == Some(EndClass::SpotTaken)) => {
            Verdict::ok("none runs; the last one was taken back, as Spot does")
        }
        (0, _) => Verdict::ok("none runs; the last one ended as it was told to"),
        (1, _) => Verdict::ok("1 runs"),
        (many, _) => Verdict::ok(format!("{many} run")),
    }
}

/// The kind of end of a task that did not end as it should.
fn died(task: &TaskFact) -> Option<EndClass> {
    let class = task.end?;
    match class {
        EndClass::Asked => None,
        // That is Spot's bargain; where no other can be had, the start tells.
        EndClass::SpotTaken => None,
        // The watchdog ends a task that nobody uses, without a fault.
        EndClass::Exited if task.exit_code == Some(0) => None,
        EndClass::Capacity
        | EndClass::Exited
        | EndClass::Image
        | EndClass::Memory
        | EndClass::Network
        | EndClass::Resource
        | EndClass::Role
        | EndClass::Route
        | EndClass::Start
        | EndClass::Unknown => Some(class),
    }
}

/// The agent is there and connects (D06, D08).
pub(super) fn agent(site: &SiteFacts, now: Timestamp) -> Verdict {
    let whose = site.whose();
    let newest = site.bastions().find(|task| task.status == RUNNING);
    if let Some(task) = newest {
        match task.agent.as_deref() {
            Some("STOPPED") => return Verdict::fail(explain::doctor::agent_stopped(whose, task)),
            Some("RUNNING") => {}
            Some(_) | None => {
                if let Some(waited) = since(task, now).filter(|waited| *waited > AGENT_TAKES) {
                    return Verdict::fail(explain::doctor::agent_late(whose, task, waited));
                }
            }
        }
    }
    if let Some(problem) = site.lately(&["D06", "D08"]) {
        return Verdict::fail(explain::doctor::agent_away(whose, problem));
    }
    match newest.and_then(|task| task.agent.as_deref()) {
        Some("RUNNING") => Verdict::ok("runs in the newest task"),
        Some(_) => Verdict::ok("is on its way in the newest task"),
        None => Verdict::ok("no task runs that would have one"),
    }
}

fn since(task: &TaskFact, now: Timestamp) -> Option<Duration> {
    let created = Timestamp::try_from(task.created?).ok()?;
    Duration::try_from(now.duration_since(created)).ok()
}

/// What ECS calls a task whose containers run.
const RUNNING: &str = "RUNNING";

/// How long an agent may take from RunTask on: images are pulled in a minute, and the agent starts in seconds.
const AGENT_TAKES: Duration = Duration::from_secs(3 * 60);
