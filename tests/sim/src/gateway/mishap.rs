//! What befalls one session on purpose: cuts, silence, a stopped agent, single losses; from Rust, or as JSON.
//!
//! ```text
//!   client ──────── gateway ──────── agent (ssm-session-worker)
//!     │ CutClient, CutAt  │ Stall: takes and gives nothing │ Freeze: SIGSTOP
//!     │ BlackHole, Bye    │ LoseNext: one acknowledgement, │ CutAgent
//!     │                   │           one message          │
//! ```

use serde::{Deserialize, Serialize};

use super::session::Command;
use super::{Direction, FrameKind, Gateway};
use crate::container;

/// One thing that befalls a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mishap {
    /// The client's TCP connection is reset.
    CutClient,
    /// The agent's TCP connection is reset.
    CutAgent,
    /// The client's TCP connection is reset once so many frames of the session, both ways together, have passed; where
    /// so many have passed already, at the next one.
    CutAt {
        /// Counted from the session's start, over all its websockets.
        frame: u64,
    },
    /// The client's websocket is closed with 1000 "Bye".
    Bye,
    /// While on, the client's connection stands and nothing passes: what is sent to it is lost, what it sends waits, and
    /// no reset tells. A new websocket of the session takes its place and is well.
    BlackHole {
        /// Begins or ends it.
        on: bool,
    },
    /// While on, the gateway takes nothing of the session's from anybody and gives nothing: all of it waits, pongs too.
    Stall {
        /// Begins or ends it.
        on: bool,
    },
    /// While on, the agent's worker process is stopped (SIGSTOP): its sockets stand, and nobody answers.
    Freeze {
        /// Begins or ends it.
        on: bool,
    },
    /// The next frames of that kind and direction vanish.
    LoseNext {
        /// Which way they go.
        direction: Direction,
        /// What they are.
        frame: FrameKind,
        /// How many of them.
        #[serde(default = "one")]
        count: u32,
    },
    /// The service ends the session.
    End {
        /// The reason that the client is told.
        #[serde(default)]
        output: String,
    },
}

fn one() -> u32 {
    1
}

impl Gateway {
    /// Has something befall a session. False where it is over or was never there; where a worker is to be stopped, also
    /// where it has none.
    pub fn befall(&self, id: &str, mishap: Mishap) -> bool {
        match mishap {
            Mishap::CutClient => self.order(id, Command::CutClient),
            Mishap::CutAgent => self.order(id, Command::CutAgent),
            Mishap::CutAt { frame } => self.order(id, Command::CutAt(frame)),
            Mishap::Bye => self.order(id, Command::Bye),
            Mishap::BlackHole { on } => self.order(id, Command::BlackHole(on)),
            Mishap::Stall { on } => self.order(id, Command::Stall(on)),
            Mishap::Freeze { on } => {
                let group = self.with(id, |entry| entry.facts.group);
                group.is_some_and(|group| container::freeze_worker(group, id, on))
            }
            Mishap::LoseNext { direction, frame, count } => {
                self.order(id, Command::Lose(direction, frame, count))
            }
            Mishap::End { output } => self.terminate(id, &output),
        }
    }

    /// Has something befall every session that is not over, and says how many it befell.
    pub fn befall_all(&self, mishap: &Mishap) -> usize {
        let live = self.sessions().into_iter().filter(|session| session.ended.is_none());
        live.filter(|session| self.befall(&session.id, mishap.clone())).count()
    }

    /// Resets the client's TCP connection, now.
    pub fn cut_client(&self, id: &str) -> bool {
        self.befall(id, Mishap::CutClient)
    }

    /// Resets the agent's TCP connection, now.
    pub fn cut_agent(&self, id: &str) -> bool {
        self.befall(id, Mishap::CutAgent)
    }

    /// See [`Mishap::BlackHole`].
    pub fn black_hole(&self, id: &str, on: bool) -> bool {
        self.befall(id, Mishap::BlackHole { on })
    }

    /// Closes the client's websocket with 1000 "Bye", now.
    pub fn say_bye(&self, id: &str) -> bool {
        self.befall(id, Mishap::Bye)
    }
}
