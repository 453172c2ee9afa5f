//! What needs no bastion: the config, what AWS says about it, and secrets. The same calls are answered by the daemon and,
//! where none runs, by `bastiond --oneshot`, which serves one caller on a socket that it was started with.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use bastion_api::Timestamp;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;

use super::answer::{self, Failed};
use super::{
    CloudMaker, Desk, Loaded, Pair, Running, Surveyor, examinations, layered, office_calls,
};
use crate::config::Faults;
use crate::explain;
use crate::listen::{Engines, House, Listeners};

/// What the calls work with that need no bastion. Clones share it.
#[derive(Clone, Debug)]
pub struct Office {
    /// The config and the clouds of its targets; an empty one where the file is faulty.
    pub running: Running,
    /// What is wrong with the config file; none in a daemon, which runs with the last good one.
    pub faults: Option<Arc<Faults>>,
    /// Makes the clouds of another config.
    pub clouds: CloudMaker,
    /// Looks into accounts that no config knows yet.
    pub surveyor: Surveyor,
    /// What the targets speak, as far as it has been found out.
    pub engines: Engines,
    /// Where the daemon keeps its things; it may not exist yet.
    pub state_dir: PathBuf,
    /// What only a running daemon has.
    pub live: Option<Live>,
}

/// What a running daemon knows of its bastions and visits.
#[derive(Clone, Debug)]
pub struct Live {
    /// Keeper, roster, events, ledger.
    pub house: House,
    /// Where the targets are found.
    pub listeners: Listeners,
    /// When the daemon started.
    pub started_at: Timestamp,
}

impl FromRef<Desk> for Office {
    fn from_ref(desk: &Desk) -> Self {
        Self {
            running: desk.running.clone(),
            faults: None,
            clouds: desk.clouds.clone(),
            surveyor: desk.surveyor.clone(),
            engines: desk.house.engines.clone(),
            state_dir: desk.opening.state_dir.clone(),
            live: Some(Live {
                house: desk.house.clone(),
                listeners: desk.listeners.clone(),
                started_at: desk.started_at,
            }),
        }
    }
}

impl Office {
    /// The config that answers are made from, or why there is none.
    pub(super) fn loaded(&self) -> Result<Arc<Loaded>, Failed> {
        match &self.faults {
            Some(faults) => Err(explain::config_unusable(&faults.report().faults).into()),
            None => Ok(self.running.now()),
        }
    }

    /// A target and its cloud, by its name.
    pub(super) fn pair(&self, name: &str) -> Result<Pair, Failed> {
        let loaded = self.loaded()?;
        let found = loaded.find(name).cloned();
        found.ok_or_else(|| Failed::unknown_target(name, &loaded.config))
    }
}

/// Answers one caller until it hangs up.
pub async fn serve_one(socket: StdUnixStream, office: Office) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let stream = TokioIo::new(UnixStream::from_std(socket)?);
    let calls: Router = layered(office_calls())
        .merge(examinations())
        .fallback(answer::needs_daemon)
        .with_state(office);
    let served =
        http1::Builder::new().serve_connection(stream, TowerToHyperService::new(calls)).await;
    // A caller that has what it wants leaves as it likes.
    served.or_else(
        |err| if err.is_incomplete_message() { Ok(()) } else { Err(io::Error::other(err)) },
    )
}
