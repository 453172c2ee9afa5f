use std::time::Duration;

use bastion_api::client::Client;
use bastion_api::{Problem, ProblemKind, SCHEMA_VERSION, State, TargetStatus};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::unknown;
use crate::clock;
use crate::error::Failure;
use crate::ui::{Step, Ui};
use crate::words::{clean, duration};

/// Wait until a target is ready, or cold
///
/// Starts and stops nothing. Problems are told as they come up, and the wait goes on: a login may be renewed.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  bastionctl wait prod-db")]
pub(crate) struct Wait {
    /// The target, as the config names it
    target: String,
    /// What to wait for
    #[arg(long = "for", value_name = "STATE", value_enum, default_value = "ready")]
    wanted: Wanted,
    /// How long to wait at most (60s, 5m)
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "60s")]
    timeout: Duration,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    /// Visits go through
    Ready,
    /// No bastion runs
    Cold,
}

/// What is printed of a target that is as it was waited for.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Reached<'a> {
    schema_version: u32,
    target: &'a TargetStatus,
}

impl Wait {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let begun = clock::now();
        let mut told: Vec<Problem> = Vec::new();
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tick.tick().await;
            let target = self.look(client).await?;
            let waited = clock::now().duration_since(begun);
            if self.wanted.is(&target) {
                return self.reached(&target, ui);
            }
            if waited >= self.timeout {
                return Err(self.too_late(&target).into());
            }
            for problem in &target.problems {
                if !told.contains(problem) {
                    ui.talk(&format!("{}: {}", clean(&target.name), clean(&problem.message)));
                    for hint in &problem.hints {
                        ui.talk(&format!("  hint: {}", clean(hint)));
                    }
                    told.push(problem.clone());
                }
            }
            ui.step(self.step(&target, waited));
        }
    }

    async fn look(&self, client: &Client) -> Result<TargetStatus, Failure> {
        let mut report = client.status().await?;
        let found = report.targets.iter().position(|target| target.name == self.target);
        let Some(found) = found else {
            let names = report.targets.iter().map(|target| target.name.as_str());
            return Err(unknown(&self.target, names).into());
        };
        Ok(report.targets.swap_remove(found))
    }

    fn reached(&self, target: &TargetStatus, ui: &mut Ui) -> Result<(), Failure> {
        if ui.settings().json {
            return ui.json(&Reached { schema_version: SCHEMA_VERSION, target });
        }
        ui.talk(&format!("{}: {}", clean(&target.name), target.state.word()));
        Ok(())
    }

    /// Time is up: how the target is instead, what is wrong with it, and what helps.
    fn too_late(&self, target: &TargetStatus) -> Problem {
        let (name, word) = (clean(&target.name), self.wanted.word());
        let waited = duration(self.timeout.as_secs());
        let message = format!("{name} is not {word} after {waited}");
        let code = "C09";
        let mut problem = Problem::new(code, ProblemKind::TimedOut, message)
            .because(format!("it {}", state(target)));
        for trouble in &target.problems {
            problem = problem.because(trouble.message.clone());
            problem.causes.extend(trouble.causes.iter().cloned());
            problem.hints.extend(trouble.hints.iter().cloned());
        }
        let nobody_asked = matches!(target.state, State::Cold) && target.problems.is_empty();
        match self.wanted {
            Wanted::Ready if nobody_asked => problem.hint(format!("bastionctl open {name}")),
            Wanted::Cold if target.state == State::Ready => {
                problem.hint(format!("bastionctl close {name}"))
            }
            Wanted::Ready | Wanted::Cold => problem,
        }
    }

    fn step(&self, target: &TargetStatus, waited: Duration) -> Step {
        let state = target.stage.map_or(target.state.word(), |stage| stage.words());
        Step::wait(&target.name, state, waited, self.timeout)
    }
}

impl Wanted {
    fn is(self, target: &TargetStatus) -> bool {
        match self {
            Self::Ready => target.state == State::Ready,
            // A target with a problem of its own, such as a port that is taken, has no bastion either.
            Self::Cold => {
                target.state == State::Cold
                    || (target.state == State::Problem && target.task.is_none())
            }
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Cold => "cold",
        }
    }
}

/// How a target is, as the rest of a sentence: `is starting (pulling image)`
fn state(target: &TargetStatus) -> String {
    match (target.state, target.stage) {
        (State::Problem, _) => "has a problem".into(),
        (state, Some(stage)) => format!("is {} ({})", state.word(), stage.words()),
        (state, None) => format!("is {}", state.word()),
    }
}

/// How often we look: a person notices no more, and the daemon has the answer at hand.
const EVERY: Duration = Duration::from_millis(250);
