//! The channel and a small honest agent on a wire that loses, doubles, delays and breaks: whatever
//! happens, every byte arrives once, in order, and nothing stands still.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod dice;
mod peer;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dice::Dice;
use peer::Peer;
use ssm_proto::{Channel, Config, Event, Now, StreamEnd, StreamId};

/// How many random lives are lived: `cargo xtask test --long` lives them all.
fn lives() -> u64 {
    if std::env::var_os("BASTION_TEST_LONG").is_some() { 10_000 } else { 150 }
}

#[test]
fn every_byte_of_every_stream_comes_back_whatever_the_wire_does() {
    let mut lost = 0;
    for seed in 0..lives() {
        let mut life = Life::random(seed);
        life.live();
        lost += life.lost;
    }
    assert!(lost > 10_000, "only {lost} messages were lost: the wire is too good");
}

#[test]
fn a_clean_wire_repeats_nothing() {
    for seed in 0..20 {
        let mut life = Life::random(seed);
        (life.loss, life.doubling, life.cut_every, life.jitter) = (0, 0, u64::MAX, 0);
        (life.delay, life.peer.ready_at) = (life.delay.min(80), 0);
        life.live();
        assert_eq!(life.channel.counters().resent, 0, "seed {seed}");
        assert_eq!(life.channel.counters().repeated, 0, "seed {seed}");
    }
}

/// One session from its beginning to its end.
struct Life {
    seed: u64,
    dice: Dice,
    channel: Channel,
    peer: Peer,
    start: Instant,
    /// Milliseconds since `start`.
    time: u64,
    /// Messages on their way, by time of arrival; `true` goes to the agent.
    wire: BTreeMap<(u64, u64), (bool, Bytes)>,
    sent: u64,
    lost: u64,
    /// In thousandths.
    loss: u64,
    doubling: u64,
    delay: u64,
    jitter: u64,
    cut_every: u64,
    down_until: Option<u64>,
    open: bool,
    visits: Vec<Visit>,
    terminated: bool,
    window: usize,
}

/// One stream's user.
struct Visit {
    id: Option<StreamId>,
    text: Vec<u8>,
    written: usize,
    echoed: Vec<u8>,
    finished: bool,
    ended: Option<StreamEnd>,
}

impl Life {
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    fn random(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let config = Config {
            payload_size: [64, 1024, 1024, 8000][dice.below(4)],
            window_frames: [4, 64, 1024][dice.below(3)],
            unread_in_all: [4_000, 1 << 24][dice.below(2)],
            early_frames: [8, 8192][dice.below(2)],
            stream_send_bytes: [100, 65_536][dice.below(2)],
            ..Config::default()
        };
        let visits = (0..1 + dice.below(6)).map(|_| Visit::random(&mut dice)).collect();
        let mut peer = Peer::new(["3.3.0.0", "3.1.1000.0"][dice.below(2)]);
        peer.ready_at = dice.below(600) as u64;
        Self {
            seed,
            window: config.window_frames,
            channel: Channel::new(config, seed),
            peer,
            start: Instant::now(),
            time: 0,
            wire: BTreeMap::new(),
            sent: 0,
            lost: 0,
            loss: [0, 10, 50, 200][dice.below(4)],
            doubling: [0, 20][dice.below(2)],
            delay: dice.below(120) as u64,
            jitter: 1 + dice.below(30) as u64,
            cut_every: [u64::MAX, 1500, 700][dice.below(3)],
            down_until: None,
            open: false,
            visits,
            terminated: false,
            dice,
        }
    }

    fn live(&mut self) {
        while !self.terminated {
            self.step();
            assert!(self.time < LONGEST, "seed {}: it stands still", self.seed);
        }
        for visit in &self.visits {
            assert!(visit.echoed == visit.text, "seed {}: wrong bytes", self.seed);
            assert_eq!(visit.ended, Some(StreamEnd::Finished), "seed {}", self.seed);
        }
        assert_eq!(self.channel.streams(), 0, "seed {}", self.seed);
        assert_eq!(self.peer.streams(), 0, "seed {}", self.seed);
        assert!(self.peer.terminated, "seed {}", self.seed);
    }

