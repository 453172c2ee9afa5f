//! Each behaviour of the agent, faults included, as `ssm-data-channel.md` describes the real one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(
    clippy::disallowed_methods,
    reason = "an instant to count from; the clock is turned by hand"
)]

#[path = "agent/lab.rs"]
mod lab;

use std::time::Duration;

use bastion_sim::agent::{AgentSettings, Input, Output, Ticket};
use bytes::Bytes;
use lab::{Lab, frames, smux};
use ssm_proto::message::{Message, MessageKind};
use ssm_proto::mux::frame::Command::{Fin, Nop, Psh, Syn};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn unpaced() -> AgentSettings {
    AgentSettings { pause: Duration::ZERO, ..AgentSettings::default() }
}

fn text(message: &Message) -> serde_json::Value {
    serde_json::from_slice(&message.payload).unwrap()
}

fn to_destination(id: u32, data: &'static [u8]) -> Output {
    Output::ToDestination(id, Bytes::from_static(data))
}

// The handshake.

#[test]
fn the_request_is_number_0_with_syn_and_says_what_the_session_is_for() {
    let mut lab = Lab::new(AgentSettings::default());
    let [request] = &lab.data()[..] else { panic!("one message") };
    assert_eq!((request.seq, request.flags, request.payload_type), (0, 1, 5));
    let said = text(request);
    assert_eq!(said["AgentVersion"], "3.3.0.0");
    let action = &said["RequestedClientActions"][0];
    assert_eq!(action["ActionParameters"]["SessionType"], "Port");
    assert_eq!(action["ActionParameters"]["Properties"]["host"], "db.internal");
    assert_eq!(action["ActionParameters"]["Properties"]["type"], "LocalPortForwarding");
}

#[test]
fn the_response_is_acknowledged_and_answered_with_complete_without_syn() {
    let mut lab = Lab::new(AgentSettings::default());
    lab.sent.clear();
    lab.respond("1.2.764.0", 1);
    assert_eq!(lab.acknowledged(), [0]);
    let [complete] = &lab.data()[..] else { panic!("one message") };
    assert_eq!((complete.seq, complete.flags, complete.payload_type), (1, 0, 7));
    assert_eq!(text(complete)["CustomerMessage"], "");
}

#[test]
fn a_session_without_a_response_fails_after_15_seconds_and_not_before() {
    let mut lab = Lab::new(AgentSettings::default());
    lab.acknowledge(0);
    lab.pass(15 * SECOND - MS);
    assert!(lab.done().is_empty());
    lab.pass(MS);
    let [Output::Done(why)] = &lab.done()[..] else { panic!("it is over") };
    assert!(why.starts_with("Handshake timed out."), "{why}");
}

#[test]
fn an_action_that_was_not_done_ends_the_session() {
    for status in [2, 3] {
        let mut lab = Lab::new(AgentSettings::default());
        lab.respond("1.2.764.0", status);
        lab.acknowledge(0);
        let [Output::Done(why)] = &lab.done()[..] else { panic!("it is over") };
        assert!(why.contains("SessionType failed"), "{why}");
        assert!(lab.data().iter().all(|message| message.payload_type != 7));
    }
}

#[test]
fn a_client_before_1_1_70_gets_no_mux() {
    for (version, mux) in [("1.1.69.0", false), ("1.1.70.0", true), ("1.2.0.0", true)] {
        let mut lab = Lab::new(AgentSettings::default());
        lab.respond(version, 1);
        assert_eq!(lab.data().iter().any(|message| message.payload_type == 7), mux, "{version}");
    }
}

#[test]
fn only_clients_up_to_1_2_331_are_asked_for_a_keep_alive() {
    for (version, nops, over) in [("1.2.331.0", 2, true), ("1.2.332.0", 0, false)] {
        let mut lab = Lab::new(unpaced());
        lab.respond(version, 1);
        (0..2).for_each(|seq| lab.acknowledge(seq));
        lab.pass(MS);
        lab.input(Input::Resolved(Ok(())));
        lab.pass(5 * MS);
        lab.data();
        lab.pass(29 * SECOND);
        let mut sent = lab.data();
        sent.sort_by_key(|message| message.seq);
        sent.dedup_by_key(|message| message.seq); // nobody acknowledges
        let sent = frames(&sent);
        assert_eq!(sent.iter().filter(|(command, ..)| *command == Nop).count(), nops);
        lab.pass(4 * SECOND);
        let ended =
            lab.done().iter().any(|did| matches!(did, Output::Done(why) if !why.is_empty()));
        assert_eq!(ended, over, "{version}");
    }
}

