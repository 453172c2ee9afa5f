//! What is missing where bastions run.

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::{
    CloudError, ClusterFacts, DefinitionFacts, Kind, NetworkFacts, Runs, ServiceFacts,
};

use super::super::cloud::{exec_disabled, scaled_to_zero as of_no_task};
use super::container::revised;
use super::{aws, last, one, placed, refused};
use crate::config::Target;

/// The cluster is there and takes no tasks.
pub fn cluster_inactive(target: &Target, cluster: &ClusterFacts) -> Problem {
    let name = last(&cluster.arn);
    let message = format!("the cluster {name} is {}", cluster.status);
    Problem::new("D02", Sort::NotFound, message)
        .because(format!("its whole name is {}", cluster.arn))
        .hint(aws(target, &format!("ecs create-cluster --cluster-name {name}")))
}

/// The task definition was deregistered: nothing more is started of it.
pub fn definition_retired(target: &Target, definition: &DefinitionFacts) -> Problem {
    let message = format!("the task definition {} was deregistered", definition.name);
    let family = definition.name.split(':').next().unwrap_or(&definition.name);
    Problem::new("D03", Sort::NotFound, message).hint(aws(
        target,
        &format!("ecs list-task-definitions --family-prefix {family} --status ACTIVE"),
    ))
}

/// The task definition is none for Fargate.
pub fn definition_unfit(target: &Target, definition: &DefinitionFacts) -> Problem {
    let message = format!(
        "the task definition {} is not for Fargate: it needs requiresCompatibilities FARGATE and networkMode awsvpc",
        definition.name
    );
    let problem = Problem::new("D03", Sort::BastionFailed, message)
        .because(format!("its network mode is {}", definition.network_mode));
    let change = r#".requiresCompatibilities=["FARGATE"]|.networkMode="awsvpc"|.cpu//="256"|.memory//="512""#;
    revised(problem, target, &definition.name, change)
}

/// ECS Exec is off for the tasks that there are.
pub fn exec_off(target: &Target) -> Problem {
    placed(target, one(exec_disabled(target)))
}

/// The security groups are of another VPC than the subnets.
pub fn groups_elsewhere(target: &Target, group: &str, vpc: &str) -> Problem {
    let message = format!("the subnets are of {vpc}, and {group}");
    Problem::new("D12", Sort::NotFound, message)
        .because(format!("security groups of {vpc} belong under [site.{}]", target.site.name))
        .hint(aws(
            target,
            &format!("ec2 describe-security-groups --filters Name=vpc-id,Values={vpc}"),
        ))
}

/// There is no such cluster.
pub fn no_cluster(target: &Target, err: &CloudError) -> Problem {
    let fix = near(err).map_or_else(
        || aws(target, "ecs list-clusters"),
        |name| {
            format!(
                "cluster = \"{name}\" under [site.{}], then: bastionctl reload",
                target.site.name
            )
        },
    );
    missing("D02", target, err, fix)
}

/// There is no such task definition.
pub fn no_definition(target: &Target, err: &CloudError) -> Problem {
    let fix = near(err).map_or_else(
        || aws(target, "ecs list-task-definition-families --status ACTIVE"),
        |name| {
            format!(
                "task_definition = \"{name}\" under [site.{}], then: bastionctl reload",
                target.site.name
            )
        },
    );
    missing("D03", target, err, fix)
}

/// Subnets or security groups are not there, or fit no single VPC.
pub fn no_place(target: &Target, err: &CloudError) -> Problem {
    let mut problem = refused(target, err);
    let of_groups =
        matches!(err.kind, Kind::NotFound { what: "security group", .. } | Kind::Ambiguous { .. });
    let fix = if of_groups { "ec2 describe-security-groups" } else { "ec2 describe-subnets" };
    problem.hints = vec![aws(target, fix)];
    problem
}

/// There is no such service.
pub fn no_service(target: &Target, err: &CloudError) -> Problem {
    let fix = near(err).map_or_else(
        || aws(target, &format!("ecs list-services --cluster {}", target.site.cluster)),
        |name| {
            format!(
                "service = \"{name}\" under [site.{}], then: bastionctl reload",
                target.site.name
            )
        },
    );
    missing("D32", target, err, fix)
}

/// The service is meant to run no task.
pub fn scaled_to_zero(target: &Target) -> Problem {
    let mut problem = placed(target, one(of_no_task(target)));
    if let Runs::Service(service) = &target.site.runs {
        problem.message = format!("the service {} is meant to run no task", last(service));
    }
    problem
}

/// The service is being deleted, or was.
pub fn service_inactive(target: &Target, name: &str, status: &str) -> Problem {
    Problem::new("D32", Sort::NotFound, format!("the service {} is {status}", last(name)))
        .hint(aws(target, &format!("ecs list-services --cluster {}", target.site.cluster)))
}

/// The service does not get the tasks that it is meant to run.
pub fn service_stuck(target: &Target, service: &ServiceFacts) -> Problem {
    let name = last(&service.arn);
    let message = format!("the service {name} runs none of {} tasks", service.desired);
    let mut problem = Problem::new("D04", Sort::BastionFailed, message);
    problem.causes.extend(service.events.first().cloned());
    let cluster = &target.site.cluster;
    problem
        .hint(aws(target, &format!("ecs describe-services --cluster {cluster} --services {name}")))
}

/// No subnet has an address left for a task.
pub fn subnets_full(target: &Target, network: &NetworkFacts) -> Problem {
    let ids: Vec<&str> = network.subnets.iter().map(|subnet| subnet.id.as_str()).collect();
    let message = format!("no address is left in {}", ids.join(", "));
    Problem::new("D04", Sort::BastionFailed, message)
        .because(format!("name subnets with free addresses under [site.{}]", target.site.name))
        .hint(aws(
            target,
            &format!("ec2 describe-subnets --filters Name=vpc-id,Values={}", network.vpc),
        ))
}

/// What was looked for in vain, and where.
fn missing(code: &str, target: &Target, err: &CloudError, fix: String) -> Problem {
    let mut problem = refused(target, err);
    problem.code = code.to_owned();
    // AWS's place stands in its own words: region and account.
    problem.message = err.message.clone();
    problem.causes.retain(|cause| !cause.contains(&err.message));
    problem.hints = vec![fix];
    problem
}

/// What may have been meant.
fn near(err: &CloudError) -> Option<&str> {
    let Kind::NotFound { candidates, .. } = &err.kind else { return None };
    candidates.first().map(String::as_str)
}
