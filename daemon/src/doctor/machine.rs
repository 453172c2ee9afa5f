//! What this machine tells by itself: the config, the port.

use super::{ConfigFacts, TargetFacts, Verdict};
use crate::explain;
use crate::listen;

/// The config can be used (D32).
pub(super) fn config(config: &ConfigFacts) -> Verdict {
    if !config.faults.is_empty() {
        return Verdict::fail(explain::doctor::config_faulty(&config.faults));
    }
    let targets = match config.targets {
        1 => "1 target".to_owned(),
        many => format!("{many} targets"),
    };
    match &config.path {
        None => Verdict::ok("there is no config file, and so no target"),
        Some(path) if config.outdated => Verdict::ok(format!(
            "{targets} in {path}, which has changed since: bastionctl reload takes it up"
        )),
        Some(path) => Verdict::ok(format!("{targets} in {path}")),
    }
}

/// The local port is ours (D13).
pub(super) fn port(facts: &TargetFacts) -> Verdict {
    let target = &facts.target;
    if let Some(problem) = &facts.host.problem {
        let why = problem.causes.first().unwrap_or(&problem.message);
        return Verdict::fail(explain::doctor::port_taken(target, why, facts.host.free));
    }
    if let Some(owner) = facts.host.strangers.first() {
        let why = explain::doctor::held_by(owner);
        return Verdict::fail(explain::doctor::port_taken(target, &why, facts.host.free));
    }
    let held = if facts.live.is_some() { "ours" } else { "free" };
    match listen::port(target) {
        Some(port) => Verdict::ok(format!("{port} is {held}")),
        None => Verdict::ok(format!("{} is {held}", facts.host.wanted.join(", "))),
    }
}
