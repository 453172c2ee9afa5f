//! The driver against an agent led by hand: what is said on the wire, and what visitors and the handle see of it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test has no tasks of the daemon's")]

mod agent;

use std::sync::Arc;
use std::time::Duration;

use agent::{Gate, Heard, PIECE, pattern};
use bytes::Bytes;
use ssm_proto::mux::frame::Command;
use ssm_proto::payload::Flag;
use ssm_tunnel::{Closed, FirstByte, Lost, Never, Options, StreamEnd, StreamError, Unsupported};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

/// Bytes of the transfers that must arrive as they were.
const LONG: usize = 3_000_000;

async fn a_small_and_a_long_echo_come_back() {
    let gate = Gate::open().await;
    let (tunnel, driver, agent) = gate.tunnel(Options::default()).await;
    let driving = tokio::spawn(driver);
    let echoing = tokio::spawn(agent.echo());

    let mut small = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    small.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    small.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");

    let sent = pattern(LONG);
    let (mut reader, mut writer) =
        tokio::io::split(tunnel.open_stream(FirstByte::AnyTime).await.unwrap());
    let mut received = vec![0; LONG];
    let (wrote, read) = tokio::join!(writer.write_all(&sent), reader.read_exact(&mut received));
    wrote.unwrap();
    read.unwrap();
    assert!(sent == received, "the long echo came back changed");

    assert_eq!(tunnel.streams(), 2);
    assert_eq!(tunnel.agent_version(), "3.3.0.0");
    echoing.abort();
    assert!(matches!(driving.await.unwrap(), Closed::SessionOver { .. }));
}

