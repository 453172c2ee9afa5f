//! Asks this machine and AWS for everything that is judged: all at once, each question with its deadline. Reads only.
//!
//! ```text
//!   files ──▶ who are we? what is in between? what time is it? ──▶ cluster, service, definition, place,
//!    │ hopeless: nobody is asked who would not answer                databases, secrets, tasks
//!    ▼                                                                 └──▶ policies, routes, groups, the last log
//! ```

mod host;
mod site;

use std::sync::Arc;
use std::time::Duration;

use bastion_api::Problem;
use bastion_cloud::{Cloud, CloudError, Kind, Site};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::timeout;

use super::{ConfigFacts, Facts, LiveFacts, TargetFacts};
use crate::config::Target;

/// A target to look at, and what a running daemon knows of it.
#[derive(Clone, Debug)]
pub struct Patient {
    /// The target.
    pub target: Arc<Target>,
    /// Its site's cloud.
    pub cloud: Arc<dyn Cloud>,
    /// What the running daemon knows; none where none runs.
    pub live: Option<LiveFacts>,
    /// Why the running daemon cannot listen for it.
    pub listening: Option<Problem>,
}

/// Everything that is known of these targets. What their sites share is asked once.
pub async fn gather(config: ConfigFacts, patients: Vec<Patient>, now: Timestamp) -> Facts {
    let mut sites: Vec<(Site, Arc<dyn Cloud>, Vec<TargetFacts>)> = Vec::new();
    let looked_at = patients.iter().map(|one| (Arc::clone(&one.target), one.listening.clone()));
    let hosts = host::look(looked_at.collect(), &config.ports).await;
    for (patient, host) in patients.into_iter().zip(hosts) {
        let facts = TargetFacts {
            host,
            live: patient.live,
            ..TargetFacts::of(Arc::clone(&patient.target))
        };
        match sites.iter_mut().find(|(site, _, _)| *site == patient.target.site) {
            Some((_, _, targets)) => targets.push(facts),
            None => sites.push((patient.target.site.clone(), patient.cloud, vec![facts])),
        }
    }
    let asked = sites.into_iter().map(|(site, cloud, targets)| site::look(site, cloud, targets));
    Facts { now, sites: join_all(asked).await, config }
}

/// An answer by its deadline, or that there was none.
async fn by_deadline<T>(
    call: &'static str,
    asked: impl Future<Output = Result<T, CloudError>>,
) -> Result<T, CloudError> {
    timeout(DEADLINE, asked).await.unwrap_or_else(|_| {
        let message = format!("no answer in {} s", DEADLINE.as_secs());
        Err(CloudError { call, kind: Kind::TimedOut, message, request_id: None })
    })
}

/// How long one question may take: longer than a credential helper is waited for, and shorter than a person is patient.
const DEADLINE: Duration = Duration::from_secs(25);
