//! Bytes recorded from Amazon's client and agent: what we read in them, what we write in their place,
//! and what we would have done as the client.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod dice;
mod noise;
mod recording;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use recording::{AGENT, CLIENT, FILES, Line, Recorded, Recording};
use ssm_proto::mux::frame::{Command, Decoder, Frame};
use ssm_proto::payload::{
    self, Acknowledgement, ChannelClosed, Flag, HandshakeComplete, HandshakeRequest,
    HandshakeResponse,
};
use ssm_proto::{
    Channel, Closed, Config, Event, Message, MessageKind, Misbehaved, Now, StreamEnd, StreamId,
};

/// Recordings of sessions with many streams.
const MUX: [&str; 10] = [
    "close-by-client",
    "close-by-server",
    "psql-mux",
    "refused-mux",
    "resume-busy",
    "resume-stall",
    "resume",
    "terminate-api",
    "two-connections",
    "unresolvable",
];

#[test]
fn every_recorded_message_is_read_as_it_was_and_written_to_the_same_bytes() {
    let mut count = 0;
    for name in FILES {
        for frame in Recording::load(name).frames() {
            let Some(bytes) = frame.bytes.clone() else { continue };
            let message = Message::decode(bytes.clone()).unwrap();
            assert_eq!(message.kind.as_str(), frame.kind, "{name}");
            assert_eq!(message.seq, frame.seq, "{name}");
            assert_eq!(message.flags, frame.flags, "{name}");
            assert_eq!(message.id.to_string(), frame.id, "{name}");
            assert_eq!(message.payload_type, frame.payload_type, "{name}");
            assert_eq!(message.payload.len(), frame.payload_length, "{name}");
            assert!(message.created_ms > 0, "{name}");
            assert_eq!(message.encode(), bytes, "{name}");
            count += 1;
        }
    }
    assert_eq!(count, 499, "frames whose bytes are in the recordings");
}

#[test]
fn every_recorded_payload_that_has_a_meaning_is_written_to_the_same_bytes() {
    let mut counts = BTreeMap::new();
    for name in FILES {
        // Where there is no mux, the client is another one, with an order of fields of its own.
        let side = |frame: &Recorded| frame.side == AGENT || MUX.contains(&name);
        for message in Recording::load(name).messages(side) {
            let payload = &message.payload;
            let (what, written) = match (&message.kind, message.payload_type) {
                (MessageKind::Acknowledge, _) => {
                    let read: Acknowledgement = serde_json::from_slice(payload).unwrap();
                    ("acknowledgement", serde_json::to_vec(&read).unwrap())
                }
                (MessageKind::ChannelClosed, _) => {
                    let read: ChannelClosed = serde_json::from_slice(payload).unwrap();
                    ("end", serde_json::to_vec(&read).unwrap())
                }
                (_, payload::HANDSHAKE_REQUEST) => {
                    // Its parameters are of any shape, in any order: they are compared by meaning.
                    let read: HandshakeRequest = serde_json::from_slice(payload).unwrap();
                    let meant: serde_json::Value = serde_json::from_slice(payload).unwrap();
                    assert_eq!(serde_json::to_value(&read).unwrap(), meant, "{name}");
                    ("request", payload.to_vec())
                }
                (_, payload::HANDSHAKE_RESPONSE) => {
                    let read: HandshakeResponse = serde_json::from_slice(payload).unwrap();
                    ("response", serde_json::to_vec(&read).unwrap())
                }
                (_, payload::HANDSHAKE_COMPLETE) => {
                    let read: HandshakeComplete = serde_json::from_slice(payload).unwrap();
                    ("complete", serde_json::to_vec(&read).unwrap())
                }
                (_, payload::FLAG) => ("flag", Flag::decode(payload).unwrap().encode().to_vec()),
                _ => continue,
            };
            assert_eq!(payload, &written, "{what} in {name}");
            *counts.entry(what).or_insert(0) += 1;
        }
    }
    let kinds: Vec<&str> = counts.keys().copied().collect();
    assert_eq!(kinds, ["acknowledgement", "complete", "end", "flag", "request", "response"]);
}

