//! Every failure in words for people: what failed, because of what, what to type.
//!
//! Only here are such sentences written; the control socket, the events and the log all say the same. The codes are
//! stable, and README lists them. A function a kind of failure, in the order of their names, no logic. What AWS and a
//! tunnel may do has rooms of its own.

use std::time::{Duration, Instant};

use bastion_api::paths::PathError;
use bastion_api::{ConfigFault, Problem, ProblemKind as Sort, VisitStatus};
use bastion_cloud::Remote;

use crate::config::Target;
use crate::keeper::{Refusal, Start};
use crate::ledger::LedgerError;
use crate::listen::shadow::Owner;
use crate::state::NotWritten;

mod cloud;
mod database;
pub mod doctor;
mod init;
mod login;
mod policy;
mod tunnel;

pub use cloud::cloud;
pub use database::{no_answer, setback};
pub use init::{cannot_know, config_not_written, mismatch, no_profile, no_region, survey};
pub use tunnel::{tunnel_closed, tunnel_lost};

/// Why the bastion for a target was refused or lost.
pub fn refusal(target: &Target, refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::UnknownTarget => unknown_target(&target.name, std::iter::empty()),
        Refusal::Cloud(err) => cloud(target, err),
        Refusal::Tunnel(failure) => tunnel::tunnel(target, failure),
        Refusal::TookTooLong(stage) => took_too_long(target, *stage),
        Refusal::TaskGone(words) => task_gone(target, words),
        Refusal::NotStopped => not_stopped(target),
        Refusal::Closed => closed(target),
        Refusal::Silent(after) => silent(target, *after),
        Refusal::Reconnects => reconnects(target),
        Refusal::TooOld(age) => too_old(target, *age),
        Refusal::Removed => removed(target),
        Refusal::Journal(err) => not_written(target, err),
        Refusal::Stopping => stopping(target),
    }
}

/// Why visits stand still while a tunnel is away.
pub fn away(needs_login: bool) -> String {
    if needs_login {
        "the tunnel is away until somebody logs in to AWS again".to_owned()
    } else {
        "the tunnel is away and is being resumed".to_owned()
    }
}

/// A call on the control socket that cannot be understood.
pub fn bad_request(why: &str) -> Problem {
    Problem::new("D32", Sort::Usage, "the request is not what this call takes").because(why)
}

/// A call on the control socket that took longer than a call may.
pub fn call_too_slow() -> Problem {
    Problem::new("D26", Sort::TimedOut, "the answer took too long")
        .hint("try again; bastionctl events tells what the daemon is busy with")
}

fn closed(target: &Target) -> Problem {
    let message = format!("the bastion for {} was closed", target.name);
    Problem::new("D31", Sort::Failed, message)
        .because("somebody asked for it")
        .hint(format!("bastionctl open {}", target.name))
}

/// The config cannot be used, and the daemon goes on with the one before.
pub fn config_faulty(faults: &[ConfigFault]) -> Problem {
    faulty(faults, ": the daemon goes on with the one before")
}

/// The config cannot be used, and there is none before it.
pub fn config_unusable(faults: &[ConfigFault]) -> Problem {
    faulty(faults, "")
}

/// The bastion could not reach the database.
pub fn database_unreachable(target: &Target, remote: &Remote) -> Problem {
    let message = format!("{} refuses or does not answer the bastion", target.name);
    Problem::new("D24", Sort::DatabaseUnreachable, message)
        .because(format!("the bastion could not connect to {remote}"))
        .hint("the database's security group must allow its port from the bastion's group (D10)")
        .hint("the database must be available: aws rds describe-db-instances (D11)")
}

fn faulty(faults: &[ConfigFault], so: &str) -> Problem {
    let message = match faults.len() {
        1 => format!("the config has a fault{so}"),
        many => format!("the config has {many} faults{so}"),
    };
    let place = |fault: &ConfigFault| {
        let line = fault.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        // What is no TOML at all has no key.
        let key = if fault.key.is_empty() { "" } else { " " };
        let hint = fault.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{line}{}{key}{}{hint}", fault.key, fault.reason)
    };
    let mut problem = Problem::new("D32", Sort::Usage, message).hint("bastionctl config check");
    problem.causes.extend(faults.iter().map(place));
    problem
}

