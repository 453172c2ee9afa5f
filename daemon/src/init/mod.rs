//! From an account to a config: what was found is ranked, a person chooses, and what was chosen gets names and ports.
//!
//! ```text
//!   Findings ──▶ sites.rs, databases.rs: what could be chosen ──▶ a person ──▶ proposal.rs: what stands in the config
//!                  │ network.rs: where tasks may run                             │ ports.rs: free ones, and those of before
//!                  │ alike.rs: which names belong together                       ▼
//!                  ▼                                                           config::write
//!                secrets.rs: whose password is where
//! ```
//!
//! All but `ports.rs` is pure: it asks nobody, and the same findings give the same answer.

mod alike;
mod databases;
mod network;
mod ports;
mod proposal;
mod secrets;
mod sites;
#[cfg(test)]
mod tests;

pub use databases::databases;
pub use ports::Ports;
pub use proposal::{Mismatch, Proposal, propose};
pub use sites::{Wanted, sites};
