//! `config`: what the daemon runs with.

use axum::extract::State;
use bastion_api::ConfigReport;

use super::Desk;
use super::answer::Told;

/// `GET /v1/config`
pub(super) async fn config(State(desk): State<Desk>) -> Told<ConfigReport> {
    Told(desk.running.now().config.report())
}
