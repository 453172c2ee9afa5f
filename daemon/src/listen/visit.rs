//! A visit: one accepted local connection, told from top to bottom.

use std::sync::Arc;
use std::time::Duration;

use bastion_api::{EventKind, Problem};
use bastion_cloud::{Cloud, CloudError, TaskId};
use bytes::BytesMut;
use dbwire::Engine;
use ssm_tunnel::{FirstByte, StreamEnd};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::authority::Authority;
use super::counted::Counted;
use super::engines::{Engines, first_byte};
use super::excuse::{by_manners, excuse, last_word, part};
use super::moved::Moved;
use super::peer::{Finder, Found, Peer};
use super::pipe::{Ended, Witness, pipe};
use super::roster::Roster;
use super::visitor::{self, Knock};
use super::{receipt, waiting};
use crate::clock::Clock;
use crate::config::Target;
use crate::events::Events;
use crate::explain;
use crate::keeper::{Holder, Keeper, Lease, Refusal};
use crate::ledger::Ledger;
use crate::tunnels::{Passage, TunnelFailure, Tunnels};

/// What every visit needs. Clones share it.
#[derive(Clone, Debug)]
pub struct House {
    /// Who gives leases.
    pub keeper: Keeper,
    /// Who gives streams.
    pub tunnels: Tunnels,
    /// Who is here.
    pub roster: Roster,
    /// What the targets speak.
    pub engines: Engines,
    /// Where what happens is told.
    pub events: Events,
    /// Where it is written down who came.
    pub ledger: Ledger,
    /// What lets us speak TLS to a client that has to be told something.
    pub authority: Arc<Authority>,
    /// Who finds the programs that visit.
    pub finder: Finder,
    /// The time.
    pub clock: Clock,
    /// The daemon's own user, who is let in.
    pub uid: u32,
    /// Fires when visits have to end.
    pub curfew: CancellationToken,
}

/// Serves one visitor of one target, from accept to close.
pub(super) async fn visit<L>(
    mut local: L,
    peer: Peer,
    target: Arc<Target>,
    cloud: Arc<dyn Cloud>,
    house: House,
) where
    L: AsyncRead + AsyncWrite + Unpin,
{
    let name = target.name.as_str();
    let came = house.clock.now();
    let mut first = BytesMut::new();

    // May they come in?
    if let Err(why) = peer.admit(target.allow, house.uid) {
        let found = Found::default();
        house.finder.look_for(&peer, &found).wait().await;
        let who = receipt::visitor(&peer, found.process());
        return receipt::unwelcome(&house, &target, who, why);
    }

    // Who is it?
    let known = async {
        let engine = tokio::select! {
            biased;
            engine = house.engines.learn(&target, cloud.as_ref()) => engine,
            () = visitor::leaves(&mut local, &mut first) => return Ok(Knock::Nobody("it left without waiting")),
        };
        let engine = engine?;
        let knock = visitor::recognise(&mut local, engine, &mut first).await;
        Ok::<_, CloudError>(knock.unwrap_or(Knock::Nobody("it broke off before saying anything")))
    };
    let knock = tokio::select! {
        knock = known => knock,
        () = house.curfew.cancelled() => return debug!(target = name, "a visit that had not begun"),
    };
    let engine = match knock {
        Ok(Knock::Visitor(engine)) => engine,
        Ok(Knock::Cancel) => return cancel(&house, name, &first).await,
        Ok(Knock::Nobody(why)) => return debug!(target = name, why, "not a visitor"),
        Err(err) => {
            let problem = explain::cloud(&target, &err);
            receipt::failed(&house, &target, receipt::visitor(&peer, None), &problem);
            let engine = by_manners(&mut local, &mut first).await;
            return tell(&house, &target, &mut local, first, engine, &problem).await;
        }
    };
    let entry = house.roster.enter(name, peer.clone(), house.clock.calendar(), house.clock.now());
    house.events.tell(Some(name), EventKind::VisitOpened, format!("visit {} came", entry.id));
    // Its program is looked for meanwhile, and known, mostly, before it is done.
    let named = house.finder.look_for(&peer, entry.found());

    // A lease and a stream, unless the visitor leaves first or cannot wait.
    let ago = house.clock.now().duration_since(came);
    let admitted = async {
        let lease = house.keeper.lease(name, Holder::Visit).await.map_err(NoWay::Bastion)?;
        if !house.tunnels.stands(lease.route()) {
            // It was lost, maybe with its task: who looks knows before a new session is refused.
            house.keeper.doubt(name);
        }
        let passage = tokio::select! {
            passage = house.tunnels.stream(lease.route(), first_byte(engine)) => passage.map_err(NoWay::Tunnel)?,
            refusal = lease.revoked() => return Err(NoWay::Bastion(refusal)),
        };
        Ok::<_, NoWay>((lease, passage))
    };
    let admitted = tokio::select! {
        admitted = admitted => admitted,
        () = waiting::wait(&mut local, &mut first) => Err(NoWay::Left),
        () = waiting::runs_out(target.rules.patience, ago, &entry) => Err(NoWay::Impatient),
        () = house.curfew.cancelled() => Err(NoWay::Bastion(Refusal::Stopping)),
    };
    let (lease, Passage { tunnel, number, mut stream }) = match admitted {
        Ok(admitted) => admitted,
        Err(no_way) => {
            named.wait().await;
            let problem = match no_way {
                NoWay::Left => {
                    let how = "left while it waited";
                    return receipt::left(&house, &target, &entry, None, how);
                }
                NoWay::Impatient => {
                    let start = house.keeper.start(name);
                    let problem = explain::still_starting(&target, &start, house.clock.now());
                    receipt::put_off(&house, &target, entry.visitor(), &problem);
                    problem
                }
                NoWay::Bastion(refusal) => receipt::turned_away(&house, &target, &entry, &refusal),
                NoWay::Tunnel(failure) => {
                    house.keeper.doubt(name);
                    let problem = explain::refusal(&target, &Refusal::Tunnel(failure));
                    receipt::failed(&house, &target, entry.visitor(), &problem);
                    problem
                }
            };
            return tell(&house, &target, &mut local, first, engine, &problem).await;
        }
    };
    let route = Arc::clone(lease.route());
    let task: &TaskId = &route.bastion.task;
    entry.admitted(task);

    // Bytes both ways, what was held first.
    let moved = entry.moved();
    let witness = Counted::new(moved, lease.pulse().clone(), &house.clock, engine);
    let conversation = async {
        if let Err(err) = stream.write_all(&first).await {
            return Ended::Tunnel(err);
        }
        witness.inward(&first);
        pipe(&mut local, &mut stream, &witness).await
    };
    let ended = tokio::select! {
        ended = conversation => Ok(ended),
        refusal = held(lease, moved, &house.clock) => Err(refusal),
        () = house.curfew.cancelled() => Err(Refusal::Stopping),
    };

    if moved.outward() > 0 {
        house.tunnels.reached(&route, number);
    }
    named.wait().await;

    // How did it end?
    let problem = match (ended, stream.ended()) {
        (Err(refusal), _) => receipt::taken_back(&house, &target, &entry, task, &refusal),
        (Ok(_), Some(StreamEnd::DialFailed | StreamEnd::NoFirstByte)) => {
            house.keeper.doubt(name);
            house.tunnels.not_reached(&route, number);
            let problem = explain::database_unreachable(&target, &route.remote);
            receipt::broken(&house, &target, &entry, task, &problem);
            problem
        }
        (Ok(_), Some(StreamEnd::TunnelClosed)) if !moved.has_parted() => {
            house.keeper.doubt(name);
            let why = tunnel.closed().await;
            let problem = explain::tunnel_closed(&target, &why);
            receipt::broken(&house, &target, &entry, task, &problem);
            problem
        }
        (Ok(Ended::Database), _) => {
            return receipt::left(&house, &target, &entry, Some(task), "ended");
        }
        (Ok(Ended::Tunnel(err) | Ended::Visitor(err)), _) => {
            debug!(target = name, %err, "the visit broke off");
            return receipt::left(&house, &target, &entry, Some(task), "broke off");
        }
    };

    // And does the client learn of it?
    if moved.outward() == 0 {
        // It has heard nothing from the database yet, so it still waits for an answer to its first words.
        tell(&house, &target, &mut local, first, engine, &problem).await;
    } else if witness.may_interrupt() {
        let told = last_word(&mut local, &problem).await;
        debug!(target = name, ok = told.is_ok(), "a last word");
    } else {
        let parted = part(&mut local).await;
        debug!(target = name, ok = parted.is_ok(), "no place for a last word");
    }
}

