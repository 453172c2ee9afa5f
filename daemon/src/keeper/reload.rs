//! Targets that come, go and change while the daemon runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bastion_cloud::Cloud;
use bastion_pool::{Removal, Share, Terms};

use super::desk::Running;
use super::settle::limits;
use super::ward::Ward;
use crate::config::Target;
use crate::tunnels::Route;

impl Running {
    /// Takes in a target that is not known yet.
    pub(super) fn take_in(&mut self, target: Arc<Target>, cloud: Arc<dyn Cloud>, now: Instant) {
        self.pool.add(&target.name, &terms(&target));
        let ward = Ward::new(Arc::clone(&target), cloud, now);
        self.starts.all().insert(target.name.clone(), ward.start.subscribe());
        self.wards.insert(target.name.clone(), ward);
    }

    /// Takes another set of targets.
    pub(super) fn reload(&mut self, targets: Vec<(Arc<Target>, Arc<dyn Cloud>)>, now: Instant) {
        let wanted: BTreeSet<&str> = targets.iter().map(|(it, _)| it.name.as_str()).collect();
        let dropped: Vec<String> =
            self.wards.keys().filter(|name| !wanted.contains(name.as_str())).cloned().collect();
        for name in dropped {
            self.pool.remove(&name, Removal::AtOnce, now);
            self.run_errands(now);
            self.starts.all().remove(&name);
            self.wards.remove(&name);
        }
        for (target, cloud) in targets {
            match self.wards.get(&target.name) {
                None => self.take_in(target, cloud, now),
                Some(ward) if ward.target == target => {}
                Some(_) => self.alter(target, cloud, now),
            }
        }
    }

    fn alter(&mut self, target: Arc<Target>, cloud: Arc<dyn Cloud>, now: Instant) {
        let Some(ward) = self.wards.get_mut(&target.name) else { return };
        let was = std::mem::replace(&mut ward.target, Arc::clone(&target));
        ward.cloud = Arc::clone(&cloud);
        // What was wrong may have been what was altered.
        ward.failure = None;
        self.pool.forgive(&target.name);
        if was.site != target.site || was.rules.command != target.rules.command {
            // Its bastions are others now; visits that it has stay on theirs to the end.
            self.pool.replace(&target.name, &terms(&target), now);
            return;
        }
        self.pool.alter(&target.name, &terms(&target), now);
        for berth in self.berths.values_mut() {
            let Some(route) = berth.routes.get_mut(&target.name) else { continue };
            if was.database == target.database {
                // The same way, gone in another manner.
                let (bastion, remote) = (route.bastion.clone(), route.remote.clone());
                let (target, cloud) = (Arc::clone(&target), Arc::clone(&cloud));
                *route = Arc::new(Route { target, cloud, bastion, remote });
            } else {
                // It leads elsewhere: new visits take the new one.
                berth.remake(&target.name);
            }
        }
    }
}

/// What a target's bastions are held to.
fn terms(target: &Target) -> Terms {
    let rules = &target.rules;
    Terms {
        limits: limits(target),
        most: rules.max_bastions,
        share: rules
            .share
            .then(|| Share { site: target.site.name.clone(), seats: rules.tunnels_per_bastion }),
    }
}
