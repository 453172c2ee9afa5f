//! `reload`: reads the config again. Also what SIGHUP asks for.
//!
//! ```text
//!   read ──▶ faults? ──▶ all of them are told, nothing changes
//!              │ none
//!              ▼
//!   close listeners that are gone ──▶ keeper takes the targets ──▶ open listeners that are new
//! ```
//!
//! Visits that are there feel nothing of it, but those of a target that is dropped: they are ended, and told why. The ones
//! of an altered target go on as they came.

use axum::extract::State;
use bastion_api::{AlteredTarget, DroppedTarget, EventKind, ReloadAnswer, SCHEMA_VERSION};

use super::Desk;
use super::answer::Told;
use super::running::Loaded;
use crate::config::reload::Plan;
use crate::config::{self, Config, Faults};
use crate::explain;
use crate::host::{self, Notice};

/// `POST /v1/reload`
pub(super) async fn reload(State(desk): State<Desk>) -> Told<ReloadAnswer> {
    Told(again(&desk).await)
}

/// Reads the config again and does what follows from it; two at once are done one after the other.
pub async fn again(desk: &Desk) -> ReloadAnswer {
    let _one_at_a_time = desk.reloading.lock().await;
    let was = desk.running.now();
    // The file that was read at the start, wherever a search would lead now.
    match config::load(was.config.path.as_deref()) {
        Ok(config) => {
            host::notify(&[Notice::Reloading]);
            let answer = take(desk, &was, config).await;
            let count = crate::listen::in_words(desk.running.now().targets.len());
            host::notify(&[Notice::Ready, Notice::Status(&count)]);
            answer
        }
        Err(faults) => refuse(desk, &was.config, &faults),
    }
}

async fn take(desk: &Desk, was: &Loaded, config: Config) -> ReloadAnswer {
    let plan = Plan::new(&was.config, &config);
    let mut targets = desk.clouds.make(&config, &was.targets);
    // Forwards go on; one whose name the config has taken is a target of the config now.
    let forwards =
        was.beside().filter(|(it, _)| config.targets.iter().all(|target| target.name != it.name));
    targets.extend(forwards.cloned());
    let answer = told(desk, &plan, &config);
    let names: Vec<_> = targets.iter().map(|(target, _)| target.clone()).collect();
    desk.listeners.close_others(&names).await;
    desk.house.keeper.reload(targets.clone(), config.on_stop).await;
    for (target, cloud) in &targets {
        desk.listeners.open(target, cloud, &desk.opening);
    }
    desk.running.exchange(Loaded { config, targets });
    let words = format!(
        "the config was read again: {} added, {} dropped, {} altered, {} as before",
        plan.added.len(),
        plan.dropped.len(),
        plan.altered.len(),
        plan.unchanged.len()
    );
    desk.house.events.tell(None, EventKind::ConfigReloaded, words);
    answer
}

fn told(desk: &Desk, plan: &Plan, config: &Config) -> ReloadAnswer {
    let visits = |name: &str| desk.house.roster.count(name);
    let dropped =
        plan.dropped.iter().map(|name| DroppedTarget { name: name.clone(), visits: visits(name) });
    let altered = plan.altered.iter().map(|altered| AlteredTarget {
        name: altered.target.name.clone(),
        keys: altered.keys.iter().map(|key| (*key).to_owned()).collect(),
        visits: visits(&altered.target.name),
    });
    ReloadAnswer {
        schema_version: SCHEMA_VERSION,
        config: config.path.as_ref().map(|path| path.display().to_string()),
        ok: true,
        faults: Vec::new(),
        added: plan.added.iter().map(|target| target.name.clone()).collect(),
        dropped: dropped.collect(),
        altered: altered.collect(),
        unchanged: plan.unchanged.clone(),
        needs_restart: plan.needs_restart.iter().map(|key| (*key).to_owned()).collect(),
    }
}

/// A file with faults changes nothing.
fn refuse(desk: &Desk, config: &Config, faults: &Faults) -> ReloadAnswer {
    let report = faults.report();
    let problem = explain::config_faulty(&report.faults);
    desk.house.events.tell_problem(None, EventKind::ProblemFound, &problem);
    ReloadAnswer {
        schema_version: SCHEMA_VERSION,
        config: report.path,
        ok: false,
        faults: report.faults,
        added: Vec::new(),
        dropped: Vec::new(),
        altered: Vec::new(),
        unchanged: config.targets.iter().map(|target| target.name.clone()).collect(),
        needs_restart: Vec::new(),
    }
}
