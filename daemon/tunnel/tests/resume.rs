//! Losing the websocket: what is said on the next one, how long is waited, and when there is nothing to come back to.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test has no tasks of the daemon's")]

mod agent;
#[path = "resume/owner.rs"]
mod owner;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent::{Gate, Heard, pattern};
use async_trait::async_trait;
use bytes::Bytes;
use owner::{Hand, Script, trouble};
use ssm_tunnel::{
    Closed, FirstByte, Grant, Lost, OpenError, Options, Resume, ResumeError, State, StreamEnd,
    Tunnel,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

#[tokio::test]
async fn after_a_bye_the_stream_goes_on_with_a_new_token_the_same_client_and_no_byte_lost() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, []);
    let opening = Tunnel::open(gate.grant(), Options::default(), Arc::clone(&script) as _);
    let (opened, (mut agent, first)) = tokio::join!(opening, async {
        let mut agent = gate.agent().await;
        let first = agent.introduced().await;
        agent.rest_of_the_handshake("3.3.0.0").await;
        (agent, first)
    });
    let (tunnel, driver) = opened.unwrap();
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    // What is written now arrives, but its acknowledgements are lost with the websocket.
    agent.acknowledges = false;
    stream.write_all(b"twice").await.unwrap();
    assert_eq!(agent.take(id, 5).await, b"twice");
    agent.say(id, b"before").await;
    agent.hang_up(1000, "Bye").await;

    let (_old, second) = agent.meet_again(&gate).await;
    assert_eq!(second["TokenValue"], "TOKEN-1");
    assert_eq!(second["ClientId"], first["ClientId"]);
    assert_ne!(second["RequestId"], first["RequestId"]);
    agent.acknowledges = true;
    loop {
        let heard = agent.hear().await;
        if let Heard::Again(_) = heard {
            break;
        }
        assert!(matches!(heard, Heard::Acknowledged(_)), "{heard:?} before what is sent again");
    }
    stream.write_all(b"once").await.unwrap();
    assert_eq!(agent.take(id, 4).await, b"once");
    agent.say(id, b"after").await;
    let mut heard = [0; 11];
    let (read, _acknowledged) = tokio::join!(stream.read_exact(&mut heard), agent.hear());
    read.unwrap();
    assert_eq!(&heard, b"beforeafter");
    assert_eq!(script.asked(), 1);
    assert!(matches!(&*tunnel.state().borrow(), State::Live));
}

#[tokio::test]
async fn what_the_old_websocket_still_holds_is_read_though_it_can_no_longer_be_written_to() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, []);
    let (tunnel, mut driver, mut agent) =
        gate.lasting_tunnel(Options::default(), script as _).await;
    let (mut stream, id) = tokio::select! {
        closed = &mut driver => panic!("{closed:?}"),
        opened = async {
            let stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
            (stream, agent.opened().await)
        } => opened,
    };
    // The driver stands still: all of this lies unread in the socket when the agent is gone. It is more messages than are
    // taken before acknowledgements are sent, which the second time fails.
    let words = pattern(30_000);
    for part in words.chunks(150) {
        agent.say(id, part).await;
    }
    stream.write_all(&pattern(60_000)).await.unwrap();
    agent.vanish().await;

    let _driving = tokio::spawn(driver);
    agent.meet_again(&gate).await;
    let mut heard = vec![0; words.len()];
    // Nothing is repeated by the agent: what arrives has come by the old websocket.
    let reading = timeout(Duration::from_secs(10), stream.read_exact(&mut heard));
    tokio::select! {
        read = reading => drop(read.expect("what was unread is lost").unwrap()),
        () = async { while agent.hear().await != Heard::Gone {} } => panic!("gone"),
    }
    assert!(heard == words);
}

#[tokio::test]
async fn a_websocket_in_use_that_falls_silent_is_noticed_within_15_s_and_replaced() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, []);
    let (tunnel, driver, mut agent) =
        gate.lasting_tunnel(Options::default(), Arc::clone(&script) as _).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    stream.write_all(b"x").await.unwrap();
    agent.take(id, 1).await;

    // From here on the agent does nothing at all.
    tokio::time::pause();
    let start = Instant::now();
    let mut state = tunnel.state();
    let why = state.wait_for(|state| matches!(state, State::Resuming { .. })).await.unwrap();
    assert!(matches!(&*why, State::Resuming { why: Lost::Silent { .. }, .. }), "{why:?}");
    drop(why);
    assert!(start.elapsed() <= Duration::from_secs(15), "{:?}", start.elapsed());
    tokio::time::resume();

    let (_old, _opening) = agent.meet_again(&gate).await;
    agent.say(id, b"y").await;
    let (read, _heard) = tokio::join!(stream.read_u8(), agent.hear());
    assert_eq!(read.unwrap(), b'y');
}

