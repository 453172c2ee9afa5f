//! Where every target stands: noted, told and shown.

use std::time::Instant;

use bastion_api::EventKind;
use bastion_pool::{Phase, View};

use super::berth::Berth;
use super::desk::{Held, Running};
use super::view::{self, Seen};
use super::ward::Ward;
use super::{Holder, Standing};

impl Running {
    /// Notes and tells every change of state, whatever brought it about.
    pub(super) fn note_states(&mut self, now: Instant) {
        self.note_retiring();
        let names: Vec<String> = self.wards.keys().cloned().collect();
        for name in names {
            let seen = self.seen(&name);
            let undecided = self.is_undecided(&name);
            let Some(ward) = self.wards.get_mut(&name) else { continue };
            if let Some((kind, words)) = ward.note(&seen, undecided, now) {
                self.parts.events.tell(Some(&name), kind, words);
            }
        }
    }

    /// Tells once of each bastion that takes nobody new any more.
    fn note_retiring(&mut self) {
        let retires = |view: &View| matches!(view.phase, Phase::Retiring { .. });
        let retiring: Vec<View> = self.pool.bastions().filter(retires).collect();
        for view in retiring {
            let Some(berth) = self.berths.get_mut(&view.bastion) else { continue };
            if !std::mem::replace(&mut berth.retiring, true) {
                let words = match view.leases {
                    1 => "takes no new visits any more; 1 remains".to_owned(),
                    many => format!("takes no new visits any more; {many} remain"),
                };
                let target = berth.target.name.clone();
                self.parts.events.tell(Some(&target), EventKind::BastionRetiring, words);
            }
        }
    }

    /// A target's bastions, as far as its state goes.
    pub(super) fn seen(&self, target: &str) -> Vec<Seen> {
        let bastions = self.pool.bastions_of(target);
        let seen = bastions.map(|view| Seen {
            doubtful: self.berths.get(&view.bastion).is_some_and(Berth::is_doubtful),
            phase: view.phase,
        });
        seen.collect()
    }

    pub(super) fn standings(&self, now: Instant) -> Vec<Standing> {
        self.wards.iter().map(|(name, ward)| self.standing(name, ward, now)).collect()
    }

    fn standing(&self, name: &str, ward: &Ward, now: Instant) -> Standing {
        let seen = self.seen(name);
        let views: Vec<_> = self.pool.bastions_of(name).collect();
        let serving = views.iter().filter(|view| view::serves(&view.phase));
        let first = serving.clone().next().or(views.first());
        let berths = || views.iter().filter_map(|view| self.berths.get(&view.bastion));
        let held = |held: &&Held| held.target == *name && held.holder == Holder::Hold;
        let start = *ward.start.borrow();
        let retiring = views.iter().filter(|view| matches!(view.phase, Phase::Retiring { .. }));
        let ends = retiring.clone().filter_map(|view| Some(view.life?.1)).min();
        Standing {
            target: name.to_owned(),
            state: view::state(&seen, self.is_undecided(name), ward.failure.as_ref()),
            for_so_long: now.saturating_duration_since(ward.state().1),
            elapsed: start.since.map(|since| now.saturating_duration_since(since)),
            start,
            task: first.and_then(|view| view.phase.task().cloned()),
            started_at: first
                .filter(|view| view.phase.task().is_some())
                .and_then(|view| self.berths.get(&view.bastion)?.started_at),
            bastions: serving.count(),
            tunnels: berths()
                .filter_map(|berth| berth.task.as_ref())
                .map(|task| self.parts.tunnels.tunnels(task))
                .sum(),
            holds: u32::try_from(self.leases.values().filter(held).count()).unwrap_or(u32::MAX),
            idle_stop: view::idle_stop(&seen, now),
            ends_in: ends.map(|end| end.saturating_duration_since(now)),
            retiring: retiring.clone().filter_map(|view| view.phase.task().cloned()).collect(),
            on_retiring: retiring.map(|view| view.leases).sum(),
            failure: ward.failure.clone(),
            stuck: berths().find_map(|berth| berth.stuck.clone()),
        }
    }
}
