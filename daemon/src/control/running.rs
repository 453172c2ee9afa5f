//! The config that the daemon runs with, and the clouds of its targets: exchanged whole, when it is read again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bastion_cloud::Cloud;

use crate::config::{Config, Target};

/// A target, and the cloud of its site.
pub type Pair = (Arc<Target>, Arc<dyn Cloud>);

/// What the daemon runs with at this moment. Clones show the same.
#[derive(Clone, Debug)]
pub struct Running(Arc<Mutex<Arc<Loaded>>>);

/// One config, and what was made of it.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// Its targets in the order of the file, each with its cloud.
    pub targets: Vec<Pair>,
}

/// How the clouds of a config's targets are made; those that are known already stay, as long as their sites do.
#[derive(Clone)]
pub struct CloudMaker(Arc<Make>);

type Make = dyn Fn(&Config, &[Pair]) -> Vec<Pair> + Send + Sync;

impl Running {
    /// The daemon starts with this.
    pub fn new(config: Config, targets: Vec<Pair>) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(Loaded { config, targets }))))
    }

    /// What it runs with.
    pub fn now(&self) -> Arc<Loaded> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From here on it runs with something else.
    pub(super) fn exchange(&self, loaded: Loaded) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
    }
}

impl Loaded {
    /// A target and its cloud, by its name.
    pub fn find(&self, name: &str) -> Option<&Pair> {
        self.targets.iter().find(|(target, _)| target.name == name)
    }

    /// The targets that the config does not name: forwards.
    pub(super) fn beside(&self) -> impl Iterator<Item = &Pair> {
        let named = |name: &str| self.config.targets.iter().any(|target| target.name == name);
        self.targets.iter().filter(move |(target, _)| !named(&target.name))
    }
}

impl CloudMaker {
    /// Clouds are made so.
    pub fn new(make: impl Fn(&Config, &[Pair]) -> Vec<Pair> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(super) fn make(&self, config: &Config, known: &[Pair]) -> Vec<Pair> {
        (self.0)(config, known)
    }
}

impl fmt::Debug for CloudMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloudMaker")
    }
}
