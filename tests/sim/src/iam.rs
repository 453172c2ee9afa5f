//! How IAM decides: policies as people write them, a question, and an answer with its reasons.
//!
//! ```text
//!   any Deny that fits ─► denied
//!   the organisation's policy, where there is one, has no Allow that fits ─► not allowed
//!   the boundary, where there is one, has none ─► not allowed
//!   the principal's own policies have one ─► allowed, else not allowed
//! ```
//!
//! Written after AWS's description of its evaluation; no policy of a resource is looked at.

mod condition;
mod glob;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::glob::matches;

/// The policies that decide about one user or role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// Its own, by name: documents as IAM takes them.
    pub own: BTreeMap<String, Value>,
    /// What its own may allow at most, where it has a permissions boundary.
    pub boundary: Option<Value>,
}

/// What somebody would like to do.
#[derive(Clone, Debug, Default)]
pub struct Question<'a> {
    /// `ssm:StartSession`
    pub action: &'a str,
    /// An ARN, or `*`.
    pub resource: &'a str,
    /// What conditions and variables may ask for.
    pub context: Context,
}

/// Values by the names of condition keys, whose letters' case does not count.
#[derive(Clone, Debug, Default)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Adds a value to a key.
    pub fn add(&mut self, key: &str, value: &str) {
        self.0.entry(key.to_lowercase()).or_default().push(value.to_owned());
    }

    fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_lowercase()).map(Vec::as_slice)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Context {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let mut context = Self::default();
        pairs.iter().for_each(|(key, value)| context.add(key, value));
        context
    }
}

/// IAM's three answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed, and by nothing denied.
    Allowed,
    /// Allowed by nothing.
    NotAllowed,
    /// Denied.
    Denied,
}

/// An answer and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The answer.
    pub decision: Decision,
    /// The principal's own policies that fit, by name: those that deny where it is denied.
    pub by: Vec<String>,
    /// Keys that were asked for and that the question does not bring along.
    pub missing: BTreeSet<String>,
    /// Whether the organisation's policy allows it; none where there is no organisation.
    pub organisation: Option<bool>,
    /// Whether the boundary allows it; none where there is no boundary.
    pub boundary: Option<bool>,
}

/// Decides a question by a principal's policies and its organisation's.
pub fn judge(
    policies: &Policies,
    organisation: Option<&Value>,
    question: &Question<'_>,
) -> Verdict {
    let mut missing = BTreeSet::new();
    let mut look = |policy: &Value| read(policy, question, &mut missing);
    let own: Vec<(&String, Fits)> =
        policies.own.iter().map(|(name, policy)| (name, look(policy))).collect();
    let boundary = policies.boundary.as_ref().map(&mut look);
    let organisation = organisation.map(&mut look);
    let above = [boundary, organisation];
    let names = |wanted: fn(&Fits) -> bool| -> Vec<String> {
        own.iter().filter(|(_, fits)| wanted(fits)).map(|(name, _)| (*name).clone()).collect()
    };
    let denying = names(|fits| fits.denies);
    let allowing = names(|fits| fits.allows);
    let denied = !denying.is_empty() || above.iter().flatten().any(|fits| fits.denies);
    let allowed = !allowing.is_empty() && above.iter().flatten().all(|fits| fits.allows);
    let passes = |fits: Fits| fits.allows && !fits.denies;
    Verdict {
        decision: match (denied, allowed) {
            (true, _) => Decision::Denied,
            (false, true) => Decision::Allowed,
            (false, false) => Decision::NotAllowed,
        },
        by: if denied { denying } else { allowing },
        missing,
        organisation: organisation.map(passes),
        boundary: boundary.map(passes),
    }
}

/// What a policy says to a question.
#[derive(Clone, Copy, Debug, Default)]
struct Fits {
    allows: bool,
    denies: bool,
}

fn read(policy: &Value, question: &Question<'_>, missing: &mut BTreeSet<String>) -> Fits {
    let mut fits = Fits::default();
    for statement in list(&policy["Statement"]) {
        if speaks_of(statement, question, missing)
            && condition::holds(&statement["Condition"], &question.context, missing)
        {
            match statement["Effect"].as_str() {
                Some("Allow") => fits.allows = true,
                Some("Deny") => fits.denies = true,
                _ => {}
            }
        }
    }
    fits
}

fn speaks_of(statement: &Value, question: &Question<'_>, missing: &mut BTreeSet<String>) -> bool {
    let action = question.action.to_lowercase();
    let acts =
        |field: &str| texts(&statement[field]).any(|one| matches(&one.to_lowercase(), &action));
    let mut is_on = |field: &str| {
        texts(&statement[field]).any(|one| {
            let filled = fill(one, &question.context, missing);
            filled.is_some_and(|pattern| matches(&pattern, question.resource))
        })
    };
    let acts = if statement["NotAction"].is_null() { acts("Action") } else { !acts("NotAction") };
    acts && if statement["NotResource"].is_null() {
        is_on("Resource")
    } else {
        !is_on("NotResource")
    }
}

/// A pattern with its variables (`${aws:userid}`) filled in; none where one has no value: then it fits nothing.
fn fill(pattern: &str, context: &Context, missing: &mut BTreeSet<String>) -> Option<String> {
    let Some((before, rest)) = pattern.split_once("${") else {
        return Some(pattern.to_owned());
    };
    let (name, after) = rest.split_once('}')?;
    let after = fill(after, context, missing)?;
    let value = match name {
        "*" | "?" | "$" => name.to_owned(),
        name => {
            let (key, otherwise) = match name.split_once(',') {
                Some((key, otherwise)) => {
                    (key.trim(), Some(otherwise.trim().trim_matches('\'').to_owned()))
                }
                None => (name, None),
            };
            let found = context.get(key).and_then(<[String]>::first).cloned().or(otherwise);
            if found.is_none() {
                missing.insert(key.to_owned());
            }
            found?
        }
    };
    Some(format!("{before}{value}{after}"))
}

/// One or many, as policies have it.
fn list(value: &Value) -> &[Value] {
    match value.as_array() {
        Some(all) => all,
        None if value.is_null() => &[],
        None => std::slice::from_ref(value),
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    list(value).iter().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests;
