//! One bastion for each target and no more: what the keeper uses until it has moved to [`crate::Pool`].

mod bastion;
mod pool;

pub use bastion::{Bastion, Input, Limits, Output, Phase, Timer, Why};
pub use pool::Pool;
