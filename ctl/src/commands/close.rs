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

    async fn confirm(&self, refused: &Refused, ui: &mut Ui) -> Result<(), Failure> {
        let name = clean(&self.target);
        let today = clock::today();
        let cut = CutOff {
            message: &format!("{name} is in use"),
            users: refused.visits.iter().map(|visit| user(visit, today)).collect(),
            unasked: format!("bastionctl close {name} --yes"),
            question: "Close it all the same?",
            spared: &format!("{name} stays open"),
        };
        cut.confirm(ui).await
    }
}

/// What would cut off somebody who is connected.
pub(crate) struct CutOff<'a> {
    /// That somebody is.
    pub(crate) message: &'a str,
    /// Who.
    pub(crate) users: Vec<String>,
    /// What does it without asking.
    pub(crate) unasked: String,
    /// The question.
    pub(crate) question: &'a str,
    /// What is said where the answer is no.
    pub(crate) spared: &'a str,
}

impl CutOff<'_> {
    /// Asks whether those who are connected may be cut off; a failure where nobody can answer, or does not want it.
    pub(crate) async fn confirm(self, ui: &mut Ui) -> Result<(), Failure> {
        if !ui.settings().in_terminal || !ui.settings().err_terminal {
            let mut problem = Problem::new("C06", ProblemKind::Failed, self.message);
            problem.causes = self.users;
            return Err(problem.hint(self.unasked).into());
        }
        ui.insist(&format!("{}:", self.message));
        for user in self.users {
            ui.insist(&format!("  {user}"));
        }
        if ui.ask(self.question).await {
            return Ok(());
        }
        ui.talk(self.spared);
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
