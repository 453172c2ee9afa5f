//! `close`: ends a target's visits and holds, and stops its bastion.

use axum::extract::State;
use bastion_api::{CloseAnswer, CloseRequest, Refused, SCHEMA_VERSION};

use super::answer::{Asked, Failed, Named, Told};
use super::{Desk, status};
use crate::explain;

/// `POST /v1/targets/{name}/close`
pub(super) async fn close(
    State(desk): State<Desk>,
    Named(name): Named,
    Asked(request): Asked<CloseRequest>,
) -> Result<Told<CloseAnswer>, Failed> {
    let target = desk.target(&name)?;
    let visits = desk.house.roster.of(&name, &[], desk.house.clock.now());
    if !request.force && !visits.is_empty() {
        let refused = Refused::new(explain::in_use(&name, &visits), visits);
        return Err(Failed::InUse(Box::new(refused)));
    }
    let was = status::of(&desk, &name).await.state;
    let closed = desk.house.keeper.close(&name).await;
    closed.map_err(|refusal| explain::refusal(&target, &refusal))?;
    let visits_ended = u32::try_from(visits.len()).unwrap_or(u32::MAX);
    Ok(Told(CloseAnswer { schema_version: SCHEMA_VERSION, target: name, was, visits_ended }))
}
