//! Drives bastiond from a terminal.

fn main() {}
