//! Waits after failures, and estimates from what went well.

use std::time::Duration;

use bastion_cloud::Stage;
use bastion_pool::{Backoff, Estimates};

#[test]
fn waits_double_to_the_longest_and_are_shortened_by_a_quarter_at_most() {
    let mut backoff = Backoff::new(secs(5), secs(300), 7);
    for whole in [5, 10, 20, 40, 80, 160, 300, 300, 300] {
        let wait = backoff.strike();
        assert!(wait <= secs(whole) && wait >= secs(whole) * 3 / 4, "{wait:?} for {whole}");
    }
    for _ in 0..100 {
        assert!(backoff.strike() <= secs(300));
    }
    assert_eq!(backoff.strikes(), 109);
}

#[test]
fn after_a_success_the_first_wait_is_the_first_again() {
    let mut backoff = Backoff::new(secs(5), secs(300), 7);
    for _ in 0..5 {
        backoff.strike();
    }
    backoff.clear();
    assert!(backoff.strike() <= secs(5));
}

#[test]
fn the_same_seed_waits_the_same_and_another_does_not() {
    let waits = |seed| {
        let mut backoff = Backoff::new(secs(5), secs(300), seed);
        (0..10).map(|_| backoff.strike()).collect::<Vec<_>>()
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

#[test]
fn a_start_takes_what_its_stages_take_in_the_middle() {
    let mut it = Estimates::default();
    assert_eq!(it.start("prod"), None);
    for provisioning in [10, 400, 12] {
        let pulling = secs(20);
        it.note("prod", &[(Stage::Provisioning, secs(provisioning)), (Stage::Pulling, pulling)]);
    }
    assert_eq!(it.stage("prod", Stage::Provisioning), Some(secs(12)));
    assert_eq!(it.start("prod"), Some(secs(32)));
    assert_eq!(it.start("another"), None);
}

#[test]
fn what_is_left_of_a_start_shrinks_with_its_stage_and_is_never_less_than_the_later_ones() {
    let mut it = Estimates::default();
    it.note("prod", &[(Stage::Provisioning, secs(12)), (Stage::Pulling, secs(20))]);
    assert_eq!(it.left("prod", Stage::Discovering, secs(1)), Some(secs(32)));
    assert_eq!(it.left("prod", Stage::Provisioning, secs(5)), Some(secs(27)));
    assert_eq!(it.left("prod", Stage::Provisioning, secs(90)), Some(secs(20)));
    assert_eq!(it.left("prod", Stage::Connecting, secs(0)), Some(secs(0)));
}

#[test]
fn old_starts_are_forgotten_and_the_rest_is_read_back() {
    let mut it = Estimates::default();
    for _ in 0..9 {
        it.note("prod", &[(Stage::Pulling, secs(60))]);
    }
    for _ in 0..9 {
        it.note("prod", &[(Stage::Pulling, secs(20))]);
    }
    assert_eq!(it.start("prod"), Some(secs(20)));
    let text = serde_json::to_string(&it).unwrap();
    assert_eq!(serde_json::from_str::<Estimates>(&text).unwrap(), it);
    assert!(text.len() < 200, "{text}");
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
