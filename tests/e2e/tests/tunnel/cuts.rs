//! Cuts of the client's websocket: at random during transfers, and at every frame's border.

#![expect(clippy::print_stdout, reason = "the full run adds up what its stories tell")]

use std::time::Duration;

use bastion_e2e::dice::Dice;
use bastion_sim::gateway::Mishap;
use ssm_tunnel::{ChannelConfig, FirstByte, Options};
use tokio::task::JoinSet;

use super::destination::{Destination, Head, Kind};
use super::lane::{Lane, Way};
use super::talk::{Talks, block};
use super::{LONG, is_long};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_while_one_stream_sends_lose_nothing() {
    cut(Kind::Up, 1, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_while_eight_streams_send_lose_nothing() {
    cut(Kind::Up, 8, 13).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_while_one_stream_receives_lose_nothing() {
    cut(Kind::Down, 1, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_while_eight_streams_receive_lose_nothing() {
    cut(Kind::Down, 8, 13).await;
}

/// Cuts so often, or 500 times, each at a moment of its own after the websocket before stood.
async fn cut(kind: Kind, streams: usize, cuts: u64) {
    let cuts = if is_long() { 500 } else { cuts };
    let length = match kind {
        Kind::Up => 200_000,
        Kind::Down | Kind::Deaf => 30_000,
    };
    let lane = Lane::lay(|settings| {
        // What is sent to somebody who is not there is lost, and the agent repairs ten losses a second. The real one,
        // which rests after each message, has sent few.
        settings.agent.pause = Duration::from_millis(1);
    })
    .await;
    let destination = Destination::start().await;
    let way = lane.way(destination.port).await;
    let talks = Talks::start(&way.tunnel, streams, kind, length).await;
    let mut dice = Dice::new(7 + u64::try_from(streams).unwrap());
    for clients in 1..=cuts {
        way.until("a websocket stands", |view| view.client && view.clients >= clients).await;
        tokio::time::sleep(dice.pause(MOST_BETWEEN_MS)).await;
        way.befall(Mishap::CutClient);
    }
    assert!(talks.more(1, 2 * LONG).await, "nothing moves after the last cut");
    let sum = talks.end(&destination).await;
    println!(
        "tunnel tally: {cuts} cuts, lost {} bytes, closed {} connections",
        sum.lost, sum.closed
    );
    sum.is_whole();
    assert!(!way.driving.is_finished());
}

/// Short enough for hundreds of cuts, long enough that most find much under way.
const MOST_BETWEEN_MS: u64 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_at_any_frames_border_loses_nothing() {
    let lane = Lane::lay(|settings| settings.agent.pause = Duration::from_millis(1)).await;
    let destination = Destination::start().await;
    // The handshake is the first six or so.
    let borders: Vec<u64> = match is_long() {
        true => (1..=LAST_BORDER).collect(),
        false => (1..=12).chain((20..=LAST_BORDER).step_by(45)).collect(),
    };
    for some in borders.chunks(AT_ONCE) {
        let mut all = JoinSet::new();
        for frame in some {
            let (grant, leave) = lane.session(destination.port);
            let channel = ChannelConfig { probing: false, ..ChannelConfig::default() };
            let options = Options { channel, ..Options::default() };
            all.spawn(cut_at(*frame, Way::prepare(grant, leave, *frame, options)));
        }
        all.join_all().await;
    }
    assert_eq!(destination.broken(), 0);
}

async fn cut_at(frame: u64, way: impl Future<Output = Way>) {
    let talking = async {
        let way = way.await;
        let mut stream = way.tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
        for kind in [Kind::Up, Kind::Down] {
            let head = Head { kind, length: 60_000, seed: frame };
            assert_eq!(block(&mut stream, head).await.unwrap(), 0, "cut at frame {frame}");
        }
        let view = way.view();
        assert!(view.clients >= 2, "no cut at frame {frame}: {view:?}");
    };
    let done = tokio::time::timeout(LONG, talking).await;
    assert!(done.is_ok(), "cut at frame {frame}, it stalls");
}

impl Way {
    /// Opens a tunnel whose first websocket is cut behind that frame.
    async fn prepare(
        grant: ssm_tunnel::Grant,
        leave: std::sync::Arc<super::lane::Leave>,
        frame: u64,
        options: Options,
    ) -> Self {
        leave.befall(Mishap::CutAt { frame });
        match Self::open(grant, leave, options).await {
            Ok(way) => way,
            Err(error) => panic!("cut at frame {frame}: {error:?}"),
        }
    }
}

/// 200 frames behind the handshake.
const LAST_BORDER: u64 = 206;
const AT_ONCE: usize = 4;