// The start race.

#[test]
fn start_race_a_data_right_behind_complete_are_acknowledged_and_thrown_away() {
    let mut lab = Lab::new(AgentSettings::default());
    lab.respond("1.2.764.0", 1);
    lab.acknowledged();
    lab.mux(&[(Syn, 3, b"")]); // at the same instant: the flag is not set yet
    assert_eq!(lab.acknowledged(), [1]);
    lab.pass(MS);
    lab.input(Input::Resolved(Ok(())));
    lab.pass(5 * MS);
    lab.mux(&[(Psh, 3, b"for a stream that never was")]);
    assert_eq!(lab.acknowledged(), [2]);
    assert_eq!(lab.done(), [Output::Resolve], "nobody dials for it");
}

#[test]
fn start_race_b_data_before_the_smux_server_stands_are_neither_taken_nor_acknowledged() {
    let mut lab = Lab::new(AgentSettings::default());
    lab.respond("1.2.764.0", 1);
    lab.pass(MS);
    lab.acknowledged();
    lab.mux(&[(Syn, 3, b"")]);
    assert_eq!(lab.acknowledged(), [0_i64; 0]);
    lab.input(Input::Resolved(Ok(())));
    lab.pass(5 * MS);
    lab.data_at(1, &smux(&[(Syn, 3, b"")])); // sent again, as it must be
    assert_eq!(lab.acknowledged(), [1]);
    assert_eq!(lab.done(), [Output::Resolve, Output::Dial(3)]);
}

// Numbers and acknowledgements.

#[test]
fn early_data_are_acknowledged_at_once_and_delivered_in_their_turn() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.acknowledged();
    lab.done();
    let (first, second) = (smux(&[(Psh, 3, b"one")]), smux(&[(Psh, 3, b"two")]));
    lab.data_at(3, &second);
    assert_eq!((lab.acknowledged(), lab.done()), (vec![3], vec![]));
    lab.data_at(2, &first);
    assert_eq!(lab.acknowledged(), [2], "the early one is not acknowledged again");
    assert_eq!(lab.done(), [to_destination(3, b"one"), to_destination(3, b"two")]);
}

#[test]
fn data_below_the_expected_number_are_acknowledged_again_and_not_delivered_again() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.mux(&[(Psh, 3, b"once")]);
    lab.acknowledged();
    assert!(lab.done().contains(&to_destination(3, b"once")));
    lab.data_at(2, &smux(&[(Psh, 3, b"once")]));
    assert_eq!((lab.acknowledged(), lab.done()), (vec![2], vec![]));
}

#[test]
fn the_hundred_thousand_and_first_early_message_is_not_acknowledged() {
    let mut lab = Lab::serving(unpaced());
    for seq in 2..=100_001 {
        lab.data_at(seq, b"");
    }
    assert_eq!(lab.acknowledged().len(), 100_000);
    lab.data_at(100_002, b"");
    assert_eq!(lab.acknowledged(), [0_i64; 0]);
    lab.data_at(100_001, b"");
    assert_eq!(lab.acknowledged(), [100_001], "what is kept already is acknowledged again");
}

#[test]
fn data_whose_acknowledgement_could_not_be_written_are_taken_twice() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.acknowledged();
    lab.done();
    lab.writes = false;
    lab.mux(&[(Psh, 3, b"twice")]);
    let (_, ticket) = lab.unwritten.pop().unwrap();
    assert_eq!(ticket, Ticket::Acknowledgement(2));
    lab.writes = true;
    lab.input(Input::NotWritten(ticket));
    lab.data_at(2, &smux(&[(Psh, 3, b"twice")]));
    assert_eq!(lab.done(), [to_destination(3, b"twice"), to_destination(3, b"twice")]);
}

#[test]
fn the_digest_is_not_checked() {
    let mut lab = Lab::serving(unpaced());
    let frame = smux(&[(Syn, 3, b"")]);
    let mut bytes = Lab::message(MessageKind::InputStreamData, 1, 1, &frame).encode().to_vec();
    bytes[80] ^= 0xff;
    lab.input(Input::Message(bytes.into()));
    assert_eq!(lab.done(), [Output::Dial(3)]);
}

#[test]
fn a_message_that_says_no_time_is_dropped() {
    let mut lab = Lab::serving(unpaced());
    let frame = smux(&[(Syn, 3, b"")]);
    let mut message = Lab::message(MessageKind::InputStreamData, 1, 1, &frame);
    message.created_ms = 0;
    lab.receive(&message);
    assert_eq!((lab.acknowledged(), lab.done()), (vec![], vec![]));
}

