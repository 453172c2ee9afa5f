//! The message gateway over real WebSockets, a real worker process behind it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test's own tasks end with its runtime")]

#[path = "gateway/house.rs"]
mod house;
#[path = "gateway/mishaps.rs"]
mod mishaps;

use std::time::Duration;

use bastion_sim::agent::AgentSettings;
use bastion_sim::gateway::{
    Direction, FrameKind, GatewaySettings, PayloadLimit, PayloadLimitKind, WireSettings,
};
use futures_util::SinkExt as _;
use house::{Client, Close, House, LONG};
use ssm_proto::message::MessageKind;
use ssm_proto::mux::frame::Command::{Fin, Psh, Syn};
use tokio_tungstenite::tungstenite::Message;

const S1: &str = "dev-00000000000000001";

fn quick() -> GatewaySettings {
    let agent =
        AgentSettings { pause: Duration::ZERO, linger: Duration::ZERO, ..AgentSettings::default() };
    GatewaySettings { agent, ..GatewaySettings::default() }
}

#[tokio::test]
async fn a_session_carries_bytes_both_ways_and_ends_by_its_flag() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    client.mux(&[(Syn, 3, b""), (Psh, 3, b"hello")]).await;
    assert_eq!(client.until_bytes(5).await, b"hello");
    client.terminate().await;
    assert_eq!(client.until_closed().await, "");
    assert_eq!(client.until_close().await, Close::Frame(1000, String::new()));
    assert!(house.gateway.until(LONG, S1, |view| !view.worker).await);
}

#[tokio::test]
async fn a_token_is_good_once() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut first = Client::connect(&house, S1, &token).await;
    first.handshake().await;
    let mut second = Client::connect(&house, S1, &token).await;
    let refused = Close::Frame(1008, "the token is not valid".to_owned());
    assert_eq!(second.until_close().await, refused);
    first.mux(&[(Syn, 3, b""), (Psh, 3, b"x")]).await;
    assert_eq!(first.until_bytes(1).await, b"x", "the first is not disturbed");
}

#[tokio::test]
async fn another_session_s_token_is_refused() {
    let house = House::start(quick()).await;
    house.open(S1, "echo.internal");
    let other = house.open("dev-00000000000000002", "echo.internal");
    let mut client = Client::connect(&house, S1, &other).await;
    let refused = Close::Frame(1008, "the token is not valid".to_owned());
    assert_eq!(client.until_close().await, refused);
}

#[tokio::test]
async fn an_upgrade_whose_signature_is_wrong_is_refused_as_the_judge_says() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let error = Client::try_connect(&house, S1, &token, "wrong").await.err().unwrap();
    let tokio_tungstenite::tungstenite::Error::Http(response) = error else { panic!("{error}") };
    assert_eq!(response.status(), 403);
    assert_eq!(response.into_body().unwrap(), br#"{"message":"signature"}"#);
    Client::connect(&house, S1, &token).await.handshake().await; // the token is not used up
}

#[tokio::test]
async fn a_session_that_does_not_exist_is_404() {
    let house = House::start(quick()).await;
    let error = Client::try_connect(&house, "dev-none", "t", "right").await.err().unwrap();
    let tokio_tungstenite::tungstenite::Error::Http(response) = error else { panic!("{error}") };
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn a_first_message_that_opens_nothing_is_refused() {
    let house = House::start(quick()).await;
    house.open(S1, "echo.internal");
    for message in [Message::text("{}"), Message::binary(b"x".to_vec())] {
        let mut client = Client::bare(&house, S1).await;
        client.ws.send(message).await.unwrap();
        let Close::Frame(1008, _) = client.until_close().await else { panic!("refused") };
    }
}

#[tokio::test]
async fn a_client_may_call_itself_anything_but_nothing() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let opening = |name: &str| {
        Message::text(format!(
            r#"{{"MessageSchemaVersion":"1.0","RequestId":"{}","TokenValue":"{token}","ClientId":"{name}"}}"#,
            uuid::Uuid::new_v4()
        ))
    };
    let mut nameless = Client::bare(&house, S1).await;
    nameless.ws.send(opening("")).await.unwrap();
    let Close::Frame(1008, _) = nameless.until_close().await else { panic!("refused") };
    let mut named = Client::bare(&house, S1).await;
    named.ws.send(opening(S1)).await.unwrap();
    named.handshake().await; // nor had the nameless one used the token up
}

#[tokio::test]
async fn an_idle_session_is_ended_with_its_reason() {
    let settings = GatewaySettings { session_idle: Duration::from_millis(600), ..quick() };
    let house = House::start(settings).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    assert!(client.until_closed().await.contains("idle"));
    assert!(house.gateway.resume(S1).is_none());
    assert!(house.gateway.until(LONG, S1, |view| !view.worker).await, "the worker ends, too");
}

