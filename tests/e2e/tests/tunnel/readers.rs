//! Those who stop reading, at either end: what is kept for them is bounded, and nobody else waits for them.

use std::time::{Duration, Instant};

use bastion_e2e::until;
use ssm_tunnel::{ChannelConfig, FirstByte, Options, Stream, Tunnel};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::LONG;
use super::destination::{Destination, Head, Kind, take};
use super::lane::Lane;
use super::talk::block;

/// Asks for a download that nobody reads yet.
async fn unread(tunnel: &Tunnel, length: u32) -> Stream {
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    stream.write_all(&Head { kind: Kind::Down, length, seed: 9 }.write()).await.unwrap();
    stream
}

/// The median of some small questions' times.
async fn small_question(tunnel: &Tunnel) -> Duration {
    let mut stream = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let mut times = Vec::new();
    for seed in 0..21 {
        let began = Instant::now();
        let asked = block(&mut stream, Head { kind: Kind::Up, length: 100, seed });
        assert_eq!(tokio::time::timeout(LONG, asked).await.expect("it stalls").unwrap(), 0);
        times.push(began.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_for_a_reader_that_stopped_is_bounded_and_nothing_of_it_is_lost() {
    let lane = Lane::lay(|_| {}).await;
    let destination = Destination::start().await;
    let bound = 2_000_000;
    let channel = ChannelConfig { unread_per_stream: bound, ..ChannelConfig::default() };
    let options = Options { channel, ..Options::default() };
    let way = lane.way_with(destination.port, options.clone()).await;
    let mut stream = unread(&way.tunnel, 12_000_000).await;
    let began = Instant::now();
    let mut most = 0;
    while began.elapsed() < Duration::from_secs(6) {
        most = most.max(options.budget.kept());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(most >= bound / 2, "only {most} bytes came: {:?}", way.view());
    assert!(most <= bound + FRAME, "{most} bytes were kept, {bound} may be");
    let came = tokio::time::timeout(2 * LONG, take(&mut stream, 12_000_000)).await;
    let came = came.expect("it stalls").unwrap();
    let mut said = [0; 32];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(came, said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stopped_delays_nobody_while_its_bound_is_not_reached() {
    let lane = Lane::lay(|_| {}).await;
    let destination = Destination::start().await;
    let options = Options::default();
    let way = lane.way_with(destination.port, options.clone()).await;
    let before = small_question(&way.tunnel).await;
    let _stream = unread(&way.tunnel, 3_000_000).await;
    until("most of it", LONG, async || (options.budget.kept() >= 2_500_000).then_some(())).await;
    let beside = small_question(&way.tunnel).await;
    assert!(
        beside <= 2 * before + SLACK,
        "{beside:?} beside a reader that stopped, {before:?} alone"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tunnels_that_share_a_budget_keep_no_more_than_it_together() {
    let lane = Lane::lay(|_| {}).await;
    let destination = Destination::start().await;
    let budget = ssm_tunnel::Budget::new(6_000_000);
    let options = Options { budget: budget.clone(), ..Options::default() };
    let mut all = Vec::new();
    for _ in 0..3 {
        let way = lane.way_with(destination.port, options.clone()).await;
        let stream = unread(&way.tunnel, 8_000_000).await;
        all.push((way, stream));
    }
    let began = Instant::now();
    let mut most = 0;
    while began.elapsed() < Duration::from_secs(6) {
        most = most.max(budget.kept());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Each may take in what a turn brings before it looks again.
    assert!((5_000_000..=6_000_000 + 3 * TURN).contains(&most), "{most} bytes were kept");
    for (_way, stream) in &mut all {
        let came = tokio::time::timeout(2 * LONG, take(stream, 8_000_000)).await;
        came.expect("it stalls").unwrap();
    }
}

/// One frame of smux: what may come on top of a bound.
const FRAME: usize = 65_536 + 8;
/// What one turn of a tunnel takes in at most, or may keep whatever others do.
const TURN: usize = 1 << 20;
/// Unoptimised programs on a machine busy with others.
const SLACK: Duration = Duration::from_millis(20);