/// A forward cannot listen where it should.
pub fn forward_cannot_listen(mut problem: Problem) -> Problem {
    // No line of a config is to be changed.
    problem.hints.retain(|hint| !hint.contains("[target."));
    problem.hint("name another port: --local-port PORT")
}

/// What was asked to be forwarded makes no target.
pub fn forward_faulty(faults: &[ConfigFault]) -> Problem {
    let mut problem = Problem::new("D32", Sort::Usage, "that cannot be forwarded");
    for fault in faults {
        let key = fault.key.rsplit('.').next().unwrap_or_default();
        problem = problem.because(format!("{key}: {}", fault.reason));
        // No line of a config is to be changed.
        let hint = match key {
            "host" | "port" => Some("--host NAME --remote-port PORT".to_owned()),
            "listen" => Some("--local-port PORT, and for containers --listen docker".to_owned()),
            _ => fault.hint.clone(),
        };
        problem.hints.extend(hint.filter(|hint| !problem.hints.contains(hint)));
    }
    problem
}

/// A forward wants a port that another target has.
pub fn forward_in_the_way(wanted: &Target, other: &str) -> Problem {
    let message = format!("{} cannot listen where it should", wanted.name);
    Problem::new("D13", Sort::PortConflict, message)
        .because(format!("target {other} listens there"))
        .hint("name another port: --local-port PORT")
}

/// Somebody is still connected.
pub fn in_use(target: &str, visits: &[VisitStatus]) -> Problem {
    let message = match visits.len() {
        1 => format!("1 visit goes through {target}"),
        many => format!("{many} visits go through {target}"),
    };
    Problem::new("D31", Sort::Failed, message).hint(format!("bastionctl close {target} --yes"))
}

/// The ledger's files cannot be read.
pub fn ledger_unreadable(err: &LedgerError) -> Problem {
    Problem::new("D32", Sort::Failed, "the ledger cannot be read").because(chain(err).join(": "))
}

/// The same problem, with the visitor who met it.
pub fn naming(problem: Problem, visitor: &str) -> Problem {
    problem.because(format!("the visitor was {visitor}"))
}

/// A call that only a running daemon can answer.
pub fn needs_daemon(path: &str) -> Problem {
    Problem::new("D32", Sort::NotRunning, "this needs the running daemon")
        .because(format!("{path} is about its bastions and visits"))
        .hint("bastionctl service start")
}

/// The config does not say where a target's password is.
pub fn no_password(target: &Target) -> Problem {
    let message = format!("nothing says where the password of {} is kept", target.name);
    Problem::new("D32", Sort::NotFound, message).hint(format!(
        "password = {{ secret = \"…\" }} or {{ rds_managed = true }} under [target.{}]",
        target.name
    ))
}

/// Nothing says where the config would be.
pub fn no_place(err: &PathError) -> Problem {
    Problem::new("D32", Sort::Usage, "the config has no place")
        .because(err.to_string())
        .hint("name a file: --config FILE")
}

/// There is no such call on the control socket.
pub fn no_such_call(path: &str) -> Problem {
    Problem::new("D32", Sort::NotFound, format!("there is no call {path}"))
        .hint("GET /v1/status, /v1/targets, /v1/events, /v1/cost, /v1/audit, /v1/config, /v1/health, /v1/version")
        .hint("GET /v1/doctor, /v1/info, /v1/policy, /v1/survey, /v1/targets/{name}/{password,token,by_hand}")
        .hint("POST /v1/targets/{name}/open, /v1/targets/{name}/close, /v1/targets/{name}/test, /v1/forward, /v1/init, /v1/reload")
}

/// A token is wanted for a database of which only the address is known.
pub fn no_token_for_address(target: &Target, remote: &Remote) -> Problem {
    let message = format!("no token can be made for {}", target.name);
    Problem::new("D32", Sort::Usage, message)
        .because(format!("a token is signed for the database's own name, and {remote} is none"))
        .hint(format!("rds = \"…\" in place of host under [target.{}]", target.name))
}

/// A token is wanted, and nobody says for whom.
pub fn no_user(target: &Target) -> Problem {
    let message = format!("nothing says who connects to {}", target.name);
    Problem::new("D32", Sort::Usage, message)
        .because("a token is signed for one user")
        .hint(format!("user = \"…\" under [target.{}]", target.name))
}

