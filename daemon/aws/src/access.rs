//! The way to AWS: a site's profile, region, credentials and clients, resolved at first use and again when needed.
//!
//! ```text
//!                 a call                     a call's credentials failed (`stale`),
//!   nothing yet ─────────► clients ◄──┐      or the profile files or the login's token have changed:
//!        │                    │       │      the next call resolves everything afresh
//!        │ files say that     └───────┘
//!        └─ it is hopeless ──► refused, and nobody is asked
//! ```
//!
//! The SDK parses profile files once, and a provider that has failed to start fails for ever ("initialization error
//! already taken"); so a new login is only seen by a new configuration.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::identity::IdentityCache;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::time::SharedTimeSource;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use bastion_cloud::{CloudError, Kind, LoginState, Site};

use crate::Settings;
use crate::clients::Clients;
use crate::files::{Files, Look};
use crate::helper::Helper;
use crate::http::{self, Trust};
use crate::login::{Base, Chain};
use crate::near::near;
use crate::probe::{self, Place};
use crate::purse::Purse;

/// A site's way to AWS.
#[derive(Debug)]
pub(crate) struct Access {
    profile: Option<String>,
    region: Option<String>,
    settings: Settings,
    clock: SharedTimeSource,
    held: Mutex<Option<Held>>,
}

/// Clients, and the files as they were when the clients were made.
#[derive(Debug)]
struct Held {
    clients: Arc<Clients>,
    files: Vec<Look>,
}

/// What the profile files say of a site's profile.
struct Told {
    /// How its credentials come; none where the environment goes before it, or where there is no such profile.
    chain: Option<Chain>,
    /// The bundle of certificates that it names.
    ca_bundle: Option<PathBuf>,
}

impl Access {
    pub(crate) fn new(site: &Site, settings: Settings) -> Self {
        Self::of(site.profile.clone(), site.region.clone(), settings)
    }

    /// The way to an account, whatever is there.
    pub(crate) fn of(profile: Option<String>, region: Option<String>, settings: Settings) -> Self {
        Self {
            profile,
            region,
            settings,
            clock: SharedTimeSource::default(),
            held: Mutex::new(None),
        }
    }

    /// Clients that are as fresh as the files.
    pub(crate) async fn clients(&self) -> Result<Arc<Clients>, CloudError> {
        if let Some(clients) = self.fresh() {
            return Ok(clients);
        }
        let files = Files::new(&self.settings);
        let told = self.told(&files).await?;
        if let Some(error) = self.hopeless(&told) {
            return Err(error);
        }
        let trust = self.trust(&told);
        let paths = files.paths().map(Look::at);
        let paths = paths.chain(told.chain.as_ref().and_then(Chain::cache).map(Look::at));
        let looks = paths.chain(trust.path().map(Look::at)).collect();
        let clients = Arc::new(self.resolve(&files, told, trust).await?);
        let held = Held { clients: Arc::clone(&clients), files: looks };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(clients)
    }

    /// Clients for what is asked without credentials, so that it can be asked though a login has ended.
    pub(crate) async fn reach(&self) -> Result<Arc<Clients>, CloudError> {
        if let Some(clients) = self.fresh() {
            return Ok(clients);
        }
        let files = Files::new(&self.settings);
        let told = self.told(&files).await?;
        let trust = self.trust(&told);
        Ok(Arc::new(self.resolve(&files, told, trust).await?))
    }

    /// What files on this machine tell of the login.
    pub(crate) async fn login_state(&self) -> LoginState {
        // What a login has given outlives it.
        if self.fresh().is_some_and(|clients| clients.purse.is_good_for(Duration::ZERO)) {
            return LoginState::Promising;
        }
        match self.told(&Files::new(&self.settings)).await {
            Ok(told) => self.hopeless(&told).map_or(LoginState::Promising, LoginState::Hopeless),
            Err(error) => LoginState::Hopeless(error),
        }
    }

    /// When a person has to log in again, where files tell.
    pub(crate) async fn login_ends(&self) -> Option<SystemTime> {
        let told = self.told(&Files::new(&self.settings)).await.ok()?;
        told.chain?.ends()
    }

