//! `service stop` and `restart`: bastions and visits end with the daemon, so whoever is connected is named first.

use bastion_api::client::Client;
use bastion_api::{OnStop, State, Status};
use clap::Args;

use super::manager::Kind;
use super::standing::Standing;
use super::{begun, did_not_start, has_its_program, reach_installed, tell};
use crate::clock;
use crate::commands::close::{CutOff, user};
use crate::error::Failure;
use crate::ui::Ui;
use crate::words::clean;

// What the help says stands with the two commands.
#[derive(Args, Debug)]
pub(crate) struct Ending {
    /// Do not ask, also when somebody is connected
    #[arg(long, short)]
    yes: bool,
}

impl Ending {
    /// Without asking or with.
    pub(super) fn new(yes: bool) -> Self {
        Self { yes }
    }

    pub(super) async fn stop(
        self,
        kind: Kind,
        client: &Client,
        ui: &mut Ui,
    ) -> Result<(), Failure> {
        let (manager, was) = reach_installed(kind).await?;
        self.end(&was, "stop", client, ui).await?;
        manager.stop().await?;
        tell(&manager, &manager.standing().await?, "stop", client, ui).await
    }

    pub(super) async fn restart(
        self,
        kind: Kind,
        client: &Client,
        ui: &mut Ui,
    ) -> Result<(), Failure> {
        let (manager, was) = reach_installed(kind).await?;
        // Before anybody is cut off for what would not come back.
        has_its_program(&was)?;
        self.end(&was, "restart", client, ui).await?;
        manager.restart().await.map_err(did_not_start)?;
        begun(&manager, "restart", client, ui).await
    }

    /// Says what ends with the service, and asks where somebody is connected.
    pub(super) async fn end(
        &self,
        was: &Standing,
        deed: &str,
        client: &Client,
        ui: &mut Ui,
    ) -> Result<(), Failure> {
        // A daemon that is down is not to be started for the question.
        if !was.running {
            return Ok(());
        }
        let Ok(status) = client.status().await else { return Ok(()) };
        let users = users(&status);
        if !users.is_empty() && !self.yes {
            let cut = CutOff {
                message: "somebody is connected through bastiond",
                users,
                unasked: format!("bastionctl service {deed} --yes"),
                question: &format!("{} it all the same?", capital(deed)),
                spared: "bastiond goes on",
            };
            cut.confirm(ui).await?;
        }
        let open = open(&status);
        if !open.is_empty() {
            let open = open.join(", ");
            ui.talk(&match status.on_stop {
                Some(OnStop::Leave) => {
                    format!("the bastions of {open} run on, as on_stop = \"leave\" says")
                }
                Some(OnStop::Stop | OnStop::Unknown) | None => {
                    format!("stopping the bastions of {open}, too")
                }
            });
        }
        Ok(())
    }
}

/// `prod-db: psql (pid 4711), connected for 12 min`
fn users(status: &Status) -> Vec<String> {
    let of = |target: &bastion_api::TargetStatus| {
        let name = clean(&target.name);
        target
            .visits
            .iter()
            .map(move |visit| format!("{name}: {}", user(visit, clock::today())))
            .collect::<Vec<_>>()
    };
    status.targets.iter().flat_map(of).collect()
}

/// The targets that have a bastion, or will have one in a moment.
fn open(status: &Status) -> Vec<String> {
    let has = |state| match state {
        State::Starting | State::Ready => true,
        State::Cold | State::Stopping | State::Problem | State::Unknown => false,
    };
    status.targets.iter().filter(|target| has(target.state)).map(|it| clean(&it.name)).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