#[tokio::test]
async fn a_silent_websocket_that_answers_after_all_is_gone_on_with() {
    let gate = Gate::open().await;
    let script = Script::always(&gate, ResumeError::Transient(trouble("no network")));
    let (tunnel, driver, mut agent) = gate.lasting_tunnel(Options::default(), script as _).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    let mut state = tunnel.state();
    tokio::time::pause();
    state.wait_for(|state| matches!(state, State::Resuming { .. })).await.unwrap();
    tokio::time::resume();

    // It reads its pings only now, and answers them.
    agent.say(id, b"late").await;
    let mut heard = [0; 4];
    let (read, ()) = tokio::join!(stream.read_exact(&mut heard), async {
        while agent.hear().await != Heard::Acknowledged(2) {}
    });
    read.unwrap();
    assert_eq!(&heard, b"late");
    state.wait_for(|state| matches!(state, State::Live)).await.unwrap();
}

#[tokio::test]
async fn a_websocket_that_does_not_outlive_a_sleep_is_replaced_after_two_seconds() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, []);
    let (tunnel, driver, agent) = gate.lasting_tunnel(Options::default(), script as _).await;
    let _driving = tokio::spawn(driver);
    let mut state = tunnel.state();
    tokio::time::pause();
    let start = Instant::now();
    tunnel.prove().await;
    state.wait_for(|state| matches!(state, State::Resuming { .. })).await.unwrap();
    assert!(start.elapsed() <= Duration::from_millis(2100), "{:?}", start.elapsed());
    drop(agent);
}

#[tokio::test]
async fn a_websocket_that_outlives_a_sleep_is_kept() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, []);
    let (tunnel, driver, agent) =
        gate.lasting_tunnel(Options::default(), Arc::clone(&script) as _).await;
    let _driving = tokio::spawn(driver);
    let _echoing = tokio::spawn(agent.echo());
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    tunnel.prove().await;
    stream.write_all(b"!").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'!');
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(script.asked(), 0);
}

#[tokio::test]
async fn a_session_that_is_over_ends_its_streams_at_once_with_the_services_words() {
    let gate = Gate::open().await;
    let script = Script::always(&gate, ResumeError::Over("terminated".into()));
    let (tunnel, driver, mut agent) = gate.lasting_tunnel(Options::default(), script as _).await;
    let driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    agent.opened().await;
    agent.hang_up(1000, "Bye").await;
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(stream.ended(), Some(StreamEnd::TunnelClosed));
    let closed = driving.await.unwrap();
    let Closed::SessionOver { output, lost: Lost::Closed { code: 1000, .. } } = closed else {
        panic!("{closed:?}")
    };
    assert_eq!(output, "terminated");
}

#[tokio::test]
async fn an_expired_login_is_waited_for_and_told_and_the_tunnel_goes_on_after_the_next() {
    let gate = Gate::open().await;
    let expired = || ResumeError::Login(trouble("expired"));
    let script = Script::of(&gate, (0..50).map(|_| expired()));
    let (tunnel, driver, mut agent) =
        gate.lasting_tunnel(Options::default(), Arc::clone(&script) as _).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    let mut state = tunnel.state();
    agent.hang_up(1000, "Bye").await;
    tokio::time::pause();
    let waiting = state.wait_for(|state| matches!(state, State::WaitingForLogin { .. })).await;
    let told = waiting.unwrap().clone();
    let State::WaitingForLogin { trouble, why: Lost::Closed { .. }, .. } = told else {
        panic!("{told:?}")
    };
    assert_eq!(trouble.to_string(), "expired");
    let start = Instant::now();
    while script.asked() < 51 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(90) && took <= Duration::from_secs(120), "{took:?}");
    tokio::time::resume();

    agent.meet_again(&gate).await;
    agent.say(id, b"!").await;
    let (read, _heard) = tokio::join!(stream.read_u8(), agent.hear());
    assert_eq!(read.unwrap(), b'!');
    assert!(matches!(&*state.borrow(), State::Live));
}

