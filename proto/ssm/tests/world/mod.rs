//! The channel with its users, the simulator's agent machine with its destinations, and a wire between
//! them that does whatever wires do, on a clock turned by hand.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bastion_sim::agent::{self, AgentSettings, Input, Machine, Output, Wanted};
use bytes::Bytes;
use ssm_proto::{
    Channel, Closed, Config, Event, Message, MessageId, MessageKind, Now, Stats, StreamEnd,
    StreamId,
};

use crate::dice::Dice;

/// A client, an agent, and what lies between.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) dice: Dice,
    pub(crate) channel: Channel,
    pub(crate) machine: Machine,
    pub(crate) wire: Wire,
    pub(crate) visits: Vec<Visit>,
    start: Instant,
    /// Microseconds since `start`.
    pub(crate) time: u64,
    /// Messages on their way, by time of arrival.
    on_the_way: BTreeMap<(u64, u64), (To, Bytes)>,
    /// How many messages were sent in all.
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) cuts: u64,
    next_cut: u64,
    down_until: Option<u64>,
    /// What the destinations still want to say.
    echoes: VecDeque<(u32, Bytes)>,
    /// What the destinations have not taken yet.
    untaken: VecDeque<(u32, Bytes)>,
    /// The stream whose destination takes so many bytes a millisecond and says nothing.
    pub(crate) slow: Option<(u32, usize)>,
    slowly_taken: usize,
    /// The stream whose dial is refused, and those whose destination does not read.
    pub(crate) refused: Option<u32>,
    pub(crate) stalled: Vec<u32>,
    open: bool,
    pub(crate) terminated: bool,
    pub(crate) closed: Option<Closed>,
    /// The sizes that were proven and that failed, in turn.
    pub(crate) proven: Vec<usize>,
    pub(crate) failed: Vec<usize>,
    /// The most that was unread, and unacknowledged, at any time.
    pub(crate) most: Stats,
    window: usize,
}

/// What the wire does to messages. Shares are in thousandths, times in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) loss: [u64; 2],
    pub(crate) doubling: u64,
    /// Such a message waits up to 30 ms longer than the others.
    pub(crate) reordering: u64,
    pub(crate) delay: u64,
    /// Each message takes up to so much longer, whatever the others do.
    pub(crate) jitter: u64,
    /// The websocket is cut every so often.
    pub(crate) cut_every: u64,
    /// The websocket is cut when this message is sent.
    pub(crate) cut_at: u64,
    /// Exactly this acknowledgement is lost: of which direction, and the how-manieth.
    pub(crate) lost_acknowledgement: Option<(To, u64)>,
    pub(crate) limit: Option<Limit>,
    /// The service does not tell the agent that the client is away.
    pub(crate) never_paused: bool,
    /// Messages larger than 2000 bytes take so much longer, and come twice.
    pub(crate) large_are_late: u64,
}

/// The gateway's limit to a message's payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    pub(crate) kind: LimitKind,
    /// From when on.
    pub(crate) since: u64,
}

/// What the gateway does to a message that is too large.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LimitKind {
    Close,
    Drop,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum To {
    Agent,
    Client,
}

