//! What only a running daemon knows: how tunnels and visits fare.

use super::{TargetFacts, Verdict};
use crate::explain;

/// The agent takes as many sessions as are wanted (D20).
pub(super) fn sessions(facts: &TargetFacts) -> Option<Verdict> {
    let live = facts.live.as_ref()?;
    if let Some(problem) = facts.lately(&["D20"]) {
        let target = &facts.target;
        return Some(Verdict::fail(explain::doctor::session_limit(target, problem, live.tunnels)));
    }
    Some(Verdict::ok(match live.tunnels {
        0 => "no tunnel stands".to_owned(),
        1 => "1 tunnel stands".to_owned(),
        many => format!("{many} tunnels stand"),
    }))
}

/// Tunnels stay, and the database answers through them (D23, D24).
pub(super) fn tunnel(facts: &TargetFacts) -> Option<Verdict> {
    let live = facts.live.as_ref()?;
    if let Some(problem) = facts.lately(&["D24", "D23"]) {
        return Some(Verdict::fail(explain::doctor::lately(&facts.target, problem)));
    }
    Some(Verdict::ok(if live.ready {
        "visits go through".to_owned()
    } else {
        "nothing has gone wrong of late".to_owned()
    }))
}

/// Nobody lost a bastion for being silent (D31).
pub(super) fn visits(facts: &TargetFacts) -> Option<Verdict> {
    facts.live.as_ref()?;
    facts
        .lately(&["D31"])
        .map(|problem| Verdict::fail(explain::doctor::lately(&facts.target, problem)))
}
