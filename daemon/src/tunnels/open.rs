//! One tunnel, from the wish for it to its end: a session, its entry in the book, the dial, and what is told meanwhile.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bastion_api::EventKind;
use bastion_cloud::{CloudError, Remote};
use ssm_tunnel::{Closed, OpenError, Options, State, StreamError, Tunnel};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::berth::{Door, Opened};
use super::fleet::{Arrival, Key, Order};
use super::returning::{Returning, grant};
use super::tend::Wish;
use super::{Route, Trouble, TunnelFailure, Tunnels};

impl Tunnels {
    /// Sends somebody to open what was ordered, and to tend it where nobody does.
    pub(super) fn carry_out(&self, order: Order, patience: Duration) {
        if let Some(tender) = &order.tender {
            let tend = self.clone().tend(order.key.clone(), Arc::clone(tender));
            self.parts.tasks.spawn(format!("tend tunnels to {}", order.route.target.name), tend);
        }
        let (tunnels, stop) = (self.clone(), self.parts.tasks.stop_token());
        let name = format!("open a tunnel to {}", order.route.target.name);
        self.parts.tasks.spawn(name, async move {
            if let Some(spare) = &order.makes_room {
                tunnels.close_one(spare).await;
            }
            let unwanted = async {
                tokio::select! {
                    // Its bastion was closed, and who asked has left.
                    () = order.answer.closed() => {}
                    () = stop.cancelled() => {}
                }
            };
            let opened = tunnels.open(&order, patience, unwanted).await;
            let now = tunnels.parts.clock.now();
            let failure = opened.as_ref().err();
            let arrival = tunnels.fleet().opened(&order.key, order.number, failure, now);
            match (arrival, &opened) {
                (Arrival::Unwanted, Ok(opened)) => tunnels.close_one(opened).await,
                (Arrival::Full(takes), Err(failure)) => {
                    let trouble = Trouble::Full { takes, failure: failure.clone() };
                    tunnels.trouble(&order.route, trouble);
                }
                (Arrival::Wanted | Arrival::Unwanted | Arrival::Full(_), _) => {}
            }
            let addresses = opened.as_ref().ok().map(|opened| Arc::clone(&opened.addresses));
            drop(order.answer.send(Some(opened)));
            if let Some(addresses) = addresses {
                // Whether it is still the same is asked when a stream does not get there.
                addresses.set(addresses_of(&order.remote).await).ok();
            }
        });
    }

    /// Opens a tunnel; a second time where the agent kept silent: a session that has just ended holds its place until
    /// its worker is gone, some seconds later, and the wait for the handshake is longer than that.
    async fn open(
        &self,
        order: &Order,
        patience: Duration,
        unwanted: impl Future<Output = ()>,
    ) -> Result<Opened, TunnelFailure> {
        let mut unwanted = pin!(unwanted);
        match self.open_once(order, patience, unwanted.as_mut()).await {
            Err(failure) if failure.is_silence_of_the_agent() => {
                debug!(target = order.route.target.name, "no handshake; once more");
                self.open_once(order, patience, unwanted).await
            }
            opened => opened,
        }
    }