/// What the config does not let in has come.
pub fn not_let_in(target: &str, visitor: &str, container: bool) -> Problem {
    let message = format!("a visitor of {target} was not let in");
    let problem =
        Problem::new("D33", Sort::NotPermitted, message).because(format!("it is {visitor}"));
    if container {
        problem.hint(format!(
            "allow = [\"same-user\", \"docker\"] under [target.{target}] lets containers in"
        ))
    } else {
        problem.because("only the user that bastiond runs as is let in").hint(format!(
            "allow = [\"any\"] under [target.{target}] lets every user of this machine in"
        ))
    }
}

fn not_stopped(target: &Target) -> Problem {
    let message = format!("the bastion before the next one for {} has not stopped", target.name);
    Problem::new("D04", Sort::TimedOut, message)
        .because("no other is started while it may still run")
        .hint(format!("try again; bastionctl events --target {} tells how it goes", target.name))
}

fn not_written(target: &Target, err: &NotWritten) -> Problem {
    let message = format!("the start of a bastion for {} could not be written down", target.name);
    Problem::new("D32", Sort::Failed, message)
        .because(chain(err).join(": "))
        .because("a task that is on no disk would be leaked by a crash, so none was started")
        .hint("make room where the state directory is: df -h ~")
}

/// Somebody else's daemon was called.
pub fn not_your_daemon() -> Problem {
    Problem::new("D32", Sort::NotPermitted, "this bastiond serves another user")
        .hint("start your own: bastionctl service start")
}

/// A target cannot listen where it should.
///
/// The message goes into the log, so the place stands in the causes.
pub fn place_taken(target: &str, err: &dyn std::error::Error, owner: Option<&Owner>) -> Problem {
    let message = format!("{target} cannot listen where it should");
    let mut problem = Problem::new("D13", Sort::PortConflict, message);
    problem.causes.extend(chain(err));
    match owner.and_then(|owner| owner.pid) {
        Some(pid) => problem.hint(format!(
            "end that program (pid {pid}), or change listen under [target.{target}]"
        )),
        None => problem.hint(format!("change listen under [target.{target}]")),
    }
}

fn reconnects(target: &Target) -> Problem {
    let message = format!("a program keeps connecting to {} and asks for nothing", target.name);
    Problem::new("D31", Sort::Failed, message)
        .because(
            "it came back right after it was closed for silence, so no bastion is started for it",
        )
        .hint(format!("to use it: bastionctl open {}", target.name))
}

fn removed(target: &Target) -> Problem {
    let message = format!("{} is no longer served", target.name);
    Problem::new("D32", Sort::NotFound, message)
        .because("the config names it no more, or its forward has ended")
        .hint("bastionctl status")
}

/// Whom to trust cannot be said.
pub fn roots_unusable(err: &dyn std::error::Error) -> Problem {
    let message = "the certificates of RDS cannot be used";
    Problem::new("D32", Sort::Failed, message)
        .because(chain(err).join(": "))
        .hint("look at rds_ca_bundle under [daemon], or fetch the file again")
}

fn silent(target: &Target, after: Duration) -> Problem {
    let message = format!("the bastion for {} was stopped: nobody used it", target.name);
    Problem::new("D31", Sort::Failed, message)
        .because(format!("whoever was connected had been silent for {} min", after.as_secs() / 60))
        .hint(format!(
            "to let silent visits hold it: silent_after = \"0\" under [target.{}]",
            target.name
        ))
        .hint(format!("bastionctl open {}", target.name))
}

/// Its bastion is on its way, and the visitor would not wait for it.
pub fn still_starting(target: &Target, start: &Start, now: Instant) -> Problem {
    let stage = start.stage.map_or_else(String::new, |stage| format!(" ({})", stage.words()));
    let left = start.since.zip(start.estimate);
    let left = left.map(|(since, takes)| takes.saturating_sub(now.duration_since(since)).as_secs());
    let (when, again) = match left {
        Some(left @ 1..) => (format!("ready in about {left} s"), format!("in about {left} s")),
        Some(0) | None => ("ready soon".to_owned(), "in half a minute".to_owned()),
    };
    let message = format!("{} is starting{stage}, {when}", target.name);
    Problem::new("D06", Sort::TimedOut, message)
        .because("its bastion runs while somebody uses it, and starts when somebody connects")
        .hint(format!("connect again {again}"))
        .hint(format!(
            "or set the connect timeout to 120 s, and patience = \"2m\" under [target.{}]",
            target.name
        ))
}

