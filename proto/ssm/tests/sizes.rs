//! How a channel finds out what size its messages may have, and how it keeps a session and its bounds.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "the other tests use the rest of it")]
mod story;

use bytes::Bytes;
use ssm_proto::mux::frame::{Command, Decoder};
use ssm_proto::payload;
use ssm_proto::{Config, Message, StreamId};
use story::Story;

#[test]
fn nothing_is_tried_while_nobody_has_much_to_send() {
    let mut story = Story::without_race(Config::default());
    let id = story.channel.open_stream().unwrap();
    for _ in 0..20 {
        story.channel.write(id, &[7; 900]).unwrap();
        for message in story.sent() {
            assert!(message.payload.len() <= 1024);
            story.agent_acknowledges(message.seq);
        }
    }
    assert!(story.events().is_empty());
}

#[test]
fn data_grow_behind_a_proof_and_not_before() {
    let mut story = uploading();
    let mut largest = 1024;
    for size in [4096, 16_384, 32_768] {
        let (probe, data) = probe_and_data(story.sent());
        assert_eq!(probe.payload.len(), size);
        assert!(does_nothing(&probe.payload));
        assert!(data.iter().all(|message| message.payload.len() <= largest));
        acknowledge(&mut story, &data);
        assert!(!story.events().contains(&format!("PayloadSize({size})")));
        acknowledge(&mut story, &[probe]);
        assert!(story.events().contains(&format!("PayloadSize({size})")));
        largest = size;
        write(&mut story);
    }
    assert_eq!(story.channel.stats().payload_size, 32_768);
    let sent = story.sent();
    assert_eq!(sent[0].payload.len(), 32_768);
}

#[test]
fn a_probe_without_an_answer_is_sent_again_as_a_small_message_of_the_same_number() {
    let mut story = uploading();
    let (probe, data) = probe_and_data(story.sent());
    acknowledge(&mut story, &data);
    let sent = story.sent();
    let small = &sent[0];
    assert_eq!((small.seq, small.payload.len()), (probe.seq, 8));
    assert!(does_nothing(&small.payload) && small.id != probe.id);
    story.turn_clock(5_000);
    assert_eq!(story.sent()[0], *small, "and never as a large one again");
}

#[test]
fn two_lost_probes_of_one_size_are_a_limit_and_nothing_larger_is_tried() {
    let mut story = uploading();
    for round in 0..2 {
        let (probe, data) = probe_and_data(story.sent());
        assert_eq!(probe.payload.len(), 4096);
        acknowledge(&mut story, &data);
        let replaced = story.sent();
        acknowledge(&mut story, &replaced);
        let failed = story.events().contains(&"ProbeFailed(4096)".to_owned());
        assert_eq!(failed, round == 1);
        write(&mut story);
    }
    assert!(story.sent().iter().all(|message| message.payload.len() <= 1024));
}

#[test]
fn a_websocket_that_is_lost_with_a_probe_on_it_is_a_limit_and_the_number_is_filled() {
    let mut story = uploading();
    let (probe, data) = probe_and_data(story.sent());
    story.channel.socket_lost(story.now());
    assert!(story.events().contains(&"ProbeFailed(4096)".to_owned()));
    story.channel.socket_ready(story.now());
    let again = story.sent();
    assert!(again.iter().all(|message| message.payload.len() <= 1024));
    let numbers: Vec<i64> = again.iter().map(|message| message.seq).collect();
    assert!(numbers.is_sorted() && numbers.contains(&probe.seq));
    for message in &data {
        assert!(again.contains(message), "what was sent stays as it was");
    }
}

#[test]
fn what_was_proven_is_proven_anew_on_the_next_websocket_with_one_probe() {
    let mut story = uploading();
    for _ in 0..3 {
        let sent = story.sent();
        acknowledge(&mut story, &sent);
        write(&mut story);
    }
    assert_eq!(story.channel.stats().payload_size, 32_768);
    let sent = story.sent();
    acknowledge(&mut story, &sent);
    story.channel.socket_lost(story.now());
    story.channel.socket_ready(story.now());
    assert_eq!(story.channel.stats().payload_size, 1024);
    write(&mut story);
    let (probe, _) = probe_and_data(story.sent());
    assert_eq!(probe.payload.len(), 32_768);
    acknowledge(&mut story, &[probe]);
    assert_eq!(story.channel.stats().payload_size, 32_768);
}