#[tokio::test]
async fn a_session_without_any_client_is_ended_after_the_idle_limit() {
    let settings = GatewaySettings { session_idle: Duration::from_millis(300), ..quick() };
    let house = House::start(settings).await;
    house.open(S1, "echo.internal");
    assert!(house.gateway.until(LONG, S1, |view| view.ended.is_some() && !view.worker).await);
}

#[tokio::test]
async fn nops_keep_a_session_alive() {
    let settings = GatewaySettings { session_idle: Duration::from_millis(500), ..quick() };
    let house = House::start(settings).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_millis(1200) {
        client.mux(&[(ssm_proto::mux::frame::Command::Nop, 0, b"")]).await;
        client.until_acknowledged().await;
    }
    assert_eq!(house.gateway.session(S1).unwrap().ended, None);
}

#[tokio::test]
async fn bye_closes_the_websocket_and_a_new_token_carries_the_session_on() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    client.mux(&[(Syn, 3, b""), (Psh, 3, b"before")]).await;
    assert_eq!(client.until_bytes(6).await, b"before");
    house.gateway.alter(|settings| settings.bye_every = Some(Duration::ZERO));
    assert_eq!(client.until_close().await, Close::Frame(1000, "Bye".to_owned()));
    house.gateway.alter(|settings| settings.bye_every = None);
    let token = house.gateway.resume(S1).unwrap();
    client.reconnect(&house, S1, &token).await;
    client.mux(&[(Psh, 3, b"after")]).await;
    assert_eq!(client.until_bytes(5).await, b"after");
}

#[tokio::test]
async fn the_third_session_of_a_container_gets_a_token_and_then_nothing() {
    let house = House::start(quick()).await;
    for id in [S1, "dev-00000000000000002"] {
        let token = house.open(id, "echo.internal");
        Client::connect(&house, id, &token).await.handshake().await;
    }
    let third = "dev-00000000000000003";
    let token = house.open(third, "echo.internal");
    let mut client = Client::connect(&house, third, &token).await;
    let silence = tokio::time::timeout(Duration::from_millis(700), client.next()).await;
    assert!(silence.is_err(), "nobody answers");
    let view = house.gateway.session(third).unwrap();
    assert!(view.client && !view.agent && !view.worker);
    house.gateway.terminate(S1, "");
    assert!(house.gateway.until(LONG, S1, |view| !view.worker).await);
    let token = house.open("dev-00000000000000004", "echo.internal");
    Client::connect(&house, "dev-00000000000000004", &token).await.handshake().await;
}

#[tokio::test]
async fn an_unknown_host_is_told_by_the_service_after_a_handshake_that_went_well() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "nowhere.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    let told = client.until_closed().await;
    assert_eq!(told, "lookup nowhere.internal on 10.0.0.2:53: no such host");
}

#[tokio::test]
async fn a_refused_destination_is_flag_3_and_fin_and_the_session_lives() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "refused.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    for id in [3, 5] {
        client.mux(&[(Syn, id, b"")]).await;
        assert_eq!(client.until_flag().await, [0, 0, 0, 3]);
        assert_eq!(client.until_frame().await, (Fin, id));
    }
}

#[tokio::test]
async fn terminate_ends_a_session_with_the_reason_that_was_given() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    assert!(house.gateway.terminate(S1, "ended by dev"));
    assert_eq!(client.until_closed().await, "ended by dev");
    assert!(!house.gateway.terminate(S1, "again"), "it is over");
    assert!(house.gateway.until(LONG, S1, |view| !view.worker).await);
}

#[tokio::test]
async fn a_task_that_is_gone_takes_its_sessions_along_without_a_word() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    house.container.kill().await;
    assert_eq!(client.until_closed().await, "");
}

#[tokio::test]
async fn frames_for_an_absent_client_are_dropped_and_the_agent_is_told_to_pause() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    client.mux(&[(Syn, 3, b""), (Psh, 3, b"x")]).await;
    client.until_bytes(1).await;
    house.gateway.cut_client(S1);
    assert_eq!(client.until_close().await, Close::Reset);
    assert!(house.gateway.until(LONG, S1, |view| !view.client).await);
    house.say("while nobody is there").await;
    // It pauses, so nothing more is to be seen until a client is there; then all of it comes.
    let token = house.gateway.resume(S1).unwrap();
    client.reconnect(&house, S1, &token).await;
    assert_eq!(client.until_bytes(21).await, b"while nobody is there");
    let view = house.gateway.session(S1).unwrap();
    assert_eq!(view.clients, 2);
}