#[tokio::test]
async fn an_echo_comes_back_on_one_thread() {
    a_small_and_a_long_echo_come_back().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_comes_back_on_several_threads() {
    a_small_and_a_long_echo_come_back().await;
}

#[tokio::test]
async fn many_streams_at_once_each_get_their_own_bytes() {
    let gate = Gate::open().await;
    let (tunnel, driver, agent) = gate.tunnel(Options::default()).await;
    let _driving = tokio::spawn(driver);
    let _echoing = tokio::spawn(agent.echo());

    let visits = (0..50_u8).map(|number| {
        let tunnel = tunnel.clone();
        tokio::spawn(async move {
            let sent = vec![number; 20_000];
            let (mut reader, mut writer) =
                tokio::io::split(tunnel.open_stream(FirstByte::AnyTime).await.unwrap());
            let mut received = vec![0; sent.len()];
            let (wrote, read) =
                tokio::join!(writer.write_all(&sent), reader.read_exact(&mut received));
            wrote.unwrap();
            read.unwrap();
            assert!(sent == received);
        })
    });
    for visit in visits.collect::<Vec<_>>() {
        visit.await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_who_does_not_read_stops_what_comes_within_the_bound_and_loses_nothing() {
    let gate = Gate::open().await;
    let mut options = Options::default();
    options.channel.unread_in_all = 256 * 1024;
    let (tunnel, driver, mut agent) = gate.tunnel(options).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    // More than both ends' kernels keep.
    let sent = pattern(16 << 20);

    // On a paused clock, a timeout is over as soon as nobody has anything left to do.
    tokio::time::pause();
    let quiet = Duration::from_millis(50);
    let (acknowledged, said) = (agent.acknowledgements, agent.next);
    let stuck = tokio::time::timeout(quiet, agent.say_in_pieces(id, &sent)).await.is_err();
    while let Ok(heard) = tokio::time::timeout(quiet, agent.hear()).await {
        assert!(matches!(heard, Heard::Acknowledged(_)), "{heard:?}");
    }
    let taken = (agent.acknowledgements - acknowledged) * PIECE;
    tokio::time::resume();

    assert!(stuck, "16 MiB went to a reader who reads nothing");
    assert!(taken >= 192 * 1024, "only {taken} bytes were taken");
    assert!(taken <= (256 + 64 + 4) * 1024, "{taken} bytes were taken");

    let mut received = vec![0; usize::try_from(agent.next - said).unwrap() * PIECE];
    let (read, ()) = tokio::join!(stream.read_exact(&mut received), async {
        // The timeout may have cut off the last piece before it was sent.
        agent.repeat_last().await;
        while !agent.unacknowledged.is_empty() {
            assert!(!matches!(agent.hear().await, Heard::Gone | Heard::Closed(_)));
        }
    });
    read.unwrap();
    assert!(received == sent[..received.len()], "what was read late came changed");
}

#[tokio::test]
async fn writes_stop_within_the_bound_while_nothing_is_acknowledged() {
    let gate = Gate::open().await;
    let mut options = Options::default();
    options.channel.window_bytes = 128 * 1024;
    options.channel.window_frames = 1 << 20;
    let (tunnel, driver, mut agent) = gate.tunnel(options).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    agent.acknowledges = false;
    let sent = pattern(LONG);

    let mut written = 0;
    let mut taken = Vec::new();
    tokio::time::pause();
    loop {
        let part = tokio::time::timeout(Duration::from_millis(50), async {
            tokio::select! {
                more = stream.write(&sent[written..]) => (more.unwrap(), Vec::new()),
                frames = agent.frames() => (0, frames),
            }
        });
        let Ok((more, frames)) = part.await else { break };
        written += more;
        frames.into_iter().for_each(|frame| taken.extend_from_slice(&frame.data));
    }
    tokio::time::resume();

    assert!(written >= 128 * 1024, "only {written} bytes were taken");
    assert!(written <= 128 * 1024 + 2 * 64 * 1024 + 2 * 1024, "{written} bytes were taken");

    // All of it arrives once acknowledgements flow.
    agent.acknowledges = true;
    agent.acknowledge_up_to_now().await;
    let rest = LONG - taken.len();
    let (wrote, more) = tokio::join!(stream.write_all(&sent[written..]), agent.take(id, rest));
    wrote.unwrap();
    taken.extend(more);
    assert!(taken == sent, "what was held back came changed");
}

#[tokio::test]
async fn a_socket_that_takes_nothing_is_still_read() {
    let gate = Gate::narrow();
    let mut options = Options::default();
    options.channel.window_bytes = 64 << 20;
    options.channel.window_frames = 1 << 20;
    options.channel.stream_send_bytes = 64 << 20;
    let (tunnel, driver, mut agent) = gate.tunnel(options).await;
    let _driving = tokio::spawn(driver);
    let mut up = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let up_id = agent.opened().await;
    let mut down = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let down_id = agent.opened().await;
    up.write_all(b"first").await.unwrap();
    agent.take(up_id, 5).await;

    // From here on the agent reads nothing, and much more is written than the kernels keep.
    let upload = pattern(32 << 20);
    up.write_all(&upload).await.unwrap();
    let download = pattern(1 << 20);
    let mut received = vec![0; download.len()];
    let (read, ()) = tokio::join!(down.read_exact(&mut received), agent.say(down_id, &download));
    read.unwrap();
    assert!(received == download, "the download came changed");
    assert!(!agent.unacknowledged.is_empty(), "the upload did not block the socket");

    let arrived = agent.take(up_id, upload.len()).await;
    assert!(arrived == upload, "the upload came changed");
}

#[tokio::test]
async fn an_answer_that_comes_after_the_visitor_has_shut_down_is_not_lost() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    stream.write_all(b"question").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(stream.write_all(b"more").await.is_err());
    // A stream opened later: had the first one's FIN been sent, it would have come before.
    let _later = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();

    let mut heard = Vec::new();
    let mut streams = Vec::new();
    while streams.len() < 2 || heard.len() < 8 {
        for frame in agent.frames().await {
            assert_ne!(frame.command, Command::Fin, "FIN before the answer");
            if frame.command == Command::Syn {
                streams.push(frame.stream);
            }
            heard.extend_from_slice(&frame.data);
        }
    }
    let answer = pattern(200_000);
    agent.say(streams[0], &answer).await;
    agent.finish(streams[0]).await;

    let mut received = Vec::new();
    let (read, ()) = tokio::join!(stream.read_to_end(&mut received), agent.finished(streams[0]));
    read.unwrap();
    assert!(received == answer, "the answer came changed");
    assert_eq!(stream.ended(), Some(StreamEnd::Finished));
}

#[tokio::test]
async fn a_dropped_stream_is_finished_behind_what_was_written() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    let sent = pattern(60_000);
    stream.write_all(&sent).await.unwrap();
    drop(stream);

    let mut taken = Vec::new();
    let mut finished = false;
    while !finished {
        let said = agent.frames().await;
        // Probes are runs of NOPs.
        for frame in said.into_iter().filter(|frame| frame.command != Command::Nop) {
            assert_eq!(frame.stream, id);
            taken.extend_from_slice(&frame.data);
            finished |= frame.command == Command::Fin;
        }
    }
    assert!(taken == sent, "what was written before the drop came changed");
    assert_eq!(tunnel.streams(), 0);
}

#[tokio::test]
async fn a_refused_dial_is_told_as_such_and_the_next_stream_goes_on() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let _driving = tokio::spawn(driver);
    let mut refused = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    agent.flag(Flag::ConnectToPortError).await;
    agent.finish(id).await;

    let (read, ()) = tokio::join!(refused.read_u8(), agent.finished(id));
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(refused.ended(), Some(StreamEnd::DialFailed));

    let mut next = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    agent.say(id, b"!").await;
    let (read, _heard) = tokio::join!(next.read_u8(), agent.hear());
    assert_eq!(read.unwrap(), b'!');
    assert_eq!(next.ended(), None);
}

