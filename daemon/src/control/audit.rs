//! `audit`: who went where.

use axum::extract::State;
use bastion_api::Audit;

use super::Desk;
use super::answer::{Failed, Told};
use super::span::Span;
use crate::explain;

/// `GET /v1/audit?since=T&until=T&target=T&by=day`
pub(super) async fn audit(
    State(desk): State<Desk>,
    Span(wanted): Span,
) -> Result<Told<Audit>, Failed> {
    let audit = desk.house.ledger.audit(wanted).await;
    audit.map(Told).map_err(|err| explain::ledger_unreadable(&err).into())
}
