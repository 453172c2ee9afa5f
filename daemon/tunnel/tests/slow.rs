//! Visitors who do not read: what is kept for them, who waits for them, and that the driver rests meanwhile.
#![expect(clippy::disallowed_methods, reason = "a test has no tasks of the daemon's")]

mod agent;

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent::{Agent, Gate, pattern};
use ssm_tunnel::{Budget, FirstByte, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// What fits nowhere: more than the budgets below and both kernels keep.
const FLOOD: usize = 32 << 20;

/// Floods a stream until nothing more is taken; how many messages were sent.
async fn flood(agent: &mut Agent, id: u32, bytes: &[u8]) -> bool {
    // On a paused clock, a timeout is over as soon as nobody has anything left to do.
    tokio::time::pause();
    let quiet = Duration::from_millis(50);
    let stuck = timeout(quiet, agent.say_in_pieces(id, bytes)).await.is_err();
    tokio::time::resume();
    stuck
}

#[tokio::test]
async fn a_stalled_reader_uses_up_the_budget_of_all_and_stops_its_own_tunnel_alone() {
    let budget = Budget::new(4 << 20);
    let options = Options { budget: budget.clone(), ..Options::default() };
    let gate = Gate::open().await;
    let (tunnel, driver, mut agent) = gate.tunnel(options.clone()).await;
    let _driving = tokio::spawn(driver);
    let mut stalled = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    let words = pattern(FLOOD);
    assert!(flood(&mut agent, id, &words).await, "{FLOOD} bytes went to one who reads nothing");
    assert!(budget.kept() >= 4 << 20, "{} kept", budget.kept());
    assert!(budget.kept() <= (4 << 20) + 128 * 1024, "{} kept", budget.kept());

    // Another tunnel takes and gives as if nothing were.
    let (other, driver, echo) = gate.tunnel(options).await;
    let _other_driving = tokio::spawn(driver);
    let _echoing = tokio::spawn(echo.echo());
    let mut stream = other.open_stream(FirstByte::AnyTime).await.unwrap();
    for _ in 0..50 {
        stream.write_all(&words[..20_000]).await.unwrap();
        let mut back = vec![0; 20_000];
        timeout(Duration::from_secs(5), stream.read_exact(&mut back)).await.unwrap().unwrap();
    }

    let stats = tunnel.stats();
    assert!(stats.unread >= 4 << 20, "{stats:?}");
    // Half a second of a full buffer is one that has stopped.
    while tunnel.stats().stalled_readers == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(other.stats().stalled_readers, 0);

    // Whoever leaves gives back what was kept for it.
    drop(stalled.read_u8().await);
    drop(stalled);
    while budget.kept() > 1 << 20 {
        tokio::select! {
            _heard = agent.hear() => {}
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
    }
}

#[tokio::test]
async fn a_tunnel_that_waits_for_the_budget_goes_on_when_another_gives_back() {
    let budget = Budget::new(6 << 20);
    let options = Options { budget: budget.clone(), ..Options::default() };
    let gate = Gate::open().await;
    let (first, driver, mut agent) = gate.tunnel(options.clone()).await;
    let _driving = tokio::spawn(driver);
    let hoard = first.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    let words = pattern(3 << 20);
    tokio::time::pause();
    let filling = timeout(Duration::from_secs(1), agent.say(id, &words)).await;
    assert!(filling.is_ok(), "the budget was not used up yet");
    tokio::time::resume();

    let (second, driver, mut other) = gate.tunnel(options).await;
    let _other_driving = tokio::spawn(driver);
    let _blocked = second.open_stream(FirstByte::AnyTime).await.unwrap();
    let blocked_id = other.opened().await;
    let mut talking = second.open_stream(FirstByte::AnyTime).await.unwrap();
    let talking_id = other.opened().await;
    // Three of these four megabytes are taken; the rest, and what stands behind it, stays in the socket.
    tokio::time::pause();
    let quiet = Duration::from_secs(1);
    timeout(quiet, other.say(blocked_id, &pattern(4 << 20))).await.unwrap();
    timeout(quiet, other.say(talking_id, b"!")).await.unwrap();
    assert!(timeout(quiet, talking.read_u8()).await.is_err(), "there was room for all of it");
    tokio::time::resume();

    drop(hoard);
    // Sooner than any timer of its own would wake it.
    let read = timeout(Duration::from_secs(3), talking.read_u8()).await;
    assert_eq!(read.unwrap().unwrap(), b'!');
}

#[tokio::test]
async fn the_driver_rests_while_a_reader_is_stalled() {
    let options = Options { budget: Budget::new(1 << 20), ..Options::default() };
    let gate = Gate::open().await;
    let (tunnel, mut driver, mut agent) = gate.tunnel(options).await;
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let _driving = tokio::spawn(poll_fn(move |cx| {
        counted.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut driver).poll(cx)
    }));
    let _stalled = tunnel.open_stream(FirstByte::AnyTime).await.unwrap();
    let id = agent.opened().await;
    assert!(flood(&mut agent, id, &pattern(FLOOD)).await);
    let before = turns.load(Ordering::Relaxed);
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let woken = turns.load(Ordering::Relaxed) - before;
    assert!(woken <= 600, "woken {woken} times in ten minutes of waiting");
}
