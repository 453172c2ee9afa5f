//! What fuzzing starts from and what it has found, replayed: `tests/fuzz/seeds`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(unreachable_pub, reason = "the fuzz target uses it, too")]
#[path = "../../../tests/fuzz/src/postgres.rs"]
mod postgres;
#[expect(unreachable_pub, reason = "the fuzz target uses it, too")]
#[path = "../../../tests/fuzz/src/refusal.rs"]
mod refusal;
#[expect(unreachable_pub, reason = "the fuzz target uses it, too")]
#[path = "../../../tests/fuzz/src/talk.rs"]
mod talk;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 3] =
    [("postgres", postgres::run), ("refusal", refusal::run), ("talk", talk::run)];

#[test]
fn every_seed_is_survived() {
    for (name, run) in TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() >= 5, "{} seeds of {name}", seeds.len());
        seeds.iter().for_each(|seed| run(seed));
    }
}

/// What libFuzzer does better, for who has none: seeds in which a few bytes are other ones.
#[test]
fn seeds_with_other_bytes_are_survived() {
    let mut seed = 0x5eed_u64;
    let mut dice = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for (name, run) in TARGETS {
        let seeds = seeds(name);
        for _ in 0..5_000 {
            let mut bytes = seeds[dice() % seeds.len()].clone();
            bytes.truncate(600);
            for _ in 0..=dice() % 6 {
                let at = dice() % bytes.len();
                match dice() % 3 {
                    0 => bytes[at] = dice() as u8,
                    1 => drop(bytes.drain(..at.min(bytes.len() - 1))),
                    _ => bytes.extend_from_within(at..),
                }
            }
            run(&bytes);
        }
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../../tests/fuzz/seeds/{name}", env!("CARGO_MANIFEST_DIR"));
    let seeds = std::fs::read_dir(folder).unwrap();
    seeds.map(|seed| std::fs::read(seed.unwrap().path()).unwrap()).collect()
}
