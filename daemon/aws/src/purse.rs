//! Credentials, kept as long as they are good: whoever signs a dial needs them at once, and a login that has ended does not
//! end what it has given.
//!
//! A refresh token is good once. Sites of one SSO login would renew its token each for itself, and all but the first be
//! refused, as if the login had ended; so they take turns, and whoever comes second finds the new token in its file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::time::SharedTimeSource;
use tracing::debug;

use crate::files::Look;

/// A provider's latest credentials.
#[derive(Debug)]
pub(crate) struct Purse {
    source: SharedCredentialsProvider,
    clock: SharedTimeSource,
    held: Mutex<Option<Credentials>>,
    /// The SSO token that the source may renew; none where it has no such token.
    token: Option<PathBuf>,
    /// Held by whoever asks the source: the others wait for its answer, be they of this purse or of another one with the
    /// same token.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl Purse {
    pub(crate) fn new(
        source: SharedCredentialsProvider,
        clock: SharedTimeSource,
        token: Option<&Path>,
    ) -> Self {
        let asking = token.map(turns).unwrap_or_default();
        Self { source, clock, held: Mutex::new(None), token: token.map(Path::to_owned), asking }
    }

    /// Whether there are credentials that will be good for so long.
    pub(crate) fn is_good_for(&self, left: Duration) -> bool {
        self.good_for(left).is_some()
    }

    fn good_for(&self, left: Duration) -> Option<Credentials> {
        let then: SystemTime = self.clock.now() + left;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().filter(|held| held.expiry().is_none_or(|end| end > then))
    }

    async fn take(&self) -> provider::Result {
        if let Some(good) = self.good_for(EARLY) {
            return Ok(good);
        }
        let _asking = self.asking.lock().await;
        if let Some(good) = self.good_for(EARLY) {
            return Ok(good);
        }
        match self.ask().await {
            Ok(fresh) => {
                *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
                Ok(fresh)
            }
            Err(error) => {
                let Some(old) = self.good_for(LAST) else {
                    return Err(error);
                };
                debug!(%error, "no new credentials, going on with the old ones");
                Ok(old)
            }
        }
    }

    /// Asks the source; once more where somebody else (the AWS CLI) has renewed the token under its hands.
    async fn ask(&self) -> provider::Result {
        let before = self.token.as_deref().map(Look::at);
        match self.source.provide_credentials().await {
            Err(error) if before.is_some_and(|before| !before.still_holds()) => {
                debug!(%error, "the login's token has changed meanwhile");
                self.source.provide_credentials().await
            }
            told => told,
        }
    }
}

/// The turns of all who may renew one token.
fn turns(token: &Path) -> Arc<tokio::sync::Mutex<()>> {
    static TURNS: Mutex<BTreeMap<PathBuf, Arc<tokio::sync::Mutex<()>>>> =
        Mutex::new(BTreeMap::new());
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(turns.entry(token.to_owned()).or_default())
}

impl ProvideCredentials for Purse {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.take())
    }
}

/// How long before their end new credentials are asked for.
const EARLY: Duration = Duration::from_secs(300);

/// How long before their end credentials are no good any more: a request has to arrive while they are.
const LAST: Duration = Duration::from_secs(5);