    /// Whether the files are others than those that the clients were made of.
    pub(crate) fn login_changed(&self) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().is_some_and(|held| !held.files.iter().all(Look::still_holds))
    }

    /// What came of a call; where somebody spoke in AWS's place, with whose certificate.
    pub(crate) async fn with_issuer<T>(
        &self,
        came: Result<T, CloudError>,
    ) -> Result<T, CloudError> {
        match came {
            Err(error) if error.kind == (Kind::Intercepted { issuer: None }) => {
                let kind = Kind::Intercepted { issuer: self.issuer().await };
                Err(CloudError { kind, ..error })
            }
            other => other,
        }
    }

    /// Who signed what is shown in AWS's place, where that can be seen.
    async fn issuer(&self) -> Option<String> {
        let clients = self.clients().await.ok()?;
        let endpoint = clients.sdk.endpoint_url();
        match endpoint.filter(|url| url.starts_with("https://")) {
            Some(url) => {
                let place = Place::of(url)?;
                probe::issuer(&place.host, place.port).await
            }
            // Whoever speaks in the place of one service speaks in that of all.
            None => probe::issuer(&format!("sts.{}.amazonaws.com", clients.region), 443).await,
        }
    }

    /// The next call resolves all afresh.
    pub(crate) fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn fresh(&self) -> Option<Arc<Clients>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref()
            .filter(|held| !held.clients.is_stale() && held.files.iter().all(Look::still_holds))
            .map(|held| Arc::clone(&held.clients))
    }

    /// What the profile files say. A profile that the site names and that is not there is an error: the SDK would say
    /// so only when it wants credentials, and without candidates.
    async fn told(&self, files: &Files) -> Result<Told, CloudError> {
        let profiles = files.profiles().await?;
        let name = match &self.profile {
            Some(name) => name.as_str(),
            None => profiles.selected_profile(),
        };
        let Some(profile) = profiles.get_profile(name) else {
            let Some(wanted) = &self.profile else {
                return Ok(Told { chain: None, ca_bundle: None });
            };
            return Err(CloudError {
                call: CONFIGURATION,
                kind: Kind::NotFound {
                    what: "profile",
                    candidates: near(wanted, profiles.profiles().map(str::to_owned)),
                },
                message: format!("no profile \"{wanted}\" in {}", files.config_name()),
                request_id: None,
            });
        };
        // Without a profile of its own the site takes the keys of the environment first, as the SDK does.
        let by_environment = self.profile.is_none() && is_set("AWS_ACCESS_KEY_ID");
        Ok(Told {
            ca_bundle: profile.get("ca_bundle").map(PathBuf::from),
            chain: (!by_environment)
                .then(|| Chain::of(&profiles, name, std::env::home_dir().as_deref())),
        })
    }

    fn hopeless(&self, told: &Told) -> Option<CloudError> {
        let (way, message) = told.chain.as_ref()?.hopeless(self.clock.now())?;
        let kind = Kind::Login { profile: self.named_profile(), way };
        Some(CloudError { call: CONFIGURATION, kind, message, request_id: None })
    }

    /// Whom TLS trusts: whoever the config names, else the environment, else the profile, else the system.
    fn trust(&self, told: &Told) -> Trust {
        let environment = || std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty());
        let bundle = self.settings.ca_bundle.clone();
        let bundle = bundle.or_else(|| environment().map(PathBuf::from));
        Trust::new(bundle.or_else(|| told.ca_bundle.clone()))
    }

    async fn resolve(
        &self,
        files: &Files,
        told: Told,
        trust: Trust,
    ) -> Result<Clients, CloudError> {
        let http = http::client(&trust)?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(self.settings.attempt)
            .operation_timeout(self.settings.operation)
            .build();
        // A helper is ended when its time is up; whoever waits for it hears of that a moment later.
        let patience = self.settings.credentials + HEARD_OF;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .profile_files(files.for_sdk())
            .timeout_config(timeouts.clone())
            .identity_cache(IdentityCache::lazy().load_timeout(patience).build())
            // The upgrade of a tunnel is signed with this machine's clock: what the SDK would paper over breaks there,
            // with worse words.
            .disable_clock_skew_correction(true);
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let sdk = without_empty_endpoint(loader.load().await);
        let base = told.chain.as_ref().map(|chain| &chain.base);
        let source = match (base, &told.chain, &self.profile) {
            (Some(Base::Helper(command)), Some(chain), _) => {
                Some(self.helped(&sdk, command, chain).await)
            }
            // A profile that the config names counts for more than keys in the environment, as with `aws --profile`;
            // the SDK's own chain asks the environment first.
            (_, _, Some(profile)) => {
                let provider = ProviderConfig::without_region()
                    .with_region(sdk.region().cloned())
                    .with_http_client(http)
                    .with_timeout_config(timeouts);
                let credentials = ProfileFileCredentialsProvider::builder()
                    .configure(&provider)
                    .profile_files(files.for_sdk())
                    .profile_name(profile)
                    .build();
                Some(SharedCredentialsProvider::new(credentials))
            }
            (_, _, None) => sdk.credentials_provider(),
        };
        let source = source.ok_or_else(|| CloudError {
            call: CONFIGURATION,
            kind: Kind::Login { profile: self.named_profile(), way: Default::default() },
            message: "no credentials are configured".to_owned(),
            request_id: None,
        })?;
        let token = told.chain.as_ref().and_then(Chain::cache);
        let purse = Arc::new(Purse::new(source, self.clock.clone(), token));
        let held: Arc<dyn ProvideCredentials> = purse.clone();
        let credentials = SharedCredentialsProvider::new(held);
        let sdk = sdk.into_builder().credentials_provider(credentials).build();
        Clients::new(sdk, self.named_profile(), told.chain, purse, self.clock.clone(), patience)
    }

    /// A helper's credentials, and the roles that are assumed with them.
    async fn helped(
        &self,
        sdk: &SdkConfig,
        command: &str,
        chain: &Chain,
    ) -> SharedCredentialsProvider {
        let helper = Helper::new(command.to_owned(), self.settings.credentials);
        let mut source = SharedCredentialsProvider::new(helper);
        for role in &chain.roles {
            let mut provider = AssumeRoleProvider::builder(&role.arn)
                .configure(sdk)
                .session_name(role.session.as_deref().unwrap_or(SESSION));
            if let Some(id) = &role.external_id {
                provider = provider.external_id(id);
            }
            source = SharedCredentialsProvider::new(provider.build_from_provider(source).await);
        }
        source
    }

    /// The profile in use, where one is named at all.
    fn named_profile(&self) -> Option<String> {
        self.profile
            .clone()
            .or_else(|| std::env::var("AWS_PROFILE").ok())
            .filter(|name| !name.is_empty())
    }
}

