//! The house of the stories: a simulated AWS, the real daemon and command line, real database servers and clients.
//!
//! ```text
//!   a story ─► House ─┬─ Sim          in this process, so that a story may break it and read its record
//!                     ├─ bastiond     a real process with a cleared environment, a config, a log
//!                     ├─ bastionctl   run as a person would
//!                     └─ databases    a PostgreSQL and a MariaDB, one for each test program
//! ```
//!
//! A house that falls takes everything with it, and fails its story if the daemon logged an ERROR.

#![expect(
    clippy::unwrap_used,
    reason = "this is test code: what it cannot do, it says by panicking"
)]

pub mod clients;
pub mod configs;
pub mod databases;
pub mod dice;
pub mod house;
pub mod knock;
pub mod logins;
pub mod ministack;
pub mod plan;
pub mod secrets;
pub mod terminal;
pub mod wait;

pub use clients::{Finished, Running};
pub use house::House;
pub use plan::Plan;
pub use wait::until;
