//! The SSM data channel for port sessions, the client's side: bytes in, bytes out.
//!
//! Nothing here opens anything, asks the time or throws dice: [`Now`] is an argument, dice are a seed.

pub mod config;
pub mod error;
pub mod event;
pub mod message;
pub mod mux;
pub mod payload;

pub use config::Config;
pub use error::{Misbehaved, Refused, StreamGone, Unsupported};
pub use event::{Closed, Counters, Event, Now, StreamEnd, StreamId, Timer};
pub use message::{Message, MessageId, MessageKind};
