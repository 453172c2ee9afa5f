//! Every failure in words for people: what failed, because of what, what to type.
//!
//! The only file that writes such sentences; the control socket, the events and the log all say the same. The codes
//! are stable, and README lists them. A function a kind of failure, in the order of their names, no logic.

use std::time::Duration;

use bastion_api::{ConfigFault, Problem, ProblemKind as Sort, VisitStatus};
use bastion_cloud::{CloudError, Kind, Remote};
use ssm_tunnel::{Closed, OpenError, StreamError};

use crate::config::Target;
use crate::keeper::Refusal;
use crate::ledger::LedgerError;
use crate::listen::shadow::Owner;
use crate::state::NotWritten;
use crate::tunnels::TunnelFailure;

/// Why the bastion for a target was refused or lost.
pub fn refusal(target: &Target, refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::UnknownTarget => unknown_target(&target.name, std::iter::empty()),
        Refusal::Cloud(err) => cloud(target, err),
        Refusal::Tunnel(failure) => tunnel(target, failure),
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

/// What the cloud did not do.
pub fn cloud(target: &Target, err: &CloudError) -> Problem {
    let site = &target.site.name;
    let said = format!("{} answered: {}", err.call, err.message);
    let problem = match &err.kind {
        Kind::AgentStopped => agent_stopped(target),
        Kind::Ambiguous { what, candidates } => ambiguous(target, what, candidates),
        Kind::ClockSkew { seconds } => clock_skew(*seconds),
        Kind::Conflict { .. } => conflict(target),
        Kind::Denied { explicit, .. } => denied(target, err.call, *explicit),
        Kind::ExecDisabled => exec_disabled(target),
        Kind::Invalid => invalid(site),
        Kind::Intercepted { .. } => unreachable(site),
        Kind::Login { profile, .. } => login(profile.as_deref().or(target.site.profile.as_deref())),
        Kind::NoCapacity => no_capacity(site),
        Kind::NotAvailable { status } => not_available(target, status),
        Kind::NotConnected => not_connected(target),
        Kind::NotFound { what, candidates } => not_found(target, what, candidates),
        Kind::ScaledToZero => invalid(site),
        Kind::Service => service(err.call),
        Kind::SessionOver => session_over(target),
        Kind::TaskStopped { code, exit_code, .. } => {
            task_stopped(target, code.as_deref(), *exit_code)
        }
        Kind::Throttled => throttled(err.call),
        Kind::TimedOut => timed_out(err.call),
        Kind::Unreachable => unreachable(site),
    };
    problem.because(said).request(err.request_id.clone())
}

/// Why there is no tunnel.
fn tunnel(target: &Target, failure: &TunnelFailure) -> Problem {
    match failure {
        TunnelFailure::Session(err) => cloud(target, err),
        TunnelFailure::Open(err) => not_opened(target, err),
        TunnelFailure::Stream(err) => match err.as_ref() {
            // The tunnel's own end is the reason, and may be about the database's name.
            StreamError::Closed(why) => tunnel_closed(target, why),
            StreamError::Refused(_) => tunnel_lost(target).because(chain(err.as_ref()).join(": ")),
        },
        TunnelFailure::Stopping => stopping(target),
    }
}

/// What went wrong between the session's token and the agent's handshake.
fn not_opened(target: &Target, err: &OpenError) -> Problem {
    let problem = match err {
        OpenError::Address(_) => address_refused(target),
        OpenError::Upgrade { status: 401 | 403, .. } => upgrade_denied(),
        OpenError::Roots(_)
        | OpenError::Connect { .. }
        | OpenError::Tls { .. }
        | OpenError::Proxy { .. }
        | OpenError::Upgrade { .. }
        | OpenError::WebSocket { .. }
        | OpenError::DialDeadline { .. } => middlebox(&target.site.name),
        OpenError::Sign(_) => login(target.site.profile.as_deref()),
        OpenError::HandshakeDeadline { .. } => session_limit(target),
        OpenError::Closed(why) => return tunnel_closed(target, why),
    };
    problem.because(chain(err).join(": "))
}

/// Why a tunnel that stood has ended.
pub fn tunnel_closed(target: &Target, why: &Closed) -> Problem {
    let problem = match why {
        Closed::ByUs => closed(target),
        Closed::ByService { output } if is_about_the_name(output) => name_refused(target),
        Closed::Unsupported(_) => agent_unfit(target),
        Closed::ByService { .. }
        | Closed::Misbehaved(_)
        | Closed::Lost(_)
        | Closed::SessionOver { .. }
        | Closed::AwayTooLong { .. }
        | Closed::ResumeRefused { .. }
        | Closed::Undriven => tunnel_lost(target),
    };
    problem.because(chain(why).join(": "))
}

fn address_refused(target: &Target) -> Problem {
    Problem::new("D30", Sort::NotPermitted, "the session's address is not one of AWS's own").hint(
        format!(
            "if your organisation has a VPC endpoint for ssmmessages, list its name: \
             endpoints = [\"vpce-…\"] under [site.{}]",
            target.site.name
        ),
    )
}

fn agent_stopped(target: &Target) -> Problem {
    let message = format!("the SSM agent in the bastion for {} stopped", target.name);
    Problem::new("D08", Sort::BastionFailed, message).hint(
        "give the task role ssmmessages:CreateControlChannel, CreateDataChannel, \
         OpenControlChannel and OpenDataChannel",
    )
}

fn agent_unfit(target: &Target) -> Problem {
    let message = format!("the SSM agent in the bastion for {} does not fit", target.name);
    Problem::new("D22", Sort::BastionFailed, message)
        .hint("run the task on Fargate platform version LATEST, whose agent is recent")
}

fn ambiguous(target: &Target, what: &str, candidates: &[String]) -> Problem {
    let message = format!("more than one {what} fits for {}", target.name);
    Problem::new("D32", Sort::NotFound, message)
        .because(format!("found: {}", candidates.join(", ")))
        .hint(format!("name one of them by its id under [site.{}]", target.site.name))
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

fn clock_skew(seconds: Option<i64>) -> Problem {
    let message = match seconds {
        Some(off) if off > 0 => format!("this machine's clock is {off} s ahead of AWS's"),
        Some(off) => format!("this machine's clock is {} s behind AWS's", off.abs()),
        None => "this machine's clock differs from AWS's".to_owned(),
    };
    Problem::new("D21", Sort::Failed, message).hint(if cfg!(target_os = "macos") {
        "sudo sntp -sS time.apple.com"
    } else {
        "sudo timedatectl set-ntp true"
    })
}

fn closed(target: &Target) -> Problem {
    let message = format!("the bastion for {} was closed", target.name);
    Problem::new("D31", Sort::Failed, message)
        .because("somebody asked for it")
        .hint(format!("bastionctl open {}", target.name))
}

/// The config cannot be used, and the daemon goes on with the one before.
pub fn config_faulty(faults: &[ConfigFault]) -> Problem {
    let message = match faults.len() {
        1 => "the config has a fault: the daemon goes on with the one before".to_owned(),
        many => format!("the config has {many} faults: the daemon goes on with the one before"),
    };
    let place = |fault: &ConfigFault| match fault.line {
        Some(line) => format!("line {line}: {} {}", fault.key, fault.reason),
        None => format!("{} {}", fault.key, fault.reason),
    };
    let mut problem = Problem::new("D32", Sort::Usage, message).hint("bastionctl config check");
    problem.causes.extend(faults.iter().map(place));
    problem
}

fn conflict(target: &Target) -> Problem {
    let message = format!("AWS takes the start of {} for another one", target.name);
    Problem::new("D04", Sort::BastionFailed, message)
        .hint(format!("bastionctl open {}", target.name))
}

/// The bastion could not reach the database.
pub fn database_unreachable(target: &Target, remote: &Remote) -> Problem {
    let message = format!("{} refuses or does not answer the bastion", target.name);
    Problem::new("D24", Sort::DatabaseUnreachable, message)
        .because(format!("the bastion could not connect to {remote}"))
        .hint("the database's security group must allow its port from the bastion's group (D10)")
        .hint("the database must be available: aws rds describe-db-instances (D11)")
}

fn denied(target: &Target, call: &str, explicit: bool) -> Problem {
    let message = format!("AWS does not permit {call} at site {}", target.site.name);
    let problem = Problem::new("D19", Sort::NotPermitted, message);
    if explicit {
        problem
            .because("a policy denies it explicitly")
            .hint(format!("ask who keeps your policies for an exception from the deny of {call}"))
    } else {
        problem.hint(format!("add {call} to the policy of the role that you log in with"))
    }
}

fn exec_disabled(target: &Target) -> Problem {
    let message = format!("ECS Exec is off for the task that {} would go through", target.name);
    Problem::new("D07", Sort::BastionFailed, message)
        .because("it cannot be switched on for a task that runs")
        .hint("aws ecs update-service --enable-execute-command --force-new-deployment …")
}

/// Somebody is still connected.
pub fn in_use(target: &str, visits: &[VisitStatus]) -> Problem {
    let message = match visits.len() {
        1 => format!("1 visit goes through {target}"),
        many => format!("{many} visits go through {target}"),
    };
    Problem::new("D31", Sort::Failed, message).hint(format!("bastionctl close {target} --yes"))
}

fn invalid(site: &str) -> Problem {
    Problem::new("D32", Sort::Failed, format!("AWS cannot make sense of what site {site} asks for"))
        .hint(format!("look at [site.{site}]: bastionctl config show"))
}

/// The ledger's files cannot be read.
pub fn ledger_unreadable(err: &LedgerError) -> Problem {
    Problem::new("D32", Sort::Failed, "the ledger cannot be read").because(chain(err).join(": "))
}

fn login(profile: Option<&str>) -> Problem {
    match profile {
        Some(profile) => {
            let message =
                format!("the AWS login of profile \"{profile}\" has expired or is missing");
            Problem::new("D18", Sort::Login, message)
                .hint(format!("aws sso login --profile {profile}"))
        }
        None => Problem::new("D18", Sort::Login, "there is no AWS login, or it has expired")
            .hint("name a profile under the site: profile = \"…\"")
            .hint("aws sso login"),
    }
}

fn middlebox(site: &str) -> Problem {
    let message = format!("no websocket to AWS's session service for site {site}");
    Problem::new("D30", Sort::Failed, message)
        .hint("look for a proxy or a filter between this machine and ssmmessages.<region>.amazonaws.com:443")
}

/// The same problem, with the visitor who met it.
pub fn naming(problem: Problem, visitor: &str) -> Problem {
    problem.because(format!("the visitor was {visitor}"))
}

fn name_refused(target: &Target) -> Problem {
    let message = format!("the bastion cannot use the address of {}", target.name);
    Problem::new("D25", Sort::DatabaseUnreachable, message)
        .hint("the name must be known to the VPC's own DNS, and its address not be one that the agent refuses")
}

fn no_capacity(site: &str) -> Problem {
    let message = format!("AWS has no room for a task at site {site} just now");
    Problem::new("D27", Sort::BastionFailed, message)
        .hint("try again in a minute, or give subnets in more than one availability zone")
        .hint("if the vCPU quota is used up: Service Quotas, AWS Fargate")
}

/// The config does not say where a target's password is.
pub fn no_password(target: &Target) -> Problem {
    let message = format!("nothing says where the password of {} is kept", target.name);
    Problem::new("D32", Sort::NotFound, message).hint(format!(
        "password = {{ secret = \"…\" }} or {{ rds_managed = true }} under [target.{}]",
        target.name
    ))
}

/// There is no such call on the control socket.
pub fn no_such_call(path: &str) -> Problem {
    Problem::new("D32", Sort::NotFound, format!("there is no call {path}"))
        .hint("GET /v1/status, /v1/targets, /v1/events, /v1/cost, /v1/audit, /v1/config, /v1/health, /v1/version")
        .hint("POST /v1/targets/{name}/open, /v1/targets/{name}/close, /v1/reload")
}

fn not_available(target: &Target, status: &str) -> Problem {
    let message = format!("the database of {} is {status}", target.name);
    let problem = Problem::new("D11", Sort::DatabaseUnreachable, message);
    match status {
        "stopped" => problem.hint("aws rds start-db-instance --db-instance-identifier …"),
        _ => problem.hint(format!("when it is available: bastionctl open {}", target.name)),
    }
}

fn not_connected(target: &Target) -> Problem {
    let message = format!("the SSM agent in the bastion for {} does not connect", target.name);
    Problem::new("D06", Sort::BastionFailed, message)
        .because("the task runs, and the session service still does not know its agent (D08, D09)")
        .hint("its subnets need a way to ssmmessages.<region>.amazonaws.com:443: NAT, or an interface endpoint")
        .hint("its task role needs the four ssmmessages actions")
}

fn not_found(target: &Target, what: &str, candidates: &[String]) -> Problem {
    let code = match what {
        "cluster" => "D02",
        "task definition" => "D03",
        _ => "D32",
    };
    let message = format!("no such {what} for {}", target.name);
    let problem = Problem::new(code, Sort::NotFound, message);
    let problem = match candidates {
        [] => problem,
        near => problem.hint(format!("did you mean {}?", near.join(", "))),
    };
    problem.hint("bastionctl config show")
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

/// Somebody else's daemon was called.
pub fn not_your_daemon() -> Problem {
    Problem::new("D32", Sort::NotPermitted, "this bastiond serves another user")
        .hint("start your own: systemctl --user start bastiond")
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
    let message = format!("{} is no longer in the config", target.name);
    Problem::new("D32", Sort::NotFound, message).hint("bastionctl status")
}

fn service(call: &str) -> Problem {
    Problem::new("D26", Sort::Failed, format!("AWS failed in itself at {call}"))
        .hint("try again; if it lasts: health.aws.amazon.com")
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

fn session_limit(target: &Target) -> Problem {
    let message = format!("the agent in the bastion for {} does not answer", target.name);
    Problem::new("D20", Sort::BastionFailed, message)
        .because(
            "an agent takes two sessions at once unless told otherwise; a third gets no answer",
        )
        .hint("end the other sessions: aws ssm describe-sessions --state Active")
}

fn session_over(target: &Target) -> Problem {
    let message = format!("the session to {} is over", target.name);
    Problem::new("D23", Sort::Failed, message).hint("connect again: the next visit opens another")
}

fn stopping(target: &Target) -> Problem {
    let message = format!("bastiond is stopping, and {} with it", target.name);
    Problem::new("D31", Sort::NotRunning, message).hint("systemctl --user start bastiond")
}

fn task_gone(target: &Target, words: &str) -> Problem {
    let message = format!("the bastion for {} is gone", target.name);
    let problem = Problem::new("D14", Sort::BastionFailed, message);
    let problem = if words.is_empty() { problem } else { problem.because(words) };
    problem.hint("connect again: the next visit starts another")
}

fn task_stopped(target: &Target, code: Option<&str>, exit_code: Option<i32>) -> Problem {
    let message = format!("the bastion for {} did not start", target.name);
    let mut problem = Problem::new("D04", Sort::BastionFailed, message);
    if let Some(code) = code {
        problem = problem.because(format!("ECS calls it {code}"));
    }
    if let Some(exit_code) = exit_code {
        problem = problem.because(format!("its container exited with {exit_code}"));
    }
    problem.hint(format!(
        "aws ecs describe-tasks --cluster {} --tasks … shows the stopped task for an hour",
        target.site.cluster
    ))
}

fn throttled(call: &str) -> Problem {
    Problem::new("D26", Sort::Failed, format!("AWS takes no more {call} for the moment"))
        .hint("try again in a minute")
}

fn timed_out(call: &str) -> Problem {
    Problem::new("D04", Sort::TimedOut, format!("{call} took too long"))
        .hint("try again; a longer start_timeout may be set under the site")
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

/// A person asked for more tunnels than can be had.
pub fn too_few_tunnels(target: &Target, standing: usize, wanted: usize) -> Problem {
    let message = format!("only {standing} of {wanted} tunnels to {} can be had", target.name);
    Problem::new("D20", Sort::BastionFailed, message)
        .because(format!(
            "a bastion of site {} carries {} at most, and an agent takes two unless told otherwise",
            target.site.name, target.tunnels_per_bastion
        ))
        .hint(format!("those that stand are there: bastionctl status {}", target.name))
        .hint(format!(
            "where the agent takes more: tunnels_per_bastion = {wanted} under [site.{}]",
            target.site.name
        ))
}

/// A tunnel that stood is gone.
pub fn tunnel_lost(target: &Target) -> Problem {
    let message = format!("the tunnel to {} was lost", target.name);
    Problem::new("D23", Sort::Failed, message).hint("connect again: the next visit opens another")
}

/// There is no target of that name; those that there are may have been meant.
pub fn unknown_target<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    let mut near: Vec<(f64, &str)> =
        known.map(|other| (strsim::jaro_winkler(name, other), other)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let problem = Problem::new("D32", Sort::NotFound, format!("there is no target {name}"));
    match near.first() {
        Some((likeness, other)) if *likeness > 0.7 => {
            problem.hint(format!("did you mean {other}?"))
        }
        Some(_) => {
            let names: Vec<_> = near.iter().map(|(_, other)| *other).collect();
            problem.hint(format!("there are: {}", names.join(", ")))
        }
        None => problem.hint("the config names no targets: bastionctl config path"),
    }
}

fn unreachable(site: &str) -> Problem {
    let message = format!("AWS cannot be reached for site {site}");
    Problem::new("D30", Sort::Failed, message)
        .hint("look at the network, and at proxy settings and certificates between here and AWS")
}

fn upgrade_denied() -> Problem {
    Problem::new("D19", Sort::NotPermitted, "AWS does not permit ssmmessages:OpenDataChannel").hint(
        "allow ssmmessages:OpenDataChannel on arn:aws:ssm:*:*:session/${aws:userid}-* in your policy",
    )
}

/// A call on the control socket was made with another method than its own.
pub fn wrong_method(method: &str, path: &str) -> Problem {
    Problem::new("D32", Sort::Usage, format!("{path} does not take {method}"))
        .hint("open and close take POST; every other call takes GET")
}

/// Whether the service's last words are about the database's name or address, and not about the session.
fn is_about_the_name(output: &str) -> bool {
    // The agent's own texts, ssm-data-channel.md 5: a lookup that failed, an address on its deny list.
    output.contains("no such host")
        || output.starts_with("lookup ")
        || output.contains("is forbidden")
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
