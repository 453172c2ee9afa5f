//! The way to AWS: a site's profile, region, credentials and clients, resolved at first use and again when needed.
//!
//! ```text
//!                 a call                     a call's credentials failed (`stale`),
//!   nothing yet ─────────► clients ◄──┐      or the profile files have changed:
//!                             │       │      the next call resolves everything afresh
//!                             └───────┘
//! ```
//!
//! The SDK parses profile files once, and a provider that has failed to start fails for ever ("initialization error
//! already taken"); so a new login is only seen by a new configuration.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::identity::IdentityCache;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bastion_cloud::{CloudError, Keys, Kind, LoginWay, Secret, Site};

use crate::fault::{self, Refusal};
use crate::near::near;
use crate::{Settings, identity};

/// A site's way to AWS.
#[derive(Debug)]
pub(crate) struct Access {
    profile: Option<String>,
    region: Option<String>,
    settings: Settings,
    http: OnceLock<SharedHttpClient>,
    held: Mutex<Option<Held>>,
}

/// Clients, and the profile files as they were when the clients were made.
#[derive(Debug)]
struct Held {
    clients: Arc<Clients>,
    files: Vec<Stamp>,
}

/// When a file was last written, and how long it is.
type Stamp = Option<(SystemTime, u64)>;

impl Access {
    pub(crate) fn new(site: &Site, settings: Settings) -> Self {
        Self {
            profile: site.profile.clone(),
            region: site.region.clone(),
            settings,
            http: OnceLock::new(),
            held: Mutex::new(None),
        }
    }

    /// Clients that are as fresh as the profile files.
    pub(crate) async fn clients(&self) -> Result<Arc<Clients>, CloudError> {
        let files = self.stamps();
        if let Some(clients) = self.held_as_of(&files) {
            return Ok(clients);
        }
        let clients = Arc::new(self.resolve().await?);
        let held = Held { clients: Arc::clone(&clients), files };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(clients)
    }

    /// The next call resolves all afresh.
    pub(crate) fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn held_as_of(&self, files: &[Stamp]) -> Option<Arc<Clients>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref()
            .filter(|held| held.files == files && !held.clients.stale.load(Ordering::Relaxed))
            .map(|held| Arc::clone(&held.clients))
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.files().iter().map(|path| path.as_deref().and_then(stamp)).collect()
    }

    /// The two profile files, in the order config, credentials.
    fn files(&self) -> [Option<PathBuf>; 2] {
        [
            self.settings.config_file.clone().or_else(|| usual_file("AWS_CONFIG_FILE", "config")),
            self.settings
                .credentials_file
                .clone()
                .or_else(|| usual_file("AWS_SHARED_CREDENTIALS_FILE", "credentials")),
        ]
    }

    fn profile_files(&self) -> EnvConfigFiles {
        let mut files = EnvConfigFiles::builder();
        // A file of the usual name may be missing; to the SDK one that is named may not. To us either may: a person
        // without keys of their own has no credentials file.
        files = match &self.settings.config_file {
            Some(path) if !path.exists() => files,
            Some(path) => files.with_file(EnvConfigFileKind::Config, path),
            None => files.include_default_config_file(true),
        };
        files = match &self.settings.credentials_file {
            Some(path) if !path.exists() => files,
            Some(path) => files.with_file(EnvConfigFileKind::Credentials, path),
            None => files.include_default_credentials_file(true),
        };
        files.build()
    }

    async fn resolve(&self) -> Result<Clients, CloudError> {
        self.check_profile().await?;
        let http = self.http.get_or_init(|| {
            aws_smithy_http_client::Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build_https()
        });
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(self.settings.attempt)
            .operation_timeout(self.settings.operation)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .profile_files(self.profile_files())
            .timeout_config(timeouts.clone())
            .identity_cache(IdentityCache::lazy().load_timeout(self.settings.credentials).build())
            // The upgrade of a tunnel is signed with this machine's clock: what the SDK would paper over breaks there,
            // with worse words.
            .disable_clock_skew_correction(true);
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let mut sdk = loader.load().await;
        if let Some(profile) = &self.profile {
            // A profile that the config names counts for more than keys in the environment, as with `aws --profile`;
            // the SDK's own chain asks the environment first.
            let provider = ProviderConfig::without_region()
                .with_region(sdk.region().cloned())
                .with_http_client(http.clone())
                .with_timeout_config(timeouts);
            let credentials = ProfileFileCredentialsProvider::builder()
                .configure(&provider)
                .profile_files(self.profile_files())
                .profile_name(profile)
                .build();
            sdk = sdk
                .into_builder()
                .credentials_provider(SharedCredentialsProvider::new(credentials))
                .build();
        }
        Clients::new(&sdk, self.named_profile(), self.settings.credentials)
    }

    /// Whether the profile exists: the SDK would say so only when it wants credentials, and without candidates.
    async fn check_profile(&self) -> Result<(), CloudError> {
        let Some(wanted) = &self.profile else {
            return Ok(());
        };
        let profiles = aws_config::profile::load(
            &Default::default(),
            &Default::default(),
            &self.profile_files(),
            None,
        )
        .await
        .map_err(|err| CloudError {
            call: CONFIGURATION,
            kind: Kind::Invalid,
            message: fault::words(&err),
            request_id: None,
        })?;
        if profiles.get_profile(wanted).is_some() {
            return Ok(());
        }
        let [config, _] = self.files();
        let file =
            config.map_or_else(|| "~/.aws/config".to_owned(), |path| path.display().to_string());
        Err(CloudError {
            call: CONFIGURATION,
            kind: Kind::NotFound {
                what: "profile",
                candidates: near(wanted, profiles.profiles().map(str::to_owned)),
            },
            message: format!("no profile \"{wanted}\" in {file}"),
            request_id: None,
        })
    }

    /// The profile in use, where one is named at all.
    fn named_profile(&self) -> Option<String> {
        self.profile
            .clone()
            .or_else(|| std::env::var("AWS_PROFILE").ok())
            .filter(|name| !name.is_empty())
    }
}

