//! What a channel does when this happens, and what it does not.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod peer;
mod story;

use bytes::Bytes;
use peer::Peer;
use ssm_proto::payload::{self, Flag, HandshakeResponse};
use ssm_proto::{
    Closed, Config, Event, Message, MessageKind, Now, Refused, StreamGone, StreamId, Timer,
    Unsupported,
};
use story::{Story, encode, request};

#[test]
fn no_stream_is_opened_before_the_handshake_is_complete() {
    let mut story = Story::begin(Config::default());
    assert_eq!(story.channel.open_stream(), Err(Refused::NotOpen));
    story.agent_says(0, payload::HANDSHAKE_REQUEST, &request("3.3.0.0"));
    assert_eq!(story.channel.open_stream(), Err(Refused::NotOpen));
    let kinds: Vec<u32> = story.sent().iter().map(|message| message.payload_type).collect();
    assert_eq!(kinds, [0, payload::HANDSHAKE_RESPONSE], "acknowledged, then answered");
    story.agent_says(1, payload::HANDSHAKE_COMPLETE, b"{}");
    assert_eq!(story.events(), [r#"Opened { agent_version: "3.3.0.0" }"#]);
    assert_eq!(story.channel.open_stream(), Ok(StreamId(3)));
}

#[test]
fn little_is_sent_before_the_agent_has_acknowledged_the_first_data() {
    let mut story = Story::open(Config::default());
    let id = story.channel.open_stream().unwrap();
    story.channel.write(id, &[7; 60_000]).unwrap();
    let first = story.sent();
    assert_eq!(first.len(), 4);
    story.turn_clock(200);
    assert_eq!(story.sent(), first, "what came too early is sent again");
    assert_eq!(story.channel.counters().resent, 4);
    story.agent_acknowledges(first[0].seq);
    assert!(story.sent().len() > 50, "then the window is open");
}

#[test]
fn no_more_is_on_its_way_than_the_window_holds_and_what_is_not_taken_stays_with_the_writer() {
    let config = Config { window_frames: 8, stream_send_bytes: 4096, ..Config::default() };
    let mut story = Story::without_race(config);
    let id = story.channel.open_stream().unwrap();
    let mut taken = 0;
    let mut sent = Vec::new();
    loop {
        let more = story.channel.write(id, &[7; 10_000]).unwrap();
        taken += more;
        sent.extend(story.sent());
        if more == 0 {
            break;
        }
    }
    assert_eq!((sent.len(), story.channel.unacknowledged()), (8, 8));
    let headers = 9 * 8; // one for each message, and one for the opening
    let carried = sent.iter().map(|message| message.payload.len()).sum::<usize>() - headers;
    assert_eq!(taken, carried + 4096, "what is on its way, and the stream's own room");
    story.events();
    for message in sent {
        story.agent_acknowledges(message.seq);
    }
    story.sent();
    assert_eq!(story.events(), ["Writable(StreamId(3))"]);
}

#[test]
fn the_window_is_bounded_by_bytes_as_well() {
    let config = Config { window_bytes: 2048, stream_send_bytes: 8192, ..Config::default() };
    let mut story = Story::without_race(config);
    let id = story.channel.open_stream().unwrap();
    story.channel.write(id, &[7; 8192]).unwrap();
    assert_eq!(story.sent().len(), 2);
}

#[test]
fn acknowledgements_go_before_data() {
    let mut story = Story::without_race(Config::default());
    let id = story.channel.open_stream().unwrap();
    story.channel.write(id, b"hello").unwrap();
    story.agent_says(2, payload::OUTPUT, b"");
    let kinds: Vec<MessageKind> = story.sent().into_iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [MessageKind::Acknowledge, MessageKind::InputStreamData]);
}

#[test]
fn a_message_below_the_expected_number_is_acknowledged_again() {
    let mut story = Story::open(Config::default());
    for _ in 0..3 {
        story.agent_says(1, payload::HANDSHAKE_COMPLETE, b"{}");
        assert_eq!(story.acknowledged(), [1]);
    }
    assert!(story.events().is_empty());
    assert_eq!(story.channel.counters().repeated, 3);
}

#[test]
fn a_full_channel_takes_nothing_until_something_is_read_and_loses_nothing() {
    let mut story = Story::without_race(Config { unread_in_all: 2000, ..Config::default() });
    let id = story.channel.open_stream().unwrap();
    story.sent();
    let piece = [&[1, 2, 0xe8, 3, 3, 0, 0, 0][..], &[9; 1000]].concat();
    for seq in 2..5 {
        story.agent_says(seq, payload::OUTPUT, &piece);
    }
    assert!(story.channel.is_full());
    assert_eq!(story.acknowledged(), [2, 3], "the third finds no room");
    assert_eq!(story.channel.counters().refused, 1);
    assert_eq!(story.channel.read(id, 1000).unwrap().unwrap().len(), 1000);
    assert!(!story.channel.is_full());
    story.agent_says(4, payload::OUTPUT, &piece);
    assert_eq!(story.acknowledged(), [4]);
}

#[test]
fn a_pause_holds_data_back_but_no_acknowledgement_and_ends_when_the_service_says_so() {
    let mut story = Story::without_race(Config::default());
    story.service_says(MessageKind::PausePublication);
    let id = story.channel.open_stream().unwrap();
    story.channel.write(id, b"hello").unwrap();
    assert!(story.sent().is_empty());
    assert_eq!(story.channel.timeout().unwrap().1, Timer::Pause);
    story.service_says(MessageKind::StartPublication);
    assert_eq!(story.sent().len(), 1);
}

#[test]
fn a_pause_ends_when_the_agent_is_heard_or_when_nobody_ends_it() {
    let mut story = Story::without_race(Config::default());
    let id = story.channel.open_stream().unwrap();
    story.service_says(MessageKind::PausePublication);
    story.agent_says(2, payload::OUTPUT, b"");
    assert_eq!(story.sent().len(), 2, "an acknowledgement, and what was held back");

    story.service_says(MessageKind::PausePublication);
    story.channel.write(id, b"hello").unwrap();
    story.turn_clock(29_999);
    assert!(story.sent().is_empty());
    story.turn_clock(1);
    assert!(!story.sent().is_empty());
}

#[test]
fn a_lost_websocket_forgets_nothing_and_the_next_one_gets_all_that_is_unacknowledged_in_order() {
    let mut story = Story::without_race(Config::default());
    let id = story.channel.open_stream().unwrap();
    story.channel.write(id, &[7; 5000]).unwrap();
    let sent = story.sent();
    story.agent_acknowledges(sent[1].seq);
    story.agent_says(2, payload::OUTPUT, b"");
    story.channel.socket_lost(story.now());
    story.channel.write(id, &[8; 100]).unwrap();
    assert!(story.sent().is_empty() && story.channel.timeout().is_none());
    story.turn_clock(60_000);
    assert!(story.sent().is_empty());
    story.channel.socket_ready(story.now());
    let again = story.sent();
    assert_eq!(again[0].kind, MessageKind::Acknowledge, "the one that had not gone out");
    assert_eq!(again[1], sent[0]);
    assert_eq!(again[2..sent.len()], sent[2..]);
    assert_eq!(again.len(), sent.len() + 1, "then what is new");
    assert_eq!(story.channel.timeout().unwrap().1, Timer::Resend);
}

#[test]
fn a_session_is_ended_by_a_numbered_flag_and_over_when_it_is_acknowledged() {
    let mut story = Story::without_race(Config::default());
    let id = story.channel.open_stream().unwrap();
    story.channel.write(id, &[7; 100]).unwrap();
    story.channel.terminate();
    let [flag] = &story.sent()[..] else { panic!("one message") };
    assert_eq!(
        (flag.kind.clone(), flag.payload_type),
        (MessageKind::InputStreamData, payload::FLAG)
    );
    assert_eq!(Flag::decode(&flag.payload), Some(Flag::TerminateSession));
    assert_eq!(story.channel.open_stream(), Err(Refused::Closed));
    assert_eq!(story.channel.write(id, b"x"), Err(StreamGone));
    assert!(story.events().is_empty());
    story.turn_clock(300);
    assert_eq!(story.sent(), std::slice::from_ref(flag), "sent again like any other");
    story.agent_acknowledges(flag.seq);
    assert_eq!(story.events(), ["Terminated"]);
    story.channel.terminate();
    assert!(story.sent().is_empty());
}

#[test]
fn a_session_is_not_ended_while_the_agent_still_misses_what_came_before_the_flag() {
    let mut story = Story::without_race(Config::default());
    let id = story.channel.open_stream().unwrap();
    story.channel.write(id, b"last words").unwrap();
    let words = story.sent();
    story.channel.terminate();
    let [flag] = &story.sent()[..] else { panic!("one message") };
    story.agent_acknowledges(flag.seq);
    assert!(story.events().is_empty(), "the agent keeps the flag and does not act on it yet");
    for message in words {
        story.agent_acknowledges(message.seq);
    }
    assert_eq!(story.events(), ["Terminated"]);
}

#[test]
fn a_session_that_was_never_opened_is_ended_without_a_word() {
    let mut story = Story::begin(Config::default());
    story.channel.terminate();
    assert_eq!(story.events(), ["Terminated"]);
    assert!(story.sent().is_empty());
}

#[test]
fn a_channel_closed_by_the_service_says_why_and_what_came_before_can_be_read() {
    let mut story = Story::without_race(Config::default());
    let id = story.channel.open_stream().unwrap();
    story.agent_says(2, payload::OUTPUT, &[1, 2, 2, 0, 3, 0, 0, 0, b'h', b'i']);
    let reason = br#"{"MessageType":"channel_closed","Output":"lookup db: no such host"}"#;
    let bytes = encode(MessageKind::ChannelClosed, 0, 0, Bytes::from_static(reason));
    story.channel.handle(bytes, story.now());
    assert_eq!(
        story.events(),
        ["Readable(StreamId(3))", r#"Closed(ByService { output: "lookup db: no such host" })"#]
    );
    assert!(story.sent().is_empty() && story.channel.timeout().is_none());
    assert_eq!(story.channel.read(id, 10), Ok(Some(Bytes::from_static(b"hi"))));
    assert_eq!(story.channel.read(id, 10), Err(StreamGone));
    assert_eq!(story.channel.write(id, b"x"), Err(StreamGone));
    assert_eq!(story.channel.open_stream(), Err(Refused::Closed));
}

#[test]
fn an_agent_without_mux_is_told_why_it_is_refused() {
    let mut story = Story::begin(Config::default());
    story.agent_says(0, payload::HANDSHAKE_REQUEST, &request("3.0.196.0"));
    let Some(Event::Closed(Closed::Unsupported(refusal))) = story.channel.poll() else { panic!() };
    assert!(matches!(refusal, Unsupported::AgentTooOld { .. }));
    assert!(refusal.to_string().starts_with("the SSM agent 3.0.196.0 is too old"), "{refusal}");
    let sent = story.sent();
    let response: HandshakeResponse = serde_json::from_slice(&sent[1].payload).unwrap();
    assert_eq!(response.processed_client_actions[0].action_status, payload::ACTION_FAILED);
    assert_eq!(response.processed_client_actions[0].error, refusal.to_string());
    assert!(story.channel.timeout().is_none(), "it is said once");
}

#[test]
fn an_agent_without_a_handshake_is_too_old_as_well() {
    let mut story = Story::begin(Config::default());
    story.agent_says(0, payload::OUTPUT, b"SSH-2.0");
    assert_eq!(story.events(), ["Closed(Unsupported(NoHandshake))"]);
}

#[test]
fn an_old_agent_hears_from_us_every_ten_seconds_and_a_new_one_never() {
    for (version, expected) in [("3.1.1511.0", 30), ("3.1.1511.1", 0)] {
        let mut story = Story::begin(Config::default());
        let mut peer = Peer::new(version);
        for time in 0..=300_500 {
            story.turn_clock(1);
            let now = story.now();
            for bytes in peer.tick(time) {
                story.channel.handle(bytes, now);
            }
            while let Some(bytes) = story.channel.poll_send(now) {
                peer.handle(bytes, time);
            }
            assert!(expected == 0 || time < peer.heard_at + 10_010, "{version} at {time}");
        }
        assert_eq!((peer.keepalives, peer.streams()), (expected, 0), "{version}");
    }
}

#[test]
fn what_makes_no_sense_is_ignored_and_counted() {
    let mut story = Story::open(Config::default());
    let now = story.now();
    for bytes in [
        Bytes::new(),
        Bytes::from_static(b"hello"),
        encode(MessageKind::InputStreamData, 2, payload::OUTPUT, Bytes::new()),
        encode(MessageKind::Unknown("dance".to_owned()), 2, 0, Bytes::new()),
        encode(MessageKind::Acknowledge, 0, 0, Bytes::from_static(b"{")),
        encode(MessageKind::OutputStreamData, -1, payload::OUTPUT, Bytes::new()),
    ] {
        story.channel.handle(bytes, now);
    }
    story.agent_acknowledges(1000);
    assert_eq!(story.channel.counters().ignored, 7);
    assert!(story.events().is_empty() && story.sent().is_empty());
    let state = encode(MessageKind::AgentSessionState, 0, 0, Bytes::new());
    story.channel.handle(state, now);
    assert_eq!(story.channel.counters().ignored, 7, "what is for the service is no nonsense");
}

#[test]
fn bytes_that_are_not_smux_close_the_channel() {
    let mut story = Story::open(Config::default());
    story.agent_says(2, payload::OUTPUT, b"SSH-2.0-OpenSSH");
    assert_eq!(story.events(), ["Closed(Misbehaved(MuxVersion(83)))"]);
}

#[test]
fn a_message_never_says_that_it_was_made_at_nought() {
    let mut story = Story::open(Config::default());
    story.channel.open_stream().unwrap();
    let now = Now { unix_ms: 0, ..story.now() };
    let message = Message::decode(story.channel.poll_send(now).unwrap()).unwrap();
    assert_eq!(message.created_ms, 1, "the agent would drop it");
}

#[test]
fn two_channels_of_one_seed_write_the_same_bytes() {
    let write = |seed| {
        let mut story = Story::with_seed(Config::default(), seed);
        story.agent_says(0, payload::HANDSHAKE_REQUEST, &request("3.3.0.0"));
        story.sent()
    };
    assert_eq!(write(1), write(1));
    assert_ne!(write(1), write(2));
}
