//! What was looked up a while ago: a start need not wait for the same answer again.
//!
//! ```text
//!   age     0 ───────── FRESH ─────────────────────────── USABLE ──────►
//!           as good as new   used, and looked up again     looked up before it is used
//!                            while the task starts
//! ```
//!
//! It belongs to one configuration ([`Clients`](crate::clients::Clients)): another login may be another account.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bastion_cloud::{CloudError, Database, DatabaseRef, Place, Site};
use tokio::time::Instant;
use tracing::debug;

use crate::clients::Clients;
use crate::{ec2, rds};

/// Answers, and when they came.
#[derive(Debug, Default)]
pub(crate) struct Discovery(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    place: Option<(Place, Instant)>,
    databases: HashMap<DatabaseRef, (Database, Instant)>,
}

impl Discovery {
    /// Forgets the place: a start in it has failed.
    pub(crate) fn forget_place(&self) {
        self.lock().place = None;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The site's place, as it was known lately.
pub(crate) async fn place(clients: &Clients, site: &Site) -> Result<Place, CloudError> {
    let known = clients.discovery.lock().place.clone();
    match known {
        Some((place, at)) if at.elapsed() < USABLE => Ok(place),
        Some(_) | None => place_now(clients, site).await,
    }
}

/// A database, as it was known lately.
pub(crate) async fn database(
    clients: &Clients,
    reference: &DatabaseRef,
) -> Result<Database, CloudError> {
    let known = clients.discovery.lock().databases.get(reference).cloned();
    match known {
        Some((database, at)) if at.elapsed() < USABLE => Ok(database),
        Some(_) | None => database_now(clients, reference).await,
    }
}

/// A database, asked for at this moment. What was known of it is forgotten if that fails.
pub(crate) async fn database_now(
    clients: &Clients,
    reference: &DatabaseRef,
) -> Result<Database, CloudError> {
    let found = rds::find_database(clients, reference).await;
    let mut known = clients.discovery.lock();
    match &found {
        Ok(database) => {
            known.databases.insert(reference.clone(), (database.clone(), Instant::now()));
        }
        Err(_) => drop(known.databases.remove(reference)),
    }
    found
}

/// Looks up again what is not fresh any more, for the next start: there is time while this one's task is on its way.
pub(crate) async fn refresh(clients: &Clients, site: &Site) {
    let (place, databases) = {
        let known = clients.discovery.lock();
        let old = |at: &Instant| at.elapsed() >= FRESH;
        let databases = known.databases.iter().filter(|(_, (_, at))| old(at));
        let databases: Vec<DatabaseRef> = databases.map(|(name, _)| name.clone()).collect();
        (known.place.as_ref().is_some_and(|(_, at)| old(at)), databases)
    };
    if place && let Err(error) = place_now(clients, site).await {
        debug!(%error, "looking up the place again");
    }
    for reference in databases {
        if let Err(error) = database_now(clients, &reference).await {
            debug!(%error, "looking up a database again");
        }
    }
}

async fn place_now(clients: &Clients, site: &Site) -> Result<Place, CloudError> {
    let found = ec2::find_place(clients, site).await;
    clients.discovery.lock().place =
        found.as_ref().ok().map(|place| (place.clone(), Instant::now()));
    found
}

/// Subnets, groups and endpoints are changed by people, and seldom.
const FRESH: Duration = Duration::from_secs(60);

/// Beyond this a change that nobody noticed is likelier than a person who waits.
const USABLE: Duration = Duration::from_secs(600);
