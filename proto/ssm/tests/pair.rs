//! The channel and the simulator's agent machine face to face on a lossy wire, with a clock turned by
//! hand. The agent is written after the real one: it repeats its oldest message only, is deaf at
//! first, and forgets an acknowledgement that comes before it has stored the message.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bastion_sim::agent::{self, AgentSettings, Input, Machine, Output, Wanted};
use bytes::Bytes;
use ssm_proto::{
    Channel, Closed, Config, Event, Message, MessageId, MessageKind, Now, StreamEnd, StreamId,
};

/// How many random lives are lived: `cargo xtask test --long` lives them all.
fn lives() -> u64 {
    if std::env::var_os("BASTION_TEST_LONG").is_some() { 10_000 } else { 400 }
}

#[test]
fn every_byte_goes_to_the_destination_and_back_whatever_the_wire_does() {
    let (mut lost, mut repeated) = (0, 0);
    for seed in 0..lives() {
        let mut pair = Pair::random(seed);
        pair.live();
        lost += pair.lost;
        repeated += pair.channel.counters().repeated;
    }
    assert!(lost > 1_000, "only {lost} messages were lost: the wire is too good");
    assert!(repeated > 100, "only {repeated} came again: the agent is too good");
}

#[test]
fn a_download_of_which_messages_and_acknowledgements_get_lost_does_not_stall() {
    let mut pair = Pair::new(1, Dice(1), AgentSettings::default());
    pair.visits = vec![Visit::new(vec![7; 1_000_000])];
    (pair.loss_to_agent, pair.loss_to_client) = (10, 10); // as Amazon's client was tried
    pair.live();
    assert!(pair.channel.counters().repeated > 0);
}

#[test]
fn what_comes_before_the_agent_listens_is_sent_again() {
    let settings = AgentSettings { preparing: Duration::from_millis(50), ..Default::default() };
    let mut pair = Pair::new(1, Dice(1), settings);
    pair.visits = vec![Visit::new(b"select 1".to_vec())];
    pair.live();
    assert!(pair.channel.counters().resent > 0);
    assert!(pair.time < 1_000_000, "it took {} ms", pair.time / 1000);
}

#[test]
fn the_stream_whose_dial_failed_is_told_from_the_others() {
    let mut pair = Pair::new(1, Dice(1), AgentSettings::default());
    pair.visits = (0..5).map(|_| Visit::new(vec![1; 3000])).collect();
    pair.refused = Some(7);
    while !pair.visits.iter().all(|visit| visit.ended.is_some()) {
        pair.step();
        assert!(pair.time < LONGEST, "it stands still");
    }
    let ends: Vec<StreamEnd> = pair.visits.iter().filter_map(|visit| visit.ended).collect();
    use StreamEnd::{DialFailed, Finished};
    assert_eq!(ends, [Finished, Finished, DialFailed, Finished, Finished]);
}

#[test]
fn an_agent_without_mux_is_refused_and_hears_of_it() {
    let settings = AgentSettings { version: "3.0.196.0".to_owned(), ..Default::default() };
    let mut pair = Pair::new(1, Dice(1), settings);
    while pair.closed.is_none() || !pair.machine.is_over() {
        pair.step();
        assert!(pair.time < 5_000_000, "the agent waits for its limit of 15 s");
    }
    assert!(matches!(pair.closed, Some(Closed::Unsupported(_))), "{:?}", pair.closed);
}

/// A client with its users, an agent with its destination, and the wire between them.
struct Pair {
    seed: u64,
    dice: Dice,
    channel: Channel,
    machine: Machine,
    start: Instant,
    /// Microseconds since `start`.
    time: u64,
    /// Messages on their way, by time of arrival; `true` goes to the agent.
    wire: BTreeMap<(u64, u64), (bool, Bytes)>,
    sent: u64,
    lost: u64,
    /// In thousandths.
    loss_to_agent: u64,
    loss_to_client: u64,
    delay: u64,
    cut_every: u64,
    next_cut: u64,
    down_until: Option<u64>,
    /// What the destination still wants to say.
    echoes: VecDeque<(u32, Bytes)>,
    /// The stream whose dial is refused.
    refused: Option<u32>,
    open: bool,
    visits: Vec<Visit>,
    terminated: bool,
    closed: Option<Closed>,
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

impl Pair {
    fn random(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let settings = AgentSettings {
            version: ["3.3.0.0", "3.1.1000.0"][dice.below(2)].to_owned(),
            late_store: [0.0, 0.05][dice.below(2)],
            preparing: Duration::from_millis(dice.below(300) as u64),
            ..Default::default()
        };
        let mut pair = Self::new(seed, dice, settings);
        let dice = &mut pair.dice;
        pair.loss_to_agent = [0, 20, 80][dice.below(3)];
        pair.loss_to_client = [0, 20, 80][dice.below(3)];
        pair.delay = dice.below(80_000) as u64;
        pair.cut_every = [u64::MAX, 3_000_000][dice.below(2)];
        pair.next_cut = pair.cut_every;
        let lengths = [1, 500, 5_000, 60_000];
        pair.visits = (0..1 + dice.below(5))
            .map(|_| {
                let length = lengths[dice.below(lengths.len())];
                Visit::new((0..length).map(|_| dice.below(256) as u8).collect())
            })
            .collect();
        pair
    }

    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    fn new(seed: u64, dice: Dice, settings: AgentSettings) -> Self {
        let start = Instant::now();
        let wanted = Wanted {
            session: "story".to_owned(),
            host: "db".to_owned(),
            port: "5432".to_owned(),
            local_port: "0".to_owned(),
        };
        let mut machine = Machine::new(settings, wanted, seed, start);
        machine.handle(Input::Connected, agent::Now { instant: start, unix_ms: 1 });
        Self {
            seed,
            dice,
            channel: Channel::new(Config::default(), seed),
            machine,
            start,
            time: 0,
            wire: BTreeMap::new(),
            sent: 0,
            lost: 0,
            loss_to_agent: 0,
            loss_to_client: 0,
            delay: 5_000,
            cut_every: u64::MAX,
            next_cut: u64::MAX,
            down_until: None,
            echoes: VecDeque::new(),
            refused: None,
            open: false,
            visits: Vec::new(),
            terminated: false,
            closed: None,
        }
    }

