//! What the agent lacks in its container.

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::DefinitionFacts;

use super::aws;
use crate::config::Target;

/// A field of the task definition breaks the agent.
pub fn container_unfit(target: &Target, definition: &DefinitionFacts, field: &str) -> Problem {
    let message = format!("the agent cannot live in {}: it needs {field}", definition.name);
    let family = family(definition);
    Problem::new("D22", Sort::BastionFailed, message)
        .because(format!("register a revision of {family} with {field}"))
        .hint(aws(target, &format!("ecs register-task-definition --family {family} --cli-input-json file://{family}.json")))
}

/// The site's container is not in the task definition, or is not said.
pub fn no_container(target: &Target, definition: &DefinitionFacts, names: &[String]) -> Problem {
    let all = names.join(", ");
    let message = match &target.site.container {
        Some(name) => format!("{} has no container \"{name}\": it has {all}", definition.name),
        None => format!("{} has several containers: {all}", definition.name),
    };
    let name = names.first().map_or("…", String::as_str);
    Problem::new("D32", Sort::NotFound, message).hint(format!(
        "container = \"{name}\" under [site.{}], then: bastionctl reload",
        target.site.name
    ))
}

/// The task definition names no task role, and ECS Exec needs one.
pub fn no_task_role(target: &Target, definition: &DefinitionFacts) -> Problem {
    let message = format!("{} has no task role, and ECS Exec needs one", definition.name);
    Problem::new("D08", Sort::BastionFailed, message)
        .because("register a revision with a role that ecs-tasks.amazonaws.com may take, and that has the four ssmmessages actions")
        .hint(format!("bastionctl policy --task-role --site {}", target.site.name))
}

/// The task role was deleted.
pub fn task_role_gone(target: &Target, role: &str) -> Problem {
    let message = format!("the task role {} is not there", name(role));
    Problem::new("D08", Sort::BastionFailed, message)
        .because("the task definition still names it")
        .hint(format!("bastionctl policy --task-role --site {}", target.site.name))
}

/// The task role lacks what the agent does with it.
pub fn task_role_lacks(target: &Target, role: &str, lacking: &[&str], denied: bool) -> Problem {
    let actions = lacking.join(", ");
    if denied {
        let message = format!("a policy forbids the task role {} {actions}", name(role));
        return Problem::new("D08", Sort::BastionFailed, message)
            .because("no other policy can allow what one denies: the deny has to go")
            .hint(aws(
                target,
                &format!("iam list-attached-role-policies --role-name {}", name(role)),
            ));
    }
    let message = format!("the task role {} lacks {actions}", name(role));
    Problem::new("D08", Sort::BastionFailed, message).hint(aws(
        target,
        &format!(
            "iam put-role-policy --role-name {} --policy-name bastiond-agent --policy-document '{AGENT}'",
            name(role)
        ),
    ))
}

/// The definition's name without its revision.
fn family(definition: &DefinitionFacts) -> &str {
    definition.name.split(':').next().unwrap_or(&definition.name)
}

/// A role's own name.
fn name(role: &str) -> &str {
    role.rsplit('/').next().unwrap_or(role)
}

/// What the agent does, and nothing else.
const AGENT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssmmessages:CreateControlChannel","ssmmessages:CreateDataChannel","ssmmessages:OpenControlChannel","ssmmessages:OpenDataChannel"],"Resource":"*"}]}"#;
