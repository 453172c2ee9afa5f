//! What comes: data in turn, acknowledgements, the end.

use bytes::Bytes;

use super::{Channel, KEEPALIVE, Note, Road, State};
use crate::error::Misbehaved;
use crate::event::{Closed, Event, Now};
use crate::inbox::Arrival;
use crate::message::Message;
use crate::outbox::Acknowledged;
use crate::payload::{self, Flag};
use crate::probe::Verdict;

impl Channel {
    pub(super) fn end_pause(&mut self) {
        match self.road {
            Road::Paused { .. } => self.road = Road::Free,
            Road::Free | Road::Lost => {}
        }
    }

    pub(super) fn take(&mut self, message: Message, now: Now) {
        match self.inbox.arrived(message, self.room()) {
            Arrival::InTurn(message) => {
                let mut next = Some(message);
                while let Some(message) = next {
                    self.take_in_turn(&message, now);
                    next = self.inbox.next();
                }
            }
            Arrival::Early => {}
            Arrival::Repeated => self.counters.repeated += 1,
            Arrival::Refused => self.counters.refused += 1,
            Arrival::Nonsense => self.counters.ignored += 1,
        }
    }

    fn take_in_turn(&mut self, message: &Message, now: Now) {
        let payload = &message.payload;
        match message.payload_type {
            payload::OUTPUT => self.take_data(payload),
            payload::FLAG if Flag::decode(payload) == Some(Flag::ConnectToPortError) => {
                self.mux.dial_failed();
            }
            payload::HANDSHAKE_REQUEST => self.take_request(payload),
            payload::HANDSHAKE_COMPLETE => self.take_complete(payload, now),
            _ => self.counters.ignored += 1,
        }
    }

    fn take_data(&mut self, payload: &Bytes) {
        match &self.state {
            State::Open | State::Ending { .. } => {
                match self.mux.receive(payload, &mut self.events) {
                    Ok(stray) => self.counters.stray_bytes += stray as u64,
                    Err(misbehaved) => self.over(Closed::Misbehaved(misbehaved)),
                }
            }
            State::Opening(handshake) => {
                let closed = handshake.data_too_early();
                self.over(closed);
            }
            State::Over => {}
        }
    }

    fn take_request(&mut self, payload: &[u8]) {
        let State::Opening(handshake) = &mut self.state else {
            self.counters.ignored += 1;
            return;
        };
        match handshake.request(payload, &self.config.client_version) {
            Ok(answer) => {
                self.notes.push_back(Note::Response(answer.response));
                if let Some(refusal) = answer.refusal {
                    self.over(Closed::Unsupported(refusal));
                }
            }
            Err(misbehaved) => self.over(Closed::Misbehaved(misbehaved)),
        }
    }

    fn take_complete(&mut self, payload: &[u8], now: Now) {
        let State::Opening(handshake) = &mut self.state else {
            self.counters.ignored += 1;
            return;
        };
        match handshake.complete(payload) {
            Ok(agent) => {
                self.state = State::Open;
                self.keepalive = agent.wants_keepalive.then_some(now.instant + KEEPALIVE);
                self.agent_version = Some(agent.version.clone());
                self.events.push_back(Event::Opened { agent_version: agent.version });
            }
            Err(misbehaved) => self.over(Closed::Misbehaved(misbehaved)),
        }
    }

    pub(super) fn acknowledged(&mut self, payload: &[u8], now: Now) {
        let Some(number) = payload::acknowledged_number(payload) else {
            self.counters.ignored += 1;
            return;
        };
        match self.outbox.acknowledged(number, now.instant) {
            Acknowledged::Now { stream, payload, took, once } => {
                self.mux.acknowledged(stream, payload);
                let next = self.outbox.next_number();
                self.window.acknowledged(number, (took, once), next, now.instant);
            }
            Acknowledged::Before => return,
            Acknowledged::NeverSent => {
                self.counters.ignored += 1;
                return;
            }
        }
        let names = |id| payload::acknowledged_id(payload).is_some_and(|named| named == id);
        let verdict = self.probe.acknowledged(number, names);
        self.heed(verdict);
        if self.canary.acknowledged(number) {
            self.hear_canary();
        }
        // The agent acknowledges each message as it comes and acts on them in order: while an earlier one is missing, it
        // has the flag and does not know yet.
        if let State::Ending { flag_sent: true } = self.state
            && self.outbox.frames() == 0
        {
            self.events.push_back(Event::Terminated);
        }
    }

    /// Ends it. Acknowledgements and a refusal are still sent, but nothing is sent again.
    pub(super) fn over(&mut self, closed: Closed) {
        if let Closed::ByService { .. } = closed {
            self.notes.clear();
        }
        self.state = State::Over;
        // What was tried may have been the end of it.
        let verdict = self.probe.road_lost();
        self.heed(verdict);
        self.outbox.clear();
        self.events.push_back(Event::Closed(closed));
    }

    /// Takes in what is known now about the size that messages may have.
    pub(super) fn heed(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::None => {}
            Verdict::Overdue(number) => self.outbox.hasten(number),
            Verdict::Proven(size) => self.events.push_back(Event::PayloadSize(size)),
            Verdict::Failed(size) => self.events.push_back(Event::ProbeFailed(size)),
        }
    }

    /// The road lives. If what was sent so often does not come through even so, it never will.
    fn hear_canary(&mut self) {
        if let Some(bytes) = self.canary.heard(self.large_head()) {
            self.events.push_back(Event::ProbeFailed(bytes));
            self.over(Closed::Misbehaved(Misbehaved::PayloadLimit { bytes }));
        }
    }
}
