//! What bastionctl and bastiond say to each other: HTTP/1 on a Unix socket, JSON in snake_case, times in RFC 3339
//! UTC, durations in seconds. Every answer carries `schema_version`; streams are JSON lines.
//!
//! | call | asks with | answers with |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/targets` | | [`Targets`] |
//! | `POST /v1/targets/{name}/open` | [`OpenRequest`] | lines of [`OpenEvent`] |
//! | `POST /v1/targets/{name}/close` | [`CloseRequest`] | [`CloseAnswer`], or 409 with [`Refused`] |
//! | `GET /v1/targets/{name}/password` | | [`Password`] |
//! | `GET /v1/events?follow=true&since=N&target=T` | | lines of [`Event`] |
//! | `GET /v1/config` | | [`ConfigReport`] |
//! | `GET /v1/health` | | [`Health`] |
//! | `GET /v1/version` | | [`Version`] |
//!
//! Any other answer than success has an [`ErrorBody`]. The wire only grows: fields that a reader does not know are
//! ignored, fields that it misses have a default, and a word that it does not know reads as that enum's last resort.

#[cfg(feature = "client")]
pub mod client;
pub mod paths;

mod config;
mod event;
mod open;
mod password;
mod problem;
mod status;
mod target;
mod version;

pub use config::{ConfigFault, ConfigReport};
pub use event::{Event, EventKind};
pub use jiff::Timestamp;
pub use open::{CloseAnswer, CloseRequest, OpenEvent, OpenRequest, Refused};
pub use password::Password;
pub use problem::{ErrorBody, Problem, ProblemKind};
pub use status::{Stage, State, Status, TargetStatus, VisitStatus};
pub use target::{Engine, TargetInfo, Targets};
pub use version::{Health, Version};

/// The version of every shape in this crate; it changes only when an old meaning can no longer be kept.
pub const SCHEMA_VERSION: u32 = 1;
