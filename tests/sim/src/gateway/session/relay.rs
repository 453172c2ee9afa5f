//! What passes through a session: each turn reads and writes all that can be, then flushes once: no system call for each
//! frame.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio_tungstenite::tungstenite::Message;

use super::super::peer::{Gone, Write};
use super::super::record::{Direction, Facts, FrameKind, FrameRecord, peek};
use super::super::settings::PayloadLimitKind;
use super::super::wire::{Fate, Wire};
use super::super::words::output_of;
use super::{Happened, Session};

impl Session {
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        loop {
            if let Poll::Ready(Some(command)) = self.commands.poll_recv(cx) {
                return Poll::Ready(Happened::Told(command));
            }
            let now = Instant::now();
            if self.stalled {
                return self.poll_clock(cx, self.last(), now);
            }
            let mut moved = false;
            for step in [
                Self::poll_client_in,
                Self::poll_agent_in,
                Self::poll_agent_out,
                Self::poll_client_out,
            ] {
                match step(self, cx, now) {
                    Ok(progress) => moved |= progress,
                    Err(happened) => return Poll::Ready(happened),
                }
            }
            if !moved {
                return self.poll_rest(cx, now);
            }
        }
    }

    /// Nothing more can be read or written: flush, and wait.
    fn poll_rest(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Happened> {
        if let Some(agent) = &mut self.agent
            && let Poll::Ready(Err(Gone)) = agent.poll_flush(cx)
        {
            return Poll::Ready(Happened::AgentGone);
        }
        if let Some(client) = self.client.as_mut().filter(|client| !client.black_hole)
            && let Poll::Ready(Err(Gone)) = client.poll_flush(cx)
        {
            return Poll::Ready(Happened::ClientGone);
        }
        if self.ending.is_some() && self.down.is_empty() {
            let flushed = self.client.as_ref().is_none_or(|client| !client.unflushed);
            if flushed {
                return Poll::Ready(Happened::AllSaid);
            }
        }
        self.poll_clock(cx, self.wake(now), now)
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>, wake: Instant, now: Instant) -> Poll<Happened> {
        if wake <= now {
            return Poll::Ready(Happened::Alarm);
        }
        self.alarm.as_mut().reset(wake.into());
        ready!(self.alarm.as_mut().poll(cx));
        Poll::Ready(Happened::Alarm)
    }

    /// When the session ends, or its end does.
    fn last(&self) -> Instant {
        self.ending.unwrap_or(self.active + self.now_set.session_idle)
    }

    /// When something is due without anybody's doing.
    fn wake(&self, now: Instant) -> Instant {
        let bye = self.now_set.bye_every.zip(self.client.as_ref());
        let bye = bye.map(|(every, client)| client.since + every);
        // A frame that is due already could not be written: it waits for its socket, not for the clock.
        let due = |wire: &Wire| wire.timeout().filter(|due| *due > now);
        [bye, due(&self.up), due(&self.down)].into_iter().flatten().fold(self.last(), Instant::min)
    }

    fn poll_client_in(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Happened> {
        let mut moved = false;
        while self.up.has_room() && self.ending.is_none() {
            let Some(client) = self.client.as_mut().filter(|client| !client.black_hole) else {
                break;
            };
            match client.ws.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(Message::Binary(frame)))) => {
                    moved = true;
                    self.take_from_client(frame, now)?;
                }
                Poll::Ready(Some(Ok(Message::Ping(_)))) => {
                    client.unflushed = true; // the pong waits for a flush
                    moved = true;
                }
                Poll::Ready(Some(Ok(Message::Close(_)) | Err(_)) | None) => {
                    return Err(Happened::ClientGone);
                }
                Poll::Ready(Some(Ok(Message::Text(_) | Message::Pong(_) | Message::Frame(_)))) => {}
                Poll::Pending => break,
            }
        }
        Ok(moved)
    }

    fn take_from_client(&mut self, frame: Bytes, now: Instant) -> Result<(), Happened> {
        let (kind, seq, payload_type) = peek(&frame);
        self.note(Direction::Up, &frame, kind, seq, payload_type, now);
        if let Some(limit) = self.now_set.payload_limit
            && frame.len() > limit.bytes
        {
            self.facts.count(Direction::Up, |counters, _| counters.too_large += 1);
            return match limit.kind {
                PayloadLimitKind::Close => Err(Happened::TooLarge),
                PayloadLimitKind::Drop => Ok(()),
            };
        }
        let lost = self.is_to_be_lost(Direction::Up, kind);
        if lost || self.up.push(frame, &self.now_set.up, now) == Fate::Lost {
            self.facts.count(Direction::Up, |counters, _| counters.lost += 1);
        }
        self.count_to_the_cut()
    }

    /// Whether this frame is one of those that are to vanish.
    fn is_to_be_lost(&mut self, direction: Direction, kind: FrameKind) -> bool {
        let fits = |loss: &&mut (Direction, FrameKind, u32)| loss.0 == direction && loss.1 == kind;
        let Some(loss) = self.losses.iter_mut().find(fits) else { return false };
        loss.2 = loss.2.saturating_sub(1);
        self.losses.retain(|(_, _, left)| *left > 0);
        true
    }

    /// One more frame has passed: the client may be to be cut behind it.
    fn count_to_the_cut(&mut self) -> Result<(), Happened> {
        self.passed += 1;
        match self.cut_at {
            Some(frame) if frame <= self.passed => Err(Happened::CutHere),
            Some(_) | None => Ok(()),
        }
    }

    fn poll_agent_in(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Happened> {
        let mut moved = false;
        while self.down.has_room() {
            let Some(agent) = &mut self.agent else { break };
            match agent.ws.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(Message::Binary(frame)))) => {
                    moved = true;
                    self.take_from_agent(frame, now)?;
                }
                Poll::Ready(Some(Ok(Message::Ping(_)))) => {
                    agent.unflushed = true;
                    moved = true;
                }
                Poll::Ready(Some(Ok(Message::Close(_)) | Err(_)) | None) => {
                    return Err(Happened::AgentGone);
                }
                Poll::Ready(Some(Ok(Message::Text(_) | Message::Pong(_) | Message::Frame(_)))) => {}
                Poll::Pending => break,
            }
        }
        Ok(moved)
    }

    fn take_from_agent(&mut self, frame: Bytes, now: Instant) -> Result<(), Happened> {
        let (kind, seq, payload_type) = peek(&frame);
        self.note(Direction::Down, &frame, kind, seq, payload_type, now);
        match kind {
            FrameKind::TaskComplete => return Err(Happened::Complete(output_of(frame))),
            FrameKind::SessionState => return Ok(()), // it is for the service
            FrameKind::Data | FrameKind::Acknowledgement | FrameKind::Other => {}
        }
        if self.is_to_be_lost(Direction::Down, kind)
            || self.ending.is_none() && self.down.push(frame, &self.now_set.down, now) == Fate::Lost
        {
            self.facts.count(Direction::Down, |counters, _| counters.lost += 1);
        }
        Ok(())
    }

    fn poll_agent_out(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Happened> {
        let mut moved = false;
        while self.up.is_due(now) {
            let Some(agent) = &mut self.agent else {
                moved |= drop_due(&mut self.up, now, &self.facts, Direction::Up);
                break;
            };
            match agent.poll_write(cx, || self.up.pop(now)) {
                Write::Done => moved = true,
                Write::Nothing | Write::Full => break,
                Write::Gone => return Err(Happened::AgentGone),
            }
        }
        Ok(moved)
    }

    fn poll_client_out(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Happened> {
        let mut moved = false;
        while self.down.is_due(now) {
            let Some(client) = self.client.as_mut().filter(|client| !client.black_hole) else {
                moved |= drop_due(&mut self.down, now, &self.facts, Direction::Down);
                break;
            };
            match client.poll_write(cx, || self.down.pop(now)) {
                Write::Done => {
                    moved = true;
                    if let Err(cut) = self.count_to_the_cut() {
                        // What was to pass before it shall have passed, as far as the socket takes it.
                        let _is_flushed = self.client.as_mut().map(|client| client.poll_flush(cx));
                        return Err(cut);
                    }
                }
                Write::Nothing | Write::Full => break,
                Write::Gone => return Err(Happened::ClientGone),
            }
        }
        Ok(moved)
    }

    fn note(
        &mut self,
        direction: Direction,
        frame: &Bytes,
        kind: FrameKind,
        seq: i64,
        payload_type: u32,
        now: Instant,
    ) {
        let highest = match direction {
            Direction::Up => &mut self.highest[0],
            Direction::Down => &mut self.highest[1],
        };
        let repeated = kind == FrameKind::Data && seq <= *highest;
        if kind == FrameKind::Data && !repeated {
            // Stream data either way, NOPs among them, keep a session alive; acknowledgements and pings do not.
            *highest = seq;
            self.active = now;
        }
        let at = now.saturating_duration_since(self.facts.began);
        let bytes = frame.len();
        let most = self.now_set.record;
        self.facts.count(direction, |counters, latest| {
            counters.frames += 1;
            counters.bytes += bytes as u64;
            counters.data += u64::from(kind == FrameKind::Data);
            counters.repeated += u64::from(repeated);
            counters.acknowledgements += u64::from(kind == FrameKind::Acknowledgement);
            latest.add(FrameRecord { at, direction, kind, seq, payload_type, bytes }, most);
        });
    }
}

/// Drops what is due for somebody who is not there.
fn drop_due(wire: &mut Wire, now: Instant, facts: &Facts, direction: Direction) -> bool {
    let mut dropped = 0;
    while wire.pop(now).is_some() {
        dropped += 1;
    }
    facts.count(direction, |counters, _| counters.absent += dropped);
    dropped > 0
}
