//! What the agent finds in the container, and what its role lets it do.

use bastion_cloud::{ContainerFacts, DefinitionFacts, Kind, Permission, Says};

use super::asked::{Asked, asked};
use super::place::last;
use super::{SiteFacts, Verdict};
use crate::explain;

/// The agent can live in the container (D22).
pub(super) fn container(site: &SiteFacts) -> Verdict {
    let whose = site.whose();
    let definition = match asked(&site.definition) {
        Asked::Told(definition) => definition,
        // That is told of the task definition.
        Asked::Wrong(_) => return Verdict::Skip(super::Check::Definition),
        Asked::Nothing(verdict) => return verdict,
    };
    let container = match ours(site, definition) {
        Ok(container) => container,
        Err(names) => {
            return Verdict::fail(explain::doctor::no_container(whose, definition, &names));
        }
    };
    if let Some(field) = in_the_agents_way(definition, container) {
        return Verdict::fail(explain::doctor::container_unfit(whose, definition, &field));
    }
    if let Some(problem) = site.lately(&["D22"]) {
        return Verdict::fail(explain::doctor::lately(whose, problem));
    }
    Verdict::ok(format!("\"{}\", in which the agent can live", container.name))
}

/// The container that a bastion is made of, or the names of those that there are.
fn ours<'a>(
    site: &SiteFacts,
    definition: &'a DefinitionFacts,
) -> Result<&'a ContainerFacts, Vec<String>> {
    let names = || definition.containers.iter().map(|one| one.name.clone()).collect();
    match (&site.site.container, definition.containers.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => Err(names()),
        (Some(name), all) => all.iter().find(|one| one.name == *name).ok_or_else(names),
    }
}

/// The field of the task definition that breaks the agent, and what it should be.
fn in_the_agents_way(definition: &DefinitionFacts, container: &ContainerFacts) -> Option<String> {
    let name = &container.name;
    if container.read_only {
        return Some(format!("readonlyRootFilesystem = false for container \"{name}\""));
    }
    if let Some(mode @ ("task" | "host")) = definition.pid_mode.as_deref() {
        return Some(format!("no pidMode (it is \"{mode}\")"));
    }
    let misleading =
        |variable: &&String| variable.starts_with("AWS_") && !HARMLESS.contains(&variable.as_str());
    let variable = container.variables.iter().find(misleading)?;
    Some(format!("no {variable} in the environment of container \"{name}\""))
}

/// The task role lets the agent connect (D08).
pub(super) fn role(site: &SiteFacts) -> Verdict {
    let whose = site.whose();
    let definition = match asked(&site.definition) {
        Asked::Told(definition) => definition,
        Asked::Wrong(_) => return Verdict::Skip(super::Check::Definition),
        Asked::Nothing(verdict) => return verdict,
    };
    let Some(role) = &definition.task_role else {
        return Verdict::fail(explain::doctor::no_task_role(whose, definition));
    };
    let permissions = match asked(&site.role) {
        Asked::Told(permissions) => permissions,
        Asked::Wrong(err) if matches!(err.kind, Kind::NotFound { .. }) => {
            return Verdict::fail(explain::doctor::task_role_gone(whose, role));
        }
        Asked::Wrong(err) => return Verdict::unknown(explain::doctor::not_simulated(err)),
        Asked::Nothing(verdict) => return verdict,
    };
    let lacks = |one: &&Permission| match one.says {
        Says::Allowed => false,
        Says::Denied => true,
        Says::NotAllowed => one.missing.is_empty(),
    };
    let lacking: Vec<&str> =
        permissions.iter().filter(lacks).map(|one| one.wish.action.as_str()).collect();
    if lacking.is_empty() {
        return Verdict::ok(format!("{} has ssmmessages", last(role)));
    }
    let denied = permissions.iter().any(|one| one.says == Says::Denied);
    Verdict::fail(explain::doctor::task_role_lacks(whose, role, &lacking, denied))
}

/// What ECS itself, or a person who means no harm, puts there: neither says who the agent is.
const HARMLESS: [&str; 3] = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV"];
