//! One world tried: built, broken, examined.

use std::panic::AssertUnwindSafe;

use bastion_api::{CheckStatus, DoctorReport};
use bastion_e2e::Plan;
use futures_util::{FutureExt, StreamExt, stream};

use crate::world::World;

/// A world, and what the doctor has found in it.
pub(crate) struct Tried {
    pub(crate) name: &'static str,
    pub(crate) expected: Vec<&'static str>,
    /// The codes that failed, in their order.
    pub(crate) found: Vec<String>,
    /// What is wrong with the answer, besides.
    pub(crate) wrong: Vec<String>,
    /// The report, as a person sees it.
    pub(crate) shown: String,
}

impl Tried {
    /// Whether the doctor found all that is broken, the root cause first, and nothing else.
    pub(crate) fn is_right(&self) -> bool {
        self.found == self.expected && self.wrong.is_empty()
    }
}

/// Tries all of them, a few at a time.
pub(crate) async fn try_all(worlds: Vec<World>) -> Vec<Tried> {
    stream::iter(worlds.into_iter().map(guarded)).buffered(AT_ONCE).collect().await
}

/// A world that cannot be made is wrong, and no end of the others.
async fn guarded(world: World) -> Tried {
    let (name, expected) = (world.name, world.expected.clone());
    let tried = AssertUnwindSafe(attempt(world)).catch_unwind().await;
    tried.unwrap_or_else(|_| {
        let wrong = vec!["it could not be made: see above".to_owned()];
        Tried { name, expected, found: Vec::new(), wrong, shown: String::new() }
    })
}

async fn attempt(world: World) -> Tried {
    let mut plan = Plan::new(&world.config).start_timeout("6s").errors_expected();
    for change in &world.plan {
        plan = change(plan);
    }
    let mut house = plan.lay().await;
    house.sim().world(|account| world.account.iter().for_each(|change| change(account)));
    world.home.iter().for_each(|change| change(&house));
    house.start().await;
    for fault in &world.faults {
        house.sim().faults().add(fault.clone());
    }
    let kept = match world.deed {
        Some(deed) => Some(deed(&house).await),
        None => None,
    };
    let asked = house.ctl(&["doctor", world.target, "--json"]).await;
    let shown = house.ctl(&["doctor", world.target]).await;
    drop(kept);
    let events = house.ctl(&["events"]).await;
    let shown = format!("{shown}\n{}", events.out);
    let Ok(report) = serde_json::from_str::<DoctorReport>(&asked.out) else {
        let wrong = vec![format!("no report: {asked}")];
        return Tried {
            name: world.name,
            expected: world.expected,
            found: Vec::new(),
            wrong,
            shown,
        };
    };
    let wrong = wrong_with(&world, &report, asked.code());
    let failed = report.checks.iter().filter(|check| check.status == CheckStatus::Fail);
    let found = failed.filter_map(|check| check.code.clone()).collect();
    Tried { name: world.name, expected: world.expected, found, wrong, shown }
}

/// What is wrong with a report, whichever codes are in it.
fn wrong_with(world: &World, report: &DoctorReport, code: Option<i32>) -> Vec<String> {
    let mut wrong = Vec::new();
    let failed: Vec<_> =
        report.checks.iter().filter(|check| check.status == CheckStatus::Fail).collect();
    if code != Some(11) {
        wrong.push(format!("it ended with {code:?}"));
    }
    for check in &failed {
        if check.fix.as_deref().is_none_or(str::is_empty) {
            wrong.push(format!("{} has no fix", check.name));
        }
        let hints = check.problem.as_ref().map_or(0, |problem| problem.hints.len());
        if hints != 1 {
            wrong.push(format!("{} has {hints} hints", check.name));
        }
    }
    for check in report.checks.iter().filter(|check| check.status == CheckStatus::Skip) {
        if !failed.iter().any(|other| Some(&other.name) == check.because.as_ref()) {
            wrong.push(format!("{} waits for {:?}, which is well", check.name, check.because));
        }
    }
    if let Some(root) = failed.first() {
        let fix = root.fix.as_deref().unwrap_or_default();
        let all = format!("{}\n{}\n{fix}", root.words, root.details.join("\n"));
        let missing = world.told.iter().filter(|words| !all.contains(**words));
        wrong.extend(missing.map(|words| format!("{words:?} is not told")));
    }
    wrong
}

/// Each is two processes and mostly waits.
const AT_ONCE: usize = 4;
