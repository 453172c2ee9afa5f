//! One file per command: its arguments (the doc comment is the help), then what it does.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod chaos;
pub(crate) mod check_macos;
pub(crate) mod demo;
pub(crate) mod dist;
mod suite;
pub(crate) mod test;
