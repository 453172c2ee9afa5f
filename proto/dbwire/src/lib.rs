//! Enough PostgreSQL and MySQL to know a real visitor.
//!
//! Bytes in, an answer out: nothing here opens a socket or waits. Whoever listens for a database first asks
//! [`Engine::first_word`] who has to speak, and, where that is a PostgreSQL client, shows what has arrived so far to
//! [`postgres::prologue`]:
//!
//! ```text
//!   bytes so far ──▶ prologue ──▶ More            read on, within the caller's deadline
//!                             ├─▶ Startup, SslRequest, GssEncRequest, DirectTls     a visitor
//!                             ├─▶ CancelRequest   passed on where a tunnel stands; never a reason to start one
//!                             └─▶ Not             somebody who wants something else
//! ```

mod engine;
pub mod postgres;
mod tls;

pub use engine::{Engine, FirstWord};
