//! `version`: which daemon answers.

use bastion_api::{SCHEMA_VERSION, Version};

use super::answer::Told;

/// `GET /v1/version`
pub(super) async fn version() -> Told<Version> {
    Told(Version {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: Some(std::process::id()),
    })
}
