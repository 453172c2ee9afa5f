//! What is wrong, and what to do about it.
//!
//! ```text
//!   gather ──▶ Facts ──▶ examine: each check once, in the order of dependence ──▶ Findings
//!   asks AWS and this machine,      │ a check that failed has those skipped that depend on it
//!   all at once, each with          │ what lacks a permission cannot be known: neither ok nor failed
//!   its deadline; reads only        ▼ the first that failed is the root cause
//! ```
//!
//! What is gathered is judged by pure functions: the same facts always give the same findings. The checks, and what each
//! depends on, stand in `check.rs`; who judges them, beside what they judge.

mod asked;
mod check;
mod cidr;
mod container;
mod database;
mod facts;
pub mod gather;
mod graph;
mod lately;
mod login;
mod machine;
mod network;
mod permissions;
mod place;
mod reach;
mod secret;
mod tasks;
#[cfg(test)]
mod tests;
mod wishes;

pub use check::{Check, Verdict};
pub use facts::{
    ConfigFacts, Fact, Facts, HostFacts, LiveFacts, SecretFound, SiteFacts, TargetFacts,
};
pub use graph::{About, Finding, examine};
