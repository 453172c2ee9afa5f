//! What goes wrong, and when: a script of faults, from Rust or as JSON.
//!
//! Each call asks the script once, before it is acted upon. The first fault that fits and still has turns is taken; a
//! fault lets the first `skip` fitting calls pass. What happens to a *task* (it dies, its agent never comes) is also a fault
//! of the RunTask call that made it.

mod what;

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use what::{Stage, What};

/// One thing that goes wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only calls to this service: `ecs`, ….
    #[serde(default)]
    pub service: Option<String>,
    /// Only calls of this action: `RunTask`, ….
    #[serde(default)]
    pub action: Option<String>,
    /// How many fitting calls pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many calls it meets; without it, every one.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub what: What,
}

impl Fault {
    /// Meets every call of every service.
    pub fn always(what: What) -> Self {
        Self { service: None, action: None, skip: 0, times: None, what }
    }

    /// Meets every call of that action.
    pub fn on(action: &str, what: What) -> Self {
        Self { action: Some(action.to_owned()), ..Self::always(what) }
    }

    /// Meets the next call of that action only.
    pub fn once(action: &str, what: What) -> Self {
        Self { times: Some(1), ..Self::on(action, what) }
    }

    /// Limits it to one service.
    #[must_use]
    pub fn of(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Limits it to so many calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Lets so many calls pass first.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    fn fits(&self, service: &str, action: &str) -> bool {
        self.service.as_deref().is_none_or(|wanted| wanted == service)
            && self.action.as_deref().is_none_or(|wanted| wanted == action)
    }
}

/// What becomes of a held answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Release,
    Drop,
}

/// The script, shared by all who read it.
#[derive(Clone, Debug)]
pub struct Faults {
    script: Arc<Mutex<Script>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Script {
    faults: Vec<Fault>,
    verdicts: Vec<(String, Verdict)>,
    held: Vec<String>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { script: Arc::default(), changed: watch::Sender::new(0) }
    }
}

impl Faults {
    /// Adds a fault at the end of the script.
    pub fn add(&self, fault: Fault) {
        self.alter(|script| {
            if let What::Held { name, .. } = &fault.what {
                script.verdicts.retain(|(known, _)| known != name);
            }
            script.faults.push(fault);
        });
    }

    /// Takes every fault back; what is held stays held.
    pub fn clear(&self) {
        self.alter(|script| script.faults.clear());
    }

    /// What still stands in the script.
    pub fn standing(&self) -> Vec<Fault> {
        self.look(|script| script.faults.clone())
    }

    /// Lets the answers go that are held, or will be, by that name.
    pub fn release(&self, name: &str) {
        self.alter(|script| script.verdicts.push((name.to_owned(), Verdict::Release)));
    }

    /// Cuts the connections of the answers that are held, or will be, by that name.
    pub fn drop_held(&self, name: &str) {
        self.alter(|script| script.verdicts.push((name.to_owned(), Verdict::Drop)));
    }

    /// How many answers are held by that name.
    pub fn held(&self, name: &str) -> usize {
        self.look(|script| script.held.iter().filter(|held| *held == name).count())
    }

    /// Waits until so many answers are held by that name.
    pub async fn until_held(&self, name: &str, count: usize) {
        let mut changed = self.changed.subscribe();
        while self.held(name) < count {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// The faults that meet this call: all delays and one real trouble at most.
    pub(crate) fn meet(&self, service: &str, action: &str) -> Vec<What> {
        self.alter(|script| {
            let mut met = Vec::new();
            for fault in &mut script.faults {
                if !fault.fits(service, action) || fault.times == Some(0) {
                    continue;
                }
                if fault.skip > 0 {
                    fault.skip -= 1;
                    continue;
                }
                let only_late = matches!(fault.what, What::Slow { .. } | What::Skewed { .. });
                if !only_late
                    && met
                        .iter()
                        .any(|what| !matches!(what, What::Slow { .. } | What::Skewed { .. }))
                {
                    continue;
                }
                if let Some(times) = &mut fault.times {
                    *times -= 1;
                }
                met.push(fault.what.clone());
            }
            script.faults.retain(|fault| fault.times != Some(0));
            met
        })
    }

    /// Holds the caller until that name is released or dropped.
    pub(crate) async fn hold(&self, name: &str) -> Verdict {
        let mut changed = self.changed.subscribe();
        self.alter(|script| script.held.push(name.to_owned()));
        let _place = Place { faults: self, name };
        loop {
            let found = self.look(|script| {
                script.verdicts.iter().find(|(known, _)| known == name).map(|(_, v)| *v)
            });
            if let Some(verdict) = found {
                return verdict;
            }
            if changed.changed().await.is_err() {
                return Verdict::Drop;
            }
        }
    }

    /// Changes the script and wakes who waits for it.
    fn alter<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        let answer = act(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_modify(|version| *version += 1);
        answer
    }

    /// Reads the script; wakes nobody, for those who wait look, too.
    fn look<T>(&self, act: impl FnOnce(&Script) -> T) -> T {
        act(&self.script.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One held answer's place in the list of those, given back also when its caller hangs up.
struct Place<'a> {
    faults: &'a Faults,
    name: &'a str,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.faults.alter(|script| {
            if let Some(place) = script.held.iter().position(|held| held == self.name) {
                script.held.remove(place);
            }
        });
    }
}