    fn live(&mut self) {
        while !(self.terminated && self.machine.is_over()) {
            self.step();
            assert!(self.time < LONGEST, "seed {}: it stands still", self.seed);
        }
        for visit in &self.visits {
            assert!(visit.echoed == visit.text, "seed {}: wrong bytes", self.seed);
            assert_eq!(visit.ended, Some(StreamEnd::Finished), "seed {}", self.seed);
        }
    }

    /// Half a millisecond.
    fn step(&mut self) {
        self.time += 500;
        self.cut_or_mend();
        let now = self.now();
        while let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.time
        {
            match entry.remove() {
                (true, bytes) => self.tell_agent(Input::Message(bytes)),
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
        while self.machine.has_room()
            && let Some((id, data)) = self.echoes.pop_front()
        {
            self.tell_agent(Input::FromDestination(id, data));
        }
        if self.machine.timeout().is_some_and(|(at, _)| at <= now.instant) {
            self.tell_agent(Input::Timer);
        }
        self.obey_agent();
    }

    fn cut_or_mend(&mut self) {
        let now = self.now();
        match self.down_until {
            None if self.time >= self.next_cut => {
                self.lost += self.wire.len() as u64;
                self.wire.clear();
                self.channel.socket_lost(now);
                self.tell_agent(Input::Message(bare(MessageKind::PausePublication)));
                self.down_until = Some(self.time + 1 + self.dice.below(300_000) as u64);
                self.next_cut = self.time + self.cut_every;
            }
            Some(until) if until <= self.time => {
                self.down_until = None;
                self.channel.socket_ready(now);
                self.tell_agent(Input::Message(bare(MessageKind::StartPublication)));
            }
            None | Some(_) => {}
        }
    }

    fn post(&mut self, to_agent: bool, bytes: Bytes) {
        let loss = if to_agent { self.loss_to_agent } else { self.loss_to_client };
        if self.down_until.is_some() || (self.dice.below(1000) as u64) < loss {
            self.lost += 1;
            return;
        }
        self.sent += 1;
        self.wire.insert((self.time + 1 + self.delay, self.sent), (to_agent, bytes));
    }

    fn tell_agent(&mut self, input: Input) {
        self.machine.handle(input, self.agent_now());
    }

    /// Does what the agent wants done.
    fn obey_agent(&mut self) {
        while let Some(output) = self.machine.poll(self.agent_now()) {
            match output {
                Output::Send(bytes, ticket) => {
                    self.post(false, bytes);
                    self.tell_agent(Input::Written(ticket));
                }
                Output::Resolve => self.tell_agent(Input::Resolved(Ok(()))),
                Output::Dial(id) => self.tell_agent(Input::Dialled(id, self.refused != Some(id))),
                Output::ToDestination(id, data) => {
                    self.tell_agent(Input::Taken(id, data.len()));
                    self.echoes.push_back((id, data));
                }
                Output::Close(id) => self.echoes.retain(|(other, _)| *other != id),
                Output::Done(_) => {}
            }
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
                Event::Closed(closed) => self.closed = Some(closed),
            }
        }
    }

    /// Every user does what can be done.
    fn visit(&mut self) {
        for visit in self.visits.iter_mut().filter(|visit| self.open && visit.ended.is_none()) {
            let id = *visit.id.get_or_insert_with(|| self.channel.open_stream().unwrap());
            let rest = &visit.text[visit.written..];
            if !rest.is_empty() {
                visit.written += self.channel.write(id, rest).unwrap_or(0);
            }
            while let Ok(Some(data)) = self.channel.read(id, usize::MAX) {
                visit.echoed.extend_from_slice(&data);
            }
            if visit.echoed.len() == visit.text.len() && !visit.finished {
                visit.finished = true;
                self.channel.finish(id);
            }
        }
        if self.open && self.visits.iter().all(|visit| visit.ended.is_some()) {
            self.open = false;
            self.channel.terminate();
        }
    }

    fn now(&self) -> Now {
        let instant = self.start + Duration::from_micros(self.time);
        Now { instant, unix_ms: 1 + self.time / 1000 }
    }

    fn agent_now(&self) -> agent::Now {
        let Now { instant, unix_ms } = self.now();
        agent::Now { instant, unix_ms }
    }
}

impl Visit {
    fn new(text: Vec<u8>) -> Self {
        let echoed = Vec::new();
        Self { id: None, text, written: 0, echoed, finished: false, ended: None }
    }
}

/// A message of the service.
fn bare(kind: MessageKind) -> Bytes {
    let (id, payload) = (MessageId([9; 16]), Bytes::new());
    Message { kind, created_ms: 1, seq: 0, flags: 0, id, payload_type: 0, payload }.encode()
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Ten minutes, in microseconds: the agent repairs ten messages a second.
const LONGEST: u64 = 600_000_000;
