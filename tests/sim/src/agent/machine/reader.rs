//! The reader of the websocket: one message after the other, each acknowledged before the next is looked at.

use std::time::Instant;

use bytes::Bytes;
use ssm_proto::message::{Message, MessageId, MessageKind};
use ssm_proto::payload as types;

use super::{INVALID_PROTOCOL, Machine, Now, Output, Phase, Ticket};
use crate::agent::payload::{self, Response};

/// What the reader of the websocket is at.
#[derive(Debug)]
pub(super) enum Reader {
    Idle,
    /// It writes into the mux, which has no room.
    Writing {
        rest: Bytes,
        then: Then,
    },
    /// It writes an acknowledgement.
    Acknowledging {
        seq: i64,
        advance: bool,
    },
}

/// What follows when a payload is in the mux.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// It is acknowledged, and then the next one is expected.
    Acknowledge(MessageId),
    /// It was acknowledged when it came early.
    Advance,
}

/// What became of a payload.
enum Processed {
    Taken,
    /// The port session does not stand yet: as if it had never come.
    NotReady,
    /// The rest waits for room.
    Rest(Bytes),
}

impl Machine {
    /// The websocket's reader: one message after the other while nothing holds it up.
    pub(super) fn read_on(&mut self, now: Now) {
        while let Reader::Idle = self.reader
            && let Some(bytes) = self.unheard.pop_front()
        {
            // The digest is not looked at.
            let Ok(message) = Message::decode_unverified(bytes) else { continue };
            self.take(message, now);
        }
    }

    fn take(&mut self, message: Message, now: Now) {
        match &message.kind {
            MessageKind::InputStreamData => {
                self.paused = false;
                if message.created_ms != 0 {
                    self.take_data(message, now);
                }
            }
            MessageKind::Acknowledge => {
                self.paused = false;
                if let Some(number) = payload::acknowledged(&message.payload) {
                    self.outbox.acknowledged(number, now.instant);
                    self.step(now);
                }
            }
            MessageKind::PausePublication => self.paused = true,
            MessageKind::StartPublication => self.paused = false,
            MessageKind::ChannelClosed => {
                self.close_streams();
                self.over(String::new());
            }
            MessageKind::OutputStreamData
            | MessageKind::AgentSessionState
            | MessageKind::Unknown(_) => {}
        }
    }

    fn take_data(&mut self, message: Message, now: Now) {
        let (seq, id) = (message.seq, message.id);
        if seq < self.expected {
            self.acknowledge(seq, id, false, now);
        } else if seq > self.expected {
            let known = self.early.contains_key(&seq);
            if known || self.early.len() < MOST_EARLY {
                self.early.insert(seq, message);
                self.acknowledge(seq, id, false, now);
            }
        } else {
            match self.process(&message, now) {
                Processed::Taken => self.acknowledge(seq, id, true, now),
                Processed::NotReady => {}
                Processed::Rest(rest) => {
                    self.reader = Reader::Writing { rest, then: Then::Acknowledge(id) };
                }
            }
        }
    }

    pub(super) fn on_acknowledgement_written(&mut self, number: i64, done: bool, now: Now) {
        let Reader::Acknowledging { seq, advance } = self.reader else { return };
        if seq != number {
            return;
        }
        self.reader = Reader::Idle;
        // A websocket that breaks here leaves the number expected that was taken: the client's next sending of it is
        // taken a second time.
        if advance && done {
            self.expected += 1;
            self.read_early(now);
        }
    }

    /// What came before its turn and has it now: acknowledged already.
    pub(super) fn read_early(&mut self, now: Now) {
        while let Reader::Idle = self.reader
            && let Some(message) = self.early.remove(&self.expected)
        {
            match self.process(&message, now) {
                Processed::Taken => self.expected += 1,
                Processed::NotReady => {
                    self.early.insert(self.expected, message);
                    return;
                }
                Processed::Rest(rest) => {
                    self.reader = Reader::Writing { rest, then: Then::Advance };
                }
            }
        }
    }

