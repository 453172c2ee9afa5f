//! `password`: fetched when it is asked for, kept nowhere.

use axum::extract::State;
use bastion_api::{Password, SCHEMA_VERSION};
use bastion_cloud::Cloud;

use super::answer::{Failed, Named, Told};
use super::{Office, token};
use crate::config::{Proof, Target};
use crate::explain;

/// `GET /v1/targets/{name}/password`
pub(super) async fn password(
    State(office): State<Office>,
    Named(name): Named,
) -> Result<Told<Password>, Failed> {
    let (target, cloud) = office.pair(&name)?;
    of(&target, &*cloud).await.map(Told)
}

/// A target's password: out of its secret, or a token.
pub(super) async fn of(target: &Target, cloud: &dyn Cloud) -> Result<Password, Failed> {
    let secret = match &target.password {
        Some(Proof::Secret(secret)) => secret,
        Some(Proof::Iam) => return token::made(target, cloud, None).await,
        None => return Err(explain::no_password(target).into()),
    };
    let login = cloud.secret(secret).await.map_err(|err| explain::cloud(target, &err))?;
    Ok(Password {
        schema_version: SCHEMA_VERSION,
        user: target.user.clone().or(login.user),
        password: login.password.reveal().to_owned(),
        expires_at: None,
    })
}
