use bastion_api::client::{Client, ClientError};
use bastion_api::{
    CloseAnswer, CloseRequest, Problem, ProblemKind, Refused, State, Timestamp, VisitStatus,
};
use clap::Args;

use super::about;
use crate::clock;
use crate::error::Failure;
use crate::ui::Ui;
use crate::words::{clean, count, since_until};

/// End a target's visits and stop its bastion
///
/// Asks first when somebody is connected. The next visit starts a bastion again.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl close prod-db")]
pub(crate) struct Close {
    /// The target, as the config names it
    target: String,
    /// Do not ask, also when somebody is connected
    #[arg(long, short)]
    yes: bool,
}

impl Close {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let asked = client.close(&self.target, &CloseRequest { force: self.yes }).await;
        let answer = match asked {
            Err(ClientError::Refused(refused)) => {
                self.confirm(&refused, ui).await?;
                let forced = client.close(&self.target, &CloseRequest { force: true }).await;
                about(client, &self.target, forced).await?
            }
            other => about(client, &self.target, other).await?,
        };
        if ui.settings().json {
            return ui.json(&answer);
        }
        ui.talk(&said(&answer));
        Ok(())
    }

    /// Asks whether those who are connected may be cut off; a failure where nobody can answer, or does not want it.
    async fn confirm(&self, refused: &Refused, ui: &mut Ui) -> Result<(), Failure> {
        let name = clean(&self.target);
        let today = clock::today();
        let users: Vec<String> = refused.visits.iter().map(|visit| user(visit, today)).collect();
        if !ui.settings().in_terminal || !ui.settings().err_terminal {
            let message = format!("{name} is in use");
            let mut problem = Problem::new("C06", ProblemKind::Failed, message);
            problem.causes = users;
            return Err(problem.hint(format!("bastionctl close {name} --yes")).into());
        }
        ui.insist(&format!("{name} is in use:"));
        for user in users {
            ui.insist(&format!("  {user}"));
        }
        if ui.ask("Close it all the same?").await {
            return Ok(());
        }
        ui.talk(&format!("{name} stays open"));
        Err(Failure::Told(ProblemKind::Failed))
    }
}

/// `psql (pid 4711), connected for 12 min`
pub(crate) fn user(visit: &VisitStatus, today: Timestamp) -> String {
    let program = visit.program.as_deref().map_or_else(|| "a program".into(), clean);
    let pid = visit.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    let deed = if visit.waiting { "waiting" } else { "connected" };
    format!("{program}{pid}, {deed} for {}", since_until(visit.since, today))
}

/// What closing did.
pub(crate) fn said(answer: &CloseAnswer) -> String {
    let name = clean(&answer.target);
    let visits = match answer.visits_ended {
        0 => String::new(),
        ended => format!("; {} ended", count(u64::from(ended), "visit")),
    };
    match answer.was {
        State::Cold => format!("{name}: was not open{visits}"),
        State::Problem => format!("{name}: no bastion runs for it{visits}"),
        State::Starting => format!("{name}: its start is called off{visits}"),
        State::Stopping => format!("{name}: was closing already{visits}"),
        State::Ready | State::Unknown => format!("{name}: closed, its bastion stops{visits}"),
    }
}
