//! How long starts took, stage by stage: what an estimate is made of.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bastion_cloud::Stage;
use serde::{Deserialize, Serialize};

/// Every site's latest starts, to be kept in the state directory as JSON.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Estimates {
    /// By the site's name, then by the stage's; milliseconds, the latest last.
    sites: BTreeMap<String, BTreeMap<String, VecDeque<u64>>>,
}

impl Estimates {
    /// Takes note of a start that succeeded: how long it spent in each of its stages.
    pub fn note(&mut self, site: &str, stages: &[(Stage, Duration)]) {
        let known = self.sites.entry(site.to_owned()).or_default();
        for (stage, took) in stages {
            let took_before = known.entry(name(*stage).to_owned()).or_default();
            while took_before.len() >= REMEMBERED {
                took_before.pop_front();
            }
            took_before.push_back(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        }
    }

    /// How long a whole start takes at a site; none where there was none.
    pub fn start(&self, site: &str) -> Option<Duration> {
        let stages = self.sites.get(site)?.values();
        let took: Vec<_> = stages.filter_map(middle).collect();
        (!took.is_empty()).then(|| took.into_iter().sum())
    }

    /// How long one stage takes at a site.
    pub fn stage(&self, site: &str, stage: Stage) -> Option<Duration> {
        middle(self.sites.get(site)?.get(name(stage))?)
    }

    /// How long a start still takes that has spent so long in this stage.
    pub fn left(&self, site: &str, stage: Stage, so_far: Duration) -> Option<Duration> {
        self.start(site)?;
        let this = self.stage(site, stage).unwrap_or_default().saturating_sub(so_far);
        let later = EVERY.iter().filter(|other| **other > stage);
        Some(this + later.filter_map(|stage| self.stage(site, *stage)).sum::<Duration>())
    }
}

/// The middle one: a bad day does not move it.
fn middle(took: &VecDeque<u64>) -> Option<Duration> {
    let mut took: Vec<_> = took.iter().copied().collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied().map(Duration::from_millis)
}

/// A stage's name in the file.
fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Discovering => "discovering",
        Stage::Requesting => "requesting",
        Stage::Provisioning => "provisioning",
        Stage::Pulling => "pulling",
        Stage::StartingAgent => "starting_agent",
        Stage::Connecting => "connecting",
    }
}

const EVERY: [Stage; 6] = [
    Stage::Discovering,
    Stage::Requesting,
    Stage::Provisioning,
    Stage::Pulling,
    Stage::StartingAgent,
    Stage::Connecting,
];

/// How many starts of a site count.
const REMEMBERED: usize = 9;