    fn process(&mut self, message: &Message, now: Now) -> Processed {
        match (&mut self.phase, message.payload_type) {
            (Phase::Shaking { since }, types::HANDSHAKE_RESPONSE) => {
                let since = *since;
                self.on_response(&message.payload, since, now);
                Processed::Taken
            }
            (
                Phase::Connecting
                | Phase::Shaking { .. }
                | Phase::Completing { .. }
                | Phase::Deaf { .. },
                _,
            ) => Processed::Taken, // start race (a): acknowledged and thrown away
            (Phase::Serving { mux, .. }, types::OUTPUT) => {
                let written = mux.write(message.payload.clone());
                self.after_mux(now);
                match written {
                    Ok(rest) if rest.is_empty() => Processed::Taken,
                    Ok(rest) => Processed::Rest(rest),
                    Err(_) => {
                        self.end(INVALID_PROTOCOL.to_owned(), now);
                        Processed::Taken
                    }
                }
            }
            (Phase::Serving { .. }, types::FLAG) => {
                if message.payload[..] == [0, 0, 0, 2] {
                    self.end(String::new(), now);
                }
                Processed::Taken
            }
            (Phase::Serving { .. }, _) => Processed::Taken,
            (Phase::Preparing { .. } | Phase::Ending { .. } | Phase::Over, _) => {
                Processed::NotReady // start race (b)
            }
        }
    }

    /// The reader's write into the mux, once more.
    pub(super) fn write(&mut self, rest: Bytes, then: Then, now: Now) {
        let Phase::Serving { mux, .. } = &mut self.phase else { return };
        match mux.write(rest) {
            Ok(rest) if rest.is_empty() => {
                match then {
                    Then::Acknowledge(id) => self.acknowledge(self.expected, id, true, now),
                    Then::Advance => {
                        self.expected += 1;
                        self.read_early(now);
                    }
                }
                self.after_mux(now);
            }
            Ok(rest) => {
                self.reader = Reader::Writing { rest, then };
            }
            Err(_) => self.end(INVALID_PROTOCOL.to_owned(), now),
        }
    }

    fn on_response(&mut self, payload: &[u8], since: Instant, now: Now) {
        // What cannot be read is no answer: the limit ends the session.
        let Some(response) = Response::read(payload) else { return };
        if let Some(why) = response.refusal() {
            return self.end(why, now);
        }
        if !payload::at_least(&response.client_version, LEAST_FOR_MUX) {
            return self.end(NO_BASIC_MODE.to_owned(), now);
        }
        let keep_alive = !payload::at_least(&response.client_version, LEAST_WITHOUT_KEEP_ALIVE);
        let took = now.instant.saturating_duration_since(since);
        let complete = payload::handshake_complete(took);
        let number = self.next_number + i64::try_from(self.controls.len()).unwrap_or(0);
        self.controls.push_back((types::HANDSHAKE_COMPLETE, complete));
        self.phase = Phase::Completing { number, keep_alive };
    }

    fn acknowledge(&mut self, seq: i64, id: MessageId, advance: bool, now: Now) {
        let message = Message {
            kind: MessageKind::Acknowledge,
            created_ms: now.unix_ms,
            seq: 0,
            flags: 3,
            id: MessageId(self.dice.uuid()),
            payload_type: 0,
            payload: payload::acknowledgement(id, seq),
        };
        self.reader = Reader::Acknowledging { seq, advance };
        self.outputs.push_back(Output::Send(message.encode(), Ticket::Acknowledgement(seq)));
    }
}

/// How many early messages are kept (the agent's IncomingMessageBufferCapacity).
const MOST_EARLY: usize = 100_000;
/// From this client version on a port session is a mux session (port.go).
const LEAST_FOR_MUX: [u64; 4] = [1, 1, 70, 0];
/// From the version after 1.2.331.0 on clients do not want smux's keep-alive (port_mux.go).
const LEAST_WITHOUT_KEEP_ALIVE: [u64; 4] = [1, 2, 331, 1];
/// Not the agent's: it would carry on in basic mode, which no client of ours speaks.
const NO_BASIC_MODE: &str =
    "the client's version asks for the basic mode, which this agent does not have";