#[test]
fn the_mux_frames_of_both_sides_are_read_to_the_end_and_written_to_the_same_bytes() {
    for name in MUX {
        let recording = Recording::load(name);
        if name == "resume-stall" {
            continue; // Its bytes are not all there.
        }
        for side in [CLIENT, AGENT] {
            let bytes = recording.mux_bytes(side);
            let mut out = BytesMut::new();
            decoded(&bytes).iter().for_each(|frame| frame.encode(&mut out));
            assert_eq!(out.freeze(), bytes, "{side} in {name}");
        }
    }
}

#[test]
fn in_the_place_of_amazons_client_we_send_what_it_sent() {
    for name in MUX {
        let recording = Recording::load(name);
        if name == "resume-stall" {
            continue; // Shown below: there we do something else.
        }
        let ours = play(&recording);
        assert_eq!(ours.numbered, recording.numbered(CLIENT), "{name}");
        for (seq, payload) in recording.acknowledged_by_client() {
            assert_eq!(ours.acknowledgements[&seq][0], payload, "{name}: number {seq}");
        }
    }
}

#[test]
fn every_message_that_reached_us_is_acknowledged_as_often_as_it_came() {
    for name in MUX {
        let ours = play(&Recording::load(name));
        let given: BTreeMap<i64, usize> =
            ours.acknowledgements.iter().map(|(seq, given)| (*seq, given.len())).collect();
        assert_eq!(given, ours.arrived, "{name}");
    }
}

#[test]
fn what_is_read_from_each_stream_is_what_the_destination_sent() {
    for name in MUX {
        let recording = Recording::load(name);
        let mut sent: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for frame in decoded(&recording.mux_bytes(AGENT)) {
            sent.entry(frame.stream).or_default().extend_from_slice(&frame.data);
        }
        sent.retain(|_, data| !data.is_empty());
        let mut ours = play(&recording);
        if name == "resume-stall" {
            continue; // Shown below.
        }
        ours.read.retain(|_, data| !data.is_empty());
        assert_eq!(ours.read, sent, "{name}");
    }
}

#[test]
fn each_session_is_opened_and_ends_as_it_did() {
    for (name, expected) in [
        ("close-by-client", "3: Finished, 5: Finished, terminated, closed: "),
        ("close-by-server", "3: Finished"),
        ("psql-mux", "3: Finished, terminated, closed: "),
        ("refused-mux", "3: DialFailed, closed: "),
        ("resume-busy", "3: Finished, terminated"),
        ("resume", "3: Finished, terminated"),
        ("two-connections", "5: Finished, 3: Finished"),
    ] {
        let ours = play(&Recording::load(name));
        assert_eq!(ours.agent_version.as_deref(), Some("3.3.0.0"), "{name}");
        assert_eq!(ours.ends.join(", "), expected, "{name}");
    }
    let ours = play(&Recording::load("terminate-api"));
    assert_eq!(ours.ends, ["3: Finished", "closed: "]);
    let ours = play(&Recording::load("unresolvable"));
    let [end] = &ours.ends[..] else { panic!("{:?}", ours.ends) };
    assert!(end.starts_with("closed: lookup no-such-host.invalid on "), "{end}");
    assert!(end.ends_with("no such host"), "{end}");
}

#[test]
fn where_amazons_client_stalls_the_repeated_message_is_acknowledged_each_time_and_the_rest_comes() {
    let recording = Recording::load("resume-stall");
    let mut player = Player::new(&recording);
    player.play();
    assert_eq!(player.ours.arrived[&76], 21, "the agent repeats its head");
    assert_eq!(player.ours.acknowledgements[&76].len(), 21, "and hears of it each time");
    // With its head gone the agent repeats what else it has not heard of, one at a time.
    let lost: Vec<Recorded> = recording
        .frames()
        .filter(|frame| frame.side == AGENT && frame.kind == "output_stream_data")
        .filter(|frame| !player.ours.arrived.contains_key(&frame.seq))
        .cloned()
        .collect();
    assert!(lost.len() > 1, "{} lost", lost.len());
    player.happen("client-open", player.clock.at(lost[0].t_ms));
    for frame in lost {
        player.arrive(&frame);
    }
    let read = &player.ours.read[&3];
    assert_eq!(read.len(), 250_000);
    assert_eq!(player.ours.ends, ["3: Finished"]);
    let stream = recording.mux_bytes(AGENT);
    let sent: Vec<u8> = decoded(&stream).iter().flat_map(|frame| frame.data.to_vec()).collect();
    assert_eq!(read, &sent);
}

