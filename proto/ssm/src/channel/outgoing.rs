//! What is sent: again, for the first time, and to find out what can be.

use bytes::Bytes;

use super::canary::Head;
use super::{Channel, KEEPALIVE, Note, State};
use crate::event::Now;
use crate::message::{HEADER, Message, MessageKind};
use crate::mux::{Packed, frame};
use crate::payload::{self, Flag};
use crate::window::Room;

impl Channel {
    /// The next message that is sent again. While a canary is out, it alone.
    pub(super) fn resend(&mut self, now: Now) -> Option<Bytes> {
        let number = match self.canary.out() {
            Some(canary) => canary,
            None => self.outbox.next_due()?,
        };
        if !self.outbox.is_due(number) {
            return None;
        }
        if self.probe.replace(number) {
            let small = self.write_nops(number, frame::HEADER, now)?;
            self.outbox.replace(number, small, frame::HEADER);
        }
        self.counters.resent += 1;
        self.outbox.resend(number, now.instant)
    }

    /// A small message that asks whether the road lives, where that is in doubt.
    pub(super) fn send_canary(&mut self, now: Now) -> Option<Bytes> {
        let lives = matches!(self.state, State::Open | State::Ending { .. });
        if !lives || !self.canary.is_wanted(self.large_head()) {
            return None;
        }
        let number = self.outbox.next_number();
        let message = self.write_nops(number, frame::HEADER, now)?;
        self.canary.sent(number);
        self.keep(message, 0, now)
    }

    /// The oldest message that is not acknowledged, where it carries data in a size that not every
    /// road takes.
    pub(super) fn large_head(&self) -> Option<Head> {
        let (number, payload, times) = self.outbox.head()?;
        self.probe.is_large(payload).then_some(Head { number, payload, times })
    }

    pub(super) fn send_note(&mut self, note: Note, now: Now) -> Option<Bytes> {
        let number = self.outbox.next_number();
        let (payload_type, payload) = match note {
            Note::Response(response) => (payload::HANDSHAKE_RESPONSE, response),
            Note::Terminate => {
                if let State::Ending { flag_sent } = &mut self.state {
                    *flag_sent = true;
                }
                (payload::FLAG, Bytes::copy_from_slice(&Flag::TerminateSession.encode()))
            }
        };
        let kind = MessageKind::InputStreamData;
        let message = self.pen.write(&kind, number, payload_type, now, payload.len(), |out| {
            out.extend_from_slice(&payload)
        })?;
        self.keep(message, 0, now)
    }

    pub(super) fn send_data(&mut self, now: Now) -> Option<Bytes> {
        let State::Open = self.state else { return None };
        let most = self.config.stream_unacknowledged_bytes;
        let bound = match self.window.room(&self.outbox) {
            Room::All => most,
            Room::Little => most.min(LITTLE),
            Room::None => return None,
        };
        if self.much_waits
            && bound == most
            && self.window.is_won()
            && let Some(size) = self.probe.wanted()
        {
            return self.send_probe(size, now);
        }
        if !self.mux.has_output(bound) {
            return None;
        }
        let number = self.outbox.next_number();
        let room = self.probe.room();
        let kind = MessageKind::InputStreamData;
        let mut packed = Packed::default();
        let message = self.pen.write(&kind, number, payload::OUTPUT, now, room, |out| {
            packed = self.mux.pack(out, room, bound, &mut self.events);
        })?;
        self.much_waits = packed.more;
        self.window.data_sent(number);
        if self.keepalive.is_some() {
            self.keepalive = Some(now.instant + KEEPALIVE);
        }
        self.keep(message, packed.stream, now)
    }

    /// Keeps a numbered message, which is sent now, until it is acknowledged.
    fn keep(&mut self, message: Bytes, stream: u32, now: Now) -> Option<Bytes> {
        self.outbox.sent(message.clone(), message.len() - HEADER, stream, now.instant);
        Some(message)
    }

    /// Tries a larger size, with nothing in it.
    fn send_probe(&mut self, size: usize, now: Now) -> Option<Bytes> {
        let number = self.outbox.next_number();
        let message = self.write_nops(number, size, now)?;
        let id = Message::decode_unverified(message.clone()).ok()?.id;
        self.probe.sent(number, id, message.len() - HEADER);
        self.keep(message, 0, now)
    }

    /// Writes a numbered message of as many smux frames that do nothing as there is room for.
    fn write_nops(&mut self, number: i64, room: usize, now: Now) -> Option<Bytes> {
        let kind = MessageKind::InputStreamData;
        self.pen.write(&kind, number, payload::OUTPUT, now, room, |out| {
            for _ in 0..room / frame::HEADER {
                frame::put_header(out, frame::Command::Nop, 0, 0);
            }
        })
    }
}

/// A stream that has less on its way has little.
const LITTLE: usize = 16 << 10;
