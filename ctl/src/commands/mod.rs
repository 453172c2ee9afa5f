//! One file a verb: its arguments, then its deed.

pub(crate) mod audit;
pub(crate) mod by_hand;
pub(crate) mod close;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod cost;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod forward;
pub(crate) mod info;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod mysql;
pub(crate) mod open;
pub(crate) mod password;
pub(crate) mod policy;
pub(crate) mod ports;
pub(crate) mod psql;
pub(crate) mod reload;
pub(crate) mod service;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod token;
pub(crate) mod top;
pub(crate) mod version;
pub(crate) mod wait;

use bastion_api::client::{Client, ClientError};
use bastion_api::{Problem, ProblemKind};

use crate::error::Failure;
use crate::words::near;

/// There is no such target; these are the ones that there are.
fn unknown<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Problem {
    let kind = ProblemKind::NotFound;
    let problem = Problem::new("D32", kind, format!("no target is called \"{name}\""));
    advise(problem, name, names)
}

/// The daemon's answer to a call about a target; where it knows no such target and offers nothing, what may have been
/// meant is added.
async fn about<T>(
    client: &Client,
    name: &str,
    answer: Result<T, ClientError>,
) -> Result<T, Failure> {
    let Err(ClientError::Problem(problem)) = answer else { return answer.map_err(Failure::from) };
    if problem.kind != ProblemKind::NotFound || !problem.hints.is_empty() {
        return Err(Failure::Problem(problem));
    }
    let Ok(known) = client.targets().await else { return Err(Failure::Problem(problem)) };
    if known.targets.iter().any(|target| target.name == name) {
        // Something else was not found.
        return Err(Failure::Problem(problem));
    }
    let names = known.targets.iter().map(|target| target.name.as_str());
    Err(advise(*problem, name, names).into())
}

fn advise<'a>(problem: Problem, name: &str, names: impl IntoIterator<Item = &'a str>) -> Problem {
    let near = near(name, names);
    if near.is_empty() {
        return problem.hint("bastionctl status");
    }
    let meant: Vec<String> = near.iter().map(|name| format!("\"{name}\"")).collect();
    problem.hint(format!("did you mean {}?", meant.join(" or ")))
}
