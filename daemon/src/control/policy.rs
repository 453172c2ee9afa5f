//! `policy`: what is known of the account is asked for, all at once; the rest is [`crate::policy`]'s.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use bastion_api::{Policy, PolicyFor};
use bastion_cloud::{Cloud, CloudError, DatabaseRef, LoginState, SecretFacts, SecretRef};
use futures_util::future::join_all;
use futures_util::join;
use serde::Deserialize;
use tokio::time::timeout;
use tracing::debug;

use super::answer::{Failed, Queried, Told};
use super::{Loaded, Office};
use crate::config::{Proof, Target};
use crate::explain;
use crate::policy::{self, Facts, KnownDatabase, Seat};

/// What `?…` may hold.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default, rename = "for")]
    whose: PolicyFor,
    site: Option<String>,
    #[serde(default)]
    doctor: bool,
}

/// `GET /v1/policy?for=user&site=S,T&doctor=true`
pub(super) async fn policy(
    State(office): State<Office>,
    Queried(asked): Queried<Asked>,
) -> Result<Told<Policy>, Failed> {
    let loaded = office.loaded()?;
    let names: Vec<String> = match asked.site.as_deref() {
        Some(sites) => sites.split(',').map(str::to_owned).collect(),
        None => Vec::new(),
    };
    let sites = loaded.config.sites.keys().map(String::as_str);
    let mut seats = policy::seats(&loaded.config, &names)
        .map_err(|unknown| explain::unknown_site(unknown, sites))?;
    let facts = join_all(seats.iter().map(|seat| known(&loaded, seat))).await;
    for (seat, facts) in seats.iter_mut().zip(facts) {
        seat.facts = facts;
    }
    match asked.whose {
        PolicyFor::User => Ok(Told(policy::user(&seats, asked.doctor))),
        PolicyFor::TaskRole => Ok(Told(policy::task_role(&seats))),
        PolicyFor::Unknown => Err(explain::bad_request("for is \"user\" or \"task_role\"").into()),
    }
}

/// What can be known of a seat in the time that there is; what cannot, a pattern stands for.
async fn known(loaded: &Loaded, seat: &Seat) -> Facts {
    let Some(target) = seat.targets.first() else { return Facts::default() };
    let Some((_, cloud)) = loaded.find(&target.name) else { return Facts::default() };
    if let LoginState::Hopeless(_) = cloud.login_state().await {
        return Facts::default();
    }
    // Where nobody says who we are, nobody says anything.
    let Ok(Ok(identity)) = timeout(PATIENCE, cloud.identity()).await else {
        return Facts::default();
    };
    let examiner = cloud.examiner();
    let (cluster, definition, databases, secrets) = join!(
        maybe("cluster", examiner.map(|examiner| examiner.cluster())),
        maybe("task definition", examiner.map(|examiner| examiner.definition())),
        join_all(databases(&seat.targets).into_iter().map(|one| database(&**cloud, one))),
        join_all(secrets(&seat.targets).into_iter().map(|one| secret(&**cloud, one))),
    );
    Facts {
        identity: Some(identity),
        cluster: cluster.map(|cluster| cluster.arn),
        definition,
        databases,
        secrets: secrets.into_iter().flatten().collect(),
    }
}

/// An answer, where there is anybody to ask, who may tell and does so in time.
async fn maybe<T>(
    what: &str,
    asked: Option<impl Future<Output = Result<T, CloudError>>>,
) -> Option<T> {
    match timeout(PATIENCE, asked?).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(err)) => {
            debug!(what, %err, "not known for the policy");
            None
        }
        Err(_) => {
            debug!(what, "not known in time for the policy");
            None
        }
    }
}

/// The databases that something has to be known of: a proxy's id, a token's database, a secret that RDS manages.
fn databases(targets: &[Arc<Target>]) -> Vec<DatabaseRef> {
    let mut wanted: Vec<DatabaseRef> = Vec::new();
    for target in targets {
        let database = match (&target.password, &target.database) {
            (Some(Proof::Secret(SecretRef::Managed(database))), _) => database,
            (Some(Proof::Iam), DatabaseRef::Rds(_) | DatabaseRef::Aurora(..)) => &target.database,
            (_, DatabaseRef::Proxy(_)) => &target.database,
            (
                Some(Proof::Secret(SecretRef::Named(_))) | None,
                DatabaseRef::Rds(_) | DatabaseRef::Aurora(..),
            )
            | (_, DatabaseRef::Host(..)) => continue,
        };
        if !wanted.contains(database) {
            wanted.push(database.clone());
        }
    }
    wanted
}

fn secrets(targets: &[Arc<Target>]) -> Vec<SecretRef> {
    let mut wanted: Vec<SecretRef> = Vec::new();
    for secret in targets.iter().filter_map(|target| target.secret()) {
        if !wanted.contains(secret) {
            wanted.push(secret.clone());
        }
    }
    wanted
}

async fn database(cloud: &dyn Cloud, database: DatabaseRef) -> (DatabaseRef, KnownDatabase) {
    let facts = cloud.examiner().map(|examiner| examiner.database_facts(&database));
    let (facts, found) =
        join!(maybe("database", facts), maybe("database", Some(cloud.find_database(&database))));
    let known = KnownDatabase {
        managed_secret: found.and_then(|found| found.managed_secret),
        resource_id: facts.and_then(|facts| facts.resource_id),
    };
    (database, known)
}

async fn secret(cloud: &dyn Cloud, secret: SecretRef) -> Option<(SecretRef, SecretFacts)> {
    let facts = cloud.examiner().map(|examiner| examiner.secret_facts(&secret));
    let facts = maybe("secret", facts).await?;
    Some((secret, facts))
}

/// How long one question may take: a policy of patterns now is better than a narrower one never.
const PATIENCE: Duration = Duration::from_secs(8);
