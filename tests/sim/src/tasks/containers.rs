//! A task's containers as processes: how one is started, and who may find it while it runs.

use std::io;
use std::path::PathBuf;

use super::TaskView;
use crate::container::{Container, ContainerSpec};
use crate::realm::Realm;
use crate::world::ContainerDefinition;

/// Starts the process of one container.
pub(super) async fn start(
    realm: &Realm,
    task: &TaskView,
    definition: &ContainerDefinition,
) -> io::Result<Container> {
    let mut environment = definition.environment.clone();
    environment.extend(task.override_environment(&definition.name));
    let command = task.override_command(&definition.name);
    let command = command.unwrap_or_else(|| definition.command.clone());
    Container::start(ContainerSpec {
        name: definition.name.clone(),
        command: definition.entry_point.iter().cloned().chain(command).collect(),
        environment,
        worker_exe: worker_exe(realm.config().worker_exe.clone())?,
    })
    .await
}

/// Makes a running task's containers findable for sessions.
pub(super) fn hold(realm: &Realm, arn: &str, containers: Vec<Container>) {
    realm.tasks().hold(arn, containers);
}

/// Takes them back and ends the sessions in them.
pub(super) fn let_go(realm: &Realm, arn: &str) {
    realm.tasks().hold(arn, Vec::new());
    realm.gateway().end_of_task(arn);
}

/// The program that plays the session worker: as configured, else `bastion-sim` at or near this program.
fn worker_exe(configured: Option<PathBuf>) -> io::Result<PathBuf> {
    if let Some(path) = configured {
        return Ok(path);
    }
    let own = std::env::current_exe()?;
    if own.file_stem().is_some_and(|name| name == PROGRAM) {
        return Ok(own);
    }
    // A test's program stands in target/<profile>/deps, an example's in target/<profile>/examples.
    let mut near = own.ancestors().skip(1).take(3).map(|folder| folder.join(PROGRAM));
    let found = near.find(|path| path.is_file());
    Ok(found.unwrap_or_else(|| {
        // The container runs without it; only a session would miss it.
        tracing::warn!(beside = %own.display(), "no {PROGRAM}: build it, or set worker_exe");
        own.with_file_name(PROGRAM)
    }))
}

const PROGRAM: &str = "bastion-sim";
