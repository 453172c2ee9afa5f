//! The cloud that is AWS; the only user of its SDK.
//!
//! Read this file as the table of contents: each call of [`Cloud`] is one line into the room where it is made, and
//! `examine` the same for what only the doctor asks. The head of a room has a `needs:` line per call: the IAM actions that
//! the person's policy must allow for it.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bastion_cloud::{
    Bastion, Cloud, CloudError, Database, DatabaseRef, Examine, Identity, Login, LoginState, Place,
    Progress, Remote, Scaled, Secret, SecretRef, Seen, SessionGrant, SessionId, Site, TaskId,
    TaskSpec,
};

mod access;
mod clients;
mod container;
mod discovery;
mod ec2;
mod ecs;
mod examine;
mod fault;
mod files;
mod handmade;
mod helper;
mod http;
mod identity;
mod login;
mod logs;
mod near;
mod pace;
mod probe;
mod purse;
mod rds;
mod ready;
mod secrets;
mod service;
mod ssm;
mod survey;
mod task;
mod token;
mod watch;

pub use survey::AwsSurvey;

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
    /// The only certificates to trust, as a PEM file, in place of `$AWS_CA_BUNDLE`, the profile's `ca_bundle` and the
    /// system's.
    pub ca_bundle: Option<PathBuf>,
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
            ca_bundle: None,
            attempt: Duration::from_secs(15), // above `credentials`, so that a slow helper is told as such
            operation: Duration::from_secs(40), // three attempts that mostly work at once
            credentials: Duration::from_secs(10), // product.md, D29
        }
    }
}

impl Aws {
    /// What came of a call; where somebody spoke in AWS's place, with whose certificate.
    async fn told<T>(&self, came: Result<T, CloudError>) -> Result<T, CloudError> {
        self.access.with_issuer(came).await
    }
}

#[async_trait]
impl Cloud for Aws {
    async fn identity(&self) -> Result<Identity, CloudError> {
        self.told(identity::identity(&self.access).await).await
    }

    async fn login_state(&self) -> LoginState {
        self.access.login_state().await
    }

    fn login_changed(&self) -> bool {
        self.access.login_changed()
    }

    fn forget_login(&self) {
        self.access.forget();
    }

    async fn find_place(&self) -> Result<Place, CloudError> {
        let found = async { discovery::place(&*self.access.clients().await?, &self.site).await };
        self.told(found.await).await
    }

    async fn find_database(&self, database: &DatabaseRef) -> Result<Database, CloudError> {
        if let Some(database) = rds::as_given(database) {
            return Ok(database);
        }
        let found = async { discovery::database(&*self.access.clients().await?, database).await };
        self.told(found.await).await
    }

    async fn refresh_database(&self, database: &DatabaseRef) -> Result<Database, CloudError> {
        if let Some(database) = rds::as_given(database) {
            return Ok(database);
        }
        let found =
            async { discovery::database_now(&*self.access.clients().await?, database).await };
        self.told(found.await).await
    }

    async fn entry_point(&self) -> Result<Vec<String>, CloudError> {
        let clients = self.access.clients().await?;
        let found = container::entry_point(&clients, &self.definitions, &self.site).await;
        self.told(found).await
    }

    async fn run_task(&self, spec: &TaskSpec) -> Result<TaskId, CloudError> {
        let ran = ecs::run_task(&self.access, &self.definitions, &self.site, spec).await;
        self.told(ran).await
    }

    async fn service_task(&self) -> Result<TaskId, CloudError> {
        self.told(service::service_task(&self.access, &self.site).await).await
    }

    async fn scale_service(&self, from: u32, to: u32) -> Result<Scaled, CloudError> {
        self.told(service::scale(&self.access, &self.site, from, to).await).await
    }

    async fn agent_ready(
        &self,
        task: &TaskId,
        progress: Progress<'_>,
        patience: Duration,
    ) -> Result<Bastion, CloudError> {
        let ready = ready::agent_ready(self, task, progress, patience);
        let refreshed = async {
            if let Ok(clients) = self.access.clients().await {
                discovery::refresh(&clients, &self.site).await;
            }
            std::future::pending().await
        };
        let came = tokio::select! {
            came = ready => came,
            never = refreshed => never,
        };
        self.told(came).await
    }

    async fn see_tasks(&self, tasks: &[TaskId]) -> Result<Vec<Seen>, CloudError> {
        self.told(ecs::see_tasks(&self.access, &self.site, tasks).await).await
    }

    async fn task_logs(&self, task: &TaskId) -> Result<Vec<String>, CloudError> {
        self.told(logs::task_logs(self, task).await).await
    }

    async fn list_tasks(&self, started_by: &str) -> Result<Vec<TaskId>, CloudError> {
        self.told(ecs::list_tasks(&self.access, &self.site, started_by).await).await
    }

    async fn stop_task(&self, task: &TaskId, reason: &str) -> Result<(), CloudError> {
        self.told(ecs::stop_task(&self.access, &self.site, task, reason).await).await
    }

    async fn start_session(
        &self,
        bastion: &Bastion,
        remote: &Remote,
        patience: Duration,
    ) -> Result<SessionGrant, CloudError> {
        let started = ssm::start_session(&self.access, &self.site, bastion, remote, patience);
        self.told(started.await).await
    }

    async fn resume_session(&self, session: &SessionId) -> Result<SessionGrant, CloudError> {
        self.told(ssm::resume_session(&self.access, session).await).await
    }

    async fn end_session(&self, session: &SessionId) -> Result<(), CloudError> {
        self.told(ssm::end_session(&self.access, session).await).await
    }

    async fn secret(&self, name: &SecretRef) -> Result<Login, CloudError> {
        self.told(secrets::secret(&self.access, name).await).await
    }

    async fn token(&self, remote: &Remote, user: &str) -> Result<Secret, CloudError> {
        self.told(token::token(&self.access, remote, user).await).await
    }

    fn examiner(&self) -> Option<&dyn Examine> {
        Some(self)
    }
}