    /// One millisecond.
    fn step(&mut self) {
        self.time += 1;
        self.cut_or_mend();
        let now = self.now();
        while let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.time
        {
            match entry.remove() {
                (true, bytes) => self.peer.handle(bytes, self.time),
                (false, bytes) => self.channel.handle(bytes, now),
            }
        }
        if self.channel.timeout().is_some_and(|(at, _)| at <= now.instant) {
            self.channel.handle_timeout(now);
        }
        self.hear();
        self.visit();
        while let Some(bytes) = self.channel.poll_send(now) {
            self.post(true, bytes);
        }
        for bytes in self.peer.tick(self.time) {
            self.post(false, bytes);
        }
        self.check(now);
    }

    /// What must hold at any time.
    fn check(&self, now: Now) {
        let seed = self.seed;
        let timer = self.channel.timeout();
        assert!(timer.is_none_or(|(at, _)| at > now.instant), "seed {seed}: {timer:?} has passed");
        let notes = 2; // the response and the flag do not wait for the window
        let spare = self.window / 8; // for those that have little on their way
        assert!(self.channel.unacknowledged() <= self.window + spare + notes, "seed {seed}");
        let waiting = self.channel.unacknowledged() > 0 && self.down_until.is_none();
        assert!(!waiting || timer.is_some(), "seed {seed}: nobody looks after what was sent");
    }

    fn cut_or_mend(&mut self) {
        let now = self.now();
        match self.down_until {
            None if self.time.is_multiple_of(self.cut_every) => {
                self.lost += self.wire.len() as u64;
                self.wire.clear();
                self.channel.socket_lost(now);
                self.down_until = Some(self.time + 1 + self.dice.below(300) as u64);
            }
            Some(until) if until <= self.time => {
                self.down_until = None;
                self.channel.socket_ready(now);
            }
            None | Some(_) => {}
        }
    }

    fn post(&mut self, to_agent: bool, bytes: Bytes) {
        let copies = 1 + usize::from(self.dice.below(1000) < self.doubling as usize);
        for _ in 0..copies {
            if self.down_until.is_some() || self.dice.below(1000) < self.loss as usize {
                self.lost += 1;
                continue;
            }
            self.sent += 1;
            let wait = 1 + self.delay + self.dice.below(1 + self.jitter as usize) as u64;
            self.wire.insert((self.time + wait, self.sent), (to_agent, bytes.clone()));
        }
    }

    fn hear(&mut self) {
        while let Some(event) = self.channel.poll() {
            match event {
                Event::Opened { .. } => self.open = true,
                Event::Readable(_)
                | Event::Writable(_)
                | Event::PayloadSize(_)
                | Event::ProbeFailed(_) => {}
                Event::StreamEnded(id, end) => {
                    let visit = self.visits.iter_mut().find(|visit| visit.id == Some(id));
                    assert_eq!(visit.unwrap().ended.replace(end), None);
                }
                Event::Terminated => self.terminated = true,
                Event::Closed(closed) => panic!("seed {}: {closed:?}", self.seed),
            }
        }
    }

    /// Every user does a little.
    fn visit(&mut self) {
        for visit in self.visits.iter_mut().filter(|_| self.open) {
            let Some(id) = visit.id else {
                if self.dice.below(50) == 0 {
                    visit.id = Some(self.channel.open_stream().unwrap());
                }
                continue;
            };
            if visit.written < visit.text.len() {
                let most = 1 + self.dice.below(3000);
                let end = visit.text.len().min(visit.written + most);
                visit.written += self.channel.write(id, &visit.text[visit.written..end]).unwrap();
            }
            if self.dice.below(4) == 0
                && let Ok(Some(data)) = self.channel.read(id, 1 + self.dice.below(5000))
            {
                visit.echoed.extend_from_slice(&data);
            }
            if visit.echoed.len() == visit.text.len() && !visit.finished {
                visit.finished = true;
                self.channel.finish(id);
            }
        }
        let done = |visit: &Visit| visit.ended.is_some() && visit.echoed.len() == visit.text.len();
        if self.open && self.visits.iter().all(done) {
            self.open = false;
            self.channel.terminate();
        }
    }

    fn now(&self) -> Now {
        Now { instant: self.start + Duration::from_millis(self.time), unix_ms: 1 + self.time }
    }
}

impl Visit {
    fn random(dice: &mut Dice) -> Self {
        let length = [0, 1, 500, 5_000, 40_000][dice.below(5)];
        let text: VecDeque<u8> = (0..length).map(|_| dice.below(256) as u8).collect();
        Self {
            id: None,
            text: text.into(),
            written: 0,
            echoed: Vec::new(),
            finished: false,
            ended: None,
        }
    }
}

/// Half an hour: the agent repairs ten messages a second, and some lives lose thousands.
const LONGEST: u64 = 1_800_000;