#[tokio::test]
async fn who_may_not_resume_is_believed_at_the_third_refusal() {
    let gate = Gate::open().await;
    let script = Script::always(&gate, ResumeError::Refused(trouble("AccessDenied")));
    let (tunnel, driver, mut agent) =
        gate.lasting_tunnel(Options::default(), Arc::clone(&script) as _).await;
    let driving = tokio::spawn(driver);
    agent.hang_up(1000, "Bye").await;
    let closed = driving.await.unwrap();
    assert!(
        matches!(&closed, Closed::ResumeRefused { cause } if cause.to_string() == "AccessDenied")
    );
    assert_eq!(script.asked(), 3);
    drop(tunnel);
}

#[tokio::test]
async fn a_token_that_is_refused_at_the_upgrade_is_followed_by_another() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, []);
    let (tunnel, driver, mut agent) =
        gate.lasting_tunnel(Options::default(), Arc::clone(&script) as _).await;
    let _driving = tokio::spawn(driver);
    let mut state = tunnel.state();
    agent.hang_up(1000, "Bye").await;
    let mut tcp = gate.tcp().await;
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(tcp.read_u8().await.unwrap());
    }
    tcp.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let (_old, opening) = agent.meet_again(&gate).await;
    assert_eq!(opening["TokenValue"], "TOKEN-2");
    state.wait_for(|state| matches!(state, State::Live)).await.unwrap();
}

#[tokio::test]
async fn after_45_minutes_asleep_without_a_network_there_is_nothing_to_come_back_to() {
    let gate = Gate::open().await;
    let script = Script::always(&gate, ResumeError::Transient(trouble("no network")));
    let clock = Hand::new();
    let options = Options { clock: Arc::clone(&clock) as _, ..Options::default() };
    let (tunnel, driver, mut agent) = gate.lasting_tunnel(options, Arc::clone(&script) as _).await;
    let driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    agent.opened().await;
    agent.hang_up(1000, "Bye").await;
    let mut state = tunnel.state();
    let tried = |state: &State| matches!(state, State::Resuming { trouble: Some(_), .. });
    state.wait_for(tried).await.unwrap();
    clock.turn(20);
    tunnel.prove().await;
    let before = script.asked();
    while script.asked() < before + 2 {
        tunnel.prove().await;
        tokio::task::yield_now().await;
    }
    assert!(!tunnel.is_closed(), "given up before the limit has certainly passed");

    clock.turn(25);
    tunnel.prove().await;
    let closed = driving.await.unwrap();
    let Closed::AwayTooLong { away, lost: Lost::Closed { .. } } = closed else {
        panic!("{closed:?}")
    };
    assert_eq!(away, Duration::from_secs(45 * 60));
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn after_45_minutes_asleep_a_session_that_somebody_else_kept_alive_goes_on() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, []);
    let clock = Hand::new();
    let options = Options { clock: Arc::clone(&clock) as _, ..Options::default() };
    let (tunnel, driver, mut agent) = gate.lasting_tunnel(options, script as _).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    clock.turn(45);
    agent.break_off().await;
    tunnel.prove().await;
    agent.meet_again(&gate).await;
    agent.say(id, b"!").await;
    let (read, _heard) = tokio::join!(stream.read_u8(), agent.hear());
    assert_eq!(read.unwrap(), b'!');
}

#[tokio::test]
async fn tries_have_no_limit_and_no_hurry_while_the_session_may_live() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, (0..60).map(|_| ResumeError::Transient(trouble("no network"))));
    let clock = Hand::new();
    let options = Options { clock: clock as _, ..Options::default() };
    let (tunnel, driver, mut agent) = gate.lasting_tunnel(options, Arc::clone(&script) as _).await;
    let _driving = tokio::spawn(driver);
    agent.hang_up(1000, "Bye").await;
    let mut state = tunnel.state();
    state.wait_for(|state| matches!(state, State::Resuming { .. })).await.unwrap();
    tokio::time::pause();
    let start = Instant::now();
    while script.asked() < 61 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(200) && took <= Duration::from_secs(700), "{took:?}");
    tokio::time::resume();
    agent.meet_again(&gate).await;
}