#[test]
fn a_message_that_is_none_is_survived() {
    let mut lab = Lab::serving(unpaced());
    for nonsense in [&[][..], &[0; 119], &[0xff; 200]] {
        lab.input(Input::Message(Bytes::copy_from_slice(nonsense)));
    }
    lab.mux(&[(Syn, 3, b"")]);
    assert_eq!(lab.done(), [Output::Dial(3)]);
}

// Sending again.

#[test]
fn without_acknowledgements_only_the_oldest_is_repeated_every_300_ms_and_new_data_go_on() {
    let mut lab = Lab::new(AgentSettings::default());
    lab.respond("1.2.764.0", 1); // numbers 0 and 1 are out, nothing is acknowledged
    lab.pass(MS);
    lab.input(Input::Resolved(Ok(())));
    lab.pass(5 * MS);
    lab.open(3);
    lab.input(Input::FromDestination(3, Bytes::from_static(b"x")));
    assert_eq!(lab.numbers(), [0, 1, 2]);
    lab.pass(294 * MS - MS);
    assert_eq!(lab.numbers(), [0_i64; 0], "300 ms are not over");
    lab.pass(MS);
    assert_eq!(lab.numbers(), [0]);
    lab.pass(3 * SECOND);
    assert_eq!(lab.numbers(), [0; 10]);
    lab.input(Input::FromDestination(3, Bytes::from_static(b"y")));
    assert_eq!(lab.numbers(), [3], "it goes on without waiting for acknowledgements");
}

#[test]
fn the_next_one_is_repeated_only_when_the_oldest_is_acknowledged() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.input(Input::FromDestination(3, Bytes::from(vec![0; 3000])));
    assert_eq!(lab.numbers(), [2, 3, 4]);
    lab.acknowledge(3);
    lab.pass(SECOND);
    assert!(lab.numbers().iter().all(|seq| *seq == 2));
    lab.acknowledge(2);
    lab.pass(2 * SECOND);
    let repeated = lab.numbers();
    assert!(!repeated.is_empty() && repeated.iter().all(|seq| *seq == 4), "{repeated:?}");
}

#[test]
fn an_acknowledgement_that_comes_before_the_message_is_stored_is_forgotten() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.acknowledged();
    lab.writes = false;
    lab.input(Input::FromDestination(3, Bytes::from_static(b"x")));
    let (_, ticket) = lab.unwritten.pop().unwrap();
    lab.acknowledge(2); // on the wire already, in the outbox not yet
    lab.writes = true;
    lab.input(Input::Written(ticket));
    assert_eq!(lab.machine.unacknowledged(), 1);
    lab.pass(400 * MS);
    assert_eq!(lab.numbers(), [2]);
    lab.acknowledge(2);
    assert_eq!(lab.machine.unacknowledged(), 0);
}

#[test]
fn late_storing_makes_every_quick_acknowledgement_forgotten() {
    let mut lab = Lab::serving(AgentSettings { late_store: 1.0, ..unpaced() });
    lab.pass(100 * MS);
    lab.open(3);
    lab.input(Input::FromDestination(3, Bytes::from_static(b"x")));
    lab.acknowledge(2);
    lab.pass(50 * MS);
    assert!(lab.machine.unacknowledged() > 0);
}

#[test]
fn a_lost_websocket_loses_nothing_that_was_numbered() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.acknowledged();
    lab.input(Input::Disconnected);
    lab.writes = false;
    lab.input(Input::FromDestination(3, Bytes::from_static(b"x")));
    let (_, ticket) = lab.unwritten.pop().unwrap();
    lab.input(Input::NotWritten(ticket));
    lab.writes = true;
    lab.input(Input::Connected);
    lab.pass(400 * MS);
    assert_eq!(lab.numbers(), [2], "no second handshake, the counters go on");
}

// Pausing.

#[test]
fn a_pause_stops_new_data_and_repetitions_until_publication_starts() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.input(Input::FromDestination(3, Bytes::from_static(b"x")));
    assert_eq!(lab.numbers(), [2]);
    lab.publication(MessageKind::PausePublication);
    lab.input(Input::FromDestination(3, Bytes::from_static(b"y")));
    lab.pass(5 * SECOND);
    assert_eq!(lab.numbers(), [0_i64; 0]);
    lab.publication(MessageKind::StartPublication);
    assert_eq!(lab.numbers(), [3]);
    lab.pass(SECOND);
    assert!(lab.numbers().contains(&2));
}

