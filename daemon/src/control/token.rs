//! `token`: what stands for a user's password where IAM vouches for him. Made of the login's keys, kept nowhere.

use axum::extract::State;
use bastion_api::{Password, SCHEMA_VERSION};
use bastion_cloud::{Cloud, TOKEN_LIFE};
use serde::Deserialize;

use super::Office;
use super::answer::{Failed, Named, Queried, Told};
use crate::clock;
use crate::config::Target;
use crate::explain;

/// What `?…` may hold.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    user: Option<String>,
}

/// `GET /v1/targets/{name}/token?user=U`
pub(super) async fn token(
    State(office): State<Office>,
    Named(name): Named,
    Queried(asked): Queried<Asked>,
) -> Result<Told<Password>, Failed> {
    let (target, cloud) = office.pair(&name)?;
    made(&target, &*cloud, asked.user).await.map(Told)
}

/// A token for this user, else for the target's own.
pub(super) async fn made(
    target: &Target,
    cloud: &dyn Cloud,
    user: Option<String>,
) -> Result<Password, Failed> {
    let Some(user) = user.or_else(|| target.user.clone()) else {
        return Err(explain::no_user(target).into());
    };
    let failed = |err| Failed::from(explain::cloud(target, &err));
    let found = cloud.find_database(&target.database).await.map_err(failed)?;
    if found.remote.is_address() {
        return Err(explain::no_token_for_address(target, &found.remote).into());
    }
    // Before the token: it never says that it lasts longer than it does.
    let expires_at = clock::calendar() + TOKEN_LIFE;
    let token = cloud.token(&found.remote, &user).await.map_err(failed)?;
    Ok(Password {
        schema_version: SCHEMA_VERSION,
        user: Some(user),
        password: token.reveal().to_owned(),
        expires_at: Some(expires_at),
    })
}