#[tokio::test]
async fn a_websocket_that_breaks_in_the_middle_of_the_handshake_is_replaced_too() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, []);
    let opening = Tunnel::open(gate.grant(), Options::default(), Arc::clone(&script) as _);
    let (opened, _agent) = tokio::join!(opening, async {
        let mut agent = gate.agent().await;
        agent.introduced().await;
        agent.request_handshake("3.3.0.0").await;
        agent.break_off().await;
        agent.meet_again(&gate).await;
        agent.repeat().await;
        agent.answer_handshake().await;
        agent
    });
    let (tunnel, _driver) = opened.unwrap();
    assert_eq!(tunnel.agent_version(), "3.3.0.0");
    assert_eq!(script.asked(), 1);
}

#[tokio::test]
async fn a_session_that_cannot_be_opened_though_it_is_resumed_says_how_the_websocket_was_lost() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, []);
    let opening = tokio::spawn(Tunnel::open(gate.grant(), Options::default(), script as _));
    for _ in 0..4 {
        let mut agent = gate.agent().await;
        agent.introduced().await;
        agent.break_off().await;
    }
    let error = opening.await.unwrap().unwrap_err();
    assert!(matches!(error, OpenError::Closed(Closed::Lost(_))), "{error:?}");
}

#[tokio::test]
async fn time_away_is_not_the_destinations() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, (0..3).map(|_| ResumeError::Login(trouble("expired"))));
    let options = Options { first_byte_timeout: Duration::from_secs(5), ..Options::default() };
    let (tunnel, driver, mut agent) = gate.lasting_tunnel(options, script as _).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AtOnce).await.unwrap();
    let id = agent.opened().await;
    agent.hang_up(1000, "Bye").await;
    tokio::time::pause();
    // Six seconds of waiting for the login.
    let mut state = tunnel.state();
    state.wait_for(|state| matches!(state, State::WaitingForLogin { .. })).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5900)).await;
    tokio::time::resume();
    agent.meet_again(&gate).await;
    agent.say(id, b"!").await;
    let (read, _heard) = tokio::join!(stream.read_u8(), agent.hear());
    assert_eq!(read.unwrap(), b'!');
}

#[tokio::test]
async fn closing_while_away_does_not_wait_for_a_websocket() {
    let gate = Gate::open().await;
    let script = Script::always(&gate, ResumeError::Transient(trouble("no network")));
    let (tunnel, driver, mut agent) = gate.lasting_tunnel(Options::default(), script as _).await;
    let driving = tokio::spawn(driver);
    let mut state = tunnel.state();
    agent.hang_up(1000, "Bye").await;
    state.wait_for(|state| matches!(state, State::Resuming { .. })).await.unwrap();
    tunnel.close().await;
    assert!(matches!(driving.await.unwrap(), Closed::ByUs));
}

#[tokio::test]
async fn a_resume_that_nobody_answers_is_asked_again() {
    #[derive(Debug)]
    struct Mute(AtomicUsize);
    #[async_trait]
    impl Resume for Mute {
        async fn resume(&self) -> Result<Grant, ResumeError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    }
    let gate = Gate::open().await;
    let mute = Arc::new(Mute(AtomicUsize::new(0)));
    let (_tunnel, driver, mut agent) =
        gate.lasting_tunnel(Options::default(), Arc::clone(&mute) as _).await;
    let _driving = tokio::spawn(driver);
    agent.hang_up(1000, "Bye").await;
    drop(agent);
    tokio::time::pause();
    let start = Instant::now();
    while mute.0.load(Ordering::Relaxed) < 3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(start.elapsed() <= Duration::from_secs(90), "{:?}", start.elapsed());
}

#[tokio::test]
async fn text_and_strays_on_the_old_websocket_harm_nobody() {
    let gate = Gate::open().await;
    let script = Script::of(&gate, []);
    let (tunnel, driver, mut agent) = gate.lasting_tunnel(Options::default(), script as _).await;
    let _driving = tokio::spawn(driver);
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    tunnel.prove().await;
    tokio::time::pause();
    let mut state = tunnel.state();
    state.wait_for(|state| matches!(state, State::Resuming { .. })).await.unwrap();
    tokio::time::resume();
    let (mut old, _opening) = agent.meet_again(&gate).await;
    old.send(99, Bytes::from_static(b"stray")).await;
    agent.say(id, b"!").await;
    let (read, _heard) = tokio::join!(stream.read_u8(), agent.hear());
    assert_eq!(read.unwrap(), b'!');
}
