//! One bastion's tunnels: how each came to be and how it does, how many more there may be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bastion_cloud::{Cloud, Remote, SessionId};
use ssm_tunnel::{Closed, State, Tunnel};
use tokio::sync::{Notify, watch};

use super::place::{Condition, Seat};
use super::tend::{Tended, Wish};
use super::{Route, TunnelFailure};
use crate::config::KeepAlive;

/// One bastion's tunnels.
#[derive(Debug)]
pub(super) struct Berth {
    pub(super) bundles: BTreeMap<Remote, Bundle>,
    /// How many its agent has shown to take, once it has refused one more.
    pub(super) takes: Option<usize>,
    /// Whether the daemon wants the bastion: it does from the first tunnel to the order to close them all, unless it
    /// says otherwise.
    pub(super) wanted: bool,
}

impl Default for Berth {
    fn default() -> Self {
        Self { bundles: BTreeMap::new(), takes: None, wanted: true }
    }
}

/// The tunnels to one remote through one bastion.
#[derive(Debug)]
pub(super) struct Bundle {
    /// As last asked for.
    pub(super) route: Arc<Route>,
    /// Where the database is by now.
    pub(super) remote: Remote,
    pub(super) members: Vec<Member>,
    /// Has them looked at.
    pub(super) tender: Arc<Notify>,
    /// After so many failures in a row none is opened ahead of need before this.
    pub(super) hold_off: Option<(u32, Instant)>,
    /// Why the agent takes none to this remote, as the last one showed; none once one has stood for a while.
    pub(super) refused: Option<Closed>,
    /// Whether somebody is finding out where the database is.
    pub(super) asked_where: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) number: u64,
    pub(super) door: Door,
    pub(super) wish: Wish,
    /// No new stream is put on it while another can be had.
    pub(super) retired: bool,
    pub(super) idle_since: Option<Instant>,
    pub(super) kept: bool,
    /// Visits that were sent here and have no stream yet.
    pub(super) coming: Arc<AtomicUsize>,
    /// Streams in a row that did not reach the database.
    pub(super) strikes: u32,
    pub(super) opened_at: Instant,
}

/// What becomes of opening a tunnel; `None` until it is known.
pub(super) type Door = watch::Receiver<Option<Result<Opened, TunnelFailure>>>;

/// A tunnel that stands, or stood.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) number: u64,
    pub(super) tunnel: Tunnel,
    pub(super) state: watch::Receiver<State>,
    pub(super) session: SessionId,
    pub(super) cloud: Arc<dyn Cloud>,
    /// What the remote's name meant when the tunnel was opened, where this machine can tell.
    pub(super) addresses: Arc<OnceLock<BTreeSet<IpAddr>>>,
}

/// A visit on its way to a tunnel; counted there until it is dropped.
#[derive(Debug)]
pub(super) struct Coming(Arc<AtomicUsize>);

impl Coming {
    pub(super) fn to(member: &Member) -> Self {
        member.coming.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&member.coming))
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Berth {
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.bundles.values().flat_map(|bundle| &bundle.members)
    }

    pub(super) fn standing(&self) -> usize {
        self.members().filter(|member| member.stands()).count()
    }

    pub(super) fn has_room(&self, route: &Route) -> bool {
        let most = route.target.rules.tunnels_per_bastion;
        let most = self.takes.map_or(most, |takes| takes.min(most));
        self.members().filter(|member| member.is_of_use()).count() < most
    }

    /// Takes out one that was opened for load and that nobody uses, to make room for a remote that has none.
    pub(super) fn spare(&mut self, but: &Remote) -> Option<Opened> {
        for (remote, bundle) in &mut self.bundles {
            if remote == but || bundle.members.len() < 2 {
                continue;
            }
            let spare = |member: &Member| {
                member.wish == Wish::Load && member.opened().is_some_and(|it| it.is_idle())
            };
            if let Some(at) = bundle.members.iter().position(spare) {
                return bundle.members.remove(at).opened();
            }
        }
        None
    }

    /// The remote whose tunnel is to keep the bastion reachable: one that stands, if any does.
    pub(super) fn keeps(&self) -> Option<Remote> {
        let kept = |bundle: &&Bundle| bundle.route.target.rules.keepalive == KeepAlive::Auto;
        let stands = |bundle: &Bundle| bundle.members.iter().any(Member::stands);
        let bundles = || self.bundles.iter().filter(|(_, bundle)| kept(bundle));
        let standing = bundles().find(|(_, bundle)| stands(bundle));
        let found = standing.or_else(|| bundles().next());
        found.map(|(remote, _)| remote.clone()).filter(|_| self.wanted)
    }
}

impl Bundle {
    /// One more in a row has failed: none is opened ahead of need for a while.
    pub(super) fn failed(&mut self, now: Instant) {
        let failures = self.hold_off.map_or(0, |(failures, _)| failures) + 1;
        self.hold_off = Some((failures, now + hold_off(failures)));
    }
}

impl Member {
    pub(super) fn opened(&self) -> Option<Opened> {
        self.door.borrow().as_ref().and_then(|result| result.as_ref().ok().cloned())
    }

    pub(super) fn stands(&self) -> bool {
        matches!(&*self.door.borrow(), Some(Ok(opened)) if !opened.tunnel.is_closed())
    }

    /// Whether it stands or is on its way.
    pub(super) fn is_of_use(&self) -> bool {
        match &*self.door.borrow() {
            None => self.door.has_changed().is_ok(),
            Some(Ok(opened)) => !opened.tunnel.is_closed(),
            Some(Err(_)) => false,
        }
    }

    pub(super) fn seat(&self, now: Instant) -> Seat {
        let door = self.door.borrow();
        let Some(Ok(opened)) = &*door else { return Seat::Opening };
        let stats = opened.tunnel.stats();
        let condition = if self.retired {
            Condition::Retired
        } else {
            let state = opened.state.borrow();
            Condition::of(&state, away_for(&state, now), &stats)
        };
        let streams = stats.streams + self.coming.load(Ordering::Relaxed);
        Seat::Standing { condition, extra: self.wish == Wish::Load, streams }
    }

    pub(super) fn tended(&mut self, now: Instant) -> Tended {
        let seat = self.seat(now);
        self.idle_since = match seat {
            Seat::Standing { streams: 0, .. } => Some(self.idle_since.unwrap_or(now)),
            Seat::Standing { .. } | Seat::Opening => None,
        };
        Tended { seat, wish: self.wish, idle_since: self.idle_since, kept: self.kept }
    }
}

impl Opened {
    fn is_idle(&self) -> bool {
        self.tunnel.streams() == 0
    }
}

/// How long a tunnel's websocket has been gone.
fn away_for(state: &State, now: Instant) -> Duration {
    match state {
        State::Live => Duration::ZERO,
        State::Resuming { since, .. } | State::WaitingForLogin { since, .. } => {
            now.saturating_duration_since(*since)
        }
    }
}

/// How long none is opened ahead of need after so many failures in a row.
fn hold_off(failures: u32) -> Duration {
    FIRST_HOLD_OFF.saturating_mul(1 << (failures - 1).min(8)).min(LONGEST_HOLD_OFF)
}

const FIRST_HOLD_OFF: Duration = Duration::from_secs(5); // longer than a session that has ended holds its place
const LONGEST_HOLD_OFF: Duration = Duration::from_secs(300); // the watchdog or a person has acted by then
