//! What bastionctl and bastiond say to each other: HTTP/1 on a Unix socket, JSON in snake_case, times in RFC 3339
//! UTC, durations in seconds. Every answer carries `schema_version`; streams are JSON lines.
//!
//! | call | asks with | answers with |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/targets` | | [`Targets`] |
//! | `POST /v1/targets/{name}/open` | [`OpenRequest`] | lines of [`OpenEvent`] |
//! | `POST /v1/forward` | [`ForwardRequest`] | lines of [`OpenEvent`], until the caller leaves |
//! | `POST /v1/targets/{name}/close` | [`CloseRequest`] | [`CloseAnswer`], or 409 with [`Refused`] |
//! | `POST /v1/targets/{name}/test` | | [`TestAnswer`] |
//! | `GET /v1/targets/{name}/password` | | [`Password`] |
//! | `GET /v1/targets/{name}/token?user=U` | | [`Password`] |
//! | `GET /v1/info?targets=A,B&accounts=true` | | [`Info`] |
//! | `GET /v1/targets/{name}/by_hand` | | [`ByHand`] |
//! | `GET /v1/events?follow=true&since=N&target=T` | | lines of [`Event`] |
//! | `GET /v1/doctor?target=T` | | [`DoctorReport`] |
//! | `GET /v1/cost?since=T&until=T&by=target` | | [`Cost`] |
//! | `GET /v1/audit?since=T&until=T&target=T&by=day` | | [`Audit`] |
//! | `POST /v1/reload` | | [`ReloadAnswer`] |
//! | `GET /v1/config` | | [`ConfigReport`] |
//! | `GET /v1/survey?profile=P&region=R` | | [`Survey`] |
//! | `POST /v1/init` | [`InitRequest`] | [`InitAnswer`] |
//! | `GET /v1/policy?for=user&site=S&doctor=true` | | [`Policy`] |
//! | `GET /v1/health` | | [`Health`] |
//! | `GET /v1/version` | | [`Version`] |
//!
//! Any other answer than success has an [`ErrorBody`]. The wire only grows: fields that a reader does not know are
//! ignored, fields that it misses have a default, and a word that it does not know reads as that enum's last resort.

#[cfg(feature = "client")]
pub mod client;
pub mod paths;

mod audit;
mod by_hand;
mod config;
mod cost;
mod doctor;
mod event;
mod forward;
mod info;
mod init;
mod open;
mod password;
mod policy;
mod problem;
mod reload;
#[cfg(feature = "schema")]
pub mod schema;
mod status;
mod survey;
mod target;
mod test;
mod version;

pub use audit::{
    Audit, AuditRecord, AuditRow, BastionEndedRecord, BastionStartedRecord, RefusedRecord, Size,
    TunnelClosedRecord, TunnelOpenedRecord, VisitRecord, Visitor,
};
pub use by_hand::{ByHand, ByHandStep};
pub use config::{ConfigFault, ConfigReport};
pub use cost::{Cost, CostRow, CostSum, GroupBy, Price};
pub use doctor::{Check, CheckStatus, DoctorReport};
pub use event::{Event, EventKind};
pub use forward::ForwardRequest;
pub use info::{Contact, Info, ProofKind, Roots, TlsKnown};
pub use init::{InitAnswer, InitRequest, InitSite, InitTarget};
pub use jiff::Timestamp;
pub use jiff::civil::Date;
pub use open::{CloseAnswer, CloseRequest, OpenEvent, OpenRequest, Refused};
pub use password::Password;
pub use policy::{Policy, PolicyDocument, PolicyFor, PolicyReason, PolicyStatement, PolicyValues};
pub use problem::{ErrorBody, Problem, ProblemKind};
pub use reload::{AlteredTarget, DroppedTarget, ReloadAnswer};
pub use status::{
    KeptUp, OnStop, Paused, Stage, State, Status, TargetStatus, VisitStatus, WaitsFor,
};
pub use survey::{
    DatabaseChoice, DatabaseKind, PasswordPlace, ProfileInfo, Selection, SiteChoice, SiteFlaw,
    Survey, SurveyOpen,
};
pub use target::{Engine, TargetInfo, Targets};
pub use test::{Login, TestAnswer, Tls};
pub use version::{Health, Version};

/// The version of every shape in this crate; it changes only when an old meaning can no longer be kept.
pub const SCHEMA_VERSION: u32 = 1;
