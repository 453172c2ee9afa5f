//! Several targets in one pool.

use std::time::{Duration, Instant};

use bastion_cloud::TaskId;
use bastion_pool::LeaseId;
use bastion_pool::single::{Input, Limits, Output, Phase, Pool, Timer, Why};

const LIMITS: Limits = Limits {
    start: Duration::from_secs(120),
    idle: Duration::from_secs(300),
    stop: Duration::from_secs(60),
};

#[test]
fn fifty_leases_start_one_task_and_all_get_it() {
    let (mut pool, now) = pool(&["a"]);
    let leases: Vec<_> = (0..50).map(LeaseId).collect();
    for lease in &leases {
        assert!(pool.lease("a", *lease, now));
    }
    assert_eq!(drain(&mut pool), [("a".to_owned(), Output::StartTask)]);
    pool.handle("a", Input::TaskReady(TaskId::new("t")), now);
    let granted: Vec<_> = drain(&mut pool)
        .into_iter()
        .map(|(_, output)| match output {
            Output::Grant(lease, _) => lease,
            other @ (Output::StartTask
            | Output::StopTask(_)
            | Output::Overdue
            | Output::Revoke(..)) => {
                panic!("not a grant: {other:?}")
            }
        })
        .collect();
    assert_eq!(granted, leases);
    assert_eq!(pool.leases("a"), 50);
}

#[test]
fn each_target_has_a_bastion_of_its_own() {
    let (mut pool, now) = pool(&["a", "b"]);
    pool.lease("a", LeaseId(1), now);
    pool.lease("b", LeaseId(2), now);
    let starts = [("a".to_owned(), Output::StartTask), ("b".to_owned(), Output::StartTask)];
    assert_eq!(drain(&mut pool), starts);
    pool.handle("a", Input::StartFailed, now);
    assert_eq!(pool.phase("a"), Some(Phase::Cold));
    assert_eq!(pool.phase("b"), Some(Phase::Starting));
}

#[test]
fn nobody_gets_a_lease_on_a_target_that_is_not_there() {
    let (mut pool, now) = pool(&["a"]);
    assert!(!pool.lease("nowhere", LeaseId(1), now));
    assert!(drain(&mut pool).is_empty());
}

#[test]
fn the_earliest_timer_is_the_pools() {
    let (mut pool, now) = pool(&["a", "b"]);
    pool.lease("a", LeaseId(1), now);
    pool.handle("a", Input::TaskReady(TaskId::new("t")), now);
    pool.end(LeaseId(1), now);
    pool.lease("b", LeaseId(2), now);
    assert_eq!(pool.timeout(), Some((now + LIMITS.start, Timer::Start)));
    pool.handle("b", Input::TaskReady(TaskId::new("u")), now);
    assert_eq!(pool.timeout(), Some((now + LIMITS.idle, Timer::Idle)));
}

#[test]
fn a_revoked_lease_is_forgotten_and_its_late_end_means_nothing() {
    let (mut pool, now) = pool(&["a"]);
    let lease = LeaseId(1);
    pool.lease("a", lease, now);
    pool.handle("a", Input::StartFailed, now);
    let revoked = ("a".to_owned(), Output::Revoke(lease, Why::StartFailed));
    assert_eq!(drain(&mut pool), [("a".to_owned(), Output::StartTask), revoked]);
    assert_eq!(pool.leases("a"), 0);
    pool.end(lease, now);
    assert!(drain(&mut pool).is_empty());
}

fn pool(targets: &[&str]) -> (Pool, Instant) {
    let mut pool = Pool::new();
    for target in targets {
        pool.add(target, LIMITS);
    }
    (pool, Instant::now())
}

fn drain(pool: &mut Pool) -> Vec<(String, Output)> {
    std::iter::from_fn(|| pool.poll()).collect()
}
