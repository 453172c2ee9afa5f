//! What passed through a session, counted and remembered.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::SessionSpec;

/// One session, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// The task whose container serves it.
    pub task: String,
    /// The remote host.
    pub host: String,
    /// The remote port.
    pub port: String,
    /// Whether a client's websocket is there.
    pub client: bool,
    /// Whether the agent's websocket is there.
    pub agent: bool,
    /// Whether its worker process runs.
    pub worker: bool,
    /// How many clients' websockets there were.
    pub clients: u64,
    /// How many of the agent's websockets there were.
    pub agents: u64,
    /// Why it ended, once it has.
    pub ended: Option<String>,
    /// What went from the client to the agent.
    pub up: Counters,
    /// What went from the agent to the client.
    pub down: Counters,
}

/// What went in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Binary messages that came.
    pub frames: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
    /// Numbered messages among them.
    pub data: u64,
    /// Numbered messages whose number had been seen before.
    pub repeated: u64,
    /// Acknowledgements among them.
    pub acknowledgements: u64,
    /// Messages that the wire lost.
    pub lost: u64,
    /// Messages that were dropped because the other side was away.
    pub absent: u64,
    /// Messages above the payload limit.
    pub too_large: u64,
}

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the client to the agent.
    Up,
    /// From the agent to the client.
    Down,
}

/// What a frame was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// Numbered data, handshake and flags included.
    Data,
    /// An acknowledgement.
    Acknowledgement,
    /// The agent's word that its session is over.
    TaskComplete,
    /// The agent's word to the service about how it is.
    SessionState,
    /// Anything else.
    Other,
}

/// One frame, as the gateway saw it come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FrameRecord {
    /// When, since the session's start.
    pub at: Duration,
    /// Which way.
    pub direction: Direction,
    /// What it was.
    pub kind: FrameKind,
    /// Its number; 0 where it has none.
    pub seq: i64,
    /// Its payload's type.
    pub payload_type: u32,
    /// Its length, header included.
    pub bytes: usize,
}

/// What others may know of a session while it runs.
pub(super) struct Facts {
    view: Mutex<(SessionView, Latest)>,
    changed: watch::Sender<()>,
    pub(super) began: Instant,
    /// The process group of the container in which its worker runs.
    pub(super) group: i32,
}

impl Facts {
    pub(super) fn new(spec: &SessionSpec, changed: watch::Sender<()>) -> Self {
        let view = SessionView {
            id: spec.id.clone(),
            task: spec.task.clone(),
            host: spec.host.clone(),
            port: spec.port.clone(),
            client: false,
            agent: false,
            worker: false,
            clients: 0,
            agents: 0,
            ended: None,
            up: Counters::default(),
            down: Counters::default(),
        };
        Self {
            view: Mutex::new((view, Latest::default())),
            changed,
            began: Instant::now(),
            group: spec.container.process_group(),
        }
    }

    pub(super) fn view(&self) -> SessionView {
        self.lock().0.clone()
    }

    pub(super) fn record(&self) -> Vec<FrameRecord> {
        self.lock().1.all()
    }

    pub(super) fn set_worker(&self, running: bool) {
        self.change(|view| view.worker = running);
    }

    /// Changes what others wait for.
    pub(super) fn change(&self, change: impl FnOnce(&mut SessionView)) {
        change(&mut self.lock().0);
        self.changed.send_replace(());
    }

    /// Counts, of which nobody is told.
    pub(super) fn count(
        &self,
        direction: Direction,
        count: impl FnOnce(&mut Counters, &mut Latest),
    ) {
        let (view, latest) = &mut *self.lock();
        match direction {
            Direction::Up => count(&mut view.up, latest),
            Direction::Down => count(&mut view.down, latest),
        }
    }

    fn lock(&self) -> MutexGuard<'_, (SessionView, Latest)> {
        // Counters are never left half changed.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the gateway reads of a frame: its header's fields, and nothing of its payload.
pub(super) fn peek(frame: &Bytes) -> (FrameKind, i64, u32) {
    let name = frame.get(4..36).unwrap_or_default();
    let kind =
        if name.starts_with(b"input_stream_data ") || name.starts_with(b"output_stream_data ") {
            FrameKind::Data
        } else if name.starts_with(b"acknowledge ") {
            FrameKind::Acknowledgement
        } else if name.starts_with(b"agent_session_state ") {
            FrameKind::SessionState
        } else if name.starts_with(crate::agent::TASK_COMPLETE.as_bytes()) {
            FrameKind::TaskComplete
        } else {
            FrameKind::Other
        };
    let seq =
        frame.get(48..56).and_then(|field| field.try_into().ok()).map_or(0, i64::from_be_bytes);
    let payload_type =
        frame.get(112..116).and_then(|field| field.try_into().ok()).map_or(0, u32::from_be_bytes);
    (kind, seq, payload_type)
}

/// The latest frames, up to a number.
#[derive(Debug, Default)]
pub(super) struct Latest(VecDeque<FrameRecord>);

impl Latest {
    pub(super) fn add(&mut self, frame: FrameRecord, most: usize) {
        while self.0.len() >= most {
            if self.0.pop_front().is_none() {
                return;
            }
        }
        self.0.push_back(frame);
    }

    pub(super) fn all(&self) -> Vec<FrameRecord> {
        self.0.iter().copied().collect()
    }
}