#[test]
fn any_data_or_acknowledgement_ends_a_pause() {
    let ends: [fn(&mut Lab); 2] = [|lab| lab.acknowledge(77), |lab| lab.data_at(0, b"old")];
    for end in ends {
        let mut lab = Lab::serving(unpaced());
        lab.open(3);
        lab.publication(MessageKind::PausePublication);
        lab.input(Input::FromDestination(3, Bytes::from_static(b"x")));
        assert_eq!(lab.numbers(), [0_i64; 0]);
        end(&mut lab);
        assert_eq!(lab.numbers(), [2]);
    }
}

// Pacing.

#[test]
fn messages_carry_1024_bytes_of_smux_with_a_pause_after_each() {
    let mut lab = Lab::serving(AgentSettings { pause: MS, ..AgentSettings::default() });
    lab.open(3);
    lab.data();
    lab.input(Input::FromDestination(3, Bytes::from(vec![7; 32_768])));
    assert_eq!(lab.data().len(), 1);
    lab.pass(10 * MS);
    assert_eq!(lab.data().len(), 10);
    lab.pass(100 * MS);
    let rest = lab.data();
    assert_eq!(rest.len(), 22);
    assert!(rest[..21].iter().all(|message| message.payload.len() == 1024));
    assert_eq!(rest[21].payload.len(), 8, "a frame of 32776 bytes ends with 8");
}

#[test]
fn without_pacing_all_goes_at_once() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.data();
    lab.input(Input::FromDestination(3, Bytes::from(vec![7; 32_768])));
    assert_eq!(lab.data().len(), 33);
}

#[test]
fn destinations_are_read_only_while_the_internal_socket_has_room() {
    let mut lab = Lab::serving(AgentSettings::default());
    lab.open(3);
    let mut taken = 0;
    while lab.machine.has_room() {
        lab.input(Input::FromDestination(3, Bytes::from(vec![0; 32_768])));
        taken += 32_768;
    }
    assert!((200_000..280_000).contains(&taken), "{taken}");
    lab.pass(SECOND);
    assert!(lab.machine.has_room());
}

// Streams.

#[test]
fn the_host_is_resolved_once_and_dials_come_one_after_the_other_however_long_they_take() {
    let mut lab = Lab::serving(unpaced());
    lab.mux(&[(Syn, 3, b""), (Syn, 5, b""), (Psh, 5, b"early"), (Syn, 7, b"")]);
    assert_eq!(lab.done(), [Output::Dial(3)]);
    lab.pass(600 * SECOND);
    assert_eq!(lab.done(), [], "no time limit of its own, and the others wait");
    lab.input(Input::Dialled(3, true));
    assert_eq!(lab.done(), [Output::Dial(5)]);
    lab.input(Input::Dialled(5, true));
    assert_eq!(lab.done(), [to_destination(5, b"early"), Output::Dial(7)]);
}

#[test]
fn a_destination_that_cannot_be_reached_is_flag_3_without_a_stream_and_then_its_fin() {
    let mut lab = Lab::serving(unpaced());
    lab.mux(&[(Syn, 3, b""), (Psh, 3, b"lost without notice")]);
    lab.data();
    lab.input(Input::Dialled(3, false));
    let sent = lab.data();
    assert_eq!((sent[0].payload_type, &sent[0].payload[..]), (10, &[0, 0, 0, 3][..]));
    assert_eq!(frames(&sent), [(Fin, 3, vec![])]);
    lab.mux(&[(Syn, 5, b"")]);
    assert!(lab.done().contains(&Output::Dial(5)), "the session lives on");
}

#[test]
fn fin_from_the_client_closes_both_ways_and_loses_the_answer() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.done();
    lab.data();
    lab.mux(&[(Psh, 3, b"question"), (Fin, 3, b"")]);
    assert_eq!(lab.done(), [to_destination(3, b"question")], "what came before is delivered");
    lab.input(Input::Taken(3, 8));
    assert_eq!(lab.done(), [Output::Close(3)]);
    lab.input(Input::FromDestination(3, Bytes::from_static(b"answer")));
    assert_eq!(frames(&lab.data()), [(Fin, 3, vec![])]);
}