fn stopping(target: &Target) -> Problem {
    let message = format!("bastiond is stopping, and {} with it", target.name);
    Problem::new("D31", Sort::NotRunning, message).hint("bastionctl service start")
}

fn task_gone(target: &Target, words: &str) -> Problem {
    let message = format!("the bastion for {} is gone", target.name);
    let problem = Problem::new("D14", Sort::BastionFailed, message);
    // The cloud's words stand in the first line, and the task's own below.
    let mut lines = words.lines();
    let problem = lines.next().map(str::to_owned).into_iter().fold(problem, Problem::because);
    let problem = lines.fold(problem, |problem, line| problem.because(format!("its log: {line}")));
    problem.hint("connect again: the next visit starts another")
}

/// A person asked for more tunnels than can be had.
pub fn too_few_tunnels(target: &Target, standing: usize, wanted: usize) -> Problem {
    let message = format!("only {standing} of {wanted} tunnels to {} can be had", target.name);
    Problem::new("D20", Sort::BastionFailed, message)
        .because(format!(
            "a bastion of site {} carries {} at most, and an agent takes two unless told otherwise",
            target.site.name, target.rules.tunnels_per_bastion
        ))
        .hint(format!("those that stand are there: bastionctl status {}", target.name))
        .hint(format!(
            "where the agent takes more: tunnels_per_bastion = {wanted} under [site.{}]",
            target.site.name
        ))
}

fn too_old(target: &Target, age: Duration) -> Problem {
    let message = format!("the bastion for {} has reached its age limit", target.name);
    Problem::new("D31", Sort::Failed, message)
        .because(format!("a bastion lives {} h at most (max_life)", age.as_secs() / 3600))
        .hint("connect again: the next visit goes through another")
}

fn took_too_long(target: &Target, stage: bastion_api::Stage) -> Problem {
    let limit = humantime::format_duration(target.start_timeout);
    let message = format!("the bastion for {} was not ready within {limit}", target.name);
    let code = match stage {
        bastion_api::Stage::StartingAgent | bastion_api::Stage::Connecting => "D06",
        bastion_api::Stage::Discovering
        | bastion_api::Stage::Requesting
        | bastion_api::Stage::Provisioning
        | bastion_api::Stage::Pulling
        | bastion_api::Stage::Unknown => "D04",
    };
    Problem::new(code, Sort::TimedOut, message)
        .because(format!("it hung while {}", stage.words()))
        .hint(format!("try again, or set start_timeout under [site.{}]", target.site.name))
}

/// There is no site of that name; those that there are may have been meant.
pub fn unknown_site<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    let problem = Problem::new("D32", Sort::NotFound, format!("no site is called \"{name}\""));
    let meant = meant(name, known);
    problem
        .hint(meant.unwrap_or_else(|| "the config names no sites: bastionctl config path".into()))
}

/// There is no target of that name; those that there are may have been meant.
pub fn unknown_target<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    let problem = Problem::new("D32", Sort::NotFound, format!("no target is called \"{name}\""));
    let meant = meant(name, known);
    problem
        .hint(meant.unwrap_or_else(|| "the config names no targets: bastionctl config path".into()))
}

/// A call on the control socket was made with another method than its own.
pub fn wrong_method(method: &str, path: &str) -> Problem {
    Problem::new("D32", Sort::Usage, format!("{path} does not take {method}"))
        .hint("open and close take POST; every other call takes GET")
}

/// What may have been meant by a name that nothing has, or what there is; nothing where there is nothing.
fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut near: Vec<(f64, &str)> =
        known.map(|other| (strsim::jaro_winkler(name, other), other)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    match near.first()? {
        (likeness, other) if *likeness > 0.7 => Some(format!("did you mean \"{other}\"?")),
        _ => {
            let names: Vec<_> = near.iter().map(|(_, other)| *other).collect();
            Some(format!("there are: {}", names.join(", ")))
        }
    }
}

/// An error and its causes, nearest first, each in its own words.
fn chain(err: &dyn std::error::Error) -> Vec<String> {
    let mut words = vec![err.to_string()];
    let mut next = err.source();
    while let Some(cause) = next {
        words.push(cause.to_string());
        next = cause.source();
    }
    words
}

#[cfg(test)]
mod tests;
