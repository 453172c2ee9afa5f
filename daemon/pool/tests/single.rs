//! The pool of one bastion a target, which the keeper leaves for the pool of several.
#![expect(clippy::disallowed_methods, reason = "a test's clock must begin somewhere")]

#[path = "single/bastion.rs"]
mod bastion;
#[path = "single/pool.rs"]
mod pool;
