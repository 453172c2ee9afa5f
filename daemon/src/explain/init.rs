//! What stands in the way of a first config.

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::{CloudError, Kind, LoginWay};

use super::{chain, cloud, login};
use crate::config::Fault;
use crate::config::write::WriteError;
use crate::init::Mismatch;

/// A part of the account that cannot be looked at: what is in it stays open.
pub fn cannot_know(what: &str, err: &CloudError) -> Problem {
    let said = format!("{} answered: {}", err.call, err.message);
    let message = format!("cannot know the {what}");
    let problem = match &err.kind {
        Kind::Denied { action, .. } => {
            let action = action.as_deref().unwrap_or(err.call);
            Problem::new("D19", Sort::NotPermitted, message).hint(format!("grant {action}"))
        }
        Kind::Throttled | Kind::Unreachable | Kind::TimedOut | Kind::Service => {
            Problem::new("D26", Sort::Failed, message).hint("try again")
        }
        Kind::Login { .. }
        | Kind::ClockSkew { .. }
        | Kind::NoCapacity
        | Kind::NotFound { .. }
        | Kind::Ambiguous { .. }
        | Kind::NotAvailable { .. }
        | Kind::TaskStopped { .. }
        | Kind::ExecDisabled
        | Kind::AgentStopped
        | Kind::NotConnected
        | Kind::ScaledToZero
        | Kind::SessionOver
        | Kind::Conflict { .. }
        | Kind::Intercepted { .. }
        | Kind::Invalid => Problem::new("D26", Sort::Failed, message),
    };
    problem.because(said).request(err.request_id.clone())
}

/// The config could not be added to, and is as it was.
pub fn config_not_written(err: &WriteError) -> Problem {
    match err {
        WriteError::Faulty(faults) => {
            let mut problem = super::faulty(&faults.report().faults, ": nothing was written");
            let file = faults.report().faults.into_iter().next().map(|fault| fault.file);
            // The one that was named need not be the one that a check looks at by itself.
            problem.hints = file
                .map(|file| format!("bastionctl config check --config {file}"))
                .into_iter()
                .collect();
            problem
        }
        WriteError::Io { .. } => {
            let mut problem = Problem::new("D32", Sort::Failed, "the config cannot be written");
            problem.causes = chain(err);
            problem.hint("name another file: --config FILE")
        }
        WriteError::Altered { .. } => Problem::new(
            "D32",
            Sort::Failed,
            "the config was altered meanwhile: nothing was written",
        )
        .because(err.to_string())
        .hint("try again"),
        WriteError::Bug { faults, .. } => {
            let message = "the config would not mean what it should: nothing was written";
            let mut problem = Problem::new("D32", Sort::Bug, message).because(err.to_string());
            let one_line = |fault: &Fault| fault.to_string().replace('\n', ";");
            let faults = faults.iter().flat_map(|faults| faults.iter().map(one_line));
            problem.causes.extend(faults);
            problem.hint("write it yourself: the lines are shown by --dry-run")
        }
    }
}

/// What was chosen cannot stand in a config.
pub fn mismatch(err: &Mismatch) -> Problem {
    let problem = Problem::new("D32", Sort::Usage, err.to_string());
    match err {
        Mismatch::Missing(_) => problem.hint("bastionctl init --help"),
        Mismatch::SiteTaken(_) | Mismatch::NoName(_) => {
            problem.hint("give it another name: --name NAME")
        }
        Mismatch::NoPort(_) => {
            problem.hint("end a program that listens, or write the target yourself")
        }
        Mismatch::NoDatabase(_) => problem.hint("bastionctl version"),
    }
}

/// The person's AWS files have no such profile.
pub fn no_profile(name: &str, all: &[String]) -> Problem {
    let problem = Problem::new("D32", Sort::NotFound, format!("there is no profile \"{name}\""));
    match all {
        [] => problem.hint("aws configure sso"),
        some => problem.hint(format!("there are: {}", some.join(", "))),
    }
}

