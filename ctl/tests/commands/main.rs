//! Each command as a person meets it: the real program against a daemon that says what the test tells it to, its whole
//! screen compared with a file under `tests/screens`. `UPDATE_SCREENS=1` writes those files afresh.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod audit;
mod by_hand;
mod close;
mod completions;
mod config;
mod connect;
mod cost;
mod daemon;
mod doctor;
mod env;
mod errors;
mod events;
mod every;
mod export;
mod forward;
mod help;
mod info;
mod init;
mod man;
mod narrow;
mod oneshot;
mod open;
mod password;
mod policy;
mod ports;
mod reload;
mod samples;
mod schema;
mod screen;
mod service;
mod stack;
mod status;
mod terminal;
mod test;
mod token;
mod top;
mod version;
mod wait;
