//! The watchdog under every shell that a container may have, as PID 1 of a namespace of its own.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "a watchdog counts real seconds")]

#[path = "watchdog/house.rs"]
mod house;

use std::thread;
use std::time::{Duration, Instant};

use bastion_pool::Watchdog;
use house::{Container, SHELLS, Space};

#[test]
fn without_a_session_it_ends_when_its_patience_is_over_and_not_before() {
    under_every_shell(|shell| {
        let mut it = Container::start(shell, watchdog(3, 1, 60), Space::Proc);
        assert_eq!(it.ends(), 0);
        it.lasted(3);
    });
}

#[test]
fn a_live_session_keeps_it_up_and_its_end_lets_it_go() {
    under_every_shell(|shell| {
        let mut it = Container::start(shell, watchdog(3, 2, 60), Space::Proc);
        let mut session = it.session(5);
        while session.is_alive() {
            assert!(it.is_alive(), "{shell:?} left a session behind");
        }
        let over = Instant::now();
        assert_eq!(it.ends(), 0);
        it.lasted(5 + 1);
        // It looks once a second, so that it may have seen the session last up to a second before its end.
        assert!(over.elapsed() > Duration::from_millis(900), "{shell:?}: {:?}", over.elapsed());
    });
}

#[test]
fn gaps_between_sessions_are_not_added_up() {
    under_every_shell(|shell| {
        let mut it = Container::start(shell, watchdog(5, 5, 60), Space::Proc);
        for _ in 0..4 {
            let mut session = it.session(1);
            while session.is_alive() {
                assert!(it.is_alive(), "{shell:?}");
            }
            let over = Instant::now();
            while over.elapsed() < Duration::from_secs(2) {
                assert!(it.is_alive(), "{shell:?}");
            }
        }
        assert_eq!(it.ends(), 0);
        it.lasted(4 + 3 * 2 + 4);
    });
}

#[test]
fn once_there_was_a_session_the_first_ones_patience_is_over() {
    under_every_shell(|shell| {
        let mut it = Container::start(shell, watchdog(20, 2, 60), Space::Proc);
        let _session = it.session(2);
        assert_eq!(it.ends(), 0);
        it.lasted(2 + 1);
    });
}

#[test]
fn its_life_is_over_whoever_uses_it() {
    under_every_shell(|shell| {
        let mut it = Container::start(shell, watchdog(60, 60, 4), Space::Proc);
        let mut session = it.session(60);
        assert!(session.is_alive());
        assert_eq!(it.ends(), 0);
        it.lasted(4);
    });
}

#[test]
fn term_ends_it_within_two_seconds() {
    under_every_shell(|shell| {
        let mut it = Container::start(shell, watchdog(60, 60, 60), Space::Proc);
        it.until_it_sleeps();
        let told = Instant::now();
        it.term();
        assert_eq!(it.ends(), 143);
        assert!(told.elapsed() < Duration::from_secs(2), "{shell:?}: {:?}", told.elapsed());
    });
}

#[test]
fn where_proc_shows_nothing_its_life_alone_holds() {
    under_every_shell(|shell| {
        let mut it = Container::start(shell, watchdog(1, 1, 5), Space::Empty);
        assert_eq!(it.ends(), 0);
        it.lasted(5);
    });
}

#[test]
fn where_processes_are_hidden_its_life_alone_holds() {
    under_every_shell(|shell| {
        let mut it = Container::start(shell, watchdog(1, 1, 5), Space::Hidden);
        assert_eq!(it.ends(), 0);
        it.lasted(5);
        let mut it = Container::start(shell, watchdog(1, 1, 30), Space::Shown);
        assert_eq!(it.ends(), 0);
        it.lasted(1);
    });
}

#[test]
fn without_sleep_it_says_so_and_does_not_stay() {
    under_every_shell(|shell| {
        let mut it = Container::start(shell, watchdog(60, 60, 60), Space::WithoutSleep);
        assert_eq!(it.ends(), 127, "{shell:?}");
    });
}

#[test]
fn an_entry_point_that_is_a_shell_runs_it_all_the_same() {
    let watchdog = watchdog(2, 1, 60);
    let entry_point = ["/bin/sh", "-c"];
    let mut words: Vec<String> = entry_point.map(str::to_owned).to_vec();
    words.extend(watchdog.command(&entry_point));
    let mut it = Container::run(&words, Space::Proc);
    assert_eq!(it.ends(), 0);
    it.lasted(2);
}

#[test]
fn an_entry_point_that_runs_what_it_is_given_is_given_a_shell() {
    let command = watchdog(2, 1, 60).command(&["/docker-entrypoint.sh"]);
    assert_eq!(command[..2], ["sh", "-c"]);
    assert_eq!(command[3..], ["bastiond-watchdog", "2", "1", "60"]);
}

#[test]
fn it_does_not_hold_the_name_that_it_looks_for() {
    let command = watchdog(2, 1, 60).command::<&str>(&[]);
    assert!(!command.iter().any(|word| word.contains("ssm-session-worker")), "{command:?}");
}

#[test]
fn it_leaves_room_in_the_overrides() {
    let command = Watchdog::new(Duration::from_secs(600), Duration::from_secs(12 * 60 * 60))
        .command::<&str>(&[]);
    let name = "a".repeat(255);
    let overrides = serde_json::json!({"containerOverrides": [{
        "name": name,
        "command": command,
        "environment": [{"name": "BASTIOND_TARGET", "value": name}],
    }]});
    // RunTask takes 8,192.
    assert!(overrides.to_string().len() < 1_500, "{}", overrides.to_string().len());
}

fn watchdog(first: u64, grace: u64, life: u64) -> Watchdog {
    let [first, grace, life] = [first, grace, life].map(Duration::from_secs);
    Watchdog { first, grace, life }
}

fn under_every_shell(story: impl Fn(&'static [&'static str]) + Sync) {
    thread::scope(|scope| {
        for shell in SHELLS {
            scope.spawn(|| story(shell));
        }
    });
}
