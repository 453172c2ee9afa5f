//! Random lives of a pool, in a world that answers as a cloud may: late, never, or not as asked.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "a test's clock must begin somewhere")]

mod dice;
#[path = "lives/world.rs"]
mod world;

use world::{Kind, World};

#[test]
fn lone_targets_live_any_life_without_a_fault() {
    for seed in 0..lives() {
        live(seed, Kind::Lone);
    }
}

#[test]
fn targets_with_several_bastions_live_any_life_without_a_fault() {
    for seed in 0..lives() {
        live(seed, Kind::Wide);
    }
}

#[test]
fn targets_that_share_live_any_life_without_a_fault() {
    for seed in 0..lives() {
        live(seed, Kind::Shared);
    }
}

fn live(seed: u64, kind: Kind) {
    let mut world = World::new(seed, kind);
    for _ in 0..STEPS {
        world.step();
    }
    world.wind_up();
}

fn lives() -> u64 {
    if std::env::var_os("BASTION_TEST_LONG").is_some() { 10_000 } else { 200 }
}

/// What happens to a pool in one life.
const STEPS: usize = 80;
