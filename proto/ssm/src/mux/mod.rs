//! smux: many streams on one channel.

pub mod frame;
