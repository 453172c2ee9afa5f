//! Tunnels as visits and the keeper use them, on a cloud that does as it is told.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test has no tasks of the daemon's")]

#[path = "../tunnel/tests/agent/mod.rs"]
mod agent;
mod ways;

use std::time::Duration;

use bastion_api::EventKind;
use bastion_cloud::Kind;
use bastiond::tunnels::{Passage, Trouble, TunnelFailure, Ways as _};
use ssm_tunnel::{FirstByte, StreamEnd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use ways::Does::{Dial, Echo, Ignore, Pump, Refuse};
use ways::{Yard, remote, until};

#[tokio::test]
async fn visits_share_a_tunnel_whose_session_was_written_down_before_it_was_dialed() {
    let yard = Yard::lay("", &[Echo]).await;
    let visits = (0..5).map(|_| yard.visit());
    let visits = futures_util::future::join_all(visits).await;
    assert!(visits.iter().all(|visit| visit.number == visits[0].number));
    for mut visit in visits {
        visit.stream.write_all(b"hello").await.unwrap();
        assert_eq!(read(&mut visit).await, b"hello");
    }
    assert_eq!(yard.aws.written(), [("s1".to_owned(), 0)]);
    assert_eq!((yard.aws.dialed(), yard.tunnels.tunnels(&yard.task())), (1, 1));
}

#[tokio::test]
async fn a_second_tunnel_is_there_before_the_next_visit_once_the_first_moves_bulk() {
    let yard = Yard::lay("", &[Pump, Echo]).await;
    let reading = yard.download().await;
    let first = yard.aws.started();
    let small = yard.visit().await;
    assert_eq!(small.number, 2, "a small query waits for no download");
    assert_eq!(yard.aws.started(), first, "it was there");
    assert!(!yard.tunnels.crowded(&yard.task()));
    reading.abort();
}

#[tokio::test]
async fn a_tunnel_that_was_opened_for_load_is_closed_when_the_load_is_long_gone() {
    let yard = Yard::lay("", &[Pump, Echo]).await;
    let reading = yard.download().await;
    reading.abort();
    // The flow's end takes a second to show; from then on visits go through the first again.
    let mut visit = yard.visit().await;
    while visit.number != 1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        visit = yard.visit().await;
    }
    // A look begins its idle time, and a later one ends it.
    yard.hand.turn(Duration::from_secs(119));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(yard.tunnels.tunnels(&yard.task()), 2, "downloads come in a row");
    yard.hand.turn(Duration::from_secs(121));
    until("its end", || yard.tunnels.tunnels(&yard.task()) == 1).await;
    until("its session's end", || yard.aws.ended() == ["s2"]).await;
    assert_eq!(yard.aws.over(), ["s2"]);
}

#[tokio::test]
async fn while_one_dial_hangs_new_visits_go_through_another_tunnel() {
    let yard = Yard::lay("", &[Dial, Echo]).await;
    let mut hangs = yard.visit().await;
    hangs.stream.write_all(b"hello").await.unwrap();
    until("another tunnel", || yard.tunnels.tunnels(&yard.task()) == 2).await;
    let mut next = yard.visit().await;
    next.stream.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut next).await, b"hello");
    assert_eq!(next.number, 2);
}

#[tokio::test]
async fn where_only_one_tunnel_is_allowed_visits_share_it_and_the_bastion_is_crowded() {
    let yard = Yard::lay("tunnels_per_bastion = 1", &[Dial]).await;
    let mut hangs = yard.visit().await;
    hangs.stream.write_all(b"hello").await.unwrap();
    until("a crowd", || yard.tunnels.crowded(&yard.task())).await;
    assert_eq!(yard.visit().await.number, 1);
    assert_eq!(yard.aws.started().len(), 1);
}

#[tokio::test]
async fn an_agent_that_takes_no_second_session_is_not_asked_again_and_visits_go_on() {
    let mut yard = Yard::lay("", &[Dial, Ignore]).await;
    let mut hangs = yard.visit().await;
    hangs.stream.write_all(b"hello").await.unwrap();
    let (target, trouble) = yard.troubles.recv().await.unwrap();
    assert!(matches!(trouble, Trouble::Full { takes: 1, .. }), "{trouble:?}");
    assert_eq!(target.name, "db");
    assert!(yard.tunnels.crowded(&yard.task()), "another bastion would be of use");
    let asked = yard.aws.started().len();
    assert_eq!(yard.visit().await.number, 1, "on what there is");
    assert_eq!(yard.aws.started().len(), asked, "that it is full is remembered");
    assert_eq!(yard.aws.ended(), ["s2", "s3"], "no session is left that nobody uses");
}

