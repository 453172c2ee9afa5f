//! The least policy of a config: how narrow it is, that nothing which is asked of AWS is missing in it, and what an IAM
//! linter says to it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod least;
mod linter;
mod needs;
mod shapes;
