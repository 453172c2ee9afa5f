//! What may befall one session on purpose.

use std::time::Duration;

use bastion_sim::gateway::{Direction, FrameKind, GatewaySettings, Mishap, SessionSpec};
use futures_util::StreamExt as _;
use ssm_proto::mux::frame::Command::{Psh, Syn};

use super::house::{Client, Close, House, LONG};
use super::{S1, quick};

/// Long enough for whatever comes by itself, on loopback.
const MOMENT: Duration = Duration::from_millis(300);

async fn talking() -> (House, Client) {
    let house = House::start(quick()).await;
    let token = house.open(S1, "echo.internal");
    let mut client = Client::connect(&house, S1, &token).await;
    client.handshake().await;
    client.mux(&[(Syn, 3, b""), (Psh, 3, b"one")]).await;
    assert_eq!(client.until_bytes(3).await, b"one");
    (house, client)
}

/// Whether nothing but silence comes for a moment.
async fn is_silent(client: &mut Client) -> bool {
    tokio::time::timeout(MOMENT, client.next()).await.is_err()
}

#[tokio::test]
async fn a_client_is_cut_behind_as_many_frames_as_were_said() {
    for frame in 1..=4 {
        let house = House::start(quick()).await;
        let token = house.open(S1, "echo.internal");
        assert!(house.gateway.befall(S1, Mishap::CutAt { frame }));
        let mut client = Client::connect(&house, S1, &token).await;
        tokio::time::timeout(LONG, async { while client.next().await.is_ok() {} }).await.unwrap();
        assert!(house.gateway.until(LONG, S1, |view| !view.client).await);
        let seen = house.gateway.record(S1).len();
        let frame = usize::try_from(frame).unwrap();
        assert!(seen >= frame, "cut at frame {frame}, of which {seen} were seen");
    }
}

#[tokio::test]
async fn one_acknowledgement_is_lost_and_no_more() {
    let (house, mut client) = talking().await;
    let lose =
        |direction| Mishap::LoseNext { direction, frame: FrameKind::Acknowledgement, count: 1 };
    assert!(house.gateway.befall(S1, lose(Direction::Down)));
    assert!(house.gateway.befall(S1, lose(Direction::Up)));
    client.mux(&[(Psh, 3, b"two")]).await;
    assert_eq!(client.until_bytes(3).await, b"two");
    assert!(
        house.gateway.until(LONG, S1, |view| (view.up.lost, view.down.lost) == (1, 1)).await,
        "{:?}",
        house.gateway.session(S1)
    );
    client.mux(&[(Psh, 3, b"three")]).await;
    client.until_acknowledged().await;
}

#[tokio::test]
async fn a_stopped_agent_says_nothing_until_it_goes_on() {
    let (house, mut client) = talking().await;
    assert!(house.gateway.befall(S1, Mishap::Freeze { on: true }));
    client.mux(&[(Psh, 3, b"two")]).await;
    assert!(is_silent(&mut client).await);
    assert!(house.gateway.befall(S1, Mishap::Freeze { on: false }));
    assert_eq!(client.until_bytes(3).await, b"two");
}

#[tokio::test]
async fn a_session_that_ends_takes_its_stopped_agent_along() {
    let (house, mut client) = talking().await;
    assert!(house.gateway.befall(S1, Mishap::Freeze { on: true }));
    assert!(house.gateway.befall(S1, Mishap::End { output: "enough".to_owned() }));
    assert_eq!(client.until_closed().await, "enough");
    assert!(house.gateway.until(LONG, S1, |view| !view.worker).await);
    assert_eq!(house.container.workers(S1), [0_i32; 0]);
}

#[tokio::test]
async fn a_stalled_gateway_loses_nothing() {
    let (house, mut client) = talking().await;
    assert!(house.gateway.befall(S1, Mishap::Stall { on: true }));
    client.mux(&[(Psh, 3, b"two")]).await;
    assert!(is_silent(&mut client).await);
    assert!(house.gateway.befall(S1, Mishap::Stall { on: false }));
    assert_eq!(client.until_bytes(3).await, b"two");
}

#[tokio::test]
async fn a_websocket_in_a_black_hole_stands_while_another_takes_its_place() {
    let (house, mut client) = talking().await;
    assert!(house.gateway.black_hole(S1, true));
    let token = house.gateway.resume(S1).unwrap();
    let mut old = client.reconnect(&house, S1, &token).await;
    client.mux(&[(Psh, 3, b"two")]).await;
    assert_eq!(client.until_bytes(3).await, b"two");
    assert!(tokio::time::timeout(MOMENT, old.next()).await.is_err(), "nobody is told");
}

#[tokio::test]
async fn a_dial_hangs_until_it_may_go_on() {
    let house = House::start(GatewaySettings { dials_hang: true, ..quick() }).await;
    let token = house.open(S1, "echo.internal");
    let mut dial = Box::pin(Client::connect(&house, S1, &token));
    assert!(tokio::time::timeout(MOMENT, &mut dial).await.is_err());
    house.gateway.alter(|settings| settings.dials_hang = false);
    tokio::time::timeout(LONG, dial).await.unwrap().handshake().await;
}

#[tokio::test]
async fn what_befalls_all_befalls_the_living() {
    let (house, mut client) = talking().await;
    house.open("dev-00000000000000002", "echo.internal");
    house.gateway.terminate("dev-00000000000000002", "");
    house.gateway.until(LONG, "dev-00000000000000002", |view| view.ended.is_some()).await;
    assert_eq!(house.gateway.befall_all(&Mishap::CutClient), 1);
    assert_eq!(client.until_close().await, Close::Reset);
    assert!(!house.gateway.befall("dev-none", Mishap::Bye));
}

#[tokio::test]
async fn a_bare_client_is_answered_without_any_token_or_signature() {
    let (house, _client) = talking().await;
    let spec = SessionSpec {
        id: "bare-1".to_owned(),
        task: "task".to_owned(),
        container: house.container.clone(),
        host: "echo.internal".to_owned(),
        port: "5432".to_owned(),
        local_port: "0".to_owned(),
    };
    let mut bare = tokio::time::timeout(LONG, house.gateway.bare(spec)).await.unwrap().unwrap();
    for _ in 0..3 {
        tokio::time::timeout(LONG, bare.ask(b"?")).await.unwrap().unwrap();
    }
    assert_eq!(house.gateway.session("bare-1").unwrap().down.repeated, 0);
}
