//! Whether the database has moved: an agent knows the address of a remote from the beginning of its session, and dials
//! the old one for ever.

use std::time::Duration;

use bastion_api::EventKind;
use bastion_cloud::{DatabaseRef, Remote};
use tokio::time::timeout;
use tracing::debug;

use super::fleet::Suspicion;
use super::open::addresses_of;
use super::{Route, Tunnels};

impl Tunnels {
    /// The visit that went this way has spoken with the database.
    pub fn reached(&self, route: &Route, number: u64) {
        self.fleet().reached(route, number);
    }

    /// The visit that went this way found no database at its end. Where that may be because the database has moved, or
    /// where it goes on, new visits get another tunnel, and those on the old one end when they do.
    pub fn not_reached(&self, route: &Route, number: u64) {
        let now = self.parts.clock.now();
        let (given_up, suspicion) = self.fleet().not_reached(route, number, now);
        if given_up {
            self.tell_given_up(route, "several visits did not get through");
        }
        let Some(suspicion) = suspicion else { return };
        let (tunnels, route) = (self.clone(), route.clone());
        let stop = self.parts.tasks.stop_token();
        let name = format!("look where {} is", route.target.name);
        self.parts.tasks.spawn(name, async move {
            tokio::select! {
                () = tunnels.look_where(&route, suspicion) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    async fn look_where(&self, route: &Route, suspicion: Suspicion) {
        let found = self.find_anew(route).await;
        let remote = found.as_ref().unwrap_or(&suspicion.remote);
        let means = addresses_of(remote).await;
        let mut stale = Vec::new();
        for opened in &suspicion.opened {
            // Where either is not known, nothing is shown.
            if let Some(meant) = opened.addresses.get()
                && !meant.is_empty()
                && !means.is_empty()
                && meant.is_disjoint(&means)
            {
                stale.push(opened.number);
            }
        }
        let retired = self.fleet().moved(route, found.as_ref(), &stale);
        if retired > 0 {
            self.tell_given_up(route, "the database is at another address");
        }
    }

    /// Where the cloud says the database is by now; none where it has no say, or none just now.
    async fn find_anew(&self, route: &Route) -> Option<Remote> {
        match &route.target.database {
            DatabaseRef::Host(..) => None,
            DatabaseRef::Rds(_) | DatabaseRef::Aurora(..) | DatabaseRef::Proxy(_) => {
                let asked = route.cloud.refresh_database(&route.target.database);
                match timeout(FIND, asked).await {
                    Ok(Ok(database)) => Some(database.remote),
                    Ok(Err(err)) => {
                        debug!(target = route.target.name, %err, "no way to find the database anew");
                        None
                    }
                    Err(_) => None,
                }
            }
        }
    }

    fn tell_given_up(&self, route: &Route, why: &str) {
        let words = format!("new visits get another tunnel: {why}");
        self.parts.events.tell(Some(&route.target.name), EventKind::TunnelClosed, words);
    }
}

/// How long it may take to find a database: a call and its second try.
const FIND: Duration = Duration::from_secs(20);
