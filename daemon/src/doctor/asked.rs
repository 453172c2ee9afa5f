//! What came of asking for a fact, as a check sees it.

use bastion_cloud::{CloudError, Kind};

use super::{Check, Fact, Verdict};
use crate::explain;

/// What came of asking.
pub(super) enum Asked<'a, T> {
    /// An answer.
    Told(&'a T),
    /// A refusal that is the check's own matter: it is not there, there are several, ….
    Wrong(&'a CloudError),
    /// Nothing that says anything of this check.
    Nothing(Verdict),
}

/// What came of asking for a fact.
pub(super) fn asked<T>(fact: &Fact<T>) -> Asked<'_, T> {
    match fact {
        Some(Ok(told)) => Asked::Told(told),
        Some(Err(err)) => match elsewhere(err) {
            Some(verdict) => Asked::Nothing(verdict),
            None => Asked::Wrong(err),
        },
        None => Asked::Nothing(Verdict::unknown(explain::doctor::not_asked())),
    }
}

/// What came of asking whom nobody else asks: what keeps it from answering is no check's matter.
pub(super) fn asked_aside<T>(fact: &Fact<T>) -> Asked<'_, T> {
    let told = asked(fact);
    let Asked::Nothing(Verdict::Skip(Check::Aws | Check::Network)) = &told else { return told };
    let call = fact.as_ref().and_then(|fact| fact.as_ref().err()).map_or("", |err| err.call);
    Asked::Nothing(Verdict::unknown(explain::doctor::no_answer(call)))
}

/// What a refusal means that is the same whatever was asked for.
fn elsewhere(err: &CloudError) -> Option<Verdict> {
    match &err.kind {
        Kind::Denied { action, .. } => {
            let action = action.as_deref().unwrap_or(err.call);
            let words = explain::doctor::cannot_know(action);
            Some(Verdict::Unknown { words, grant: Some(action.to_owned()) })
        }
        Kind::Login { .. } => Some(Verdict::Skip(Check::Credentials)),
        Kind::ClockSkew { .. } => Some(Verdict::Skip(Check::Clock)),
        Kind::Throttled | Kind::Service => Some(Verdict::Skip(Check::Aws)),
        Kind::Unreachable | Kind::Intercepted { .. } => Some(Verdict::Skip(Check::Network)),
        Kind::TimedOut => Some(Verdict::unknown(explain::doctor::no_answer(err.call))),
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
        | Kind::Invalid => None,
    }
}