#[tokio::test]
async fn the_services_words_at_the_end_reach_the_handle_and_the_streams() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    // More than a stream keeps for its reader.
    let last_words = pattern(200_000);
    agent.say(id, &last_words).await;
    agent.channel_closed("lookup nowhere.example: no such host").await;
    agent.hang_up(1000, "").await;

    let closed = tunnel.closed().await;
    assert!(
        matches!(&closed, Closed::ByService { output } if output == "lookup nowhere.example: no such host"),
        "{closed:?}"
    );
    assert!(tunnel.is_closed());
    let mut words = vec![0; last_words.len()];
    stream.read_exact(&mut words).await.unwrap();
    assert!(words == last_words, "the last words came changed");
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(stream.ended(), Some(StreamEnd::TunnelClosed));
    assert!(matches!(driving.await.unwrap(), Closed::ByService { .. }));
    let refused = tunnel.open_stream(FirstByte::AnyTime).await;
    assert!(matches!(refused, Err(StreamError::Closed(Closed::ByService { .. }))), "{refused:?}");
}

#[tokio::test]
async fn a_websocket_that_is_closed_or_breaks_ends_a_tunnel_that_cannot_be_resumed_with_its_reason()
{
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let driving = tokio::spawn(driver);
    agent.hang_up(1000, "Bye").await;
    let closed = driving.await.unwrap();
    assert!(
        matches!(
            &closed,
            Closed::SessionOver { lost: Lost::Closed { code: 1000, reason }, .. } if reason == "Bye"
        ),
        "{closed:?}"
    );
    while !matches!(agent.hear().await, Heard::Closed(Some(1000)) | Heard::Gone) {}
    assert!(tunnel.is_closed());

    let (tunnel, driver, agent) = gate.tunnel(Options::default()).await;
    let driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    drop(agent);
    let closed = driving.await.unwrap();
    let Closed::SessionOver { lost: Lost::Broken(_) | Lost::Ended, .. } = closed else {
        panic!("{closed:?}")
    };
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn closing_tells_the_agent_and_waits_for_it_before_the_websocket_is_closed() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let driving = tokio::spawn(driver);
    let closer = tunnel.clone();
    let closing = tokio::spawn(async move { closer.close().await });

    loop {
        let heard = agent.hear().await;
        if heard == Heard::Flag(Flag::TerminateSession) {
            break;
        }
        assert!(matches!(heard, Heard::Acknowledged(_)), "{heard:?} before the flag");
    }
    assert!(matches!(agent.hear().await, Heard::Closed(_)));
    while agent.hear().await != Heard::Gone {}
    closing.await.unwrap();
    assert!(matches!(driving.await.unwrap(), Closed::ByUs));
    assert!(matches!(tunnel.closed().await, Closed::ByUs));
}

