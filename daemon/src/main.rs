//! A stable local port for every private AWS database.

fn main() {}
