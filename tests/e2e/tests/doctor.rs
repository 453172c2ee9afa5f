//! The doctor in broken worlds: each shows its exact root cause, through the real programs.
//!
//! ```text
//!   doctor.rs           the worlds that CI tries, and all of them in full count (cargo xtask test --long doctor)
//!   doctor/world.rs     a world: what is broken in it, what is done in it, what the doctor has to find
//!   doctor/trial.rs     one world tried: built, broken, examined
//!   doctor/matrix.rs    what was expected against what was found
//!   doctor/worlds/*.rs  the worlds, by what is broken
//!   doctor/stories.rs   what needs no table
//! ```
//!
//! Of the codes of the table, the doctor cannot see D15: a MySQL client that goes to a Unix socket never comes to us.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and prints the matrix"
)]

#[path = "doctor/matrix.rs"]
mod matrix;
#[path = "doctor/stories.rs"]
mod stories;
#[path = "doctor/trial.rs"]
mod trial;
#[path = "doctor/world.rs"]
mod world;
#[path = "doctor/worlds/mod.rs"]
mod worlds;

use trial::{Tried, try_all};
use worlds::all;

#[tokio::test(flavor = "multi_thread")]
async fn fifteen_broken_worlds_show_their_root_causes() {
    let some: Vec<_> = all().into_iter().filter(|world| world.in_ci).collect();
    assert_eq!(some.len(), 15);
    let tried = try_all(some).await;
    assert!(tried.iter().all(Tried::is_right), "{}", matrix::of(&tried));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_world_shows_its_root_cause() {
    if std::env::var_os("BASTION_TEST_LONG").is_none() {
        return;
    }
    let only = std::env::var("BASTION_TEST_WORLD").ok();
    let worlds = all().into_iter().filter(|world| {
        only.as_deref().is_none_or(|part| world.name.contains(part) || world.root() == part)
    });
    let tried = try_all(worlds.collect()).await;
    println!("{}", matrix::of(&tried));
    let right = tried.iter().filter(|one| one.is_right()).count();
    let word = if right == tried.len() { "ok" } else { "failed" };
    println!("doctor {word}: {} worlds, {right} root causes right", tried.len());
    assert_eq!(right, tried.len());
}

#[test]
fn there_are_two_worlds_for_each_code_and_eight_with_two_faults() {
    let all = all();
    for code in SEEN {
        let own = all.iter().filter(|world| world.root() == *code && world.expected.len() == 1);
        assert!(own.count() >= 2, "{code}");
    }
    let two = all.iter().filter(|world| world.expected.len() == 2).count();
    assert!(two >= 8, "{two}");
    let mut names: Vec<&str> = all.iter().map(|world| world.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len(), "two worlds are called the same");
}

/// The codes of product.md's table that a doctor can see.
const SEEN: &[&str] = &[
    "D02", "D03", "D04", "D05", "D06", "D07", "D08", "D09", "D10", "D11", "D12", "D13", "D14",
    "D16", "D18", "D19", "D20", "D21", "D22", "D23", "D24", "D25", "D26", "D27", "D28", "D29",
    "D30",
];