/// One stream's user, whose destination says back all that it hears.
pub(crate) struct Visit {
    pub(crate) id: Option<StreamId>,
    pub(crate) text: Vec<u8>,
    written: usize,
    pub(crate) echoed: Vec<u8>,
    /// Nothing is read before.
    pub(crate) reads_from: u64,
    /// The stream is not opened before.
    pub(crate) opens_at: u64,
    finished: bool,
    pub(crate) ended: Option<StreamEnd>,
    /// When all had come back.
    pub(crate) done_at: Option<u64>,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    pub(crate) fn new(seed: u64, dice: Dice, config: Config, settings: AgentSettings) -> Self {
        let start = Instant::now();
        let wanted = Wanted {
            session: "story".to_owned(),
            host: "db".to_owned(),
            port: "5432".to_owned(),
            local_port: "0".to_owned(),
        };
        let mut machine = Machine::new(settings, wanted, seed, start);
        machine.handle(Input::Connected, agent::Now { instant: start, unix_ms: 1 });
        let window = config.window_bytes;
        let channel = Channel::new(config, seed);
        let most = channel.stats();
        Self {
            seed,
            dice,
            channel,
            machine,
            wire: Wire::default(),
            visits: Vec::new(),
            start,
            time: 0,
            on_the_way: BTreeMap::new(),
            sent: 0,
            lost: 0,
            cuts: 0,
            next_cut: 0,
            down_until: None,
            echoes: VecDeque::new(),
            untaken: VecDeque::new(),
            slow: None,
            slowly_taken: 0,
            refused: None,
            stalled: Vec::new(),
            open: false,
            terminated: false,
            closed: None,
            proven: Vec::new(),
            failed: Vec::new(),
            most,
            window,
        }
    }

    /// Lives to the end, and looks whether all is as it was written.
    pub(crate) fn live(&mut self) {
        while !(self.terminated && self.machine.is_over()) {
            self.step();
            assert!(self.closed.is_none(), "seed {}: {:?}", self.seed, self.closed);
        }
        self.is_exact();
        for visit in &self.visits {
            assert_eq!(visit.ended, Some(StreamEnd::Finished), "seed {}", self.seed);
            assert!(visit.echoed.len() == visit.text.len(), "seed {}: too little", self.seed);
        }
    }

    /// Nothing came back that was not written, whatever happened.
    pub(crate) fn is_exact(&self) {
        for visit in &self.visits {
            assert!(visit.text.starts_with(&visit.echoed), "seed {}: wrong bytes", self.seed);
        }
    }

    /// Half a millisecond, or until something happens.
    pub(crate) fn step(&mut self) {
        self.time = self.next_time();
        assert!(self.time < LONGEST, "seed {}: it stands still", self.seed);
        self.cut_or_mend();
        let now = self.now();
        while let Some(entry) = self.on_the_way.first_entry()
            && entry.key().0 <= self.time
        {
            match entry.remove() {
                (To::Agent, bytes) => self.tell_agent(Input::Message(bytes)),
                (To::Client, bytes) => self.channel.handle(bytes, now),
            }
        }
        if self.channel.timeout().is_some_and(|(at, _)| at <= now.instant) {
            self.channel.handle_timeout(now);
        }
        self.hear();
        self.visit();
        while let Some(bytes) = self.channel.poll_send(now) {
            self.post(To::Agent, bytes);
        }
        self.take();
        while self.machine.has_room()
            && let Some((id, data)) = self.echoes.pop_front()
        {
            self.tell_agent(Input::FromDestination(id, data));
        }
        if self.machine.timeout().is_some_and(|(at, _)| at <= now.instant) {
            self.tell_agent(Input::Timer);
        }
        self.obey_agent();
        self.check(now);
    }

    /// What must hold at any time.
    fn check(&mut self, now: Now) {
        let timer = self.channel.timeout();
        let seed = self.seed;
        assert!(timer.is_none_or(|(at, _)| at > now.instant), "seed {seed}: {timer:?} has passed");
        let stats = self.channel.stats();
        let largest = 32 << 10;
        let most = self.window + self.window / 8 + largest;
        assert!(stats.unacknowledged_bytes <= most, "seed {seed}: {stats:?}");
        self.most.unread = self.most.unread.max(stats.unread);
        self.most.unacknowledged_bytes =
            self.most.unacknowledged_bytes.max(stats.unacknowledged_bytes);
    }

