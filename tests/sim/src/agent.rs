//! The agent in the container: what amazon-ssm-agent does, faults included, written after its own behaviour.
//!
//! ```text
//!   worker     the process of one session: its websocket, its sockets to the destination, the time of day
//!     └─ machine   what it does: handshake, numbers, acknowledgements, and what it makes of each input
//!          ├─ outbox   sent and not acknowledged; only the oldest is sent again, on a tick of 100 ms
//!          └─ mux      the smux server: streams, dials one after the other, 4 MiB for all of them
//! ```
//!
//! Only the codecs of frames and of smux frames are shared with the client's side of the channel.

mod dice;
pub mod machine;
mod mux;
mod outbox;
mod payload;
mod settings;
pub mod worker;

pub(crate) use dice::Dice;
pub use machine::{Input, Machine, Now, Output, Ticket, Timer, Wanted};
pub(crate) use payload::acknowledgement_of;
pub use settings::AgentSettings;
pub(crate) use worker::{ORDER, Order, TASK_COMPLETE};
