//! How long a destination, a silent gateway and an idle session are waited for.
#![expect(clippy::disallowed_methods, reason = "a test has no tasks of the daemon's")]

mod agent;

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent::{Gate, Heard};
use ssm_proto::mux::frame::Command;
use ssm_tunnel::{Closed, FirstByte, Lost, Options, StreamEnd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn a_destination_that_gives_no_sign_ends_its_stream_after_ten_seconds_of_being_asked() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let _driving = tokio::spawn(driver);
    let mut asked = tunnel.open_stream(FirstByte::AfterVisitor).await.unwrap();
    let id = agent.opened().await;
    let mut unasked = tunnel.open_stream(FirstByte::AfterVisitor).await.unwrap();
    agent.opened().await;
    assert_eq!(tunnel.stats().dialing, 0);
    let _answering = tokio::spawn(async move { while agent.hear().await != Heard::Gone {} });
    asked.write_all(b"startup").await.unwrap();
    tokio::time::pause();
    let start = Instant::now();
    let read = asked.read_u8().await;

    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(asked.ended(), Some(StreamEnd::NoFirstByte));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(9900) && took <= Duration::from_secs(11), "{took:?}");
    assert!(timeout(Duration::from_secs(60), unasked.read_u8()).await.is_err());
    // The agent has not answered the stream's end: its dial may still hang.
    let stats = tunnel.stats();
    assert_eq!((stats.streams, stats.dialing), (1, 1), "{stats:?}, stream {id}");
    assert!(stats.oldest_dial.unwrap() >= Duration::from_secs(60), "{stats:?}");
}

#[tokio::test]
async fn a_dial_counts_as_hanging_until_the_agent_is_done_with_it() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AtOnce).await.unwrap();
    let first = agent.opened().await;
    assert_eq!(tunnel.stats().dialing, 1);
    agent.say(first, b"greeting").await;
    let (read, _heard) = tokio::join!(stream.read_u8(), agent.hear());
    read.unwrap();
    assert_eq!(tunnel.stats().dialing, 0);

    let given_up = tunnel.open_stream(FirstByte::AtOnce).await.unwrap();
    let second = agent.opened().await;
    drop(given_up);
    agent.finished(second).await;
    assert_eq!(tunnel.stats().dialing, 1);
    agent.flag(ssm_proto::payload::Flag::ConnectToPortError).await;
    agent.finish(second).await;
    while tunnel.stats().dialing > 0 {
        agent.hear().await;
    }
}

#[tokio::test]
async fn a_destination_that_says_nothing_after_the_shutdown_is_waited_for_a_linger_and_no_longer() {
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(Options::default()).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    stream.write_all(b"question").await.unwrap();
    let id = agent.opened().await;
    tokio::time::pause();
    let shut = Instant::now();
    stream.shutdown().await.unwrap();

    let (read, ()) = tokio::join!(stream.read_u8(), agent.finished(id));

    assert!(shut.elapsed() >= Duration::from_secs(30), "{:?}", shut.elapsed());
    assert!(shut.elapsed() <= Duration::from_secs(31), "{:?}", shut.elapsed());
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(stream.ended(), Some(StreamEnd::Lingered));
    assert_eq!(tunnel.streams(), 0);
}

#[tokio::test]
async fn a_ping_that_is_not_answered_any_more_loses_the_websocket() {
    let gate = Gate::open().await;
    let (_tunnel, driver, agent) = gate.tunnel(Options::default()).await;
    let driving = tokio::spawn(driver);
    // The agent is there but does not read, so it does not answer.
    tokio::time::pause();
    let start = Instant::now();
    let closed = driving.await.unwrap();
    let Closed::SessionOver { lost: Lost::Silent { .. }, .. } = closed else {
        panic!("{closed:?}")
    };
    assert!(start.elapsed() >= Duration::from_secs(300), "{:?}", start.elapsed());
    assert!(start.elapsed() <= Duration::from_secs(300 + 15), "{:?}", start.elapsed());
    drop(agent);
}

#[tokio::test]
async fn an_idle_tunnel_sleeps_until_its_next_ping() {
    let gate = Gate::open().await;
    let (tunnel, mut driver, agent) = gate.tunnel(Options::default()).await;
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let _driving = tokio::spawn(poll_fn(move |cx| {
        counted.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut driver).poll(cx)
    }));
    let _echoing = tokio::spawn(agent.echo());
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    stream.write_all(b"!").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'!');
    drop(stream);

    tokio::time::pause();
    let until = |seconds| timeout(Duration::from_secs(seconds), tunnel.closed());
    // The last acknowledgements pass, and the timer of what they are for.
    assert!(until(5).await.is_err());
    let before = turns.load(Ordering::Relaxed);
    assert!(until(290).await.is_err());
    assert_eq!(turns.load(Ordering::Relaxed), before, "woken without need");
    // Ping and pong, twice.
    assert!(until(600).await.is_err());
    let pings = turns.load(Ordering::Relaxed) - before;
    assert!((2..=8).contains(&pings), "woken {pings} times for two pings");
}

#[tokio::test]
async fn a_kept_session_is_shown_to_be_in_use_well_inside_its_limit_and_others_are_not() {
    let gate = Gate::open().await;
    for keep in [true, false] {
        let mut options = Options::default();
        // Probes are runs of NOPs, too.
        options.channel.probing = false;
        let (tunnel, driver, mut agent) = gate.tunnel(options).await;
        let _driving = tokio::spawn(driver);
        tunnel.keep(keep).await;
        let stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
        agent.opened().await;
        drop(stream);
        tokio::time::pause();
        let start = Instant::now();
        let mut nops = Vec::new();
        while start.elapsed() < Duration::from_secs(60 * 60) {
            let Ok(heard) = timeout(Duration::from_secs(60), agent.hear()).await else { continue };
            let Heard::Frames(frames) = heard else { continue };
            if frames.iter().any(|frame| frame.command == Command::Nop) {
                nops.push(start.elapsed());
            }
        }
        tokio::time::resume();
        if keep {
            let mut before = Duration::ZERO;
            for at in &nops {
                assert!(*at - before <= Duration::from_secs(20 * 60 / 2), "{nops:?}");
                before = *at;
            }
            assert!((6..=12).contains(&nops.len()), "{nops:?}");
        } else {
            assert!(nops.is_empty(), "{nops:?}");
        }
    }
}
