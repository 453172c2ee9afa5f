//! What fuzzing starts from and what it has found, replayed: `tests/fuzz/seeds/postgres`.

#[expect(unreachable_pub, reason = "the fuzz target uses it, too")]
#[path = "../../../tests/fuzz/src/postgres.rs"]
mod postgres;

#[test]
fn every_seed_is_survived() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/seeds/postgres");
    let seeds = std::fs::read_dir(folder).unwrap().map(|seed| std::fs::read(seed.unwrap().path()));
    let seeds: Vec<Vec<u8>> = seeds.map(Result::unwrap).collect();
    assert!(seeds.len() >= 5, "{} seeds", seeds.len());
    seeds.iter().for_each(|seed| postgres::run(seed));
}