    fn next_time(&self) -> u64 {
        let micros = |at: Instant| {
            u64::try_from(at.saturating_duration_since(self.start).as_micros()).unwrap() + 1
        };
        let idle = self.echoes.is_empty() && self.untaken.is_empty();
        let opens = self.visits.iter().flat_map(|visit| [visit.opens_at, visit.reads_from]);
        let next = [
            self.on_the_way.first_key_value().map(|((at, _), _)| *at),
            self.channel.timeout().map(|(at, _)| micros(at)),
            self.machine.timeout().map(|(at, _)| micros(at)),
            self.down_until,
            (self.wire.cut_every != u64::MAX).then_some(self.next_cut),
            opens.filter(|at| *at > self.time).min(),
            (!idle).then_some(self.time),
        ];
        let next = next.into_iter().flatten().min().unwrap_or(LONGEST);
        next.max(self.time + 500)
    }

    fn cut_or_mend(&mut self) {
        if self.next_cut == 0 {
            self.next_cut = self.wire.cut_every;
        }
        match self.down_until {
            None if self.time >= self.next_cut => {
                self.cut();
                self.next_cut = self.time + self.wire.cut_every;
            }
            Some(until) if until <= self.time => {
                self.down_until = None;
                self.channel.socket_ready(self.now());
                self.tell_agent(Input::Message(bare(MessageKind::StartPublication)));
            }
            None | Some(_) => {}
        }
    }

    /// Cuts the websocket. What is on its way still arrives up to some moment, in each direction.
    fn cut(&mut self) {
        self.cuts += 1;
        let last = self.time + self.dice.below(2 * self.wire.delay as usize + 2) as u64;
        let before = self.on_the_way.len();
        self.on_the_way.retain(|(at, _), _| *at < last);
        self.lost += (before - self.on_the_way.len()) as u64;
        self.channel.socket_lost(self.now());
        if !self.wire.never_paused {
            self.tell_agent(Input::Message(bare(MessageKind::PausePublication)));
        }
        self.down_until = Some(self.time + 1 + self.dice.below(300_000) as u64);
    }

    fn post(&mut self, to: To, bytes: Bytes) {
        self.sent += 1;
        if self.down_until.is_some() || self.is_lost(to, &bytes) {
            self.lost += 1;
            return;
        }
        let payload = bytes.len() - HEADER;
        if let Some(Limit { bytes: limit, kind, since }) = self.wire.limit
            && to == To::Agent
            && self.time >= since
            && payload > limit
        {
            self.lost += 1;
            if let LimitKind::Close = kind {
                self.cut();
            }
            return;
        }
        if self.sent == self.wire.cut_at {
            return self.cut();
        }
        let large = self.wire.large_are_late > 0 && payload > 2000;
        let doubled = large || (self.dice.below(1000) as u64) < self.wire.doubling;
        for copy in 0..1 + u64::from(doubled) {
            let reordered = (self.dice.below(1000) as u64) < self.wire.reordering;
            let late = if reordered { self.dice.below(30_000) as u64 } else { 0 }
                + self.dice.below(self.wire.jitter as usize + 1) as u64
                + if large { self.wire.large_are_late } else { 0 };
            let arrives = self.time + 1 + self.wire.delay + late + copy;
            self.on_the_way.insert((arrives, 2 * self.sent + copy), (to, bytes.clone()));
        }
    }

    fn is_lost(&mut self, to: To, bytes: &Bytes) -> bool {
        if let Some((way, left)) = &mut self.wire.lost_acknowledgement
            && *way == to
            && bytes[4..].starts_with(b"acknowledge ")
        {
            if *left == 0 {
                self.wire.lost_acknowledgement = None;
                return true;
            }
            *left -= 1;
        }
        (self.dice.below(1000) as u64) < self.wire.loss[to as usize]
    }

    fn tell_agent(&mut self, input: Input) {
        self.machine.handle(input, self.agent_now());
    }

