//! Logins that have failed: looked at each second while their problem stands, so that a new one is picked up at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bastion_api::EventKind;
use bastion_cloud::{Cloud, CloudError, Kind, LoginState};

use super::desk::{Running, TICK};
use super::{Ask, Refusal};
use crate::tunnels::TunnelFailure;

impl Running {
    /// Looks at the files of every login that has failed; they are small, and nobody is asked.
    pub(super) fn look_at_logins(&mut self, now: Instant) {
        let mut sites: BTreeMap<String, Arc<dyn Cloud>> = BTreeMap::new();
        for ward in self.wards.values().filter(|ward| ward.failure.as_ref().is_some_and(is_login)) {
            sites.entry(ward.target.site.name.clone()).or_insert_with(|| Arc::clone(&ward.cloud));
        }
        for (site, cloud) in self.sites_without_login() {
            sites.entry(site).or_insert(cloud);
        }
        if sites.is_empty() {
            self.next_login_look = None;
            return;
        }
        if *self.next_login_look.get_or_insert(now + TICK) > now {
            return;
        }
        self.next_login_look = Some(now + TICK);
        for (site, cloud) in sites {
            let asks = self.asks.clone();
            self.parts.tasks.spawn(format!("look at the login of {site}"), async move {
                let state = cloud.login_state().await;
                // A keeper that has ended needs no login.
                drop(asks.send(Ask::LoginSeen { site, state }));
            });
        }
    }

    /// The files tell: where they speak for a try again, what the login has made fail is put aside.
    pub(super) fn hear_login(&mut self, site: &str, state: &LoginState) {
        match state {
            LoginState::Hopeless(_) => return,
            LoginState::Promising => {}
        }
        let mended: Vec<String> = self
            .wards
            .iter()
            .filter(|(_, ward)| ward.target.site.name == site)
            .filter(|(_, ward)| ward.failure.as_ref().is_some_and(is_login))
            .map(|(name, _)| name.clone())
            .collect();
        for target in mended {
            if let Some(ward) = self.wards.get_mut(&target) {
                ward.failure = None;
                ward.cloud.forget_login();
            }
            self.pool.forgive(&target);
            let words = "there is a new AWS login";
            self.parts.events.tell(Some(&target), EventKind::ProblemCleared, words);
        }
        self.survey_again(site);
    }
}

/// Whether a login is what is missing.
pub(super) fn is_login(why: &Refusal) -> bool {
    let about = |err: &CloudError| matches!(err.kind, Kind::Login { .. });
    match why {
        Refusal::Cloud(err) | Refusal::Tunnel(TunnelFailure::Session(err)) => about(err),
        Refusal::Tunnel(
            TunnelFailure::Open(_) | TunnelFailure::Stream(_) | TunnelFailure::Stopping,
        )
        | Refusal::UnknownTarget
        | Refusal::TookTooLong(_)
        | Refusal::TaskGone(_)
        | Refusal::NotStopped
        | Refusal::Closed
        | Refusal::Silent(_)
        | Refusal::Reconnects
        | Refusal::TooOld(_)
        | Refusal::Removed
        | Refusal::Journal(_)
        | Refusal::Stopping => false,
    }
}
