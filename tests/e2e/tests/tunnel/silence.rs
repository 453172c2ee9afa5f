//! Nobody answers: black holes, a gateway and an agent that stopped, and an absence longer than a session lives.

use std::time::Duration;

use bastion_sim::gateway::Mishap;
use ssm_tunnel::{Closed, FirstByte, Options, StreamEnd};
use tokio::io::AsyncReadExt as _;

use super::destination::{Destination, Kind};
use super::lane::Lane;
use super::talk::{Talks, one_block};
use super::{LONG, is_long};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_during_a_transfer_is_noticed_within_15_seconds() {
    let lane = Lane::lay(|settings| settings.agent.pause = Duration::from_millis(1)).await;
    let destination = Destination::start().await;
    for kind in [Kind::Up, Kind::Down] {
        let way = lane.way(destination.port).await;
        let talks = Talks::start(&way.tunnel, 2, kind, 20_000).await;
        assert!(talks.more(3, LONG).await);
        way.befall(Mishap::BlackHole { on: true });
        let took = way.until("another websocket", |view| view.clients == 2).await;
        assert!(took < NOTICED + SLACK, "{kind:?}: noticed after {took:?}");
        assert!(talks.more(3, LONG).await, "{kind:?}: nothing moves on the new websocket");
        talks.end(&destination).await.is_whole();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_while_nothing_moves_is_noticed_within_two_seconds_of_being_asked() {
    let lane = Lane::lay(|_| {}).await;
    let destination = Destination::start().await;
    let way = lane.way(destination.port).await;
    one_block(&way.tunnel, Kind::Up, 1_000).await;
    way.tunnel.prove().await;
    way.befall(Mishap::BlackHole { on: true });
    way.tunnel.prove().await;
    let took = way.until("another websocket", |view| view.clients == 2).await;
    assert!(took < Duration::from_secs(2) + SLACK, "noticed after {took:?}");
    one_block(&way.tunnel, Kind::Down, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stalls_for_20_seconds_loses_nothing() {
    nothing_moves(|on| Mishap::Stall { on }, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_stopped_for_a_minute_goes_on_where_it_was() {
    nothing_moves(|on| Mishap::Freeze { on }, if is_long() { 60 } else { 5 }).await;
}

/// Both ways are in use, this is on for so many seconds and then off, and they go on with every byte.
async fn nothing_moves(mishap: fn(bool) -> Mishap, seconds: u64) {
    let lane = Lane::lay(|settings| settings.agent.pause = Duration::from_millis(1)).await;
    let destination = Destination::start().await;
    let way = lane.way(destination.port).await;
    let up = Talks::start(&way.tunnel, 1, Kind::Up, 20_000).await;
    let down = Talks::start(&way.tunnel, 1, Kind::Down, 20_000).await;
    assert!(up.more(2, LONG).await && down.more(2, LONG).await);
    way.befall(mishap(true));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    way.befall(mishap(false));
    assert!(up.more(3, LONG).await && down.more(3, LONG).await, "{:?}", way.view());
    up.end(&destination).await.is_whole();
    down.end(&destination).await.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_stopped_for_longer_than_the_idle_limit_ends_its_streams_with_a_reason() {
    let lane = Lane::lay(|settings| settings.session_idle = Duration::from_secs(4)).await;
    let destination = Destination::start().await;
    let way = lane.way(destination.port).await;
    let mut stream = way.tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    way.befall(Mishap::Freeze { on: true });
    let end = tokio::time::timeout(LONG, stream.read_u8()).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(stream.ended(), Some(StreamEnd::TunnelClosed));
    let closed = way.driving.await.unwrap();
    let Closed::ByService { output } = closed else { panic!("{closed:?}") };
    assert!(output.contains("idle"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absence_that_the_session_outlives_is_survived() {
    let lane = Lane::lay(|settings| settings.agent.pause = Duration::from_millis(1)).await;
    let destination = Destination::start().await;
    let way = lane.way(destination.port).await;
    let talks = Talks::start(&way.tunnel, 2, Kind::Down, 20_000).await;
    assert!(talks.more(2, LONG).await);
    lane.sim.gateway().alter(|settings| settings.dials_hang = true);
    way.befall(Mishap::CutClient);
    tokio::time::sleep(Duration::from_secs(if is_long() { 60 } else { 8 })).await;
    lane.sim.gateway().alter(|settings| settings.dials_hang = false);
    way.until("back again", |view| view.client && view.clients >= 2).await;
    assert!(talks.more(3, LONG).await, "{:?}", way.view());
    talks.end(&destination).await.is_whole();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absence_longer_than_a_session_lives_ends_the_tunnel_with_its_reason() {
    let lane = Lane::lay(|settings| settings.session_idle = Duration::from_secs(3)).await;
    let destination = Destination::start().await;
    let idle_limit = Duration::from_secs(3);
    let way = lane.way_with(destination.port, Options { idle_limit, ..Options::default() }).await;
    let mut stream = way.tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    lane.sim.gateway().alter(|settings| settings.dials_hang = true);
    way.befall(Mishap::CutClient);
    let end = tokio::time::timeout(LONG, stream.read_u8()).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let closed = way.driving.await.unwrap();
    assert!(
        matches!(closed, Closed::AwayTooLong { .. } | Closed::SessionOver { .. }),
        "{closed:?}"
    );
}

/// The promise.
const NOTICED: Duration = Duration::from_secs(15);
/// For the dial, on a machine busy with others.
const SLACK: Duration = Duration::from_secs(2);
