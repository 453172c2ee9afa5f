//! The SSM data channel for port sessions, the client's side: bytes in, bytes out.
//!
//! ```text
//!                        streams                    what a user writes and reads
//!                           │
//!                mux        │  smux frames: many streams, one stream of bytes
//!                           │
//!      handshake ───────────┤  who is there, what can be done
//!                           │
//!         outbox ┌──────────┴──────────┐ inbox
//!  (rtt, window, │                     │          numbers, acknowledgements, what is sent again
//!         probe) └──────────┬──────────┘
//!                           │
//!   payload, message, pen   │  header, digest, payload
//!                           │
//!                       websocket                   binary messages
//! ```
//!
//! [`Channel`] joins the layers. Nothing here opens anything, asks the time or throws dice: [`Now`]
//! is an argument, dice are a seed. The codecs alone ([`Message`], [`payload`], [`mux::frame`])
//! serve the agent's side as well.

mod channel;
mod config;
mod dice;
mod error;
mod event;
mod handshake;
mod inbox;
pub mod message;
pub mod mux;
mod outbox;
pub mod payload;
mod pen;
mod probe;
mod rtt;
mod stats;
mod window;

pub use channel::Channel;
pub use config::Config;
pub use error::{Misbehaved, Refused, StreamGone, Unsupported};
pub use event::{Closed, Counters, Event, Now, StreamEnd, StreamId, Timer};
pub use message::{Message, MessageId, MessageKind};
pub use stats::{Stats, StreamStats};
