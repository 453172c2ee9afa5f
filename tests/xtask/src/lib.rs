//! What the developer's commands and the stories of `tests/e2e` share: finding and installing what a test needs, and
//! real database servers in temporary directories.
//!
//! From above: [`setup`] finds or installs programs; [`postgres`] and [`mariadb`] run a server; [`process`] starts a
//! program that ends with us; [`leash`] sees to that even when we are killed.

pub mod failure;
pub mod http;
pub mod leash;
pub mod mariadb;
pub mod place;
pub mod postgres;
pub mod process;
pub mod setup;

pub use failure::Failure;