    async fn open_once(
        &self,
        order: &Order,
        patience: Duration,
        mut unwanted: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Opened, TunnelFailure> {
        let route = &order.route;
        let (cloud, task) = (&route.cloud, &route.bastion.task);
        let session = tokio::select! {
            session = cloud.start_session(&route.bastion, &order.remote, patience) => session,
            () = &mut unwanted => return Err(TunnelFailure::Stopping),
        };
        let session = session.map_err(TunnelFailure::Session)?;
        let id = session.session.clone();
        // Once it is dialed it holds the bastion up, so whoever comes after a crash has to know of it.
        self.parts.book.opened(&route.target.name, task, &id).await;
        let options = self.options(route, &session.region);
        let region = session.region.clone();
        let returning = Arc::new(Returning::to(Arc::clone(cloud), id.clone()));
        let opened = tokio::select! {
            opened = Tunnel::open(grant(session), options, returning) => {
                opened.map_err(|err| TunnelFailure::Open(Arc::new(err)))
            }
            () = &mut unwanted => Err(TunnelFailure::Stopping),
        };
        let (tunnel, driver) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                // A session that nobody uses would hold one of the container's two places until its idle limit.
                self.end_session(cloud.as_ref(), &id).await;
                return Err(failure);
            }
        };
        let opened = Opened {
            number: order.number,
            state: tunnel.state(),
            tunnel,
            session: id,
            cloud: Arc::clone(cloud),
            addresses: Arc::new(OnceLock::new()),
        };
        self.look_after(order, &opened, driver, region);
        Ok(opened)
    }

    /// How a tunnel of this route behaves.
    fn options(&self, route: &Route, region: &str) -> Options {
        let target = &route.target;
        let mut options = Options {
            extra_hosts: target.endpoints.clone(),
            first_byte_timeout: target.rules.first_byte_timeout,
            clock: Arc::new(self.parts.clock.clone()),
            ..self.parts.options.clone()
        };
        options.channel.probing = target.rules.payload_probing;
        if target.rules.payload_probing {
            let size = self.parts.sizes.of(region, self.parts.clock.calendar());
            options.channel.payload_start = size.start;
            let usual = options.channel.payload_size;
            let most = size.most.map_or(options.channel.payload_max, |most| most.max(usual));
            options.channel.payload_max = most;
        }
        options
    }

    /// Drives a tunnel until its end, and tells what befalls it.
    fn look_after(
        &self,
        order: &Order,
        opened: &Opened,
        driver: impl Future<Output = Closed> + Send + 'static,
        region: String,
    ) {
        let (parts, route) = (&self.parts, Arc::clone(&order.route));
        let name = route.target.name.clone();
        let words = match order.wish {
            Wish::Visits => "tunnel opened",
            Wish::Load => "tunnel opened: the others are busy",
            Wish::Fan => "tunnel opened: more were asked for",
        };
        parts.events.tell(Some(&name), EventKind::TunnelOpened, words);
        parts.log.opened(&name, &route.bastion.task, &opened.session);
        let (tunnels, key) = (self.clone(), order.key.clone());
        let (session, cloud) = (opened.session.clone(), Arc::clone(&opened.cloud));
        let watching = self.clone().watch(Arc::clone(&route), key.clone(), opened.clone(), region);
        parts.tasks.spawn(format!("tunnel to {name}"), async move {
            let why: Closed = driver.await;
            if refuses_the_remote(&why) {
                let now = tunnels.parts.clock.now();
                tunnels.fleet().refused(&key, why.clone(), now);
                tunnels.trouble(&route, Trouble::Refused(refusal(why.clone())));
            } else {
                // The service's last words may hold the database's name.
                let events = &tunnels.parts.events;
                events.tell_why(Some(&name), EventKind::TunnelClosed, "tunnel closed", &why);
            }
            tunnels.parts.log.closed(&session, &why.to_string());
            tunnels.fleet().stir(&key);
            match why {
                // Who closes it ends the session, too.
                Closed::ByUs => {}
                // What the service has ended is over.
                Closed::ByService { .. }
                | Closed::SessionOver { .. }
                | Closed::AwayTooLong { .. } => tunnels.parts.book.over(&session),
                // A session that nobody returns to would hold its place until its idle limit.
                Closed::Unsupported(_)
                | Closed::Misbehaved(_)
                | Closed::Lost(_)
                | Closed::ResumeRefused { .. }
                | Closed::Undriven => tunnels.end_session(cloud.as_ref(), &session).await,
            }
        });
        parts.tasks.spawn(format!("watch the tunnel to {}", order.route.target.name), watching);
    }

    /// Tells how a tunnel does until its end.
    async fn watch(self, route: Arc<Route>, key: Key, opened: Opened, region: String) {
        let mut settling = pin!(sleep(SETTLES));
        let mut settled = false;
        let mut state = opened.tunnel.state();
        let mut payload = opened.tunnel.payload();
        // No handle is kept: the session ends when nobody holds one.
        drop(opened);
        let mut told = Told::Live;
        loop {
            tokio::select! {
                changed = state.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let now = state.borrow_and_update().clone();
                    told = self.tell(&route, told, &now);
                }
                () = &mut settling, if !settled => {
                    settled = true;
                    if self.fleet().settled(&key, &route.target.name) {
                        self.trouble(&route, Trouble::Over);
                    }
                }
                changed = payload.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let found = *payload.borrow_and_update();
                    let today = self.parts.clock.calendar();
                    self.parts.sizes.note(&region, found.proven, found.failed, today);
                }
            }
        }
        if told == Told::Troubled {
            self.trouble(&route, Trouble::Over);
        }
    }

    fn tell(&self, route: &Arc<Route>, told: Told, state: &State) -> Told {
        let name = Some(route.target.name.as_str());
        let events = &self.parts.events;
        match (told, state) {
            (Told::Live, State::Live) => Told::Live,
            (Told::Away | Told::Troubled, State::Live) => {
                self.fleet().resumed(&route.target.name);
                events.tell(name, EventKind::TunnelResumed, "tunnel resumed");
                if told == Told::Troubled {
                    self.trouble(route, Trouble::Over);
                }
                Told::Live
            }
            (told, State::Resuming { why, trouble, .. }) => {
                if told == Told::Live {
                    events.tell_why(name, EventKind::TunnelPaused, "tunnel away, resuming", why);
                }
                let err = trouble.as_ref().and_then(|cause| cause.downcast_ref::<CloudError>());
                match (told, err) {
                    // What may pass by itself is told when it does not: as the pause in the status.
                    (Told::Live | Told::Away, Some(err)) if !err.is_transient() => {
                        self.trouble(route, Trouble::Away(TunnelFailure::Session(err.clone())));
                        Told::Troubled
                    }
                    (Told::Live | Told::Away, Some(_) | None) => Told::Away,
                    (Told::Troubled, Some(_) | None) => Told::Troubled,
                }
            }
            (Told::Troubled, State::WaitingForLogin { .. }) => Told::Troubled,
            (Told::Live | Told::Away, State::WaitingForLogin { why, trouble, .. }) => {
                let words = "tunnel away, waiting for a login";
                events.tell_why(name, EventKind::TunnelPaused, words, why);
                if let Some(err) = trouble.downcast_ref::<CloudError>() {
                    self.trouble(route, Trouble::Away(TunnelFailure::Session(err.clone())));
                }
                Told::Troubled
            }
        }
    }

    /// Says goodbye to the agent, and ends the session.
    pub(super) async fn close_one(&self, opened: &Opened) {
        if timeout(CLOSE_PATIENCE, opened.tunnel.close()).await.is_err() {
            debug!(session = %opened.session, "the tunnel did not close in time");
        }
        self.end_session(opened.cloud.as_ref(), &opened.session).await;
    }

    async fn end_session(
        &self,
        cloud: &dyn bastion_cloud::Cloud,
        session: &bastion_cloud::SessionId,
    ) {
        match timeout(CLOSE_PATIENCE, cloud.end_session(session)).await {
            Ok(Ok(())) => {
                debug!(%session, "session ended");
                self.parts.book.over(session);
            }
            Ok(Err(err)) => {
                warn!(%session, call = err.call, "ending the session");
                debug!(%session, %err, "the session was not ended");
            }
            Err(_) => warn!(%session, "ending the session took too long"),
        }
    }

    fn trouble(&self, route: &Route, trouble: Trouble) {
        // Nobody there to explain it is no fault.
        drop(self.parts.troubles.send((Arc::clone(&route.target), trouble)));
    }
}