/// Tells a visitor in its own client's words why it is not served. What could not be told stands in the status.
async fn tell<L>(
    house: &House,
    target: &Target,
    local: &mut L,
    said: BytesMut,
    engine: Engine,
    problem: &Problem,
) where
    L: AsyncRead + AsyncWrite + Unpin,
{
    match excuse(local, said, engine, &house.authority, problem).await {
        Ok(()) => debug!(target = target.name, code = problem.code, "told the visitor"),
        Err(err) => debug!(target = target.name, %err, "the visitor was not told"),
    }
}

/// Keeps the lease until it is taken back, and tells why; or until the visitor has closed its side and nothing comes
/// any more.
///
/// The agent may take half a minute to notice that a database does not end the conversation, too: that is nobody's use
/// of the bastion, so its idle time begins without it. An answer that still comes keeps the lease.
async fn held(lease: Lease, moved: &Moved, clock: &Clock) -> Refusal {
    let parted = async {
        moved.parted().await;
        while moved.silent_for(clock.now()) < PARTING {
            sleep(PARTING).await;
        }
    };
    tokio::select! {
        refusal = lease.revoked() => return refusal,
        () = parted => {}
    }
    drop(lease);
    std::future::pending().await
}

/// Passes a CancelRequest on where a bastion is ready; it never starts one, and is never answered (PostgreSQL's
/// own server does not answer it either).
async fn cancel(house: &House, target: &str, request: &[u8]) {
    let Some(route) = house.keeper.ready_route(target).await else {
        return debug!(target, "a cancel request where no bastion is ready");
    };
    let passed_on = async {
        let passage = house.tunnels.stream(&route, FirstByte::AnyTime).await;
        let Passage { mut stream, .. } = passage.map_err(|_| ())?;
        stream.write_all(request).await.map_err(|_| ())?;
        stream.shutdown().await.map_err(|_| ())?;
        // The server closes as soon as it has read it; an earlier end from us would overtake the request.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map_err(|_| ())
    };
    tokio::select! {
        passed_on = timeout(CANCEL, passed_on) => {
            debug!(target, ok = matches!(passed_on, Ok(Ok(_))), "cancel request");
        }
        () = house.curfew.cancelled() => {}
    }
}

/// Why a visitor gets no stream.
enum NoWay {
    /// It has left.
    Left,
    /// It would give up by itself in a moment.
    Impatient,
    Bastion(Refusal),
    Tunnel(TunnelFailure),
}

/// For how long nothing has to come after a visitor has closed its side: more than any answer's packets are apart.
const PARTING: Duration = Duration::from_secs(1);

/// How long a cancel request may take: its client does not wait for it, and PostgreSQL reads it at once.
const CANCEL: Duration = Duration::from_secs(10);
