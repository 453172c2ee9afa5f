//! The cloud that is AWS; the only user of its SDK.
//!
//! Read this file as the table of contents: each call of [`Cloud`] is one line into the room where it is made. The
//! head of a room has a `needs:` line per call: the IAM actions that the person's policy must allow for it.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bastion_cloud::{
    Bastion, Cloud, CloudError, Database, DatabaseRef, Identity, Login, Place, Progress, Remote,
    Scaled, SecretRef, Seen, SessionGrant, SessionId, Site, TaskId, TaskSpec,
};

mod access;
mod container;
mod ec2;
mod ecs;
mod fault;
mod identity;
mod logs;
mod near;
mod pace;
mod rds;
mod ready;
mod secrets;
mod service;
mod ssm;
mod task;
mod watch;

/// One site on AWS.
///
/// Making one asks nobody anything: the profile is read, and credentials are resolved, at the first call, and again
/// whenever they have failed or the profile files have changed.
#[derive(Debug)]
pub struct Aws {
    site: Site,
    access: access::Access,
    watch: watch::Watch,
    definitions: container::Definitions,
}

impl Aws {
    /// The site as AWS sees it, with the usual settings.
    pub fn new(site: Site) -> Self {
        Self::with(site, Settings::default())
    }

    /// The site as AWS sees it, with settings of one's own.
    pub fn with(site: Site, settings: Settings) -> Self {
        Self {
            access: access::Access::new(&site, settings),
            watch: watch::Watch::default(),
            definitions: container::Definitions::default(),
            site,
        }
    }
}

/// How this machine talks to AWS, beyond what a site says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The profile file to read in place of `$AWS_CONFIG_FILE` and `~/.aws/config`.
    pub config_file: Option<PathBuf>,
    /// The credentials file to read in place of `$AWS_SHARED_CREDENTIALS_FILE` and `~/.aws/credentials`.
    pub credentials_file: Option<PathBuf>,
    /// How long one attempt of a call may take, resolving its credentials included.
    pub attempt: Duration,
    /// How long a call may take with all its attempts.
    pub operation: Duration,
    /// How long credentials may take: a helper that asks on a terminal that isn't there never answers.
    pub credentials: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config_file: None,
            credentials_file: None,
            attempt: Duration::from_secs(15), // above `credentials`, so that a slow helper is told as such
            operation: Duration::from_secs(40), // three attempts that mostly work at once
            credentials: Duration::from_secs(10), // product.md, D29
        }
    }
}

#[async_trait]
impl Cloud for Aws {
    async fn identity(&self) -> Result<Identity, CloudError> {
        identity::identity(&self.access).await
    }

    fn forget_login(&self) {
        self.access.forget();
    }

    async fn find_place(&self) -> Result<Place, CloudError> {
        ec2::find_place(&self.access, &self.site).await
    }

    async fn find_database(&self, database: &DatabaseRef) -> Result<Database, CloudError> {
        rds::find_database(&self.access, database).await
    }

    async fn run_task(&self, spec: &TaskSpec) -> Result<TaskId, CloudError> {
        ecs::run_task(&self.access, &self.definitions, &self.site, spec).await
    }

    async fn service_task(&self) -> Result<TaskId, CloudError> {
        service::service_task(&self.access, &self.site).await
    }

    async fn scale_service(&self, from: u32, to: u32) -> Result<Scaled, CloudError> {
        service::scale(&self.access, &self.site, from, to).await
    }

    async fn agent_ready(
        &self,
        task: &TaskId,
        progress: Progress<'_>,
        patience: Duration,
    ) -> Result<Bastion, CloudError> {
        ready::agent_ready(self, task, progress, patience).await
    }

    async fn see_tasks(&self, tasks: &[TaskId]) -> Result<Vec<Seen>, CloudError> {
        ecs::see_tasks(&self.access, &self.site, tasks).await
    }

    async fn task_logs(&self, task: &TaskId) -> Result<Vec<String>, CloudError> {
        logs::task_logs(self, task).await
    }

    async fn list_tasks(&self, started_by: &str) -> Result<Vec<TaskId>, CloudError> {
        ecs::list_tasks(&self.access, &self.site, started_by).await
    }

    async fn stop_task(&self, task: &TaskId, reason: &str) -> Result<(), CloudError> {
        ecs::stop_task(&self.access, &self.site, task, reason).await
    }

    async fn start_session(
        &self,
        bastion: &Bastion,
        remote: &Remote,
        patience: Duration,
    ) -> Result<SessionGrant, CloudError> {
        ssm::start_session(&self.access, &self.site, bastion, remote, patience).await
    }

    async fn resume_session(&self, session: &SessionId) -> Result<SessionGrant, CloudError> {
        ssm::resume_session(&self.access, session).await
    }

    async fn end_session(&self, session: &SessionId) -> Result<(), CloudError> {
        ssm::end_session(&self.access, session).await
    }

    async fn secret(&self, name: &SecretRef) -> Result<Login, CloudError> {
        secrets::secret(&self.access, name).await
    }
}
