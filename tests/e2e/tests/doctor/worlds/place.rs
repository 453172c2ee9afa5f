//! Cluster, task definition, service, container, task role, subnets.

use bastion_sim::iam::Policies;
use serde_json::json;

use super::{CLUSTER, DEFINITION, GROUP, SERVICE, TASK_ROLE};
use crate::world::World;

pub(super) fn worlds() -> Vec<World> {
    vec![
        World::new("the cluster is not there", &["D02"])
            .account(|account| drop(account.clusters.remove(CLUSTER)))
            .told(&["ap-northeast-1", "123456789012"])
            .in_ci(),
        World::new("the cluster was deleted", &["D02"]).account(|account| {
            account.clusters.get_mut(CLUSTER).unwrap().status = "INACTIVE".to_owned();
        }),
        World::new("the cluster's name is misspelt", &["D02"])
            .config("cluster = \"neuraKnot-prod-cluster\"", "cluster = \"neuraKnot-prod-clutser\"")
            .told(&["cluster = \"neuraKnot-prod-cluster\" under [site.prod]"]),
        World::new("the task definition is not there", &["D03"])
            .account(|account| drop(account.task_definitions.remove(DEFINITION))),
        World::new("the task definition's name is misspelt", &["D03"])
            .config("\"neuraKnot-prod-ssm-proxy\"", "\"neuraKnot-prod-ssm-porxy\"")
            .told(&["neuraKnot-prod-ssm-porxy", "task_definition = \"neuraKnot-prod-ssm-proxy\""])
            .in_ci(),
        World::new("the task definition was deregistered", &["D03"])
            .config("\"neuraKnot-prod-ssm-proxy\"", "\"neuraKnot-prod-ssm-proxy:7\"")
            .account(|account| {
                account.task_definitions.get_mut(DEFINITION).unwrap().active = false
            }),
        World::new("the root file system is read-only", &["D22"])
            .account(|account| {
                let definition = account.task_definitions.get_mut(DEFINITION).unwrap();
                definition.containers[0].readonly_root = true;
            })
            .told(&["readonlyRootFilesystem = false", "\"proxy\""]),
        World::new("containers share one list of processes", &["D22"])
            .account(|account| {
                let definition = account.task_definitions.get_mut(DEFINITION).unwrap();
                definition.pid_mode = Some("task".to_owned());
            })
            .told(&["pidMode"]),
        World::new("the container has access keys of its own", &["D22"])
            .account(|account| {
                let definition = account.task_definitions.get_mut(DEFINITION).unwrap();
                let variables = &mut definition.containers[0].environment;
                variables.insert("AWS_ACCESS_KEY_ID".to_owned(), "AKIAX".to_owned());
            })
            .told(&["AWS_ACCESS_KEY_ID"]),
        World::cdk("the service has no ECS Exec", &["D07"])
            .account(|account| account.services.get_mut(SERVICE).unwrap().exec = false)
            .told(&["cannot be switched on for a task that runs", "--enable-execute-command"])
            .in_ci(),
        World::cdk("the service is scaled to nothing", &["D04"])
            .account(|account| account.services.get_mut(SERVICE).unwrap().desired = 0)
            .told(&["desired"]),
        World::new("the task role may nothing", &["D08"])
            .account(|account| {
                account.roles.get_mut(TASK_ROLE).unwrap().policies = Policies::default();
            })
            .told(&[
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
                "put-role-policy --role-name neuraKnot-prod-ssm-proxy-task",
            ])
            .in_ci(),
        World::new("the task definition has no task role", &["D08"]).account(|account| {
            account.task_definitions.get_mut(DEFINITION).unwrap().task_role = None;
        }),
        World::new("the task role was deleted", &["D08"])
            .account(|account| drop(account.roles.remove(TASK_ROLE))),
        World::new("a policy forbids the task role to connect", &["D08"]).account(|account| {
            let deny = json!({
                "Version": "2012-10-17",
                "Statement": [{ "Effect": "Deny", "Action": "ssmmessages:*", "Resource": "*" }],
            });
            let policies = &mut account.roles.get_mut(TASK_ROLE).unwrap().policies;
            policies.own.insert("deny".to_owned(), deny);
        }),
        World::new("the security group is of another VPC", &["D12"])
            .account(|account| {
                account.security_groups.get_mut(GROUP).unwrap().vpc =
                    "vpc-0b0b000000000002".to_owned();
            })
            .told(&["vpc-0a11ce00000000001", "vpc-0b0b000000000002"]),
    ]
}
