//! DescribeTasks, ListTasks, StopTask: what readers see, late, and how a task is told to stop.

use serde_json::{Value, json};

use super::{Answer, Ask, AwsError, bad_token, cluster, last, shape};
use crate::api::ask::page;
use crate::realm::Realm;
use crate::tasks::{Launch, Status, StopWish, TaskView};

pub(super) fn describe_tasks(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let cluster = cluster(realm, ask)?;
    let wanted = ask.texts("tasks");
    if wanted.is_empty() {
        return Err(AwsError::invalid("Tasks cannot be empty."));
    }
    if wanted.len() > PAGE {
        return Err(AwsError::invalid(format!("Tasks cannot have more than {PAGE} items.")));
    }
    let with_tags = ask.texts("include").iter().any(|field| field == "TAGS");
    let seen = seen(realm, &cluster);
    let (mut tasks, mut failures): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for name in &wanted {
        let id = task_id(name)?;
        match seen.iter().find(|task| task.id == id) {
            Some(task) => tasks.push(shape::task(realm, task, with_tags)),
            None => failures.push(json!({ "arn": arn(realm, &cluster, id), "reason": "MISSING" })),
        }
    }
    Ok(Answer::Json(json!({ "tasks": tasks, "failures": failures })))
}

pub(super) fn list_tasks(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let cluster = cluster(realm, ask)?;
    let (started_by, family, service) =
        (ask.text("startedBy"), ask.text("family"), ask.text("serviceName"));
    let others = [
        family,
        service,
        ask.text("desiredStatus"),
        ask.text("launchType"),
        ask.text("containerInstance"),
    ];
    if started_by.is_some() && others.iter().any(Option::is_some) {
        return Err(AwsError::invalid("startedBy must be the only filter."));
    }
    if family.is_some() && service.is_some() {
        return Err(AwsError::invalid("Cannot specify both a family and a service name."));
    }
    if let Some(service) = service {
        let key = format!("{cluster}/{}", last(service));
        if !realm.world(|world| world.services.contains_key(&key)) {
            return Err(AwsError::new("ServiceNotFoundException", "Service not found."));
        }
    }
    let desired = match ask.text("desiredStatus") {
        None | Some("RUNNING") => Some(Status::Running),
        Some("STOPPED") => Some(Status::Stopped),
        // "You can specify PENDING, but it does not return any results": the API reference.
        Some("PENDING") => None,
        Some(other) => {
            return Err(AwsError::invalid(format!("Unrecognized desired status {other}.")));
        }
    };
    let fits = |task: &TaskView| {
        desired == Some(task.desired_status)
            && started_by.is_none_or(|text| task.started_by.as_deref() == Some(text))
            && family.is_none_or(|family| {
                task.definition.rsplit_once(':').is_some_and(|(own, _)| own == family)
            })
            && service.is_none_or(|service| task.group == format!("service:{}", last(service)))
            && ask
                .text("launchType")
                .is_none_or(|kind| kind == "FARGATE" && task.launch == Launch::Fargate)
    };
    let arns: Vec<String> =
        seen(realm, &cluster).into_iter().filter(fits).map(|task| task.arn).collect();
    let size = usize::try_from(ask.number("maxResults").unwrap_or(100)).unwrap_or(PAGE).min(PAGE);
    let size = size.min(realm.config().page_size);
    let (arns, next) = page(arns, ask.text("nextToken"), size).map_err(|_| bad_token())?;
    let mut body = json!({ "taskArns": arns });
    if let Some(next) = next {
        body["nextToken"] = json!(next);
    }
    Ok(Answer::Json(body))
}

pub(super) fn stop_task(realm: &Realm, ask: &Ask) -> Result<Answer, AwsError> {
    let cluster = cluster(realm, ask)?;
    let name = ask.text("task").ok_or_else(|| AwsError::invalid("Task can not be blank."))?;
    let arn = arn(realm, &cluster, task_id(name)?);
    if realm.tasks().get(&arn).is_none() {
        return Err(AwsError::invalid("The referenced task was not found."));
    }
    let reason = ask.text("reason").unwrap_or("Task stopped by user").to_owned();
    let now = realm.clock().unix_ms();
    realm.tasks().alter(&arn, realm.clock().instant(), |task| {
        // The API reference: "Any tags associated with the task will be deleted."
        task.tags.clear();
        if task.desired_status != Status::Stopped {
            task.desired_status = Status::Stopped;
            task.version += 1;
            task.times.stopping = Some(now);
            task.stop_code = Some("UserInitiated".to_owned());
            task.stopped_reason = Some(reason.clone());
        }
    });
    realm.tasks().wish(&arn, StopWish { code: "UserInitiated".to_owned(), reason });
    realm.touch();
    let task = realm.tasks().get(&arn).map(|task| shape::task(realm, &task, true));
    Ok(Answer::Json(json!({ "task": task })))
}

/// The cluster's tasks as a reader sees them who is a little behind.
fn seen(realm: &Realm, cluster: &str) -> Vec<TaskView> {
    let lag = realm.clock().real(realm.config().timings.list_lag());
    let all = realm.tasks().seen(realm.clock().instant(), lag);
    all.into_iter().filter(|task| task.cluster == cluster).collect()
}

fn task_id(name: &str) -> Result<&str, AwsError> {
    let id = last(name);
    if ID_LENGTHS.contains(&id.len()) {
        return Ok(id);
    }
    Err(AwsError::invalid("taskId length should be one of [32,36]"))
}

fn arn(realm: &Realm, cluster: &str, id: &str) -> String {
    realm.arn("ecs", &format!("task/{cluster}/{id}"))
}

/// The most tasks of one answer.
const PAGE: usize = 100;
/// Today's ids and those of before 2018.
const ID_LENGTHS: [usize; 2] = [32, 36];