#[tokio::test]
async fn a_fan_out_opens_so_many_tunnels_and_visits_spread_over_them() {
    let yard = Yard::lay("tunnels_per_bastion = 4", &[Echo]).await;
    assert_eq!(yard.tunnels.fan(&yard.route, 4).await.unwrap(), 4);
    assert_eq!(yard.tunnels.count("db"), 4);
    let visits = futures_util::future::join_all((0..8).map(|_| yard.visit())).await;
    let mut numbers: Vec<u64> = visits.iter().map(|visit| visit.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 1, 2, 2, 3, 3, 4, 4]);
    drop(visits);
    yard.hand.turn(Duration::from_secs(3600));
    drop(yard.visit().await);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(yard.tunnels.count("db"), 4, "a person asked for them");
}

#[tokio::test]
async fn a_fan_out_that_asks_for_too_many_says_how_many_there_are() {
    let yard = Yard::lay("", &[Echo]).await;
    assert_eq!(yard.tunnels.fan(&yard.route, 8).await.unwrap(), 2);
}

#[tokio::test]
async fn when_the_database_has_moved_new_visits_get_a_tunnel_to_where_it_is() {
    let yard = Yard::lay("", &[Refuse, Echo]).await;
    yard.aws.move_database(remote("10.0.0.2"));
    let mut visit = yard.visit().await;
    let ended = refused(&mut visit).await;
    assert_eq!(ended, Some(StreamEnd::DialFailed));
    yard.tunnels.not_reached(&yard.route, visit.number);
    until("a tunnel to the new place", || yard.aws.started().len() == 2).await;
    assert_eq!(yard.aws.started(), [remote("10.0.0.1"), remote("10.0.0.2")]);
    let mut next = yard.visit().await;
    next.stream.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut next).await, b"hello");
}

#[tokio::test]
async fn an_old_tunnel_whose_visits_fail_in_a_row_is_replaced_and_a_young_one_is_not() {
    let yard = Yard::lay("", &[Refuse, Echo]).await;
    let visit = yard.visit().await;
    for _ in 0..5 {
        yard.tunnels.not_reached(&yard.route, visit.number);
    }
    assert_eq!(yard.visit().await.number, 1, "a new one would know no better");
    yard.hand.turn(Duration::from_secs(31));
    yard.tunnels.reached(&yard.route, visit.number);
    yard.tunnels.not_reached(&yard.route, visit.number);
    yard.tunnels.not_reached(&yard.route, visit.number);
    assert_eq!(yard.visit().await.number, 1, "not yet: one got through in between");
    yard.tunnels.not_reached(&yard.route, visit.number);
    assert_eq!(yard.visit().await.number, 2);
    let told = yard.events.since(0).0;
    assert!(told.iter().any(|event| event.message.contains("new visits get another tunnel")));
}

