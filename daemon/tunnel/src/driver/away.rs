//! The driver while its websocket is doubted, lost and replaced.
//!
//! ```text
//!              silent, closed, broken            another stands, or this one shows that it lives
//!   ┌─────────┐ ──────────────────────▶ ┌──────┐ ──────────────────────────────────────────────▶ ┌─────────┐
//!   │ link up │                         │ away │                                                 │ link up │
//!   └─────────┘                         └──────┘ ──▶ the session is over: the tunnel ends        └─────────┘
//! ```

use std::error::Error;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use ssm_proto::Now;
use tokio_tungstenite::tungstenite::Message;
use tracing::info;

use super::{Driver, Stage};
use crate::comeback::Loss;
use crate::error::{Closed, Lost};
use crate::pulse::{Beat, Pulse};
use crate::resume::State;
use crate::socket::ping;

impl Driver {
    pub(super) fn prove(&mut self, now: Now) {
        let Stage::Open { .. } = self.stage else { return };
        if !self.link.is_up() {
            self.comeback.hurry.notify_one();
            return;
        }
        if !self.pulse.answers() {
            // It answers no pings, but the agent acknowledges what is numbered.
            self.channel.nop();
        }
        self.pulse.prove(now.instant);
        self.put(ping(), now);
    }

    /// What is due only while there is a websocket.
    pub(super) fn take_time_up(&mut self, now: Now) {
        if self.board.due().is_some_and(|at| at <= now.instant) {
            self.board.expire(&mut self.channel, now.instant);
        }
        if let Stage::Open { .. } = self.stage {
            if self.nop_due().is_some_and(|at| at <= now.instant) {
                self.fed = now.instant;
                self.channel.nop();
            }
            match self.pulse.beat(!self.board.is_empty(), now.instant) {
                Beat::Rest => {}
                Beat::Ping => self.put(ping(), now),
                Beat::Silent(waited) => self.lose(Lost::Silent { waited }, now),
            }
        }
    }

    /// When something has to be sent for the session to be kept.
    pub(super) fn nop_due(&self) -> Option<Instant> {
        self.keep.then_some(self.fed + self.comeback.options.idle_limit / NOPS)
    }

    /// The socket is gone. The tunnel goes with it only where it was to end, or may never have been.
    pub(super) fn lose(&mut self, lost: Lost, now: Now) {
        // The service says why before it hangs up.
        self.take_events(now);
        if !self.link.is_up() {
            return;
        }
        match (&self.stage, &lost) {
            (Stage::Open { .. }, _) | (Stage::Opening, Lost::Ended | Lost::Broken(_))
                if self.tries < MOST_WHILE_OPENING || self.is_open() =>
            {
                info!(why = &lost as &dyn Error, "websocket lost");
                self.channel.socket_lost(now);
                let loss = Loss { lost: lost.clone(), heard: self.heard, tries: self.tries };
                self.tries += 1;
                self.link.leave(self.comeback.begin(loss));
                self.lost = Some(lost);
                self.restless = true;
            }
            _ => {
                self.end(Closed::Lost(lost), now);
                self.link.end();
                self.leave();
            }
        }
    }

    /// Comes back, or learns that there is nothing to come back to.
    pub(super) fn take_return(&mut self, cx: &mut Context<'_>, now: Now) {
        let Poll::Ready(back) = self.link.poll_back(cx, now.instant) else { return };
        let lost = self.lost.take();
        match back {
            None => self.stand(now),
            // Of a tunnel that was never open, the loss itself is the reason.
            Some(closed) => self.end(
                match (&self.stage, lost) {
                    (Stage::Opening, Some(lost)) => Closed::Lost(lost),
                    _ => closed,
                },
                now,
            ),
        }
    }

    /// There is a websocket again.
    pub(super) fn stand(&mut self, now: Now) {
        info!(tries = self.tries, "tunnel resumed");
        self.pulse = Pulse::new(self.comeback.options.ping, now.instant);
        (self.stood, self.lost) = (now.instant, None);
        self.channel.socket_ready(now);
        self.board.forgive(now.instant);
        self.comeback.state.send_replace(State::Live);
    }

    /// Takes what comes of the websocket before this one. It is as good as ever: messages have numbers.
    pub(super) fn hear_late(&mut self, message: Message, now: Now) {
        match message {
            Message::Binary(bytes) => self.channel.handle(bytes, now),
            Message::Text(text) => self.channel.handle(Bytes::from(text), now),
            // Both ways are open again, before there is another websocket.
            Message::Pong(_)
                if matches!(self.lost, Some(Lost::Silent { .. })) && self.link.revive() =>
            {
                self.stand(now);
                self.pulse.answered(now.instant);
            }
            Message::Pong(_) | Message::Close(_) | Message::Ping(_) | Message::Frame(_) => {}
        }
    }
}

/// How often a websocket is replaced before the agent has shaken hands.
const MOST_WHILE_OPENING: u32 = 3;

/// How often in the idle limit a session is shown to be in use: twice could be once too late.
const NOPS: u32 = 3;
