//! `init`: what stands in the config for what was chosen of a survey, and writes what is missing.

use std::path::{Path, PathBuf};

use axum::extract::State;
use bastion_api::paths::{self, Env};
use bastion_api::{InitAnswer, InitRequest, SCHEMA_VERSION};
use tracing::warn;

use super::Office;
use super::answer::{Asked, Failed, Told};
use crate::config::write::Found;
use crate::explain;
use crate::init::{Ports, propose};

/// `POST /v1/init`
pub(super) async fn init(
    State(office): State<Office>,
    Asked(asked): Asked<InitRequest>,
) -> Result<Told<InitAnswer>, Failed> {
    let usual = office.running.now().config.path.clone();
    let path = match (&asked.config, usual) {
        (Some(named), _) => PathBuf::from(named),
        (None, Some(path)) => path,
        (None, None) => {
            paths::config_path(None, &Env::of_process()).map_err(|err| explain::no_place(&err))?
        }
    };
    let found = Found::read(&path).map_err(|err| explain::config_not_written(&err))?;
    let mut ports = Ports::remembered(&office.state_dir);
    let proposal = propose(found.config(), &asked, &mut ports);
    let proposal = proposal.map_err(|err| explain::mismatch(&err))?;
    let text = proposal.addition.text().trim_start_matches('\n').to_owned();
    // What could not be written is told by a dry run, too.
    found.with(&proposal.addition).map_err(|err| explain::config_not_written(&err))?;
    let written = asked.write && !proposal.addition.is_empty();
    if written {
        found.add(&proposal.addition).map_err(|err| explain::config_not_written(&err))?;
        // The config has them: what is forgotten is what a target had that is in it no more.
        if let Err(err) = ports.remember() {
            warn!(%err, "remembering the ports of targets");
        }
    }
    Ok(Told(InitAnswer {
        schema_version: SCHEMA_VERSION,
        config: path.display().to_string(),
        existed: found.exists(),
        text,
        written,
        running: runs_with(&office, &path),
        site: proposal.site,
        targets: proposal.targets,
    }))
}

/// Whether a daemon answers that reads this file.
fn runs_with(office: &Office, path: &Path) -> bool {
    let own = office.running.now().config.path.clone();
    let own = own.or_else(|| paths::config_path(None, &Env::of_process()).ok());
    office.live.is_some() && own.as_deref() == Some(path)
}
