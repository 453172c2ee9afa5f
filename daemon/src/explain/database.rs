//! What a database itself says, or whoever answers in its place.

use std::time::Duration;

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::{Remote, SecretRef};

use super::chain;
use crate::config::{Proof, Target};
use crate::probe::Setback;

/// Why a talk with a target's database went no further. `changed` is when its secret was last changed, where that is known.
pub fn setback(target: &Target, setback: &Setback, changed: Option<&str>) -> Problem {
    match setback {
        Setback::Said { code, message } if setback.is_wrong_password() => {
            wrong_password(target, code, message, changed)
        }
        Setback::Said { .. } if setback.is_unknown_database() => unknown_database(target, setback),
        Setback::Said { .. } => refused(target, setback),
        Setback::Lost(_) => broke_off(target, setback),
        Setback::Foreign(_) => foreign(target, setback),
        Setback::InTheClear | Setback::UnknownMethod(_) => no_way_in(target, setback),
    }
}

fn broke_off(target: &Target, setback: &Setback) -> Problem {
    let message = format!("the conversation with {} broke off", target.name);
    let mut problem = Problem::new("D24", Sort::DatabaseUnreachable, message);
    problem.causes = chain(setback);
    problem.hint(format!("bastionctl doctor {}", target.name))
}

fn foreign(target: &Target, setback: &Setback) -> Problem {
    let message = format!("what answers for {} speaks something else", target.name);
    let mut problem = Problem::new("D32", Sort::Usage, message);
    problem.causes = chain(setback);
    problem.hint(format!("engine and port under [target.{}]", target.name))
}

/// The bastion is there, and the database behind it says nothing.
pub fn no_answer(target: &Target, remote: &Remote, within: Duration) -> Problem {
    let message = format!("{} gave no answer within {} s", target.name, within.as_secs());
    Problem::new("D24", Sort::DatabaseUnreachable, message)
        .because(format!("the bastion reaches {remote}, or does not: nothing came back"))
        .hint("the database's security group must allow its port from the bastion's group (D10)")
        .hint(format!("bastionctl doctor {}", target.name))
}

fn no_way_in(target: &Target, setback: &Setback) -> Problem {
    let message = format!("{} cannot be logged in to", target.name);
    let mut problem = Problem::new("D16", Sort::Failed, message);
    problem.causes = chain(setback);
    match setback {
        Setback::UnknownMethod(_) => problem
            .hint(format!("log in with the user's own client: bastionctl connect {}", target.name)),
        Setback::InTheClear | Setback::Lost(_) | Setback::Said { .. } | Setback::Foreign(_) => {
            problem.hint("switch TLS on at the server")
        }
    }
}

fn refused(target: &Target, setback: &Setback) -> Problem {
    let message = format!("{} answers, and does not let in", target.name);
    let mut problem = Problem::new("D24", Sort::DatabaseUnreachable, message);
    problem.causes = chain(setback);
    problem.hint("the words are the database's own: its log says more")
}

fn unknown_database(target: &Target, setback: &Setback) -> Problem {
    let name = target.db_name.as_deref().unwrap_or("so");
    let message = format!("the server of {} has no database called \"{name}\"", target.name);
    let mut problem = Problem::new("D32", Sort::NotFound, message);
    problem.causes = chain(setback);
    problem.hint(format!("database = \"…\" under [target.{}]", target.name))
}

fn wrong_password(target: &Target, code: &str, words: &str, changed: Option<&str>) -> Problem {
    let message = format!("{} does not take the password", target.name);
    let problem = Problem::new("D16", Sort::NotPermitted, message)
        .because(format!("the database's words: {code}: {words}"));
    let changed = changed.map_or_else(String::new, |at| format!(", last changed {at}"));
    match &target.password {
        Some(Proof::Secret(SecretRef::Named(name))) => problem
            .because(format!("it is the one of the secret \"{name}\"{changed}"))
            .hint(format!("what it holds by now: bastionctl password {}", target.name))
            .hint(format!("who changed it: aws secretsmanager describe-secret --secret-id {name}")),
        Some(Proof::Secret(SecretRef::Managed(_))) => problem
            .because(format!("it is the one that RDS manages for the master user{changed}"))
            .hint(format!("the master user is who to log in as: user under [target.{}]", target.name)),
        Some(Proof::Iam) => problem
            .because("it is a token that IAM vouches for")
            .hint("PostgreSQL: GRANT rds_iam TO the user; MySQL: CREATE USER … IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'")
            .hint("the policy needs rds-db:connect for that user: bastionctl policy --user"),
        None => problem,
    }
}
