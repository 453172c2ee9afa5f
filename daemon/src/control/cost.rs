//! `cost`: what bastions have cost.

use axum::extract::State;
use bastion_api::Cost;

use super::Desk;
use super::answer::{Failed, Told};
use super::span::Span;
use crate::explain;

/// `GET /v1/cost?since=T&until=T&target=T&by=target`
pub(super) async fn cost(
    State(desk): State<Desk>,
    Span(wanted): Span,
) -> Result<Told<Cost>, Failed> {
    let cost = desk.house.ledger.cost(wanted).await;
    cost.map(Told).map_err(|err| explain::ledger_unreadable(&err).into())
}
