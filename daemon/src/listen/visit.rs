//! A visit: one accepted local connection, told from top to bottom.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bastion_api::{EventKind, Problem};
use bastion_cloud::{Cloud, CloudError};
use bytes::BytesMut;
use dbwire::Engine;
use ssm_tunnel::{FirstByte, StreamEnd};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::engines::Engines;
use super::pipe::{Ended, pipe};
use super::roster::{Entry, Roster};
use super::visitor::{self, Knock};
use crate::clock::Clock;
use crate::config::Target;
use crate::events::Events;
use crate::explain;
use crate::keeper::{Holder, Keeper, Refusal};
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
    /// The time.
    pub clock: Clock,
    /// Fires when visits have to end.
    pub curfew: CancellationToken,
}

/// Serves one visitor of one target, from accept to close.
pub(super) async fn visit<L>(mut local: L, target: Arc<Target>, cloud: Arc<dyn Cloud>, house: House)
where
    L: AsyncRead + AsyncWrite + Unpin,
{
    let name = target.name.as_str();
    let mut first = BytesMut::new();

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
    match knock {
        Ok(Knock::Visitor) => {}
        Ok(Knock::Cancel) => return cancel(&house, name, &first).await,
        Ok(Knock::Nobody(why)) => return debug!(target = name, why, "not a visitor"),
        Err(err) => return refuse(&house, name, &explain::cloud(&target, &err)),
    }
    let entry = house.roster.enter(name, house.clock.calendar());
    house.events.tell(Some(name), EventKind::VisitOpened, format!("visit {} came", entry.id));

    // A lease and a stream, unless the visitor leaves first.
    let admitted = async {
        let lease = house.keeper.lease(name, Holder::Visit).await.map_err(NoWay::Bastion)?;
        if !house.tunnels.stands(lease.route()) {
            // It was lost, maybe with its task: who looks knows before a new session is refused.
            house.keeper.doubt(name);
        }
        let passage = tokio::select! {
            passage = house.tunnels.stream(lease.route(), first_byte(&house, &target)) => passage.map_err(NoWay::Tunnel)?,
            refusal = lease.revoked() => return Err(NoWay::Bastion(refusal)),
        };
        Ok::<_, NoWay>((lease, passage))
    };
    let (lease, Passage { tunnel, number, mut stream }) = tokio::select! {
        admitted = admitted => match admitted {
            Ok(admitted) => admitted,
            Err(NoWay::Bastion(refusal)) => return turn_away(&house, &target, &refusal),
            Err(NoWay::Tunnel(failure)) => {
                house.keeper.doubt(name);
                let problem = explain::refusal(&target, &Refusal::Tunnel(failure));
                return refuse(&house, name, &problem);
            }
        },
        () = visitor::leaves(&mut local, &mut first) => return leave(&house, name, &entry, "left while it waited"),
        () = house.curfew.cancelled() => return turn_away(&house, &target, &Refusal::Stopping),
    };
    entry.admitted();

    // Bytes both ways, what was held first.
    let conversation = async {
        if let Err(err) = stream.write_all(&first).await {
            return Ended::Tunnel(err);
        }
        entry.moved().inward.fetch_add(first.len() as u64, Ordering::Relaxed);
        pipe(&mut local, &mut stream, entry.moved()).await
    };
    let ended = tokio::select! {
        ended = conversation => Ok(ended),
        refusal = lease.revoked() => Err(refusal),
        () = house.curfew.cancelled() => Err(Refusal::Stopping),
    };

    if entry.moved().outward.load(Ordering::Relaxed) > 0 {
        house.tunnels.reached(lease.route(), number);
    }

    // How did it end?
    match (ended, stream.ended()) {
        (Err(refusal), _) => turn_away(&house, &target, &refusal),
        (Ok(_), Some(StreamEnd::DialFailed | StreamEnd::NoFirstByte)) => {
            house.keeper.doubt(name);
            house.tunnels.not_reached(lease.route(), number);
            let problem = explain::database_unreachable(&target, &lease.route().remote);
            refuse(&house, name, &problem);
        }
        (Ok(_), Some(StreamEnd::TunnelClosed)) => {
            house.keeper.doubt(name);
            let why = tunnel.closed().await;
            refuse(&house, name, &explain::tunnel_closed(&target, &why));
        }
        (Ok(Ended::Database), _) => leave(&house, name, &entry, "ended"),
        (Ok(Ended::Tunnel(err) | Ended::Visitor(err)), _) => {
            debug!(target = name, %err, "the visit broke off");
            leave(&house, name, &entry, "broke off");
        }
    }
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

/// When the database has to give a sign: MySQL's speaks first, PostgreSQL's answers its client's first message.
fn first_byte(house: &House, target: &Target) -> FirstByte {
    match house.engines.known(target) {
        Some(Engine::Postgres) => FirstByte::AfterVisitor,
        Some(Engine::Mysql) => FirstByte::AtOnce,
        Some(Engine::Other) | None => FirstByte::AnyTime,
    }
}

fn leave(house: &House, target: &str, entry: &Entry, how: &str) {
    let moved = entry.moved();
    if moved.outward.load(Ordering::Relaxed) > 0 {
        house.roster.clear_trouble(target);
    }
    let words = format!(
        "visit {} {how}: {} bytes in, {} bytes out",
        entry.id,
        moved.inward.load(Ordering::Relaxed),
        moved.outward.load(Ordering::Relaxed)
    );
    house.events.tell(Some(target), EventKind::VisitClosed, words);
}

/// Tells what the keeper shows for as long as it stands.
fn turn_away(house: &House, target: &Target, refusal: &Refusal) {
    let problem = explain::refusal(target, refusal);
    house.events.tell_problem(Some(&target.name), EventKind::VisitRefused, &problem);
}

/// Tells, and shows, what the visit has met by itself.
fn refuse(house: &House, target: &str, problem: &Problem) {
    house.roster.note_trouble(target, problem.clone(), house.clock.now());
    house.events.tell_problem(Some(target), EventKind::VisitRefused, problem);
}

/// Why a visitor gets no stream.
enum NoWay {
    Bastion(Refusal),
    Tunnel(TunnelFailure),
}

/// How long a cancel request may take: its client does not wait for it, and PostgreSQL reads it at once.
const CANCEL: Duration = Duration::from_secs(10);