#[tokio::test]
async fn a_new_websocket_takes_the_old_one_s_place() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    let token = house.gateway.resume(S1).unwrap();
    let old = client.reconnect(&house, S1, &token).await;
    client.mux(&[(Syn, 3, b""), (Psh, 3, b"here")]).await;
    assert_eq!(client.until_bytes(4).await, b"here");
    let Close::Frame(1000, _) = Client::over(old).until_close().await else { panic!("in order") };
}

#[tokio::test]
async fn a_black_hole_lets_nothing_pass_and_keeps_the_connection() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    client.mux(&[(Syn, 3, b""), (Psh, 3, b"-")]).await;
    client.until_bytes(1).await;
    house.gateway.black_hole(S1, true);
    client.mux(&[(Psh, 3, b"x")]).await;
    let silence = tokio::time::timeout(Duration::from_millis(300), client.next()).await;
    assert!(silence.is_err());
    house.gateway.black_hole(S1, false);
    assert_eq!(client.until_bytes(1).await, b"x", "what was sent meanwhile waited");
}

#[tokio::test]
async fn a_cut_of_the_agent_s_websocket_is_mended_by_the_agent() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    client.mux(&[(Syn, 3, b""), (Psh, 3, b"x")]).await;
    client.until_bytes(1).await;
    house.gateway.cut_agent(S1);
    assert!(house.gateway.until(LONG, S1, |view| view.agents == 2 && view.agent).await);
    client.mux(&[(Psh, 3, b"y")]).await;
    assert_eq!(client.until_bytes(1).await, b"y");
}

#[tokio::test]
async fn messages_above_the_limit_close_the_websocket_or_vanish() {
    let limit = |kind| Some(PayloadLimit { bytes: 2000, kind });
    let settings = GatewaySettings { payload_limit: limit(PayloadLimitKind::Drop), ..quick() };
    let house = House::start(settings).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    client.mux(&[(Syn, 3, b"")]).await;
    client.mux(&[(Psh, 3, &[1; 3000])]).await;
    client.next_number -= 1; // it vanished: the number is free
    client.mux(&[(Psh, 3, b"small")]).await;
    assert_eq!(client.until_bytes(5).await, b"small");
    assert_eq!(house.gateway.session(S1).unwrap().up.too_large, 1);
    house.gateway.alter(|settings| settings.payload_limit = limit(PayloadLimitKind::Close));
    client.mux(&[(Psh, 3, &[1; 3000])]).await;
    let Close::Frame(1009, _) = client.until_close().await else { panic!("closed") };
}

#[tokio::test]
async fn loss_is_counted_and_repaired_by_the_agent_s_repetition() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    let lossy = WireSettings { loss: 0.3, ..WireSettings::default() };
    house.gateway.alter(|settings| settings.down = lossy);
    client.mux(&[(Syn, 3, b""), (Psh, 3, &[7; 20_000])]).await;
    assert_eq!(client.until_bytes(20_000).await.len(), 20_000);
    let view = house.gateway.session(S1).unwrap();
    assert!(view.down.lost > 0 && view.down.repeated > 0, "{:?}", view.down);
}

#[tokio::test]
async fn a_delay_is_felt_both_ways() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    client.mux(&[(Syn, 3, b""), (Psh, 3, b"x")]).await;
    client.until_bytes(1).await;
    let slow = WireSettings { delay: Duration::from_millis(100), ..WireSettings::default() };
    house.gateway.alter(|settings| (settings.up, settings.down) = (slow, slow));
    let began = tokio::time::Instant::now();
    client.mux(&[(Psh, 3, b"y")]).await;
    client.until_bytes(1).await;
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_record_tells_what_passed() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    let record = house.gateway.record(S1);
    let down: Vec<_> = record
        .iter()
        .filter(|frame| frame.direction == Direction::Down && frame.kind == FrameKind::Data)
        .map(|frame| (frame.seq, frame.payload_type))
        .collect();
    assert!(down.contains(&(0, 5)) && down.contains(&(1, 7)), "{down:?}");
}

#[tokio::test]
async fn the_client_never_sees_what_is_for_the_service() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    client.terminate().await;
    client.until_closed().await;
    assert!(
        client.kinds.iter().all(|kind| {
            !matches!(kind, MessageKind::AgentSessionState | MessageKind::Unknown(_))
        })
    );
}

#[tokio::test]
async fn a_gateway_that_is_dropped_leaves_no_worker_behind() {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    house.gateway.stop();
    let group = rustix::process::Pid::from_raw(house.container.process_group()).unwrap();
    let (Close::Lost | Close::Reset) = client.until_close().await else { panic!("it is cut") };
    house.container.kill().await;
    while rustix::process::test_kill_process_group(group).is_ok() {
        tokio::task::yield_now().await;
    }
}
