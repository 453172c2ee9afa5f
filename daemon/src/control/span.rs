//! Which part of the ledger is asked for.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use bastion_api::{GroupBy, Timestamp};
use serde::Deserialize;

use super::answer::Failed;
use crate::explain;
use crate::ledger::Wanted;

/// The span of time, the target and the sums that a call's query names.
#[derive(Debug)]
pub(super) struct Span(pub(super) Wanted);

#[derive(Debug, Deserialize)]
struct Asked {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    target: Option<String>,
    by: Option<GroupBy>,
}

impl<S: Send + Sync> FromRequestParts<S> for Span {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let asked = Query::<Asked>::from_request_parts(parts, state).await;
        let Query(Asked { since, until, target, by }) =
            asked.map_err(|err| explain::bad_request(&err.body_text()))?;
        if by == Some(GroupBy::Unknown) {
            return Err(explain::bad_request("by is \"target\" or \"day\"").into());
        }
        Ok(Self(Wanted { since, until, target, by }))
    }
}
