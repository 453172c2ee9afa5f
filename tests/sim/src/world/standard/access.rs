//! Who may do what in the default world: people everything, tasks what they need.

use serde_json::{Value, json};

use super::super::{Role, User, World};
use crate::iam::Policies;

/// People, their roles, and the roles of all task definitions.
pub(super) fn access(world: &mut World, account: &str, region: &str) {
    world.users.insert("dev".to_owned(), User { policies: everything() });
    world
        .roles
        .insert("bastion-operator".to_owned(), Role { policies: everything(), ..Role::default() });
    let device = format!("arn:aws:iam::{account}:mfa/dev");
    let mfa = Some((device, "123456".to_owned()));
    world.roles.insert(
        "bastion-operator-mfa".to_owned(),
        Role { mfa, policies: everything(), ..Role::default() },
    );
    world.roles.insert(
        "AWSReservedSSO_Dev".to_owned(),
        Role {
            path: format!("aws-reserved/sso.amazonaws.com/{region}/"),
            policies: everything(),
            ..Role::default()
        },
    );
    let definitions: Vec<_> = world.task_definitions.values().cloned().collect();
    for definition in definitions {
        let groups: Vec<&String> =
            definition.containers.iter().filter_map(|one| one.log_group.as_ref()).collect();
        let logs = groups
            .iter()
            .map(|group| format!("arn:aws:logs:{region}:{account}:log-group:{group}:*"));
        let roles = [
            (definition.task_role, "sessions", sessions()),
            (definition.execution_role, "execution", execution(logs.collect())),
        ];
        for (arn, name, policy) in roles {
            if let Some(role) = arn.as_deref().and_then(|arn| arn.rsplit('/').next()) {
                let policies = Policies { own: [(name.to_owned(), policy)].into(), boundary: None };
                world.roles.insert(role.to_owned(), Role { policies, ..Role::default() });
            }
        }
    }
}

fn everything() -> Policies {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }],
    });
    Policies { own: [("AdministratorAccess".to_owned(), policy)].into(), boundary: None }
}

/// What the agent in a task needs (aws.md 3.6).
fn sessions() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": [
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            ],
            "Resource": "*",
        }],
    })
}

/// AmazonECSTaskExecutionRolePolicy, for these logs.
fn execution(logs: Vec<String>) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "ecr:GetAuthorizationToken",
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:BatchGetImage",
                ],
                "Resource": "*",
            },
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": logs,
            },
        ],
    })
}