/// An endpoint that is set to nothing is none; the SDK would panic over it at each call.
fn without_empty_endpoint(sdk: SdkConfig) -> SdkConfig {
    let mut builder = sdk.to_builder();
    if sdk.endpoint_url() == Some("") {
        builder.set_endpoint_url(None);
    }
    // Each service looks by itself, too.
    builder.set_service_config(Some(Said(sdk)));
    builder.build()
}

/// What is set for single services, but for what is set to nothing.
#[derive(Debug)]
struct Said(SdkConfig);

impl LoadServiceConfig for Said {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let value = self.0.service_config()?.load_config(key)?;
        Some(value).filter(|value| !value.is_empty())
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// What is named in place of a call when the configuration itself is at fault.
pub(crate) const CONFIGURATION: &str = "aws:configuration";

/// How long a TCP and TLS connection to AWS may take: the SDK's own default (3.1 s) is short for a hotel's network.
const CONNECT: Duration = Duration::from_secs(5);

/// How much later than a helper's end whoever waits for it gives up.
const HEARD_OF: Duration = Duration::from_secs(1);

/// What a role's session is called where the profile gives it no name.
const SESSION: &str = "bastiond";

#[cfg(test)]
mod tests {
    use aws_config::SdkConfig;
    use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

    use super::without_empty_endpoint;

    /// The environment of a shell that has set an endpoint so.
    #[derive(Debug)]
    struct Set(&'static str);

    impl LoadServiceConfig for Set {
        fn load_config(&self, _: ServiceConfigKey<'_>) -> Option<String> {
            Some(self.0.to_owned())
        }
    }

    #[test]
    fn an_endpoint_that_is_set_to_nothing_is_none() {
        let of = |url: &'static str| {
            let mut sdk = SdkConfig::builder().endpoint_url(url);
            sdk.set_service_config(Some(Set(url)));
            let sdk = without_empty_endpoint(sdk.build());
            let key = ServiceConfigKey::builder().service_id("STS").env("X").profile("x").build();
            let of_one = sdk.service_config().unwrap().load_config(key.unwrap());
            (sdk.endpoint_url().map(str::to_owned), of_one)
        };
        let (all, one) = of("");
        assert_eq!((all, one), (None, None));
        let (all, one) = of("http://x");
        assert_eq!((all.as_deref(), one.as_deref()), (Some("http://x"), Some("http://x")));
    }
}
