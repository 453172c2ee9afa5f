//! What the tasks cost: seconds from the start of the image's pull to STOPPED, as Fargate bills them.

use serde::Serialize;

use crate::realm::Realm;
use crate::tasks::Times;

/// One task's cost.
#[derive(Clone, Debug, Serialize)]
pub struct Charge {
    /// The task's ARN.
    pub task: String,
    /// Who asked for it, as RunTask was told.
    pub started_by: Option<String>,
    /// Whether a service keeps it.
    pub of_service: bool,
    /// When each step came, `created` to `stopped`, in milliseconds since 1970.
    pub times: Times,
    /// vCPUs.
    pub vcpu: f64,
    /// GiB.
    pub gib: f64,
    /// From the start of the pull to STOPPED, or to now.
    pub seconds: f64,
    /// The same as billed: a minute at least, nothing if nothing was pulled.
    pub billed_seconds: f64,
    /// Whether it still runs.
    pub running: bool,
}

pub(crate) fn bill(realm: &Realm) -> Vec<Charge> {
    let now = realm.clock().unix_ms();
    let charge = |task: crate::TaskView| {
        let seconds = task.times.pull_started.map_or(0.0, |start| {
            let real = std::time::Duration::from_millis(
                u64::try_from(task.times.stopped.unwrap_or(now) - start).unwrap_or(0),
            );
            realm.clock().model(real).as_secs_f64()
        });
        Charge {
            vcpu: task.cpu.parse::<f64>().unwrap_or(0.0) / 1024.0,
            gib: task.memory.parse::<f64>().unwrap_or(0.0) / 1024.0,
            seconds,
            billed_seconds: if task.times.pull_started.is_some() {
                seconds.ceil().max(LEAST_SECONDS)
            } else {
                0.0
            },
            running: task.times.stopped.is_none(),
            started_by: task.started_by.clone(),
            of_service: task.of_service(),
            times: task.times.clone(),
            task: task.arn,
        }
    };
    realm.tasks().all().into_iter().map(charge).collect()
}

/// Fargate bills a minute at least.
const LEAST_SECONDS: f64 = 60.0;