#[test]
fn a_destination_that_closes_is_fin_behind_its_data() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.data();
    lab.input(Input::FromDestination(3, Bytes::from_static(b"bye")));
    lab.input(Input::DestinationClosed(3));
    assert_eq!(frames(&lab.data()), [(Psh, 3, b"bye".to_vec()), (Fin, 3, vec![])]);
    lab.done();
    lab.mux(&[(Psh, 3, b"too late"), (Fin, 3, b"")]);
    assert_eq!((lab.done(), frames(&lab.data())), (vec![], vec![]), "a forgotten stream");
}

#[test]
fn four_mebibytes_unread_by_one_destination_stop_everything_acknowledgements_included() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.open(5);
    lab.done();
    let chunk = vec![0; 32_768];
    let mut sent = 0;
    while lab.machine.reading() {
        lab.mux(&[(Psh, 3, &chunk)]);
        sent += chunk.len();
        assert!(sent < 16 << 20, "it never stops reading");
    }
    let buffers = 4 * 1024 * 1024 + 212_992; // smux's, and the internal socket before it
    assert!((buffers..buffers + 3 * 32_776).contains(&sent), "{sent}");
    lab.acknowledged();
    lab.done();
    lab.mux(&[(Psh, 5, b"SELECT 1")]);
    lab.acknowledge(1);
    lab.data_at(0, b"");
    assert_eq!(lab.acknowledged(), [0_i64; 0], "not even old ones");
    assert_eq!(lab.done(), []);
    lab.input(Input::Taken(3, 1024 * 1024));
    assert!(lab.done().contains(&to_destination(5, b"SELECT 1")));
    let acknowledged = lab.acknowledged();
    assert!(acknowledged.contains(&0) && acknowledged.contains(&(lab.next - 1)));
    assert!(lab.machine.reading());
}

#[test]
fn a_message_of_eight_megabytes_is_taken() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.acknowledged();
    lab.done();
    lab.mux(&[(Psh, 3, &vec![1; 8_000_000])]);
    let mut taken = 0;
    while let Some(Output::ToDestination(3, data)) = lab.done_first() {
        taken += data.len();
        lab.input(Input::Taken(3, data.len()));
    }
    assert_eq!(taken, 8_000_000);
    assert_eq!(lab.acknowledged(), [lab.next - 1], "acknowledged when all of it is written");
}

#[test]
fn what_is_not_smux_ends_the_session() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.done();
    lab.numbered(1, b"\x02\x00\x00\x00\x03\x00\x00\x00");
    assert_eq!(lab.done(), [Output::Close(3), Output::Done("invalid protocol".to_owned())]);
}

// Endings.

#[test]
fn an_unknown_host_ends_the_session_after_a_handshake_that_went_well() {
    let mut lab = Lab::new(AgentSettings::default());
    lab.respond("1.2.764.0", 1);
    assert!(lab.data().iter().any(|message| message.payload_type == 7));
    (0..2).for_each(|seq| lab.acknowledge(seq));
    lab.pass(MS);
    let why = "lookup db.internal on 10.0.0.2:53: no such host";
    lab.input(Input::Resolved(Err(why.to_owned())));
    assert_eq!(lab.done(), [Output::Resolve, Output::Done(why.to_owned())]);
}

#[test]
fn the_terminate_flag_is_acknowledged_and_ends_all_streams() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.acknowledged();
    lab.done();
    lab.numbered(10, &[0, 0, 0, 2]);
    assert_eq!(lab.acknowledged(), [2]);
    assert_eq!(lab.done(), [Output::Close(3), Output::Done(String::new())]);
}

#[test]
fn a_session_that_ends_waits_for_its_acknowledgements_two_seconds_at_most() {
    for acknowledged in [true, false] {
        let mut lab = Lab::serving(unpaced());
        lab.open(3);
        lab.input(Input::FromDestination(3, Bytes::from_static(b"x")));
        lab.done();
        lab.numbered(10, &[0, 0, 0, 2]);
        assert_eq!(lab.done(), [Output::Close(3)]);
        if acknowledged {
            lab.acknowledge(2);
        } else {
            lab.pass(2 * SECOND - MS);
            assert_eq!(lab.done(), []);
            lab.pass(MS);
        }
        assert_eq!(lab.done(), [Output::Done(String::new())]);
    }
}

#[test]
fn the_service_s_channel_closed_ends_the_session_at_once() {
    let mut lab = Lab::serving(unpaced());
    lab.open(3);
    lab.input(Input::FromDestination(3, Bytes::from_static(b"x")));
    lab.done();
    lab.receive(&Lab::message(MessageKind::ChannelClosed, 0, 0, b"{}"));
    assert_eq!(lab.done(), [Output::Close(3), Output::Done(String::new())]);
}
