//! One resolved configuration, a client of each service, and the words for what they refuse.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bastion_cloud::{CloudError, Keys, Kind, LoginWay, Secret};

use crate::access::CONFIGURATION;
use crate::discovery::Discovery;
use crate::fault::{self, Refusal};
use crate::identity;
use crate::login::Chain;
use crate::purse::Purse;

/// Clients that share one way to credentials.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) rds: aws_sdk_rds::Client,
    pub(crate) ssm: aws_sdk_ssm::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    pub(crate) region: String,
    pub(crate) account: OnceLock<String>,
    pub(crate) sdk: SdkConfig,
    pub(crate) purse: Arc<Purse>,
    pub(crate) discovery: Discovery,
    profile: Option<String>,
    chain: Option<Chain>,
    clock: SharedTimeSource,
    patience: Duration,
    stale: AtomicBool,
}

impl Clients {
    pub(crate) fn new(
        sdk: SdkConfig,
        profile: Option<String>,
        chain: Option<Chain>,
        purse: Arc<Purse>,
        clock: SharedTimeSource,
        patience: Duration,
    ) -> Result<Self, CloudError> {
        let Some(region) = sdk.region() else {
            return Err(CloudError {
                call: CONFIGURATION,
                kind: Kind::Invalid,
                message: match profile {
                    Some(profile) => format!(
                        "no region: neither the site nor the profile \"{profile}\" names one"
                    ),
                    None => "no region: neither the site nor the environment names one".to_owned(),
                },
                request_id: None,
            });
        };
        Ok(Self {
            ecs: aws_sdk_ecs::Client::new(&sdk),
            ec2: aws_sdk_ec2::Client::new(&sdk),
            rds: aws_sdk_rds::Client::new(&sdk),
            ssm: aws_sdk_ssm::Client::new(&sdk),
            secrets: aws_sdk_secretsmanager::Client::new(&sdk),
            sts: aws_sdk_sts::Client::new(&sdk),
            region: region.to_string(),
            account: OnceLock::new(),
            sdk,
            purse,
            discovery: Discovery::default(),
            profile,
            chain,
            clock,
            patience,
            stale: AtomicBool::new(false),
        })
    }

    /// What the SDK says went wrong, in our terms. Credentials that failed are not used again.
    pub(crate) fn refusal<E>(&self, call: &'static str, err: &SdkError<E, HttpResponse>) -> Refusal
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let now = self.sdk.time_source().map(|clock| clock.now());
        let mut refusal = Refusal::new(call, err, self.profile.as_deref(), now);
        self.note(&mut refusal.error);
        refusal
    }

    /// Credentials that are good at this very moment.
    pub(crate) async fn keys(&self, call: &'static str) -> Result<Keys, CloudError> {
        let asked = tokio::time::timeout(self.patience, self.purse.provide_credentials());
        let (kind, message) = match asked.await {
            Ok(Ok(credentials)) => {
                return Ok(Keys {
                    access_key_id: credentials.access_key_id().to_owned(),
                    secret_access_key: Secret::new(credentials.secret_access_key()),
                    session_token: credentials.session_token().map(Secret::new),
                });
            }
            Ok(Err(err)) => fault::credentials(&err, self.profile.as_deref()),
            Err(_) => {
                let message = format!("no credentials within {} s", self.patience.as_secs());
                (Kind::Login { profile: self.profile.clone(), way: LoginWay::Unknown }, message)
            }
        };
        let mut error = CloudError { call, kind, message, request_id: None };
        self.note(&mut error);
        Err(error)
    }

    /// What time it is, as signatures are told.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Where things were looked for, in words: region, and account where it can be learned.
    pub(crate) async fn whereabouts(&self) -> String {
        if self.account.get().is_none() {
            // The account only makes the message better: whatever fails here is not what went wrong.
            drop(identity::ask(self).await);
        }
        match self.account.get() {
            Some(account) => format!("{} of account {account}", self.region),
            None => self.region.clone(),
        }
    }

    /// Whether credentials have failed, so that all has to be resolved anew.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    /// A login that failed is told with what brings a new one.
    fn note(&self, error: &mut CloudError) {
        let Kind::Login { way, .. } = &mut error.kind else {
            return;
        };
        self.stale.store(true, Ordering::Relaxed);
        let Some(chain) = &self.chain else {
            return;
        };
        let now = self.clock.now();
        let silent = matches!(way, LoginWay::Helper { silent: true, .. });
        *way = match chain.way() {
            LoginWay::Helper { program, .. } => LoginWay::Helper { program, silent },
            // Where its file says that it lasts, and AWS that it has ended, somebody has ended it.
            LoginWay::Sso { ended: Some(end) } => LoginWay::Sso { ended: Some(end.min(now)) },
            known @ (LoginWay::Console
            | LoginWay::Keys
            | LoginWay::Mfa { .. }
            | LoginWay::Sso { ended: None }
            | LoginWay::Unknown) => known,
        };
    }
}
