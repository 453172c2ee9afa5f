use std::collections::VecDeque;
use std::time::Duration;

use bastion_api::TargetStatus;

/// How many bytes a target moved each second, the newest last.
#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<(u64, Duration)>,
    rates: VecDeque<u64>,
}

impl History {
    /// So much it has moved in all by now.
    pub(super) fn note(&mut self, moved: u64, now: Duration) {
        let Some((before, then)) = self.last.replace((moved, now)) else { return };
        let seconds = now.saturating_sub(then).as_secs_f64();
        if seconds < SHORTEST {
            // Two looks in one moment tell no rate; the next one counts for both.
            self.last = Some((before, then));
            return;
        }
        // A sum that falls is one that has begun anew: nobody gives bytes back.
        let rate = moved.saturating_sub(before) as f64 / seconds;
        self.rates.push_back(rate.round() as u64);
        if self.rates.len() > KEPT {
            self.rates.pop_front();
        }
    }

    /// The latest so many, the newest last; fewer where it has not been watched for so long.
    pub(super) fn latest(&self, many: usize) -> Vec<u64> {
        self.rates.iter().skip(self.rates.len().saturating_sub(many)).copied().collect()
    }

    /// What it moves now.
    pub(super) fn now(&self) -> u64 {
        self.rates.back().copied().unwrap_or(0)
    }

    /// The most that it moved lately.
    pub(super) fn most(&self) -> u64 {
        self.rates.iter().copied().max().unwrap_or(0)
    }
}

/// How much a target has moved in all. An older daemon tells no sums, but those of each visit.
pub(super) fn moved(target: &TargetStatus) -> u64 {
    let sum = target.bytes_in.saturating_add(target.bytes_out);
    if sum > 0 {
        return sum;
    }
    target.visits.iter().map(|visit| visit.bytes_in.saturating_add(visit.bytes_out)).sum()
}

/// How many seconds are kept: as many as the widest sparkline shows.
const KEPT: usize = 120;
/// Below this two looks are one, in seconds.
const SHORTEST: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn a_rate_is_the_difference_of_two_sums_over_their_time() {
        let mut history = History::default();
        history.note(1000, second(0));
        assert_eq!((history.now(), history.latest(9).len()), (0, 0));
        history.note(3000, second(1));
        history.note(3000, second(2));
        history.note(5000, second(4));
        assert_eq!(history.latest(9), [2000, 0, 1000]);
        assert_eq!(history.latest(2), [0, 1000]);
        assert_eq!((history.now(), history.most()), (1000, 2000));
    }

    #[test]
    fn a_sum_that_falls_is_no_negative_rate_and_two_looks_at_once_are_one() {
        let mut history = History::default();
        history.note(5000, second(0));
        history.note(1000, second(1));
        history.note(9000, second(1));
        history.note(2000, second(2));
        assert_eq!(history.latest(9), [0, 1000]);
    }
}
