//! The developer's commands: demo, test, bench, check-macos.

fn main() {}