#[tokio::test]
async fn closing_ends_though_the_agent_is_deaf() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let driving = tokio::spawn(driver);
    agent.acknowledges = false;
    tokio::time::pause();
    let start = Instant::now();
    let (closed, ()) = tokio::join!(driving, tunnel.close());
    assert!(matches!(closed.unwrap(), Closed::ByUs));
    assert!(start.elapsed() <= Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_session_ends_in_order_when_nobody_holds_the_tunnel_any_more() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let driving = tokio::spawn(driver);
    let stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    drop(tunnel);
    agent.say(id, b"still there").await;
    while !matches!(agent.hear().await, Heard::Acknowledged(2)) {}
    drop(stream);
    agent.finished(id).await;
    while agent.hear().await != Heard::Flag(Flag::TerminateSession) {}
    while agent.hear().await != Heard::Gone {}
    assert!(matches!(driving.await.unwrap(), Closed::ByUs));
}

#[tokio::test]
async fn a_dropped_driver_leaves_nobody_waiting() {
    let gate = Gate::open().await;
    let (tunnel, driver, _agent) = gate.tunnel(Options::default()).await;
    let driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    driving.abort();
    assert!(driving.await.unwrap_err().is_cancelled());

    assert!(matches!(tunnel.closed().await, Closed::Undriven));
    assert!(tunnel.is_closed());
    tunnel.close().await;
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(matches!(
        tunnel.open_stream(FirstByte::AnyTime).await,
        Err(StreamError::Closed(Closed::Undriven))
    ));
}

#[tokio::test]
async fn calls_that_came_too_late_are_answered_though_the_driver_is_kept() {
    let gate = Gate::open().await;
    let (tunnel, mut driver, agent) = gate.tunnel(Options::default()).await;
    drop(agent);
    let asking = tunnel.open_stream(FirstByte::AnyTime);
    let (closed, asked) = tokio::join!(&mut driver, asking);
    assert!(matches!(closed, Closed::SessionOver { .. }), "{closed:?}");
    assert!(matches!(asked, Err(StreamError::Closed(Closed::SessionOver { .. }))) || asked.is_ok());
    let refused = tunnel.open_stream(FirstByte::AnyTime).await;
    let Err(StreamError::Closed(Closed::SessionOver { .. })) = refused else {
        panic!("{refused:?}")
    };
    tunnel.close().await;
    drop(driver);
}

#[tokio::test]
async fn an_agent_too_old_is_refused_by_name_and_told_so() {
    let gate = Gate::open().await;
    let shaking = async {
        let mut agent = gate.agent().await;
        agent.introduced().await;
        agent.request_handshake("3.0.196.0").await;
        loop {
            let heard = agent.hear().await;
            if let Heard::Response(response) = heard {
                return (response, agent.hear().await);
            }
            assert!(matches!(heard, Heard::Acknowledged(_)), "{heard:?} before the response");
        }
    };
    let (opened, (response, after)) = tokio::join!(
        ssm_tunnel::Tunnel::open(gate.grant(), Options::default(), Arc::new(Never)),
        shaking
    );
    let error = opened.unwrap_err();
    assert!(
        matches!(
            &error,
            ssm_tunnel::OpenError::Closed(Closed::Unsupported(Unsupported::AgentTooOld { version, .. }))
                if version == "3.0.196.0"
        ),
        "{error:?}"
    );
    assert_ne!(response.processed_client_actions[0].action_status, 1);
    assert!(matches!(after, Heard::Closed(_) | Heard::Gone), "{after:?}");
}

#[tokio::test]
async fn bytes_for_a_stream_that_was_never_opened_harm_nobody() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let _driving = tokio::spawn(driver);
    agent.say(99, b"stray").await;
    agent.send(77, Bytes::from_static(b"unknown payload type")).await;
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    agent.say(id, b"!").await;
    let (read, _heard) = tokio::join!(stream.read_u8(), agent.hear());
    assert_eq!(read.unwrap(), b'!');
}
