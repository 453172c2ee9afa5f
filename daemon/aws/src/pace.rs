//! How long to wait before asking again. Pure: dice are an argument, 0 ≤ dice < 1.

use std::time::Duration;

/// The pause between two DescribeTasks, for the task that is waited for since `age`, after `failures` in a row.
pub(crate) fn tasks(age: Duration, failures: u32, dice: f64) -> Duration {
    if failures > 0 {
        return shaken(doubled(THROTTLED, failures - 1, THROTTLED_MOST), dice);
    }
    // A start takes 20 to 60 s (aws.md 3.8) and its last second is a person's to wait: fast until then.
    let over = age.saturating_sub(FAST_FOR).as_secs_f64();
    let pause = FAST.as_secs_f64() + over * SLOWING;
    shaken(Duration::from_secs_f64(pause.min(SLOW.as_secs_f64())), dice)
}

/// The pause before StartSession is tried again, after `tries` that found no agent, or were throttled.
pub(crate) fn session(tries: u32, throttled: bool, dice: f64) -> Duration {
    if throttled {
        return shaken(doubled(THROTTLED, tries.saturating_sub(1), THROTTLED_MOST), dice);
    }
    let pause =
        SESSION.as_secs_f64() * SESSION_GROWTH.powi(tries.saturating_sub(1).min(30).cast_signed());
    shaken(Duration::from_secs_f64(pause.min(SESSION_MOST.as_secs_f64())), dice)
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << times.min(10)).min(most)
}

/// A fifth more or less, so that many daemons of one account do not ask in step.
fn shaken(pause: Duration, dice: f64) -> Duration {
    pause.mul_f64(0.8 + 0.4 * dice)
}

const FAST: Duration = Duration::from_millis(500);
const FAST_FOR: Duration = Duration::from_secs(60);
/// How much a pause grows for each second beyond the fast time.
const SLOWING: f64 = 0.05;
const SLOW: Duration = Duration::from_secs(5);

/// After a call that AWS throttled; the account's bucket refills at 20 a second for all its callers (aws.md 3.4).
const THROTTLED: Duration = Duration::from_secs(1);
const THROTTLED_MOST: Duration = Duration::from_secs(15);

/// "It can take a few seconds for the SSM agent to be connected even after RUNNING" (aws.md 3.1).
const SESSION: Duration = Duration::from_millis(250);
const SESSION_GROWTH: f64 = 1.2;
const SESSION_MOST: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{session, tasks};

    const MIDDLE: f64 = 0.5;

    #[test]
    fn tasks_are_asked_for_twice_a_second_at_first_and_every_five_seconds_at_last() {
        assert_eq!(tasks(Duration::ZERO, 0, MIDDLE), Duration::from_millis(500));
        assert_eq!(tasks(Duration::from_secs(59), 0, MIDDLE), Duration::from_millis(500));
        assert_eq!(tasks(Duration::from_secs(80), 0, MIDDLE), Duration::from_millis(1500));
        assert_eq!(tasks(Duration::from_secs(600), 0, MIDDLE), Duration::from_secs(5));
    }

    #[test]
    fn each_failure_doubles_the_pause_up_to_a_bound() {
        let pauses: Vec<u64> = (1..7).map(|n| tasks(Duration::ZERO, n, MIDDLE).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 15, 15]);
        assert_eq!(tasks(Duration::ZERO, u32::MAX, MIDDLE), Duration::from_secs(15));
    }

    #[test]
    fn an_agent_that_is_not_connected_is_asked_for_soon_and_then_less_often() {
        assert_eq!(session(1, false, MIDDLE), Duration::from_millis(250));
        assert!(session(5, false, MIDDLE) < Duration::from_millis(600));
        assert_eq!(session(u32::MAX, false, MIDDLE), Duration::from_secs(2));
        assert_eq!(session(1, true, MIDDLE), Duration::from_secs(1));
    }

    #[test]
    fn dice_move_a_pause_by_a_fifth_at_most() {
        assert_eq!(tasks(Duration::ZERO, 0, 0.0), Duration::from_millis(400));
        assert_eq!(tasks(Duration::ZERO, 0, 1.0), Duration::from_millis(600));
    }
}
