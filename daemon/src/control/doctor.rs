//! `doctor`: what is wrong, and what to do about it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use bastion_api::{
    Check, CheckStatus, DoctorReport, EventKind, Problem, SCHEMA_VERSION, State as Standing,
};
use serde::Deserialize;
use tokio::time::timeout;

use super::answer::{Failed, Queried, Told};
use super::{Live, Loaded, Office, Pair};
use crate::clock::Clock;
use crate::config::{self, Target};
use crate::doctor::gather::{Patient, gather};
use crate::doctor::{About, ConfigFacts, Finding, LiveFacts, Verdict, examine};
use crate::explain;
use crate::keeper::{self, Refusal};
use crate::listen;

/// What `?…` may hold.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    target: Option<String>,
}

/// `GET /v1/doctor?target=T`
pub(super) async fn doctor(
    State(office): State<Office>,
    Queried(asked): Queried<Asked>,
) -> Result<Told<DoctorReport>, Failed> {
    let clock = office.live.as_ref().map_or_else(Clock::machine, |live| live.house.clock.clone());
    let loaded = office.running.now();
    let config = config_now(&office, &loaded);
    let pairs = match &asked.target {
        // Of a file that nobody could read, nobody knows what it names.
        Some(_) if office.faults.is_some() => Vec::new(),
        Some(name) => vec![office.pair(name)?],
        None => loaded.targets.clone(),
    };
    let standings = match &office.live {
        Some(live) => live.house.keeper.standings().await,
        None => Vec::new(),
    };
    let patients: Vec<Patient> =
        pairs.into_iter().map(|pair| patient(pair, office.live.as_ref(), &standings)).collect();
    let names: Vec<String> = patients.iter().map(|patient| patient.target.name.clone()).collect();
    let gathered = timeout(DEADLINE, gather(config, patients, clock.calendar())).await;
    let facts = gathered.map_err(|_| Failed::too_slow())?;
    let checks: Vec<Check> = examine(&facts).iter().map(check).collect();
    let count = |status| {
        let found = checks.iter().filter(|check| check.status == status).count();
        u32::try_from(found).unwrap_or(u32::MAX)
    };
    Ok(Told(DoctorReport {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: facts.now,
        live: office.live.is_some(),
        targets: names,
        problems: count(CheckStatus::Fail),
        unknown: count(CheckStatus::Unknown),
        checks,
    }))
}

/// The config file as it is now, which need not be the one that the daemon runs with.
fn config_now(office: &Office, loaded: &Loaded) -> ConfigFacts {
    let path = loaded.config.path.as_deref();
    let faulty = office.faults.as_ref().map(|faults| faults.report());
    let now = path.map(|path| config::load(Some(path)));
    let (faults, outdated) = match (&faulty, now) {
        (Some(report), _) => (report.faults.clone(), false),
        (None, Some(Err(faults))) => (faults.report().faults, false),
        (None, Some(Ok(config))) => (Vec::new(), config != loaded.config),
        (None, None) => (Vec::new(), false),
    };
    ConfigFacts {
        path: path.map(|path| path.display().to_string()),
        targets: loaded.targets.len(),
        ports: loaded.targets.iter().filter_map(|(target, _)| listen::port(target)).collect(),
        faults,
        outdated,
    }
}

fn patient(pair: Pair, live: Option<&Live>, standings: &[keeper::Standing]) -> Patient {
    let (target, cloud) = pair;
    let standing = standings.iter().find(|standing| standing.target == target.name);
    let listening = live.and_then(|live| live.listeners.problems(&target.name).into_iter().next());
    let live = live.map(|live| lately(live, &target, standing));
    Patient { target, cloud, live, listening }
}

/// What has gone wrong with a target since it last went well, the newest first.
fn lately(live: &Live, target: &Arc<Target>, standing: Option<&keeper::Standing>) -> LiveFacts {
    let mut problems: Vec<Problem> = Vec::new();
    let mut add = |problem: Problem| {
        if !problems.iter().any(|known| known.code == problem.code) {
            problems.push(problem);
        }
    };
    // What somebody has asked for is no problem to a doctor.
    let refusals = standing.map(|standing| standing.stuck.iter().chain(&standing.failure));
    for refusal in refusals.into_iter().flatten().filter(|refusal| is_a_fault(refusal)) {
        add(explain::refusal(target, refusal));
    }
    if let Some((problem, _)) = live.house.roster.trouble(&target.name, live.house.clock.now()) {
        add(problem);
    }
    let (past, _) = live.house.events.since(0);
    let own = past.iter().rev().filter(|event| event.target.as_deref() == Some(&target.name));
    let recent = own.take_while(|event| !is_well(event.kind) && is_recent(live, event.time));
    for event in recent {
        event.problem.clone().into_iter().for_each(&mut add);
    }
    LiveFacts {
        problems,
        tunnels: live.house.tunnels.count(&target.name),
        bastions: standing.map_or(0, |standing| standing.bastions),
        ready: standing.is_some_and(|standing| standing.state == Standing::Ready),
    }
}

fn is_a_fault(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Closed
        | Refusal::Removed
        | Refusal::Stopping
        | Refusal::TooOld(_)
        | Refusal::UnknownTarget => false,
        Refusal::Cloud(_)
        | Refusal::Tunnel(_)
        | Refusal::TookTooLong(_)
        | Refusal::TaskGone(_)
        | Refusal::NotStopped
        | Refusal::Silent(_)
        | Refusal::Reconnects
        | Refusal::Journal(_) => true,
    }
}

/// What says that whatever was wrong before is over.
fn is_well(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::BastionReady
            | EventKind::TunnelOpened
            | EventKind::TunnelResumed
            | EventKind::ProblemCleared
            | EventKind::ConfigReloaded
    )
}

fn is_recent(live: &Live, time: bastion_api::Timestamp) -> bool {
    live.house.clock.calendar().duration_since(time).as_secs() < RECENT
}

/// A finding as bastionctl shows it.
fn check(finding: &Finding) -> Check {
    let (site, target) = match &finding.about {
        About::Machine => (None, None),
        About::Site(site) => (Some(site.clone()), None),
        About::Target { site, target } => (Some(site.clone()), Some(target.clone())),
    };
    let plain = Check {
        name: finding.check.name().to_owned(),
        site,
        target,
        status: CheckStatus::Ok,
        words: String::new(),
        code: None,
        details: Vec::new(),
        fix: None,
        problem: None,
        grant: None,
        because: None,
    };
    match &finding.verdict {
        Verdict::Ok(words) => Check { words: words.clone(), ..plain },
        Verdict::Fail(problem) => Check {
            status: CheckStatus::Fail,
            words: problem.message.clone(),
            code: Some(problem.code.clone()),
            details: problem.causes.clone(),
            fix: problem.hints.first().cloned(),
            problem: Some((**problem).clone()),
            ..plain
        },
        Verdict::Unknown { words, grant } => Check {
            status: CheckStatus::Unknown,
            words: words.clone(),
            grant: grant.clone(),
            ..plain
        },
        Verdict::Skip(root) => Check {
            status: CheckStatus::Skip,
            words: format!("waits for {}", root.name()),
            because: Some(root.name().to_owned()),
            ..plain
        },
    }
}

/// How long an examination may take: three questions behind each other, each with its deadline.
const DEADLINE: Duration = Duration::from_secs(100);

/// How long what was wrong is worth telling where nothing has gone well since, in seconds.
const RECENT: i64 = 3600;
