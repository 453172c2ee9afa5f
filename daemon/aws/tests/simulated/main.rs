//! Every call of the cloud that is AWS, against the simulated AWS: what it finds, what it says when things go wrong.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod credentials;
mod discovery;
mod examine;
mod home;
mod house;
mod logins;
mod logs;
mod network;
mod readiness;
mod services;
mod sessions;
mod survey;
mod tasks;
