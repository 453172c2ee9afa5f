//! What the agent lacks in its container.

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::{DefinitionFacts, Runs};

use super::{aws, last};
use crate::config::Target;

/// What breaks the agent in a container.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unfit<'a> {
    /// It cannot write.
    ReadOnly,
    /// It shares its processes with others, in this way.
    Pid(&'a str),
    /// A variable tells the agent what it is not.
    Variable(&'a str),
}

/// A field of the task definition breaks the agent.
pub fn container_unfit(
    target: &Target,
    definition: &DefinitionFacts,
    container: &str,
    unfit: Unfit<'_>,
) -> Problem {
    let own = format!("(.containerDefinitions[]|select(.name==\"{container}\"))");
    let (field, change) = match unfit {
        Unfit::ReadOnly => (
            format!("readonlyRootFilesystem = false for container \"{container}\""),
            format!("{own}.readonlyRootFilesystem=false"),
        ),
        Unfit::Pid(mode) => (format!("no pidMode (it is \"{mode}\")"), "del(.pidMode)".to_owned()),
        Unfit::Variable(name) => (
            format!("no {name} in the environment of container \"{container}\""),
            format!("({own}|.environment,.secrets|select(.))|=map(select(.name!=\"{name}\"))"),
        ),
    };
    let message = format!("the agent cannot live in {}: it needs {field}", definition.name);
    revised(Problem::new("D22", Sort::BastionFailed, message), target, &definition.name, &change)
}

/// The problem of a task definition, with what registers a revision of it that differs in this, as jq writes it.
pub(super) fn revised(
    problem: Problem,
    target: &Target,
    definition: &str,
    change: &str,
) -> Problem {
    let family = definition.rsplit('/').next().and_then(|name| name.split(':').next());
    let family = family.unwrap_or(definition);
    let describe = aws(
        target,
        &format!(
            "ecs describe-task-definition --output json --query taskDefinition --task-definition {definition}"
        ),
    );
    let register =
        aws(target, &format!("ecs register-task-definition --cli-input-json file://{family}.json"));
    let problem =
        problem.because(format!("it registers a revision of {family} that differs in that"));
    let problem = match &target.site.runs {
        Runs::Service(_) => problem.because("the service has to take that revision up"),
        Runs::TaskDefinition(name) if name.contains(&format!("{family}:")) => {
            problem.because(format!(
                "task_definition under [site.{}] has to name that revision, or none",
                target.site.name
            ))
        }
        Runs::TaskDefinition(_) => problem,
    };
    problem.hint(format!("{describe} | jq '{TOLD}|{change}' > {family}.json && {register}"))
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
    let message = format!("the task role {} is not there", last(role));
    Problem::new("D08", Sort::BastionFailed, message)
        .because("the task definition still names it")
        .hint(format!("bastionctl policy --task-role --site {}", target.site.name))
}

/// The task role lacks what the agent does with it.
pub fn task_role_lacks(target: &Target, role: &str, lacking: &[&str], denied: bool) -> Problem {
    let actions = lacking.join(", ");
    if denied {
        let message = format!("a policy forbids the task role {} {actions}", last(role));
        return Problem::new("D08", Sort::BastionFailed, message)
            .because("no other policy can allow what one denies: the deny has to go")
            .hint(aws(
                target,
                &format!("iam list-attached-role-policies --role-name {}", last(role)),
            ));
    }
    let message = format!("the task role {} lacks {actions}", last(role));
    Problem::new("D08", Sort::BastionFailed, message).hint(aws(
        target,
        &format!(
            "iam put-role-policy --role-name {} --policy-name bastiond-agent --policy-document '{AGENT}'",
            last(role)
        ),
    ))
}

/// Takes away what a definition is told with, and is not registered with.
const TOLD: &str = "del(.taskDefinitionArn,.revision,.status,.requiresAttributes,.compatibilities,.registeredAt,.registeredBy,.deregisteredAt)";

/// What the agent does, and nothing else.
const AGENT: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssmmessages:CreateControlChannel","ssmmessages:CreateDataChannel","ssmmessages:OpenControlChannel","ssmmessages:OpenDataChannel"],"Resource":"*"}]}"#;
