//! What only the doctor asks. Without it, it says of these things that it cannot know.

use std::sync::Arc;

use bastion_cloud::DatabaseRef;

use super::Seat;
use super::draft::Draft;
use super::names::Names;
use crate::config::Target;

/// Everything that is asked only to find out why something does not work.
pub(super) fn statements(seat: &Seat, names: &Names) -> Vec<Draft> {
    let asker = Asker::of(seat, names);
    let mut principals = vec![asker.arn.clone()];
    principals.extend(seat.facts.definition.iter().filter_map(|one| one.task_role.clone()));
    let simulate = Draft::new("DoctorAsksIam", &["iam:SimulatePrincipalPolicy"], principals)
        .because("asks what oneself and the task's role may do (D08, D19)", WITHOUT);
    let cluster = Draft::new("DoctorSeesClusters", &["ecs:DescribeClusters"], [names.cluster()])
        .because("sees whether the cluster is there (D02)", WITHOUT);
    let look = Draft::new("DoctorLooksAround", LOOKS, ["*".to_owned()])
        .because(
            "sees routes, endpoints and rules around a bastion, and names near to a misspelt one",
            WITHOUT,
        )
        .note("AWS knows no narrower resource for these");
    let vpc =
        Draft::new("DoctorSeesVpcs", &["ec2:DescribeVpcAttribute"], [names.arn("ec2", "vpc/*")])
            .because("sees whether a VPC gives endpoints their names (D09)", WITHOUT);
    let mut drafts = vec![simulate, cluster, look, vpc];
    if asker.is_role {
        let find = Draft::new("DoctorFindsItsRole", &["iam:GetRole"], [asker.arn]);
        drafts.push(find.because("finds the path of one's own role, to ask about it", WITHOUT));
    }
    drafts.extend(members(seat, names));
    drafts.extend(secrets(seat));
    drafts.into_iter().map(|draft| draft.optional(true)).collect()
}

/// A cluster's network is its members', whose names only the cluster knows.
fn members(seat: &Seat, names: &Names) -> Option<Draft> {
    let is_cluster = |target: &&Arc<Target>| match target.database {
        DatabaseRef::Aurora(..) => true,
        DatabaseRef::Rds(_) | DatabaseRef::Proxy(_) | DatabaseRef::Host(..) => false,
    };
    seat.targets.iter().find(is_cluster)?;
    let instances = names.arn("rds", "db:*");
    let draft = Draft::new("DoctorSeesMembers", &["rds:DescribeDBInstances"], [instances]);
    Some(draft.because("sees the network of an Aurora cluster's members (D10, D12)", WITHOUT))
}

fn secrets(seat: &Seat) -> Option<Draft> {
    let wanted = seat.targets.iter().filter_map(|target| target.secret());
    let known = wanted.filter_map(|secret| seat.facts.secret(secret));
    let arns: Vec<String> = known.map(|secret| secret.arn.clone()).collect();
    let some = !arns.is_empty();
    let draft = Draft::new("DoctorSeesSecrets", &["secretsmanager:DescribeSecret"], arns);
    some.then(|| draft.because("sees when a password was changed (D16)", WITHOUT))
}

/// Who asks: a user, or a role, whose path its session does not tell.
struct Asker {
    arn: String,
    is_role: bool,
}

impl Asker {
    fn of(seat: &Seat, names: &Names) -> Self {
        let arn = seat.facts.identity.as_ref().map(|identity| identity.arn.as_str());
        let session = arn.and_then(|arn| arn.split_once(":assumed-role/"));
        match (arn, session) {
            (_, Some((_, session))) => {
                let role = session.split('/').next().unwrap_or(session);
                Self { arn: names.global("iam", &format!("role/*{role}")), is_role: true }
            }
            (Some(arn), None) => Self { arn: arn.to_owned(), is_role: false },
            (None, None) => {
                Self { arn: names.global("iam", "user/${aws:username}"), is_role: false }
            }
        }
    }
}

const WITHOUT: &str = "the doctor says of it that it cannot know";

const LOOKS: &[&str] = &[
    "ec2:DescribeNatGateways",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ecs:ListClusters",
    "ecs:ListServices",
    "ecs:ListTaskDefinitionFamilies",
    "secretsmanager:ListSecrets",
];
