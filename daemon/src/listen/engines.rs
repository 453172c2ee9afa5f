//! What each target speaks: as configured, else as last discovered, else by its remote port, else unknown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bastion_cloud::{AuroraEndpoint, Cloud, CloudError, Database, DatabaseRef};
use dbwire::Engine;
use ssm_tunnel::FirstByte;
use tracing::warn;

use crate::config::Target;
use crate::state::write_private;

/// What the targets speak. Clones know the same.
#[derive(Clone, Debug)]
pub struct Engines {
    discovered: Arc<Mutex<BTreeMap<String, Engine>>>,
    /// The file in the state directory: a line each, engine and database.
    note: PathBuf,
}

impl Engines {
    /// What an earlier run of the daemon discovered.
    ///
    /// A file that cannot be read is no loss: what it said is discovered anew.
    pub fn remembered(state_dir: &Path) -> Self {
        let note = state_dir.join("engines");
        let written = std::fs::read_to_string(&note).unwrap_or_default();
        let read = written.lines().filter_map(|line| line.split_once(' '));
        let known = read.map(|(word, database)| (database.to_owned(), Engine::from_name(word)));
        Self { discovered: Arc::new(Mutex::new(known.collect())), note }
    }

    /// What is known without asking anybody.
    pub fn known(&self, target: &Target) -> Option<Engine> {
        let by_port = || match &target.database {
            DatabaseRef::Host(_, port) => Some(Engine::from_port(*port)),
            DatabaseRef::Rds(_) | DatabaseRef::Aurora(..) | DatabaseRef::Proxy(_) => None,
        };
        target.engine.or_else(|| self.discovered().get(&name_of(target)).copied()).or_else(by_port)
    }

    /// What is known, else what the cloud says about the database: a look that starts nothing and costs nothing.
    pub async fn learn(&self, target: &Target, cloud: &dyn Cloud) -> Result<Engine, CloudError> {
        if let Some(engine) = self.known(target) {
            return Ok(engine);
        }
        let database = cloud.find_database(&target.database).await?;
        let engine = engine_of(&database);
        self.remember(target, engine);
        Ok(engine)
    }

    fn remember(&self, target: &Target, engine: Engine) {
        let mut discovered = self.discovered();
        if discovered.insert(name_of(target), engine) == Some(engine) {
            return;
        }
        let lines: String =
            discovered.iter().map(|(name, engine)| format!("{} {name}\n", engine.word())).collect();
        if let Err(err) = write_private(&self.note, lines.as_bytes()) {
            warn!(%err, "remembering what the databases speak");
        }
    }

    fn discovered(&self) -> MutexGuard<'_, BTreeMap<String, Engine>> {
        self.discovered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A database's name among all that a config may name: a target that is given another one is discovered anew.
fn name_of(target: &Target) -> String {
    let database = match &target.database {
        DatabaseRef::Rds(id) => format!("rds {id}"),
        DatabaseRef::Aurora(id, AuroraEndpoint::Writer) => format!("aurora {id} writer"),
        DatabaseRef::Aurora(id, AuroraEndpoint::Reader) => format!("aurora {id} reader"),
        DatabaseRef::Aurora(id, AuroraEndpoint::Custom(name)) => {
            format!("aurora {id} custom {name}")
        }
        DatabaseRef::Proxy(name) => format!("proxy {name}"),
        DatabaseRef::Host(host, port) => format!("host {host} {port}"),
    };
    format!("{} {database}", target.site.name)
}

/// When a database has to give a sign: MySQL's speaks first, PostgreSQL's answers its client's first message.
pub(super) fn first_byte(engine: Engine) -> FirstByte {
    match engine {
        Engine::Postgres => FirstByte::AfterVisitor,
        Engine::Mysql => FirstByte::AtOnce,
        Engine::Other => FirstByte::AnyTime,
    }
}

/// What a database speaks, by its engine's name, else by its port.
pub(crate) fn engine_of(database: &Database) -> Engine {
    let by_name = database.engine.as_deref().map(Engine::from_name);
    by_name.unwrap_or_else(|| Engine::from_port(database.remote.port))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dbwire::Engine;

    use super::Engines;
    use crate::config::{self, Target};

    #[test]
    fn what_was_discovered_is_remembered_of_the_database_and_not_of_the_targets_name() {
        let state = tempfile::tempdir().unwrap();
        let engines = Engines::remembered(state.path());
        assert_eq!(engines.known(&target("rds = \"one\"")), None);
        engines.remember(&target("rds = \"one\""), Engine::Mysql);
        let next_run = Engines::remembered(state.path());
        assert_eq!(next_run.known(&target("rds = \"one\"")), Some(Engine::Mysql));
        assert_eq!(next_run.known(&target("rds = \"two\"")), None);
        assert_eq!(next_run.known(&target("aurora = \"one\"")), None);
    }

    fn target(database: &str) -> Target {
        let text = format!(
            "[site.s]\nregion = \"eu-west-1\"\ncluster = \"c\"\ntask_definition = \"t\"\n\
             subnets = [\"subnet-0123456789abcdef0\"]\n\
             security_groups = [\"sg-0123456789abcdef0\"]\n\
             [target.db]\nsite = \"s\"\n{database}\nlisten = 15432\n"
        );
        config::parse(Path::new("config.toml"), &text).unwrap().targets.remove(0)
    }
}