/// The account has no such region, or has not enabled it: there, nobody knows its credentials.
pub fn no_region(name: &str, all: &[String]) -> Problem {
    let message = format!("the account has no region \"{name}\"");
    Problem::new("D32", Sort::NotFound, message)
        .because(format!("it has: {}", all.join(", ")))
        .hint("name one of these: --region NAME")
}

/// The account cannot be looked at, as whoever this profile is.
pub fn survey(profile: Option<&str>, err: &CloudError) -> Problem {
    let said = format!("{} answered: {}", err.call, err.message);
    let whose = profile.map_or_else(String::new, |name| format!(" with profile \"{name}\""));
    let problem = match &err.kind {
        Kind::Login { profile: Some(profile), way } => login::login("NAME", Some(profile), way),
        Kind::Login { profile: None, way } => match profile {
            Some(profile) => login::login("NAME", Some(profile), way),
            None => nobody(way),
        },
        Kind::ClockSkew { seconds } => cloud::clock_skew(*seconds),
        Kind::NotFound { what: "profile", candidates } => {
            no_profile(profile.unwrap_or_default(), candidates)
        }
        Kind::Denied { action, .. } => {
            let action = action.as_deref().unwrap_or(err.call);
            let message = format!("not permitted to look into the account{whose}");
            Problem::new("D19", Sort::NotPermitted, message).hint(format!("grant {action}"))
        }
        Kind::Intercepted { issuer } => {
            let message = format!("something between here and AWS answers in AWS's place{whose}");
            let problem = Problem::new("D30", Sort::Failed, message);
            let problem = issuer.iter().fold(problem, |problem, issuer| {
                problem.because(format!("the certificate that it shows is signed by {issuer}"))
            });
            problem.hint("look at HTTPS_PROXY, NO_PROXY and AWS_CA_BUNDLE")
        }
        Kind::TimedOut => Problem::new("D26", Sort::TimedOut, format!("AWS took too long{whose}"))
            .hint("try again"),
        Kind::Unreachable => {
            Problem::new("D30", Sort::Failed, format!("AWS cannot be reached{whose}")).hint(
                "look at the network, and at proxy settings and certificates between here and AWS",
            )
        }
        Kind::Throttled | Kind::Service => {
            Problem::new("D26", Sort::Failed, format!("AWS does not answer for the moment{whose}"))
                .hint("try again")
        }
        Kind::NoCapacity
        | Kind::NotFound { .. }
        | Kind::Ambiguous { .. }
        | Kind::NotAvailable { .. }
        | Kind::TaskStopped { .. }
        | Kind::ExecDisabled
        | Kind::AgentStopped
        | Kind::NotConnected
        | Kind::ScaledToZero
        | Kind::SessionOver
        | Kind::Conflict { .. }
        | Kind::Invalid => {
            let message = format!("the account cannot be looked at{whose}");
            let problem = Problem::new("D26", Sort::Failed, message);
            if err.call == CONFIGURATION {
                problem.hint("mend what it names: the AWS CLI reads it, too")
            } else {
                problem
            }
        }
    };
    let mut problem = problem.request(err.request_id.clone());
    problem.causes.insert(0, said);
    problem
}

fn nobody(way: &LoginWay) -> Problem {
    let problem = Problem::new("D18", Sort::Login, "there is no AWS login, or it has expired");
    match way {
        LoginWay::Keys => {
            problem.hint("the keys of the environment are not valid any more: aws configure")
        }
        LoginWay::Console
        | LoginWay::Helper { .. }
        | LoginWay::Mfa { .. }
        | LoginWay::Sso { .. }
        | LoginWay::Unknown => problem
            .hint("aws configure sso, once; then: aws sso login")
            .hint("bastionctl init --profile NAME"),
    }
}

/// What daemon/aws names in place of a call when a person's AWS files are at fault.
const CONFIGURATION: &str = "aws:configuration";
