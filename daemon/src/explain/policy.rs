//! What a policy lacks, with the statement to add.

use bastion_api::{Problem, ProblemKind as Sort};

use crate::config::Target;

/// An action that is not allowed, or that is forbidden.
pub(super) fn denied(
    target: &Target,
    action: &str,
    resource: Option<&str>,
    explicit: bool,
) -> Problem {
    match action {
        "sso:GetRoleCredentials" => no_such_assignment(target),
        "sts:AssumeRole" => not_trusted(target, resource),
        _ if explicit => forbidden(target, action, resource),
        _ => not_allowed(target, action, resource),
    }
}

fn forbidden(target: &Target, action: &str, resource: Option<&str>) -> Problem {
    let message = format!("a policy forbids {action} at site {}", target.site.name);
    let problem = Problem::new("D19", Sort::NotPermitted, message)
        .because("a policy denies it explicitly: no other policy can allow it");
    match action {
        "ssm:StartSession" => {
            problem.because("AWS's own guide advises this deny for ECS tasks").hint(format!(
                "except the bastions from the deny: \"NotResource\": [{}]",
                resources(target, action, resource)
            ))
        }
        _ => problem.hint(format!("ask who keeps your policies for an exception: {action}")),
    }
}

fn no_such_assignment(target: &Target) -> Problem {
    let message = format!("your AWS SSO login may not take the role of site {}", target.site.name);
    Problem::new("D19", Sort::NotPermitted, message)
        .because("the login is good, and its account or role is not assigned to you")
        .hint("look at sso_account_id and sso_role_name in the profile, or ask for the assignment")
}

fn not_allowed(target: &Target, action: &str, resource: Option<&str>) -> Problem {
    let message = format!("AWS does not permit {action} at site {}", target.site.name);
    let problem = Problem::new("D19", Sort::NotPermitted, message)
        .because("no policy of the role that you log in with allows it");
    problem.hint(format!(
        "add to its policy: {{\"Effect\": \"Allow\", \"Action\": \"{action}\", \"Resource\": [{}]{}}}",
        resources(target, action, resource),
        condition(action)
    ))
    .hint(format!("all that it needs: bastionctl policy --site {}", target.site.name))
}

fn not_trusted(target: &Target, role: Option<&str>) -> Problem {
    let message = format!("AWS does not let you assume the role of site {}", target.site.name);
    let role = role.unwrap_or("the role");
    Problem::new("D19", Sort::NotPermitted, message)
        .because("either you may not assume it, or it does not trust you")
        .hint(format!("the trust policy of {role} must name you as a principal"))
        .hint(format!("add to your own policy: {{\"Effect\": \"Allow\", \"Action\": \"sts:AssumeRole\", \"Resource\": \"{role}\"}}"))
}

/// The resources of a statement for an action, as narrow as AWS allows (aws.md 3.6).
fn resources(target: &Target, action: &str, told: Option<&str>) -> String {
    let cluster = target.site.cluster.rsplit('/').next().unwrap_or(&target.site.cluster);
    match action {
        // Both, or the document is refused (F19).
        "ssm:StartSession" => format!(
            "\"arn:aws:ecs:*:*:task/{cluster}/*\", \
             \"arn:aws:ssm:*::document/AWS-StartPortForwardingSessionToRemoteHost\""
        ),
        "ssm:ResumeSession" | "ssm:TerminateSession" | "ssmmessages:OpenDataChannel" => {
            "\"arn:aws:ssm:*:*:session/${aws:userid}-*\", \
             \"arn:aws:ssm:*:*:session/${aws:username}-*\""
                .to_owned()
        }
        "ecs:DescribeTasks" | "ecs:StopTask" => format!("\"arn:aws:ecs:*:*:task/{cluster}/*\""),
        _ => format!("\"{}\"", told.unwrap_or("*")),
    }
}

/// The condition without which a statement would allow more than is needed (F19a).
fn condition(action: &str) -> &'static str {
    match action {
        "ssm:StartSession" => {
            ", \"Condition\": {\"BoolIfExists\": {\"ssm:SessionDocumentAccessCheck\": \"true\"}}"
        }
        "iam:PassRole" => {
            ", \"Condition\": {\"StringEquals\": {\"iam:PassedToService\": \"ecs-tasks.amazonaws.com\"}}"
        }
        _ => "",
    }
}

/// What the task role needs for the agent to connect.
pub(super) const TASK_ROLE: &str = "ssmmessages:CreateControlChannel, ssmmessages:CreateDataChannel, \
     ssmmessages:OpenControlChannel and ssmmessages:OpenDataChannel on *";
