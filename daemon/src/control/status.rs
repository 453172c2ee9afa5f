//! `status`, `targets`, `health`: every target as it is at this moment.

use axum::extract::State;
use bastion_api::{
    CostSum, Engine, Health, OnStop, Paused, SCHEMA_VERSION, State as Standing, Status, TargetInfo,
    TargetStatus, Targets, WaitsFor,
};

use super::answer::{Failed, Told};
use super::{Desk, Office};
use crate::config::{self, Target};
use crate::explain;
use crate::keeper;
use crate::listen::{self, Engines};

/// `GET /v1/status`
pub(super) async fn status(State(desk): State<Desk>) -> Told<Status> {
    let running = desk.running.now();
    let today = desk.house.ledger.today(None);
    Told(Status {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: desk.started_at,
        config: running.config.path.as_ref().map(|path| path.display().to_string()),
        targets: all(&desk).await,
        today_usd: usd(&today),
        on_stop: Some(match running.config.on_stop {
            config::OnStop::Stop => OnStop::Stop,
            config::OnStop::Leave => OnStop::Leave,
        }),
    })
}

/// `GET /v1/targets`
pub(super) async fn targets(State(office): State<Office>) -> Result<Told<Targets>, Failed> {
    let loaded = office.loaded()?;
    let targets = loaded.targets.iter().map(|(target, _)| info(&office, target)).collect();
    Ok(Told(Targets { schema_version: SCHEMA_VERSION, targets }))
}

/// `GET /v1/health`
pub(super) async fn health(State(desk): State<Desk>) -> Told<Health> {
    let all = all(&desk).await;
    let troubled: Vec<_> =
        all.iter().filter(|t| !t.problems.is_empty()).map(|t| t.name.clone()).collect();
    Told(Health {
        schema_version: SCHEMA_VERSION,
        ok: troubled.is_empty(),
        targets: u32::try_from(all.len()).unwrap_or(u32::MAX),
        troubled,
    })
}

/// One target as it is; cold where the keeper has ended.
pub(super) async fn of(desk: &Desk, name: &str) -> TargetStatus {
    let found = all(desk).await.into_iter().find(|status| status.name == name);
    found.unwrap_or_else(|| TargetStatus {
        name: name.to_owned(),
        site: String::new(),
        engine: Engine::Other,
        addresses: Vec::new(),
        port: None,
        database: None,
        user: None,
        state: Standing::Cold,
        state_seconds: 0,
        stage: None,
        elapsed_seconds: None,
        estimate_seconds: None,
        task: None,
        bastion_started_at: None,
        visits: Vec::new(),
        holds: 0,
        idle_stop_seconds: None,
        problems: Vec::new(),
        bastions: 0,
        tunnels: 0,
        ends_in_seconds: None,
        paused: None,
        kept_up: None,
        today_usd: None,
        bytes_in: 0,
        bytes_out: 0,
        resumes: 0,
    })
}

async fn all(desk: &Desk) -> Vec<TargetStatus> {
    let standings = desk.house.keeper.standings().await;
    let of = |target: &Target| {
        let standing = standings.iter().find(|standing| standing.target == target.name)?;
        Some(one(desk, target, standing))
    };
    desk.running.now().targets.iter().filter_map(|(target, _)| of(target)).collect()
}

fn one(desk: &Desk, target: &Target, standing: &keeper::Standing) -> TargetStatus {
    let TargetInfo { name, site, engine, addresses, port, database, user, danger: _ } =
        described(&desk.house.engines, desk.listeners.addresses(&target.name), target);
    let mut problems = desk.listeners.problems(&name);
    let keepers = standing.failure.iter().chain(&standing.stuck);
    let keepers = keepers.map(|failure| explain::refusal(target, failure));
    // What went wrong for a visit before this bastion was ready says nothing about it.
    let ready_for = (standing.state == Standing::Ready).then_some(standing.for_so_long);
    let visitors = desk.house.roster.trouble(&name, desk.house.clock.now());
    let visitors = visitors.filter(|(_, ago)| ready_for.is_none_or(|ready| *ago <= ready));
    for problem in keepers.chain(visitors.map(|(problem, _)| problem)) {
        // A start's failure is every waiting visitor's trouble, too.
        if !problems.iter().any(|known| known.code == problem.code) {
            problems.push(problem);
        }
    }
    let now = desk.house.clock.now();
    let (bytes_in, bytes_out) = desk.house.roster.moved(&name);
    let unusable = addresses.is_empty() && !problems.is_empty();
    TargetStatus {
        visits: desk.house.roster.of(&name, &standing.retiring, now),
        name,
        site,
        engine,
        addresses,
        port,
        database,
        user,
        state: if unusable { Standing::Problem } else { standing.state },
        state_seconds: standing.for_so_long.as_secs(),
        stage: standing.start.stage,
        elapsed_seconds: standing.elapsed.map(|elapsed| elapsed.as_secs_f64()),
        estimate_seconds: standing.start.estimate.map(|estimate| estimate.as_secs_f64()),
        task: standing.task.as_ref().map(|task| task.as_str().to_owned()),
        bastion_started_at: standing.started_at,
        holds: standing.holds,
        idle_stop_seconds: standing.idle_stop.map(|left| left.as_secs()),
        problems,
        bastions: count(standing.bastions),
        tunnels: count(desk.house.tunnels.count(&target.name)),
        ends_in_seconds: standing.ends_in.map(|left| left.as_secs()),
        paused: paused(desk, target),
        kept_up: desk.house.roster.kept_up(&target.name, target.rules.silent_after, now),
        today_usd: usd(&desk.house.ledger.today(Some(&target.name))),
        bytes_in,
        bytes_out,
        resumes: desk.house.tunnels.resumes(&target.name),
    }
}

/// Why its visits stand still, while they do.
fn paused(desk: &Desk, target: &Target) -> Option<Paused> {
    let pause = desk.house.tunnels.pause(&target.name)?;
    let away = desk.house.clock.now().saturating_duration_since(pause.since);
    let waits_for = if pause.needs_login { WaitsFor::Login } else { WaitsFor::Resuming };
    Some(Paused { seconds: away.as_secs(), waits_for, why: explain::away(pause.needs_login) })
}

/// What something has cost; none where no price is known for any of it, or where there was nothing to pay for.
fn usd(sum: &CostSum) -> Option<f64> {
    (sum.bastions > 0 && (sum.unpriced_seconds == 0.0 || sum.usd > 0.0)).then_some(sum.usd)
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// A target, and where it is found on this machine.
pub(super) fn info(office: &Office, target: &Target) -> TargetInfo {
    let addresses = match &office.live {
        Some(live) => live.listeners.addresses(&target.name),
        None => listen::meant(target, &office.engines, &office.state_dir),
    };
    described(&office.engines, addresses, target)
}

fn described(engines: &Engines, addresses: Vec<String>, target: &Target) -> TargetInfo {
    let engine = engines.known(target).unwrap_or(dbwire::Engine::Other);
    TargetInfo {
        name: target.name.clone(),
        site: target.site.name.clone(),
        engine: told(engine),
        addresses,
        port: listen::port(target),
        database: target.db_name.clone(),
        user: target.user.clone(),
        danger: target.danger,
    }
}

/// What a target speaks, as callers are told.
pub(super) fn told(engine: dbwire::Engine) -> Engine {
    match engine {
        dbwire::Engine::Postgres => Engine::Postgres,
        dbwire::Engine::Mysql => Engine::Mysql,
        dbwire::Engine::Other => Engine::Other,
    }
}
