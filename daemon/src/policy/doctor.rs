//! What only the doctor asks. Without it, it says of these things that it cannot know.

use super::Seat;
use super::draft::Draft;
use super::names::{Names, last};

/// Everything that is asked only to find out why something does not work.
pub(super) fn statements(seat: &Seat, names: &Names) -> Vec<Draft> {
    let without = "the doctor says of it that it cannot know";
    let mut principals = vec![principal(seat, names)];
    principals.extend(seat.facts.definition.iter().filter_map(|one| one.task_role.clone()));
    let simulate = Draft::new("DoctorAsksIam", &["iam:SimulatePrincipalPolicy"], principals)
        .because("asks what oneself and the task role may do (D08, D19)", without);
    let cluster = Draft::new("DoctorSeesClusters", &["ecs:DescribeClusters"], [names.cluster()])
        .because("sees whether the cluster is there (D02)", without);
    let look = Draft::new("DoctorLooksAround", LOOKS, ["*".to_owned()])
        .because(
            "sees routes, endpoints and rules around a bastion, and names near to a misspelt one",
            without,
        )
        .note("AWS knows no narrower resource for most of these");
    let secrets = seat.targets.iter().filter_map(|target| match &target.password {
        Some(crate::config::Proof::Secret(secret)) => seat.facts.secret(secret),
        Some(crate::config::Proof::Iam) | None => None,
    });
    let secrets: Vec<String> = secrets.map(|secret| secret.arn.clone()).collect();
    let mut drafts = vec![simulate, cluster, look];
    if !secrets.is_empty() {
        drafts.push(
            Draft::new("DoctorSeesSecrets", &["secretsmanager:DescribeSecret"], secrets)
                .because("sees when a password was changed (D16)", without),
        );
    }
    drafts.into_iter().map(|draft| draft.optional(true)).collect()
}

/// Who asks: a user, or a role, whose path its session does not tell.
fn principal(seat: &Seat, names: &Names) -> String {
    let arn =
        seat.facts.identity.as_ref().map(|identity| identity.arn.as_str()).unwrap_or_default();
    match arn.split_once(":assumed-role/") {
        Some((_, session)) => {
            let role = session.split('/').next().unwrap_or(session);
            names.global("iam", &format!("role/*{role}"))
        }
        None if arn.contains(":user/") => arn.to_owned(),
        None => names.global("iam", &format!("user/{}", last("${aws:username}"))),
    }
}

const LOOKS: &[&str] = &[
    "ec2:DescribeNatGateways",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcEndpoints",
    "ecs:ListClusters",
    "ecs:ListServices",
    "ecs:ListTaskDefinitionFamilies",
    "secretsmanager:ListSecrets",
];