#[test]
fn a_session_without_mux_is_recognised_by_its_first_data() {
    let recording = Recording::load("basic-mode");
    let mut channel = Channel::new(Config::default(), 1);
    let clock = Clock::new();
    let mut events = Vec::new();
    for message in recording.frames().filter(|frame| frame.side == AGENT) {
        channel.handle(message.bytes.clone().unwrap(), clock.at(message.t_ms));
        events.extend(std::iter::from_fn(|| channel.poll()));
    }
    let [Event::Opened { .. }, Event::Closed(Closed::Misbehaved(fault))] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(matches!(fault, Misbehaved::MuxVersion(_)), "{fault}");
}

#[test]
fn an_agent_that_crashes_without_mux_is_told_by_the_service_alone() {
    let recording = Recording::load("refused-basic");
    let mut channel = Channel::new(Config::default(), 1);
    let clock = Clock::new();
    for message in recording.frames().filter(|frame| frame.side == AGENT) {
        channel.handle(message.bytes.clone().unwrap(), clock.at(message.t_ms));
    }
    let last = std::iter::from_fn(|| channel.poll()).last();
    let Some(Event::Closed(Closed::ByService { output })) = last else { panic!("{last:?}") };
    assert_eq!(output, "");
}

/// What we did in the place of Amazon's client.
#[derive(Default)]
struct Ours {
    /// Numbered messages by number: payload type and payload. A number has one meaning for ever.
    numbered: BTreeMap<i64, (u32, Bytes)>,
    /// Payloads of the acknowledgements of each number.
    acknowledgements: BTreeMap<i64, Vec<Bytes>>,
    /// How often each number came.
    arrived: BTreeMap<i64, usize>,
    read: BTreeMap<u32, Vec<u8>>,
    agent_version: Option<String>,
    ends: Vec<String>,
}

/// Our client with the agent's side of a recording, and with a user who does what the recorded one did.
struct Player<'a> {
    recording: &'a Recording,
    channel: Channel,
    clock: Clock,
    connected: bool,
    ours: Ours,
}

fn play(recording: &Recording) -> Ours {
    let mut player = Player::new(recording);
    player.play();
    player.ours
}

impl<'a> Player<'a> {
    fn new(recording: &'a Recording) -> Self {
        let client_version = "1.2.677.0".to_owned(); // what the recorded client claims
        Self {
            recording,
            channel: Channel::new(Config { client_version, ..Config::default() }, 7),
            clock: Clock::new(),
            connected: true,
            ours: Ours::default(),
        }
    }

    fn play(&mut self) {
        for line in &self.recording.lines {
            match line {
                Line::Event { t_ms, event } => self.happen(event, self.clock.at(*t_ms)),
                Line::Frame(frame) if frame.side == AGENT => self.arrive(frame),
                Line::Frame(frame) => self.imitate(frame),
            }
        }
    }

    fn happen(&mut self, event: &str, now: Now) {
        match event {
            "client-gone" => {
                self.connected = false;
                self.channel.socket_lost(now);
            }
            "client-open" if !self.connected => {
                self.connected = true;
                self.channel.socket_ready(now);
            }
            _ => {}
        }
        self.settle(now);
    }

