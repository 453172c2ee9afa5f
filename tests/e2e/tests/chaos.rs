//! Chaos: visits, closes, reloads and faults at random; the daemon dies by kill -9 at a random point, is started again or
//! isn't; and whatever happened, nothing is leaked, doubled, touched that is not ours, left hanging or billed wrongly.
//!
//! `cargo xtask chaos --runs 300 [--seed N]` runs it in full count; without that it is thirty runs. Each run has a seed of
//! its own, which is told where it fails: `CHAOS_SEED=that CHAOS_RUNS=1` lives through it again, as far as the machine's
//! own timing lets it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "the sum is for whoever reads the test's output")]
#![expect(clippy::disallowed_methods, reason = "a test measures real time")]

#[path = "chaos/life.rs"]
mod life;
#[path = "chaos/verdict.rs"]
mod verdict;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bastion_e2e::dice::Dice;
use tokio::runtime::Runtime;

use verdict::Tally;

#[test]
fn whatever_happens_nothing_is_leaked_doubled_or_billed_wrongly() {
    let runs = number("CHAOS_RUNS").unwrap_or(RUNS_IN_CI);
    let seed = number("CHAOS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("chaos: {runs} runs from seed {seed}");
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let runtime = Runtime::new().unwrap();
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= runs {
                        return;
                    }
                    let seed = seed.wrapping_add(run);
                    let tally = runtime.block_on(life::live(Dice::new(seed)));
                    if !tally.is_clean() {
                        println!("run with seed {seed}: {tally}\n{}", tally.story);
                    }
                    sum.lock().unwrap().add(tally);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap();
    println!("chaos: {}", sum.lived());
    println!("chaos {}: {sum}", if sum.is_clean() { "ok" } else { "failed" });
    assert!(sum.is_clean(), "{sum}");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How many runs CI lives through.
const RUNS_IN_CI: u64 = 30;
/// How many live side by side: most of the time each waits for something.
const AT_ONCE: u64 = 4;
