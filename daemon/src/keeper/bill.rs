//! What bastions cost, told to the ledger.

use std::sync::Arc;

use bastion_api::Timestamp;
use bastion_cloud::{TaskEnd, TaskFacts, TaskId};
use bastion_pool::Entry;

use super::desk::Running;
use super::errands::{self, End};
use crate::clock::timestamp;
use crate::config::Target;
use crate::ledger::{BastionEnd, BastionNote};

/// What is known of a task that costs something.
#[derive(Debug)]
pub(super) struct Billed {
    note: BastionNote,
    /// When the pull of its image began.
    pulled: Option<Timestamp>,
    /// When it was last seen to run.
    seen: Timestamp,
}

impl Running {
    /// A task of ours runs, and this is what is known of it.
    pub(super) fn bill_start(&mut self, target: &Arc<Target>, task: &TaskId, facts: &TaskFacts) {
        if !errands::is_ours(target) {
            return;
        }
        let seen = self.parts.clock.calendar();
        if let Some(billed) = self.billed.get_mut(task) {
            billed.seen = seen;
            return;
        }
        let note = BastionNote {
            task: task.clone(),
            target: target.name.clone(),
            site: target.site.name.clone(),
            size: facts.size.clone(),
            price_per_hour: target.rules.price_per_hour,
        };
        let asked = facts.times.created.and_then(timestamp);
        let pulled = facts.times.pull_started.and_then(timestamp);
        self.parts.ledger.bastion_started(&note, asked.unwrap_or(seen));
        if let Some(pulled) = pulled {
            self.parts.ledger.bastion_pulled(task, pulled);
        }
        self.billed.insert(task.clone(), Billed { note, pulled, seen });
    }

    /// A task of this run has ended, and this is what the cloud still tells of it.
    pub(super) fn bill_end(&mut self, target: &Arc<Target>, task: &TaskId, end: &End) {
        let told = match end {
            // A service's task is not ours to pay for here.
            End::Left => return,
            End::Told(told) => {
                self.bill_start(target, task, &told.facts);
                Some(told)
            }
            End::Forgotten => None,
        };
        let Some(billed) = self.billed.remove(task) else { return };
        let end = match told {
            Some(told) => told_end(told, self.parts.clock.calendar()),
            None => forgotten_end(&billed, self.parts.clock.calendar()),
        };
        self.parts.ledger.bastion_ended(&billed.note, end);
    }

    /// A task of an earlier run has ended.
    pub(super) fn bill_left(&mut self, task: &TaskId, end: &End, entry: Option<&Entry>) {
        let target = entry.map(|entry| entry.target.as_str());
        let target = match end {
            End::Told(told) => told.facts.variable(bastion_pool::adopt::TARGET_VARIABLE).or(target),
            End::Forgotten | End::Left => target,
        };
        let now = self.parts.clock.calendar();
        let ward = target.and_then(|target| self.wards.get(target));
        let note = BastionNote {
            task: task.clone(),
            target: target.unwrap_or_default().to_owned(),
            site: entry.map(|entry| entry.site.name.clone()).unwrap_or_default(),
            size: match end {
                End::Told(told) => told.facts.size.clone(),
                End::Forgotten | End::Left => bastion_cloud::TaskSize::default(),
            },
            price_per_hour: ward.and_then(|ward| ward.target.rules.price_per_hour),
        };
        let ledger = &self.parts.ledger;
        match end {
            End::Left => {}
            End::Told(told) => {
                let asked = told.facts.times.created.and_then(timestamp);
                ledger.bastion_started(&note, asked.unwrap_or(now));
                ledger.bastion_ended(&note, told_end(told, now));
            }
            End::Forgotten => {
                // It can have lived to its own age limit, and no longer than until now.
                let asked = entry.and_then(|entry| timestamp(entry.at));
                let life = ward.map(|ward| ward.target.rules.max_life);
                let latest = asked.zip(life).and_then(|(asked, life)| asked.checked_add(life).ok());
                let at = latest.map_or(now, |latest| latest.min(now));
                ledger.bastion_forgotten(task, &note.site, at);
            }
        }
    }
}

fn told_end(told: &TaskEnd, now: Timestamp) -> BastionEnd {
    let times = &told.facts.times;
    BastionEnd {
        pull_started: times.pull_started.and_then(timestamp),
        at: times.stopped.and_then(timestamp).unwrap_or(now),
        estimated: None,
        // Its log is no business of the ledger's.
        why: told.words.lines().next().map(str::to_owned),
    }
}

/// It ended between the last time that it was seen and now.
fn forgotten_end(billed: &Billed, now: Timestamp) -> BastionEnd {
    let within = now.duration_since(billed.seen).try_into().unwrap_or_default();
    BastionEnd { pull_started: billed.pulled, at: now, estimated: Some(within), why: None }
}
