//! Enough PostgreSQL and MySQL to know a real visitor, and to say no politely.
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
//!
//! Who cannot be served is told so by the database's own kind of error: a [`Refusal`], as
//! [`postgres::error_response`] or [`mysql::error_packet`]. In the middle of a conversation [`postgres::Talk`] knows
//! whether there is a place for it.

mod engine;
pub mod mysql;
pub mod postgres;
mod refusal;
mod tls;

pub use engine::{Engine, FirstWord};
pub use refusal::Refusal;
