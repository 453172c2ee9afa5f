//! Conditions: `{ "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } }`. All must hold; the values of one
//! key are alternatives.

use std::collections::BTreeSet;

use serde_json::Value;

use super::glob::matches;
use super::{Context, fill, list};

/// Whether a statement's conditions hold.
pub(super) fn holds(conditions: &Value, context: &Context, missing: &mut BTreeSet<String>) -> bool {
    let Some(conditions) = conditions.as_object() else {
        return true;
    };
    let mut all = true;
    for (operator, keys) in conditions {
        for (key, wanted) in keys.as_object().into_iter().flatten() {
            // Each key is looked at, so that all that is missing is told.
            all &= Operator::of(operator).holds(key, list(wanted), context, missing);
        }
    }
    all
}

/// An operator's name, taken apart: `ForAnyValue:StringNotLikeIfExists`.
struct Operator<'a> {
    /// What is compared how: `StringLike`.
    compare: &'a str,
    not: bool,
    if_exists: bool,
    every: bool,
    set: bool,
}

impl<'a> Operator<'a> {
    fn of(name: &'a str) -> Self {
        let (set, every, name) = match name.split_once(':') {
            Some(("ForAllValues", name)) => (true, true, name),
            Some((_, name)) => (true, false, name),
            None => (false, false, name),
        };
        let (if_exists, name) = match name.strip_suffix("IfExists") {
            Some(name) => (true, name),
            None => (false, name),
        };
        let (compare, not) = match name {
            "StringNotEquals" => ("StringEquals", true),
            "StringNotEqualsIgnoreCase" => ("StringEqualsIgnoreCase", true),
            "StringNotLike" => ("StringLike", true),
            "ArnNotEquals" | "ArnNotLike" => ("ArnLike", true),
            "ArnEquals" => ("ArnLike", false),
            "NumericNotEquals" => ("NumericEquals", true),
            other => (other, false),
        };
        Self { compare, not, if_exists, every, set }
    }

    fn holds(
        &self,
        key: &str,
        wanted: &[Value],
        context: &Context,
        missing: &mut BTreeSet<String>,
    ) -> bool {
        let values = context.get(key);
        if self.compare == "Null" {
            let absent = wanted.iter().any(|one| text(one) == "true");
            return values.is_none() == absent;
        }
        let Some(values) = values else {
            if !self.if_exists {
                missing.insert(key.to_owned());
            }
            return self.if_exists || self.not || self.every;
        };
        let wanted: Vec<String> =
            wanted.iter().filter_map(|one| fill(&text(one), context, missing)).collect();
        let fits =
            |value: &String| wanted.iter().any(|wanted| self.compares(value, wanted)) != self.not;
        if self.set && !self.every { values.iter().any(fits) } else { values.iter().all(fits) }
    }

    fn compares(&self, value: &str, wanted: &str) -> bool {
        let numbers = || value.parse::<f64>().ok().zip(wanted.parse::<f64>().ok());
        match self.compare {
            "StringEquals" => value == wanted,
            "StringEqualsIgnoreCase" => value.eq_ignore_ascii_case(wanted),
            "StringLike" | "ArnLike" => matches(wanted, value),
            "Bool" => value.eq_ignore_ascii_case(wanted),
            "NumericEquals" => numbers().is_some_and(|(value, wanted)| value == wanted),
            "NumericLessThan" => numbers().is_some_and(|(value, wanted)| value < wanted),
            "NumericLessThanEquals" => numbers().is_some_and(|(value, wanted)| value <= wanted),
            "NumericGreaterThan" => numbers().is_some_and(|(value, wanted)| value > wanted),
            "NumericGreaterThanEquals" => numbers().is_some_and(|(value, wanted)| value >= wanted),
            // Dates, addresses and binaries are asked for by no policy that this simulator meets.
            _ => false,
        }
    }
}

/// A value as it is compared: policies write `true` with quotes and without.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
