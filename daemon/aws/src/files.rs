//! The person's AWS files: where they lie, what profiles they hold, and whether they have changed since.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_config::profile::ProfileSet;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use bastion_cloud::{CloudError, Kind};

use crate::access::CONFIGURATION;
use crate::{Settings, fault};

/// The two profile files.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    config: Option<PathBuf>,
    credentials: Option<PathBuf>,
    /// Those of the two that were named by us, and not found where they usually lie.
    named: [bool; 2],
}

impl Files {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (config, credentials) = (&settings.config_file, &settings.credentials_file);
        Self {
            named: [config.is_some(), credentials.is_some()],
            config: config.clone().or_else(|| usual("AWS_CONFIG_FILE", "config")),
            credentials: credentials
                .clone()
                .or_else(|| usual("AWS_SHARED_CREDENTIALS_FILE", "credentials")),
        }
    }

    /// Both, as far as anybody knows where they would lie.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.config.iter().chain(&self.credentials).map(PathBuf::as_path)
    }

    /// The config file's name, for people.
    pub(crate) fn config_name(&self) -> String {
        let path = self.config.as_deref().map(|path| path.display().to_string());
        path.unwrap_or_else(|| "~/.aws/config".to_owned())
    }

    /// Both, as the SDK wants them.
    pub(crate) fn for_sdk(&self) -> EnvConfigFiles {
        let mut files = EnvConfigFiles::builder();
        // A file of the usual name may be missing; to the SDK one that is named may not. To us either may: a person
        // without keys of their own has no credentials file.
        files = match &self.config {
            Some(path) if self.named[0] && !path.exists() => files,
            Some(path) if self.named[0] => files.with_file(EnvConfigFileKind::Config, path),
            _ => files.include_default_config_file(true),
        };
        files = match &self.credentials {
            Some(path) if self.named[1] && !path.exists() => files,
            Some(path) if self.named[1] => files.with_file(EnvConfigFileKind::Credentials, path),
            _ => files.include_default_credentials_file(true),
        };
        files.build()
    }

    /// The profiles that they hold.
    pub(crate) async fn profiles(&self) -> Result<ProfileSet, CloudError> {
        let (fs, env) = Default::default();
        let loaded = aws_config::profile::load(&fs, &env, &self.for_sdk(), None).await;
        loaded.map_err(|err| CloudError {
            call: CONFIGURATION,
            kind: Kind::Invalid,
            message: fault::words(&err),
            request_id: None,
        })
    }
}

/// A file as it was at one look. `aws sso login` replaces its cache by a new file, editors write theirs anew.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Look {
    path: PathBuf,
    seen: Option<(SystemTime, u64, u64)>,
}

impl Look {
    pub(crate) fn at(path: &Path) -> Self {
        let seen = std::fs::metadata(path)
            .ok()
            .and_then(|metadata| Some((metadata.modified().ok()?, metadata.len(), metadata.ino())));
        Self { path: path.to_owned(), seen }
    }

    /// Whether a file looks as it did.
    pub(crate) fn still_holds(&self) -> bool {
        Self::at(&self.path) == *self
    }
}

fn usual(variable: &str, name: &str) -> Option<PathBuf> {
    let home = std::env::home_dir();
    match std::env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => match (Path::new(&path).strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => Some(home.join(rest)),
            (Ok(_), None) | (Err(_), _) => Some(PathBuf::from(path)),
        },
        None => home.map(|home| home.join(".aws").join(name)),
    }
}
