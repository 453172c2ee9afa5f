//! The sender: numbers for what the agent says, a rest after each message, and the oldest once more at a tick.

use std::time::Duration;

use bytes::Bytes;
use ssm_proto::message::{Message, MessageId, MessageKind};
use ssm_proto::payload as types;

use super::{Machine, Mux, Now, Output, Phase, TICK, Ticket};

impl Machine {
    /// The sender: the handshake and flags at once, data one message at a time with a pause after each.
    pub(super) fn send_data(&mut self, now: Now) -> Option<Output> {
        if self.writing.is_some() {
            return None;
        }
        if let Some((payload_type, payload)) = self.controls.pop_front() {
            return Some(self.number(payload_type, payload, now));
        }
        // It neither reads its smux while it is told to pause nor while it rests.
        let Phase::Serving { mux, .. } = &mut self.phase else { return None };
        if self.paused || now.instant < self.rests_until {
            return None;
        }
        let payload = mux.read(self.settings.message_bytes)?;
        // Counted from when the last rest was over: a timer that came late does not slow the agent down twice.
        let late = now.instant.saturating_duration_since(self.rests_until);
        let from = if late > TIMER_SLACK { now.instant } else { self.rests_until };
        self.rests_until = from + self.settings.pause;
        Some(self.number(types::OUTPUT, payload, now))
    }

    pub(super) fn number(&mut self, payload_type: u32, payload: Bytes, now: Now) -> Output {
        let seq = self.next_number;
        self.next_number += 1;
        let message = Message {
            kind: MessageKind::OutputStreamData,
            created_ms: now.unix_ms,
            seq,
            flags: u64::from(seq == 0), // SYN on the first one
            id: MessageId(self.dice.uuid()),
            payload_type,
            payload,
        };
        let bytes = message.encode();
        self.writing = Some((seq, bytes.clone()));
        Output::Send(bytes, Ticket::Data(seq))
    }

    /// Stored after it was written, and whether or not that went well.
    pub(super) fn on_data_written(&mut self, number: i64, now: Now) {
        let Some((_, bytes)) = self.writing.take_if(|(writing, _)| *writing == number) else {
            return;
        };
        if self.dice.throw(self.settings.late_store) {
            self.late.push_back((now.instant + LATE, number, bytes));
        } else {
            self.store(number, bytes, now);
        }
        if let Phase::Completing { number: complete, keep_alive } = self.phase
            && complete == number
        {
            self.phase = Phase::Deaf { until: now.instant + self.settings.deaf, keep_alive };
        }
    }

    pub(super) fn store(&mut self, number: i64, bytes: Bytes, now: Now) {
        if self.outbox.is_empty() {
            // The tick goes on while there is nothing to send again; only nobody was woken for it.
            while self.next_tick <= now.instant {
                self.next_tick += TICK;
            }
        }
        self.outbox.keep(number, bytes, now.instant);
    }

    pub(super) fn on_tick(&mut self, now: Now) {
        if self.paused || matches!(self.phase, Phase::Over) {
            return;
        }
        if let Some((number, bytes)) = self.outbox.due(now.instant) {
            self.outputs.push_back(Output::Send(bytes, Ticket::Again(number)));
        }
    }

    pub(super) fn send_other(&mut self, kind: MessageKind, payload: Bytes, now: Now) {
        let message = Message {
            kind,
            created_ms: now.unix_ms,
            seq: 0,
            flags: 3,
            id: MessageId(self.dice.uuid()),
            payload_type: 0,
            payload,
        };
        self.outputs.push_back(Output::Send(message.encode(), Ticket::Other));
    }

    pub(super) fn has_output(&self) -> bool {
        self.mux().is_some_and(Mux::has_output) || !self.controls.is_empty()
    }
}

/// How late a message is stored that is stored late: longer than a local acknowledgement takes.
const LATE: Duration = Duration::from_millis(20);
/// How late a timer may be; tokio's wheel turns once a millisecond.
const TIMER_SLACK: Duration = Duration::from_millis(3);