#[test]
fn a_keepalive_is_sent_when_it_is_asked_for_and_once() {
    let mut story = Story::begin(Config::default());
    story.channel.nop();
    assert!(story.sent().is_empty(), "before the handshake there is nothing to keep");
    let mut story = Story::without_race(Config::default());
    story.channel.nop();
    let sent = story.sent();
    assert!(sent.len() == 1 && sent[0].payload.len() == 8 && does_nothing(&sent[0].payload));
    assert!(story.sent().is_empty());
}

#[test]
fn a_channel_keeps_what_it_is_allowed_and_is_full_until_some_of_it_is_read() {
    let config = Config { unread_in_all: 1 << 20, ..Config::default() };
    let mut story = Story::without_race(config);
    let id = story.channel.open_stream().unwrap();
    story.sent();
    let piece = [&[1, 2, 0x60, 0xea, 3, 0, 0, 0][..], &[9; 60_000]].concat();
    let mut seq = 2;
    while !story.channel.is_full() {
        story.agent_says(seq, payload::OUTPUT, &piece);
        seq += 1;
    }
    assert!((1 << 20..1_200_000).contains(&story.channel.stats().unread));
    assert!(story.channel.read(id, usize::MAX).unwrap().is_some());
    assert!(!story.channel.is_full());
}

#[test]
fn the_oldest_unacknowledged_message_has_an_age() {
    let mut story = Story::without_race(Config::default());
    assert_eq!(story.channel.stats().oldest_unacknowledged, None);
    let began = story.now().instant;
    let id = story.channel.open_stream().unwrap();
    let first = story.sent();
    story.turn_clock(700);
    story.sent();
    story.channel.write(id, b"more").unwrap();
    story.sent();
    let stats = story.channel.stats();
    assert_eq!((stats.oldest_unacknowledged, stats.unacknowledged), (Some(began), 2));
    acknowledge(&mut story, &first);
    assert!(story.channel.stats().oldest_unacknowledged > Some(began));
    assert_eq!(story.channel.each_stream().count(), 1);
}

#[test]
fn a_short_query_goes_out_though_an_upload_has_filled_the_window() {
    let mut story = uploading();
    story.sent();
    write(&mut story);
    let stats = story.channel.stream_stats(StreamId(3)).unwrap();
    assert!(stats.unsent > 0 && story.sent().is_empty(), "the window is full");
    let short = story.channel.open_stream().unwrap();
    story.channel.write(short, b"select 1").unwrap();
    let sent = story.sent();
    let query = sent.iter().find(|message| message.payload.ends_with(b"select 1"));
    assert!(query.is_some(), "{} messages", sent.len());
}

/// A channel with an upload that has filled the window, and whose first messages are acknowledged.
fn uploading() -> Story {
    let config = Config { window_frames: 40, probing: true, ..Config::default() };
    let mut story = Story::without_race(config);
    let id = story.channel.open_stream().unwrap();
    assert_eq!(id, StreamId(3));
    write(&mut story);
    let first = probe_and_data_if_any(story.sent()).1;
    acknowledge(&mut story, &first);
    write(&mut story);
    story.events();
    story
}

fn write(story: &mut Story) {
    story.channel.write(StreamId(3), &[7; 1 << 16]).unwrap();
}

fn acknowledge(story: &mut Story, messages: &[Message]) {
    for message in messages {
        story.agent_acknowledges_by_name(message.seq, message.id);
    }
}

fn probe_and_data(sent: Vec<Message>) -> (Message, Vec<Message>) {
    let (probe, data) = probe_and_data_if_any(sent);
    (probe.expect("one of them is a probe"), data)
}

fn probe_and_data_if_any(sent: Vec<Message>) -> (Option<Message>, Vec<Message>) {
    let (mut probes, data): (Vec<_>, Vec<_>) =
        sent.into_iter().partition(|message| does_nothing(&message.payload));
    assert!(probes.len() <= 1, "one at a time");
    (probes.pop(), data)
}

fn does_nothing(payload: &Bytes) -> bool {
    let mut decoder = Decoder::new();
    decoder.push(payload);
    let mut all = std::iter::from_fn(|| decoder.next().unwrap());
    all.all(|frame| frame.command == Command::Nop)
}