/// What was last told of a tunnel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Live,
    Away,
    /// Away, and with a problem that a person should see.
    Troubled,
}

impl TunnelFailure {
    /// Whether the session was given and then nobody answered: what an agent does whose places are taken (F3).
    pub(super) fn is_silence_of_the_agent(&self) -> bool {
        match self {
            Self::Open(err) => matches!(**err, OpenError::HandshakeDeadline { .. }),
            Self::Session(_) | Self::Stream(_) | Self::Stopping => false,
        }
    }
}

/// What a remote's name means at this moment, as far as this machine can tell: private names often cannot be known here.
pub(super) async fn addresses_of(remote: &Remote) -> BTreeSet<IpAddr> {
    if remote.is_address() {
        return BTreeSet::new();
    }
    let lookup = tokio::net::lookup_host((remote.host.as_str(), remote.port));
    match timeout(LOOKUP, lookup).await {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
        Ok(Err(_)) | Err(_) => BTreeSet::new(),
    }
}

/// Whether the agent has ended a tunnel because it cannot use the name or address that it is to lead to.
pub fn refuses_the_remote(why: &Closed) -> bool {
    let Closed::ByService { output } = why else { return false };
    // The agent's own texts, ssm-data-channel.md 5: a lookup that failed, an address on its deny list.
    output.contains("no such host")
        || output.starts_with("lookup ")
        || output.contains("is forbidden")
}

pub(super) fn refusal(why: Closed) -> TunnelFailure {
    TunnelFailure::Stream(Arc::new(StreamError::Closed(why)))
}

/// Waits for a door's answer.
pub(super) async fn answer(door: &mut Door) -> Result<Opened, TunnelFailure> {
    // The opener always answers: it is a task that the daemon's own end alone cuts short.
    let answer = door.wait_for(Option::is_some).await;
    let answer = answer.ok().and_then(|answer| (*answer).clone());
    answer.unwrap_or(Err(TunnelFailure::Stopping))
}

/// How long saying goodbye may take: the agent acknowledges within 2 s, or is away (ssm-data-channel.md 9).
const CLOSE_PATIENCE: Duration = Duration::from_secs(4);

/// How long a new tunnel may take to be refused for its remote's name: the agent looks it up once the tunnel stands, and
/// its word takes a round trip over the service.
pub(super) const SETTLES: Duration = Duration::from_secs(1);

/// How long a name may take to be looked up: as long as a resolver's first try.
const LOOKUP: Duration = Duration::from_secs(5);
