//! A bad line and a gateway with a limit: losses, doubles, reorder, jitter, one lost acknowledgement, payloads too large.

use std::time::Duration;

use bastion_sim::gateway::{
    Direction, FrameKind, Mishap, PayloadLimit, PayloadLimitKind, WireSettings,
};

use super::destination::{Destination, Kind};
use super::lane::Lane;
use super::talk::{Talks, one_block};
use super::{LONG, is_long};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lossy_doubling_reordering_jittery_line_changes_no_byte() {
    let bad = WireSettings {
        jitter: Duration::from_millis(200),
        loss: 0.01,
        doubling: 0.01,
        reordering: 0.01,
        ..WireSettings::default()
    };
    let lane = Lane::lay(|settings| {
        (settings.up, settings.down) = (bad, bad);
        settings.agent.pause = Duration::from_millis(1);
    })
    .await;
    let destination = Destination::start().await;
    let way = lane.way(destination.port).await;
    let (up, down) = if is_long() { (10_000_000, 2_000_000) } else { (1_000_000, 200_000) };
    tokio::join!(one_block(&way.tunnel, Kind::Up, up), one_block(&way.tunnel, Kind::Down, down));
    let view = way.view();
    assert!(view.up.lost > 0 && view.down.lost > 0, "the line was good: {view:?}");
    assert_eq!(view.clients, 1, "its websocket was well all the time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_lost_acknowledgement_never_stalls_for_two_seconds() {
    let lane = Lane::lay(|settings| settings.agent.pause = Duration::from_millis(1)).await;
    let destination = Destination::start().await;
    let way = lane.way(destination.port).await;
    for kind in [Kind::Up, Kind::Down] {
        let talks = Talks::start(&way.tunnel, 1, kind, 8_000).await;
        for _ in 0..if is_long() { 40 } else { 6 } {
            for direction in [Direction::Up, Direction::Down] {
                let before = way.view();
                let frame = FrameKind::Acknowledgement;
                way.befall(Mishap::LoseNext { direction, frame, count: 1 });
                way.until("one is lost", |view| {
                    view.up.lost + view.down.lost > before.up.lost + before.down.lost
                })
                .await;
                assert!(talks.more(3, STALL).await, "{kind:?} stalls");
            }
        }
        let sum = talks.end(&destination).await;
        sum.is_whole();
        assert!(sum.longest < STALL, "{kind:?}: a block took {:?}", sum.longest);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_closes_at_large_messages_costs_no_byte() {
    limited(PayloadLimitKind::Close, 6_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_drops_large_messages_costs_no_byte() {
    limited(PayloadLimitKind::Drop, 6_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_takes_nothing_above_the_smallest_size_costs_no_byte() {
    limited(PayloadLimitKind::Drop, 1_200).await;
    limited(PayloadLimitKind::Close, 1_200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_limit_is_found_out() {
    let lane = Lane::lay(|_| {}).await;
    let destination = Destination::start().await;
    let way = lane.way(destination.port).await;
    let talks = Talks::start(&way.tunnel, 2, Kind::Up, 100_000).await;
    let mut payload = way.tunnel.payload();
    let proven = payload.wait_for(|payload| payload.proven >= 32 * 1024);
    // What is waited for is a lock as well: it must not be kept.
    let proven = tokio::time::timeout(LONG, proven).await.is_ok();
    assert!(proven, "{:?}", *way.tunnel.payload().borrow());
    talks.end(&destination).await.is_whole();
}

/// Uploads while probes find out that the gateway takes no message above so many bytes.
async fn limited(kind: PayloadLimitKind, bytes: usize) {
    let lane =
        Lane::lay(|settings| settings.payload_limit = Some(PayloadLimit { bytes, kind })).await;
    let destination = Destination::start().await;
    let way = lane.way(destination.port).await;
    let talks = Talks::start(&way.tunnel, 2, Kind::Up, 100_000).await;
    let mut payload = way.tunnel.payload();
    let failed = payload.wait_for(|payload| payload.failed.is_some());
    let failed = tokio::time::timeout(LONG, failed).await.is_ok();
    assert!(failed, "no probe failed: {:?}", way.view());
    assert!(talks.more(8, LONG).await, "nothing moves after the probe: {:?}", way.view());
    talks.end(&destination).await.is_whole();
    let (view, found) = (way.view(), *way.tunnel.payload().borrow());
    assert!(view.up.too_large > 0 && view.up.too_large <= MOST_TRIES, "{view:?}");
    assert!(found.proven < bytes, "{found:?}");
    if kind == PayloadLimitKind::Close {
        assert!(view.clients > 1 && view.clients <= 1 + MOST_TRIES, "{view:?}");
    }
}

/// The promise.
const STALL: Duration = Duration::from_secs(2);
/// How often a size that does not pass may be tried: once, and sent again a few times where nobody says why.
const MOST_TRIES: u64 = 8;
