//! A stable local port for every private AWS database.
//!
//! The modules in reading order; `run` tells the whole story, and each may use those below it.

pub mod run;

pub mod control;
pub mod doctor;
pub mod listen;

pub mod by_hand;
pub mod explain;
pub mod init;
pub mod keeper;
pub mod policy;
pub mod probe;
pub mod tunnels;

pub mod events;
pub mod ledger;
pub mod state;

pub mod args;
pub mod config;
pub mod host;

pub mod clock;
pub mod tasks;