    /// Does what the agent wants done.
    fn obey_agent(&mut self) {
        while let Some(output) = self.machine.poll(self.agent_now()) {
            match output {
                Output::Send(bytes, ticket) => {
                    self.post(To::Client, bytes);
                    self.tell_agent(Input::Written(ticket));
                }
                Output::Resolve => self.tell_agent(Input::Resolved(Ok(()))),
                Output::Dial(id) => self.tell_agent(Input::Dialled(id, self.refused != Some(id))),
                Output::ToDestination(id, data) => {
                    self.untaken.push_back((id, data));
                    self.take();
                }
                Output::Close(id) => self.echoes.retain(|(other, _)| *other != id),
                Output::Done(_) => {}
            }
        }
    }

    /// The destinations read what they read.
    fn take(&mut self) {
        let mut left = VecDeque::new();
        while let Some((id, data)) = self.untaken.pop_front() {
            let slow = self.slow.filter(|(slow, _)| *slow == id);
            let pace = slow.map_or(usize::MAX, |(_, pace)| pace);
            let so_far = (self.time as usize / 1000).saturating_mul(pace);
            if self.stalled.contains(&id) || slow.is_some() && self.slowly_taken > so_far {
                left.push_back((id, data));
                continue;
            }
            self.tell_agent(Input::Taken(id, data.len()));
            match slow {
                Some(_) => self.slowly_taken += data.len(),
                None => self.echoes.push_back((id, data)),
            }
        }
        self.untaken = left;
    }

    fn hear(&mut self) {
        while let Some(event) = self.channel.poll() {
            match event {
                Event::Opened { .. } => self.open = true,
                Event::Readable(_) | Event::Writable(_) => {}
                Event::PayloadSize(size) => self.proven.push(size),
                Event::ProbeFailed(size) => self.failed.push(size),
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
        let time = self.time;
        let may = |visit: &&mut Visit| visit.ended.is_none() && visit.opens_at <= time;
        for visit in self.visits.iter_mut().filter(|_| self.open).filter(may) {
            let Some(id) = visit.id.or_else(|| self.channel.open_stream().ok()) else { continue };
            visit.id = Some(id);
            let rest = &visit.text[visit.written..];
            if !rest.is_empty() {
                visit.written += self.channel.write(id, rest).unwrap_or(0);
            }
            while visit.reads_from <= time
                && let Ok(Some(data)) = self.channel.read(id, usize::MAX)
            {
                visit.echoed.extend_from_slice(&data);
            }
            if visit.echoed.len() == visit.text.len() && !visit.finished {
                visit.finished = true;
                visit.done_at = Some(time);
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

impl Default for Wire {
    /// A good one.
    fn default() -> Self {
        Self {
            loss: [0, 0],
            doubling: 0,
            reordering: 0,
            delay: 5_000,
            jitter: 0,
            cut_every: u64::MAX,
            cut_at: 0,
            lost_acknowledgement: None,
            limit: None,
            never_paused: false,
            large_are_late: 0,
        }
    }
}

impl Visit {
    pub(crate) fn new(text: Vec<u8>) -> Self {
        Self {
            id: None,
            text,
            written: 0,
            echoed: Vec::new(),
            reads_from: 0,
            opens_at: 0,
            finished: false,
            ended: None,
            done_at: None,
        }
    }

    /// Bytes of which no two neighbours are alike, so that none can be lost unseen.
    pub(crate) fn of(length: usize, dice: &mut Dice) -> Self {
        let salt = dice.below(251);
        Self::new((0..length).map(|at| ((at + salt) * 31 % 251) as u8).collect())
    }
}

/// A message of the service.
fn bare(kind: MessageKind) -> Bytes {
    let (id, payload) = (MessageId([9; 16]), Bytes::new());
    Message { kind, created_ms: 1, seq: 0, flags: 0, id, payload_type: 0, payload }.encode()
}

impl Dice {
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// What stands before a payload.
const HEADER: usize = 120;
/// Ten minutes, in microseconds: the agent repairs ten messages a second.
pub(crate) const LONGEST: u64 = 600_000_000;
