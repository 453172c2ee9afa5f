//! Credentials, kept as long as they are good: whoever signs a dial needs them at once, and a login that has ended does not
//! end what it has given.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::time::SharedTimeSource;
use tracing::debug;

/// A provider's latest credentials.
#[derive(Debug)]
pub(crate) struct Purse {
    source: SharedCredentialsProvider,
    clock: SharedTimeSource,
    held: Mutex<Option<Credentials>>,
    /// Held by whoever asks the source: the others wait for its answer.
    asking: tokio::sync::Mutex<()>,
}

impl Purse {
    pub(crate) fn new(source: SharedCredentialsProvider, clock: SharedTimeSource) -> Self {
        Self { source, clock, held: Mutex::new(None), asking: tokio::sync::Mutex::new(()) }
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
        match self.source.provide_credentials().await {
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