#[tokio::test]
async fn a_wanted_bastion_that_has_lost_its_last_tunnel_gets_another_unasked() {
    for (rules, wanted, expected) in
        [("", true, 2), ("", false, 1), ("keepalive = \"never\"", true, 1)]
    {
        let yard = Yard::lay(rules, &[Echo]).await;
        let Passage { tunnel, stream, .. } = yard.visit().await;
        if !wanted {
            yard.tunnels.keep(&yard.task(), false);
        }
        drop(stream);
        // By now nobody looks at it any more.
        tokio::time::sleep(Duration::from_millis(600)).await;
        tunnel.close().await;
        if expected == 2 {
            until("another tunnel", || yard.tunnels.tunnels(&yard.task()) == 1).await;
        } else {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(yard.aws.started().len(), expected, "{rules} {wanted}");
    }
}

#[tokio::test]
async fn closing_one_route_leaves_the_bastions_others_alone() {
    let yard = Yard::lay("", &[Echo]).await;
    let mut other = yard.route.clone();
    other.remote = remote("10.0.0.9");
    drop(yard.visit().await);
    yard.tunnels.prove(&other, Duration::from_secs(5)).await.unwrap();
    assert_eq!(yard.tunnels.tunnels(&yard.task()), 2);
    yard.tunnels.close_route(&yard.task(), &other.remote).await;
    assert_eq!((yard.tunnels.stands(&yard.route), yard.tunnels.stands(&other)), (true, false));
    yard.tunnels.close(&yard.task()).await;
    assert_eq!(yard.tunnels.tunnels(&yard.task()), 0);
    assert_eq!(yard.aws.ended(), ["s2", "s1"]);
    assert_eq!(yard.aws.over(), ["s2", "s1"]);
}

#[tokio::test]
async fn after_a_sleep_a_tunnel_that_does_not_answer_is_resumed_at_once() {
    let yard = Yard::lay("", &[Echo]).await;
    let mut visit = yard.visit().await;
    visit.stream.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut visit).await, b"hello");
    assert!(yard.tunnels.prove_alive(&yard.task()).await, "it answers");
    let Passage { tunnel, stream, .. } = visit;
    drop(stream);
    tokio::time::sleep(Duration::from_millis(200)).await;
    yard.aws.freeze();
    yard.hand.sleep(Duration::from_secs(600));
    // Without a wake the silence of a tunnel that nobody uses is noticed at its next ping.
    let resumed = until("a new websocket", || yard.aws.dialed() == 2);
    tokio::time::timeout(Duration::from_secs(5), resumed).await.unwrap();
    assert_eq!(yard.aws.resumed(), 1);
    assert!(!tunnel.is_closed());
}

#[tokio::test]
async fn visits_are_told_when_a_login_is_missing_and_go_on_after_it() {
    let mut yard = Yard::lay("", &[Echo]).await;
    let visit = yard.visit().await;
    yard.aws.need_login(true);
    yard.aws.cut();
    let (_, trouble) = yard.troubles.recv().await.unwrap();
    let denied = |failure: &TunnelFailure| matches!(failure, TunnelFailure::Session(err) if matches!(err.kind, Kind::Login { .. }));
    assert!(matches!(&trouble, Trouble::Away(failure) if denied(failure)), "{trouble:?}");
    assert!(yard.tunnels.pause("db").unwrap().needs_login);
    let refused = yard.tunnels.stream(&yard.route, FirstByte::AnyTime).await;
    assert!(refused.as_ref().is_err_and(denied), "{refused:?}");
    assert!(!visit.tunnel.is_closed(), "it waits");
    yard.aws.need_login(false);
    let (_, trouble) = yard.troubles.recv().await.unwrap();
    assert!(matches!(trouble, Trouble::Over), "{trouble:?}");
    assert!(yard.tunnels.pause("db").is_none() && yard.aws.resumed() > 1);
    let kinds: Vec<_> = yard.events.since(0).0.iter().map(|event| event.kind).collect();
    assert!(kinds.contains(&EventKind::TunnelPaused) && kinds.contains(&EventKind::TunnelResumed));
}

impl Yard {
    async fn visit(&self) -> Passage {
        self.tunnels.stream(&self.route, FirstByte::AnyTime).await.unwrap()
    }

    /// A visit that takes whatever comes, once that has brought about a second tunnel.
    async fn download(&self) -> JoinHandle<()> {
        let mut download = self.visit().await;
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while download.stream.read(&mut buffer).await.unwrap() > 0 {}
        });
        until("a second tunnel", || self.tunnels.tunnels(&self.task()) == 2).await;
        reading
    }
}

async fn read(visit: &mut Passage) -> Vec<u8> {
    let mut buffer = vec![0; 64];
    let read = tokio::time::timeout(Duration::from_secs(5), visit.stream.read(&mut buffer));
    let length = read.await.unwrap().unwrap();
    buffer.truncate(length);
    buffer
}

/// Waits for the end of a stream that gets nowhere.
async fn refused(visit: &mut Passage) -> Option<StreamEnd> {
    let mut rest = Vec::new();
    visit.stream.write_all(b"hello").await.ok();
    visit.stream.read_to_end(&mut rest).await.ok();
    visit.stream.ended()
}