    /// A message comes from the agent.
    fn arrive(&mut self, frame: &Recorded) {
        if !self.connected {
            return;
        }
        let now = self.clock.at(frame.t_ms);
        let bytes = self.recording.bytes_of(frame);
        if frame.kind == "output_stream_data" {
            *self.ours.arrived.entry(frame.seq).or_default() += 1;
        }
        self.channel.handle_timeout(now);
        self.channel.handle(bytes, now);
        self.settle(now);
    }

    /// The user does what made the recorded client send this.
    fn imitate(&mut self, frame: &Recorded) {
        let known = self.ours.numbered.contains_key(&frame.seq);
        if frame.kind != "input_stream_data" || known {
            return;
        }
        let message = Message::decode(self.recording.bytes_of(frame)).unwrap();
        if message.payload_type == payload::FLAG {
            self.channel.terminate();
        } else {
            for Frame { command, stream, data } in decoded(&message.payload) {
                let id = StreamId(stream);
                match command {
                    Command::Syn => assert_eq!(self.channel.open_stream(), Ok(id)),
                    Command::Psh => assert_eq!(self.channel.write(id, &data), Ok(data.len())),
                    Command::Fin => self.channel.finish(id),
                    Command::Nop => {}
                }
            }
        }
        self.settle(self.clock.at(frame.t_ms));
    }

    fn settle(&mut self, now: Now) {
        while let Some(event) = self.channel.poll() {
            match event {
                Event::Opened { agent_version } => self.ours.agent_version = Some(agent_version),
                Event::Readable(id) => self.read(id),
                Event::Writable(_) | Event::PayloadSize(_) | Event::ProbeFailed(_) => {}
                Event::StreamEnded(id, end) => {
                    assert!(matches!(end, StreamEnd::Finished | StreamEnd::DialFailed));
                    self.ours.ends.push(format!("{id}: {end:?}"));
                }
                Event::Terminated => self.ours.ends.push("terminated".to_owned()),
                Event::Closed(Closed::ByService { output }) => {
                    self.ours.ends.push(format!("closed: {output}"));
                }
                Event::Closed(closed) => panic!("{closed:?}"),
            }
        }
        while let Some(bytes) = self.channel.poll_send(now) {
            let message = Message::decode(bytes).unwrap();
            assert_eq!((message.flags, message.seq), self.head_of(&message));
            match message.kind {
                MessageKind::Acknowledge => {
                    let read: Acknowledgement = serde_json::from_slice(&message.payload).unwrap();
                    let number = read.acknowledged_message_sequence_number;
                    let given = self.ours.acknowledgements.entry(number).or_default();
                    given.push(message.payload);
                }
                MessageKind::InputStreamData => {
                    let sent = (message.payload_type, message.payload);
                    let before = self.ours.numbered.insert(message.seq, sent.clone());
                    assert!(before.is_none_or(|before| before == sent), "{}", message.seq);
                }
                MessageKind::OutputStreamData
                | MessageKind::ChannelClosed
                | MessageKind::PausePublication
                | MessageKind::StartPublication
                | MessageKind::AgentSessionState
                | MessageKind::Unknown(_) => panic!("a client does not send this"),
            }
        }
    }

    /// Flags and number as Amazon's client writes them: an acknowledgement has no number of its own.
    fn head_of(&self, message: &Message) -> (u64, i64) {
        if message.kind == MessageKind::Acknowledge { (3, 0) } else { (0, message.seq) }
    }

    fn read(&mut self, id: StreamId) {
        while let Ok(Some(data)) = self.channel.read(id, usize::MAX) {
            self.ours.read.entry(id.0).or_default().extend_from_slice(&data);
        }
    }
}

/// The recording's time as a channel wants it.
struct Clock {
    start: std::time::Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }

    fn at(&self, t_ms: f64) -> Now {
        let since = std::time::Duration::from_secs_f64(t_ms / 1000.0);
        Now { instant: self.start + since, unix_ms: 1_795_304_750_000 }
    }
}

fn decoded(bytes: &Bytes) -> Vec<Frame> {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    let frames = std::iter::from_fn(|| decoder.next().unwrap()).collect();
    assert!(decoder.is_at_border());
    frames
}
