//! `config`: what the daemon runs with, or would.

use axum::extract::State;
use bastion_api::ConfigReport;

use super::Office;
use super::answer::Told;

/// `GET /v1/config`
pub(super) async fn config(State(office): State<Office>) -> Told<ConfigReport> {
    match &office.faults {
        Some(faults) => Told(faults.report()),
        None => Told(office.running.now().config.report()),
    }
}
