//! Logins that have failed: looked at each second while their problem stands, so that a new one is picked up at once.
//!
//! ```text
//!   failed ──▶ the files: hopeless ──▶ looked at again in a second
//!                │ they speak for a try
//!                ▼
//!              AWS is asked who we are: refused ──▶ asked again, ever more seldom, and as soon as the files change
//!                │ it answers
//!                ▼
//!              the problem is cleared, and visits start bastions again
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bastion_api::EventKind;
use bastion_cloud::{Cloud, CloudError, Kind, LoginState};
use bastion_pool::Backoff;

use super::desk::{Running, TICK};
use super::{Ask, Refusal};
use crate::tunnels::TunnelFailure;

/// The look at one site's login, while it has failed.
#[derive(Debug)]
pub(super) struct Watch {
    /// When it is next looked at; none while somebody looks.
    due: Option<Instant>,
    /// Until when AWS is left alone, unless the files change.
    leave_alone: Instant,
    /// How long AWS is left alone after it has refused.
    backoff: Backoff,
}

/// What a look has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seen {
    /// The files say that there is no use in trying.
    Hopeless,
    /// Nothing has changed since AWS was asked a moment ago.
    Unchanged,
    /// AWS was asked, and still refuses, or did not answer.
    Refused,
    /// AWS knows who we are.
    Good,
}

impl Running {
    /// Looks at every login that has failed.
    pub(super) fn look_at_logins(&mut self, now: Instant) {
        let mut sites: BTreeMap<String, Arc<dyn Cloud>> = BTreeMap::new();
        for ward in self.wards.values().filter(|ward| ward.failure.as_ref().is_some_and(is_login)) {
            sites.entry(ward.target.site.name.clone()).or_insert_with(|| Arc::clone(&ward.cloud));
        }
        for (site, cloud) in self.sites_without_login() {
            sites.entry(site).or_insert(cloud);
        }
        self.logins.retain(|site, _| sites.contains_key(site));
        for (site, cloud) in sites {
            let watch = self.logins.entry(site.clone()).or_insert_with(|| Watch {
                due: Some(now + TICK),
                leave_alone: now,
                backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, 0),
            });
            if watch.due.is_none_or(|due| due > now) {
                continue;
            }
            watch.due = None;
            let leave_alone = watch.leave_alone > now;
            let asks = self.asks.clone();
            self.parts.tasks.spawn(format!("look at the login of {site}"), async move {
                let seen = look(cloud.as_ref(), leave_alone).await;
                // A keeper that has ended needs no login.
                drop(asks.send(Ask::LoginSeen { site, seen }));
            });
        }
    }

    /// When a login is next looked at.
    pub(super) fn next_login_look(&self) -> Option<Instant> {
        self.logins.values().filter_map(|watch| watch.due).min()
    }

    /// A look has come to this; where the login is good, what it has made fail is put aside.
    pub(super) fn hear_login(&mut self, site: &str, seen: Seen, now: Instant) {
        let Some(watch) = self.logins.get_mut(site) else { return };
        match seen {
            Seen::Hopeless | Seen::Unchanged => watch.due = Some(now + TICK),
            Seen::Refused => {
                watch.due = Some(now + TICK);
                watch.leave_alone = now + watch.backoff.strike();
            }
            Seen::Good => {
                self.logins.remove(site);
                self.welcome(site);
            }
        }
    }

    fn welcome(&mut self, site: &str) {
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
            }
            self.pool.forgive(&target);
            let words = "there is a new AWS login";
            self.parts.events.tell(Some(&target), EventKind::ProblemCleared, words);
        }
        self.survey_again(site);
    }
}

/// Looks at the files, and where they speak for a try, asks AWS who we are: files cannot tell that keys have expired.
async fn look(cloud: &dyn Cloud, leave_alone: bool) -> Seen {
    match cloud.login_state().await {
        LoginState::Hopeless(_) => Seen::Hopeless,
        LoginState::Promising if leave_alone && !cloud.login_changed() => Seen::Unchanged,
        LoginState::Promising => match cloud.identity().await {
            Ok(_) => Seen::Good,
            Err(_) => Seen::Refused,
        },
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

/// How soon AWS is asked again after it has refused: keys may be renewed where no file shows it.
const FIRST_PAUSE: Duration = Duration::from_millis(1_500);

/// How seldom at the most: a login that nobody renews in the night costs no more than a call each half minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
