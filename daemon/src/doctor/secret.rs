//! The password can be had, and is that of the target's user (D16).

use bastion_cloud::Kind;
use jiff::Timestamp;

use super::asked::{Asked, asked};
use super::facts::told;
use super::{TargetFacts, Verdict};
use crate::config::Proof;
use crate::explain;

/// The secret is there, holds a password, and names the target's user.
pub(super) fn secret(facts: &TargetFacts, now: Timestamp) -> Option<Verdict> {
    let target = &facts.target;
    match &target.password {
        Some(Proof::Secret(_)) => {}
        Some(Proof::Iam) => return token(facts),
        None => return None,
    }
    let known = match asked(&facts.secret) {
        Asked::Told(secret) => Some(secret),
        Asked::Wrong(err) if matches!(err.kind, Kind::NotFound { .. }) => {
            return Some(Verdict::fail(explain::doctor::no_secret(target, err)));
        }
        // What may not be described may still be read.
        Asked::Wrong(_) | Asked::Nothing(_) => None,
    };
    if let Some(secret) = known
        && secret.deleted
    {
        return Some(Verdict::fail(explain::doctor::secret_deleted(target, &secret.name)));
    }
    let name = known.map_or("the secret", |secret| secret.name.as_str());
    let found = match asked(&facts.password) {
        Asked::Told(found) => found,
        // It was read, and is not what is looked for.
        Asked::Wrong(err) if err.kind == Kind::Invalid && known.is_some() => {
            let found = Some(err.message.as_str());
            return Some(Verdict::fail(explain::doctor::secret_empty(target, name, found)));
        }
        Asked::Wrong(err) => return Some(Verdict::fail(explain::doctor::no_secret(target, err))),
        Asked::Nothing(verdict) => return Some(verdict),
    };
    if !found.password {
        return Some(Verdict::fail(explain::doctor::secret_empty(target, name, None)));
    }
    if let (Some(theirs), Some(ours)) = (&found.user, &target.user)
        && theirs != ours
    {
        return Some(Verdict::fail(explain::doctor::secret_of_another(target, name, theirs, ours)));
    }
    if let Some(problem) = facts.lately(&["D16"]) {
        return Some(Verdict::fail(explain::doctor::lately(target, problem)));
    }
    let changed = known.and_then(|secret| secret.changed.as_deref()).map(|at| ago(at, now));
    Some(Verdict::ok(match changed {
        Some(changed) => format!("{name}, changed {changed}"),
        None => name.to_owned(),
    }))
}

/// A user that is proven by IAM needs a database that takes such tokens.
fn token(facts: &TargetFacts) -> Option<Verdict> {
    let database = told(&facts.database)?;
    Some(if database.iam {
        Verdict::ok(format!("{} takes IAM tokens", database.id))
    } else {
        Verdict::fail(explain::doctor::no_iam_tokens(&facts.target, database))
    })
}

/// `3 d ago`; the time itself where it makes no sense.
fn ago(at: &str, now: Timestamp) -> String {
    let Ok(then) = at.parse::<Timestamp>() else { return at.to_owned() };
    let hours = now.duration_since(then).as_hours();
    match hours {
        ..1 => "just now".to_owned(),
        1..48 => format!("{hours} h ago"),
        _ => format!("{} d ago", hours / 24),
    }
}
