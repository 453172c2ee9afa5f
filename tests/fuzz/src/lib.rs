//! What is done with fuzzed bytes, one module a target. Each is run by libFuzzer (`targets/`) and, over the committed
//! seeds, by the tests of the crate that it is about.

pub mod channel;
pub mod handshake;
pub mod message;
pub mod mux;
pub mod postgres;
pub mod refusal;
pub mod talk;
