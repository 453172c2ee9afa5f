//! What the agent finds in the container, and what its role lets it do.

use bastion_cloud::{ContainerFacts, DefinitionFacts, Kind, Permission, Says};

use super::asked::{Asked, asked, asked_aside};
use super::permissions::{conditional, is_refused};
use super::place::last;
use super::{SiteFacts, Verdict};
use crate::explain;
use crate::explain::doctor::Unfit;

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
    if let Some(unfit) = in_the_agents_way(definition, container) {
        let name = &container.name;
        return Verdict::fail(explain::doctor::container_unfit(whose, definition, name, unfit));
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

/// What breaks the agent.
fn in_the_agents_way<'a>(
    definition: &'a DefinitionFacts,
    container: &'a ContainerFacts,
) -> Option<Unfit<'a>> {
    if container.read_only && !AGENT_WRITES.iter().all(|path| is_writable(container, path)) {
        return Some(Unfit::ReadOnly);
    }
    if let Some(mode @ ("task" | "host")) = definition.pid_mode.as_deref() {
        return Some(Unfit::Pid(mode));
    }
    let misleading = |variable: &&String| MISLEADING.contains(&variable.as_str());
    container.variables.iter().find(misleading).map(|variable| Unfit::Variable(variable))
}

/// Whether a volume is mounted at a path or above it.
fn is_writable(container: &ContainerFacts, path: &str) -> bool {
    let above = |mount: &String| {
        let rest = path.strip_prefix(mount.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    container.writable.iter().any(above)
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
    let permissions = match asked_aside(&site.role) {
        Asked::Told(permissions) => permissions,
        Asked::Wrong(err) if matches!(err.kind, Kind::NotFound { .. }) => {
            return Verdict::fail(explain::doctor::task_role_gone(whose, role));
        }
        Asked::Wrong(err) => return Verdict::unknown(explain::doctor::not_simulated(err)),
        Asked::Nothing(verdict) => return verdict,
    };
    let lacking: Vec<&Permission> = permissions.iter().filter(|one| is_refused(one)).collect();
    if lacking.is_empty() {
        return match conditional(permissions) {
            Some(words) => Verdict::unknown(words),
            None => Verdict::ok(format!("{} has ssmmessages", last(role))),
        };
    }
    let denied = lacking.iter().any(|one| one.says == Says::Denied);
    let lacking: Vec<&str> = lacking.iter().map(|one| one.wish.action.as_str()).collect();
    Verdict::fail(explain::doctor::task_role_lacks(whose, role, &lacking, denied))
}

/// Where the agent writes: volumes there are how it is made to live on a read-only root file system (aws.md 3.2).
const AGENT_WRITES: [&str; 2] = ["/var/lib/amazon/ssm", "/var/log/amazon/ssm"];

/// What the agent takes for its own: who it is, and whom it asks. Others that begin with `AWS_` are the application's.
const MISLEADING: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];