/// One resolved configuration and a client of each service.
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
    profile: Option<String>,
    pub(crate) sdk: SdkConfig,
    patience: Duration,
    stale: AtomicBool,
}

impl Clients {
    fn new(
        sdk: &SdkConfig,
        profile: Option<String>,
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
            ecs: aws_sdk_ecs::Client::new(sdk),
            ec2: aws_sdk_ec2::Client::new(sdk),
            rds: aws_sdk_rds::Client::new(sdk),
            ssm: aws_sdk_ssm::Client::new(sdk),
            secrets: aws_sdk_secretsmanager::Client::new(sdk),
            sts: aws_sdk_sts::Client::new(sdk),
            region: region.to_string(),
            account: OnceLock::new(),
            profile,
            sdk: sdk.clone(),
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
        let refusal = Refusal::new(call, err, self.profile.as_deref(), now);
        self.note(&refusal.error);
        refusal
    }

    /// Credentials resolved for this very moment.
    pub(crate) async fn keys(&self, call: &'static str) -> Result<Keys, CloudError> {
        let Some(provider) = self.sdk.credentials_provider() else {
            return Err(self.login(call, "no credentials are configured".to_owned()));
        };
        let credentials =
            match tokio::time::timeout(self.patience, provider.provide_credentials()).await {
                Ok(Ok(credentials)) => credentials,
                Ok(Err(err)) => {
                    let (kind, message) = fault::credentials(&err, self.profile.as_deref());
                    let error = CloudError { call, kind, message, request_id: None };
                    self.note(&error);
                    return Err(error);
                }
                Err(_) => {
                    let message = format!("no credentials within {} s", self.patience.as_secs());
                    return Err(self.login(call, message));
                }
            };
        Ok(Keys {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: Secret::new(credentials.secret_access_key()),
            session_token: credentials.session_token().map(Secret::new),
        })
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

    fn login(&self, call: &'static str, message: String) -> CloudError {
        let kind = Kind::Login { profile: self.profile.clone(), way: LoginWay::Unknown };
        let error = CloudError { call, kind, message, request_id: None };
        self.note(&error);
        error
    }

    fn note(&self, error: &CloudError) {
        if matches!(error.kind, Kind::Login { .. }) {
            self.stale.store(true, Ordering::Relaxed);
        }
    }
}

fn usual_file(variable: &str, name: &str) -> Option<PathBuf> {
    let home = std::env::home_dir();
    match std::env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => match (Path::new(&path).strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => Some(home.join(rest)),
            (Ok(_), None) | (Err(_), _) => Some(PathBuf::from(path)),
        },
        None => home.map(|home| home.join(".aws").join(name)),
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// What is named in place of a call when the configuration itself is at fault.
const CONFIGURATION: &str = "aws:configuration";

/// How long a TCP and TLS connection to AWS may take: the SDK's own default (3.1 s) is short for a hotel's network.
const CONNECT: Duration = Duration::from_secs(5);
