//! Tasks and services: what bastions are made of.

use bastion_cloud::{Runs, Select};

use super::Seat;
use super::draft::Draft;
use super::names::Names;
use crate::config::BastionCommand;

/// Everything about tasks, a site's own or its service's.
pub(super) fn statements(seat: &Seat, names: &Names) -> Vec<Draft> {
    let mut drafts = match &seat.site.runs {
        Runs::TaskDefinition(name) => of_our_own(seat, names, name),
        Runs::Service(name) => of_a_service(seat, names, name),
    };
    let logs = logs(seat, names);
    drafts.extend(definitions(seat, logs.is_some()));
    drafts.extend(logs);
    drafts
}

fn of_our_own(seat: &Seat, names: &Names, definition: &str) -> Vec<Draft> {
    let run = Draft::new("RunBastions", &["ecs:RunTask"], [names.task_definition(definition)])
        .only("ArnEquals", "ecs:cluster", names.cluster())
        .because(
            "starts a bastion: a task of this definition, in this cluster alone",
            "no bastion starts",
        );
    let tag = Draft::new("TagBastions", &["ecs:TagResource"], [names.tasks()])
        .only("StringEquals", "ecs:CreateAction", "RunTask")
        .because(
            "tags a task with its target and its owner, as it is started",
            "no bastion starts: AWS refuses the tags, and the task with them",
        );
    let see = see(names);
    let stop = Draft::new("StopBastions", &["ecs:StopTask"], [names.tasks()])
        .because(
            "stops a bastion that nobody uses",
            "a bastion runs, and costs, until its own watchdog ends it",
        )
        .note("it covers every task of the cluster: to narrow it, give bastions a cluster of their own");
    let list = list(names).because(
        "finds tasks that an earlier run of bastiond left",
        "a task whose name a crash lost runs until its own watchdog ends it",
    );
    let mut drafts = vec![run];
    drafts.extend(pass_roles(seat, names));
    drafts.extend([tag, see, stop, list]);
    drafts.extend(place(seat));
    drafts
}

fn of_a_service(seat: &Seat, names: &Names, service: &str) -> Vec<Draft> {
    let look = Draft::new("SeeServices", &["ecs:DescribeServices"], [names.service(service)])
        .because(
            "finds the service's newest tasks, and how many it is meant to run",
            "no task of the service is found",
        );
    let list = list(names).because("finds the service's tasks", "no task of the service is found");
    let mut drafts = vec![look, list, see(names)];
    if seat.rules.scale_from_zero {
        let scale = Draft::new("ScaleServices", &["ecs:UpdateService"], [names.service(service)])
            .because(
                "raises a service from no task to one, and lowers it again (scale_from_zero)",
                "a service that is scaled to nothing stays so",
            );
        drafts.push(scale);
    }
    drafts
}

fn see(names: &Names) -> Draft {
    Draft::new("SeeTasks", &["ecs:DescribeTasks"], [names.tasks()]).because(
        "waits for a task's agent, and notices a task's end",
        "no bastion is ever known to be ready",
    )
}

/// ListTasks knows no resource that is narrower, but for a container instance: the condition is what binds it.
fn list(names: &Names) -> Draft {
    Draft::new("ListTasks", &["ecs:ListTasks"], ["*".to_owned()]).only(
        "ArnEquals",
        "ecs:cluster",
        names.cluster(),
    )
}

/// RunTask hands the definition's two roles to the task.
fn pass_roles(seat: &Seat, names: &Names) -> Option<Draft> {
    let (roles, known): (Vec<String>, bool) = match &seat.facts.definition {
        Some(definition) => {
            let roles = [&definition.task_role, &definition.execution_role];
            (roles.into_iter().flatten().map(|role| whole(names, role)).collect(), true)
        }
        None => (vec![names.global("iam", "role/*")], false),
    };
    if roles.is_empty() {
        return None;
    }
    let draft = Draft::new("PassTaskRoles", &["iam:PassRole"], roles)
        .only("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com")
        .because(
            "gives a task the two roles of its definition, and nothing else any role",
            "no bastion starts",
        )
        .note_if(known, "these are the roles of the newest revision: another may name others")
        .note_if(
            !known,
            "the task definition could not be read: put its two roles in place of role/*",
        );
    Some(draft)
}

/// A role's ARN, where a definition names it by its name alone.
fn whole(names: &Names, role: &str) -> String {
    if role.starts_with("arn:") {
        role.to_owned()
    } else {
        names.global("iam", &format!("role/{role}"))
    }
}

/// By id, a place needs nobody to look for it.
fn place(seat: &Seat) -> Option<Draft> {
    let looked_for = |select: &Select| match select {
        Select::Ids(_) => false,
        Select::Name(_) | Select::Tags(_) => true,
    };
    let mut actions = Vec::new();
    if looked_for(&seat.site.subnets) {
        actions.push("ec2:DescribeSubnets");
    }
    if looked_for(&seat.site.security_groups) {
        actions.push("ec2:DescribeSecurityGroups");
    }
    let draft = Draft::new("FindPlaces", &actions, ["*".to_owned()])
        .because(
            "finds subnets and security groups by their names or tags",
            "nothing is known of where a task may run: give them by their ids instead",
        )
        .note("EC2 knows no narrower resource for these");
    (!actions.is_empty()).then_some(draft)
}

/// What a task definition is read for: which container, how its command starts, where its log is.
fn definitions(seat: &Seat, logs: bool) -> Option<Draft> {
    let site = &seat.site;
    let (ours, watched) = match site.runs {
        Runs::TaskDefinition(_) => (true, seat.rules.command == BastionCommand::Watchdog),
        Runs::Service(_) => (false, false),
    };
    let needed = ours && site.container.is_none();
    if !(needed || watched || logs) {
        return None;
    }
    let (why, without) = if needed {
        (
            "reads which container of the definition a bastion's command is for",
            "no bastion starts: name the container in the config instead (container = \"…\")",
        )
    } else {
        (
            "reads the container's entry point and its log group",
            "the watchdog takes it that the image has no entry point, and a task's last words are not shown",
        )
    };
    let draft =
        Draft::new("ReadTaskDefinitions", &["ecs:DescribeTaskDefinition"], ["*".to_owned()])
            .because(why, without)
            .optional(!needed)
            .note("ECS knows no narrower resource for it");
    Some(draft)
}

/// A task's last words, where its definition says where they are.
fn logs(seat: &Seat, names: &Names) -> Option<Draft> {
    let group = |group: &str| names.arn("logs", &format!("log-group:{group}:log-stream:*"));
    let groups: Vec<String> = match &seat.facts.definition {
        Some(definition) => definition
            .containers
            .iter()
            .filter_map(|one| one.log_group.as_deref())
            .map(group)
            .collect(),
        None => vec![group("*")],
    };
    if groups.is_empty() {
        return None;
    }
    let draft = Draft::new("ReadLogs", &["logs:GetLogEvents"], groups)
        .because(
            "shows the last lines of a task that broke off",
            "the reason why a task ended is told without its last lines",
        )
        .optional(true)
        .note_if(
            seat.facts.definition.is_none(),
            "the task definition could not be read: put its log group in place of log-group:*",
        );
    Some(draft)
}
